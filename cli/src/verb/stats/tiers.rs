//! How the tiers besides memory are, as a table and as JSON.

use hotplate::v1;
use serde_json::{Value, json};

use crate::{
    duration::from_proto,
    exit::Failure,
    output::{Output, entry, human},
};

const HEAD: [&str; 10] =
    ["TIER", "STATE", "ENTRIES", "BYTES", "HITS", "MISSES", "PUTS", "DROPPED", "EVICTED", "ERRORS"];

/// Shows what there is of it.
pub(super) fn show(response: &v1::StatsResponse, output: &mut Output) -> Result<(), Failure> {
    if response.tiers.is_empty() {
        return Ok(());
    }
    output.line("")?;
    output.rows(&HEAD, &response.tiers.iter().map(row).collect::<Vec<_>>())?;
    for tier in &response.tiers {
        let name = entry::tier(tier.tier);
        if !tier.why.is_empty() {
            let place = if tier.place.is_empty() { String::new() } else { format!(" at {}", tier.place) };
            output.note(&format!("{name}{}: {}", human::escape(&place), human::escape(&tier.why)))?;
        }
        if let Some(ratio) = ratio(tier.codec.as_ref()) {
            output.note(&format!("{name}: values are stored as {} of their bytes", human::share(ratio)))?;
        }
        if tier.corrupt > 0 {
            output.warn(&format!("{name}: {} damaged, dropped and not served", human::entries(tier.corrupt)))?;
        }
    }
    Ok(())
}

fn row(tier: &v1::TierStats) -> Vec<String> {
    let known = |number: Option<u64>, text: fn(u64) -> String| number.map_or_else(|| "-".to_owned(), text);
    let bytes = match (tier.bytes, tier.bytes_max) {
        (Some(bytes), Some(max)) => format!("{} of {}", human::size(bytes), human::size(max)),
        (bytes, _) => known(bytes, human::size),
    };
    vec![
        entry::tier(tier.tier).to_owned(),
        health(tier),
        known(tier.entry_count, human::count),
        bytes,
        human::count(tier.hits),
        human::count(tier.misses),
        human::count(tier.puts),
        human::count(tier.dropped.values().sum()),
        human::count(tier.evicted),
        human::count(tier.errors.values().sum()),
    ]
}

fn health(tier: &v1::TierStats) -> String {
    entry::bare(tier.health().as_str_name(), "TIER_HEALTH_").to_lowercase()
}

/// Bytes stored for each byte that came in, where anything was compressed.
#[expect(clippy::cast_precision_loss, reason = "a share needs no more digits than a float has")]
fn ratio(codec: Option<&v1::CodecStats>) -> Option<f64> {
    let codec = codec.filter(|codec| codec.raw_bytes > 0 && codec.compressed_count > 0)?;
    Some(codec.stored_bytes as f64 / codec.raw_bytes as f64)
}

/// The same for programs; every key is there.
pub(super) fn as_json(tier: &v1::TierStats) -> Value {
    let codec = tier.codec.unwrap_or_default();
    json!({
        "tier": entry::tier(tier.tier),
        "health": health(tier),
        "why": tier.why,
        "place": tier.place,
        "entries": tier.entry_count,
        "bytes": tier.bytes,
        "bytes_max": tier.bytes_max,
        "memory_bytes": tier.memory_bytes,
        "hits": tier.hits,
        "misses": tier.misses,
        "puts": tier.puts,
        "dropped": tier.dropped,
        "evicted": tier.evicted,
        "corrupt": tier.corrupt,
        "errors": tier.errors,
        "debt": tier.debt,
        "recovery_seconds": tier.recovery.as_ref().map(|took| from_proto(Some(took)).as_secs_f64()),
        "codec": {
            "raw_bytes": codec.raw_bytes,
            "stored_bytes": codec.stored_bytes,
            "compressed": codec.compressed_count,
            "plain": codec.plain_count,
            "compressing_seconds": from_proto(codec.compressing.as_ref()).as_secs_f64(),
            "decompressing_seconds": from_proto(codec.decompressing.as_ref()).as_secs_f64(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_told_from_nothing() {
        let tier = v1::TierStats { tier: v1::Tier::Disk.into(), bytes: Some(0), ..Default::default() };
        let shown = row(&tier);
        assert_eq!((shown[0].as_str(), shown[2].as_str(), shown[3].as_str()), ("disk", "-", "0 B"));
        let json = as_json(&tier);
        assert!(json["entries"].is_null() && json["bytes"] == 0 && json["tier"] == "disk", "{json}");
        assert_eq!(ratio(Some(&v1::CodecStats::default())), None);
    }
}
