//! The five bytes in front of every message of gRPC over HTTP/2: a flag and a length. What a message says is not known here.

use bytes::Bytes;

/// Bytes in front of a message.
pub(crate) const PREFIX_BYTES: usize = 5;

/// What stands in front of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Prefix {
    /// 0: as it is; 1: compressed; nothing else is defined.
    pub(crate) flag: u8,
    /// Bytes of the message.
    pub(crate) length: usize,
}

impl Prefix {
    /// Reads what stands in front; `None`: it is not all there.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let (prefix, _) = bytes.split_first_chunk::<PREFIX_BYTES>()?;
        let [flag, length @ ..] = *prefix;
        Some(Self { flag, length: usize::try_from(u32::from_be_bytes(length)).ok()? })
    }

    /// What stands in front of a message that is not compressed; `None`: it is longer than any may be.
    pub(crate) fn write(length: usize) -> Option<[u8; PREFIX_BYTES]> {
        let mut prefix = [0; PREFIX_BYTES];
        prefix[1..].copy_from_slice(&u32::try_from(length).ok()?.to_be_bytes());
        Some(prefix)
    }
}

/// The message of a request that came whole: one, as it is, no longer than `most`, with nothing after it.
pub(crate) fn only_message(request: &Bytes, most: usize) -> Option<Bytes> {
    let Prefix { flag, length } = Prefix::read(request)?;
    let fits = flag == 0 && length <= most && request.len() - PREFIX_BYTES == length;
    fits.then(|| request.slice(PREFIX_BYTES..))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_comes_back_as_it_was_written() {
        for length in [0, 1, 255, 65_536, 0xffff_ffff] {
            assert_eq!(Prefix::read(&Prefix::write(length).unwrap()), Some(Prefix { flag: 0, length }));
        }
        assert_eq!(Prefix::write(0x1_0000_0000), None);
        assert_eq!(Prefix::read(&[0, 0, 0, 0]), None);
    }

    #[test]
    fn only_one_whole_plain_message_of_its_size_is_taken() {
        let of = |flag: u8, length: u8, bytes: &[u8]| Bytes::from([&[flag, 0, 0, 0, length], bytes].concat());
        assert_eq!(only_message(&of(0, 3, b"abc"), 3).as_deref(), Some(&b"abc"[..]));
        assert_eq!(only_message(&of(0, 0, b""), 3).as_deref(), Some(&b""[..]));
        for other in [of(1, 3, b"abc"), of(2, 3, b"abc"), of(0, 4, b"abc"), of(0, 2, b"abc"), of(0, 4, b"abcd")] {
            assert_eq!(only_message(&other, 3), None);
        }
        assert_eq!(only_message(&Bytes::from_static(b"\0\0\0\0"), 3), None);
    }
}
