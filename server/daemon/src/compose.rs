//! Puts the server together: the only file that names every part. What the parts do is not known here.

mod tiers;

use std::sync::{Arc, atomic::AtomicBool};

use hotplate_engine::{Cache, clock::Clock};
use hotplate_proto::v1::cache_service_server::CacheServiceServer;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::{
    access::Access,
    config::Settings,
    grpc::{
        blob::service::BlobRpcs,
        gate::{self, Gate},
        health::{HealthSwitch, health},
        reflection,
        server_info::describe,
        service::{self, CacheRpcs},
        shape::{Most, Shapes},
    },
    http::HttpState,
    ledger::Ledger,
    limits::Admission,
    net::Setup,
    serve::StartError,
    task::Lasting,
    telemetry::Telemetry,
    tls,
};

/// A server that does not listen yet.
pub(crate) struct Composed {
    /// The cache.
    pub(crate) cache: Arc<Cache>,
    /// How gRPC connections are served.
    pub(crate) setup: Arc<Setup>,
    /// What the HTTP port tells.
    pub(crate) http: HttpState,
    /// What the health service says.
    pub(crate) health: HealthSwitch,
    /// Large values; what of them has stalled is given up while this runs.
    pub(crate) blobs: BlobRpcs,
    /// Cancelled when no new calls are taken.
    pub(crate) draining: CancellationToken,
}

/// Makes all parts, not ready.
pub(crate) async fn compose(
    settings: &Settings,
    clock: Clock,
    telemetry: Arc<Telemetry>,
) -> Result<Composed, StartError> {
    let tls = tls::acceptor(&settings.tls).map_err(StartError::Tls)?;
    let access = Access::new(&settings.access.tokens, clock.clone());
    let origins = settings.origins().map_err(StartError::Config)?;
    telemetry.count_calls(settings.http.count_calls);
    let observer = Arc::clone(&telemetry);
    let engine = settings.engine();
    let tiers = tiers::tiers(settings, &engine, &clock)?;
    let cache = Cache::with_tiers(engine, clock.clone(), observer, (origins, tiers));
    let cache = cache.map_err(StartError::Cache)?;
    let draining = CancellationToken::new();
    let tasks = Lasting::here();
    let rpcs = CacheRpcs::new(service::Parts {
        cache: Arc::clone(&cache),
        telemetry: Arc::clone(&telemetry),
        batch_items_max: settings.limits.batch_items_max,
        message_bytes_max: settings.limits.message_bytes_max,
        shapes: Arc::new(Shapes::of_contract(Most {
            items: settings.limits.batch_items_max,
            preload_items: settings.preload.items_max,
            message_bytes: settings.limits.message_bytes_max,
        })),
        lease_wait_max: settings.leases.wait_max,
        tasks: tasks.clone(),
        info: describe(settings, clock.wall(clock.now())),
    });
    let ledger = Ledger::new(&settings.ledger);
    telemetry.tell_of(Arc::clone(&ledger));
    let shared = (Arc::clone(&cache), Arc::clone(&telemetry), Arc::clone(&ledger));
    let blobs = BlobRpcs::new(settings, shared, (tasks, draining.clone()), Arc::clone(&rpcs.parts().shapes));
    let (health, health_server) = health().await;
    let others = reflection::add_to(Routes::new(health_server)).map_err(StartError::Reflection)?;
    let method = access.method();
    let gate = Gate::new(gate::Parts {
        access,
        admission: Admission::new(settings.limits.calls_max, draining.clone()),
        deadline_max: settings.limits.deadline_max,
        telemetry: Arc::clone(&telemetry),
        clock,
        server: CacheServiceServer::new(rpcs.clone()).max_decoding_message_size(settings.limits.message_bytes_max),
        rpcs,
        message_bytes_max: settings.limits.message_bytes_max,
        blobs: blobs.clone(),
        pace: (settings.uploads.rate_min as u64, settings.limits.read_stall),
        others: others.prepare(),
    });
    let ready = Arc::new(AtomicBool::new(false));
    let http = HttpState { ready, cache: Arc::clone(&cache), telemetry, access: method };
    Ok(Composed { cache, setup: Setup::new(settings, gate, tls), http, health, blobs, draining })
}
