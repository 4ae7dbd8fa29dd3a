//! Requests and messages of the two streams: Watch and Preload.

use std::sync::Arc;

use bytes::Bytes;
use hotplate_engine::{
    flow::{
        preload::{PreloadItem, PreloadProgress, PreloadRequest, PreloadResult, PreloadState},
        watch::{UpdateAnswer, UpdateRequest},
    },
    watch::{Body, Content, Discontinuity, EventType, Message, WatchEvent, WatchRequest},
};
use hotplate_proto::v1;

use super::{
    request::UNKNOWN,
    values::{
        argument, count, duration, expiration, optional, positive, selectors, tags, wire_duration, wire_entry,
        wire_place, wire_positions, wire_selector, without_large,
    },
};
use crate::grpc::status::Failure;

/// Bytes kept free in a message for its token and its frame.
const AROUND: usize = 4 << 10;

/// What to follow.
pub(crate) fn watch_request(request: v1::WatchRequest) -> Result<WatchRequest, Failure> {
    let content = match v1::WatchContent::try_from(request.content) {
        Ok(v1::WatchContent::Keys) => Content::Keys,
        Ok(v1::WatchContent::Unspecified | v1::WatchContent::Metadata) => Content::Metadata,
        Ok(v1::WatchContent::Values) => Content::Values,
        Err(_unknown) => return Err(argument("content".to_owned(), UNKNOWN)),
    };
    if request.include_present && !request.resume_token.is_empty() {
        let rule = "`include_present` begins anew and `resume_token` goes on: send one of them";
        return Err(argument("include_present".to_owned(), rule));
    }
    let types = request.event_types.into_iter().enumerate();
    let event_types = types
        .map(|(number, given)| event_type(given).ok_or_else(|| argument(format!("event_types[{number}]"), UNKNOWN)));
    Ok(WatchRequest {
        namespace: request.namespace,
        selectors: selectors(request.selectors)?,
        resume_token: request.resume_token.into(),
        include_present: request.include_present,
        content,
        event_types: event_types.collect::<Result<_, _>>()?,
        progress_interval: duration("progress_interval", request.progress_interval, argument)?,
        max_pending_events: request.max_pending_events as usize,
        exclude_client_id: optional(request.exclude_client_id),
        follow_keys: request.follow_keys,
        keys: request.keys,
    })
}

/// Which single keys a watch is to follow.
pub(crate) fn update_request(request: v1::UpdateWatchRequest) -> UpdateRequest {
    let v1::UpdateWatchRequest { namespace, watch_id, add_keys, remove_keys } = request;
    UpdateRequest { namespace, watch_id, add: add_keys, remove: remove_keys }
}

/// What a watch follows now.
pub(crate) fn update_response(answer: &UpdateAnswer) -> v1::UpdateWatchResponse {
    v1::UpdateWatchResponse { key_count: count(answer.key_count), position: wire_positions(&answer.position) }
}

fn event_type(given: i32) -> Option<EventType> {
    match v1::EventType::try_from(given) {
        Ok(v1::EventType::Put) => Some(EventType::Put),
        Ok(v1::EventType::Invalidated) => Some(EventType::Invalidated),
        Ok(v1::EventType::Expired) => Some(EventType::Expired),
        Ok(v1::EventType::Evicted) => Some(EventType::Evicted),
        Ok(v1::EventType::SetInvalidated) => Some(EventType::SetInvalidated),
        Ok(v1::EventType::MarkedStale) => Some(EventType::MarkedStale),
        Ok(v1::EventType::Unspecified) | Err(_) => None,
    }
}

fn wire_event_type(event_type: EventType) -> v1::EventType {
    match event_type {
        EventType::Put => v1::EventType::Put,
        EventType::Invalidated => v1::EventType::Invalidated,
        EventType::Expired => v1::EventType::Expired,
        EventType::Evicted => v1::EventType::Evicted,
        EventType::SetInvalidated => v1::EventType::SetInvalidated,
        EventType::MarkedStale => v1::EventType::MarkedStale,
    }
}

