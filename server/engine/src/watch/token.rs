//! Resume tokens: all positions of a watch in opaque bytes. Only the server that made a token reads it.

use crate::{
    changes::Numbers,
    error::{Error, Reason, Result},
    position::LOGS,
};

/// The layout: this byte, then the epoch and the numbers of all logs as varints, then a checksum of all before it.
const VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 4;
/// No token is longer: varints of 64 bits take at most ten bytes.
pub const TOKEN_BYTES_MAX: usize = 1 + (1 + LOGS) * 10 + CHECKSUM_BYTES;

/// Where a watch is: continue after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The history it belongs to.
    pub epoch: u64,
    /// The last delivered number of each log.
    pub numbers: Numbers,
}

impl Token {
    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        put_varint(&mut bytes, self.epoch);
        self.numbers.iter().for_each(|number| put_varint(&mut bytes, *number));
        let checksum = checksum(&bytes);
        bytes.extend(checksum);
        bytes
    }

    /// From bytes.
    ///
    /// # Errors
    /// `BAD_RESUME_TOKEN` for anything that [`Token::encode`] does not make.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        Self::parse(bytes).ok_or_else(bad)
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let (content, sum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM_BYTES)?)?;
        if sum != checksum(content) {
            return None;
        }
        let (version, mut rest) = content.split_first()?;
        if *version != VERSION {
            return None;
        }
        let epoch = take_varint(&mut rest)?;
        let mut numbers = [0; LOGS];
        for number in &mut numbers {
            *number = take_varint(&mut rest)?;
        }
        rest.is_empty().then_some(Self { epoch, numbers })
    }
}

/// The failure of a token that no server made.
#[must_use]
pub fn bad() -> Error {
    let rule = "this is no token of a Watch of this server: start without one, or with one as it was received";
    Error::invalid(Reason::BadResumeToken, "resume_token", rule)
}

#[expect(clippy::cast_possible_truncation, reason = "the low bytes of the hash are the checksum")]
fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    (xxhash_rust::xxh3::xxh3_64(bytes) as u32).to_le_bytes()
}

fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    #[expect(clippy::cast_possible_truncation, reason = "below 128")]
    bytes.push(value as u8);
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(first & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        value |= bits << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> Token {
        let mut numbers = [0; LOGS];
        numbers[3] = 300;
        numbers[64] = u64::MAX;
        Token { epoch: (1 << 52) - 1, numbers }
    }

    #[test]
    fn a_token_comes_back_as_it_was() {
        assert_eq!(Token::decode(&token().encode()), Ok(token()));
        let largest = Token { epoch: u64::MAX, numbers: [u64::MAX; LOGS] };
        assert_eq!(largest.encode().len(), TOKEN_BYTES_MAX);
        assert_eq!(Token::decode(&largest.encode()), Ok(largest));
    }

    #[test]
    fn a_token_with_any_byte_changed_is_refused() {
        let good = token().encode();
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut broken = good.clone();
                broken[at] ^= 1 << bit;
                assert_eq!(Token::decode(&broken).unwrap_err().reason(), Reason::BadResumeToken, "byte {at}");
            }
        }
        for length in 0..good.len() {
            assert!(Token::decode(&good[..length]).is_err(), "first {length} bytes");
        }
        assert!(Token::decode(&[good, vec![0]].concat()).is_err());
    }
}
