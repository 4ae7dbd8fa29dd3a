//! Which entry goes first when room is needed: one trait, and the registry of what implements it. Which entries there
//! are, limits, shards and locks are not known here: a policy orders the slots of one table.

mod age;
mod cost_aware;
mod lru;
mod s3_fifo;
mod sketch;

use std::{fmt, time::Duration};

pub use self::age::Age;
use crate::error::{Error, Reason, Result};

/// A place in a table: small numbers, used again after an entry went.
pub type Slot = u32;

/// What keeping an entry costs and brings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Worth {
    /// Bytes charged for it; at least 1.
    pub bytes: u64,
    /// What one hit on it saves, in the unit of the server's [`Objective`], times its namespace's weight. Positive and
    /// finite.
    pub value: f64,
}

/// The least and the most that a hit saves per byte, as far as policies tell: beyond it, sums of 64-bit numbers would make
/// one entry's price swallow all others'.
const DENSITY: (f64, f64) = (1.0 / (1_u64 << 45) as f64, (1_u64 << 51) as f64);

impl Worth {
    /// What one hit saves per byte.
    #[must_use]
    pub fn density(self) -> f64 {
        (self.value / self.bytes.max(1) as f64).clamp(DENSITY.0, DENSITY.1)
    }
}

/// What a hit is worth: the unit in which all policies of a server compare entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Objective {
    /// The time it would take to compute the value again.
    #[default]
    ComputeSaved,
    /// One: as many hits as possible.
    ObjectHits,
    /// Its bytes: as many bytes served as possible.
    ByteHits,
}

/// What computing an entry counts at least and at most. A month: were a mistaken cost of centuries to become the level of
/// the store, the differences between all others would be lost in its rounding.
const COST: (Duration, Duration) = (Duration::from_nanos(1), Duration::from_secs(30 * 24 * 3600));

impl Objective {
    /// All of them with their names in settings.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::ComputeSaved, "compute_saved"), (Self::ObjectHits, "object_hits"), (Self::ByteHits, "byte_hits")];

    /// What one hit on an entry of this many bytes and this compute cost is worth.
    #[must_use]
    pub fn value(self, bytes: u64, cost: Duration) -> f64 {
        match self {
            Self::ComputeSaved => cost.clamp(COST.0, COST.1).as_secs_f64(),
            Self::ObjectHits => 1.0,
            #[expect(clippy::cast_precision_loss, reason = "an approximation is enough to compare")]
            Self::ByteHits => bytes.max(1) as f64,
        }
    }
}

/// Who would go next, and how it compares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// Its slot.
    pub slot: Slot,
    /// Its place among the candidates of the same policy in other tables of the namespace: the least goes first.
    pub rank: u64,
    /// What it is worth per byte on top of the level at which it was last used, to compare with candidates of other
    /// namespaces, whatever their policy.
    pub price: f64,
}

/// The order of one table's entries. Told of everything that happens to them, under the table's lock; asked who goes
/// next. Takes constant time for each call except `below` and `order`.
pub trait Policy: Send + fmt::Debug {
    /// An entry came; its slot was free. `hash` is its key's, by which a policy may remember it after it went.
    fn inserted(&mut self, slot: Slot, hash: u64, worth: Worth, age: &Age);
    /// An entry was read or renewed.
    fn used(&mut self, slot: Slot, age: &Age);
    /// An entry went. `evicted`: the hash of its key when it made room, so that it may be remembered.
    fn removed(&mut self, slot: Slot, evicted: Option<u64>);
    /// Who would go next, as the order stands.
    fn least(&self) -> Option<Candidate>;
    /// Asked before the least goes. A policy that defers work of a hit does one step of it now, and then returns false:
    /// the least may be another. True: it may go.
    fn settle(&mut self, age: &Age) -> bool;
    /// What an entry with this key would cost if it came now: what an admission compares. `None`: whatever it is, this
    /// policy takes it.
    fn price(&self, hash: u64, worth: Worth, age: &Age) -> Option<f64>;
    /// Bytes of entries that are cheaper than this price, or a lower bound of it. Looks at no more than 64 entries one
    /// by one.
    fn below(&self, price: f64) -> u64;
    /// All slots, the next victim first, as far as the policy knows without the work it has deferred.
    fn order(&self) -> Vec<Slot>;
    /// Whether its lists agree with its sums: see the checker of the store. A sentence about what does not.
    ///
    /// # Errors
    /// What does not agree.
    fn check(&self) -> std::result::Result<(), String>;
    /// Bytes it holds for itself, with what it remembers of entries that went.
    fn bytes(&self) -> usize;
}

/// A policy by name.
#[derive(Clone, Copy, Debug)]
pub struct Registered {
    /// Its name in settings.
    pub name: &'static str,
    /// What it is good for.
    pub about: &'static str,
    /// Bytes it takes for each entry, with what it remembers of those that went; on average.
    pub bytes_per_entry: u64,
    /// Makes an empty one.
    pub make: fn() -> Box<dyn Policy>,
}

/// Every policy there is.
pub const REGISTRY: [Registered; 3] = [
    Registered {
        name: "lru",
        about: "least recently used first: simple and predictable",
        bytes_per_entry: 90,
        make: || Box::new(lru::Lru::default()),
    },
    Registered {
        name: "s3_fifo",
        about: "first in, first out, with a second chance for what was read: scans leave the rest alone",
        bytes_per_entry: 50,
        make: || Box::new(s3_fifo::S3Fifo::default()),
    },
    Registered {
        name: "cost_aware",
        about: "least saved per byte first: knows sizes, compute costs and how often entries are read",
        bytes_per_entry: 31,
        make: || Box::new(cost_aware::CostAware::default()),
    },
];

/// The policy of this name.
///
/// # Errors
/// `BAD_ARGUMENT` that lists the names there are.
pub fn find(name: &str) -> Result<Registered> {
    REGISTRY.into_iter().find(|policy| policy.name == name).ok_or_else(|| {
        let names: Vec<_> = REGISTRY.iter().map(|policy| policy.name).collect();
        let rule = format!("there is no eviction policy {name:?}; there is: {}", names.join(", "));
        Error::invalid(Reason::BadArgument, "policy", rule)
    })
}
