//! Health over gRPC: the names that probes may ask for. Whether the server is ready is decided by `serve`.

use tonic_health::{ServingStatus, pb::health_server::Health, pb::health_server::HealthServer, server::HealthReporter};

use super::coming::SMALL_BYTES;

/// Whether calls are accepted.
const READINESS: [&str; 3] = ["", "hotplate.v1.CacheService", "readiness"];
/// Whether the process answers.
const LIVENESS: &str = "liveness";

/// Sets what the health service says. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct HealthSwitch(HealthReporter);

/// The health service of a server that lives but is not ready.
pub(crate) async fn health() -> (HealthSwitch, HealthServer<impl Health>) {
    let (reporter, server) = tonic_health::server::health_reporter();
    let switch = HealthSwitch(reporter);
    switch.set_ready(false).await;
    switch.0.set_service_status(LIVENESS, ServingStatus::Serving).await;
    // Nobody needs a token for it.
    (switch, server.max_decoding_message_size(SMALL_BYTES))
}

impl HealthSwitch {
    /// Says whether calls are accepted.
    pub(crate) async fn set_ready(&self, ready: bool) {
        let status = if ready { ServingStatus::Serving } else { ServingStatus::NotServing };
        for name in READINESS {
            self.0.set_service_status(name, status).await;
        }
    }
}
