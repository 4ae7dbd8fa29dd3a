//! Requests of unary calls, from the wire to the engine.

use std::{sync::Arc, time::Duration};

use hotplate_engine::{
    entry::{Dependencies, Description, Negative, Payload},
    flow::{
        anew::RefreshFrom,
        get::{GetRequest, StalePolicy},
        invalidate::InvalidateRequest,
        list::ListRequest,
        put::{Precondition, PutRequest},
        touch::{TouchMode, TouchRequest},
    },
    key::DEFAULT_NAMESPACE,
    stats::GroupBy,
    tier::TierName,
};
use hotplate_proto::v1;

use super::values::{argument, duration, expiration, optional, positions, positive, selectors, tags};
use crate::grpc::status::Failure;

/// Entries of a page at most, as the contract says.
const PAGE_ENTRIES_MAX: u32 = 1000;

/// The sentence for an enum value this server does not know.
pub(super) const UNKNOWN: &str = "this server does not know this value";

/// How much of an entry a Get wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// Metadata and value.
    Full,
    /// Metadata.
    Metadata,
    /// The value; metadata of what is none.
    Value,
}

/// How much of an entry a Get wants.
pub(crate) fn view(view: i32) -> Result<View, Failure> {
    match v1::EntryView::try_from(view) {
        Ok(v1::EntryView::Unspecified | v1::EntryView::Full) => Ok(View::Full),
        Ok(v1::EntryView::Value) => Ok(View::Value),
        Ok(v1::EntryView::Metadata) => Ok(View::Metadata),
        Err(_unknown) => Err(argument("view".to_owned(), UNKNOWN)),
    }
}

/// A Get.
pub(crate) fn get_request(request: v1::GetRequest) -> Result<GetRequest, Failure> {
    let stale = match v1::StalePolicy::try_from(request.stale_policy) {
        Ok(v1::StalePolicy::Unspecified | v1::StalePolicy::Refuse) => StalePolicy::Refuse,
        Ok(v1::StalePolicy::WhileRevalidate) => StalePolicy::WhileRevalidate,
        Ok(v1::StalePolicy::IfError) => StalePolicy::IfError,
        Err(_unknown) => return Err(argument("stale_policy".to_owned(), UNKNOWN)),
    };
    let slowest = match v1::Tier::try_from(request.slowest_tier) {
        Ok(v1::Tier::Unspecified) => None,
        Ok(v1::Tier::Memory) => Some(TierName::Memory),
        Ok(v1::Tier::Disk) => Some(TierName::Disk),
        Ok(v1::Tier::Shared) => Some(TierName::Shared),
        Err(_unknown) => return Err(argument("slowest_tier".to_owned(), UNKNOWN)),
    };
    Ok(GetRequest {
        namespace: request.namespace,
        key: request.key,
        stale,
        max_age: positive("max_age", request.max_age, argument)?,
        if_etag_not: request.if_etag_not,
        min_position: positions("min_position", request.min_position)?,
        peek: request.peek,
        slowest,
    })
}

/// Checks the number of items of a batch.
pub(crate) fn check_batch(items: usize, items_max: usize) -> Result<(), Failure> {
    if items == 0 {
        return Err(argument("items".to_owned(), "a batch has at least one item"));
    }
    if items > items_max {
        return Err(too_many_items("items", items_max));
    }
    Ok(())
}

/// Why a batch is refused that has more than this in its field of this name.
pub(crate) fn too_many_items(field: &'static str, items_max: usize) -> Failure {
    let rule = format!("a batch has at most {items_max} {field}, this one has more");
    Failure::new("BATCH_TOO_LARGE", rule).at(field)
}

/// Puts an item into the namespace of its batch; one that names another is refused.
pub(crate) fn batch_namespace(batch: &str, item: &mut String) -> Result<(), Failure> {
    let resolved = |name: &str| if name.is_empty() { DEFAULT_NAMESPACE.to_owned() } else { name.to_owned() };
    if !item.is_empty() && resolved(item) != resolved(batch) {
        return Err(argument("namespace".to_owned(), "an item is in the namespace of its batch"));
    }
    batch.clone_into(item);
    Ok(())
}

