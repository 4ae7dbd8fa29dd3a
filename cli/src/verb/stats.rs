//! `hotplate stats`: how well the cache is doing. The JSON keys are relied on by others; only add to them.

mod insight;
mod tiers;

use std::time::Duration;

use clap::{Args, ValueEnum};
use hotplate::v1;
use serde_json::{Map, Value, json};

use crate::{
    connect::Connection,
    duration::{from_proto, parse, to_proto},
    exit::{Exit, Failure, Outcome},
    output::{Output, Paint, entry, human},
};

const HEAD: [&str; 10] =
    ["NAME", "ENTRIES", "BYTES", "HITS", "MISSES", "HIT RATIO", "PUTS", "EVICTED", "SAVED", "SPENT"];
/// Reads below which a hit ratio says nothing.
const READS_MIN: u64 = 100;

const EXAMPLES: &str = "\
Examples:
  hotplate stats                           the namespace in use
  hotplate stats --all --by namespace      every namespace this token may see
  hotplate stats reports --by kind         one namespace, by what its entries are
  hotplate stats --top 10                  the keys read most, serving most bytes, saving most compute
  hotplate stats --what-if --advice        what more or less memory would bring, and what to change
  hotplate stats --trend --window 15m      the last quarter of an hour, minute by minute
  hotplate stats -o json | jq .hit_ratio   for scripts";

/// Show how well the cache is doing
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Stats {
    /// Namespace to look at instead of the one in use
    name: Option<String>,
    /// All namespaces together
    #[arg(long, conflicts_with = "name")]
    all: bool,
    /// Split the numbers
    #[arg(long, value_enum, value_name = "GROUP")]
    by: Option<By>,
    /// For --by prefix: key segments, split at `:`, that make a group
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=2))]
    segments: u32,
    /// List this many keys that are read most, serve most bytes and save most compute
    #[arg(long, value_name = "NUMBER", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=100))]
    top: u32,
    /// Show the hit ratio and the compute saved at half, twice and four times the memory
    #[arg(long)]
    what_if: bool,
    /// Show what the server would change, and why
    #[arg(long)]
    advice: bool,
    /// Show the last hour, minute by minute
    #[arg(long)]
    trend: bool,
    /// How far --what-if, --advice and --trend look back: 1 minute to 1 hour
    #[arg(long, value_name = "DURATION", value_parser = parse)]
    window: Option<Duration>,
}

/// How to split the numbers.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum By {
    /// By namespace
    Namespace,
    /// By the first segments of the key
    Prefix,
    /// By kind
    Kind,
}

impl Stats {
    /// Runs it.
    pub(crate) async fn run(self, connection: &Connection, output: &mut Output) -> Outcome {
        let namespace = match (self.all, self.name) {
            (true, _) => "*".to_owned(),
            (false, Some(name)) => name,
            (false, None) => connection.namespace.clone(),
        };
        let group_by = match self.by {
            None => v1::StatsGroupBy::Unspecified,
            Some(By::Namespace) => v1::StatsGroupBy::Namespace,
            Some(By::Prefix) => v1::StatsGroupBy::Prefix,
            Some(By::Kind) => v1::StatsGroupBy::Kind,
        };
        let request = v1::StatsRequest {
            namespace: namespace.clone(),
            group_by: group_by.into(),
            prefix_segments: self.segments,
            top_keys: self.top,
            include_what_if: self.what_if,
            include_recommendations: self.advice,
            include_trend: self.trend,
            window: self.window.map(to_proto),
        };
        let response = connection.calls.stats(request).await?;
        if output.wants_json() {
            output.json(&as_json(&namespace, &response))?;
        } else {
            show(&namespace, &response, output)?;
            if self.what_if && response.what_if.is_none() {
                output.note("what if: this server simulates nothing (insight.samples_max = 0)")?;
            }
            if self.advice {
                insight::advise(&response, output)?;
            }
        }
        Ok(Exit::Done)
    }
}

fn show(namespace: &str, response: &v1::StatsResponse, output: &mut Output) -> Result<(), Failure> {
    let total = response.total.clone().unwrap_or_default();
    output.rows(&[], &facts(namespace, &total, response))?;
    if !response.groups.is_empty() {
        output.line("")?;
        let rows: Vec<_> = response.groups.iter().map(|group| group_row(group, output)).collect();
        output.rows(&HEAD, &rows)?;
    }
    tiers::show(response, output)?;
    insight::show(response, output)?;
    let (paint, verdict) = verdict(&total, response.limits.as_ref());
    let verdict = output.paint(paint, &verdict);
    output.note(&verdict)
}

