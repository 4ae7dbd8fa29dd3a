//! Cost-aware eviction by its definition: a list of entries in the order in which they were placed, searched for the
//! cheapest; and the counts of keys that went, as an array of numbers.

use hotplate_engine::policy::{Slot, Worth};

use crate::run::{Exact, Seen};

/// What a wrong simulator does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Flaw {
    None,
    /// What was never read counts like what was read once.
    NoProbation,
    /// A hit moves the entry at once.
    MovesOnHits,
    /// Keys that come back begin again.
    NoCredit,
    /// What came back has its credit until it moves for the first time.
    CreditOnce,
    /// Prices do not begin at the level: nothing grows old.
    NoAgeing,
}

#[derive(Debug)]
pub(crate) struct Exactly {
    flaw: Flaw,
    /// In the order in which they were placed.
    placed: Vec<Entry>,
    counts: Counts,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    slot: Slot,
    hash: u64,
    /// As counted: rounded.
    bytes: u64,
    density: f32,
    price: f64,
    /// What one placing adds to the level, which orders entries of the same price.
    saved: f64,
    reads: u8,
    /// Reads of earlier stays it was given credit for.
    credit: u8,
    touched: bool,
}

impl Exactly {
    pub(crate) fn new(flaw: Flaw) -> Self {
        Self { flaw, placed: Vec::new(), counts: Counts { words: vec![[0; 16]; 16], additions: 0 } }
    }

    /// Reads that an entry is given credit for that comes now, given all entries of the table.
    fn credit(&self, hash: u64, bytes: u64, all: &[u64]) -> u8 {
        let entries = all.len().max(1) as f64;
        let mean = all.iter().sum::<u64>() as f64 / entries;
        let credited = bytes as f64 <= 4.0 * mean && self.flaw != Flaw::NoCredit;
        if credited { self.counts.of(hash).max(1) } else { 1 }
    }

    /// What an entry with so many reads counts.
    fn factor(&self, reads: u8) -> f64 {
        if reads == 1 && self.flaw != Flaw::NoProbation { 0.5 } else { f64::from(reads) }
    }

    fn place(&mut self, mut entry: Entry, factor: f64, level: f64) {
        let level = if self.flaw == Flaw::NoAgeing { 0.0 } else { level };
        entry.saved = rounded(factor * f64::from(entry.density));
        entry.price = level + entry.saved;
        self.placed.push(entry);
    }

    fn take(&mut self, slot: Slot) -> Entry {
        let place = self.placed.iter().position(|entry| entry.slot == slot).unwrap();
        self.placed.remove(place)
    }
}

impl Exact for Exactly {
    fn inserted(&mut self, slot: Slot, hash: u64, worth: Worth, level: f64) {
        let bytes = eleven_bits(worth.bytes);
        let all: Vec<_> = self.placed.iter().map(|entry| entry.bytes).chain([bytes]).collect();
        self.counts.fit(all.len());
        self.counts.add(hash, 1);
        let credit = self.credit(hash, bytes, &all);
        #[expect(clippy::cast_possible_truncation, reason = "so many digits are kept")]
        let density = (worth.value / bytes as f64) as f32;
        let entry = Entry { slot, hash, bytes, density, price: 0.0, saved: 0.0, reads: 1, credit, touched: false };
        self.place(entry, self.factor(credit), level);
    }

    fn used(&mut self, slot: Slot, level: f64) {
        let entry = self.placed.iter_mut().find(|entry| entry.slot == slot).unwrap();
        entry.reads = 15.min(entry.reads + 1);
        entry.touched = true;
        if self.flaw == Flaw::MovesOnHits {
            let entry = self.take(slot);
            self.place(entry, f64::from(entry.reads), level);
        }
    }

    fn removed(&mut self, slot: Slot, evicted: bool) {
        let entry = self.take(slot);
        if evicted {
            self.counts.add(entry.hash, entry.reads - 1);
        }
    }

    fn settle(&mut self, level: f64) -> bool {
        let (least, before) = (self.order()[0].slot, self.placed.clone());
        let mut entry = self.take(least);
        if !entry.touched {
            self.placed = before;
            return true;
        }
        entry.touched = false;
        let credit = if self.flaw == Flaw::CreditOnce { 1 } else { entry.credit };
        self.place(entry, f64::from(entry.reads.max(credit)), level);
        false
    }

    fn order(&self) -> Vec<Seen> {
        let mut order = self.placed.clone();
        order.sort_by(|a, b| a.price.total_cmp(&b.price).then(a.saved.total_cmp(&b.saved)));
        order.into_iter().map(|entry| Seen { slot: entry.slot, price: entry.price, bytes: entry.bytes }).collect()
    }

    fn price(&self, hash: u64, worth: Worth, level: f64) -> Option<f64> {
        let bytes = eleven_bits(worth.bytes);
        let all: Vec<_> = self.placed.iter().map(|entry| entry.bytes).collect();
        Some(level + rounded(self.factor(self.credit(hash, bytes, &all)) * worth.value / bytes as f64))
    }
}

/// Counts of keys, each up to 15, four places for a key in a word of sixteen: the least of the four is its count.
#[derive(Debug)]
struct Counts {
    words: Vec<[u8; 16]>,
    additions: usize,
}

impl Counts {
    fn places(&self, hash: u64) -> (usize, [usize; 4]) {
        let mixed = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let word = usize::try_from(mixed >> 32).unwrap() % self.words.len();
        let pick = |row: usize| 4 * row + usize::try_from(mixed >> (8 * row + 2) & 3).unwrap();
        (word, [pick(0), pick(1), pick(2), pick(3)])
    }

    fn of(&self, hash: u64) -> u8 {
        let (word, places) = self.places(hash);
        places.into_iter().map(|place| self.words[word][place]).min().unwrap()
    }

    fn add(&mut self, hash: u64, times: u8) {
        let (word, places) = self.places(hash);
        let count = 15.min(self.of(hash) + times);
        for place in places {
            self.words[word][place] = self.words[word][place].max(count);
        }
        self.additions += usize::from(times);
        if self.additions >= 8 * self.words.len() {
            self.additions /= 2;
            self.words.as_flattened_mut().iter_mut().for_each(|count| *count /= 2);
        }
    }

    /// One word for two keys, doubled by copying.
    fn fit(&mut self, keys: usize) {
        while self.words.len() * 2 < keys {
            self.words.extend(self.words.clone());
        }
    }
}

/// Down to a power of two or one and a half times that, from 2^-45 to 1.5 times 2^50.
fn rounded(saved: f64) -> f64 {
    let mut power = (2f64).powi(-45);
    while power * 2.0 <= saved && power < (2f64).powi(50) {
        power *= 2.0;
    }
    if saved >= 1.5 * power { 1.5 * power } else { power }
}

/// Down to a number with eleven significant bits.
fn eleven_bits(bytes: u64) -> u64 {
    let mut unit = 1;
    while bytes / unit >= 1 << 11 {
        unit *= 2;
    }
    bytes / unit * unit
}
