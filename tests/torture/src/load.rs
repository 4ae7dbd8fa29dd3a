//! Clients that write, invalidate and read until they are to end, and tell the truth what they did. What happens to the
//! server meanwhile is not known here.

use std::{
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use rand::{RngExt, SeedableRng, rngs::SmallRng};
use tokio::task::JoinSet;
use tonic::Code;

use crate::{
    clock,
    content::{self, HEAD_BYTES, Written},
    truth::{Truth, Verdict},
    wire::{Client, Got, Named, PREFIXES, TAGS},
};

/// Values are this long at most, but for a few.
const VALUE_BYTES: usize = 32 << 10;
/// One of so many is as long as this.
const LARGE: (u32, usize) = (40, 300 << 10);
/// One write of so many ends soon.
const SHORT_LIVED: u32 = 8;

/// What the clients share.
#[derive(Debug)]
pub struct Ground {
    truth: Mutex<Truth>,
    findings: Mutex<Findings>,
    /// Whether the clients are to end.
    stop: AtomicBool,
    keys: u32,
    /// How long a client rests after each call.
    rest: Duration,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Values nobody wrote.
    pub wrong: u64,
    /// Values that had to be gone.
    pub resurrected: u64,
    /// Values that had to be there.
    pub lost: u64,
    /// Values that were read after a restart, as they had been written.
    pub survived: u64,
    /// Reads that were judged.
    pub reads: u64,
    /// Reads that a slower tier answered with a value.
    pub beneath: u64,
    /// Invalidations that were answered.
    pub invalidations: u64,
    /// The first of what is wrong, for people.
    pub said: Vec<String>,
}

/// How many sentences are kept for people.
const SAID_MAX: usize = 10;

impl Findings {
    /// Notes a verdict about a key.
    pub fn note(&mut self, verdict: Verdict, key: u32, found: Option<u64>, when: &str) {
        let counter = match verdict {
            Verdict::Fine => return,
            Verdict::Wrong => &mut self.wrong,
            Verdict::Resurrected => &mut self.resurrected,
            Verdict::Lost => &mut self.lost,
        };
        *counter += 1;
        if self.said.len() < SAID_MAX {
            self.said.push(format!("key {key}, {when}: {verdict:?}: {found:?}"));
        }
    }

    /// Whether nothing was wrong.
    #[must_use]
    pub fn good(&self) -> bool {
        self.wrong + self.resurrected + self.lost == 0
    }
}

impl Ground {
    /// With nothing written to so many keys.
    #[must_use]
    pub fn new(keys: u32, rest: Duration) -> Self {
        let (truth, findings) = (Mutex::new(Truth::new(keys)), Mutex::default());
        Self { truth, findings, stop: AtomicBool::new(false), keys, rest }
    }

    /// The truth, for a moment.
    pub fn truth(&self) -> MutexGuard<'_, Truth> {
        self.truth.lock().expect("who holds it does not panic")
    }

    /// What was found, for a moment.
    pub fn findings(&self) -> MutexGuard<'_, Findings> {
        self.findings.lock().expect("who holds it does not panic")
    }

    /// Which write of a key was found; a value that proves nothing is wrong at once.
    pub fn identify(&self, key: u32, got: &Got, when: &str) -> Option<u64> {
        let Got::Value(value, _) = got else { return None };
        match content::proven(value) {
            Some(written) if written.key == key => Some(written.number),
            other => {
                self.findings().note(Verdict::Wrong, key, other.map(|written| written.number), when);
                None
            }
        }
    }
}

/// Clients that work on one server.
#[derive(Debug)]
pub struct Clients {
    ground: Arc<Ground>,
    tasks: JoinSet<()>,
}

impl Clients {
    /// Starts so many. Their choices follow from the seed.
    #[must_use]
    pub fn start(ground: &Arc<Ground>, on: &Client, count: u64, seed: u64) -> Self {
        ground.stop.store(false, Relaxed);
        let mut tasks = JoinSet::new();
        for number in 0..count {
            let random = SmallRng::seed_from_u64(seed.wrapping_add(number));
            tasks.spawn(client(Arc::clone(ground), on.clone(), random));
        }
        Self { ground: Arc::clone(ground), tasks }
    }

    /// Lets them end, with their last calls.
    pub async fn end(mut self) {
        self.ground.stop.store(true, Relaxed);
        while self.tasks.join_next().await.is_some() {}
    }
}

async fn client(ground: Arc<Ground>, client: Client, mut random: SmallRng) {
    while !ground.stop.load(Relaxed) {
        let key = random.random_range(0..ground.keys);
        let done = match random.random_range(0..1_000_u32) {
            0..500 => write(&ground, &client, key, &mut random).await,
            500..600 => invalidate(&ground, &client, Named::Key(key)).await,
            600..615 => invalidate(&ground, &client, Named::Tag(key % TAGS)).await,
            615..622 => invalidate(&ground, &client, Named::Prefix(key % PREFIXES)).await,
            _ => read(&ground, &client, key).await.map(drop),
        };
        match done {
            Ok(()) => tokio::time::sleep(ground.rest).await,
            Err(Code::Unavailable | Code::Cancelled | Code::Unknown) => {
                // The server is gone, or will be soon; one that only refuses is not asked without end.
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            Err(_) => tokio::time::sleep(ground.rest).await,
        }
    }
}

async fn write(ground: &Ground, client: &Client, key: u32, random: &mut SmallRng) -> Result<(), Code> {
    let short = random.random_range(0..SHORT_LIVED) == 0;
    let ttl = short.then(|| Duration::from_millis(random.random_range(50..1_500)));
    let bytes = if random.random_range(0..LARGE.0) == 0 {
        LARGE.1
    } else {
        // As many of each order of magnitude.
        let span = (VALUE_BYTES / HEAD_BYTES).ilog2();
        (HEAD_BYTES << random.random_range(0..=span)) + random.random_range(0..HEAD_BYTES)
    };
    let number = ground.truth().writes(key, clock::now(), ttl.map(clock::nanoseconds));
    let value = content::value(Written { key, number }, bytes);
    match client.put(key, value, ttl).await {
        Ok(stored) => ground.truth().wrote(key, number, clock::now(), stored),
        Err(status) => {
            ground.truth().write_failed(key, number, clock::now());
            return Err(status.code());
        }
    }
    Ok(())
}

async fn invalidate(ground: &Ground, client: &Client, named: Named) -> Result<(), Code> {
    let sent = clock::now();
    ground.truth().invalidates(named);
    if let Err(status) = client.invalidate(named).await {
        ground.truth().invalidate_failed(named);
        return Err(status.code());
    }
    ground.truth().invalidated(named, sent, clock::now());
    ground.findings().invalidations += 1;
    Ok(())
}

/// Reads a key and judges what is found.
///
/// # Errors
/// The call failed.
pub async fn read(ground: &Ground, client: &Client, key: u32) -> Result<Got, Code> {
    let began = clock::now();
    let got = client.get(key).await.map_err(|status| status.code())?;
    let found = ground.identify(key, &got, "while the server lives");
    let verdict = ground.truth().read(key, began, found);
    let mut findings = ground.findings();
    findings.reads += 1;
    findings.beneath += u64::from(matches!(got, Got::Value(_, false)));
    findings.note(verdict, key, found, "while the server lives");
    drop(findings);
    Ok(got)
}
