//! The service: hands each RPC to its file, and tells what came of it. No RPC is served here.

use std::{sync::Arc, time::Duration};

use hotplate_engine::Cache;
use http::{Request, Response};
use tokio_util::sync::CancellationToken;
use tonic::{Code, body::Body};

use super::{frames, uploads::Uploads, wire::Sent};
use crate::{
    config::Settings,
    grpc::{
        coming::Intake,
        query_write, read_value,
        readers::{Readers, Streaming},
        service::{Answer, Call},
        shape::Shapes,
        status::Failure,
        write_value,
    },
    ledger::Ledger,
    task::Lasting,
    telemetry::{CallRecord, Telemetry},
};

/// Before every method of the service.
const PREFIX: &str = "/hotplate.v1.BlobService/";

/// The RPCs of the service.
const RPCS: [&str; 3] = ["ReadValue", "WriteValue", "QueryWrite"];

/// How often uploads and readers are looked at that may have stalled.
const LOOK: Duration = Duration::from_millis(250);

/// The RPC of the service at this path.
pub(crate) fn blob_rpc_at(path: &str) -> Option<&'static str> {
    let name = path.strip_prefix(PREFIX)?;
    RPCS.into_iter().find(|rpc| *rpc == name)
}

/// What the handlers work with.
#[derive(Debug)]
pub(crate) struct Parts {
    /// The cache.
    pub(crate) cache: Arc<Cache>,
    /// Hears of every call.
    pub(crate) telemetry: Arc<Telemetry>,
    /// Uploads.
    pub(in crate::grpc) uploads: Uploads,
    /// Who reads now.
    pub(in crate::grpc) readers: Arc<Readers>,
    /// Bytes that are held.
    pub(crate) ledger: Arc<Ledger>,
    /// Bytes of a chunk at most.
    pub(crate) chunk_bytes_max: usize,
    /// Bytes of a value at most.
    pub(crate) value_bytes_max: u64,
    /// Bytes that all uploads may hold.
    pub(crate) uploads_bytes_max: u64,
    /// Cancelled when the server is on its way out.
    pub(crate) draining: CancellationToken,
    /// What outlives the call that began it.
    pub(crate) tasks: Lasting,
    /// What requests may become once they are taken apart.
    pub(crate) shapes: Arc<Shapes>,
}

/// The RPCs. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct BlobRpcs(Arc<Parts>);

/// What a call is about, for the record.
#[derive(Debug, Default)]
pub(crate) struct About {
    /// Its namespace, as asked for.
    pub(crate) namespace: String,
    /// Its key.
    pub(crate) key: Option<String>,
}

impl BlobRpcs {
    /// The service over these parts. `tasks` are what outlives its calls.
    pub(crate) fn new(
        settings: &Settings,
        (cache, telemetry, ledger): (Arc<Cache>, Arc<Telemetry>, Arc<Ledger>),
        (tasks, draining): (Lasting, CancellationToken),
        shapes: Arc<Shapes>,
    ) -> Self {
        let uploads = Uploads::new(settings, cache.clock().clone());
        let stall = settings.limits.read_stall;
        let readers = Readers::new(stall, Arc::clone(&ledger), cache.clock().clone());
        Self(Arc::new(Parts {
            uploads,
            readers,
            ledger,
            chunk_bytes_max: settings.limits.chunk_bytes_max,
            value_bytes_max: settings.written_bytes_max(),
            uploads_bytes_max: settings.uploads_bytes_max() as u64,
            draining,
            tasks,
            shapes,
            cache,
            telemetry,
        }))
    }

    /// The bytes that are held for all calls.
    pub(in crate::grpc) fn ledger(&self) -> &Arc<Ledger> {
        &self.0.ledger
    }

    /// Who reads what is large.
    pub(in crate::grpc) fn readers(&self) -> &Arc<Readers> {
        &self.0.readers
    }

    /// A stream that begins, of the call that is being polled, and counts all it hands out.
    pub(in crate::grpc) fn begin_sending(&self) -> Streaming {
        self.0.readers.begin_counted()
    }

    /// Serves a call that the gate let in.
    pub(crate) async fn serve(&self, request: Request<Body>, call: Arc<Call>, intake: &Intake) -> Response<Body> {
        let parts = &self.0;
        let sent = Sent::new(
            request.into_body(),
            parts.chunk_bytes_max,
            intake.clone(),
            (Arc::clone(&parts.shapes), call.rpc),
        );
        let mut about = About::default();
        let served = match call.rpc {
            "ReadValue" => read_value::read_value(parts, &call, (sent, intake.share()), &mut about).await,
            "WriteValue" => whole(write_value::write_value(parts, &call, sent, &mut about).await),
            "QueryWrite" => whole(query_write::query_write(parts, &call, sent, &mut about).await),
            _ => Err(Failure::bug("a call came to a service that does not have it")),
        };
        let (outcome, code, reason) = match &served {
            Ok(answer) => (answer.outcome, Code::Ok, ""),
            Err(failure) => ("", failure.code(), failure.reason()),
        };
        parts.telemetry.call(&CallRecord {
            rpc: call.rpc,
            namespace: &about.namespace,
            key: about.key.as_deref(),
            outcome,
            tier: "",
            code,
            reason,
            caller: call.caller.id(),
            elapsed: parts.cache.clock().now().since(call.started),
        });
        served.map_or_else(Failure::response, |answer| answer.message)
    }

    /// Waits until what outlives its calls has ended; false: some of it had not in this time, and was stopped.
    pub(crate) async fn ended(&self, time: Duration) -> bool {
        self.0.tasks.ended(time).await
    }

    /// Gives up what has stalled, until it is stopped.
    pub(crate) async fn run(self, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
            self.0.uploads.sweep();
            self.0.uploads.look_again(&self.0.cache);
            self.0.readers.sweep(&self.0.cache).await;
        }
    }
}

fn whole<M: prost::Message>(served: Result<Answer<M>, Failure>) -> Result<Answer<Response<Body>>, Failure> {
    served.map(|Answer { message, outcome }| Answer { message: frames::unary(&message), outcome })
}
