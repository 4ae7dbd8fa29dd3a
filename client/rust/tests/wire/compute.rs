//! One computation for many callers, and everything that can go wrong with it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hotplate::{CacheMode, ComputeOptions, Error, ErrorKind, Namespace, Raw, TtlClass, WriteOptions};
use tokio::{sync::Semaphore, task::JoinSet};

use crate::double::{Double, Fault};

/// A computation that counts its runs and waits to be let on.
#[derive(Clone)]
struct Slow {
    runs: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
    go: Arc<Semaphore>,
}

struct CountDrop(Arc<AtomicUsize>);

impl Drop for CountDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Slow {
    fn new() -> Self {
        Self { runs: Arc::default(), dropped: Arc::default(), go: Arc::new(Semaphore::new(0)) }
    }

    fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }

    async fn run(self) -> Result<u32, String> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        let _guard = CountDrop(Arc::clone(&self.dropped));
        let _permit = self.go.acquire().await;
        Ok(42)
    }

    async fn started(&self) {
        while self.runs() == 0 {
            tokio::task::yield_now().await;
        }
    }
}

fn start(tasks: &mut JoinSet<Result<u32, Error>>, space: &Namespace, slow: &Slow) -> tokio::task::AbortHandle {
    let (space, slow) = (space.clone(), slow.clone());
    tasks.spawn(async move { space.get_or_compute("k", &ComputeOptions::new(), || slow.run()).await })
}

async fn compute(space: &Namespace, options: &ComputeOptions, result: Result<u32, String>) -> Result<u32, Error> {
    space.get_or_compute("k", options, || async move { result }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_callers_cost_one_lookup_one_computation_and_one_put() {
    let double = Double::start();
    let (space, slow, mut tasks) = (double.client().default_namespace(), Slow::new(), JoinSet::new());
    for _ in 0..200 {
        start(&mut tasks, &space, &slow);
    }
    slow.started().await;
    slow.go.add_permits(1_000);
    while let Some(result) = tasks.join_next().await {
        assert_eq!(result.expect("no panic"), Ok(42));
    }
    assert_eq!((slow.runs(), double.state.count("put")), (1, 1));
    assert!(double.state.puts.lock()[0].compute_cost.is_some(), "the cost is measured");
    // A caller that came after the end may have looked once more, but found it.
    assert!(double.state.count("get") <= 200);
    assert_eq!(compute(&space, &ComputeOptions::new(), Ok(7)).await, Ok(42));
}

#[tokio::test]
async fn a_caller_that_gives_up_does_not_stop_the_others() {
    let double = Double::start();
    let (space, slow, mut tasks) = (double.client().default_namespace(), Slow::new(), JoinSet::new());
    let first = start(&mut tasks, &space, &slow);
    slow.started().await;
    start(&mut tasks, &space, &slow);
    tokio::task::yield_now().await;
    first.abort();
    assert!(tasks.join_next().await.expect("one ended").expect_err("aborted").is_cancelled());
    assert_eq!(slow.dropped.load(Ordering::SeqCst), 0, "it goes on");
    slow.go.add_permits(10);
    assert_eq!(tasks.join_next().await.expect("the other").expect("no panic"), Ok(42));
    assert_eq!(slow.runs(), 1);
}

#[tokio::test]
async fn when_the_last_caller_gives_up_the_computation_is_cancelled_and_the_next_begins_anew() {
    let double = Double::start();
    let (space, slow, mut tasks) = (double.client().default_namespace(), Slow::new(), JoinSet::new());
    for _ in 0..3 {
        start(&mut tasks, &space, &slow);
    }
    slow.started().await;
    tasks.shutdown().await;
    while slow.dropped.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(compute(&space, &ComputeOptions::new(), Ok(7)).await, Ok(7));
    assert_eq!(double.state.count("put"), 1);
}

#[tokio::test]
async fn failures_and_panics_reach_every_caller_and_are_not_kept() {
    let double = Double::start();
    let space = double.client().default_namespace();
    let options = ComputeOptions::new();
    let error = compute(&space, &options, Err("disk full".to_owned())).await.expect_err("failed");
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Compute, "disk full"));
    let panicking = || async { if true { panic!("secret") } else { Ok::<u32, String>(1) } };
    let one = space.get_or_compute("k", &options, panicking);
    let two = space.get_or_compute("k", &options, panicking);
    let (one, two) = tokio::join!(one, two);
    for error in [one.expect_err("panicked"), two.expect_err("panicked")] {
        assert_eq!(error.kind, ErrorKind::Compute);
        assert!(!error.to_string().contains("secret"));
    }
    assert_eq!(compute(&space, &options, Ok(3)).await, Ok(3));
}

