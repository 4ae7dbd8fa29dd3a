//! Recommendations: what an operator should change, with the numbers that say so. Rules over counters, with fixed
//! thresholds; where there is too little to go by there is no advice. How it is shown is not decided here.

use std::{sync::Arc, time::Duration};

use super::{trend::Sums, what_if::Point};
use crate::{
    event::{MissReason, RemovalReason},
    stats::Group,
};

/// Gets below which nothing is advised.
pub const READS_MIN: u64 = 1000;
/// Time below which nothing is advised.
pub const WINDOW_MIN: Duration = Duration::from_secs(60);
/// Sampled Gets below which the curve is not relied on.
pub const SAMPLED_MIN: u64 = 256;
/// Growth is advised from this much more hit ratio,
const HIT_RATIO_GAIN_MIN: f64 = 0.02;
/// or from this much more compute saved, as a share of what is saved,
const SAVED_GAIN_MIN: f64 = 0.05;
/// and in any case from this share of the memory in use.
const USED_MIN: f64 = 0.8;
/// Less memory is advised up to this loss of hit ratio,
const HIT_RATIO_LOSS_MAX: f64 = 0.005;
/// and up to this loss of compute saved, as a share of it.
const SAVED_LOSS_MAX: f64 = 0.01;
/// A cause is worth telling from this share of the misses,
const MISS_SHARE_MIN: f64 = 0.5;
/// and from this share of all Gets.
const MISSES_OF_READS_MIN: f64 = 0.05;
/// Refused Puts are worth telling from this share of all,
const REFUSED_SHARE_MIN: f64 = 0.01;
/// and from this number.
const REFUSED_MIN: u64 = 10;
/// A prefix is too heavy from this share of the bytes,
const HEAVY_BYTES_MIN: f64 = 0.5;
/// up to this share of the hits.
const HEAVY_HITS_MAX: f64 = 0.05;
/// Costs should be known of at least this share of the hits.
const PRICED_MIN: f64 = 0.5;
/// Keys seldom repeat below this hit ratio,
const SELDOM_HIT_RATIO_MAX: f64 = 0.3;
/// when this share of the misses was never stored before.
const SELDOM_NEW_MIN: f64 = 0.8;
/// Entries are what is short from this share of their limit.
const ENTRIES_FULL_MIN: f64 = 0.95;

/// What rules look at.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// What happened over some time.
    pub sums: Sums,
    /// How long that was.
    pub window: Duration,
    /// What the curve is; empty where there is none.
    pub curve: &'a [Point],
    /// Bytes charged now, and at most.
    pub bytes: (u64, u64),
    /// Entries now, and at most.
    pub entries: (u64, u64),
    /// Whether the policy looks at compute costs.
    pub by_cost: bool,
    /// Counters by prefix.
    pub prefixes: &'a [Group],
    /// Counters by kind.
    pub kinds: &'a [Group],
}

/// One recommendation.
#[derive(Clone, Debug, PartialEq)]
pub struct Advice {
    /// What to switch on, in `UPPER_SNAKE_CASE`.
    pub code: &'static str,
    /// What to do and why.
    pub sentence: String,
    /// The prefix or kind it is about; empty for the namespace.
    pub subject: Arc<str>,
    /// The numbers behind it.
    pub evidence: Vec<(&'static str, f64)>,
}

/// All that is advised, what saves most first.
#[must_use]
pub fn advise(evidence: &Evidence<'_>) -> Vec<Advice> {
    if evidence.sums.reads() < READS_MIN || evidence.window < WINDOW_MIN {
        return Vec::new();
    }
    let rules = [
        grow_memory,
        raise_entries,
        shrink_memory,
        values_refused,
        lengthen_ttl,
        narrow_invalidation,
        keys_seldom_repeat,
        heavy_prefix,
        set_compute_costs,
    ];
    rules.into_iter().filter_map(|rule| rule(evidence)).collect()
}

#[expect(clippy::cast_precision_loss, reason = "shares need no more digits")]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// Minutes of compute an hour.
fn hourly(seconds: f64, window: Duration) -> String {
    format!("{:.1} min", seconds / 60.0 * 3600.0 / window.as_secs_f64().max(1.0))
}

impl Evidence<'_> {
    fn point(&self, factor: f64) -> Option<Point> {
        let enough = self.sums.tally.sampled >= SAMPLED_MIN;
        self.curve.iter().copied().find(|point| (point.factor - factor).abs() < 1e-9).filter(|_| enough)
    }

