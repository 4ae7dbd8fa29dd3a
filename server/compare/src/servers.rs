//! The server in its variants, and bare servers, started on free ports. How they are driven is not known here.

use std::{
    fs,
    path::{Path, PathBuf},
};

use hotplate_proto::v1::{EntryView, GetRequest, ListEntriesRequest, cache_service_client::CacheServiceClient};
use prost::Message;
use serde_json::Value;
use tokio::process::Command;
use tonic::transport::Channel;

use crate::{
    generator::Target,
    process::{Core, Cores, Process, output},
    scene::Load,
    side::Side,
};

/// Where the programs are, and where they run.
#[derive(Clone, Debug)]
pub struct Programs {
    /// The folder with `hotplate`, `bare` and `bare-default`, and with the examples in `examples`.
    pub folder: PathBuf,
    /// The cores.
    pub cores: Cores,
}

/// A server that runs, until it is dropped.
#[derive(Debug)]
pub struct Server {
    /// How it is called.
    pub target: Target,
    /// Where probes and metrics are, of ours.
    pub http_port: Option<u16>,
    /// Its own, and what it needs beside it.
    _processes: Vec<Process>,
}

impl Server {
    /// One that is nothing but its process.
    pub(crate) fn new(target: Target, process: Process) -> Self {
        Self { target, http_port: None, _processes: vec![process] }
    }
}

impl Programs {
    /// A program of the folder.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Starts hotplate in one of its variants. Its memory is as large as the scenes need, as are its limits for a load of large
    /// values; everything else is as it comes.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start_ours(&self, side: Side, load: Option<&Load>, folder: &Path) -> Result<Server, String> {
        let mut processes = Vec::new();
        let mut command = self.ours();
        command.args(["--memory-bytes-max", "6GiB"]);
        if load.is_some_and(|load| load.mode == "blob") {
            command.args(["--limits-value-bytes-max", "2GiB"]);
        }
        let (mut token_file, mut ca_file) = (None, None);
        match side {
            Side::OursTls => {
                let (cert, key) = certificate(folder)?;
                command.arg("--tls-cert-file").arg(&cert).arg("--tls-key-file").arg(&key);
                ca_file = Some(cert);
            }
            Side::OursToken | Side::OursTokenScraped => {
                let (config, token) = self.token(folder).await?;
                command.arg("--config").arg(config);
                token_file = Some(token);
            }
            Side::OursUncounted => {
                command.arg("--http-count-calls=false");
            }
            Side::OursTraced => {
                let collector = self.collector(folder).await?;
                command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", collector.1));
                command.env("OTEL_TRACES_SAMPLER", "traceidratio").env("OTEL_TRACES_SAMPLER_ARG", "0.01");
                processes.push(collector.0);
            }
            _ => {}
        }
        let mut process = Process::start(&mut command, folder, &format!("{side:?}"))?;
        let said = process.first_line().await?;
        let http_port = said["http"].as_str().and_then(port);
        let secure = if ca_file.is_some() { "https://" } else { "" };
        let address = format!("{secure}{}", text(&said, "grpc")?);
        let target = Target { side, address, id: process.id(), token_file, ca_file };
        processes.push(process);
        Ok(Server { target, http_port, _processes: processes })
    }

    /// hotplate as it comes, on free ports.
    #[must_use]
    pub fn ours(&self) -> Command {
        let mut command = self.cores.command(&self.program("hotplate"), Core::Server);
        command.env_clear();
        command.args(["serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--log-level", "warn"]);
        command
    }

    /// Starts a bare server whose answers are as large as the load's: `message_bytes` of an encoded answer of a Get.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start_bare(
        &self,
        side: Side,
        load: &Load,
        message_bytes: Option<usize>,
        folder: &Path,
    ) -> Result<Server, String> {
        let shape = side.shape().ok_or_else(|| format!("{} is no bare server", side.name()))?;
        let name = if shape == "default" { "bare-default" } else { "bare" };
        let mut command = self.cores.command(&self.program(name), Core::Server);
        command.env_clear().args(["--shape", shape]);
        if load.mode == "blob" {
            command.args(["--blob-bytes", &load.value_size.to_string()]);
        } else {
            command.args(["--value-bytes", &load.value_size.to_string(), "--values", &load.keys.to_string()]);
            command.args(message_bytes.map(|bytes| format!("--message-bytes={bytes}")));
        }
        let mut process = Process::start(&mut command, folder, &format!("{side:?}"))?;
        let address = text(&process.first_line().await?, "grpc")?;
        let target = Target { side, address, id: process.id(), token_file: None, ca_file: None };
        Ok(Server::new(target, process))
    }

    /// What takes traces and keeps none: on the generator's core.
    async fn collector(&self, folder: &Path) -> Result<(Process, String), String> {
        let mut command = self.cores.command(&self.program("bare"), Core::Generator);
        let mut process = Process::start(command.env_clear(), folder, "collector")?;
        let address = text(&process.first_line().await?, "grpc")?;
        Ok((process, address))
    }

    /// A configuration that demands a token, and a file with that token.
    async fn token(&self, folder: &Path) -> Result<(PathBuf, PathBuf), String> {
        let mut create = Command::new(self.program("hotplate"));
        create.env_clear().args(["token", "create", "--role", "admin", "-o", "json"]);
        let said = output(&mut create).await?;
        let said: Value = serde_json::from_str(&said).map_err(|error| format!("token create said {said}: {error}"))?;
        let (id, sha256, token) = (text(&said, "id")?, text(&said, "sha256")?, text(&said, "token")?);
        let (config, file) = (folder.join("token.toml"), folder.join("token"));
        let table = format!(
            "[[access.tokens]]\nid = \"{id}\"\nsha256 = \"{sha256}\"\nrole = \"admin\"\nnamespaces = [\"*\"]\n"
        );
        write(&config, &table)?;
        write(&file, &token)?;
        Ok((config, file))
    }
}

