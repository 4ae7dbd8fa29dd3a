//! The port to what holds values in memory smaller than they are. How they become so, and which are worth it, is not known
//! here.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;

/// What compressing came to since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CodecState {
    /// Bytes of values that came in.
    pub raw_bytes: u64,
    /// Bytes they were stored as.
    pub stored_bytes: u64,
    /// Values stored compressed.
    pub compressed: u64,
    /// Values stored as they came: too small, of a compressed media type, or not smaller when tried.
    pub plain: u64,
    /// Time spent compressing.
    pub compressing: Duration,
    /// Time spent decompressing.
    pub decompressing: Duration,
}

/// What is said of a value that tells whether it is compressed already.
#[derive(Clone, Copy, Debug, Default)]
pub struct Said<'a> {
    /// Media type; empty for none.
    pub content_type: &'a str,
    /// Encoding on top of it; empty for none.
    pub encoding: &'a str,
}

/// Makes values smaller and large again. Never waits, and is not called with anything locked.
pub trait Compress: fmt::Debug + Send + Sync + 'static {
    /// The value smaller, in memory of exactly that size; `None` when that is not worth it.
    fn compress(&self, value: &[u8], said: Said<'_>) -> Option<Bytes>;

    /// The value of so many bytes again; `None` when these bytes are not what came of it.
    fn decompress(&self, compressed: &[u8], raw_bytes: u64) -> Option<Bytes>;

    /// What it came to.
    fn state(&self) -> CodecState;
}

/// A value held smaller than it is.
#[derive(Clone, Debug)]
pub struct Compressed {
    bytes: Bytes,
    raw_bytes: u64,
    by: Arc<dyn Compress>,
}

impl Compressed {
    /// The value held smaller, when that is worth it.
    #[must_use]
    pub fn new(by: &Arc<dyn Compress>, value: &[u8], said: Said<'_>) -> Option<Self> {
        let bytes = by.compress(value, said)?;
        Some(Self { bytes, raw_bytes: value.len() as u64, by: by.clone() })
    }

    /// The value; `None` when what is held is not what came of it.
    #[must_use]
    pub fn value(&self) -> Option<Bytes> {
        self.by.decompress(&self.bytes, self.raw_bytes)
    }

    /// What is held.
    #[must_use]
    pub fn held(&self) -> &Bytes {
        &self.bytes
    }

    /// Bytes of the value.
    #[must_use]
    pub fn raw_bytes(&self) -> u64 {
        self.raw_bytes
    }
}

impl PartialEq for Compressed {
    fn eq(&self, other: &Self) -> bool {
        self.raw_bytes == other.raw_bytes && self.bytes == other.bytes
    }
}

impl Eq for Compressed {}
