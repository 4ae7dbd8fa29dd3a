//! However many entries an Invalidate or a listing concerns, one lock hold looks at a bounded number of them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use hotplate_engine::{
    clock::Clock,
    entry::{Description, Payload},
    event::Silent,
    flow::{
        put::{self, PutRequest},
        repeat::Repeats,
    },
    memory::{
        Store,
        walk::{FOUND_PER_HOLD, LOOKS_PER_HOLD},
    },
    namespace::EngineConfig,
    selector::Selector,
};

const ENTRIES: usize = 5000;

fn put(store: &Store, number: usize) {
    let request = PutRequest {
        description: Description { tags: vec![(number % 3).to_string().into()], ..Description::default() },
        ..PutRequest::new("", format!("{}:{number}", number % 2), Payload::Value(Bytes::from(number.to_string())))
    };
    put::put(store, &Repeats::new(1), request).unwrap();
}

fn full() -> Store {
    let config = EngineConfig { seed: Some(1), shards: 2, bytes_max: 1 << 30, ..EngineConfig::default() };
    let store = Store::new(config, Clock::manual(), Arc::new(Silent)).unwrap();
    (0..ENTRIES).for_each(|number| put(&store, number));
    store
}

/// Keys found by each lock hold.
fn holds(store: &Store, selectors: &[Selector]) -> Vec<Vec<String>> {
    let space = store.spaces.find(&"default".into()).unwrap().unwrap();
    let (mut holds, mut walk) = (Vec::new(), store.walk(&space, selectors));
    loop {
        let mut found = Vec::new();
        let more = walk.step(|shard, slot| {
            found.push(shard.table(&space.shelf).unwrap().get(slot).unwrap().text().to_owned());
        });
        if !more {
            return holds;
        }
        holds.push(found);
    }
}

#[test]
fn every_entry_is_found_once_and_few_under_each_lock() {
    let store = full();
    let cases: [(Vec<Selector>, usize); 5] = [
        (Vec::new(), ENTRIES),
        (vec![Selector::Everything], ENTRIES),
        (vec![Selector::prefix("1:").unwrap()], ENTRIES / 2),
        (vec![Selector::tag("1").unwrap(), Selector::tag("2").unwrap()], ENTRIES - ENTRIES.div_ceil(3)),
        (vec![Selector::prefix("none").unwrap()], 0),
    ];
    for (selectors, expected) in cases {
        let holds = holds(&store, &selectors);
        let keys: BTreeSet<_> = holds.iter().flatten().collect();
        assert_eq!((keys.len(), holds.iter().flatten().count()), (expected, expected), "{selectors:?}");
        assert!(holds.iter().all(|found| found.len() <= FOUND_PER_HOLD), "{selectors:?}");
    }
    let looks = holds(&store, &[Selector::prefix("none").unwrap()]).len();
    assert!(looks >= ENTRIES / LOOKS_PER_HOLD, "{looks} lock holds looked at {ENTRIES} entries");
}