fn facts(namespace: &str, total: &v1::StatsGroup, response: &v1::StatsResponse) -> Vec<Vec<String>> {
    let limits = response.limits.unwrap_or_default();
    let of = |now: String, most: u64, text: fn(u64) -> String| match most {
        0 => now,
        most => format!("{now} of {}", text(most)),
    };
    let misses = by_name(&miss_counts(total));
    let removals = by_name(&removal_counts(total));
    let hits = format!(
        "{} ({} stale, {} negative)",
        human::count(total.hits + total.stale_hits + total.negative_hits),
        human::count(total.stale_hits),
        human::count(total.negative_hits)
    );
    let puts = format!("{} ({} unchanged, {} refused)", total.puts, total.refreshes, total.not_admitted);
    let mut rows = vec![
        vec!["namespace".to_owned(), human::escape(if namespace == "*" { "all" } else { namespace })],
        vec!["entries".to_owned(), of(human::count(total.entry_count), limits.entries_max, human::count)],
        vec!["memory".to_owned(), of(human::size(total.charged_bytes), limits.bytes_max, human::size)],
        vec!["hit ratio".to_owned(), human::share(total.hit_ratio)],
        vec!["hits".to_owned(), hits],
        vec!["misses".to_owned(), misses],
        vec!["puts".to_owned(), puts],
        vec!["removed".to_owned(), removals],
        vec!["compute saved".to_owned(), human::duration(from_proto(total.compute_saved.as_ref()))],
        vec!["compute spent".to_owned(), human::duration(from_proto(total.compute_spent.as_ref()))],
        vec!["lost to eviction".to_owned(), human::duration(from_proto(total.compute_lost_to_eviction.as_ref()))],
        vec!["waited for".to_owned(), waited(total)],
        vec!["leases".to_owned(), leases(total, response)],
        vec!["bookkeeping".to_owned(), format!("{:.0} B per entry", response.bookkeeping_bytes_per_entry)],
        vec!["rounding".to_owned(), human::size(total.rounding_bytes)],
        vec!["pinned".to_owned(), human::size(response.pinned_bytes)],
        vec!["watches".to_owned(), human::count(response.watch_count)],
        vec!["up for".to_owned(), human::duration(from_proto(response.uptime.as_ref()))],
    ];
    rows.extend(total.latency.iter().map(|latency| {
        let time = |seconds: f64| human::duration(std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default());
        let text = format!(
            "p50 {}, p99 {}, max {}",
            time(latency.p50_seconds),
            time(latency.p99_seconds),
            time(latency.max_seconds)
        );
        vec![human::escape(&format!("{} time", latency.verb)), text]
    }));
    rows
}

/// What others computed while a caller waited.
fn waited(total: &v1::StatsGroup) -> String {
    let avoided = total.leases.unwrap_or_default().stampedes_avoided;
    format!("{} ({} stampedes avoided)", human::count(total.coalesced), human::count(avoided))
}

fn leases(total: &v1::StatsGroup, response: &v1::StatsResponse) -> String {
    let now = format!("{} held, {} waiting", response.lease_count, response.lease_waiter_count);
    format!("{now}; so far {}", listed(&lease_counts(total)))
}

fn by_name(counts: &Map<String, Value>) -> String {
    let total: u64 = counts.values().filter_map(Value::as_u64).sum();
    match total {
        0 => "0".to_owned(),
        total => format!("{} ({})", human::count(total), listed(counts)),
    }
}

/// Those that are not zero, in a row.
fn listed(counts: &Map<String, Value>) -> String {
    let parts: Vec<String> = counts
        .iter()
        .filter_map(|(name, count)| Some((name, count.as_u64().filter(|count| *count > 0)?)))
        .map(|(name, count)| format!("{} {}", human::count(count), name.replace('_', " ")))
        .collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}

