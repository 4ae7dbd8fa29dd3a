//! The gate: the only code that puts an entry into a tier. What arrives here may be late, too large or unwanted; what
//! gets past is valid at the moment it is stored, because validity, precondition and room are settled under one lock.

use std::sync::Arc;

use super::{fill::Ticket, put::Precondition};
use crate::{
    changes::{Author, What},
    clock::Moment,
    entry::{EntryView, Freshness},
    event::{Event, MissReason, RemovalReason},
    key::Key,
    memory::{
        Store,
        budget::Room,
        held,
        record::{Content, Lifetime, Record},
        shard::Shard,
        space::Space,
    },
    position::{AsOf, Positions},
};

/// How often the gate makes room before it gives up: only reached when others take it away each time.
const ATTEMPTS_MAX: usize = 100_000;

/// Something that wants in.
#[derive(Debug)]
pub struct Admission<'a> {
    /// The namespace.
    pub space: &'a Arc<Space>,
    /// The key.
    pub key: &'a Key,
    /// What.
    pub content: Content,
    /// For how long.
    pub lifetime: Lifetime,
    /// On which condition.
    pub precondition: &'a Precondition,
    /// By what right.
    pub right: Right,
}

/// By what right something wants in.
#[derive(Clone, Debug)]
pub enum Right {
    /// A writer says so: it replaces whatever was computed before.
    Write(Author),
    /// It was fetched: it counts only if nothing that concerns it changed, and no writer confirmed what is stored, since
    /// this ticket was taken.
    Fill(Ticket),
}

/// What the gate did.
#[derive(Debug)]
pub enum Admitted {
    /// Stored, with an event.
    Stored(EntryView, Positions),
    /// The same content was there and lives on, without an event.
    Refreshed(EntryView, Positions),
    /// The precondition does not hold.
    PreconditionFailed(Option<EntryView>),
    /// A fill that came too late.
    TooLate,
    /// It cannot fit: why, and where an older value was dropped.
    NotAdmitted(String, Option<Positions>),
}

/// Decides and, when it may, stores.
pub fn admit(store: &Store, admission: &Admission<'_>) -> Admitted {
    let Admission { space, key, content, .. } = admission;
    let charge = content.charge(key);
    for _ in 0..ATTEMPTS_MAX {
        let mut shard = store.shard(key);
        let now = store.clock.now();
        let as_of = store.as_of(key);
        drop_ended(store, &mut shard, key, now);
        if let Some(refusal) = refuse(store, &mut shard, admission, charge) {
            return refusal;
        }
        let old = shard.record(key).map(|record| record.charged);
        if store.reserve(space, old, charge) {
            return write(store, &mut shard, admission, Place { charge, now, as_of });
        }
        // What a key holds is not what makes room for its successor: the condition on it was just found to hold.
        shard.used(key, store.tick());
        drop(shard);
        store.evict_one(space, old, charge);
    }
    let mut shard = store.shard(key);
    let why = "other writers took all room as fast as it was made: retry, or raise the memory limit".to_owned();
    refuse(store, &mut shard, admission, charge).unwrap_or_else(|| turn_away(store, &mut shard, admission, why))
}

/// Removes a key's record when it has ended or a fence selects it. Every look at a key begins with this.
pub fn drop_ended(store: &Store, shard: &mut Shard, key: &Key, now: Moment) {
    let Some(record) = shard.record_mut(key) else { return };
    if record.freshness(now) == Freshness::Gone {
        let reason = if record.idle_at(now) { RemovalReason::Idle } else { RemovalReason::Expired };
        store.remove(shard, key, reason);
        return;
    }
    let fences = store.fences.read();
    let valid = fences.allow(key.namespace(), &record.facets(key.text()), record.stamp);
    if valid {
        record.stamp.selector = fences.newest();
        return;
    }
    drop(fences);
    store.remove(shard, key, RemovalReason::Invalidated);
}

/// Gives what is stored a new lifetime, when the precondition holds; else tells what is in the way.
pub fn renew(
    store: &Store,
    space: &Arc<Space>,
    key: &Key,
    precondition: &Precondition,
    lifetime: Lifetime,
) -> Admitted {
    let mut shard = store.shard(key);
    let now = store.clock.now();
    let as_of = store.as_of(key);
    drop_ended(store, &mut shard, key, now);
    let current = shard.record(key);
    if !holds(precondition, current) {
        return Admitted::PreconditionFailed(current.map(|record| record.view(key, now)));
    }
    let Some(record) = shard.record_mut(key) else { return Admitted::PreconditionFailed(None) };
    record.lifetime = lifetime;
    (record.stored, record.read, record.stamp) = (now, now, as_of.into());
    space.stats.on_refresh(key.text(), &record.content.description.kind);
    let view = record.view(key, now);
    let place = store.tick();
    shard.confirmations.note(key, place);
    shard.used(key, place);
    shard.reschedule(key);
    Admitted::Refreshed(view, Positions::new(vec![(key.log(), as_of.key)]))
}

/// Why it may not be stored, if so. Room is not looked at yet, only whether it could ever fit.
fn refuse(store: &Store, shard: &mut Shard, admission: &Admission<'_>, charge: u64) -> Option<Admitted> {
    let Admission { space, key, precondition, right, .. } = admission;
    let current = shard.record(key);
    if !holds(precondition, current) {
        let in_the_way = current.map(|record| record.view(key, store.clock.now()));
        return Some(Admitted::PreconditionFailed(in_the_way));
    }
    if let Right::Fill(ticket) = right
        && !in_time(store, shard, admission, *ticket)
    {
        store.observer.observe(&Event::FillRefused { namespace: key.namespace().clone() });
        return Some(Admitted::TooLate);
    }
    let why = cannot_fit(store, space, charge)?;
    Some(turn_away(store, shard, admission, why))
}

