//! The operations of a message as they lie in it: whose each is, what it is and where its request lies. What requests say is
//! not known here.

use std::{ops::Range, time::Duration};

use bytes::Bytes;
use hotplate_proto::v1;
use prost::Message;

use crate::grpc::{
    convert::{positive_duration, too_many_items},
    lane::read::{bytes, varint},
    shape::Shapes,
    status::Failure,
};

/// What an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Finds one entry.
    Get,
    /// Stores one.
    Put,
    /// Changes how long one lives.
    Touch,
    /// Drops some.
    Invalidate,
    /// Ends another operation.
    Cancel,
    /// It does not say.
    Missing,
}

/// One operation of a message.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    /// Whose answer is whose.
    pub(super) call_id: u64,
    /// Time until the answer, as asked for.
    pub(super) timeout: Option<prost_types::Duration>,
    /// What it is.
    pub(super) kind: Kind,
    /// Where its request lies in the message.
    pub(super) request: Range<usize>,
}

/// A message of a pipeline, taken apart.
#[derive(Debug)]
pub(super) struct Operations {
    /// The message.
    pub(super) message: Bytes,
    /// Where the namespace lies of those that name none.
    namespace: Range<usize>,
    /// Its operations, at least one.
    pub(super) operations: Vec<Operation>,
}

/// Bytes of an operation in a message, with its tag and length: few have less.
const OPERATION_BYTES: usize = 24;

const NAMESPACE: u64 = 1 << 3 | 2;
const OPERATION: u64 = 2 << 3 | 2;
const CALL_ID: u64 = 1 << 3;
const TIMEOUT: u64 = 2 << 3 | 2;
const SECONDS: u64 = 1 << 3;
const NANOS: u64 = 2 << 3;

impl Operations {
    /// Takes a message apart.
    ///
    /// # Errors
    /// It is none, or has no operations or too many.
    pub(super) fn of(message: Bytes, items_max: usize, shapes: &Shapes) -> Result<Self, Failure> {
        let (namespace, operations) = match read(&message, items_max) {
            Some(read) => read,
            // Whatever another writer may have put there besides: in the order and form in which prost writes it.
            None => return Self::anew(&message, items_max, shapes),
        };
        Self { message, namespace, operations }.checked(items_max)
    }

    fn anew(message: &[u8], items_max: usize, shapes: &Shapes) -> Result<Self, Failure> {
        // An operation of two bytes takes hundreds once it is decoded.
        shapes.check("Pipeline", &[message])?;
        let bad = |error| Failure::new("BAD_MESSAGE", format!("the request cannot be decoded: {error}"));
        let request = v1::PipelineRequest::decode(message).map_err(bad)?;
        let message = Bytes::from(request.encode_to_vec());
        let Some((namespace, operations)) = read(&message, items_max) else {
            return Err(Failure::bug("a message cannot be read that was just written"));
        };
        Self { message, namespace, operations }.checked(items_max)
    }

    fn checked(self, items_max: usize) -> Result<Self, Failure> {
        if self.operations.is_empty() {
            return Err(Failure::argument("operations", "a message of a pipeline has at least one operation"));
        }
        if self.operations.len() > items_max {
            return Err(too_many_items("operations", items_max));
        }
        Ok(self)
    }

    /// The namespace of those that name none.
    pub(super) fn namespace(&self) -> &str {
        str::from_utf8(&self.message[self.namespace.clone()]).unwrap_or_default()
    }

    /// The request of an operation.
    pub(super) fn request(&self, operation: &Operation) -> &[u8] {
        &self.message[operation.request.clone()]
    }
}

