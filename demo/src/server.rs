//! Starting the servers of the herd, and what they spent.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::{Child, Command},
    time::{sleep, timeout},
};

use crate::cache::Kind;

/// How long a server may take to listen.
const START: Duration = Duration::from_secs(20);
/// Times its port is tried in that time.
const TRIES: u32 = 400;
/// Milliseconds of one tick of the processor time that Linux reports.
const TICK_MS: u64 = 10;

/// A server of the herd. One that was started ends when dropped.
pub(crate) struct Server {
    /// A URL for hotplate, `host:port` for others.
    pub(crate) address: String,
    /// Where hotplate tells its metrics.
    http: Option<String>,
    child: Option<Child>,
}

/// What a server has spent so far: requests, and milliseconds of processor time.
pub(crate) type Usage = (Option<u64>, Option<u64>);

/// What was spent between two looks.
pub(crate) fn used(before: Usage, after: Usage) -> Usage {
    let between = |before: Option<u64>, after: Option<u64>| Some(after?.saturating_sub(before?));
    (between(before.0, after.0), between(before.1, after.1))
}

impl Server {
    /// One that somebody else runs.
    pub(crate) fn running(url: &str) -> Self {
        Self { address: url.to_owned(), http: None, child: None }
    }

    /// Starts one on a free port of this machine.
    ///
    /// # Errors
    /// It is not installed, or does not listen in time.
    pub(crate) async fn start(kind: Kind, program: Option<&Path>, folder: &Path) -> Result<Self, String> {
        if kind == Kind::Hotplate {
            return Self::sharing(program, None).await;
        }
        let port = free_port()?;
        let mut command = match kind {
            Kind::Redis => Command::new("redis-server"),
            Kind::Memcached | Kind::Hotplate => Command::new("memcached"),
        };
        match kind {
            Kind::Redis => {
                command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port", &port.to_string()])
            }
            Kind::Memcached | Kind::Hotplate => {
                command.args(["-l", "127.0.0.1", "-U", "0", "-c", "8192", "-u", "nobody", "-p", &port.to_string()])
            }
        };
        command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let child = command.spawn().map_err(|error| {
            format!("{} cannot be started ({error}): install it, with `apt-get install` on Debian", kind.name())
        })?;
        let server = Self { address: format!("127.0.0.1:{port}"), http: None, child: Some(child) };
        for _ in 0..TRIES {
            if TcpStream::connect(&server.address).await.is_ok() {
                return Ok(server);
            }
            sleep(START / TRIES).await;
        }
        Err(format!("{} does not listen", kind.name()))
    }

    /// Starts a hotplate on a free port of this machine, which shares its entries with others by the Redis at this address.
    ///
    /// # Errors
    /// It does not listen in time, or does not reach that Redis.
    pub(crate) async fn sharing(program: Option<&Path>, redis: Option<&str>) -> Result<Self, String> {
        let program = program.map_or_else(beside_this, |program| Ok(program.to_owned()))?;
        let server = timeout(START, hotplate(&program, redis)).await;
        let server = server.map_err(|_elapsed| "hotplate does not say where it listens")??;
        for _ in 0..TRIES {
            let tiers = match &server.http {
                Some(http) if redis.is_some() => get(http, "/readyz?verbose").await?,
                _ => return Ok(server),
            };
            let at = tiers.find("{").unwrap_or_default();
            let told: serde_json::Value = serde_json::from_str(&tiers[at..]).unwrap_or_default();
            let mut tiers = told["tiers"].as_array().into_iter().flatten();
            if tiers.any(|tier| tier["tier"] == "shared" && tier["health"] == "up") {
                return Ok(server);
            }
            sleep(START / TRIES).await;
        }
        Err("hotplate does not reach the Redis that it is to share".to_owned())
    }

    /// Ends it, if it was started here, and waits for that.
    pub(crate) async fn end(self) {
        if let Some(mut child) = self.child {
            // It served its purpose; how it ends tells nothing.
            let _ended = child.kill().await;
        }
    }

