//! Entries as bytes, the same for every slower tier: a head that says all there is to say, and the value behind it, smaller
//! where that is worth it. Where the bytes go, and whether an entry may still be served, is not known here.

mod counters;
mod cuts;
mod dictionary;
mod error;
mod head;
mod memory;
mod pack;
mod refusal;
mod training;
mod wire;

use std::{collections::VecDeque, fmt, sync::Arc};

use bytes::Bytes;
use hotplate_engine::{
    chunks::{Chunk, Chunks, digest_of_value},
    clock::Clock,
    compress::Said,
    entry::Payload,
    key::Key,
    tier::{CodecState, Kept},
};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::sync::Notify;
use xxhash_rust::xxh3::xxh3_64;

use self::{
    counters::Counters,
    cuts::Cuts,
    dictionary::{Dictionaries, Encoder},
    head::{Form, Stored},
    pack::Packer,
    training::Sampling,
};
pub use self::{
    cuts::Gathering,
    dictionary::{DICTIONARY_BYTES_MAX, DICTIONARY_VALUE_BYTES_MAX, DictionaryStore, dictionary_id},
    error::CodecError,
    head::{Facts, HEAD_BYTES_MAX, PREFIX_BYTES, STAMP_BYTES_MAX},
    memory::MemoryCodec,
};

/// Smallest value that is compressed at all, in bytes.
pub const BYTES_MIN: u64 = 128;
/// With a dictionary, values from this many bytes on are compressed; fewer where [`CodecOptions::bytes_min`] says so.
const DICTIONARY_FROM_BYTES: u64 = 512;
/// Levels of zstd that may be asked for: above 9 windows, and with them the memory of a call, become large.
pub const LEVELS: std::ops::RangeInclusive<i32> = 1..=9;
/// Samples that wait to be trained from, by namespace. Beyond that a namespace waits for its next turn.
const DUE_MAX: usize = 8;

/// What a codec does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CodecOptions {
    /// Level of zstd, in [`LEVELS`]; others are taken as the nearest.
    pub level: i32,
    /// Smaller values stay as they are. At least [`BYTES_MIN`]. With a dictionary from half a KiB on, if this is larger.
    pub bytes_min: u64,
    /// A value is stored compressed when it becomes at most this share of itself.
    pub ratio_max: f64,
    /// Largest value that is written or read, in bytes.
    pub value_bytes_max: u64,
    /// Whether namespaces with values up to [`DICTIONARY_VALUE_BYTES_MAX`] get dictionaries.
    pub dictionaries: bool,
    /// Whether values in chunks are written so. If not, in one piece: as earlier versions read them.
    pub chunks: bool,
}

impl Default for CodecOptions {
    fn default() -> Self {
        Self {
            level: 1,
            bytes_min: 1 << 10,
            ratio_max: 0.90,
            value_bytes_max: 1 << 30,
            dictionaries: true,
            chunks: true,
        }
    }
}

/// An entry as bytes: a head, and the value as it is stored. One after the other they are a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// What is said of the value.
    pub head: Bytes,
    /// The value, compressed or as it came; then it shares its memory. Nothing for a value in chunks.
    pub body: Bytes,
    /// The value, if it is in chunks.
    pub chunks: Option<Chunks>,
    /// Bytes of the value as it came.
    pub raw_bytes: u64,
    /// The dictionary that is needed to read it.
    pub dictionary: Option<u64>,
}

impl Encoded {
    /// Bytes of the record.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "there is always a head")]
    pub fn len(&self) -> usize {
        self.parts().map(Bytes::len).sum()
    }

    /// The record in pieces, in their order.
    pub fn parts(&self) -> impl Iterator<Item = &Bytes> {
        let chunks = self.chunks.iter().flat_map(|chunks| chunks.chunks());
        [&self.head, &self.body].into_iter().chain(chunks.map(Chunk::bytes))
    }

    /// The record as its head and all of its value, which is copied when it is in chunks.
    #[must_use]
    pub fn into_two(self) -> [Bytes; 2] {
        let body = self.chunks.map_or(self.body, |chunks| chunks.to_bytes());
        [self.head, body]
    }

    /// The record in one piece.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        self.to_vec().into()
    }

    /// The same, to be sent.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        let mut record = Vec::with_capacity(self.len());
        self.parts().for_each(|part| record.extend_from_slice(part));
        record
    }
}

/// An entry read from a record.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// What it is stored under.
    pub key: Key,
    /// The entry.
    pub kept: Kept,
    /// What whoever keeps the record wrote for itself.
    pub stamp: Bytes,
}

