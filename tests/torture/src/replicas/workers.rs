//! The clients of a run: they read, compute under leases, invalidate and write at all replicas, and look at once on the
//! others when a change was acknowledged. Everything goes into the record; nothing is judged here.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::future::join_all;
use hotplate_proto::v1::Position;
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use tokio::{
    sync::{Mutex, OwnedMutexGuard, watch},
    time::sleep,
};

use super::{
    record::{Change, Computed, How, Read, Record, Span, Told},
    wire::{Client, Got, Wants, events},
};
use crate::{clock, wire::TAGS};

/// Keys there are: three to a tag.
pub const KEYS: u32 = 3 * TAGS;
/// How long a client rests after a call.
const REST: Duration = Duration::from_millis(10);
/// How long is rested between two looks at another replica.
const LOOK: Duration = Duration::from_millis(1);
/// How long after an acknowledged change the others are looked at.
const LOOK_FOR: Duration = Duration::from_secs(8);
/// Logs from this number on are those of all replicas.
const FLEET_LOGS: u32 = 128;
/// A computation takes up to so many milliseconds.
const COMPUTING_MS: u64 = 20;

/// What all clients share.
#[derive(Debug)]
pub struct Ground {
    /// What happened.
    pub record: Record,
    /// A client of each replica.
    pub clients: Vec<Client>,
    /// What is so outside of the cache: a number for each key, which rises before it is said.
    truth: Vec<AtomicU64>,
    /// Who changes a key holds its lock until the others were looked at: changes of one key come one after the other.
    changing: Vec<Arc<Mutex<()>>>,
    /// Replicas that are stopped: what is asked of them is not measured.
    pub stopped: Vec<AtomicU64>,
}

impl Ground {
    /// Of these replicas.
    #[must_use]
    pub fn new(clients: Vec<Client>) -> Self {
        Self {
            record: Record::default(),
            stopped: clients.iter().map(|_| AtomicU64::new(0)).collect(),
            clients,
            truth: (0..KEYS).map(|_| AtomicU64::new(1)).collect(),
            changing: (0..KEYS).map(|_| Arc::default()).collect(),
        }
    }

    fn truth(&self, key: u32) -> u64 {
        self.truth[key as usize].load(SeqCst)
    }

    /// Reads, and records what was found.
    async fn read(&self, replica: usize, key: u32, wants: Wants, positioned: Option<u64>) -> Option<(Got, Span)> {
        let from = clock::now();
        let got = self.clients[replica].get(key, wants).await.ok()?;
        let span = Span { from, to: clock::now() };
        if let Some(truth) = got.truth {
            let read = Read { key, replica, span, truth, degraded: got.degraded, positioned };
            self.record.add(|history| history.reads.push(read));
        }
        Some((got, span))
    }

    /// Reads, and computes if it is given the lease.
    async fn read_or_compute(&self, replica: usize, key: u32, takes: Duration) {
        let Some((got, asked)) = self.read(replica, key, Wants::Lease, None).await else { return };
        let Some(lease) = got.lease else { return };
        let truth = self.truth(key);
        sleep(takes).await;
        if let Ok((true, _)) = self.clients[replica].put(key, truth, Some(lease)).await {
            let span = Span { from: asked.from, to: clock::now() };
            self.record.add(|history| history.computed.push(Computed { key, truth, replica, span }));
        }
    }

    /// The keys that are changed with this one, if nobody else changes any of them.
    fn hold(&self, key: u32, how: How) -> Option<Vec<(u32, OwnedMutexGuard<()>)>> {
        let step = TAGS as usize;
        let keys: Vec<u32> = match how {
            How::Tag => (key % TAGS..KEYS).step_by(step).collect(),
            How::Key | How::Put => vec![key],
        };
        let hold = |key: u32| Some((key, Arc::clone(&self.changing[key as usize]).try_lock_owned().ok()?));
        keys.into_iter().map(hold).collect()
    }

