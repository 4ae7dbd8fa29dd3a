//! A cache that is away: misses at no cost, remembered invalidations, and the way back.

use std::time::Duration;

use hotplate::{Client, ErrorKind, Invalidated, Lookup, MissReason, OnError, Selector, Written};
use tokio::time::Instant;

use crate::double::{Double, Fault};

async fn run_into_the_breaker(client: &Client) {
    for _ in 0..5 {
        let found = client.default_namespace().get::<u32>("a").await;
        assert!(matches!(found, Ok(Lookup::Miss(MissReason::Unavailable))), "{found:?}");
    }
    assert!(!client.available());
}

#[expect(clippy::disallowed_methods, reason = "how many probes are due follows from the time that passed")]
fn now() -> Instant {
    Instant::now()
}

async fn back(client: &Client) {
    let mut available = client.availability();
    let waited = tokio::time::timeout(Duration::from_secs(60), available.wait_for(|there| *there)).await;
    assert!(waited.expect("in time").is_ok());
}

#[tokio::test]
async fn after_five_failures_nobody_is_asked_any_more() {
    let double = Double::start();
    *double.state.always.lock() = Some(Fault::unavailable());
    let client = double.client();
    run_into_the_breaker(&client).await;
    let (asked, began) = (double.state.count("get"), now());
    let space = client.default_namespace();
    for _ in 0..100 {
        assert_eq!(space.get::<u32>("a").await, Ok(Lookup::Miss(MissReason::Unavailable)));
        assert_eq!(space.put("a", &1).await, Ok(Written::Dropped(MissReason::Unavailable)));
    }
    // A probe is three tries, and at least 800 ms after the one before.
    let probes = 1 + (now() - began).as_millis() / 800;
    let asked = double.state.count("get") - asked;
    assert!(asked as u128 <= 3 * probes, "{asked} calls, where {probes} probes at most are due");
    let counts = client.degradation();
    assert!(counts.reads_without_cache >= 100 && counts.writes_dropped >= 99 && counts.outages == 1, "{counts:?}");
}

#[tokio::test]
async fn a_slow_cache_is_a_miss_by_timeout() {
    let double = Double::start();
    *double.state.always.lock() = Some(Fault::Stall);
    let client = double.builder().timeout(Duration::from_millis(60)).build().expect("valid");
    assert_eq!(client.default_namespace().get::<u32>("a").await, Ok(Lookup::Miss(MissReason::Timeout)));
}

#[tokio::test]
async fn whoever_asks_for_errors_gets_them() {
    let mut double = Double::start();
    double.stop();
    let client = double.builder().on_error(OnError::Raise).build().expect("valid");
    let space = client.default_namespace();
    for _ in 0..7 {
        assert_eq!(space.get::<u32>("a").await.expect_err("away").kind, ErrorKind::Unavailable);
    }
    assert_eq!(space.put("a", &1).await.expect_err("away").kind, ErrorKind::Unavailable);
    assert_eq!(space.remove("a").await.expect_err("away").kind, ErrorKind::Unavailable);
    assert_eq!(client.invalidations_waiting(), 0);
}

#[tokio::test]
async fn invalidations_made_while_away_are_carried_out_in_order_before_anything_is_read() {
    let mut double = Double::start();
    let client = double.client();
    let space = client.default_namespace();
    space.put("a", &1).await.expect("there");
    space.put("b", &2).await.expect("there");
    double.stop();
    run_into_the_breaker(&client).await;
    assert_eq!(space.remove("a").await, Ok(Invalidated::Queued));
    assert_eq!(space.invalidate(Selector::tag("t")).await, Ok(Invalidated::Queued));
    assert_eq!(client.namespace("other").remove("x").await, Ok(Invalidated::Queued));
    assert_eq!(client.invalidations_waiting(), 3);
    double.serve();
    // Until they are carried out, what was invalidated must not be read.
    while client.invalidations_waiting() > 0 {
        assert!(!space.get::<u32>("a").await.expect("a miss").is_hit());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    back(&client).await;
    assert_eq!(space.get::<u32>("a").await, Ok(Lookup::Miss(MissReason::NeverStored)));
    assert_eq!(space.get::<u32>("b").await.expect("there").value(), Some(2));
    let replayed = double.state.invalidates.lock().clone();
    let shape: Vec<_> = replayed.iter().map(|call| (call.namespace.as_str(), call.selectors.len())).collect();
    assert_eq!(shape, [("test", 2), ("other", 1)]);
    assert_eq!(client.degradation().invalidations_replayed, 3);
}

#[tokio::test]
async fn an_invalidation_that_cannot_be_remembered_is_an_error() {
    let mut double = Double::start();
    double.stop();
    let client = double.builder().journal_max(2).build().expect("valid");
    let space = client.default_namespace();
    assert_eq!(space.remove("a").await, Ok(Invalidated::Queued));
    assert_eq!(space.remove("b").await, Ok(Invalidated::Queued));
    let error = space.remove("c").await.expect_err("full");
    assert_eq!((error.kind, error.reason.as_deref()), (ErrorKind::ResourceExhausted, Some("JOURNAL_FULL")));
}

#[tokio::test]
async fn one_refused_selector_does_not_take_the_others_with_it() {
    let mut double = Double::start();
    let client = double.client();
    let space = client.default_namespace();
    double.stop();
    for key in ["a", "b", "c"] {
        assert_eq!(space.remove(key).await, Ok(Invalidated::Queued));
    }
    let denied = || Fault::Refuse(Box::new(tonic::Status::permission_denied("no")));
    double.state.faults.lock().extend([denied(), denied()]);
    double.serve();
    tokio::time::timeout(Duration::from_secs(60), async {
        while client.invalidations_waiting() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("in time");
    assert_eq!(double.state.invalidates.lock().len(), 2, "the batch and `a` were refused, `b` and `c` not");
}

#[tokio::test]
async fn a_client_that_is_turned_off_asks_nobody() {
    let double = Double::start();
    let client = double.builder().disabled(true).build().expect("valid");
    let space = client.default_namespace();
    assert!(!client.available());
    assert_eq!(space.get::<u32>("a").await, Ok(Lookup::Miss(MissReason::Disabled)));
    assert_eq!(space.put("a", &1).await, Ok(Written::Dropped(MissReason::Disabled)));
    assert_eq!(space.remove("a").await, Ok(Invalidated::Disabled));
    assert!(double.state.calls.lock().is_empty());
}
