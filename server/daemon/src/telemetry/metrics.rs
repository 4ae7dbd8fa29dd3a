//! The metrics themselves.

use hotplate_engine::{Cache, clock::Clock, event::Event};

use super::CallRecord;

#[derive(Debug)]
pub(super) struct Metrics {
    clock: Clock,
}

impl Metrics {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock }
    }

    pub(super) fn call(&self, _record: &CallRecord<'_>) {}

    pub(super) fn connection_refused(&self) {}

    pub(super) fn observe(&self, _event: &Event) {}

    pub(super) fn scrape(&self, _cache: &Cache, connections: u64) -> String {
        format!("{connections} {:?}", self.clock.now())
    }
}
