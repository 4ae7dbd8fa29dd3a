//! What becomes of a lease: whatever happens to the computation, to its callers and to the server.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hotplate::{ComputeOptions, Error, ErrorKind, Namespace, WriteOptions, v1};
use tokio::{sync::Semaphore, task::JoinSet};

use crate::double::{Double, Fault, State, past_its_deadline, until};

/// A computation that begins, waits to be let on, and answers 42.
#[derive(Clone)]
struct Slow {
    began: Arc<AtomicBool>,
    go: Arc<Semaphore>,
}

impl Slow {
    fn new() -> Self {
        Self { began: Arc::default(), go: Arc::new(Semaphore::new(0)) }
    }

    fn start(&self, tasks: &mut JoinSet<Result<u32, Error>>, space: &Namespace) -> tokio::task::AbortHandle {
        let (space, slow) = (space.clone(), self.clone());
        tasks.spawn(async move {
            let work = || async move {
                slow.began.store(true, Ordering::SeqCst);
                let _permit = slow.go.acquire().await;
                Ok::<_, String>(42)
            };
            space.get_or_compute("k", &ComputeOptions::new(), work).await
        })
    }

    async fn begun(&self) {
        until(|| self.began.load(Ordering::SeqCst)).await;
    }
}

async fn released(state: &State, count: usize) -> v1::ReleaseLeaseRequest {
    until(|| state.leases.released.lock().len() == count).await;
    state.leases.released.lock().last().cloned().expect("one")
}

async fn compute(space: &Namespace, options: &ComputeOptions, result: Result<u32, &'static str>) -> Result<u32, Error> {
    space.get_or_compute("k", options, move || async move { result }).await
}

/// Another process has the lease.
fn taken(double: &Double) {
    double.state.leases.held.lock().insert("k".to_owned(), String::new());
}

#[tokio::test]
async fn a_lease_is_extended_while_the_computation_runs_and_then_used() {
    let double = Double::start();
    *double.state.leases.duration.lock() = Duration::from_millis(60);
    let (space, slow, mut tasks) = (double.client().default_namespace(), Slow::new(), JoinSet::new());
    slow.start(&mut tasks, &space);
    until(|| double.state.count("extend_lease") >= 3).await;
    slow.go.add_permits(1);
    assert_eq!(tasks.join_next().await.expect("ended").expect("no panic"), Ok(42));
    let put = double.state.puts.lock()[0].clone();
    assert_eq!(put.lease_token, format!("{:032x}", 1));
    assert!(!put.request_id.is_empty() && put.compute_cost.is_some());
    assert!(double.state.leases.released.lock().is_empty() && double.state.leases.held.lock().is_empty());
}

#[tokio::test]
async fn a_server_that_does_not_answer_for_a_moment_takes_no_lease_away() {
    let double = Double::start();
    *double.state.leases.duration.lock() = Duration::from_millis(60);
    let (space, slow, mut tasks) = (double.client().default_namespace(), Slow::new(), JoinSet::new());
    slow.start(&mut tasks, &space);
    slow.begun().await;
    double.state.faults.lock().extend((0..3).map(|_| Fault::unavailable()));
    until(|| double.state.faults.lock().is_empty() && double.state.count("extend_lease") >= 5).await;
    slow.go.add_permits(1);
    assert_eq!(tasks.join_next().await.expect("ended").expect("no panic"), Ok(42));
    assert_eq!(double.state.puts.lock().len(), 1);
}

#[tokio::test]
async fn under_a_lost_lease_the_caller_gets_its_value_and_nothing_is_stored() {
    let double = Double::start();
    *double.state.leases.duration.lock() = Duration::from_millis(60);
    let (space, slow, mut tasks) = (double.client().default_namespace(), Slow::new(), JoinSet::new());
    slow.start(&mut tasks, &space);
    slow.begun().await;
    double.state.leases.held.lock().clear();
    until(|| double.state.count("extend_lease") >= 1).await;
    slow.go.add_permits(1);
    assert_eq!(tasks.join_next().await.expect("ended").expect("no panic"), Ok(42));
    assert!(double.state.entries.lock().is_empty());
    assert_eq!(double.state.count("extend_lease"), 1, "nobody extends what is lost");
    assert!(double.state.leases.released.lock().is_empty(), "nor gives it back");
}

