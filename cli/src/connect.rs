//! Which server, namespace and token a verb uses: flags over environment over the saved connection over the defaults.

use std::{fs, path::Path, time::Duration};

use hotplate::{Calls, Client};
use hotplate_load::{Peer, Trust};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

use crate::{
    args::Global,
    context::{Contexts, Saved},
    duration,
    exit::Failure,
};

/// Where a client verb connects when nothing else is said.
const DEFAULT_ENDPOINT: &str = "http://127.0.0.1:7070";
/// Time a call may take when nothing else is said.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// A token file is short: anything longer is another file.
const TOKEN_FILE_BYTES_MAX: u64 = 16 << 10;

/// A connection to use, with the namespace to work in.
pub(crate) struct Connection {
    /// The RPCs.
    pub(crate) calls: Calls,
    /// The namespace.
    pub(crate) namespace: String,
    /// Where the server is, as it was given.
    pub(crate) endpoint: String,
    /// Time a call may take.
    pub(crate) timeout: Duration,
    cacert: Option<Vec<u8>>,
}

/// What was decided, before anything is opened.
struct Target {
    endpoint: String,
    namespace: Option<String>,
    token: Option<String>,
    cacert: Option<Vec<u8>>,
    timeout: Duration,
}

impl Connection {
    /// As flags, environment and saved connection say. Opens nothing yet; must run within the async runtime.
    pub(crate) fn new(global: &Global) -> Result<Self, Failure> {
        let target = Target::resolve(global)?;
        let mut builder = Client::builder().endpoint(target.endpoint.as_str()).timeout(target.timeout);
        builder = builder.allow_insecure_token(global.insecure_token);
        // One call shares a stream with nobody.
        builder = builder.pipelining(false);
        if let Some(namespace) = target.namespace {
            builder = builder.default_namespace(namespace);
        }
        if let Some(token) = target.token {
            builder = builder.token(token);
        }
        if let Some(pem) = &target.cacert {
            builder = builder.tls_ca(pem);
        }
        let client = builder.build().map_err(with_flags)?;
        let namespace = client.namespace_name().to_owned();
        Ok(Self {
            calls: client.calls(),
            namespace,
            endpoint: target.endpoint,
            timeout: target.timeout,
            cacert: target.cacert,
        })
    }

    /// A plain connection to the same server, for services that are not the cache's own, such as health.
    pub(crate) fn channel(&self) -> Result<Channel, Failure> {
        let wrong = |error: tonic::transport::Error| Failure::usage(format!("{}: {error}", self.endpoint));
        let (scheme, rest) = self.endpoint.split_once("://").unwrap_or(("http", &self.endpoint));
        let tls = scheme == "https" || self.cacert.is_some();
        let authority = rest.split(['/', '?']).next().unwrap_or(rest);
        let url = format!("{}://{authority}", if tls { "https" } else { "http" });
        let mut endpoint =
            Endpoint::from_shared(url).map_err(wrong)?.connect_timeout(self.timeout).timeout(self.timeout);
        if tls {
            let config = match &self.cacert {
                Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
                None => ClientTlsConfig::new().with_native_roots(),
            };
            endpoint = endpoint.tls_config(config).map_err(wrong)?;
        }
        Ok(endpoint.connect_lazy())
    }
}

/// The server for `bench`, which makes its own connections, or the peer that is to be measured alone. What the client library
/// refuses, such as a token that would go out unencrypted, is refused here as well.
pub(crate) fn peer(global: &Global) -> Result<Peer, Failure> {
    let target = Target::resolve(global)?;
    let trust = target.cacert.map_or(Trust::System, Trust::Pem);
    let mut peer = Peer::parse(&target.endpoint, trust).map_err(Failure::usage)?;
    if let Peer::Hotplate(server) = &mut peer {
        server.namespace = target.namespace.unwrap_or(std::mem::take(&mut server.namespace));
        server.token = target.token;
        if server.token.is_some() && server.tls.is_none() && !server.is_loopback() && !global.insecure_token {
            return Err(Failure::usage(format!(
                "the token would go to {} unencrypted: use https:// or --cacert, or --insecure-token",
                server.host
            )));
        }
    }
    Ok(peer)
}

/// The client library names its own settings; here they are flags.
fn with_flags(error: hotplate::Error) -> Failure {
    Failure::usage(
        error.message.replace("or allow_insecure_token(true)", "or --insecure-token").replace("TLS,", "--cacert,"),
    )
}

impl Target {
    fn resolve(global: &Global) -> Result<Self, Failure> {
        let saved = saved(global)?;
        let endpoint = filled(global.endpoint.clone()).or(saved.endpoint);
        let cacert = global.cacert.clone().filter(|path| !path.as_os_str().is_empty()).or(saved.cacert);
        let saved_timeout = match &saved.timeout {
            Some(text) => {
                Some(duration::parse(text).map_err(|what| Failure::usage(format!("context: timeout: {what}")))?)
            }
            None => None,
        };
        Ok(Self {
            endpoint: endpoint.unwrap_or_else(|| DEFAULT_ENDPOINT.to_owned()),
            namespace: filled(global.namespace.clone()).or(saved.namespace),
            token: token(global, saved.token, saved.token_file.as_deref())?,
            cacert: cacert.as_deref().map(read).transpose()?,
            timeout: global.timeout.or(saved_timeout).unwrap_or(DEFAULT_TIMEOUT),
        })
    }
}

/// The saved connection that was named, else the one in use, else an empty one.
fn saved(global: &Global) -> Result<Saved, Failure> {
    let named = filled(global.context.clone());
    let contexts = match (&named, Contexts::open(global.config_home.as_deref())) {
        (_, Ok(contexts)) => contexts,
        // Without a home folder nothing can be saved, which is no failure as long as nothing is asked for.
        (None, Err(_)) => return Ok(Saved::default()),
        (Some(_), Err(failure)) => return Err(failure),
    };
    match named.map_or_else(|| contexts.current(), |name| Ok(Some(name)))? {
        Some(name) => contexts.read(&name),
        None => Ok(Saved::default()),
    }
}

fn token(global: &Global, saved: Option<String>, saved_file: Option<&Path>) -> Result<Option<String>, Failure> {
    if let Some(path) = &global.token_file {
        return token_in(path).map(Some);
    }
    match (filled(global.token.clone()).or(saved), saved_file) {
        (Some(token), _) => Ok(Some(token)),
        (None, Some(path)) => token_in(path).map(Some),
        (None, None) => Ok(None),
    }
}

fn token_in(path: &Path) -> Result<String, Failure> {
    let long = fs::metadata(path).is_ok_and(|facts| facts.is_file() && facts.len() > TOKEN_FILE_BYTES_MAX);
    if long {
        return Err(Failure::usage(format!("{}: is too long to be a token", path.display())));
    }
    let text = String::from_utf8(read(path)?);
    let text = text.ok().ok_or_else(|| Failure::usage(format!("{}: is not text", path.display())))?;
    match text.trim() {
        "" => Err(Failure::usage(format!("{}: holds no token", path.display()))),
        token => Ok(token.to_owned()),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
}

/// A variable that is set but empty says nothing: shells and compose files make such.
fn filled(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}
