//! Long random runs of every policy beside its simulator, over entries of very different sizes and costs; and that
//! simulators with a flaw are found out, so that a policy with that flaw would be.

use hotplate_engine::policy::Worth;
use proptest::{
    collection::vec,
    prelude::any,
    test_runner::{Config, RngSeed, TestCaseError, TestRunner},
};

use crate::{
    cost_aware, lru,
    run::{Exact, Limits, Run, Step, hash},
    s3_fifo,
};

/// Steps of each long run.
const STEPS: usize = 8_000;
/// Short runs, made smaller when they fail.
const CASES: u32 = 64;

/// What entries there are.
#[derive(Clone, Copy, Debug)]
struct Mix {
    keys: u64,
    limits: Limits,
    worth: fn(u64) -> Worth,
}

const MIXES: [Mix; 5] = [
    // All alike.
    Mix { keys: 90, limits: Limits { entries: 60, bytes: 3_000 }, worth: |_| Worth { bytes: 100, value: 1.0 } },
    // Sizes over six powers of ten and values over nine, one independent of the other.
    Mix {
        keys: 150,
        limits: Limits { entries: 70, bytes: 3_000_000 },
        worth: |random| Worth {
            bytes: 10u64.pow(u32::try_from(random % 7).unwrap()) + random % 77,
            value: 10f64.powi(i32::try_from(random / 7 % 10).unwrap() - 6),
        },
    },
    // A byte and a gibibyte; worth next to nothing, or more than can be told apart.
    Mix {
        keys: 120,
        limits: Limits { entries: 60, bytes: 12 << 30 },
        worth: |random| Worth {
            bytes: [1, 1 << 30][(random % 2) as usize],
            value: [f64::MIN_POSITIVE, 1e-9, 1.0, 1e18, f64::MAX][(random / 2 % 5) as usize],
        },
    },
    // Answers, and now and then a model.
    Mix {
        keys: 200,
        limits: Limits { entries: 90, bytes: 2_500_000_000 },
        worth: |random| match random % 16 {
            0 => Worth { bytes: 800_000_000, value: 20.0 },
            _ => Worth { bytes: 500 + random % 1_000, value: 0.5 + (random % 100) as f64 / 40.0 },
        },
    },
    // Hardly room for anything.
    Mix {
        keys: 12,
        limits: Limits { entries: 2, bytes: 50 },
        worth: |random| Worth { bytes: 1 + random % 60, value: 1.0 + (random % 3) as f64 },
    },
];

/// A wrong or a right simulator.
type Make = fn() -> Box<dyn Exact>;

const RIGHT: [(&str, Make); 3] = [
    ("lru", || Box::new(lru::Exactly::new(lru::Flaw::None))),
    ("s3_fifo", || Box::new(s3_fifo::Exactly::new(s3_fifo::Flaw::None))),
    ("cost_aware", || Box::new(cost_aware::Exactly::new(cost_aware::Flaw::None))),
];

const WRONG: [(&str, Make); 11] = [
    ("lru", || Box::new(lru::Exactly::new(lru::Flaw::UsesDoNotCount))),
    ("lru", || Box::new(lru::Exactly::new(lru::Flaw::NewestFirst))),
    ("lru", || Box::new(lru::Exactly::new(lru::Flaw::PriceStays))),
    ("s3_fifo", || Box::new(s3_fifo::Exactly::new(s3_fifo::Flaw::MovesAfterOneRead))),
    ("s3_fifo", || Box::new(s3_fifo::Exactly::new(s3_fifo::Flaw::ForgetsWhoLeft))),
    ("s3_fifo", || Box::new(s3_fifo::Exactly::new(s3_fifo::Flaw::NoReinsertion))),
    ("cost_aware", || Box::new(cost_aware::Exactly::new(cost_aware::Flaw::NoProbation))),
    ("cost_aware", || Box::new(cost_aware::Exactly::new(cost_aware::Flaw::MovesOnHits))),
    ("cost_aware", || Box::new(cost_aware::Exactly::new(cost_aware::Flaw::NoCredit))),
    ("cost_aware", || Box::new(cost_aware::Exactly::new(cost_aware::Flaw::CreditOnce))),
    ("cost_aware", || Box::new(cost_aware::Exactly::new(cost_aware::Flaw::NoAgeing))),
];

impl Mix {
    /// What a random number stands for: mostly a key, those with low numbers more often than others.
    fn step(&self, random: u64) -> Step {
        let (action, rest) = (random % 32, random / 32);
        match action {
            0 => Step::Evict,
            1 | 2 => Step::Remove((rest % self.keys) as usize),
            _ => {
                let key = (rest % self.keys).min(rest / self.keys % self.keys);
                Step::Get(key, (self.worth)(hash(key)))
            }
        }
    }

    fn long_run(&self, policy: &str, make: Make) -> Result<(), String> {
        let mut run = Run::new(policy, make(), self.limits);
        (0..STEPS).try_for_each(|step| {
            let happens = self.step(hash(step as u64));
            run.step(happens).map_err(|reason| format!("{policy}, {self:?}, step {step}, {happens:?}: {reason}"))
        })
    }
}

/// 3 policies, 5 mixes: 120,000 steps, compared one by one.
#[test]
fn long_runs_agree_with_the_definitions() {
    for (policy, make) in RIGHT {
        for mix in MIXES {
            mix.long_run(policy, make).unwrap();
        }
    }
}

/// Shrunk to the shortest run that fails.
#[test]
fn short_runs_agree_with_the_definitions() {
    let config = Config { cases: CASES, rng_seed: RngSeed::Fixed(3), failure_persistence: None, ..Config::default() };
    for (policy, make) in RIGHT {
        let short_runs = (0..MIXES.len(), vec(any::<u64>(), 1..300));
        let result = TestRunner::new(config.clone()).run(&short_runs, |(mix, randoms)| {
            let mut run = Run::new(policy, make(), MIXES[mix].limits);
            let mut steps = randoms.into_iter().map(|random| MIXES[mix].step(random));
            steps.try_for_each(|step| run.step(step)).map_err(TestCaseError::fail)
        });
        result.unwrap_or_else(|failure| panic!("{policy}: {failure}"));
    }
}

#[test]
fn every_flaw_is_found() {
    for (number, (policy, make)) in WRONG.into_iter().enumerate() {
        let found = MIXES.iter().any(|mix| mix.long_run(policy, make).is_err());
        assert!(found, "flaw {number}, of {policy}, is not found");
    }
}
