//! The guard around a tier that replicas share: which of its calls is of which sort.

use std::time::Duration;

use futures::{future::BoxFuture, stream::BoxStream};
use hotplate_engine::{
    key::Key,
    position::{LogId, Position},
    tier::{
        Kept, TierError, TierName, TierState,
        shared::{
            FenceName, FleetStamp, Hint, LeaseWish, LogNow, SharedAgain, SharedFill, SharedRead, SharedTier,
            SharedWrite,
        },
    },
};

use super::{
    Guarded,
    core::{Sort, Ward},
};

impl Ward for dyn SharedTier {
    fn name(&self) -> TierName {
        TierName::Shared
    }

    fn look(&self) -> BoxFuture<'_, Result<(), TierError>> {
        self.ping()
    }

    fn own_state(&self) -> TierState {
        self.state()
    }
}

impl SharedTier for Guarded<dyn SharedTier> {
    /// Sent twice only when no lease is wished for.
    fn read<'a>(
        &'a self,
        key: &'a Key,
        at: Option<Position>,
        lease: Option<LeaseWish>,
    ) -> BoxFuture<'a, Result<SharedRead, TierError>> {
        let core = &*self.core;
        Box::pin(async move {
            if lease.is_some() {
                return core.call(Sort::Values, core.options.timeout, || core.inner.read(key, at, lease)).await;
            }
            core.read(|| core.inner.read(key, at, None)).await
        })
    }

    fn write<'a>(
        &'a self,
        key: &'a Key,
        kept: &'a Kept,
        selector: Position,
        at: Option<Position>,
    ) -> BoxFuture<'a, Result<SharedWrite, TierError>> {
        let core = &*self.core;
        let write = move || core.inner.write(key, kept, selector, at);
        Box::pin(core.call(Sort::Values, core.options.change_timeout, write))
    }

    fn fill<'a>(
        &'a self,
        key: &'a Key,
        kept: &'a Kept,
        stamp: FleetStamp,
        token: Option<u128>,
    ) -> BoxFuture<'a, Result<SharedFill, TierError>> {
        let core = &*self.core;
        let fill = move || core.inner.fill(key, kept, stamp, token);
        Box::pin(core.call(Sort::Values, core.options.change_timeout, fill))
    }

    fn relive<'a>(
        &'a self,
        key: &'a Key,
        kept: &'a Kept,
        stamp: FleetStamp,
    ) -> BoxFuture<'a, Result<SharedFill, TierError>> {
        let core = &*self.core;
        let relive = move || core.inner.relive(key, kept, stamp);
        Box::pin(core.call(Sort::Values, core.options.change_timeout, relive))
    }

    fn write_again<'a>(
        &'a self,
        key: &'a Key,
        kept: &'a Kept,
        stamp: FleetStamp,
    ) -> BoxFuture<'a, Result<SharedAgain, TierError>> {
        let core = &*self.core;
        let write = move || core.inner.write_again(key, kept, stamp);
        Box::pin(core.call(Sort::Values, core.options.change_timeout, write))
    }

    fn raise<'a>(
        &'a self,
        names: &'a [FenceName],
        marks: Option<Duration>,
    ) -> BoxFuture<'a, Result<Vec<LogNow>, TierError>> {
        let core = &*self.core;
        let raise = move || core.inner.raise(names, marks);
        Box::pin(core.call(Sort::Changes, core.options.change_timeout, raise))
    }

    fn extend<'a>(&'a self, key: &'a Key, token: u128, duration: Duration) -> BoxFuture<'a, Result<bool, TierError>> {
        let core = &*self.core;
        let extend = move || core.inner.extend(key, token, duration);
        Box::pin(core.call(Sort::Upkeep, core.options.timeout, extend))
    }

    fn release<'a>(&'a self, key: &'a Key, token: u128) -> BoxFuture<'a, Result<(), TierError>> {
        let core = &*self.core;
        Box::pin(core.call(Sort::Upkeep, core.options.timeout, move || core.inner.release(key, token)))
    }

    fn poll<'a>(&'a self, at: &'a [(LogId, Option<Position>)]) -> BoxFuture<'a, Result<Vec<LogNow>, TierError>> {
        let core = &*self.core;
        Box::pin(core.call(Sort::Upkeep, core.options.change_timeout, move || core.inner.poll(at)))
    }

    fn hints(&self) -> BoxStream<'static, Hint> {
        self.core.inner.hints()
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), TierError>> {
        let core = &*self.core;
        Box::pin(core.call(Sort::Upkeep, core.options.timeout, || core.inner.ping()))
    }

    fn replica(&self) -> u64 {
        self.core.inner.replica()
    }

    fn state(&self) -> TierState {
        self.core.state()
    }
}
