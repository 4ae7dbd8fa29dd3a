//! Small values of a namespace that have much in common.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use futures::future::BoxFuture;
use hotplate_engine::{clock::Clock, key::Key, tier::TierError};
use hotplate_tiers::codec::{Codec, CodecError, CodecOptions, DictionaryStore, dictionary_id};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::sync::Mutex;

use crate::kept::plain;

/// Dictionaries in memory.
#[derive(Default)]
struct Shelf {
    held: Mutex<HashMap<u64, Bytes>>,
    current: Mutex<HashMap<String, u64>>,
}

impl DictionaryStore for Shelf {
    fn load(&self, id: u64) -> BoxFuture<'_, Result<Option<Bytes>, TierError>> {
        Box::pin(async move { Ok(self.held.lock().await.get(&id).cloned()) })
    }

    fn current<'a>(&'a self, namespace: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, TierError>> {
        Box::pin(async move {
            let id = self.current.lock().await.get(namespace).copied();
            Ok(match id {
                Some(id) => self.held.lock().await.get(&id).cloned(),
                None => None,
            })
        })
    }

    fn save<'a>(&'a self, namespace: &'a str, id: u64, dictionary: Bytes) -> BoxFuture<'a, Result<(), TierError>> {
        Box::pin(async move {
            self.held.lock().await.insert(id, dictionary);
            self.current.lock().await.insert(namespace.to_owned(), id);
            Ok(())
        })
    }
}

fn codec() -> Arc<Codec> {
    Codec::new(CodecOptions { bytes_min: 128, ..CodecOptions::default() }, Clock::manual())
}

const MODELS: [&str; 3] = ["fraud-v3", "churn-v1", "ranking-2024"];

fn prediction(random: &mut StdRng) -> String {
    let model = MODELS[random.random_range(0..3)];
    let features: Vec<String> = (0..12).map(|n| format!("\"feature_{n}\":{:.4}", random.random::<f64>())).collect();
    format!(
        "{{\"model\":\"{model}\",\"request_id\":\"{:016x}\",\"score\":{:.6},\"label\":\"{}\",\"features\":{{{}}},\"explanation\":null}}",
        random.random::<u64>(),
        random.random::<f64>(),
        if random.random() { "positive" } else { "negative" },
        features.join(",")
    )
}

fn key(number: u32) -> Key {
    Key::new("predictions", &format!("k{number}")).unwrap()
}

/// Encodes while dictionaries are trained, until one is used; its number.
async fn until_trained(codec: &Arc<Codec>, shelf: &Arc<Shelf>, random: &mut StdRng) -> u64 {
    let encode = |random: &mut StdRng| codec.encode(&key(0), &plain(prediction(random))).unwrap().dictionary;
    let encoding = async {
        loop {
            tokio::task::yield_now().await;
            if let Some(id) = encode(random) {
                break id;
            }
        }
    };
    tokio::select! {
        () = codec.keep_trained(shelf.clone()) => unreachable!("it never ends"),
        id = encoding => id,
    }
}

#[tokio::test]
async fn small_values_get_a_dictionary_and_halve_with_it() {
    let (codec, shelf) = (codec(), Arc::new(Shelf::default()));
    let random = &mut StdRng::seed_from_u64(3);
    let id = until_trained(&codec, &shelf, random).await;
    let (mut raw, mut stored) = (0, 0);
    for number in 0..200 {
        let kept = plain(prediction(random));
        let encoded = codec.encode(&key(number), &kept).unwrap();
        raw += encoded.raw_bytes as usize;
        stored += encoded.body.len();
        assert_eq!(encoded.dictionary, Some(id));
        assert_eq!(codec.facts(&encoded.head).unwrap().dictionary(), Some(id));
        assert_eq!(codec.decode(encoded.to_bytes()).unwrap().kept, kept);
    }
    assert!(stored * 2 < raw, "{stored} of {raw}");
    assert!(codec.memory_bytes() > 0);
}

#[tokio::test]
async fn another_process_reads_with_the_dictionary_that_lies_beside_the_records() {
    let (writer, shelf) = (codec(), Arc::new(Shelf::default()));
    let random = &mut StdRng::seed_from_u64(4);
    let id = until_trained(&writer, &shelf, random).await;
    let kept = plain(prediction(random));
    let record = writer.encode(&key(1), &kept).unwrap().to_bytes();

    let reader = codec();
    assert_eq!(reader.decode(record.clone()), Err(CodecError::UnknownDictionary(id)));
    let nothing = Shelf::default();
    let unknown = reader.decode_from(record.clone(), &nothing).await.unwrap_err();
    assert!(unknown == CodecError::UnknownDictionary(id) && !unknown.is_damage());
    let wrong = Shelf::default();
    wrong.held.lock().await.insert(id, Bytes::from_static(b"another one that is no dictionary"));
    assert_eq!(reader.decode_from(record.clone(), &wrong).await.unwrap_err(), CodecError::UnknownDictionary(id));
    assert_eq!(reader.decode_from(record.clone(), &*shelf).await.unwrap().kept, kept);
    assert_eq!(reader.decode(record).unwrap().kept, kept, "it is known from then on");
}

#[tokio::test]
async fn a_dictionary_that_is_there_already_is_taken_instead_of_a_new_one() {
    let (first, shelf) = (codec(), Arc::new(Shelf::default()));
    let random = &mut StdRng::seed_from_u64(5);
    let id = until_trained(&first, &shelf, random).await;
    let second = codec();
    let used = until_trained(&second, &shelf, random).await;
    assert_eq!(used, id);
    assert_eq!(shelf.held.lock().await.len(), 1);
}

#[test]
fn when_values_change_samples_are_taken_again() {
    let codec = codec();
    let random = &mut StdRng::seed_from_u64(7);
    let samples: Vec<String> = (0..2000).map(|_| prediction(random)).collect();
    let dictionary = zstd::dict::from_samples(&samples, 16 << 10).unwrap();
    assert!(codec.adopt(key(0).namespace(), &dictionary));
    let before = codec.memory_bytes();
    for number in 0..1000 {
        let encoded = codec.encode(&key(number), &plain(prediction(random))).unwrap();
        assert_eq!(encoded.dictionary, Some(dictionary_id(&dictionary)));
    }
    assert_eq!(codec.memory_bytes(), before, "no samples are taken while it does well");
    for number in 0..1500 {
        let other: String = (0..40).map(|_| format!("{:x};", random.random::<u64>())).collect();
        codec.encode(&key(number), &plain(other)).unwrap();
    }
    assert!(codec.memory_bytes() > before, "samples are taken anew");
}
