//! Writes the wire form of messages from their end to their beginning: the length of what is inside is known when it is due, so
//! that nothing is measured first and nothing is copied twice. Which messages there are is not known here.

use bytes::Bytes;
use prost::Message;

use super::{
    prefix::{PREFIX_BYTES, Prefix},
    reply::Framed,
};

/// Bytes of the longest variable-length number.
const VARINT_BYTES_MAX: usize = 10;
/// Numbers of fields written here are below 16: their tags take one byte. Those above have a tag of two.
const ONE_BYTE_FIELDS: u32 = 16;
const VARINT: u32 = 0;
const LENGTH_DELIMITED: u32 = 2;

/// A message that is being written, its end first.
#[derive(Debug)]
pub(crate) struct Backward {
    buffer: Vec<u8>,
    /// Where what is written begins.
    start: usize,
    /// A value that is not copied, and how many bytes come after it.
    middle: Option<(Bytes, usize)>,
}

/// How much was written at some time: where what is written next ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark(usize);

impl Backward {
    /// Nothing yet, with room for so many bytes.
    pub(crate) fn with_room(bytes: usize) -> Self {
        Self { buffer: vec![0; bytes], start: bytes, middle: None }
    }

    /// Bytes written so far.
    pub(crate) fn length(&self) -> usize {
        self.buffer.len() - self.start + self.middle.as_ref().map_or(0, |(middle, _)| middle.len())
    }

    /// Bytes of the buffer that was made for it, and of what it shares.
    pub(crate) fn held_bytes(&self) -> usize {
        self.buffer.len() + self.middle.as_ref().map_or(0, |(middle, _)| middle.len())
    }

    /// Those of its bytes that were copied.
    pub(crate) fn copied_bytes(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// The end of a message that is written next.
    pub(crate) fn mark(&self) -> Mark {
        Mark(self.length())
    }

    /// Begins, in front of what was written since the mark, the message that this is, as a field.
    pub(crate) fn message(&mut self, field: u32, end: Mark) {
        self.tagged((field, LENGTH_DELIMITED), (self.length() - end.0) as u64);
    }

    /// A number; zero is left out.
    pub(crate) fn number(&mut self, field: u32, number: u64) {
        if number != 0 {
            self.tagged((field, VARINT), number);
        }
    }

    /// A number, or a length, with the tag of its field in front. Nearly all are of one byte each.
    #[inline]
    fn tagged(&mut self, (field, kind): (u32, u32), number: u64) {
        if field < ONE_BYTE_FIELDS && number < 0x80 {
            // Both below 128, which fit.
            let two = [(field << 3 | kind).to_le_bytes()[0], number.to_le_bytes()[0]];
            self.place(2).copy_from_slice(&two);
        } else {
            self.varint(number);
            self.tag(field, kind);
        }
    }

    /// Bytes or text; nothing is left out.
    pub(crate) fn bytes(&mut self, field: u32, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.present_bytes(field, bytes);
        }
    }

    /// Bytes or text that are there although they are empty.
    pub(crate) fn present_bytes(&mut self, field: u32, bytes: &[u8]) {
        self.raw(bytes);
        self.tagged((field, LENGTH_DELIMITED), bytes.len() as u64);
    }

    /// A message as prost writes it, as a field.
    pub(crate) fn written(&mut self, field: u32, message: &impl Message) {
        let length = message.encoded_len();
        let mut place = self.place(length);
        message.encode_raw(&mut place);
        self.varint(length as u64);
        self.tag(field, LENGTH_DELIMITED);
    }

    /// Whether there is a value in it that is sent as it lies.
    pub(crate) fn shares(&self) -> bool {
        self.middle.is_some()
    }

    /// Bytes that are sent as they lie. At most one such field is in a message; any further one is copied.
    pub(crate) fn shared_bytes(&mut self, field: u32, bytes: Bytes) {
        if self.middle.is_some() {
            return self.present_bytes(field, &bytes);
        }
        let (length, after) = (bytes.len(), self.buffer.len() - self.start);
        self.middle = Some((bytes, after));
        self.varint(length as u64);
        self.tag(field, LENGTH_DELIMITED);
    }

