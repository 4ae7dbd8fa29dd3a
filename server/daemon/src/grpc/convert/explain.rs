//! The explanation of a key, from the wire to the engine and back.

use hotplate_engine::{
    entry::{Freshness, Payload},
    flow::{
        explain::{Effect, ExplainAnswer, ExplainRequest, Happened, KeyEvent},
        get::Lookup,
    },
};
use hotplate_proto::v1;

use super::{
    answer::miss_reason,
    values::{
        wire_duration, wire_facts, wire_negative, wire_place, wire_positions, wire_selector, wire_tier, wire_time,
    },
};

/// Which key.
pub(crate) fn explain_request(request: v1::ExplainKeyRequest) -> ExplainRequest {
    let v1::ExplainKeyRequest { namespace, key, max_events } = request;
    ExplainRequest { namespace, key, events_max: usize::try_from(max_events).unwrap_or(usize::MAX) }
}

/// What a Get would say, and why.
pub(crate) fn explain_response(answer: ExplainAnswer) -> v1::ExplainKeyResponse {
    use v1::GetOutcome::{Hit, Miss, Negative, NotModified, Stale};
    let (outcome, reason) = match &answer.outcome {
        Lookup::Hit(_) => (Hit, None),
        Lookup::Stale(_) => (Stale, None),
        Lookup::Negative(_) => (Negative, None),
        Lookup::NotModified(_) => (NotModified, None),
        Lookup::Miss(reason) => (Miss, Some(miss_reason(*reason))),
    };
    let freshness = answer.entry.as_ref().map_or(v1::Freshness::Unspecified, |(_, freshness)| match freshness {
        Freshness::Fresh => v1::Freshness::Fresh,
        Freshness::Stale => v1::Freshness::Stale,
        Freshness::Gone => v1::Freshness::Gone,
    });
    let negative = answer.entry.as_ref().and_then(|(view, _)| match &view.payload {
        Payload::Negative(negative) => Some(wire_negative(negative)),
        Payload::Value(_) | Payload::Compressed(_) | Payload::Chunks(_) => None,
    });
    let served_from = wire_tier(answer.tier).into();
    v1::ExplainKeyResponse {
        outcome: outcome.into(),
        miss_reason: reason.map(i32::from).unwrap_or_default(),
        explanation: answer.explanation,
        freshness: freshness.into(),
        metadata: answer.entry.map(|(view, _)| v1::EntryMetadata { served_from, ..wire_facts(&view.facts) }),
        negative,
        next_to_go: answer.next_to_go,
        cause: answer.cause.map(wire_event),
        events: answer.events.into_iter().map(wire_event).collect(),
        more_events: answer.more_events,
        complete: answer.complete,
        reaches_back: Some(wire_duration(answer.reaches_back)),
        as_of: wire_positions(&answer.as_of.positions()),
        tiers: answer.tiers.into_iter().map(|tier| wire_tier(tier).into()).collect(),
    }
}

fn wire_event(event: KeyEvent) -> v1::KeyEvent {
    let text = |text: Option<std::sync::Arc<str>>| text.map(|text| text.to_string()).unwrap_or_default();
    let plain = v1::KeyEvent {
        age: Some(wire_duration(event.age)),
        at: Some(wire_time(event.wall)),
        position: event.position.map(|(log, at)| wire_place(log, at)),
        client_id: text(event.author.client_id),
        reason: text(event.author.reason),
        sentence: event.sentence,
        ..Default::default()
    };
    happened(event.what, plain)
}

fn wire_effect(effect: Effect) -> v1::KeyEventEffect {
    match effect {
        Effect::Dropped => v1::KeyEventEffect::Dropped,
        Effect::Marked => v1::KeyEventEffect::Marked,
        Effect::NothingThere => v1::KeyEventEffect::NothingThere,
        Effect::Unknown => v1::KeyEventEffect::Unknown,
    }
}

fn happened(what: Happened, plain: v1::KeyEvent) -> v1::KeyEvent {
    use v1::KeyEventType;
    let of = |kind: KeyEventType| v1::KeyEvent { r#type: kind.into(), ..plain };
    match what {
        Happened::Stored { size_bytes, kind, negative, fetched } => {
            v1::KeyEvent { size_bytes, kind: kind.to_string(), negative, fetched, ..of(KeyEventType::Stored) }
        }
        Happened::Refreshed { size_bytes, kind, negative } => {
            v1::KeyEvent { size_bytes, kind: kind.to_string(), negative, ..of(KeyEventType::Refreshed) }
        }
        Happened::Touched => of(KeyEventType::Touched),
        Happened::Expired(kind) => v1::KeyEvent { kind: kind.to_string(), ..of(KeyEventType::Expired) },
        Happened::Evicted(kind) => v1::KeyEvent { kind: kind.to_string(), ..of(KeyEventType::Evicted) },
        Happened::Invalidated(selector, effect) => {
            let (selector, effect) = (selector.as_ref().map(wire_selector), wire_effect(effect));
            v1::KeyEvent { selector, effect: effect.into(), ..of(KeyEventType::Invalidated) }
        }
        Happened::MarkedStale(selector, effect) => {
            let (selector, effect) = (selector.as_ref().map(wire_selector), wire_effect(effect));
            v1::KeyEvent { selector, effect: effect.into(), ..of(KeyEventType::MarkedStale) }
        }
        Happened::RefreshFailed(failure) => {
            let reason = format!("{}: {}", failure.reason, failure.message);
            v1::KeyEvent { reason, ..of(KeyEventType::RefreshFailed) }
        }
        Happened::NotAdmitted(why) => v1::KeyEvent { reason: why.to_string(), ..of(KeyEventType::NotAdmitted) },
    }
}
