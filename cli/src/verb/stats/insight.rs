//! What statistics mean: top keys, the last hour, other amounts of memory, advice. As tables and as JSON.

use hotplate::v1;
use serde_json::{Map, Value, json};

use crate::{
    duration::from_proto,
    exit::Failure,
    output::{Output, Paint, human},
};

/// Sampled reads below which the curve says little.
const SAMPLED_MIN: u64 = 256;

const CURVE_HEAD: [&str; 4] = ["MEMORY", "BYTES", "HIT RATIO", "COMPUTE SAVED"];
const TREND_HEAD: [&str; 8] = ["AGO", "HITS", "MISSES", "HIT RATIO", "SERVED", "EVICTED", "SAVED", "LOST"];

/// Shows what there is of it.
pub(super) fn show(response: &v1::StatsResponse, output: &mut Output) -> Result<(), Failure> {
    top_keys(response, output)?;
    curve(response, output)?;
    trend(response, output)
}

/// Shows what is advised, or that nothing is.
pub(super) fn advise(response: &v1::StatsResponse, output: &mut Output) -> Result<(), Failure> {
    output.line("")?;
    if response.recommendations.is_empty() {
        return output
            .line("advice: none; nothing stands out, or there is too little to go by (1,000 reads in a minute)");
    }
    for advice in &response.recommendations {
        let about = match advice.subject.as_str() {
            "" => human::escape(&advice.namespace),
            subject => format!("{} {}", human::escape(&advice.namespace), human::escape(subject)),
        };
        let code = output.paint(Paint::Notice, &human::escape(&advice.code));
        output.line(&format!("{code} ({about}): {}", human::escape(&advice.message)))?;
    }
    Ok(())
}

fn top_keys(response: &v1::StatsResponse, output: &mut Output) -> Result<(), Failure> {
    let orders = [
        (v1::TopKeyOrder::Reads, "MOST READ"),
        (v1::TopKeyOrder::Bytes, "MOST BYTES SERVED"),
        (v1::TopKeyOrder::Compute, "MOST COMPUTE SAVED"),
    ];
    for (order, name) in orders {
        let of_order = response.top_keys.iter().filter(|top| top.order() == order);
        let rows: Vec<_> = of_order.map(|top| top_row(order, (top, output.name(&top.key)))).collect();
        if !rows.is_empty() {
            output.line("")?;
            output.rows(&[name, "NAMESPACE", "COUNT", "OFF BY AT MOST"], &rows)?;
        }
    }
    Ok(())
}

fn top_row(order: v1::TopKeyOrder, (top, key): (&v1::TopKey, String)) -> Vec<String> {
    let text = |number: u64| match order {
        v1::TopKeyOrder::Bytes => human::size(number),
        v1::TopKeyOrder::Compute => human::duration(std::time::Duration::from_nanos(number)),
        v1::TopKeyOrder::Reads | v1::TopKeyOrder::Unspecified => human::count(number),
    };
    vec![key, human::escape(&top.namespace), text(top.count), text(top.error)]
}

fn curve(response: &v1::StatsResponse, output: &mut Output) -> Result<(), Failure> {
    let Some(what_if) = &response.what_if else { return Ok(()) };
    let row = |point: &v1::WhatIfPoint| {
        vec![
            format!("x {}", point.factor),
            human::size(point.bytes_max),
            human::share(point.hit_ratio),
            human::duration(from_proto(point.compute_saved.as_ref())),
        ]
    };
    output.line("")?;
    output.rows(&CURVE_HEAD, &what_if.points.iter().map(row).collect::<Vec<_>>())?;
    let window = human::duration(from_proto(what_if.window.as_ref()));
    let sampled = human::count(what_if.sampled_reads);
    if what_if.sampled_reads < SAMPLED_MIN {
        return output.note(&format!("what if: {sampled} sampled reads are too few to rely on"));
    }
    output.note(&format!("what if: simulated on {sampled} sampled reads of the last {window}"))
}

fn trend(response: &v1::StatsResponse, output: &mut Output) -> Result<(), Failure> {
    if response.trend.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = response.trend.iter().map(trend_row).collect();
    output.line("")?;
    output.rows(&TREND_HEAD, &rows)
}

