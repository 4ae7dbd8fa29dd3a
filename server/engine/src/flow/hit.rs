//! A look for what memory can answer at once: fresh values, many keys in one pass, each where it lies. Whoever finds nothing
//! this way asks `get`, which knows what else there may be: nothing is counted here for it.

use std::{sync::Arc, time::Duration};

use super::fleet::distrusts;
use crate::{
    clock::Moment,
    entry::{Description, Facts, Freshness, Payload},
    event::{Event, ReadOutcome},
    insight::{top::TopRead, what_if::Answered},
    key::stable_hash,
    memory::{
        Guard, Store, item,
        record::{Look, Record},
        space::Space,
        table::{Held as _, Slot},
    },
    position::{AsOf, LogId, Position},
    stats::group_of,
};

/// Keys that are looked at in one hold of a shard's lock at most.
const KEYS_PER_HOLD: usize = 32;

/// Values up to this size are shown where they lie: to copy them under the lock takes less than to count one more who shares them.
const HERE_BYTES_MAX: usize = 4 << 10;

/// One key to look for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'k> {
    /// The key's text. One that breaks the rules for keys is not found.
    pub key: &'k str,
    /// Whether what is known about the entry is told.
    pub with_facts: bool,
}

/// A fresh value.
#[derive(Debug)]
pub struct Hit<'a> {
    /// The value.
    pub value: Value<'a>,
    /// How current that is.
    pub as_of: AsOf,
    /// What is known about it, where that was wanted. Boxed: mostly it is not, and a hit goes through several hands.
    pub facts: Option<Box<Facts>>,
}

/// A value as it is held.
#[derive(Debug)]
pub enum Value<'a> {
    /// Where it lies: small.
    Here(&'a [u8]),
    /// Shared with the store.
    Shared(Payload),
}

/// Where a key is looked for.
#[derive(Clone, Copy)]
struct Place {
    shard: usize,
    number: usize,
    hash: u64,
    /// By which its shard's table finds it.
    found_by: u64,
}

