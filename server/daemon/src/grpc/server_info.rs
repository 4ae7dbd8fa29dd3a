//! GetServerInfo: what the server is and allows, made once from its settings.

use std::time::Duration;

use hotplate_engine::key::KEY_BYTES_MAX;
use hotplate_proto::v1;

use super::{
    convert,
    service::{Answer, Call, Parts},
    status::Failure,
};
use crate::config::Settings;

/// What this server can do, for clients that may meet older ones.
const FEATURES: [&str; 18] = [
    "batch",
    "blob",
    "conditional_get",
    "conditional_put",
    "explain_key",
    "follow",
    "invalidate_selectors",
    "leases",
    "mark_stale",
    "min_position",
    "pipeline",
    "preload",
    "refresh",
    "refresh_ahead",
    "revalidate",
    "stale_while_revalidate",
    "update_watch",
    "watch_resume",
];

/// Tags of an entry at most, as the contract says.
const TAGS_MAX: u32 = 64;

/// Serves `GetServerInfo`.
pub(crate) fn server_info(
    parts: &Parts,
    call: &Call,
    _request: v1::GetServerInfoRequest,
) -> Result<Answer<v1::GetServerInfoResponse>, Failure> {
    call.allow("")?;
    Ok(Answer::plain(parts.info.clone()))
}

/// The answer of a server with these settings; `started` is the time since the Unix epoch.
pub(crate) fn describe(settings: &Settings, started: Duration) -> v1::GetServerInfoResponse {
    let limits = v1::ServerLimits {
        key_bytes_max: KEY_BYTES_MAX as u64,
        value_bytes_max: settings.written_bytes_max(),
        batch_items_max: convert::count(settings.limits.batch_items_max),
        tags_max: TAGS_MAX,
        message_bytes_max: settings.limits.message_bytes_max as u64,
        preload_items_max: convert::count(settings.preload.items_max),
        watch_pending_max: convert::count(settings.watch.pending_max),
        watch_keys_max: convert::count(settings.watch.keys_max),
        unary_value_bytes_max: settings.unary_value_bytes_max() as u64,
        chunk_bytes_max: settings.limits.chunk_bytes_max as u64,
    };
    let classes = settings.ttl_classes.iter();
    v1::GetServerInfoResponse {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        features: FEATURES.map(str::to_owned).into(),
        limits: Some(limits),
        ttl_classes: classes.map(|(name, length)| (name.clone(), convert::wire_duration(*length))).collect(),
        started_at: Some(convert::wire_time(started)),
        profile: settings.profile.map(|profile| profile.name().to_owned()).unwrap_or_default(),
    }
}
