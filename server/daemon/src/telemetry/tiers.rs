//! What a scrape tells of tiers beside memory: the state of each, encoded by the documented list.

use std::fmt::Error;

use hotplate_engine::tier::{
    BreakerState, CallsState, CodecState, LATENCY_BUCKETS, Latency, TierHealth, TierName, TierState,
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, NoLabelSet},
    metrics::MetricType,
};

use super::{
    names::{Metric, tiers as names},
    view::{Number, Sample, encode},
};

/// The states of the tiers there are, and what compressing in memory came to where that is asked for.
#[derive(Debug)]
pub(super) struct TiersView(pub(super) Vec<(TierName, TierState)>, pub(super) Option<CodecState>);

impl TiersView {
    /// A number of each tier that knows it.
    fn each(&self, number: impl Fn(&TierState) -> Option<Number>) -> Vec<Sample> {
        let sample = |(name, state): &(TierName, TierState)| Some((vec![name.word().to_owned()], number(state)?));
        self.0.iter().filter_map(sample).collect()
    }

    /// A whole number of each tier.
    fn whole(&self, number: impl Fn(&TierState) -> u64) -> Vec<Sample> {
        self.each(|state| Some(Number::Whole(number(state))))
    }

    /// Numbers of each tier by a second label.
    fn by(&self, parts: impl Fn(&TierState) -> Vec<(&'static str, Number)>) -> Vec<Sample> {
        let mut samples = Vec::new();
        for (name, state) in &self.0 {
            let of_tier = parts(state).into_iter();
            samples.extend(of_tier.map(|(part, number)| (vec![name.word().to_owned(), part.to_owned()], number)));
        }
        samples
    }

    /// What compressing came to, from fast to slow.
    fn codecs(&self) -> impl Iterator<Item = (TierName, CodecState)> {
        let memory = self.1.iter().map(|state| (TierName::Memory, *state));
        memory.chain(self.0.iter().map(|(name, state)| (*name, state.codec)))
    }

    fn codec(&self, number: fn(&CodecState) -> u64) -> Vec<Sample> {
        let sample =
            |(name, state): (TierName, CodecState)| (vec![name.word().to_owned()], Number::Whole(number(&state)));
        self.codecs().map(sample).collect()
    }

    fn codec_by(&self, parts: fn(&CodecState) -> [(&'static str, Number); 2]) -> Vec<Sample> {
        let of_tier = |(name, state): (TierName, CodecState)| {
            parts(&state).map(|(part, number)| (vec![name.word().to_owned(), part.to_owned()], number))
        };
        self.codecs().flat_map(of_tier).collect()
    }

    fn samples(&self) -> Vec<(&'static Metric, Vec<Sample>)> {
        let calls = |pick: fn(&CallsState) -> u64| self.each(|state| state.calls.as_ref().map(pick).map(Number::Whole));
        let optional = |pick: fn(&TierState) -> Option<u64>| self.each(|state| pick(state).map(Number::Whole));
        vec![
            (&names::HEALTH, self.by(health)),
            (&names::BREAKER, self.by(breaker)),
            (&names::BREAKER_OPENINGS, calls(|calls| calls.opened)),
            (&names::HITS, self.whole(|state| state.hits)),
            (&names::MISSES, self.whole(|state| state.misses)),
            (&names::PUTS, self.whole(|state| state.puts)),
            (&names::DROPPED, self.by(|state| counted(&state.dropped))),
            (&names::EVICTED, self.whole(|state| state.evicted)),
            (&names::CORRUPT, self.whole(|state| state.corrupt)),
            (&names::ERRORS, self.by(|state| counted(&state.errors))),
            (&names::CALLS_IN_FLIGHT, calls(|calls| calls.in_flight)),
            (&names::HEDGED_READS, calls(|calls| calls.hedged)),
            (&names::ENTRIES, optional(|state| state.entries)),
            (&names::BYTES, optional(|state| state.bytes)),
            (&names::BYTES_MAX, optional(|state| state.bytes_max)),
            (&names::MEMORY_BYTES, self.whole(|state| state.memory_bytes)),
            (&names::DEBT, self.whole(|state| state.debt)),
            (&names::RECOVERY, self.each(|state| Some(Number::Broken(state.recovery?.as_secs_f64())))),
            (&names::CODEC_RAW, self.codec(|codec| codec.raw_bytes)),
            (&names::CODEC_STORED, self.codec(|codec| codec.stored_bytes)),
            (&names::CODEC_VALUES, self.codec_by(codec_values)),
            (&names::CODEC_SECONDS, self.codec_by(codec_seconds)),
        ]
    }

    fn encode_durations(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let row = &names::CALL_DURATION;
        let mut family = encoder.encode_descriptor(row.name, &row.sentence(), None, MetricType::Histogram)?;
        for (name, state) in &self.0 {
            let Some(calls) = &state.calls else { continue };
            let latency = &calls.latency;
            let labels = [(row.labels[0], name.word())];
            let mut sample = family.encode_family(&labels)?;
            let (sum, buckets) = (latency.sum.as_secs_f64(), buckets(latency));
            sample.encode_histogram::<NoLabelSet>(sum, latency.count, &buckets, None)?;
        }
        Ok(())
    }
}

impl Collector for TiersView {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        for (metric, samples) in self.samples() {
            encode(&mut encoder, metric, &samples)?;
        }
        self.encode_durations(&mut encoder)
    }
}

/// What was longer than the last bucket is in one without end.
fn buckets(latency: &Latency) -> Vec<(f64, u64)> {
    let mut buckets: Vec<(f64, u64)> =
        (0..LATENCY_BUCKETS).map(|bucket| (Latency::upper(bucket).as_secs_f64(), latency.buckets[bucket])).collect();
    buckets.push((f64::INFINITY, latency.count.saturating_sub(latency.buckets.iter().sum())));
    buckets
}

fn health(state: &TierState) -> Vec<(&'static str, Number)> {
    let all = [TierHealth::Up, TierHealth::CatchingUp, TierHealth::Degraded, TierHealth::Away];
    all.map(|health| (health.word(), Number::Whole(u64::from(health == state.health)))).to_vec()
}

fn breaker(state: &TierState) -> Vec<(&'static str, Number)> {
    let Some(calls) = &state.calls else { return Vec::new() };
    let is = |breaker: BreakerState| (breaker.word(), Number::Whole(u64::from(breaker == calls.breaker)));
    BreakerState::ALL.map(is).to_vec()
}

fn counted(parts: &[(&'static str, u64)]) -> Vec<(&'static str, Number)> {
    parts.iter().map(|(part, count)| (*part, Number::Whole(*count))).collect()
}

fn codec_values(codec: &CodecState) -> [(&'static str, Number); 2] {
    [("compressed", Number::Whole(codec.compressed)), ("plain", Number::Whole(codec.plain))]
}

fn codec_seconds(codec: &CodecState) -> [(&'static str, Number); 2] {
    let seconds = |time: std::time::Duration| Number::Broken(time.as_secs_f64());
    [("compressing", seconds(codec.compressing)), ("decompressing", seconds(codec.decompressing))]
}
