//! Leases on misses: one caller computes, the others wait for its value; and how a lease is kept, given back and handed on.
//! What is stored under one passes the gate like everything else.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures::{FutureExt, StreamExt, stream::FuturesUnordered};
use tokio::time::timeout;

use super::{
    beneath::{self, Beneath},
    bounds,
    failure::{self, Kept},
    get::{GetAnswer, GetRequest, Looked, Lookup, Seen, StalePolicy, look_up},
    put::{self, PutAnswer, PutRequest},
    refresh::is_due,
    repeat::Repeats,
};
use crate::{
    entry::{Description, Expiration, Negative, Payload},
    error::{Error, Kind, Reason, Result},
    event::{LeaseTurn, MissReason, ReadOutcome},
    key::Key,
    lease::{Asked, Grant, News, Waiting},
    memory::{Guard, Store, beside::Filled, space::Space},
    position::AsOf,
    tier::TierName,
};

/// Longest time for which nobody gets a lease that was given back.
pub const HOLD_OFF_MAX: Duration = Duration::from_secs(60);
/// When to ask again at the latest, where the end of another's lease is further away.
const RETRY_MAX: Duration = Duration::from_millis(500);
/// When to ask again at the earliest.
const RETRY_MIN: Duration = Duration::from_millis(10);

/// What a Get found that asks for a lease.
#[derive(Clone, Debug)]
pub enum LeasedAnswer {
    /// What any Get finds; and the lease, when it is a miss or stale and nobody else has it.
    Found(Box<GetAnswer>, Option<Grant>),
    /// Another computes the value: when to ask again, and how current that is.
    Pending(Duration, AsOf),
}

/// What to do when nothing fresh is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnMiss {
    /// Say so.
    Report,
    /// Get the key's lease.
    Lease,
    /// Get the key's lease, or wait for so long for who has it.
    Wait(Duration),
}

/// How a computation failed, and what selects the memory of it.
#[derive(Clone, Debug)]
pub struct Failed {
    /// What is remembered.
    pub negative: Negative,
    /// Kind, tags and dependencies of what would have been stored: what drops that drops the failure.
    pub description: Description,
    /// For how long.
    pub expiration: Expiration,
}

/// How a lease is given back.
#[derive(Clone, Debug)]
pub enum Release {
    /// For the next of those who wait, or for anybody.
    Next,
    /// For nobody before this time is over: above zero, at most [`HOLD_OFF_MAX`].
    HoldOff(Duration),
    /// The computation ended with this, which is remembered for so long and given to those who wait.
    Failure(Failed),
}

/// One who waits. Dropped, it does so no more; what it was given and nobody took is handed on.
pub(super) struct Place {
    store: Arc<Store>,
    key: Key,
    waiting: Waiting<Filled>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let store = &self.store;
        let mut shard = store.shard(&self.key);
        shard.beside.leases.leave(&self.key, self.waiting.number);
        if let Ok(News::Granted(Grant { token, .. })) = self.waiting.news.try_recv() {
            let now = store.clock.now();
            shard.beside.leases.release(&self.key, (token, None), now, &mut |key| store.offer(key));
        }
    }
}

/// What became of the wish for a lease, under the lock of the look.
enum Wish {
    /// What was found is the answer, with the lease if it was to be had.
    Found(Option<Grant>),
    /// Another has it, or may have it, for so long.
    Taken(Duration),
    Waits(Waiting<Filled>),
}

/// What comes of asking.
pub(super) enum Outcome {
    /// Memory does not have it, and slower tiers were not asked yet.
    Missing,
    Ended(LeasedAnswer),
    /// Nothing yet: where it waits, what was found, and for how long it may.
    Waits(Box<(Place, Looked)>, Duration),
}

/// Finds one entry; when there is nothing fresh, gets the key's lease, or waits for the value up to `wait`. Without
/// `wait` it never waits.
///
/// # Errors
/// As [`super::get::get`]; `BAD_ARGUMENT` for a Get that leaves no trace; `TOO_MANY_NAMESPACES`.
pub async fn get(store: &Arc<Store>, request: &GetRequest, wait: Option<Duration>) -> Result<LeasedAnswer> {
    let asked = ask(store, request, wait.map_or(OnMiss::Lease, OnMiss::Wait), &Beneath::Nothing)?;
    finish(store, request, asked).await
}

