//! Computing what is missing, once, and storing it for everyone. Who waits for whom in this process lives in `flight`,
//! who computes of all processes is found out in `claim`.

use std::{any::TypeId, fmt, future::Future, sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, oneshot},
    time::Instant,
};

use crate::{
    AsKey, CacheMode, ComputeOptions, Error, ErrorKind, Lookup, Namespace, ReadOptions, Result, Ttl,
    claim::{Claim, Right},
    clock,
    codec::{Codec, Decode, Encode},
    flight::{Accepts, Course, FlightKey},
    lease::{COMPUTE_FAILED, GiveBack, Held},
    v1,
};

/// For how long nobody tries again to renew a value when that failed, where the options do not say.
const RENEWAL_PAUSE: Duration = Duration::from_secs(1);
/// How long callers whose value is there wait for its storing, so that who asks next finds it.
const STORING_WAIT: Duration = Duration::from_secs(1);

impl<C: Codec> Namespace<C> {
    /// Returns the stored value, or computes and stores it.
    ///
    /// - However many callers of this process ask for a key at once, it is looked up once. Of all processes that miss it
    ///   at once, one gets the key's lease and computes; the others wait for its value on the server, at most
    ///   [`ComputeOptions::wait`], and then compute for themselves, which is not stored.
    /// - The computation runs in a task of its own: a caller that gives up does not stop it for the others; when the
    ///   last one does, it is cancelled at its next await. The lease is extended meanwhile, by another task: on a runtime
    ///   with one thread, a computation that blocks it for longer than the lease lasts loses the lease.
    /// - A failure or panic of the computation is returned to all of this process who wait, as an error of kind
    ///   `Compute`. The lease is given back, so that one of the other processes tries at once, unless
    ///   [`ComputeOptions::remember_failure`] or [`ComputeOptions::hold_off`] say otherwise; so it is when nobody waits
    ///   any more. A process that is killed holds the others up until its lease lapses.
    /// - With [`ComputeOptions::stale_while_revalidate`], and for a value that is to be renewed ahead of its end, the
    ///   caller gets what is there, and the next value is computed behind it. With [`ComputeOptions::stale_if_error`], a
    ///   stale value is returned in place of a failure.
    /// - Storing is best effort: its failure is logged and never the caller's, and what takes longer than 1 s goes on behind
    ///   the callers, for at most [`crate::Builder::computations_max`] values at a time; one that finds no place in that
    ///   second is not stored. A lease that was lost, because of an invalidation for instance, stores nothing, and the
    ///   caller still gets its value.
    /// - Who asks after a write or an invalidation of this client was answered joins nothing that began before it.
    /// - A computation may ask for others, which then wait for no place of [`crate::Builder::computations_max`]. What asks
    ///   for itself, directly or over others, is an error at once, when it asks from the computation's own task; from
    ///   another task it is found out by nobody.
    /// - A value stored by something else that cannot be read is computed anew and replaced.
    /// - A cache that is away when it is asked costs one computation in each process, which is not stored: what others
    ///   invalidate meanwhile would not reach it. A token that may only read takes no lease: what it misses is computed in
    ///   each process and not stored.
    ///
    /// ```no_run
    /// # async fn run(ml: hotplate::Namespace) -> Result<(), hotplate::Error> {
    /// use hotplate::{ComputeOptions, Key, TtlClass};
    ///
    /// let options = ComputeOptions::new().ttl(TtlClass::Long);
    /// let key = Key::new(["model", "metrics"]).id("abc-123");
    /// let metrics: Vec<f64> = ml
    ///     .get_or_compute(&key, &options, || async { Ok::<_, std::io::Error>(vec![0.91, 0.87]) })
    ///     .await?;
    /// # let _ = metrics;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `Compute` with the computation's own message, with reason `COMPUTE_FAILED` when it was remembered; `NotFound` with
    /// reason `NOT_CACHED` in mode [`CacheMode::Only`], or with the stored reason when the key is remembered as negative;
    /// `InvalidArgument` for a computation that waits for itself; with [`crate::OnError::Raise`] also what kept the cache from answering.
    pub async fn get_or_compute<T, E, F, R>(&self, key: impl AsKey, options: &ComputeOptions, compute: F) -> Result<T>
    where
        C: Encode<T> + Decode<T>,
        T: Clone + Send + Sync + 'static,
        E: fmt::Display,
        F: FnOnce() -> R + Send + 'static,
        R: Future<Output = Result<T, E>> + Send + 'static,
    {
        let key = key.as_key()?;
        if self.client.gate().is_closed() {
            return Err(Error::closed());
        }
        if options.mode == CacheMode::Use
            && let Some(found) = self.kept_near(&key, options)
        {
            return found;
        }
        match options.mode {
            CacheMode::Bypass => return compute().await.map_err(|cause| failed(&cause)),
            CacheMode::Only => return self.only(&key, options).await,
            CacheMode::Use | CacheMode::Refresh => {}
        }
        let flight = FlightKey {
            namespace: Arc::clone(&self.name),
            key: key.clone(),
            refresh: options.mode == CacheMode::Refresh,
            accepts: Accepts {
                max_age: options.max_age,
                stale: options.stale_while_revalidate,
                per_process: options.per_process,
            },
            value: TypeId::of::<T>(),
        };
        let (namespace, options) = (self.clone(), options.clone());
        let work = move |course: Course| async move {
            let compute = || async move { compute().await.map_err(|cause| failed(&cause)) };
            Box::pin(namespace.look_compute_store(key, options, course, compute)).await
        };
        Box::pin(self.client.flights().join(self.client.tasks(), flight, work)).await
    }

