//! Least recently used, by its definition: a list, to whose end goes what is used.

use hotplate_engine::policy::{Slot, Worth};

use crate::run::{Exact, Seen};

/// What a wrong simulator does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Flaw {
    None,
    /// First in, first out.
    UsesDoNotCount,
    /// Most recently used first.
    NewestFirst,
    /// The price stays that of the time at which the entry came.
    PriceStays,
}

#[derive(Debug)]
pub(crate) struct Exactly {
    flaw: Flaw,
    list: Vec<(Seen, Worth)>,
}

impl Exactly {
    pub(crate) fn new(flaw: Flaw) -> Self {
        Self { flaw, list: Vec::new() }
    }
}

impl Exact for Exactly {
    fn inserted(&mut self, slot: Slot, _hash: u64, worth: Worth, level: f64) {
        let price = level + worth.density();
        self.list.push((Seen { slot, price, bytes: worth.bytes }, worth));
    }

    fn used(&mut self, slot: Slot, level: f64) {
        let place = self.list.iter().position(|(seen, _)| seen.slot == slot).unwrap();
        let (mut seen, worth) = self.list[place];
        if self.flaw != Flaw::PriceStays {
            seen.price = level + worth.density();
        }
        if self.flaw == Flaw::UsesDoNotCount {
            self.list[place].0 = seen;
        } else {
            self.list.remove(place);
            self.list.push((seen, worth));
        }
    }

    fn removed(&mut self, slot: Slot, _evicted: bool) {
        self.list.retain(|(seen, _)| seen.slot != slot);
    }

    fn settle(&mut self, _level: f64) -> bool {
        true
    }

    fn order(&self) -> Vec<Seen> {
        let mut order: Vec<_> = self.list.iter().map(|(seen, _)| *seen).collect();
        if self.flaw == Flaw::NewestFirst {
            order.reverse();
        }
        order
    }

    fn price(&self, _hash: u64, _worth: Worth, _level: f64) -> Option<f64> {
        None
    }
}
