//! Counts calls and how long they took without a lock: every call of every thread passes here.

use std::{
    fmt::Error,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, NoLabelSet},
    metrics::MetricType,
};
use tonic::Code;

use super::{CallRecord, names};

/// RPCs whose time to the answer is counted.
const UNARY: [&str; 15] = [
    "Get",
    "BatchGet",
    "Put",
    "BatchPut",
    "Touch",
    "Invalidate",
    "Stats",
    "UpdateWatch",
    "Revalidate",
    "ListEntries",
    "ExplainKey",
    "ExtendLease",
    "ReleaseLease",
    "GetServerInfo",
    "QueryWrite",
];
/// RPCs whose duration says how long somebody listened, not how long the server took.
const STREAMS: [&str; 5] = ["Pipeline", "Preload", "ReadValue", "Watch", "WriteValue"];
/// Calls of no RPC we know.
const UNKNOWN: &str = "_unknown";
const CODES: usize = 17;
/// Upper bounds of the buckets: 50 microseconds, doubled 15 times; one more bucket has no bound.
const BUCKETS: usize = 16;
const FIRST_BUCKET_NANOS: u64 = 50_000;

/// The counters of all RPCs.
#[derive(Debug)]
pub(super) struct Calls(Vec<Rpc>);

#[derive(Debug)]
struct Rpc {
    name: &'static str,
    codes: [AtomicU64; CODES],
    /// One more than there are bounds.
    buckets: [AtomicU64; BUCKETS + 1],
    sum_nanos: AtomicU64,
}

impl Calls {
    pub(super) fn new() -> Self {
        let names = UNARY.into_iter().chain(STREAMS).chain([UNKNOWN]);
        Self(names.map(Rpc::new).collect())
    }

    /// Counts so many calls of which this is one.
    pub(super) fn count(&self, record: &CallRecord<'_>, times: u64) {
        let known = self.0.iter().find(|rpc| rpc.name == record.rpc);
        if let Some(rpc) = known.or(self.0.last()) {
            rpc.count(record.code, record.elapsed, times);
        }
    }
}

impl Rpc {
    fn new(name: &'static str) -> Self {
        Self { name, codes: Default::default(), buckets: Default::default(), sum_nanos: AtomicU64::new(0) }
    }

    fn count(&self, code: Code, elapsed: Duration, times: u64) {
        let nanos = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        let bucket = (0..BUCKETS).find(|bucket| nanos <= FIRST_BUCKET_NANOS << bucket).unwrap_or(BUCKETS);
        self.codes[code as usize].fetch_add(times, Ordering::Relaxed);
        self.buckets[bucket].fetch_add(times, Ordering::Relaxed);
        self.sum_nanos.fetch_add(nanos.saturating_mul(times), Ordering::Relaxed);
    }

    /// Calls by code: those that happened, and OK from the start, so that a rate can be told of the first one.
    fn by_code(&self) -> impl Iterator<Item = (Code, u64)> {
        let counted = self.codes.iter().enumerate().map(|(code, count)| {
            let code = i32::try_from(code).map_or(Code::Unknown, Code::from_i32);
            (code, count.load(Ordering::Relaxed))
        });
        let told_from_start = self.name != UNKNOWN;
        counted.filter(move |(code, count)| *count > 0 || (told_from_start && *code == Code::Ok))
    }

    /// Upper bound in seconds and calls of each bucket.
    fn by_duration(&self) -> Vec<(f64, u64)> {
        let bound = |bucket: usize| match bucket {
            BUCKETS => f64::INFINITY,
            _ => (FIRST_BUCKET_NANOS << bucket) as f64 / 1e9,
        };
        self.buckets.iter().enumerate().map(|(n, count)| (bound(n), count.load(Ordering::Relaxed))).collect()
    }
}

impl Collector for Calls {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let calls = &names::CALLS;
        let mut family = encoder.encode_descriptor(calls.name, &calls.sentence(), None, MetricType::Counter)?;
        for rpc in &self.0 {
            for (code, count) in rpc.by_code() {
                let labels = [(calls.labels[0], rpc.name), (calls.labels[1], code_name(code))];
                family.encode_family(&labels)?.encode_counter::<NoLabelSet, u64, u64>(&count, None)?;
            }
        }
        let durations = &names::CALL_DURATION;
        let help = durations.sentence();
        let mut family = encoder.encode_descriptor(durations.name, &help, None, MetricType::Histogram)?;
        for rpc in self.0.iter().filter(|rpc| UNARY.contains(&rpc.name)) {
            let buckets = rpc.by_duration();
            let count = buckets.iter().map(|(_, count)| count).sum();
            let seconds = Duration::from_nanos(rpc.sum_nanos.load(Ordering::Relaxed)).as_secs_f64();
            let labels = [(durations.labels[0], rpc.name)];
            family.encode_family(&labels)?.encode_histogram::<NoLabelSet>(seconds, count, &buckets, None)?;
        }
        Ok(())
    }
}

/// The name of a status code as the gRPC documents write it.
pub(super) fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_rpc_of_the_contract_is_counted_by_its_name() {
        let permissions = crate::access::Permissions::of_contract();
        let contract: BTreeSet<&str> = permissions.iter().filter_map(|(path, _)| path.rsplit('/').next()).collect();
        assert_eq!(contract, UNARY.into_iter().chain(STREAMS).collect());
    }

    #[test]
    fn durations_fall_into_the_bucket_of_their_bound() {
        let rpc = Rpc::new("Get");
        for nanos in [0, 50_000, 50_001, 100_000, 50_000 << 15, (50_000 << 15) + 1] {
            rpc.count(Code::Ok, Duration::from_nanos(nanos), 1);
        }
        let counts: Vec<u64> = rpc.by_duration().into_iter().map(|(_, count)| count).collect();
        assert_eq!((counts[0], counts[1], counts[15], counts[16]), (2, 2, 1, 1));
        assert_eq!(rpc.by_code().collect::<Vec<_>>(), [(Code::Ok, 6)]);
    }
}
