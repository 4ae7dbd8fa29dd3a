//! `s3_fifo`: three first-in-first-out queues. (Yang, Zhang, Qiu, Yue and Rashmi, "FIFO queues are all you need for cache
//! eviction", SOSP 2023.)
//!
//! An entry comes into the small queue, which has a tenth of the bytes. What was read twice there moves on to the main
//! queue; what was not goes, and only its hash stays for a while: a key that comes back meanwhile goes to the main queue
//! at once. In the main queue an entry gets another round for each time it was read, three at most. So a scan passes
//! through the small queue and leaves the main one alone. Sizes count only by the bytes of the queues; costs not at all.
//!
//! Moves from queue to queue are not done by reads but when an entry is about to go. What remembers hashes is below
//! [`Ghosts`]; limits, and what else the store holds, are not known here.

use std::collections::VecDeque;

use hashbrown::HashTable;

use super::{Age, Candidate, Policy, Slot, Worth};
use crate::slab::Slab;

/// The small queue is to have one of this many parts of the bytes.
const SMALL_PART: u64 = 10;
/// Reads that are counted at most.
const READS_MAX: u8 = 3;
/// Reads in the small queue after which an entry moves on.
const READS_TO_MOVE: u8 = 2;
/// Entries that `below` looks at in each queue.
const LOOKS_MAX: usize = 32;
/// Hashes that are remembered however few entries there are.
const GHOSTS_MIN: usize = 64;
/// No entry.
const NONE: Slot = Slot::MAX;

/// The order of one table.
#[derive(Debug, Default)]
pub(super) struct S3Fifo {
    nodes: Slab<Node>,
    small: Queue,
    main: Queue,
    ghosts: Ghosts,
}

/// What is known of an entry: 40 bytes.
#[derive(Clone, Copy, Debug)]
struct Node {
    /// The level when it was last used.
    level: f64,
    /// The tick at which it was put where it is.
    filed: u64,
    bytes: u64,
    previous: Slot,
    next: Slot,
    /// What one read saves per byte.
    density: f32,
    /// Reads since it was filed, less the rounds it got for them.
    reads: u8,
    in_main: bool,
}

#[derive(Clone, Copy, Debug)]
struct Queue {
    head: Slot,
    tail: Slot,
    entries: usize,
    bytes: u64,
}

impl Default for Queue {
    fn default() -> Self {
        Self { head: NONE, tail: NONE, entries: 0, bytes: 0 }
    }
}

impl Policy for S3Fifo {
    fn inserted(&mut self, slot: Slot, hash: u64, worth: Worth, age: &Age) {
        #[expect(clippy::cast_possible_truncation, reason = "an approximation is enough to compare with others")]
        let density = worth.density() as f32;
        let in_main = self.ghosts.take(hash);
        let bytes = worth.bytes;
        let node = Node { level: age.level(), filed: 0, bytes, previous: NONE, next: NONE, density, reads: 0, in_main };
        while self.nodes.len() <= slot as usize {
            self.nodes.push(node);
        }
        self.nodes[slot] = node;
        self.file(slot, in_main, age);
    }

    fn used(&mut self, slot: Slot, age: &Age) {
        let node = &mut self.nodes[slot];
        node.reads = (node.reads + 1).min(READS_MAX);
        node.level = age.level();
    }

    fn removed(&mut self, slot: Slot, evicted: Option<u64>) {
        self.unlink(slot);
        if let Some(hash) = evicted.filter(|_| !self.nodes[slot].in_main) {
            self.ghosts.push(hash);
        }
        let entries = self.small.entries + self.main.entries;
        self.ghosts.keep(entries.max(GHOSTS_MIN));
        if entries == 0 {
            self.nodes = Slab::default();
        }
    }

    fn least(&self) -> Option<Candidate> {
        let slot = if takes_small(&self.small, &self.main) { self.small.head } else { self.main.head };
        (slot != NONE).then(|| Candidate { slot, rank: self.nodes[slot].filed, price: self.nodes[slot].price() })
    }

    fn settle(&mut self, age: &Age) -> bool {
        let Some(Candidate { slot, .. }) = self.least() else { return true };
        let Node { reads, in_main, .. } = self.nodes[slot];
        let reads_left = match (in_main, reads) {
            (true, 1..) => reads - 1,
            (false, READS_TO_MOVE..) => 0,
            _ => return true,
        };
        self.unlink(slot);
        self.nodes[slot].reads = reads_left;
        self.file(slot, true, age);
        false
    }

    fn price(&self, _hash: u64, _worth: Worth, _age: &Age) -> Option<f64> {
        None
    }

    fn below(&self, price: f64) -> u64 {
        let looks = self.queue(&self.small).take(LOOKS_MAX).chain(self.queue(&self.main).take(LOOKS_MAX));
        looks.filter(|slot| self.nodes[*slot].price() <= price).map(|slot| self.nodes[slot].bytes).sum()
    }

    fn order(&self) -> Vec<Slot> {
        let (mut small, mut main) = (self.small, self.main);
        let mut order = Vec::with_capacity(small.entries + main.entries);
        while small.head != NONE || main.head != NONE {
            let queue = if takes_small(&small, &main) { &mut small } else { &mut main };
            order.push(queue.head);
            let node = &self.nodes[queue.head];
            (queue.head, queue.bytes) = (node.next, queue.bytes - node.bytes);
        }
        order
    }

