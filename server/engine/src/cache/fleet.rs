//! Keeping up with the replicas a cache shares a tier with, and how that is: one method each, no logic.

use std::{sync::Arc, time::Duration};

use super::Cache;
use crate::{
    flow::fleet::{follow::follow, settle::settle},
    key::namespace_name,
    tier::{TierHealth, TierName, TierState},
};

impl Cache {
    /// Keeps up with the replicas it shares a tier with, until it leaves them: hears what they change, asks for what it
    /// missed, tells what it owes. A cache that is closed still does, for the calls that are not answered yet. Returns at
    /// once when it shares nothing.
    pub async fn follow_fleet(self: Arc<Self>) {
        if let Some(fleet) = &self.store.fleet {
            self.left.run_until_cancelled(follow(self.store.clone(), fleet.clone())).await;
        }
    }

    /// Ends keeping up with those replicas, and tells what is still owed, for at most so long; how many invalidations are
    /// left that nobody will be told. Call it when no calls come.
    pub async fn leave_fleet(&self, within: Duration) -> usize {
        self.stop_following();
        if let Some(fleet) = &self.store.fleet {
            let _all = tokio::time::timeout(within, settle(&self.store, fleet)).await;
        }
        self.fleet_debt()
    }

    /// Ends keeping up with those replicas at once, whatever is owed.
    pub fn stop_following(&self) {
        self.left.cancel();
    }

    /// Waits until it has caught up with those replicas for the first time, at most so long; whether it has.
    pub async fn caught_up(&self, within: Duration) -> bool {
        match &self.store.fleet {
            Some(fleet) => tokio::time::timeout(within, fleet.caught_up()).await.is_ok(),
            None => true,
        }
    }

    /// Whether what it holds of a namespace may lack changes of other replicas: it has not heard from where they are told
    /// for longer than it trusts what it holds.
    #[must_use]
    pub fn is_degraded(&self, namespace: &str) -> bool {
        let Some(fleet) = &self.store.fleet else { return false };
        if fleet.trusts(self.store.clock.now()) {
            return false;
        }
        let name = namespace_name(namespace).ok();
        let space = name.and_then(|name| self.store.spaces.find(&name).ok().flatten());
        space.is_none_or(|space| space.config.tiers.shared)
    }

    /// How each slower tier is, from fast to slow, with what it has still to be told. What replicas share is up once it is
    /// known what the others changed.
    #[must_use]
    pub fn tier_states(&self) -> Vec<(TierName, TierState)> {
        let mut states = self.store.tiers.states();
        let trusted = self.store.fleet.as_ref().is_none_or(|fleet| fleet.trusts(self.store.clock.now()));
        for (_, state) in states.iter_mut().filter(|(name, _)| *name == TierName::Shared) {
            state.debt += self.fleet_debt() as u64;
            if state.health == TierHealth::Up && !trusted {
                state.health = TierHealth::CatchingUp;
                state.why = Some("what other servers changed meanwhile is not known yet".to_owned());
            }
        }
        states
    }

    /// Invalidations that the shared tier has still to be told.
    #[must_use]
    pub fn fleet_debt(&self) -> usize {
        self.store.fleet.as_ref().map_or(0, |fleet| fleet.debt.len())
    }
}
