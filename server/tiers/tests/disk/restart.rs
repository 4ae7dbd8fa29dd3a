//! The process ends at any instant: what is found afterwards is what was there at that instant, or one step before.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    path::Path,
    sync::Arc,
};

use bytes::Bytes;
use hotplate_engine::{clock::Clock, selector::Selector, tier::local::LocalTier};
use hotplate_tiers::disk::{DiskOptions, DiskTier};

use crate::support::{SMALL, copy, described, get, kept, key, noise, open, open_with, put, segments, written};

/// What each key has.
type Expected = BTreeMap<&'static str, Bytes>;

const KEYS: [&str; 5] = ["a", "b", "c", "d", "large"];

fn small(path: &Path, clock: &Clock) -> Arc<DiskTier> {
    open_with(DiskOptions::new(path, SMALL), clock)
}

/// One step: what is done, and what is there afterwards.
fn step(tier: &DiskTier, clock: &Clock, number: u64, there: &mut Expected) {
    let put_small = |text: &'static str, tags: &[&str], there: &mut Expected| {
        let value = noise(20 + usize::try_from(number).unwrap(), number + 1);
        assert!(put(tier, text, described(kept(clock, value.clone()), tags, "", (&[], &[]))));
        there.insert(text, value.into());
    };
    match number {
        0 | 4 => put_small("a", &["t"], there),
        1 | 6 => put_small("b", &[], there),
        2 | 9 => put_small("c", &["t"], there),
        3 => {
            tier.forget(&key("b"));
            there.remove("b");
        }
        5 => {
            tier.forget_sets(&"ns".into(), &[Selector::tag("t").unwrap()]);
            there.remove("a");
            there.remove("c");
        }
        7 => {
            let value = noise(40_000, 3);
            assert!(put(tier, "large", kept(clock, value.clone())));
            there.insert("large", value.into());
        }
        8 => put_small("d", &["t"], there),
        10 => {
            tier.forget(&key("large"));
            there.remove("large");
        }
        11 => tier.forget_sets(&"ns".into(), &[Selector::key("d").unwrap()]),
        _ => unreachable!("there are 12 steps"),
    }
    if number == 11 {
        there.remove("d");
    }
}

async fn found(tier: &DiskTier) -> Expected {
    let mut found = Expected::new();
    for text in KEYS {
        if let Some(value) = get(tier, text).await {
            found.insert(text, value);
        }
    }
    found
}

/// Takes all steps; with what is there after each and how long the segment was then, and a copy of the directory then.
async fn steps(directory: &Path, copies: &Path, clock: &Clock) -> Vec<(u64, Expected)> {
    let tier = small(directory, clock);
    let mut there = Expected::new();
    let mut after = vec![(0, there.clone())];
    for number in 0..12 {
        step(&tier, clock, number, &mut there);
        written(&tier).await;
        let segment = segments(directory).pop().unwrap();
        after.push((fs::metadata(segment).unwrap().len(), there.clone()));
        copy(directory, &copies.join(number.to_string()));
    }
    after
}

#[tokio::test]
async fn a_process_that_ends_at_any_byte_leaves_one_of_two_states() {
    let (directory, copies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let clock = Clock::system();
    let after = steps(directory.path(), copies.path(), &clock).await;
    for (number, two) in after.windows(2).enumerate() {
        let (from, to) = (two[0].0, two[1].0);
        for length in (from..=to).filter(|length| *length < from + 3 || *length + 3 > to || length % 11 == 0) {
            let crashed = tempfile::tempdir().unwrap();
            crash(copies.path(), number, crashed.path(), length);
            let tier = small(crashed.path(), &clock);
            let there = found(&tier).await;
            let old = &two[usize::from(length == to)].1;
            let wrong = KEYS.iter().find(|text| ![two[1].1.get(*text), old.get(*text)].contains(&there.get(*text)));
            assert_eq!(wrong, None, "after step {number}, cut at {length} of {to}");
            assert_eq!(tier.state().corrupt, 0, "a torn write is no damage: step {number}, cut at {length} of {to}");
        }
    }
}

/// The directory after a step, as if the process had ended when its segment was so long.
fn crash(copies: &Path, number: usize, to: &Path, length: u64) {
    copy(&copies.join(number.to_string()), to);
    if let Some(before) = number.checked_sub(1) {
        // A blob is removed only after the record that forgets it was written.
        copy(&copies.join(before.to_string()).join("blobs"), &to.join("blobs"));
    }
    let segment = segments(to).pop().unwrap();
    OpenOptions::new().write(true).open(segment).unwrap().set_len(length).unwrap();
}

#[tokio::test]
async fn what_came_back_can_be_changed_and_stays_changed() {
    let (directory, copies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let clock = Clock::system();
    let after = steps(directory.path(), copies.path(), &clock).await;
    for (number, (_, then)) in after.iter().skip(1).enumerate() {
        let path = copies.path().join(number.to_string());
        let mut there = then.clone();
        for _ in 0..3 {
            let tier = small(&path, &clock);
            assert_eq!(found(&tier).await, there);
            let first = there.pop_first();
            assert!(first.is_none_or(|(text, _)| tier.forget(&key(text))));
            tier.settled().await.unwrap();
        }
        let tier = small(&path, &clock);
        assert_eq!(found(&tier).await, there);
    }
}

#[tokio::test]
async fn files_that_nothing_names_are_removed() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let tier = open(directory.path(), &clock);
    put(&tier, "large", kept(&clock, noise(2 << 20, 1)));
    tier.close().await;
    let blobs = directory.path().join("blobs");
    let named = fs::read_dir(&blobs).unwrap().next().unwrap().unwrap().path();
    fs::copy(&named, blobs.join("00000000000000ff.blob")).unwrap();
    fs::write(blobs.join("0000000000000100.tmp"), b"not finished").unwrap();
    let again = open(directory.path(), &clock);
    assert!(get(&again, "large").await.is_some());
    assert_eq!(fs::read_dir(&blobs).unwrap().count(), 1);
}

#[tokio::test]
async fn numbers_are_never_given_twice() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let namespace: Arc<str> = "ns".into();
    for round in 0..5u64 {
        let tier = open(directory.path(), &clock);
        // A fence of the round before must not touch what is stored now.
        assert!(put(&tier, "a", kept(&clock, noise(10, round + 1))));
        written(&tier).await;
        assert!(get(&tier, "a").await.is_some());
        tier.forget_sets(&namespace, &[Selector::Everything]);
        tier.settled().await.unwrap();
        assert_eq!(get(&tier, "a").await, None);
    }
}
