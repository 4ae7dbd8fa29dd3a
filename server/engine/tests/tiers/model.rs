//! Nobody who asks after a change was answered gets anything older than that change, wherever it lies: random writers,
//! computations and invalidations above a disk that is slow, forgetful and answers with what was there when it was asked, a
//! memory with room for few, and restarts. One thread, and who goes on next is drawn at random: every run can be repeated.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use hotplate_engine::{
    Cache,
    clock::Clock,
    entry::{Dependencies, Description},
    flow::{
        get::{GetRequest, Lookup},
        lease::{LeasedAnswer, OnMiss},
    },
    namespace::EngineConfig,
    selector::Selector,
    stats::GroupBy,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::task::{LocalSet, yield_now};

use crate::{
    above,
    double::{Disk, Manners},
    drop_of,
    explained::says_what_a_get_says,
    put_of, value,
};

const BASES: usize = 6;
const SEEDS: u64 = 60;
const ROUNDS: usize = 3;
const TASKS: usize = 6;
const STEPS: usize = 25;

/// What is true, and what everybody must see at least.
#[derive(Default)]
struct World {
    truth: [u64; BASES],
    /// What everybody must see of a base, and of what is made from it.
    floor: [[u64; 2]; BASES],
}

struct Actor {
    cache: Arc<Cache>,
    world: Rc<RefCell<World>>,
    random: StdRng,
}

fn base(number: usize) -> String {
    format!("base:{number}")
}

/// Which tags a base has is known only as long as it is there: half of what is made names the tag itself.
fn names_tag(number: usize) -> bool {
    number.is_multiple_of(2)
}

fn made(number: usize) -> String {
    format!("made:{number}")
}

/// Every base has a tag that another has as well.
fn tag(number: usize) -> Arc<str> {
    Arc::from(format!("t{}", number % 3))
}

impl Actor {
    async fn act(&mut self) {
        for _ in 0..STEPS {
            let number = self.random.random_range(0..BASES);
            match self.random.random_range(0..10) {
                0 => self.write(number).await,
                1 | 2 => self.invalidate(number).await,
                3..=5 => self.read(number, false).await,
                _ => self.read(number, true).await,
            }
            self.pause().await;
        }
    }

    async fn pause(&mut self) {
        for _ in 0..self.random.random_range(0..4) {
            yield_now().await;
        }
    }

    /// Changes the truth and says so by what was stored of it.
    async fn write(&mut self, number: usize) {
        let version = self.change(&[number])[0];
        let said = Description { tags: vec![tag(number)], ..Description::default() };
        self.cache.write(put_of(&base(number), &version.to_string(), said), None).await.unwrap();
        // What was made from it follows an Invalidate, not a Put.
        self.cache.drop_entries(&drop_of(vec![Selector::Key(base(number).into())])).await.unwrap();
        self.all_see(&[(number, version)], false);
    }

    async fn invalidate(&mut self, number: usize) {
        let one = vec![number];
        let same: Vec<usize> = (0..BASES).filter(|other| other % 3 == number % 3).collect();
        let all: Vec<usize> = (0..BASES).collect();
        let (concerned, selector) = match self.random.random_range(0..5) {
            0 => (one, Selector::Key(base(number).into())),
            1 => (same, Selector::Tag(tag(number))),
            2 => (all, Selector::Prefix("base:".into())),
            3 => (one, Selector::glob(&format!("*:{number}")).unwrap()),
            _ => (all, Selector::Everything),
        };
        let versions = self.change(&concerned);
        let by_tag = matches!(selector, Selector::Tag(_));
        let request = drop_of(vec![selector]);
        if self.random.random_range(0..4) == 0 {
            self.cache.outdate(&request, None).await.unwrap();
        } else {
            self.cache.drop_entries(&request).await.unwrap();
        }
        let seen: Vec<_> = concerned.into_iter().zip(versions).collect();
        self.all_see(&seen, by_tag);
    }

    fn change(&self, numbers: &[usize]) -> Vec<u64> {
        let truth = &mut self.world.borrow_mut().truth;
        let next = |number: &usize| {
            truth[*number] += 1;
            truth[*number]
        };
        numbers.iter().map(next).collect()
    }