/// Reads what prost writes; `None`: it is something else. Stops behind one operation too many.
fn read(message: &[u8], items_max: usize) -> Option<(Range<usize>, Vec<Operation>)> {
    let expected = items_max.min(message.len() / OPERATION_BYTES);
    let (mut rest, mut namespace, mut operations) = (message, 0..0, Vec::with_capacity(expected));
    while !rest.is_empty() && operations.len() <= items_max {
        match varint(&mut rest)? {
            NAMESPACE => {
                let text = bytes(&mut rest)?;
                str::from_utf8(text).ok()?;
                namespace = place(message, rest, text);
            }
            OPERATION => {
                let body = bytes(&mut rest)?;
                let start = place(message, rest, body).start;
                operations.push(operation(body, start)?);
            }
            _ => return None,
        }
    }
    Some((namespace, operations))
}

/// Where a part lies that ends where `rest` begins.
fn place(whole: &[u8], rest: &[u8], part: &[u8]) -> Range<usize> {
    let end = whole.len() - rest.len();
    end - part.len()..end
}

fn operation(body: &[u8], start: usize) -> Option<Operation> {
    let mut operation = Operation { call_id: 0, timeout: None, kind: Kind::Missing, request: 0..0 };
    let mut rest = body;
    while !rest.is_empty() {
        match varint(&mut rest)? {
            CALL_ID => operation.call_id = varint(&mut rest)?,
            TIMEOUT => operation.timeout = Some(timeout(bytes(&mut rest)?)?),
            // A second one would have to be merged with the first.
            _ if operation.kind != Kind::Missing => return None,
            tag => {
                operation.kind = kind(tag)?;
                let request = bytes(&mut rest)?;
                let Range { start: from, end } = place(body, rest, request);
                operation.request = start + from..start + end;
            }
        }
    }
    Some(operation)
}

fn kind(tag: u64) -> Option<Kind> {
    let delimited = tag & 7 == 2;
    Some(match tag >> 3 {
        3 if delimited => Kind::Get,
        4 if delimited => Kind::Put,
        5 if delimited => Kind::Touch,
        6 if delimited => Kind::Invalidate,
        7 if delimited => Kind::Cancel,
        _ => return None,
    })
}

fn timeout(mut body: &[u8]) -> Option<prost_types::Duration> {
    let mut duration = prost_types::Duration::default();
    while !body.is_empty() {
        match varint(&mut body)? {
            SECONDS => duration.seconds = varint(&mut body)?.cast_signed(),
            NANOS => duration.nanos = int32(varint(&mut body)?)?,
            _ => return None,
        }
    }
    Some(duration)
}

/// A number of 32 bits is sent as one of 64 when it is negative; what is above is ignored, as prost does.
fn int32(varint: u64) -> Option<i32> {
    u32::try_from(varint & u64::from(u32::MAX)).ok().map(u32::cast_signed)
}

impl Operation {
    /// Time until the answer, if it says so.
    ///
    /// # Errors
    /// It is not above zero.
    pub(super) fn time(&self) -> Result<Option<Duration>, Failure> {
        positive_duration("timeout", self.timeout)
    }
}

#[cfg(test)]
mod tests {
    use hotplate_proto::v1::pipeline_operation::Operation as Wire;

    use super::*;
    use crate::grpc::shape::Most;

    fn wire(call_id: u64, operation: Option<Wire>) -> v1::PipelineOperation {
        let timeout = call_id.is_multiple_of(2).then_some(prost_types::Duration { seconds: 3, nanos: 7 });
        v1::PipelineOperation { call_id, timeout, operation }
    }

    #[test]
    fn a_timeout_below_zero_is_read_as_it_was_sent() {
        for (seconds, nanos) in [(-1, 0), (0, -1), (i64::MIN, i32::MIN), (i64::MAX, i32::MAX)] {
            let sent = prost_types::Duration { seconds, nanos };
            assert_eq!(timeout(&sent.encode_to_vec()), Some(sent));
        }
    }

