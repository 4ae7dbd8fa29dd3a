//! Readers, writers and invalidations at once: whoever reads after a write or an invalidation was answered never gets
//! anything older. Values are counters, so "older" is a comparison.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    thread,
};

use bytes::Bytes;
use hotplate_engine::{
    Cache,
    clock::Clock,
    entry::{Description, Payload},
    event::Silent,
    flow::{
        get::{GetRequest, Lookup},
        invalidate::InvalidateRequest,
        put::PutRequest,
    },
    namespace::EngineConfig,
    origin::Origins,
    selector::Selector,
};

const WRITERS: usize = 2;
const READERS: usize = 2;
/// Keys of each writer, all with its tag and its prefix.
const KEYS: usize = 4;
/// Of each writer at least; at most, however little was read.
const CHANGES: u64 = 20_000;
const CHANGES_MAX: u64 = 100 * CHANGES;
/// Reads that were served, for the run to show something.
const SERVED: u64 = 1000;

/// For each key: the oldest value that may still be served, as of the last answer its writer got.
type Floors = Vec<[AtomicU64; KEYS]>;

fn key(writer: usize, number: usize) -> String {
    format!("w{writer}:{number}")
}

fn put(cache: &Cache, writer: usize, number: usize, value: u64) {
    let request = PutRequest {
        description: Description { tags: vec![format!("t{writer}").into()], ..Description::default() },
        ..PutRequest::new("", key(writer, number), Payload::Value(Bytes::copy_from_slice(&value.to_be_bytes())))
    };
    cache.put(request).unwrap();
}

fn invalidate(cache: &Cache, selector: Selector) {
    let request = InvalidateRequest {
        namespace: String::new(),
        selectors: vec![selector],
        cascade: true,
        validate_only: false,
        reason: None,
        request_id: String::new(),
        client_id: None,
    };
    cache.invalidate(&request).unwrap();
}

/// Writes rising values; now and then drops one key or, by tag, prefix or pattern, all of its own.
fn write(cache: &Cache, writer: usize, floors: &Floors, served: &AtomicU64) {
    let mut state = writer as u64 + 1;
    let goes_on = |value: &u64| *value <= CHANGES || served.load(SeqCst) <= SERVED;
    for value in (1..=CHANGES_MAX).take_while(goes_on) {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let number = usize::try_from((state >> 33) % KEYS as u64).unwrap();
        let all = match (state >> 40) % 16 {
            0 => Some(Selector::tag(&format!("t{writer}"))),
            1 => Some(Selector::prefix(&format!("w{writer}:"))),
            2 => Some(Selector::glob(&format!("w{writer}:?"))),
            3 => {
                invalidate(cache, Selector::key(&key(writer, number)).unwrap());
                floors[writer][number].store(value, SeqCst);
                continue;
            }
            _ => None,
        };
        if let Some(selector) = all {
            invalidate(cache, selector.unwrap());
            floors[writer].iter().for_each(|floor| floor.store(value, SeqCst));
        } else {
            put(cache, writer, number, value);
            floors[writer][number].store(value, SeqCst);
        }
    }
}

/// Reads until told to stop; counts how often it was served something.
fn read(cache: &Cache, seed: u64, floors: &Floors, (served, stop): (&AtomicU64, &AtomicBool)) {
    let mut state = seed;
    while !stop.load(SeqCst) {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (writer, number) = ((state >> 33) as usize % WRITERS, (state >> 45) as usize % KEYS);
        let floor = floors[writer][number].load(SeqCst);
        let request = GetRequest { key: key(writer, number), ..GetRequest::default() };
        let Lookup::Hit(entry) = cache.get(&request).unwrap().outcome else { continue };
        let Payload::Value(value) = entry.payload else { panic!("no negative was stored") };
        let value = u64::from_be_bytes(value[..].try_into().unwrap());
        assert!(value >= floor, "{value} was served after {floor} had been answered");
        served.fetch_add(1, SeqCst);
    }
}

#[test]
fn nobody_reads_anything_older_than_what_was_answered() {
    let config = EngineConfig { seed: Some(1), history_changes_max: 64, ..EngineConfig::default() };
    let cache = Cache::new(config, Clock::manual(), Arc::new(Silent), Origins::new()).unwrap();
    let floors: Floors = (0..WRITERS).map(|_| Default::default()).collect();
    let (served, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let readers: Vec<_> = (0..READERS)
            .map(|reader| {
                let (cache, floors, until) = (&cache, &floors, (&served, &stop));
                scope.spawn(move || read(cache, reader as u64 + 99, floors, until))
            })
            .collect();
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (cache, floors, served) = (&cache, &floors, &served);
                scope.spawn(move || write(cache, writer, floors, served))
            })
            .collect();
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        stop.store(true, SeqCst);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
        let served = served.load(SeqCst);
        assert!(served > SERVED, "the readers were served only {served} times, which shows nothing");
    });
    cache.check_invariants().unwrap();
}
