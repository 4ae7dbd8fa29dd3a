//! What statistics mean, from the engine to the wire and what is asked of it.

use std::sync::Arc;

use hotplate_engine::{
    clock::Moment,
    flow::insight::WhatIfCurve,
    insight::{
        advice::Advice,
        top::{TopBy, TopKey},
        trend::{MINUTES, Minute},
    },
};
use hotplate_proto::v1;
use std::time::Duration;

use super::values::{argument, duration, wire_duration};
use crate::grpc::status::Failure;

/// Top keys of each order that may be asked for, as the contract says.
const TOP_KEYS_MAX: u32 = 100;
/// One step of the last hour.
const MINUTE: Duration = Duration::from_secs(60);

/// How many top keys are asked for.
pub(crate) fn top_keys(request: &v1::StatsRequest) -> Result<usize, Failure> {
    if request.top_keys > TOP_KEYS_MAX {
        return Err(argument("top_keys".to_owned(), "at most 100 top keys are listed"));
    }
    Ok(request.top_keys as usize)
}

/// How many minutes to look back.
pub(crate) fn minutes(request: &v1::StatsRequest) -> Result<usize, Failure> {
    let refused = || argument("window".to_owned(), "a window is 1 minute to 1 hour");
    match duration("window", request.window, argument)? {
        None => Ok(MINUTES),
        Some(window) if window < MINUTE => Err(refused()),
        Some(window) => {
            let minutes = usize::try_from(window.as_secs() / MINUTE.as_secs()).unwrap_or(usize::MAX);
            if minutes > MINUTES { Err(refused()) } else { Ok(minutes) }
        }
    }
}

/// A key that stands out.
pub(super) fn top_key((by, namespace, found): (TopBy, Arc<str>, TopKey)) -> v1::TopKey {
    let order = match by {
        TopBy::Reads => v1::TopKeyOrder::Reads,
        TopBy::Bytes => v1::TopKeyOrder::Bytes,
        TopBy::Compute => v1::TopKeyOrder::Compute,
    };
    v1::TopKey {
        order: order.into(),
        namespace: namespace.to_string(),
        key: found.key.to_string(),
        count: found.count,
        error: found.error,
    }
}

/// The curve, next to the bytes there are.
pub(super) fn what_if(curve: &WhatIfCurve, bytes_max: u64) -> v1::WhatIf {
    let point = |point: &hotplate_engine::insight::what_if::Point| {
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a limit to read")]
        #[expect(clippy::cast_sign_loss, reason = "factors are positive")]
        let bytes_max = (bytes_max as f64 * point.factor) as u64;
        let saved = Duration::try_from_secs_f64(point.saved).unwrap_or(Duration::MAX);
        v1::WhatIfPoint {
            factor: point.factor,
            bytes_max,
            hit_ratio: point.hit_ratio,
            compute_saved: Some(wire_duration(saved)),
        }
    };
    v1::WhatIf {
        points: curve.points.iter().map(point).collect(),
        sampled_reads: curve.sampled,
        sample_rate: curve.rate,
        window: Some(wire_duration(curve.window)),
    }
}

/// Something to change, and why.
pub(super) fn recommendation((namespace, advice): (Arc<str>, Advice)) -> v1::Recommendation {
    v1::Recommendation {
        code: advice.code.to_owned(),
        namespace: namespace.to_string(),
        subject: advice.subject.to_string(),
        message: advice.sentence,
        evidence: advice.evidence.into_iter().map(|(name, number)| (name.to_owned(), number)).collect(),
    }
}

/// What happened in one minute.
pub(super) fn trend_minute(minute: &Minute, now: Moment) -> v1::TrendMinute {
    let sums = &minute.sums;
    v1::TrendMinute {
        age: Some(wire_duration(now.since(minute.began))),
        hits: sums.hits,
        misses: sums.missed(),
        served_bytes: sums.served_bytes,
        puts: sums.puts,
        evictions: sums.evictions,
        compute_saved: Some(wire_duration(sums.saved)),
        compute_lost_to_eviction: Some(wire_duration(sums.lost)),
        charged_bytes: minute.used_bytes,
    }
}
