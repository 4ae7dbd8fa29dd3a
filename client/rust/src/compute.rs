//! Computing what is missing, once, and storing it for everyone. Who waits for whom lives in `flight`.

use std::{any::TypeId, fmt, future::Future, sync::Arc};

use crate::{
    AsKey, CacheMode, ComputeOptions, Error, ErrorKind, Lookup, Namespace, ReadOptions, Result, clock,
    codec::{Codec, Decode, Encode},
    flight::{Course, FlightKey},
    v1,
};

impl<C: Codec> Namespace<C> {
    /// Returns the stored value, or computes and stores it.
    ///
    /// - However many callers of this process ask for a key at once, it is looked up and computed once.
    /// - The computation runs in a task of its own: a caller that gives up does not stop it for the others; when the
    ///   last one does, it is cancelled at its next await.
    /// - A failure or panic of the computation is returned to all who wait, as an error of kind `Compute`; it is not
    ///   remembered. With [`ComputeOptions::stale_if_error`] a stale value is returned instead, when there is one.
    /// - Storing is best effort: its failure is logged and never the caller's.
    /// - A value stored by something else that cannot be read is computed anew and replaced.
    /// - What is invalidated through this client meanwhile is not stored.
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
    /// `Compute` with the computation's own message; `NotFound` with reason `NOT_CACHED` in mode
    /// [`CacheMode::Only`], or with the stored reason when the key is remembered as negative; with
    /// [`crate::OnError::Raise`] also what kept the cache from answering.
    pub async fn get_or_compute<T, E, F, R>(&self, key: impl AsKey, options: &ComputeOptions, compute: F) -> Result<T>
    where
        C: Encode<T> + Decode<T>,
        T: Clone + Send + Sync + 'static,
        E: fmt::Display,
        F: FnOnce() -> R + Send + 'static,
        R: Future<Output = Result<T, E>> + Send + 'static,
    {
        let key = key.as_key()?;
        match options.mode {
            CacheMode::Bypass => return compute().await.map_err(|cause| failed(&cause)),
            CacheMode::Only => return self.only(&key, options).await,
            CacheMode::Use | CacheMode::Refresh => {}
        }
        let flight = FlightKey {
            namespace: Arc::clone(&self.name),
            key: key.clone(),
            refresh: options.mode == CacheMode::Refresh,
            value: TypeId::of::<T>(),
        };
        let (namespace, options) = (self.clone(), options.clone());
        let work = move |course: Course| async move {
            let compute = || async move { compute().await.map_err(|cause| failed(&cause)) };
            Box::pin(namespace.look_compute_store(key, options, course, compute)).await
        };
        Box::pin(self.client.flights().join(self.client.tasks(), flight, work)).await
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
        mut options: ComputeOptions,
        course: Course,
        compute: F,
    ) -> Result<T>
    where
        C: Encode<T> + Decode<T>,
        F: FnOnce() -> R,
        R: Future<Output = Result<T>>,
    {
        let stale = match options.mode {
            CacheMode::Refresh => None,
            _ => match self.get_with(&*key, &reading(&options)).await {
                Ok(Lookup::Hit(hit)) if !hit.stale => return Ok(hit.value),
                Ok(Lookup::Hit(hit)) => Some(hit.value),
                Ok(Lookup::Negative(negative)) => return Err(remembered(&negative.reason, &negative.message)),
                Ok(Lookup::Miss(_)) => None,
                Err(error) if error.kind == ErrorKind::Codec => {
                    tracing::warn!(%error, "a stored value cannot be read and is computed anew");
                    None
                }
                Err(error) => return Err(error),
            },
        };
        let began = clock::now();
        let value = match (compute().await, stale) {
            (Ok(value), _) => value,
            (Err(error), Some(stale)) => {
                tracing::warn!(kind = %error.kind, "a computation failed and a stale value is used");
                return Ok(stale);
            }
            (Err(error), None) => return Err(error),
        };
        course.computed();
        options.write.cost.get_or_insert_with(|| clock::now().saturating_duration_since(began));
        if course.may_store() {
            self.store(key, &value, &options).await;
        }
        Ok(value)
    }

    async fn store<T>(&self, key: String, value: &T, options: &ComputeOptions)
    where
        C: Encode<T>,
    {
        let stored = match self.put_request(key, value, &options.write) {
            Ok(request) => self.send(request).await,
            Err(error) => Err(error),
        };
        if let Err(error) = stored {
            tracing::warn!(%error, "a computed value could not be stored");
        }
    }
}

fn reading(options: &ComputeOptions) -> ReadOptions {
    let stale = if options.stale_if_error { v1::StalePolicy::IfError } else { v1::StalePolicy::Refuse };
    ReadOptions { stale, max_age: options.max_age, peek: false }
}

fn failed(cause: &impl fmt::Display) -> Error {
    Error::new(ErrorKind::Compute, cause.to_string())
}

fn remembered(reason: &str, message: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("remembered as absent: {message}")).with_reason(reason)
}