    /// Changes what is so outside, then says so, then looks at the others.
    async fn change(&self, replica: usize, key: u32, how: How, asks_by_position: bool) {
        let Some(held) = self.hold(key, how) else { return };
        let truths: Vec<(u32, u64)> =
            held.iter().map(|(key, _)| (*key, self.truth[*key as usize].fetch_add(1, SeqCst) + 1)).collect();
        let client = &self.clients[replica];
        let from = clock::now();
        let answer = match how {
            How::Put => client.put(key, self.truth(key), None).await.map(|(_, position)| position),
            How::Key | How::Tag => client.invalidate(key, how == How::Tag).await,
        };
        let span = Span { from, to: clock::now() };
        let acknowledged = answer.is_ok();
        let told = answer.as_ref().is_ok_and(|position| position.logs.iter().any(|one| one.log >= FLEET_LOGS));
        self.record.add(|history| {
            let of = |&(key, truth)| Change { key, truth, how, replica, span, acknowledged, told };
            history.changes.extend(truths.iter().map(of));
        });
        let Some(position) = answer.ok().filter(|_| told) else { return };
        let truth = self.truth(key);
        let others = (0..self.clients.len()).filter(|other| *other != replica);
        let asked = asks_by_position.then_some(position);
        join_all(others.map(|other| self.look(other, key, (truth, span.to), asked.clone()))).await;
    }

    /// Looks at another replica until it shows a change, or says that it cannot know.
    async fn look(&self, replica: usize, key: u32, (truth, acked): (u64, u64), position: Option<Position>) {
        if let Some(position) = position {
            self.read(replica, key, Wants::From(position), Some(truth)).await;
            return;
        }
        let stops = self.stopped[replica].load(SeqCst);
        let until = acked + clock::nanoseconds(LOOK_FOR);
        while clock::now() < until {
            let seen = self.read(replica, key, Wants::WhatIsThere, None).await;
            let shows = |got: &Got| got.degraded || got.truth.is_none_or(|seen| seen >= truth);
            let Some((_, span)) = seen.filter(|(got, _)| shows(got)) else {
                sleep(LOOK).await;
                continue;
            };
            let lag = Duration::from_nanos(span.to.saturating_sub(acked)).as_secs_f64() * 1000.0;
            if stops == self.stopped[replica].load(SeqCst) {
                self.record.add(|history| history.lags.push(lag));
            }
            return;
        }
    }

    /// One client, until it is told to end.
    pub async fn work(self: Arc<Self>, seed: u64, ends: watch::Receiver<bool>) {
        let mut random = SmallRng::seed_from_u64(seed);
        while !*ends.borrow() {
            let replica = random.random_range(0..self.clients.len());
            let key = random.random_range(0..KEYS);
            let chance = random.random_range(0..100);
            match chance {
                0..65 => {
                    let takes = Duration::from_millis(random.random_range(0..COMPUTING_MS));
                    self.read_or_compute(replica, key, takes).await;
                }
                65..80 => drop(self.read(replica, key, Wants::WhatIsThere, None).await),
                80..90 => self.change(replica, key, How::Key, chance < 83).await,
                90..95 => self.change(replica, key, How::Tag, chance < 92).await,
                _ => self.change(replica, key, How::Put, chance < 97).await,
            }
            sleep(REST).await;
        }
    }

    /// Follows the changes that one replica tells of, for as long as it is not dropped.
    pub async fn follow(self: Arc<Self>, replica: usize) {
        let mut token = Bytes::new();
        loop {
            sleep(REST).await;
            let Ok(mut stream) = self.clients[replica].watch(token.clone()).await else { continue };
            while let Ok(Some(message)) = stream.message().await {
                token = message.resume_token.clone();
                let at = clock::now();
                let told = events(message).into_iter().map(|what| Told { replica, at, what });
                self.record.add(|history| history.told.extend(told));
            }
        }
    }
}
