//! The whole: owns the parts, one public method per verb, no logic.

use std::sync::Arc;

use crate::{
    clock::Clock,
    error::Result,
    event::Observer,
    flow::{
        get::{GetAnswer, GetRequest},
        invalidate::{InvalidateAnswer, InvalidateRequest},
        list::{ListAnswer, ListRequest},
        preload::{PreloadRequest, PreloadStream},
        put::{PutAnswer, PutRequest},
        touch::{TouchAnswer, TouchRequest},
        watch::Watcher,
    },
    namespace::EngineConfig,
    origin::Origins,
    stats::{GroupBy, Snapshot},
    watch::WatchRequest,
};

/// A cache. Share it with `Arc`.
#[derive(Debug)]
pub struct Cache {}

impl Cache {
    /// Makes an empty cache with a new epoch.
    ///
    /// # Errors
    /// A configuration that contradicts itself.
    pub fn new(
        _config: EngineConfig,
        _clock: Clock,
        _observer: Arc<dyn Observer>,
        _origins: Origins,
    ) -> Result<Arc<Self>> {
        todo!()
    }

    /// Finds one entry.
    ///
    /// # Errors
    /// Bad names; a position that was not reached.
    pub fn get(&self, _request: &GetRequest) -> Result<GetAnswer> {
        todo!()
    }

    /// Stores one entry.
    ///
    /// # Errors
    /// Anything out of its bounds.
    pub fn put(&self, _request: PutRequest) -> Result<PutAnswer> {
        todo!()
    }

    /// Changes a lifetime.
    ///
    /// # Errors
    /// Anything out of its bounds.
    pub fn touch(&self, _request: &TouchRequest) -> Result<TouchAnswer> {
        todo!()
    }

    /// Drops entries.
    ///
    /// # Errors
    /// No selector, a bad one, too many.
    pub fn invalidate(&self, _request: &InvalidateRequest) -> Result<InvalidateAnswer> {
        todo!()
    }

    /// Lists entries.
    ///
    /// # Errors
    /// A bad selector or page token.
    pub fn list(&self, _request: &ListRequest) -> Result<ListAnswer> {
        todo!()
    }

    /// Starts, joins or cancels a preload job. Needs a tokio runtime.
    ///
    /// # Errors
    /// No such origin or job, too many items or jobs.
    pub fn preload(self: &Arc<Self>, _request: PreloadRequest) -> Result<PreloadStream> {
        todo!()
    }

    /// Follows changes.
    ///
    /// # Errors
    /// A bad selector or token, too many watches.
    pub fn watch(self: &Arc<Self>, _request: WatchRequest) -> Result<Watcher> {
        todo!()
    }

    /// Counts; `None`: of all namespaces.
    ///
    /// # Errors
    /// A bad or unknown namespace.
    pub fn stats(&self, _namespace: Option<&str>, _group_by: GroupBy) -> Result<Snapshot> {
        todo!()
    }

    /// Names of the namespaces that exist now.
    #[must_use]
    pub fn namespaces(&self) -> Vec<Arc<str>> {
        todo!()
    }

    /// What it was made with.
    #[must_use]
    pub fn config(&self) -> &EngineConfig {
        todo!()
    }

    /// The clock it reads.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        todo!()
    }

    /// Reclaims what has expired up to now. Cheap when nothing has; call it at least every 250 ms.
    pub fn maintain(&self) {
        todo!()
    }

    /// Runs [`Cache::maintain`] until the cache closes. Returns when it has.
    pub async fn run_maintenance(self: Arc<Self>) {
        todo!()
    }

    /// Ends every watch with a final Progress, stops the preload jobs and the maintenance. Takes no new ones.
    pub fn close(&self) {
        todo!()
    }
}