fn trend_row(minute: &v1::TrendMinute) -> Vec<String> {
    let time = |duration: &Option<prost_types::Duration>| human::duration(from_proto(duration.as_ref()));
    vec![
        time(&minute.age),
        human::count(minute.hits),
        human::count(minute.misses),
        hit_ratio(minute).map_or_else(|| "-".to_owned(), human::share),
        human::size(minute.served_bytes),
        human::count(minute.evictions),
        time(&minute.compute_saved),
        time(&minute.compute_lost_to_eviction),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "a share needs no more digits than a float has")]
fn hit_ratio(minute: &v1::TrendMinute) -> Option<f64> {
    let reads = minute.hits + minute.misses;
    (reads > 0).then(|| minute.hits as f64 / reads as f64)
}

/// Adds it to the JSON; every key is there, empty where it was not asked for.
pub(super) fn add_json(object: &mut Map<String, Value>, response: &v1::StatsResponse) {
    let top = |order: v1::TopKeyOrder| -> Vec<Value> {
        let of_order = response.top_keys.iter().filter(|top| top.order() == order);
        let json = |top: &v1::TopKey| json!({"namespace": top.namespace, "key": top.key, "count": top.count, "error": top.error});
        of_order.map(json).collect()
    };
    let top_keys = json!({
        "reads": top(v1::TopKeyOrder::Reads),
        "bytes": top(v1::TopKeyOrder::Bytes),
        "compute_nanoseconds": top(v1::TopKeyOrder::Compute),
    });
    let advice = response.recommendations.iter().map(|advice| {
        json!({
            "code": advice.code,
            "namespace": advice.namespace,
            "subject": advice.subject,
            "message": advice.message,
            "evidence": advice.evidence,
        })
    });
    object.insert("bookkeeping_bytes_per_entry".to_owned(), json!(response.bookkeeping_bytes_per_entry));
    object.insert("top_keys".to_owned(), top_keys);
    object.insert("what_if".to_owned(), response.what_if.as_ref().map_or(Value::Null, what_if_json));
    object.insert("recommendations".to_owned(), advice.collect());
    object.insert("trend".to_owned(), response.trend.iter().map(minute_json).collect());
}

fn what_if_json(what_if: &v1::WhatIf) -> Value {
    let points = what_if.points.iter().map(|point| {
        json!({
            "factor": point.factor,
            "bytes_max": point.bytes_max,
            "hit_ratio": point.hit_ratio,
            "compute_saved_seconds": from_proto(point.compute_saved.as_ref()).as_secs_f64(),
        })
    });
    json!({
        "points": points.collect::<Vec<_>>(),
        "sampled_reads": what_if.sampled_reads,
        "sample_rate": what_if.sample_rate,
        "window_seconds": from_proto(what_if.window.as_ref()).as_secs_f64(),
    })
}

fn minute_json(minute: &v1::TrendMinute) -> Value {
    json!({
        "age_seconds": from_proto(minute.age.as_ref()).as_secs_f64(),
        "hits": minute.hits,
        "misses": minute.misses,
        "hit_ratio": hit_ratio(minute),
        "served_bytes": minute.served_bytes,
        "puts": minute.puts,
        "evictions": minute.evictions,
        "compute_saved_seconds": from_proto(minute.compute_saved.as_ref()).as_secs_f64(),
        "compute_lost_seconds": from_proto(minute.compute_lost_to_eviction.as_ref()).as_secs_f64(),
        "bytes": minute.charged_bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_there_whatever_was_asked() {
        let mut object = Map::new();
        add_json(&mut object, &v1::StatsResponse::default());
        for key in ["bookkeeping_bytes_per_entry", "top_keys", "what_if", "recommendations", "trend"] {
            assert!(object.contains_key(key), "{key}");
        }
        assert!(object["what_if"].is_null() && object["trend"].as_array().is_some_and(Vec::is_empty));
    }

    #[test]
    fn numbers_have_units() {
        let top = v1::TopKey { count: 2_000_000_000, error: 0, ..Default::default() };
        assert_eq!(top_row(v1::TopKeyOrder::Compute, (&top, "k".to_owned()))[2], "2s");
        assert_eq!(top_row(v1::TopKeyOrder::Bytes, (&top, "k".to_owned()))[2], "1.8 GiB");
        let minute = v1::TrendMinute { hits: 3, misses: 1, ..Default::default() };
        assert_eq!(hit_ratio(&minute), Some(0.75));
        assert_eq!(hit_ratio(&v1::TrendMinute::default()), None);
    }
}