    fn request() -> v1::PipelineRequest {
        let get = v1::GetRequest { key: "k".to_owned(), ..Default::default() };
        let put = v1::PutRequest { key: "p".repeat(300), ..Default::default() };
        let operations = vec![
            wire(1, Some(Wire::Get(get))),
            wire(2, Some(Wire::Put(put))),
            wire(u64::MAX >> 1, Some(Wire::Cancel(v1::PipelineCancel {}))),
            wire(4, None),
            wire(0, Some(Wire::Touch(v1::TouchRequest::default()))),
            wire(6, Some(Wire::Invalidate(v1::InvalidateRequest::default()))),
        ];
        v1::PipelineRequest { namespace: "team/a".to_owned(), operations }
    }

    fn shapes(items: usize) -> Shapes {
        Shapes::of_contract(Most { items, preload_items: 8, message_bytes: 1 << 10 })
    }

    #[test]
    fn operations_are_what_prost_reads() {
        let request = request();
        let read = Operations::of(request.encode_to_vec().into(), 6, &shapes(6)).unwrap();
        assert_eq!(read.namespace(), "team/a");
        let kinds: Vec<Kind> = read.operations.iter().map(|operation| operation.kind).collect();
        assert_eq!(kinds, [Kind::Get, Kind::Put, Kind::Cancel, Kind::Missing, Kind::Touch, Kind::Invalidate]);
        for (operation, expected) in read.operations.iter().zip(&request.operations) {
            assert_eq!((operation.call_id, operation.timeout), (expected.call_id, expected.timeout));
        }
        let Some(Wire::Put(put)) = &request.operations[1].operation else { unreachable!() };
        assert_eq!(v1::PutRequest::decode(read.request(&read.operations[1])).unwrap(), *put);
    }

    #[test]
    fn what_others_write_otherwise_is_read_as_well() {
        // Ids of ten bytes, unknown fields, one operation in two parts.
        let mut bytes = request().encode_to_vec();
        bytes.extend([0x12, 11, 0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x78, 1]);
        bytes.extend([0x12, 6, 0x1a, 0, 0x1a, 2, 0x40, 3]);
        let read = Operations::of(bytes.into(), 8, &shapes(8)).unwrap();
        assert_eq!(read.operations.len(), 8);
        assert_eq!(read.operations[6].call_id, u64::MAX);
        let get = v1::GetRequest::decode(read.request(&read.operations[7])).unwrap();
        assert_eq!(get.view, 3);
    }

    #[test]
    fn messages_of_none_or_too_many_are_refused() {
        let failure = |bytes: Vec<u8>, most| Operations::of(bytes.into(), most, &shapes(most)).unwrap_err();
        let reason = |bytes: Vec<u8>, most| failure(bytes, most).reason();
        assert_eq!(reason(request().encode_to_vec(), 5), "BATCH_TOO_LARGE");
        // Whatever else is in it, and before it is decoded: what comes behind is not looked at.
        let many = [&[0x78, 1][..], &[0x12, 0].repeat(6)].concat();
        assert_eq!(reason(many.clone(), 5), "BATCH_TOO_LARGE");
        assert_eq!(reason([&many[..], &[0x12, 200]].concat(), 5), "BATCH_TOO_LARGE");
        assert_eq!(failure(many.clone(), 5).item().field, "operations");
        assert_eq!(reason([&many[..], &[0x12, 200]].concat(), 6), "BAD_MESSAGE");
        assert_eq!(reason(Vec::new(), 5), "BAD_ARGUMENT");
        assert_eq!(reason(vec![0x12, 200], 5), "BAD_MESSAGE");
        assert_eq!(reason(vec![0x0a, 1, 0xff], 5), "BAD_MESSAGE");
        let tags = v1::PutRequest { tags: vec![String::new(); 600_000], ..Default::default() };
        let put = v1::PipelineOperation { operation: Some(Wire::Put(tags)), ..Default::default() };
        let message = v1::PipelineRequest { operations: vec![put], ..Default::default() }.encode_to_vec();
        assert_eq!(reason([&[0x78, 1][..], &message].concat(), 5), "MESSAGE_TOO_LARGE");
    }
}
