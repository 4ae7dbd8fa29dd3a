//! Answers of unary calls, from the engine to the wire.

use hotplate_engine::{
    event::{LeaseTurn, MissReason, RemovalReason},
    flow::{
        get::{GetAnswer, Lookup},
        insight::InsightAnswer,
        invalidate::InvalidateAnswer,
        list::ListAnswer,
        put::PutAnswer,
        revalidate::{CopyState, RevalidateAnswer},
        touch::TouchAnswer,
    },
    stats::{Group, LeaseCounts, Quantiles, Snapshot},
};
use hotplate_proto::v1;

use super::View;
use super::insight::{recommendation, top_key, trend_minute, what_if};
use super::values::{wire_duration, wire_entry, wire_facts, wire_positions, wire_tier};

/// How a copy relates to what is stored.
pub(crate) fn revalidate_result(answer: RevalidateAnswer) -> v1::RevalidateResult {
    use v1::RevalidateState::{Changed, Current, Gone};
    let (state, remaining) = match answer.state {
        CopyState::Current { fresh_for, usable_for } => (Current, Some((fresh_for, usable_for))),
        CopyState::Changed => (Changed, None),
        CopyState::Gone => (Gone, None),
    };
    v1::RevalidateResult {
        state: state.into(),
        fresh_for: remaining.map(|(fresh_for, _)| wire_duration(fresh_for)),
        usable_for: remaining.map(|(_, usable_for)| wire_duration(usable_for)),
        as_of: wire_positions(&answer.as_of.positions()),
        error: None,
    }
}

/// What a Get found, as much of it as is wanted.
pub(crate) fn get_response(answer: GetAnswer, wanted: View) -> v1::GetResponse {
    use v1::GetOutcome::{Hit, Miss, Negative, NotModified, Stale};
    let as_of = wire_positions(&answer.as_of.positions());
    let with_value = wanted != View::Metadata;
    let (outcome, view, payload) = match answer.outcome {
        Lookup::Hit(view) => (Hit, view, with_value),
        Lookup::Stale(view) => (Stale, view, with_value),
        Lookup::Negative(view) => (Negative, view, with_value),
        Lookup::NotModified(view) => (NotModified, view, false),
        Lookup::Miss(reason) => {
            let miss_reason = miss_reason(reason).into();
            return v1::GetResponse { outcome: Miss.into(), miss_reason, as_of, ..Default::default() };
        }
    };
    let served_from = wire_tier(answer.tier).into();
    let mut entry = wire_entry(view, payload);
    if wanted == View::Value && matches!(entry.payload, Some(v1::entry::Payload::Value(_))) {
        (entry.key, entry.metadata) = (String::new(), None);
    }
    if let Some(metadata) = &mut entry.metadata {
        metadata.served_from = served_from;
    }
    let entry = Some(entry);
    v1::GetResponse { outcome: outcome.into(), entry, as_of, served_from, ..Default::default() }
}

/// Bytes of the value in a result of a batch.
pub(crate) fn value_bytes(result: &v1::BatchGetResult) -> u64 {
    match &result.result {
        Some(v1::batch_get_result::Result::Response(found)) => {
            let Some(entry) = &found.entry else { return 0 };
            match (&entry.metadata, &entry.payload) {
                (Some(facts), _) => facts.size_bytes,
                (None, Some(v1::entry::Payload::Large(large))) => large.size_bytes,
                (None, Some(v1::entry::Payload::Value(value))) => value.len() as u64,
                (None, _) => 0,
            }
        }
        _ => 0,
    }
}

