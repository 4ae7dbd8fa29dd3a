//! Writes requests with few instructions: what is the same in all of them is made once, and only the key's number is written
//! into it. Checked against the generated types in the tests.

use bytes::{BufMut, Bytes, BytesMut};
use hotplate_proto::v1;
use prost::Message;

use crate::{link::Common, plan::View, work::Op};

/// Digits of a key's number.
pub(crate) const DIGITS: usize = 12;
/// What is put before each message: no compression, and four bytes of length.
pub(crate) const PREFIX: usize = 5;
/// What is filled lives this long, should nobody take it away, in seconds.
const TTL_SECONDS: i64 = 6 * 3600;
/// Requests are cut from pieces of this size.
const PIECE: usize = 64 << 10;

/// Writes Gets and Puts.
#[derive(Debug)]
pub(crate) struct Requests {
    common: Common,
    namespace: String,
    /// A Get as it is sent alone, with its prefix.
    alone: Template,
    /// A Get without its namespace, as a part of a larger message.
    part: Template,
    buffer: BytesMut,
}

#[derive(Debug)]
struct Template {
    bytes: Vec<u8>,
    /// Where the digits go.
    digits: usize,
}

impl Template {
    fn new(request: &v1::GetRequest, prefixed: bool) -> Self {
        let mut bytes = BytesMut::new();
        if prefixed {
            frame(request, &mut bytes);
        } else {
            bytes.put_slice(&request.encode_to_vec());
        }
        let key = request.key.as_bytes();
        let found = bytes.windows(key.len()).rposition(|window| window == key).unwrap_or_default();
        Self { digits: found + key.len() - DIGITS, bytes: bytes.to_vec() }
    }

    fn write(&self, key: u64, into: &mut BytesMut) {
        let start = into.len() + self.digits;
        into.extend_from_slice(&self.bytes);
        digits(key, &mut into[start..start + DIGITS]);
    }
}

/// Writes a number in hexadecimal digits, as many as there is room for.
pub(crate) fn digits(number: u64, into: &mut [u8]) {
    let mut number = number;
    for digit in into.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 15) as usize];
        number >>= 4;
    }
}

/// A message with its prefix.
pub(crate) fn frame(message: &impl Message, into: &mut BytesMut) {
    let length = message.encoded_len();
    into.reserve(PREFIX + length);
    into.put_u8(0);
    // No message that this makes comes near 4 GiB.
    into.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    message.encode(into).expect("room was reserved");
}

/// A number as protobuf writes it.
pub(crate) fn put_number(number: u64, into: &mut BytesMut) {
    let mut number = number;
    while number >= 0x80 {
        into.put_u8((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    into.put_u8((number & 0x7f) as u8);
}

impl Requests {
    pub(crate) fn new(common: Common, namespace: &str) -> Self {
        let mut request =
            v1::GetRequest { key: common.key(0), view: view(common.plan.view).into(), ..Default::default() };
        let part = Template::new(&request, false);
        namespace.clone_into(&mut request.namespace);
        let alone = Template::new(&request, true);
        Self { common, namespace: namespace.to_owned(), alone, part, buffer: BytesMut::new() }
    }

    /// A Get, as it is sent alone.
    pub(crate) fn get(&mut self, op: &Op) -> Bytes {
        self.buffer.reserve(if self.buffer.capacity() < self.alone.bytes.len() { PIECE } else { 0 });
        self.alone.write(op.key, &mut self.buffer);
        self.buffer.split().freeze()
    }

    /// A Get as a part of a larger message: its bytes, without a tag before them.
    pub(crate) fn get_part(&self, op: &Op, into: &mut BytesMut) {
        self.part.write(op.key, into);
    }

    /// The length of such a part.
    pub(crate) fn get_part_length(&self) -> usize {
        self.part.bytes.len()
    }

    /// A Put, of its namespace.
    pub(crate) fn put(&self, op: &Op) -> v1::PutRequest {
        v1::PutRequest { namespace: self.namespace.clone(), ..self.put_part(op) }
    }

    /// A Put as a part of a larger message, which names the namespace.
    pub(crate) fn put_part(&self, op: &Op) -> v1::PutRequest {
        let seconds = op.cost.as_secs();
        let cost = (!op.cost.is_zero()).then(|| prost_types::Duration {
            seconds: i64::try_from(seconds).unwrap_or(i64::MAX),
            nanos: i32::try_from(op.cost.subsec_nanos()).unwrap_or_default(),
        });
        v1::PutRequest {
            key: self.common.key(op.key),
            payload: Some(v1::put_request::Payload::Value(self.common.content.value(op.key, op.size))),
            expiration: Some(lifetime()),
            compute_cost: cost,
            ..Default::default()
        }
    }
}

/// How long what is written lives.
pub(crate) fn lifetime() -> v1::Expiration {
    let ttl = prost_types::Duration { seconds: TTL_SECONDS, nanos: 0 };
    v1::Expiration { lifetime: Some(v1::expiration::Lifetime::Ttl(ttl)), ..Default::default() }
}

/// As the contract says it.
pub(crate) fn view(view: View) -> v1::EntryView {
    match view {
        View::Full => v1::EntryView::Full,
        View::Value => v1::EntryView::Value,
        View::Metadata => v1::EntryView::Metadata,
    }
}
