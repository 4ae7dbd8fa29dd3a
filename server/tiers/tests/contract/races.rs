//! Two replicas with a memory each, clients that compute, store and invalidate at the same time, and late replies. With the
//! protocol nothing stale is ever served; with either of its two checks left out it is, which shows that this would see it.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hotplate_engine::{
    entry::Payload,
    key::Key,
    position::{LogId, Position},
    selector::Selector,
    tier::shared::{FenceName, FleetStamp, SharedFill, SharedTier, Since},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::harness::*;

const KEYS: usize = 6;
const CLIENTS: u64 = 8;
const ROUNDS: usize = 400;

/// What is left out.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    /// Nothing.
    Whole,
    /// A computation says that it began when it ended: the fence finds it in time.
    WithoutFence,
    /// A late reply enters the memory whatever was invalidated since it was asked for.
    WithoutCheck,
}

/// A replica: the tier, and a memory under the local rule (a ticket taken before, compared under the lock).
struct Replica {
    tier: Arc<dyn SharedTier>,
    memory: Mutex<Memory>,
    mode: Mode,
}

#[derive(Default)]
struct Memory {
    values: HashMap<Key, u64>,
    /// How often a key was invalidated here, or all were.
    fences: HashMap<Key, u64>,
    known: HashMap<LogId, Position>,
    resyncs: u64,
}

impl Memory {
    fn ticket(&self, key: &Key) -> u64 {
        self.fences.get(key).copied().unwrap_or(0) + self.resyncs
    }

    fn drop_key(&mut self, key: &Key) {
        *self.fences.entry(key.clone()).or_default() += 1;
        self.values.remove(key);
    }

    /// Applies what happened in a log, then takes the position.
    fn apply(&mut self, log: LogId, position: Position, since: &Since) {
        match (self.known.get(&log), since) {
            (Some(known), _) if known.epoch == position.epoch && known.number >= position.number => return,
            (Some(known), Since::Fences(fences)) if known.epoch == position.epoch => {
                fences.iter().filter_map(|(name, _)| key_of(name)).for_each(|key| self.drop_key(&key));
            }
            _ => {
                self.resyncs += 1;
                self.values.clear();
            }
        }
        self.known.insert(log, position);
    }
}

fn key_of(name: &FenceName) -> Option<Key> {
    match &name.selector {
        Selector::Key(text) => Some(Key::trusted(Arc::clone(&name.namespace), Arc::clone(text))),
        _ => None,
    }
}

impl Replica {
    fn new(tier: Arc<dyn SharedTier>, mode: Mode) -> Self {
        Self { tier, memory: Mutex::default(), mode }
    }

    /// A value, from memory or from Redis, or where a computation begins.
    async fn get(&self, key: &Key, random: &mut StdRng) -> Result<u64, FleetStamp> {
        let (ticket, at) = {
            let memory = self.memory.lock().unwrap();
            if let Some(value) = memory.values.get(key) {
                return Ok(*value);
            }
            (memory.ticket(key), memory.known.get(&key.log()).copied())
        };
        let read = self.tier.read(key, at, None).await.unwrap();
        linger(random).await;
        let mut memory = self.memory.lock().unwrap();
        memory.apply(key.log(), read.now.position, &read.now.since);
        let Some(found) = read.found else {
            return Err(FleetStamp { key: read.now.position, selector: read.now.position });
        };
        let Payload::Value(bytes) = &found.kept.payload else { panic!("a value was put there") };
        let value = std::str::from_utf8(bytes).unwrap().parse().unwrap();
        // Its own delta drops the key without harm to the reply, which is of the same instant.
        let own = u64::from(
            matches!(&read.now.since, Since::Fences(fences) if fences.iter().any(|(name, _)| *name == of_key(key))),
        );
        if memory.ticket(key) <= ticket + own || self.mode == Mode::WithoutCheck {
            memory.values.insert(key.clone(), value);
        }
        Ok(value)
    }

