//! What is known of a server's streams: whether it has any, and how much it takes with a message.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::queue::OPERATIONS_MAX;
use crate::v1;

/// Of one server.
#[derive(Debug)]
pub(crate) struct Terms {
    absent: AtomicBool,
    operations_max: AtomicUsize,
}

impl Default for Terms {
    fn default() -> Self {
        Self { absent: AtomicBool::new(false), operations_max: AtomicUsize::new(OPERATIONS_MAX) }
    }
}

impl Terms {
    /// Whether the server has no such streams.
    pub(crate) fn absent(&self) -> bool {
        self.absent.load(Ordering::Relaxed)
    }

    pub(crate) fn are_absent(&self) {
        self.absent.store(true, Ordering::Relaxed);
    }

    /// Operations of a message.
    pub(crate) fn operations_max(&self) -> usize {
        self.operations_max.load(Ordering::Relaxed)
    }

    pub(crate) fn allow(&self, operations_max: usize) {
        self.operations_max.store(operations_max.clamp(1, OPERATIONS_MAX), Ordering::Relaxed);
    }

    /// A message had too many. Whatever was known, it takes fewer by now.
    pub(crate) fn refused(&self) {
        self.allow(self.operations_max() / 2);
    }
}

/// Items that go with a call, or operations with a message, by what a server says; one that does not say takes what every
/// server takes by default.
pub(crate) fn batch_items(limits: Option<&v1::ServerLimits>) -> usize {
    let said = limits.map_or(0, |limits| limits.batch_items_max);
    let said = usize::try_from(said).ok().filter(|most| *most > 0);
    said.map_or(OPERATIONS_MAX, |most| most.min(OPERATIONS_MAX))
}