    fn all_see(&self, seen: &[(usize, u64)], by_tag: bool) {
        let floor = &mut self.world.borrow_mut().floor;
        for (number, version) in seen {
            let [base, made] = &mut floor[*number];
            *base = (*base).max(*version);
            if !by_tag || names_tag(*number) {
                *made = (*made).max(*version);
            }
        }
    }

    /// Reads a base, or what is made from it, and computes it when it is missing.
    async fn read(&mut self, number: usize, is_made: bool) {
        let key = if is_made { made(number) } else { base(number) };
        let floor = self.world.borrow().floor[number][usize::from(is_made)];
        let request = GetRequest { key: key.clone(), ..GetRequest::default() };
        let batch = self.random.random_range(0..4) == 0;
        let answer = if batch {
            self.cache.read_many(&[(request, OnMiss::Lease)]).await.remove(0).unwrap()
        } else {
            self.cache.read(&request, OnMiss::Lease).await.unwrap()
        };
        let LeasedAnswer::Found(found, lease) = answer else { return };
        if let Lookup::Hit(_) = &found.outcome {
            let seen: u64 = value(&found.outcome).unwrap().parse().unwrap();
            assert!(seen >= floor, "{key} is {seen} and everybody was told of {floor}, from {:?}", found.tier);
        }
        let Some(lease) = lease else { return };
        let version = self.compute(number, is_made).await;
        self.pause().await;
        let named = names_tag(number).then(|| Arc::from(format!("tag:{}", tag(number))));
        let names = [Arc::from(base(number))].into_iter().chain(named);
        let said = Description {
            tags: if is_made { Vec::new() } else { vec![tag(number)] },
            depends_on: if is_made { Dependencies::of(names) } else { None },
            ..Description::default()
        };
        let write = put_of(&key, &version.to_string(), said);
        self.cache.write(write, Some(lease.token)).await.unwrap();
    }

    /// What is true of a base, or what the cache says of it.
    async fn compute(&mut self, number: usize, is_made: bool) -> u64 {
        let truth = self.world.borrow().truth[number];
        if !is_made {
            return truth;
        }
        let request = GetRequest { key: base(number), ..GetRequest::default() };
        let found = self.cache.read(&request, OnMiss::Report).await.unwrap();
        let LeasedAnswer::Found(found, _) = found else { return truth };
        let hit = matches!(found.outcome, Lookup::Hit(_));
        value(&found.outcome).filter(|_| hit).map_or_else(|| self.world.borrow().truth[number], |v| v.parse().unwrap())
    }
}

async fn run(seed: u64) -> u64 {
    let manners = Manners { refuses_one_in: 7, loses_one_in: 5, turns_max: 4 };
    let (disk, clock) = (Disk::new(seed, manners), Clock::manual());
    let world = Rc::new(RefCell::new(World::default()));
    let entries_max = [0, 2, 5, 1000][seed as usize % 4];
    let mut hits = 0;
    for round in 0..ROUNDS as u64 {
        let config = EngineConfig { entries_max, shards: 1 << (seed % 3), seed: Some(seed), ..EngineConfig::default() };
        let cache = above(&disk, &clock, config);
        let tasks: Vec<_> = (0..TASKS as u64)
            .map(|task| {
                let random = StdRng::seed_from_u64(seed * 1000 + round * 100 + task);
                let mut actor = Actor { cache: cache.clone(), world: world.clone(), random };
                tokio::task::spawn_local(async move { actor.act().await })
            })
            .collect();
        for task in tasks {
            task.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        }
        for number in 0..BASES {
            says_what_a_get_says(&cache, &base(number)).await;
            says_what_a_get_says(&cache, &made(number)).await;
        }
        cache.maintain();
        cache.check_invariants().unwrap_or_else(|what| panic!("seed {seed}: {what}"));
        hits += cache.stats(None, GroupBy::Namespace).unwrap().total.hits;
        cache.close();
    }
    hits
}

#[test]
fn whoever_asks_after_a_change_gets_nothing_older_from_any_tier() {
    let mut hits = 0;
    for seed in 0..SEEDS {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        hits += LocalSet::new().block_on(&runtime, run(seed));
    }
    assert!(hits > SEEDS * 50, "the runs are about something: {hits} hits");
}