/// A Put.
pub(crate) fn put_request(request: v1::PutRequest) -> Result<PutRequest, Failure> {
    let precondition = precondition(request.precondition)?;
    let payload = payload(request.payload)?;
    if payload.is_none() && !matches!(precondition, Precondition::Etag(_)) {
        return Err(argument("precondition".to_owned(), "`unchanged` needs the etag of what it leaves unchanged"));
    }
    let digest = match request.digest.len() {
        0 => None,
        _ => {
            let sum = <[u8; 32]>::try_from(&request.digest[..]);
            Some(sum.map_err(|_length| argument("digest".to_owned(), "a digest is a SHA-256 sum of 32 bytes"))?)
        }
    };
    Ok(PutRequest {
        namespace: request.namespace,
        key: request.key,
        payload,
        digest,
        description: Description {
            content_type: Arc::from(request.content_type),
            encoding: Arc::from(request.encoding),
            kind: Arc::from(request.kind),
            tags: tags(request.tags),
            labels: request.labels.into_iter().collect(),
            depends_on: Dependencies::of(request.depends_on.into_iter().map(Arc::from)),
            compute_cost: duration("compute_cost", request.compute_cost, argument)?,
        },
        expiration: expiration(request.expiration)?,
        precondition,
        request_id: request.request_id,
        client_id: optional(request.client_id),
    })
}

fn payload(given: Option<v1::put_request::Payload>) -> Result<Option<Payload>, Failure> {
    use v1::put_request::Payload as Given;
    match given {
        None => Err(argument("payload".to_owned(), "a Put sets `value`, `negative` or `unchanged`")),
        Some(Given::Value(value)) => Ok(Some(Payload::Value(value))),
        Some(Given::Negative(v1::Negative { reason, message })) => {
            let negative = Negative { reason: Arc::from(reason), message: Arc::from(message) };
            Ok(Some(Payload::Negative(negative)))
        }
        Some(Given::Unchanged(true)) => Ok(None),
        Some(Given::Unchanged(false)) => Err(argument("unchanged".to_owned(), "`unchanged` is true or not there")),
    }
}

fn precondition(given: Option<v1::Precondition>) -> Result<Precondition, Failure> {
    use v1::precondition::Condition;
    let Some(given) = given else { return Ok(Precondition::Always) };
    let refused = |field: &str, rule| Err(argument(field.to_owned(), rule));
    match given.condition {
        None => refused("precondition", "a precondition says which"),
        Some(Condition::Absent(true)) => Ok(Precondition::Absent),
        Some(Condition::Absent(false)) => refused("precondition.absent", "`absent` is true or not there"),
        Some(Condition::Present(true)) => Ok(Precondition::Present),
        Some(Condition::Present(false)) => refused("precondition.present", "`present` is true or not there"),
        Some(Condition::Etag(etag)) if etag.is_empty() => refused("precondition.etag", "an etag is never empty"),
        Some(Condition::Etag(etag)) => Ok(Precondition::Etag(etag)),
    }
}

/// A Touch.
pub(crate) fn touch_request(request: v1::TouchRequest) -> Result<TouchRequest, Failure> {
    let mode = match v1::TouchMode::try_from(request.mode) {
        Ok(v1::TouchMode::Unspecified | v1::TouchMode::Set) => TouchMode::Set,
        Ok(v1::TouchMode::Extend) => TouchMode::Extend,
        Ok(v1::TouchMode::Shorten) => TouchMode::Shorten,
        Err(_unknown) => return Err(argument("mode".to_owned(), UNKNOWN)),
    };
    if request.expiration.as_ref().is_none_or(|given| given.lifetime.is_none()) {
        return Err(Failure::lifetime("expiration", "a Touch gives a TTL or a class"));
    }
    Ok(TouchRequest {
        namespace: request.namespace,
        key: request.key,
        mode,
        expiration: expiration(request.expiration)?,
        etag: request.etag,
    })
}

