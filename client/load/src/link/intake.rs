//! Takes in the messages of a ReadValue as their frames come: the bytes of a chunk are looked at where they lie and never put
//! together. Checked against the generated types in the tests.

use bytes::{Buf, Bytes, BytesMut};
use hotplate_proto::v1::{self, read_value_response::Message as Part};
use prost::Message;

use crate::link::{Fault, codec::PREFIX};

/// A message up to this size is put together and read by the generated types.
const WHOLE_MAX: usize = 4_096;
/// What comes before a chunk's bytes has fewer than this many: two tags with a length, a tag with a number, one with four bytes.
const HEAD: usize = 64;
/// `ReadValueResponse.chunk`.
const CHUNK: u8 = 2 << 3 | 2;

/// What has come.
#[derive(Debug, PartialEq)]
pub(crate) enum Came {
    /// A message that is no chunk, or a small one.
    Part(Box<Part>),
    /// A chunk begins: where in the value, how long, and its checksum.
    Chunk { offset: u64, length: usize, crc32c: u32 },
    /// Some of the chunk's bytes.
    Bytes(Bytes),
}

/// What is still to be taken of a stream.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    frame: Bytes,
    /// The beginning of the next message.
    head: BytesMut,
    /// The first bytes of the chunk, where they were gathered with what comes before them.
    first: Bytes,
    /// Bytes of the chunk that have not been taken yet.
    left: usize,
}

impl Intake {
    /// Adds a frame; the one before must have been taken in whole.
    pub(crate) fn add(&mut self, frame: Bytes) {
        self.frame = frame;
    }

    /// What comes next; none: another frame is needed.
    pub(crate) fn next(&mut self) -> Result<Option<Came>, Fault> {
        if self.left > 0 {
            let from = if self.first.is_empty() { &mut self.frame } else { &mut self.first };
            if from.is_empty() {
                return Ok(None);
            }
            let bytes = from.split_to(self.left.min(from.len()));
            self.left -= bytes.len();
            return Ok(Some(Came::Bytes(bytes)));
        }
        if !self.gather(PREFIX) {
            return Ok(None);
        }
        let prefix = [self.head[1], self.head[2], self.head[3], self.head[4]];
        let length = u32::from_be_bytes(prefix) as usize;
        if self.head[0] != 0 {
            return Err(Fault::said("MALFORMED"));
        }
        let whole = length <= WHOLE_MAX;
        if !self.gather(if whole { PREFIX + length } else { HEAD }) {
            return Ok(None);
        }
        if whole {
            let mut message = std::mem::take(&mut self.head);
            message.advance(PREFIX);
            let message = v1::ReadValueResponse::decode(message).ok().and_then(|message| message.message);
            return message.map(|part| Some(Came::Part(Box::new(part)))).ok_or(Fault::said("MALFORMED"));
        }
        self.chunk(length).map(Some).ok_or(Fault::said("MALFORMED"))
    }

    /// Whether the head has so many bytes, as far as there are any.
    fn gather(&mut self, count: usize) -> bool {
        let missing = count.saturating_sub(self.head.len()).min(self.frame.len());
        self.head.extend_from_slice(&self.frame.split_to(missing));
        self.head.len() >= count
    }

    /// Reads what comes before the bytes of a large chunk. What was gathered beyond it is the first of them.
    fn chunk(&mut self, length: usize) -> Option<Came> {
        let head = std::mem::take(&mut self.head).freeze();
        let message = &head[PREFIX..];
        let (tag, mut rest) = message.split_first()?;
        let inner = number(&mut rest)?;
        if *tag != CHUNK || inner + (message.len() - rest.len()) != length {
            return None;
        }
        let before = rest.len();
        let (mut offset, mut crc32c) = (0, 0);
        let size = loop {
            let (tag, mut after) = rest.split_first()?;
            match tag >> 3 {
                3 => {
                    let size = number(&mut after)?;
                    rest = after;
                    break size;
                }
                2 => {
                    let (fixed, behind) = after.split_first_chunk::<4>()?;
                    crc32c = u32::from_le_bytes(*fixed);
                    rest = behind;
                }
                1 => {
                    offset = number(&mut after)? as u64;
                    rest = after;
                }
                _ => return None,
            }
        };
        // The bytes come last, as the server writes it.
        if before - rest.len() + size != inner {
            return None;
        }
        self.first = head.slice(head.len() - rest.len()..);
        self.left = size;
        Some(Came::Chunk { offset, length: size, crc32c })
    }
}

fn number(bytes: &mut &[u8]) -> Option<usize> {
    let mut number = 0_u64;
    for (at, byte) in bytes.iter().take(10).enumerate() {
        number |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            *bytes = &bytes[at + 1..];
            return usize::try_from(number).ok();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use bytes::BufMut;

    use super::*;
    use crate::link::codec::frame;

    fn chunk(offset: u64, data: Vec<u8>) -> Part {
        Part::Chunk(v1::ValueChunk { offset, crc32c: crc32c::crc32c(&data), data: data.into() })
    }

    fn parts() -> Vec<Part> {
        let header = v1::ReadValueHeader { version: "v".into(), size_bytes: 9_000, ..Default::default() };
        let trailer = v1::ReadValueTrailer { size_bytes: 9_000, etag: "e".into(), ..Default::default() };
        let large: Vec<u8> = (0..8_000_u32).map(|at| (at % 251) as u8).collect();
        vec![
            Part::Header(header),
            chunk(0, vec![1; 10]),
            chunk(10, large.clone()),
            chunk(8_010, vec![7; 990]),
            chunk(1 << 40, large),
            Part::Trailer(trailer),
        ]
    }

    #[test]
    fn messages_are_the_same_however_the_stream_is_cut() {
        let mut stream = BytesMut::new();
        for part in parts() {
            frame(&v1::ReadValueResponse { message: Some(part) }, &mut stream);
        }
        let stream = stream.freeze();
        for step in [1, 2, 3, 7, 63, 64, 65, 500, 4_096, 100_000] {
            assert_eq!(taken(&stream, step), parts(), "in pieces of {step}");
        }
    }

    fn taken(stream: &[u8], step: usize) -> Vec<Part> {
        let (mut intake, mut seen) = (Intake::default(), Seen::default());
        for cut in stream.chunks(step) {
            intake.add(Bytes::copy_from_slice(cut));
            while let Some(next) = intake.next().expect("sound") {
                seen.take(next);
            }
        }
        seen.parts
    }

    /// What came, put together again.
    #[derive(Default)]
    struct Seen {
        parts: Vec<Part>,
        chunk: Option<(v1::ValueChunk, usize)>,
        data: BytesMut,
    }

    impl Seen {
        fn take(&mut self, came: Came) {
            match came {
                Came::Part(part) => self.parts.push(*part),
                Came::Chunk { offset, length, crc32c } => {
                    self.chunk = Some((v1::ValueChunk { offset, crc32c, data: Bytes::new() }, length));
                }
                Came::Bytes(bytes) => self.data.put(bytes),
            }
            if let Some((chunk, _)) = self.chunk.take_if(|(_, length)| *length == self.data.len()) {
                let data = self.data.split().freeze();
                self.parts.push(Part::Chunk(v1::ValueChunk { data, ..chunk }));
            }
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for wrong in [&[1, 0, 0, 0, 0][..], &[0, 0, 0, 0, 1, 0xff], &[&[0, 0, 1, 0, 0][..], &[9; 64]].concat()] {
            let mut intake = Intake::default();
            intake.add(Bytes::copy_from_slice(wrong));
            assert_eq!(intake.next(), Err(Fault::said("MALFORMED")));
        }
    }
}
