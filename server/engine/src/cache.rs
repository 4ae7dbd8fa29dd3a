//! The whole: owns the parts, one public method per verb, no logic.

mod fleet;
mod through;
mod warm;

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{
    clock::{Clock, Moment},
    error::Result,
    event::Observer,
    flow::{
        anew::{self, RefreshFrom},
        explain::{self, ExplainAnswer, ExplainRequest},
        fleet::settle::take_up,
        get::{self, GetAnswer, GetRequest},
        insight::{self, InsightAnswer, InsightRequest},
        invalidate::{self, InvalidateAnswer, InvalidateRequest},
        lease::{self, LeasedAnswer, OnMiss, Release},
        list::{self, ListAnswer, ListRequest},
        mark,
        preload::{Jobs, PreloadRequest, PreloadStream},
        put::{self, PutAnswer, PutRequest},
        repeat::Repeats,
        revalidate::{self, RevalidateAnswer, RevalidateRequest},
        stats::{self, Watching},
        through::get::Descents,
        touch::{self, TouchAnswer, TouchRequest},
        watch::{UpdateAnswer, UpdateRequest, WatchLimits, Watcher, Watches},
    },
    key::namespace_name,
    lease::Grant,
    memory::{
        Store,
        reclaim::{ENDED_PER_PAUSE, RECLAIM_PAUSE},
    },
    namespace::EngineConfig,
    origin::Origins,
    stats::{GroupBy, Snapshot},
    tier::Tiers,
    watch::WatchRequest,
};

/// How often what has expired is reclaimed.
const MAINTENANCE_INTERVAL: Duration = Duration::from_millis(128);

/// A cache. Share it with `Arc`.
#[derive(Debug)]
pub struct Cache {
    store: Arc<Store>,
    repeats: Repeats,
    watches: Watches,
    jobs: Jobs,
    descents: Descents,
    made: Moment,
    closed: CancellationToken,
    left: CancellationToken,
}

impl Cache {
    /// Makes an empty cache with a new epoch.
    ///
    /// # Errors
    /// A configuration that contradicts itself.
    pub fn new(config: EngineConfig, clock: Clock, observer: Arc<dyn Observer>, origins: Origins) -> Result<Arc<Self>> {
        Self::with_tiers(config, clock, observer, (origins, Tiers::default()))
    }

    /// Makes a cache with an empty memory and a new epoch above these tiers.
    ///
    /// # Errors
    /// A configuration that contradicts itself.
    pub fn with_tiers(
        config: EngineConfig,
        clock: Clock,
        observer: Arc<dyn Observer>,
        (origins, tiers): (Origins, Tiers),
    ) -> Result<Arc<Self>> {
        let store = Arc::new(Store::above(config, clock.clone(), observer.clone(), tiers)?);
        if let Some(fleet) = &store.fleet {
            take_up(&store, fleet);
        }
        let config = &store.config;
        let limits = WatchLimits {
            watches_max: config.watches_max,
            pending_max: config.watch_pending_max,
            pending_bytes_max: config.watch_pending_bytes_max,
            keys_max: config.watch_keys_max,
            keys_bytes_max: config.watch_keys_bytes_max,
        };
        Ok(Arc::new(Self {
            repeats: Repeats::new(config.request_ids_max),
            watches: Watches::new(limits, store.history.clone(), store.clone(), observer.clone()),
            jobs: Jobs::new(config, clock.clone(), observer, origins, store.clone()),
            descents: Descents::default(),
            made: clock.now(),
            closed: CancellationToken::new(),
            left: CancellationToken::new(),
            store,
        }))
    }

    /// Finds one entry in memory.
    ///
    /// # Errors
    /// Bad names; a position that was not reached.
    pub fn get(&self, request: &GetRequest) -> Result<GetAnswer> {
        get::get(&self.store, request)
    }

    /// Stores one entry.
    ///
    /// # Errors
    /// Anything out of its bounds.
    pub fn put(&self, request: PutRequest) -> Result<PutAnswer> {
        put::put(&self.store, &self.repeats, request)
    }

    /// Stores one entry under the lease that this token names.
    ///
    /// # Errors
    /// Anything out of its bounds.
    pub fn put_leased(&self, request: PutRequest, token: u128) -> Result<PutAnswer> {
        put::put_under(&self.store, &self.repeats, request, Some(token))
    }

