//! Typed access to one namespace: values in and out, lifetimes. Several at once live in `batch`, computing what is missing
//! in `compute`, dropping and marking stale in `invalidation`, following changes in `watch`.

use std::{sync::Arc, time::Duration};

use crate::{
    AsKey, Client, Lookup, Preload, ReadOptions, Result, Ttl, Watch, WriteOptions, Written, clock,
    codec::{Codec, Decode, Encode, Json},
    flight::Outdating,
    gate::Attempt,
    lookup::lookup,
    near::{self, Fill, Kept, Near, NearStats, OwnWrite, Set},
    ttl, v1,
};

/// One namespace with the codec its values are written with. Cheap to clone.
///
/// Unless the client was built with [`crate::OnError::Raise`], a cache that is away is a miss and a dropped write, not
/// an error: what is returned as an error is a fault of the request, of the set-up, or a value of another kind.
///
/// ```no_run
/// # async fn run() -> Result<(), hotplate::Error> {
/// use hotplate::{Client, Key, Lookup, TtlClass, WriteOptions};
///
/// let client = Client::builder().url("hotplate://127.0.0.1:7070/ml").build()?;
/// let ml = client.default_namespace();
/// let key = Key::new(["model", "metrics"]).id("abc-123");
/// ml.put_with(&key, &vec![0.91, 0.87], &WriteOptions::new().ttl(TtlClass::Long)).await?;
/// match ml.get::<Vec<f64>>(&key).await? {
///     Lookup::Hit(hit) => println!("{:?}, {:?} old", hit.value, hit.age),
///     Lookup::Negative(negative) => println!("known to be absent: {}", negative.reason),
///     Lookup::Miss(reason) => println!("not there: {reason:?}"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Namespace<C = Json> {
    pub(crate) client: Client,
    pub(crate) name: Arc<str>,
    pub(crate) codec: C,
    near: Option<Arc<Near>>,
    reads_near: bool,
}

impl<C: Codec> Namespace<C> {
    pub(crate) fn new(client: Client, name: Arc<str>, codec: C) -> Self {
        let near = client.nears().of(&name);
        Self { client, name, codec, near, reads_near: true }
    }

    /// The same namespace with another codec.
    pub fn codec<D: Codec>(&self, codec: D) -> Namespace<D> {
        let reads_near = self.reads_near;
        Namespace { reads_near, ..Namespace::new(self.client.clone(), Arc::clone(&self.name), codec) }
    }

