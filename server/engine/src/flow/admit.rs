//! The gate: the only code that puts an entry into a tier. What arrives here may be late, too large or unwanted; what
//! gets past is valid at the moment it is stored, because validity, precondition and room are settled under one lock.

use std::sync::Arc;

use super::{
    alone,
    book::book,
    condition::{Below, Tested},
    fill::Ticket,
    fit::{cannot_fit, not_worth_it},
    lease::hand_over,
    overtaken,
    put::Precondition,
};
use crate::{
    changes::{Author, What},
    clock::Moment,
    entry::{EntryView, Freshness},
    event::{Event, MissReason, RemovalReason},
    fence::Stamp,
    key::Key,
    lease::Claim,
    memory::{
        Guard, Store,
        beside::{Filled, Removal},
        budget::Room,
        content::Content,
        notes::Noted,
        record::{self, Lifetime, Look, Record, Terms},
        reserved::Reservation,
        shared::Shared,
        space::Space,
        table::Slot,
    },
    position::{AsOf, Position, Positions},
    tier::TierName,
};

/// How often the gate makes room before it gives up: only reached when others take it away each time.
pub(super) const ATTEMPTS_MAX: usize = 100_000;

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
    /// What was found below memory, where the condition is on that as well.
    pub below: Option<&'a Below>,
    /// By what right.
    pub right: Right,
    /// Until when it makes no room for others, if that is asked.
    pub pin: Option<Moment>,
    /// Room that is held for it already.
    pub reserved: Option<&'a Reservation>,
}

/// By what right something wants in.
#[derive(Clone, Debug)]
pub enum Right {
    /// A writer says so: it replaces whatever was computed before.
    Write(Author),
    /// The same, of a writer who began to write it at this ticket: it counts only if nothing that concerns it was invalidated
    /// since. What others stored meanwhile it replaces.
    Since(Author, Ticket),
    /// It was fetched: it counts only if nothing that concerns it changed and no writer confirmed it since this ticket.
    Fill(Ticket),
    /// It was computed under a lease: it counts only if that is held and nothing else that concerns it was invalidated.
    Lease(Author, Claim),
    /// It was stored before, and lies in a slower tier: it counts only if nothing was stored, dropped or told of its key since
    /// it was asked for there. Watchers and statistics see no write.
    Promote(Promotion),
}

/// An entry on its way from a slower tier to memory.
#[derive(Clone, Copy, Debug)]
pub struct Promotion {
    /// Taken before the tier was asked.
    pub ticket: Ticket,
    /// When it was stored.
    pub stored: Moment,
    /// Where it lies.
    pub from: TierName,
}

/// What the gate did.
#[derive(Debug)]
pub enum Admitted {
    /// Stored, with an event, and so many who waited got it.
    Stored(EntryView, Positions, u32),
    /// The same content was there and lives on, without an event, and so many who waited got it.
    Refreshed(EntryView, Positions, u32),
    /// The precondition does not hold.
    PreconditionFailed(Option<EntryView>),
    /// What the condition is on may have changed below memory since it was looked for there.
    Unknown,
    /// A fill that came too late.
    TooLate,
    /// Its lease is not held, or what that was granted for was invalidated.
    LeaseLost,
    /// It cannot fit: why, where an older value was dropped, and how many who waited got it nevertheless.
    NotAdmitted(String, Option<Positions>, u32),
}

/// Decides and, when it may, stores. What was made from something is given with the namespace's linking locked.
pub fn admit(store: &Store, admission: &Admission<'_>) -> Admitted {
    if overtaken::is(store, admission) {
        return too_late(store, &mut store.shard(admission.key), admission);
    }
    let by = store.tiers.memory.as_ref().filter(|_| admission.space.config.compress);
    match by.and_then(|by| admission.content.compressed(by)) {
        Some(content) => settle(store, &Admission { content, right: admission.right.clone(), ..*admission }),
        None => settle(store, admission),
    }
}

