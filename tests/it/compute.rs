//! get_or_compute of several clients against one server: who computes, who waits, and who goes on when someone is gone.
//! Each client stands for a process; real processes are in the herd of `demo`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hotplate::{
    CacheMode, Cached, ComputeOptions, Error, ErrorKind, Invalidates, Lookup, Namespace, Selector, WriteOptions,
};
use hotplate_daemon::access::Role;
use hotplate_proto::v1;
use tokio::{
    sync::Semaphore,
    task::{AbortHandle, JoinSet},
};

use crate::{
    harness::{Local, grant, unhurried},
    health::http,
    lease::waiting,
    wire::*,
};

/// Another client, with connections and computations of its own.
fn process(server: &Local) -> Namespace {
    let client = hotplate::Client::builder().url(format!("hotplate://{}/ml", server.grpc)).profile(unhurried());
    let client = client.build();
    client.unwrap().default_namespace()
}

fn in_ml(key: &str) -> v1::GetRequest {
    v1::GetRequest { namespace: "ml".to_owned(), ..get(key) }
}

/// A computation that counts itself, waits to be let on and answers its own number, the first being 1.
#[derive(Clone)]
struct Work {
    begun: Arc<AtomicUsize>,
    go: Arc<Semaphore>,
}

impl Work {
    fn new() -> Self {
        Self { begun: Arc::default(), go: Arc::new(Semaphore::new(0)) }
    }

    async fn run(self) -> Result<usize, String> {
        let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        self.go.acquire().await.unwrap().forget();
        Ok(number)
    }

    fn ask(&self, callers: &mut JoinSet<Result<usize, Error>>, space: &Namespace) -> AbortHandle {
        let (space, work) = (space.clone(), self.clone());
        callers.spawn(async move { space.get_or_compute("k", &ComputeOptions::new(), || work.run()).await })
    }

    async fn begun(&self, times: usize) {
        until("it has begun", || async { self.begun.load(Ordering::SeqCst) }, |begun| *begun == times).await;
    }
}

async fn next(callers: &mut JoinSet<Result<usize, Error>>) -> Result<usize, Error> {
    within("an answer", callers.join_next()).await.expect("someone asks").expect("no panic")
}

async fn compute(
    space: &Namespace,
    options: &ComputeOptions,
    result: Result<usize, &'static str>,
) -> Result<usize, Error> {
    within("an answer", space.get_or_compute("k", options, move || async move { result })).await
}

/// Leases that were extended so far.
async fn extended(server: &Local) -> u64 {
    let (_, text) = http(&format!("http://{}/metrics", server.http)).await;
    let count = text.lines().find(|line| line.starts_with("hotplate_calls_total") && line.contains("\"ExtendLease\""));
    count.and_then(|line| line.rsplit(' ').next()).map_or(0, |count| count.parse().unwrap())
}

#[tokio::test]
async fn of_all_callers_in_all_processes_one_computes_and_two_hundred_of_one_process_cost_one_call() {
    let server = Local::start().await;
    let (work, mut callers) = (Work::new(), JoinSet::new());
    let processes: Vec<_> = (0..4).map(|_| process(&server)).collect();
    for caller in 0..800 {
        work.ask(&mut callers, &processes[caller % 4]);
    }
    work.begun(1).await;
    waiting(&server, 3).await;
    work.go.add_permits(800);
    for _ in 0..800 {
        assert_eq!(next(&mut callers).await, Ok(1));
    }
    assert_eq!((work.begun.load(Ordering::SeqCst), server.waiters()), (1, 0));
    let total = server.client().await.count("ml").await.total.unwrap();
    assert_eq!((total.hits, misses(&total, v1::MissReason::NeverStored), total.puts), (3, 1, 1));
}

#[tokio::test]
async fn when_the_computation_fails_another_process_tries_at_once() {
    let server = Local::start().await;
    let (first, second) = (process(&server), process(&server));
    let (work, mut callers) = (Work::new(), JoinSet::new());
    let failing = work.clone();
    callers.spawn(async move {
        let fail = || async move { Err(format!("failed at computation {}", failing.run().await?)) };
        first.get_or_compute("k", &ComputeOptions::new(), fail).await
    });
    work.begun(1).await;
    work.ask(&mut callers, &second);
    waiting(&server, 1).await;
    work.go.add_permits(1);
    assert_eq!(next(&mut callers).await.expect_err("failed").message, "failed at computation 1");
    work.go.add_permits(1);
    assert_eq!(next(&mut callers).await, Ok(2), "no time has passed on the server");
}

