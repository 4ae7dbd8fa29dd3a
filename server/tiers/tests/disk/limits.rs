//! Limits: never more bytes or entries than allowed, the old and useless go first, and what was forgotten stays so.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hotplate_engine::{clock::Clock, selector::Selector, tier::local::LocalTier};
use hotplate_tiers::disk::{DiskOptions, DiskTier};

use crate::support::{
    bytes_on_disk, described, files, get, kept, key, lasting, noise, open_with, put, segments, written,
};

/// Puts what fills the tier several times over.
async fn fill(tier: &DiskTier, clock: &Clock, (count, size): (u64, usize)) {
    for number in 0..count {
        put(tier, &format!("filler{number}"), kept(clock, noise(size, number + 1)));
        if number % 50 == 49 {
            written(tier).await;
        }
    }
    written(tier).await;
}

/// The most bytes that all files have together, until it is done, and once afterwards.
fn most_bytes(path: &std::path::Path, done: &AtomicBool) -> u64 {
    let mut most = 0;
    loop {
        let last = done.load(Ordering::SeqCst);
        // Files come and go while they are looked at. They only grow, and none gets the name of another: those that are the
        // same twice were all there at one instant.
        let (one, two) = (files(path), files(path));
        if one == two {
            most = most.max(one.values().sum());
            if last {
                return most;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_in_bytes_holds_at_every_instant() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let options = DiskOptions::new(directory.path(), 2 << 20);
    let tier = open_with(options.clone(), &clock);
    let path = directory.path().to_owned();
    let done = Arc::new(AtomicBool::new(false));
    let watcher = std::thread::spawn({
        let done = done.clone();
        move || most_bytes(&path, &done)
    });
    fill(&tier, &clock, (600, 3000)).await;
    fill(&tier, &clock, (60, 200_000)).await;
    fill(&tier, &clock, (600, 17_000)).await;
    done.store(true, Ordering::SeqCst);
    let most = watcher.join().unwrap();
    assert!(most <= options.bytes_max, "{most}");
    let state = tier.state();
    assert!(most > options.bytes_max / 2 && state.evicted > 1000, "it is used: {most}, {}", state.evicted);
    assert!(get(&tier, "filler599").await.is_some(), "the newest are there");
    drop(tier);
    let smaller = DiskOptions { bytes_max: 1 << 20, ..options };
    let again = open_with(smaller, &clock);
    assert!(bytes_on_disk(directory.path()) <= 1 << 20, "a smaller limit holds from the start");
    assert!(get(&again, "filler599").await.is_some());
}

#[tokio::test]
async fn there_are_never_more_entries_than_allowed_after_writing() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let options = DiskOptions { entries_max: 500, ..DiskOptions::new(directory.path(), 1 << 20) };
    let tier = open_with(options, &clock);
    fill(&tier, &clock, (2000, 100)).await;
    let entries = tier.state().entries.unwrap();
    assert!((50..=550).contains(&entries), "{entries}");
    assert!(get(&tier, "filler1999").await.is_some());
}

#[tokio::test]
async fn an_entry_takes_less_than_a_hundred_bytes_of_memory() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let tier = open_with(DiskOptions::new(directory.path(), 64 << 20), &clock);
    let before = tier.state().memory_bytes;
    fill(&tier, &clock, (30_000, 10)).await;
    let state = tier.state();
    assert_eq!(state.entries, Some(30_000));
    let each = (state.memory_bytes - before) / 30_000;
    assert!((40..100).contains(&each), "{each}");
}

#[tokio::test]
async fn what_is_forgotten_stays_so_when_its_segment_is_reclaimed() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let options = DiskOptions::new(directory.path(), 1 << 20);
    for round in 0..4 {
        let tier = open_with(options.clone(), &clock);
        let mut entry = described(kept(&clock, "old"), &["t"], "", (&[], &[]));
        entry.cost = Some(Duration::from_secs(100));
        put(&tier, "forgotten", entry.clone());
        put(&tier, "fenced", entry.clone());
        put(&tier, "worth", entry);
        written(&tier).await;
        // Read often, so that it is carried over again and again, also after it was fenced.
        for text in ["forgotten", "fenced", "worth"].repeat(5) {
            assert!(get(&tier, text).await.is_some(), "{text} in round {round}");
        }
        fill(&tier, &clock, (40 * round, 9000)).await;
        tier.forget(&key("forgotten"));
        tier.forget_sets(&"ns".into(), &[Selector::tag("t").unwrap()]);
        tier.settled().await.unwrap();
        fill(&tier, &clock, (30 * (4 - round), 9000)).await;
        drop(tier);
        let again = open_with(options.clone(), &clock);
        for text in ["forgotten", "fenced", "worth"] {
            assert_eq!(get(&again, text).await, None, "{text} in round {round}");
        }
        again.close().await;
    }
}

