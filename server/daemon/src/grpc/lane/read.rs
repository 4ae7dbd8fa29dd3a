//! Reads the pieces of a message's wire form where they lie. Which messages there are is not known here.

use prost::encoding::{DecodeContext, WireType, decode_key, skip_field};

/// Bytes of the longest number.
const VARINT_BYTES_MAX: usize = 10;

/// A number of variable length; `None`: it is cut off or too long. Nearly all have one byte.
#[inline]
pub(crate) fn varint(message: &mut &[u8]) -> Option<u64> {
    if let [byte @ 0..0x80, rest @ ..] = message {
        *message = rest;
        return Some(u64::from(*byte));
    }
    long_varint(message)
}

fn long_varint(message: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for (place, byte) in message.iter().take(VARINT_BYTES_MAX).enumerate() {
        if place + 1 == VARINT_BYTES_MAX && *byte > 1 {
            return None;
        }
        number |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            *message = &message[place + 1..];
            return Some(number);
        }
    }
    None
}

/// The bytes of a field that says how many they are; `None`: it is cut off.
pub(crate) fn bytes<'m>(message: &mut &'m [u8]) -> Option<&'m [u8]> {
    let length = usize::try_from(varint(message)?).ok()?;
    let (bytes, rest) = message.split_at_checked(length)?;
    *message = rest;
    Some(bytes)
}

/// How many fields of this number a message has, up to one more than `most`: as prost would read them one after another, in
/// no memory. What it would not read ends the count.
pub(crate) fn count(mut message: &[u8], field: u32, most: usize) -> usize {
    let mut count = 0;
    while count <= most
        && let Ok((number, form)) = decode_key(&mut message)
        && skip_field(form, number, &mut message, DecodeContext::default()).is_ok()
    {
        count += usize::from(number == field && form == WireType::LengthDelimited);
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_what_prost_writes() {
        for number in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX >> 1, u64::MAX] {
            let mut written = Vec::new();
            prost::encoding::encode_varint(number, &mut written);
            let mut rest = &written[..];
            assert_eq!((varint(&mut rest), rest), (Some(number), &[][..]));
            assert_eq!(varint(&mut &written[..written.len() - 1]), None);
        }
        assert_eq!(varint(&mut &[0xff; 10][..]), None);
        assert_eq!(bytes(&mut &[2, 7, 8, 9][..]), Some(&[7, 8][..]));
        assert_eq!(bytes(&mut &[3, 7, 8][..]), None);
    }

    #[test]
    fn fields_are_counted_wherever_they_lie() {
        // A number, a group with a field of the same number inside, and one that is cut off.
        let message = [0x12, 0, 0x78, 1, 0x12, 1, 9, 0x1b, 0x12, 0, 0x1c, 0x10, 7, 0x12, 0, 0x12, 5];
        assert_eq!([count(&message, 2, 9), count(&message, 2, 3), count(&message, 2, 1)], [3, 3, 2]);
        assert_eq!([count(&message, 3, 9), count(&[], 2, 9), count(&[0xff; 12], 2, 9)], [0; 3]);
    }
}
