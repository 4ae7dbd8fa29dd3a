//! Values that prove themselves: each says of which key and write it is, and all the rest of it follows from that. Who
//! writes them is not known here.

use bytes::Bytes;
use rand::{RngExt, SeedableRng, rngs::SmallRng};

/// What every value begins with.
const MARK: &[u8; 8] = b"hotplate";
/// Mark, key, number of the write, length.
pub const HEAD_BYTES: usize = 8 + 4 + 8 + 4;

/// Which write a value is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// The key's number.
    pub key: u32,
    /// The write's number, which no other write has.
    pub number: u64,
}

/// The value of a write, so long, but not shorter than what it says of itself.
#[must_use]
pub fn value(written: Written, bytes: usize) -> Bytes {
    let bytes = bytes.max(HEAD_BYTES);
    let mut value = Vec::with_capacity(bytes);
    value.extend_from_slice(MARK);
    value.extend_from_slice(&written.key.to_le_bytes());
    value.extend_from_slice(&written.number.to_le_bytes());
    value.extend_from_slice(&u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes());
    let mut random = SmallRng::seed_from_u64(written.number ^ (u64::from(written.key) << 40));
    if written.number.is_multiple_of(2) {
        value.resize(bytes, 0);
        random.fill(&mut value[HEAD_BYTES..]);
    } else {
        // What compresses well is kept in another way.
        let words: Vec<String> = (0..8).map(|_| format!("{:x} ", random.random::<u32>())).collect();
        while value.len() < bytes {
            value.extend_from_slice(words[random.random_range(0..words.len())].as_bytes());
        }
        value.truncate(bytes);
    }
    Bytes::from(value)
}

/// Which write a value is of, if every byte of it is as it was written.
#[must_use]
pub fn proven(found: &[u8]) -> Option<Written> {
    let head = found.get(..HEAD_BYTES)?;
    let key = u32::from_le_bytes(head[8..12].try_into().ok()?);
    let number = u64::from_le_bytes(head[12..20].try_into().ok()?);
    let written = Written { key, number };
    (value(written, found.len())[..] == *found).then_some(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_proves_itself_and_one_that_was_changed_does_not() {
        for number in [6, 7] {
            let written = Written { key: 3, number };
            let whole = value(written, 500);
            assert_eq!((whole.len(), proven(&whole)), (500, Some(written)));
            for at in [0, 9, 13, 21, 24, 499] {
                let mut changed = whole.to_vec();
                changed[at] ^= 4;
                assert_ne!(proven(&changed), Some(written), "byte {at}");
            }
            assert_eq!(proven(&whole[..400]), None, "torn");
            assert_eq!(
                proven(&[&whole[..250], &value(Written { key: 3, number: number + 2 }, 500)[250..]].concat()),
                None
            );
        }
        assert_eq!(proven(b"something else"), None);
    }
}
