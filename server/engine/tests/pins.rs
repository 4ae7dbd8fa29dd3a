//! Pinned entries: they make no room for others until their time, are bounded to half of the memory, and give their room
//! back exactly once, however they end.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use hotplate_engine::{
    clock::Clock,
    entry::{Description, EntryView, Expiration, Payload, Ttl},
    event::Silent,
    flow::{
        fill::{Admitted, Fill, Store as _},
        invalidate::{self, InvalidateRequest},
        put::{self, PutAnswer, PutRequest},
        repeat::Repeats,
        touch::{self, TouchMode, TouchRequest},
    },
    key::Key,
    memory::Store,
    namespace::{EngineConfig, NamespaceConfig},
    policy::REGISTRY,
    selector::Selector,
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const BYTES_MAX: u64 = 64 << 10;

/// A seeded generator: the same numbers in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

struct Kitchen {
    store: Store,
    clock: Clock,
    repeats: Repeats,
}

fn kitchen_with(policy: &str, namespaces: &[(&str, NamespaceConfig)]) -> Kitchen {
    let clock = Clock::manual();
    let mut config = EngineConfig { seed: Some(1), shards: 4, bytes_max: BYTES_MAX, ..EngineConfig::default() };
    config.namespaces.extend(namespaces.iter().map(|(name, own)| ((*name).into(), own.clone())));
    config.namespaces.values_mut().chain(&mut config.namespace_default).for_each(|each| each.policy = policy.into());
    let store = Store::new(config, clock.clone(), Arc::new(Silent)).unwrap();
    Kitchen { store, clock, repeats: Repeats::new(1) }
}

fn kitchen(policy: &str) -> Kitchen {
    kitchen_with(policy, &[])
}

fn in_default(key: &str) -> Key {
    Key::new("", key).unwrap()
}

fn cheap() -> Duration {
    Duration::from_millis(1)
}

impl Kitchen {
    /// Loads as a preload does; whether it is pinned.
    fn load(&self, key: &Key, bytes: usize, pin_for: Option<Duration>) -> bool {
        self.load_for(key, (bytes, 7), (Ttl::Exact(60 * MINUTE), pin_for))
    }

    fn load_for(&self, key: &Key, (bytes, fill): (usize, u8), (ttl, pin_for): (Ttl, Option<Duration>)) -> bool {
        let loaded = Fill {
            key: key.clone(),
            payload: Payload::Value(Bytes::from(vec![fill; bytes])),
            description: Description { compute_cost: Some(cheap()), ..Description::default() },
            cost_measured: true,
            expiration: Expiration { ttl, ..Expiration::default() },
            ticket: self.store.ticket(key),
            pin_for,
        };
        let answer = self.store.admit(loaded).unwrap();
        self.store.check_invariants().unwrap();
        match answer {
            Admitted::Stored { pinned } | Admitted::Refreshed { pinned } => {
                assert_eq!(self.view(key).unwrap().facts.pinned, pinned);
                pinned
            }
            refused => panic!("not stored: {refused:?}"),
        }
    }

    fn put(&self, namespace: &str, key: &str, bytes: usize) -> PutAnswer {
        let request = PutRequest::new(namespace, key, Payload::Value(Bytes::from(vec![1; bytes])));
        let answer = put::put(&self.store, &self.repeats, request).unwrap();
        self.store.check_invariants().unwrap();
        answer
    }

    /// Far more than fits, each of it worth no more than what is there.
    fn storm(&self, namespace: &str) {
        for number in 0..300 {
            self.put(namespace, &format!("storm:{number}"), 500);
        }
    }

    fn invalidate(&self, selector: Selector) {
        let request = InvalidateRequest {
            namespace: String::new(),
            selectors: vec![selector],
            cascade: true,
            validate_only: false,
            reason: None,
            request_id: String::new(),
            client_id: None,
        };
        invalidate::invalidate(&self.store, &self.repeats, &request).unwrap();
        self.store.check_invariants().unwrap();
    }

