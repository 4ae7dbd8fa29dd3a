//! Looking where replicas share: what is found there, and whether it may be used.

use std::{sync::Arc, time::Duration};

use crate::{
    entry::Description,
    fleet::{Fleet, grants::Begun, selectors::all_dependencies},
    key::Key,
    memory::Store,
    namespace::Coherence,
    position::{LogId, Position},
    selector::Facets,
    tier::{
        Kept, TierErrorKind,
        shared::{FleetStamp, Found, LeaseTurn, LeaseWish, SharedRead, lineage},
    },
};

/// How much later than what is to be renewed something is that is not it: wall clocks are told to the millisecond.
pub(super) const LATER: Duration = Duration::from_millis(1);

/// What came of looking.
#[derive(Debug)]
pub(in crate::flow) enum Shared {
    /// An entry that may be used: to be kept only under a ticket taken before.
    Found(Box<Kept>),
    /// Nothing, and what became of the wish for a lease.
    Nothing(LeaseTurn),
    /// Nothing that may be used, when no lease was wished for: what is said of what was dropped and still lies there.
    Dropped(Arc<Description>),
    /// It does not answer, or may not be asked for this key at present.
    Away,
}

/// Looks for a key. Whoever keeps what is found took a ticket of this server's history before.
pub(in crate::flow) async fn find(store: &Store, fleet: &Fleet, key: &Key, wish: Option<LeaseWish>) -> Shared {
    if fleet.debt.concerns(key.namespace(), &Facets::of_key(key.text())) {
        return Shared::Away;
    }
    let sent = fleet.sent(key.log());
    if sent.at.is_none() {
        return Shared::Away;
    }
    let mut wished = wish.map(|wish| Unheard::new(fleet, key, wish.token));
    let heard = |wished: &mut Option<Unheard<'_>>| wished.iter_mut().for_each(Unheard::heard);
    let SharedRead { found, now, lease } = match fleet.tier.read(key, None, wish).await {
        Ok(read) => read,
        // It was dropped there.
        Err(error) if error.kind == TierErrorKind::Corrupt => return Shared::Nothing(LeaseTurn::None),
        Err(error) => {
            if matches!(error.kind, TierErrorKind::Away | TierErrorKind::Busy) {
                // It was not sent.
                heard(&mut wished);
            }
            return Shared::Away;
        }
    };
    if lease != LeaseTurn::Granted {
        heard(&mut wished);
    }
    let selector = fleet.position(LogId::SELECTOR);
    let Some(selector) = selector.filter(|_| fleet.accept(sent, &now)) else { return Shared::Away };
    if let (LeaseTurn::Granted, Some(wish)) = (lease, wish) {
        // Everything up to there had happened when the computation began.
        let stamp = FleetStamp { key: now.position, selector };
        let renews = wish.unless_stored_after.is_some();
        fleet.grants.lock().note(key, wish.token, Begun { stamp, renews });
        fleet.releases.lock().keep(key, wish.token);
        heard(&mut wished);
        return Shared::Nothing(lease);
    }
    // What is there besides another's lease is what that is to renew.
    let Some(found) = found.filter(|_| !matches!(lease, LeaseTurn::Taken(_))) else { return Shared::Nothing(lease) };
    if is_usable(store, fleet, (key, now.position), &found) {
        return Shared::Found(Box::new(found.kept));
    }
    if wish.is_some() { Shared::Nothing(lease) } else { Shared::Dropped(found.kept.description) }
}

/// The same, for who wants the lease when there is nothing to be used: what lies there and may not be used is no reason not
/// to give it.
pub(in crate::flow) async fn find_or_lease(store: &Store, fleet: &Fleet, key: &Key, wish: LeaseWish) -> Shared {
    match find(store, fleet, key, Some(wish)).await {
        Shared::Nothing(LeaseTurn::None) => {
            let wish = LeaseWish { unless_stored_after: Some(store.clock.wall(store.clock.now()) + LATER), ..wish };
            find(store, fleet, key, Some(wish)).await
        }
        other => other,
    }
}

/// Whether nothing that this replica knows of has dropped an entry since it was computed. What an earlier epoch of the same
/// lineage stored is used where a namespace would rather have it than nothing, once all who live had the time to tell again
/// what was lost. In the key's log numbers need no comparing: whatever changes the key drops the entry, or replaces it.
fn is_usable(store: &Store, fleet: &Fleet, (key, now): (&Key, Position), Found { kept, stamp }: &Found) -> bool {
    let available = store.open(key.namespace()).is_ok_and(|space| space.config.coherence == Coherence::Available);
    let same = stamp.key.epoch == now.epoch;
    let earlier = lineage(stamp.key) == lineage(now) && available && fleet.is_settled(key.log());
    if !same && !earlier {
        return false;
    }
    let fences = fleet.fences.read();
    // Under that lock: they are of the history whose age is asked for.
    let Some(computed) = fences.counted(stamp.selector, available && fleet.is_settled(LogId::SELECTOR)) else {
        return false;
    };
    let said = &kept.description;
    let depends_on: Vec<Arc<str>> = all_dependencies(said);
    let facets = Facets { key: key.text(), kind: &said.kind, tags: &said.tags, depends_on: &depends_on };
    kept.usable_until > store.clock.wall(store.clock.now())
        && fences.allow((key.namespace(), key.text()), said, computed)
        && !fleet.debt.concerns(key.namespace(), &facets)
}

/// Gives a lease of the fleet back; when that is not heard, it is told again until it is.
pub(in crate::flow) async fn give_back(fleet: &Fleet, key: &Key, token: u128) {
    let mut unheard = Unheard::new(fleet, key, token);
    fleet.grants.lock().end(key, token);
    if fleet.tier.release(key, token).await.is_ok() {
        unheard.heard();
    }
}

/// A call after which a lease of the fleet may be held for nobody here, unless it is heard what became of it.
pub(super) struct Unheard<'a> {
    fleet: &'a Fleet,
    key: &'a Key,
    token: u128,
    heard: bool,
}

impl<'a> Unheard<'a> {
    pub(super) fn new(fleet: &'a Fleet, key: &'a Key, token: u128) -> Self {
        Self { fleet, key, token, heard: false }
    }

    pub(super) fn heard(&mut self) {
        self.heard = true;
    }
}

impl Drop for Unheard<'_> {
    fn drop(&mut self) {
        if !self.heard {
            self.fleet.release(self.key, self.token);
        }
    }
}
