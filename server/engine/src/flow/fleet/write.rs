//! Put, under a lease or not: this server stores it as always, then it is written where replicas share it, then whatever was
//! asked for before is refused here, and what is here and is not what was written is dropped. So of two writers of one key
//! the one stays that the shared tier had last, or neither here.

use std::{sync::Arc, time::Duration};

use super::{apply::doubt, kept, lease::ended, raise::with, read::Unheard};
use crate::{
    entry::EntryView,
    error::{Error, Kind, Reason, Result},
    fleet::{Fleet, debt::Put, grants::Begun, selectors::all_dependencies},
    flow::{fill::Store as _, put::PutAnswer},
    key::Key,
    memory::{Store, space::Space},
    position::{LogId, Position},
    selector::{Facets, Selector},
    tier::{
        Kept, TierErrorKind,
        shared::{FenceName, FleetStamp, SharedFill},
    },
};

/// When a Put that was refused may be tried again.
const RETRY_AFTER: Duration = Duration::from_millis(100);
/// How long a Put waits at most until what it owes is written down.
const KEPT_WITHIN: Duration = Duration::from_secs(1);

/// What became of a value where replicas share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::flow) enum Written {
    /// It is there, or was told; where in the fleet's logs, when it is a change.
    There(Option<(LogId, Position)>),
    /// It is on this server alone until the shared tier is back.
    Here,
    /// The same, and what lies there is not known.
    Unheard,
    /// Too many wait for the shared tier: it was not asked, and the value is nowhere.
    Refused,
    /// Something that it was computed from changed since: it is nowhere.
    TooLate,
}

/// Who is not done with a write when it is dropped: then nobody knows what is there.
struct Unsettled<'a> {
    fleet: &'a Fleet,
    store: &'a Store,
    space: &'a Space,
    key: &'a Key,
    settled: bool,
}

impl Drop for Unsettled<'_> {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        self.fleet.debt.add(&[name(self.key)]);
        doubt(self.store, self.space, self.key, None);
        self.fleet.wake();
    }
}

pub(super) fn name(key: &Key) -> FenceName {
    FenceName { namespace: key.namespace().clone(), selector: Selector::Key(key.text().clone()) }
}

/// Shares what a Put did on this server, where the fleet's logs were `since` before it; the answer, with where it is in the fleet's logs.
///
/// # Errors
/// `OVERLOADED` when too many wait for the shared tier: then the value is not on this server either.
pub(in crate::flow) async fn share(
    store: &Store,
    fleet: &Arc<Fleet>,
    (space, key): (&Space, &Key),
    (answer, lease, since): (PutAnswer, Option<u128>, Option<FleetStamp>),
) -> Result<PutAnswer> {
    let place = (space, key);
    let kept = match &answer {
        PutAnswer::Stored { entry, .. } | PutAnswer::Refreshed { entry, .. } => Some(kept(store, place, entry)),
        PutAnswer::NotAdmitted { .. } if lease.is_none() => None,
        PutAnswer::NotAdmitted { .. } | PutAnswer::LeaseLost | PutAnswer::PreconditionFailed { .. } => {
            if let Some(token) = lease {
                ended(store, key, token).await;
            }
            return Ok(answer);
        }
    };
    let written = match (&kept, lease) {
        (Some(kept), Some(token)) => fill(store, fleet, place, (kept, token)).await,
        (kept, _) => write(store, fleet, place, (kept.as_ref(), since)).await,
    };
    if matches!(written, Written::Here | Written::Unheard) {
        // That it cannot be written is counted by the tier, and no reason to refuse what is stored here.
        let _kept = tokio::time::timeout(KEPT_WITHIN, fleet.debt.kept()).await;
    }
    match written {
        Written::There(Some(at)) => Ok(answer.at(|own| with(own, &[at]))),
        Written::There(None) | Written::Here | Written::Unheard => Ok(answer),
        Written::TooLate => Ok(PutAnswer::LeaseLost),
        Written::Refused => Err(refused()),
    }
}

fn refused() -> Error {
    let rule = "too many calls wait for the tier that replicas share: nothing was stored, try again";
    Error::new(Kind::ResourceExhausted, Reason::Overloaded, rule).retry_after(RETRY_AFTER)
}

/// What became of a life that was given anew where replicas share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::flow) enum Lives {
    /// There too, and where in the fleet's logs; or on this server alone.
    On(Option<(LogId, Position)>),
    /// Not: since then it was replaced or dropped, and is nowhere on this server any more.
    Replaced(LogId, Position),
}

/// Shares what renewed an entry on this server, which was valid `since` then; the answer, with where it is in the fleet's
/// logs.
pub(in crate::flow) async fn renewed(
    store: &Store,
    fleet: &Fleet,
    (space, key): (&Space, &Key),
    (answer, since): (PutAnswer, Option<FleetStamp>),
) -> PutAnswer {
    let PutAnswer::Refreshed { entry, .. } = &answer else { return answer };
    match relive(store, fleet, (space, key), (entry, since)).await {
        Lives::On(Some(at)) => answer.at(|own| with(own, &[at])),
        Lives::On(None) => answer,
        // What is stored has another etag, or nothing is.
        Lives::Replaced(..) => PutAnswer::PreconditionFailed { entry: None },
    }
}

