//! How tiers are, from the engine to the wire.

use hotplate_engine::tier::{CodecState, TierHealth, TierName, TierState};
use hotplate_proto::v1;

use super::values::{wire_duration, wire_tier};

/// A tier's state and counters as the wire has them.
pub(crate) fn tier_stats((name, state): (TierName, TierState)) -> v1::TierStats {
    let counts =
        |by_why: Vec<(&'static str, u64)>| by_why.into_iter().map(|(why, many)| (why.to_owned(), many)).collect();
    let health = match state.health {
        TierHealth::Up => v1::TierHealth::Up,
        TierHealth::CatchingUp => v1::TierHealth::CatchingUp,
        TierHealth::Degraded => v1::TierHealth::Degraded,
        TierHealth::Away => v1::TierHealth::Away,
    };
    v1::TierStats {
        tier: wire_tier(name).into(),
        health: health.into(),
        why: state.why.unwrap_or_default(),
        entry_count: state.entries,
        bytes: state.bytes,
        bytes_max: state.bytes_max,
        memory_bytes: state.memory_bytes,
        hits: state.hits,
        misses: state.misses,
        puts: state.puts,
        dropped: counts(state.dropped),
        evicted: state.evicted,
        corrupt: state.corrupt,
        errors: counts(state.errors),
        codec: Some(codec_stats(state.codec)),
        debt: state.debt,
        recovery: state.recovery.map(wire_duration),
        place: state.place.unwrap_or_default(),
    }
}

fn codec_stats(codec: CodecState) -> v1::CodecStats {
    v1::CodecStats {
        raw_bytes: codec.raw_bytes,
        stored_bytes: codec.stored_bytes,
        compressed_count: codec.compressed,
        plain_count: codec.plain,
        compressing: Some(wire_duration(codec.compressing)),
        decompressing: Some(wire_duration(codec.decompressing)),
    }
}