#[tokio::test]
async fn a_failure_gives_the_lease_back_as_the_options_say() {
    let double = Double::start();
    let space = double.client().default_namespace();
    let second = Duration::from_secs(1);
    for (count, options, hold_off, remembered) in [
        (1, ComputeOptions::new(), false, false),
        (2, ComputeOptions::new().hold_off(second), true, false),
        (3, ComputeOptions::new().hold_off(second).remember_failure(second), false, true),
    ] {
        let error = compute(&space, &options, Err("disk full")).await.expect_err("failed");
        assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Compute, "disk full"));
        let request = released(&double.state, count).await;
        assert_eq!((request.namespace.as_str(), request.key.as_str()), ("test", "k"));
        assert_eq!(request.token, format!("{count:032x}"));
        assert_eq!((request.hold_off.is_some(), request.expiration.is_some()), (hold_off, remembered));
        let failure = v1::Negative { reason: "COMPUTE_FAILED".to_owned(), message: "disk full".to_owned() };
        assert_eq!(request.failure, remembered.then_some(failure));
    }
}

#[tokio::test]
async fn a_remembered_failure_is_what_every_caller_gets() {
    let double = Double::start();
    let space = double.client().default_namespace();
    space.put_negative("k", "COMPUTE_FAILED", "disk full", &WriteOptions::new()).await.expect("there");
    let error = compute(&space, &ComputeOptions::new(), Ok(1)).await.expect_err("remembered");
    assert_eq!((error.kind, error.reason.as_deref()), (ErrorKind::Compute, Some("COMPUTE_FAILED")));
    assert_eq!(error.message, "disk full");
}

#[tokio::test]
async fn a_panic_gives_the_lease_back() {
    let double = Double::start();
    let space = double.client().default_namespace();
    let panicking = || async { if true { panic!("secret") } else { Ok::<u32, String>(1) } };
    let error = space.get_or_compute("k", &ComputeOptions::new(), panicking).await.expect_err("panicked");
    assert_eq!(error.kind, ErrorKind::Compute);
    let request = released(&double.state, 1).await;
    assert_eq!((request.failure, request.hold_off), (None, None));
}

#[tokio::test]
async fn when_the_last_caller_gives_up_the_lease_is_given_back_and_not_before() {
    let double = Double::start();
    let (space, slow, mut tasks) = (double.client().default_namespace(), Slow::new(), JoinSet::new());
    let first = slow.start(&mut tasks, &space);
    slow.begun().await;
    let second = slow.start(&mut tasks, &space);
    tokio::task::yield_now().await;
    first.abort();
    assert!(tasks.join_next().await.expect("one ended").expect_err("aborted").is_cancelled());
    space.exists("another").await.expect("there");
    assert!(double.state.leases.released.lock().is_empty());
    second.abort();
    released(&double.state, 1).await;
    assert_eq!(compute(&space, &ComputeOptions::new(), Ok(7)).await, Ok(7), "the next gets the lease at once");
}

#[tokio::test]
async fn closing_the_client_gives_the_lease_back_before_it_returns() {
    let double = Double::start();
    let client = double.client();
    let (space, slow, mut tasks) = (client.default_namespace(), Slow::new(), JoinSet::new());
    slow.start(&mut tasks, &space);
    slow.begun().await;
    client.close().await;
    assert_eq!(double.state.leases.released.lock().len(), 1);
}

#[tokio::test]
async fn a_value_that_could_not_be_stored_gives_the_lease_back() {
    let double = Double::start();
    let space = double.client().default_namespace();
    let state = Arc::clone(&double.state);
    let refused = || async move {
        state.faults.lock().push_back(Fault::Refuse(Box::new(tonic::Status::invalid_argument("too large"))));
        Ok::<u32, String>(5)
    };
    assert_eq!(space.get_or_compute("k", &ComputeOptions::new(), refused).await, Ok(5));
    released(&double.state, 1).await;
}

#[tokio::test]
async fn callers_do_not_wait_long_for_their_value_to_be_stored() {
    let double = Double::start();
    let client = double.client();
    let (space, state) = (client.default_namespace(), Arc::clone(&double.state));
    let stuck = || async move {
        state.faults.lock().push_back(Fault::Stall);
        Ok::<u32, String>(5)
    };
    let options = ComputeOptions::new();
    let found = tokio::time::timeout(Duration::from_secs(20), space.get_or_compute("k", &options, stuck)).await;
    assert_eq!(found.expect("not for the 30 s of the call"), Ok(5));
    assert_eq!(double.state.count("put"), 1);
    assert!(double.state.leases.released.lock().is_empty(), "it is being stored, and the lease is held");
    client.close().await;
    assert_eq!(double.state.leases.released.lock().len(), 1);
}

#[tokio::test]
async fn values_that_are_slow_to_be_stored_are_few_and_in_the_way_of_no_computation() {
    let double = Double::start();
    let client = double.builder().computations_max(1).build().expect("valid");
    let (space, options) = (client.default_namespace(), ComputeOptions::new());
    let state = Arc::clone(&double.state);
    let stuck = || async move {
        state.faults.lock().push_back(Fault::Stall);
        Ok::<u32, String>(1)
    };
    assert_eq!(space.get_or_compute("k", &options, stuck).await, Ok(1));
    assert_eq!(double.state.count("put"), 1);
    let other = space.get_or_compute("other", &options, || async { Ok::<u32, String>(2) });
    let found = tokio::time::timeout(Duration::from_secs(20), other).await;
    assert_eq!(found.expect("not for the 30 s of the call"), Ok(2), "its computation has a place");
    assert_eq!(released(&double.state, 1).await.key, "other", "but its value has none");
    assert_eq!(double.state.count("put"), 1);
    client.close().await;
}