    /// What this process keeps. What it cannot read is left to who computes it anew.
    fn kept_near<T>(&self, key: &str, options: &ComputeOptions) -> Option<Result<T>>
    where
        C: Decode<T>,
        T: Clone + Send + Sync + 'static,
    {
        match self.near_shared::<T>(key, &reading(options))?.ok()? {
            Lookup::Hit(hit) => Some(Ok(Arc::unwrap_or_clone(hit.value))),
            Lookup::Negative(negative) => Some(Err(remembered(&negative.reason, &negative.message))),
            Lookup::Miss(_) => None,
        }
    }

    async fn only<T>(&self, key: &str, options: &ComputeOptions) -> Result<T>
    where
        C: Decode<T>,
    {
        match self.get_with(key, &reading(options)).await? {
            Lookup::Hit(hit) => Ok(hit.value),
            Lookup::Negative(negative) => Err(remembered(&negative.reason, &negative.message)),
            Lookup::Miss(_) => Err(Error::new(ErrorKind::NotFound, "it is not in the cache").with_reason("NOT_CACHED")),
        }
    }

    async fn look_compute_store<T, F, R>(
        &self,
        key: String,
        options: ComputeOptions,
        course: Course,
        compute: F,
    ) -> Result<T>
    where
        C: Encode<T> + Decode<T>,
        T: Send + Sync + 'static,
        F: FnOnce() -> R + Send + 'static,
        R: Future<Output = Result<T>> + Send + 'static,
    {
        let claim = match options.mode {
            CacheMode::Refresh => Claim::Compute(Right::Free),
            _ => self.claim(&key, &options, &course).await?,
        };
        let right = match claim {
            Claim::Found(value, None) => return Ok(value),
            Claim::Found(value, Some(held)) => {
                self.renew(key, options, held, compute);
                return Ok(value);
            }
            Claim::Negative(negative) => return Err(remembered(&negative.reason, &negative.message)),
            Claim::Compute(right) => right,
        };
        let turn = self.client.flights().turn(&course).await;
        let began = clock::now();
        match compute().await {
            Ok(value) => {
                course.computed();
                drop(turn);
                if course.may_store()
                    && !matches!(right, Right::None)
                    && let Some(request) = self.to_store(key, &value, &options, began)
                {
                    self.store_behind(request, right, course).await;
                }
                Ok(value)
            }
            // What it asked for may have failed for that alone: that is nobody's failure, and the lease is given back.
            Err(_) if self.client.gate().is_closed() => Err(Error::closed()),
            Err(error) => {
                drop(turn);
                self.fall_back(&key, &options, right, error).await
            }
        }
    }

    /// Stores in a task of its own, and waits for that for a moment: a cache that is slow must not hold up who has its
    /// value. What finds no place among the values that are being stored in that moment is not stored.
    async fn store_behind(&self, request: v1::PutRequest, right: Right, course: Course) {
        let until = clock::after(STORING_WAIT);
        let Some(place) = self.place_to_store(until).await else { return };
        let (space, storing) = (self.clone(), self.client.flights().storing(&course));
        let (told, ended) = oneshot::channel::<()>();
        self.client.tasks().spawn(async move {
            // Who waits is told by the end of this task, whatever it is.
            let _until_then = (told, place, storing);
            course.unless_outdated(Box::pin(space.store(request, right))).await;
        });
        let _late = tokio::time::timeout_at(until, ended).await;
    }

    async fn place_to_store(&self, until: Instant) -> Option<OwnedSemaphorePermit> {
        let place = self.client.flights().place_to_store(until).await;
        if place.is_none() {
            tracing::warn!("a computed value is not stored: as many as may be are being stored, and storing is slow");
        }
        place
    }

