//! What is to be done next: filling, reading and writing by chance, or a trace. How it is sent is not known here.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{
    dice::{Dice, Picks, mix},
    size::Sizes,
    trace::Trace,
};

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Reads a value.
    Read,
    /// Writes it.
    Write,
    /// Removes what the load left behind, where that goes key by key.
    Drop,
}

/// One operation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Op {
    pub(crate) act: Act,
    /// Number of the key.
    pub(crate) key: u64,
    /// Bytes of the value.
    pub(crate) size: u64,
    /// Whether a value that is read must have that size.
    pub(crate) exact: bool,
    /// Whether it must be there.
    pub(crate) there: bool,
    /// What computing the value costs; zero: not said.
    pub(crate) cost: Duration,
}

impl Op {
    /// Reads a key that must hold a value of this size.
    pub(crate) fn read(key: u64, size: u64) -> Self {
        Self { act: Act::Read, key, size, exact: true, there: true, cost: Duration::ZERO }
    }

    /// The same with another size.
    pub(crate) fn sized(self, size: u64) -> Self {
        Self { size, ..self }
    }

    /// The same key and size with another act.
    pub(crate) fn to(self, act: Act) -> Self {
        Self { act, ..self }
    }
}

/// What became of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A value of so many bytes was read, and is what was written.
    Hit(u64),
    /// There is none.
    Miss,
    /// So many bytes were written.
    Written(u64),
    /// What was left behind is gone.
    Dropped,
    /// Something is wrong, by this name.
    Wrong(&'static str),
}

/// What a phase does, shared by all lanes of all threads.
#[derive(Debug)]
pub(crate) struct Load {
    kind: Kind,
    /// The next key or line, where they go in order.
    next: AtomicU64,
    sizes: Sizes,
    seed: u64,
    /// Whether all operations of a message do the same.
    pub(crate) same: bool,
}

#[derive(Debug)]
enum Kind {
    /// Each key once.
    Each { act: Act, keys: u64 },
    /// Reads with this probability, else writes.
    Random { picks: Picks, read_ratio: f64, there: bool },
    /// Line by line; a miss is followed by a write.
    Trace(Arc<Trace>),
}

impl Load {
    /// Each of the first `keys` keys once.
    pub(crate) fn each(act: Act, keys: u64, sizes: &Sizes, seed: u64) -> Self {
        Self { kind: Kind::Each { act, keys }, next: AtomicU64::new(0), sizes: sizes.clone(), seed, same: false }
    }

    /// By chance; `there` when every key was filled.
    pub(crate) fn random(picks: Picks, read_ratio: f64, there: bool, (sizes, seed): (&Sizes, u64)) -> Self {
        let kind = Kind::Random { picks, read_ratio, there };
        Self { kind, next: AtomicU64::new(0), sizes: sizes.clone(), seed, same: false }
    }

    /// As a trace says.
    pub(crate) fn trace(trace: Arc<Trace>, sizes: &Sizes, seed: u64) -> Self {
        Self { kind: Kind::Trace(trace), next: AtomicU64::new(0), sizes: sizes.clone(), seed, same: false }
    }

    /// Every message either reads or writes.
    pub(crate) fn all_the_same(mut self) -> Self {
        self.same = true;
        self
    }
}

/// The operations of one lane.
#[derive(Debug)]
pub(crate) struct Work {
    load: Arc<Load>,
    dice: Dice,
    /// What follows from answers: a trace's values that were not there.
    after: VecDeque<Op>,
}

impl Work {
    /// Of this lane, which must have a number of its own.
    pub(crate) fn new(load: Arc<Load>, lane: u64) -> Self {
        let dice = Dice::new(mix(load.seed).wrapping_add(mix(lane)));
        Self { load, dice, after: VecDeque::new() }
    }

    /// Puts up to `count` operations into a message, which it empties first. None: everything is done.
    pub(crate) fn fill(&mut self, message: &mut Vec<Op>, count: usize) {
        message.clear();
        while message.len() < count {
            let alike = if self.load.same { message.first().map(|first| first.act) } else { None };
            match self.after.pop_front().or_else(|| self.next(alike)) {
                Some(op) if alike.is_some_and(|act| act != op.act) => {
                    self.after.push_front(op);
                    return;
                }
                Some(op) => message.push(op),
                None => return,
            }
        }
    }

