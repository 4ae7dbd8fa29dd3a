//! A server of the contract that does what a script says: it answers with any status, never, or with something odd. It
//! stores nothing. What it answers when nothing was scripted is in `plain`.

mod blob;
mod cache;
mod facts;
mod line;
mod plain;

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    sync::Arc,
};

use axum::serve::ListenerExt;
use hotplate_proto::v1::{blob_service_server::BlobServiceServer, cache_service_server::CacheServiceServer};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};
use tonic::{Request, Status, service::Routes};

use self::{facts::Facts, line::Line};

pub use self::line::status;

/// Requests that are remembered of each method.
const SEEN_MAX: usize = 1_000;

/// What a script may have lines for, and what can have been seen.
pub(crate) const METHODS: [&str; 20] = [
    "Get",
    "BatchGet",
    "Put",
    "BatchPut",
    "Touch",
    "Invalidate",
    "ExtendLease",
    "ReleaseLease",
    "Stats",
    "GetServerInfo",
    "ExplainKey",
    "ListEntries",
    "Watch",
    "UpdateWatch",
    "Revalidate",
    "Preload",
    "Pipeline",
    "ReadValue",
    "WriteValue",
    "QueryWrite",
];

/// Whether the scripted server has this method.
pub(crate) fn is_method(name: &str) -> bool {
    METHODS.contains(&name)
}

/// A server with a script. Its port is closed when it is dropped.
#[derive(Debug)]
pub struct Scripted {
    /// Where it listens.
    pub address: SocketAddr,
    script: Arc<Script>,
    _serves: JoinSet<()>,
}

/// What is to come, and what was asked.
#[derive(Debug, Default)]
pub(crate) struct Script {
    /// By method; `any` for those that have no lines of their own.
    lines: Mutex<BTreeMap<String, VecDeque<Line>>>,
    seen: Mutex<BTreeMap<&'static str, Vec<Value>>>,
    uploads: Mutex<blob::Uploads>,
}

/// Answers from a script; the two services of it.
#[derive(Clone, Debug)]
struct Plays(Arc<Script>);

impl Scripted {
    /// Starts it on a free port of loopback, with an empty script.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn start() -> Result<Self, String> {
        let text = |error: std::io::Error| format!("the scripted server cannot be started: {error}");
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(text)?;
        let address = listener.local_addr().map_err(text)?;
        let script = Arc::new(Script::default());
        let plays = Plays(Arc::clone(&script));
        // Not by tonic's own server, which answers late calls by itself: what hangs here hangs.
        let services = Routes::new(CacheServiceServer::new(plays.clone())).add_service(BlobServiceServer::new(plays));
        let listener = listener.tap_io(|stream| {
            // Only slower without it.
            let _slow = stream.set_nodelay(true);
        });
        let mut serves = JoinSet::new();
        serves.spawn(async move {
            // It serves until it is dropped.
            let _ended = axum::serve(listener, services.into_axum_router()).await;
        });
        Ok(Self { address, script, _serves: serves })
    }

    /// The lines of these methods are these from now on.
    ///
    /// # Errors
    /// Lines that make no sense.
    pub fn script(&self, lines: &Value) -> Result<(), String> {
        let fields = lines.as_object().ok_or("a script names methods, each with its lines")?;
        for (method, lines) in fields {
            let lines = lines.as_array().ok_or_else(|| format!("`{method}` has a list of lines"))?;
            let lines = lines.iter().map(Line::read).collect::<Result<_, _>>()?;
            self.script.lines.lock().insert(method.clone(), lines);
        }
        Ok(())
    }

    /// How often a method, any of several, or `any` at all was called, and with what.
    ///
    /// # Errors
    /// There is no such method.
    pub fn seen(&self, methods: &Value) -> Result<Value, String> {
        let wanted = match methods {
            Value::Array(several) => several.clone(),
            one => vec![one.clone()],
        };
        let seen = self.script.seen.lock();
        let mut requests = Vec::new();
        for name in wanted.iter().map(|name| name.as_str().unwrap_or_default()) {
            match name {
                "any" => requests.extend(seen.values().flatten().cloned()),
                name if is_method(name) || name == "Stored" => {
                    requests.extend(seen.get(name).into_iter().flatten().cloned())
                }
                _ => return Err(format!("there is no method `{name}`: {}", METHODS.join(", "))),
            }
        }
        Ok(json!({ "calls": requests.len(), "requests": requests }))
    }
}

/// A time as gRPC sends it: digits and a unit.
fn millis(timeout: &str) -> Option<f64> {
    let (digits, unit) = timeout.split_at_checked(timeout.len().checked_sub(1)?)?;
    let number: f64 = digits.parse().ok()?;
    let in_millis = match unit {
        "H" => 3_600_000.0,
        "M" => 60_000.0,
        "S" => 1_000.0,
        "m" => 1.0,
        "u" => 0.001,
        "n" => 0.000_001,
        _ => return None,
    };
    Some(number * in_millis)
}

impl Script {
    /// The next line of a method; one that stays is not taken off.
    fn next(&self, method: &str) -> Option<Line> {
        let mut lines = self.lines.lock();
        let own = lines.contains_key(method);
        let queue = lines.get_mut(if own { method } else { "any" })?;
        let next = queue.front_mut()?;
        let line = next.clone();
        match next.left() {
            Some(left @ 1..) => next.times = Some(left),
            Some(_) => drop(queue.pop_front()),
            None => {}
        }
        Some(line)
    }

    fn saw(&self, method: &'static str, facts: Value) {
        let mut seen = self.seen.lock();
        let requests = seen.entry(method).or_default();
        if requests.len() < SEEN_MAX {
            requests.push(facts);
        }
    }
}

impl Plays {
    /// Notes a call and does what its line says; what is left of the line is for who answers.
    async fn begin<T: Facts>(&self, method: &'static str, request: Request<T>) -> Result<(T, Line), Status> {
        let header = |name: &str| request.metadata().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut facts = request.get_ref().facts();
        facts["authorization"] = header("authorization").into();
        facts["timeout_ms"] = header("grpc-timeout").and_then(|timeout| millis(&timeout)).into();
        let line = self.told(method, facts).await?;
        Ok((request.into_inner(), line))
    }

    /// The same for a call of which more is not to be noted than this.
    async fn told(&self, method: &'static str, facts: Value) -> Result<Line, Status> {
        self.0.saw(method, facts);
        let line = self.0.next(method).unwrap_or_default();
        if line.hangs {
            std::future::pending::<()>().await;
        }
        if let Some(delay) = line.delay {
            tokio::time::sleep(delay).await;
        }
        match &line.status {
            Some(status) => Err(status.clone()),
            None => Ok(line),
        }
    }
}
