//! The loads under which sides take turns: one scene may serve several rows. What a side does with a load is not known
//! here.

use crate::side::Side;

/// One load, and who takes turns under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scene {
    /// Gets of 100 B.
    Get100,
    /// Gets of 1 KiB.
    Get1k,
    /// Gets of 100 B with all there is to say of the entry.
    GetFull,
    /// Pipelined Gets of 100 B, a message under way on each connection.
    Pipeline,
    /// The same with four times as many under way.
    PipelineDeep,
    /// Tasks of one client of the Rust SDK.
    Tasks,
    /// The near cache of the Rust SDK.
    Near,
    /// Gets of 64 KiB.
    Get64k,
    /// Large values, read.
    ReadValue,
    /// Large values, written.
    WriteValue,
    /// Half of what the server can do, as calls come from many.
    HalfRate,
    /// One call after the other.
    OneAtATime,
    /// What is turned on costs.
    Features,
    /// A server that nobody calls.
    Idle,
}

/// What the generator is told to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    /// Its mode.
    pub mode: &'static str,
    /// How much of an entry is asked for.
    pub view: &'static str,
    /// Bytes of a value.
    pub value_size: u64,
    /// Messages under way, over all connections.
    pub in_flight: u32,
    /// Connections.
    pub connections: u32,
    /// Operations a message.
    pub batch: u32,
    /// Keys.
    pub keys: u32,
    /// Share of reads.
    pub read_ratio: f64,
    /// Operations a second, at set times; none: as fast as answers come.
    pub rate: Option<f64>,
}

impl Load {
    /// How many times as long as others its turns are: large values take a while each.
    #[must_use]
    pub fn patience(&self) -> f64 {
        if self.mode == "blob" { 2.0 } else { 1.0 }
    }
}

const UNARY: Load = Load {
    mode: "unary",
    view: "value",
    value_size: 100,
    in_flight: 64,
    connections: 4,
    batch: 1,
    keys: 10_000,
    read_ratio: 1.0,
    rate: None,
};

/// How large scenes are: the whole, or just enough to see that they work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// As rows say.
    Full,
    /// Fewer keys and smaller large values.
    Quick,
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

impl Scene {
    /// All of them, in the order in which they are run.
    pub const ALL: [Self; 14] = [
        Self::Get100,
        Self::Get1k,
        Self::GetFull,
        Self::Pipeline,
        Self::PipelineDeep,
        Self::Tasks,
        Self::Near,
        Self::Get64k,
        Self::ReadValue,
        Self::WriteValue,
        Self::HalfRate,
        Self::OneAtATime,
        Self::Features,
        Self::Idle,
    ];

    /// How messages on the way name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get100 => "Get of 100 B",
            Self::Get1k => "Get of 1 KiB",
            Self::GetFull => "Get of 100 B with metadata",
            Self::Pipeline => "Pipeline",
            Self::PipelineDeep => "Pipeline, four times as deep",
            Self::Tasks => "tasks of the SDK",
            Self::Near => "near cache",
            Self::Get64k => "Get of 64 KiB",
            Self::ReadValue => "ReadValue",
            Self::WriteValue => "WriteValue",
            Self::HalfRate => "half of the peak rate",
            Self::OneAtATime => "one at a time",
            Self::Features => "features",
            Self::Idle => "idle",
        }
    }

    /// Who takes turns.
    #[must_use]
    pub const fn sides(self) -> &'static [Side] {
        use Side::{
            Default, Etcd, Frames, Keeping, Memcached, Ours, OursHerd, OursScraped, OursTls, OursToken,
            OursTokenScraped, OursTraced, OursUncounted, Redis, RedisBenchmark, Tuned,
        };
        match self {
            Self::Get100 | Self::Get1k => &[Ours, Tuned, Default, Redis, RedisBenchmark, Memcached, Etcd],
            Self::GetFull | Self::HalfRate | Self::OneAtATime => &[Ours, Tuned],
            Self::WriteValue => &[Ours, Tuned, Keeping],
            Self::Pipeline => &[Ours, Redis, Tuned],
            Self::PipelineDeep => &[Ours, Redis],
            Self::Tasks => &[Ours, Redis],
            Self::Near | Self::Idle => &[Ours],
            Self::Get64k => &[Ours, Tuned, Frames, Redis],
            Self::ReadValue => &[Ours, Tuned, Default, Redis],
            Self::Features => {
                &[Ours, OursUncounted, OursTls, OursToken, OursScraped, OursTokenScraped, OursTraced, OursHerd]
            }
        }
    }

    /// What the generator is told for a side. None where another program makes the load.
    #[must_use]
    pub fn load(self, side: Side, scale: Scale) -> Option<Load> {
        let whole = scale == Scale::Full;
        let load = match self {
            Self::Get100 | Self::HalfRate | Self::Features => UNARY,
            Self::Get1k => Load { value_size: KIB, ..UNARY },
            Self::GetFull => Load { view: "full", ..UNARY },
            Self::Pipeline => Load { mode: "pipeline", in_flight: 4, batch: 64, ..UNARY },
            // Redis has one group under way on each connection: as many commands in a larger one.
            Self::PipelineDeep if side == Side::Redis => Load { mode: "pipeline", in_flight: 4, batch: 256, ..UNARY },
            Self::PipelineDeep => Load { mode: "pipeline", in_flight: 16, batch: 64, ..UNARY },
            Self::Get64k => Load { value_size: 64 * KIB, keys: 1000, ..UNARY },
            Self::ReadValue | Self::WriteValue => {
                let value_size = match (side, whole) {
                    (Side::Redis, true) => 64 * MIB,
                    (_, true) => 1024 * MIB,
                    (_, false) => 8 * MIB,
                };
                let read_ratio = if self == Self::ReadValue { 1.0 } else { 0.0 };
                Load { mode: "blob", value_size, in_flight: 1, connections: 1, keys: 1, read_ratio, ..UNARY }
            }
            Self::OneAtATime => Load { in_flight: 1, connections: 1, ..UNARY },
            Self::Tasks | Self::Near | Self::Idle => return None,
        };
        // Redis answers one after the other on a connection: unpipelined, as many connections as calls are under way.
        let load = match (side, load.mode) {
            (Side::Redis | Side::Memcached, "unary") => Load { connections: load.in_flight, ..load },
            _ => load,
        };
        Some(if whole { load } else { Load { keys: load.keys.min(100), ..load } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scene_is_run() {
        for measure in crate::measure::MEASURES {
            assert!(Scene::ALL.contains(&measure.scene), "{}", measure.name);
        }
    }

    #[test]
    fn redis_has_a_connection_for_each_call_that_is_under_way() {
        let load = Scene::Get100.load(Side::Redis, Scale::Full).unwrap();
        assert_eq!((load.in_flight, load.connections), (64, 64));
    }

    #[test]
    fn as_many_operations_are_under_way_on_all_sides_of_a_pipeline() {
        for (scene, under_way) in [(Scene::Pipeline, 4 * 64), (Scene::PipelineDeep, 16 * 64)] {
            for side in scene.sides() {
                let load = scene.load(*side, Scale::Full).unwrap();
                assert_eq!((load.in_flight * load.batch, load.connections), (under_way, 4), "{scene:?} {side:?}");
            }
        }
    }

    #[test]
    fn a_quick_scene_moves_little() {
        let loads = Scene::ALL
            .into_iter()
            .flat_map(|scene| scene.sides().iter().filter_map(move |side| scene.load(*side, Scale::Quick)));
        for load in loads {
            assert!(u64::from(load.keys) * load.value_size <= 16 << 20, "{load:?}");
        }
    }
}
