//! Counters: every event lands in the total, its namespace, its prefix and its kind, and the tables stay bounded.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{sync::Arc, time::Duration};

use hotplate_engine::{
    event::{MissReason, ReadOutcome, RemovalReason},
    stats::{GroupBy, Held, Stats, Surroundings},
};

fn stats() -> Stats {
    let stats = Stats::new(4);
    let own = stats.namespace(&Arc::from("a"));
    own.on_read("model:x:1", "embedding", ReadOutcome::Hit, Some(Duration::from_millis(5)));
    own.on_read("model:x:2", "embedding", ReadOutcome::Stale, None);
    own.on_read("model:y:1", "", ReadOutcome::Miss(MissReason::Evicted), None);
    own.on_read("other", "", ReadOutcome::Negative, None);
    own.on_put("model:x:1", "embedding");
    own.on_refresh("model:x:1", "embedding");
    own.on_not_admitted("model:y:1", "");
    own.on_removed("model:y:1", "", RemovalReason::Idle);
    own.on_held("model:x:1", "embedding", Held { entries: 2, charged: 300, value: 200, keys: 20, rounding: 6 });
    own.on_held("model:x:1", "embedding", Held { entries: -1, charged: -100, value: -50, keys: -10, rounding: -4 });
    own.on_lost("model:x:1", "embedding", Duration::from_millis(7));
    own.on_served(50, 1);
    own.on_latency("get", Duration::from_micros(10));
    stats.namespace(&Arc::from("b")).on_read("model:x:9", "embedding", ReadOutcome::Hit, None);
    stats
}

#[test]
fn the_total_is_the_sum_of_what_was_asked() {
    let around = Surroundings {
        entries_max: 5,
        bytes_max: 6,
        uptime: Duration::from_secs(7),
        watch_count: 8,
        pinned_bytes: 9,
        uploads_bytes: 10,
    };
    let all = stats().snapshot(None, GroupBy::Nothing, around);
    assert_eq!((all.total.hits, all.total.reads()), (2, 5));
    assert_eq!((all.entries_max, all.bytes_max, all.uptime), (5, 6, Duration::from_secs(7)));
    assert_eq!((all.watch_count, all.pinned_bytes, all.uploads_bytes), (8, 9, 10));
    assert!(all.groups.is_empty());
    let own = stats().snapshot(Some("a"), GroupBy::Nothing, around).total;
    assert_eq!((own.hits, own.stale_hits, own.negative_hits, own.misses[&MissReason::Evicted]), (1, 1, 1, 1));
    assert_eq!((own.puts, own.refreshes, own.not_admitted, own.removals[&RemovalReason::Idle]), (1, 1, 1, 1));
    assert_eq!((own.entry_count, own.charged_bytes, own.value_bytes), (1, 200, 150));
    assert_eq!((own.key_bytes, own.rounding_bytes, own.bookkeeping_bytes()), (10, 2, 38));
    assert_eq!((own.served_bytes, own.priced_hits), (50, 1));
    assert_eq!((own.compute_saved, own.compute_lost), (Duration::from_millis(5), Duration::from_millis(7)));
    assert_eq!((own.latency["get"].count, own.latency["put"].count), (1, 0));
    assert_eq!(stats().snapshot(Some("none"), GroupBy::Nothing, around).total.reads(), 0);
}

#[test]
fn groups_come_by_reads_and_add_up_over_namespaces() {
    let named = |group_by| {
        let groups = stats().snapshot(None, group_by, Surroundings::default()).groups;
        groups.iter().map(|group| (group.name.to_string(), group.reads())).collect::<Vec<_>>()
    };
    let expected = |groups: &[(&str, u64)]| groups.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect::<Vec<_>>();
    assert_eq!(named(GroupBy::Namespace), expected(&[("a", 4), ("b", 1)]));
    assert_eq!(named(GroupBy::Kind), expected(&[("embedding", 3), ("", 2)]));
    assert_eq!(named(GroupBy::Prefix(2)), expected(&[("model:x", 3), ("model:y", 1), ("other", 1)]));
    assert_eq!(named(GroupBy::Prefix(1)), expected(&[("model", 4), ("other", 1)]));
}

#[test]
fn past_the_bound_the_rest_is_one_group_that_comes_last() {
    let stats = Stats::new(4);
    let own = stats.namespace(&Arc::from("a"));
    for n in 0..50 {
        own.on_read(&format!("p{n}:x"), &format!("k{n}"), ReadOutcome::Hit, None);
    }
    for group_by in [GroupBy::Prefix(1), GroupBy::Prefix(2), GroupBy::Kind] {
        let groups = stats.snapshot(None, group_by, Surroundings::default()).groups;
        assert_eq!(groups.len(), 4, "{group_by:?}");
        assert_eq!((&*groups[3].name, groups[3].hits), ("_other", 47));
    }
    assert_eq!(stats.snapshot(None, GroupBy::Nothing, Surroundings::default()).total.hits, 50);
}

#[test]
fn compute_saved_only_grows_however_much_it_is() {
    let stats = Stats::new(4);
    let own = stats.namespace(&Arc::from("a"));
    let saved = || stats.snapshot(None, GroupBy::Nothing, Surroundings::default()).total.compute_saved;
    let year = Duration::from_secs(365 * 86_400);
    for reads in 1..=10 {
        own.on_read("k", "", ReadOutcome::Hit, Some(100 * year));
        assert_eq!(saved(), reads * 100 * year);
    }
    let mut before = saved();
    for _ in 0..100 {
        own.on_read("k", "", ReadOutcome::Hit, Some(9_999 * year));
        assert!(saved() >= before);
        before = saved();
    }
}
