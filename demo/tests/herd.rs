//! The herd with real processes against a real server, as `cargo x demo herd` shows it: who computes, who is answered and
//! how long the longest wait is. Its numbers are counted by the demo; what they have to be is decided here.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use hotplate_daemon::{Running, config::Settings};
use hotplate_engine::clock::Clock;
use hotplate_redisctl::Server as Redis;
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Processor time is shared with whatever else the machine does: the best of so many herds counts for the wait.
const TRIES: u32 = 10;
/// What an answer may take beyond the computation.
const BEYOND_MS: u64 = 100;
/// What the end of a lease may be late, besides.
const LAPSE_MS: u64 = 200;

/// What it may take on other servers, which hear of the value, or look at least twice a second.
const SPREAD_MS: u64 = 1000;
/// Longer than usual: a busy machine is not to look like a Redis that is away.
const SHARED_TIMEOUT: Duration = Duration::from_secs(5);
/// How often, and in which time, a server is asked whether it uses its Redis.
const FOLLOW_TRIES: u32 = 3000;
const FOLLOW_PAUSE: Duration = Duration::from_millis(20);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Herd {
    computations: u32,
    callers: u32,
    answered: u32,
    max_wait_ms: u64,
    lost_with_holder: Option<u32>,
}

async fn server() -> Running {
    server_sharing(None).await
}

/// A server that shares its entries by this Redis.
async fn server_sharing(redis: Option<&Redis>) -> Running {
    let mut settings = Settings::default();
    if let Some(redis) = redis {
        settings.shared.url = redis.url();
        settings.shared.timeout = SHARED_TIMEOUT;
    }
    settings.grpc.listen.set_port(0);
    settings.http.listen.set_port(0);
    Box::pin(hotplate_daemon::start(settings, Clock::system())).await.expect("the server starts")
}

/// Lets a herd loose on a server.
async fn herd(server: &Running, arguments: &[&str]) -> Herd {
    herd_at(&[server], arguments).await
}

/// Lets a herd loose on several servers.
async fn herd_at(servers: &[&Running], arguments: &[&str]) -> Herd {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_hotplate-demo"));
    let urls = servers.iter().flat_map(|one| ["--url".to_owned(), format!("hotplate://{}", one.grpc_addr())]);
    demo.arg("herd").args(urls).args(["-o", "json"]).args(arguments);
    demo.stdin(Stdio::null());
    let ended = tokio::task::spawn_blocking(move || demo.output()).await;
    let output = ended.expect("no panic").expect("the demo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_callers_in_four_processes_cost_one_computation() {
    let server = server().await;
    best_wait(2000 + BEYOND_MS, async || {
        let herd = herd(&server, &["--callers", "500", "--processes", "4", "--compute-ms", "2000"]).await;
        assert_eq!((herd.computations, herd.callers, herd.answered), (1, 500, 500), "{herd:?}");
        assert!(herd.lost_with_holder.is_none() && herd.max_wait_ms >= 2000, "{herd:?}");
        herd.max_wait_ms
    })
    .await;
    server.shutdown().await;
}

/// Lets herds loose until the longest wait of one is this at most.
async fn best_wait(most_ms: u64, herd: impl AsyncFn() -> u64) {
    let mut waits = Vec::new();
    while waits.last().is_none_or(|wait| *wait > most_ms) {
        assert!(waits.len() < TRIES as usize, "the longest waits were {waits:?} ms, instead of {most_ms} ms at most");
        waits.push(herd().await);
    }
}

/// The same herd, each process at another of three servers: the lease is the fleet's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spread_over_three_servers_that_share_a_redis_it_is_still_one_computation() {
    let redis = Redis::start().expect("Redis starts");
    let mut servers = Vec::new();
    for _ in 0..3 {
        servers.push(server_sharing(Some(&redis)).await);
        follows(servers.last().expect("the one that was just started")).await;
    }
    let all: Vec<&Running> = servers.iter().collect();
    best_wait(2000 + SPREAD_MS, async || {
        let herd = herd_at(&all, &["--callers", "500", "--processes", "6", "--compute-ms", "2000"]).await;
        assert_eq!((herd.computations, herd.callers, herd.answered), (1, 500, 500), "{herd:?}");
        assert!(herd.max_wait_ms >= 2000, "{herd:?}");
        herd.max_wait_ms
    })
    .await;
    for server in servers {
        server.shutdown().await;
    }
}

/// Waits until the server has Redis and knows where the fleet's logs are: before that it gives leases of its own.
async fn follows(server: &Running) {
    let mut tries = 0;
    while !ready(server).await {
        tries += 1;
        assert!(tries < FOLLOW_TRIES, "the server does not use its Redis");
        tokio::time::sleep(FOLLOW_PAUSE).await;
    }
}

async fn ready(server: &Running) -> bool {
    let mut stream = tokio::net::TcpStream::connect(server.http_addr()).await.expect("it listens");
    let request = b"GET /readyz?verbose HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("it answers");
    answer.contains("\"shared\"") && answer.contains("\"up\"")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_process_that_computes_is_killed_one_other_computes_and_nobody_is_forgotten() {
    let server = server().await;
    // Long enough that it is killed while it computes, also where the killer is held up.
    let arguments = ["--callers", "500", "--processes", "4", "--compute-ms", "6000", "--kill-holder-at-ms", "1000"];
    let (lease, computation) = (10_000, 6_000);
    best_wait(lease + computation + BEYOND_MS + LAPSE_MS, async || {
        let herd = herd(&server, &arguments).await;
        assert_eq!((herd.computations, herd.callers, herd.answered), (2, 500, 375), "{herd:?}");
        assert!(herd.lost_with_holder == Some(125) && herd.max_wait_ms >= lease, "{herd:?}");
        herd.max_wait_ms
    })
    .await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_joining_in_their_process_callers_still_cost_one_computation() {
    let server = server().await;
    let herd = herd(&server, &["--callers", "60", "--processes", "3", "--compute-ms", "300", "--apart"]).await;
    assert_eq!((herd.computations, herd.answered), (1, 60), "{herd:?}");
    server.shutdown().await;
}

#[test]
fn a_herd_that_cannot_be_is_refused() {
    for (arguments, reason) in [
        (vec!["--compute-ms", "5", "--kill-holder-at-ms", "5"], "less than --compute-ms"),
        (vec!["--callers", "0"], "1..=100000"),
        (vec!["--rounds", "2"], "--against"),
        (vec!["--url", "hotplate://127.0.0.1:1?nonsense=1"], "unknown setting"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_hotplate-demo")).arg("herd").args(&arguments).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && errors.contains(reason), "{arguments:?}: {errors}");
    }
}
