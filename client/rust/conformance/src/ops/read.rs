//! Reads of single keys and of several.

use hotplate::{Lookup, MissReason, v1};
use serde_json::{Value, json};

use crate::{
    answer::{self, Outcome},
    arguments::Arguments,
    options::{self, key_of},
    world::World,
};

use super::{millis, plain};

pub(super) async fn get(world: &World, mut arguments: Arguments) -> Outcome {
    let space = world.space(&mut arguments)?;
    let key = key_of(&mut arguments)?;
    let mut given = arguments.inner("options")?;
    let (reading, past_near) = options::reading(&mut given)?;
    given.end()?;
    arguments.end()?;
    let space = if past_near { space.without_near_cache() } else { space };
    Ok(found(Box::pin(space.get_with::<Value>(key, &reading)).await?, |value| value))
}

pub(super) async fn get_many(world: &World, mut arguments: Arguments) -> Outcome {
    let space = world.space(&mut arguments)?;
    let keys: Vec<Value> = arguments.need("keys")?;
    arguments.end()?;
    let keys = keys.iter().map(options::key).collect::<Outcome<Vec<_>>>()?;
    let results = Box::pin(space.get_many::<Value, _>(keys)).await?;
    let result = |result| match result {
        Ok(lookup) => found(lookup, |value| value),
        Err(error) => json!({ "error": answer::of_error(&error) }),
    };
    Ok(json!({ "results": results.into_iter().map(result).collect::<Vec<_>>() }))
}

pub(super) async fn exists(world: &World, mut arguments: Arguments) -> Outcome {
    let space = world.space(&mut arguments)?;
    let key = key_of(&mut arguments)?;
    arguments.end()?;
    Ok(json!({ "exists": space.exists(key).await? }))
}

pub(super) async fn ttl(world: &World, mut arguments: Arguments) -> Outcome {
    let space = world.space(&mut arguments)?;
    let key = key_of(&mut arguments)?;
    arguments.end()?;
    Ok(json!({ "ttl_ms": space.ttl(key).await?.map(millis) }))
}

/// What a read found, with its value as `value` makes it.
pub(super) fn found<T>(lookup: Lookup<T>, value: impl FnOnce(T) -> Value) -> Value {
    let mut fields = json!({
        "outcome": null, "value": null, "stale": null, "near": null, "tier": null, "age_ms": null, "fresh_for_ms": null,
        "usable_for_ms": null, "etag": null, "miss_reason": null, "reason": null, "message": null,
    });
    let own = match lookup {
        Lookup::Hit(hit) => json!({
            "outcome": "hit", "stale": hit.stale, "near": hit.near, "tier": tier(hit.tier), "age_ms": millis(hit.age), "fresh_for_ms": millis(hit.fresh_for),
            "usable_for_ms": millis(hit.usable_for), "etag": hit.etag.to_string(), "value": value(hit.value),
        }),
        Lookup::Negative(negative) => json!({
            "outcome": "negative", "reason": negative.reason, "message": negative.message,
            "fresh_for_ms": millis(negative.fresh_for),
        }),
        Lookup::Miss(why) => json!({ "outcome": "miss", "miss_reason": miss(why) }),
    };
    if let (Value::Object(fields), Value::Object(own)) = (&mut fields, own) {
        fields.extend(own);
    }
    fields
}

fn tier(tier: v1::Tier) -> Option<String> {
    (tier != v1::Tier::Unspecified).then(|| plain(tier.as_str_name(), "TIER_"))
}

fn miss(why: MissReason) -> &'static str {
    match why {
        MissReason::NeverStored => "never_stored",
        MissReason::Expired => "expired",
        MissReason::Evicted => "evicted",
        MissReason::Invalidated => "invalidated",
        MissReason::NotAdmitted => "not_admitted",
        MissReason::TooOld => "too_old",
        MissReason::TierUnavailable => "tier_unavailable",
        MissReason::Timeout => "timeout",
        MissReason::Unavailable => "unavailable",
        MissReason::Disabled => "disabled",
        _ => "other",
    }
}

/// Why a write was dropped, which is told in the same words.
pub(super) fn dropped(why: MissReason) -> &'static str {
    miss(why)
}
