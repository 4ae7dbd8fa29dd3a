//! A call that may be answered with a lease, and callers that do not wait for it: the lease is never left behind.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hotplate::{ComputeOptions, Error, ErrorKind, Namespace, v1};
use tokio::{
    sync::Semaphore,
    task::{AbortHandle, JoinSet},
};

use crate::double::{Double, Fault, until};

/// Callers of one key, and how often one of them computed.
struct Callers {
    space: Namespace,
    runs: Arc<AtomicUsize>,
    tasks: JoinSet<Result<u32, Error>>,
}

impl Callers {
    fn of(space: Namespace) -> Self {
        Self { space, runs: Arc::default(), tasks: JoinSet::new() }
    }

    fn start(&mut self, options: ComputeOptions) -> AbortHandle {
        let (space, runs) = (self.space.clone(), Arc::clone(&self.runs));
        self.tasks.spawn(async move {
            let work = || async move {
                runs.fetch_add(1, Ordering::SeqCst);
                Ok::<_, String>(42)
            };
            space.get_or_compute("k", &options, work).await
        })
    }

    async fn next(&mut self) -> Result<u32, Error> {
        self.tasks.join_next().await.expect("one").expect("no panic")
    }

    /// Has all of them give up.
    async fn leave(&mut self) {
        self.tasks.shutdown().await;
    }

    fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }
}

/// Answers to Gets are on their way until the semaphore lets them arrive.
fn answers_are_late(double: &Double) -> Arc<Semaphore> {
    let arrive = Arc::new(Semaphore::new(0));
    *double.state.late.lock() = Some(Arc::clone(&arrive));
    arrive
}

#[tokio::test]
async fn the_lease_of_a_call_whose_callers_gave_up_is_given_back_and_nothing_is_computed() {
    let double = Double::start();
    let arrive = answers_are_late(&double);
    let mut callers = Callers::of(double.client().default_namespace());
    callers.start(ComputeOptions::new());
    until(|| double.state.leases.held.lock().contains_key("k")).await;
    callers.leave().await;
    arrive.add_permits(1);
    until(|| double.state.leases.released.lock().len() == 1).await;
    assert_eq!((callers.runs(), double.state.count("get")), (0, 1), "nothing is computed, nothing more is asked");
    assert!(double.state.leases.held.lock().is_empty());
}

#[tokio::test]
async fn however_many_give_up_one_call_is_on_the_wire_and_who_comes_then_has_its_answer() {
    let double = Double::start();
    let arrive = answers_are_late(&double);
    let mut callers = Callers::of(double.client().default_namespace());
    for _ in 0..50 {
        callers.start(ComputeOptions::new());
        until(|| double.state.leases.held.lock().contains_key("k")).await;
        callers.leave().await;
    }
    callers.start(ComputeOptions::new());
    tokio::task::yield_now().await;
    arrive.add_permits(1);
    assert_eq!(callers.next().await, Ok(42));
    assert_eq!((callers.runs(), double.state.count("get"), double.state.puts.lock().len()), (1, 1, 1));
    assert!(double.state.leases.released.lock().is_empty());
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_is_not_followed_by_another() {
    let double = Double::start();
    double.state.leases.held.lock().insert("k".to_owned(), String::new());
    let arrive = answers_are_late(&double);
    let mut callers = Callers::of(double.client().default_namespace());
    callers.start(ComputeOptions::new());
    until(|| double.state.count("get") == 1).await;
    callers.leave().await;
    *double.state.late.lock() = None;
    arrive.add_permits(1);
    // It is told to come back after 10 ms.
    for turn in 0..20 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert!(!callers.space.exists("another").await.expect("there"));
        assert_eq!(double.state.count("get"), 2 + turn);
    }
    assert_eq!(callers.runs(), 0);
}

#[tokio::test]
async fn a_client_that_is_closed_waits_for_an_answer_for_a_moment_and_gives_its_lease_back() {
    let double = Double::start();
    let arrive = answers_are_late(&double);
    let client = double.client();
    let mut callers = Callers::of(client.default_namespace());
    callers.start(ComputeOptions::new());
    until(|| double.state.leases.held.lock().contains_key("k")).await;
    let told = async {
        let told = callers.next().await;
        arrive.add_permits(1);
        told
    };
    let ((), told) = tokio::join!(client.close(), told);
    let error = told.expect_err("closed");
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Cancelled, "the client was closed"));
    assert_eq!((double.state.leases.released.lock().len(), callers.runs()), (1, 0));
}

