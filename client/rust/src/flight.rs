//! One computation for many callers: who waits for what, and when nobody waits any more. What is computed lives in
//! `compute`.

use std::{
    any::{Any, TypeId},
    collections::{HashMap, HashSet},
    future::Future,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};

use futures::FutureExt;
use parking_lot::Mutex;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    Error, ErrorKind, Result, clock,
    task::Tasks,
    within::{Waits, Within},
};

/// How long a call that may be answered with a lease may go on when its client is closed: what comes then is given back.
const LAST_ASK: Duration = Duration::from_millis(200);

/// What a computation is shared by: equal only when a caller may take another's result.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FlightKey {
    pub(crate) namespace: Arc<str>,
    pub(crate) key: String,
    pub(crate) refresh: bool,
    pub(crate) accepts: Accepts,
    pub(crate) value: TypeId,
}

impl FlightKey {
    /// Whether one may wait for the other's lease, on the server.
    fn vies_with(&self, other: &Self) -> bool {
        let asks = |key: &Self| !key.refresh && !key.accepts.per_process;
        asks(self) && asks(other) && self.key == other.key && self.namespace == other.namespace
    }
}

/// What a caller takes for an answer. Who takes less cannot join who takes more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Accepts {
    pub(crate) max_age: Option<Duration>,
    pub(crate) stale: bool,
    pub(crate) per_process: bool,
}

/// A result any number of callers share.
type Shared = Result<Arc<dyn Any + Send + Sync>>;

/// Tells a running computation what happened around it.
#[derive(Clone, Debug)]
pub(crate) struct Course {
    key: Arc<FlightKey>,
    id: u64,
    /// Changes only under the lock of the table.
    standing: Arc<Mutex<Standing>>,
    /// Nobody waits any more.
    abandoned: CancellationToken,
    /// Something was invalidated since it began.
    outdated: CancellationToken,
    /// It has its value: from here on it is finished even when nobody waits.
    computed: CancellationToken,
    /// Another computation waits for it, and may hold the place that it would wait for.
    needed: CancellationToken,
}

/// Who a computation is for.
#[derive(Debug)]
struct Standing {
    waiters: usize,
    /// A call that may be answered with a lease is on the wire. It is not torn off: nobody would give that lease back.
    asking: bool,
    /// It has its end: nobody waits, whoever is still here.
    over: bool,
}

impl Standing {
    fn is_waited_for(&self) -> bool {
        self.waiters > 0 && !self.over
    }
}

impl Course {
    /// With its first waiter.
    fn new(key: FlightKey, id: u64) -> Self {
        let [abandoned, outdated, computed, needed] = std::array::from_fn(|_| CancellationToken::new());
        let standing = Arc::new(Mutex::new(Standing { waiters: 1, asking: false, over: false }));
        Self { key: Arc::new(key), id, standing, abandoned, outdated, computed, needed }
    }

    /// Whether the result may be stored.
    pub(crate) fn may_store(&self) -> bool {
        !self.outdated.is_cancelled()
    }

    /// Does something with the result, for as long as it holds.
    pub(crate) async fn unless_outdated(&self, work: impl Future<Output = ()>) {
        self.outdated.run_until_cancelled(work).await.unwrap_or_default();
    }

    /// Keeps the rest from being cancelled.
    pub(crate) fn computed(&self) {
        self.computed.cancel();
    }
}

#[derive(Debug)]
struct Flight {
    outcome: watch::Receiver<Option<Shared>>,
    course: Course,
}

/// The computations of a client that are under way.
#[derive(Debug)]
pub(crate) struct Flights {
    table: Mutex<Table>,
    /// Places of computations.
    slots: Arc<Semaphore>,
    /// Places of values that are being stored: one that is slow to be stored is in the way of no computation.
    stores: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Table {
    flights: HashMap<Arc<FlightKey>, Flight>,
    /// Whose results are being stored, by their numbers.
    storing: HashMap<u64, Course>,
    next: u64,
    waits: Waits,
}

/// A caller's place among those who wait. Giving it up is what dropping it means.
struct Place {
    flights: Arc<Flights>,
    course: Course,
    /// The computation that waits here, if it is one.
    within: Option<u64>,
}

impl Flights {
    pub(crate) fn new(computations_max: usize) -> Self {
        let places = || Arc::new(Semaphore::new(computations_max.min(Semaphore::MAX_PERMITS)));
        Self { table: Mutex::default(), slots: places(), stores: places() }
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
        let value = shared.unwrap_or_else(|| Err(Error::closed()))?;
        match value.downcast_ref::<T>() {
            Some(value) => Ok(value.clone()),
            None => Err(Error::new(ErrorKind::Internal, "a computation answered with another type than was asked for")),
        }
    }

