//! Where a whole store stands: how dear what it evicted was, and how often it was used. Shared by all its policies.

use crate::sync::{AtomicU64, Ordering::Relaxed};

/// The level and the uses of one store.
#[derive(Debug, Default)]
pub struct Age {
    level: AtomicU64,
    uses: AtomicU64,
}

impl Age {
    /// The inflation of GreedyDual (Cao and Irani, "Cost-aware WWW proxy caching algorithms", 1997): the price of the
    /// dearest entry that was ever evicted. Only grows. Read it under the lock of the table it is used for, so that what
    /// a list holds stays in order.
    #[must_use]
    pub fn level(&self) -> f64 {
        f64::from_bits(self.level.load(Relaxed))
    }

    /// Raises the level to a price, if that is higher. Prices are not negative, so their bits are ordered as they are.
    pub fn raise(&self, price: f64) {
        self.level.fetch_max(price.to_bits(), Relaxed);
    }

    /// The next number in the order of uses, from 1.
    pub fn tick(&self) -> u64 {
        self.uses.fetch_add(1, Relaxed) + 1
    }
}
