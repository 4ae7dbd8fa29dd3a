//! However many entries end at once, one lock hold takes out a bounded number of them, and looks at no more than that.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use hotplate_engine::{
    clock::Clock,
    entry::{Expiration, Payload, Ttl},
    event::{Event, Observer, RemovalReason},
    flow::{
        get::{self, GetRequest, Lookup},
        put::{self, PutRequest},
        repeat::Repeats,
    },
    memory::{Store, pool::ENDED_PER_HOLD, reclaim::ENDED_PER_PAUSE},
    namespace::EngineConfig,
    policy::REGISTRY,
};

const ENTRIES: usize = 5000;
const SECOND: Duration = Duration::from_secs(1);

/// Counts what it is told to be removed for its age.
#[derive(Debug, Default)]
struct Ended(AtomicUsize);

impl Observer for Ended {
    fn observe(&self, event: &Event) {
        if matches!(event, Event::Removed { reason: RemovalReason::Expired | RemovalReason::Idle, .. }) {
            self.0.fetch_add(1, SeqCst);
        }
    }
}

struct Full {
    store: Store,
    clock: Clock,
    ended: Arc<Ended>,
}

/// A store whose entries all end, or fall idle, within the same second.
fn full(policy: &str, idle: bool) -> Full {
    let (clock, ended) = (Clock::manual(), Arc::new(Ended::default()));
    let mut config = EngineConfig { seed: Some(1), shards: 2, bytes_max: 1 << 30, ..EngineConfig::default() };
    config.namespace_default.as_mut().unwrap().policy = policy.into();
    let store = Store::new(config, clock.clone(), ended.clone()).unwrap();
    let repeats = Repeats::new(1);
    for number in 0..ENTRIES {
        let ttl = Ttl::Exact(60 * SECOND + Duration::from_micros(number as u64 * 100));
        let request = PutRequest {
            expiration: Expiration { ttl, idle_ttl: idle.then_some(30 * SECOND), ..Expiration::default() },
            ..PutRequest::new("", number.to_string(), Payload::Value(Bytes::from_static(b"value")))
        };
        put::put(&store, &repeats, request).unwrap();
    }
    Full { store, clock, ended }
}

/// Entries taken out by each lock hold of one reclaiming.
fn holds(full: &Full) -> Vec<usize> {
    let (mut taken, mut reclaiming) = (Vec::new(), full.store.reclaiming());
    while reclaiming.step().is_some() {
        taken.push(full.ended.0.swap(0, SeqCst));
    }
    taken
}

#[test]
fn no_lock_hold_takes_out_more_than_its_bound() {
    for (policy, idle) in REGISTRY.iter().flat_map(|policy| [(policy.name, false), (policy.name, true)]) {
        let full = full(policy, idle);
        full.clock.advance(62 * SECOND);
        let taken = holds(&full);
        assert_eq!(taken.iter().sum::<usize>(), ENTRIES, "{policy}");
        assert!(taken.iter().all(|taken| *taken <= ENDED_PER_HOLD && ENDED_PER_HOLD <= 256), "{policy}: {taken:?}");
        full.store.check_invariants().unwrap();
    }
}

/// Reads renew an idle TTL without touching the wheel: the entries come up in the wheel when the old one runs out, and
/// have to be filed again, no more of them under one lock than would be taken out.
#[test]
fn no_lock_hold_looks_at_more_than_its_bound() {
    let full = full("lru", true);
    full.clock.advance(20 * SECOND);
    for number in 0..ENTRIES {
        let found = get::get(&full.store, &GetRequest { key: number.to_string(), ..GetRequest::default() }).unwrap();
        assert!(matches!(found.outcome, Lookup::Hit(_)));
    }
    full.clock.advance(15 * SECOND);
    let taken = holds(&full);
    assert!(taken.iter().all(|taken| *taken == 0), "they were read, and stay");
    assert!(taken.len() >= ENTRIES / ENDED_PER_HOLD, "{} lock holds looked at {ENTRIES} entries", taken.len());
    full.store.check_invariants().unwrap();
    full.clock.advance(20 * SECOND);
    assert_eq!(holds(&full).iter().sum::<usize>(), ENTRIES);
}

/// A pause is asked for after so many entries, and not without.
#[test]
fn there_are_pauses_when_there_is_much_to_do() {
    let full = full("lru", false);
    full.clock.advance(62 * SECOND);
    let (mut since, mut pauses, mut reclaiming) = (0, 0, full.store.reclaiming());
    while let Some(step) = reclaiming.step() {
        since += full.ended.0.swap(0, SeqCst);
        assert_eq!(step.pause, since >= ENDED_PER_PAUSE, "{since} entries since the last pause");
        if step.pause {
            (since, pauses) = (0, pauses + 1);
        }
    }
    assert!(pauses >= ENTRIES / (2 * ENDED_PER_PAUSE), "{pauses} pauses for {ENTRIES} entries");
    let idle = full.store.reclaiming().step().unwrap();
    assert!(!idle.pause, "nothing to do needs no pause");
}
