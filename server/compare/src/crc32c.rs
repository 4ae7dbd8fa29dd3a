//! CRC-32C (Castagnoli, RFC 3720) of a few bytes, a table lookup a byte: what a bare server says of its one chunk. Nothing
//! that is measured is computed with it.

const POLYNOMIAL: u32 = 0x82f6_3b78;
const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut rest = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            rest = if rest & 1 == 1 { rest >> 1 ^ POLYNOMIAL } else { rest >> 1 };
            bit += 1;
        }
        table[byte] = rest;
        byte += 1;
    }
    table
}

/// The checksum of these bytes.
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    let next = |rest: u32, byte: &u8| TABLE[usize::from(rest.to_le_bytes()[0] ^ byte)] ^ rest >> 8;
    !bytes.iter().fold(!0, next)
}

/// The checksum of the same bytes `count` times over, from their own checksum and length.
pub(crate) fn repeated(once: u32, length: usize, count: usize) -> u32 {
    let zeros = Zeros::new(length);
    (0..count).fold(0, |all, _| zeros.after(all) ^ once)
}

/// What so many zero bytes do to a checksum: linear, so that it is known from what they do to each bit.
pub(crate) struct Zeros([u32; 32]);

impl Zeros {
    pub(crate) fn new(length: usize) -> Self {
        let shifted =
            |rest: u32| (0..length).fold(rest, |rest, _| TABLE[usize::from(rest.to_le_bytes()[0])] ^ rest >> 8);
        Self(std::array::from_fn(|bit| shifted(1 << bit)))
    }

    pub(crate) fn after(&self, checksum: u32) -> u32 {
        let bits = self.0.iter().enumerate().filter(|(bit, _)| checksum >> bit & 1 == 1);
        bits.fold(0, |all, (_, bit)| all ^ bit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_checksums_come_out() {
        assert_eq!(crc32c(b""), 0);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    }

    #[test]
    fn the_checksum_of_a_repetition_follows_from_that_of_its_part() {
        let part = b"some bytes";
        for count in [0, 1, 2, 7] {
            assert_eq!(repeated(crc32c(part), part.len(), count), crc32c(&part.repeat(count)), "{count}");
        }
        assert_eq!(Zeros::new(4).after(crc32c(b"12345")) ^ crc32c(b"6789"), crc32c(b"123456789"));
    }
}