    fn check(&self) -> Result<(), String> {
        for (queue, in_main) in [(&self.small, false), (&self.main, true)] {
            let name = if in_main { "main" } else { "small" };
            let slots: Vec<_> = self.queue(queue).collect();
            let bytes: u64 = slots.iter().map(|slot| self.nodes[*slot].bytes).sum();
            if (slots.len(), bytes) != (queue.entries, queue.bytes) {
                let (entries, counted) = (queue.entries, queue.bytes);
                return Err(format!("the {name} queue counts {entries} entries, {counted} bytes; holds {bytes} bytes"));
            }
            if slots.iter().any(|slot| self.nodes[*slot].in_main != in_main) {
                return Err(format!("an entry of the {name} queue is marked as one of the other"));
            }
            if !slots.is_sorted_by(|a, b| self.nodes[*a].filed < self.nodes[*b].filed) {
                return Err(format!("the {name} queue is not in order"));
            }
        }
        self.ghosts.check((self.small.entries + self.main.entries).max(GHOSTS_MIN))
    }

    fn bytes(&self) -> usize {
        self.nodes.bytes() + self.ghosts.bytes()
    }
}

impl S3Fifo {
    /// Puts an entry that is in no queue at the end of one.
    fn file(&mut self, slot: Slot, in_main: bool, age: &Age) {
        let queue = if in_main { &mut self.main } else { &mut self.small };
        let node = &mut self.nodes[slot];
        (node.filed, node.in_main, node.previous, node.next) = (age.tick(), in_main, queue.tail, NONE);
        queue.entries += 1;
        queue.bytes += node.bytes;
        let tail = std::mem::replace(&mut queue.tail, slot);
        match tail {
            NONE => queue.head = slot,
            tail => self.nodes[tail].next = slot,
        }
    }

    fn unlink(&mut self, slot: Slot) {
        let Node { previous, next, bytes, in_main, .. } = self.nodes[slot];
        let queue = if in_main { &mut self.main } else { &mut self.small };
        queue.entries -= 1;
        queue.bytes -= bytes;
        match previous {
            NONE => queue.head = next,
            previous => self.nodes[previous].next = next,
        }
        match next {
            NONE => queue.tail = previous,
            next => self.nodes[next].previous = previous,
        }
    }

    fn queue(&self, queue: &Queue) -> impl Iterator<Item = Slot> + '_ {
        let there = |slot: Slot| (slot != NONE).then_some(slot);
        std::iter::successors(there(queue.head), move |slot| there(self.nodes[*slot].next))
    }
}

impl Node {
    fn price(&self) -> f64 {
        self.level + f64::from(self.density)
    }
}

/// Which queue gives the next entry away: the small one while it has more than its part.
fn takes_small(small: &Queue, main: &Queue) -> bool {
    let has_more = small.bytes > (small.bytes + main.bytes) / SMALL_PART;
    small.head != NONE && (has_more || main.head == NONE)
}

/// Keys that left the small queue lately, by 32 bits of their hash. Two keys with the same bits are taken for one: the
/// newcomer is then in the main queue without having earned it, one time in 2^32 for each key remembered.
#[derive(Debug, Default)]
struct Ghosts {
    /// In the order in which they left, also those that came back since.
    left: VecDeque<u32>,
    /// Number of the first in `left`, counted around.
    first: u32,
    /// Those that did not come back.
    found: HashTable<Ghost>,
}

#[derive(Clone, Copy, Debug)]
struct Ghost {
    print: u32,
    /// Its number in `left`: a key may be there more than once.
    number: u32,
}

impl Ghosts {
    /// Whether this key left lately and did not come back since. From now on it did.
    fn take(&mut self, hash: u64) -> bool {
        let print = print(hash);
        let found = self.found.find_entry(spread(print), |ghost| ghost.print == print);
        found.map(|ghost| ghost.remove()).is_ok()
    }

    fn push(&mut self, hash: u64) {
        self.take(hash);
        #[expect(clippy::cast_possible_truncation, reason = "numbers are counted around; slots are fewer")]
        let number = self.first.wrapping_add(self.left.len() as u32);
        let ghost = Ghost { print: print(hash), number };
        self.left.push_back(ghost.print);
        self.found.insert_unique(spread(ghost.print), ghost, |ghost| spread(ghost.print));
    }

    /// Forgets the oldest until there are no more than this many.
    fn keep(&mut self, count: usize) {
        while self.left.len() > count {
            let Some(print) = self.left.pop_front() else { break };
            let is_it = |ghost: &Ghost| ghost.print == print && ghost.number == self.first;
            if let Ok(ghost) = self.found.find_entry(spread(print), is_it) {
                ghost.remove();
            }
            self.first = self.first.wrapping_add(1);
        }
        if self.left.capacity() > 4 * count {
            self.left.shrink_to(2 * count);
            self.found.shrink_to(2 * count, |ghost| spread(ghost.print));
        }
    }

    fn check(&self, count: usize) -> Result<(), String> {
        let offset = |ghost: &Ghost| ghost.number.wrapping_sub(self.first) as usize;
        let is_left = |ghost: &Ghost| self.left.get(offset(ghost)) == Some(&ghost.print);
        if self.left.len() > count || !self.found.iter().all(is_left) {
            return Err("a key is remembered that did not leave lately".to_owned());
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.left.capacity() * size_of::<u32>() + self.found.allocation_size()
    }
}

/// The bits of a hash that are remembered.
fn print(hash: u64) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "half of it is meant")]
    let print = (hash ^ hash >> 32) as u32;
    print
}

/// A print as a whole hash again: the table uses its lowest and its highest bits.
fn spread(print: u32) -> u64 {
    u64::from(print).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
