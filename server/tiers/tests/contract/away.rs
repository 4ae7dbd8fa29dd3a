//! A guarded Redis tier whose connections fail: silent, cut in the middle of answers, up and down, with bits changed. What
//! is asked of it never gets a wrong answer, soon costs nothing, and it is used again by itself.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use futures::FutureExt;
use hotplate_engine::{
    clock::Clock,
    entry::Payload,
    position::LogId,
    tier::{BreakerState, TierErrorKind, TierHealth, shared::SharedTier},
};
use hotplate_faultproxy::{End, Faults, Proxy, Way};
use hotplate_redisctl::Server;
use hotplate_tiers::guard::{GuardOptions, Guarded};
use tokio::time::Instant;

use crate::harness::*;

/// How long a call may take.
const TIMEOUT: Duration = Duration::from_millis(200);
/// Keys that are written and read.
const KEYS: usize = 20;

struct Ground {
    _redis: Server,
    proxy: Proxy,
    tier: Arc<dyn SharedTier>,
}

impl Ground {
    async fn new(seed: u64) -> Self {
        let redis = Server::start().unwrap();
        let address: SocketAddr = redis.address().parse().unwrap();
        let proxy = Proxy::start(address, seed).await.unwrap();
        let inner = tier(&format!("redis://{}", proxy.address()));
        let tier: Arc<dyn SharedTier> = Guarded::shared(inner, GuardOptions::shared(TIMEOUT), Clock::system());
        let ground = Self { _redis: redis, proxy, tier };
        ground.up().await;
        ground
    }

    async fn up(&self) {
        let read = || async { self.tier.read(&key("up"), None, None).await.is_ok() };
        eventually("it is asked", read).await;
    }

    /// Reads until it is not asked any more.
    async fn until_away(&self) {
        let away = || async {
            let read = self.tier.read(&key("away"), None, None).await;
            read.is_err_and(|error| error.kind == TierErrorKind::Away)
        };
        eventually("it is not asked any more", away).await;
    }

    async fn write(&self, number: usize) -> bool {
        let Ok(nows) = self.tier.poll(&[(LogId::SELECTOR, None)]).await else { return false };
        let Some(selector) = nows.first().map(|now| now.position) else { return false };
        self.tier.write(&named(number), &kept(&text(number)), selector, None).await.is_ok()
    }

    /// Whether what is found under a key, if anything, is what was written there.
    async fn read(&self, number: usize) -> Option<bool> {
        let read = self.tier.read(&named(number), None, None).await.ok()?;
        let Payload::Value(value) = read.found?.kept.payload else { return Some(false) };
        Some(value == text(number).as_bytes())
    }

    /// Writes and reads for a while: how many reads were right. None is ever wrong.
    async fn work(&self, rounds: usize) -> usize {
        let mut right = 0;
        for round in 0..rounds {
            let number = round % KEYS;
            self.write(number).await;
            let found = self.read(number).await;
            assert_ne!(found, Some(false), "key {number} holds what was not written there");
            right += usize::from(found.is_some());
        }
        right
    }

    /// Until all is written and read. On a machine that does other things too a call may take longer than it may.
    async fn works(&self) {
        eventually("all of it is right", || async { self.work(KEYS).await == KEYS }).await;
    }
}

fn named(number: usize) -> hotplate_engine::key::Key {
    key(&format!("away/{number}"))
}

fn text(number: usize) -> String {
    format!("value of {number} ").repeat(50 + number)
}

#[expect(clippy::disallowed_methods, reason = "this measures how long callers waited")]
fn now() -> Instant {
    Instant::now()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_out_of_reach_costs_nothing_and_is_used_again() {
    let ground = Ground::new(1).await;
    ground.works().await;
    for end in [None, Some(End::Reset)] {
        ground.proxy.set(if end.is_none() { Faults::silent() } else { Faults::refusing() });
        if let Some(end) = end {
            ground.proxy.cut(end);
        }
        ground.until_away().await;
        for _ in 0..100 {
            let read = ground.tier.read(&named(1), None, None).now_or_never();
            assert_eq!(read.expect("no waiting at all").unwrap_err().kind, TierErrorKind::Away);
            let raised = ground.tier.raise(&[of_tag("red")], None).now_or_never();
            assert_eq!(raised.expect("no waiting at all").unwrap_err().kind, TierErrorKind::Away);
        }
        let state = ground.tier.state();
        assert_eq!(
            (state.health, state.calls.map(|calls| calls.breaker)),
            (TierHealth::Away, Some(BreakerState::Open))
        );
        ground.proxy.heal();
        ground.up().await;
        // As if nothing had been.
        ground.works().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_cut_anywhere_are_never_taken_for_others() {
    let ground = Ground::new(2).await;
    for bytes in [1, 7, 64, 500, 1_000, 2_500, 10_000] {
        let down = Way { ends_after: Some((bytes, End::Reset)), ..Way::default() };
        ground.proxy.set(Faults { down, ..Faults::default() });
        ground.work(KEYS).await;
        ground.proxy.heal();
        ground.up().await;
    }
    ground.works().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_bits_are_never_a_value() {
    let ground = Ground::new(3).await;
    ground.works().await;
    for one_in in [100, 1_000, 10_000] {
        ground.proxy.set(Faults::flipping(one_in));
        ground.work(3 * KEYS).await;
    }
    assert!(ground.proxy.seen().flipped > 0);
    ground.proxy.heal();
    ground.proxy.cut(End::Reset);
    ground.up().await;
    // What was changed on its way to Redis lies there changed: it is dropped, and written anew.
    ground.works().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_up_and_down_is_connected_to_seldom() {
    let ground = Ground::new(4).await;
    let before = ground.proxy.seen().connections;
    let began = now();
    while began.elapsed() < Duration::from_secs(3) {
        ground.proxy.cut(End::Reset);
        ground.work(5).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (connections, took) = (ground.proxy.seen().connections - before, began.elapsed());
    // Sixty in three seconds.
    assert!(u128::from(connections) * 50 < took.as_millis(), "{connections} connections in {took:?}");
    ground.up().await;
    ground.works().await;
}
