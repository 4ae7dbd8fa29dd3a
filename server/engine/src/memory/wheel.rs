//! Deadlines of one table's entries: a hierarchical timer wheel (Varghese and Lauck, "Hashed and hierarchical timing
//! wheels", 1987) of lists through the table's own places. It says what may be due; whether it is, the entry decides.
//! Work is done in bounded steps, whatever falls due at once.

use crate::{clock::Moment, policy::Slot, slab::Slab};

/// Length of a tick: an entry is looked at no later than this after its deadline, when there is time for it.
pub const TICK_NANOS: u64 = 128_000_000;
const SLOT_BITS: u32 = 6;
const LISTS_PER_LEVEL: u64 = 1 << SLOT_BITS;
/// Four levels reach 64^4 ticks, 24.9 days; what lies beyond waits in the last list of the last level and is filed again.
const LEVELS: u32 = 4;
/// Ticks that the levels reach: who has not looked for so long finds every list due.
const REACH: u64 = 1 << (SLOT_BITS * LEVELS);
/// The list of what has been taken from the wheel and waits to be looked at.
const READY: u32 = LEVELS << SLOT_BITS;
/// Lists in all.
const LISTS: usize = READY as usize + 1;
/// No entry.
const NONE: Slot = Slot::MAX;
/// In `Link::previous`: this is the head of the list with that number.
const HEAD: u32 = 1 << 31;

/// The links of a table's entries by place. Beside the entries and close together, because taking one out changes its
/// neighbours.
pub type Links = Slab<Link>;

/// An entry's neighbours in its list.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// The entry before, or the number of the list with its top bit set.
    previous: u32,
    /// The entry after.
    next: Slot,
}

impl Default for Link {
    fn default() -> Self {
        Self { previous: NONE, next: NONE }
    }
}

/// The lists' heads and the time.
#[derive(Debug)]
pub struct Wheel {
    now: u64,
    heads: Box<[Slot; LISTS]>,
    /// Which lists of a level have entries.
    occupied: [u64; LEVELS as usize],
    /// Which lists were left behind by a move further than the levels reach: all that was in them then may be due.
    overdue: [u64; LEVELS as usize],
}

impl Default for Wheel {
    fn default() -> Self {
        Self { now: 0, heads: Box::new([NONE; LISTS]), occupied: [0; LEVELS as usize], overdue: [0; LEVELS as usize] }
    }
}

impl Wheel {
    /// Files an entry, which is in no list, by its deadline: in none, if that never comes.
    pub fn file(&mut self, links: &mut Links, slot: Slot, deadline: Moment) {
        if deadline == Moment::NEVER {
            return;
        }
        let list = self.list_for(deadline);
        self.push(links, slot, list);
    }

    /// Takes an entry out of its list, if it is in one.
    pub fn cancel(&mut self, links: &mut Links, slot: Slot) {
        let Link { previous, next } = links[slot];
        if previous == NONE {
            return;
        }
        links[slot] = Link::default();
        if next != NONE {
            links[next].previous = previous;
        }
        if previous & HEAD == 0 {
            links[previous].next = next;
            return;
        }
        let list = previous & !HEAD;
        self.heads[list as usize] = next;
        if next == NONE && list < READY {
            self.occupied[(list >> SLOT_BITS) as usize] &= !(1 << (list & 63));
        }
    }

    /// Moves on towards a moment, and takes out the next entry that may be due by then. `None`: there is none, and the
    /// wheel has arrived.
    pub fn next_due(&mut self, links: &mut Links, to: Moment) -> Option<Slot> {
        let target = to.0 / TICK_NANOS;
        loop {
            let ready = self.heads[READY as usize];
            if ready != NONE {
                self.cancel(links, ready);
                return Some(ready);
            }
            if self.take_overdue(links) || self.take_list(links) {
                continue;
            }
            if self.now >= target {
                return None;
            }
            if target - self.now >= REACH {
                (self.now, self.overdue) = (target, self.occupied);
                continue;
            }
            self.now = self.next_tick().min(target);
        }
    }

