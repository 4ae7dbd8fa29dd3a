//! A real file system that is full or may only be read. Needs the right to mount one (CI is root): without it these tests fail
//! and say so.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use hotplate_engine::{
    clock::Clock,
    tier::{TierHealth, local::LocalTier},
};
use hotplate_tiers::disk::{DiskOptions, DiskTier};

use crate::support::{codec, get, kept, key, noise, open_with, put, written};

/// A file system of its own in memory, unmounted when dropped.
struct Mounted(tempfile::TempDir);

impl Mounted {
    fn new(size: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mounted = Self(directory);
        mounted.mount(&["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]);
        mounted
    }

    fn mount(&self, arguments: &[&str]) {
        let output = Command::new("mount").args(arguments).arg(self.0.path()).output();
        let output = output.expect("`mount` is needed: apt-get install mount");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "these tests mount a tmpfs: run them as root (sudo -E cargo test). {said}");
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("cache")
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // What is still open on it is let go as soon as it is closed.
        let unmounted = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

async fn until(tier: &DiskTier, health: TierHealth) {
    let clock = Clock::system();
    let begun = clock.now();
    while tier.state().health != health {
        assert!(clock.now().since(begun) < Duration::from_secs(60), "{:?}", tier.state());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Takes what room is left.
fn fill(directory: &Path) -> PathBuf {
    let path = directory.join("of another");
    let mut size = 1 << 20;
    let mut bytes = Vec::new();
    while size >= 1 {
        bytes.resize(bytes.len() + size, 1);
        if fs::write(&path, &bytes).is_err() {
            bytes.truncate(bytes.len() - size);
            size /= 2;
        }
    }
    // The last attempt may have left a part, which takes the rest.
    path
}

#[tokio::test]
async fn a_full_file_system_is_survived_and_left_when_there_is_room() {
    let mounted = Mounted::new("3m");
    let clock = Clock::system();
    let options = DiskOptions::new(mounted.path(), 2 << 20);
    let tier = open_with(options.clone(), &clock);
    for number in 0..50 {
        assert!(put(&tier, &format!("k{number}"), kept(&clock, noise(9000, number + 1))));
    }
    written(&tier).await;
    let other = fill(mounted.0.path());
    for number in 50..80 {
        put(&tier, &format!("k{number}"), kept(&clock, noise(9000, number + 1)));
    }
    until(&tier, TierHealth::Degraded).await;
    assert!(tier.state().why.unwrap().contains("full"));
    assert_eq!(get(&tier, "k49").await.unwrap(), noise(9000, 50), "what is there is served");
    assert!(tier.forget(&key("k49")));
    tier.settled().await.unwrap();
    assert_eq!(get(&tier, "k49").await, None);
    fs::remove_file(other).unwrap();
    until(&tier, TierHealth::Up).await;
    assert!(put(&tier, "after", kept(&clock, "v")));
    written(&tier).await;
    drop(tier);
    let again = open_with(options, &clock);
    assert_eq!((get(&again, "k49").await, get(&again, "after").await.is_some()), (None, true));
    assert_eq!(again.state().corrupt, 0);
}

#[tokio::test]
async fn a_file_system_that_may_only_be_read_is_left_alone() {
    let mounted = Mounted::new("8m");
    let clock = Clock::system();
    let options = DiskOptions::new(mounted.path(), 2 << 20);
    let tier = open_with(options.clone(), &clock);
    put(&tier, "a", kept(&clock, "1"));
    put(&tier, "b", kept(&clock, "2"));
    tier.close().await;
    drop(tier);
    mounted.mount(&["-o", "remount,ro"]);
    let required = DiskOptions { required: true, ..options.clone() };
    let refused = DiskTier::open(required, codec(&clock), clock.clone()).unwrap_err().to_string();
    assert!(refused.contains(&*mounted.path().to_string_lossy()) && refused.contains("disk.required"), "{refused}");
    let tier = open_with(options.clone(), &clock);
    assert_eq!(tier.state().health, TierHealth::Away);
    assert!(!put(&tier, "c", kept(&clock, "3")) && !tier.forget(&key("a")));
    assert!(tier.settled().await.is_err(), "what is there would come back");
    mounted.mount(&["-o", "remount,rw"]);
    until(&tier, TierHealth::Up).await;
    tier.settled().await.unwrap();
    assert_eq!(
        (get(&tier, "a").await, get(&tier, "b").await),
        (None, None),
        "what was forgotten meanwhile is not known"
    );
    assert!(put(&tier, "c", kept(&clock, "3")));
    written(&tier).await;
    drop(tier);
    let again = open_with(options, &clock);
    assert_eq!((get(&again, "a").await, get(&again, "c").await.is_some()), (None, true));
}
