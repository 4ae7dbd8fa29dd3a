//! Values that say what they are: key, version of the truth, computation, filler, checksum over all of it. A piece of one
//! value in another is found by the checksum.

use xxhash_rust::xxh3::xxh3_64;

use crate::record::{Seen, Written};

/// Bytes of the checksum at the end, in hexadecimal digits.
const SUM_BYTES: usize = 16;

/// Makes a value with so much filler; also what is known of it. Its lifetime is not a part of it.
#[must_use]
pub fn write(key: &str, truth: u64, computation: &str, filler: usize) -> (String, Written) {
    let mut text = format!("{key}\n{truth}\n{computation}\n");
    let mut state = xxh3_64(text.as_bytes());
    for _ in 0..filler {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push(char::from(b'a' + u8::try_from((state >> 33) % 26).unwrap_or_default()));
    }
    let sum = sum(text.as_bytes());
    text.push_str(&sum);
    let size = text.len();
    (text, Written { truth, computation: computation.to_owned(), size, sum, ttl_ms: 0, stale_ms: 0 })
}

/// Reads a value, however broken.
#[must_use]
pub fn read(bytes: &[u8]) -> Seen {
    let (content, end) = bytes.split_at(bytes.len().saturating_sub(SUM_BYTES));
    let mut seen = Seen {
        size: bytes.len(),
        sum: String::from_utf8_lossy(end).into_owned(),
        sum_read: sum(content),
        ..Seen::default()
    };
    let text = String::from_utf8_lossy(content);
    let mut lines = text.splitn(4, '\n');
    if let (Some(key), Some(truth), Some(computation), Some(_)) =
        (lines.next(), lines.next(), lines.next(), lines.next())
    {
        seen.key = key.to_owned();
        seen.truth = truth.parse().unwrap_or_default();
        seen.computation = computation.to_owned();
    }
    seen
}

fn sum(bytes: &[u8]) -> String {
    format!("{:016x}", xxh3_64(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let (text, written) = write("g0/k1", 7, "0.1.2-3", 100);
        let seen = read(text.as_bytes());
        assert_eq!((seen.key.as_str(), seen.truth, seen.computation.as_str()), ("g0/k1", 7, "0.1.2-3"));
        assert_eq!((seen.size, &seen.sum, &seen.sum_read), (written.size, &written.sum, &written.sum));
    }

    #[test]
    fn a_piece_of_another_value_is_noticed() {
        let (one, _) = write("g0/k1", 7, "0.1.2-3", 100);
        let (other, _) = write("g0/k1", 7, "0.1.2-4", 100);
        let torn = format!("{}{}", &one[..60], &other[60..]);
        let seen = read(torn.as_bytes());
        assert_ne!(seen.sum, seen.sum_read);
        assert_eq!(read(b"short").computation, "");
    }
}