/// Waits, if that is what came of asking.
pub(super) async fn finish(store: &Arc<Store>, request: &GetRequest, asked: Outcome) -> Result<LeasedAnswer> {
    match asked {
        Outcome::Ended(answer) => Ok(answer),
        Outcome::Missing => Err(Error::new(Kind::Internal, Reason::Bug, "slower tiers were not asked")),
        Outcome::Waits(both, time) => {
            let (mut place, looked) = *both;
            let news = timeout(time, &mut place.waiting.news).await;
            Ok(settle(store, (looked, request), news.ok().and_then(std::result::Result::ok)))
        }
    }
}

/// Finds several entries, each for itself and in this order. Whoever is given a lease waits for nothing else: otherwise two
/// that ask for the same keys in another order could wait for each other. So it waits only while it has no lease, for all
/// values together, and what is not there then is pending.
pub async fn get_many(store: &Arc<Store>, items: &[(GetRequest, OnMiss)]) -> Vec<Result<LeasedAnswer>> {
    get_many_above(store, items, &[]).await
}

/// The same with what slower tiers said of each before; of those that are not told they have nothing.
pub(super) async fn get_many_above(
    store: &Arc<Store>,
    items: &[(GetRequest, OnMiss)],
    beneath: &[Beneath],
) -> Vec<Result<LeasedAnswer>> {
    let mut answers: Vec<Option<Result<LeasedAnswer>>> = Vec::with_capacity(items.len());
    let (mut waits, mut looks) = (FuturesUnordered::new(), Vec::new());
    let mut granted = false;
    for (number, (request, on_miss)) in items.iter().enumerate() {
        let known = beneath.get(number).unwrap_or(&Beneath::Nothing);
        let outcome = match ask(store, request, *on_miss, known) {
            Ok(Outcome::Missing) => ask(store, request, *on_miss, &Beneath::Nothing),
            asked => asked,
        };
        answers.push(match outcome {
            Ok(Outcome::Waits(both, time)) => {
                let (mut place, looked) = *both;
                looks.push((number, looked));
                // The place stays with its wait: both go when nobody asks any more.
                waits.push(async move { (number, timeout(time, &mut place.waiting.news).await, place) });
                None
            }
            Ok(Outcome::Missing) => Some(finish(store, request, Outcome::Missing).await),
            Ok(Outcome::Ended(answer)) => {
                granted |= matches!(answer, LeasedAnswer::Found(_, Some(_)));
                Some(Ok(answer))
            }
            Err(error) => Some(Err(error)),
        });
    }
    let mut heard = HashMap::new();
    // With a lease in hand nothing is awaited any more, but what is there already is taken.
    while let Some((number, news, _place)) =
        if granted { waits.next().now_or_never().flatten() } else { waits.next().await }
    {
        let news = news.ok().and_then(std::result::Result::ok);
        granted |= matches!(news, Some(News::Granted(_)));
        heard.insert(number, news);
    }
    drop(waits);
    for (number, looked) in looks {
        let news = heard.remove(&number).flatten();
        answers[number] = Some(Ok(settle(store, (looked, &items[number].0), news)));
    }
    answers.into_iter().flatten().collect()
}

/// Finds one entry and does what it may without waiting. `beneath`: what slower tiers said.
pub(super) fn ask(store: &Arc<Store>, request: &GetRequest, on_miss: OnMiss, beneath: &Beneath) -> Result<Outcome> {
    let time = match on_miss {
        OnMiss::Report => return report(store, request, beneath),
        OnMiss::Lease => Duration::ZERO,
        OnMiss::Wait(time) => time,
    };
    if request.peek {
        let rule = "a Get that leaves no trace takes no lease: leave out `peek` or `miss_policy`";
        return Err(Error::invalid(Reason::BadArgument, "miss_policy", rule));
    }
    let key = Key::new(&request.namespace, &request.key)?;
    store.open(key.namespace())?;
    let waits = !time.is_zero();
    let wish = |shard: &mut Guard<'_>, seen: &Seen<'_>| wish(store, shard, seen, (request.stale, waits));
    let (looked, Some(wish)) = beneath::look_up(store, request, beneath, wish)? else { return Ok(Outcome::Missing) };
    Ok(Outcome::Ended(match wish {
        Wish::Found(lease) => answer(store, served(looked, lease), lease),
        Wish::Taken(time) => pending(store, &looked, time),
        Wish::Waits(waiting) => {
            let place = Place { store: store.clone(), key, waiting };
            return Ok(Outcome::Waits(Box::new((place, looked)), time));
        }
    }))
}

fn report(store: &Arc<Store>, request: &GetRequest, beneath: &Beneath) -> Result<Outcome> {
    let (looked, Some(())) = beneath::look_up(store, request, beneath, |_, _| ())? else { return Ok(Outcome::Missing) };
    if !request.peek {
        looked.count(store);
    }
    Ok(Outcome::Ended(LeasedAnswer::Found(Box::new(looked.answer()), None)))
}