/// Shares the new end of the life of what this server holds, and was valid `since` then. That says nothing of what is
/// stored: what others replaced or dropped since, whether this server heard of it or not, stays as they left it.
pub(in crate::flow) async fn relive(
    store: &Store,
    fleet: &Fleet,
    (space, key): (&Space, &Key),
    (view, since): (&EntryView, Option<FleetStamp>),
) -> Lives {
    let kept = kept(store, (space, key), view);
    let said = &kept.description;
    let depends_on = all_dependencies(said);
    let facets = Facets { key: key.text(), kind: &said.kind, tags: &said.tags, depends_on: &depends_on };
    let Some(since) = since.filter(|_| !fleet.debt.concerns(key.namespace(), &facets)) else { return Lives::On(None) };
    let sent = fleet.sent(key.log());
    match fleet.tier.relive(key, &kept, since).await {
        Ok(SharedFill::Stored(now)) => Lives::On(fleet.accept(sent, &now).then_some((now.log, now.position))),
        // It is not owed either: without it what lies there ends earlier or later, and is no other entry.
        Ok(SharedFill::TooLarge) | Err(_) => Lives::On(None),
        Ok(SharedFill::TooLate(now)) => {
            let _known = fleet.accept(sent, &now);
            doubt(store, space, key, None);
            Lives::Replaced(now.log, now.position)
        }
    }
}

/// Writes what a writer says; `None`: it is larger than this server may hold, and only drops what was there. What cannot be
/// told is owed.
async fn write(
    store: &Store,
    fleet: &Arc<Fleet>,
    (space, key): (&Space, &Key),
    (kept, since): (Option<&Kept>, Option<FleetStamp>),
) -> Written {
    let place = store.tick();
    // This says more than what is owed by now.
    let owed = fleet.debt.of(&name(key));
    let put = kept.zip(since).map(|(kept, since)| Put { digest: kept.digest, since });
    let owes = || {
        fleet.debt.add_put(&name(key), put);
        fleet.wake();
        Written::Here
    };
    let _own = fleet.own(vec![key.log()]);
    let mut unsettled = Unsettled { fleet, store, space, key, settled: false };
    // Before it is told: who takes up a history that has lost it tells it again.
    fleet.journal.lock().write(&[name(key)], store.clock.now());
    let sent = fleet.sent(key.log());
    let told = match (kept, fleet.position(LogId::SELECTOR)) {
        (Some(kept), Some(selector)) => {
            fleet.tier.write(key, kept, selector, None).await.map(|written| Some(written.now))
        }
        (None, Some(_)) => fleet.tier.raise(&[name(key)], None).await.map(|logs| logs.into_iter().next()),
        // Until this replica knows the logs nothing is written that others would take for valid.
        (_, None) => Ok(None),
    };
    unsettled.settled = true;
    if told.as_ref().is_err_and(|error| error.kind == TierErrorKind::Busy) {
        // It was not sent: what lies there is what counts, and not what is here.
        doubt(store, space, key, None);
        return Written::Refused;
    }
    let Some(now) = told.ok().flatten() else {
        // What lies there is older, or may be.
        return owes();
    };
    let accepted = fleet.accept(sent, &now);
    doubt(store, space, key, kept.map(|kept| (kept, place)));
    if !accepted {
        // Told to a history that may be gone: then what lies there is older.
        return owes();
    }
    fleet.debt.told(owed.as_slice());
    fleet.note(now.log, now.position);
    Written::There(Some((now.log, now.position)))
}

/// Writes what was computed under a lease.
pub(in crate::flow) async fn fill(
    store: &Store,
    fleet: &Arc<Fleet>,
    (space, key): (&Space, &Key),
    (kept, token): (&Kept, u128),
) -> Written {
    let begun = fleet.grants.lock().begun(key, token);
    let Some(Begun { stamp, renews }) = begun else { return Written::Here };
    // What is stored ends the lease; whatever else becomes of it leaves it held for nobody.
    let mut unheard = Unheard::new(fleet, key, token);
    fleet.grants.lock().end(key, token);
    let written = fill_since(store, fleet, (space, key), (kept, stamp, Some(token))).await;
    match written {
        Written::There(_) => unheard.heard(),
        // The older one may still lie there, and would be served after this one was.
        Written::Unheard if renews => {
            fleet.debt.add_put(&name(key), Some(Put { digest: kept.digest, since: stamp }));
            fleet.wake();
        }
        _ => {}
    }
    written
}

/// Writes what an origin answered and was stored here; false: it was overtaken, and is nowhere any more.
pub(in crate::flow) async fn fetched(store: &Store, key: &Key, since: FleetStamp) -> bool {
    let Ok(Some(space)) = store.spaces.find(key.namespace()) else { return true };
    let (Some(fleet), Some(view)) = (super::of(store, &space), store.view(key)) else { return true };
    let kept = kept(store, (&space, key), &view);
    fill_since(store, fleet, (&space, key), (&kept, since, None)).await != Written::TooLate
}

/// Writes what was computed since the fleet's logs were there.
pub(in crate::flow) async fn fill_since(
    store: &Store,
    fleet: &Arc<Fleet>,
    (space, key): (&Space, &Key),
    (kept, stamp, token): (&Kept, FleetStamp, Option<u128>),
) -> Written {
    let said = &kept.description;
    let depends_on = all_dependencies(said);
    let facets = Facets { key: key.text(), kind: &said.kind, tags: &said.tags, depends_on: &depends_on };
    if fleet.debt.concerns(key.namespace(), &facets) {
        return Written::Here;
    }
    let sent = fleet.sent(key.log());
    match fleet.tier.fill(key, kept, stamp, token).await {
        Ok(SharedFill::Stored(now)) if fleet.accept(sent, &now) => Written::There(None),
        // What has no room there leaves nothing older there.
        Ok(SharedFill::TooLarge) => Written::Here,
        Err(error) if error.kind == TierErrorKind::Full => Written::Here,
        Ok(SharedFill::Stored(_)) | Err(_) => Written::Unheard,
        Ok(SharedFill::TooLate(now)) => {
            let _known = fleet.accept(sent, &now);
            doubt(store, space, key, None);
            Written::TooLate
        }
    }
}
