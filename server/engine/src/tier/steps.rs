//! How a read of something large comes on: told step by step by who reads, looked at by who waits for it. How long a step may
//! take is not decided here.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use parking_lot::Mutex;

/// The steps of one read so far, or of many together. Clones count the same.
#[derive(Clone, Debug, Default)]
pub struct Steps(Arc<Counted>);

#[derive(Debug, Default)]
struct Counted {
    own: AtomicU64,
    beside: Mutex<Beside>,
}

/// Others that are read in steps at the same place, all counted together.
#[derive(Debug, Default)]
enum Beside {
    #[default]
    Nobody,
    /// It waits for its turn, and comes on as they do.
    Waits(Steps),
    /// It is one of them.
    Among(Steps),
}

impl Steps {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One more is done.
    pub fn made(&self) {
        self.0.own.fetch_add(1, Relaxed);
        if let Beside::Among(all) = &*self.0.beside.lock() {
            all.0.own.fetch_add(1, Relaxed);
        }
    }

    /// From now on it waits behind all of these.
    pub fn wait_behind(&self, all: &Self) {
        *self.0.beside.lock() = Beside::Waits(all.clone());
        self.made();
    }

    /// It is its turn: from now on others wait behind it.
    pub fn begin(&self) {
        {
            let mut beside = self.0.beside.lock();
            *beside = match std::mem::take(&mut *beside) {
                Beside::Waits(all) => Beside::Among(all),
                other => other,
            };
        }
        self.made();
    }

    /// A number that is another one whenever it has come on, or those that it waits for have.
    #[must_use]
    pub fn count(&self) -> u64 {
        let ahead = match &*self.0.beside.lock() {
            Beside::Waits(all) => all.0.own.load(Relaxed),
            Beside::Nobody | Beside::Among(_) => 0,
        };
        self.0.own.load(Relaxed).wrapping_add(ahead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_comes_on_with_who_is_ahead_and_then_by_itself() {
        let (all, first, own) = (Steps::new(), Steps::new(), Steps::new());
        first.wait_behind(&all);
        first.begin();
        let mut seen = own.count();
        let mut has_come_on = || {
            let before = std::mem::replace(&mut seen, own.count());
            seen != before
        };
        first.made();
        assert!(!has_come_on(), "it does not wait for that");
        own.wait_behind(&all);
        assert!(has_come_on());
        first.made();
        assert!(has_come_on() && !has_come_on());
        own.begin();
        assert!(has_come_on());
        first.made();
        assert!(!has_come_on(), "it is its own turn");
        own.clone().made();
        assert!(has_come_on());
    }
}
