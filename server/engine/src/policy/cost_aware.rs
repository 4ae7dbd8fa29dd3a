//! `cost_aware`: GreedyDual-Size with frequency, by classes.
//!
//! An entry's price is the level of the store when it was placed plus what it saves per byte: its reads times the value
//! of one, divided by its size (Cao and Irani, "Cost-aware WWW proxy caching algorithms", 1997, for the level; Cherkasova,
//! "Improving WWW proxies performance with greedy-dual-size-frequency caching policy", 1998, for the reads). The cheapest
//! goes first and raises the level to its price, so what is not read grows old. As in CAMP (Ghandeharizadeh, Irani, Lam and
//! Yap, "CAMP: a cost adaptive multi-queue eviction policy for key-value stores", 2014) savings are rounded down to a few
//! classes with a list each; a list is in order of price by itself, because the level only rises: finding the cheapest
//! compares the heads. Four things are added:
//! - a hit only counts; the entry moves when it has become the cheapest (as in CLOCK, Corbató 1968);
//! - a newcomer that costs more room than all that is cheaper is told so by `price` and `below`;
//! - small entries that come back after they went are given credit for reads counted before, by a sketch, until they have
//!   more of their own;
//! - an entry that was never read is on probation: it counts half.
//!
//! Limits, and what is refused, are not known here.

use super::{
    Age, Candidate, Policy, Slot, Worth,
    sketch::{COUNT_MAX, Sketch},
};
use crate::slab::Slab;

/// Classes: two for each power of two from 2^-45 to 2^51 saved per byte.
const CLASSES: usize = 192;
/// The power of two of the first class.
const EXPONENT_MIN: i64 = -45;
/// Words of the set of classes that have entries.
const WORDS: usize = CLASSES / 64;
/// What an entry counts that was stored and never read, now or in an earlier stay.
const PROBATION: f64 = 0.5;
/// Entries up to this many times the mean size are given credit for earlier reads; larger ones would displace each other.
const CREDIT_SIZES: f64 = 4.0;
/// Entries that `below` looks at one by one.
const LOOKS_MAX: usize = 64;
/// No entry.
const NONE: Slot = Slot::MAX;
/// Set in `CostAware::reads` when it was read since it was placed.
const TOUCHED: u8 = 0x80;

/// The order of one table.
#[derive(Debug)]
pub(super) struct CostAware {
    nodes: Slab<Node>,
    /// By slot: reads, and whether there was one since it was placed. Apart from the rest and close together, because a
    /// hit changes nothing else.
    reads: Vec<u8>,
    lists: Box<[List; CLASSES]>,
    active: [u64; WORDS],
    /// The class whose head is the cheapest of all, so that asking for it again costs nothing.
    cheapest: Option<u8>,
    entries: u64,
    bytes: u64,
    sketch: Sketch,
}

/// What is known of an entry: 24 bytes.
#[derive(Clone, Copy, Debug)]
struct Node {
    /// The level when it was placed.
    level: f64,
    previous: Slot,
    next: Slot,
    /// What one read saves per byte.
    density: f32,
    /// Its bytes, rounded.
    size: Size,
    class: u8,
    /// Reads it was given credit for when it came; at least 1.
    credit: u8,
}

#[derive(Clone, Copy, Debug)]
struct List {
    head: Slot,
    tail: Slot,
    bytes: u64,
    /// The head's price.
    price: f64,
}

impl Default for CostAware {
    fn default() -> Self {
        Self {
            nodes: Slab::default(),
            reads: Vec::new(),
            lists: Box::new([List { head: NONE, tail: NONE, bytes: 0, price: 0.0 }; CLASSES]),
            active: [0; WORDS],
            cheapest: None,
            entries: 0,
            bytes: 0,
            sketch: Sketch::default(),
        }
    }
}

impl Policy for CostAware {
    fn inserted(&mut self, slot: Slot, hash: u64, worth: Worth, age: &Age) {
        let size = Size::of(worth.bytes);
        self.entries += 1;
        self.bytes += size.bytes();
        self.sketch.fit(self.entries as usize);
        self.sketch.add(hash, 1);
        let credit = self.credit(hash, size);
        #[expect(clippy::cast_possible_truncation, reason = "rounding is what classes do anyway")]
        let density = (worth.value / size.bytes() as f64) as f32;
        let node = Node { level: 0.0, previous: NONE, next: NONE, density, size, class: 0, credit };
        self.set(slot, node);
        self.place(slot, factor(credit), age.level());
    }

