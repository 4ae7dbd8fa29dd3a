//! The guard around a tier of this machine: which of its calls is of which sort, and what reaches it even while it is
//! away.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use futures::future::BoxFuture;
use hotplate_engine::{
    key::Key,
    selector::Selector,
    tier::{
        Kept, TierError, TierErrorKind, TierHealth, TierName, TierState,
        local::{HandedDown, LocalTier, Owed, Saved},
        shared::FenceName,
        steps::Steps,
    },
};

use super::{Guarded, core::Ward};

impl Ward for dyn LocalTier {
    fn name(&self) -> TierName {
        LocalTier::name(self)
    }

    /// What stepped aside by itself has to say that it is back; then it has to answer.
    fn look(&self) -> BoxFuture<'_, Result<(), TierError>> {
        Box::pin(async move {
            let state = self.state();
            if state.health == TierHealth::Away {
                let message = state.why.unwrap_or_else(|| "it says that it is away".to_owned());
                return Err(TierError { kind: TierErrorKind::Away, message });
            }
            self.answers().await
        })
    }

    fn own_state(&self) -> TierState {
        self.state()
    }
}

/// What is forgotten always reaches the tier: it takes effect in its own order at once and waits for nothing, and whatever
/// is read from it when it is back must not be what was forgotten meanwhile.
impl LocalTier for Guarded<dyn LocalTier> {
    fn name(&self) -> TierName {
        LocalTier::name(&*self.core.inner)
    }

    fn put(&self, key: &Key, kept: Kept, why: HandedDown) -> bool {
        if self.core.asked() {
            return self.core.inner.put(key, kept, why);
        }
        self.core.counts.not_put.fetch_add(1, Relaxed);
        self.core.inner.forget(key);
        false
    }

    fn forget(&self, key: &Key) -> bool {
        self.core.inner.forget(key)
    }

    fn forget_sets(&self, namespace: &Arc<str>, selectors: &[Selector]) {
        self.core.inner.forget_sets(namespace, selectors);
    }

    fn forget_all(&self) {
        self.core.inner.forget_all();
    }

    fn forget_dependents(&self, namespace: &Arc<str>, selectors: &[Selector]) {
        self.core.inner.forget_dependents(namespace, selectors);
    }

    /// Always waited for: while it is not asked, or much is on its way, what was forgotten is still what must not come back.
    fn settled(&self) -> BoxFuture<'_, Result<(), TierError>> {
        let core = &*self.core;
        Box::pin(core.always(core.options.change_timeout, || core.inner.settled()))
    }

    fn answers(&self) -> BoxFuture<'_, Result<(), TierError>> {
        self.core.inner.answers()
    }

    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Kept>, TierError>> {
        let core = &*self.core;
        if core.inner.is_large(key) {
            return Box::pin(async move {
                let steps = Steps::new();
                core.in_steps(&steps, || core.inner.get_in_steps(key, &steps)).await
            });
        }
        Box::pin(core.read(move || core.inner.get(key)))
    }

    /// Also while it is not asked: who then asks for what it holds is told that it is away, and not that there is nothing.
    fn holds(&self, key: &Key) -> bool {
        self.core.inner.holds(key)
    }

    fn may_hold(&self, key: &Key) -> bool {
        self.core.inner.may_hold(key)
    }

    fn positions(&self) -> Option<Saved> {
        self.core.inner.positions()
    }

    fn save_positions(&self, saved: Option<Saved>) {
        self.core.inner.save_positions(saved);
    }

    fn take_owed(&self) -> Owed {
        self.core.inner.take_owed()
    }

    fn owe(&self, names: &[FenceName]) {
        self.core.inner.owe(names);
    }

    fn owe_only(&self, names: &[FenceName]) {
        self.core.inner.owe_only(names);
    }

    /// Always waited for, as what was forgotten is.
    fn owed_kept(&self) -> BoxFuture<'_, Result<(), TierError>> {
        let core = &*self.core;
        Box::pin(core.always(core.options.change_timeout, || core.inner.owed_kept()))
    }

    /// Looking for it ends here as well.
    fn close(&self) -> BoxFuture<'_, ()> {
        self.tasks.close();
        self.core.inner.close()
    }

    fn state(&self) -> TierState {
        self.core.state()
    }
}
