//! A disk that keeps its callers waiting: how many threads wait for it at a time, and that no caller does who must not.

use futures::poll;
use hotplate_engine::tier::local::HandedDown;

use super::{failing::Fails, *};
use crate::{codec::DictionaryStore, disk::dictionary::Dictionaries};

/// A tier with this on disk.
async fn holding(directory: &tempfile::TempDir, files: &Arc<Failing>, entries: &[(&str, Vec<u8>)]) -> Arc<DiskTier> {
    let clock = Clock::system();
    let options = DiskOptions { reads_max: 3, ..DiskOptions::new(directory.path(), 4 << 20) };
    let codec = Codec::new(CodecOptions::default(), clock.clone());
    let tier = DiskTier::open_on(options, codec, clock.clone(), files.clone()).unwrap();
    for (text, value) in entries {
        assert!(tier.put(&key(text), kept(&clock, value.clone()), HandedDown::Written));
    }
    tier.put(&key("last"), kept(&clock, "v"), HandedDown::Written);
    tier.forget(&key("last"));
    tier.settled().await.unwrap();
    tier
}

#[tokio::test]
async fn reads_whose_callers_went_away_still_count_as_many_as_are_on_their_way() {
    let (directory, files) = (tempfile::tempdir().unwrap(), Arc::new(Failing::default()));
    let tier = holding(&directory, &files, &[("a", noise(100, 1))]).await;
    let before = files.gate.arrived();
    files.gate.shut(true);
    for _ in 0..20 {
        // Whoever asks goes away at once.
        drop(poll!(Box::pin(tier.get(&key("a")))));
    }
    let silent = poll!(Box::pin(tier.answers())).is_pending();
    files.gate.shut(false);
    assert!(silent, "it answers although it cannot be read");
    until("all are read", || tier.reads.idle()).await;
    assert_eq!(files.gate.arrived() - before, 3);
    tier.answers().await.unwrap();
    assert_eq!(files.gate.arrived() - before, 4, "it was asked whether it can be read");
    assert_eq!(get(&tier, "a").await.unwrap(), noise(100, 1));
}

#[tokio::test]
async fn who_asks_for_a_dictionary_does_not_wait_for_the_disk() {
    let (directory, files) = (tempfile::tempdir().unwrap(), Arc::new(Failing::default()));
    let store = Dictionaries::new(files.clone(), directory.path());
    store.save("ns", 5, Bytes::from_static(b"words")).await.unwrap();
    assert_eq!(store.load(5).await.unwrap(), Some(Bytes::from_static(b"words")));
    assert_eq!(store.current("ns").await.unwrap(), Some(Bytes::from_static(b"words")));
    assert_eq!((store.load(6).await.unwrap(), store.current("other").await.unwrap()), (None, None));
    assert!(!files.gate.saw_this_thread());
}

#[test]
fn what_is_small_on_disk_alone_is_not_unpacked_by_who_asks_for_it() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.max_blocking_threads(1).enable_all().build().unwrap();
    runtime.block_on(asks_for_what_is_small_on_disk_alone());
}

async fn asks_for_what_is_small_on_disk_alone() {
    let (directory, files) = (tempfile::tempdir().unwrap(), Arc::new(Failing::default()));
    let large = vec![7; 1 << 20];
    let tier = holding(&directory, &files, &[("small", noise(100, 1)), ("large", large.clone())]).await;
    // The segment is open from now on.
    assert_eq!(
        (get(&tier, "small").await.unwrap(), get(&tier, "large").await.unwrap()),
        (noise(100, 1).into(), large.into())
    );
    let slot = tier.core.ledger.lock().index.get(key("large").hash()).copied().unwrap();
    assert!(slot.length < 32 << 10, "it is of those that are read at once: {}", slot.length);
    files.set(Fails { in_memory: true, ..Fails::default() });
    let asked = key("small");
    assert!(poll!(tier.get(&asked)).is_ready());
    // The only thread that may wait is busy: what is handed to it is not done before that ends.
    let (ends, busy) = std::sync::mpsc::channel::<()>();
    let thread = tokio::task::spawn_blocking(move || busy.recv());
    let asked = key("large");
    let mut get = tier.get(&asked);
    assert!(poll!(&mut get).is_pending());
    drop(ends);
    assert!(thread.await.unwrap().is_err());
    assert!(get.await.unwrap().is_some());
}

#[tokio::test]
async fn a_segment_that_is_gone_is_not_kept_open() {
    let (directory, files) = (tempfile::tempdir().unwrap(), Arc::new(Failing::default()));
    let tier = holding(&directory, &files, &[("a", noise(100, 1))]).await;
    std::fs::write(directory.path().join("000000ff.seg"), "it was removed while it was opened").unwrap();
    assert!(tier.core.segment(0xff).is_ok());
    assert!(tier.core.open_segment(0xff).is_none());
    assert!(tier.core.segment(1).is_ok() && tier.core.open_segment(1).is_some());
}