#[tokio::test]
async fn a_cache_that_is_away_costs_the_computation_and_nothing_else() {
    let mut double = Double::start();
    double.stop();
    let space = double.client().default_namespace();
    for value in 0..10 {
        assert_eq!(compute(&space, &ComputeOptions::new(), Ok(value)).await, Ok(value));
    }
}

#[tokio::test]
async fn what_was_computed_while_the_cache_was_away_is_not_stored_when_it_is_back() {
    let double = Double::start();
    let space = double.client().default_namespace();
    // One more than a call is tried: without a lease nobody tells this process what others invalidate while it computes.
    double.state.faults.lock().extend([Fault::unavailable(), Fault::unavailable(), Fault::unavailable()]);
    assert_eq!(compute(&space, &ComputeOptions::new(), Ok(1)).await, Ok(1));
    assert_eq!((double.state.count("get"), double.state.count("put")), (3, 0));
    assert_eq!(compute(&space, &ComputeOptions::new(), Ok(2)).await, Ok(2));
    assert_eq!(space.get::<u32>("k").await.expect("there").value(), Some(2));
}

#[tokio::test]
async fn a_put_that_fails_is_not_the_callers() {
    let double = Double::start();
    let space = double.client().default_namespace();
    let refused = Fault::Refuse(Box::new(tonic::Status::permission_denied("read only")));
    let options = ComputeOptions::new();
    // The first write refused, nothing else.
    let reads = space.get_or_compute("k", &options, {
        let state = Arc::clone(&double.state);
        move || async move {
            state.faults.lock().push_back(refused);
            Ok::<u32, String>(5)
        }
    });
    assert_eq!(reads.await, Ok(5));
    assert!(double.state.entries.lock().is_empty());
}

#[tokio::test]
async fn modes_read_and_store_as_they_say() {
    let double = Double::start();
    let space = double.client().default_namespace();
    let mode = |mode| ComputeOptions::new().mode(mode);
    let error = compute(&space, &mode(CacheMode::Only), Ok(1)).await.expect_err("not there");
    assert_eq!((error.kind, error.reason.as_deref()), (ErrorKind::NotFound, Some("NOT_CACHED")));
    assert_eq!(compute(&space, &mode(CacheMode::Bypass), Ok(2)).await, Ok(2));
    assert!(double.state.entries.lock().is_empty(), "bypassing stores nothing");
    assert_eq!(compute(&space, &mode(CacheMode::Use), Ok(3)).await, Ok(3));
    assert_eq!(compute(&space, &mode(CacheMode::Bypass), Ok(4)).await, Ok(4));
    assert_eq!(compute(&space, &mode(CacheMode::Use), Ok(5)).await, Ok(3));
    assert_eq!(compute(&space, &mode(CacheMode::Refresh), Ok(6)).await, Ok(6));
    assert_eq!(compute(&space, &mode(CacheMode::Only), Ok(7)).await, Ok(6));
}

#[tokio::test]
async fn a_stale_value_stands_in_for_a_failed_computation_when_asked_for() {
    let double = Double::start();
    let space = double.client().default_namespace();
    let write = WriteOptions::new().ttl(TtlClass::Short).stale_for(Duration::from_secs(60));
    let options = ComputeOptions::from(write);
    assert_eq!(compute(&space, &options, Ok(1)).await, Ok(1));
    double.state.stale.lock().insert("k".to_owned());
    let failed = || Err("down".to_owned());
    assert_eq!(compute(&space, &options, failed()).await.expect_err("not asked for").kind, ErrorKind::Compute);
    let options = options.stale_if_error(true);
    assert_eq!(compute(&space, &options, failed()).await, Ok(1));
    assert_eq!(compute(&space, &options, Ok(2)).await, Ok(2), "a computation that works wins");
}

