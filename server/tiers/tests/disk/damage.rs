//! Damaged files: whatever is served is what was stored and is still valid, and what is lost is counted.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use bytes::Bytes;
use hotplate_engine::{
    clock::Clock,
    selector::Selector,
    tier::{TierErrorKind, TierHealth, local::LocalTier},
};
use proptest::prelude::*;

use crate::support::{SMALL, copy, described, kept, key, noise, open_with, put, segments, value, written};
use hotplate_tiers::disk::{DiskOptions, DiskTier};

/// Bytes of the entry that has a file of its own.
const LARGE: usize = 40_000;
const KEYS: [&str; 6] = ["a", "b", "c", "d", "forgotten", "fenced"];

fn open(path: &Path, clock: &Clock) -> Arc<DiskTier> {
    open_with(DiskOptions::new(path, SMALL), clock)
}

/// A directory with live, replaced, forgotten and fenced entries and a blob; with what is to be found in it.
async fn filled(path: &Path, clock: &Clock, sealed: bool) -> BTreeMap<&'static str, Bytes> {
    let tier = open(path, clock);
    let mut there = BTreeMap::new();
    put(&tier, "forgotten", kept(clock, "must not come back"));
    put(&tier, "fenced", described(kept(clock, "must not come back either"), &["t"], "", (&[], &[])));
    put(&tier, "a", kept(clock, "replaced"));
    written(&tier).await;
    tier.forget(&key("forgotten"));
    tier.forget_sets(&"ns".into(), &[Selector::tag("t").unwrap()]);
    for (number, text) in ["a", "b", "c"].into_iter().enumerate() {
        let value = noise(300, number as u64 + 1);
        put(&tier, text, kept(clock, value.clone()));
        there.insert(text, value.into());
        written(&tier).await;
    }
    let large = noise(LARGE, 9);
    put(&tier, "d", kept(clock, large.clone()));
    there.insert("d", large.into());
    written(&tier).await;
    if sealed {
        tier.close().await;
    }
    there
}

/// Opens what is there and looks for every key: nothing but what is expected, and what is missing was counted.
async fn judge(path: &Path, clock: &Clock, there: &BTreeMap<&'static str, Bytes>, what: &str) -> usize {
    let (found, corrupt) = look(path, clock, there, what).await;
    assert!(found == there.len() || corrupt > 0, "lost without a count: {what}");
    found
}

/// How many of the expected entries are found, and what was counted.
async fn look(path: &Path, clock: &Clock, there: &BTreeMap<&'static str, Bytes>, what: &str) -> (usize, u64) {
    let tier = open(path, clock);
    let mut found = 0;
    for text in KEYS {
        let answer = match tier.get(&key(text)).await {
            Ok(answer) => answer,
            Err(error) => {
                assert_eq!(error.kind, TierErrorKind::Corrupt, "{what}");
                None
            }
        };
        if let Some(kept) = answer {
            assert_eq!(Some(value(&kept)), there.get(text).cloned(), "{text}: {what}");
            found += 1;
        }
    }
    // And it goes on.
    assert!(put(&tier, "new", kept(clock, "v")), "{what}");
    written(&tier).await;
    assert!(tier.get(&key("new")).await.unwrap().is_some(), "{what}");
    (found, tier.state().corrupt)
}

async fn flip_everywhere(sealed: bool) {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let there = filled(directory.path(), &clock, sealed).await;
    let segment = segments(directory.path()).pop().unwrap();
    let name = segment.file_name().unwrap().to_owned();
    let bytes = fs::read(&segment).unwrap();
    let mut whole = 0;
    let places: Vec<usize> = (0..bytes.len()).step_by(11).chain(bytes.len() - 30..bytes.len()).collect();
    for place in &places {
        let broken = tempfile::tempdir().unwrap();
        copy(directory.path(), broken.path());
        let mut bytes = bytes.clone();
        bytes[*place] ^= 1 << (place % 8);
        fs::write(broken.path().join(&name), bytes).unwrap();
        let found = judge(broken.path(), &clock, &there, &format!("bit {} of byte {place}", place % 8)).await;
        whole += usize::from(found == there.len());
        // What was dropped stays dropped.
        let (again, _) = look(broken.path(), &clock, &there, "opened once more").await;
        assert!(again <= found, "byte {place}");
    }
    assert!(whole > places.len() / 10, "most flips in what is dead or doubled lose nothing: {whole}");
}