    /// Finds one entry; when there is nothing fresh, gets the key's lease, or waits up to `wait` for who has it. Without
    /// `wait` it never waits. Needs a tokio runtime.
    ///
    /// # Errors
    /// Bad names; a position that was not reached; a Get that leaves no trace.
    pub async fn get_leased(&self, request: &GetRequest, wait: Option<Duration>) -> Result<LeasedAnswer> {
        lease::get(&self.store, request, wait).await
    }

    /// Finds several entries, each for itself, with leases where they are asked for; nobody who is given one waits. Needs a
    /// tokio runtime.
    pub async fn get_many(&self, items: &[(GetRequest, OnMiss)]) -> Vec<Result<LeasedAnswer>> {
        lease::get_many(&self.store, items).await
    }

    /// Lets the lease of a namespace's key last for one more duration; `None`: it is not held.
    ///
    /// # Errors
    /// Bad names.
    pub fn extend_lease(&self, key: (&str, &str), token: u128) -> Result<Option<Grant>> {
        lease::extend(&self.store, key, token)
    }

    /// Gives the lease of a namespace's key back; how many who waited got the failure, `None`: it is not held.
    ///
    /// # Errors
    /// Bad names; a hold-off or a failure out of its bounds.
    pub fn release_lease(&self, key: (&str, &str), token: u128, how: Release) -> Result<Option<u32>> {
        lease::release(&self.store, &self.repeats, key, token, how)
    }

    /// Callers that wait for a lease now.
    #[must_use]
    pub fn lease_waiters(&self) -> usize {
        self.store.leases.waiting()
    }

    /// Changes a lifetime.
    ///
    /// # Errors
    /// Anything out of its bounds.
    pub fn touch(&self, request: &TouchRequest) -> Result<TouchAnswer> {
        touch::touch(&self.store, request)
    }

    /// Drops entries.
    ///
    /// # Errors
    /// No selector, a bad one, too many.
    pub fn invalidate(&self, request: &InvalidateRequest) -> Result<InvalidateAnswer> {
        invalidate::invalidate(&self.store, &self.repeats, request)
    }

    /// Marks entries stale, each at a moment of its own within `spread_over`, or all now.
    ///
    /// # Errors
    /// As [`Cache::invalidate`]; a spread out of its bounds.
    pub fn mark_stale(&self, request: &InvalidateRequest, spread_over: Option<Duration>) -> Result<InvalidateAnswer> {
        mark::mark_stale(&self.store, &self.repeats, request, spread_over)
    }

    /// Marks entries stale and starts a preload job that fetches anew what is selected and there. Needs a tokio runtime.
    ///
    /// # Errors
    /// As [`Cache::mark_stale`]; no such origin, too many entries or jobs: nothing is marked then.
    pub fn refresh(&self, request: &InvalidateRequest, from: &RefreshFrom) -> Result<InvalidateAnswer> {
        anew::refresh(&self.store, (&self.repeats, &self.jobs), request, (from, &|| {}))
    }

    /// Lists entries.
    ///
    /// # Errors
    /// A bad selector or page token.
    pub fn list(&self, request: &ListRequest) -> Result<ListAnswer> {
        list::list(&self.store, request)
    }

    /// Explains one key: what a Get would say that finds nothing below memory, and what happened to it. Leaves no trace.
    ///
    /// # Errors
    /// Bad names; too many events.
    pub fn explain(&self, request: &ExplainRequest) -> Result<ExplainAnswer> {
        explain::explain(&self.store, request, self.made)
    }

    /// Starts, joins or cancels a preload job. Needs a tokio runtime.
    ///
    /// # Errors
    /// No such origin or job, too many items or jobs.
    pub fn preload(self: &Arc<Self>, request: PreloadRequest) -> Result<PreloadStream> {
        self.store.open(&namespace_name(&request.namespace)?)?;
        self.jobs.preload(request)
    }

    /// Follows changes.
    ///
    /// # Errors
    /// A bad selector or token, too many watches.
    pub fn watch(self: &Arc<Self>, request: WatchRequest) -> Result<Watcher> {
        self.store.spaces.find(&namespace_name(&request.namespace)?)?;
        self.watches.watch(request)
    }

