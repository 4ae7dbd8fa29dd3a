//! Entries to write and read: any that the engine could hand down.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use hotplate_engine::{
    ahead::RefreshAhead,
    chunks::{Chunk, Chunks, Collecting, digest_of_value},
    clock::Clock,
    entry::{Dependencies, Description, Labels, Negative, Payload},
    key::Key,
    tier::Kept,
};
use hotplate_tiers::codec::{Codec, CodecOptions};
use proptest::{collection::vec, option, prelude::*};
use sha2::{Digest, Sha256};

pub(crate) fn codec() -> Arc<Codec> {
    Codec::new(CodecOptions::default(), Clock::manual())
}

/// An entry with this value of which little is known.
pub(crate) fn plain(value: impl Into<Bytes>) -> Kept {
    let value = value.into();
    Kept {
        digest: digest_of_value(&value),
        payload: Payload::Value(value),
        description: Arc::new(Description { content_type: "application/json".into(), ..Description::default() }),
        cost: None,
        cost_measured: false,
        stored: Duration::from_secs(1_750_000_000),
        fresh_until: Duration::from_secs(1_750_003_600),
        usable_until: Duration::from_secs(1_750_003_600),
        idle_ttl: None,
        refresh_ahead: None,
        marked: false,
    }
}

/// A value in chunks that end at these places.
pub(crate) fn cut(value: &[u8], ends: impl IntoIterator<Item = usize>) -> Chunks {
    let (mut collecting, mut begin) = (Collecting::new(), 0);
    for end in ends.into_iter().chain([value.len()]) {
        collecting.push(Chunk::new(Bytes::copy_from_slice(&value[begin..end])));
        begin = end;
    }
    collecting.finish(None)
}

/// An entry with a value in chunks.
pub(crate) fn chunked(chunks: Chunks) -> Kept {
    Kept { digest: chunks.digest(), payload: Payload::collected(chunks), ..rich("") }
}

/// An entry of which everything is known.
pub(crate) fn rich(value: impl Into<Bytes>) -> Kept {
    let depends_on =
        Dependencies { own: ["a".into(), "tag:b".into()].into(), inherited: ["z".into(), "c".into()].into() };
    let description = Description {
        content_type: "application/json".into(),
        encoding: "identity".into(),
        kind: "llm/chat".into(),
        tags: vec!["model:m1".into(), "tenant:é".into()],
        labels: Labels::from_iter([("owner".to_owned(), "search".to_owned()), ("run".to_owned(), "7".to_owned())]),
        depends_on: Some(Arc::new(depends_on)),
        compute_cost: None,
    };
    Kept {
        description: Arc::new(description),
        cost: Some(Duration::from_micros(1_234_567)),
        cost_measured: true,
        usable_until: Duration::from_secs(1_750_007_200),
        idle_ttl: Some(Duration::from_secs(60)),
        refresh_ahead: Some(RefreshAhead::Xfetch(1000)),
        marked: true,
        ..plain(value)
    }
}

/// A remembered failure.
pub(crate) fn negative() -> Kept {
    let negative = Negative { reason: "NOT_FOUND".into(), message: "there is none".into() };
    Kept { payload: Payload::Negative(negative), digest: [7; 32], ..plain(Bytes::new()) }
}

pub(crate) fn key() -> Key {
    Key::new("models/chat", "prompt:42").unwrap()
}

fn text(length: usize) -> impl Strategy<Value = Arc<str>> {
    vec(any::<char>(), 0..length).prop_map(|chars| Arc::from(String::from_iter(chars)))
}

fn texts(count: usize) -> impl Strategy<Value = Vec<Arc<str>>> {
    vec(text(20), 0..count)
}

fn ascending(count: usize) -> impl Strategy<Value = Vec<Arc<str>>> {
    texts(count).prop_map(|mut texts| {
        texts.sort();
        texts.dedup();
        texts
    })
}

fn description() -> impl Strategy<Value = Description> {
    let labels = proptest::collection::btree_map("[a-z]{0,8}", ".{0,20}", 0..4);
    let depends_on = option::of((ascending(4), texts(4)));
    (text(20), text(6), text(20), ascending(6), labels, depends_on).prop_map(
        |(content_type, encoding, kind, tags, labels, depends_on): (_, _, _, _, BTreeMap<String, String>, _)| {
            let depends_on = depends_on
                .map(|(own, inherited)| Arc::new(Dependencies { own: own.into(), inherited: inherited.into() }));
            let labels = Labels::from_iter(labels);
            Description { content_type, encoding, kind, tags, labels, depends_on, compute_cost: None }
        },
    )
}

/// Values that compress and values that do not, from none to more than what is probed.
fn value() -> impl Strategy<Value = Bytes> {
    let noise = vec(any::<u8>(), 0..3000).prop_map(Bytes::from);
    let repeated = (vec(any::<u8>(), 1..100), 0..2000_usize).prop_map(|(part, times)| Bytes::from(part.repeat(times)));
    prop_oneof![noise, repeated]
}

fn payload() -> impl Strategy<Value = (Payload, [u8; 32])> {
    let negative = ("[A-Z_]{1,20}", text(100))
        .prop_map(|(reason, message)| (Payload::Negative(Negative { reason: reason.into(), message }), [9; 32]));
    let value = value().prop_map(|value| {
        let digest = Sha256::digest(&value).into();
        (Payload::Value(value), digest)
    });
    prop_oneof![1 => negative, 6 => value]
}

fn time() -> impl Strategy<Value = Duration> {
    any::<u64>().prop_map(Duration::from_nanos)
}

fn ahead() -> impl Strategy<Value = RefreshAhead> {
    prop_oneof![
        Just(RefreshAhead::Never),
        (1..=900_000_u32).prop_map(RefreshAhead::Fraction),
        (1..=100_000_u32).prop_map(RefreshAhead::Xfetch)
    ]
}

/// Any entry that the engine could hand down.
pub(crate) fn any_kept() -> impl Strategy<Value = Kept> {
    let times = (time(), time(), time(), option::of(time()), option::of(time()));
    (payload(), description(), times, option::of(ahead()), any::<(bool, bool)>()).prop_map(
        |((payload, digest), description, times, refresh_ahead, (cost_measured, marked))| Kept {
            payload,
            description: Arc::new(description),
            digest,
            cost: times.3,
            cost_measured,
            stored: times.0,
            fresh_until: times.1.min(times.2),
            usable_until: times.1.max(times.2),
            idle_ttl: times.4,
            refresh_ahead,
            marked,
        },
    )
}

pub(crate) fn any_key() -> impl Strategy<Value = Key> {
    ("[a-z0-9_./-]{1,64}", "[^\\p{Cc}]{1,60}").prop_map(|(namespace, text)| Key::new(&namespace, &text).unwrap())
}
