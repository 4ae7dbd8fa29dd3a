//! How often keys were seen lately, also those that are not stored: counts of 4 bits in little room. (Cormode and
//! Muthukrishnan, "An improved data stream summary: the count-min sketch", 2005; halving as in Einziger, Friedman and
//! Manes, "TinyLFU", 2017.) Which keys count is not decided here.

/// Counters in a word.
const COUNTERS: u32 = 16;
/// Counters that one key has, each in a quarter of its word.
const ROWS: u32 = 4;
/// The largest count.
pub(super) const COUNT_MAX: u8 = 15;
/// Additions per word after which all counts are halved, so that the past fades.
const ADDITIONS_PER_WORD: u64 = 8;
/// Words of an empty sketch.
const WORDS_MIN: usize = 16;
/// Keys that a word is enough for.
const KEYS_PER_WORD: usize = 2;
/// The low three bits of every counter.
const HALF: u64 = 0x7777_7777_7777_7777;

/// Counts by hash. Over-estimates where keys share counters, never under-estimates what was added since the last halving.
#[derive(Debug)]
pub(super) struct Sketch {
    words: Vec<u64>,
    additions: u64,
}

impl Default for Sketch {
    fn default() -> Self {
        Self { words: vec![0; WORDS_MIN], additions: 0 }
    }
}

impl Sketch {
    /// Makes it large enough to tell about this many keys apart. Doubling copies every count to both places that its
    /// keys may have now, so nothing is forgotten.
    pub(super) fn fit(&mut self, keys: usize) {
        while self.words.len() * KEYS_PER_WORD < keys {
            self.words.extend_from_within(..);
        }
    }

    /// About how often this key was seen.
    pub(super) fn count(&self, hash: u64) -> u8 {
        let (word, picks) = self.place(hash);
        let counts = picks.map(|shift| (self.words[word] >> shift & 15) as u8);
        counts.into_iter().min().unwrap_or(0)
    }

    /// Notes that this key was seen `times` more.
    pub(super) fn add(&mut self, hash: u64, times: u8) {
        if times == 0 {
            return;
        }
        let (word, picks) = self.place(hash);
        let count = self.count(hash).saturating_add(times).min(COUNT_MAX);
        for shift in picks {
            let held = (self.words[word] >> shift & 15) as u8;
            let raised = u64::from(held.max(count));
            self.words[word] = self.words[word] & !(15 << shift) | raised << shift;
        }
        self.additions += u64::from(times);
        if self.additions >= self.words.len() as u64 * ADDITIONS_PER_WORD {
            self.halve();
        }
    }

    /// Bytes it holds.
    pub(super) fn bytes(&self) -> usize {
        self.words.capacity() * size_of::<u64>()
    }

    fn halve(&mut self) {
        self.additions /= 2;
        self.words.iter_mut().for_each(|word| *word = *word >> 1 & HALF);
    }

    /// The word of a key, and how far its four counters are shifted in it: one in each quarter.
    fn place(&self, hash: u64) -> (usize, [u32; ROWS as usize]) {
        let mixed = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let word = (mixed >> 32) as usize & (self.words.len() - 1);
        let row = COUNTERS / ROWS;
        let picks = std::array::from_fn(|index| {
            let pick = (mixed >> (8 * index + 2)) as u32 % row;
            4 * (index as u32 * row + pick)
        });
        (word, picks)
    }
}