fn group_row(group: &v1::StatsGroup, output: &Output) -> Vec<String> {
    let name = if group.name.is_empty() { "(none)".to_owned() } else { output.name(&group.name) };
    vec![
        name,
        human::count(group.entry_count),
        human::size(group.charged_bytes),
        human::count(group.hits + group.stale_hits + group.negative_hits),
        human::count(misses(group)),
        human::share(group.hit_ratio),
        human::count(group.puts),
        human::count(evicted(group)),
        human::duration(from_proto(group.compute_saved.as_ref())),
        human::duration(from_proto(group.compute_spent.as_ref())),
    ]
}

fn misses(group: &v1::StatsGroup) -> u64 {
    group.misses.iter().map(|one| one.count).sum()
}

fn evicted(group: &v1::StatsGroup) -> u64 {
    let evicted = group.removals.iter().filter(|one| one.reason() == v1::RemovalReason::Evicted);
    evicted.map(|one| one.count).sum()
}

fn miss_counts(group: &v1::StatsGroup) -> Map<String, Value> {
    let named =
        |one: &v1::MissCount| (entry::bare(one.reason().as_str_name(), "MISS_REASON_").to_lowercase(), one.count);
    group.misses.iter().map(named).map(|(name, count)| (name, json!(count))).collect()
}

fn removal_counts(group: &v1::StatsGroup) -> Map<String, Value> {
    let named =
        |one: &v1::RemovalCount| (entry::bare(one.reason().as_str_name(), "REMOVAL_REASON_").to_lowercase(), one.count);
    group.removals.iter().map(named).map(|(name, count)| (name, json!(count))).collect()
}

fn lease_counts(group: &v1::StatsGroup) -> Map<String, Value> {
    let leases = group.leases.unwrap_or_default();
    let counts = [
        ("granted", leases.granted),
        ("extended", leases.extended),
        ("released", leases.released),
        ("lapsed", leases.lapsed),
        ("revoked", leases.revoked),
        ("lost", leases.lost),
        ("pending", leases.pending),
    ];
    counts.into_iter().map(|(name, count)| (name.to_owned(), json!(count))).collect()
}

/// One sentence: how it goes, and what to do when it does not go well.
fn verdict(total: &v1::StatsGroup, limits: Option<&v1::StatsLimits>) -> (Paint, String) {
    let missed = misses(total);
    let reads = total.hits + total.stale_hits + total.negative_hits + missed;
    if reads < READS_MIN {
        return (Paint::Notice, format!("verdict: {} reads are too few to judge", human::count(reads)));
    }
    let full = limits.is_some_and(|limits| {
        let near = |now: u64, most: u64| most > 0 && u128::from(now) * 10 >= u128::from(most) * 9;
        near(total.entry_count, limits.entries_max) || near(total.charged_bytes, limits.bytes_max)
    });
    let missed_as = |reason: v1::MissReason| -> u64 {
        total.misses.iter().filter(|one| one.reason() == reason).map(|one| one.count).sum()
    };
    let advice = if full && missed_as(v1::MissReason::Evicted) * 4 >= missed {
        "it is full and evicts what is read again: raise the memory limits"
    } else if missed_as(v1::MissReason::Expired) * 2 >= missed {
        "most misses are expired entries: longer lifetimes or --stale-for would help"
    } else if missed_as(v1::MissReason::Invalidated) * 2 >= missed {
        "most misses follow invalidations: drop smaller sets"
    } else {
        "most misses are keys that were never stored: check that writers and readers build the same keys, or preload"
    };
    let ratio = human::share(total.hit_ratio);
    match total.hit_ratio {
        ratio_now if ratio_now < 0.5 => (Paint::Bad, format!("verdict: {ratio} hits is low; {advice}")),
        ratio_now if ratio_now < 0.8 => (Paint::Notice, format!("verdict: {ratio} hits could be better; {advice}")),
        _ => (Paint::Good, format!("verdict: {ratio} of reads are hits, all is well")),
    }
}

