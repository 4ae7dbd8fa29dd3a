//! A reader with a near cache, as programs use it: the Rust client. It records what it is given, and whether that was kept
//! in its own process.

use std::time::Duration;

use bytes::Bytes;
use hotplate::{Client, Lookup, Namespace, NearFollow, NearOptions, Raw};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

use super::{Record, Worker};
use crate::{
    clock,
    record::{Answer, Call, Found, Get, Got, Line, Miss, Operation},
    universe, value,
};

/// The longest pause between two reads, in milliseconds.
const PAUSE_MS: u64 = 16;

/// Reads until its time is over.
///
/// # Errors
/// The record cannot be written, or the client cannot be set up.
pub(super) async fn read(worker: Worker, record: Record) -> std::io::Result<()> {
    let client = worker.name("near");
    let mut random = ChaCha8Rng::seed_from_u64(worker.seed ^ u64::from(worker.process));
    let namespace = namespace(&worker, &client).map_err(std::io::Error::other)?;
    for number in 0.. {
        if clock::now() >= worker.until {
            break;
        }
        let key = universe::any_key(&mut random);
        let start = clock::now();
        let found: Result<Lookup<Bytes>, _> = namespace.get(key.as_str()).await;
        let end = Some(clock::now());
        // A miss may be the client's own: it says nothing when the server is away.
        let (answer, near) = match found {
            Ok(Lookup::Hit(hit)) => (found_fresh(&hit.value), hit.near),
            Ok(_) => (Answer::Got(Got::default()), true),
            Err(error) => (Answer::Failed { code: format!("{:?}", error.kind), said: error.to_string() }, true),
        };
        let call = Call::Get(Get { key, miss: Miss::Report, near, ..Get::default() });
        record.write(&Line::Ended(Operation { client: client.clone(), number, start, end, call, answer }))?;
        tokio::time::sleep(Duration::from_millis(random.random_range(1..PAUSE_MS))).await;
    }
    Ok(())
}

/// Each process follows in another way.
fn namespace(worker: &Worker, client: &str) -> hotplate::Result<Namespace<Raw>> {
    let follow = match worker.process % 3 {
        0 => NearFollow::Namespace,
        1 => NearFollow::KeptKeys,
        _ => NearFollow::Prefixes(vec!["g".to_owned(), "d".to_owned()]),
    };
    let silence = Duration::from_millis(worker.near_ms);
    let options = NearOptions::new().progress_max(silence).follow(follow).keep_dependents(true);
    let builder = Client::builder().url(format!("hotplate://{}", worker.grpc)).client_id(client);
    Ok(builder.near_cache(options).build()?.default_namespace().codec(Raw))
}

fn found_fresh(bytes: &Bytes) -> Answer {
    Answer::Got(Got { found: Found::Fresh(value::read(bytes)), lease: None })
}