/// Books a refusal for want of room, and drops the older value, which the refused one makes wrong.
fn turn_away(store: &Store, shard: &mut Shard, admission: &Admission<'_>, why: String) -> Admitted {
    let Admission { space, key, content, right, .. } = admission;
    space.stats.on_not_admitted(key.text(), &content.description.kind);
    let position = drop_older(store, shard, key, &right.author());
    shard.remember(key, MissReason::NotAdmitted);
    Admitted::NotAdmitted(why, position)
}

/// Whether nothing that concerns a fill happened since its ticket was taken.
fn in_time(store: &Store, shard: &Shard, admission: &Admission<'_>, ticket: Ticket) -> bool {
    let Admission { key, content, .. } = admission;
    shard.fences.admit(key, ticket.stamp)
        && shard.confirmations.admit(key, ticket.place)
        && store.fences.read().allow(key.namespace(), &content.facets(key.text()), ticket.stamp)
}

fn holds(precondition: &Precondition, current: Option<&Record>) -> bool {
    match (precondition, current) {
        (Precondition::Always, _) | (Precondition::Absent, None) | (Precondition::Present, Some(_)) => true,
        (Precondition::Etag(etag), Some(record)) => *record.content.etag == **etag,
        (Precondition::Absent, Some(_)) | (Precondition::Present | Precondition::Etag(_), None) => false,
    }
}

fn cannot_fit(store: &Store, space: &Space, charge: u64) -> Option<String> {
    let limits = [
        ("this server", "limits.bytes_max", store.budget.max()),
        ("this namespace", "its bytes_max", space.budget.max()),
    ];
    limits.into_iter().find_map(|(whose, setting, Room { entries, bytes })| {
        if entries == 0 {
            return Some(format!("{whose} may hold no entries: raise its entries_max"));
        }
        let too_large = charge > bytes;
        too_large.then(|| format!("the entry is charged {charge} bytes and {whose} may hold {bytes}: raise {setting}"))
    })
}

/// A value that was refused still makes the older one wrong.
fn drop_older(store: &Store, shard: &mut Shard, key: &Key, author: &Author) -> Option<Positions> {
    let old = store.remove(shard, key, RemovalReason::Invalidated)?;
    let what = What::Invalidated(vec![(key.text().clone(), Some(old.content.description))]);
    let position = store.history.append(key.namespace(), key.log(), what, author);
    shard.fences.raise(key, position.number);
    Some(Positions::new(vec![(key.log(), position)]))
}

/// Where and when something is written.
#[derive(Clone, Copy)]
struct Place {
    charge: u64,
    now: Moment,
    as_of: AsOf,
}

/// Stores what passed; its room is reserved.
fn write(store: &Store, shard: &mut Shard, admission: &Admission<'_>, place: Place) -> Admitted {
    let Admission { space, key, content, lifetime, right, .. } = admission;
    let old = shard.take(key);
    if let Some(old) = &old {
        give_back(store, space, key, old, place.charge);
    }
    let same = old.as_ref().is_some_and(|old| old.content.equals(content));
    let mut record = Record {
        content: content.clone(),
        lifetime: *lifetime,
        stored: place.now,
        read: place.now,
        hits: if same { old.as_ref().map_or(0, |old| old.hits) } else { 0 },
        charged: place.charge,
        stamp: place.as_of.into(),
        tick: 0,
    };
    let kind = content.description.kind.clone();
    if same {
        if matches!(right, Right::Write(_)) {
            shard.confirmations.note(key, store.tick());
        }
        space.stats.on_refresh(key.text(), &kind);
    } else {
        if let Some(old) = &old {
            space.stats.on_removed(key.text(), &old.content.description.kind, RemovalReason::Replaced);
        }
        let previous = old.map(|old| old.content.description);
        let (text, description) = (key.text().clone(), content.description.clone());
        let what = What::Put { key: text, description, previous };
        let position = store.history.append(key.namespace(), key.log(), what, &right.author());
        record.stamp.key = position.number;
        if matches!(right, Right::Write(_)) {
            shard.fences.raise(key, position.number);
        }
        space.stats.on_put(key.text(), &kind);
    }
    space.stats.on_held(key.text(), &kind, held(&record, 1));
    let view = record.view(key, place.now);
    let position = Positions::new(vec![(key.log(), store.history.position(key.log()))]);
    shard.insert(space, key, record, store.tick());
    if same { Admitted::Refreshed(view, position) } else { Admitted::Stored(view, position) }
}

/// Books the going of a replaced record, whose room the new one takes over as far as it needs it.
fn give_back(store: &Store, space: &Space, key: &Key, old: &Record, charge: u64) {
    let spare = Room { entries: 0, bytes: old.charged.saturating_sub(charge) };
    store.budget.release(spare);
    space.budget.release(spare);
    let kind = &old.content.description.kind;
    space.stats.on_held(key.text(), kind, held(old, -1));
}

impl Right {
    fn author(&self) -> Author {
        match self {
            Self::Write(author) => author.clone(),
            Self::Fill(_) => Author::default(),
        }
    }
}
