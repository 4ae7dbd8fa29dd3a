//! A key that lies where it is compared when it is short: looking at it then costs no further access to memory.

/// Bytes that need no room of their own.
const INLINE_MAX: usize = 22;

/// A key's bytes.
#[derive(Debug)]
pub(super) enum SmallKey {
    Inline { length: u8, bytes: [u8; INLINE_MAX] },
    Own(Box<[u8]>),
}

impl SmallKey {
    pub(super) fn new(key: &[u8]) -> Self {
        match u8::try_from(key.len()) {
            Ok(length) if key.len() <= INLINE_MAX => {
                let mut bytes = [0; INLINE_MAX];
                bytes[..key.len()].copy_from_slice(key);
                Self::Inline { length, bytes }
            }
            _ => Self::Own(key.into()),
        }
    }

    #[inline]
    pub(super) fn is(&self, key: &[u8]) -> bool {
        match self {
            Self::Inline { length, bytes } => bytes.get(..usize::from(*length)) == Some(key),
            Self::Own(bytes) => **bytes == *key,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_every_length_are_themselves_and_nothing_else() {
        for length in 0..60u8 {
            let bytes: Vec<u8> = (0..length).collect();
            let key = SmallKey::new(&bytes);
            assert!(key.is(&bytes));
            assert!(!key.is(&[bytes.as_slice(), &[0]].concat()));
            assert!(bytes.is_empty() || !key.is(&bytes[1..]));
        }
    }
}
