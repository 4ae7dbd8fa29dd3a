//! The process ends after any number of written bytes, while segments are begun, completed, reclaimed and carried over: what is
//! found afterwards was stored, and nothing comes back whose end was settled.

use std::collections::BTreeMap;

use hotplate_engine::{selector::Selector, tier::local::HandedDown};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{failing::Fails, power::Medium, *};

const KEYS: u64 = 12;
const STEPS: usize = 160;

/// What may be found of a key: the seeds of values that were put since it was last settled that it is gone.
type Possible = BTreeMap<u64, Vec<u64>>;

struct Run {
    tier: Arc<DiskTier>,
    clock: Clock,
    possible: Possible,
    random: StdRng,
}

impl Run {
    fn put(&mut self, number: u64) {
        let seed = self.random.random_range(1..1_000_000);
        // One in eight gets a file of its own.
        let size = if seed % 8 == 0 { 80_000 } else { 9000 };
        let mut entry = kept(&self.clock, noise(size, seed));
        entry.cost = Some(Duration::from_millis(seed % 100));
        self.tier.put(&key(&number.to_string()), entry, HandedDown::Written);
        self.possible.entry(number).or_default().push(seed);
    }

    /// Forgets; when it is said to be settled, nothing that was there may be found.
    async fn forget(&mut self, numbers: std::ops::Range<u64>) {
        if numbers.end - numbers.start == 1 {
            self.tier.forget(&key(&numbers.start.to_string()));
        } else {
            let names = numbers.clone().map(|number| Selector::key(&number.to_string()).unwrap());
            self.tier.forget_sets(&"ns".into(), &names.collect::<Vec<_>>());
        }
        if self.tier.settled().await.is_ok() {
            numbers.for_each(|number| drop(self.possible.remove(&number)));
        }
    }

    async fn step(&mut self) {
        let number = self.random.random_range(0..KEYS);
        match self.random.random_range(0..10) {
            0..6 => self.put(number),
            6 => self.forget(number..number + 1).await,
            7 => self.forget(number..(number + 3).min(KEYS)).await,
            _ => drop(self.tier.get(&key(&number.to_string())).await),
        }
    }
}

/// With a medium: of the machine, which forgets all that was not forced onto it.
async fn crash_after(bytes: u64, seed: u64, medium: Option<Arc<Medium>>) -> bool {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let files = Arc::new(medium.clone().map_or_else(Failing::default, |medium| Failing::over(medium)));
    let sync = if medium.is_some() { Sync::Always } else { Sync::Off };
    let options = DiskOptions { sync, ..DiskOptions::new(directory.path(), 1 << 20) };
    let codec = || Codec::new(CodecOptions::default(), clock.clone());
    let tier = DiskTier::open_on(options.clone(), codec(), clock.clone(), files.clone()).unwrap();
    files.set(Fails { left: Some(bytes), crashes: true, ..Fails::default() });
    let random = StdRng::seed_from_u64(seed);
    let mut run = Run { tier, clock: clock.clone(), possible: Possible::new(), random };
    for _ in 0..STEPS {
        run.step().await;
    }
    let crashed = run.tier.state().health != TierHealth::Up;
    let Run { tier, possible, .. } = run;
    drop(tier);
    medium.iter().for_each(|medium| medium.lose_power());
    files.set(Fails::default());
    let again = DiskTier::open_on(options, codec(), clock.clone(), files).unwrap();
    assert_eq!((again.state().health, again.state().corrupt), (TierHealth::Up, 0), "after {bytes} bytes");
    for number in 0..KEYS {
        let Some(found) = get(&again, &number.to_string()).await else { continue };
        let seeds = possible.get(&number).map_or(&[][..], |seeds| seeds);
        assert!(seeds.iter().any(|seed| noise(found.len(), *seed) == found), "key {number} after {bytes} bytes");
    }
    crashed
}

#[tokio::test]
async fn whenever_the_process_ends_nothing_settled_comes_back() {
    let (mut crashed, rounds) = (0, 120u64);
    for round in 0..rounds {
        crashed += u64::from(crash_after(round * 9973 % 1_100_000, round % 4, None).await);
    }
    assert!(crashed > rounds / 2, "most rounds end in the middle: {crashed}");
}

#[tokio::test]
async fn whenever_the_power_fails_nothing_settled_comes_back() {
    let (mut crashed, rounds) = (0, 120u64);
    for round in 0..rounds {
        let medium = Some(Arc::new(Medium::new()));
        crashed += u64::from(crash_after(round * 9973 % 1_100_000, round % 4, medium).await);
    }
    assert!(crashed > rounds / 2, "most rounds end in the middle: {crashed}");
}
