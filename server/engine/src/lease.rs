//! Leases: for each key at most one caller who computes it, and those who wait for what it computes. A state machine: time
//! and tokens come from outside, and what it holds changes only by its own calls. What a value is, and whether one may be
//! stored, is not known here.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::sync::oneshot;

use crate::{clock::Moment, event::LeaseTurn, fence::Stamp, key::Key};

/// Leases whose time is over that one call of [`Leases::lapse`] handles.
pub const LAPSES_PER_CALL: usize = 64;

/// Bounds of all tables of one census together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseLimits {
    /// How long a lease lasts unless it is extended. Above zero.
    pub duration: Duration,
    /// Keys at most that are leased or held off.
    pub held_max: usize,
    /// Callers at most that wait for one key.
    pub waiters_per_key_max: usize,
    /// Callers at most that wait.
    pub waiters_max: usize,
}

/// Hears how it goes on with the lease of a key. Called with the table locked.
pub type Listener = Box<dyn Fn(&Key, LeaseTurn) + Send + Sync>;

/// What several tables count together.
pub struct Census {
    limits: LeaseLimits,
    held: AtomicUsize,
    waiting: AtomicUsize,
    closed: AtomicBool,
    listener: OnceLock<Listener>,
}

/// What a new holder gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The token: never offered twice.
    pub token: u128,
    /// The place in the history at which the computation begins.
    pub stamp: Stamp,
    /// And in the store's order of uses.
    pub place: u64,
}

/// A lease as its holder sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Names it.
    pub token: u128,
    /// How long it lasts from the moment of the answer.
    pub duration: Duration,
}

/// A lease that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Names it.
    pub token: u128,
    /// The place in the history at which the computation began.
    pub stamp: Stamp,
    /// And in the store's order of uses.
    pub place: u64,
    /// When it was granted.
    pub granted: Moment,
}

/// What one who waits hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News<V> {
    /// The lease is its own now.
    Granted(Grant),
    /// The value is there.
    Filled(V),
}

/// The answer to who asks for a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Here it is.
    Granted(Grant),
    /// Somebody has it, or nobody may for so long.
    Taken(Duration),
    /// As many keys are leased as may.
    Full,
}

/// One who waits: its number, by which it leaves, and where it hears.
#[derive(Debug)]
pub struct Waiting<V> {
    /// Its number.
    pub number: u64,
    /// Where it hears; the sender is dropped when the table closes.
    pub news: oneshot::Receiver<News<V>>,
}

/// The leases of some keys. `offer` is called for each new holder, at the moment it becomes one.
#[derive(Debug)]
pub struct Leases<V> {
    census: Arc<Census>,
    seats: HashMap<Key, Seat<V>>,
    /// By when their time is over.
    due: BTreeMap<(Moment, u64), Key>,
    next: u64,
}

#[derive(Debug)]
struct Seat<V> {
    number: u64,
    /// None: nobody may compute until then.
    holder: Option<Claim>,
    until: Moment,
    waiters: VecDeque<(u64, oneshot::Sender<News<V>>)>,
    /// Who asked while another had it, and has not got it since.
    others: u64,
}

impl Census {
    /// Nothing is held, within these limits.
    #[must_use]
    pub fn new(limits: LeaseLimits) -> Arc<Self> {
        let (held, waiting) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Self { limits, held, waiting, closed: AtomicBool::new(false), listener: OnceLock::new() })
    }

    /// Tells this one from now on; the first that asks stays.
    pub fn tell(&self, listener: Listener) {
        self.listener.get_or_init(|| listener);
    }

    fn turn(&self, key: &Key, turn: LeaseTurn) {
        if let Some(listener) = self.listener.get() {
            listener(key, turn);
        }
    }

    /// Keys that are leased or held off.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.load(Relaxed)
    }

    /// Callers that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.load(Relaxed)
    }

    /// Nobody waits from now on. Close every table afterwards.
    pub fn close(&self) {
        self.closed.store(true, Relaxed);
    }
}

impl fmt::Debug for Census {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Census").field("held", &self.held()).field("waiting", &self.waiting()).finish_non_exhaustive()
    }
}

fn take(count: &AtomicUsize, most: usize) -> bool {
    count.fetch_update(Relaxed, Relaxed, |held| (held < most).then_some(held + 1)).is_ok()
}