/// An Invalidate.
pub(crate) fn invalidate_request(request: v1::InvalidateRequest) -> Result<InvalidateRequest, Failure> {
    Ok(InvalidateRequest {
        namespace: request.namespace,
        selectors: selectors(request.selectors)?,
        cascade: request.cascade.unwrap_or(true),
        validate_only: request.validate_only,
        reason: optional(request.reason),
        request_id: request.request_id,
        client_id: optional(request.client_id),
    })
}

/// What an Invalidate does to what it selects.
#[derive(Clone, Debug)]
pub(crate) enum InvalidateMode {
    /// It is dropped.
    Delete,
    /// It is marked stale, over so long a time; `None`: now.
    MarkStale(Option<Duration>),
    /// It is marked stale and fetched anew from there.
    Refresh(RefreshFrom),
}

/// What an Invalidate does to what it selects.
pub(crate) fn invalidate_mode(request: &v1::InvalidateRequest) -> Result<InvalidateMode, Failure> {
    let spread = positive("spread_over", request.spread_over, argument)?;
    let mode = v1::InvalidateMode::try_from(request.mode).map_err(|_unknown| argument("mode".to_owned(), UNKNOWN))?;
    if request.refresh.is_some() && mode != v1::InvalidateMode::Refresh {
        return Err(argument(
            "refresh".to_owned(),
            "only with REFRESH is anything fetched: set that mode, or leave it out",
        ));
    }
    if spread.is_some() && mode != v1::InvalidateMode::MarkStale {
        let rule = "only MARK_STALE is spread: what is dropped is dropped at once, and a REFRESH fetches few at a time";
        return Err(argument("spread_over".to_owned(), rule));
    }
    Ok(match mode {
        v1::InvalidateMode::MarkStale => InvalidateMode::MarkStale(spread),
        v1::InvalidateMode::Refresh => {
            let v1::RefreshFrom { origin, parameters } = request.refresh.clone().unwrap_or_default();
            InvalidateMode::Refresh(RefreshFrom { origin, parameters: parameters.into_iter().collect() })
        }
        v1::InvalidateMode::Unspecified | v1::InvalidateMode::Delete => InvalidateMode::Delete,
    })
}

/// A listing.
pub(crate) fn list_request(request: v1::ListEntriesRequest) -> Result<ListRequest, Failure> {
    if request.page_size > PAGE_ENTRIES_MAX {
        return Err(argument("page_size".to_owned(), "a page has at most 1,000 entries"));
    }
    Ok(ListRequest {
        namespace: request.namespace,
        selectors: selectors(request.selectors)?,
        page_size: request.page_size as usize,
        page_token: request.page_token,
    })
}

/// How statistics are grouped.
pub(crate) fn group_by(request: &v1::StatsRequest) -> Result<GroupBy, Failure> {
    let segments = match u8::try_from(request.prefix_segments) {
        Ok(0) => 1,
        Ok(segments @ 1..=2) => segments,
        _ => return Err(argument("prefix_segments".to_owned(), "1 or 2 segments make a group")),
    };
    match v1::StatsGroupBy::try_from(request.group_by) {
        Ok(v1::StatsGroupBy::Unspecified) => Ok(GroupBy::Nothing),
        Ok(v1::StatsGroupBy::Namespace) => Ok(GroupBy::Namespace),
        Ok(v1::StatsGroupBy::Prefix) => Ok(GroupBy::Prefix(segments)),
        Ok(v1::StatsGroupBy::Kind) => Ok(GroupBy::Kind),
        Err(_unknown) => Err(argument("group_by".to_owned(), UNKNOWN)),
    }
}
