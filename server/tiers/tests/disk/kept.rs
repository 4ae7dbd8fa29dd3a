//! What is put in comes out, and what is forgotten does not.

use std::time::Duration;

use hotplate_engine::{
    ahead::RefreshAhead,
    clock::Clock,
    entry::{Negative, Payload},
    selector::Selector,
    tier::{TierHealth, local::LocalTier},
};

use crate::support::{bytes_on_disk, described, get, kept, key, noise, open, put, written};

#[tokio::test]
async fn values_of_every_size_come_back_as_they_were() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let tier = open(directory.path(), &clock);
    let sizes = [0, 1, 2, 100, 4096, 65_536, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5 << 20];
    for (number, size) in sizes.into_iter().enumerate() {
        assert!(put(&tier, &format!("k{number}"), kept(&clock, noise(size, number as u64 + 1))), "{size}");
    }
    for round in ["waiting", "written"] {
        for (number, size) in sizes.into_iter().enumerate() {
            let found = get(&tier, &format!("k{number}")).await.expect(round);
            assert_eq!(found, noise(size, number as u64 + 1), "{size} while {round}");
        }
        written(&tier).await;
    }
    tier.close().await;
    let again = open(directory.path(), &clock);
    for (number, size) in sizes.into_iter().enumerate() {
        assert_eq!(get(&again, &format!("k{number}")).await.unwrap(), noise(size, number as u64 + 1), "{size}");
    }
    let state = again.state();
    assert_eq!((state.health, state.entries, state.corrupt), (TierHealth::Up, Some(sizes.len() as u64), 0));
    assert!(state.recovery.is_some());
    assert!(bytes_on_disk(directory.path()) >= state.bytes.unwrap());
}

#[tokio::test]
async fn a_value_of_64_mebibytes_survives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let value = noise(64 << 20, 7);
    let options = hotplate_tiers::disk::DiskOptions::new(directory.path(), 256 << 20);
    let tier = crate::support::open_with(options.clone(), &clock);
    assert!(put(&tier, "large", kept(&clock, value.clone())));
    tier.close().await;
    drop(tier);
    let again = crate::support::open_with(options, &clock);
    assert!(get(&again, "large").await.unwrap() == value);
}

#[tokio::test]
async fn all_that_is_known_of_an_entry_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::manual();
    let mut entry = described(kept(&clock, "v"), &["a", "b"], "model", (&["k1", "tag:t"], &["k2"]));
    entry.cost = Some(Duration::from_micros(1_234_567));
    entry.cost_measured = true;
    entry.fresh_until -= Duration::from_secs(60);
    entry.idle_ttl = Some(Duration::from_secs(600));
    entry.refresh_ahead = Some(RefreshAhead::Never);
    entry.marked = true;
    let mut failure = kept(&clock, "");
    failure.payload = Payload::Negative(Negative { reason: "NOT_FOUND".into(), message: "there is none".into() });
    let tier = open(directory.path(), &clock);
    put(&tier, "k", entry.clone());
    put(&tier, "none", failure.clone());
    tier.close().await;
    let again = open(directory.path(), &clock);
    assert_eq!(again.get(&key("k")).await.unwrap(), Some(entry));
    assert_eq!(again.get(&key("none")).await.unwrap(), Some(failure));
}

#[tokio::test]
async fn what_is_forgotten_is_gone_at_once_and_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let tier = open(directory.path(), &clock);
    put(&tier, "a", kept(&clock, "1"));
    put(&tier, "b", kept(&clock, "2"));
    assert!(tier.holds(&key("a")));
    assert!(tier.forget(&key("a")));
    assert!(!tier.holds(&key("a")) && !tier.forget(&key("a")) && !tier.forget(&key("never there")));
    assert_eq!(get(&tier, "a").await, None);
    written(&tier).await;
    assert!(tier.forget(&key("b")));
    assert_eq!(get(&tier, "b").await, None);
    tier.settled().await.unwrap();
    drop(tier);
    let again = open(directory.path(), &clock);
    assert_eq!((get(&again, "a").await, get(&again, "b").await), (None, None));
}