    /// What it has spent so far, where that can be known.
    ///
    /// # Errors
    /// Its metrics cannot be read.
    pub(crate) async fn usage(&self) -> Result<Usage, String> {
        let requests = match &self.http {
            Some(address) => Some(calls(&get(address, "/metrics").await?)),
            None => None,
        };
        let pid = self.child.as_ref().and_then(Child::id);
        Ok((requests, pid.and_then(|pid| cpu_ms(&pid.to_string()))))
    }
}

/// What several servers have spent so far, where that can be known of each.
///
/// # Errors
/// The metrics of one cannot be read.
pub(crate) async fn usage(servers: &[Server]) -> Result<Usage, String> {
    let mut sum: Usage = (Some(0), Some(0));
    for server in servers {
        let one = server.usage().await?;
        let both = |sum: Option<u64>, one: Option<u64>| Some(sum? + one?);
        sum = (both(sum.0, one.0), both(sum.1, one.1));
    }
    Ok(sum)
}

async fn hotplate(program: &Path, redis: Option<&str>) -> Result<Server, String> {
    let failed = |error: std::io::Error| format!("{} cannot be started: {error}", program.display());
    let mut command = Command::new(program);
    command.args(["serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--log-level", "warn"]);
    if let Some(redis) = redis {
        command.args(["--shared-url", &format!("redis://{redis}")]);
    }
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn().map_err(failed)?;
    let mut line = String::new();
    if let Some(output) = child.stdout.take() {
        BufReader::new(output).read_line(&mut line).await.map_err(failed)?;
    }
    let said = || format!("{} printed {line:?} instead of its addresses", program.display());
    let addresses: serde_json::Value = serde_json::from_str(&line).map_err(|_other| said())?;
    let address = |name: &str| addresses[name].as_str().ok_or_else(said);
    Ok(Server {
        address: format!("hotplate://{}", address("grpc")?),
        http: Some(address("http")?.to_owned()),
        child: Some(child),
    })
}

/// The server's program, built beside this one.
pub(crate) fn beside_this() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| format!("this program cannot be found: {error}"))?;
    let program = own.with_file_name(format!("hotplate{}", std::env::consts::EXE_SUFFIX));
    match program.exists() {
        true => Ok(program),
        false => Err(format!("there is no {}: use `cargo x demo herd`, which builds it, or --url", program.display())),
    }
}

fn free_port() -> Result<u16, String> {
    let bound = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    bound.map(|address| address.port()).map_err(|error| format!("no free port: {error}"))
}

async fn get(address: &str, path: &str) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("no {path} from {address}: {error}");
    let mut stream = TcpStream::connect(address).await.map_err(failed)?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(failed)?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await.map_err(failed)?;
    Ok(text)
}

/// Calls of all RPCs that ended.
fn calls(metrics: &str) -> u64 {
    let counts = metrics.lines().filter(|line| line.starts_with("hotplate_calls_total{"));
    counts.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

/// Processor time of a process in milliseconds, in its own code and in the kernel; `None` where there is no `/proc`.
pub(crate) fn cpu_ms(process: &str) -> Option<u64> {
    ticks(&std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?).map(|ticks| ticks * TICK_MS)
}

/// The 14th and 15th field; the second is in parentheses and may hold anything.
fn ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit(") ").next()?.split(' ').skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_spent_is_read() {
        let stat = "12 (a) b) S 1 2 3 4 5 6 7 8 9 10 70 5 0 0 20";
        assert_eq!(ticks(stat), Some(75));
        let metrics =
            "# TYPE\nhotplate_calls_total{rpc=\"Get\",code=\"OK\"} 4\nhotplate_calls_total{rpc=\"Put\"} 1\nother 9\n";
        assert_eq!(calls(metrics), 5);
        assert_eq!(used((Some(2), None), (Some(5), Some(1))), (Some(3), None));
    }
}
