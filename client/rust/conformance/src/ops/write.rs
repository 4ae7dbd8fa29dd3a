//! Writes of single keys and of several.

use hotplate::{WriteOptions, Written};
use serde_json::{Value, json};

use crate::{
    answer::{self, Outcome},
    arguments::Arguments,
    options::{self, key_of, ttl_of},
    world::World,
};

use super::read::dropped;

pub(super) async fn put(world: &World, mut arguments: Arguments) -> Outcome {
    let space = world.space(&mut arguments)?;
    let key = key_of(&mut arguments)?;
    let value = arguments.value("value").unwrap_or_default();
    let writing = writing(&mut arguments)?;
    arguments.end()?;
    Ok(written(space.put_with(key, &value, &writing).await?))
}

pub(super) async fn put_negative(world: &World, mut arguments: Arguments) -> Outcome {
    let space = world.space(&mut arguments)?;
    let key = key_of(&mut arguments)?;
    let (reason, message): (String, String) = (arguments.need("reason")?, arguments.need("message")?);
    let ttl = ttl_of(&mut arguments, "ttl")?;
    arguments.end()?;
    let writing = ttl.map_or_else(WriteOptions::new, |ttl| WriteOptions::new().ttl(ttl));
    Ok(written(space.put_negative(key, &reason, &message, &writing).await?))
}

pub(super) async fn put_many(world: &World, mut arguments: Arguments) -> Outcome {
    let space = world.space(&mut arguments)?;
    let items: Vec<Value> = arguments.need("items")?;
    let writing = writing(&mut arguments)?;
    arguments.end()?;
    let mut read = Vec::with_capacity(items.len());
    for item in items {
        let mut item = Arguments::of(Some(item))?;
        read.push((key_of(&mut item)?, item.value("value").unwrap_or_default()));
        item.end()?;
    }
    let items = read.iter().map(|(key, value)| (key, value));
    let results = Box::pin(space.put_many(items, &writing)).await?;
    let result = |result| match result {
        Ok(outcome) => written(outcome),
        Err(error) => json!({ "error": answer::of_error(&error) }),
    };
    Ok(json!({ "results": results.into_iter().map(result).collect::<Vec<_>>() }))
}

pub(super) async fn touch(world: &World, mut arguments: Arguments) -> Outcome {
    let space = world.space(&mut arguments)?;
    let key = key_of(&mut arguments)?;
    let ttl = options::ttl(&arguments.need("ttl")?)?;
    arguments.end()?;
    Ok(json!({ "touched": space.touch(key, ttl).await? }))
}

/// The options of a write.
pub(super) fn writing(arguments: &mut Arguments) -> Outcome<WriteOptions> {
    let mut given = arguments.inner("options")?;
    let writing = options::writing(&mut given)?;
    given.end()?;
    Ok(writing)
}

/// What became of a write.
pub(super) fn written(written: Written) -> Value {
    let (outcome, etag, reason) = match written {
        Written::Stored { etag } => ("stored", Some(etag), None),
        Written::Refreshed { etag } => ("refreshed", Some(etag), None),
        Written::PreconditionFailed { etag } => ("precondition_failed", etag, None),
        Written::NotAdmitted { reason } => ("not_admitted", None, Some(reason)),
        Written::Dropped(why) => ("dropped", None, Some(dropped(why).to_owned())),
        _ => ("other", None, None),
    };
    json!({ "outcome": outcome, "etag": etag, "reason": reason })
}
