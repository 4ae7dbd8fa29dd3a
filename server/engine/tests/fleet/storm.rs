//! Readers who compute what is missing and those who invalidate it, on several replicas, in any weather. What is read is
//! compared with what had been invalidated: on the replica that said so at once, on the others within a bound.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use hotplate_engine::{
    clock::{Clock, Moment},
    entry::{Expiration, Ttl},
    error::Reason,
    flow::lease::OnMiss,
    namespace::Coherence,
    position::Positions,
    selector::Selector,
};

use super::{
    link::{Net, Weather, Wrong},
    replicas::{Read, Replica, SPACE, pass},
};

const KEYS: usize = 5;
const REPLICAS: u64 = 3;
const LASTS: Duration = Duration::from_secs(12);
/// How long another replica may serve what was invalidated, in the worst case: it knows that it may after 3 s.
const BOUND: Duration = Duration::from_millis(3200);

/// How long a replica is cut off at most.
const CUT_MAX: Duration = Duration::from_millis(4500);

/// What breaks during a storm.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Breaks {
    pub(crate) fail_overs: bool,
    pub(crate) flushes: bool,
    pub(crate) cuts: bool,
}

impl Breaks {
    fn bound(self) -> Duration {
        match (self.fail_overs || self.flushes, self.cuts) {
            (false, _) => BOUND,
            // What a failover undid is told again by who had acknowledged it.
            (true, false) => Duration::from_secs(5),
            // As soon as that is heard again.
            (true, true) => Duration::from_secs(5) + CUT_MAX,
        }
    }
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) reads: u64,
    pub(crate) computed: u64,
    /// Reads older than what their own replica had said was invalidated.
    pub(crate) stale_here: u64,
    /// Reads older than what another had said so long before.
    pub(crate) stale_elsewhere: u64,
    /// Keys on which replicas do not agree in the end.
    pub(crate) apart: u64,
}

impl Report {
    pub(crate) fn clean(&self) -> bool {
        (self.stale_here, self.stale_elsewhere, self.apart) == (0, 0, 0)
    }
}

/// The truth of all keys, and who said what when.
struct World {
    clock: Clock,
    /// What the source has.
    source: [AtomicU64; KEYS],
    /// The newest version of which each replica said that everything older is gone.
    here: Vec<[AtomicU64; KEYS]>,
    /// The same of all, and when.
    anywhere: Mutex<HashMap<usize, Vec<(Moment, u64)>>>,
    report: Mutex<Report>,
    /// How long another replica may serve what was invalidated.
    bound: Duration,
}

fn key(number: usize) -> String {
    format!("k{number}")
}

impl World {
    /// The version below which a read that begins now on another replica is too old.
    fn floor_elsewhere(&self, key: usize) -> u64 {
        let now = self.clock.now();
        let said = self.anywhere.lock().unwrap();
        let old = said.get(&key).into_iter().flatten().filter(|(at, _)| at.after(self.bound) <= now);
        old.map(|(_, version)| *version).max().unwrap_or(0)
    }

    fn judge(&self, (here, elsewhere): (u64, u64), (read, trusted): (u64, bool)) {
        let mut report = self.report.lock().unwrap();
        report.reads += 1;
        report.stale_here += u64::from(read < here);
        // Who does not trust what it has says so, and may serve it all the same.
        report.stale_elsewhere += u64::from(trusted && read < elsewhere);
    }
}

/// One storm of this seed.
pub(crate) async fn storm(seed: u64, (weather, breaks): (Weather, Breaks), wrong: impl Fn(&Net) -> Wrong) -> Report {
    let clock = Clock::system();
    let net = Net::new(seed, clock.clone());
    let wrong = wrong(&net);
    let replicas: Vec<_> = (1..=REPLICAS)
        .map(|number| Arc::new(Replica::new(&net, number, (clock.clone(), Coherence::Available, wrong))))
        .collect();
    for replica in &replicas {
        replica.cache.caught_up(Duration::from_secs(5)).await;
    }
    *net.weather.lock().unwrap() = weather;
    let world = Arc::new(World {
        clock: clock.clone(),
        source: Default::default(),
        here: (0..REPLICAS).map(|_| Default::default()).collect(),
        anywhere: Mutex::default(),
        report: Mutex::default(),
        bound: breaks.bound(),
    });
    let mut tasks = tokio::task::JoinSet::new();
    for (number, replica) in replicas.iter().enumerate() {
        for _ in 0..3 {
            tasks.spawn(reader(net.clone(), world.clone(), (number, replica.clone())));
        }
        tasks.spawn(toucher(net.clone(), world.clone(), (number, replica.clone())));
        tasks.spawn(invalidator(net.clone(), world.clone(), (number, replica.clone())));
    }
    tasks.spawn(breaker(net.clone(), replicas.clone(), breaks));
    while tasks.join_next().await.is_some() {}
    *net.weather.lock().unwrap() = Weather::FAIR;
    replicas.iter().for_each(|replica| replica.link.cut(false));
    pass(Duration::from_secs(6)).await;
    settle(&world, &replicas).await;
    replicas.iter().for_each(|replica| replica.cache.close());
    std::mem::take(&mut *world.report.lock().unwrap())
}

