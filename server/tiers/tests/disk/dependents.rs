//! What was made from something goes with it; what was made from nothing stays.

use std::{sync::Arc, time::Duration};

use hotplate_engine::{
    clock::Clock,
    selector::{OPEN, Selector, fact_of_kind, fact_of_tag, made_from},
    tier::local::LocalTier,
};
use hotplate_tiers::disk::DiskTier;

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

#[tokio::test]
async fn what_says_for_itself_what_it_was_made_from_goes_by_that_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let tier = open(folder.path(), &clock);
    let (red, blue, kind) = (fact_of_tag("red"), fact_of_tag("blue"), fact_of_kind("fit"));
    let put_one =
        |name, inherited: &[&str]| put(&tier, name, described(kept(&clock, "v"), &[], "", (&["x"], inherited)));
    put_one("red", &[&red]);
    put_one("both", &[&red, &blue]);
    put_one("kind", &[&kind]);
    put_one("near", &["a/1"]);
    put_one("any", &[OPEN]);
    put_one("plain", &[]);
    written(&tier).await;
    let all_tags = Selector::all_tags(["blue", "red"]).unwrap();
    let mut expected = vec!["red", "both", "kind", "near", "any", "plain"];
    let ways = [
        (all_tags, vec!["both"]),
        (Selector::prefix("a/").unwrap(), vec!["near"]),
        (Selector::tag("red").unwrap(), vec!["red"]),
        (Selector::kind("fit").unwrap(), vec!["kind"]),
        (Selector::DependentsOf(OPEN.into()), vec!["any"]),
    ];
    for (way, gone) in ways {
        tier.forget_sets(&"ns".into(), &made_from(&way));
        expected.retain(|name| !gone.contains(name));
        assert_eq!(there(&tier).await, expected, "{way:?}");
    }
    tier.settled().await.unwrap();
    tier.close().await;
    drop(tier);
    let tier = open(folder.path(), &clock);
    while tier.state().health != hotplate_engine::tier::TierHealth::Up {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(there(&tier).await, ["plain"]);
}

async fn there(tier: &Arc<DiskTier>) -> Vec<&'static str> {
    let mut there = Vec::new();
    for name in ["red", "both", "kind", "near", "any", "plain"] {
        there.extend(get(tier, name).await.map(|_| name));
    }
    there
}
