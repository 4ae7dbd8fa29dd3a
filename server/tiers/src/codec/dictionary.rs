//! Dictionaries: what small values of a namespace have in common, so that each needs to say only what differs. Known by what
//! they contain, so that a wrong one is never taken. How one is trained is in `training`.

use std::{collections::VecDeque, sync::Arc};

use ahash::HashMap;
use bytes::Bytes;
use futures::future::BoxFuture;
use hotplate_engine::tier::TierError;
use parking_lot::{Mutex, RwLock};
use xxhash_rust::xxh3::xxh3_64;
use zstd::dict::{DecoderDictionary, EncoderDictionary};

use super::training::Sampling;

/// Largest dictionary, in bytes: larger ones were measured not to help.
pub const DICTIONARY_BYTES_MAX: usize = 64 << 10;
/// Values up to this many bytes are compressed with a dictionary.
pub const DICTIONARY_VALUE_BYTES_MAX: usize = 8 << 10;
/// Namespaces that have dictionaries: the first ones of that many with small values.
const NAMESPACES_MAX: usize = 32;
/// Dictionaries kept to read with. Beyond that the one learnt first goes, and is asked for again when it is needed.
const KNOWN_MAX: usize = 128;
/// What one that is written with takes beside its bytes: tables for the values of a level.
const ENCODER_BYTES: u64 = 160 << 10;
/// What one that is read with takes beside its bytes.
const DECODER_BYTES: u64 = 28 << 10;

/// Where dictionaries lie: beside the records that need them, so that neither is without the other.
pub trait DictionaryStore: Send + Sync + 'static {
    /// The dictionary of this number, if it is there.
    fn load(&self, id: u64) -> BoxFuture<'_, Result<Option<Bytes>, TierError>>;

    /// The one that a namespace's values are compressed with now, if there is one.
    fn current<'a>(&'a self, namespace: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, TierError>>;

    /// Keeps one, which becomes its namespace's current one. Once this has resolved, no crash loses it: only then is a
    /// record written that needs it.
    fn save<'a>(&'a self, namespace: &'a str, id: u64, dictionary: Bytes) -> BoxFuture<'a, Result<(), TierError>>;
}

/// The number of a dictionary: xxh3-64 of its bytes, so that no other bytes pass for it.
#[must_use]
pub fn dictionary_id(dictionary: &[u8]) -> u64 {
    xxh3_64(dictionary)
}

/// A dictionary to compress with.
pub(super) struct Encoder {
    pub(super) id: u64,
    pub(super) dictionary: EncoderDictionary<'static>,
    /// What it was made from.
    plain: Bytes,
}

impl Encoder {
    fn bytes(&self) -> u64 {
        2 * self.plain.len() as u64 + ENCODER_BYTES
    }
}

/// A namespace with small values.
#[derive(Default)]
pub(super) struct Namespace {
    current: RwLock<Option<Arc<Encoder>>>,
    pub(super) sampling: Mutex<Sampling>,
}

impl Namespace {
    pub(super) fn current(&self) -> Option<Arc<Encoder>> {
        self.current.read().clone()
    }
}

#[derive(Default)]
struct Known {
    by_id: HashMap<u64, (Arc<DecoderDictionary<'static>>, u64)>,
    order: VecDeque<u64>,
}

/// All that are known here.
pub(super) struct Dictionaries {
    level: i32,
    namespaces: RwLock<HashMap<Arc<str>, Arc<Namespace>>>,
    known: RwLock<Known>,
}

impl Dictionaries {
    pub(super) fn new(level: i32) -> Self {
        Self { level, namespaces: RwLock::default(), known: RwLock::default() }
    }

    /// A namespace with small values, if it is one of those that may have dictionaries.
    pub(super) fn namespace(&self, name: &Arc<str>) -> Option<Arc<Namespace>> {
        if let Some(namespace) = self.namespaces.read().get(name) {
            return Some(namespace.clone());
        }
        let mut namespaces = self.namespaces.write();
        if namespaces.len() >= NAMESPACES_MAX && !namespaces.contains_key(name) {
            return None;
        }
        Some(namespaces.entry(name.clone()).or_default().clone())
    }

    /// Those that are compressed with now, with their namespaces.
    pub(super) fn in_use(&self) -> Vec<(Arc<str>, Bytes)> {
        let namespaces = self.namespaces.read();
        let current = namespaces.iter().filter_map(|(name, one)| Some((name.clone(), one.current()?.plain.clone())));
        current.collect()
    }

    /// The one to read with.
    pub(super) fn decoder(&self, id: u64) -> Option<Arc<DecoderDictionary<'static>>> {
        self.known.read().by_id.get(&id).map(|(decoder, _)| decoder.clone())
    }

    /// Takes a dictionary to read with; its number. `None` for one that is larger than they are.
    pub(super) fn learn(&self, dictionary: &[u8]) -> Option<u64> {
        if dictionary.is_empty() || dictionary.len() > DICTIONARY_BYTES_MAX {
            return None;
        }
        let id = dictionary_id(dictionary);
        if self.known.read().by_id.contains_key(&id) {
            return Some(id);
        }
        let decoder = Arc::new(DecoderDictionary::copy(dictionary));
        let mut known = self.known.write();
        if known.by_id.insert(id, (decoder, dictionary.len() as u64 + DECODER_BYTES)).is_none() {
            known.order.push_back(id);
        }
        if known.order.len() > KNOWN_MAX
            && let Some(first) = known.order.pop_front()
        {
            known.by_id.remove(&first);
        }
        Some(id)
    }

    /// Takes a dictionary to read with and to compress the values of a namespace with from now on. Whether that can be.
    pub(super) fn adopt(&self, name: &Arc<str>, dictionary: &[u8]) -> bool {
        let (Some(namespace), Some(id)) = (self.namespace(name), self.learn(dictionary)) else { return false };
        let plain = Bytes::copy_from_slice(dictionary);
        let dictionary = EncoderDictionary::copy(dictionary, self.level);
        *namespace.current.write() = Some(Arc::new(Encoder { id, dictionary, plain }));
        *namespace.sampling.lock() = Sampling::adopted();
        true
    }

    /// Bytes of memory they take, with the samples.
    pub(super) fn memory_bytes(&self) -> u64 {
        let known: u64 = self.known.read().by_id.values().map(|(_, bytes)| bytes).sum();
        let namespaces = self.namespaces.read();
        let encoders: u64 = namespaces.values().filter_map(|namespace| Some(namespace.current()?.bytes())).sum();
        let samples: u64 = namespaces.values().map(|namespace| namespace.sampling.lock().bytes()).sum();
        known + encoders + samples
    }
}
