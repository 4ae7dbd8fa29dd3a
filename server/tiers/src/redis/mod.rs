//! The tier that replicas share, in Redis: one server, one that Sentinels name, or a cluster. In one sorted set for each log
//! lie its epoch, number and fences; every change is a script, so that nothing comes between. What a replica makes of it is
//! the business of the engine. docs/redis.md says what lies there, docs/adr/0015-redis.md why.

mod bus;
mod cluster;
mod connect;
mod counters;
mod delta;
mod dictionary;
mod fail;
mod hint;
mod keyspace;
mod names;
mod node;
mod poll;
mod read;
mod route;
mod script;
mod stamp;
mod url;
mod write;

use std::{fmt, sync::Arc, sync::atomic::Ordering, time::Duration};

use futures::{future::BoxFuture, stream::BoxStream};
use hotplate_engine::{
    clock::Clock,
    key::Key,
    position::{LogId, Position},
    task::Tasks,
    tier::{
        Kept, TierError, TierErrorKind, TierState,
        shared::{
            FenceName, FleetStamp, Hint, LeaseWish, LogNow, SharedAgain, SharedFill, SharedRead, SharedTier,
            SharedWrite,
        },
    },
};
use redis::Value;

pub use self::url::{Address, RedisUrl};
use self::{
    connect::{Account, Dialer},
    counters::Counters,
    dictionary::Dictionaries,
    fail::{Cause, Fail},
    keyspace::Keyspace,
    node::Link,
    route::{Request, Route},
    script::{Script, Scripts},
};
use crate::codec::Codec;

/// Largest value of Redis itself, with room for what stands before it.
const VALUE_BYTES_MAX: u64 = 500 << 20;

/// Values up to here are packed and unpacked at once: it takes less than a millisecond.
const INLINE_BYTES_MAX: u64 = 128 << 10;

/// Which Redis, and how it is used.
#[derive(Clone)]
pub struct RedisOptions {
    /// Where it is.
    pub url: RedisUrl,
    /// Who connects; instead of the user in the URL.
    pub username: Option<String>,
    /// Instead of the password in the URL.
    pub password: Option<String>,
    /// PEM certificates to check Redis' with, instead of the system's.
    pub authorities: Option<Vec<u8>>,
    /// What all names begin with: deployments that share a Redis have different ones. 1 to 64 letters, digits, `-`, `_`,
    /// `.`, `:`.
    pub prefix: String,
    /// Larger values do not lie in Redis, in bytes; at most 500 MiB.
    pub value_bytes_max: u64,
}

impl RedisOptions {
    /// What is wrong with them, without passwords, each with the option it is about. Opens nothing.
    #[must_use]
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        if let Err(problem) = Keyspace::new(&self.prefix) {
            found.push(("prefix", problem));
        }
        let (username, password) = (self.username.as_ref(), self.password.as_ref());
        let (username, password) = (username.or(self.url.username.as_ref()), password.or(self.url.password.as_ref()));
        if username.is_some() && password.is_none() {
            found.push(("password", "a user of Redis needs a password".to_owned()));
        }
        if (self.url.tls || self.authorities.is_some())
            && let Err(problem) = connect::connector(self.authorities.as_deref())
        {
            found.push(("authorities", problem));
        }
        found
    }
}

impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisOptions").field("url", &self.url).field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// Redis as the tier that replicas share.
pub struct RedisTier {
    core: Arc<Core>,
}

/// What all calls use.
struct Core {
    route: Route,
    keyspace: Keyspace,
    scripts: Scripts,
    codec: Arc<Codec>,
    counters: Arc<Counters>,
    clock: Clock,
    replica: u64,
    value_bytes_max: u64,
    tasks: Arc<Tasks>,
}

impl RedisTier {
    /// Begins to connect, and stays connected until it is dropped. Must be called inside a runtime; never waits. The codec's
    /// dictionaries lie in Redis too, so that every replica can read what one wrote: the codec must be this tier's own.
    ///
    /// # Errors
    /// What is wrong with the options, without passwords.
    pub fn open(options: RedisOptions, codec: Arc<Codec>, clock: Clock) -> Result<Self, String> {
        let keyspace = Keyspace::new(&options.prefix)?;
        let place = options.url.shown();
        let RedisUrl { shape, tls, username, password, database } = options.url;
        let account =
            Account { username: options.username.or(username), password: options.password.or(password), database };
        if account.username.is_some() && account.password.is_none() {
            return Err("a user of Redis needs a password".into());
        }
        let value_bytes_max = options.value_bytes_max.min(VALUE_BYTES_MAX);
        let tasks = Arc::new(Tasks::new());
        let owner = (Arc::clone(&tasks), clock.clone());
        let tls = tls.then(|| connect::connector(options.authorities.as_deref())).transpose()?;
        let dialer = Dialer::new((place, account), tls, value_bytes_max, owner);
        let counters = Arc::new(Counters::default());
        let route = Route::open(shape, Arc::new(dialer), &counters);
        let scripts = Scripts::new();
        let replica = rand::random();
        let core = Core { route, keyspace, scripts, codec, counters, clock, replica, value_bytes_max, tasks };
        let core = Arc::new(core);
        let (codec, store) = (Arc::clone(&core.codec), Arc::new(Dictionaries::of(&core)));
        core.tasks.spawn("redis dictionaries, training", async move { codec.keep_trained(store).await });
        core.tasks.spawn("redis dictionaries, keeping", Dictionaries::of(&core).keep_there());
        Ok(Self { core })
    }
}

