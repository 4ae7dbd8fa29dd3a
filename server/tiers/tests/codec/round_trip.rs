//! What goes in comes out.

use bytes::Bytes;
use hotplate_engine::{chunks::Chunks, clock::Clock, entry::Payload, tier::Kept};
use hotplate_tiers::codec::{Codec, CodecError, CodecOptions, HEAD_BYTES_MAX, PREFIX_BYTES};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::kept::{any_kept, any_key, codec, key, negative, plain, rich};

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_entry_comes_out_as_it_went_in(key in any_key(), kept in any_kept(), stamp in "[ -~]{0,64}") {
        let codec = codec();
        let encoded = codec.encode_with_stamp(&key, &kept, stamp.as_bytes()).unwrap();
        let record = encoded.to_bytes();
        prop_assert_eq!(record.len(), encoded.len());
        let facts = codec.facts(&encoded.head).unwrap();
        prop_assert_eq!(&facts.key, &key);
        prop_assert_eq!(&facts.description, &kept.description);
        prop_assert_eq!((facts.head_bytes, facts.record_bytes()), (encoded.head.len(), record.len() as u64));
        prop_assert_eq!(facts.raw_bytes, kept.value_bytes());
        let decoded = codec.decode(record).unwrap();
        prop_assert_eq!((&decoded.key, &decoded.kept, &*decoded.stamp), (&key, &kept, stamp.as_bytes()));
    }
}

#[test]
fn what_compresses_is_stored_smaller_and_the_rest_as_it_came() {
    let codec = codec();
    let text = "a cache keeps what took long to make. ".repeat(100);
    let encoded = codec.encode(&key(), &plain(text.clone())).unwrap();
    assert!(encoded.body.len() * 10 < text.len(), "{}", encoded.body.len());
    let mut noise = vec![0; 100_000];
    StdRng::seed_from_u64(1).fill(&mut noise[..]);
    let noise = Bytes::from(noise);
    let encoded = codec.encode(&key(), &plain(noise.clone())).unwrap();
    assert_eq!(encoded.body.as_ptr(), noise.as_ptr(), "what is stored as it came is not copied");
    assert_eq!(codec.encode(&key(), &plain(text[..500].to_owned())).unwrap().body.len(), 500, "too small to try");
    let state = codec.state();
    assert_eq!((state.compressed, state.plain), (1, 2));
    assert_eq!(state.raw_bytes, text.len() as u64 + 100_000 + 500);
    assert!(state.stored_bytes < state.raw_bytes);
}

#[test]
fn noise_after_a_good_beginning_is_stored_as_it_came() {
    let mut value = vec![b'a'; 64 << 10];
    value.resize(2 << 20, 0);
    StdRng::seed_from_u64(2).fill(&mut value[64 << 10..]);
    let encoded = codec().encode(&key(), &plain(value.clone())).unwrap();
    assert_eq!(encoded.body, value);
}

#[test]
fn large_values_are_stored_in_frames_that_can_be_read_one_by_one() {
    let codec = codec();
    let mut value = Vec::new();
    for number in 0..1_200_000_u32 {
        value.extend_from_slice(format!("{:07},", number.wrapping_mul(2_654_435_761) >> 12).as_bytes());
    }
    assert!(value.len() > 8 << 20);
    let kept = plain(value.clone());
    let encoded = codec.encode(&key(), &kept).unwrap();
    assert!(encoded.body.len() < value.len());
    let frame = zstd::zstd_safe::find_frame_compressed_size(&encoded.body).unwrap();
    let first = zstd::bulk::decompress(&encoded.body[..frame], 1 << 20).unwrap();
    assert_eq!(first, value[..1 << 20]);
    assert_eq!(codec.decode(encoded.to_bytes()).unwrap().kept, kept);
}

#[test]
fn what_became_a_thousand_times_smaller_is_stored_as_it_came_since_no_reader_takes_it() {
    let codec = codec();
    let kept = plain(vec![0; 4 << 20]);
    let encoded = codec.encode(&key(), &kept).unwrap();
    assert_eq!(encoded.body.len(), 4 << 20);
    let payload = Payload::Chunks(Chunks::cut(&[0; 4 << 20]));
    assert_eq!(codec.decode(encoded.to_bytes()).unwrap().kept, Kept { payload, ..kept });
}

#[test]
fn what_could_not_be_read_again_is_not_written() {
    let small = Codec::new(CodecOptions { value_bytes_max: 1000, ..CodecOptions::default() }, Clock::manual());
    assert_eq!(
        small.encode(&key(), &plain(vec![1; 1001])).unwrap_err(),
        CodecError::TooLarge { bytes: 1001, bytes_max: 1000 }
    );
    assert!(matches!(small.encode_with_stamp(&key(), &negative(), &[0; 65]), Err(CodecError::TooLarge { .. })));
    let record = codec().encode(&key(), &plain(vec![1; 1001])).unwrap().to_bytes();
    assert!(matches!(small.decode(record), Err(CodecError::TooLarge { bytes: 1001, .. })));
    let mut much = rich("x");
    let mut said = (*much.description).clone();
    said.tags = (0..20_000).map(|tag| format!("{tag:0100}").into()).collect();
    much.description = said.into();
    let refused = codec().encode(&key(), &much).unwrap_err();
    assert!(matches!(refused, CodecError::TooLarge { bytes_max, .. } if bytes_max == HEAD_BYTES_MAX as u64));
}

#[test]
fn a_reader_that_has_only_the_beginning_is_told_how_much_more_it_needs() {
    let codec = codec();
    let encoded = codec.encode(&key(), &rich("value")).unwrap();
    let needs = |bytes: &[u8]| match codec.facts(bytes) {
        Err(CodecError::Truncated { needs }) => needs,
        other => panic!("{other:?}"),
    };
    assert_eq!(needs(&encoded.head[..5]), PREFIX_BYTES as u64);
    assert_eq!(needs(&encoded.head[..PREFIX_BYTES]), encoded.head.len() as u64);
    let facts = codec.facts(&encoded.head).unwrap();
    assert_eq!(codec.decode_body(facts, encoded.body.clone()).unwrap().kept, rich("value"));
    let record = encoded.to_bytes();
    let cut = record.slice(..record.len() - 1);
    assert_eq!(codec.decode(cut), Err(CodecError::Truncated { needs: record.len() as u64 }));
}

#[test]
fn a_small_entry_costs_less_than_two_hundred_bytes_besides_its_key_and_value() {
    let encoded = codec().encode(&key(), &plain("{\"score\": 0.93}")).unwrap();
    let names = key().namespace().len() + key().text().len() + "application/json".len();
    assert!(encoded.head.len() - names < 200, "{}", encoded.head.len() - names);
}
