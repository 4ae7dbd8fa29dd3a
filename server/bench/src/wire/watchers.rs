//! Writes beside many watches of everything: in one kind of round all of them read, in the other one of them does not.
//! Rounds take turns.

use std::{
    sync::{
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use clap::Args;
use futures::{StreamExt, future::try_join_all, stream::select_all};
use hotplate_proto::v1::{WatchContent, WatchResponse, watch_response::Message};
use serde_json::{Value, json};
use tonic::Streaming;

use super::{Client, Server, callers, median, now, open, put, said};

/// Watches of one connection: a server allows 512.
const WATCHES_PER_CONNECTION: usize = 100;
/// Bytes of each value: a watch of values that does not read is full after few.
const VALUE_BYTES: usize = 1024;

/// What is measured.
#[derive(Args, Clone, Debug)]
pub struct Plan {
    /// Watches
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(2..=10_000))]
    watchers: u32,
    /// Writers, each with one call at a time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=256))]
    writers: u32,
    /// Rounds of each kind
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Seconds of a round
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
}

/// Measures.
///
/// # Errors
/// What could not be started or called.
pub fn run(plan: &Plan) -> Result<Value, String> {
    let server = Server::start()?;
    let (mut reading, mut stuck) = (Vec::new(), Vec::new());
    // The first round of all is for warming up.
    round(&server, plan, false)?;
    for _ in 0..plan.rounds {
        reading.push(round(&server, plan, false)?);
        stuck.push(round(&server, plan, true)?);
    }
    let rates = |rounds: &[Round]| rounds.iter().map(|round| round.writes_per_second).collect::<Vec<_>>();
    let (all_read, one_stuck) = (rates(&reading), rates(&stuck));
    let events: u64 = reading.iter().chain(&stuck).map(|round| round.events).sum();
    Ok(json!({
        "watchers": plan.watchers,
        "writers": plan.writers,
        "rounds": plan.rounds,
        "events_delivered": events,
        "writes_per_second": { "all_read": median(&all_read), "one_stuck": median(&one_stuck) },
        "each_round": { "all_read": all_read, "one_stuck": one_stuck },
        "ratio": median(&one_stuck) / median(&all_read),
    }))
}

struct Round {
    writes_per_second: f64,
    events: u64,
}

fn round(server: &Server, plan: &Plan, one_stuck: bool) -> Result<Round, String> {
    let (stop, events) = (AtomicBool::new(false), AtomicU64::new(0));
    let (ready, opened) = mpsc::channel();
    thread::scope(|scope| {
        let (stop, events) = (&stop, &events);
        let readers = scope.spawn(move || {
            callers()?.block_on(async {
                let (streams, stuck) = open_all(server, plan.watchers, one_stuck).await?;
                ready.send(()).map_err(said)?;
                read(streams, stop, events).await;
                drop(stuck);
                Ok::<_, String>(())
            })
        });
        let measured = if opened.recv().is_ok() { write(server, plan) } else { Ok(0.0) };
        stop.store(true, Ordering::Release);
        readers.join().map_err(|_panic| "the readers panicked".to_owned())??;
        Ok(Round { writes_per_second: measured?, events: events.load(Ordering::Acquire) })
    })
}

type Opened = (Vec<Streaming<WatchResponse>>, Option<Streaming<WatchResponse>>);

/// All watches; the one that nobody reads is apart, on a connection of its own.
async fn open_all(server: &Server, watchers: u32, one_stuck: bool) -> Result<Opened, String> {
    let many = watchers as usize - usize::from(one_stuck);
    let mut streams = Vec::with_capacity(many);
    while streams.len() < many {
        let client = server.client().await?;
        for _ in 0..WATCHES_PER_CONNECTION.min(many - streams.len()) {
            streams.push(open(&client, WatchContent::Keys).await?);
        }
    }
    let stuck = if one_stuck { Some(open(&server.client().await?, WatchContent::Values).await?) } else { None };
    Ok((streams, stuck))
}

async fn read(streams: Vec<Streaming<WatchResponse>>, stop: &AtomicBool, events: &AtomicU64) {
    let mut all = select_all(streams);
    // Every watch says something each second, so that this ends soon after it is asked to.
    while !stop.load(Ordering::Acquire) {
        let Some(told) = all.next().await else { return };
        if let Ok(WatchResponse { message: Some(Message::Events(more)), .. }) = told {
            events.fetch_add(more.events.len() as u64, Ordering::Relaxed);
        }
    }
}

/// Writes for the time of a round; how many each second.
fn write(server: &Server, plan: &Plan) -> Result<f64, String> {
    callers()?.block_on(async {
        let client = server.client().await?;
        let (begun, time) = (now(), Duration::from_secs(plan.seconds.into()));
        let writers = (0..plan.writers).map(|writer| write_until(client.clone(), writer, begun + time));
        let written: u64 = try_join_all(writers).await?.into_iter().sum();
        Ok(written as f64 / begun.elapsed().as_secs_f64())
    })
}

async fn write_until(mut client: Client, writer: u32, end: Instant) -> Result<u64, String> {
    let mut written: u64 = 0;
    while now() < end {
        let mut value = [7; VALUE_BYTES];
        value[..8].copy_from_slice(&written.to_be_bytes());
        client.put(put(format!("{writer}:{}", written % 1000), &value)).await.map_err(said)?;
        written += 1;
    }
    Ok(written)
}
