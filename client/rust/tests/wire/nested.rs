//! Computations that ask for other computations.

use std::{future::Future, sync::Arc, time::Duration};

use hotplate::{ComputeOptions, Error, ErrorKind, Namespace};
use tokio::sync::Barrier;

use crate::double::{Double, until};

const LONG: Duration = Duration::from_secs(60);

fn one_at_once(double: &Double) -> Namespace {
    double.builder().computations_max(1).build().expect("valid").default_namespace()
}

async fn compute<R>(space: &Namespace, key: &str, work: R) -> Result<u32, Error>
where
    R: Future<Output = Result<u32, Error>> + Send + 'static,
{
    let options = ComputeOptions::new();
    let asked = Box::pin(space.get_or_compute(key, &options, || work));
    tokio::time::timeout(LONG, asked).await.expect("nobody waits for ever")
}

#[tokio::test]
async fn a_computation_asks_for_others_when_no_more_may_run() {
    let double = Double::start();
    let space = one_at_once(&double);
    let (middle, inner) = (space.clone(), space.clone());
    let innermost = async move { compute(&inner, "c", async { Ok(1) }).await };
    let found = compute(&space, "a", async move { compute(&middle, "b", innermost).await }).await;
    assert_eq!(found, Ok(1));
    assert_eq!(double.state.count("put"), 3);
}

#[tokio::test]
async fn what_waits_for_its_turn_runs_when_a_computation_asks_for_it() {
    let double = Double::start();
    let space = one_at_once(&double);
    let (both, nested, queued) = (Arc::new(Barrier::new(2)), space.clone(), space.clone());
    let met = Arc::clone(&both);
    let holder = compute(&space, "a", async move {
        met.wait().await;
        tokio::task::yield_now().await;
        compute(&nested, "b", async { Ok(1) }).await
    });
    let waiter = async move {
        both.wait().await;
        compute(&queued, "b", async { Ok(2) }).await
    };
    let (holder, waiter) = tokio::join!(holder, waiter);
    assert_eq!(holder, waiter);
}

#[tokio::test]
async fn what_asks_for_itself_with_other_options_is_told_so_as_well() {
    let double = Double::start();
    let space = double.client().default_namespace();
    let again = space.clone();
    let work = async move {
        let options = ComputeOptions::new().max_age(LONG);
        Box::pin(again.get_or_compute("a", &options, || async { Ok::<u32, Error>(1) })).await
    };
    // The outer one's failure is the inner one's.
    let error = compute(&space, "a", work).await.expect_err("both would wait for the lease of the outer one");
    assert!(error.message.contains("both would wait for ever"), "{error}");
    assert_eq!(double.state.count("get"), 1);
}

#[tokio::test]
async fn what_would_join_who_waits_for_its_own_lease_is_told_so() {
    let double = Double::start();
    let space = double.client().default_namespace();
    let (again, other) = (space.clone(), space.clone());
    let (begun, waits) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let (begins, go) = (Arc::clone(&begun), Arc::clone(&waits));
    let young = ComputeOptions::new().max_age(LONG);
    let inner = young.clone();
    let work = async move {
        begins.wait().await;
        go.wait().await;
        Box::pin(again.get_or_compute("a", &inner, || async { Ok::<u32, Error>(1) })).await
    };
    let outer = compute(&space, "a", work);
    let outside = async {
        begun.wait().await;
        // It is told to come back, for the outer one has the lease.
        let found = other.get_or_compute("a", &young, || async { Ok::<u32, Error>(2) });
        let asked = async {
            until(|| double.state.count("get") >= 2).await;
            waits.wait().await;
        };
        tokio::join!(found, asked).0
    };
    let (outer, outside) = tokio::join!(outer, outside);
    let error = outer.expect_err("both would wait for the lease of the outer one");
    assert!(error.message.contains("both would wait for ever"), "{error}");
    assert_eq!(outside, Ok(2), "and who waited has the lease");
}

#[tokio::test]
async fn what_asks_for_itself_is_told_so() {
    let double = Double::start();
    let space = one_at_once(&double);
    let again = space.clone();
    let found = compute(&space, "a", async move { compute(&again, "a", async { Ok(1) }).await }).await;
    assert_eq!(found.expect_err("it fails").kind, ErrorKind::Compute);
    assert_eq!(compute(&space, "a", async { Ok(2) }).await, Ok(2), "nothing is left of it");
}

async fn asks(space: &Namespace, [own, other]: [&'static str; 2], both: &Arc<Barrier>) -> Result<u32, Error> {
    let (nested, both) = (space.clone(), Arc::clone(both));
    let work = async move {
        both.wait().await;
        compute(&nested, other, async { Ok(1) }).await
    };
    compute(space, own, work).await
}

#[tokio::test]
async fn two_that_wait_for_each_other_do_not_wait_for_ever() {
    let double = Double::start();
    let space = double.client().default_namespace();
    let both = Arc::new(Barrier::new(2));
    let (one, two) = tokio::join!(asks(&space, ["a", "b"], &both), asks(&space, ["b", "a"], &both));
    let kinds = [one, two].map(|result| result.expect_err("one is told, and fails the other").kind);
    assert_eq!(kinds, [ErrorKind::Compute, ErrorKind::Compute]);
    assert_eq!(compute(&space, "a", async { Ok(2) }).await, Ok(2));
}

#[tokio::test]
async fn who_would_wait_for_ever_still_computes() {
    let double = Double::start();
    let space = double.builder().timeout(Duration::MAX).build().expect("valid").default_namespace();
    let options = ComputeOptions::new().wait(Duration::MAX);
    let found = space.get_or_compute("k", &options, || async { Ok::<u32, String>(1) }).await;
    assert_eq!(found, Ok(1));
}
