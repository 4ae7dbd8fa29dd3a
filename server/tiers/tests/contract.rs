//! What every shared tier does, asked of Redis as one server, under Sentinels and as a cluster, bare and behind its guard; and
//! what every tier of one machine does, asked of the disk.
//! Real processes: see `tests/redis`. How the engine uses it is tested elsewhere.

#![expect(clippy::unwrap_used, reason = "a test whose set-up fails has failed")]

#[path = "contract/away.rs"]
mod away;
#[path = "contract/dictionaries.rs"]
mod dictionaries;
#[path = "contract/elsewhere.rs"]
mod elsewhere;
#[path = "contract/harness.rs"]
mod harness;
#[path = "contract/local.rs"]
mod local;
#[path = "contract/memory.rs"]
mod memory;
#[path = "contract/promises.rs"]
mod promises;
#[path = "contract/races.rs"]
mod races;
#[path = "contract/refusals.rs"]
mod refusals;
#[path = "contract/trouble.rs"]
mod trouble;
#[path = "contract/trust.rs"]
mod trust;