impl<V: Clone> Leases<V> {
    /// No leases, counted with those of other tables.
    #[must_use]
    pub fn new(census: Arc<Census>) -> Self {
        Self { census, seats: HashMap::new(), due: BTreeMap::new(), next: 0 }
    }

    /// Asks for a key's lease.
    pub fn ask(&mut self, key: &Key, now: Moment, offer: &mut dyn FnMut(&Key) -> Offer) -> Asked {
        if self.seats.get(key).is_some_and(|seat| seat.until <= now) {
            self.promote(key, now, LeaseTurn::Lapsed, offer);
        }
        if let Some(seat) = self.seats.get_mut(key) {
            seat.others += 1;
            return Asked::Taken(seat.until.since(now));
        }
        if !take(&self.census.held, self.census.limits.held_max) {
            return Asked::Full;
        }
        let Offer { token, stamp, place } = offer(key);
        let (number, until) = (self.number(), now.after(self.census.limits.duration));
        let holder = Some(Claim { token, stamp, place, granted: now });
        self.seats.insert(key.clone(), Seat { number, holder, until, waiters: VecDeque::new(), others: 0 });
        self.due.insert((until, number), key.clone());
        self.census.turn(key, LeaseTurn::Granted);
        Asked::Granted(Grant { token, duration: self.census.limits.duration })
    }

    /// Waits for a key that is taken; `None`: as many wait as may, or nobody may any more.
    pub fn wait(&mut self, key: &Key) -> Option<Waiting<V>> {
        let Census { limits, waiting, closed, .. } = &*self.census;
        let seat = self.seats.get_mut(key).filter(|_| !closed.load(Relaxed))?;
        if seat.waiters.len() >= limits.waiters_per_key_max || !take(waiting, limits.waiters_max) {
            return None;
        }
        let (number, (tell, news)) = (self.next, oneshot::channel());
        self.next += 1;
        seat.waiters.push_back((number, tell));
        Some(Waiting { number, news })
    }

    /// One who waited does so no more. Nothing when it has heard.
    pub fn leave(&mut self, key: &Key, number: u64) {
        let Some(seat) = self.seats.get_mut(key) else { return };
        if let Ok(at) = seat.waiters.binary_search_by_key(&number, |(number, _)| *number) {
            seat.waiters.remove(at);
            self.census.waiting.fetch_sub(1, Relaxed);
        }
    }

    /// The lease of a key, if this token names it and its time is not over.
    #[must_use]
    pub fn claim(&self, key: &Key, token: u128, now: Moment) -> Option<Claim> {
        let seat = self.seats.get(key).filter(|seat| seat.until > now)?;
        seat.holder.filter(|holder| holder.token == token)
    }

    /// Whether others asked for a key while one computed it.
    #[must_use]
    pub fn wanted(&self, key: &Key) -> bool {
        self.seats.get(key).is_some_and(|seat| seat.holder.is_some() && seat.others > 0)
    }

    /// The leases that are held, with how many wait for each key; those held off with none holding.
    pub fn each(&self) -> impl Iterator<Item = (&Key, bool, usize)> {
        self.seats.iter().map(|(key, seat)| (key, seat.holder.is_some(), seat.waiters.len()))
    }

    /// Whether somebody computes a key, and not merely nobody may.
    #[must_use]
    pub fn is_held(&self, key: &Key) -> bool {
        self.seats.get(key).is_some_and(|seat| seat.holder.is_some())
    }

    /// Whether somebody waits for a key.
    #[must_use]
    pub fn awaited(&self, key: &Key) -> bool {
        self.seats.get(key).is_some_and(|seat| !seat.waiters.is_empty())
    }

    /// Lets a lease last for one more duration from now; `None`: it is not held.
    pub fn extend(&mut self, key: &Key, token: u128, now: Moment) -> Option<Grant> {
        self.claim(key, token, now)?;
        let duration = self.census.limits.duration;
        self.reschedule(key, now.after(duration));
        self.census.turn(key, LeaseTurn::Extended);
        Some(Grant { token, duration })
    }

