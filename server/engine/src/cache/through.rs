//! The verbs through all tiers, as the wire offers them: one method each, no logic.

use std::{sync::Arc, time::Duration};

use super::Cache;
use crate::{
    entry::{Description, EntryView},
    error::Result,
    flow::{
        anew::RefreshFrom,
        explain::{ExplainAnswer, ExplainRequest},
        fill::{Store as _, Ticket},
        fleet::follow::save,
        get::GetRequest,
        hit::{self, Hit, Wanted},
        invalidate::{InvalidateAnswer, InvalidateRequest},
        lease::{LeasedAnswer, OnMiss, Release},
        overtaken,
        put::{Means, PutAnswer, PutRequest},
        reserve::{self, ReserveRequest},
        through,
        touch::{TouchAnswer, TouchRequest},
    },
    key::Key,
    lease::Grant,
    memory::reserved::Reservation,
    tier::Tiers,
};

impl Cache {
    /// Finds one entry in any tier; when there is nothing fresh, gets the key's lease or waits, as `on_miss` says. Needs a
    /// tokio runtime.
    ///
    /// # Errors
    /// As [`Cache::get_leased`].
    pub async fn read(&self, request: &GetRequest, on_miss: OnMiss) -> Result<LeasedAnswer> {
        through::get::read(&self.store, &self.descents, request, on_miss).await
    }