/// Decides about what is held as it will be, and stores it when it may.
fn settle(store: &Store, admission: &Admission<'_>) -> Admitted {
    let Admission { space, key, content, lifetime, .. } = admission;
    // Set when this call itself made room with the key's own entry: what the condition on it was, it still is.
    let mut own_gone = None;
    // What has room held for it was weighed before that was taken.
    let mut weighed = admission.reserved.is_some();
    for _ in 0..ATTEMPTS_MAX {
        let mut shard = store.shard(key);
        let now = store.clock.now();
        let as_of = store.as_of(key);
        let current = drop_ended(store, &mut shard, (space, key), now);
        let shared = shard.beside.shared.takes(&content.description);
        let charge = record::charge((key, space.shelf.order_bytes()), content, *lifetime, shared);
        if let Some(refusal) = refuse(store, &mut shard, admission, (current, own_gone, charge)) {
            return refusal;
        }
        let old = current
            .and_then(|slot| shard.table(&space.shelf)?.get(slot))
            .map_or(0, |old| old.charged(space.shelf.order_bytes()));
        let room = Room { entries: u64::from(current.is_none()), bytes: charge.saturating_sub(old) };
        if take_room(store, admission, room) {
            return write(store, &mut shard, admission, Place { current, charge, now, as_of });
        }
        drop(shard);
        let held = admission.reserved.map_or(0, Reservation::bytes);
        let room = store.pool.room_to_make(&space.shelf, room, held);
        if store.sweep_for(space, room) {
            continue;
        }
        if !weighed && let Some(why) = not_worth_it(store, admission, (charge, room)) {
            return turn_away_now(store, admission, why);
        }
        weighed = true;
        store.evict_one(space, room, |shard, record| {
            if record.text() == &**key.text() && shard.number() == store.shard_number(key) {
                own_gone = Some(Stamp::from(store.as_of(key)));
            }
        });
    }
    turn_away_now(
        store,
        admission,
        "other writers took all room as fast as it was made: retry, or raise the memory limit".to_owned(),
    )
}

/// Takes room, with what is held for it.
fn take_room(store: &Store, Admission { space, reserved, .. }: &Admission<'_>, room: Room) -> bool {
    match reserved {
        Some(reserved) => reserved.spend(room, |held| store.pool.reserve_rest(&space.shelf, room, held)),
        None => store.pool.reserve(&space.shelf, room),
    }
}

/// Whether a promotion would be let in if there were room. Nothing is stored.
pub fn vouch(store: &Store, admission: &Admission<'_>) -> bool {
    let Admission { space, key, .. } = admission;
    let Right::Promote(Promotion { ticket, .. }) = admission.right else { return false };
    if overtaken::is(store, admission) {
        return false;
    }
    let mut shard = store.shard(key);
    drop_ended(store, &mut shard, (space, key), store.clock.now()).is_none()
        && shard.beside.is_newest(key, ticket.place)
        && in_time(store, &shard, admission, ticket)
}

/// Removes a key's record when it has ended or a fence selects it, and marks it stale when a soft one does; else says where
/// it is. Every look at a key begins with this.
pub fn drop_ended(store: &Store, shard: &mut Guard<'_>, (space, key): (&Space, &Key), now: Moment) -> Option<Slot> {
    let slot = store.find(shard, space, key)?;
    let record = shard.table(&space.shelf)?.get(slot)?;
    if record.freshness(now) == Freshness::Gone {
        let reason = if record.idle_at(now) { RemovalReason::Idle } else { RemovalReason::Expired };
        store.remove(shard, space, slot, reason);
        return None;
    }
    store.settle(shard, (space, slot)).then_some(slot)
}

/// A record as an answer shows it.
pub fn view(shard: &Guard<'_>, (space, key): (&Space, &Key), slot: Slot, now: Moment) -> Option<EntryView> {
    let table = shard.table(&space.shelf)?;
    let look = Look {
        now,
        hits: table.hits(slot),
        order_bytes: space.shelf.order_bytes(),
        pinned_until: table.pin_of(slot).map(|pin| pin.until),
        marked: None,
    };
    let record = table.get(slot)?;
    Some(record.view(key, record.description(&shard.beside.shared), look))
}

/// Turns away what was let in before, unless something else has come in its way meanwhile.
fn turn_away_now(store: &Store, admission: &Admission<'_>, why: String) -> Admitted {
    let Admission { space, key, .. } = admission;
    let mut shard = store.shard(key);
    let current = drop_ended(store, &mut shard, (space, key), store.clock.now());
    refuse(store, &mut shard, admission, (current, None, 0))
        .unwrap_or_else(|| turn_away(store, &mut shard, admission, (current, why)))
}

/// Refuses what was computed before something that concerns it.
fn too_late(store: &Store, shard: &mut Guard<'_>, Admission { key, right, .. }: &Admission<'_>) -> Admitted {
    store.observer.observe(&Event::FillRefused { namespace: key.namespace().clone() });
    if let Right::Since(..) = right {
        return Admitted::LeaseLost;
    }
    let Right::Lease(_, claim) = right else { return Admitted::TooLate };
    let now = store.clock.now();
    // Not another's, which has taken its place since.
    if shard.beside.leases.claim(key, claim.token, now).is_some() {
        shard.beside.leases.revoke(key, now, &mut |key| store.offer(key));
    }
    Admitted::LeaseLost
}

