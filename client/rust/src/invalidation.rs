//! Dropping entries, marking them stale and having them fetched anew, by what selects them. What is kept in this process
//! follows.

use std::{sync::Arc, time::Duration};

use crate::{
    AsKey, Invalidated, Namespace, Refreshing, Result, Selector,
    codec::Codec,
    near::{OwnWrite, Set},
    ttl, v1,
};

impl<C: Codec> Namespace<C> {
    /// Drops one entry.
    ///
    /// # Errors
    /// As [`Namespace::invalidate`].
    pub async fn remove(&self, key: impl AsKey) -> Result<Invalidated> {
        self.invalidate(Selector::key(key)?).await
    }

    /// Drops what a selector selects. Computations under way in this process that began before are not stored.
    ///
    /// # Errors
    /// What the server refused; `ResourceExhausted` with reason `JOURNAL_FULL` when the cache is away and no more can
    /// be remembered.
    pub async fn invalidate(&self, selector: Selector) -> Result<Invalidated> {
        self.invalidate_any([selector]).await
    }

    /// Drops what any of 1 to 128 selectors selects.
    ///
    /// # Errors
    /// As [`Namespace::invalidate`].
    pub async fn invalidate_any(&self, selectors: impl IntoIterator<Item = Selector>) -> Result<Invalidated> {
        Ok(self.change(selectors, v1::InvalidateRequest::default()).await?.into())
    }

    /// The same with a reason, for people who ask later why an entry is not there: at most 256 bytes. An invalidation that
    /// had to be remembered is carried out without it.
    ///
    /// # Errors
    /// As [`Namespace::invalidate`].
    pub async fn invalidate_because(
        &self,
        selectors: impl IntoIterator<Item = Selector>,
        reason: impl Into<String>,
    ) -> Result<Invalidated> {
        let how = v1::InvalidateRequest { reason: reason.into(), ..v1::InvalidateRequest::default() };
        Ok(self.change(selectors, how).await?.into())
    }

    /// Marks stale what any of 1 to 128 selectors selects: it is served to who accepts stale values, within its
    /// `stale_for`, and what has none is dropped. `spread_over`, at most 1 h, lets each entry become stale at a moment of its
    /// own, so that not everything is computed anew at once. When the cache is away it is remembered, and dropped later.
    ///
    /// # Errors
    /// As [`Namespace::invalidate`].
    pub async fn mark_stale(
        &self,
        selectors: impl IntoIterator<Item = Selector>,
        spread_over: Option<Duration>,
    ) -> Result<Invalidated> {
        let spread_over = spread_over.map(|over| ttl::wire_duration("spread_over", over)).transpose()?;
        let mode = v1::InvalidateMode::MarkStale.into();
        let how = v1::InvalidateRequest { mode, spread_over, ..v1::InvalidateRequest::default() };
        Ok(self.change(selectors, how).await?.into())
    }

    /// Marks stale what any of 1 to 128 selectors selects, and has the server fetch it anew from an origin of the namespace
    /// (the default one is its only one). Until that is done the old values are stale. What was made from what is
    /// selected is marked stale only. The answer names the job: [`Namespace::join_preload`] follows it. Needs the
    /// permissions to invalidate and to preload. When the cache is away it is remembered, and dropped later.
    ///
    /// # Errors
    /// As [`Namespace::invalidate`]; reasons `NO_ORIGIN`, `BATCH_TOO_LARGE` and `TOO_MANY_JOBS`: nothing was marked.
    pub async fn refresh(
        &self,
        selectors: impl IntoIterator<Item = Selector>,
        from: v1::RefreshFrom,
    ) -> Result<Refreshing> {
        let mode = v1::InvalidateMode::Refresh.into();
        let how = v1::InvalidateRequest { mode, refresh: Some(from), ..v1::InvalidateRequest::default() };
        Ok(match self.change(selectors, how).await? {
            Change::Done(response) => Refreshing::Started {
                matched: response.matched_count,
                refreshing: response.refreshing_count,
                job: response.refresh_job_id,
            },
            Change::Queued => Refreshing::Queued,
            Change::Disabled => Refreshing::Disabled,
        })
    }

    async fn change(
        &self,
        selectors: impl IntoIterator<Item = Selector>,
        how: v1::InvalidateRequest,
    ) -> Result<Change> {
        let request = v1::InvalidateRequest {
            namespace: self.name.to_string(),
            selectors: selectors.into_iter().map(|selector| selector.0).collect(),
            client_id: self.client.client_id().to_owned(),
            ..how
        };
        self.client.flights().outdate(&self.name);
        if self.client.gate().disabled() {
            return Ok(Change::Disabled);
        }
        // What was made from what is named goes as well, and this client is not told of what it does itself.
        // What was looked up between now and the answer may still be what is dropped, whatever the answer is.
        let _outdated = self.client.flights().outdating(Arc::clone(&self.name), None);
        let write = self.own_write(|| request.selectors.iter().map(Set::of).chain([Set::Dependents]).collect());
        match self.client.gate().invalidate(self.client.raw(), request).await? {
            Some(response) => {
                write.into_iter().for_each(OwnWrite::answered);
                Ok(Change::Done(response))
            }
            None => {
                self.client.replay();
                Ok(Change::Queued)
            }
        }
    }
}

/// What became of a call.
enum Change {
    Done(v1::InvalidateResponse),
    Queued,
    Disabled,
}

impl From<Change> for Invalidated {
    fn from(change: Change) -> Self {
        match change {
            Change::Done(response) => Self::Done { matched: response.matched_count },
            Change::Queued => Self::Queued,
            Change::Disabled => Self::Disabled,
        }
    }
}