    /// Computes the next value behind the current one, in a task of its own. When as many computations run as may, the
    /// lease goes to someone else.
    fn renew<T, F, R>(&self, key: String, options: ComputeOptions, held: Box<Held>, compute: F)
    where
        C: Encode<T>,
        T: Send + Sync + 'static,
        F: FnOnce() -> R + Send + 'static,
        R: Future<Output = Result<T>> + Send + 'static,
    {
        let Some(slot) = self.client.flights().slot() else { return };
        let space = self.clone();
        self.client.tasks().spawn(async move {
            let began = clock::now();
            let result = space.client.flights().run_alone(compute()).await;
            drop(slot);
            match result {
                Ok(value) => match space.to_store(key, &value, &options, began) {
                    Some(request) => space.store_renewed(request, held).await,
                    None => drop(held),
                },
                // The lease is given back.
                Err(_) if space.client.gate().is_closed() => {}
                Err(error) => {
                    tracing::warn!(kind = %error.kind, "a value could not be renewed and is used while it may be");
                    give_back(held, beside(&options, &error));
                }
            }
        });
    }

    /// Stores a value that nobody waits for.
    async fn store_renewed(&self, request: v1::PutRequest, held: Box<Held>) {
        if let Some(_place) = self.place_to_store(clock::after(STORING_WAIT)).await {
            self.store(request, Right::Lease(held)).await;
        }
    }

    /// What stores a value; `None` for one that has no such form.
    fn to_store<T>(&self, key: String, value: &T, options: &ComputeOptions, began: Instant) -> Option<v1::PutRequest>
    where
        C: Encode<T>,
    {
        let mut write = options.write.clone();
        write.cost.get_or_insert_with(|| clock::now().saturating_duration_since(began));
        self.put_request(key, value, &write).inspect_err(not_stored).ok()
    }

    /// Stores a value, if there is a right to.
    async fn store(&self, request: v1::PutRequest, right: Right) {
        let stored = match right {
            Right::Lease(held) => held.put(request).await,
            Right::Free => self.send(request).await.map(drop),
            Right::None => Ok(()),
        };
        match stored {
            Err(_) if self.client.gate().is_closed() => {}
            stored => stored.unwrap_or_else(|error| not_stored(&error)),
        }
    }

    /// What the caller gets whose computation failed, and what becomes of the lease.
    async fn fall_back<T>(&self, key: &str, options: &ComputeOptions, right: Right, error: Error) -> Result<T>
    where
        C: Decode<T>,
    {
        let stale = match options.stale_if_error && options.mode == CacheMode::Use {
            true => self.stale(key, options).await,
            false => None,
        };
        if let Right::Lease(held) = right {
            let how = match (&stale, &options.failure_ttl) {
                (None, Some(ttl)) => GiveBack::Failure(&error, ttl.clone(), &options.write),
                // Who would rather have the failure than the stale value tries for itself.
                (Some(_), _) | (None, None) => options.hold_off.map_or(GiveBack::Next, GiveBack::HoldOff),
            };
            give_back(held, how);
        }
        let Some(stale) = stale else { return Err(error) };
        tracing::warn!(kind = %error.kind, "a computation failed and a stale value is used");
        Ok(stale)
    }

    async fn stale<T>(&self, key: &str, options: &ComputeOptions) -> Option<T>
    where
        C: Decode<T>,
    {
        let reading =
            ReadOptions { stale: v1::StalePolicy::IfError, max_age: options.max_age, ..ReadOptions::default() };
        match self.get_with(key, &reading).await {
            Ok(found) => found.value(),
            Err(error) => {
                tracing::warn!(%error, "a computation failed and whether there is a stale value is not known");
                None
            }
        }
    }
}

fn reading(options: &ComputeOptions) -> ReadOptions {
    let stale = match (options.stale_while_revalidate, options.stale_if_error) {
        (true, _) => v1::StalePolicy::WhileRevalidate,
        (false, true) => v1::StalePolicy::IfError,
        (false, false) => v1::StalePolicy::Refuse,
    };
    ReadOptions { stale, max_age: options.max_age, ..ReadOptions::default() }
}

/// A failure beside a value that may still be used: the server keeps both, and lets nobody try again while the failure is
/// remembered.
fn beside<'a>(options: &'a ComputeOptions, error: &'a Error) -> GiveBack<'a> {
    let pause = options.hold_off.map(Ttl::from);
    let lifetime = options.failure_ttl.clone().or(pause).unwrap_or(Ttl::from(RENEWAL_PAUSE));
    GiveBack::Failure(error, lifetime, &options.write)
}

fn not_stored(error: &Error) {
    tracing::warn!(kind = %error.kind, reason = error.reason, "a computed value could not be stored");
}

fn give_back(held: Box<Held>, how: GiveBack<'_>) {
    if let Err(error) = held.give_back(how) {
        tracing::warn!(%error, "a lease is given back for the next");
    }
}

fn failed(cause: &impl fmt::Display) -> Error {
    Error::new(ErrorKind::Compute, cause.to_string())
}

fn remembered(reason: &str, message: &str) -> Error {
    let error = match reason == COMPUTE_FAILED {
        true => Error::new(ErrorKind::Compute, message),
        false => Error::new(ErrorKind::NotFound, format!("remembered as absent: {message}")),
    };
    error.with_reason(reason)
}
