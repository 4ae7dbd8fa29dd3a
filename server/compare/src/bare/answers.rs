//! What a bare server answers, made once when it starts: values of the wanted size, and the chunks of a large one. There are
//! as many of them, each in memory of its own, as a cache has that is compared with it: what is sent again and again would
//! come from the processor's own memory, which no cache can.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::{BufMut, Bytes, BytesMut};
use hotplate_proto::v1::{
    self, Entry, GetOutcome, GetResponse, PutOutcome, PutResponse, ReadValueHeader, ReadValueResponse,
    ReadValueTrailer, ValueChunk, entry::Payload, read_value_response::Message,
};
use prost::{Message as _, encoding};

use crate::crc32c::{Zeros, crc32c, repeated};

/// Bytes of a message's prefix in a gRPC body: whether it is compressed, and its length.
pub(super) const PREFIX: usize = 5;
/// From this size on a value is worth a frame of its own.
const OWN_FRAME: usize = 16 << 10;
/// The field `data` of a ValueChunk and the field `chunk` of a ReadValueResponse.
const DATA_FIELD: u32 = 3;
const CHUNK_FIELD: u32 = 2;

/// How large the answers are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// Bytes of the value that a Get finds.
    pub(super) value: usize,
    /// How many such values there are.
    pub(super) values: usize,
    /// Bytes of the whole encoded answer of a Get: what is missing is made up with a longer key.
    pub(super) message: Option<usize>,
    /// Bytes of the value that a ReadValue reads.
    pub(super) blob: usize,
    /// Bytes of each of its chunks.
    pub(super) chunk: usize,
}

/// One answer of a Get.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) get: GetResponse,
    /// The same as the frames of a body: the message's prefix and head, then the value where it is large.
    pub(super) frames: Vec<Bytes>,
}

/// The answers.
#[derive(Debug)]
pub(super) struct Answers {
    /// At least one.
    found: Vec<Found>,
    /// How many were given.
    given: AtomicUsize,
    /// All of the same bytes, and of the same length but the last.
    chunks: Vec<Bytes>,
    /// Of all chunks but the last.
    chunk_crc32c: u32,
    blob: usize,
    blob_crc32c: u32,
}

/// From one answer to the next: far enough that no processor sees it coming. A prime, so that all have their turn.
const STEP: usize = 7_919;

impl Answers {
    pub(super) fn new(sizes: Sizes) -> Self {
        let get = fitting(sizes.value, sizes.message.unwrap_or_default());
        let found = (0..sizes.values.max(1)).map(|_| Found { frames: framed(&get), get: apart(&get) }).collect();
        let chunk = filler(sizes.chunk.clamp(1, sizes.blob.max(1)));
        let (chunk_crc32c, rest) = (crc32c(&chunk), &chunk[..sizes.blob % chunk.len()]);
        let whole = repeated(chunk_crc32c, chunk.len(), sizes.blob / chunk.len());
        let blob_crc32c = Zeros::new(rest.len()).after(whole) ^ crc32c(rest);
        let lengths = (0..sizes.blob).step_by(chunk.len()).map(|offset| chunk.len().min(sizes.blob - offset));
        let chunks = lengths.map(|length| Bytes::copy_from_slice(&chunk[..length])).collect();
        Self { found, given: AtomicUsize::new(0), chunks, chunk_crc32c, blob: sizes.blob, blob_crc32c }
    }

    /// The answer whose turn it is.
    pub(super) fn found(&self) -> &Found {
        let turn = self.given.fetch_add(1, Ordering::Relaxed);
        &self.found[turn.wrapping_mul(STEP) % self.found.len()]
    }