    /// Shows those of some keys of a namespace that memory answers at once with a fresh value; `found` gets their number, under
    /// the lock of a shard, and says whether it took the hit. The others are not counted: ask [`Cache::read`] for them.
    pub fn hits<'k>(&self, namespace: &str, wanted: &[Wanted<'k>], found: impl FnMut(usize, Hit<'_>) -> bool) {
        hit::hits(&self.store, namespace, wanted, found);
    }

    /// Finds several entries in any tier, each for itself. Needs a tokio runtime.
    pub async fn read_many(&self, items: &[(GetRequest, OnMiss)]) -> Vec<Result<LeasedAnswer>> {
        through::get::read_many(&self.store, &self.descents, items).await
    }

    /// Explains one key: what a Get would say that looks in all tiers, and why. Leaves no trace.
    ///
    /// # Errors
    /// As [`Cache::explain`].
    pub async fn explain_in_all(&self, request: &ExplainRequest) -> Result<ExplainAnswer> {
        through::explain::explain(&self.store, request, self.made).await
    }

    /// Stores one entry in all tiers, under the lease that this token names if there is one.
    ///
    /// # Errors
    /// Anything out of its bounds.
    pub async fn write(&self, request: PutRequest, lease: Option<u128>) -> Result<PutAnswer> {
        through::put::write(&self.store, &self.repeats, request, Means { lease, ..Means::default() }).await
    }

    /// Takes room in memory for a value of so many bytes that is on its way, and makes it by evicting others, as storing the
    /// value would. Dropping it gives the room back. Needs a tokio runtime.
    ///
    /// # Errors
    /// Bad names; `VALUE_TOO_LARGE`; `NOT_ADMITTED` where there is no room and none can be made.
    pub async fn reserve(&self, request: &ReserveRequest<'_>) -> Result<Reservation> {
        reserve::reserve(&self.store, request).await
    }

    /// The same as [`Cache::write`] for a value that room is held for: that becomes the entry's, or is given back.
    ///
    /// # Errors
    /// Anything out of its bounds.
    pub async fn write_reserved(
        &self,
        request: PutRequest,
        lease: Option<u128>,
        room: Reservation,
    ) -> Result<PutAnswer> {
        let means = Means { lease, reserved: Some(Arc::new(room)), begun: None };
        through::put::write(&self.store, &self.repeats, request, means).await
    }

    /// The place in the history of a key now, for a value that begins to come in.
    ///
    /// # Errors
    /// Bad names.
    pub fn ticket(&self, namespace: &str, key: &str) -> Result<Ticket> {
        let key = Key::new(namespace, key)?;
        Ok(self.store.ticket(&key))
    }

    /// Whether a value that began to come in at this ticket may still be stored: nothing that concerns it was invalidated since.
    /// `said`: what its writer says of it.
    #[must_use]
    pub fn stands(&self, (namespace, key): (&str, &str), said: &Description, begun: Ticket) -> bool {
        Key::new(namespace, key).is_ok_and(|key| overtaken::stands(&self.store, &key, said, begun))
    }

    /// What memory has of a key, if it may be served. Leaves no trace.
    #[must_use]
    pub fn glance(&self, namespace: &str, key: &str) -> Option<EntryView> {
        self.store.view(&Key::new(namespace, key).ok()?)
    }

    /// The same as [`Cache::write_reserved`] for a value that began to come in at this ticket, if there is room held for it. What
    /// invalidated it since then is not undone by it: its answer is that the lease is lost.
    ///
    /// # Errors
    /// Anything out of its bounds.
    pub async fn write_begun(
        &self,
        request: PutRequest,
        lease: Option<u128>,
        (begun, room): (Ticket, Option<Reservation>),
    ) -> Result<PutAnswer> {
        let means = Means { lease, reserved: room.map(Arc::new), begun: Some(Box::new(begun)) };
        through::put::write(&self.store, &self.repeats, request, means).await
    }

    /// Drops entries from all tiers.
    ///
    /// # Errors
    /// As [`Cache::invalidate`].
    pub async fn drop_entries(&self, request: &InvalidateRequest) -> Result<InvalidateAnswer> {
        through::invalidate::drop_entries(&self.store, &self.repeats, request).await
    }

    /// Marks entries stale, in all tiers.
    ///
    /// # Errors
    /// As [`Cache::mark_stale`].
    pub async fn outdate(
        &self,
        request: &InvalidateRequest,
        spread_over: Option<Duration>,
    ) -> Result<InvalidateAnswer> {
        through::invalidate::outdate(&self.store, &self.repeats, request, spread_over).await
    }

    /// Marks entries stale in all tiers and starts a preload job that fetches them anew. Needs a tokio runtime.
    ///
    /// # Errors
    /// As [`Cache::refresh`].
    pub async fn renew_entries(&self, request: &InvalidateRequest, from: &RefreshFrom) -> Result<InvalidateAnswer> {
        through::invalidate::renew_entries(&self.store, (&self.repeats, &self.jobs), request, from).await
    }

    /// Changes a lifetime, in all tiers.
    ///
    /// # Errors
    /// Anything out of its bounds.
    pub async fn move_end(&self, request: &TouchRequest) -> Result<TouchAnswer> {
        through::touch::move_end(&self.store, request).await
    }

    /// Lets a lease last for one more duration, wherever it is held; `None`: it is not.
    ///
    /// # Errors
    /// Bad names.
    pub async fn keep_lease(&self, key: (&str, &str), token: u128) -> Result<Option<Grant>> {
        through::lease::keep(&self.store, key, token).await
    }

    /// Gives a lease back, wherever it is held; how many who waited got the failure, `None`: it is not.
    ///
    /// # Errors
    /// As [`Cache::release_lease`].
    pub async fn give_back(&self, key: (&str, &str), token: u128, how: Release) -> Result<Option<u32>> {
        through::lease::give_back(&self.store, &self.repeats, key, (token, how)).await
    }

    /// Everything that slower tiers were handed is written, and they take nothing any more. Call it when no calls come.
    pub async fn close_tiers(&self) {
        if let Some(local) = &self.store.tiers.local {
            if let Some(fleet) = &self.store.fleet {
                save(&self.store, fleet);
            }
            local.close().await;
        }
    }

    /// The tiers it has besides its memory.
    #[must_use]
    pub fn tiers(&self) -> &Tiers {
        &self.store.tiers
    }
}
