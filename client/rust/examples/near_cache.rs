//! What a near cache saves: the same value read from a server and from this process, timed.
//!
//! `cargo run --release -p hotplate --example near_cache -- hotplate://127.0.0.1:7070` with a server running there.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use hotplate::{Client, Error, ErrorKind, Lookup, Namespace, NearOptions, ReadOptions, Result};

const CALLS: u32 = 2_000;
const HITS: u32 = 2_000_000;

#[tokio::main]
async fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "hotplate://127.0.0.1:7070".to_owned());
    let client = Client::builder().url(url).near_cache(NearOptions::new()).build()?;
    let space = client.namespace("near-cache-example");
    let value: Vec<f64> = (0..1_000).map(f64::from).collect();
    space.put("k", &value).await?;
    warm(&space).await?;
    let peek = ReadOptions::new().peek();
    let begun = now();
    for _ in 0..CALLS {
        space.get_with::<Vec<f64>>("k", &peek).await?;
    }
    say("from the server", begun, CALLS);
    let begun = now();
    for _ in 0..CALLS {
        space.get::<Vec<f64>>("k").await?;
    }
    say("from this process, decoded each time", begun, CALLS);
    let begun = now();
    for _ in 0..HITS {
        space.get_shared::<Vec<f64>>("k").await?;
    }
    say("from this process, shared", begun, HITS);
    Ok(())
}

/// Reads until the value is kept: the stream of changes has to be there first.
async fn warm(space: &Namespace) -> Result<Arc<Vec<f64>>> {
    for _ in 0..1_000 {
        match space.get_shared("k").await? {
            Lookup::Hit(hit) if hit.near => return Ok(hit.value),
            _ => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
    Err(Error::new(ErrorKind::Internal, "nothing was kept in 10 s: may this client watch?"))
}

#[expect(clippy::disallowed_methods, reason = "the time is what is measured")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::print_stdout, reason = "the result")]
fn say(what: &str, begun: Instant, times: u32) {
    println!("{what}: {:?} each", begun.elapsed() / times);
}