    /// The messages of a ReadValue, one after the other.
    pub(super) fn read_value(self: Arc<Self>) -> impl Iterator<Item = ReadValueResponse> + Send + 'static {
        let found = GetResponse { entry: None, ..self.found().get.clone() };
        let size_bytes = self.blob as u64;
        let header = ReadValueHeader { found: Some(found), version: "bare".into(), size_bytes };
        let trailer = ReadValueTrailer { size_bytes, crc32c: self.blob_crc32c, ..ReadValueTrailer::default() };
        let said = |message| ReadValueResponse { message: Some(message) };
        let chunks = self.chunks().map(Message::Chunk);
        [Message::Header(header)].into_iter().chain(chunks).chain([Message::Trailer(trailer)]).map(said)
    }

    fn chunks(self: Arc<Self>) -> impl Iterator<Item = ValueChunk> + Send + 'static {
        let each = self.chunks.first().map_or(0, Bytes::len);
        (0..self.chunks.len()).map(move |number| {
            let data = self.chunks[number].clone();
            let crc32c = if data.len() == each { self.chunk_crc32c } else { crc32c(&data) };
            ValueChunk { offset: (number * each) as u64, crc32c, data }
        })
    }

    /// The same as the frames of a body: no byte of a chunk is copied.
    pub(super) fn read_value_frames(self: Arc<Self>) -> impl Iterator<Item = Bytes> + Send + 'static {
        self.read_value().flat_map(|response| match response.message {
            Some(Message::Chunk(chunk)) => vec![chunk_head(&chunk), chunk.data],
            _ => vec![frame(&response)],
        })
    }
}

/// The answer to a Put and, in a batch, to each of its items.
pub(super) fn stored() -> PutResponse {
    PutResponse { outcome: PutOutcome::Stored.into(), ..PutResponse::default() }
}

/// What this server says of itself: nothing is limited that a generator asks for.
pub(super) fn info() -> v1::GetServerInfoResponse {
    let limits = v1::ServerLimits {
        key_bytes_max: 1024,
        value_bytes_max: 4 << 30,
        batch_items_max: 1000,
        tags_max: 64,
        message_bytes_max: 4 << 20,
        unary_value_bytes_max: 3 << 20,
        chunk_bytes_max: 1 << 20,
        ..v1::ServerLimits::default()
    };
    v1::GetServerInfoResponse { version: "0.0.0".into(), limits: Some(limits), ..v1::GetServerInfoResponse::default() }
}

fn found(bytes: usize, key: usize) -> GetResponse {
    let payload = Some(Payload::Value(filler(bytes).into()));
    let entry = Some(Entry { key: "k".repeat(key), payload, ..Entry::default() });
    GetResponse { outcome: GetOutcome::Hit.into(), entry, ..GetResponse::default() }
}

/// The answer with this value that has so many bytes encoded, or, where no key makes it so, the next smaller one.
fn fitting(value: usize, message: usize) -> GetResponse {
    let missing = message.saturating_sub(found(value, 0).encoded_len());
    let fits = |key: &usize| found(value, *key).encoded_len() <= message;
    found(value, (0..=missing).rev().find(fits).unwrap_or_default())
}

/// The same answer, its value in memory of its own.
fn apart(get: &GetResponse) -> GetResponse {
    let mut own = get.clone();
    if let Some(Payload::Value(value)) = own.entry.as_mut().and_then(|entry| entry.payload.as_mut()) {
        *value = Bytes::copy_from_slice(value);
    }
    own
}

/// Bytes that look like any others.
fn filler(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| u8::try_from(at * 31 % 251).unwrap_or_default()).collect()
}

fn prefix(message: usize) -> BytesMut {
    let mut head = BytesMut::with_capacity(PREFIX + message);
    head.put_u8(0);
    head.put_u32(u32::try_from(message).unwrap_or(u32::MAX));
    head
}

/// A whole message in one frame.
fn frame(message: &impl prost::Message) -> Bytes {
    let mut frame = prefix(message.encoded_len());
    message.encode_raw(&mut frame);
    frame.freeze()
}

/// A Get's answer in memory of its own: the value is the last of it.
fn framed(get: &GetResponse) -> Vec<Bytes> {
    let whole = frame(get);
    match get.entry.as_ref().and_then(|entry| entry.payload.as_ref()) {
        Some(Payload::Value(value)) if value.len() >= OWN_FRAME => {
            let (head, value) = whole.split_at(whole.len() - value.len());
            vec![Bytes::copy_from_slice(head), Bytes::copy_from_slice(value)]
        }
        _ => vec![whole],
    }
}