    /// The message with its prefix; `None`: it is longer than any may be.
    pub(crate) fn framed(mut self) -> Option<Framed> {
        let prefix = Prefix::write(self.length())?;
        self.raw(&prefix);
        let (middle, start) = (self.middle.take(), self.start);
        let whole = Bytes::from(self.buffer);
        Some(match middle {
            None => Framed::whole(whole.slice(start..)),
            Some((middle, after)) => {
                let split = whole.len() - after;
                Framed::around(whole.slice(start..split), middle, whole.slice(split..))
            }
        })
    }

    fn tag(&mut self, field: u32, kind: u32) {
        let tag = field << 3 | kind;
        if field < ONE_BYTE_FIELDS {
            // Below 128, which fits.
            self.raw(&[tag.to_le_bytes()[0]]);
        } else {
            self.varint(u64::from(tag));
        }
    }

    fn varint(&mut self, mut number: u64) {
        if number < 0x80 {
            return self.raw(&[number.to_le_bytes()[0]]);
        }
        // Seven bits to a byte, and one byte for none.
        let length = (u64::BITS - (number | 1).leading_zeros()).div_ceil(7) as usize;
        let place = self.place(length);
        for byte in &mut *place {
            *byte = number.to_le_bytes()[0] | 0x80;
            number >>= 7;
        }
        if let Some(last) = place.last_mut() {
            *last &= 0x7f;
        }
    }

    fn raw(&mut self, bytes: &[u8]) {
        self.place(bytes.len()).copy_from_slice(bytes);
    }

    /// Room for so many bytes in front of what was written.
    #[inline]
    fn place(&mut self, bytes: usize) -> &mut [u8] {
        if self.start < bytes {
            self.grow(bytes);
        }
        let end = self.start;
        self.start -= bytes;
        &mut self.buffer[self.start..end]
    }

    /// Makes room in front: at least twice of what there was.
    #[cold]
    fn grow(&mut self, bytes: usize) {
        let more = self.buffer.len().max(bytes).max(PREFIX_BYTES + VARINT_BYTES_MAX);
        let mut larger = vec![0; self.buffer.len() + more];
        larger[more + self.start..].copy_from_slice(&self.buffer[self.start..]);
        self.start += more;
        self.buffer = larger;
    }
}

#[cfg(test)]
mod tests {
    use bytes::Buf;
    use hotplate_proto::v1;

    use super::*;

    fn written(write: impl FnOnce(&mut Backward)) -> Vec<u8> {
        let mut backward = Backward::with_room(0);
        write(&mut backward);
        let mut framed = backward.framed().unwrap();
        let whole = framed.copy_to_bytes(framed.remaining());
        assert_eq!(Prefix::read(&whole), Some(Prefix { flag: 0, length: whole.len() - PREFIX_BYTES }));
        whole[PREFIX_BYTES..].to_vec()
    }

    #[test]
    fn what_is_written_backwards_is_what_prost_writes() {
        for (log, number) in [(0, 0), (1, 127), (64, 128), (300, u64::MAX)] {
            let place = v1::LogPosition { log, epoch: number / 3, number };
            let expected = v1::Position { logs: vec![place, v1::LogPosition::default(), place] }.encode_to_vec();
            let place = |backward: &mut Backward| {
                let end = backward.mark();
                backward.number(3, number);
                backward.number(2, number / 3);
                backward.number(1, u64::from(log));
                backward.message(1, end);
            };
            let bytes = written(|backward| {
                place(backward);
                let end = backward.mark();
                backward.message(1, end);
                place(backward);
            });
            assert_eq!(bytes, expected);
        }
    }

    #[test]
    fn shared_bytes_lie_where_they_belong() {
        let value = Bytes::from(vec![9; 70_000]);
        let entry = v1::Entry {
            key: "k".to_owned(),
            payload: Some(v1::entry::Payload::Value(value.clone())),
            metadata: Some(v1::EntryMetadata {
                etag: "e".to_owned(),
                depends_on: vec!["a".repeat(200)],
                ..Default::default()
            }),
        };
        let bytes = written(|backward| {
            let end = backward.mark();
            backward.bytes(20, "a".repeat(200).as_bytes());
            backward.bytes(1, b"e");
            backward.message(4, end);
            backward.shared_bytes(2, value);
            backward.bytes(1, b"k");
        });
        assert_eq!(bytes, entry.encode_to_vec());
    }
}
