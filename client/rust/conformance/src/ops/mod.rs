//! What each op does, in the file of what it is about. How ops are read and answered is not known here.

mod blob;
mod clients;
mod compute;
mod insight;
mod invalidate;
mod preload;
mod read;
mod vectors;
pub(crate) mod watch;
mod write;

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    answer::{Outcome, Refusal},
    arguments::Arguments,
    world::World,
};

/// Carries out the op of this name.
pub(crate) async fn carry_out(world: &Arc<World>, op: &str, arguments: Arguments) -> Outcome {
    match op {
        "open" => clients::open(world, arguments),
        "close" => clients::close(world, arguments).await,
        "state" => clients::state(world, arguments),
        "get" => read::get(world, arguments).await,
        "get_many" => read::get_many(world, arguments).await,
        "exists" => read::exists(world, arguments).await,
        "ttl" => read::ttl(world, arguments).await,
        "put" => write::put(world, arguments).await,
        "put_negative" => write::put_negative(world, arguments).await,
        "put_many" => write::put_many(world, arguments).await,
        "touch" => write::touch(world, arguments).await,
        "remove" => invalidate::remove(world, arguments).await,
        "invalidate" => invalidate::invalidate(world, arguments).await,
        "mark_stale" => invalidate::mark_stale(world, arguments).await,
        "get_or_compute" => compute::get_or_compute(world, arguments).await,
        "computations" => compute::computations(world, arguments),
        "release" => compute::release(world, arguments),
        "cancel" => cancel(world, arguments),
        "preload" => preload::preload(world, arguments).await,
        "watch_open" => watch::open(world, arguments),
        "watch_next" => watch::next(world, arguments).await,
        "watch_close" => watch::close(world, arguments),
        "stats" => insight::stats(world, arguments).await,
        "explain" => insight::explain(world, arguments).await,
        "server_info" => insight::server_info(world, arguments).await,
        "near_stats" => insight::near_stats(world, arguments),
        "read_stream" => Box::pin(blob::read_stream(world, arguments)).await,
        "write_stream" => Box::pin(blob::write_stream(world, arguments)).await,
        _ => vectors::carry_out(op, arguments),
    }
}

fn cancel(world: &World, mut arguments: Arguments) -> Outcome {
    let target = arguments.need("target")?;
    arguments.end()?;
    world.cancel(target);
    Ok(json!({}))
}

/// An op that no driver knows.
fn unknown(op: &str) -> Outcome<Value> {
    Err(Refusal::fault(format!("there is no op `{op}`")))
}

/// Whole milliseconds, as all times are answered.
fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The name of a value of an enumeration of the contract, without what all of them begin with, in lower case.
fn plain(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_ascii_lowercase()
}