    fn next(&mut self, alike: Option<Act>) -> Option<Op> {
        let load = &*self.load;
        match &load.kind {
            Kind::Each { act, keys } => {
                let key = load.next.fetch_add(1, Ordering::Relaxed);
                (key < *keys).then(|| Op::read(key, load.sizes.of(key, load.seed)).to(*act))
            }
            Kind::Random { picks, read_ratio, there } => {
                let key = picks.pick(&mut self.dice);
                let reads = *read_ratio >= 1.0 || self.dice.happens(*read_ratio);
                let act = alike.unwrap_or(if reads { Act::Read } else { Act::Write });
                Some(Op { there: *there, ..Op::read(key, load.sizes.of(key, load.seed)).to(act) })
            }
            Kind::Trace(trace) => {
                let line = load.next.fetch_add(1, Ordering::Relaxed);
                let request = trace.requests.get(usize::try_from(line).ok()?)?;
                let act = if request.reads { Act::Read } else { Act::Write };
                Some(Op {
                    act,
                    key: request.key.into(),
                    size: request.size,
                    exact: false,
                    there: false,
                    cost: request.cost,
                })
            }
        }
    }

    /// Takes note of an answer.
    pub(crate) fn learn(&mut self, op: &Op, outcome: Outcome) {
        if outcome == Outcome::Miss && matches!(self.load.kind, Kind::Trace(_)) {
            self.after.push_back(op.to(Act::Write));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes() -> Sizes {
        Sizes::parse("10").expect("a size")
    }

    #[test]
    fn each_key_is_filled_once_between_all_lanes() {
        let load = Arc::new(Load::each(Act::Write, 100, &sizes(), 1));
        let mut lanes = [Work::new(Arc::clone(&load), 0), Work::new(load, 1)];
        let (mut message, mut keys) = (Vec::new(), Vec::new());
        for turn in 0..20 {
            lanes[turn % 2].fill(&mut message, 7);
            keys.extend(message.iter().map(|op| op.key));
        }
        keys.sort_unstable();
        assert_eq!(keys, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn reads_are_as_many_as_was_said_and_messages_may_do_one_thing_only() {
        let picks = Picks::new(50, None).expect("keys");
        let load = |same: bool| {
            let load = Load::random(picks.clone(), 0.8, true, (&sizes(), 1));
            Arc::new(if same { load.all_the_same() } else { load })
        };
        for same in [false, true] {
            let mut work = Work::new(load(same), 3);
            let (mut message, mut reads, mut mixed) = (Vec::new(), 0, 0);
            for _message in 0..1_000 {
                work.fill(&mut message, 10);
                let these = message.iter().filter(|op| op.act == Act::Read).count();
                mixed += usize::from(!matches!(these, 0 | 10));
                reads += these;
            }
            assert!((7_500..8_500).contains(&reads), "{reads}");
            assert_eq!(mixed == 0, same, "{mixed}");
        }
    }

    #[test]
    fn a_miss_of_a_trace_is_written_next() {
        let text = "1,a,10\n2,b,20,set\n3,a,10,get,5\n";
        let trace = Arc::new(Trace::read(text.as_bytes()).expect("a trace"));
        let mut work = Work::new(Arc::new(Load::trace(trace, &sizes(), 1)), 0);
        let mut message = Vec::new();
        let mut acts = Vec::new();
        loop {
            work.fill(&mut message, 1);
            let Some(op) = message.first() else { break };
            acts.push((op.act, op.key, op.size));
            let miss = op.act == Act::Read && acts.len() == 1;
            work.learn(op, if miss { Outcome::Miss } else { Outcome::Hit(10) });
        }
        assert_eq!(acts, [(Act::Read, 0, 10), (Act::Write, 0, 10), (Act::Write, 1, 20), (Act::Read, 0, 10)]);
    }
}