#[tokio::test]
async fn a_remembered_absence_is_not_computed_and_unreadable_values_are_replaced() {
    let double = Double::start();
    let space = double.client().default_namespace();
    space.put_negative("k", "NO_DATA", "too few rows", &WriteOptions::new()).await.expect("there");
    let error = compute(&space, &ComputeOptions::new(), Ok(1)).await.expect_err("remembered");
    assert_eq!((error.kind, error.reason.as_deref()), (ErrorKind::NotFound, Some("NO_DATA")));
    space.codec(Raw).put("k", "not JSON").await.expect("there");
    assert_eq!(compute(&space, &ComputeOptions::new(), Ok(2)).await, Ok(2));
    assert_eq!(space.get::<u32>("k").await.expect("there").value(), Some(2));
}

#[tokio::test]
async fn what_was_invalidated_meanwhile_is_returned_but_not_stored() {
    let double = Double::start();
    let (space, slow, mut tasks) = (double.client().default_namespace(), Slow::new(), JoinSet::new());
    start(&mut tasks, &space, &slow);
    slow.started().await;
    space.remove("k").await.expect("there");
    slow.go.add_permits(10);
    assert_eq!(tasks.join_next().await.expect("ended").expect("no panic"), Ok(42));
    assert_eq!(double.state.count("put"), 0);
}

#[tokio::test]
async fn who_asks_after_a_write_joins_nothing_that_began_before_it() {
    let double = Double::start();
    let (space, slow, mut tasks) = (double.client().default_namespace(), Slow::new(), JoinSet::new());
    start(&mut tasks, &space, &slow);
    slow.started().await;
    for value in [7_u32, 8] {
        match value {
            7 => drop(space.put("k", &value).await.expect("there")),
            _ => drop(space.put_many([("k", &value)], &WriteOptions::new()).await.expect("there")),
        }
        assert_eq!(compute(&space, &ComputeOptions::new(), Ok(9)).await, Ok(value));
    }
    slow.go.add_permits(10);
    assert_eq!(tasks.join_next().await.expect("ended").expect("no panic"), Ok(42));
    assert_eq!(space.get::<u32>("k").await.expect("there").value(), Some(8), "what was written stays");
}

#[tokio::test]
async fn computations_at_once_are_bounded_and_all_get_their_turn() {
    let double = Double::start();
    let client = double.builder().computations_max(2).build().expect("valid");
    let (space, peak, now) = (client.default_namespace(), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let options = ComputeOptions::new();
    let all = (0..20).map(|index| {
        let (peak, now) = (Arc::clone(&peak), Arc::clone(&now));
        space.get_or_compute(format!("k{index}"), &options, move || async move {
            peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            now.fetch_sub(1, Ordering::SeqCst);
            Ok::<usize, String>(index)
        })
    });
    let results = futures::future::join_all(all).await;
    assert!(results.into_iter().enumerate().all(|(index, result)| result == Ok(index)));
    assert!(peak.load(Ordering::SeqCst) <= 2);
}

#[tokio::test]
async fn what_is_there_waits_for_no_computation() {
    let double = Double::start();
    let client = double.builder().computations_max(1).build().expect("valid");
    let (space, slow, mut tasks) = (client.default_namespace(), Slow::new(), JoinSet::new());
    space.put("there", &1_u32).await.expect("there");
    start(&mut tasks, &space, &slow);
    slow.started().await;
    let found = space.get_or_compute("there", &ComputeOptions::new(), || async { Ok::<u32, String>(2) }).await;
    assert_eq!(found, Ok(1));
}

#[tokio::test]
async fn closing_the_client_ends_what_is_under_way() {
    let double = Double::start();
    let client = double.client();
    let (space, slow, mut tasks) = (client.default_namespace(), Slow::new(), JoinSet::new());
    start(&mut tasks, &space, &slow);
    slow.started().await;
    client.close().await;
    let ended = tasks.join_next().await.expect("ended").expect("no panic");
    assert_eq!(ended.expect_err("closed").kind, ErrorKind::Cancelled);
}