/// In the end every replica has what the source has, or computes it.
async fn settle(world: &World, replicas: &[Arc<Replica>]) {
    for number in 0..KEYS {
        for replica in replicas {
            let read = replica.look(&key(number)).await;
            let newest = world.source[number].load(SeqCst);
            let apart = matches!(read, Read::Value(value) if value != newest);
            world.report.lock().unwrap().apart += u64::from(apart);
        }
    }
}

async fn reader(net: Arc<Net>, world: Arc<World>, (number, replica): (usize, Arc<Replica>)) {
    let until = world.clock.now().after(LASTS);
    while world.clock.now() < until {
        pass(Duration::from_micros(500 + net.below(20_000))).await;
        let at = usize::try_from(net.below(KEYS as u64)).unwrap();
        let floors = (world.here[number][at].load(SeqCst), world.floor_elsewhere(at));
        let trusted = !replica.cache.is_degraded(SPACE);
        let wait = OnMiss::Wait(Duration::from_millis(300));
        match replica.get(&key(at), wait, Positions::default()).await.unwrap() {
            Read::Value(value) => world.judge(floors, (value, trusted)),
            Read::Compute(token) => {
                let value = world.source[at].load(SeqCst);
                pass(Duration::from_micros(net.below(30_000))).await;
                world.report.lock().unwrap().computed += 1;
                replica.put(&key(at), value, Some(token)).await;
            }
            Read::Pending | Read::Miss => {}
        }
    }
}

async fn toucher(net: Arc<Net>, world: Arc<World>, (number, replica): (usize, Arc<Replica>)) {
    let until = world.clock.now().after(LASTS);
    while world.clock.now() < until {
        pass(Duration::from_millis(30 + net.below(200))).await;
        let at = usize::try_from(net.below(KEYS as u64)).unwrap();
        let floors = (world.here[number][at].load(SeqCst), world.floor_elsewhere(at));
        let trusted = !replica.cache.is_degraded(SPACE);
        let expiration =
            Expiration { ttl: Ttl::Exact(Duration::from_secs(1800 + net.below(3600))), ..Expiration::default() };
        if let Some(value) = replica.touch(&key(at), expiration).await {
            world.judge(floors, (value, trusted));
        }
    }
}

async fn invalidator(net: Arc<Net>, world: Arc<World>, (number, replica): (usize, Arc<Replica>)) {
    let until = world.clock.now().after(LASTS);
    while world.clock.now() < until {
        pass(Duration::from_millis(20 + net.below(150))).await;
        let at = usize::try_from(net.below(KEYS as u64)).unwrap();
        let version = world.source[at].fetch_add(1, SeqCst) + 1;
        let selector = match net.below(3) {
            0 => Selector::tag(&format!("t-{}", key(at))),
            1 => Selector::prefix(&key(at)),
            _ => Selector::key(&key(at)),
        };
        let done = replica.drop_set(selector.unwrap()).await;
        world.here[number][at].fetch_max(version, SeqCst);
        match done {
            Ok(_) => world.anywhere.lock().unwrap().entry(at).or_default().push((world.clock.now(), version)),
            Err(error) => assert_eq!(error.reason(), Reason::TierPending),
        }
    }
}

async fn breaker(net: Arc<Net>, replicas: Vec<Arc<Replica>>, breaks: Breaks) {
    for _ in 0..(LASTS.as_millis() / 400) {
        if net.below(2) == 0 {
            net.truth.lock().unwrap().replicate();
        }
        pass(Duration::from_millis(net.below(800))).await;
        match net.below(6) {
            0 if breaks.fail_overs => net.truth.lock().unwrap().fail_over(),
            1 if breaks.flushes => net.truth.lock().unwrap().flush(),
            2 | 3 if breaks.cuts => {
                let replica = &replicas[usize::try_from(net.below(REPLICAS)).unwrap()];
                replica.link.cut(true);
                pass(CUT_MAX.mul_f64(net.below(100) as f64 / 100.0)).await;
                replica.link.cut(false);
            }
            _ => {}
        }
    }
}
