//! Ends of entries across restarts, whatever the wall clock does meanwhile.

use std::time::Duration;

use hotplate_engine::{clock::Clock, tier::local::LocalTier};

use crate::support::{get, key, lasting, open, put, written};

const HOUR: Duration = Duration::from_secs(3600);

/// A clock whose wall is so much later than that of others at first.
fn later(by: Duration) -> Clock {
    let clock = Clock::manual();
    clock.advance(by);
    clock
}

#[tokio::test]
async fn time_that_passes_between_two_starts_counts() {
    let directory = tempfile::tempdir().unwrap();
    let before = later(HOUR);
    let tier = open(directory.path(), &before);
    put(&tier, "a", lasting(&before, "v", HOUR));
    put(&tier, "b", lasting(&before, "v", HOUR * 3));
    tier.close().await;
    let after = later(HOUR * 2 + Duration::from_secs(1));
    let again = open(directory.path(), &after);
    assert_eq!((get(&again, "a").await.is_some(), get(&again, "b").await.is_some()), (false, true));
}

#[tokio::test]
async fn a_wall_clock_that_went_back_makes_nothing_live_longer() {
    // An hour, and a day, earlier by the wall.
    for back in [HOUR, HOUR * 24] {
        went_back(true, Duration::from_secs(20), back).await;
        went_back(false, Duration::from_secs(60), back).await;
    }
}

/// Stores for a minute; closes 40 s later, or ends at once; and goes on by an earlier wall clock.
async fn went_back(clean: bool, longest: Duration, back: Duration) {
    let directory = tempfile::tempdir().unwrap();
    let before = later(HOUR * 24);
    let tier = open(directory.path(), &before);
    put(&tier, "a", lasting(&before, "v", Duration::from_secs(60)));
    written(&tier).await;
    if clean {
        before.advance(Duration::from_secs(40));
        tier.close().await;
    }
    drop(tier);
    let after = later(HOUR * 24 - back);
    let again = open(directory.path(), &after);
    let kept = again.get(&key("a")).await.unwrap().unwrap();
    let left = kept.usable_until - after.wall(after.now());
    assert!(left <= longest, "{left:?} left by this clock");
    after.advance(left + Duration::from_millis(1));
    assert_eq!(get(&again, "a").await, None, "it ends when that much time has passed");
}

#[tokio::test]
async fn what_is_stored_while_the_clock_is_behind_lives_as_long_as_it_says() {
    let directory = tempfile::tempdir().unwrap();
    let ahead = later(HOUR * 24 * 30);
    open(directory.path(), &ahead).close().await;
    let right = later(HOUR);
    let tier = open(directory.path(), &right);
    let entry = lasting(&right, "v", HOUR);
    put(&tier, "a", entry.clone());
    written(&tier).await;
    assert_eq!(tier.get(&key("a")).await.unwrap(), Some(entry), "in the times of this process's clock");
    right.advance(HOUR - Duration::from_secs(1));
    assert!(get(&tier, "a").await.is_some());
    right.advance(Duration::from_secs(1));
    assert_eq!(get(&tier, "a").await, None);
}
