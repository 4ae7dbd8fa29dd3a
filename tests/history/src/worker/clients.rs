//! A client: chooses by its seed what to do next, and does it until its time is over.

use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

use super::{
    Record, Worker,
    calls::{Asked, Caller, condition_on, connect},
};
use crate::{
    clock,
    record::{Call, Condition, Get, Invalidate, Miss, Put, Selects, Written},
    truth::Truth,
    universe, value,
};

/// How long registers live: longer than any run.
const REGISTER_TTL_MS: u64 = 3_600_000;

/// A client.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) caller: Caller,
    pub(super) truth: Truth,
    pub(super) random: ChaCha8Rng,
    pub(super) lease: Duration,
    until: u64,
    /// The register it last read or wrote, what was in it, and the etag of that.
    register: Option<(String, String, String)>,
}

impl Client {
    /// One that has done nothing yet.
    ///
    /// # Errors
    /// The driver is gone.
    pub(super) async fn start(worker: &Worker, client: u32, record: Record) -> std::io::Result<Self> {
        let seed = worker.seed ^ (u64::from(worker.process) << 48 | u64::from(worker.incarnation) << 24);
        Ok(Self {
            caller: Caller::new(connect(worker.grpc)?, record, worker.name(&client.to_string())),
            truth: Truth::connect(worker.truth).await?,
            random: ChaCha8Rng::seed_from_u64(seed ^ u64::from(client).wrapping_mul(0x9E37_79B9_7F4A_7C15)),
            lease: Duration::from_millis(worker.lease_ms),
            until: worker.until,
            register: None,
        })
    }

    /// Works until its time is over.
    ///
    /// # Errors
    /// The record cannot be written, or the driver is gone.
    pub(super) async fn work(mut self) -> std::io::Result<()> {
        while clock::now() < self.until {
            match self.random.random_range(0..100) {
                0..35 => self.look().await?,
                35..65 => self.compute().await?,
                65..72 => self.write().await?,
                72..79 => self.invalidate().await?,
                _ => self.use_register().await?,
            }
            let pause = self.random.random_range(0..20);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        Ok(())
    }

    async fn look(&mut self) -> std::io::Result<()> {
        let key = universe::any_key(&mut self.random);
        let young = self.random.random_bool(0.1);
        let stale = self.random.random_bool(0.3);
        let call = Call::Get(Get { key, young, stale, ..Get::default() });
        self.caller.call(call.into()).await.map(drop)
    }

    /// Writes without a lease: what it read of the truth is what it says is so.
    async fn write(&mut self) -> std::io::Result<()> {
        let key = universe::any_key(&mut self.random);
        let (text, written) = self.value(&key).await?;
        let put = Put { key, written, ..Put::default() };
        self.caller.call(Asked { text, ..Call::Put(put).into() }).await.map(drop)
    }

    async fn invalidate(&mut self) -> std::io::Result<()> {
        let count = if self.random.random_bool(0.2) { 2 } else { 1 };
        let selectors = (0..count).map(|_| universe::any_selector(&mut self.random)).collect();
        let cascade = self.random.random_bool(0.8);
        let truth = self.truth.raise().await?;
        let mark_stale = self.random.random_bool(0.25);
        let call = Call::Invalidate(Invalidate { selectors, cascade, mark_stale, truth });
        self.caller.call(call.into()).await.map(drop)
    }

    /// A new value for a key, from the truth as it is now.
    pub(super) async fn value(&mut self, key: &str) -> std::io::Result<(String, Written)> {
        let truth = self.truth.version().await?;
        Ok(self.value_of(key, truth))
    }

    /// A new value for a key from this version of the truth.
    pub(super) fn value_of(&mut self, key: &str, truth: u64) -> (String, Written) {
        let filler = match self.random.random_range(0..100) {
            0..2 => self.random.random_range(30_000..300_000),
            2..30 => self.random.random_range(100..4_000),
            _ => self.random.random_range(0..100),
        };
        let (text, mut written) = value::write(key, truth, &self.caller.computation(), filler);
        written.ttl_ms = match self.random.random_range(0..10) {
            0..3 => self.random.random_range(100..800),
            3..5 => self.random.random_range(800..3_000),
            _ => 60_000,
        };
        written.stale_ms = if written.ttl_ms < 60_000 || self.random.random_bool(0.3) {
            self.random.random_range(200..2_000)
        } else {
            0
        };
        (text, written)
    }

    /// One operation on the register that is in turn.
    async fn use_register(&mut self) -> std::io::Result<()> {
        let key = universe::register(self.truth.register().await?);
        let known = self.register.take().filter(|known| known.0 == key);
        let choice = self.random.random_range(0..100);
        if choice < 40 {
            let (operation, etag) = self
                .caller
                .call(Call::Get(Get { key: key.clone(), miss: Miss::Report, ..Get::default() }).into())
                .await?;
            self.register = operation.seen().map(|seen| (key, seen.computation.clone(), etag));
            return Ok(());
        }
        if choice < 48 {
            let selectors = vec![Selects::Key(key)];
            let call = Invalidate { selectors, cascade: true, ..Invalidate::default() };
            return self.caller.call(Call::Invalidate(call).into()).await.map(drop);
        }
        let (condition, etag) = match (choice, known) {
            (48..78, Some((_, computation, etag))) => (condition_on(&computation), etag),
            (48..66, None) => (Condition::Absent, String::new()),
            (66..72, _) => (Condition::Present, String::new()),
            _ => (Condition::Always, String::new()),
        };
        let (text, mut written) = value::write(&key, 0, &self.caller.computation(), 0);
        written.ttl_ms = REGISTER_TTL_MS;
        let computation = written.computation.clone();
        let put = Put { key: key.clone(), written, token: None, condition };
        let (operation, etag) = self.caller.call(Asked { text, etag, ..Call::Put(put).into() }).await?;
        self.register = operation.stored().then_some((key, computation, etag));
        Ok(())
    }
}
