//! Values in chunks: written without being put together, read in the chunks they came in, and refused when anything in them
//! changed.

use bytes::Bytes;
use hotplate_engine::{chunks::Chunks, clock::Clock, entry::Payload};
use hotplate_tiers::codec::{Codec, CodecError, CodecOptions, Gathering};
use sha2::{Digest, Sha256};

use crate::kept::{chunked, codec, cut, key, plain};

const MIB: usize = 1 << 20;

fn value(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| u8::try_from((at ^ (at >> 8) ^ (at >> 16)) & 0xff).unwrap()).collect()
}

fn lengths(payload: &Payload) -> Vec<usize> {
    match payload {
        Payload::Chunks(chunks) => chunks.chunks().iter().map(|chunk| chunk.bytes().len()).collect(),
        Payload::Value(value) => vec![value.len()],
        other => panic!("a value was stored: {other:?}"),
    }
}

#[test]
fn what_came_in_chunks_comes_back_in_them() {
    let large = value(3 * MIB + 1);
    let cases = [
        cut(b"", []),
        cut(b"a", []),
        cut(b"a stream of tokens", [1, 2, 9]),
        cut(&large[..MIB], []),
        cut(&large[..3 * MIB - 1], [77_777, MIB]),
        cut(&large[..3 * MIB], [1]),
        cut(&large, [1, 2 * MIB]),
        cut(&large, []),
    ];
    for chunks in cases {
        let kept = chunked(chunks.clone());
        let encoded = codec().encode(&key(), &kept).unwrap();
        if matches!(kept.payload, Payload::Chunks(_)) {
            let places = encoded.parts().skip(2).map(|part| part.as_ptr());
            assert!(places.eq(chunks.chunks().iter().map(|chunk| chunk.bytes().as_ptr())), "nothing was copied");
        }
        let decoded = codec().decode(encoded.to_bytes()).unwrap();
        assert_eq!(decoded.kept, kept, "{} bytes", chunks.size());
        assert_eq!(lengths(&decoded.kept.payload), lengths(&kept.payload));
    }
}

#[test]
fn a_known_sha_256_of_a_large_value_is_kept() {
    let large = value(4 * MIB);
    let mut collecting = hotplate_engine::chunks::Collecting::new();
    collecting.push(hotplate_engine::chunks::Chunk::new(large.into()));
    let chunks = collecting.finish(Some([9; 32]));
    let record = codec().encode(&key(), &chunked(chunks)).unwrap().to_bytes();
    let Payload::Chunks(read) = codec().decode(record).unwrap().kept.payload else { panic!("it is large") };
    assert_eq!(read.sha256(), Some([9; 32]));
}

#[test]
fn very_many_chunks_are_told_of_as_fewer() {
    let value = value(400_000);
    let kept = chunked(cut(&value, (1..40_000).map(|number| number * 10)));
    let encoded = codec().encode(&key(), &kept).unwrap();
    assert!(encoded.head.len() < 200_000, "{}", encoded.head.len());
    let decoded = codec().decode(encoded.to_bytes()).unwrap();
    assert_eq!(decoded.kept.digest, kept.digest);
    assert_eq!(lengths(&decoded.kept.payload), [400_000]);
}

#[test]
fn every_change_and_every_cut_is_found() {
    let value = value(3000);
    let record = codec().encode(&key(), &chunked(cut(&value, [1000, 1001]))).unwrap().to_bytes();
    for at in 0..record.len() {
        let mut damaged = record.to_vec();
        damaged[at] ^= 1 << (at % 8);
        assert!(codec().decode(damaged.into()).is_err(), "byte {at} of {} was changed", record.len());
        let cut_off = codec().decode(record.slice(..at)).unwrap_err();
        assert!(matches!(cut_off, CodecError::Truncated { .. }), "cut at {at}: {cut_off}");
    }
}

#[test]
fn pieces_that_are_not_what_was_written_are_refused_at_once() {
    let value = value(4 * MIB);
    let encoded = codec().encode(&key(), &chunked(cut(&value, [MIB, 3 * MIB]))).unwrap();
    let facts = || codec().facts(&encoded.head).unwrap();
    let mut pieces = Gathering::of(facts()).unwrap();
    assert_eq!(pieces.next_bytes(), Some(MIB));
    pieces.push(Bytes::copy_from_slice(&value[..MIB])).unwrap();
    assert_eq!((pieces.next_bytes(), pieces.behind()), (Some(2 * MIB), 3 * MIB as u64));
    let mut wrong = value[MIB..3 * MIB].to_vec();
    wrong[12_345] ^= 1;
    assert!(pieces.push(wrong.into()).is_err());
    let mut short = Gathering::of(facts()).unwrap();
    assert!(short.push(Bytes::copy_from_slice(&value[..MIB - 1])).is_err());
    let missing = Gathering::of(facts()).unwrap();
    assert!(missing.finish().is_err());
}

#[test]
fn large_values_of_earlier_versions_are_read_in_chunks_of_a_mebibyte() {
    let large = value(4 * MIB + 5);
    let noise: Vec<u8> = large.iter().map(|byte| byte.wrapping_mul(167)).collect();
    let plainly =
        Codec::new(CodecOptions { chunks: false, bytes_min: u64::MAX, ..CodecOptions::default() }, Clock::manual());
    for (codec, value) in [(plainly, noise), (codec(), large)] {
        let mut kept = plain(value.clone());
        kept.digest = Sha256::digest(&value).into();
        let record = codec.encode(&key(), &kept).unwrap().to_bytes();
        let decoded = codec.decode(record.clone()).unwrap().kept;
        assert_eq!(decoded.digest, Chunks::cut(&value).digest(), "by the rule of now");
        match &decoded.payload {
            Payload::Chunks(chunks) => {
                assert_eq!(lengths(&decoded.payload), [MIB, MIB, MIB, MIB, 5]);
                assert_eq!(chunks.to_bytes(), value);
            }
            Payload::Value(read) => assert_eq!(read, &value),
            other => panic!("a value was stored: {other:?}"),
        }
        for at in [record.len() - 1, record.len() / 2, record.len() / 4 * 3] {
            let mut damaged = record.to_vec();
            damaged[at] ^= 4;
            assert!(codec.decode(damaged.into()).is_err());
        }
    }
}

#[test]
fn where_earlier_versions_read_as_well_values_are_in_one_piece() {
    let codec = Codec::new(CodecOptions { chunks: false, ..CodecOptions::default() }, Clock::manual());
    let kept = chunked(cut(b"a stream of tokens", [1, 2, 9]));
    let record = codec.encode(&key(), &kept).unwrap().to_bytes();
    assert_eq!(record[4], 1, "the version");
    let decoded = codec.decode(record).unwrap().kept;
    assert_eq!(decoded.payload, Payload::Value(Bytes::from_static(b"a stream of tokens")));
    assert_eq!(decoded.digest, kept.digest);
}

#[test]
fn what_is_larger_than_allowed_is_neither_written_nor_read() {
    let small = Codec::new(CodecOptions { value_bytes_max: 1000, ..CodecOptions::default() }, Clock::manual());
    let kept = chunked(cut(&value(1001), [500]));
    assert!(matches!(small.encode(&key(), &kept), Err(CodecError::TooLarge { bytes: 1001, .. })));
    let record = codec().encode(&key(), &kept).unwrap().to_bytes();
    assert!(matches!(small.decode(record), Err(CodecError::TooLarge { .. })));
}
