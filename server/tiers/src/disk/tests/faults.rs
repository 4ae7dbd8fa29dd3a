//! A disk that is full, fails, or may only be read: the tier steps aside, what was forgotten stays forgotten, and it comes
//! back by itself.

use hotplate_engine::tier::local::HandedDown;
use hotplate_engine::{selector::Selector, tier::TierErrorKind};

use super::{
    failing::{EIO, ENOSPC, Fails},
    *,
};
use crate::guard::{GuardOptions, Guarded};

impl Bed {
    fn put(&self, tier: &DiskTier, text: &str, size: usize) -> bool {
        tier.put(&key(text), kept(&self.clock, noise(size, 1)), HandedDown::Written)
    }

    /// A tier with these entries on disk.
    async fn holding(&self, texts: &[&str]) -> Arc<DiskTier> {
        let tier = self.open();
        for text in texts {
            assert!(self.put(&tier, text, 1000));
        }
        self.written(&tier).await;
        tier
    }

    async fn written(&self, tier: &DiskTier) {
        self.put(tier, "last", 1);
        tier.forget(&key("last"));
        tier.settled().await.unwrap();
    }

    /// What is found after the process has ended.
    async fn found_later(&self, tier: Arc<DiskTier>, texts: &[&str]) -> Vec<bool> {
        drop(tier);
        let again = self.open();
        let mut found = Vec::new();
        for text in texts {
            found.push(get(&again, text).await.is_some());
        }
        found
    }
}

fn dropped(tier: &DiskTier, why: &str) -> u64 {
    tier.state().dropped.iter().find(|dropped| dropped.0 == why).map_or(0, |dropped| dropped.1)
}

#[tokio::test]
async fn a_full_disk_stores_nothing_serves_what_is_there_and_forgets_for_good() {
    let bed = Bed::new(Sync::Off);
    let tier = bed.holding(&["a", "b", "c"]).await;
    bed.files.set(Fails { left: Some(100), ..Fails::default() });
    assert!(bed.put(&tier, "d", 5000));
    until("it notices", || tier.state().health == TierHealth::Degraded).await;
    let state = tier.state();
    assert!(state.why.unwrap().contains("full"));
    assert_eq!(dropped(&tier, "full"), 1);
    assert!(!bed.put(&tier, "e", 10) && dropped(&tier, "away") == 1);
    assert_eq!((get(&tier, "d").await, get(&tier, "a").await.is_some()), (None, true));
    // Not a byte is left: room is made for it.
    assert!(tier.forget(&key("a")));
    tier.forget_sets(&"ns".into(), &[Selector::key("b").unwrap()]);
    tier.settled().await.unwrap();
    assert_eq!((get(&tier, "a").await, get(&tier, "b").await), (None, None));
    bed.files.set(Fails::default());
    until_up(&tier).await;
    assert!(bed.put(&tier, "f", 5000));
    bed.written(&tier).await;
    let found = bed.found_later(tier, &["a", "b", "d", "e", "f"]).await;
    assert_eq!(found, [false, false, false, false, true]);
}

#[tokio::test]
async fn an_entry_that_replaces_another_and_cannot_be_written_does_not_leave_the_old_one() {
    let bed = Bed::new(Sync::Off);
    let tier = bed.holding(&["a", "b"]).await;
    bed.files.set(Fails { write: Some(ENOSPC), ..Fails::default() });
    assert!(bed.put(&tier, "a", 2000));
    until("it notices", || tier.state().health == TierHealth::Degraded).await;
    assert_eq!(get(&tier, "a").await, None);
    bed.files.set(Fails::default());
    until_up(&tier).await;
    tier.settled().await.unwrap();
    assert_eq!(bed.found_later(tier, &["a", "b"]).await, [false, true]);
}

#[tokio::test]
async fn a_disk_that_cannot_be_written_is_emptied_rather_than_believed() {
    let bed = Bed::new(Sync::Off);
    let tier = bed.holding(&["a", "b"]).await;
    bed.files.set(Fails { write: Some(EIO), ..Fails::default() });
    assert!(tier.forget(&key("a")));
    tier.settled().await.unwrap();
    assert_eq!(tier.state().health, TierHealth::Degraded);
    bed.files.set(Fails::default());
    until_up(&tier).await;
    assert_eq!(bed.found_later(tier, &["a", "b"]).await, [false, false]);
}

#[tokio::test]
async fn on_a_read_only_disk_forgetting_is_not_said_to_be_settled_until_it_is() {
    let bed = Bed::new(Sync::Off);
    let tier = bed.holding(&["a", "b"]).await;
    bed.files.set(Fails::read_only());
    assert!(tier.forget(&key("a")));
    let refused = tier.settled().await.unwrap_err();
    assert_eq!(refused.kind, TierErrorKind::Unreachable);
    assert_eq!((get(&tier, "a").await, get(&tier, "b").await.is_some()), (None, true), "it is gone here all the same");
    assert!(tier.settled().await.is_err() && !bed.put(&tier, "c", 10));
    bed.files.set(Fails::default());
    until_up(&tier).await;
    tier.settled().await.unwrap();
    assert!(bed.put(&tier, "c", 10));
    bed.written(&tier).await;
    let found = bed.found_later(tier, &["a", "c"]).await;
    assert_eq!(found, [false, true]);
}

