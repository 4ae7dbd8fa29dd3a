//! Invalidate, mark, refresh: first the fences rise where replicas share them, then this server does what it does for every
//! call, then the positions are noted. When the shared tier is away this server does its part, and owes the rest.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, stream};

use super::apply::{by_log, log_of};
use crate::{
    error::Result,
    fleet::{Fleet, Own},
    flow::{
        cascade::Cascade,
        invalidate::{InvalidateRequest, check},
    },
    key::namespace_name,
    memory::{Store, space::Space},
    position::{LogId, Position, Positions},
    selector::{OPEN, Selector, made_from},
    tier::shared::FenceName,
};

/// Names that are told at once at most.
const NAMES_PER_CALL: usize = 512;
/// Logs in which something is told at the same time.
pub(super) const LOGS_AT_ONCE: usize = 16;
/// Keys that a cascade leads to and whose dependents are named one by one as well.
const FOLLOWED_MAX: usize = 256;

/// What was told before this server does its part.
pub(in crate::flow) struct Raised {
    fleet: Arc<Fleet>,
    /// Until it is dropped nobody asks for what is missing: it is this.
    _own: Own,
    /// What is known to be there.
    logs: Vec<(LogId, Position)>,
    /// Whether it has still to be told.
    pending: bool,
}

/// Raises what a call names, unless it changes nothing or shares nothing. `marks`: it only marks stale, over so long.
///
/// # Errors
/// As [`crate::flow::invalidate::invalidate`].
pub(in crate::flow) async fn raise(
    store: &Store,
    request: &InvalidateRequest,
    marks: Option<Duration>,
) -> Result<Option<Raised>> {
    if store.fleet.is_none() || request.validate_only {
        return Ok(None);
    }
    check(request)?;
    // Opened if need be: what this server has nothing of may lie where it is shared.
    let space = store.open(&namespace_name(&request.namespace)?)?;
    let Some(fleet) = super::of(store, &space) else { return Ok(None) };
    let names = names(store, &space, request)?;
    let mut logs: Vec<LogId> = names.iter().map(log_of).collect();
    logs.sort();
    logs.dedup();
    let own = fleet.own(logs.clone());
    let mut raised = Raised { fleet: fleet.clone(), _own: own, logs: Vec::new(), pending: false };
    // Before any of it is told: who takes up a history that has lost it tells it again, however far this has come.
    fleet.journal.lock().write(&names, store.clock.now());
    let mut parts = names.chunks(NAMES_PER_CALL);
    while let Some(part) = parts.next() {
        if !raised.tell(part, marks).await {
            // Who did not answer is not waited for again.
            parts.by_ref().for_each(|rest| raised.owes(rest));
        }
    }
    Ok(Some(raised))
}

/// What a call names in the logs of the fleet: what its selectors name, and what follows from them. By a cascade: all that
/// was made from what is selected, wherever it lies, as it knows that itself, and what this server knows besides.
fn names(store: &Store, space: &Arc<Space>, request: &InvalidateRequest) -> Result<Vec<FenceName>> {
    let mut selectors = request.selectors.clone();
    if request.cascade {
        let reached = Cascade::plan(store, space, &request.selectors)?.keys();
        selectors.extend(request.selectors.iter().flat_map(made_from));
        // What was stored before those were made from what they are made from now knows them alone.
        selectors.extend(reached.iter().take(FOLLOWED_MAX).flat_map(made_from));
        selectors.extend(reached);
        selectors.push(Selector::DependentsOf(Arc::from(OPEN)));
    }
    let mut told = std::collections::HashSet::new();
    selectors.retain(|selector| told.insert(selector.clone()));
    Ok(selectors.into_iter().map(|selector| FenceName { namespace: space.name.clone(), selector }).collect())
}

impl Raised {
    /// Whether anything was heard.
    async fn tell(&mut self, names: &[FenceName], marks: Option<Duration>) -> bool {
        let fleet = &self.fleet;
        let calls = by_log(names).into_iter().map(|(log, names)| async move {
            let sent = fleet.sent(log);
            let answer = fleet.tier.raise(&names, marks).await;
            (sent, names, answer)
        });
        let told: Vec<_> = stream::iter(calls).buffer_unordered(LOGS_AT_ONCE).collect().await;
        let mut heard = false;
        for (sent, names, answer) in told {
            heard |= answer.is_ok();
            let now = answer.ok().into_iter().flatten().next();
            // What is told to a history that may be gone is not known to be in the one that counts.
            let Some(now) = now.filter(|now| self.fleet.accept(sent, now)) else {
                self.owes(&names);
                continue;
            };
            if now.log == LogId::SELECTOR {
                self.fleet.fences.write().raise(&names, now.position);
            }
            self.logs.push((now.log, now.position));
        }
        heard
    }

    /// Before this server does its part: from then on nothing that these concern is taken from where replicas share it.
    fn owes(&mut self, names: &[FenceName]) {
        self.fleet.debt.add(names);
        self.fleet.wake();
        self.pending = true;
    }

    /// This server has done its part, or is about to in one go.
    pub(in crate::flow) fn applied(&self) {
        self.logs.iter().for_each(|(log, position)| self.fleet.note(*log, *position));
    }

    /// Waits until a crash would not make this server forget what it owes, if anything; false when that cannot be written.
    pub(in crate::flow) async fn is_kept(&self) -> bool {
        // Why not is counted by the tier.
        !self.pending || self.fleet.debt.kept().await.is_ok()
    }

    /// Whether the shared tier could not be told yet.
    pub(in crate::flow) fn is_pending(&self) -> bool {
        self.pending
    }

    /// These positions, with where it is in the fleet's logs.
    pub(in crate::flow) fn positions(&self, own: &Positions) -> Positions {
        with(own, &self.logs)
    }
}

/// Positions with some of the fleet.
pub(super) fn with(own: &Positions, fleet: &[(LogId, Position)]) -> Positions {
    let fleet = fleet.iter().map(|(log, position)| (log.in_fleet(), *position));
    Positions::new(own.iter().chain(fleet).collect())
}
