//! Bounds of bytes and entries, what is shared, and lifetimes of what is not a value.

use std::{sync::Arc, time::Duration};

use super::{LOG, SETS, answer, core, log, position, read, wire};
use crate::{
    Json, Lookup, NearFollow, NearOptions, Result,
    near::core::Core,
    v1::{self, watch_response::Message},
};

const NOW: Duration = Duration::from_secs(1_000);

fn synced(options: NearOptions) -> Arc<Core> {
    let core = core(options, 100);
    core.opening();
    let created = v1::WatchCreated { position: Some(position(1, |_| 0)), watch_id: "w".to_owned() };
    core.take(&Message::Created(created), false, NOW).expect("a first stream");
    core
}

fn metadata(fresh_for: Duration) -> v1::EntryMetadata {
    v1::EntryMetadata { fresh_for: wire(fresh_for), tags: vec!["t".to_owned()], ..v1::EntryMetadata::default() }
}

fn offer(core: &Core, key: &str, value: &str) {
    let response = answer(value, [log(LOG, 1, 0), log(SETS, 1, 0)], metadata(Duration::from_secs(60)));
    core.offer(core.ask(NOW), key, &response);
}

#[test]
fn neither_bytes_nor_entries_exceed_their_bounds_at_any_step() {
    for (bytes_max, entries_max, value) in [(64 << 10, 1_000, 4_000), (1 << 20, 10, 10), (16 << 20, 3_000, 50)] {
        let core = synced(NearOptions::new().bytes_max(bytes_max).entries_max(entries_max));
        for n in 0..5_000 {
            offer(&core, &format!("k{n}"), &"x".repeat(value));
            let stats = core.stats(NOW);
            assert!(stats.bytes <= bytes_max && stats.entries <= entries_max as u64, "{stats:?}");
        }
        let stats = core.stats(NOW);
        assert!(stats.entries > 0 && stats.evicted > 0, "{stats:?}");
        assert_eq!(stats.admitted, stats.entries + stats.evicted, "{stats:?}");
    }
}

#[test]
fn what_cannot_fit_is_refused_and_drops_what_was_there() {
    let core = synced(NearOptions::new().bytes_max(64 << 10));
    offer(&core, "k", "small");
    offer(&core, "k", &"x".repeat(40_000));
    let stats = core.stats(NOW);
    assert_eq!((stats.entries, stats.bytes, stats.refused.too_large), (0, 0, 1), "{stats:?}");
}

#[test]
fn what_is_not_even_tried_drops_what_was_there_as_well() {
    let core = synced(NearOptions::new().bytes_max(64 << 10));
    offer(&core, "k", "small");
    offer(&core, "other", "small");
    core.refuse_as_too_large("k");
    core.refuse_as_too_large("never kept");
    let stats = core.stats(NOW);
    assert_eq!((stats.entries, stats.refused.too_large), (1, 2), "{stats:?}");
}

#[test]
fn the_index_forgets_what_made_room() {
    let core = synced(NearOptions::new().bytes_max(64 << 10).entries_max(20));
    (0..200).for_each(|n| offer(&core, &format!("k{n}"), "v"));
    let held = core.stats(NOW).entries;
    let tag = v1::Selector { selector: Some(v1::selector::Selector::Tag("t".to_owned())) };
    core.wrote(&[crate::near::Set::of(&tag)]);
    let stats = core.stats(NOW);
    assert_eq!((stats.entries, stats.bytes, stats.invalidated), (0, 0, held), "{stats:?}");
}

#[test]
fn all_who_ask_for_a_type_get_one_and_the_same_value() -> Result<()> {
    let core = synced(NearOptions::new());
    offer(&core, "k", "text");
    let kept = core.hit("k", None, NOW).expect("it was kept");
    let value = |found: Lookup<Arc<String>>| found.value().expect("a value");
    let (one, two) = (value(kept.shared(&Json, NOW)?), value(kept.shared(&Json, NOW)?));
    assert!(Arc::ptr_eq(&one, &two));
    let other = kept.shared::<serde_json::Value, _>(&Json, NOW)?.value().expect("a value");
    assert_eq!(other.as_str(), Some("text"));
    assert!(kept.shared::<u64, _>(&Json, NOW).is_err(), "a value of another shape");
    Ok(())
}

#[test]
fn a_remembered_absence_is_kept_for_as_long_as_it_is_fresh() {
    let core = synced(NearOptions::new());
    let mut response = answer("", [log(LOG, 1, 0), log(SETS, 1, 0)], metadata(Duration::from_secs(2)));
    response.outcome = v1::GetOutcome::Negative.into();
    let negative = v1::Negative { reason: "NOT_FOUND".to_owned(), message: "no such model".to_owned() };
    response.entry.as_mut().expect("an entry").payload = Some(v1::entry::Payload::Negative(negative));
    core.offer(core.ask(NOW), "k", &response);
    let found = core.hit("k", None, NOW + Duration::from_secs(1)).expect("it was kept");
    match found.lookup::<String, _>(&Json, NOW + Duration::from_secs(1)) {
        Ok(Lookup::Negative(told)) => assert_eq!(told.fresh_for, Duration::from_secs(1)),
        other => panic!("not a negative: {other:?}"),
    }
    assert!(core.hit("k", None, NOW + Duration::from_secs(2)).is_none());
}

#[test]
fn misses_and_stale_values_are_not_kept() {
    let core = synced(NearOptions::new());
    for outcome in [v1::GetOutcome::Stale, v1::GetOutcome::Miss, v1::GetOutcome::NotModified] {
        let mut response = answer("v", [log(LOG, 1, 0), log(SETS, 1, 0)], metadata(Duration::from_secs(60)));
        response.outcome = outcome.into();
        core.offer(core.ask(NOW), "k", &response);
        assert_eq!(read(&core, "k", NOW), None);
    }
    let mut unplaced = answer("v", [log(LOG, 1, 0), log(SETS, 1, 0)], metadata(Duration::from_secs(60)));
    unplaced.as_of = None;
    core.offer(core.ask(NOW), "k", &unplaced);
    assert_eq!(core.stats(NOW).entries, 0);
}

#[test]
fn followed_keys_are_as_few_as_entries_and_go_with_them() {
    let core = synced(NearOptions::new().entries_max(10).follow(NearFollow::KeptKeys));
    for n in 0..100 {
        let key = format!("k{n}");
        offer(&core, &key, "v");
        if let Some(update) = core.update(100) {
            core.updated(&update, Some(&v1::Position { logs: vec![log(LOG, 1, 0), log(SETS, 1, 0)] }));
        }
        offer(&core, &key, "v");
        let stats = core.stats(NOW);
        assert!(stats.followed <= 10 && stats.entries <= stats.followed, "{stats:?}");
    }
    assert!(core.stats(NOW).entries > 0);
}

#[test]
fn options_out_of_their_bounds_are_refused() {
    let ok = NearOptions::new();
    assert!(ok.check().is_ok());
    let silence = Duration::from_millis(299);
    let refused = [
        ok.clone().bytes_max((64 << 10) - 1),
        ok.clone().entries_max(0),
        ok.clone().ttl_max(Duration::ZERO),
        ok.clone().progress_max(silence),
        ok.clone().follow(NearFollow::Prefixes(Vec::new())),
        ok.follow(NearFollow::Prefixes(vec![String::new()])),
    ];
    refused.iter().for_each(|options| assert!(options.check().is_err(), "{options:?}"));
}
