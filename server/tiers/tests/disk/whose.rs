//! A directory is used only where it is empty or was this tier's before: nothing of anybody else's is touched.

use std::{collections::BTreeMap, fs, path::Path};

use hotplate_engine::{clock::Clock, tier::local::LocalTier};
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