/// One message of a watch, in as many pieces as fit a response each. Only the last can be continued from.
/// `bytes_max`: of a response, and of a value in it.
pub(crate) fn watch_responses(message: Message, content: Content, bytes_max: (usize, u64)) -> Vec<v1::WatchResponse> {
    use v1::watch_response::Message as Wire;
    let with_values = content == Content::Values;
    let (room, value_bytes_max) = (bytes_max.0.saturating_sub(AROUND), bytes_max.1);
    let shown = |mut entry: v1::Entry| {
        without_large(&mut entry, value_bytes_max);
        entry
    };
    let bodies = match message.body {
        Body::Created { positions, watch_id } => {
            let (position, watch_id) = (wire_positions(&positions), watch_id.to_string());
            vec![Wire::Created(v1::WatchCreated { position, watch_id })]
        }
        Body::Synced(at) => vec![Wire::Synced(v1::WatchSynced { position: wire_positions(&at) })],
        Body::Progress { positions, closing } => {
            vec![Wire::Progress(v1::WatchProgress { position: wire_positions(&positions), closing })]
        }
        Body::Discontinuity { reason, positions } => {
            let reason = discontinuity(reason).into();
            vec![Wire::Discontinuity(v1::WatchDiscontinuity { reason, position: wire_positions(&positions) })]
        }
        Body::Present(views) => {
            let entries = views.into_iter().map(|view| match content {
                Content::Keys => v1::Entry { key: view.key.to_string(), ..Default::default() },
                Content::Metadata | Content::Values => shown(wire_entry(view, with_values)),
            });
            let pieces = pieces(entries, room).into_iter();
            pieces.map(|entries| Wire::Present(v1::WatchPresent { entries })).collect()
        }
        Body::Events(events) => {
            let events = events.into_iter().map(|event| {
                let event = wire_event(event, with_values);
                v1::WatchEvent { entry: event.entry.map(shown), ..event }
            });
            pieces(events, room).into_iter().map(|events| Wire::Events(v1::WatchEvents { events })).collect()
        }
    };
    let of = |body| v1::WatchResponse { message: Some(body), resume_token: Bytes::new() };
    let mut responses: Vec<v1::WatchResponse> = bodies.into_iter().map(of).collect();
    if let Some(last) = responses.last_mut() {
        last.resume_token = message.resume_token.into();
    }
    responses
}

/// Cuts a list so that each piece fits; nothing stays one empty piece, which still carries a token.
fn pieces<T: prost::Message>(items: impl Iterator<Item = T>, room: usize) -> Vec<Vec<T>> {
    let mut pieces = Vec::new();
    let (mut piece, mut filled) = (Vec::new(), 0);
    for item in items {
        // Its tag and length take up to six bytes more.
        let length = item.encoded_len() + 6;
        if filled + length > room && !piece.is_empty() {
            pieces.push(std::mem::take(&mut piece));
            filled = 0;
        }
        filled += length;
        piece.push(item);
    }
    pieces.push(piece);
    pieces
}

fn wire_event(event: WatchEvent, with_values: bool) -> v1::WatchEvent {
    let text = |text: Option<Arc<str>>| text.map(|text| text.to_string()).unwrap_or_default();
    let mode = match event.event_type {
        EventType::Put | EventType::Expired | EventType::Evicted => v1::InvalidateMode::Unspecified,
        _ if event.stale => v1::InvalidateMode::MarkStale,
        _ => v1::InvalidateMode::Delete,
    };
    v1::WatchEvent {
        mode: mode.into(),
        r#type: wire_event_type(event.event_type).into(),
        key: text(event.key),
        selector: event.selector.as_ref().map(wire_selector),
        position: Some(wire_place(event.log, event.position)),
        entry: event.entry.map(|view| wire_entry(view, with_values)),
        client_id: text(event.client_id),
        reason: text(event.reason),
    }
}