    async fn fill(&self, key: &Key, value: u64, began: FleetStamp) {
        let ticket = self.memory.lock().unwrap().ticket(key);
        let began = if self.mode == Mode::WithoutFence { stamp(&*self.tier, key).await } else { began };
        let filled = self.tier.fill(key, &kept(&value.to_string()), began, None).await.unwrap();
        let SharedFill::Stored(now) = filled else { return };
        let mut memory = self.memory.lock().unwrap();
        let known = memory.known.get(&key.log()).is_some_and(|known| known.epoch == now.position.epoch);
        if known && memory.ticket(key) == ticket {
            memory.values.insert(key.clone(), value);
        }
    }

    async fn invalidate(&self, key: &Key) {
        self.tier.raise(&[of_key(key)], None).await.unwrap();
        self.memory.lock().unwrap().drop_key(key);
    }
}

async fn linger(random: &mut StdRng) {
    if random.random_bool(0.3) {
        tokio::time::sleep(Duration::from_micros(random.random_range(0..3000))).await;
    }
}

/// What clients share.
struct Race {
    replicas: Vec<Replica>,
    keys: Vec<Key>,
    /// The version that a computation comes to now, by key.
    truth: Vec<AtomicU64>,
    /// The version that a replica has acknowledged, by key and replica.
    acked: Vec<AtomicU64>,
    stale: AtomicU64,
}

impl Race {
    /// One client's next step.
    async fn step(&self, of: usize, random: &mut StdRng) {
        let at = random.random_range(0..KEYS);
        let (replica, key, acked) = (&self.replicas[of], &self.keys[at], &self.acked[at * 2 + of]);
        if random.random_bool(0.06) {
            let version = self.truth[at].fetch_add(1, Ordering::SeqCst) + 1;
            replica.invalidate(key).await;
            acked.fetch_max(version, Ordering::SeqCst);
            return;
        }
        let needed = acked.load(Ordering::SeqCst);
        match replica.get(key, random).await {
            Ok(value) => {
                self.stale.fetch_add(u64::from(value < needed), Ordering::SeqCst);
            }
            Err(began) => {
                let value = self.truth[at].load(Ordering::SeqCst);
                linger(random).await;
                replica.fill(key, value, began).await;
            }
        }
    }
}

/// Clients at work; how many answers were older than what the same replica had acknowledged before they were asked for.
async fn stale(url: &str, mode: Mode, seed: u64) -> u64 {
    let zeros = |count| (0..count).map(|_| AtomicU64::new(0)).collect();
    let race = Arc::new(Race {
        replicas: (0..2).map(|_| Replica::new(tier(url), mode)).collect(),
        keys: (0..KEYS).map(|n| key(&format!("race {seed} {n}"))).collect(),
        truth: zeros(KEYS),
        acked: zeros(2 * KEYS),
        stale: AtomicU64::new(0),
    });
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..CLIENTS {
        let race = Arc::clone(&race);
        clients.spawn(async move {
            let mut random = StdRng::seed_from_u64(seed * CLIENTS + client);
            for _round in 0..ROUNDS {
                race.step(usize::try_from(client % 2).unwrap(), &mut random).await;
            }
        });
    }
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
    race.stale.load(Ordering::SeqCst)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_stale_is_served_however_late_computations_and_replies_are() {
    let redis = Redis::single();
    for seed in 0..6 {
        assert_eq!(stale(&redis.url(), Mode::Whole, seed).await, 0, "seed {seed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_stale_is_served_by_a_cluster() {
    let redis = Redis::cluster();
    for seed in 0..2 {
        assert_eq!(stale(&redis.url(), Mode::Whole, seed).await, 0, "seed {seed}");
    }
}

/// Whether something stale is found within some attempts.
async fn is_found(mode: Mode) -> bool {
    let redis = Redis::single();
    for seed in 0..30 {
        if stale(&redis.url(), mode, seed).await > 0 {
            return true;
        }
    }
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_fence_something_stale_is_found() {
    assert!(is_found(Mode::WithoutFence).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_check_of_late_replies_something_stale_is_found() {
    assert!(is_found(Mode::WithoutCheck).await);
}
