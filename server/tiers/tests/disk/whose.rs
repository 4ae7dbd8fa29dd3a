//! A directory is used only where it is empty or was this tier's before: nothing of anybody else's is touched.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use hotplate_engine::{
    clock::Clock,
    tier::{TierHealth, local::LocalTier},
};
use hotplate_tiers::disk::{DiskError, DiskOptions, DiskTier};

use crate::support::{BYTES_MAX, codec, get, kept, key, open, put, written};

fn everything(path: &Path) -> BTreeMap<std::path::PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(everything(&path));
        } else {
            all.insert(path.clone(), fs::read(path).unwrap());
        }
    }
    all
}

#[tokio::test]
async fn a_directory_of_something_else_is_refused_and_left_as_it_is() {
    let (directory, clock) = (tempfile::tempdir().unwrap(), Clock::system());
    fs::create_dir(directory.path().join("blobs")).unwrap();
    for name in ["00000001.seg", "clock", "lock", "blobs/1.blob", "blobs/readme", "words.txt"] {
        fs::write(directory.path().join(name), name).unwrap();
    }
    let before = everything(directory.path());
    let options = DiskOptions::new(directory.path(), BYTES_MAX);
    let refused = DiskTier::open(options, codec(&clock), clock.clone()).unwrap_err();
    assert!(matches!(refused, DiskError::NotOurs(_)) && refused.to_string().contains("disk.path"), "{refused}");
    assert_eq!(everything(directory.path()), before);
}

#[tokio::test]
async fn an_empty_directory_a_new_file_system_and_its_own_are_used() {
    let (directory, clock) = (tempfile::tempdir().unwrap(), Clock::system());
    fs::create_dir(directory.path().join("lost+found")).unwrap();
    let tier = open(directory.path(), &clock);
    put(&tier, "k", kept(&clock, "v"));
    written(&tier).await;
    let options = DiskOptions::new(directory.path(), BYTES_MAX);
    let second = DiskTier::open(options, codec(&clock), clock.clone());
    assert!(matches!(second, Err(DiskError::InUse(_))), "it is held");
    tier.close().await;
    drop(tier);
    let again = open(directory.path(), &clock);
    assert!(get(&again, "k").await.is_some() && again.holds(&key("k")));
}

async fn until(what: &str, so: impl AsyncFn() -> bool) {
    let clock = Clock::system();
    let begun = clock.now();
    while !so().await {
        assert!(clock.now().since(begun) < Duration::from_secs(60), "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_directory_that_is_removed_is_given_up_and_made_anew() {
    let (directory, clock) = (tempfile::tempdir().unwrap(), Clock::system());
    let path = directory.path().join("cache");
    let tier = open(&path, &clock);
    put(&tier, "k", kept(&clock, "v"));
    written(&tier).await;
    // At once: while it is removed file by file, it may be made anew.
    let away = directory.path().join("away");
    fs::rename(&path, &away).unwrap();
    fs::remove_dir_all(away).unwrap();
    until("it is seen and made anew", async || path.join("hotplate.lock").exists()).await;
    until("it is up", async || tier.state().health == TierHealth::Up).await;
    assert_eq!((get(&tier, "k").await, tier.state().entries), (None, Some(0)));
    assert!(put(&tier, "k", kept(&clock, "again")));
    tier.close().await;
    drop(tier);
    assert!(get(&open(&path, &clock), "k").await.is_some());
}

#[tokio::test]
async fn whoever_finds_another_in_its_directory_writes_nothing_more() {
    let (directory, clock) = (tempfile::tempdir().unwrap(), Clock::system());
    let tier = open(directory.path(), &clock);
    put(&tier, "k", kept(&clock, "v"));
    written(&tier).await;
    let second = loop {
        let lock = directory.path().join("hotplate.lock");
        fs::remove_file(&lock).unwrap();
        fs::write(lock, "").unwrap();
        // The first may have seen it already, and made it anew.
        if let Ok(second) = DiskTier::open(DiskOptions::new(directory.path(), BYTES_MAX), codec(&clock), clock.clone())
        {
            break second;
        }
    };
    until("it is seen", async || tier.state().health == TierHealth::Away).await;
    let why = tier.state().why.unwrap();
    assert!(why.contains("disk.path") && why.contains(&*directory.path().to_string_lossy()), "{why}");
    assert!(!put(&tier, "k", kept(&clock, "of the first")));
    assert!(tier.settled().await.is_err(), "nothing of it is written down");
    assert!(get(&second, "k").await.is_some());
    put(&second, "k", kept(&clock, "of the second"));
    written(&second).await;
    second.close().await;
    drop(second);
    until("it is up", async || tier.state().health == TierHealth::Up).await;
    assert_eq!(get(&tier, "k").await, None, "what happened there meanwhile it does not know");
    tier.settled().await.unwrap();
    put(&tier, "k", kept(&clock, "of the first"));
    tier.close().await;
    drop(tier);
    assert_eq!(get(&open(directory.path(), &clock), "k").await.unwrap(), "of the first");
}

#[tokio::test]
async fn where_only_the_lock_was_removed_the_directory_is_taken_again() {
    let (directory, clock) = (tempfile::tempdir().unwrap(), Clock::system());
    let tier = open(directory.path(), &clock);
    put(&tier, "k", kept(&clock, "v"));
    written(&tier).await;
    fs::remove_file(directory.path().join("hotplate.lock")).unwrap();
    until("it is seen", async || tier.state().entries == Some(0)).await;
    until("it is up", async || tier.state().health == TierHealth::Up).await;
    assert_eq!(get(&tier, "k").await, None);
    let options = DiskOptions::new(directory.path(), BYTES_MAX);
    let second = DiskTier::open(options, codec(&clock), clock.clone());
    assert!(matches!(second, Err(DiskError::InUse(_))), "it is held");
}
