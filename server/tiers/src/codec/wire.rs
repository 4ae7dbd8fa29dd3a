//! Numbers and texts as bytes: little endian, texts behind their length. Reads nothing that is not there, and allocates no
//! more than what it was given.

use std::{sync::Arc, time::Duration};

use super::CodecError;

/// Writes into memory.
#[derive(Debug, Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
    /// Set when something was longer than its length can say.
    too_long: bool,
}

impl Writer {
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn u8(&mut self, number: u8) {
        self.bytes.push(number);
    }

    pub(super) fn u32(&mut self, number: u32) {
        self.raw(&number.to_le_bytes());
    }

    pub(super) fn u64(&mut self, number: u64) {
        self.raw(&number.to_le_bytes());
    }

    /// Nanoseconds; far futures are the last moment that can be written.
    pub(super) fn time(&mut self, time: Duration) {
        self.u64(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// A count of what follows, or the length of a text.
    pub(super) fn count(&mut self, count: usize) {
        let short = u16::try_from(count).unwrap_or_else(|_| {
            self.too_long = true;
            0
        });
        self.raw(&short.to_le_bytes());
    }

    pub(super) fn text(&mut self, text: &str) {
        self.count(text.len());
        self.raw(text.as_bytes());
    }

    pub(super) fn texts<'a>(&mut self, texts: impl ExactSizeIterator<Item = &'a Arc<str>>) {
        self.count(texts.len());
        texts.for_each(|text| self.text(text));
    }

    /// Overwrites four bytes that were written before.
    pub(super) fn patch(&mut self, at: usize, number: u32) {
        self.bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
    }

    pub(super) fn written(&self) -> &[u8] {
        &self.bytes
    }

    /// What was written; `None` when something was longer than its length can say.
    pub(super) fn end(self) -> Option<Vec<u8>> {
        (!self.too_long).then_some(self.bytes)
    }
}

/// Reads from what somebody else wrote.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

const ENDS_EARLY: CodecError = CodecError::Damaged("the head ends in the middle of a field");

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn raw(&mut self, length: usize) -> Result<&'a [u8], CodecError> {
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(ENDS_EARLY)?;
        self.rest = rest;
        Ok(bytes)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>().ok_or(ENDS_EARLY)?;
        self.rest = rest;
        Ok(*bytes)
    }

    pub(super) fn u8(&mut self) -> Result<u8, CodecError> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32, CodecError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, CodecError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// Nanoseconds.
    pub(super) fn time(&mut self) -> Result<Duration, CodecError> {
        self.u64().map(Duration::from_nanos)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, CodecError> {
        let length = self.count()?;
        str::from_utf8(self.raw(length)?).ok().ok_or(CodecError::Damaged("a text is not UTF-8"))
    }

    /// Texts behind their count. Each takes two bytes at least, so what is left bounds what is allocated.
    pub(super) fn texts(&mut self) -> Result<Vec<Arc<str>>, CodecError> {
        let count = self.count_of(2)?;
        let mut texts = Vec::with_capacity(count);
        for _ in 0..count {
            texts.push(Arc::from(self.text()?));
        }
        Ok(texts)
    }

    /// A count of things that take so many bytes each at least.
    pub(super) fn count_of(&mut self, bytes_each: usize) -> Result<usize, CodecError> {
        let count = self.count()?;
        if count * bytes_each > self.rest.len() {
            return Err(ENDS_EARLY);
        }
        Ok(count)
    }

    fn count(&mut self) -> Result<usize, CodecError> {
        Ok(usize::from(u16::from_le_bytes(self.array()?)))
    }

    /// Fails when something is left.
    pub(super) fn end(self) -> Result<(), CodecError> {
        if self.rest.is_empty() { Ok(()) } else { Err(CodecError::Damaged("the head is longer than its fields")) }
    }
}