/// Samples of a namespace that a dictionary is to be trained from.
struct Due {
    namespace: Arc<str>,
    samples: Vec<Vec<u8>>,
}

/// Writes and reads records. What it is told counts for all who share it.
pub struct Codec {
    options: CodecOptions,
    packer: Packer,
    dictionaries: Dictionaries,
    due: Mutex<VecDeque<Due>>,
    training: Notify,
    counters: Counters,
    clock: Clock,
}

impl fmt::Debug for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Codec").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Codec {
    /// A codec that knows no dictionary yet. The clock measures what compressing takes.
    #[must_use]
    pub fn new(options: CodecOptions, clock: Clock) -> Arc<Self> {
        let level = options.level.clamp(*LEVELS.start(), *LEVELS.end());
        let options = CodecOptions { level, bytes_min: options.bytes_min.max(BYTES_MIN), ..options };
        Arc::new(Self {
            options,
            packer: Packer::new(level, options.ratio_max),
            dictionaries: Dictionaries::new(level),
            due: Mutex::default(),
            training: Notify::new(),
            counters: Counters::default(),
            clock,
        })
    }

    /// An entry as bytes. Large values take their time: about a second for each 200 MiB.
    ///
    /// # Errors
    /// [`CodecError::TooLarge`], for what could not be read again.
    pub fn encode(&self, key: &Key, kept: &Kept) -> Result<Encoded, CodecError> {
        self.encode_with_stamp(key, kept, &[])
    }

    /// The same with something that whoever keeps the record wants to find in it: [`STAMP_BYTES_MAX`] bytes.
    ///
    /// # Errors
    /// [`CodecError::TooLarge`], for what could not be read again.
    pub fn encode_with_stamp(&self, key: &Key, kept: &Kept, stamp: &[u8]) -> Result<Encoded, CodecError> {
        if stamp.len() > STAMP_BYTES_MAX {
            return Err(CodecError::TooLarge { bytes: stamp.len() as u64, bytes_max: STAMP_BYTES_MAX as u64 });
        }
        let value = match &kept.payload {
            Payload::Value(value) => value.clone(),
            Payload::Chunks(chunks) => {
                self.bounded(chunks.size())?;
                let cuts = if self.options.chunks { Cuts::of(chunks) } else { None };
                match cuts {
                    Some(cuts) => return self.encode_chunks((key, kept), (chunks, &cuts), stamp),
                    None => chunks.to_bytes(),
                }
            }
            Payload::Compressed(held) => held.value().ok_or(CodecError::Damaged("what memory holds of the value"))?,
            Payload::Negative(_) => Bytes::new(),
        };
        let raw_bytes = value.len() as u64;
        self.bounded(raw_bytes)?;
        let (body, form) = self.pack(key, kept, value);
        let (stored_bytes, sum) = (body.len() as u64, xxh3_64(&body));
        let stored = Stored { form, raw_bytes, stored_bytes, sum, cuts: &Cuts::default() };
        let head = head::write(key, kept, stored, stamp)?;
        self.counters.stored(raw_bytes, body.len() as u64, form != Form::Plain);
        let dictionary = if let Form::ZstdWith(id) = form { Some(id) } else { None };
        Ok(Encoded { head, body, chunks: None, raw_bytes, dictionary })
    }

    fn encode_chunks(
        &self,
        (key, kept): (&Key, &Kept),
        (chunks, cuts): (&Chunks, &Cuts),
        stamp: &[u8],
    ) -> Result<Encoded, CodecError> {
        let raw_bytes = chunks.size();
        // Each chunk has its own checksum, and the digest is worked out again.
        let stored = Stored { form: Form::Chunks, raw_bytes, stored_bytes: raw_bytes, sum: 0, cuts };
        let head = head::write(key, kept, stored, stamp)?;
        self.counters.stored(raw_bytes, raw_bytes, false);
        Ok(Encoded { head, body: Bytes::new(), chunks: Some(chunks.clone()), raw_bytes, dictionary: None })
    }

    /// What a record says of its entry: only the bytes of its head are needed.
    ///
    /// # Errors
    /// [`CodecError`]; [`CodecError::Truncated`] says how many bytes are needed.
    pub fn facts(&self, record: &[u8]) -> Result<Facts, CodecError> {
        let facts = head::read(record)?;
        self.bounded(facts.raw_bytes)?;
        Ok(facts)
    }

    /// The entry of a record, byte for byte what was put in: the stored bytes have their checksum, and what was decompressed
    /// its SHA-256.
    ///
    /// # Errors
    /// [`CodecError`]. With [`CodecError::UnknownDictionary`] it can be tried again after [`Codec::learn`].
    pub fn decode(&self, record: Bytes) -> Result<Decoded, CodecError> {
        let facts = self.facts(&record)?;
        if facts.record_bytes() != record.len() as u64 {
            let cut = facts.record_bytes() > record.len() as u64;
            let longer = CodecError::Damaged("there is more than the record");
            return Err(if cut { CodecError::Truncated { needs: facts.record_bytes() } } else { longer });
        }
        let body = record.slice(facts.head_bytes..);
        self.decode_body(facts, body)
    }

    /// The same for a head that was read before, with the bytes behind it.
    ///
    /// # Errors
    /// As [`Codec::decode`].
    pub fn decode_body(&self, facts: Facts, body: Bytes) -> Result<Decoded, CodecError> {
        if body.len() as u64 != facts.stored_bytes {
            return Err(CodecError::Damaged("the value is not as long as it was"));
        }
        let mut facts = match Gathering::of(facts) {
            Ok(pieces) => return gathered(pieces, &body),
            Err(facts) => facts,
        };
        if xxh3_64(&body) != facts.stored_sum {
            return Err(CodecError::Damaged("the value does not have its checksum"));
        }
        let value = self.unpack(&mut facts, body)?;
        let (key, stamp) = (facts.key.clone(), facts.stamp.clone());
        Ok(Decoded { key, kept: facts.kept(Payload::Value(value)), stamp })
    }

    /// As [`Codec::decode`], with a dictionary that is not known here from where it lies.
    ///
    /// # Errors
    /// As [`Codec::decode`]. When the dictionary cannot be got at either, it stays unknown: there is no entry.
    pub async fn decode_from(&self, record: Bytes, store: &dyn DictionaryStore) -> Result<Decoded, CodecError> {
        match self.decode(record.clone()) {
            Err(CodecError::UnknownDictionary(id)) => match store.load(id).await {
                Ok(Some(dictionary)) if self.learn(&dictionary) == Some(id) => self.decode(record),
                _ => Err(CodecError::UnknownDictionary(id)),
            },
            decoded => decoded,
        }
    }

    /// Takes a dictionary to read with; its number. `None` for what is none.
    pub fn learn(&self, dictionary: &[u8]) -> Option<u64> {
        self.dictionaries.learn(dictionary)
    }

    /// Takes a dictionary to compress a namespace's small values with from now on; false for what is none. Records that
    /// need it are written at once: it must be stored.
    pub fn adopt(&self, namespace: &Arc<str>, dictionary: &[u8]) -> bool {
        self.dictionaries.adopt(namespace, dictionary)
    }

    /// The dictionaries that values are compressed with now, with their namespaces.
    #[must_use]
    pub fn in_use(&self) -> Vec<(Arc<str>, Bytes)> {
        self.dictionaries.in_use()
    }

    /// Trains dictionaries when they are due, stores them and takes them. Never ends by itself. Where one cannot be stored,
    /// values are compressed without.
    pub async fn keep_trained(&self, store: Arc<dyn DictionaryStore>) {
        loop {
            self.training.notified().await;
            while let Some(due) = self.next_due() {
                self.train(due, &*store).await;
            }
        }
    }

    /// Bytes of memory that dictionaries and samples take.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.dictionaries.memory_bytes()
    }

    /// What compressing came to.
    #[must_use]
    pub fn state(&self) -> CodecState {
        self.counters.state()
    }

    fn bounded(&self, bytes: u64) -> Result<(), CodecError> {
        let bytes_max = self.options.value_bytes_max;
        if bytes > bytes_max { Err(CodecError::TooLarge { bytes, bytes_max }) } else { Ok(()) }
    }

    fn next_due(&self) -> Option<Due> {
        self.due.lock().pop_front()
    }

    async fn train(&self, due: Due, store: &dyn DictionaryStore) {
        let Due { namespace, samples } = due;
        // Another process, or this one before it was started again, may have trained one: it saves the time, and a store
        // full of dictionaries that say the same.
        let has_one = self.dictionaries.namespace(&namespace).is_some_and(|namespace| namespace.current().is_some());
        if !has_one
            && let Ok(Some(dictionary)) = store.current(&namespace).await
            && self.adopt(&namespace, &dictionary)
        {
            return;
        }
        let level = self.options.level;
        let trained = tokio::task::spawn_blocking(move || training::train(&samples, level)).await;
        if let Ok(Some(dictionary)) = trained {
            let dictionary = Bytes::from(dictionary);
            let saved = store.save(&namespace, dictionary_id(&dictionary), dictionary.clone()).await;
            if saved.is_ok() && self.adopt(&namespace, &dictionary) {
                return;
            }
        }
        if let Some(namespace) = self.dictionaries.namespace(&namespace) {
            *namespace.sampling.lock() = Sampling::resting();
        }
    }

    fn pack(&self, key: &Key, kept: &Kept, value: Bytes) -> (Bytes, Form) {
        let bytes = value.len() as u64;
        let small = self.options.dictionaries && bytes <= DICTIONARY_VALUE_BYTES_MAX as u64;
        let from = if small { self.options.bytes_min.min(DICTIONARY_FROM_BYTES) } else { self.options.bytes_min };
        if bytes < from {
            return (value, Form::Plain);
        }
        let begin = self.clock.now();
        let packed = if small { self.pack_small(key, kept, &value) } else { self.pack_alone(kept, &value) };
        self.counters.compressing(self.clock.now().since(begin));
        packed.map_or((value, Form::Plain), |(packed, form)| (packed, form))
    }

    fn pack_alone(&self, kept: &Kept, value: &[u8]) -> Option<(Bytes, Form)> {
        if (value.len() as u64) < self.options.bytes_min {
            return None;
        }
        let mut packed = self.packer.pack(value, said(kept))?;
        packed.shrink_to_fit();
        Some((packed.into(), Form::Zstd))
    }

    fn pack_small(&self, key: &Key, kept: &Kept, value: &Bytes) -> Option<(Bytes, Form)> {
        if refusal::is_compressed(said(kept), value) {
            return None;
        }
        let Some(namespace) = self.dictionaries.namespace(key.namespace()) else {
            return self.pack_alone(kept, value);
        };
        let packed = match namespace.current() {
            Some(encoder) => self.pack_with(value, &encoder),
            None => self.pack_alone(kept, value),
        };
        let stored = packed.as_ref().map_or(value.len(), |(packed, _)| packed.len());
        // Never waits: whoever holds it notes its own value, and one of many is missed.
        let samples = namespace.sampling.try_lock().and_then(|mut sampling| sampling.note(value, stored as u64));
        if let Some(samples) = samples {
            self.is_due(Due { namespace: key.namespace().clone(), samples }, &namespace.sampling);
        }
        packed
    }

    fn pack_with(&self, value: &[u8], encoder: &Encoder) -> Option<(Bytes, Form)> {
        let mut packed = self.packer.pack_with(value, &encoder.dictionary)?;
        packed.shrink_to_fit();
        Some((packed.into(), Form::ZstdWith(encoder.id)))
    }

    fn is_due(&self, due: Due, sampling: &Mutex<Sampling>) {
        let mut waiting = self.due.lock();
        if waiting.len() < DUE_MAX {
            waiting.push_back(due);
            self.training.notify_one();
        } else {
            drop(waiting);
            *sampling.lock() = Sampling::resting();
        }
    }

    fn unpack(&self, facts: &mut Facts, body: Bytes) -> Result<Bytes, CodecError> {
        let decoder = match facts.form {
            Form::Plain | Form::Chunks => return Ok(body),
            Form::Zstd => None,
            Form::ZstdWith(id) => Some(self.dictionaries.decoder(id).ok_or(CodecError::UnknownDictionary(id))?),
        };
        let too_large = CodecError::TooLarge { bytes: facts.raw_bytes, bytes_max: self.options.value_bytes_max };
        let raw_bytes = usize::try_from(facts.raw_bytes).ok().ok_or(too_large)?;
        let begin = self.clock.now();
        let value = self.packer.unpack(&body, raw_bytes, decoder.as_deref());
        self.counters.decompressing(self.clock.now().since(begin));
        let value = value?;
        let digest = digest_of_value(&value);
        // Earlier versions identified large values by their SHA-256 as well.
        if digest != facts.digest && Sha256::digest(&value)[..] != facts.digest {
            return Err(CodecError::Damaged("the value does not have its digest"));
        }
        facts.digest = digest;
        Ok(value)
    }
}

/// The entry of a value that is there in one piece, in the pieces it came in.
fn gathered(mut pieces: Gathering, body: &Bytes) -> Result<Decoded, CodecError> {
    let mut at = 0;
    while let Some(bytes) = pieces.next_bytes() {
        let piece = body.get(at..at + bytes).ok_or(CodecError::Damaged("the value ends within a chunk"))?;
        // In memory of its own: else each would keep all of it.
        pieces.push(Bytes::copy_from_slice(piece))?;
        at += bytes;
    }
    pieces.finish()
}

fn said(kept: &Kept) -> Said<'_> {
    Said { content_type: &kept.description.content_type, encoding: &kept.description.encoding }
}