    /// Waits until one more computation may run. What is only looked up, or waited for, needs no such place; what another
    /// computation waits for takes one if there is one, and runs in that one's place otherwise.
    pub(crate) async fn turn(&self, course: &Course) -> Option<OwnedSemaphorePermit> {
        tokio::select! {
            biased;
            // Nobody closes the semaphore.
            slot = Arc::clone(&self.slots).acquire_owned() => slot.ok(),
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

    /// A place for one more value that is being stored, if there is one by then.
    pub(crate) async fn place_to_store(&self, by: Instant) -> Option<OwnedSemaphorePermit> {
        let place = tokio::time::timeout_at(by, Arc::clone(&self.stores).acquire_owned()).await;
        // Nobody closes the semaphore.
        place.ok()?.ok()
    }

    /// Marks what is under way in a namespace as computed from what no longer holds: its callers get it, nobody else
    /// does, and it is not stored.
    pub(crate) fn outdate(&self, namespace: &str) {
        self.outdate_if(|flight| &*flight.namespace == namespace);
    }

    /// The same for keys, which were written.
    fn outdate_keys(&self, namespace: &str, keys: &[String]) {
        match keys {
            [] => {}
            [key] => self.outdate_if(|flight| flight.key == *key && &*flight.namespace == namespace),
            keys => {
                let keys: HashSet<_> = keys.iter().map(String::as_str).collect();
                self.outdate_if(|flight| keys.contains(flight.key.as_str()) && &*flight.namespace == namespace);
            }
        }
    }

    /// The same for these keys, or the whole namespace, when this is dropped: whatever came of a write, and wherever it
    /// was given up, who asks after it joins nothing that was asked before.
    pub(crate) fn outdating(self: &Arc<Self>, namespace: Arc<str>, keys: Option<Vec<String>>) -> Outdating {
        Outdating { flights: Arc::clone(self), namespace, keys }
    }

    /// Notes that a result is being stored, until what this returns is dropped: what outdates it ends that.
    pub(crate) fn storing(self: &Arc<Self>, course: &Course) -> Storing {
        self.table.lock().storing.insert(course.id, course.clone());
        Storing { flights: Arc::clone(self), id: course.id }
    }

    fn outdate_if(&self, concerns: impl Fn(&FlightKey) -> bool) {
        let mut table = self.table.lock();
        let stored = table.storing.values().filter(|course| concerns(&course.key));
        stored.for_each(|course| course.outdated.cancel());
        table.flights.retain(|key, flight| {
            let other = !concerns(key);
            if !other {
                flight.course.outdated.cancel();
            }
            other
        });
    }

    /// Notes that a call goes out which may be answered with a lease: it goes to its end, also when nobody waits any more,
    /// and who comes meanwhile joins. `false`: nobody waits now, and it is not to be made.
    pub(crate) fn begin_asking(&self, course: &Course) -> bool {
        let _table = self.table.lock();
        let mut standing = course.standing.lock();
        standing.asking = standing.is_waited_for();
        standing.asking
    }

    /// Notes that its answer is there. `false`: nobody waits for it, and nobody will.
    pub(crate) fn answered(&self, course: &Course) -> bool {
        let mut table = self.table.lock();
        let mut standing = course.standing.lock();
        standing.asking = false;
        let waited_for = standing.is_waited_for();
        if !waited_for {
            course.abandoned.cancel();
            table.forget(course);
        }
        waited_for
    }

    /// Takes a computation out that has its end, or whose client has. Whether a call is on the wire that may be answered
    /// with a lease.
    fn end(&self, course: &Course) -> bool {
        let mut table = self.table.lock();
        let mut standing = course.standing.lock();
        standing.over = true;
        table.forget(course);
        standing.asking
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
        let place = |course| Place { flights: Arc::clone(self), course, within };
        if let Some((course, outcome)) = table.join(&key, within, asks.is_some())? {
            return Ok((place(course), outcome));
        }
        let (sender, outcome) = watch::channel(None);
        let course = Course::new(key, table.number());
        let flight = Flight { outcome: outcome.clone(), course: course.clone() };
        table.flights.insert(Arc::clone(&course.key), flight);
        if let Some(waiter) = within {
            // What is new waits for nobody yet.
            table.waits.enter(waiter, course.id);
        }
        drop(table);
        if asks.is_some() {
            course.needed.cancel();
        }
        let (flights, own) = (Arc::clone(self), course.clone());
        tasks.spawn_until(|closed| async move {
            let work = flights.within(own.id).run(fly(own.clone(), compute));
            tokio::pin!(work);
            let landed = tokio::select! {
                biased;
                result = &mut work => Some(result),
                () = closed.cancelled() => None,
            };
            let result = landed.unwrap_or_else(|| Err(Error::closed()));
            // Who comes after an end begins anew: failures are not kept.
            let asking = flights.end(&own);
            sender.send_replace(Some(result.map(|value| -> Arc<dyn Any + Send + Sync> { Arc::new(value) })));
            if asking && closed.is_cancelled() {
                // Its result is nobody's; a lease that comes is given back on the way.
                let _result = tokio::time::timeout_at(clock::after(LAST_ASK), work).await;
            }
        });
        Ok((place(course), outcome))
    }

    fn leave(&self, Place { course, within, .. }: &Place) {
        let mut table = self.table.lock();
        if let Some(waiter) = within {
            table.waits.leave(*waiter, course.id);
        }
        let mut standing = course.standing.lock();
        standing.waiters -= 1;
        if standing.waiters == 0 && !standing.asking && !course.computed.is_cancelled() {
            course.abandoned.cancel();
            table.forget(course);
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
    ) -> Result<Option<(Course, watch::Receiver<Option<Shared>>)>> {
        let itself = || {
            let rule = "this computation asks for what waits for it: both would wait for ever";
            Err(Error::new(ErrorKind::InvalidArgument, rule))
        };
        if let Some(waiter) = within {
            // Who accepts something else waits on the server, for whoever of this process has the lease; so does who
            // joins another that accepts the same.
            let mut others = self.flights.iter().filter(|(other, _)| other.vies_with(key));
            if others.any(|(_, flight)| self.waits.leads(flight.course.id, waiter)) {
                return itself();
            }
        }
        let Some(flight) = self.flights.get(key) else { return Ok(None) };
        let course = flight.course.clone();
        if within.is_some_and(|waiter| !self.waits.enter(waiter, course.id)) {
            return itself();
        }
        if needed {
            course.needed.cancel();
        }
        course.standing.lock().waiters += 1;
        Ok(Some((course, flight.outcome.clone())))
    }

    /// Nobody joins it any more.
    fn forget(&mut self, course: &Course) {
        if self.flights.get(&course.key).is_some_and(|flight| flight.course.id == course.id) {
            self.flights.remove(&course.key);
        }
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
        biased;
        result = &mut work => return result,
        () = abandoned.cancelled() => {}
    }
    match computed.is_cancelled() {
        true => work.await,
        false => Err(Error::deserted()),
    }
}

/// A result that is being stored.
#[must_use = "it is taken for stored when this is dropped"]
pub(crate) struct Storing {
    flights: Arc<Flights>,
    id: u64,
}

impl Drop for Storing {
    fn drop(&mut self) {
        self.flights.table.lock().storing.remove(&self.id);
    }
}

/// Outdates what is under way when it is dropped.
#[must_use = "it outdates when it is dropped"]
pub(crate) struct Outdating {
    flights: Arc<Flights>,
    namespace: Arc<str>,
    keys: Option<Vec<String>>,
}

impl Drop for Outdating {
    fn drop(&mut self) {
        match &self.keys {
            Some(keys) => self.flights.outdate_keys(&self.namespace, keys),
            None => self.flights.outdate(&self.namespace),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.flights.leave(self);
    }
}
