//! The memory tier that ships, alone: its shards, its budget, its evictor and one policy of the registry.

use std::time::Duration;

use hotplate_engine::{
    clock::Moment,
    memory::{
        plain::{Item, Plain},
        pool::PoolConfig,
    },
    policy::Objective,
};

use super::{Contestant, Room};

/// Nothing in a trace ends: only room makes an entry go.
const NEVER: Moment = Moment(u64::MAX);
const NOW: Moment = Moment(0);
/// What memory of past keys and shards depend on.
const SEED: u64 = 1;

struct Ours(Plain<()>);

pub(super) fn make(policy: &str, room: Room) -> Result<Box<dyn Contestant>, String> {
    if !room.shards.is_power_of_two() {
        return Err(format!("{} shards: the number must be a power of two", room.shards));
    }
    let config = PoolConfig {
        bytes_max: room.bytes,
        entries_max: u64::MAX,
        shards: room.shards,
        objective: Objective::ComputeSaved,
    };
    let plain = Plain::new(config, policy, SEED).map_err(|error| error.to_string())?;
    Ok(Box::new(Ours(plain)))
}

impl Contestant for Ours {
    fn get(&mut self, key: u32) -> bool {
        self.0.get(&key.to_le_bytes(), NOW).is_some()
    }

    fn put(&mut self, key: u32, size: u64, cost: f64) {
        // Whether it was taken shows in later gets.
        let _taken = self.0.put(&key.to_le_bytes(), (), Item { bytes: size, cost: cost_of(cost), ends: NEVER });
    }
}

/// Whatever a trace counts is given as seconds: only the ratios of costs matter.
fn cost_of(cost: f64) -> Duration {
    Duration::try_from_secs_f64(cost).unwrap_or(Duration::MAX)
}