    fn missed(&self, reason: MissReason) -> u64 {
        self.sums.misses[reason as usize]
    }

    /// Share of the misses that have this reason, where that is worth telling.
    fn main_reason(&self, reason: MissReason) -> Option<f64> {
        let of_misses = share(self.missed(reason), self.sums.missed());
        let of_reads = share(self.missed(reason), self.sums.reads());
        (of_misses >= MISS_SHARE_MIN && of_reads >= MISSES_OF_READS_MIN).then_some(of_misses)
    }

    /// What another size of the memory would change.
    fn change(&self, now: Point, then: Point) -> Vec<(&'static str, f64)> {
        #[expect(clippy::cast_precision_loss, reason = "a number to read")]
        let bytes = self.bytes.1 as f64;
        vec![
            ("bytes_max_now", bytes),
            ("bytes_max_then", bytes * then.factor),
            ("hit_ratio_now", now.hit_ratio),
            ("hit_ratio_then", then.hit_ratio),
            ("compute_saved_seconds_now", now.saved),
            ("compute_saved_seconds_then", then.saved),
            ("window_seconds", self.window.as_secs_f64()),
        ]
    }
}

fn grow_memory(evidence: &Evidence<'_>) -> Option<Advice> {
    let (now, then) = (evidence.point(1.0)?, evidence.point(2.0)?);
    let full = share(evidence.bytes.0, evidence.bytes.1) >= USED_MIN && evidence.sums.evictions > 0;
    let (more, saved) = (then.hit_ratio - now.hit_ratio, then.saved - now.saved);
    if !full || (more < HIT_RATIO_GAIN_MIN && saved < now.saved.max(1.0) * SAVED_GAIN_MIN) {
        return None;
    }
    let sentence = format!(
        "double bytes_max: the hit ratio would go from {} to {} and save {} more compute an hour",
        percent(now.hit_ratio),
        percent(then.hit_ratio),
        hourly(saved.max(0.0), evidence.window)
    );
    Some(Advice { code: "GROW_MEMORY", sentence, subject: Arc::default(), evidence: evidence.change(now, then) })
}

fn shrink_memory(evidence: &Evidence<'_>) -> Option<Advice> {
    let (now, then) = (evidence.point(1.0)?, evidence.point(0.5)?);
    if grow_memory(evidence).is_some() {
        return None;
    }
    let (lost, saved) = (now.hit_ratio - then.hit_ratio, now.saved - then.saved);
    if lost > HIT_RATIO_LOSS_MAX || saved > now.saved * SAVED_LOSS_MAX {
        return None;
    }
    let sentence = format!(
        "half of bytes_max would do: it would lose {:.1} points of the hit ratio of {} and {} of compute an hour",
        lost.max(0.0) * 100.0,
        percent(now.hit_ratio),
        hourly(saved.max(0.0), evidence.window)
    );
    Some(Advice { code: "SHRINK_MEMORY", sentence, subject: Arc::default(), evidence: evidence.change(now, then) })
}

fn raise_entries(evidence: &Evidence<'_>) -> Option<Advice> {
    let (full, bytes) = (share(evidence.entries.0, evidence.entries.1), share(evidence.bytes.0, evidence.bytes.1));
    if full < ENTRIES_FULL_MIN || bytes >= USED_MIN || evidence.sums.evictions == 0 {
        return None;
    }
    let sentence = format!(
        "raise entries_max: {} of the entries allowed are there while {} of the bytes are used",
        percent(full),
        percent(bytes)
    );
    let numbers = vec![("entries_share", full), ("bytes_share", bytes)];
    Some(Advice { code: "RAISE_ENTRIES_MAX", sentence, subject: Arc::default(), evidence: numbers })
}

