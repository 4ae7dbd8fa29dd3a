//! What values are made of, and whether what came back is that. Every byte follows from the key, its place in the value and
//! the seed, so nothing is kept to compare with, and no two keys that are near each other have the same value.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::{
    dice::{Dice, mix},
    plan::Check,
    work::Op,
};

/// After so many bytes the content repeats; at random, so it does not compress below that.
const CYCLE: usize = 1 << 20;
/// Values begin at so many different places of the cycle: few enough to stay in a processor's cache.
const BEGINNINGS: u64 = 1 << 16;
/// Up to this size a piece of a value is a slice of what is there; beyond, it is put together.
pub(crate) const SPAN: usize = 4 << 20;
/// With `sampled`, the content of one value of so many is looked at.
const SAMPLE: u32 = 64;

/// The content of all values of one seed.
#[derive(Debug)]
pub(crate) struct Content {
    ring: Bytes,
}

impl Content {
    /// For pieces of at most `span` bytes each.
    pub(crate) fn new(seed: u64, span: usize) -> Self {
        let mut dice = Dice::new(seed ^ 0xc0de);
        let mut ring = BytesMut::with_capacity(CYCLE + span);
        while ring.len() < CYCLE {
            ring.extend_from_slice(&dice.roll().to_le_bytes());
        }
        while ring.len() < CYCLE + span {
            let more = (CYCLE + span - ring.len()).min(CYCLE);
            ring.extend_from_within(..more);
        }
        Self { ring: ring.freeze() }
    }

    /// Some bytes of a key's value, at most the span.
    pub(crate) fn piece(&self, key: u64, offset: u64, length: usize) -> Bytes {
        let start = self.start(key, offset);
        self.ring.slice(start..start + length)
    }

    /// A whole value.
    pub(crate) fn value(&self, key: u64, size: u64) -> Bytes {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let span = self.ring.len() - CYCLE;
        if size <= span {
            return self.piece(key, 0, size);
        }
        let mut value = BytesMut::with_capacity(size);
        while value.len() < size {
            let piece = self.piece(key, value.len() as u64, (size - value.len()).min(span));
            value.extend_from_slice(&piece);
        }
        value.freeze()
    }

    /// Whether these are the bytes of the key's value at this place.
    pub(crate) fn is(&self, key: u64, offset: u64, bytes: &[u8]) -> bool {
        let span = (self.ring.len() - CYCLE).max(1);
        let mut offset = offset;
        bytes.chunks(span).all(|piece| {
            let start = self.start(key, offset);
            offset += piece.len() as u64;
            self.ring[start..start + piece.len()] == *piece
        })
    }

    fn start(&self, key: u64, offset: u64) -> usize {
        let start = (mix(key) % BEGINNINGS).wrapping_add(offset) % CYCLE as u64;
        usize::try_from(start).unwrap_or_default()
    }
}

/// Looks at what came back, as closely as the plan says.
#[derive(Debug)]
pub(crate) struct Checker {
    content: Arc<Content>,
    check: Check,
    count: u32,
}

impl Checker {
    /// One for a lane.
    pub(crate) fn new(content: Arc<Content>, check: Check) -> Self {
        Self { content, check, count: 0 }
    }

    /// Whether the next value is to be looked at byte by byte.
    pub(crate) fn looks(&mut self) -> bool {
        self.count = self.count.wrapping_add(1);
        match self.check {
            Check::All => true,
            Check::Sampled => self.count % SAMPLE == 1,
            Check::Sums | Check::Length => false,
        }
    }

    /// Whether a value has the length it must have.
    pub(crate) fn fits(op: &Op, length: u64) -> bool {
        !op.exact || length == op.size
    }

    /// What is wrong with a value that was read, if anything is.
    pub(crate) fn wrong(&mut self, op: &Op, value: &[u8]) -> Option<&'static str> {
        let looks = self.looks();
        self.compared(op, value, looks)
    }

    /// The same, where it was decided already whether to look.
    pub(crate) fn compared(&self, op: &Op, value: &[u8], looks: bool) -> Option<&'static str> {
        if !Self::fits(op, value.len() as u64) {
            Some("WRONG_LENGTH")
        } else if looks && !self.content.is(op.key, 0, value) {
            Some("WRONG_CONTENT")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_its_keys_and_no_other() {
        let content = Content::new(1, 1 << 16);
        let value = content.value(7, 200_000);
        assert_eq!(value.len(), 200_000);
        assert!(content.is(7, 0, &value) && content.is(7, 1_000, &value[1_000..]));
        assert!(!content.is(8, 0, &value) && !content.is(7, 1, &value));
        let mut torn = value.to_vec();
        torn[150_000] ^= 1;
        assert!(!content.is(7, 0, &torn));
        assert_eq!(content.piece(7, 100_000, 10), value.slice(100_000..100_010));
        assert!(!Content::new(2, 1 << 16).is(7, 0, &value));
    }

    #[test]
    fn lengths_are_always_looked_at_and_content_when_it_is_said() {
        let content = Arc::new(Content::new(1, 1 << 16));
        let op = Op::read(3, 8);
        let other = content.value(4, 8);
        for (check, found) in [(Check::All, 128), (Check::Sampled, 2), (Check::Sums, 0), (Check::Length, 0)] {
            let mut checker = Checker::new(Arc::clone(&content), check);
            assert_eq!(checker.wrong(&op, b"short"), Some("WRONG_LENGTH"));
            let mut checker = Checker::new(Arc::clone(&content), check);
            assert_eq!((0..128).filter(|_| checker.wrong(&op, &other).is_some()).count(), found);
        }
    }
}