#[tokio::test]
async fn what_is_outdated_while_it_is_stored_behind_its_callers_is_not_stored() {
    let double = Double::start();
    let (space, state) = (double.client().default_namespace(), Arc::clone(&double.state));
    let stuck = || async move {
        state.faults.lock().push_back(Fault::Stall);
        Ok::<u32, String>(5)
    };
    let options = ComputeOptions::new();
    assert_eq!(space.get_or_compute("k", &options, stuck).await, Ok(5));
    space.remove("k").await.expect("there");
    released(&double.state, 1).await;
    assert!(double.state.puts.lock().is_empty());
}

#[tokio::test]
async fn who_is_told_to_come_back_comes_back_and_gets_the_value() {
    let double = Double::start();
    taken(&double);
    let (space, mut tasks) = (double.client().default_namespace(), JoinSet::new());
    let other = space.clone();
    tasks.spawn(async move { compute(&other, &ComputeOptions::new(), Ok(1)).await });
    until(|| double.state.count("get") >= 3).await;
    space.put("k", &2_u32).await.expect("there");
    assert_eq!(tasks.join_next().await.expect("ended").expect("no panic"), Ok(2));
    assert_eq!(double.state.gets.lock()[0].miss_policy(), v1::MissPolicy::LeaseOrWait);
}

#[tokio::test]
async fn who_waited_long_enough_computes_for_itself_and_stores_nothing() {
    let double = Double::start();
    taken(&double);
    let space = double.client().default_namespace();
    let (mut options, mut asked) = (ComputeOptions::new(), 0);
    // Where the machine does not get to it, a wait is over before it was asked again: then a longer one shows it.
    for wait in [Duration::from_millis(200), Duration::from_secs(2), Duration::from_secs(20)] {
        options = options.wait(wait);
        let before = double.state.count("get");
        assert_eq!(compute(&space, &options, Ok(1)).await, Ok(1));
        assert!(double.state.entries.lock().is_empty());
        asked = double.state.count("get") - before;
        if asked > 1 {
            break;
        }
    }
    assert!(asked > 1, "it asked again");
    double.state.gets.lock().clear();
    assert_eq!(compute(&space, &options.wait(Duration::ZERO), Ok(2)).await, Ok(2));
    let gets = double.state.gets.lock().clone();
    assert_eq!((gets.len(), gets[0].miss_policy()), (1, v1::MissPolicy::Lease), "asked once, waited for nothing");
}

#[tokio::test]
async fn who_wants_no_lease_asks_for_none_and_stores() {
    let double = Double::start();
    taken(&double);
    let space = double.client().default_namespace();
    assert_eq!(compute(&space, &ComputeOptions::new().per_process(), Ok(1)).await, Ok(1));
    assert_eq!(double.state.gets.lock()[0].miss_policy(), v1::MissPolicy::Unspecified);
    assert_eq!(double.state.puts.lock()[0].lease_token, "");
}

#[tokio::test]
async fn who_may_only_read_reads_and_computes_for_itself() {
    let double = Double::start();
    let space = double.client().default_namespace();
    let denied = || Fault::Refuse(Box::new(tonic::Status::permission_denied("readers take no lease")));
    double.state.faults.lock().push_back(denied());
    assert_eq!(compute(&space, &ComputeOptions::new(), Ok(1)).await, Ok(1));
    assert_eq!((double.state.count("get"), double.state.count("put")), (2, 0));
    space.put("k", &2_u32).await.expect("there");
    double.state.faults.lock().push_back(denied());
    assert_eq!(compute(&space, &ComputeOptions::new(), Ok(1)).await, Ok(2));
}

#[tokio::test]
async fn a_stale_value_is_returned_at_once_and_renewed_behind_it_under_the_lease() {
    let double = Double::start();
    let (space, slow, mut tasks) = (double.client().default_namespace(), Slow::new(), JoinSet::new());
    space.put("k", &1_u32).await.expect("there");
    double.state.stale.lock().insert("k".to_owned());
    let options = ComputeOptions::new().stale_while_revalidate(true);
    let (own, renewing) = (space.clone(), slow.clone());
    let wanted = options.clone();
    tasks.spawn(async move {
        let work = || async move {
            let _permit = renewing.go.acquire().await;
            Ok::<_, String>(2)
        };
        own.get_or_compute("k", &wanted, work).await
    });
    assert_eq!(tasks.join_next().await.expect("ended").expect("no panic"), Ok(1), "before the next is computed");
    assert_eq!(compute(&space, &options, Ok(9)).await, Ok(1), "another renews it");
    slow.go.add_permits(1);
    until(|| double.state.puts.lock().len() == 2).await;
    assert_eq!(double.state.puts.lock()[1].lease_token, format!("{:032x}", 1));
    assert_eq!(space.get::<u32>("k").await.expect("there").value(), Some(2));
}

