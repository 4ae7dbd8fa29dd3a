//! What is compared with what, and what has to come out: one row for each line of the comparison. How it is measured is told
//! by the scenes.

use crate::{scene::Scene, side::Side};

/// What is looked at in a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quantity {
    /// Operations a second.
    Throughput,
    /// Time of the server's processors for an operation, us.
    Cpu,
    /// Half of the calls are answered within it, us.
    Median,
    /// 99 % of the calls are answered within it, us.
    P99,
    /// Bytes of values, MiB a second.
    Bandwidth,
    /// Time of a hit in the process, ns.
    Nanos,
    /// Allocations of a hit.
    Allocations,
    /// Resident memory, MiB.
    Resident,
    /// From the start of the process to its first line, ms.
    Start,
}

impl Quantity {
    /// The unit of the figures.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Throughput => "op/s",
            Self::Cpu => "us CPU/op",
            Self::Median => "us p50",
            Self::P99 => "us p99",
            Self::Bandwidth => "MiB/s",
            Self::Nanos => "ns",
            Self::Allocations => "allocations",
            Self::Resident => "MiB RSS",
            Self::Start => "ms",
        }
    }

    /// Whether more of it is better.
    #[must_use]
    pub const fn more_is_better(self) -> bool {
        matches!(self, Self::Throughput | Self::Bandwidth)
    }
}

/// What a ratio has to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bar {
    /// At least this.
    AtLeast(f64),
    /// At most this.
    AtMost(f64),
    /// At most this, of the figure itself: nobody else does the same.
    Absolute(f64),
    /// Anything: the row informs.
    None,
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    /// Its name, which `--only` takes.
    pub name: &'static str,
    /// The same for people.
    pub what: &'static str,
    /// Where its figures come from.
    pub scene: Scene,
    /// Which figure.
    pub quantity: Quantity,
    /// Whose figure is compared.
    pub ours: Side,
    /// With whose: the best of these, in each round.
    pub peers: &'static [Side],
    /// What the ratio has to be.
    pub bar: Bar,
}

const fn row(name: &'static str, what: &'static str, scene: Scene, quantity: Quantity) -> Measure {
    Measure { name, what, scene, quantity, ours: Side::Ours, peers: &[Side::Tuned], bar: Bar::None }
}

impl Measure {
    const fn against(self, peers: &'static [Side]) -> Self {
        Self { peers, ..self }
    }

    const fn of(self, ours: Side) -> Self {
        Self { ours, ..self }
    }

    const fn at_least(self, ratio: f64) -> Self {
        Self { bar: Bar::AtLeast(ratio), ..self }
    }

    const fn at_most(self, ratio: f64) -> Self {
        Self { bar: Bar::AtMost(ratio), ..self }
    }

    const fn below(self, figure: f64) -> Self {
        Self { bar: Bar::Absolute(figure), peers: &[Side::Bar], ..self }
    }
}

use Quantity::{Allocations, Bandwidth, Cpu, Median, Nanos, P99, Resident, Start, Throughput};
use Side::{
    Default, Etcd, Frames, Keeping, Memcached, Ours, OursHerd, OursScraped, OursTls, OursToken, OursTokenScraped,
    OursTraced, OursUncounted, Redis, RedisBenchmark, Tuned,
};