#[expect(clippy::cast_precision_loss, reason = "a number to read")]
fn values_refused(evidence: &Evidence<'_>) -> Option<Advice> {
    let refused = evidence.sums.not_admitted;
    let of_puts = share(refused, evidence.sums.puts + refused);
    if refused < REFUSED_MIN || of_puts < REFUSED_SHARE_MIN {
        return None;
    }
    let kind = evidence.kinds.iter().max_by_key(|kind| kind.not_admitted);
    let subject = kind.map(|kind| kind.name.clone()).unwrap_or_default();
    let sentence = format!(
        "{} of the values put were refused because they are too large for what they save: raise bytes_max, or store less \
         of each",
        percent(of_puts)
    );
    let numbers = vec![("refused", refused as f64), ("refused_share", of_puts)];
    Some(Advice { code: "VALUES_REFUSED", sentence, subject, evidence: numbers })
}

fn lengthen_ttl(evidence: &Evidence<'_>) -> Option<Advice> {
    let of_misses = evidence.main_reason(MissReason::Expired)?;
    let expired = |kind: &Group| kind.removals.get(&RemovalReason::Expired).copied().unwrap_or(0);
    let kind = evidence.kinds.iter().max_by_key(|kind| expired(kind)).filter(|kind| !kind.name.is_empty());
    let subject: Arc<str> = kind.map(|kind| kind.name.clone()).unwrap_or_default();
    let sentence = format!(
        "{} of the misses asked for entries whose TTL had run out: lengthen the TTL{}, or allow stale answers \
         (stale_for) while one caller renews",
        percent(of_misses),
        if subject.is_empty() { "" } else { " of the kind named here" }
    );
    let of_reads = share(evidence.missed(MissReason::Expired), evidence.sums.reads());
    let numbers = vec![("expired_share_of_misses", of_misses), ("expired_share_of_reads", of_reads)];
    Some(Advice { code: "LENGTHEN_TTL", sentence, subject, evidence: numbers })
}

fn narrow_invalidation(evidence: &Evidence<'_>) -> Option<Advice> {
    let of_misses = evidence.main_reason(MissReason::Invalidated)?;
    let sentence = format!(
        "{} of the misses asked for entries that had been invalidated: select less at once, by tag or key instead of by \
         prefix or namespace",
        percent(of_misses)
    );
    let of_reads = share(evidence.missed(MissReason::Invalidated), evidence.sums.reads());
    let numbers = vec![("invalidated_share_of_misses", of_misses), ("invalidated_share_of_reads", of_reads)];
    Some(Advice { code: "NARROW_INVALIDATION", sentence, subject: Arc::default(), evidence: numbers })
}

fn keys_seldom_repeat(evidence: &Evidence<'_>) -> Option<Advice> {
    let hit_ratio = share(evidence.sums.hits, evidence.sums.reads());
    let new = share(evidence.missed(MissReason::NeverStored), evidence.sums.missed());
    if hit_ratio >= SELDOM_HIT_RATIO_MAX || new < SELDOM_NEW_MIN {
        return None;
    }
    let sentence = format!(
        "{} of the misses asked for keys that were never stored: look for something in the keys that differs from call \
         to call (a time, an id), or see whether callers store what they computed",
        percent(new)
    );
    let numbers = vec![("hit_ratio", hit_ratio), ("never_stored_share_of_misses", new)];
    Some(Advice { code: "KEYS_SELDOM_REPEAT", sentence, subject: Arc::default(), evidence: numbers })
}

fn heavy_prefix(evidence: &Evidence<'_>) -> Option<Advice> {
    let (bytes, hits) = (
        evidence.prefixes.iter().map(|group| group.charged_bytes).sum(),
        evidence.prefixes.iter().map(|group| group.hits).sum::<u64>(),
    );
    let heaviest = evidence.prefixes.iter().max_by_key(|group| group.charged_bytes)?;
    let (of_bytes, of_hits) = (share(heaviest.charged_bytes, bytes), share(heaviest.hits, hits));
    let crowded = share(evidence.bytes.0, evidence.bytes.1) >= USED_MIN;
    if hits < READS_MIN || !crowded || of_bytes < HEAVY_BYTES_MIN || of_hits > HEAVY_HITS_MAX {
        return None;
    }
    let sentence = format!(
        "the keys under the prefix named here take {} of the bytes and give {} of the hits: give them a namespace with a \
         bytes_max of its own, or a shorter TTL",
        percent(of_bytes),
        percent(of_hits)
    );
    let numbers = vec![("bytes_share", of_bytes), ("hits_share", of_hits)];
    Some(Advice { code: "HEAVY_PREFIX", sentence, subject: heaviest.name.clone(), evidence: numbers })
}