/// Looks for keys of one namespace, each shard's together, and shows those that are fresh values, by their number. `found` runs
/// under the lock of a shard: it takes what it needs and goes, and says whether it took it. What is not shown, or not taken, is
/// not counted.
pub fn hits<'k>(store: &Store, namespace: &str, wanted: &[Wanted<'k>], mut found: impl FnMut(usize, Hit<'_>) -> bool) {
    let Some(space) = store.spaces.named(namespace) else { return };
    let now = store.clock.now();
    if distrusts(store, &space, now) {
        return;
    }
    let place = |(number, wanted): (usize, &Wanted<'k>)| {
        let hash = stable_hash(&space.name, wanted.key);
        let shard = LogId::of_hash(hash).index() & (store.pool.shards() - 1);
        Place { shard, number, hash, found_by: store.hash_of(wanted.key) }
    };
    let (one, mut many);
    let places: &[Place] = if let [only] = wanted {
        one = [place((0, only))];
        &one
    } else {
        many = wanted.iter().enumerate().map(place).collect::<Vec<_>>();
        many.sort_unstable_by_key(|place| place.shard);
        &many
    };
    let Some(runs_max) = places.len().checked_sub(1) else { return };
    let mut tally = Tally {
        store,
        space: &space,
        now,
        groups: None,
        before: Vec::with_capacity(runs_max),
        kinds: None,
        hits: 0,
        bytes: 0,
        priced: 0,
    };
    for group in places.chunk_by(|one, other| one.shard == other.shard).flat_map(|group| group.chunks(KEYS_PER_HOLD)) {
        let mut shard = store.pool.lock(group[0].shard);
        if group.len() > 1 {
            approach(&shard, group, &space);
        }
        for place in group {
            let (wanted, show) = (&wanted[place.number], |hit: Hit<'_>| found(place.number, hit));
            look(&mut shard, (place, wanted), &mut tally, show);
        }
    }
    tally.close();
}

/// Looks where entries lie before they are looked at one after the other: what is not in the processor's own memory then comes
/// for all of them at once.
fn approach(shard: &Guard<'_>, group: &[Place], space: &Space) {
    let Some(table) = shard.table(&space.shelf) else { return };
    let mut slots = [None; KEYS_PER_HOLD];
    for (slot, place) in slots.iter_mut().zip(group) {
        *slot = table.near(place.found_by);
    }
    let seen =
        slots.iter().flatten().filter_map(|slot| table.get(*slot)).fold(0, |seen, record| seen ^ record.glance());
    std::hint::black_box(seen);
}

/// Shows one key's entry if it is a fresh value, and notes its use; `None`: it is not, or was not taken.
fn look<'k>(
    shard: &mut Guard<'_>,
    (place, wanted): (&Place, &Wanted<'k>),
    tally: &mut Tally<'_, 'k>,
    show: impl FnOnce(Hit<'_>) -> bool,
) -> Option<()> {
    let Tally { store, space, now, .. } = *tally;
    // Before the test: what is fresh then is so up to there.
    let newest = store.newest_fence();
    let slot = shard.table(&space.shelf)?.find(place.found_by, wanted.key.as_bytes())?;
    let fresh = |record: &Record| record.freshness(now) == Freshness::Fresh && !record.is_negative();
    let record = shard.table(&space.shelf)?.get(slot).filter(|record| fresh(record))?;
    if record.selector() < newest {
        // What does not stand is taken out, and its place may be gone with it.
        if !store.settle(shard, (space, slot)) {
            return None;
        }
        shard.table(&space.shelf)?.get(slot).filter(|record| fresh(record))?;
    }
    let (log, selector) = (LogId::of_hash(place.hash), Position { epoch: store.history.epoch(), number: newest });
    let as_of = AsOf { log, key: store.history.position(log), selector };
    let table = shard.table(&space.shelf)?;
    let record = table.get(slot)?;
    let said = record.description(&shard.beside.shared);
    let facts = wanted.with_facts.then(|| {
        let pinned_until = table.pin_of(slot).map(|pin| pin.until);
        let (hits, order_bytes) = (table.hits(slot), space.shelf.order_bytes());
        Box::new(record.facts(said, Look { now, hits, order_bytes, pinned_until, marked: None }))
    });
    let bytes_max = store.config.unary_value_bytes_max;
    let value = match record.plain().filter(|value| value.len() <= HERE_BYTES_MAX && value.len() as u64 <= bytes_max) {
        Some(value) => Value::Here(value),
        None => Value::Shared(in_one_piece(record.payload(), bytes_max)?),
    };
    if !show(Hit { value, as_of, facts }) {
        return None;
    }
    tally.read((wanted.key, place.hash), (record, said));
    note_use(shard, (space, slot), now)
}

/// A value that one message shows as it is held; `None`: it is too large, or in pieces.
fn in_one_piece(payload: Payload, bytes_max: u64) -> Option<Payload> {
    (!matches!(payload, Payload::Chunks(_)) && payload.value_bytes() <= bytes_max).then_some(payload)
}

fn note_use(shard: &mut Guard<'_>, (space, slot): (&Space, Slot), now: Moment) -> Option<()> {
    let table = shard.table_mut(&space.shelf)?;
    table.get_mut(slot)?.read(now);
    table.used(slot, &space.shelf.age);
    Some(())
}

/// What one pass found, counted in few steps: keys next to each other mostly count in the same groups.
struct Tally<'s, 'k> {
    store: &'s Store,
    space: &'s Space,
    now: Moment,
    groups: Option<Run<&'k str>>,
    /// Those before that run, counted together at the end.
    before: Vec<Run<&'k str>>,
    kinds: Option<Run<Arc<Description>>>,
    hits: u64,
    bytes: u64,
    priced: u64,
}

/// Hits that count in the same place.
struct Run<P> {
    place: P,
    hits: u64,
    saved: Duration,
}

impl<P> Run<P> {
    /// One hit more, of this place; what came before it, where that was of another.
    fn add(
        run: &mut Option<Self>,
        is_it: impl Fn(&P) -> bool,
        place: impl FnOnce() -> P,
        saved: Duration,
    ) -> Option<Self> {
        match run {
            Some(run) if is_it(&run.place) => {
                (run.hits, run.saved) = (run.hits + 1, run.saved.saturating_add(saved));
                None
            }
            run => run.replace(Self { place: place(), hits: 1, saved }),
        }
    }
}

impl<'k> Tally<'_, 'k> {
    /// One more hit. Runs under the lock of its shard.
    fn read(&mut self, (key, hash): (&'k str, u64), (record, said): (&Record, &Arc<Description>)) {
        let (bytes, cost) = (record.value_bytes(), record.cost());
        (self.hits, self.bytes, self.priced) =
            (self.hits + 1, self.bytes + bytes, self.priced + u64::from(cost.is_some()));
        let (group, saved) = (group_of(key), cost.unwrap_or_default());
        self.before.extend(Run::add(&mut self.groups, |other| *other == group, || group, saved));
        let before = Run::add(&mut self.kinds, |other| Arc::ptr_eq(other, said), || said.clone(), saved);
        self.count_kind(before);
        self.space.insight.top.read((key, hash), TopRead { bytes, cost: saved });
        if self.store.insight.what_if.samples(hash) {
            let known = (record.charged(self.space.shelf.order_bytes()), cost, record.ends());
            let answered = Answered::Found(item(self.space, &said.kind, known));
            self.store.insight.what_if.read((self.space.shelf.number(), hash), answered, self.now);
        }
    }

    fn count_kind(&self, run: Option<Run<Arc<Description>>>) {
        if let Some(Run { place, hits, saved }) = run {
            self.space.stats.on_hits(&place.kind, (hits, saved));
        }
    }

    /// Counts what is not counted yet.
    fn close(mut self) {
        if self.hits == 0 {
            return;
        }
        let (groups, kind) = (self.before.drain(..).chain(self.groups.take()), self.kinds.take());
        self.space.stats.on_hits_of(groups.map(|Run { place, hits, saved }| (place, (hits, saved))));
        self.count_kind(kind);
        let elapsed = self.store.clock.now().since(self.now);
        self.space.stats.on_served(self.bytes, self.priced);
        self.space.stats.on_latencies("get", elapsed, self.hits);
        let read = Event::Read { namespace: self.space.name.clone(), outcome: ReadOutcome::Hit, elapsed };
        (0..self.hits).for_each(|_| self.store.observer.observe(&read));
    }
}
