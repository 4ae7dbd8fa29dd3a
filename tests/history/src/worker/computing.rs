//! What a client does that needs a value: asks for it under a lease, computes when it is told to, now and then too slowly,
//! and stores it or gives up in one of the ways in which programs do.

use std::time::Duration;

use rand::RngExt;

use super::{calls::Asked, clients::Client};
use crate::{
    record::{Call, Get, Granted, Miss, Put},
    universe,
};

/// How long failures are remembered, in milliseconds.
const FAILURE_MS: u64 = 250;
/// For how long a key is held off, in milliseconds.
const HOLD_OFF_MS: u64 = 200;

impl Client {
    /// Asks for a value, and computes it when nobody else does.
    pub(super) async fn compute(&mut self) -> std::io::Result<()> {
        let key = universe::any_key(&mut self.random);
        let miss = match self.random.random_range(0..10) {
            0..3 => Miss::Lease,
            3..6 => Miss::Wait(300),
            6..8 => Miss::Wait(1_000),
            _ => Miss::Wait(3_000),
        };
        let impatient = miss != Miss::Lease && self.random.random_bool(0.08);
        let give_up = impatient.then(|| Duration::from_millis(self.random.random_range(5..200)));
        let stale = self.random.random_bool(0.3);
        let get = Get { key: key.clone(), miss, stale, ..Get::default() };
        let (asked, _) = self.caller.call(Asked { give_up, ..Call::Get(get).into() }).await?;
        match asked.granted() {
            Some(lease) => self.fill(&key, lease).await,
            None => Ok(()),
        }
    }

    async fn fill(&mut self, key: &str, lease: &Granted) -> std::io::Result<()> {
        let truth = self.truth.version().await?;
        let (text, mut written) = self.value_of(key, truth);
        let lease_ms = u64::try_from(self.lease.as_millis()).unwrap_or(u64::MAX);
        match self.random.random_range(0..100) {
            0..70 => self.works_for((2, 60)).await,
            70..85 => self.works_for((100, lease_ms * 3 / 4)).await,
            85..92 => self.works_for((lease_ms, lease_ms * 2)).await,
            _ => self.works_on(key, lease).await?,
        }
        let (key, token) = (key.to_owned(), lease.token.clone());
        let release =
            |failure, hold_off_ms| Call::Release { key: key.clone(), token: token.clone(), failure, hold_off_ms };
        let call = match self.random.random_range(0..100) {
            0..82 => Call::Put(Put { key: key.clone(), written, token: Some(token.clone()), ..Put::default() }),
            82..88 => {
                let text_and = crate::value::write(&key, truth, &written.computation, 0);
                written = text_and.1;
                written.ttl_ms = FAILURE_MS;
                let call = release(Some(written), 0);
                return self.caller.call(Asked { text: text_and.0, ..call.into() }).await.map(drop);
            }
            88..93 => release(None, 0),
            93..96 => release(None, HOLD_OFF_MS),
            // Forgotten: the others wait until it lapses.
            _ => return Ok(()),
        };
        self.caller.call(Asked { text, ..call.into() }).await.map(drop)
    }

    async fn works_for(&mut self, (least, most): (u64, u64)) {
        let time = self.random.random_range(least..most);
        tokio::time::sleep(Duration::from_millis(time)).await;
    }

    /// Longer than the lease lasts, and keeps it.
    async fn works_on(&mut self, key: &str, lease: &Granted) -> std::io::Result<()> {
        for _ in 0..self.random.random_range(3..7) {
            tokio::time::sleep(self.lease / 3).await;
            let extend = Call::Extend { key: key.to_owned(), token: lease.token.clone() };
            self.caller.call(extend.into()).await?;
        }
        Ok(())
    }
}