#[tokio::test]
async fn a_renewal_that_fails_keeps_the_value_and_gives_the_lease_back() {
    let double = Double::start();
    let space = double.client().default_namespace();
    space.put("k", &1_u32).await.expect("there");
    double.state.stale.lock().insert("k".to_owned());
    let options = ComputeOptions::new().stale_while_revalidate(true).remember_failure(Duration::from_secs(9));
    let options = options.hold_off(Duration::from_secs(1));
    assert_eq!(compute(&space, &options, Err("down")).await, Ok(1));
    let request = released(&double.state, 1).await;
    let failure = v1::Negative { reason: "COMPUTE_FAILED".to_owned(), message: "down".to_owned() };
    assert_eq!((request.failure, request.hold_off), (Some(failure), None), "the server keeps it beside the value");
    let panicking = || async { if true { panic!("secret") } else { Ok::<u32, String>(1) } };
    assert_eq!(space.get_or_compute("k", &options, panicking).await, Ok(1));
    released(&double.state, 2).await;
}

#[tokio::test]
async fn a_hit_with_a_lease_is_renewed_ahead() {
    let double = Double::start();
    let space = double.client().default_namespace();
    space.put("k", &1_u32).await.expect("there");
    double.state.leases.renew_ahead.lock().insert("k".to_owned());
    assert_eq!(compute(&space, &ComputeOptions::new(), Ok(2)).await, Ok(1));
    until(|| double.state.puts.lock().len() == 2).await;
    assert_eq!(compute(&space, &ComputeOptions::new(), Ok(3)).await, Ok(2));
}

#[tokio::test]
async fn a_failure_that_a_stale_value_stands_in_for_is_not_remembered() {
    let double = Double::start();
    let space = double.client().default_namespace();
    space.put("k", &1_u32).await.expect("there");
    double.state.stale.lock().insert("k".to_owned());
    let options = ComputeOptions::new().stale_if_error(true).remember_failure(Duration::from_secs(9));
    assert_eq!(compute(&space, &options, Err("down")).await, Ok(1));
    assert!(released(&double.state, 1).await.failure.is_none());
}

#[tokio::test]
async fn a_server_that_went_while_a_caller_waited_costs_the_computation() {
    let mut double = Double::start();
    taken(&double);
    let (space, mut tasks) = (double.client().default_namespace(), JoinSet::new());
    tasks.spawn(async move { compute(&space, &ComputeOptions::new(), Ok(1)).await });
    until(|| double.state.count("get") >= 2).await;
    double.stop();
    assert_eq!(tasks.join_next().await.expect("ended").expect("no panic"), Ok(1));
}

#[tokio::test]
async fn a_server_that_froze_costs_one_call_and_the_computation() {
    let double = Double::start();
    let space = double.builder().timeout(Duration::from_secs(10)).build().expect("valid").default_namespace();
    *double.state.always.lock() = Some(Fault::Stall);
    let options = ComputeOptions::new();
    let mut asked = Box::pin(compute(&space, &options, Ok(1)));
    tokio::select! {
        answered = &mut asked => panic!("nobody answers: {answered:?}"),
        () = until(|| double.state.count("get") > 0) => {}
    }
    let asked = past_its_deadline(tokio::time::timeout(Duration::from_secs(25), asked)).await;
    assert_eq!(asked.expect("not the 30 s of the wait"), Ok(1));
    assert_eq!(double.state.count("get"), 1);
}

#[tokio::test]
async fn a_failure_that_may_not_be_remembered_still_gives_the_lease_back() {
    let double = Double::start();
    let space = double.client().default_namespace();
    let state = Arc::clone(&double.state);
    let failing = || async move {
        let refused = tonic::Status::invalid_argument("a lifetime beyond the namespace's");
        state.faults.lock().push_back(Fault::Refuse(Box::new(refused)));
        Err::<u32, _>("disk full")
    };
    let options = ComputeOptions::new().remember_failure(Duration::from_secs(9));
    assert_eq!(space.get_or_compute("k", &options, failing).await.expect_err("failed").message, "disk full");
    let request = released(&double.state, 1).await;
    assert_eq!((request.failure, request.expiration, double.state.count("release_lease")), (None, None, 2));
}
