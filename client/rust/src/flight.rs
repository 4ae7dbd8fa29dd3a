//! One computation for many callers: who waits for what, and when nobody waits any more. What is computed lives in
//! `compute`.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    future::Future,
    panic::AssertUnwindSafe,
    sync::Arc,
};

use futures::FutureExt;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    Error, ErrorKind, Result,
    task::Tasks,
    within::{Waits, Within},
};

/// What a computation is shared by: equal only when a caller may take another's result.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FlightKey {
    pub(crate) namespace: Arc<str>,
    pub(crate) key: String,
    pub(crate) refresh: bool,
    pub(crate) value: TypeId,
}

/// A result any number of callers share.
type Shared = Result<Arc<dyn Any + Send + Sync>>;

/// Tells a running computation what happened around it.
#[derive(Clone, Debug)]
pub(crate) struct Course {
    /// Nobody waits any more.
    abandoned: CancellationToken,
    /// Something was invalidated since it began.
    outdated: CancellationToken,
    /// It has its value: from here on it is finished even when nobody waits.
    computed: CancellationToken,
    /// Another computation waits for it, and may hold the place that it would wait for.
    needed: CancellationToken,
}

impl Course {
    fn new() -> Self {
        let [abandoned, outdated, computed, needed] = std::array::from_fn(|_| CancellationToken::new());
        Self { abandoned, outdated, computed, needed }
    }

    /// Whether the result may be stored.
    pub(crate) fn may_store(&self) -> bool {
        !self.outdated.is_cancelled()
    }

    /// Keeps the rest from being cancelled.
    pub(crate) fn computed(&self) {
        self.computed.cancel();
    }
}

#[derive(Debug)]
struct Flight {
    outcome: watch::Receiver<Option<Shared>>,
    waiters: usize,
    course: Course,
    id: u64,
}

/// The computations of a client that are under way.
#[derive(Debug)]
pub(crate) struct Flights {
    table: Mutex<Table>,
    slots: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Table {
    flights: HashMap<FlightKey, Flight>,
    next: u64,
    waits: Waits,
}

/// A caller's place among those who wait. Giving it up is what dropping it means.
struct Place {
    flights: Arc<Flights>,
    key: FlightKey,
    id: u64,
    /// The computation that waits here, if it is one.
    within: Option<u64>,
}

impl Flights {
    pub(crate) fn new(computations_max: usize) -> Self {
        Self { table: Mutex::default(), slots: Arc::new(Semaphore::new(computations_max.min(Semaphore::MAX_PERMITS))) }
    }

    /// Waits for the computation of this key, starting it when there is none.
    pub(crate) async fn join<T, F, R>(self: &Arc<Self>, tasks: &Tasks, key: FlightKey, compute: F) -> Result<T>
    where
        T: Clone + Send + Sync + 'static,
        F: FnOnce(Course) -> R + Send + 'static,
        R: Future<Output = Result<T>> + Send + 'static,
    {
        let (place, mut outcome) = self.enter(tasks, key, compute)?;
        let shared = match outcome.wait_for(Option::is_some).await {
            Ok(value) => value.clone(),
            Err(_closed) => None,
        };
        drop(place);
        let value = shared.unwrap_or_else(|| Err(Error::new(ErrorKind::Cancelled, "the client was closed")))?;
        match value.downcast_ref::<T>() {
            Some(value) => Ok(value.clone()),
            None => Err(Error::new(ErrorKind::Internal, "a computation answered with another type than was asked for")),
        }
    }

    /// Waits until one more computation may run. What is only looked up, or waited for, needs no such place; what another
    /// computation waits for takes one if there is one, and runs in that one's place otherwise.
    pub(crate) async fn turn(&self, course: &Course) -> Option<SemaphorePermit<'_>> {
        tokio::select! {
            biased;
            // Nobody closes the semaphore.
            slot = self.slots.acquire() => slot.ok(),
            () = course.needed.cancelled() => None,
        }
    }

    /// Runs a computation that nobody joins.
    pub(crate) async fn run_alone<F: Future>(self: &Arc<Self>, work: F) -> F::Output {
        let id = self.table.lock().number();
        self.within(id).run(work).await
    }

    fn within(self: &Arc<Self>, id: u64) -> Within {
        Within { table: Arc::as_ptr(self).addr(), id }
    }

