//! What may be read of each key after everything that was done to it, and after the server was killed. Sends nothing.
//!
//! Every write is a candidate for what is read, until something says that it cannot be: an Invalidate that was sent after it
//! had ended, and was answered; another write in its place, as long as the server lives (a write that was only acknowledged
//! may be lost with the server, and what it replaced be there again); and what was read after a restart: that, and nothing
//! else, is what the disk held.

use std::collections::BTreeMap;

use crate::wire::Named;

/// A write that may be seen.
#[derive(Clone, Debug)]
struct Candidate {
    sent: u64,
    /// When it was answered, or cannot happen any more; `None`: it is on its way.
    end: Option<u64>,
    /// Whether it was said to be stored.
    stored: bool,
    /// How long it lives, in nanoseconds.
    ttl: Option<u64>,
    /// Since when it must not be seen any more.
    dead: Option<u64>,
    /// Since when it must not be seen as long as the server lives.
    replaced: Option<u64>,
    /// Whether an Invalidate may have selected it: it need not be there.
    touched: bool,
}

/// What is known of one key.
#[derive(Clone, Debug, Default)]
struct Key {
    candidates: BTreeMap<u64, Candidate>,
    /// The write that lies on the disk for certain, unless the key is touched again.
    durable: Option<u64>,
    /// Invalidations that select it and are on their way.
    invalidations: u32,
}

/// What a read shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may be.
    Fine,
    /// Nobody wrote that.
    Wrong,
    /// It was invalidated, replaced or at its end, and that was acknowledged.
    Resurrected,
    /// It lay on the disk, and is gone without a reason.
    Lost,
}

/// All keys.
#[derive(Clone, Debug)]
pub struct Truth {
    keys: Vec<Key>,
    next: u64,
}

impl Truth {
    /// Nothing was written to any of so many keys.
    #[must_use]
    pub fn new(keys: u32) -> Self {
        Self { keys: (0..keys).map(|_| Key::default()).collect(), next: 1 }
    }

    /// How many keys there are.
    #[must_use]
    pub fn keys(&self) -> u32 {
        u32::try_from(self.keys.len()).unwrap_or(u32::MAX)
    }

    fn key(&mut self, key: u32) -> &mut Key {
        let at = usize::try_from(key).unwrap_or(usize::MAX);
        self.keys.get_mut(at).expect("keys are numbered below their count")
    }

    /// A write is sent; its number.
    pub fn writes(&mut self, key: u32, now: u64, ttl: Option<u64>) -> u64 {
        let number = self.next;
        self.next += 1;
        let key = self.key(key);
        let touched = key.invalidations > 0;
        let candidate = Candidate { sent: now, end: None, stored: false, ttl, dead: None, replaced: None, touched };
        key.durable = None;
        key.candidates.insert(number, candidate);
        number
    }

    /// A write was answered: whether it is stored.
    pub fn wrote(&mut self, key: u32, number: u64, now: u64, stored: bool) {
        let key = self.key(key);
        let Some(write) = key.candidates.get_mut(&number) else { return };
        (write.end, write.stored) = (Some(now), stored);
        let sent = write.sent;
        for (_, other) in key.candidates.iter_mut().filter(|(other, _)| **other != number) {
            if other.end.is_some_and(|end| end < sent) {
                other.replaced.get_or_insert(now);
            }
        }
    }

    /// A write failed: it may have happened, until now.
    pub fn write_failed(&mut self, key: u32, number: u64, now: u64) {
        if let Some(write) = self.key(key).candidates.get_mut(&number) {
            write.end = Some(now);
        }
    }

    /// An Invalidate is sent.
    pub fn invalidates(&mut self, named: Named) {
        for key in self.selected(named) {
            key.durable = None;
            key.invalidations += 1;
            for write in key.candidates.values_mut() {
                write.touched = true;
            }
        }
    }

    /// An Invalidate that was sent then was answered.
    pub fn invalidated(&mut self, named: Named, sent: u64, now: u64) {
        self.invalidate_failed(named);
        let writes = self.selected(named).flat_map(|key| key.candidates.values_mut());
        for write in writes.filter(|write| write.end.is_some_and(|end| end < sent)) {
            write.dead.get_or_insert(now);
        }
    }

    /// An Invalidate failed: it may have happened, until now.
    pub fn invalidate_failed(&mut self, named: Named) {
        for key in self.selected(named) {
            key.invalidations = key.invalidations.saturating_sub(1);
        }
    }

    fn selected(&mut self, named: Named) -> impl Iterator<Item = &mut Key> {
        (0..).zip(&mut self.keys).filter(move |(number, _)| named.selects(*number)).map(|(_, key)| key)
    }

    /// Judges what a read found that began then: the number of the write, or nothing.
    #[must_use]
    pub fn read(&self, key: u32, began: u64, found: Option<u64>) -> Verdict {
        let Some(number) = found else { return Verdict::Fine };
        let Some(key) = usize::try_from(key).ok().and_then(|key| self.keys.get(key)) else { return Verdict::Wrong };
        let Some(write) = key.candidates.get(&number) else {
            return if number < self.next { Verdict::Resurrected } else { Verdict::Wrong };
        };
        let since = [write.dead, write.replaced, write.over()];
        if since.into_iter().flatten().any(|since| since < began) { Verdict::Resurrected } else { Verdict::Fine }
    }

    /// The server was killed, and nothing is on its way any more.
    pub fn killed(&mut self, now: u64) {
        for key in &mut self.keys {
            key.candidates.retain(|_, write| write.dead.is_none());
            for write in key.candidates.values_mut() {
                write.replaced = None;
                write.end.get_or_insert(now);
            }
        }
    }

    /// The server ended in order with everything handed to its disk: what was stored last is there, where that is certain.
    pub fn ended_in_order(&mut self) {
        for key in &mut self.keys {
            let mut left = key.candidates.iter().filter(|(_, write)| write.dead.is_none() && write.replaced.is_none());
            key.durable = match (left.next(), left.next()) {
                (Some((number, write)), None) if write.stored && !write.touched => Some(*number),
                _ => None,
            };
        }
        self.killed(0);
    }

    /// Judges the first read after a restart, which lasted from then to then, with nothing else going on, and learns from it
    /// what the disk holds. `keeps`: whether the disk has room for everything.
    pub fn read_after_restart(
        &mut self,
        key: u32,
        (began, ended): (u64, u64),
        found: Option<u64>,
        keeps: bool,
    ) -> Verdict {
        let verdict = self.read(key, began, found);
        let key = self.key(key);
        let lives = |number| key.candidates.get(&number).is_some_and(|write| !write.may_be_over(ended));
        let lost = found.is_none() && keeps && key.durable.is_some_and(lives);
        key.candidates.retain(|number, _| Some(*number) == found);
        key.durable = found.filter(|_| keeps && verdict == Verdict::Fine);
        if lost { Verdict::Lost } else { verdict }
    }
}

impl Candidate {
    /// From when on it is over for certain.
    fn over(&self) -> Option<u64> {
        Some(self.end?.saturating_add(self.ttl?))
    }

    /// Whether it may be over: its life began somewhere between its being sent and answered.
    fn may_be_over(&self, now: u64) -> bool {
        self.ttl.is_some_and(|ttl| self.sent.saturating_add(ttl) <= now)
    }
}

#[cfg(test)]
mod tests;
