//! What a hit in the near cache costs: nanoseconds and allocations of a value that all callers share. Of five rounds the one in
//! the middle is told.
//!
//! `cargo run --release -p hotplate --example near_hit -- --addr 127.0.0.1:7070 --hits 1000000`; prints one line of JSON.

use std::{
    alloc::System,
    time::{Duration, Instant},
};

use hotplate::{Client, Error, ErrorKind, Lookup, Namespace, NearOptions, Result};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const ROUNDS: usize = 5;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut address = "127.0.0.1:7070".to_owned();
    let mut hits: u32 = 1_000_000;
    while let Some(name) = arguments.next() {
        match (name.as_str(), arguments.next()) {
            ("--addr", Some(value)) => address = value,
            ("--hits", Some(value)) => {
                hits = value
                    .parse()
                    .map_err(|_not_a_number| Error::new(ErrorKind::InvalidArgument, "--hits: a number"))?;
            }
            // The only form there is.
            ("-o", Some(_)) => {}
            _ => return Err(Error::new(ErrorKind::InvalidArgument, format!("unknown: {name}"))),
        }
    }
    let client = Client::builder().url(format!("hotplate://{address}")).near_cache(NearOptions::new()).build()?;
    let space = client.namespace("near-hit-example");
    let value: Vec<f64> = (0..1_000).map(f64::from).collect();
    space.put("k", &value).await?;
    warm(&space).await?;
    let mut rounds = Vec::with_capacity(ROUNDS);
    let region = Region::new(ALLOCATOR);
    for _ in 0..ROUNDS {
        let begun = now();
        for _ in 0..hits {
            hit(&space).await?;
        }
        rounds.push(begun.elapsed());
        tokio::task::yield_now().await;
    }
    let allocations = region.change().allocations;
    rounds.sort_unstable();
    let each = rounds[ROUNDS / 2].as_secs_f64() * 1e9 / f64::from(hits);
    // A few are the stream's that keeps the value in step: it is heard from while this runs.
    let allocations = (allocations as f64 / (ROUNDS as f64 * f64::from(hits)) * 100.0).round() / 100.0;
    say(&serde_json::json!({"measure": "near cache hit, shared value", "ns": each, "allocations": allocations}));
    Ok(())
}

async fn hit(space: &Namespace) -> Result<()> {
    match space.get_shared::<Vec<f64>>("k").await? {
        Lookup::Hit(hit) if hit.near && hit.value.len() == 1_000 => Ok(()),
        _ => Err(Error::new(ErrorKind::Internal, "the near cache let go of the value")),
    }
}

/// Reads until the value is kept: the stream of changes has to be there first.
async fn warm(space: &Namespace) -> Result<()> {
    for _ in 0..1_000 {
        if hit(space).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err(Error::new(ErrorKind::Internal, "nothing was kept in 10 s: may this client watch?"))
}

#[expect(clippy::disallowed_methods, reason = "the time is what is measured")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::print_stdout, reason = "the result")]
fn say(line: &serde_json::Value) {
    println!("{line}");
}
