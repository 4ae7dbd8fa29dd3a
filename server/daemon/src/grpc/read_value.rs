//! ReadValue: finds a value as Get does, and sends it in pieces, from any byte on.

use std::sync::Arc;

use bytes::Bytes;
use hotplate_engine::{
    entry::Payload,
    flow::{
        get::{GetRequest, Lookup, StalePolicy},
        lease::{LeasedAnswer, OnMiss},
    },
};
use hotplate_proto::v1;
use http::Response;
use tonic::body::Body;

use super::{
    blob::{
        frames::{self, Pieces},
        kept::Value,
        service::{About, Parts},
        source::{Source, Span, frames_of, overtaken, version_gone},
        upload::Upload,
        wire::Sent,
    },
    convert, get,
    service::{Answer, Call},
    status::Failure,
};
use crate::ledger::Share;

/// Bytes of a piece that a reader may ask for at least.
const PIECE_BYTES_MIN: u32 = 4 << 10;
/// How the version of an upload begins that is not stored yet.
const OF_UPLOAD: &str = "upload-";

/// Serves `ReadValue`.
pub(super) async fn read_value(
    parts: &Parts,
    call: &Call,
    (sent, share): (Sent<Body>, Share),
    about: &mut About,
) -> Result<Answer<Response<Body>>, Failure> {
    let mut request: v1::ReadValueRequest = sent.only().await?;
    request.namespace.clone_into(&mut about.namespace);
    about.key = Some(request.key.clone());
    call.allow(&request.namespace)?;
    let span = span(parts, &request)?;
    let upload = parts.uploads.of(&request.namespace, &request.key);
    if request.version.starts_with(OF_UPLOAD) {
        if let Some(upload) = upload.filter(|upload| *upload.version == *request.version) {
            if !upload.stands(&parts.cache) {
                return Err(overtaken());
            }
            return Ok(follow((parts, share), pending(), (upload, span)));
        }
        request.version = stored_as(parts, &request)?;
        return serve((parts, share), request, (None, span)).await;
    }
    // What was invalidated while it is written is of no use to who comes now.
    let upload = upload.filter(|_| request.follow && request.version.is_empty());
    let upload = upload.filter(|upload| upload.stands(&parts.cache));
    serve((parts, share), request, (upload, span)).await
}

async fn serve(
    (parts, share): (&Parts, Share),
    request: v1::ReadValueRequest,
    (upload, span): (Option<Arc<Upload>>, Span),
) -> Result<Answer<Response<Body>>, Failure> {
    let (version, namespace, key) = (request.version.clone(), request.namespace.clone(), request.key.clone());
    let found = parts.cache.read(&look_up(request)?, OnMiss::Report).await?;
    let stored = match &found {
        LeasedAnswer::Found(answer, _) => match &answer.outcome {
            Lookup::Hit(view) | Lookup::Stale(view) => {
                let etag = view.facts.etag.clone();
                let digest = view.facts.sha256.map(|sum| Bytes::copy_from_slice(&sum)).unwrap_or_default();
                let value = value(view.payload.clone())?;
                let kept = parts.readers.keep((&namespace, &key), value);
                Some((Source::Stored(kept, digest, Arc::clone(&etag)), view.facts.size_bytes, etag))
            }
            Lookup::Negative(_) | Lookup::NotModified(_) | Lookup::Miss(_) => None,
        },
        LeasedAnswer::Pending(..) => None,
    };
    if !version.is_empty() && stored.as_ref().is_none_or(|(_, _, etag)| *version != **etag) {
        return Err(version_gone());
    }
    let degraded = parts.cache.is_degraded(&namespace);
    let view = if stored.is_none() { convert::View::Full } else { convert::View::Metadata };
    let Answer { message: found, outcome } = get::answer(found, (view, degraded));
    match (stored, upload) {
        (Some((_, size_bytes, _)), _) if span.offset > size_bytes => {
            let rule = format!("the value has {size_bytes} bytes");
            Err(Failure::new("BAD_OFFSET", rule).at("read_offset"))
        }
        (Some((source, size_bytes, etag)), _) => {
            let header = v1::ReadValueHeader { found: Some(found), version: etag.to_string(), size_bytes };
            Ok(Answer { message: stream((parts, share), header, Some((source, span))), outcome })
        }
        (None, Some(upload)) if outcome == "miss" => Ok(follow((parts, share), found, (upload, span))),
        (None, _) => {
            let header = v1::ReadValueHeader { found: Some(found), ..Default::default() };
            Ok(Answer { message: stream((parts, share), header, None), outcome })
        }
    }
}