    /// Gives a lease back: to the first of those who wait, or to nobody for a while. False: it is not held.
    pub fn release(
        &mut self,
        key: &Key,
        (token, hold_off): (u128, Option<Duration>),
        now: Moment,
        offer: &mut dyn FnMut(&Key) -> Offer,
    ) -> bool {
        if self.claim(key, token, now).is_none() {
            return false;
        }
        match hold_off {
            None => self.promote(key, now, LeaseTurn::Released, offer),
            Some(long) => {
                self.census.turn(key, LeaseTurn::Released);
                self.reschedule(key, now.after(long));
                if let Some(seat) = self.seats.get_mut(key) {
                    seat.holder = None;
                }
            }
        }
        true
    }

    /// A value of the key is there: its lease ends, and all who wait get the value, in the order in which they came. How
    /// many did.
    pub fn fill(&mut self, key: &Key, value: &V) -> u32 {
        let Some(seat) = self.seats.remove(key) else { return 0 };
        self.due.remove(&(seat.until, seat.number));
        self.census.held.fetch_sub(1, Relaxed);
        self.census.waiting.fetch_sub(seat.waiters.len(), Relaxed);
        let told = seat.waiters.into_iter().filter_map(|(_, waiter)| waiter.send(News::Filled(value.clone())).ok());
        u32::try_from(told.count()).unwrap_or(u32::MAX)
    }

    /// What a lease was granted for is over: it goes to the first of those who wait, for a new computation. Whether one was
    /// held.
    pub fn revoke(&mut self, key: &Key, now: Moment, offer: &mut dyn FnMut(&Key) -> Offer) -> bool {
        let Some(seat) = self.seats.get(key).filter(|seat| seat.holder.is_some()) else { return false };
        let held = seat.until > now;
        self.promote(key, now, if held { LeaseTurn::Revoked } else { LeaseTurn::Lapsed }, offer);
        held
    }

    /// Revokes the leases of some keys; how many were held.
    pub fn revoke_where(
        &mut self,
        selects: impl Fn(&Key) -> bool,
        now: Moment,
        offer: &mut dyn FnMut(&Key) -> Offer,
    ) -> u32 {
        let keys: Vec<Key> = self.seats.keys().filter(|key| selects(key)).cloned().collect();
        let revoked = keys.iter().filter(|key| self.revoke(key, now, offer)).count();
        u32::try_from(revoked).unwrap_or(u32::MAX)
    }

    /// Hands on some of the leases whose time is over; whether there may be more.
    pub fn lapse(&mut self, now: Moment, offer: &mut dyn FnMut(&Key) -> Offer) -> bool {
        for _ in 0..LAPSES_PER_CALL {
            let first = self.due.first_key_value().filter(|((until, _), _)| *until <= now);
            let Some(key) = first.map(|(_, key)| key.clone()) else { return false };
            self.promote(&key, now, LeaseTurn::Lapsed, offer);
        }
        true
    }

    /// Sends all who wait away.
    pub fn close(&mut self) {
        for seat in self.seats.values_mut() {
            self.census.waiting.fetch_sub(seat.waiters.len(), Relaxed);
            seat.waiters.clear();
        }
    }

    /// The next in the line gets the lease, which ended in this way; without one the key is free.
    fn promote(&mut self, key: &Key, now: Moment, ended: LeaseTurn, offer: &mut dyn FnMut(&Key) -> Offer) {
        let Some(seat) = self.seats.get_mut(key) else { return };
        if seat.holder.is_some() {
            self.census.turn(key, ended);
        }
        self.due.remove(&(seat.until, seat.number));
        let duration = self.census.limits.duration;
        while let Some((_, waiter)) = seat.waiters.pop_front() {
            self.census.waiting.fetch_sub(1, Relaxed);
            let Offer { token, stamp, place } = offer(key);
            if waiter.send(News::Granted(Grant { token, duration })).is_ok() {
                seat.holder = Some(Claim { token, stamp, place, granted: now });
                seat.until = now.after(duration);
                seat.others = seat.others.saturating_sub(1);
                self.due.insert((seat.until, seat.number), key.clone());
                self.census.turn(key, LeaseTurn::Granted);
                return;
            }
        }
        self.seats.remove(key);
        self.census.held.fetch_sub(1, Relaxed);
    }

    fn reschedule(&mut self, key: &Key, until: Moment) {
        if let Some(seat) = self.seats.get_mut(key) {
            self.due.remove(&(seat.until, seat.number));
            seat.until = until;
            self.due.insert((until, seat.number), key.clone());
        }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }
}
