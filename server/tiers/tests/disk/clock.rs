//! Ends of entries across restarts, whatever the wall clock does meanwhile.

use std::time::Duration;

use hotplate_engine::{
    clock::Clock,
    tier::{TierHealth, local::LocalTier},
};
use hotplate_tiers::disk::{DiskOptions, DiskTier};

use crate::support::{SMALL, get, key, lasting, noise, open, open_with, put};

const HOUR: Duration = Duration::from_secs(3600);

/// A clock whose wall is so much later than that of others at first.
fn later(by: Duration) -> Clock {
    let clock = Clock::manual();
    clock.advance(by);
    clock
}

/// Waits until everything that was handed over is written, without a word of another time than this clock's.
async fn written(tier: &DiskTier, clock: &Clock) {
    put(tier, "last", lasting(clock, "v", HOUR));
    tier.forget(&key("last"));
    tier.settled().await.unwrap();
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
    written(&tier, &before).await;
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
    written(&tier, &right).await;
    assert_eq!(tier.get(&key("a")).await.unwrap(), Some(entry), "in the times of this process's clock");
    right.advance(HOUR - Duration::from_secs(1));
    assert!(get(&tier, "a").await.is_some());
    right.advance(Duration::from_secs(1));
    assert_eq!(get(&tier, "a").await, None);
}

/// What is over by its age is not there, so its file must not be either.
#[tokio::test]
async fn what_got_too_old_between_two_starts_leaves_no_file_behind() {
    let directory = tempfile::tempdir().unwrap();
    let options = DiskOptions { age_max: Some(HOUR), ..DiskOptions::new(directory.path(), SMALL) };
    let before = later(HOUR);
    let tier = open_with(options.clone(), &before);
    let size = 80_000;
    let count = SMALL / size - 5;
    for number in 0..count {
        put(&tier, &number.to_string(), lasting(&before, noise(size as usize, number + 1), HOUR * 9));
    }
    written(&tier, &before).await;
    let blobs = || std::fs::read_dir(directory.path().join("blobs")).unwrap().count() as u64;
    assert_eq!((tier.state().entries, blobs()), (Some(count), count));
    tier.close().await;
    let after = later(HOUR * 3);
    let again = open_with(options, &after);
    assert_eq!((again.state().entries, blobs()), (Some(0), 0));
    for number in 0..count {
        assert!(put(&again, &number.to_string(), lasting(&after, noise(size as usize, number + 1), HOUR)));
    }
    written(&again, &after).await;
    let state = again.state();
    assert_eq!((state.health, state.evicted, state.entries), (TierHealth::Up, 0, Some(count)));
}
