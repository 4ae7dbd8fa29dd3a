//! Between the wire and the engine: the only place that knows the messages of both. Strict on the way in: what is
//! missing, contradicts itself or says nothing is refused with the path of its field.

mod answer;
mod asked;
mod explain;
mod found;
mod insight;
mod lease;
mod request;
mod stream;
mod tiers;
mod values;

pub(crate) use answer::{
    get_response, invalidate_response, list_response, put_response, revalidate_result, stats_response, touch_response,
    value_bytes,
};
pub(crate) use asked::PlainGet;
pub(crate) use explain::{explain_request, explain_response};
pub(crate) use found::{bytes_of_hit, room_for_hit, write_hit};
pub(crate) use insight::{minutes, top_keys};
pub(crate) use lease::{
    MissPolicy, extend_response, lease_token, miss_policy, pending_response, release, release_response, required_token,
    wire_lease,
};
pub(crate) use request::{
    InvalidateMode, View, batch_namespace, check_batch, get_request, group_by, invalidate_mode, invalidate_request,
    list_request, put_request, too_many_items, touch_request, view,
};
pub(crate) use stream::{
    preload_request, preload_response, update_request, update_response, watch_request, watch_responses,
};
pub(crate) use tiers::tier_stats;
pub(crate) use values::{
    count, positive_duration, wire_cost_source, wire_duration, wire_failure, wire_time, without_large,
};
