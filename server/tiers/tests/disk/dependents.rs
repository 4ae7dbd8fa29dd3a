//! What was made from something goes with it; what was made from nothing stays.

use std::time::Duration;

use hotplate_engine::{clock::Clock, selector::Selector, tier::local::LocalTier};

use crate::support::{described, get, kept, key, open, put, written};

/// Which of these are there, over a restart as well as before.
async fn left(selectors: &[Selector]) -> Vec<&'static str> {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let tier = open(folder.path(), &clock);
    put(&tier, "alone", kept(&clock, "1"));
    put(&tier, "of-key", described(kept(&clock, "2"), &[], "", (&["a/1"], &[])));
    put(&tier, "of-tag", described(kept(&clock, "3"), &[], "", (&["tag:t"], &[])));
    put(&tier, "far", described(kept(&clock, "4"), &[], "", (&["of-key"], &["a/1"])));
    written(&tier).await;
    tier.forget_dependents(&"ns".into(), selectors);
    put(&tier, "later", described(kept(&clock, "5"), &[], "", (&["a/1"], &[])));
    tier.settled().await.unwrap();
    let names = ["alone", "of-key", "of-tag", "far", "later"];
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for name in names {
        assert!(tier.may_hold(&key(name)) || get(&tier, name).await.is_none());
        before.extend(get(&tier, name).await.map(|_| name));
    }
    tier.close().await;
    drop(tier);
    let tier = open(folder.path(), &clock);
    while tier.state().health != hotplate_engine::tier::TierHealth::Up {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for name in names {
        after.extend(get(&tier, name).await.map(|_| name));
    }
    assert_eq!(before, after);
    after
}

#[tokio::test]
async fn what_was_made_from_what_is_named_goes_and_nothing_else() {
    assert_eq!(left(&[Selector::key("a/1").unwrap()]).await, ["alone", "of-tag", "later"]);
    assert_eq!(left(&[Selector::tag("t").unwrap()]).await, ["alone", "of-key", "far", "later"]);
    assert_eq!(left(&[Selector::key("b").unwrap()]).await, ["alone", "of-key", "of-tag", "far", "later"]);
    assert_eq!(left(&[Selector::kind("fit").unwrap()]).await, ["alone", "of-key", "of-tag", "far", "later"]);
}

#[tokio::test]
async fn what_more_than_a_name_selects_takes_all_that_was_made_from_something() {
    for selector in [Selector::prefix("a/").unwrap(), Selector::glob("a/*").unwrap(), Selector::Everything] {
        assert_eq!(left(&[selector]).await, ["alone", "later"]);
    }
}