#[tokio::test]
async fn fences_select_what_the_engine_says_and_nothing_newer() {
    let cases = [
        Selector::key("user/1"),
        Selector::prefix("user/"),
        Selector::glob("us*1"),
        Selector::tag("t"),
        Selector::all_tags(["s", "t"]),
        Selector::kind("model"),
        Selector::dependents_of("own"),
        Selector::dependents_of("inherited"),
        Ok(Selector::Everything),
    ];
    for selector in cases {
        let selector = selector.unwrap();
        raised(&selector, false).await;
        raised(&selector, true).await;
    }
}

/// Entries before and after a fence, written to the disk before it or not.
async fn raised(selector: &Selector, written_before: bool) {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let tier = open(directory.path(), &clock);
    let entry = described(kept(&clock, "v"), &["s", "t"], "model", (&["own"], &["inherited"]));
    put(&tier, "user/1", entry.clone());
    put(&tier, "other", described(kept(&clock, "v"), &["s"], "", (&["else"], &[])));
    if written_before {
        written(&tier).await;
    }
    tier.forget_sets(&"ns".into(), std::slice::from_ref(selector));
    assert_eq!(get(&tier, "user/1").await, None, "{selector:?}");
    assert!(!tier.holds(&key("user/1")), "{selector:?}");
    put(&tier, "new", entry);
    tier.settled().await.unwrap();
    written(&tier).await;
    drop(tier);
    let again = open(directory.path(), &clock);
    assert_eq!(get(&again, "user/1").await, None, "{selector:?} after a restart");
    assert_eq!(get(&again, "other").await.is_some(), *selector != Selector::Everything, "{selector:?}");
    assert!(get(&again, "new").await.is_some(), "{selector:?}: it is newer");
}

#[tokio::test]
async fn another_namespace_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let tier = open(directory.path(), &clock);
    put(&tier, "a", kept(&clock, "1"));
    tier.forget_sets(&"other".into(), &[Selector::Everything]);
    assert!(tier.holds(&key("a")));
    assert!(get(&tier, "a").await.is_some());
}

#[tokio::test]
async fn everything_can_be_forgotten_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let tier = open(directory.path(), &clock);
    for number in 0..100 {
        put(&tier, &format!("k{number}"), kept(&clock, noise(if number % 10 == 0 { 2 << 20 } else { 10 }, number + 1)));
    }
    written(&tier).await;
    put(&tier, "waits", kept(&clock, "v"));
    tier.forget_all();
    assert_eq!(tier.state().entries, Some(0));
    put(&tier, "after", kept(&clock, "v"));
    tier.settled().await.unwrap();
    written(&tier).await;
    assert!(tier.state().bytes.unwrap() < 10_000, "its files are gone");
    drop(tier);
    let again = open(directory.path(), &clock);
    assert_eq!((again.state().entries, get(&again, "waits").await), (Some(1), None));
    assert!(get(&again, "after").await.is_some());
}

#[tokio::test]
async fn after_closing_nothing_is_taken_and_nothing_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let tier = open(directory.path(), &clock);
    put(&tier, "a", kept(&clock, "1"));
    tier.close().await;
    assert!(!put(&tier, "b", kept(&clock, "1")));
    assert!(tier.get(&key("a")).await.is_err());
    assert_eq!(tier.state().health, TierHealth::Away);
    assert_eq!(tier.state().dropped, [("away", 1)]);
}

#[tokio::test]
async fn a_directory_belongs_to_one_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let tier = open(directory.path(), &clock);
    let options = hotplate_tiers::disk::DiskOptions::new(directory.path(), crate::support::BYTES_MAX);
    let second = hotplate_tiers::disk::DiskTier::open(options.clone(), crate::support::codec(&clock), clock.clone());
    let refused = second.unwrap_err().to_string();
    assert!(refused.contains("another process") && refused.contains("disk.path"), "{refused}");
    tier.close().await;
    crate::support::open_with(options, &clock);
}

#[cfg(unix)]
#[tokio::test]
async fn files_are_readable_by_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("new");
    let clock = Clock::system();
    let tier = open(&directory, &clock);
    put(&tier, "a", kept(&clock, noise(2 << 20, 1)));
    put(&tier, "b", kept(&clock, "1"));
    written(&tier).await;
    let mut open = vec![directory];
    let mut seen = 0;
    while let Some(path) = open.pop() {
        let facts = std::fs::metadata(&path).unwrap();
        assert_eq!(facts.permissions().mode() & 0o077, 0, "{}", path.display());
        seen += 1;
        if facts.is_dir() {
            open.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    assert!(seen >= 6, "a lock, a clock, a segment, a blob in a directory");
}