#[tokio::test]
async fn when_the_last_caller_gives_up_another_process_computes_at_once() {
    let server = Local::start().await;
    let (first, second) = (process(&server), process(&server));
    let (work, mut callers) = (Work::new(), JoinSet::new());
    let (one, two) = (work.ask(&mut callers, &first), work.ask(&mut callers, &first));
    work.begun(1).await;
    work.ask(&mut callers, &second);
    waiting(&server, 1).await;
    one.abort();
    assert!(within("the end", callers.join_next()).await.unwrap().unwrap_err().is_cancelled());
    waiting(&server, 1).await;
    assert_eq!(work.begun.load(Ordering::SeqCst), 1, "it goes on for the other");
    two.abort();
    assert!(within("the end", callers.join_next()).await.unwrap().unwrap_err().is_cancelled());
    work.begun(2).await;
    work.go.add_permits(1);
    assert_eq!(next(&mut callers).await, Ok(2));
}

#[tokio::test]
async fn what_was_invalidated_meanwhile_is_its_callers_alone_and_who_waits_gets_a_newer_one() {
    let server = Local::start().await;
    let (first, second, third) = (process(&server), process(&server), process(&server));
    let (work, mut callers) = (Work::new(), JoinSet::new());
    work.ask(&mut callers, &first);
    work.begun(1).await;
    work.ask(&mut callers, &second);
    waiting(&server, 1).await;
    third.invalidate(Selector::everything()).await.unwrap();
    work.begun(2).await;
    work.go.add_permits(1);
    assert_eq!(next(&mut callers).await, Ok(1), "the caller still gets its value");
    assert!(!third.get::<usize>("k").await.unwrap().is_hit(), "which is stored for nobody");
    work.go.add_permits(1);
    assert_eq!(next(&mut callers).await, Ok(2));
    assert_eq!(third.get::<usize>("k").await.unwrap().value(), Some(2));
}

#[tokio::test]
async fn a_failure_that_is_remembered_reaches_all_processes_until_its_time_is_over() {
    let server = Local::start().await;
    let (first, second) = (process(&server), process(&server));
    let options = ComputeOptions::new().remember_failure(Duration::from_secs(5));
    assert_eq!(compute(&first, &options, Err("disk full")).await.unwrap_err().message, "disk full");
    let known = || async { matches!(second.get::<usize>("k").await, Ok(Lookup::Negative(_))) };
    until("it is remembered", known, |known| *known).await;
    let error = compute(&second, &options, Ok(1)).await.unwrap_err();
    assert_eq!((error.kind, error.reason.as_deref()), (ErrorKind::Compute, Some("COMPUTE_FAILED")));
    assert_eq!(error.message, "disk full");
    server.advance(Duration::from_secs(6));
    assert_eq!(compute(&second, &options, Ok(1)).await, Ok(1));
}

#[tokio::test]
async fn a_process_that_is_gone_costs_the_others_one_lease_and_its_late_value_is_not_stored() {
    let server = Local::start().await;
    let (first, second) = (process(&server), process(&server));
    let (work, mut callers) = (Work::new(), JoinSet::new());
    work.ask(&mut callers, &first);
    work.begun(1).await;
    work.ask(&mut callers, &second);
    waiting(&server, 1).await;
    server.advance(Duration::from_secs(10));
    work.begun(2).await;
    work.go.add_permits(1);
    assert_eq!(next(&mut callers).await, Ok(1), "it was not gone but frozen, and keeps its value");
    assert!(!second.get::<usize>("k").await.unwrap().is_hit());
    work.go.add_permits(1);
    assert_eq!(next(&mut callers).await, Ok(2));
}

#[tokio::test]
async fn a_lease_outlasts_its_duration_while_the_computation_runs() {
    let server = Local::with(|settings| settings.leases.duration = Duration::from_millis(300)).await;
    let (first, second) = (process(&server), process(&server));
    let (work, mut callers) = (Work::new(), JoinSet::new());
    work.ask(&mut callers, &first);
    work.begun(1).await;
    work.ask(&mut callers, &second);
    waiting(&server, 1).await;
    for _ in 0..4 {
        let before = extended(&server).await;
        until("it is extended", || extended(&server), |extended| *extended > before).await;
        server.advance(Duration::from_millis(250));
    }
    // Who waits asks again now and then.
    waiting(&server, 1).await;
    assert_eq!(work.begun.load(Ordering::SeqCst), 1);
    work.go.add_permits(1);
    assert_eq!((next(&mut callers).await, next(&mut callers).await), (Ok(1), Ok(1)));
}