#[tokio::test]
async fn a_client_that_is_closed_does_not_wait_for_an_answer_that_does_not_come() {
    let double = Double::start();
    let _never = answers_are_late(&double);
    let client = double.client();
    let mut callers = Callers::of(client.default_namespace());
    callers.start(ComputeOptions::new());
    until(|| double.state.count("get") == 1).await;
    let closed = tokio::time::timeout(Duration::from_secs(25), client.close()).await;
    assert!(closed.is_ok(), "not for the 30 s of the call");
    assert_eq!(callers.next().await.expect_err("closed").kind, ErrorKind::Cancelled);
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_found_out_although_every_caller_gives_up() {
    let double = Double::start();
    *double.state.always.lock() = Some(Fault::Stall);
    let client = double.builder().timeout(Duration::from_secs(1)).build().expect("valid");
    for turn in 0..5 {
        // Of namespaces of their own, so that none joins another.
        let mut callers = Callers::of(client.namespace(format!("space-{turn}")));
        callers.start(ComputeOptions::new().wait(Duration::from_millis(1)));
        // One that does not get there in its time counts as well.
        let there = until(|| double.state.count("get") > turn);
        let _slow = tokio::time::timeout(Duration::from_secs(2), there).await;
        callers.leave().await;
    }
    let mut available = client.availability();
    let found = tokio::time::timeout(Duration::from_secs(60), available.wait_for(|there| !there)).await;
    assert!(found.expect("in time").is_ok());
}

#[tokio::test]
async fn callers_who_accept_different_things_ask_side_by_side() {
    let double = Double::start();
    let space = double.client().default_namespace();
    space.put("k", &1_u32).await.expect("there");
    double.state.stale.lock().insert("k".to_owned());
    let arrive = answers_are_late(&double);
    let mut takes_all = Callers::of(space.clone());
    takes_all.start(ComputeOptions::new().stale_while_revalidate(true));
    until(|| double.state.count("get") == 1).await;
    let mut fresh = Callers::of(space.clone());
    fresh.start(ComputeOptions::new());
    let mut young = Callers::of(space);
    young.start(ComputeOptions::new().max_age(Duration::from_secs(1)));
    until(|| double.state.count("get") == 3).await;
    arrive.add_permits(100);
    assert_eq!(takes_all.next().await, Ok(1), "the stale value");
    assert_eq!((fresh.next().await, young.next().await), (Ok(42), Ok(42)), "and who does not accept it gets another");
    let accepted: Vec<_> = double.state.gets.lock().iter().take(3).map(v1::GetRequest::stale_policy).collect();
    assert_eq!(accepted[0], v1::StalePolicy::WhileRevalidate);
}

#[tokio::test]
async fn a_lease_that_comes_with_a_large_value_outlives_a_read_that_fails() {
    let double = Double::start();
    double.state.blobs.chunk_bytes.store(64 << 10, Ordering::Relaxed);
    let space = double.client().default_namespace().codec(hotplate::Raw);
    let old = bytes::Bytes::from(vec![1; 2_500_000]);
    assert!(space.put("k", &old).await.expect("there").is_stored());
    double.state.stale.lock().insert("k".to_owned());
    // Replaced each time that it is read.
    double.state.blobs.values.lock().clear();
    let new = bytes::Bytes::from_static(b"new");
    let options = ComputeOptions::new().stale_while_revalidate(true).max_age(Duration::from_secs(60));
    let computed = new.clone();
    let found = space.get_or_compute("k", &options, || async move { Ok::<_, String>(computed) }).await;
    assert_eq!(found, Ok(new));
    let last = double.state.puts.lock().last().cloned().expect("stored");
    assert_eq!(last.lease_token, format!("{:032x}", 1), "under the lease that came with it");
    assert!(double.state.leases.released.lock().is_empty());
    let gets = double.state.gets.lock().clone();
    let asked: Vec<_> = gets.iter().map(|get| (get.miss_policy(), get.wait_timeout.is_some())).collect();
    assert_eq!(asked[0], (v1::MissPolicy::LeaseOrWait, true));
    assert_eq!(asked[1..], [(v1::MissPolicy::Unspecified, false); 4], "asked again, but not for another lease");
    assert!(gets.iter().all(|get| get.max_age.is_some() && get.stale_policy() == v1::StalePolicy::WhileRevalidate));
}

#[tokio::test]
async fn a_large_value_that_is_gone_is_no_right_to_store_without_a_lease() {
    let double = Double::start();
    double.state.blobs.chunk_bytes.store(64 << 10, Ordering::Relaxed);
    let space = double.client().default_namespace().codec(hotplate::Raw);
    let old = bytes::Bytes::from(vec![1; 2_500_000]);
    assert!(space.put("k", &old).await.expect("there").is_stored());
    double.state.blobs.values.lock().clear();
    let arrive = answers_are_late(&double);
    arrive.add_permits(1);
    let new = bytes::Bytes::from_static(b"new");
    let computed = new.clone();
    let options = ComputeOptions::new();
    let asked = space.get_or_compute("k", &options, || async move { Ok::<_, String>(computed) });
    let goes = async {
        until(|| double.state.blobs.reads.lock().len() == 1).await;
        double.state.entries.lock().clear();
        arrive.add_permits(100);
    };
    let (found, ()) = tokio::join!(asked, goes);
    assert_eq!(found, Ok(new));
    let asked: Vec<_> = double.state.gets.lock().iter().map(v1::GetRequest::miss_policy).collect();
    let [lease, none] = [v1::MissPolicy::LeaseOrWait, v1::MissPolicy::Unspecified];
    let (first, rest) = asked.split_first().expect("asked");
    let (last, again) = rest.split_last().expect("asked again");
    assert_eq!([*first, *last], [lease; 2]);
    assert!(!again.is_empty() && again.iter().all(|policy| *policy == none), "{again:?}");
    let last = double.state.puts.lock().last().cloned().expect("stored");
    assert_eq!(last.lease_token, format!("{:032x}", 1));
}