#[tokio::test]
async fn a_flipped_bit_anywhere_in_a_complete_segment_is_found() {
    flip_everywhere(true).await;
}

#[tokio::test]
async fn a_flipped_bit_anywhere_in_the_segment_being_written_is_found() {
    flip_everywhere(false).await;
}

#[tokio::test]
async fn a_flipped_bit_in_a_blob_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    filled(directory.path(), &clock, true).await;
    let blob = fs::read_dir(directory.path().join("blobs")).unwrap().next().unwrap().unwrap().path();
    let bytes = fs::read(&blob).unwrap();
    for place in (0..64).chain((64..bytes.len()).step_by(1009)) {
        let broken = tempfile::tempdir().unwrap();
        copy(directory.path(), broken.path());
        let mut bytes = bytes.clone();
        bytes[place] ^= 0x10;
        fs::write(broken.path().join("blobs").join(blob.file_name().unwrap()), bytes).unwrap();
        let tier = open(broken.path(), &clock);
        let error = tier.get(&key("d")).await.err().map(|error| error.kind);
        assert_eq!((error, tier.state().corrupt), (Some(TierErrorKind::Corrupt), 1), "byte {place}");
        assert!(tier.get(&key("d")).await.unwrap().is_none(), "it was dropped");
    }
}

#[tokio::test]
async fn a_flipped_bit_in_the_clock_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let there = filled(directory.path(), &clock, true).await;
    let bytes = fs::read(directory.path().join("clock")).unwrap();
    assert!(!bytes.is_empty());
    for place in 0..bytes.len() {
        let broken = tempfile::tempdir().unwrap();
        copy(directory.path(), broken.path());
        let mut bytes = bytes.clone();
        bytes[place] ^= 1;
        fs::write(broken.path().join("clock"), &bytes).unwrap();
        assert_eq!(look(broken.path(), &clock, &there, "clock").await, (there.len(), 1), "byte {place}");
    }
}

/// What a power loss leaves: the end of a segment was not written yet, and of the next one nothing but its name and so many
/// bytes.
async fn only_begun(bytes: usize) {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    filled(directory.path(), &clock, false).await;
    let last = segments(directory.path()).pop().unwrap();
    let mut whole = fs::read(&last).unwrap();
    whole.extend([0; 4096]);
    fs::write(&last, whole).unwrap();
    let number = u32::from_str_radix(last.file_stem().unwrap().to_str().unwrap(), 16).unwrap();
    fs::write(directory.path().join(format!("{:08x}.seg", number + 1)), vec![0; bytes]).unwrap();
    for times in [1, 2] {
        let tier = open(directory.path(), &clock);
        let state = tier.state();
        assert_eq!((state.health, state.why), (TierHealth::Up, None), "opened {times} times");
        assert!(times == 2 || state.corrupt == 1, "it is counted once: {}", state.corrupt);
        tier.close().await;
    }
    // Nobody knows what was lost, so nothing that is older is there.
    judge(directory.path(), &clock, &BTreeMap::new(), "it goes on").await;
}

#[tokio::test]
async fn a_segment_of_which_only_the_name_is_there_does_not_keep_the_directory_closed() {
    only_begun(0).await;
    only_begun(63).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Files of random bytes, and sound ones with a part of random bytes, are neither misread nor a reason to stop.
    #[test]
    fn files_of_random_bytes_are_dropped(
        bytes in proptest::collection::vec(any::<u8>(), 0..2000),
        at in 0usize..3000,
        clock_bytes in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let clock = Clock::system();
            let there = filled(directory.path(), &clock, at % 2 == 0).await;
            let segment = segments(directory.path()).pop().unwrap();
            let mut whole = fs::read(&segment).unwrap();
            let from = at.min(whole.len());
            let to = (from + bytes.len()).min(whole.len());
            whole[from..to].copy_from_slice(&bytes[..to - from]);
            fs::write(&segment, whole).unwrap();
            fs::write(directory.path().join("0000007f.seg"), &bytes).unwrap();
            // A clock may say that it is any time: then everything may have ended.
            if clock_bytes.len() < 16 {
                fs::write(directory.path().join("clock"), &clock_bytes).unwrap();
            }
            judge(directory.path(), &clock, &there, "random bytes").await;
        });
    }
}