#[tokio::test]
async fn what_was_read_or_cost_much_is_carried_over() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let tier = open_with(DiskOptions::new(directory.path(), 1 << 20), &clock);
    let mut costly = kept(&clock, noise(500, 1));
    costly.cost = Some(Duration::from_secs(5));
    put(&tier, "costly", costly);
    put(&tier, "read", kept(&clock, noise(500, 2)));
    put(&tier, "neither", kept(&clock, noise(500, 3)));
    written(&tier).await;
    assert!(get(&tier, "read").await.is_some());
    fill(&tier, &clock, (110, 9000)).await;
    let there = [get(&tier, "costly").await, get(&tier, "read").await, get(&tier, "neither").await];
    assert_eq!(there.map(|found| found.is_some()), [true, true, false]);
}

#[tokio::test]
async fn dead_segments_go_before_the_limit_is_reached() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let tier = open_with(DiskOptions::new(directory.path(), 16 << 20), &clock);
    // The same keys over and over: a twentieth of what is written lives.
    for _ in 0..20 {
        fill(&tier, &clock, (40, 15_000)).await;
    }
    let clock_begun = clock.now();
    while bytes_on_disk(directory.path()) > 6 << 20 {
        assert!(clock.now().since(clock_begun) < Duration::from_secs(60), "{}", bytes_on_disk(directory.path()));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for number in 0..40 {
        assert_eq!(get(&tier, &format!("filler{number}")).await.unwrap(), noise(15_000, number + 1));
    }
    assert_eq!(tier.state().evicted, 0);
}

#[tokio::test]
async fn old_age_ends_entries_and_gives_their_room_back() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::manual();
    let hour = Duration::from_secs(3600);
    let options = DiskOptions { age_max: Some(hour), ..DiskOptions::new(directory.path(), 1 << 20) };
    let tier = open_with(options.clone(), &clock);
    put(&tier, "old", lasting(&clock, "v", hour * 100));
    put(&tier, "short", lasting(&clock, "v", hour / 4));
    let mut idle = lasting(&clock, "v", hour * 100);
    idle.idle_ttl = Some(hour / 4);
    put(&tier, "idle", idle.clone());
    put(&tier, "read", idle);
    written(&tier).await;
    clock.advance(hour / 6);
    assert!(get(&tier, "read").await.is_some());
    clock.advance(hour / 6);
    let there =
        [get(&tier, "old").await, get(&tier, "short").await, get(&tier, "idle").await, get(&tier, "read").await];
    assert_eq!(there.map(|found| found.is_some()), [true, false, false, true]);
    clock.advance(hour);
    assert_eq!(get(&tier, "old").await, None);
    tier.close().await;
    drop(tier);
    let again = open_with(options, &clock);
    assert_eq!(again.state().entries, Some(0));
    let real = Clock::system();
    let begun = real.now();
    while !segments(directory.path()).is_empty() {
        assert!(real.now().since(begun) < Duration::from_secs(60), "no room is given back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_is_not_stored_is_counted_by_why_and_leaves_nothing_older() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let options =
        DiskOptions { value_bytes_max: 10_000, queue_bytes_max: 2000, ..DiskOptions::new(directory.path(), 1 << 20) };
    let tier = open_with(options, &clock);
    assert!(put(&tier, "a", kept(&clock, "old")));
    written(&tier).await;
    assert!(!put(&tier, "a", kept(&clock, noise(10_001, 1))));
    assert_eq!(get(&tier, "a").await, None, "the old one was replaced all the same");
    assert!(!put(&tier, "ended", lasting(&clock, "v", Duration::ZERO)));
    // Handed over faster than it is written; where that was not so, once more.
    let entry = kept(&clock, noise(900, 1));
    let put_all = || (0..1000).filter(|number| !put(&tier, &format!("k{number}"), entry.clone())).count();
    let refused = (0..100).map(|_| put_all()).find(|refused| *refused > 0).unwrap_or(0);
    let dropped = tier.state().dropped;
    let count = |why: &str| dropped.iter().find(|dropped| dropped.0 == why).map_or(0, |dropped| dropped.1);
    assert_eq!((count("too_large"), count("ended"), count("queue_full")), (1, 1, refused as u64));
    assert!(refused > 0);
}

#[test]
fn options_out_of_their_bounds_are_named() {
    let clock = Clock::system();
    let directory = tempfile::tempdir().unwrap();
    let good = DiskOptions::new(directory.path(), 1 << 20);
    let bad = [
        (DiskOptions { bytes_max: (1 << 20) - 1, ..good.clone() }, "disk.bytes_max"),
        (DiskOptions { entries_max: 0, ..good.clone() }, "disk.entries_max"),
        (DiskOptions { path: "".into(), ..good }, "disk.path"),
    ];
    for (options, named) in bad {
        let refused = DiskTier::open(options, crate::support::codec(&clock), clock.clone()).unwrap_err().to_string();
        assert!(refused.contains(named), "{refused}");
    }
}