    /// Gives what is there, if anything, another lifetime and idle time.
    fn touch(&self, key: &str, ttl: Duration) {
        let expiration = Expiration { ttl: Ttl::Exact(ttl), idle_ttl: Some(ttl / 2), ..Expiration::default() };
        let request = TouchRequest {
            namespace: String::new(),
            key: key.to_owned(),
            mode: TouchMode::Set,
            expiration,
            etag: String::new(),
        };
        touch::touch(&self.store, &request).unwrap();
        self.store.check_invariants().unwrap();
    }

    fn view(&self, key: &Key) -> Option<EntryView> {
        self.store.view(key)
    }

    fn pinned(&self) -> (u64, u64) {
        let pinned = self.store.pool.pinned();
        (pinned.entries, pinned.bytes)
    }

    fn advance(&self, by: Duration) {
        self.clock.advance(by);
        self.store.reclaim();
        self.store.check_invariants().unwrap();
    }
}

#[test]
fn what_is_pinned_stays_until_its_time_and_then_goes_like_any_other() {
    for policy in REGISTRY.iter().map(|policy| policy.name) {
        let kitchen = kitchen(policy);
        let keys: Vec<Key> = (0..20).map(|number| in_default(&format!("pinned:{number}"))).collect();
        assert!(keys.iter().all(|key| kitchen.load(key, 500, Some(10 * MINUTE))), "{policy}");
        let loose = in_default("loose");
        assert!(!kitchen.load(&loose, 500, None));
        kitchen.storm("");
        assert!(keys.iter().all(|key| kitchen.view(key).is_some_and(|view| view.facts.pinned)), "{policy}");
        assert!(kitchen.view(&loose).is_none(), "{policy}");

        kitchen.advance(10 * MINUTE - SECOND);
        assert_eq!(kitchen.pinned().0, 20, "{policy}: not before its time");
        kitchen.advance(2 * SECOND);
        assert_eq!(kitchen.pinned(), (0, 0), "{policy}");
        assert!(keys.iter().all(|key| kitchen.view(key).is_some_and(|view| !view.facts.pinned)), "{policy}");
        for number in 0..10 {
            // More than once: a policy may hold dear for a while what was there before.
            kitchen.storm("");
            kitchen.put("", &format!("more:{number}"), 600);
        }
        assert!(keys.iter().any(|key| kitchen.view(key).is_none()), "{policy}: it makes room again");
    }
}

#[test]
fn half_of_the_memory_may_be_pinned_and_no_more() {
    let kitchen = kitchen("cost_aware");
    let loaded = (0..200).map(|number| kitchen.load(&in_default(&format!("k{number}")), 500, Some(MINUTE)));
    let pinned = loaded.filter(|pinned| *pinned).count() as u64;
    let (entries, bytes) = kitchen.pinned();
    assert_eq!(entries, pinned);
    let each = bytes / entries;
    assert!(bytes <= BYTES_MAX / 2 && bytes + each > BYTES_MAX / 2, "{bytes} pinned");
}

#[test]
fn half_of_a_namespaces_own_limit_may_be_pinned_and_no_more() {
    let quota = 16 << 10;
    let own = NamespaceConfig { bytes_max: Some(quota), ..NamespaceConfig::default() };
    let kitchen = kitchen_with("lru", &[("own", own)]);
    let keys = (0..40).map(|number| Key::new("own", &format!("k{number}")).unwrap());
    let pinned: Vec<Key> = keys.filter(|key| kitchen.load(key, 500, Some(MINUTE))).collect();
    let (entries, bytes) = kitchen.pinned();
    assert_eq!(entries, pinned.len() as u64);
    assert!(bytes <= quota / 2 && bytes + bytes / entries > quota / 2, "{bytes} pinned");
    assert!(kitchen.load(&in_default("elsewhere"), 500, Some(MINUTE)), "others have their own share");
    kitchen.storm("own");
    assert!(pinned.iter().all(|key| kitchen.view(key).is_some_and(|view| view.facts.pinned)));
}