/// Why it may not be stored, if so. Room is not looked at yet, only whether it could ever fit.
fn refuse(
    store: &Store,
    shard: &mut Guard<'_>,
    admission: &Admission<'_>,
    (current, own_gone, charge): (Option<Slot>, Option<Stamp>, u64),
) -> Option<Admitted> {
    let Admission { space, key, precondition, right, .. } = admission;
    if let Right::Lease(_, claim) = right
        && shard.beside.leases.claim(key, claim.token, store.clock.now()).is_none()
    {
        return Some(Admitted::LeaseLost);
    }
    let record = current.and_then(|slot| shard.table(&space.shelf)?.get(slot));
    let held_before = record.is_none() && own_gone.is_some_and(|stamp| shard.beside.fences.admit(key, stamp));
    if let (false, None, Some(below)) = (held_before, record, admission.below) {
        match below.test(store, shard, (key, precondition)) {
            Tested::Holds => {}
            Tested::Fails(found) => return Some(Admitted::PreconditionFailed(found.map(|found| *found))),
            Tested::Unknown => return Some(Admitted::Unknown),
        }
    } else if !held_before && !holds(precondition, record, &shard.beside.shared) {
        let in_the_way = current.and_then(|slot| view(shard, (space, key), slot, store.clock.now()));
        return Some(Admitted::PreconditionFailed(in_the_way));
    }
    let late = match right {
        Right::Write(_) => false,
        Right::Since(_, ticket) => {
            !shard.beside.is_unrevoked(key, ticket.place) || !untouched(store, admission, ticket.stamp)
        }
        Right::Fill(ticket) => !in_time(store, shard, admission, *ticket),
        Right::Lease(_, claim) => !untouched(store, admission, claim.stamp),
        Right::Promote(promotion) => {
            let ticket = promotion.ticket;
            !shard.beside.is_newest(key, ticket.place) || !in_time(store, shard, admission, ticket)
        }
    };
    if late {
        return Some(too_late(store, shard, admission));
    }
    let own = current.and_then(|slot| shard.table(&space.shelf)?.pin_of(slot)).map_or(0, |pin| pin.worth.bytes);
    let why = cannot_fit(store, (space, admission.reserved), (charge, own))?;
    Some(turn_away(store, shard, admission, (current, why)))
}

/// Books a refusal for want of room, and drops the older value, which the refused one makes wrong.
fn turn_away(
    store: &Store,
    shard: &mut Guard<'_>,
    admission: &Admission<'_>,
    (current, why): (Option<Slot>, String),
) -> Admitted {
    let Admission { space, key, content, right, .. } = admission;
    if let Right::Promote(_) = right {
        return Admitted::NotAdmitted(why, None, 0);
    }
    if let Some(stored) = alone::keep(store, shard, admission, current) {
        return stored;
    }
    let released = release_without_storing(store, shard, admission);
    space.stats.on_spent(key.text(), &content.description.kind, content.cost);
    space.stats.on_not_admitted(key.text(), &content.description.kind);
    let position = current.and_then(|slot| drop_older(store, shard, (space, key), (slot, &right.author())));
    let removal = Removal { reason: MissReason::NotAdmitted, at: store.clock.now(), idle: false, fence: None };
    shard.beside.remember(key, removal);
    store.note(shard, key, (Noted::NotAdmitted(Arc::from(why.as_str())), right.author()));
    Admitted::NotAdmitted(why, position, released)
}

/// Gives a value that is turned away to those who wait for it: computing it again would not make it fit. What was fetched
/// may be too late, and is given to nobody.
fn release_without_storing(store: &Store, shard: &mut Guard<'_>, admission: &Admission<'_>) -> u32 {
    let Admission { space, key, content, lifetime, right, .. } = admission;
    let now = store.as_of(key);
    let as_of = match right {
        Right::Fill(_) | Right::Promote(_) => return 0,
        Right::Write(_) | Right::Since(..) => now,
        Right::Lease(_, claim) => AsOf { selector: Position { number: claim.stamp.selector, ..now.selector }, ..now },
    };
    let terms = Terms { lifetime: *lifetime, stored: store.clock.now(), selector: as_of.selector.number };
    let view = unstored(store, (space, key), (content, terms));
    hand_over(shard, space, key, &Filled { view, stale: None, as_of })
}

/// What an answer shows of something that is not in memory.
pub(super) fn unstored(store: &Store, (space, key): (&Space, &Key), (content, terms): (&Content, Terms)) -> EntryView {
    let now = store.clock.now();
    let look = Look { now, hits: 0, order_bytes: space.shelf.order_bytes(), pinned_until: None, marked: None };
    Record::new(key, content, terms, None).view(key, &content.description, look)
}

/// Whether nothing that concerns a fill happened since its ticket was taken.
fn in_time(store: &Store, shard: &Guard<'_>, admission: &Admission<'_>, ticket: Ticket) -> bool {
    let Admission { key, .. } = admission;
    shard.beside.fences.admit(key, ticket.stamp)
        && shard.beside.confirmations.admit(key, ticket.place)
        && untouched(store, admission, ticket.stamp)
}

