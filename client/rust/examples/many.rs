//! Many tasks of one process, each awaiting one small `get` at a time: this client and redis-rs on one multiplexed
//! connection, in turns, on the same runtime.
//!
//! `cargo run --release -p hotplate --example many -- --addr 127.0.0.1:7070 --redis 127.0.0.1:6379 --tasks 256`
//! Prints one line of JSON. Without `--redis`, only this client is measured; `--unary` turns its shared streams off. What is
//! called is `Namespace::get`, which brings what is known of an entry with its value; `--raw value` and `--raw full` make the
//! call below it, for the value alone and for all of the entry.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use bytes::Bytes;
use cpu_time::ProcessTime;
use hotplate::{Client, Namespace, Raw, v1};
use redis::AsyncCommands;
use tokio_util::task::TaskTracker;

const KEYS: usize = 1_000;

type Failure = Box<dyn std::error::Error + Send + Sync>;

struct Settings {
    addr: String,
    redis: Option<String>,
    tasks: usize,
    seconds: f64,
    rounds: usize,
    value_size: usize,
    threads: usize,
    unary: bool,
    raw: Option<v1::EntryView>,
}

/// What one turn came to.
#[derive(Clone, Copy)]
struct Turn {
    per_second: f64,
    cpu_us: f64,
}

fn main() -> Result<(), Failure> {
    let settings = settings()?;
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if settings.threads == 0 {
        builder = tokio::runtime::Builder::new_current_thread();
    } else {
        builder.worker_threads(settings.threads);
    }
    builder.enable_all().build()?.block_on(run(&settings))
}

async fn run(settings: &Settings) -> Result<(), Failure> {
    let builder = Client::builder().url(format!("hotplate://{}", settings.addr)).pipelining(!settings.unary);
    let client = builder.build()?;
    let value = Bytes::from(vec![7_u8; settings.value_size]);
    for key in 0..KEYS {
        let put = v1::PutRequest {
            namespace: "many".to_owned(),
            key: format!("key-{key}"),
            payload: Some(v1::put_request::Payload::Value(value.clone())),
            ..v1::PutRequest::default()
        };
        client.calls().put(put).await?;
    }
    let mut peer = None;
    if let Some(address) = &settings.redis {
        let mut connection =
            redis::Client::open(format!("redis://{address}"))?.get_multiplexed_async_connection().await?;
        for key in 0..KEYS {
            let () = connection.set(format!("key-{key}"), &value[..]).await?;
        }
        peer = Some(connection);
    }
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let space = client.namespace("many").codec(Raw);
    for _ in 0..settings.rounds {
        let (calls, space, size) = (client.calls(), space.clone(), settings.value_size);
        ours.push(match settings.raw {
            Some(view) => turn(settings, move |key| raw_once(calls.clone(), view, key, size)).await?,
            None => turn(settings, move |key| ours_once(space.clone(), key, size)).await?,
        });
        if let Some(connection) = &peer {
            let connection = connection.clone();
            theirs.push(turn(settings, move |key| theirs_once(connection.clone(), key, size)).await?);
        }
    }
    client.close().await;
    say(settings, &ours, &theirs);
    Ok(())
}

async fn ours_once(space: Namespace<Raw>, key: String, size: usize) -> Result<(), Failure> {
    let value: Option<Bytes> = space.get(key).await?.value();
    if value.is_some_and(|value| value.len() == size) { Ok(()) } else { Err("not what was put".into()) }
}

async fn raw_once(calls: hotplate::Calls, view: v1::EntryView, key: String, size: usize) -> Result<(), Failure> {
    let request = v1::GetRequest { namespace: "many".to_owned(), key, view: view.into(), ..v1::GetRequest::default() };
    let found = calls.get(request).await?.entry.and_then(|entry| entry.payload);
    match found {
        Some(v1::entry::Payload::Value(value)) if value.len() == size => Ok(()),
        other => Err(format!("not what was put: {other:?}").into()),
    }
}

async fn theirs_once(
    mut connection: redis::aio::MultiplexedConnection,
    key: String,
    size: usize,
) -> Result<(), Failure> {
    let value: Vec<u8> = connection.get(key).await?;
    if value.len() == size { Ok(()) } else { Err("not what was set".into()) }
}