#[tokio::test]
async fn a_failed_sync_is_never_taken_for_one_that_worked() {
    let bed = Bed::new(Sync::Always);
    let tier = bed.holding(&["a", "b"]).await;
    bed.files.set(Fails { sync: Some(EIO), ..Fails::default() });
    assert!(tier.forget(&key("a")));
    let refused = tier.settled().await.unwrap_err();
    assert_eq!(refused.kind, TierErrorKind::Unreachable, "removing cannot be forced onto the medium either");
    bed.files.set(Fails::default());
    until_up(&tier).await;
    tier.settled().await.unwrap();
    assert!(tier.state().errors.iter().any(|(step, _)| *step == "sync"));
    assert_eq!(bed.found_later(tier, &["a", "b"]).await, [false, false], "what was on its way is not known");
}

#[tokio::test]
async fn a_disk_that_cannot_be_read_is_left_alone_for_a_while() {
    let bed = Bed::new(Sync::Off);
    let tier = bed.holding(&["a"]).await;
    bed.files.set(Fails { read: Some(EIO), ..Fails::default() });
    // When it next looks at what is due it is read again: that may be right after the third failure, and then there are
    // three more.
    let (mut failed, clock) = (0, Clock::system());
    let begun = clock.now();
    loop {
        let health = tier.state().health;
        let refused = tier.get(&key("a")).await.unwrap_err().kind;
        if refused == TierErrorKind::Away {
            assert!(health == TierHealth::Away && failed > 0 && failed % 3 == 0, "{health:?} after {failed}");
            break;
        }
        assert_eq!(refused, TierErrorKind::Unreachable);
        assert!(clock.now().since(begun) < Duration::from_secs(60), "it is not left alone");
        failed += 1;
    }
    bed.files.set(Fails::default());
    until_up(&tier).await;
    assert!(get(&tier, "a").await.is_some(), "it was not the entry's fault");
}

#[tokio::test]
async fn a_directory_that_cannot_be_read_yet_is_read_later_unless_something_was_forgotten() {
    for forgets in [false, true] {
        let bed = Bed::new(Sync::Off);
        bed.holding(&["a"]).await.close().await;
        bed.files.set(Fails { list: Some(EIO), ..Fails::default() });
        let tier = bed.open();
        let state = tier.state();
        assert!(state.health == TierHealth::Away && state.why.unwrap().contains("cannot be used"));
        assert!(tier.get(&key("a")).await.is_err());
        tier.settled().await.unwrap();
        if forgets {
            assert!(!bed.put(&tier, "other", 1), "nor is what it replaces known");
            assert!(tier.settled().await.is_err(), "it may be there, and come back");
        }
        bed.files.set(Fails::default());
        until_up(&tier).await;
        tier.settled().await.unwrap();
        assert_eq!(get(&tier, "a").await.is_some(), !forgets);
        assert_eq!(bed.found_later(tier, &["a"]).await, [!forgets]);
    }
}

#[tokio::test]
async fn a_first_segment_of_which_only_the_name_is_there_does_not_keep_it_away() {
    let bed = Bed::new(Sync::Off);
    for name in [crate::disk::lock::LOCK, "00000001.seg"] {
        std::fs::write(bed.directory.path().join(name), []).unwrap();
    }
    bed.files.set(Fails { list: Some(EIO), ..Fails::default() });
    let tier = bed.open();
    assert!(!bed.put(&tier, "a", 1) && tier.settled().await.is_err());
    bed.files.set(Fails::default());
    until_up(&tier).await;
    assert!(bed.put(&tier, "a", 1));
    bed.written(&tier).await;
    assert_eq!(bed.found_later(tier, &["a"]).await, [true]);
}

#[tokio::test]
async fn writes_and_reads_may_be_short() {
    let bed = Bed::new(Sync::Interval(Duration::from_millis(1)));
    bed.files.set(Fails { short: Some(13), ..Fails::default() });
    let tier = bed.holding(&["a", "b"]).await;
    assert!(bed.put(&tier, "large", 300_000));
    bed.written(&tier).await;
    assert_eq!(get(&tier, "large").await.unwrap(), noise(300_000, 1));
    assert_eq!(bed.found_later(tier, &["a", "b", "large"]).await, [true, true, true]);
}

/// Of which a large value takes longer than a tier has for a call.
fn slow() -> Fails {
    Fails { slow: Some(Duration::from_millis(50)), short: Some(16 << 10), ..Fails::default() }
}

#[tokio::test]
async fn on_a_slow_disk_what_is_large_takes_its_time_and_keeps_nobody_else_out() {
    let bed = Bed::new(Sync::Off);
    let tier = bed.holding(&["small"]).await;
    for text in ["one", "two"] {
        assert!(bed.put(&tier, text, 1_900_000));
    }
    bed.written(&tier).await;
    // Time enough for a step on a machine that does other things too.
    let options = GuardOptions { timeout: Duration::from_secs(5), ..GuardOptions::local() };
    let tier: Arc<dyn LocalTier> = tier;
    let guarded = Guarded::local(tier, options.clone(), bed.clock.clone());
    bed.files.set(slow());
    let (keys, begun) = ([key("one"), key("two")], bed.clock.now());
    let (one, two) = (guarded.get(&keys[0]), guarded.get(&keys[1]));
    let small = async {
        let mut served = 0;
        while bed.clock.now().since(begun) < options.timeout {
            served += u32::from(guarded.get(&key("small")).await.unwrap().is_some());
        }
        served
    };
    let (one, two, small) = tokio::join!(one, two, small);
    assert!(bed.clock.now().since(begun) > options.timeout, "it is slow");
    for found in [one, two] {
        assert_eq!(found.unwrap().expect("it is no miss").value_bytes(), 1_900_000);
    }
    assert!(small > 3, "{small} reads of a small one meanwhile");
    let state = guarded.state();
    assert_eq!((state.errors, state.calls.unwrap().opened), (vec![], 0));
}