fn set_compute_costs(evidence: &Evidence<'_>) -> Option<Advice> {
    let priced = share(evidence.sums.priced_hits, evidence.sums.hits);
    if !evidence.by_cost || evidence.sums.hits < READS_MIN || priced >= PRICED_MIN {
        return None;
    }
    let sentence = format!(
        "what computing it cost is known of {} of what is read: set compute_cost when putting, so that what is dear stays \
         longest",
        percent(priced)
    );
    Some(Advice {
        code: "SET_COMPUTE_COSTS",
        sentence,
        subject: Arc::default(),
        evidence: vec![("priced_share_of_hits", priced)],
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{super::what_if::Tally, *};

    const FULL: (u64, u64) = (90, 100);

    fn point(factor: f64, hit_ratio: f64, saved: f64) -> Point {
        Point { factor, hit_ratio, saved }
    }

    fn reads(hits: u64, six: [u64; 6]) -> Sums {
        let mut misses = [0; MissReason::ALL.len()];
        misses[..six.len()].copy_from_slice(&six);
        let tally = Tally { sampled: SAMPLED_MIN, ..Tally::default() };
        Sums { hits, priced_hits: hits, misses, evictions: 5, tally, ..Sums::default() }
    }

    fn evidence(sums: Sums) -> Evidence<'static> {
        let window = Duration::from_secs(3600);
        let (curve, prefixes, kinds) = (&[][..], &[][..], &[][..]);
        Evidence { sums, window, curve, bytes: FULL, entries: (1, 100), by_cost: true, prefixes, kinds }
    }

    fn codes(evidence: &Evidence<'_>) -> Vec<&'static str> {
        advise(evidence).iter().map(|advice| advice.code).collect()
    }

    #[test]
    fn nothing_is_advised_without_enough_data() {
        let curve = [point(0.5, 0.2, 1.0), point(1.0, 0.61, 600.0), point(2.0, 0.74, 792.0)];
        let few = Evidence { curve: &curve, ..evidence(reads(610, [0, 0, 389, 0, 0, 0])) };
        assert!(codes(&few).is_empty(), "999 reads");
        let enough = Evidence { curve: &curve, ..evidence(reads(611, [0, 0, 389, 0, 0, 0])) };
        assert_eq!(codes(&enough), ["GROW_MEMORY"]);
        assert!(codes(&Evidence { window: WINDOW_MIN / 2, ..enough }).is_empty(), "too short a time");
        let mut thin = enough;
        thin.sums.tally.sampled = SAMPLED_MIN - 1;
        assert!(codes(&thin).is_empty(), "too small a sample");
    }

    #[test]
    fn more_memory_is_advised_where_it_helps_and_is_short() {
        let curve = [point(1.0, 0.61, 600.0), point(2.0, 0.74, 792.0)];
        let base = Evidence { curve: &curve, ..evidence(reads(6100, [0, 0, 3900, 0, 0, 0])) };
        let advice = advise(&base).remove(0);
        assert_eq!(
            advice.sentence,
            "double bytes_max: the hit ratio would go from 61.0 % to 74.0 % and save 3.2 min more compute an hour"
        );
        assert!(advice.evidence.contains(&("bytes_max_then", 200.0)), "{advice:?}");
        assert!(codes(&Evidence { bytes: (79, 100), ..base }).is_empty(), "there is room");
        let flat = [point(1.0, 0.61, 600.0), point(2.0, 0.629, 629.0)];
        assert!(codes(&Evidence { curve: &flat, ..base }).is_empty(), "it would not help");
        let dear = [point(1.0, 0.61, 600.0), point(2.0, 0.615, 631.0)];
        assert_eq!(codes(&Evidence { curve: &dear, ..base }), ["GROW_MEMORY"], "few hits, but dear ones");
    }

    #[test]
    fn less_memory_is_advised_where_it_costs_nothing() {
        let curve = [point(0.5, 0.897, 995.0), point(1.0, 0.9, 1000.0), point(2.0, 0.901, 1001.0)];
        let base = Evidence { curve: &curve, ..evidence(reads(9000, [1000, 0, 0, 0, 0, 0])) };
        let advice = advise(&base).remove(0);
        assert_eq!(advice.code, "SHRINK_MEMORY");
        assert!(advice.sentence.contains("lose 0.3 points of the hit ratio of 90.0 %"), "{}", advice.sentence);
        let steep = [point(0.5, 0.894, 995.0), point(1.0, 0.9, 1000.0), point(2.0, 0.901, 1001.0)];
        assert!(codes(&Evidence { curve: &steep, ..base }).is_empty());
        let dear = [point(0.5, 0.899, 980.0), point(1.0, 0.9, 1000.0), point(2.0, 0.901, 1001.0)];
        assert!(codes(&Evidence { curve: &dear, ..base }).is_empty());
    }

    #[test]
    fn misses_are_explained_by_their_main_reason() {
        let removals = BTreeMap::from([(RemovalReason::Expired, 9)]);
        let kinds = [Group { name: Arc::from("qa"), removals, not_admitted: 40, ..Group::default() }];
        let expiring = Evidence { kinds: &kinds, ..evidence(reads(9400, [200, 400, 0, 0, 0, 0])) };
        assert!(codes(&expiring).is_empty(), "4 % of the reads");
        let expiring = Evidence { kinds: &kinds, ..evidence(reads(9000, [400, 600, 0, 0, 0, 0])) };
        let advice = advise(&expiring).remove(0);
        assert_eq!((advice.code, &*advice.subject), ("LENGTHEN_TTL", "qa"));
        assert_eq!(codes(&evidence(reads(9000, [400, 0, 0, 600, 0, 0]))), ["NARROW_INVALIDATION"]);
        assert_eq!(codes(&evidence(reads(290, [710, 0, 0, 0, 0, 0]))), ["KEYS_SELDOM_REPEAT"]);
        assert!(codes(&evidence(reads(300, [700, 0, 0, 0, 0, 0]))).is_empty());
    }

    #[test]
    fn refusals_and_full_tables_are_told() {
        let mut sums = reads(1000, [0; 6]);
        (sums.puts, sums.not_admitted) = (990, 10);
        assert_eq!(codes(&evidence(sums)), ["VALUES_REFUSED"]);
        sums.not_admitted = 9;
        assert!(codes(&evidence(sums)).is_empty());
        let crowded = Evidence { entries: (95, 100), bytes: (10, 100), ..evidence(reads(1000, [0; 6])) };
        assert_eq!(codes(&crowded), ["RAISE_ENTRIES_MAX"]);
        assert!(codes(&Evidence { entries: (94, 100), ..crowded }).is_empty());
    }

    #[test]
    fn a_prefix_that_takes_much_and_gives_little_is_named() {
        let group =
            |name: &str, charged_bytes, hits| Group { name: Arc::from(name), charged_bytes, hits, ..Group::default() };
        let prefixes = [group("bulk", 80, 20), group("small", 20, 980)];
        let base = Evidence { prefixes: &prefixes, ..evidence(reads(1000, [0; 6])) };
        let advice = advise(&base).remove(0);
        assert_eq!((advice.code, &*advice.subject), ("HEAVY_PREFIX", "bulk"));
        assert!(codes(&Evidence { bytes: (50, 100), ..base }).is_empty(), "nothing is short");
    }

    #[test]
    fn unknown_costs_are_told_where_the_policy_uses_them() {
        let mut sums = reads(1000, [0; 6]);
        sums.priced_hits = 499;
        assert_eq!(codes(&evidence(sums)), ["SET_COMPUTE_COSTS"]);
        assert!(codes(&Evidence { by_cost: false, ..evidence(sums) }).is_empty());
        sums.priced_hits = 500;
        assert!(codes(&evidence(sums)).is_empty());
    }
}
