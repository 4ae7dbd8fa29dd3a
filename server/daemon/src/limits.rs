//! How much is let in: calls in flight and open connections. What happens inside is not known here.

use std::{fs, sync::Arc};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::grpc::status::Failure;

/// Descriptors kept free for the HTTP port, origins, files and telemetry.
const DESCRIPTORS_KEPT: usize = 256;

/// Lets calls in while there is room and the server stays.
#[derive(Clone, Debug)]
pub(crate) struct Admission {
    calls: Arc<Semaphore>,
    draining: CancellationToken,
}

impl Admission {
    /// At most this many calls at once; none once `draining` is cancelled.
    pub(crate) fn new(calls_max: usize, draining: CancellationToken) -> Self {
        Self { calls: Arc::new(Semaphore::new(calls_max)), draining }
    }

    /// Refuses everything new once the server is on its way out.
    pub(crate) fn open(&self) -> Result<(), Failure> {
        if self.draining.is_cancelled() { Err(Failure::draining()) } else { Ok(()) }
    }

    /// A place for one call, until it is dropped. Nobody waits: who comes too many is told at once.
    pub(crate) fn place(&self) -> Result<OwnedSemaphorePermit, Failure> {
        let full = |_no_place| Failure::new("OVERLOADED", "the server has as many calls in flight as it may");
        Arc::clone(&self.calls).try_acquire_owned().map_err(full)
    }

    /// Cancelled when the server is on its way out.
    pub(crate) fn draining(&self) -> &CancellationToken {
        &self.draining
    }
}

/// How many connections there may be: as configured, but fewer than descriptors are left for them.
pub(crate) fn connections_max(configured: usize) -> usize {
    let Some(descriptors) = descriptors_max() else { return configured };
    let allowed = descriptors.saturating_sub(DESCRIPTORS_KEPT).max(1);
    if allowed < configured {
        tracing::warn!(configured, allowed, "the limit of open files allows fewer connections than configured");
    }
    configured.min(allowed)
}

/// The soft limit of open files of this process, where the system tells it.
fn descriptors_max() -> Option<usize> {
    parse_descriptors(&fs::read_to_string("/proc/self/limits").ok()?)
}

fn parse_descriptors(limits: &str) -> Option<usize> {
    let row = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    row.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_open_files_is_read() {
        let text = "Max processes  7 7 processes\nMax open files            1024      524288     files\n";
        assert_eq!(parse_descriptors(text), Some(1024));
        assert_eq!(parse_descriptors("Max open files  unlimited unlimited files"), None);
        assert_eq!(parse_descriptors(""), None);
    }

    #[test]
    fn places_run_out_and_come_back() {
        let admission = Admission::new(1, CancellationToken::new());
        let place = admission.place().unwrap();
        assert_eq!(admission.place().unwrap_err().reason(), "OVERLOADED");
        drop(place);
        assert!(admission.place().is_ok());
        admission.draining().cancel();
        assert_eq!(admission.open().unwrap_err().reason(), "DRAINING");
    }
}