fn as_json(namespace: &str, response: &v1::StatsResponse) -> Value {
    let mut object = group_json(&response.total.clone().unwrap_or_default());
    let limits = response.limits.unwrap_or_default();
    object.insert("namespace".to_owned(), json!(namespace));
    object.insert("entries_max".to_owned(), json!(limits.entries_max));
    object.insert("bytes_max".to_owned(), json!(limits.bytes_max));
    object.insert("uptime_seconds".to_owned(), json!(from_proto(response.uptime.as_ref()).as_secs_f64()));
    object.insert("watch_count".to_owned(), json!(response.watch_count));
    object.insert("pinned_bytes".to_owned(), json!(response.pinned_bytes));
    object.insert("lease_count".to_owned(), json!(response.lease_count));
    object.insert("lease_waiter_count".to_owned(), json!(response.lease_waiter_count));
    let groups: Vec<Value> = response.groups.iter().map(|group| Value::Object(group_json(group))).collect();
    object.insert("groups".to_owned(), Value::Array(groups));
    object.insert("tiers".to_owned(), response.tiers.iter().map(tiers::as_json).collect());
    insight::add_json(&mut object, response);
    Value::Object(object)
}

fn group_json(group: &v1::StatsGroup) -> Map<String, Value> {
    let latency: Map<String, Value> = group.latency.iter().map(latency_json).collect();
    let object = json!({
        "name": group.name,
        "hits": group.hits,
        "stale_hits": group.stale_hits,
        "negative_hits": group.negative_hits,
        "misses": misses(group),
        "misses_by_reason": miss_counts(group),
        "hit_ratio": group.hit_ratio,
        "puts": group.puts,
        "refreshes": group.refreshes,
        "not_admitted": group.not_admitted,
        "evictions": evicted(group),
        "removals": removal_counts(group),
        "entries": group.entry_count,
        "bytes": group.charged_bytes,
        "value_bytes": group.value_bytes,
        "bookkeeping_bytes": group.bookkeeping_bytes,
        "rounding_bytes": group.rounding_bytes,
        "compute_saved_seconds": from_proto(group.compute_saved.as_ref()).as_secs_f64(),
        "compute_lost_seconds": from_proto(group.compute_lost_to_eviction.as_ref()).as_secs_f64(),
        "compute_spent_seconds": from_proto(group.compute_spent.as_ref()).as_secs_f64(),
        "coalesced": group.coalesced,
        "stampedes_avoided": group.leases.unwrap_or_default().stampedes_avoided,
        "leases": lease_counts(group),
        "latency": latency,
    });
    match object {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

fn latency_json(latency: &v1::LatencyQuantiles) -> (String, Value) {
    let quantiles = json!({
        "count": latency.count,
        "p50_seconds": latency.p50_seconds,
        "p90_seconds": latency.p90_seconds,
        "p99_seconds": latency.p99_seconds,
        "max_seconds": latency.max_seconds,
    });
    (latency.verb.clone(), quantiles)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(hits: u64, misses: u64, reason: v1::MissReason) -> v1::StatsGroup {
        let hit_ratio = hits as f64 / (hits + misses) as f64;
        let misses = vec![v1::MissCount { reason: reason.into(), count: misses }];
        v1::StatsGroup { hits, misses, hit_ratio, entry_count: 10, ..Default::default() }
    }

    #[test]
    fn a_low_hit_ratio_says_what_to_do() {
        let text = |group: &v1::StatsGroup, limits: Option<&v1::StatsLimits>| verdict(group, limits).1;
        assert!(text(&group(9, 1, v1::MissReason::NeverStored), None).contains("too few"));
        assert!(text(&group(900, 100, v1::MissReason::NeverStored), None).contains("all is well"));
        assert!(text(&group(40, 60, v1::MissReason::Expired), None).contains("longer lifetimes"));
        assert!(text(&group(40, 60, v1::MissReason::NeverStored), None).contains("same keys"));
        let full = v1::StatsLimits { entries_max: 11, bytes_max: 0 };
        assert!(text(&group(40, 60, v1::MissReason::Evicted), Some(&full)).contains("raise the memory limits"));
    }

    #[test]
    fn the_keys_that_others_rely_on_are_there() {
        let response = v1::StatsResponse { total: Some(group(3, 1, v1::MissReason::Expired)), ..Default::default() };
        let object = as_json("default", &response);
        for key in ["hits", "misses", "hit_ratio", "entries", "entries_max", "bytes", "bytes_max", "groups"] {
            assert!(object.get(key).is_some(), "{key}");
        }
        assert_eq!((object["hits"].as_u64(), object["misses"].as_u64()), (Some(3), Some(1)));
        assert_eq!(object["misses_by_reason"]["expired"], 1);
    }
}