/// All tasks for as long as a turn is; each awaits one answer at a time.
async fn turn<F, R>(settings: &Settings, once: F) -> Result<Turn, Failure>
where
    F: Fn(String) -> R + Clone + Send + 'static,
    R: Future<Output = Result<(), Failure>> + Send,
{
    let (began, cpu) = (now(), ProcessTime::now());
    let ends = began + Duration::from_secs_f64(settings.seconds);
    let tracker = TaskTracker::new();
    let tasks: Vec<_> = (0..settings.tasks)
        .map(|task| {
            let once = once.clone();
            tracker.spawn(async move {
                let mut count = 0_usize;
                // The clock is read now and then: at a million calls a second, reading it counts.
                while !count.is_multiple_of(16) || now() < ends {
                    once(format!("key-{}", (task * 31 + count) % KEYS)).await?;
                    count += 1;
                }
                Ok::<usize, Failure>(count)
            })
        })
        .collect();
    let mut count = 0;
    for task in tasks {
        count += task.await??;
    }
    let count = count as f64;
    let cpu_us = cpu.elapsed().as_secs_f64() * 1e6 / count;
    Ok(Turn { per_second: count / began.elapsed().as_secs_f64(), cpu_us })
}

#[expect(clippy::print_stdout, reason = "what was measured is what this is for")]
fn say(settings: &Settings, ours: &[Turn], theirs: &[Turn]) {
    let pairs = || ours.iter().zip(theirs);
    let speeds = sorted(pairs().map(|(ours, theirs)| ours.per_second / theirs.per_second));
    let costs = sorted(pairs().map(|(ours, theirs)| ours.cpu_us / theirs.cpu_us));
    let all = |of: fn(&Turn) -> f64, turns: &[Turn]| sorted(turns.iter().map(of));
    let (speed, cost) = (|turn: &Turn| turn.per_second, |turn: &Turn| turn.cpu_us);
    let line = serde_json::json!({
        "measure": "one client, tasks awaiting one get each",
        "tasks": settings.tasks, "value_size": settings.value_size, "threads": settings.threads,
        "ours": middle(&all(speed, ours)), "ours_client_cpu_us": middle(&all(cost, ours)),
        "peer_name": "redis-rs multiplexed", "peer": middle(&all(speed, theirs)),
        "peer_client_cpu_us": middle(&all(cost, theirs)),
        "ratio": middle(&speeds), "spread": [speeds.first(), speeds.last()],
        "client_cpu_ratio": middle(&costs),
    });
    println!("{line}");
}

fn sorted(numbers: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers
}

fn middle(sorted: &[f64]) -> Option<f64> {
    sorted.get(sorted.len() / 2).copied()
}

fn settings() -> Result<Settings, Failure> {
    let mut settings = Settings {
        addr: "127.0.0.1:7070".to_owned(),
        redis: None,
        tasks: 256,
        seconds: 1.0,
        rounds: 1,
        value_size: 100,
        threads: 1,
        unary: false,
        raw: None,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{name} needs a value"));
        match name.as_str() {
            // The only form there is.
            "-o" => drop(value()?),
            "--addr" => settings.addr = value()?,
            "--redis" => settings.redis = Some(value()?),
            "--tasks" => settings.tasks = value()?.parse()?,
            "--seconds" => settings.seconds = value()?.parse()?,
            "--rounds" => settings.rounds = value()?.parse()?,
            "--value-size" => settings.value_size = value()?.parse()?,
            "--threads" => settings.threads = value()?.parse()?,
            "--unary" => settings.unary = true,
            "--raw" => {
                settings.raw = Some(match value()?.as_str() {
                    "value" => v1::EntryView::Value,
                    "full" => v1::EntryView::Full,
                    other => return Err(format!("--raw is value or full, not {other}").into()),
                });
            }
            other => return Err(format!("unknown: {other}").into()),
        }
    }
    Ok(settings)
}

#[expect(clippy::disallowed_methods, reason = "how long something takes is the machine's own time")]
fn now() -> Instant {
    Instant::now()
}
