//! The bytes that `{"$fill": {"bytes": N, "seed": S}}` stands for. Who compares or sends them is not known here.

/// So many bytes; the i-th of them, from 0, is `(i * 31 + (i / 251) * 7 + seed) mod 256`.
pub(crate) fn bytes(count: u64, seed: u64) -> Vec<u8> {
    (0..count).map(|i| ((i * 31 + (i / 251) * 7 + seed) % 256).to_le_bytes()[0]).collect()
}
