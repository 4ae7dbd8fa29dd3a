//! Functions whose results are cached, and functions after which cached results no longer hold. How a result is found,
//! computed and stored lives in `compute`.

use std::{fmt, future::Future, marker::PhantomData, sync::Arc};

use futures::future::BoxFuture;
use serde::Serialize;

use crate::{
    AsKey, ComputeOptions, Error, Invalidated, Key, Namespace, Result, Selector,
    codec::{Codec, Decode, Encode, Json},
};

type Function<A, T> = dyn Fn(A) -> BoxFuture<'static, Result<T, String>> + Send + Sync;

/// A function whose results are kept under a key prefix: each result under the prefix and a hash of the argument's
/// canonical JSON. Every call is a [`Namespace::get_or_compute`]. Cheap to clone.
///
/// ```no_run
/// # async fn run(ml: hotplate::Namespace) -> Result<(), hotplate::Error> {
/// use hotplate::{Cached, ComputeOptions, TtlClass};
///
/// let options = ComputeOptions::new().ttl(TtlClass::Medium);
/// let lap_time = Cached::new(&ml, ["lap", "time"], options, |(track, car): (String, String)| async move {
///     Ok::<_, std::io::Error>(format!("{track} {car}").len())
/// });
/// let slow = lap_time.call(("monza".into(), "gt3".into())).await?;
/// let fast = lap_time.call(("monza".into(), "gt3".into())).await?;
/// # let _ = (slow, fast);
/// # Ok(())
/// # }
/// ```
pub struct Cached<A, T, C = Json> {
    namespace: Namespace<C>,
    prefix: Key,
    options: ComputeOptions,
    function: Arc<Function<A, T>>,
}

impl<A, T, C: Codec> Cached<A, T, C>
where
    A: Serialize + Send + 'static,
    T: Clone + Send + Sync + 'static,
    C: Encode<T> + Decode<T>,
{
    /// Wraps a function. What it depends on besides its argument must be part of the prefix, such as a version.
    pub fn new<S, F, R, E>(
        namespace: &Namespace<C>,
        prefix: impl IntoIterator<Item = S>,
        options: ComputeOptions,
        function: F,
    ) -> Self
    where
        S: AsRef<str>,
        F: Fn(A) -> R + Send + Sync + 'static,
        R: Future<Output = Result<T, E>> + Send + 'static,
        E: fmt::Display,
    {
        let function = move |argument| -> BoxFuture<'static, Result<T, String>> {
            let running = function(argument);
            Box::pin(async move { running.await.map_err(|cause| cause.to_string()) })
        };
        Self { namespace: namespace.clone(), prefix: Key::new(prefix), options, function: Arc::new(function) }
    }

    /// The result for an argument, from the cache or from the function.
    ///
    /// # Errors
    /// As [`Namespace::get_or_compute`]; `InvalidArgument` for an argument that has no canonical JSON of its own, such as
    /// NaN, or `Some(None)`.
    pub async fn call(&self, argument: A) -> Result<T> {
        let key = self.key(&argument)?;
        let function = Arc::clone(&self.function);
        self.namespace.get_or_compute(key.as_str(), &self.options, move || function(argument)).await
    }

    /// The key of an argument's result.
    ///
    /// # Errors
    /// `InvalidArgument` for an argument that has no canonical JSON, and for an empty prefix.
    pub fn key(&self, argument: &A) -> Result<String> {
        self.prefix.clone().params(argument).render()
    }

    /// Drops the result for an argument.
    ///
    /// # Errors
    /// As [`Namespace::invalidate`] and [`Cached::key`].
    pub async fn forget(&self, argument: &A) -> Result<Invalidated> {
        self.namespace.remove(self.key(argument)?.as_str()).await
    }

    /// What selects all results of this function.
    ///
    /// # Errors
    /// `InvalidArgument` for an empty prefix.
    pub fn all(&self) -> Result<Selector> {
        Ok(Selector::prefix(format!("{}:", self.prefix.as_key()?)))
    }
}

impl<A, T, C: Clone> Clone for Cached<A, T, C> {
    fn clone(&self) -> Self {
        Self {
            namespace: self.namespace.clone(),
            prefix: self.prefix.clone(),
            options: self.options.clone(),
            function: Arc::clone(&self.function),
        }
    }
}

impl<A, T, C> fmt::Debug for Cached<A, T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// A function after which cached results no longer hold: what these selectors select is dropped whenever it ran. Also
/// when it failed, for what it did before that is not known.
///
/// ```no_run
/// # async fn run(ml: hotplate::Namespace) -> Result<(), hotplate::Error> {
/// use hotplate::{Invalidates, Selector};
///
/// let retrain = Invalidates::new(&ml, [Selector::glob("lap:*"), Selector::tag("track:monza")], |car: String| async move {
///     Ok::<_, hotplate::Error>(car.len())
/// });
/// retrain.call("gt3".into()).await?;
/// # Ok(())
/// # }
/// ```
pub struct Invalidates<A, F, C = Json> {
    namespace: Namespace<C>,
    selectors: Vec<Selector>,
    function: F,
    argument: PhantomData<fn(A)>,
}

impl<A, F, C: Codec> Invalidates<A, F, C> {
    /// Wraps a function, with 1 to 128 selectors.
    pub fn new<R, T, E>(namespace: &Namespace<C>, selectors: impl IntoIterator<Item = Selector>, function: F) -> Self
    where
        F: Fn(A) -> R,
        R: Future<Output = Result<T, E>>,
    {
        Self {
            namespace: namespace.clone(),
            selectors: selectors.into_iter().collect(),
            function,
            argument: PhantomData,
        }
    }

    /// Runs the function, then drops what is selected. When this returns, no Get of that server finds what was there
    /// before; when the cache is away, the invalidation is remembered.
    ///
    /// # Errors
    /// The function's own; else that of the invalidation, as [`Namespace::invalidate`].
    pub async fn call<R, T, E>(&self, argument: A) -> Result<T, E>
    where
        F: Fn(A) -> R,
        R: Future<Output = Result<T, E>>,
        E: From<Error>,
    {
        let result = (self.function)(argument).await;
        let dropped = self.namespace.invalidate_any(self.selectors.iter().cloned()).await;
        match (result, dropped) {
            (Ok(value), Ok(_)) => Ok(value),
            (Ok(_), Err(error)) => Err(error.into()),
            (Err(own), Ok(_)) => Err(own),
            (Err(own), Err(error)) => {
                tracing::warn!(%error, "a function failed, and what it may have outdated could not be invalidated");
                Err(own)
            }
        }
    }
}

impl<A, F, C> fmt::Debug for Invalidates<A, F, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invalidates").field("selectors", &self.selectors).finish_non_exhaustive()
    }
}