/// What became of a Put.
pub(crate) fn put_response(answer: PutAnswer) -> v1::PutResponse {
    use v1::PutOutcome;
    let of = |outcome: PutOutcome| v1::PutResponse { outcome: outcome.into(), ..Default::default() };
    match answer {
        PutAnswer::Stored { entry, position, waiters_released } => v1::PutResponse {
            waiters_released,
            metadata: Some(wire_facts(&entry.facts)),
            position: wire_positions(&position),
            ..of(PutOutcome::Stored)
        },
        PutAnswer::Refreshed { entry, position, waiters_released } => v1::PutResponse {
            waiters_released,
            metadata: Some(wire_facts(&entry.facts)),
            position: wire_positions(&position),
            ..of(PutOutcome::Refreshed)
        },
        PutAnswer::PreconditionFailed { entry } => v1::PutResponse {
            metadata: entry.map(|entry| wire_facts(&entry.facts)),
            ..of(PutOutcome::PreconditionFailed)
        },
        PutAnswer::LeaseLost => of(PutOutcome::LeaseLost),
        PutAnswer::NotAdmitted { why, position, waiters_released } => v1::PutResponse {
            waiters_released,
            position: position.as_ref().and_then(wire_positions),
            not_admitted_reason: why,
            ..of(PutOutcome::NotAdmitted)
        },
    }
}

/// What a Touch did.
pub(crate) fn touch_response(answer: TouchAnswer) -> v1::TouchResponse {
    use v1::TouchOutcome::{EtagMismatch, NotFound, Touched, Unchanged};
    let (outcome, view) = match answer {
        TouchAnswer::Touched(view) => (Touched, Some(view)),
        TouchAnswer::Unchanged(view) => (Unchanged, Some(view)),
        TouchAnswer::NotFound => (NotFound, None),
        TouchAnswer::EtagMismatch(view) => (EtagMismatch, Some(view)),
    };
    v1::TouchResponse { outcome: outcome.into(), metadata: view.map(|view| wire_facts(&view.facts)) }
}

/// What an Invalidate dropped.
pub(crate) fn invalidate_response(answer: InvalidateAnswer) -> v1::InvalidateResponse {
    v1::InvalidateResponse {
        matched_count: answer.matched_count,
        estimated: answer.estimated,
        cascaded_count: answer.cascaded_count,
        sample_keys: answer.sample_keys.iter().map(ToString::to_string).collect(),
        position: wire_positions(&answer.position),
        leases_revoked: answer.leases_revoked,
        refreshing_count: answer.refreshing_count,
        refresh_job_id: answer.refresh_job_id.map(|id| id.to_string()).unwrap_or_default(),
        scope: if answer.local_only { v1::Scope::Local } else { v1::Scope::Unspecified }.into(),
        uncounted_tiers: answer.uncounted.into_iter().map(|tier| wire_tier(tier).into()).collect(),
    }
}

/// A page.
pub(crate) fn list_response(answer: ListAnswer) -> v1::ListEntriesResponse {
    let entries = answer.entries.into_iter().map(|view| wire_entry(view, false)).collect();
    v1::ListEntriesResponse { entries, next_page_token: answer.next_page_token }
}

/// Counters, and what they mean.
pub(crate) fn stats_response(snapshot: &Snapshot, insight: InsightAnswer) -> v1::StatsResponse {
    let bytes_max = snapshot.bytes_max;
    v1::StatsResponse {
        total: Some(group(&snapshot.total)),
        groups: snapshot.groups.iter().map(group).collect(),
        uptime: Some(wire_duration(snapshot.uptime)),
        watch_count: snapshot.watch_count,
        limits: Some(v1::StatsLimits { entries_max: snapshot.entries_max, bytes_max }),
        bookkeeping_bytes_per_entry: per_entry(&snapshot.total),
        pinned_bytes: snapshot.pinned_bytes,
        lease_count: snapshot.total.leases.held,
        lease_waiter_count: snapshot.total.leases.waiting,
        top_keys: insight.top_keys.into_iter().map(top_key).collect(),
        what_if: insight.what_if.map(|curve| what_if(&curve, bytes_max)),
        recommendations: insight.advice.into_iter().map(recommendation).collect(),
        trend: insight.trend.iter().map(|minute| trend_minute(minute, insight.now)).collect(),
        tiers: Vec::new(),
    }
}