    /// The same namespace, read from the server every time, and without keeping anything. What is written through it
    /// still drops what is kept.
    #[must_use]
    pub fn without_near_cache(&self) -> Self {
        Self { reads_near: false, ..self.clone() }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its client.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Finds a fresh value.
    ///
    /// # Errors
    /// `Codec` when the stored value is of another kind; what the server refused.
    pub async fn get<T>(&self, key: impl AsKey) -> Result<Lookup<T>>
    where
        C: Decode<T>,
    {
        self.get_with(key, &ReadOptions::new()).await
    }

    /// Finds a value, with options.
    ///
    /// # Errors
    /// As [`Namespace::get`].
    pub async fn get_with<T>(&self, key: impl AsKey, options: &ReadOptions) -> Result<Lookup<T>>
    where
        C: Decode<T>,
    {
        let key = key.key_text()?;
        match self.near_hit(&key, options) {
            Some(kept) => kept.lookup(&self.codec, clock::since_boot()),
            None => self.look_up(&key, options).await,
        }
    }

    /// Finds a fresh value and shares it: with a near cache, all who ask for it as this type get the same one, read
    /// once. A hit there is a look-up in a map: nothing is sent, read or copied.
    ///
    /// # Errors
    /// As [`Namespace::get`].
    pub async fn get_shared<T>(&self, key: impl AsKey) -> Result<Lookup<Arc<T>>>
    where
        C: Decode<T>,
        T: Send + Sync + 'static,
    {
        let (key, options) = (key.key_text()?, ReadOptions::new());
        match self.near_shared(&key, &options) {
            Some(found) => found,
            None => Ok(Box::pin(self.look_up(&key, &options)).await?.map(Arc::new)),
        }
    }

    /// Asks the server.
    async fn look_up<T>(&self, key: &str, options: &ReadOptions) -> Result<Lookup<T>>
    where
        C: Decode<T>,
    {
        let request = self.get_request(key.to_owned(), options)?;
        let fill = self.near_fill(options);
        match self.client.gate().read(Box::pin(self.client.raw().get_whole(request))).await? {
            Attempt::Answer(mut response) => {
                fill.iter().for_each(|fill| fill.offer(key, &response));
                lookup(&self.codec, &mut response)
            }
            Attempt::Away(reason) => Ok(Lookup::Miss(reason)),
        }
    }

    /// Stores a value with the namespace's defaults.
    ///
    /// # Errors
    /// `Codec` when the value cannot be written; what the server refused.
    pub async fn put<T: ?Sized>(&self, key: impl AsKey, value: &T) -> Result<Written>
    where
        C: Encode<T>,
    {
        self.put_with(key, value, &WriteOptions::new()).await
    }

    /// Stores a value, with options.
    ///
    /// # Errors
    /// As [`Namespace::put`].
    pub async fn put_with<T: ?Sized>(&self, key: impl AsKey, value: &T, options: &WriteOptions) -> Result<Written>
    where
        C: Encode<T>,
    {
        let request = self.put_request(key.as_key()?, value, options)?;
        self.send(request).await
    }

    /// Remembers that there is none, or that computing it failed: `reason` is a short name for programs, `message` a
    /// sentence for people.
    ///
    /// # Errors
    /// What the server refused.
    pub async fn put_negative(
        &self,
        key: impl AsKey,
        reason: &str,
        message: &str,
        options: &WriteOptions,
    ) -> Result<Written> {
        let negative = v1::Negative { reason: reason.to_owned(), message: message.to_owned() };
        let request = v1::PutRequest {
            key: key.as_key()?,
            payload: Some(v1::put_request::Payload::Negative(negative)),
            ..self.addressed(options.request()?)
        };
        self.send(request).await
    }

    /// Gives an entry this lifetime from now on. `false` when there is no such entry, or the cache is away.
    ///
    /// # Errors
    /// What the server refused.
    pub async fn touch(&self, key: impl AsKey, ttl: impl Into<Ttl>) -> Result<bool> {
        let request = v1::TouchRequest {
            namespace: self.name.to_string(),
            key: key.as_key()?,
            expiration: WriteOptions::new().ttl(ttl).expiration()?,
            ..v1::TouchRequest::default()
        };
        let write = self.own_write(|| vec![Set::Key(request.key.as_str().into())]);
        let attempt = self.client.gate().write(Box::pin(self.client.raw().touch(request))).await?;
        near::settle(write, &attempt);
        match attempt {
            Attempt::Answer(response) => {
                Ok(matches!(response.outcome(), v1::TouchOutcome::Touched | v1::TouchOutcome::Unchanged))
            }
            Attempt::Away(_) => Ok(false),
        }
    }

    /// Whether there is a fresh entry. Does not count as a use of it. `false` when the cache is away.
    ///
    /// # Errors
    /// What the server refused.
    pub async fn exists(&self, key: impl AsKey) -> Result<bool> {
        Ok(self.ttl(key).await?.is_some())
    }

    /// For how long an entry stays fresh; `None` when there is none, or the cache is away. Does not count as a use.
    ///
    /// # Errors
    /// What the server refused.
    pub async fn ttl(&self, key: impl AsKey) -> Result<Option<Duration>> {
        let mut request = self.get_request(key.as_key()?, &ReadOptions::new().peek())?;
        request.view = v1::EntryView::Metadata.into();
        let response = match self.client.gate().read(Box::pin(self.client.raw().get(request))).await? {
            Attempt::Answer(response) => response,
            Attempt::Away(_) => return Ok(None),
        };
        let found = matches!(response.outcome(), v1::GetOutcome::Hit | v1::GetOutcome::Negative);
        let metadata = response.entry.and_then(|entry| entry.metadata).filter(|_| found);
        Ok(metadata.map(|metadata| ttl::from_wire(metadata.fresh_for.as_ref()).unwrap_or_default()))
    }

    /// Has the server fetch entries from a configured origin ahead of their use.
    pub fn preload(&self, items: impl IntoIterator<Item = v1::PreloadItem>) -> Preload {
        let request = v1::PreloadRequest {
            namespace: self.name.to_string(),
            items: items.into_iter().collect(),
            ..v1::PreloadRequest::default()
        };
        Preload::new(self.client.calls(), request)
    }

    /// Follows a preload job that was started elsewhere, or by [`Namespace::refresh`].
    pub fn join_preload(&self, job: impl Into<String>) -> Preload {
        let request = v1::PreloadRequest {
            namespace: self.name.to_string(),
            job_id: job.into(),
            ..v1::PreloadRequest::default()
        };
        Preload::new(self.client.calls(), request)
    }

    /// Follows all changes of this namespace, from now on; see [`Watch`] for what can be chosen.
    pub fn watch(&self) -> Watch {
        let request = v1::WatchRequest { namespace: self.name.to_string(), ..v1::WatchRequest::default() };
        Watch::new(self.client.calls(), request, self.client.client_id().to_owned())
    }

    /// Statistics of this namespace since the server started.
    ///
    /// # Errors
    /// What the server refused, or that it is away: statistics have no fallback.
    pub async fn stats(&self) -> Result<v1::StatsResponse> {
        let request = v1::StatsRequest { namespace: self.name.to_string(), ..v1::StatsRequest::default() };
        self.client.raw().stats(request).await
    }

    pub(crate) fn put_request<T: ?Sized>(
        &self,
        key: String,
        value: &T,
        options: &WriteOptions,
    ) -> Result<v1::PutRequest>
    where
        C: Encode<T>,
    {
        Ok(v1::PutRequest {
            key,
            payload: Some(v1::put_request::Payload::Value(self.codec.encode(value)?)),
            content_type: self.codec.content_type().to_owned(),
            ..self.addressed(options.request()?)
        })
    }

    pub(crate) async fn send(&self, request: v1::PutRequest) -> Result<Written> {
        let write = self.own_write(|| vec![Set::Key(request.key.as_str().into())]);
        // Who asks from then on gets no value that was looked up before this write was answered.
        let _outdated = self.outdating(vec![request.key.clone()]);
        let attempt = self.client.gate().write(Box::pin(self.client.raw().put_whole(request))).await?;
        near::settle(write, &attempt);
        match attempt {
            Attempt::Answer(response) => Ok(Written::from_wire(response)),
            Attempt::Away(reason) => Ok(Written::Dropped(reason)),
        }
    }

    /// Take it before these keys are written, and drop it when that has its end, whatever it is.
    pub(crate) fn outdating(&self, keys: Vec<String>) -> Outdating {
        self.client.flights().outdating(Arc::clone(&self.name), Some(keys))
    }

    /// What this process keeps of a key and a read with these options may be answered with.
    pub(crate) fn near_hit(&self, key: &str, options: &ReadOptions) -> Option<Arc<Kept>> {
        self.near_for(options)?.hit(key, options.max_age)
    }

    /// The same as a value that all share; `None` when the server has to be asked.
    pub(crate) fn near_shared<T>(&self, key: &str, options: &ReadOptions) -> Option<Result<Lookup<Arc<T>>>>
    where
        C: Decode<T>,
        T: Send + Sync + 'static,
    {
        Some(self.near_hit(key, options)?.shared(&self.codec, clock::since_boot()))
    }

    /// Take it before the server is asked, and offer it the answer.
    pub(crate) fn near_fill(&self, options: &ReadOptions) -> Option<Fill> {
        Some(self.near_for(options)?.ask(self.client.tasks(), self.client.raw()))
    }

    /// Take it before something is written, and tell it of the answer before the caller gets it.
    pub(crate) fn own_write(&self, sets: impl FnOnce() -> Vec<Set>) -> Option<OwnWrite> {
        self.near.as_ref().map(|near| near.write(sets(), self.client.raw()))
    }

    /// What the near cache of this namespace did and holds; `None` where there is none.
    #[must_use]
    pub fn near_stats(&self) -> Option<NearStats> {
        self.near.as_ref().map(|near| near.stats())
    }

    /// A read that is to leave no trace, or is turned off, is not answered from here. A stale value that may be served
    /// is never kept, and a fresh one may be served to all.
    fn near_for(&self, options: &ReadOptions) -> Option<&Arc<Near>> {
        let gate = self.client.gate();
        let reads = self.reads_near && !options.peek && !gate.disabled() && !gate.is_closed();
        self.near.as_ref().filter(|_| reads)
    }

    pub(crate) fn addressed(&self, request: v1::PutRequest) -> v1::PutRequest {
        v1::PutRequest { namespace: self.name.to_string(), client_id: self.client.client_id().to_owned(), ..request }
    }

    pub(crate) fn get_request(&self, key: String, options: &ReadOptions) -> Result<v1::GetRequest> {
        Ok(v1::GetRequest {
            namespace: self.name.to_string(),
            key,
            stale_policy: options.stale.into(),
            max_age: options.max_age.map(|age| ttl::wire_duration("max_age", age)).transpose()?,
            peek: options.peek,
            slowest_tier: options.slowest.into(),
            ..v1::GetRequest::default()
        })
    }
}
