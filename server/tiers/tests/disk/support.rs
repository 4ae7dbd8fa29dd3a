//! A tier in a directory of its own, and entries for it. What is tested with them is in the files beside.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use hotplate_engine::{
    chunks::digest_of_value,
    clock::Clock,
    entry::{Dependencies, Description, Payload},
    key::Key,
    tier::{
        Kept,
        local::{HandedDown, LocalTier},
    },
};
use hotplate_tiers::{
    codec::{Codec, CodecOptions},
    disk::{DiskOptions, DiskTier},
};

pub(crate) const BYTES_MAX: u64 = 64 << 20;
/// Room enough for few entries: what is larger than 32 KiB gets a file of its own.
pub(crate) const SMALL: u64 = 2 << 20;

pub(crate) fn key(text: &str) -> Key {
    Key::new("ns", text).unwrap()
}

/// A value that lives for an hour from the clock's start on.
pub(crate) fn kept(clock: &Clock, value: impl Into<Bytes>) -> Kept {
    lasting(clock, value, Duration::from_secs(3600))
}

pub(crate) fn lasting(clock: &Clock, value: impl Into<Bytes>, ttl: Duration) -> Kept {
    let value = value.into();
    let stored = clock.wall(clock.now());
    Kept {
        payload: Payload::Value(value.clone()),
        description: Arc::new(Description::default()),
        digest: digest_of_value(&value),
        cost: None,
        cost_measured: false,
        stored,
        fresh_until: stored + ttl,
        usable_until: stored + ttl,
        idle_ttl: None,
        refresh_ahead: None,
        marked: false,
    }
}

/// With tags, a kind, and what it was made from: itself, and through others.
pub(crate) fn described(mut kept: Kept, tags: &[&str], kind: &str, (own, inherited): (&[&str], &[&str])) -> Kept {
    let texts = |texts: &[&str]| texts.iter().map(|text| Arc::from(*text)).collect::<Vec<Arc<str>>>();
    let depends_on = Dependencies { own: texts(own).into(), inherited: texts(inherited).into() };
    kept.description = Arc::new(Description {
        tags: texts(tags),
        kind: Arc::from(kind),
        depends_on: (!own.is_empty()).then(|| Arc::new(depends_on)),
        ..Description::default()
    });
    kept
}

pub(crate) fn value(kept: &Kept) -> Bytes {
    match &kept.payload {
        Payload::Value(value) => value.clone(),
        Payload::Chunks(chunks) => chunks.to_bytes(),
        _ => panic!("a value was stored"),
    }
}

/// Bytes that cannot be compressed, the same for the same seed.
pub(crate) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

pub(crate) fn codec(clock: &Clock) -> Arc<Codec> {
    Codec::new(CodecOptions::default(), clock.clone())
}

pub(crate) fn open_with(options: DiskOptions, clock: &Clock) -> Arc<DiskTier> {
    DiskTier::open(options, codec(clock), clock.clone()).unwrap()
}

pub(crate) fn open(path: &Path, clock: &Clock) -> Arc<DiskTier> {
    open_with(DiskOptions::new(path, BYTES_MAX), clock)
}

pub(crate) fn put(tier: &DiskTier, text: &str, kept: Kept) -> bool {
    tier.put(&key(text), kept, HandedDown::Written)
}

pub(crate) async fn get(tier: &DiskTier, text: &str) -> Option<Bytes> {
    tier.get(&key(text)).await.unwrap().map(|kept| value(&kept))
}

/// Waits until everything that was handed over is written: what is forgotten last is written last.
pub(crate) async fn written(tier: &DiskTier) {
    let last = key("the last one that was handed over");
    tier.put(&last, kept(&Clock::system(), "x"), HandedDown::Written);
    tier.forget(&last);
    tier.settled().await.unwrap();
}

/// Copies a directory as it is at this moment, as if the process had ended then. A file that is removed meanwhile is not
/// there, as if it had ended a moment later.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            let copied = std::fs::copy(entry.path(), target).map_err(|error| error.kind());
            assert!(matches!(copied, Ok(_) | Err(std::io::ErrorKind::NotFound)), "{copied:?}");
        }
    }
}

/// The segments of a directory, in order.
pub(crate) fn segments(path: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let mut segments: Vec<_> = files.filter(|file| file.extension().is_some_and(|end| end == "seg")).collect();
    segments.sort();
    segments
}

/// All files of a directory and how long they are.
pub(crate) fn files(path: &Path) -> BTreeMap<PathBuf, u64> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap()) {
        // It may be removed meanwhile.
        let Ok(facts) = entry.metadata() else { continue };
        if facts.is_dir() {
            files.extend(self::files(&entry.path()));
        } else {
            files.insert(entry.path(), facts.len());
        }
    }
    files
}

/// Bytes of all files of a directory.
pub(crate) fn bytes_on_disk(path: &Path) -> u64 {
    files(path).values().sum()
}