#[tokio::test]
async fn a_stale_value_is_everyones_at_once_and_one_process_renews_it() {
    let server = Local::start().await;
    let (first, second) = (process(&server), process(&server));
    let write = WriteOptions::new().ttl(Duration::from_secs(10)).stale_for(Duration::from_secs(60));
    first.put_with("k", &7_usize, &write).await.unwrap();
    server.advance(Duration::from_secs(11));
    let options = ComputeOptions::from(write).stale_while_revalidate(true);
    let work = Work::new();
    for space in [&first, &second, &first] {
        let renewing = work.clone();
        let stale = space.get_or_compute("k", &options, || renewing.run());
        assert_eq!(within("the stale value", stale).await, Ok(7));
    }
    work.begun(1).await;
    work.go.add_permits(1);
    let value = || async { second.get::<usize>("k").await.unwrap().value() };
    until("it is renewed", value, |value| *value == Some(1)).await;
    assert_eq!(work.begun.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_renewal_that_fails_leaves_the_value_with_its_reason_beside_it_and_is_tried_again_later() {
    let server = Local::start().await;
    let (first, second) = (process(&server), process(&server));
    let write = WriteOptions::new().ttl(Duration::from_secs(10)).stale_for(Duration::from_secs(60));
    first.put_with("k", &7_usize, &write).await.unwrap();
    server.advance(Duration::from_secs(11));
    let options = ComputeOptions::from(write).stale_while_revalidate(true).remember_failure(Duration::from_secs(5));
    assert_eq!(compute(&first, &options, Err("disk full")).await, Ok(7));
    let reason = || async {
        let stale = v1::GetRequest { stale_policy: v1::StalePolicy::WhileRevalidate.into(), ..in_ml("k") };
        let entry = server.client().await.ask(stale).await.entry?;
        entry.metadata?.refresh_failure.map(|failure| failure.message)
    };
    until("the failure is beside the value", reason, |reason| reason.as_deref() == Some("disk full")).await;
    assert_eq!(compute(&second, &options, Ok(8)).await, Ok(7), "nobody tries again yet");
    server.advance(Duration::from_secs(6));
    assert_eq!(compute(&second, &options, Ok(9)).await, Ok(7));
    let value = || async { first.get::<usize>("k").await.unwrap().value() };
    until("it is renewed", value, |value| *value == Some(9)).await;
}

#[tokio::test]
async fn who_may_only_read_gets_what_is_there_and_stores_nothing() {
    let mut secret = String::new();
    let server = Local::with(|settings| {
        secret = grant(&mut settings.access, Role::Reader, &["ml"]);
        grant(&mut settings.access, Role::Admin, &["*"]);
    })
    .await;
    let url = format!("hotplate://{}/ml", server.grpc);
    let reader =
        hotplate::Client::builder().url(url).profile(unhurried()).token(secret).build().unwrap().default_namespace();
    assert_eq!(compute(&reader, &ComputeOptions::new(), Ok(1)).await, Ok(1));
    let only = ComputeOptions::new().mode(CacheMode::Only);
    assert_eq!(compute(&reader, &only, Ok(2)).await.unwrap_err().reason.as_deref(), Some("NOT_CACHED"));
}

#[tokio::test]
async fn b4_results_of_a_function_and_what_outdates_them() {
    let server = Local::start().await;
    let (serving, training) = (process(&server), process(&server));
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let options = ComputeOptions::new().ttl(Duration::from_secs(60));
    let metrics = Cached::new(&serving, ["model", "metrics"], options, move |id: u32| {
        let run = counted.fetch_add(1, Ordering::SeqCst) + 1;
        async move { Ok::<_, String>((id, run)) }
    });
    let train =
        Invalidates::new(&training, [Selector::prefix("model:metrics:")], |_: u32| async move { Ok::<_, Error>(()) });
    for _ in 0..2 {
        assert_eq!(metrics.call(7).await, Ok((7, 1)), "kept under its prefix");
        assert_eq!(metrics.call(8).await, Ok((8, 2)));
    }
    train.call(7).await.unwrap();
    assert_eq!(metrics.call(7).await, Ok((7, 3)), "dropped by the pattern after the function ran");
    server.advance(Duration::from_secs(61));
    assert_eq!(metrics.call(7).await, Ok((7, 4)), "for its TTL");
}
