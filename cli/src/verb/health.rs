//! `hotplate health`: whether a server is ready, as exit code for probes of containers and scripts.

use std::time::Duration;

use clap::Args;
use hotplate::ErrorKind;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use crate::{
    connect::Connection,
    exit::{Exit, Failure, Outcome},
    output::{Output, Paint, human},
};

/// Where the probes of a server on this machine are.
const DEFAULT_HTTP: &str = "http://127.0.0.1:7071/readyz";
/// The status line and no more is read of an answer.
const STATUS_LINE_MAX: u64 = 1024;

const EXAMPLES: &str = "\
Examples:
  hotplate health                                is the server ready
  hotplate health --service liveness             does it live, ready or not
  hotplate health --http                         ask the HTTP port of this machine instead
  hotplate health --http http://cache:7071/livez

Exit codes: 0 it serves, 1 it does not, 3 it cannot be reached.
In a container: HEALTHCHECK CMD [\"hotplate\", \"health\"]";

/// Ask whether a server is ready
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Health {
    /// Service to ask for: nothing for the whole server, hotplate.v1.CacheService, liveness or readiness
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    service: String,
    /// Ask this HTTP address instead [default: http://127.0.0.1:7071/readyz]
    #[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = DEFAULT_HTTP, conflicts_with = "service")]
    http: Option<String>,
}

impl Health {
    /// Runs it.
    pub(crate) async fn run(self, connection: &Connection, output: &mut Output) -> Outcome {
        let asked = async {
            match &self.http {
                Some(url) => over_http(url).await,
                None => over_grpc(connection, &self.service).await,
            }
        };
        let state =
            tokio::time::timeout(connection.timeout, asked).await.unwrap_or_else(|_| Err(late(connection.timeout)))?;
        let serves = state == "SERVING";
        if output.wants_json() {
            output.json(&json!({"service": self.service, "status": state}))?;
        } else {
            let paint = if serves { Paint::Good } else { Paint::Bad };
            let text = output.paint(paint, &human::escape(&state));
            output.line(&text)?;
        }
        Ok(if serves { Exit::Done } else { Exit::Negative })
    }
}

fn late(timeout: Duration) -> Failure {
    Failure::new(Exit::Deadline, format!("no answer within {}", human::duration(timeout)))
}

async fn over_grpc(connection: &Connection, service: &str) -> Result<String, Failure> {
    let mut client = HealthClient::new(connection.channel()?);
    match client.check(HealthCheckRequest { service: service.to_owned() }).await {
        Ok(response) => {
            let status = ServingStatus::try_from(response.into_inner().status).unwrap_or(ServingStatus::Unknown);
            Ok(status.as_str_name().to_owned())
        }
        Err(status) if status.code() == Code::NotFound => {
            Err(Failure::new(Exit::Rejected, "the server has no service of this name"))
        }
        Err(status) => {
            let mut error = hotplate::Error::from(status);
            if error.kind == ErrorKind::Unavailable {
                error.message = format!("{}: {}", connection.endpoint, error.message);
            }
            Err(error.into())
        }
    }
}

/// One GET over a connection of its own. The status alone counts.
async fn over_http(url: &str) -> Result<String, Failure> {
    let rest = url.strip_prefix("http://").ok_or_else(|| Failure::usage("the HTTP port speaks http:// only"))?;
    let (host, path) = rest.split_once('/').map_or((rest, "readyz"), |(host, path)| (host, path));
    if url.chars().any(|c| c.is_control() || c == ' ') || host.is_empty() {
        return Err(Failure::usage("write the address like http://127.0.0.1:7071/readyz"));
    }
    let address = if host.ends_with(']') || !host.contains(':') { format!("{host}:7071") } else { host.to_owned() };
    let unreachable = |error: std::io::Error| Failure::new(Exit::Unreachable, format!("{address}: {error}"));
    let mut stream = TcpStream::connect(&address).await.map_err(unreachable)?;
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(unreachable)?;
    let mut answer = Vec::new();
    stream.take(STATUS_LINE_MAX).read_to_end(&mut answer).await.map_err(unreachable)?;
    let answer = String::from_utf8_lossy(&answer);
    let code = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
    match code {
        Some("200") => Ok("SERVING".to_owned()),
        Some(code) => Ok(format!("NOT_SERVING (HTTP {code})")),
        None => Err(Failure::new(Exit::Unreachable, format!("{address} does not speak HTTP/1.1"))),
    }
}