    /// Changes which single keys an open watch follows.
    ///
    /// # Errors
    /// No such watch; bad names; too many keys.
    pub fn update_watch(&self, request: UpdateRequest) -> Result<UpdateAnswer> {
        self.watches.update(request)
    }

    /// Compares a copy with what is stored. Leaves no trace.
    ///
    /// # Errors
    /// Bad names; no etag.
    pub fn revalidate(&self, request: &RevalidateRequest<'_>) -> Result<RevalidateAnswer> {
        revalidate::revalidate(&self.store, request)
    }

    /// Counts; `None`: of all namespaces.
    ///
    /// # Errors
    /// A bad or unknown namespace.
    pub fn stats(&self, namespace: Option<&str>, group_by: GroupBy) -> Result<Snapshot> {
        let uptime = self.store.clock.now().since(self.made);
        let watching = Watching { uptime, watch_count: self.watches.open() as u64 };
        stats::stats(&self.store, namespace, group_by, watching)
    }

    /// What the statistics of some namespaces mean.
    #[must_use]
    pub fn insight(&self, request: &InsightRequest) -> InsightAnswer {
        insight::insight(&self.store, request)
    }

    /// Names of the namespaces that exist now.
    #[must_use]
    pub fn namespaces(&self) -> Vec<Arc<str>> {
        self.store.spaces.all().into_iter().map(|space| space.name.clone()).collect()
    }

    /// What it was made with.
    #[must_use]
    pub fn config(&self) -> &EngineConfig {
        &self.store.config
    }

    /// The clock it reads.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.store.clock
    }

    /// Hands on leases whose time is over, reclaims what was invalidated and what has expired up to now, and closes the
    /// minutes of statistics that are over. Cheap when nothing has; call it about every 128 ms.
    pub fn maintain(&self) {
        lease::lapse(&self.store);
        self.store.sweep_all(None);
        self.store.reclaim();
        insight::maintain(&self.store);
    }

    /// Hands on leases whose time is over and reclaims what has expired, about every 128 ms, and what was invalidated, at
    /// once, until the cache closes. Pauses between lock holds when that is much. Returns when it has closed.
    pub async fn run_maintenance(self: Arc<Self>) {
        let forever = async {
            loop {
                tokio::time::sleep(MAINTENANCE_INTERVAL).await;
                self.maintain_gently().await;
            }
        };
        let both = async { tokio::join!(forever, self.sweep_gently()) };
        self.closed.run_until_cancelled(both).await;
    }

    /// Takes out what invalidations left behind, as soon as there is something.
    async fn sweep_gently(&self) {
        loop {
            self.store.sweeps.arrived().await;
            self.sweep_what_waits().await;
        }
    }

    async fn sweep_what_waits(&self) {
        let mut taken = 0;
        while let Some(removed) = self.store.sweep_some(None) {
            taken += removed;
            if taken >= ENDED_PER_PAUSE {
                taken = 0;
                tokio::time::sleep(RECLAIM_PAUSE).await;
            }
            tokio::task::yield_now().await;
        }
    }

    async fn maintain_gently(&self) {
        lease::lapse(&self.store);
        let mut reclaiming = self.store.reclaiming();
        while let Some(pause) = reclaiming.step().map(|step| step.pause) {
            if pause {
                tokio::time::sleep(RECLAIM_PAUSE).await;
            }
        }
        insight::maintain(&self.store);
    }

    /// Ends every watch with a final Progress, sends all away who wait for a lease, stops the preload jobs and the maintenance. Takes no new ones.
    pub fn close(&self) {
        self.closed.cancel();
        self.watches.close();
        lease::close(&self.store);
        self.jobs.close();
    }

    /// Invalidations whose entries are not all taken out yet, for tests.
    #[doc(hidden)]
    #[must_use]
    pub fn sweeps_pending(&self) -> usize {
        self.store.sweeps.pending()
    }

    /// Checks that what is counted, indexed and scheduled agrees with what is held, for tests.
    ///
    /// # Errors
    /// A sentence that says what does not agree.
    #[doc(hidden)]
    pub fn check_invariants(&self) -> std::result::Result<(), String> {
        self.store.check_invariants()
    }
}
