//! What compressing came to since the start.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use hotplate_engine::tier::CodecState;

#[derive(Debug, Default)]
pub(super) struct Counters {
    raw_bytes: AtomicU64,
    stored_bytes: AtomicU64,
    compressed: AtomicU64,
    plain: AtomicU64,
    compressing: AtomicU64,
    decompressing: AtomicU64,
}

impl Counters {
    pub(super) fn stored(&self, raw: u64, stored: u64, compressed: bool) {
        self.raw_bytes.fetch_add(raw, Ordering::Relaxed);
        self.stored_bytes.fetch_add(stored, Ordering::Relaxed);
        let counter = if compressed { &self.compressed } else { &self.plain };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn compressing(&self, took: Duration) {
        add(&self.compressing, took);
    }

    pub(super) fn decompressing(&self, took: Duration) {
        add(&self.decompressing, took);
    }

    pub(super) fn state(&self) -> CodecState {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CodecState {
            raw_bytes: get(&self.raw_bytes),
            stored_bytes: get(&self.stored_bytes),
            compressed: get(&self.compressed),
            plain: get(&self.plain),
            compressing: Duration::from_nanos(get(&self.compressing)),
            decompressing: Duration::from_nanos(get(&self.decompressing)),
        }
    }
}

fn add(nanos: &AtomicU64, took: Duration) {
    nanos.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
}