fn discontinuity(reason: Discontinuity) -> v1::DiscontinuityReason {
    match reason {
        Discontinuity::SlowConsumer => v1::DiscontinuityReason::SlowConsumer,
        Discontinuity::HistoryTrimmed => v1::DiscontinuityReason::HistoryTrimmed,
        Discontinuity::NewEpoch => v1::DiscontinuityReason::NewEpoch,
    }
}

/// What to fetch, or which job to join.
pub(crate) fn preload_request(request: v1::PreloadRequest) -> Result<PreloadRequest, Failure> {
    let at = |(number, given): (usize, v1::PreloadItem)| {
        preload_item(given).map_err(|failure| failure.within(&format!("items[{number}]")))
    };
    Ok(PreloadRequest {
        namespace: request.namespace,
        items: request.items.into_iter().enumerate().map(at).collect::<Result<_, _>>()?,
        force: request.force,
        max_parallelism: request.max_parallelism as usize,
        job_id: request.job_id,
        cancel: request.cancel,
        cancel_on_disconnect: request.cancel_on_disconnect,
        pin_for: positive("pin_for", request.pin_for, argument)?,
        request_id: request.request_id,
    })
}

fn preload_item(item: v1::PreloadItem) -> Result<PreloadItem, Failure> {
    Ok(PreloadItem {
        key: item.key,
        origin: item.origin,
        parameters: item.parameters.into_iter().collect(),
        expiration: expiration(item.expiration)?,
        kind: Arc::from(item.kind),
        tags: tags(item.tags),
    })
}

/// Progress of a job.
pub(crate) fn preload_response(progress: PreloadProgress) -> v1::PreloadResponse {
    v1::PreloadResponse {
        job_id: progress.job_id.to_string(),
        results: progress.results.into_iter().map(preload_result).collect(),
        done_count: progress.done_count,
        total_count: progress.total_count,
        loaded_bytes: progress.loaded_bytes,
        finished: progress.finished,
        cancelled: progress.cancelled,
    }
}

fn preload_result(result: PreloadResult) -> v1::PreloadResult {
    use v1::PreloadState as Wire;
    let because = |code: tonic::Code, reason: &str, message: String| {
        Some(v1::ItemError { code: code.into(), reason: reason.to_owned(), message, ..Default::default() })
    };
    let (state, error) = match result.state {
        PreloadState::Loaded => (Wire::Loaded, None),
        PreloadState::Skipped => (Wire::Skipped, None),
        PreloadState::Negative => (Wire::Negative, None),
        PreloadState::Revalidated => (Wire::Revalidated, None),
        PreloadState::Cancelled => (Wire::Cancelled, None),
        PreloadState::Failed { reason, message } => (Wire::Failed, because(tonic::Code::Unavailable, reason, message)),
        PreloadState::NotStored { reason, message } => {
            (Wire::NotStored, because(tonic::Code::FailedPrecondition, reason, message))
        }
    };
    let elapsed = Some(wire_duration(result.elapsed));
    v1::PreloadResult { key: result.key.to_string(), state: state.into(), error, elapsed, pinned: result.pinned }
}

#[cfg(test)]
mod tests {
    use hotplate_engine::position::Positions;

    use super::*;

    #[test]
    fn what_does_not_fit_one_message_goes_in_pieces_and_the_last_has_the_token() {
        let entries = (0..10).map(|_| v1::Entry { key: "k".repeat(100), ..Default::default() });
        let cut = pieces(entries, 350);
        assert_eq!(cut.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 3, 1]);
        let body = Body::Progress { positions: Positions::default(), closing: true };
        let sent = watch_responses(Message { body, resume_token: vec![1] }, Content::Keys, (1 << 20, 1 << 20));
        assert_eq!((sent.len(), &sent[0].resume_token[..]), (1, &[1][..]));
    }

    #[test]
    fn an_empty_list_still_carries_a_token() {
        let message = Message { body: Body::Present(Vec::new()), resume_token: vec![7] };
        let sent = watch_responses(message, Content::Values, (1 << 20, 1 << 20));
        assert_eq!((sent.len(), &sent[0].resume_token[..]), (1, &[7][..]));
    }
}
