//! Values in chunks are what was sent, whatever the cuts were, and are identified alike.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use bytes::{Bytes, BytesMut};
use hotplate_engine::{
    chunks::{Chunk, Chunks, Collecting, SHA256_BYTES_MAX, charge_in_chunks, digest_of_value, largest_in_chunks},
    entry::Payload,
};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

/// Bytes that repeat only after 16 MiB.
fn value(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| u8::try_from((at ^ (at >> 8) ^ (at >> 16)) & 0xff).unwrap()).collect()
}

fn collect(value: &[u8], cuts: &[usize]) -> Chunks {
    let mut collecting = Collecting::new();
    let mut begin = 0;
    for end in cuts.iter().copied().chain([value.len()]) {
        collecting.push(Chunk::new(Bytes::copy_from_slice(&value[begin..end])));
        begin = end;
    }
    collecting.finish(None)
}

fn joined(chunks: &Chunks, offset: u64) -> Vec<u8> {
    chunks.from(offset).flat_map(|part| part.to_vec()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_way_of_cutting_gives_the_same_value(
        length in prop_oneof![0..5000_usize, 3_145_700..3_145_760_usize, 3_300_000..3_400_000_usize],
        cuts in prop::collection::vec(0.0..1.0_f64, 0..40),
        offset in 0.0..1.1_f64,
    ) {
        let value = value(length);
        let mut cuts: Vec<_> = cuts.iter().map(|cut| (cut * length as f64) as usize).collect();
        cuts.sort_unstable();
        let chunks = collect(&value, &cuts);
        prop_assert_eq!(chunks.size(), length as u64);
        prop_assert_eq!(chunks.digest(), digest_of_value(&value));
        prop_assert_eq!(chunks.crc32c(), crc32c::crc32c(&value));
        prop_assert_eq!(&chunks.to_bytes()[..], &value[..]);
        let offset = (offset * length as f64) as usize;
        prop_assert_eq!(joined(&chunks, offset as u64), value.get(offset..).unwrap_or_default());
        prop_assert!(chunks.chunks().iter().all(|chunk| !chunk.bytes().is_empty()));
        prop_assert_eq!(chunks.clone(), collect(&value, &[]));
    }
}

#[test]
fn what_chunks_will_take_is_known_before_they_come() {
    for (size, chunk) in [(0, 100), (1, 100), (100, 100), (1_000_000, 4096), (999_999, 77_777), (3 << 20, 1 << 20)] {
        let value = value(size);
        let mut collecting = Collecting::new();
        value.chunks(chunk).for_each(|part| collecting.push(Chunk::new(Bytes::copy_from_slice(part))));
        assert_eq!(charge_in_chunks(size as u64, chunk as u64), collecting.charged_bytes(), "{size} in {chunk}");
    }
    for chunk in [1, 17, 100, 4096, 5000, 1 << 20, 3 << 20] {
        for room in (0..200).chain([1000, 4097, 65_537, 1 << 20, (8 << 20) - 1, 8 << 20, 1 << 30]) {
            let largest = largest_in_chunks(room, chunk);
            assert!(charge_in_chunks(largest, chunk) <= room, "{largest} of {room} in {chunk}");
        }
    }
    let of = |mebibytes: u64| largest_in_chunks(mebibytes << 20, 1 << 20);
    assert!(of(8) > (8 << 20) - (256 << 10) && of(1024) > (1024 << 20) - (512 << 10), "little is lost");
}

#[test]
fn the_rule_changes_above_three_mebibytes() {
    let limit = usize::try_from(SHA256_BYTES_MAX).unwrap();
    let small = value(limit);
    assert_eq!(digest_of_value(&small)[..], Sha256::digest(&small)[..]);
    assert_eq!(collect(&small, &[1000]).sha256(), Some(digest_of_value(&small)));
    let large = value(limit + 1);
    let digest = digest_of_value(&large);
    assert_eq!(digest[..16], xxhash_rust::xxh3::xxh3_128(&large).to_be_bytes());
    assert_eq!(digest[16..24], (SHA256_BYTES_MAX + 1).to_be_bytes());
    assert_eq!(digest[24..28], crc32c::crc32c(&large).to_be_bytes());
    assert_eq!(digest[28..], *b"xxh3");
    let chunks = collect(&large, &[1000]);
    assert_eq!((chunks.digest(), chunks.sha256()), (digest, None));
    assert_eq!(chunks.sha256_now()[..], Sha256::digest(&large)[..]);
}

#[test]
fn the_checksum_is_the_one_of_rfc_3720() {
    let cases: [(&[u8], u32); 4] =
        [(&[0; 32], 0x8a91_36aa), (&[0xff; 32], 0x62a8_ab43), (b"123456789", 0xe306_9283), (b"", 0)];
    for (bytes, crc32c) in cases {
        assert_eq!(Chunk::new(Bytes::from_static(bytes)).crc32c(), crc32c);
    }
}

#[test]
fn a_damaged_chunk_is_refused() {
    let sound = value(10_000);
    let crc32c = Chunk::new(sound.clone().into()).crc32c();
    assert_eq!(Chunk::checked(sound.clone().into(), crc32c).unwrap().bytes(), &sound);
    for at in [0, 1, 4999, 9999] {
        let mut damaged = sound.clone();
        damaged[at] ^= 1;
        assert!(Chunk::checked(damaged.into(), crc32c).is_none());
    }
    assert!(Chunk::checked(sound[..9999].to_vec().into(), crc32c).is_none());
}

#[test]
fn a_chunk_keeps_no_buffer_that_it_does_not_fill() {
    let full = Bytes::from(value(64 << 10));
    let place = full.as_ptr();
    assert_eq!(Chunk::new(full).bytes().as_ptr(), place, "what is its own is kept as it came");
    let mut nearly = BytesMut::with_capacity(64 << 10);
    nearly.extend_from_slice(&value(50 << 10));
    let nearly = nearly.freeze();
    let place = nearly.as_ptr();
    assert_eq!(Chunk::new(nearly).bytes().as_ptr(), place, "three quarters are enough");
    let mut large = BytesMut::with_capacity(1 << 20);
    large.extend_from_slice(b"small");
    let large = large.freeze();
    let place = large.as_ptr();
    assert_ne!(Chunk::new(large).bytes().as_ptr(), place);
    let buffer = Bytes::from(value(64 << 10));
    let part = buffer.slice(60 << 10..);
    drop(buffer);
    let place = part.as_ptr();
    assert_ne!(Chunk::new(part).bytes().as_ptr(), place, "what is before it in the buffer counts as well");
}

#[test]
fn a_small_value_in_one_piece_is_as_if_it_had_come_so() {
    assert_eq!(Payload::collected(collect(b"", &[])), Payload::Value(Bytes::new()));
    assert_eq!(Payload::collected(collect(b"value", &[])), Payload::Value(Bytes::from_static(b"value")));
    assert!(
        matches!(Payload::collected(collect(b"value", &[2])), Payload::Chunks(chunks) if chunks.chunks().len() == 2)
    );
}

#[test]
fn what_is_known_to_be_its_sha_256_is_kept_of_a_large_value() {
    let mut collecting = Collecting::new();
    collecting.push(Chunk::new(value(4 << 20).into()));
    assert_eq!(collecting.finish(Some([7; 32])).sha256(), Some([7; 32]));
    let mut collecting = Collecting::new();
    collecting.push(Chunk::new(Bytes::from_static(b"value")));
    assert_eq!(collecting.finish(Some([7; 32])).sha256(), Some(digest_of_value(b"value")), "small ones are worked out");
}

#[test]
fn values_that_differ_are_not_the_same() {
    let one = value(4 << 20);
    let mut other = one.clone();
    other[4_000_000] ^= 1;
    assert_ne!(collect(&one, &[77]), collect(&other, &[77]));
    assert_ne!(collect(&one, &[77]), collect(&one[..4_000_000], &[77]));
}