    fn used(&mut self, slot: Slot, _age: &Age) {
        let reads = &mut self.reads[slot as usize];
        *reads = TOUCHED | (*reads & !TOUCHED).saturating_add(1).min(COUNT_MAX);
    }

    fn removed(&mut self, slot: Slot, evicted: Option<u64>) {
        self.unlink(slot);
        let node = self.nodes[slot];
        self.entries -= 1;
        self.bytes -= node.size.bytes();
        if let Some(hash) = evicted {
            self.sketch.add(hash, (self.reads[slot as usize] & !TOUCHED) - 1);
        }
        if self.entries == 0 {
            self.nodes = Slab::default();
            self.reads = Vec::new();
        }
    }

    fn least(&self) -> Option<Candidate> {
        let List { head, price, .. } = self.lists[usize::from(self.cheapest?)];
        Some(Candidate { slot: head, rank: price.to_bits(), price })
    }

    fn settle(&mut self, age: &Age) -> bool {
        let Some(Candidate { slot, .. }) = self.least() else { return true };
        let reads = &mut self.reads[slot as usize];
        if *reads & TOUCHED == 0 {
            return true;
        }
        *reads &= !TOUCHED;
        let factor = factor((*reads).max(self.nodes[slot].credit));
        self.unlink(slot);
        self.place(slot, factor, age.level());
        false
    }

    fn price(&self, hash: u64, worth: Worth, age: &Age) -> Option<f64> {
        let size = Size::of(worth.bytes);
        let saved = factor(self.credit(hash, size)) * worth.value / size.bytes() as f64;
        Some(age.level() + lower_bound(class(saved)))
    }

    fn below(&self, price: f64) -> u64 {
        let mut looks = 0;
        let mut sum = 0;
        for class in self.classes() {
            let List { head, tail, bytes, .. } = self.lists[class];
            if self.price_of(tail) <= price {
                sum += bytes;
                continue;
            }
            let mut slot = head;
            while slot != NONE && looks < LOOKS_MAX && self.price_of(slot) <= price {
                sum += self.nodes[slot].size.bytes();
                slot = self.nodes[slot].next;
                looks += 1;
            }
        }
        sum
    }

    fn order(&self) -> Vec<Slot> {
        let mut slots: Vec<_> = self.classes().flat_map(|class| self.list(class)).collect();
        slots.sort_by(|a, b| self.price_of(*a).total_cmp(&self.price_of(*b)));
        slots
    }

    fn check(&self) -> Result<(), String> {
        let mut sum = (0, 0);
        for class in 0..CLASSES {
            let slots: Vec<_> = self.list(class).collect();
            if slots.is_empty() == (self.active[class / 64] >> (class % 64) & 1 == 1) {
                return Err(format!("class {class} is marked wrongly"));
            }
            if !slots.is_sorted_by(|a, b| self.nodes[*a].level <= self.nodes[*b].level) {
                return Err(format!("class {class} is not in order"));
            }
            let bytes: u64 = slots.iter().map(|slot| self.nodes[*slot].size.bytes()).sum();
            if bytes != self.lists[class].bytes {
                return Err(format!("class {class} counts {} bytes and holds {bytes}", self.lists[class].bytes));
            }
            sum = (sum.0 + slots.len() as u64, sum.1 + bytes);
        }
        if self.cheapest.map(|class| self.lists[usize::from(class)].price)
            != self.order().first().map(|slot| self.price_of(*slot))
        {
            return Err("the cheapest is another than the one remembered".to_owned());
        }
        let counted = (self.entries, self.bytes);
        if sum == counted { Ok(()) } else { Err(format!("{counted:?} entries and bytes counted, {sum:?} held")) }
    }

    fn bytes(&self) -> usize {
        self.nodes.bytes() + self.reads.capacity() + size_of::<[List; CLASSES]>() + self.sketch.bytes()
    }
}

impl CostAware {
    fn set(&mut self, slot: Slot, node: Node) {
        while self.nodes.len() <= slot as usize {
            self.nodes.push(node);
            self.reads.push(0);
        }
        self.nodes[slot] = node;
        self.reads[slot as usize] = 1;
    }

    /// How many reads an entry that comes now counts for: those of earlier stays, if it is small.
    fn credit(&self, hash: u64, size: Size) -> u8 {
        let mean = self.bytes as f64 / self.entries.max(1) as f64;
        let small = size.bytes() as f64 <= CREDIT_SIZES * mean;
        if small { self.sketch.count(hash).max(1) } else { 1 }
    }