/// Whether no invalidation by tag, kind, prefix, glob or namespace concerns what was computed since then.
fn untouched(store: &Store, Admission { key, content, .. }: &Admission<'_>, since: Stamp) -> bool {
    store.fences.read().allow(key.namespace(), &content.facets(key.text()), since)
}

pub(super) fn holds(precondition: &Precondition, current: Option<&Record>, shared: &Shared) -> bool {
    match (precondition, current) {
        (Precondition::Always, _) | (Precondition::Absent, None) | (Precondition::Present, Some(_)) => true,
        (Precondition::Etag(etag), Some(record)) => *record.etag(record.description(shared)) == **etag,
        (Precondition::Absent, Some(_)) | (Precondition::Present | Precondition::Etag(_), None) => false,
    }
}

/// A value that was refused still makes the older one wrong.
fn drop_older(
    store: &Store,
    shard: &mut Guard<'_>,
    (space, key): (&Space, &Key),
    (slot, author): (Slot, &Author),
) -> Option<Positions> {
    let old = store.remove(shard, space, slot, RemovalReason::Invalidated)?;
    let what = What::Invalidated(vec![(key.text().clone(), Some(old))]);
    let position = store.history.append(key.namespace(), key.log(), what, author);
    shard.beside.fences.raise(key, position.number);
    Some(Positions::new(vec![(key.log(), position)]))
}

/// Where and when something is written.
#[derive(Clone, Copy)]
struct Place {
    current: Option<Slot>,
    charge: u64,
    now: Moment,
    as_of: AsOf,
}

/// Stores what passed; its room is reserved.
fn write(store: &Store, shard: &mut Guard<'_>, admission: &Admission<'_>, place: Place) -> Admitted {
    let Admission { space, key, content, lifetime, .. } = admission;
    let hits = place.current.and_then(|slot| Some(shard.table(&space.shelf)?.hits(slot)));
    let pin = place.current.and_then(|slot| shard.table(&space.shelf)?.pin_of(slot));
    let old = place.current.and_then(|slot| store.take(shard, space, (slot, false)));
    if let Some(old) = &old {
        // The new one takes over the room of the old one as far as it needs it.
        let spare =
            Room { entries: 0, bytes: old.record.charged(space.shelf.order_bytes()).saturating_sub(place.charge) };
        store.pool.release(&space.shelf, spare);
    }
    let same = old.as_ref().is_some_and(|old| old.record.content(&old.description).equals(content));
    book(store, shard, admission, (old.as_ref(), same));
    if let Some(old) = old {
        shard.drop_later(old.record);
    }
    let said = shard.beside.shared.take(&content.description);
    let (stored, tells) = match &admission.right {
        Right::Promote(promotion) => (promotion.stored, promotion.from != TierName::Disk),
        Right::Write(_) | Right::Since(..) | Right::Fill(_) | Right::Lease(..) => (place.now, true),
    };
    let terms = Terms { lifetime: *lifetime, stored, selector: place.as_of.selector.number };
    let record = Record::new(key, content, terms, said);
    // The old one may have been the last with its description: then the new one finds a place among the shared ones
    // that it did not have when its room was reserved.
    let spare = place.charge.saturating_sub(record.charged(space.shelf.order_bytes()));
    store.pool.release(&space.shelf, Room { entries: 0, bytes: spare });
    let slot = store.insert(shard, space, (key, record));
    if let Some(table) = shard.table_mut(&space.shelf).filter(|_| same) {
        table.keep_hits(slot, hits.unwrap_or(0));
    }
    if tells {
        store.hand_down(shard, (space, key), (content, terms));
    } else {
        shard.beside.hand_down(key, store.tick());
    }
    let kept = pin.filter(|_| same).map(|pin| pin.until);
    if let Some(until) = admission.pin.max(kept).filter(|until| *until > place.now) {
        store.pin(shard, space, slot, until);
    }
    let log = store.history.position(key.log());
    let position = Positions::new(vec![(key.log(), log)]);
    let Some(view) = view(shard, (space, key), slot, place.now) else { return Admitted::PreconditionFailed(None) };
    let as_of = AsOf { key: log, ..place.as_of };
    let released = hand_over(shard, space, key, &Filled { view: view.clone(), stale: None, as_of });
    if same { Admitted::Refreshed(view, position, released) } else { Admitted::Stored(view, position, released) }
}

impl Right {
    pub(super) fn author(&self) -> Author {
        match self {
            Self::Write(author) | Self::Since(author, _) | Self::Lease(author, _) => author.clone(),
            Self::Fill(_) | Self::Promote(_) => Author::default(),
        }
    }
}