/// All of a chunk's message that comes before its bytes.
fn chunk_head(chunk: &ValueChunk) -> Bytes {
    let mut inner = BytesMut::new();
    let place = ValueChunk { data: Bytes::new(), ..chunk.clone() };
    place.encode_raw(&mut inner);
    encoding::encode_key(DATA_FIELD, encoding::WireType::LengthDelimited, &mut inner);
    encoding::encode_varint(chunk.data.len() as u64, &mut inner);
    let length = inner.len() + chunk.data.len();
    let mut outer = BytesMut::new();
    encoding::encode_key(CHUNK_FIELD, encoding::WireType::LengthDelimited, &mut outer);
    encoding::encode_varint(length as u64, &mut outer);
    let mut head = prefix(0);
    head.clear();
    head.put_u8(0);
    head.put_u32(u32::try_from(outer.len() + length).unwrap_or(u32::MAX));
    head.extend_from_slice(&outer);
    head.extend_from_slice(&inner);
    head.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(value: usize, blob: usize, chunk: usize) -> Arc<Answers> {
        Arc::new(Answers::new(Sizes { value, values: 3, message: None, blob, chunk }))
    }

    #[test]
    fn answers_take_turns_and_lie_apart() {
        let answers = answers(100, 3 << 10, 1 << 10);
        let place = |found: &Found| (found.frames[0].as_ptr(), found.get.clone());
        let three: Vec<_> = (0..3).map(|_| place(answers.found())).collect();
        assert_eq!(place(answers.found()), three[0]);
        for (one, other) in [(0, 1), (1, 2), (0, 2)] {
            assert_ne!(three[one].0, three[other].0);
            assert_eq!(three[one].1, three[other].1);
            assert_ne!(answers.chunks[one].as_ptr(), answers.chunks[other].as_ptr());
        }
    }

    #[test]
    fn an_answer_has_the_size_it_is_asked_for() {
        for (value, message) in [(100, 108), (100, 112), (100, 300), (1024, 1100), (65_536, 65_700)] {
            let get = fitting(value, message);
            assert!(message - get.encoded_len() <= 2, "{message}: {}", get.encoded_len());
            assert!(matches!(get.entry.unwrap().payload, Some(Payload::Value(bytes)) if bytes.len() == value));
        }
        assert_eq!(fitting(100, 0), found(100, 0));
    }

    #[test]
    fn frames_are_the_messages() {
        for value in [0, 100, 64 << 10] {
            let answers = answers(value, 0, 1);
            let found = answers.found();
            let body: Vec<u8> = found.frames.concat();
            assert_eq!(GetResponse::decode(&body[PREFIX..]).unwrap(), found.get, "{value}");
        }
        let answers = answers(100, 10_000, 4096);
        let mut body = Bytes::from(Arc::clone(&answers).read_value_frames().collect::<Vec<_>>().concat());
        for message in answers.read_value() {
            let length = u32::from_be_bytes(body[1..PREFIX].try_into().unwrap()) as usize;
            assert_eq!(ReadValueResponse::decode(body.slice(PREFIX..PREFIX + length)).unwrap(), message);
            body = body.slice(PREFIX + length..);
        }
        assert!(body.is_empty());
    }

    #[test]
    fn a_large_value_has_all_its_bytes_in_order() {
        let chunks: Vec<ValueChunk> = answers(1, 10_000, 4096).chunks().collect();
        assert_eq!(chunks.iter().map(|chunk| chunk.data.len()).sum::<usize>(), 10_000);
        assert_eq!(chunks.iter().map(|chunk| chunk.offset).collect::<Vec<_>>(), [0, 4096, 8192]);
        assert!(chunks.iter().all(|chunk| chunk.crc32c == crc32c(&chunk.data)));
        let whole: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.data.to_vec()).collect();
        assert_eq!(answers(1, 10_000, 4096).blob_crc32c, crc32c(&whole));
    }
}
