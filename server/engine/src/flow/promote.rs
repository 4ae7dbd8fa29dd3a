//! Promotion: what was found in a slower tier passes the gate into memory, as what it is: stored before, by a writer who is
//! not told again. The ticket was taken before the tier was asked, so that what an Invalidate overtook is served to nobody.

use std::sync::Arc;

use super::{
    admit::{Admission, Admitted, Promotion, Right, admit, vouch},
    cascade,
    fill::Ticket,
    get::{GetRequest, Lookup, judge},
    put::Precondition,
};
use crate::{
    clock::Moment,
    entry::{Description, EntryView, Freshness},
    event::ReadOutcome,
    fence::Stamp,
    key::Key,
    memory::{
        Store,
        content::Content,
        kept::restored,
        record::{Look, Record, Terms},
        space::Space,
    },
    position::AsOf,
    tier::{Kept, TierName},
};

/// What became of what was found.
#[derive(Clone, Debug)]
pub enum Promoted {
    /// It may be served, and memory has it, if there was room.
    Valid(Arc<Unstored>),
    /// Memory has something newer.
    Newer,
    /// Something that concerns it happened since it was asked for: ask again.
    TooLate,
    /// Its life is over.
    Ended,
}

/// An entry of a slower tier, for who asked for it, whether memory has it or not.
#[derive(Debug)]
pub struct Unstored {
    record: Record,
    description: Arc<Description>,
    order_bytes: u64,
    /// Where in the history it was valid.
    pub as_of: AsOf,
}

impl Unstored {
    /// What is said of it.
    #[must_use]
    pub(super) fn said(&self) -> &Description {
        &self.description
    }

    /// Whether it has not ended, and nothing that concerns it was invalidated since then.
    pub(super) fn stands(&self, store: &Store, key: &Key, since: Stamp) -> bool {
        let facets = self.record.facets(&self.description);
        self.record.freshness(store.clock.now()) != Freshness::Gone
            && store.fences.read().allow(key.namespace(), &facets, since)
    }

    /// Whether it has this etag.
    pub(super) fn has(&self, etag: &str) -> bool {
        *self.record.etag(&self.description) == *etag
    }

    /// What a Get is answered with it, and as what that counts.
    #[must_use]
    pub(super) fn judge(&self, store: &Store, key: &Key, request: &GetRequest) -> (Lookup, ReadOutcome) {
        judge((&self.record, &self.description, self.look(store)), key, request)
    }

    /// The entry as it is, served or not, and whether its lifetime allows to serve it.
    #[must_use]
    pub(super) fn view(&self, store: &Store, key: &Key) -> (EntryView, Freshness) {
        let look = self.look(store);
        (self.record.view(key, &self.description, look), self.record.freshness(look.now))
    }

    fn look(&self, store: &Store) -> Look {
        let now = store.clock.now();
        Look { now, hits: 0, order_bytes: self.order_bytes, pinned_until: None, marked: None }
    }
}

/// Takes what a tier had into memory. `ticket`: taken before the tier was asked.
pub fn promote(store: &Store, key: &Key, kept: Kept, from: (TierName, Ticket)) -> Promoted {
    pass(store, key, kept, (from, true))
}

/// Only says what would be served: leaves no trace.
pub fn glance(store: &Store, key: &Key, kept: Kept, from: (TierName, Ticket)) -> Promoted {
    pass(store, key, kept, (from, false))
}

fn pass(store: &Store, key: &Key, kept: Kept, ((from, ticket), stores): ((TierName, Ticket), bool)) -> Promoted {
    let Ok(space) = &store.open(key.namespace()) else { return Promoted::Ended };
    // What is let in after this was valid then.
    let as_of = {
        let _shard = store.shard(key);
        store.as_of(key)
    };
    let Some((mut content, lifetime, stored)) = restored(&store.clock, kept) else {
        if stores {
            forget(store, space, (key, ticket));
        }
        return Promoted::Ended;
    };
    let linking = content.description.depends_on.is_some().then(|| space.graph.linking());
    if linking.is_some() && !link(store, (space, key), &mut content) {
        if stores {
            forget(store, space, (key, ticket));
        }
        return Promoted::Ended;
    }
    let right = Right::Promote(Promotion { ticket, stored, from });
    let precondition = &Precondition::Absent;
    let admission =
        Admission { space, key, content, lifetime, precondition, below: None, right, pin: None, reserved: None };
    if !stores {
        return if vouch(store, &admission) { valid(&admission, (stored, as_of)) } else { Promoted::TooLate };
    }
    match admit(store, &admission) {
        Admitted::Stored(..) | Admitted::Refreshed(..) | Admitted::NotAdmitted(..) => {
            valid(&admission, (stored, as_of))
        }
        Admitted::PreconditionFailed(_) => Promoted::Newer,
        Admitted::TooLate | Admitted::Unknown | Admitted::LeaseLost => Promoted::TooLate,
    }
}

/// Links it to what it was made from as memory knows that now; false when that leads back to itself.
fn link(store: &Store, at: (&Space, &Key), content: &mut Content) -> bool {
    let Some(said) = content.description.depends_on.clone() else { return true };
    let Ok(closed) = cascade::close(store, at, &said) else { return false };
    Arc::make_mut(&mut content.description).depends_on = Some(closed);
    true
}

/// Drops what is of no use where it lies, unless that is not what was found any more.
fn forget(store: &Store, space: &Space, (key, ticket): (&Key, Ticket)) {
    let mut shard = store.shard(key);
    if shard.beside.is_newest(key, ticket.place) && store.find(&shard, space, key).is_none() {
        store.forget(&mut shard, (space, key));
    }
}

fn valid(admission: &Admission<'_>, (stored, as_of): (Moment, AsOf)) -> Promoted {
    let Admission { space, key, content, lifetime, .. } = admission;
    let terms = Terms { lifetime: *lifetime, stored, selector: as_of.selector.number };
    Promoted::Valid(Arc::new(Unstored {
        record: Record::new(key, content, terms, None),
        description: content.description.clone(),
        order_bytes: space.shelf.order_bytes(),
        as_of,
    }))
}
