//! One table with a policy and its simulator side by side: takes steps, and says where they disagree. How steps are
//! chosen is in `random`.

use hotplate_engine::policy::{self, Age, Policy, Slot, Worth};

/// Entries up to which `below` has to be exact: policies look at no fewer.
const LOOKS_MIN: usize = 32;
/// What the store asks of a policy for one victim at most.
const SETTLES_MAX: usize = 16;

/// An entry as a simulator sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) slot: Slot,
    pub(crate) price: f64,
    pub(crate) bytes: u64,
}

/// A policy by its definition, however slow. `level` is that of the store at this moment.
pub(crate) trait Exact {
    fn inserted(&mut self, slot: Slot, hash: u64, worth: Worth, level: f64);
    fn used(&mut self, slot: Slot, level: f64);
    fn removed(&mut self, slot: Slot, evicted: bool);
    fn settle(&mut self, level: f64) -> bool;
    fn order(&self) -> Vec<Seen>;
    fn price(&self, hash: u64, worth: Worth, level: f64) -> Option<f64>;
}

/// What happens to a table.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// A key is asked for, and stored when it is not there, after as many evictions as it needs.
    Get(u64, Worth),
    /// The entry that came at this place among those held is taken out.
    Remove(usize),
    /// The next one goes.
    Evict,
}

/// How much fits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) entries: usize,
    pub(crate) bytes: u64,
}

/// A table under both.
pub(crate) struct Run {
    policy: Box<dyn Policy>,
    exact: Box<dyn Exact>,
    age: Age,
    level: f64,
    limits: Limits,
    held: Vec<Held>,
    free: Vec<Slot>,
}

#[derive(Clone, Copy)]
struct Held {
    key: u64,
    slot: Slot,
    bytes: u64,
}

impl Run {
    pub(crate) fn new(policy: &str, exact: Box<dyn Exact>, limits: Limits) -> Self {
        let policy = (policy::find(policy).unwrap().make)();
        Self { policy, exact, age: Age::default(), level: 0.0, limits, held: Vec::new(), free: Vec::new() }
    }

    /// Takes a step in both, then compares them.
    pub(crate) fn step(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::Get(key, worth) => self.get(key, worth)?,
            Step::Remove(place) if place < self.held.len() => self.remove(place, false),
            Step::Evict if !self.held.is_empty() => self.evict()?,
            Step::Remove(_) | Step::Evict => {}
        }
        self.compare()
    }

    fn get(&mut self, key: u64, worth: Worth) -> Result<(), String> {
        if let Some(held) = self.held.iter().find(|held| held.key == key) {
            self.policy.used(held.slot, &self.age);
            self.exact.used(held.slot, self.level);
            return Ok(());
        }
        self.compare_price(key, worth)?;
        while self.held.len() >= self.limits.entries || self.bytes() + worth.bytes > self.limits.bytes {
            if self.held.is_empty() {
                return Ok(());
            }
            self.evict()?;
        }
        let unused = u32::try_from(self.held.len()).unwrap();
        let slot = self.free.pop().unwrap_or(unused);
        self.policy.inserted(slot, hash(key), worth, &self.age);
        self.exact.inserted(slot, hash(key), worth, self.level);
        self.held.push(Held { key, slot, bytes: worth.bytes });
        Ok(())
    }

    fn remove(&mut self, place: usize, evicted: bool) {
        let Held { key, slot, .. } = self.held.swap_remove(place);
        self.policy.removed(slot, evicted.then(|| hash(key)));
        self.exact.removed(slot, evicted);
        self.free.push(slot);
    }

    /// As the store does it: the level rises to the price of the least, which may then still be moved.
    fn evict(&mut self) -> Result<(), String> {
        for settles in 0.. {
            let least = self.exact.order()[0];
            self.level = self.level.max(least.price);
            self.age.raise(self.policy.least().ok_or("there is no least")?.price);
            self.compare()?;
            if settles == SETTLES_MAX {
                break;
            }
            let settled = (self.policy.settle(&self.age), self.exact.settle(self.level));
            match settled {
                (true, true) => break,
                (false, false) => {}
                _ => return Err(format!("settled: {settled:?}")),
            }
        }
        let victim = self.exact.order()[0].slot;
        let place = self.held.iter().position(|held| held.slot == victim).ok_or("the victim is not held")?;
        self.remove(place, true);
        Ok(())
    }

    fn compare(&self) -> Result<(), String> {
        let expected = self.exact.order();
        let slots: Vec<_> = expected.iter().map(|seen| seen.slot).collect();
        let order = self.policy.order();
        if order != slots {
            return Err(format!("the order is {order:?} instead of {slots:?}"));
        }
        let least = self.policy.least();
        let seen = expected.first().map(|seen| (seen.slot, seen.price));
        if least.map(|least| (least.slot, least.price)) != seen {
            return Err(format!("the least is {least:?} instead of {seen:?}"));
        }
        if self.age.level() != self.level {
            return Err(format!("the level is {} instead of {}", self.age.level(), self.level));
        }
        self.compare_below(&expected)?;
        self.policy.check()
    }

    fn compare_below(&self, expected: &[Seen]) -> Result<(), String> {
        let Some(middle) = expected.get(expected.len() / 2) else { return Ok(()) };
        let below = self.policy.below(middle.price);
        let cheaper = expected.iter().filter(|seen| seen.price <= middle.price);
        let exact: u64 = cheaper.map(|seen| seen.bytes).sum();
        let agrees = if expected.len() <= LOOKS_MIN { below == exact } else { below <= exact };
        if agrees { Ok(()) } else { Err(format!("{below} bytes are below {middle:?} instead of {exact}")) }
    }

    fn compare_price(&self, key: u64, worth: Worth) -> Result<(), String> {
        let prices = (self.policy.price(hash(key), worth, &self.age), self.exact.price(hash(key), worth, self.level));
        if prices.0 == prices.1 { Ok(()) } else { Err(format!("{worth:?} costs {prices:?}")) }
    }

    fn bytes(&self) -> u64 {
        self.held.iter().map(|held| held.bytes).sum()
    }
}

/// A number for a key that looks like a random one; no two keys have the same.
pub(crate) fn hash(key: u64) -> u64 {
    let mixed = (key + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}
