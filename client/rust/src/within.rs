//! Computations that ask for other computations: which one is running here, and who waits for whom. What is computed lives
//! in `flight`.

use std::{
    collections::{HashMap, HashSet},
    future::Future,
};

tokio::task_local! {
    static WITHIN: Within;
}

/// A computation, as what it asks for sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Within {
    /// The table it is in.
    pub(crate) table: usize,
    /// Its number there.
    pub(crate) id: u64,
}

impl Within {
    /// The computation this is called from. One that asks from a task of its own is not known.
    pub(crate) fn here() -> Option<Self> {
        WITHIN.try_with(|within| *within).ok()
    }

    /// Runs a computation as this one.
    pub(crate) async fn run<F: Future>(self, work: F) -> F::Output {
        WITHIN.scope(self, work).await
    }
}

/// Which computations of a table wait for which, once for each time that they ask.
#[derive(Debug, Default)]
pub(crate) struct Waits(HashMap<u64, Vec<u64>>);

impl Waits {
    /// One waits for another from now on. `false`: that one waits for it already, over others or not, and both would
    /// wait for ever.
    pub(crate) fn enter(&mut self, waiter: u64, for_whom: u64) -> bool {
        if self.leads(for_whom, waiter) {
            return false;
        }
        self.0.entry(waiter).or_default().push(for_whom);
        true
    }

    /// It waits no more.
    pub(crate) fn leave(&mut self, waiter: u64, for_whom: u64) {
        let Some(waits) = self.0.get_mut(&waiter) else { return };
        if let Some(at) = waits.iter().position(|id| *id == for_whom) {
            waits.swap_remove(at);
        }
        if waits.is_empty() {
            self.0.remove(&waiter);
        }
    }

    /// Whether one is the other, or waits for it, over others or not.
    pub(crate) fn leads(&self, from: u64, to: u64) -> bool {
        let (mut seen, mut next) = (HashSet::from([from]), vec![from]);
        while let Some(id) = next.pop() {
            if id == to {
                return true;
            }
            next.extend(self.0.get(&id).into_iter().flatten().copied().filter(|id| seen.insert(*id)));
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_in_a_circle() {
        let mut waits = Waits::default();
        assert!(!waits.enter(1, 1));
        assert!(waits.enter(1, 2) && waits.enter(2, 3) && waits.enter(1, 3));
        assert!(!waits.enter(3, 1));
        waits.leave(2, 3);
        assert!(!waits.enter(3, 1), "still over one");
        waits.leave(1, 3);
        assert!(waits.enter(3, 1));
        waits.leave(3, 1);
        waits.leave(1, 2);
        assert!(waits.0.is_empty());
    }
}
