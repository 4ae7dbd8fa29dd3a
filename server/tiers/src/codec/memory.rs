//! Values held smaller in this process's memory: each by itself, without a head, since all else is known there, and without
//! a dictionary, which would have to stay for as long as one value needs it.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use hotplate_engine::{
    clock::Clock,
    compress::{CodecState, Compress, Said},
};

use super::{BYTES_MIN, CodecOptions, LEVELS, counters::Counters, pack::Packer};

/// Holds values smaller in memory.
pub struct MemoryCodec {
    packer: Packer,
    bytes_min: u64,
    counters: Counters,
    clock: Clock,
}

impl MemoryCodec {
    /// As these options say, as far as they concern single values. The clock measures what it takes.
    #[must_use]
    pub fn new(options: CodecOptions, clock: Clock) -> Arc<Self> {
        let level = options.level.clamp(*LEVELS.start(), *LEVELS.end());
        let packer = Packer::new(level, options.ratio_max);
        Arc::new(Self { packer, bytes_min: options.bytes_min.max(BYTES_MIN), counters: Counters::default(), clock })
    }
}

impl Compress for MemoryCodec {
    fn compress(&self, value: &[u8], said: Said<'_>) -> Option<Bytes> {
        let raw_bytes = value.len() as u64;
        let packed = if raw_bytes < self.bytes_min {
            None
        } else {
            let begin = self.clock.now();
            let packed = self.packer.pack(value, said);
            self.counters.compressing(self.clock.now().since(begin));
            packed
        };
        let stored = packed.as_ref().map_or(value.len(), Vec::len) as u64;
        self.counters.stored(raw_bytes, stored, packed.is_some());
        packed.map(|packed| Bytes::from(packed.into_boxed_slice()))
    }

    fn decompress(&self, compressed: &[u8], raw_bytes: u64) -> Option<Bytes> {
        let begin = self.clock.now();
        let value = self.packer.unpack(compressed, usize::try_from(raw_bytes).ok()?, None);
        self.counters.decompressing(self.clock.now().since(begin));
        value.ok()
    }

    fn state(&self) -> CodecState {
        self.counters.state()
    }
}

impl fmt::Debug for MemoryCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryCodec").field("bytes_min", &self.bytes_min).finish_non_exhaustive()
    }
}