    /// A place for one more computation, if there is one now.
    pub(crate) fn slot(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.slots).try_acquire_owned().ok()
    }

    /// Marks what is under way in a namespace as computed from what no longer holds: its callers get it, nobody else
    /// does, and it is not stored.
    pub(crate) fn outdate(&self, namespace: &str) {
        self.outdate_if(|flight| &*flight.namespace == namespace);
    }

    /// The same for one key, which was written.
    pub(crate) fn outdate_key(&self, namespace: &str, key: &str) {
        self.outdate_if(|flight| flight.key == key && &*flight.namespace == namespace);
    }

    fn outdate_if(&self, concerns: impl Fn(&FlightKey) -> bool) {
        let mut table = self.table.lock();
        table.flights.retain(|key, flight| {
            let other = !concerns(key);
            if !other {
                flight.course.outdated.cancel();
            }
            // A flight that left the table has no count of waiters: it runs to its end.
            other
        });
    }

    fn enter<T, F, R>(
        self: &Arc<Self>,
        tasks: &Tasks,
        key: FlightKey,
        compute: F,
    ) -> Result<(Place, watch::Receiver<Option<Shared>>)>
    where
        T: Clone + Send + Sync + 'static,
        F: FnOnce(Course) -> R + Send + 'static,
        R: Future<Output = Result<T>> + Send + 'static,
    {
        let asks = Within::here();
        let within = asks.filter(|within| *within == self.within(within.id)).map(|within| within.id);
        let mut table = self.table.lock();
        let place = |key, id| Place { flights: Arc::clone(self), key, id, within };
        if let Some((id, outcome)) = table.join(&key, within, asks.is_some())? {
            return Ok((place(key, id), outcome));
        }
        let id = table.number();
        let (sender, outcome) = watch::channel(None);
        let course = Course::new();
        let flight = Flight { outcome: outcome.clone(), waiters: 1, course: course.clone(), id };
        table.flights.insert(key.clone(), flight);
        if let Some(waiter) = within {
            // What is new waits for nobody yet.
            table.waits.enter(waiter, id);
        }
        drop(table);
        if asks.is_some() {
            course.needed.cancel();
        }
        let (flights, landed) = (Arc::clone(self), key.clone());
        tasks.spawn(async move {
            let result = flights.within(id).run(fly(course, compute)).await;
            // Who comes after an end begins anew: failures are not kept.
            flights.land(&landed, id);
            sender.send_replace(Some(result.map(|value| -> Arc<dyn Any + Send + Sync> { Arc::new(value) })));
        });
        Ok((place(key, id), outcome))
    }

    fn land(&self, key: &FlightKey, id: u64) {
        let mut table = self.table.lock();
        if table.flights.get(key).is_some_and(|flight| flight.id == id) {
            table.flights.remove(key);
        }
    }

    fn leave(&self, Place { key, id, within, .. }: &Place) {
        let (id, mut table) = (*id, self.table.lock());
        if let Some(waiter) = within {
            table.waits.leave(*waiter, id);
        }
        let Some(flight) = table.flights.get_mut(key).filter(|flight| flight.id == id) else { return };
        flight.waiters -= 1;
        if flight.waiters == 0 && !flight.course.computed.is_cancelled() {
            flight.course.abandoned.cancel();
            table.flights.remove(key);
        }
    }
}

impl Table {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Joins a computation that is under way; `within`: for this one of the table.
    ///
    /// # Errors
    /// When it would wait for itself.
    fn join(
        &mut self,
        key: &FlightKey,
        within: Option<u64>,
        needed: bool,
    ) -> Result<Option<(u64, watch::Receiver<Option<Shared>>)>> {
        let Some(flight) = self.flights.get_mut(key) else { return Ok(None) };
        if within.is_some_and(|waiter| !self.waits.enter(waiter, flight.id)) {
            let rule = "this computation asks for what waits for it: both would wait for ever";
            return Err(Error::new(ErrorKind::InvalidArgument, rule));
        }
        if needed {
            flight.course.needed.cancel();
        }
        flight.waiters += 1;
        Ok(Some((flight.id, flight.outcome.clone())))
    }
}

/// Computes, unless nobody waits any more before there is a value.
async fn fly<T, F, R>(course: Course, compute: F) -> Result<T>
where
    F: FnOnce(Course) -> R,
    R: Future<Output = Result<T>>,
{
    let (abandoned, computed) = (course.abandoned.clone(), course.computed.clone());
    let work = async {
        let result = AssertUnwindSafe(async { compute(course).await }).catch_unwind().await;
        // The panic's own text may hold what was computed with.
        result.unwrap_or_else(|_panic| Err(Error::new(ErrorKind::Compute, "the computation panicked")))
    };
    tokio::pin!(work);
    tokio::select! {
        result = &mut work => return result,
        () = abandoned.cancelled() => {}
    }
    match computed.is_cancelled() {
        true => work.await,
        false => Err(Error::new(ErrorKind::Cancelled, "nobody waited for the computation any more")),
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.flights.leave(self);
    }
}
