//! What a client answers that was closed, and while it is being closed: an error, and nobody is left waiting.

use std::{sync::Arc, time::Duration};

use hotplate::{ComputeOptions, Error, ErrorKind, Invalidated, Namespace, NearOptions, Selector};
use tokio::sync::Semaphore;

use crate::double::{Double, Fault, until};

fn is_closed(error: &Error) -> bool {
    error.kind == ErrorKind::Cancelled && error.message == "the client was closed"
}

/// What each kind of call answers.
async fn each_call(space: &Namespace) -> Vec<(&'static str, Option<Error>)> {
    let options = ComputeOptions::new();
    let computed = space.get_or_compute("k", &options, || async { Ok::<u32, String>(1) }).await;
    let calls = space.client().calls();
    vec![
        ("get", space.get::<u32>("k").await.err()),
        ("get_shared", space.get_shared::<u32>("k").await.err()),
        ("get_many", space.get_many::<u32, _>(["k", "l"]).await.err()),
        ("put", space.put("k", &1).await.err()),
        ("put_many", space.put_many([("k", &1)], &hotplate::WriteOptions::new()).await.err()),
        ("touch", space.touch("k", Duration::from_secs(1)).await.err()),
        ("exists", space.exists("k").await.err()),
        ("remove", space.remove("k").await.err()),
        ("invalidate", space.invalidate(Selector::tag("t")).await.err()),
        ("get_or_compute", computed.err()),
        ("stats", space.stats().await.err()),
        ("watch", space.watch().next().await.and_then(Result::err)),
        ("preload", space.preload([]).next().await.and_then(Result::err)),
        ("read_stream", space.read_stream("k").await.err()),
        ("write_stream", space.write_stream("k", &hotplate::WriteOptions::new()).await.err()),
        ("calls", calls.get_server_info().await.err()),
    ]
}

#[tokio::test]
async fn each_call_of_a_closed_client_says_that_it_is_closed_and_sends_nothing() {
    let double = Double::start();
    double.state.blobs.chunk_bytes.store(1_024, std::sync::atomic::Ordering::Relaxed);
    let client = double.builder().near_cache(NearOptions::new()).build().expect("valid");
    let space = client.default_namespace();
    space.put("k", &1_u32).await.expect("there");
    client.calls().limits().await.expect("there");
    client.close().await;
    let before = double.state.calls.lock().clone();
    for (name, error) in Box::pin(each_call(&space)).await {
        assert!(error.as_ref().is_some_and(is_closed), "{name}: {error:?}");
    }
    assert_eq!(*double.state.calls.lock(), before);
    client.close().await;
}

#[tokio::test]
async fn who_waits_for_the_server_when_the_client_is_closed_is_told_so() {
    let double = Double::start();
    *double.state.always.lock() = Some(Fault::Stall);
    let client = double.client();
    let space = client.default_namespace();
    let (other, third) = (space.clone(), space.clone());
    let mut waits = tokio::task::JoinSet::new();
    waits.spawn(async move { space.get::<u32>("k").await.expect_err("closed") });
    waits.spawn(async move { other.remove("k").await.expect_err("closed") });
    waits.spawn(async move { third.stats().await.expect_err("closed") });
    until(|| double.state.count("get") + double.state.count("invalidate") == 2).await;
    client.close().await;
    while let Some(told) = waits.join_next().await {
        let told = told.expect("no panic");
        assert!(is_closed(&told) || told.kind == ErrorKind::Unimplemented, "{told:?}");
    }
}

#[tokio::test]
async fn what_is_remembered_is_tried_once_more_before_it_is_lost() {
    let mut double = Double::start();
    let client = double.client();
    let space = client.default_namespace();
    double.stop();
    assert_eq!(space.remove("a").await, Ok(Invalidated::Queued));
    double.serve();
    client.close().await;
    until(|| double.state.invalidates.lock().len() == 1).await;
    assert_eq!(client.invalidations_waiting(), 0);
}

#[tokio::test]
async fn a_server_that_stays_away_does_not_hold_up_who_closes_the_client() {
    let double = Double::start();
    let client = double.client();
    let space = client.default_namespace();
    *double.state.always.lock() = Some(Fault::unavailable());
    assert_eq!(space.remove("a").await, Ok(Invalidated::Queued));
    *double.state.always.lock() = Some(Fault::Stall);
    let closed = tokio::time::timeout(Duration::from_secs(25), client.close()).await;
    assert!(closed.is_ok(), "not for the 60 s of the call");
    assert_eq!(client.invalidations_waiting(), 1, "this one is lost");
}

#[tokio::test]
async fn what_the_server_fails_at_in_the_last_try_takes_no_other_with_it() {
    let mut double = Double::start();
    let client = double.client();
    let space = client.default_namespace();
    double.stop();
    for key in ["bad", "b", "c"] {
        assert_eq!(space.remove(key).await, Ok(Invalidated::Queued));
    }
    *double.state.fails_at.lock() = Some("bad".to_owned());
    double.serve();
    client.close().await;
    assert_eq!(double.state.invalidates.lock().len(), 2, "`b` and `c`, each alone");
    assert_eq!(client.invalidations_waiting(), 0);
}

#[tokio::test]
async fn what_is_refused_in_the_last_try_takes_no_other_with_it() {
    let mut double = Double::start();
    let client = double.client();
    let space = client.default_namespace();
    double.stop();
    for key in ["a", "b"] {
        assert_eq!(space.remove(key).await, Ok(Invalidated::Queued));
    }
    let denied = || Fault::Refuse(Box::new(tonic::Status::permission_denied("no")));
    double.state.faults.lock().extend([denied(), denied()]);
    double.serve();
    client.close().await;
    assert_eq!(double.state.invalidates.lock().len(), 1, "the batch and `a` were refused, `b` was not");
    assert_eq!(client.invalidations_waiting(), 0);
}

#[tokio::test]
async fn a_computation_that_fails_because_the_client_is_closed_is_nobodys_failure() {
    let double = Double::start();
    let client = double.builder().pipelining(false).build().expect("valid");
    let (space, asked, state) = (client.default_namespace(), client.default_namespace(), Arc::clone(&double.state));
    let options = ComputeOptions::new().remember_failure(Duration::from_secs(9));
    let work = || async move {
        *state.late.lock() = Some(Arc::new(Semaphore::new(0)));
        asked.exists("another").await.map(u32::from)
    };
    let computed = space.get_or_compute("k", &options, work);
    let close = async {
        until(|| double.state.count("get") == 2).await;
        client.close().await;
    };
    let (computed, ()) = tokio::join!(computed, close);
    assert!(is_closed(&computed.expect_err("closed")));
    let released = double.state.leases.released.lock().clone();
    assert!(released.len() == 1 && released[0].failure.is_none(), "{released:?}");
}