fn wish(store: &Store, shard: &mut Guard<'_>, seen: &Seen<'_>, (policy, waits): (StalePolicy, bool)) -> Wish {
    let waits_at_all = match seen.outcome {
        Lookup::Negative(_) => return Wish::Found(None),
        Lookup::Hit(_) | Lookup::NotModified(_) if !is_due(store, shard, seen) => return Wish::Found(None),
        // For as long as the failure to renew it is remembered nobody is to try again.
        Lookup::Stale(view) if view.facts.failure.as_ref().is_some_and(|failure| !failure.retry_after.is_zero()) => {
            return Wish::Found(None);
        }
        Lookup::Hit(_) | Lookup::NotModified(_) => false,
        Lookup::Stale(_) => policy == StalePolicy::IfError,
        Lookup::Miss(_) => true,
    };
    let key = seen.key;
    let leases = &mut shard.beside.leases;
    let time = match leases.ask(key, store.clock.now(), &mut |key| store.offer(key)) {
        Asked::Granted(grant) => return Wish::Found(Some(grant)),
        _ if !waits_at_all => return Wish::Found(None),
        Asked::Taken(_) if seen.outcome.view().is_some() && !leases.is_held(key) => return Wish::Found(None),
        Asked::Full if seen.outcome.view().is_some() => return Wish::Found(None),
        Asked::Taken(time) => time,
        Asked::Full => return Wish::Taken(RETRY_MAX),
    };
    let waiting = if waits { leases.wait(key) } else { None };
    waiting.map_or(Wish::Taken(time), Wish::Waits)
}

/// What one who waited is answered; without news its time is over, or the server goes.
fn settle(store: &Store, (mut looked, request): (Looked, &GetRequest), news: Option<News<Filled>>) -> LeasedAnswer {
    if !matches!(news, Some(News::Filled(_))) {
        drop_what_ended(store, &mut looked, request);
    }
    match news {
        Some(News::Filled(filled)) => {
            (looked.as_of, looked.tier) = (filled.as_of, TierName::Memory);
            (looked.outcome, looked.counted) = heard(filled, request);
            answer(store, looked, None)
        }
        Some(News::Granted(grant)) if is_held(store, &looked.key, grant.token) => answer(store, looked, Some(grant)),
        Some(News::Granted(_)) => {
            // It ended before this was heard of: what ended it may be there.
            look_again(store, &mut looked, request);
            match looked.outcome.view() {
                Some(_) => answer(store, served(looked, None), None),
                None => pending(store, &looked, RETRY_MIN),
            }
        }
        // A stale value is better than none.
        None if looked.outcome.view().is_some() => answer(store, served(looked, None), None),
        None => pending(store, &looked, RETRY_MIN),
    }
}

/// Who gets a stale value and no lease is served by it, and does not compute.
fn served(looked: Looked, lease: Option<Grant>) -> Looked {
    match (&looked.outcome, lease) {
        (Lookup::Stale(_), None) => Looked { counted: ReadOutcome::Stale, ..looked },
        _ => looked,
    }
}

/// What one who waited makes of what it was given.
fn heard(Filled { view, stale, .. }: Filled, request: &GetRequest) -> (Lookup, ReadOutcome) {
    if let Some(stale) = stale.filter(|_| request.stale != StalePolicy::Refuse) {
        return (Lookup::Stale(stale), ReadOutcome::Stale);
    }
    let unchanged = !request.if_etag_not.is_empty() && *view.facts.etag == *request.if_etag_not;
    let negative = matches!(view.payload, Payload::Negative(_));
    match (unchanged, negative) {
        (true, true) => (Lookup::NotModified(view), ReadOutcome::Negative),
        (true, false) => (Lookup::NotModified(view), ReadOutcome::Hit),
        (false, true) => (Lookup::Negative(view), ReadOutcome::Negative),
        (false, false) => (Lookup::Hit(view), ReadOutcome::Hit),
    }
}

/// Whether a lease is held here.
pub(super) fn is_held(store: &Store, key: &Key, token: u128) -> bool {
    store.shard(key).beside.leases.claim(key, token, store.clock.now()).is_some()
}

/// Looks again at a stale value that one who waited saw before: it may have been dropped meanwhile.
fn drop_what_ended(store: &Store, looked: &mut Looked, request: &GetRequest) {
    if looked.outcome.view().is_some() {
        look_again(store, looked, request);
    }
}

