//! The disk tier on a disk that fails. As its callers see it on one that works it is tested in `tests/disk`.

mod crashes;
mod failing;
mod faults;
mod owed;
mod power;
mod saved;
mod waits;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use hotplate_engine::{
    clock::Clock,
    entry::{Description, Payload},
    key::Key,
    tier::{Kept, TierHealth, local::LocalTier},
};

use super::{DiskOptions, DiskTier, Sync};
use crate::codec::{Codec, CodecOptions};
use failing::Failing;

fn key(text: &str) -> Key {
    Key::new("ns", text).unwrap()
}

fn kept(clock: &Clock, value: impl Into<Bytes>) -> Kept {
    let stored = clock.wall(clock.now());
    let value = value.into();
    Kept {
        digest: sha2::Digest::finalize(sha2::Digest::chain_update(<sha2::Sha256 as sha2::Digest>::new(), &value))
            .into(),
        payload: Payload::Value(value),
        description: Arc::new(Description::default()),
        cost: None,
        cost_measured: false,
        stored,
        fresh_until: stored + Duration::from_secs(3600),
        usable_until: stored + Duration::from_secs(3600),
        idle_ttl: None,
        refresh_ahead: None,
        marked: false,
    }
}

/// Bytes that cannot be compressed.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = std::iter::repeat_with(&mut next).take(length / 8 + 1).flatten().collect();
    bytes.truncate(length);
    bytes
}

/// A directory on which whatever is wanted fails, for one tier after the other.
struct Bed {
    directory: tempfile::TempDir,
    clock: Clock,
    files: Arc<Failing>,
    sync: Sync,
}

impl Bed {
    fn new(sync: Sync) -> Self {
        let files = Arc::new(Failing::default());
        Self { directory: tempfile::tempdir().unwrap(), clock: Clock::system(), files, sync }
    }

    fn open(&self) -> Arc<DiskTier> {
        open(self.directory.path(), &self.clock, &self.files, self.sync)
    }
}

fn open(path: &std::path::Path, clock: &Clock, files: &Arc<Failing>, sync: Sync) -> Arc<DiskTier> {
    let options = DiskOptions { sync, ..DiskOptions::new(path, 4 << 20) };
    let codec = Codec::new(CodecOptions::default(), clock.clone());
    DiskTier::open_on(options, codec, clock.clone(), files.clone()).unwrap()
}

async fn get(tier: &DiskTier, text: &str) -> Option<Bytes> {
    let found = tier.get(&key(text)).await.unwrap();
    found.map(|kept| match kept.payload {
        Payload::Value(value) => value,
        _ => panic!("values are stored"),
    })
}

/// Asks again until it is so.
async fn until(what: &str, so: impl Fn() -> bool) {
    let clock = Clock::system();
    let begun = clock.now();
    while !so() {
        assert!(clock.now().since(begun) < Duration::from_secs(60), "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn until_up(tier: &DiskTier) {
    until("it comes back", || tier.state().health == TierHealth::Up).await;
}