/// Sends an upload as it comes in.
fn follow(
    (parts, share): (&Parts, Share),
    found: v1::GetResponse,
    (upload, span): (Arc<Upload>, Span),
) -> Answer<Response<Body>> {
    let found = v1::GetResponse { outcome: v1::GetOutcome::Pending.into(), ..found };
    let (version, size_bytes) = (upload.version.to_string(), upload.plan.size.unwrap_or(0));
    let header = v1::ReadValueHeader { found: Some(found), version, size_bytes };
    let source = Source::following(upload, &parts.cache);
    Answer { message: stream((parts, share), header, Some((source, span))), outcome: "pending" }
}

fn pending() -> v1::GetResponse {
    v1::GetResponse { outcome: v1::GetOutcome::Pending.into(), ..Default::default() }
}

fn stream(
    (parts, share): (&Parts, Share),
    header: v1::ReadValueHeader,
    source: Option<(Source, Span)>,
) -> Response<Body> {
    let frames = frames_of(header, source, (&parts.readers, Arc::clone(&parts.ledger), share));
    frames::response(Body::new(Pieces::new(frames)))
}

/// Which part is to be sent, and in which pieces.
fn span(parts: &Parts, request: &v1::ReadValueRequest) -> Result<Span, Failure> {
    let (offset, limit) = (request.read_offset, request.read_limit);
    if offset > 0 && request.version.is_empty() {
        let rule = "only of a version that is named are later bytes read: give the one of the header";
        return Err(Failure::argument("version", rule));
    }
    let most = convert::count(parts.chunk_bytes_max);
    let piece = match request.chunk_bytes_max {
        0 => most,
        asked if (PIECE_BYTES_MIN.min(most)..=most).contains(&asked) => asked,
        _ => {
            let rule = format!("0, or {PIECE_BYTES_MIN} to {most} bytes (limits.chunk_bytes_max)");
            return Err(Failure::argument("chunk_bytes_max", rule));
        }
    };
    let end = if limit == 0 { u64::MAX } else { offset.saturating_add(limit) };
    Ok(Span { offset, end, piece: piece as usize })
}

/// The etag that an upload was stored under which a reader had begun to follow.
fn stored_as(parts: &Parts, request: &v1::ReadValueRequest) -> Result<String, Failure> {
    let etag = parts.uploads.etag(&request.namespace, &request.key, &request.version);
    etag.filter(|etag| !etag.is_empty()).ok_or_else(version_gone)
}

fn look_up(request: v1::ReadValueRequest) -> Result<GetRequest, Failure> {
    let continues = !request.version.is_empty();
    let asked = convert::get_request(v1::GetRequest {
        namespace: request.namespace,
        key: request.key,
        stale_policy: request.stale_policy,
        max_age: request.max_age,
        min_position: request.min_position,
        slowest_tier: request.slowest_tier,
        ..Default::default()
    })?;
    // Whether it is fresh enough was decided when it was begun.
    let stale = if continues { StalePolicy::WhileRevalidate } else { asked.stale };
    Ok(GetRequest { stale, max_age: asked.max_age.filter(|_| !continues), ..asked })
}

/// A value, as it is read.
fn value(payload: Payload) -> Result<Value, Failure> {
    match payload.plain() {
        Some(Payload::Chunks(chunks)) => Ok(Value::Chunks(chunks)),
        Some(Payload::Value(value)) => Ok(Value::Whole(value)),
        Some(Payload::Negative(_) | Payload::Compressed(_)) | None => {
            Err(Failure::bug("a value that was found cannot be read"))
        }
    }
}
