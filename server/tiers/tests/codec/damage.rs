//! What was not written here, or changed since, is never served.

use std::time::Duration;

use bytes::Bytes;
use hotplate_engine::tier::{TierError, TierErrorKind};
use hotplate_tiers::codec::{CodecError, Decoded};
use proptest::{collection::vec, prelude::*};
use xxhash_rust::xxh3::xxh3_64;

use crate::kept::{codec, key, negative, plain, rich};

fn records() -> [Bytes; 4] {
    let text = "what took long to make is kept for the next who asks; ".repeat(40);
    [plain("small"), rich(text), negative(), rich("")].map(|kept| codec().encode(&key(), &kept).unwrap().to_bytes())
}

#[test]
fn no_flipped_bit_gives_another_entry() {
    let codec = codec();
    for record in records() {
        let whole = codec.decode(record.clone()).unwrap();
        for bit in 0..record.len() * 8 {
            let mut flipped = record.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            match codec.decode(flipped.into()) {
                Err(_) => {}
                Ok(decoded) => assert_eq!(decoded, whole, "bit {bit}"),
            }
        }
    }
}

#[test]
fn no_truncated_and_no_longer_record_gives_an_entry() {
    let codec = codec();
    for record in records() {
        for length in 0..record.len() {
            let cut = codec.decode(record.slice(..length)).unwrap_err();
            assert!(matches!(cut, CodecError::Truncated { needs } if needs <= record.len() as u64), "{length}: {cut}");
        }
        let longer = [&*record, &[0]].concat();
        assert!(matches!(codec.decode(longer.into()), Err(CodecError::Damaged(_))));
    }
}

#[test]
fn what_a_later_version_wrote_is_no_damage_but_no_entry_either() {
    let mut record = records()[0].to_vec();
    record[4] = 3;
    let error = codec().decode(record.into()).unwrap_err();
    assert_eq!((error, error.is_damage()), (CodecError::UnknownVersion(3), false));
    let foreign = codec().decode(Bytes::from_static(b"SQLite format 3\0")).unwrap_err();
    assert!(foreign == CodecError::Foreign && foreign.is_damage());
    assert_eq!(TierError::from(foreign).kind, TierErrorKind::Corrupt);
}

/// A head whose checksum is right after something in it was changed.
fn forged(record: &[u8], change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut forged = record.to_vec();
    let head = u32::from_le_bytes(forged[8..12].try_into().unwrap()) as usize;
    change(&mut forged[..head - 8]);
    let sum = xxh3_64(&forged[..head - 8]);
    forged[head - 8..head].copy_from_slice(&sum.to_le_bytes());
    forged
}

fn decode(record: Vec<u8>) -> Result<Decoded, CodecError> {
    codec().decode(record.into())
}

const RAW_AT: usize = 12;
const USABLE_AT: usize = 44;
const SUM_AT: usize = 84;

#[test]
fn lengths_that_lie_are_found_before_anything_is_allocated_for_them() {
    let text = "what took long to make is kept for the next who asks; ".repeat(40);
    let record = codec().encode(&key(), &plain(text.clone())).unwrap().to_bytes();
    for lie in [0, 1, text.len() as u64 - 1, text.len() as u64 + 1, 1 << 29, u64::MAX] {
        let forged = forged(&record, |head| head[RAW_AT..RAW_AT + 8].copy_from_slice(&lie.to_le_bytes()));
        assert!(decode(forged).is_err(), "{lie}");
    }
    for length in [0_u32, 11, 1 << 20, u32::MAX] {
        let mut forged = record.to_vec();
        forged[8..12].copy_from_slice(&length.to_le_bytes());
        assert!(decode(forged).is_err(), "{length}");
    }
}

/// A frame that says it holds a gigabyte and would: what is behind it is never looked at.
#[test]
fn a_bomb_does_not_go_off() {
    let zeros = vec![0; 64 << 20];
    let bomb = zstd::bulk::compress(&zeros, 19).unwrap();
    assert!(bomb.len() < 10_000);
    for declared in [zeros.len() as u64, 1000, bomb.len() as u64 * 999] {
        let mut record = codec().encode(&key(), &plain("text ".repeat(1000))).unwrap();
        let head = forged(&record.head, |head| {
            head[RAW_AT..RAW_AT + 8].copy_from_slice(&declared.to_le_bytes());
            head[RAW_AT + 8..RAW_AT + 16].copy_from_slice(&(bomb.len() as u64).to_le_bytes());
            head[SUM_AT..SUM_AT + 8].copy_from_slice(&xxh3_64(&bomb).to_le_bytes());
        });
        record.head = head.into();
        record.body = bomb.clone().into();
        assert!(matches!(codec().decode(record.to_bytes()), Err(CodecError::Damaged(_))), "{declared}");
    }
}

#[test]
fn a_head_with_its_checksum_that_makes_no_sense_is_refused() {
    let record = codec().encode(&key(), &rich("value")).unwrap().to_bytes();
    let past = u64::try_from(Duration::from_secs(1).as_nanos()).unwrap().to_le_bytes();
    assert!(decode(forged(&record, |head| head[USABLE_AT - 8..USABLE_AT].copy_from_slice(&past))).is_ok());
    assert!(decode(forged(&record, |head| head[USABLE_AT..USABLE_AT + 8].copy_from_slice(&past))).is_err());
    for (at, byte) in [(5, 2), (6, 1), (6, 9), (7, 0xff), (5, 1)] {
        assert!(decode(forged(&record, |head| head[at] = byte)).is_err(), "{at} {byte}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_are_no_entry(bytes in vec(any::<u8>(), 0..400)) {
        prop_assert!(decode(bytes).is_err());
    }

    /// With a right beginning and a right checksum, so that every field is read. Few bytes make sense by chance.
    #[test]
    fn random_fields_are_read_without_a_panic(bytes in vec(prop_oneof![Just(0), any::<u8>()], 100..300)) {
        let mut record = b"HPR\xC1\x01".to_vec();
        record.extend_from_slice(&bytes);
        let length = u32::try_from(record.len() + 8).unwrap();
        record[8..12].copy_from_slice(&length.to_le_bytes());
        let sum = xxh3_64(&record);
        record.extend_from_slice(&sum.to_le_bytes());
        let _ = decode(record);
    }

    /// Bytes of a real record overwritten, with the checksum of its head made right.
    #[test]
    fn changed_fields_are_read_without_a_panic(changes in vec((0_usize..200, any::<u8>()), 1..6)) {
        let record = codec().encode(&key(), &rich("value ".repeat(300))).unwrap().to_bytes();
        let _ = decode(forged(&record, |head| {
            for (at, byte) in changes {
                let at = 12 + at % (head.len() - 12);
                head[at] = byte;
            }
        }));
    }
}
