//! One asks, the others wait: many who want the same of a key at once cause one question. Who asked may go; the question
//! goes on as long as anybody waits for its answer.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use futures::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};
use parking_lot::Mutex;

use crate::key::Key;

/// Questions under way at most; whoever comes when they are met is told so.
const FLIGHTS_MAX: usize = 65_536;

/// A question under way. Clones wait for the same answer.
pub(crate) type Flight<T> = Shared<BoxFuture<'static, T>>;

type Flying<T> = Arc<Mutex<HashMap<Key, (u64, WeakShared<BoxFuture<'static, T>>), ahash::RandomState>>>;

/// The questions under way.
pub(crate) struct Flights<T> {
    flying: Flying<T>,
    numbers: AtomicU64,
}

/// Keeps a question joinable.
pub(crate) struct Joinable<T> {
    flying: Flying<T>,
    key: Key,
    number: u64,
}

impl<T> Joinable<T> {
    /// Nobody joins any more: who comes later asks anew.
    pub(crate) fn end(self) {}
}

impl<T> Drop for Joinable<T> {
    fn drop(&mut self) {
        let mut flying = self.flying.lock();
        if flying.get(&self.key).is_some_and(|(number, _)| *number == self.number) {
            flying.remove(&self.key);
        }
    }
}

impl<T: Clone + Send + Sync + 'static> Flights<T> {
    /// Joins the question about a key, or asks it: `ask` gets what it drops when nobody may join any more. `None`: too many
    /// are under way.
    pub(crate) fn join(&self, key: &Key, ask: impl FnOnce(Joinable<T>) -> BoxFuture<'static, T>) -> Option<Flight<T>> {
        let mut flying = self.flying.lock();
        if let Some(flight) = flying.get(key).and_then(|(_, flight)| flight.upgrade()) {
            return Some(flight);
        }
        if flying.len() >= FLIGHTS_MAX {
            return None;
        }
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let flight = ask(Joinable { flying: self.flying.clone(), key: key.clone(), number }).shared();
        if let Some(weak) = flight.downgrade() {
            flying.insert(key.clone(), (number, weak));
        }
        Some(flight)
    }
}

impl<T> Default for Flights<T> {
    fn default() -> Self {
        Self { flying: Arc::default(), numbers: AtomicU64::default() }
    }
}

impl<T> fmt::Debug for Flights<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use tokio::sync::Semaphore;

    use super::*;

    fn key() -> Key {
        Key::new("n", "k").unwrap()
    }

    /// A question that is answered when there is a permit, with how many were asked before.
    fn asks(
        asked: &Arc<AtomicUsize>,
        permits: &Arc<Semaphore>,
    ) -> impl FnOnce(Joinable<usize>) -> BoxFuture<'static, usize> {
        let (asked, permits) = (asked.clone(), permits.clone());
        move |joinable| {
            async move {
                let number = asked.fetch_add(1, Ordering::SeqCst);
                let _permit = permits.acquire().await;
                joinable.end();
                number
            }
            .boxed()
        }
    }

    #[tokio::test]
    async fn many_who_ask_at_once_ask_once_and_a_later_one_asks_anew() {
        let (flights, asked, permits) = (Flights::default(), Arc::default(), Arc::new(Semaphore::new(0)));
        let first: Vec<_> = (0..10).map(|_| flights.join(&key(), asks(&asked, &permits)).unwrap()).collect();
        permits.add_permits(1);
        assert_eq!(futures::future::join_all(first).await, vec![0; 10]);
        assert_eq!(flights.join(&key(), asks(&asked, &permits)).unwrap().await, 1);
        assert!(flights.flying.lock().is_empty());
    }

    #[tokio::test]
    async fn a_question_whose_asker_went_is_answered_for_the_others() {
        let (flights, asked, permits) = (Flights::default(), Arc::default(), Arc::new(Semaphore::new(0)));
        let first = flights.join(&key(), asks(&asked, &permits)).unwrap();
        let mut second = flights.join(&key(), asks(&asked, &permits)).unwrap();
        assert!(futures::poll!(first.clone()).is_pending() && futures::poll!(&mut second).is_pending());
        drop(first);
        permits.add_permits(1);
        assert_eq!(second.await, 0);
    }

    #[tokio::test]
    async fn a_question_that_nobody_waits_for_is_forgotten() {
        let (flights, asked, permits) = (Flights::default(), Arc::default(), Arc::new(Semaphore::new(0)));
        let mut flight = flights.join(&key(), asks(&asked, &permits)).unwrap();
        assert!(futures::poll!(&mut flight).is_pending());
        drop(flight);
        assert!(flights.flying.lock().is_empty());
        permits.add_permits(1);
        assert_eq!(flights.join(&key(), asks(&asked, &permits)).unwrap().await, 1);
    }
}