/// Encoded bytes of what a server answers to a Get of one of its keys: a bare server is to send as many.
///
/// # Errors
/// It has no entry, or does not answer.
pub async fn answer_bytes(target: &Target, view: &str) -> Result<usize, String> {
    let unanswered = |error: tonic::Status| format!("{} does not answer: {error}", target.side.name());
    let mut client = CacheServiceClient::new(connected(target).await?);
    let listed = client.list_entries(ListEntriesRequest { page_size: 1, ..ListEntriesRequest::default() }).await;
    let entries = listed.map_err(unanswered)?.into_inner().entries;
    let key = entries.into_iter().next().map(|entry| entry.key).ok_or("nothing was filled in")?;
    let view = if view == "value" { EntryView::Value } else { EntryView::Full }.into();
    let found = client.get(GetRequest { key, view, ..GetRequest::default() }).await.map_err(unanswered)?;
    Ok(found.into_inner().encoded_len())
}

/// A connection to a server without TLS.
pub(crate) async fn connected(target: &Target) -> Result<Channel, String> {
    let unreachable = |error: tonic::transport::Error| format!("{} cannot be reached: {error}", target.side.name());
    let endpoint = Channel::from_shared(format!("http://{}", target.address)).map_err(|error| error.to_string())?;
    endpoint.connect().await.map_err(unreachable)
}

fn certificate(folder: &Path) -> Result<(PathBuf, PathBuf), String> {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).map_err(|error| format!("no certificate: {error}"))?;
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    write(&cert, &made.cert.pem())?;
    write(&key, &made.signing_key.serialize_pem())?;
    Ok((cert, key))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

fn text(said: &Value, key: &str) -> Result<String, String> {
    said[key].as_str().map(str::to_owned).ok_or_else(|| format!("`{key}` is missing in {said}"))
}

fn port(address: &str) -> Option<u16> {
    address.rsplit(':').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_for_loopback() {
        let folder = tempfile::tempdir().unwrap();
        let (cert, key) = certificate(folder.path()).unwrap();
        assert!(fs::read_to_string(cert).unwrap().contains("BEGIN CERTIFICATE"));
        assert!(fs::read_to_string(key).unwrap().contains("PRIVATE KEY"));
    }

    #[test]
    fn ports_are_read() {
        assert_eq!(port("127.0.0.1:80"), Some(80));
        assert_eq!(port("[::1]:80"), Some(80));
        assert_eq!(port("nothing"), None);
    }
}
