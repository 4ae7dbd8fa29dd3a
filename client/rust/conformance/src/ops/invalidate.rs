//! Dropping and marking stale.

use hotplate::Invalidated;
use serde_json::{Value, json};

use crate::{
    answer::Outcome,
    arguments::Arguments,
    options::{key_of, selectors},
    world::World,
};

pub(super) async fn remove(world: &World, mut arguments: Arguments) -> Outcome {
    let space = world.space(&mut arguments)?;
    let key = key_of(&mut arguments)?;
    arguments.end()?;
    Ok(invalidated(space.remove(key).await?))
}

pub(super) async fn invalidate(world: &World, mut arguments: Arguments) -> Outcome {
    let space = world.space(&mut arguments)?;
    let selectors = selectors(&mut arguments)?;
    let reason: Option<String> = arguments.take("reason")?;
    arguments.end()?;
    Ok(invalidated(match reason {
        Some(reason) => space.invalidate_because(selectors, reason).await?,
        None => space.invalidate_any(selectors).await?,
    }))
}

pub(super) async fn mark_stale(world: &World, mut arguments: Arguments) -> Outcome {
    let space = world.space(&mut arguments)?;
    let selectors = selectors(&mut arguments)?;
    let spread_over = arguments.millis("spread_over_ms")?;
    arguments.end()?;
    Ok(invalidated(space.mark_stale(selectors, spread_over).await?))
}

fn invalidated(invalidated: Invalidated) -> Value {
    let (outcome, matched) = match invalidated {
        Invalidated::Done { matched } => ("done", Some(matched)),
        Invalidated::Queued => ("queued", None),
        Invalidated::Disabled => ("disabled", None),
        _ => ("other", None),
    };
    json!({ "outcome": outcome, "matched": matched })
}