/// All rows, in the order in which they are shown.
pub const MEASURES: &[Measure] = &[
    row("get_100b_ceiling", "Get hit of 100 B, 64 in flight over 4 connections", Scene::Get100, Throughput)
        .at_least(0.95),
    row("get_100b_cpu", "the same, server CPU a call", Scene::Get100, Cpu).at_most(1.10),
    row("get_100b_default", "the same, beside default settings", Scene::Get100, Throughput)
        .against(&[Default])
        .at_least(1.3),
    row("get_100b_redis", "the same, beside Redis GET, unpipelined, 64 connections", Scene::Get100, Throughput)
        .against(&[Redis])
        .at_least(0.90),
    row("get_100b_redis_benchmark", "the same, beside what redis-benchmark says", Scene::Get100, Throughput)
        .against(&[RedisBenchmark])
        .at_least(1.0),
    row("get_100b_memcached", "the same, beside memcached get, 64 connections", Scene::Get100, Throughput)
        .against(&[Memcached]),
    row("get_100b_etcd", "the same, beside etcd Range", Scene::Get100, Throughput).against(&[Etcd]).at_least(4.0),
    row("get_1k_ceiling", "Get hit of 1 KiB, 64 in flight over 4 connections", Scene::Get1k, Throughput).at_least(0.95),
    row("get_1k_cpu", "the same, server CPU a call", Scene::Get1k, Cpu).at_most(1.10),
    row("get_1k_default", "the same, beside default settings", Scene::Get1k, Throughput)
        .against(&[Default])
        .at_least(1.3),
    row("get_1k_redis", "the same, beside Redis GET, unpipelined, 64 connections", Scene::Get1k, Throughput)
        .against(&[Redis])
        .at_least(0.90),
    row("get_1k_redis_benchmark", "the same, beside what redis-benchmark says", Scene::Get1k, Throughput)
        .against(&[RedisBenchmark])
        .at_least(1.0),
    row("get_1k_memcached", "the same, beside memcached get, 64 connections", Scene::Get1k, Throughput)
        .against(&[Memcached]),
    row("get_1k_etcd", "the same, beside etcd Range", Scene::Get1k, Throughput).against(&[Etcd]).at_least(4.0),
    row("get_full_ceiling", "Get hit of 100 B with key and metadata", Scene::GetFull, Throughput).at_least(0.95),
    row("get_full_cpu", "the same, server CPU a call", Scene::GetFull, Cpu).at_most(1.10),
    row("pipeline_redis", "Pipeline of 64 Gets of 100 B, 4 connections, beside Redis", Scene::Pipeline, Throughput)
        .against(&[Redis])
        .at_least(1.25),
    row("pipeline_ceiling", "the same, beside a bare stream", Scene::Pipeline, Throughput),
    row("pipeline_redis_deep", "the same, 1,024 under way on both sides", Scene::PipelineDeep, Throughput)
        .against(&[Redis]),
    row("sdk_tasks", "256 tasks, one client, one get each, beside redis-rs multiplexed", Scene::Tasks, Throughput)
        .against(&[Redis])
        .at_least(1.0),
    row("near_hit_time", "hit in the near cache of the Rust client", Scene::Near, Nanos).below(300.0),
    row("near_hit_allocations", "the same, allocations of a shared value", Scene::Near, Allocations).below(0.0),
    row("get_64k_ceiling", "Get hit of 64 KiB, beside the best bare shape", Scene::Get64k, Throughput)
        .against(&[Tuned, Frames])
        .at_least(0.95),
    row("get_64k_redis", "the same, beside Redis GET", Scene::Get64k, Throughput).against(&[Redis]).at_least(1.0),
    row("read_value_ceiling", "ReadValue of 1 GiB, 1 MiB chunks", Scene::ReadValue, Bandwidth).at_least(0.90),
    row("read_value_default", "the same, beside default settings", Scene::ReadValue, Bandwidth)
        .against(&[Default])
        .at_least(2.0),
    row("read_value_redis", "the same, beside Redis GET of 64 MiB", Scene::ReadValue, Bandwidth)
        .against(&[Redis])
        .at_least(1.0),
    row("write_value_ceiling", "WriteValue of 1 GiB, 1 MiB chunks", Scene::WriteValue, Bandwidth).at_least(0.80),
    row("write_value_kept", "the same, beside one that keeps the value as well", Scene::WriteValue, Bandwidth)
        .against(&[Keeping]),
    row("half_rate_p99", "p99 of Get of 100 B at half the peak rate, open loop", Scene::HalfRate, P99).at_most(2.0),
    row("one_at_a_time", "one Get of 100 B at a time, one connection", Scene::OneAtATime, Median).at_most(1.10),
    row("tls_cpu", "Get of 100 B with TLS, server CPU a call", Scene::Features, Cpu).of(OursTls).against(&[Ours]),
    row("token_cpu", "with a token", Scene::Features, Cpu).of(OursToken).against(&[Ours]),
    row("metrics_cpu", "with calls counted and metrics fetched four times a second", Scene::Features, Cpu)
        .of(OursScraped)
        .against(&[OursUncounted]),
    row("token_and_metrics_cpu", "with token, counted and fetched", Scene::Features, Cpu)
        .of(OursTokenScraped)
        .against(&[OursUncounted])
        .at_most(1.05),
    row("tracing_cpu", "with tracing, 1 % sampled", Scene::Features, Cpu).of(OursTraced).against(&[Ours]),
    row("herd_throughput", "Get of 100 B while 500 callers wait for another result", Scene::Features, Throughput)
        .of(OursHerd)
        .against(&[Ours]),
    row("idle_memory", "a server that was just started, resident", Scene::Idle, Resident).below(30.0),
    row("start_time", "from its start to its first line", Scene::Idle, Start).below(100.0),
];