impl fmt::Debug for RedisTier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisTier").field("keyspace", &self.core.keyspace).finish_non_exhaustive()
    }
}

impl Core {
    /// Runs a script where a log is.
    async fn run(
        &self,
        log: LogId,
        script: &Script,
        keys: &[String],
        arguments: &[&[u8]],
    ) -> Result<(Value, Arc<Link>), Fail> {
        match self.route.ask(log, &Request::one(script.by_hash(keys, arguments))).await {
            // Redis forgets scripts when it restarts or is told to: it learns it again with this call.
            Err(fail) if fail.cause == Cause::NoScript => {
                self.route.ask(log, &Request::one(script.by_text(keys, arguments))).await?.one()
            }
            answer => answer?.one(),
        }
    }

    /// Wall-clock time, in which entries say when they end.
    fn wall(&self) -> Duration {
        self.clock.wall(self.clock.now())
    }
}

/// Does work that takes longer the larger a value is: where other calls do not wait for it, when it is large.
async fn aside<T: Send + 'static>(bytes: u64, work: impl FnOnce() -> T + Send + 'static) -> Result<T, TierError> {
    if bytes <= INLINE_BYTES_MAX {
        return Ok(work());
    }
    let ended = "a value was being packed or unpacked when the server stopped";
    let stopped = |_error| TierError { kind: TierErrorKind::Unreachable, message: ended.into() };
    tokio::task::spawn_blocking(work).await.map_err(stopped)
}

impl Drop for Core {
    fn drop(&mut self) {
        self.tasks.close();
    }
}

impl SharedTier for RedisTier {
    fn read<'a>(
        &'a self,
        key: &'a Key,
        at: Option<Position>,
        lease: Option<LeaseWish>,
    ) -> BoxFuture<'a, Result<SharedRead, TierError>> {
        Box::pin(async move { Ok(self.core.find(key, at, lease).await?) })
    }

    fn write<'a>(
        &'a self,
        key: &'a Key,
        kept: &'a Kept,
        selector: Position,
        at: Option<Position>,
    ) -> BoxFuture<'a, Result<SharedWrite, TierError>> {
        Box::pin(self.core.store(key, kept, selector, at))
    }

    fn fill<'a>(
        &'a self,
        key: &'a Key,
        kept: &'a Kept,
        stamp: FleetStamp,
        token: Option<u128>,
    ) -> BoxFuture<'a, Result<SharedFill, TierError>> {
        Box::pin(self.core.complete(key, kept, (stamp, token), None))
    }

    fn relive<'a>(
        &'a self,
        key: &'a Key,
        kept: &'a Kept,
        stamp: FleetStamp,
    ) -> BoxFuture<'a, Result<SharedFill, TierError>> {
        Box::pin(self.core.relive(key, kept, stamp))
    }

    fn write_again<'a>(
        &'a self,
        key: &'a Key,
        kept: &'a Kept,
        stamp: FleetStamp,
    ) -> BoxFuture<'a, Result<SharedAgain, TierError>> {
        Box::pin(self.core.store_again(key, kept, stamp))
    }

    fn raise<'a>(
        &'a self,
        names: &'a [FenceName],
        marks: Option<Duration>,
    ) -> BoxFuture<'a, Result<Vec<LogNow>, TierError>> {
        Box::pin(self.core.forget(names, marks))
    }

    fn extend<'a>(&'a self, key: &'a Key, token: u128, duration: Duration) -> BoxFuture<'a, Result<bool, TierError>> {
        Box::pin(self.core.hold_on(key, token, duration))
    }

    fn release<'a>(&'a self, key: &'a Key, token: u128) -> BoxFuture<'a, Result<(), TierError>> {
        Box::pin(self.core.give_back(key, token))
    }

    fn poll<'a>(&'a self, at: &'a [(LogId, Option<Position>)]) -> BoxFuture<'a, Result<Vec<LogNow>, TierError>> {
        Box::pin(async move {
            let nows = self.core.all(at).await?;
            if nows.len() == at.len() {
                // A node of a cluster may have gone for good while the others went on.
                self.core.counters.reached(None);
            }
            Ok(nows)
        })
    }

    fn hints(&self) -> BoxStream<'static, Hint> {
        bus::hints(Arc::clone(&self.core))
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), TierError>> {
        Box::pin(self.core.answers())
    }

    fn replica(&self) -> u64 {
        self.core.replica
    }

    fn state(&self) -> TierState {
        let counters = &self.core.counters;
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let (health, why) = counters.health(self.core.clock.now());
        TierState {
            health,
            why,
            place: Some(self.core.route.dialer.place.clone()),
            hits: count(&counters.hits),
            misses: count(&counters.misses),
            puts: count(&counters.puts),
            dropped: vec![
                ("too_large", count(&counters.too_large)),
                ("too_late", count(&counters.too_late)),
                ("full", count(&counters.no_room)),
            ],
            corrupt: count(&counters.corrupt),
            memory_bytes: self.core.codec.memory_bytes(),
            codec: self.core.codec.state(),
            ..TierState::default()
        }
    }
}
