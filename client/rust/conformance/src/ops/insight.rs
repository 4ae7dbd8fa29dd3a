//! What servers and near caches say of themselves.

use hotplate::v1;
use serde_json::json;

use crate::{answer::Outcome, arguments::Arguments, options::key_of, world::World};

use super::plain;

pub(super) async fn stats(world: &World, mut arguments: Arguments) -> Outcome {
    let space = world.space(&mut arguments)?;
    arguments.end()?;
    let total = space.stats().await?.total.unwrap_or_default();
    let misses: u64 = total.misses.iter().map(|miss| miss.count).sum();
    Ok(json!({
        "hits": total.hits, "stale_hits": total.stale_hits, "negative_hits": total.negative_hits, "misses": misses,
        "coalesced": total.coalesced, "puts": total.puts, "entry_count": total.entry_count,
    }))
}

pub(super) async fn explain(world: &World, mut arguments: Arguments) -> Outcome {
    let space = world.space(&mut arguments)?;
    let key = hotplate::AsKey::as_key(&key_of(&mut arguments)?)?;
    arguments.end()?;
    let request = v1::ExplainKeyRequest { namespace: space.name().to_owned(), key, ..v1::ExplainKeyRequest::default() };
    let explained = space.client().calls().explain_key(request).await?;
    let would = match explained.freshness() {
        v1::Freshness::Stale => "stale".to_owned(),
        _ => plain(explained.outcome().as_str_name(), "GET_OUTCOME_"),
    };
    let kind = |event: &v1::KeyEvent| plain(event.r#type().as_str_name(), "KEY_EVENT_TYPE_");
    let reason = explained.cause.as_ref().map(|cause| &cause.reason).filter(|reason| !reason.is_empty());
    let events: Vec<_> = explained.events.iter().rev().map(kind).collect();
    Ok(json!({ "would": would, "events": events, "reason": reason }))
}

pub(super) async fn server_info(world: &World, mut arguments: Arguments) -> Outcome {
    let client = world.client(&mut arguments)?;
    arguments.end()?;
    let info = client.calls().get_server_info().await?;
    let most = info.limits.unwrap_or_default().unary_value_bytes_max;
    Ok(json!({ "version": info.version, "features": info.features, "unary_value_bytes_max": most }))
}

pub(super) fn near_stats(world: &World, mut arguments: Arguments) -> Outcome {
    let space = world.space(&mut arguments)?;
    arguments.end()?;
    let Some(stats) = space.near_stats() else { return Ok(json!({ "off": true })) };
    let refused = stats.refused;
    Ok(json!({
        "hits": stats.hits, "misses": stats.misses, "admitted": stats.admitted, "invalidated": stats.invalidated,
        "evicted": stats.evicted, "distrusted": stats.distrusted, "revalidated": stats.revalidated,
        "losses": stats.losses, "entries": stats.entries, "bytes": stats.bytes, "followed": stats.followed,
        "serving": stats.serving,
        "refused": {
            "not_synced": refused.not_synced, "other_history": refused.other_history,
            "overtaken": refused.overtaken, "own_write": refused.own_write, "not_followed": refused.not_followed,
            "dependent": refused.dependent, "too_large": refused.too_large,
        },
    }))
}