#[test]
fn what_fits_only_where_something_is_pinned_is_refused_and_told_so() {
    for policy in REGISTRY.iter().map(|policy| policy.name) {
        let kitchen = kitchen(policy);
        let pinned = in_default("pinned");
        assert!(kitchen.load(&pinned, 20_000, Some(MINUTE)));
        let bytes = kitchen.pinned().1;
        match kitchen.put("", "large", 50_000) {
            PutAnswer::NotAdmitted { why, .. } => {
                assert!(why.contains(&format!("{bytes} of them pinned")), "{policy}: {why}");
            }
            other => panic!("{policy}: {other:?}"),
        }
        assert!(kitchen.view(&pinned).is_some());
        // In its own place it finds the room that its pin takes.
        assert!(matches!(kitchen.put("", "pinned", 50_000), PutAnswer::Stored { .. }), "{policy}");
        assert_eq!(kitchen.pinned(), (0, 0), "{policy}: another value is not the one that was pinned");
    }
}

#[test]
fn a_pin_ends_with_its_entry_however_that_ends() {
    let kitchen = kitchen("cost_aware");
    let key = in_default("k");
    let pin = |bytes: (usize, u8), ttl| {
        let ttl = Ttl::Exact(ttl);
        assert!(kitchen.load_for(&key, bytes, (ttl, Some(5 * MINUTE))));
        assert_eq!(kitchen.pinned().0, 1);
    };
    pin((500, 1), MINUTE);
    kitchen.advance(MINUTE + SECOND);
    assert_eq!((kitchen.pinned(), kitchen.view(&key).is_none()), ((0, 0), true), "by its lifetime");
    pin((500, 1), 60 * MINUTE);
    kitchen.invalidate(Selector::key("k").unwrap());
    assert_eq!((kitchen.pinned(), kitchen.view(&key).is_none()), ((0, 0), true), "by its key");
    pin((500, 1), 60 * MINUTE);
    kitchen.put("", "k", 700);
    assert_eq!(kitchen.pinned(), (0, 0), "by another value");
    for key in ["a", "b", "c"] {
        assert!(kitchen.load(&in_default(key), 500, Some(MINUTE)));
    }
    kitchen.invalidate(Selector::Everything);
    kitchen.store.reclaim();
    assert_eq!(kitchen.pinned(), (0, 0), "by clearing");
}

#[test]
fn the_same_content_keeps_its_pin_and_a_longer_one_wins() {
    let kitchen = kitchen("cost_aware");
    let key = in_default("k");
    assert!(kitchen.load(&key, 500, Some(5 * MINUTE)));
    let before = kitchen.pinned();
    assert!(kitchen.load(&key, 500, None), "renewing does not unpin");
    assert!(kitchen.load(&key, 500, Some(MINUTE)), "nor does a shorter pin");
    assert_eq!(kitchen.pinned(), before);
    kitchen.advance(4 * MINUTE);
    assert!(kitchen.load(&key, 500, Some(5 * MINUTE)));
    kitchen.advance(4 * MINUTE);
    assert_eq!(kitchen.pinned(), before);
    kitchen.advance(MINUTE + SECOND);
    assert_eq!(kitchen.pinned(), (0, 0));
    assert!(kitchen.view(&key).is_some());
}

#[test]
fn whatever_happens_what_is_pinned_is_counted_once() {
    for (seed, policy) in (1..).zip(REGISTRY.iter().map(|policy| policy.name)) {
        let kitchen = kitchen(policy);
        let mut numbers = Numbers(seed);
        for _ in 0..1_000 {
            let key = format!("k{}", numbers.below(60));
            let bytes = usize::try_from(numbers.below(1_500)).unwrap();
            let some_time = Duration::from_secs(1 + numbers.below(120));
            match numbers.below(21) {
                0..8 => {
                    let fill = u8::from(numbers.below(2) == 0);
                    let ttl = Ttl::Exact(Duration::from_secs(1 + numbers.below(120)));
                    kitchen.load_for(&in_default(&key), (bytes, fill), (ttl, Some(some_time)));
                }
                8..15 => drop(kitchen.put("", &key, bytes)),
                15..17 => kitchen.invalidate(Selector::key(&key).unwrap()),
                17 => kitchen.invalidate(Selector::prefix("k1").unwrap()),
                18 => kitchen.touch(&key, some_time),
                _ => kitchen.advance(some_time / 10),
            }
            assert!(kitchen.pinned().1 <= BYTES_MAX / 2);
        }
        kitchen.advance(200 * MINUTE);
        assert_eq!(kitchen.pinned(), (0, 0), "{policy}");
    }
}
