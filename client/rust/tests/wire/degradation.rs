//! A cache that is away: misses at no cost, remembered invalidations, and the way back.

use std::{sync::Arc, time::Duration};

use hotplate::{
    Client, ComputeOptions, ErrorKind, Invalidated, Lookup, MissReason, OnError, Selector, Written, v1::selector,
};
use tokio::{sync::Semaphore, task::JoinSet, time::Instant};
use tonic_types::{ErrorDetails, StatusExt};

use crate::{
    double::{Double, Fault, until},
    double_blob,
};

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

#[tokio::test]
async fn a_client_that_is_turned_off_sends_nothing_by_anything() {
    let double = Double::start();
    let client = double.builder().disabled(true).near_cache(hotplate::NearOptions::new()).build().expect("valid");
    let space = client.default_namespace();
    let computed = space.get_or_compute("k", &ComputeOptions::new(), || async { Ok::<u32, String>(7) }).await;
    assert_eq!(computed, Ok(7));
    let mut reader = space.read_stream("a").await.expect("a miss");
    assert_eq!(reader.found, Lookup::Miss(MissReason::Disabled));
    assert_eq!(reader.next().await, Ok(None));
    let mut writer = space.write_stream("a", &hotplate::WriteOptions::new()).await.expect("taken");
    writer.send("text").await.expect("taken");
    assert_eq!(writer.finish().await, Ok(Written::Dropped(MissReason::Disabled)));
    for error in [
        space.stats().await.expect_err("no fallback"),
        client.calls().explain_key(hotplate::v1::ExplainKeyRequest::default()).await.expect_err("no fallback"),
        space.watch().next().await.expect("one").expect_err("no fallback"),
        space.preload([]).next().await.expect("one").expect_err("no fallback"),
    ] {
        assert_eq!(error.kind, ErrorKind::FailedPrecondition);
        assert!(error.message.contains("HOTPLATE_DISABLE"), "{error}");
    }
    assert!(double.state.calls.lock().is_empty());
}

/// What a server answers that has done its part.
fn pending() -> Fault {
    let metadata = [("applied", "LOCAL"), ("pending", "SHARED")].map(|(name, value)| (name.into(), value.into()));
    let details = ErrorDetails::with_error_info("TIER_PENDING", "hotplate", metadata);
    Fault::Refuse(Box::new(tonic::Status::with_error_details(tonic::Code::Unavailable, "later", details)))
}

#[tokio::test]
async fn what_is_done_in_part_is_done_and_no_outage() {
    let double = Double::start();
    let client = double.client();
    let space = client.default_namespace();
    *double.state.always.lock() = Some(pending());
    for _ in 0..6 {
        assert_eq!(space.remove("a").await, Ok(Invalidated::Done { matched: 0 }));
    }
    *double.state.always.lock() = None;
    assert!(client.available() && client.invalidations_waiting() == 0);
    assert_eq!(double.state.count("invalidate"), 6);
    assert_eq!(space.get::<u32>("b").await, Ok(Lookup::Miss(MissReason::NeverStored)));
    let strict = double.builder().on_error(OnError::Raise).build().expect("valid").default_namespace();
    *double.state.always.lock() = Some(pending());
    let error = strict.remove("a").await.expect_err("asked for");
    assert_eq!((error.reason.as_deref(), error.details["pending"].as_str()), (Some("TIER_PENDING"), "SHARED"));
}

#[tokio::test]
async fn what_was_remembered_and_is_done_in_part_is_done() {
    let double = Double::start();
    let client = double.client();
    double.state.faults.lock().extend((0..3).map(|_| Fault::unavailable()));
    *double.state.always.lock() = Some(pending());
    assert_eq!(client.default_namespace().remove("a").await, Ok(Invalidated::Queued));
    until(|| client.invalidations_waiting() == 0).await;
    assert_eq!(client.degradation().invalidations_replayed, 1);
}

#[tokio::test]
async fn what_the_server_fails_at_again_and_again_becomes_everything_and_holds_up_nobody() {
    let mut double = Double::start();
    let client = double.client();
    let space = client.default_namespace();
    double.stop();
    for key in ["bad", "b", "c"] {
        assert_eq!(space.remove(key).await, Ok(Invalidated::Queued));
    }
    *double.state.fails_at.lock() = Some("bad".to_owned());
    double.serve();
    let gone = async {
        while client.invalidations_waiting() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), gone).await.expect("in time");
    let done = double.state.invalidates.lock().clone();
    let selected: Vec<_> = done.iter().flat_map(|call| call.selectors.clone()).collect();
    let everything = selector::Selector::Everything(true);
    let first_two = ["b", "c"].map(|key| selector::Selector::Key(key.to_owned()));
    let wanted: Vec<_> = first_two.into_iter().chain([everything]).map(Some).collect();
    assert_eq!(selected.into_iter().map(|selector| selector.selector).collect::<Vec<_>>(), wanted);
}

#[tokio::test]
async fn after_an_invalidation_nobody_joins_what_was_asked_before_also_when_it_failed() {
    let double = Double::start();
    let space = double.client().default_namespace();
    let (answers, fails) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    *double.state.late.lock() = Some(answers);
    *double.state.fails_late.lock() = Some(Arc::clone(&fails));
    let (removing, early) = (space.clone(), space.clone());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { drop(removing.remove("other").await) });
    until(|| double.state.count("invalidate") == 1).await;
    tasks.spawn(async move {
        let work = || async { Ok::<u32, String>(1) };
        drop(early.get_or_compute("k", &ComputeOptions::new(), work).await);
    });
    until(|| double.state.count("get") == 1).await;
    fails.add_permits(1);
    until(|| space.client().invalidations_waiting() == 1).await;
    let options = ComputeOptions::new();
    let found = space.get_or_compute("k", &options, || async { Ok::<u32, String>(2) });
    let found = tokio::time::timeout(Duration::from_secs(20), found).await;
    assert_eq!(found.expect("it waits for nobody"), Ok(2));
}

#[tokio::test]
async fn a_message_that_is_too_large_is_no_outage() {
    let double = Double::start();
    let space = double.client().default_namespace();
    let refused = double_blob::refused(tonic::Code::ResourceExhausted, "MESSAGE_TOO_LARGE");
    double.state.faults.lock().push_back(Fault::Refuse(Box::new(refused)));
    let items = [("a", &1_u32), ("b", &2)];
    let written = space.put_many(items, &hotplate::WriteOptions::new()).await.expect("answered");
    let reasons: Vec<_> = written.into_iter().map(|item| item.expect_err("too large").reason).collect();
    assert_eq!(reasons, [Some("MESSAGE_TOO_LARGE".to_owned()), Some("MESSAGE_TOO_LARGE".to_owned())]);
}