/// The rows that these names pick; a name picks all that begin with it. None: all rows.
///
/// # Errors
/// A name picks none.
pub fn picked(names: &[String]) -> Result<Vec<&'static Measure>, String> {
    let picks = |measure: &Measure, name: &String| measure.name.starts_with(name.as_str());
    if let Some(name) = names.iter().find(|name| !MEASURES.iter().any(|measure| picks(measure, name))) {
        let all: Vec<&str> = MEASURES.iter().map(|measure| measure.name).collect();
        return Err(format!("`{name}` is no row; there are: {}", all.join(", ")));
    }
    let wanted = |measure: &&Measure| names.is_empty() || names.iter().any(|name| picks(measure, name));
    Ok(MEASURES.iter().filter(wanted).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines that the comparison must have, each with its bars.
    const LINES: [(&str, Bar); 27] = [
        ("get_100b_ceiling", Bar::AtLeast(0.95)),
        ("get_1k_ceiling", Bar::AtLeast(0.95)),
        ("get_100b_cpu", Bar::AtMost(1.10)),
        ("get_1k_cpu", Bar::AtMost(1.10)),
        ("get_100b_default", Bar::AtLeast(1.3)),
        ("get_1k_default", Bar::AtLeast(1.3)),
        ("get_100b_redis", Bar::AtLeast(0.90)),
        ("get_1k_redis", Bar::AtLeast(0.90)),
        ("get_100b_redis_benchmark", Bar::AtLeast(1.0)),
        ("get_1k_redis_benchmark", Bar::AtLeast(1.0)),
        ("get_100b_etcd", Bar::AtLeast(4.0)),
        ("get_1k_etcd", Bar::AtLeast(4.0)),
        ("pipeline_redis", Bar::AtLeast(1.25)),
        ("sdk_tasks", Bar::AtLeast(1.0)),
        ("near_hit_time", Bar::Absolute(300.0)),
        ("near_hit_allocations", Bar::Absolute(0.0)),
        ("get_64k_ceiling", Bar::AtLeast(0.95)),
        ("get_64k_redis", Bar::AtLeast(1.0)),
        ("read_value_ceiling", Bar::AtLeast(0.90)),
        ("read_value_default", Bar::AtLeast(2.0)),
        ("read_value_redis", Bar::AtLeast(1.0)),
        ("write_value_ceiling", Bar::AtLeast(0.80)),
        ("half_rate_p99", Bar::AtMost(2.0)),
        ("one_at_a_time", Bar::AtMost(1.10)),
        ("token_and_metrics_cpu", Bar::AtMost(1.05)),
        ("idle_memory", Bar::Absolute(30.0)),
        ("start_time", Bar::Absolute(100.0)),
    ];

    #[test]
    fn every_line_of_the_comparison_has_its_row_and_its_bar() {
        for (name, bar) in LINES {
            let found = MEASURES.iter().find(|measure| measure.name == name);
            assert_eq!(found.map(|measure| measure.bar), Some(bar), "{name}");
        }
        for informs in ["tls_cpu", "token_cpu", "metrics_cpu", "tracing_cpu"] {
            assert!(MEASURES.iter().any(|measure| measure.name == informs), "{informs}");
        }
    }

    #[test]
    fn every_row_compares_sides_that_take_turns_in_its_scene() {
        for measure in MEASURES {
            let sides = measure.scene.sides();
            assert!(sides.contains(&measure.ours), "{}", measure.name);
            let there = |peer: &&Side| **peer == Side::Bar || sides.contains(peer);
            assert!(measure.peers.iter().all(|peer| there(&peer)), "{}", measure.name);
        }
    }

    #[test]
    fn names_pick_rows() {
        assert_eq!(picked(&[]).unwrap().len(), MEASURES.len());
        assert_eq!(picked(&["get_64k".into(), "near".into()]).unwrap().len(), 4);
        assert!(picked(&["nothing".into()]).unwrap_err().contains("get_100b_ceiling"));
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<&str> = MEASURES.iter().map(|measure| measure.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), MEASURES.len());
    }
}