fn group(group: &Group) -> v1::StatsGroup {
    let misses =
        group.misses.iter().map(|(reason, count)| v1::MissCount { reason: miss_reason(*reason).into(), count: *count });
    let removals = group
        .removals
        .iter()
        .map(|(reason, count)| v1::RemovalCount { reason: removal_reason(*reason).into(), count: *count });
    v1::StatsGroup {
        name: group.name.to_string(),
        hits: group.hits,
        stale_hits: group.stale_hits,
        negative_hits: group.negative_hits,
        misses: misses.collect(),
        hit_ratio: hit_ratio(group),
        puts: group.puts,
        refreshes: group.refreshes,
        not_admitted: group.not_admitted,
        removals: removals.collect(),
        entry_count: group.entry_count,
        charged_bytes: group.charged_bytes,
        value_bytes: group.value_bytes,
        compute_saved: Some(wire_duration(group.compute_saved)),
        compute_lost_to_eviction: Some(wire_duration(group.compute_lost)),
        bookkeeping_bytes: group.bookkeeping_bytes(),
        rounding_bytes: group.rounding_bytes,
        coalesced: group.leases.coalesced,
        compute_spent: Some(wire_duration(group.compute_spent)),
        leases: Some(lease_counts(&group.leases)),
        latency: group.latency.iter().map(|(verb, quantiles)| latency(verb, quantiles)).collect(),
    }
}

fn lease_counts(leases: &LeaseCounts) -> v1::LeaseCounts {
    let of = |turn| leases.turns.get(&turn).copied().unwrap_or(0);
    v1::LeaseCounts {
        stampedes_avoided: leases.stampedes_avoided,
        granted: of(LeaseTurn::Granted),
        extended: of(LeaseTurn::Extended),
        released: of(LeaseTurn::Released),
        lapsed: of(LeaseTurn::Lapsed),
        revoked: of(LeaseTurn::Revoked),
        lost: of(LeaseTurn::Lost),
        pending: of(LeaseTurn::Pending),
    }
}

/// Bookkeeping of one entry on average.
#[expect(clippy::cast_precision_loss, reason = "an average needs no more digits than a float has")]
fn per_entry(group: &Group) -> f64 {
    match group.entry_count {
        0 => 0.0,
        entries => group.bookkeeping_bytes() as f64 / entries as f64,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share needs no more digits than a float has")]
fn hit_ratio(group: &Group) -> f64 {
    let served = group.hits + group.stale_hits + group.negative_hits;
    match group.reads() {
        0 => 0.0,
        reads => served as f64 / reads as f64,
    }
}

fn latency(verb: &str, quantiles: &Quantiles) -> v1::LatencyQuantiles {
    v1::LatencyQuantiles {
        verb: verb.to_owned(),
        count: quantiles.count,
        p50_seconds: quantiles.p50.as_secs_f64(),
        p90_seconds: quantiles.p90.as_secs_f64(),
        p99_seconds: quantiles.p99.as_secs_f64(),
        max_seconds: quantiles.max.as_secs_f64(),
    }
}

/// Why a Get found nothing.
pub(super) fn miss_reason(reason: MissReason) -> v1::MissReason {
    match reason {
        MissReason::NeverStored => v1::MissReason::NeverStored,
        MissReason::Expired => v1::MissReason::Expired,
        MissReason::Evicted => v1::MissReason::Evicted,
        MissReason::Invalidated => v1::MissReason::Invalidated,
        MissReason::NotAdmitted => v1::MissReason::NotAdmitted,
        MissReason::TooOld => v1::MissReason::TooOld,
        MissReason::TierUnavailable => v1::MissReason::TierUnavailable,
    }
}

fn removal_reason(reason: RemovalReason) -> v1::RemovalReason {
    match reason {
        RemovalReason::Expired => v1::RemovalReason::Expired,
        RemovalReason::Idle => v1::RemovalReason::Idle,
        RemovalReason::Evicted => v1::RemovalReason::Evicted,
        RemovalReason::Invalidated => v1::RemovalReason::Invalidated,
        RemovalReason::Replaced => v1::RemovalReason::Replaced,
    }
}
