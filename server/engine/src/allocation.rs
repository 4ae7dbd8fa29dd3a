//! What an allocator takes for a piece of memory. Which pieces something has is not known here.

/// Bytes that are taken for so many: the size classes of jemalloc, four for each power of two beyond 128 bytes (jemalloc(3),
/// "Implementation notes"). The server's allocator is jemalloc.
#[must_use]
pub(crate) fn allocated(bytes: u64) -> u64 {
    match bytes {
        0..=8 => bytes.next_multiple_of(8),
        9..=128 => bytes.next_multiple_of(16),
        _ => bytes.checked_next_multiple_of(1 << ((bytes - 1).ilog2() - 2)).unwrap_or(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_takes_its_class() {
        let classes = [
            (0, 0),
            (1, 8),
            (8, 8),
            (9, 16),
            (16, 16),
            (17, 32),
            (128, 128),
            (129, 160),
            (160, 160),
            (257, 320),
            (1024, 1024),
            (1025, 1280),
            (4097, 5120),
            ((1 << 20) + 1, 5 << 18),
            (u64::MAX, u64::MAX),
        ];
        for (bytes, class) in classes {
            assert_eq!(allocated(bytes), class, "{bytes} bytes");
        }
    }
}
