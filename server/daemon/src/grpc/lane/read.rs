//! Reads the pieces of a message's wire form where they lie. Which messages there are is not known here.

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
}
