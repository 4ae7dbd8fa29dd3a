//! S3-FIFO as its paper says it, with entries of different sizes: two lists and the list of the keys that left.

use hotplate_engine::policy::{Slot, Worth};

use crate::run::{Exact, Seen};

/// What a wrong simulator does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Flaw {
    None,
    /// One read moves an entry to the main queue.
    MovesAfterOneRead,
    /// A key that comes back begins again.
    ForgetsWhoLeft,
    /// The main queue gives no second round.
    NoReinsertion,
}

/// However few entries there are, so many keys are remembered.
const LEFT_MIN: usize = 64;

#[derive(Debug)]
pub(crate) struct Exactly {
    flaw: Flaw,
    small: Vec<Entry>,
    main: Vec<Entry>,
    /// Keys that left the small queue, and whether they came back.
    left: Vec<(u64, bool)>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    slot: Slot,
    hash: u64,
    worth: Worth,
    level: f64,
    reads: u32,
}

impl Entry {
    fn seen(&self) -> Seen {
        #[expect(clippy::cast_possible_truncation, reason = "so many digits are kept")]
        let density = self.worth.density() as f32;
        Seen { slot: self.slot, price: self.level + f64::from(density), bytes: self.worth.bytes }
    }
}

impl Exactly {
    pub(crate) fn new(flaw: Flaw) -> Self {
        Self { flaw, small: Vec::new(), main: Vec::new(), left: Vec::new() }
    }
}

impl Exact for Exactly {
    fn inserted(&mut self, slot: Slot, hash: u64, worth: Worth, level: f64) {
        let entry = Entry { slot, hash, worth, level, reads: 0 };
        let left = self.left.iter_mut().find(|(key, back)| *key == hash && !back);
        match left {
            Some((_, back)) if self.flaw != Flaw::ForgetsWhoLeft => {
                *back = true;
                self.main.push(entry);
            }
            _ => self.small.push(entry),
        }
    }

    fn used(&mut self, slot: Slot, level: f64) {
        let entry = self.small.iter_mut().chain(&mut self.main).find(|entry| entry.slot == slot).unwrap();
        entry.reads = 3.min(entry.reads + 1);
        entry.level = level;
    }

    fn removed(&mut self, slot: Slot, evicted: bool) {
        if let Some(entry) = self.small.iter().find(|entry| entry.slot == slot && evicted) {
            self.left.push((entry.hash, false));
        }
        self.small.retain(|entry| entry.slot != slot);
        self.main.retain(|entry| entry.slot != slot);
        let kept = LEFT_MIN.max(self.small.len() + self.main.len());
        self.left.drain(..self.left.len().saturating_sub(kept));
    }

    fn settle(&mut self, _level: f64) -> bool {
        let least = self.order()[0].slot;
        let moves = if self.flaw == Flaw::MovesAfterOneRead { 1 } else { 2 };
        let rounds = if self.flaw == Flaw::NoReinsertion { u32::MAX } else { 1 };
        if self.small.first().is_some_and(|entry| entry.slot == least && entry.reads >= moves) {
            let entry = self.small.remove(0);
            self.main.push(Entry { reads: 0, ..entry });
            return false;
        }
        if self.main.first().is_some_and(|entry| entry.slot == least && entry.reads >= rounds) {
            let entry = self.main.remove(0);
            self.main.push(Entry { reads: entry.reads - 1, ..entry });
            return false;
        }
        true
    }

    fn order(&self) -> Vec<Seen> {
        let (mut small, mut main) = (self.small.clone(), self.main.clone());
        let mut order = Vec::new();
        while !small.is_empty() || !main.is_empty() {
            let bytes = |entries: &[Entry]| entries.iter().map(|entry| u128::from(entry.worth.bytes)).sum::<u128>();
            let more_than_a_tenth = 10 * bytes(&small) > bytes(&small) + bytes(&main);
            let queue =
                if main.is_empty() || (!small.is_empty() && more_than_a_tenth) { &mut small } else { &mut main };
            order.push(queue.remove(0).seen());
        }
        order
    }

    fn price(&self, _hash: u64, _worth: Worth, _level: f64) -> Option<f64> {
        None
    }
}
