//! Deadlines of one shard's entries: a hierarchical timer wheel (Varghese and Lauck, "Hashed and hierarchical timing
//! wheels", 1987). It says what may be due; whether it is, the entry itself decides.

use std::collections::HashMap;

use crate::{clock::Moment, key::Key};

/// Length of a tick: an entry is handed out at most this long after its deadline.
const TICK_NANOS: u64 = 250_000_000;
const SLOT_BITS: u32 = 6;
const SLOTS: u64 = 1 << SLOT_BITS;
/// Four levels reach 64^4 ticks, 48 days; what lies beyond goes round the last level more than once.
const LEVELS: u32 = 4;

/// A number of ticks since the clock began.
pub type Tick = u64;

/// Keys by deadline. Each key is held at most once.
#[derive(Debug)]
pub struct Wheel {
    now: Tick,
    held: usize,
    slots: Vec<HashMap<Key, Tick>>,
}

impl Default for Wheel {
    /// An empty wheel at the beginning of time.
    fn default() -> Self {
        Self { now: 0, held: 0, slots: (0..u64::from(LEVELS) * SLOTS).map(|_| HashMap::new()).collect() }
    }
}

impl Wheel {
    /// Sets a key's deadline and returns the tick to cancel it by. The key must not be held.
    pub fn schedule(&mut self, key: Key, deadline: Moment) -> Tick {
        let tick = deadline.0.div_ceil(TICK_NANOS).max(self.now + 1);
        self.place(key, tick);
        tick
    }

    /// Forgets a key by the tick it was scheduled with.
    pub fn cancel(&mut self, key: &Key, tick: Tick) {
        let found = (0..LEVELS).any(|level| self.slots[slot(level, tick)].remove(key).is_some());
        self.held -= usize::from(found);
    }

    /// Moves on to a moment and hands out every key whose tick has come.
    pub fn advance(&mut self, to: Moment) -> Vec<Key> {
        let target = to.0 / TICK_NANOS;
        let mut due = Vec::new();
        while self.now < target {
            if self.held == 0 {
                self.now = target;
                break;
            }
            self.now += 1;
            self.turn(&mut due);
        }
        due
    }

    /// Keys held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held
    }

    fn turn(&mut self, due: &mut Vec<Key>) {
        for level in (1..LEVELS).rev() {
            if self.now.is_multiple_of(1 << (SLOT_BITS * level)) {
                let moved = std::mem::take(&mut self.slots[slot(level, self.now)]);
                self.held -= moved.len();
                moved.into_iter().for_each(|(key, tick)| self.place(key, tick));
            }
        }
        let ready = std::mem::take(&mut self.slots[slot(0, self.now)]);
        self.held -= ready.len();
        due.extend(ready.into_keys());
    }

    fn place(&mut self, key: Key, tick: Tick) {
        let ahead = tick.saturating_sub(self.now);
        let level = (0..LEVELS - 1).find(|level| ahead < 1 << (SLOT_BITS * (level + 1))).unwrap_or(LEVELS - 1);
        self.slots[slot(level, tick)].insert(key, tick);
        self.held += 1;
    }
}

#[expect(clippy::cast_possible_truncation, reason = "there are 256 slots")]
fn slot(level: u32, tick: Tick) -> usize {
    (u64::from(level) * SLOTS + (tick >> (SLOT_BITS * level)) % SLOTS) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn key(number: u64) -> Key {
        Key::new("", &number.to_string()).unwrap()
    }

    /// Advances both and compares what each says is due.
    fn compare(wheel: &mut Wheel, expected: &mut BTreeMap<u64, Tick>, now: u64) {
        let mut due: Vec<u64> = wheel.advance(Moment(now)).iter().map(|key| key.text().parse().unwrap()).collect();
        due.sort_unstable();
        let ready: Vec<u64> = expected.extract_if(.., |_, tick| *tick <= now / TICK_NANOS).map(|(n, _)| n).collect();
        assert_eq!(due, ready);
    }

    #[test]
    fn hands_out_every_key_once_its_tick_has_come_and_none_before() {
        let mut wheel = Wheel::default();
        let mut expected: BTreeMap<u64, Tick> = BTreeMap::new();
        let (mut state, mut now) = (3u64, 0u64);
        for round in 0..5_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let random = state >> 33;
            match random % 8 {
                0 => {
                    expected.pop_first().into_iter().for_each(|(number, tick)| wheel.cancel(&key(number), tick));
                }
                1 => {
                    now += TICK_NANOS << (random / 8 % 14);
                    compare(&mut wheel, &mut expected, now);
                }
                _ => {
                    let deadline = now + (TICK_NANOS << (random / 8 % 27)) + random % 1000;
                    let tick = wheel.schedule(key(round), Moment(deadline));
                    assert!(tick * TICK_NANOS >= deadline, "never before the deadline");
                    expected.insert(round, tick);
                }
            }
            assert_eq!(wheel.held(), expected.len(), "round {round}");
        }
    }
}