fn look_again(store: &Store, looked: &mut Looked, request: &GetRequest) {
    let again = look_up(store, request, |_, _| ());
    looked.tier = TierName::Memory;
    (looked.outcome, looked.counted, looked.as_of) = match again {
        Ok((Looked { outcome, counted, as_of, .. }, ())) => (outcome, counted, as_of),
        Err(_) => (Lookup::Miss(MissReason::Expired), ReadOutcome::Miss(MissReason::Expired), looked.as_of),
    };
}

fn answer(store: &Store, looked: Looked, lease: Option<Grant>) -> LeasedAnswer {
    looked.count(store);
    LeasedAnswer::Found(Box::new(looked.answer()), lease)
}

fn pending(store: &Store, looked: &Looked, time: Duration) -> LeasedAnswer {
    looked.count(store);
    if let Some(space) = &looked.space {
        space.stats.on_lease(looked.key.text(), "", LeaseTurn::Pending);
    }
    LeasedAnswer::Pending(time.clamp(RETRY_MIN, RETRY_MAX), looked.as_of)
}

/// Lets a lease last for one more duration; `None`: it is not held.
///
/// # Errors
/// Bad names.
pub fn extend(store: &Store, (namespace, text): (&str, &str), token: u128) -> Result<Option<Grant>> {
    let key = Key::new(namespace, text)?;
    let mut shard = store.shard(&key);
    Ok(shard.beside.leases.extend(&key, token, store.clock.now()))
}

/// Gives a lease back; how many who waited got the failure, `None`: it is not held.
///
/// # Errors
/// Bad names; a hold-off or a failure out of its bounds.
pub fn release(
    store: &Store,
    repeats: &Repeats,
    (namespace, text): (&str, &str),
    token: u128,
    how: Release,
) -> Result<Option<u32>> {
    let key = Key::new(namespace, text)?;
    let hold_off = match how {
        Release::Failure(Failed { negative, mut description, expiration }) => {
            bounds::description(&mut description)?;
            let Some(space) = store.spaces.find(key.namespace())? else { return Ok(None) };
            let (expiration, until) = failure::remembered(store, &space, (&negative, expiration))?;
            match failure::keep(store, &space, (&key, token), (&negative, until)) {
                Kept::Beside(released) => return Ok(Some(released)),
                Kept::Lost => return Ok(None),
                Kept::Nowhere => {}
            }
            let request = failure_put(&key, Failed { negative, description, expiration });
            return Ok(match put::put_under(store, repeats, request, Some(token))? {
                PutAnswer::Stored { waiters_released, .. }
                | PutAnswer::Refreshed { waiters_released, .. }
                | PutAnswer::NotAdmitted { waiters_released, .. } => Some(waiters_released),
                PutAnswer::LeaseLost | PutAnswer::PreconditionFailed { .. } => None,
            });
        }
        Release::HoldOff(long) if long.is_zero() || long > HOLD_OFF_MAX => {
            let rule = "a hold-off is above zero and at most 60 s";
            return Err(Error::invalid(Reason::BadArgument, "hold_off", rule));
        }
        Release::HoldOff(long) => Some(long),
        Release::Next => None,
    };
    let mut shard = store.shard(&key);
    let now = store.clock.now();
    let held = shard.beside.leases.release(&key, (token, hold_off), now, &mut |key| store.offer(key));
    Ok(held.then_some(0))
}

fn failure_put(key: &Key, Failed { negative, description, expiration }: Failed) -> PutRequest {
    PutRequest {
        description,
        expiration,
        ..PutRequest::new(key.namespace().to_string(), key.text().to_string(), Payload::Negative(negative))
    }
}

/// Gives what came to those who wait for it, and counts what that spared; how many got it.
pub(super) fn hand_over(shard: &mut Guard<'_>, space: &Space, key: &Key, filled: &Filled) -> u32 {
    let wanted = shard.beside.leases.wanted(key);
    let waiters = shard.beside.leases.fill(key, filled);
    if wanted || waiters > 0 {
        space.stats.on_shared(key.text(), &filled.view.facts.description.kind, (waiters, wanted));
    }
    waiters
}

/// Hands on the leases whose time is over.
pub fn lapse(store: &Store) {
    let now = store.clock.now();
    for number in 0..store.pool.shards() {
        while store.pool.lock(number).beside.leases.lapse(now, &mut |key| store.offer(key)) {}
    }
}

/// Sends all away who wait, and lets nobody wait from now on.
pub fn close(store: &Store) {
    store.leases.close();
    store.each_shard().for_each(|mut shard| shard.beside.leases.close());
}