    fn place(&mut self, slot: Slot, factor: f64, level: f64) {
        let node = &mut self.nodes[slot];
        let class = class(factor * f64::from(node.density));
        let list = &mut self.lists[class];
        (node.level, node.class, node.previous, node.next) = (level, class as u8, list.tail, NONE);
        list.bytes += node.size.bytes();
        let tail = std::mem::replace(&mut list.tail, slot);
        if tail != NONE {
            self.nodes[tail].next = slot;
            return;
        }
        (list.head, list.price) = (slot, level + lower_bound(class));
        self.active[class / 64] |= 1 << (class % 64);
        let (price, class) = (list.price, class as u8);
        let cheaper = |than: u8| (price, class) < (self.lists[usize::from(than)].price, than);
        if self.cheapest.is_none_or(cheaper) {
            self.cheapest = Some(class);
        }
    }

    fn unlink(&mut self, slot: Slot) {
        let Node { previous, next, class, size, .. } = self.nodes[slot];
        let class = usize::from(class);
        let list = &mut self.lists[class];
        list.bytes -= size.bytes();
        if next == NONE {
            list.tail = previous
        } else {
            self.nodes[next].previous = previous
        }
        if previous != NONE {
            self.nodes[previous].next = next;
            return;
        }
        list.head = next;
        if next == NONE {
            self.active[class / 64] &= !(1 << (class % 64));
        } else {
            list.price = self.nodes[next].level + lower_bound(class);
        }
        if self.cheapest == Some(class as u8) {
            self.cheapest = self.find_cheapest();
        }
    }

    fn find_cheapest(&self) -> Option<u8> {
        let cheapest = self.classes().min_by(|a, b| self.lists[*a].price.total_cmp(&self.lists[*b].price));
        cheapest.map(|class| class as u8)
    }

    fn price_of(&self, slot: Slot) -> f64 {
        let node = &self.nodes[slot];
        node.level + lower_bound(usize::from(node.class))
    }

    /// Classes that have entries, the ones that save least first.
    fn classes(&self) -> impl Iterator<Item = usize> + '_ {
        self.active.iter().enumerate().flat_map(|(word, bits)| Bits(*bits).map(move |bit| word * 64 + bit))
    }

    fn list(&self, class: usize) -> impl Iterator<Item = Slot> + '_ {
        let head = self.lists[class].head;
        std::iter::successors((head != NONE).then_some(head), |slot| {
            let next = self.nodes[*slot].next;
            (next != NONE).then_some(next)
        })
    }
}

/// What an entry with so many reads counts.
fn factor(reads: u8) -> f64 {
    if reads <= 1 { PROBATION } else { f64::from(reads) }
}

/// The set bits of a word, ascending.
struct Bits(u64);

impl Iterator for Bits {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let bit = self.0.trailing_zeros();
        self.0 &= self.0.wrapping_sub(1);
        (bit < u64::BITS).then_some(bit as usize)
    }
}

/// The class of what is saved per byte: its power of two, and whether it is more than one and a half times that.
fn class(saved: f64) -> usize {
    let bits = saved.to_bits();
    let exponent = (bits >> 52 & 0x7ff) as i64 - 1023;
    let half = (bits >> 51 & 1) as i64;
    ((exponent - EXPONENT_MIN) * 2 + half).clamp(0, CLASSES as i64 - 1) as usize
}

/// The least that is saved per byte in a class.
fn lower_bound(class: usize) -> f64 {
    let exponent = (class as i64 / 2 + EXPONENT_MIN + 1023) as u64;
    f64::from_bits(exponent << 52 | (class as u64 & 1) << 51)
}

/// A number of bytes rounded to 11 significant bits, in 16 bits: what is added to a sum is what is taken off again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Size(u16);

impl Size {
    const MANTISSA_BITS: u32 = 10;
    /// What five bits of shift reach.
    const BYTES_MAX: u64 = (1 << 42) - 1;

    fn of(bytes: u64) -> Self {
        let bytes = bytes.clamp(1, Self::BYTES_MAX);
        let shift = bytes.ilog2().saturating_sub(Self::MANTISSA_BITS);
        Self((shift << (Self::MANTISSA_BITS + 1)) as u16 | (bytes >> shift) as u16)
    }

    fn bytes(self) -> u64 {
        let mantissa = u64::from(self.0 & ((1 << (Self::MANTISSA_BITS + 1)) - 1));
        mantissa << (self.0 >> (Self::MANTISSA_BITS + 1))
    }
}
