//! Where a store stands: how dear what it evicted was, and how often it was used. One for each namespace, with a part
//! that all of a store have in common.

use std::sync::Arc;

use crate::sync::{AtomicU64, Ordering::Relaxed};

/// The level and the uses of one namespace. The level is the inflation of GreedyDual (Cao and Irani, "Cost-aware WWW
/// proxy caching algorithms", 1997): the price of the dearest entry that was ever evicted. It has two parts. What goes to
/// make room for all raises that of all; what goes because of its namespace's own limit raises that of this namespace
/// alone, because others do not grow old by it.
#[derive(Debug, Default)]
pub struct Age {
    common: Arc<AtomicU64>,
    own: AtomicU64,
    uses: AtomicU64,
}

impl Age {
    /// Another namespace of the same store.
    #[must_use]
    pub fn sibling(&self) -> Self {
        Self { common: self.common.clone(), ..Self::default() }
    }

    /// The level. Only grows. Read it under the lock of the table it is used for, so that what a list holds stays in
    /// order.
    #[must_use]
    pub fn level(&self) -> f64 {
        read(&self.common) + self.own()
    }

    /// The part of the level that others do not have: prices compare between namespaces without it.
    #[must_use]
    pub fn own(&self) -> f64 {
        read(&self.own)
    }

    /// Raises the level of the whole store until this namespace's is at a price, if that is higher.
    pub fn raise(&self, price: f64) {
        raise(&self.common, price - self.own());
    }

    /// Raises this namespace's level alone.
    pub fn raise_own(&self, price: f64) {
        raise(&self.own, price - read(&self.common));
    }

    /// The next number in the order of uses, from 1.
    pub fn tick(&self) -> u64 {
        self.uses.fetch_add(1, Relaxed) + 1
    }
}

fn read(level: &AtomicU64) -> f64 {
    f64::from_bits(level.load(Relaxed))
}

/// What is not negative has bits in its own order.
fn raise(level: &AtomicU64, to: f64) {
    let to = to.max(0.0).to_bits();
    if to > level.load(Relaxed) {
        level.fetch_max(to, Relaxed);
    }
}