    /// Whether the entry's list is right for its deadline: not looked at before its tick, and not long after. For the
    /// checker.
    #[must_use]
    pub fn files(&self, links: &Links, slot: Slot, deadline: Moment) -> bool {
        if deadline == Moment::NEVER {
            return links[slot].previous == NONE;
        }
        let mut first = slot;
        let mut steps = 0;
        while links[first].previous & HEAD == 0 && steps <= links.len() {
            first = links[first].previous;
            steps += 1;
        }
        let list = links[first].previous & !HEAD;
        let found = links[first].previous & HEAD != 0 && self.heads.get(list as usize) == Some(&first);
        let overdue = list != READY && self.overdue[(list >> SLOT_BITS) as usize] & 1 << (list & 63) != 0;
        found && (list == READY || overdue || self.reaches(list) <= tick(deadline).max(self.now + 1))
    }

    /// The tick at which a list is taken next.
    fn reaches(&self, list: u32) -> u64 {
        let (level, index) = (list >> SLOT_BITS, u64::from(list) % LISTS_PER_LEVEL);
        let position = self.now >> (SLOT_BITS * level);
        let ahead = index.wrapping_sub(position).wrapping_sub(1) % LISTS_PER_LEVEL + 1;
        (position + ahead) << (SLOT_BITS * level)
    }

    /// The next tick at which any list is taken; the end of time when all are empty.
    fn next_tick(&self) -> u64 {
        let first = |level: u32| {
            let bits = self.occupied[level as usize];
            let position = self.now >> (SLOT_BITS * level);
            let ahead = u64::from(bits.rotate_right(((position + 1) % LISTS_PER_LEVEL) as u32).trailing_zeros()) + 1;
            (bits != 0).then(|| (position + ahead) << (SLOT_BITS * level))
        };
        (0..LEVELS).filter_map(first).min().unwrap_or(u64::MAX)
    }

    /// Makes a list whose tick has come the ready one, the coarsest first. False: there is none.
    fn take_list(&mut self, links: &mut Links) -> bool {
        for level in (0..LEVELS).rev() {
            if !self.now.is_multiple_of(1 << (SLOT_BITS * level)) {
                continue;
            }
            if self.make_ready(links, list(level, self.now)) {
                return true;
            }
        }
        false
    }

    /// Makes a list that was left behind the ready one. False: there is none.
    fn take_overdue(&mut self, links: &mut Links) -> bool {
        while let Some(level) = (0..LEVELS).find(|level| self.overdue[*level as usize] != 0) {
            let bits = &mut self.overdue[level as usize];
            let list = bits.trailing_zeros();
            *bits &= !(1 << list);
            if self.make_ready(links, (level << SLOT_BITS) + list) {
                return true;
            }
        }
        false
    }

    /// Makes a list the ready one. False: it is empty.
    fn make_ready(&mut self, links: &mut Links, list: u32) -> bool {
        let head = std::mem::replace(&mut self.heads[list as usize], NONE);
        if head == NONE {
            return false;
        }
        self.occupied[(list >> SLOT_BITS) as usize] &= !(1 << (list & 63));
        self.heads[READY as usize] = head;
        links[head].previous = HEAD | READY;
        true
    }

    fn list_for(&self, deadline: Moment) -> u32 {
        let tick = tick(deadline).max(self.now + 1);
        let ahead = tick - self.now;
        match (0..LEVELS).find(|level| ahead < 1 << (SLOT_BITS * (level + 1))) {
            Some(level) => list(level, tick),
            None => list(LEVELS - 1, self.now + ((LISTS_PER_LEVEL - 1) << (SLOT_BITS * (LEVELS - 1)))),
        }
    }

    fn push(&mut self, links: &mut Links, slot: Slot, list: u32) {
        let next = std::mem::replace(&mut self.heads[list as usize], slot);
        links[slot] = Link { previous: HEAD | list, next };
        if next != NONE {
            links[next].previous = slot;
        }
        self.occupied[(list >> SLOT_BITS) as usize] |= 1 << (list & 63);
    }
}

/// The first tick at or after a deadline.
fn tick(deadline: Moment) -> u64 {
    deadline.0.div_ceil(TICK_NANOS)
}

/// The list of a level in which a tick falls.
#[expect(clippy::cast_possible_truncation, reason = "there are 64 lists in a level")]
fn list(level: u32, tick: u64) -> u32 {
    (level << SLOT_BITS) + (tick >> (SLOT_BITS * level)) as u32 % LISTS_PER_LEVEL as u32
}
