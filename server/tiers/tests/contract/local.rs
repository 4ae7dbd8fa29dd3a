//! What every tier of one machine does, asked of the disk, bare and behind its guard. How the disk does it is tested beside.

use std::{sync::Arc, time::Duration};

use hotplate_engine::{
    clock::Clock,
    key::Key,
    selector::Selector,
    tier::{
        TierName,
        local::{HandedDown, LocalTier},
    },
};
use hotplate_tiers::{
    codec::{Codec, CodecOptions},
    disk::{DiskOptions, DiskTier},
    guard::{GuardOptions, Guarded},
};

use crate::harness::*;

fn disk(path: &std::path::Path) -> Arc<dyn LocalTier> {
    let clock = Clock::system();
    let codec = Codec::new(CodecOptions::default(), clock.clone());
    DiskTier::open(DiskOptions::new(path, 16 << 20), codec, clock).unwrap()
}

fn guarded(path: &std::path::Path) -> Arc<dyn LocalTier> {
    // Time enough for a machine that does other things too.
    let options = GuardOptions { timeout: Duration::from_secs(20), ..GuardOptions::local() };
    Guarded::local(disk(path), options, Clock::system())
}

async fn found(tier: &dyn LocalTier, key: &Key) -> Option<String> {
    tier.get(key).await.unwrap().map(|kept| text(&kept))
}

fn selectors(tag: &str) -> [Selector; 1] {
    [Selector::tag(tag).unwrap()]
}

/// A tier that opens (again) in the same place.
type Open = fn(&std::path::Path) -> Arc<dyn LocalTier>;

async fn opened(open: Open, path: &std::path::Path) -> Arc<dyn LocalTier> {
    let tier = open(path);
    // What was there before is read first.
    eventually("it has opened", || async { tier.get(&key("nothing")).await.is_ok() }).await;
    tier
}

#[tokio::test(flavor = "multi_thread")]
async fn the_disk_keeps_all_promises_bare_and_guarded() {
    for open in [disk as Open, guarded] {
        let folder = tempfile::tempdir().unwrap();
        let tier = opened(open, folder.path()).await;
        assert_eq!(tier.name(), TierName::Disk);
        the_last_of_each_key_stays(&*tier).await;
        what_is_forgotten_is_gone_at_once(&*tier).await;
        tier.close().await;
        drop(tier);
        what_was_settled_outlives_the_process(open).await;
    }
}

async fn the_last_of_each_key_stays(tier: &dyn LocalTier) {
    let key = key("last");
    for version in 0..50 {
        assert!(tier.put(&key, kept(&version.to_string()), HandedDown::Written));
        assert!(tier.holds(&key));
    }
    assert_eq!(found(tier, &key).await.as_deref(), Some("49"));
}

async fn what_is_forgotten_is_gone_at_once(tier: &dyn LocalTier) {
    let (one, other) = (key("one"), key("other"));
    let fill = || {
        for key in [&one, &other] {
            assert!(tier.put(key, kept("x"), HandedDown::Written));
        }
    };
    fill();
    tier.forget(&one);
    assert!(!tier.holds(&one) && tier.holds(&other));
    assert_eq!(found(tier, &one).await, None);
    fill();
    tier.forget_sets(one.namespace(), &selectors("blue"));
    assert_eq!(found(tier, &one).await.as_deref(), Some("x"), "it has another tag");
    tier.forget_sets(one.namespace(), &selectors("red"));
    assert_eq!((found(tier, &one).await, found(tier, &other).await), (None, None));
    fill();
    assert_eq!(found(tier, &other).await.as_deref(), Some("x"), "it came after the fence");
    tier.forget_all();
    assert_eq!((found(tier, &one).await, found(tier, &other).await), (None, None));
    tier.settled().await.unwrap();
}

async fn what_was_settled_outlives_the_process(open: Open) {
    let folder = tempfile::tempdir().unwrap();
    let (stays, goes) = (key("stays"), key("goes"));
    let tier = opened(open, folder.path()).await;
    tier.put(&stays, kept("kept"), HandedDown::Evicted);
    tier.put(&goes, kept("old"), HandedDown::Written);
    tier.settled().await.unwrap();
    tier.forget(&goes);
    tier.settled().await.unwrap();
    tier.close().await;
    drop(tier);
    let tier = opened(open, folder.path()).await;
    assert_eq!(found(&*tier, &stays).await.as_deref(), Some("kept"));
    assert_eq!(found(&*tier, &goes).await, None);
    tier.close().await;
}
