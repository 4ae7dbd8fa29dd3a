//! What one namespace has of a pool: its limits, its weight, its policy, and how the least of its entries in every shard
//! compare. The entries themselves are in the shards.

use super::{
    budget::{Budget, Room},
    pins::Pinned,
};
use crate::{
    policy::{Age, Candidate, Registered},
    sync::{AtomicU64, Ordering::Relaxed},
};

/// What a namespace has of a pool.
#[derive(Debug)]
pub struct Shelf {
    /// Its number in the pool.
    number: usize,
    /// Makes its orders of eviction.
    pub policy: Registered,
    /// Its own limits. What it uses is counted here only when it has any.
    pub budget: Budget,
    /// What of it is pinned.
    pub pinned: Pinned,
    limited: bool,
    /// What its entries' values are multiplied with, to be kept before or after those of others.
    pub weight: f64,
    /// How dear what was evicted was, and how often it was used.
    pub age: Age,
    least: Box<[Least]>,
}

/// The published least of one shard. Nothing in the shard ranks lower; a read may have raised it since.
#[derive(Debug)]
struct Least {
    rank: AtomicU64,
    price: AtomicU64,
}

/// Where a candidate was seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) shard: usize,
    pub(super) rank: u64,
    /// As it compares with those of other shelves.
    pub(super) price: f64,
    /// As its policy said it.
    pub(super) said: f64,
}

impl Shelf {
    pub(super) fn new(
        (number, age): (usize, Age),
        shards: usize,
        policy: Registered,
        (quota, pinned): (Room, Pinned),
        weight: f64,
    ) -> Self {
        let none = || Least { rank: AtomicU64::new(u64::MAX), price: AtomicU64::new(f64::MAX.to_bits()) };
        let least = (0..shards).map(|_| none()).collect();
        Self {
            number,
            policy,
            budget: Budget::new(quota),
            pinned,
            limited: quota != Room::UNLIMITED,
            weight,
            age,
            least,
        }
    }

    /// Whether it has limits of its own.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        self.limited
    }

    /// Takes room of its own limits, all of it or none.
    pub(super) fn reserve(&self, room: Room) -> bool {
        !self.limited || self.budget.reserve(room)
    }

    /// Gives room of its own limits back.
    pub(super) fn release(&self, room: Room) {
        if self.limited {
            self.budget.release(room);
        }
    }

    /// What of this room its own limits do not have.
    pub(super) fn missing(&self, room: Room) -> Room {
        if self.limited { self.budget.missing(room) } else { Room::default() }
    }

    /// Its number in the pool, by which shards find its tables.
    #[must_use]
    pub fn number(&self) -> usize {
        self.number
    }

    /// Bytes that an entry's place in its order of eviction takes.
    #[must_use]
    pub fn order_bytes(&self) -> u64 {
        self.policy.bytes_per_entry
    }

    /// Says what the least of a shard is now. Called under that shard's lock.
    pub(super) fn publish(&self, shard: usize, least: Option<Candidate>) {
        let (rank, price) = least.map_or((u64::MAX, f64::MAX), |least| (least.rank.min(u64::MAX - 1), least.price));
        let place = &self.least[shard];
        if place.rank.load(Relaxed) != rank {
            place.rank.store(rank, Relaxed);
        }
        if place.price.load(Relaxed) != price.to_bits() {
            place.price.store(price.to_bits(), Relaxed);
        }
    }

    /// The shard whose least ranks lowest; `None` when there are no entries.
    pub(super) fn lowest(&self) -> Option<Seen> {
        let ranks = self.least.iter().map(|least| least.rank.load(Relaxed)).enumerate();
        let (shard, rank) = ranks.min_by_key(|(_, rank)| *rank)?;
        let said = f64::from_bits(self.least[shard].price.load(Relaxed));
        (rank != u64::MAX).then_some(Seen { shard, rank, price: said - self.age.own(), said })
    }

    /// What is published for a shard.
    pub(super) fn published(&self, shard: usize) -> u64 {
        self.least[shard].rank.load(Relaxed)
    }
}
