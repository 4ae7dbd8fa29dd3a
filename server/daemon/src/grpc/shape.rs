//! How large requests become when they are taken apart: a part of two bytes may take hundreds then. Looked at where they lie,
//! before that is done. What their parts mean is not known here.

use std::{collections::HashMap, fmt::Display};

use bytes::Buf;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor};

use super::{convert::too_many_items, status::Failure};

/// Times as many bytes as a message may have that its parts may take once it is taken apart, besides what they say.
const TIMES: usize = 4;
/// As many at least.
const BYTES_MIN: usize = 16 << 20;
/// Bytes of a text or of bytes in a list besides what they say.
const TEXT_BYTES: usize = 32;
/// The same of an entry of a map.
const ENTRY_BYTES: usize = 128;
/// Bytes of a list, a map or a text that a message has.
const PART_BYTES: usize = 32;
/// Bytes of anything else.
const NUMBER_BYTES: usize = 8;
/// How deep messages lie in others at most: what is decoded goes as deep, and fails beyond.
const DEPTH_MAX: usize = 100;
/// RPCs whose items are counted, and what those are called: there may be as many, whatever they take.
const BATCHES: [(&str, &str); 5] = [
    ("BatchGet", "items"),
    ("BatchPut", "items"),
    ("Revalidate", "items"),
    ("Pipeline", "operations"),
    (PRELOAD, "items"),
];
/// Its items are those of a job, and have a bound of their own.
const PRELOAD: &str = "Preload";

/// What a request may have at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Most {
    /// Items of a batch.
    pub(crate) items: usize,
    /// Items of a preload job.
    pub(crate) preload_items: usize,
    /// Bytes of a message.
    pub(crate) message_bytes: usize,
}

/// The shapes of all requests of the contract, and what they may become.
#[derive(Debug)]
pub(crate) struct Shapes {
    all: Vec<Shape>,
    by_rpc: HashMap<String, Request>,
    bytes_max: usize,
}

/// The request of an RPC.
#[derive(Clone, Copy, Debug)]
struct Request {
    shape: usize,
    items: Option<Items>,
}

/// The field of a request that is counted.
#[derive(Clone, Copy, Debug)]
struct Items {
    number: u32,
    name: &'static str,
    most: usize,
    is_job: bool,
}

impl Items {
    fn of(input: &MessageDescriptor, (rpc, name): (&str, &'static str), most: Most) -> Option<Self> {
        let (number, is_job) = (input.get_field_by_name(name)?.number(), rpc == PRELOAD);
        Some(Self { number, name, most: if is_job { most.preload_items } else { most.items }, is_job })
    }

    fn too_many(self) -> Failure {
        if self.is_job {
            let rule = format!("a job has 1 to {} items, this one has more", self.most);
            return Failure::argument(self.name, rule);
        }
        too_many_items(self.name, self.most)
    }
}

/// A message's parts of which there may be many, or that may have such.
#[derive(Debug, Default)]
struct Shape {
    parts: Vec<(u32, Part)>,
    bytes: usize,
}

#[derive(Clone, Copy, Debug)]
struct Part {
    /// Bytes that each takes besides those of its own parts.
    bytes: usize,
    /// If it is a message.
    shape: Option<usize>,
}

impl Shapes {
    /// Reads them from the contract's descriptor set.
    pub(crate) fn of_contract(most: Most) -> Self {
        let pool = DescriptorPool::decode(hotplate_proto::FILE_DESCRIPTOR_SET)
            .expect("the descriptor set was written by the build of the contract");
        let mut reading = Reading::default();
        let mut by_rpc = HashMap::new();
        for method in pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
            let input = method.input();
            let batch = BATCHES.iter().find(|(rpc, _)| *rpc == method.name());
            let items = batch.and_then(|batch| Items::of(&input, *batch, most));
            let request = Request { shape: reading.shape(&input), items };
            by_rpc.insert(method.name().to_owned(), request);
        }
        Self { all: reading.all, by_rpc, bytes_max: most.message_bytes.saturating_mul(TIMES).max(BYTES_MIN) }
    }

    /// Looks at the request of an RPC, in the pieces in which it came.
    ///
    /// # Errors
    /// It has too many items, or so many parts that they would take too much; or it cannot be read.
    pub(crate) fn check<P: AsRef<[u8]>>(&self, rpc: &str, pieces: &[P]) -> Result<(), Failure> {
        let Some(request) = self.by_rpc.get(rpc) else { return Ok(()) };
        let mut look = Look { of: self, request, cursor: Cursor::over(pieces), items: 0, bytes: 0, depth: 0 };
        look.message(request.shape)
    }
}

/// Shapes that are being read.
#[derive(Default)]
struct Reading {
    all: Vec<Shape>,
    known: HashMap<String, usize>,
}

impl Reading {
    fn shape(&mut self, message: &MessageDescriptor) -> usize {
        if let Some(known) = self.known.get(message.full_name()) {
            return *known;
        }
        let number = self.all.len();
        self.known.insert(message.full_name().to_owned(), number);
        // One that has itself as a part is behind a pointer there.
        self.all.push(Shape { bytes: NUMBER_BYTES, ..Shape::default() });
        let mut shape = Shape::default();
        for field in message.fields() {
            let (part, bytes) = self.part(&field);
            shape.bytes += bytes;
            shape.parts.extend(part.map(|part| (field.number(), part)));
        }
        self.all[number] = shape;
        number
    }

    /// A field that may be there often, or has such, and the bytes it takes of its message.
    fn part(&mut self, field: &FieldDescriptor) -> (Option<Part>, usize) {
        let many = field.is_list() || field.is_map();
        match field.kind() {
            Kind::Message(_) if field.is_map() => (Some(Part { bytes: ENTRY_BYTES, shape: None }), PART_BYTES),
            Kind::Message(message) => {
                let shape = self.shape(&message);
                let bytes = self.all[shape].bytes;
                let part = Part { bytes: if many { bytes } else { 0 }, shape: Some(shape) };
                (Some(part), if many { PART_BYTES } else { bytes })
            }
            Kind::String | Kind::Bytes => (many.then_some(Part { bytes: TEXT_BYTES, shape: None }), PART_BYTES),
            _ => (None, if many { PART_BYTES } else { NUMBER_BYTES }),
        }
    }
}

/// A look at one request.
struct Look<'a, P> {
    of: &'a Shapes,
    request: &'a Request,
    cursor: Cursor<'a, P>,
    items: usize,
    bytes: usize,
    depth: usize,
}

impl<P: AsRef<[u8]>> Look<'_, P> {
    /// Looks at a message up to where the cursor is to stop. What cannot be read within that ends the call: who decodes it reads
    /// on behind the end of the message, and makes parts of all that lies there, before it sees that it does not fit.
    fn message(&mut self, shape: usize) -> Result<(), Failure> {
        while self.cursor.has_remaining() {
            let (number, form) = decode_key(&mut self.cursor).map_err(unreadable)?;
            if form != WireType::LengthDelimited {
                // Of those there is nothing to look at.
                skip_field(form, number, &mut self.cursor, DecodeContext::default()).map_err(unreadable)?;
                continue;
            }
            let length = self.length()?;
            let items = self.request.items.filter(|items| self.depth == 0 && items.number == number);
            let part = self.of.all[shape].parts.iter().find(|(part, _)| *part == number).map(|(_, part)| *part);
            match items {
                Some(items) => self.item(items)?,
                None => self.bytes += part.map_or(0, |part| part.bytes),
            }
            self.part(part, length)?;
        }
        Ok(())
    }

    fn item(&mut self, items: Items) -> Result<(), Failure> {
        self.items += 1;
        if self.items > items.most { Err(items.too_many()) } else { Ok(()) }
    }

    /// How long the next part is, all of which is there.
    fn length(&mut self) -> Result<usize, Failure> {
        let length = usize::try_from(decode_varint(&mut self.cursor).map_err(unreadable)?).map_err(unreadable)?;
        if length > self.cursor.remaining() {
            return Err(unreadable("a part is longer than what it is a part of"));
        }
        Ok(length)
    }

    fn part(&mut self, part: Option<Part>, length: usize) -> Result<(), Failure> {
        if self.bytes > self.of.bytes_max {
            let rule = format!(
                "the parts of a request take at most {} bytes once it is taken apart: this one has too many",
                self.of.bytes_max
            );
            return Err(Failure::new("MESSAGE_TOO_LARGE", rule));
        }
        let Some(shape) = part.and_then(|part| part.shape) else {
            self.cursor.advance(length);
            return Ok(());
        };
        if self.depth == DEPTH_MAX {
            return Err(unreadable("messages lie too deep in others"));
        }
        let left = std::mem::replace(&mut self.cursor.left, length);
        self.depth += 1;
        self.message(shape)?;
        self.depth -= 1;
        self.cursor.left = left - length;
        Ok(())
    }
}

fn unreadable(why: impl Display) -> Failure {
    Failure::new("BAD_MESSAGE", format!("the request cannot be decoded: {why}"))
}

/// Where a look is, in bytes that lie in pieces, and how many come before it stops.
struct Cursor<'a, P> {
    here: &'a [u8],
    next: &'a [P],
    left: usize,
}

impl<'a, P: AsRef<[u8]>> Cursor<'a, P> {
    fn over(pieces: &'a [P]) -> Self {
        let mut cursor = Self { here: &[], next: pieces, left: pieces.iter().map(|piece| piece.as_ref().len()).sum() };
        cursor.approach();
        cursor
    }

    fn approach(&mut self) {
        while self.here.is_empty()
            && let [first, rest @ ..] = self.next
        {
            (self.here, self.next) = (first.as_ref(), rest);
        }
    }
}

impl<P: AsRef<[u8]>> Buf for Cursor<'_, P> {
    fn remaining(&self) -> usize {
        self.left
    }

    fn chunk(&self) -> &[u8] {
        &self.here[..self.here.len().min(self.left)]
    }

    fn advance(&mut self, count: usize) {
        assert!(count <= self.left, "no more is taken than there is");
        self.left -= count;
        let mut count = count;
        while count > 0 {
            let some = count.min(self.here.len());
            self.here = &self.here[some..];
            count -= some;
            self.approach();
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use hotplate_proto::v1;
    use prost::Message;

    use super::*;

    fn shapes() -> Shapes {
        Shapes::of_contract(Most { items: 3, preload_items: 100_000, message_bytes: 1 << 10 })
    }

    /// Texts that a request may have.
    const MOST: usize = BYTES_MIN / TEXT_BYTES;

    fn reason(rpc: &str, message: &[u8]) -> Result<(), &'static str> {
        let whole = shapes().check(rpc, &[Bytes::copy_from_slice(message)]).map_err(|failure| failure.reason());
        for size in [1, 2, 7] {
            let pieces: Vec<Bytes> = message.chunks(size).map(Bytes::copy_from_slice).collect();
            let said = shapes().check(rpc, &pieces).map_err(|failure| failure.reason());
            assert_eq!(said, whole, "{rpc} in pieces of {size}");
        }
        whole
    }

    #[test]
    fn batches_of_too_many_are_refused_before_they_are_decoded() {
        // Behind them comes what cannot be decoded.
        let message = |items| [&[0x12, 0].repeat(items)[..], &[0x12, 9]].concat();
        for (rpc, _) in BATCHES.into_iter().filter(|(rpc, _)| *rpc != PRELOAD) {
            assert_eq!(reason(rpc, &message(4)), Err("BATCH_TOO_LARGE"));
            assert_eq!(reason(rpc, &message(3)), Err("BAD_MESSAGE"));
        }
        // They would take more than others may.
        assert_eq!(reason(PRELOAD, &[0x12, 0].repeat(100_000)), Ok(()), "its bound is another");
        assert_eq!(reason(PRELOAD, &[0x12, 0].repeat(100_001)), Err("BAD_ARGUMENT"));
        let job = v1::PreloadRequest {
            items: vec![v1::PreloadItem { tags: vec![String::new(); MOST + 1], ..Default::default() }],
            ..Default::default()
        };
        assert_eq!(reason(PRELOAD, &job.encode_to_vec()), Err("MESSAGE_TOO_LARGE"));
    }

    #[test]
    fn parts_are_counted_wherever_they_lie() {
        let tags = |count| v1::PutRequest { tags: vec![String::new(); count], ..Default::default() };
        assert_eq!(reason("Put", &tags(MOST).encode_to_vec()), Ok(()));
        assert_eq!(reason("Put", &tags(MOST + 1).encode_to_vec()), Err("MESSAGE_TOO_LARGE"));
        let batch = |count| v1::BatchPutRequest { items: vec![tags(count), tags(count)], ..Default::default() };
        assert_eq!(reason("BatchPut", &batch(MOST / 2).encode_to_vec()), Ok(()));
        assert_eq!(reason("BatchPut", &batch(MOST / 2 + 1).encode_to_vec()), Err("MESSAGE_TOO_LARGE"));
        let large = v1::PutRequest {
            payload: Some(v1::put_request::Payload::Value(vec![0x5a; 100_000].into())),
            labels: (0..20).map(|n| (n.to_string(), "v".repeat(1000))).collect(),
            ..tags(30)
        };
        assert_eq!(reason("Put", &large.encode_to_vec()), Ok(()), "what is said is bounded elsewhere");
    }

    #[test]
    fn what_no_message_is_is_refused_as_it_is_when_it_is_decoded() {
        for message in [&[0x12][..], &[0x12, 5, 0], &[0xff; 12], &[0x1b, 0x12, 0], &[0x12, 2, 0x5a, 9, 0x12, 0]] {
            assert_eq!(reason("BatchPut", message), Err("BAD_MESSAGE"));
            assert!(v1::BatchPutRequest::decode(message).is_err());
        }
        // A number, a group with a field of a known number inside, and an unknown field.
        let message = [0x78, 1, 0x1b, 0x12, 0, 0x1c, 0x12, 0, 0xfa, 0x06, 1, 9];
        assert_eq!(reason("BatchPut", &message), Ok(()));
        assert!(v1::BatchPutRequest::decode(&message[..]).is_ok());
    }

    /// What is decoded reads on where a message ends that says it is longer: its parts must not escape the count.
    #[test]
    fn a_part_that_is_longer_than_its_message_is_refused() {
        let tags = [0x5a, 0].repeat(1000);
        let mut length = Vec::new();
        prost::encoding::encode_varint(tags.len() as u64, &mut length);
        for (rpc, tag) in [("Pipeline", 0x22), ("BatchPut", 0x5a), ("BatchGet", 0x32), ("Invalidate", 0x2a)] {
            let begin = [&[tag][..], &length].concat();
            let outer = [0x12, u8::try_from(begin.len()).unwrap()];
            assert_eq!(reason(rpc, &[&outer[..], &begin, &tags].concat()), Err("BAD_MESSAGE"), "{rpc}");
        }
    }

    #[test]
    fn a_message_that_has_itself_as_a_part_is_looked_at_as_deep_as_it_is_decoded() {
        let shape = Shape { parts: vec![(1, Part { bytes: 1, shape: Some(0) })], bytes: 1 };
        let by_rpc = HashMap::from([("Deep".to_owned(), Request { shape: 0, items: None })]);
        let shapes = Shapes { all: vec![shape], by_rpc, bytes_max: usize::MAX };
        let deep = |depth: usize| {
            // Its end first, backwards.
            let mut message = Vec::new();
            for _ in 0..depth {
                let mut begin = vec![0x0a];
                prost::encoding::encode_varint(message.len() as u64, &mut begin);
                message.extend(begin.into_iter().rev());
            }
            message.reverse();
            shapes.check("Deep", &[message]).map_err(|failure| failure.reason())
        };
        assert_eq!(deep(DEPTH_MAX), Ok(()));
        assert_eq!(deep(DEPTH_MAX + 1), Err("BAD_MESSAGE"));
        assert_eq!(deep(300_000), Err("BAD_MESSAGE"));
    }

    /// What a list of messages takes is what they take in this build, or more, or nearly as much.
    #[test]
    fn parts_are_as_large_as_they_are() {
        let (shapes, size) = (shapes(), std::mem::size_of::<v1::PutRequest>());
        let put = &shapes.all[shapes.by_rpc["Put"].shape];
        assert!(put.bytes * 4 >= size * 3 && put.bytes <= size * 3, "{} for {size}", put.bytes);
        let (get, size) = (&shapes.all[shapes.by_rpc["Get"].shape], std::mem::size_of::<v1::GetRequest>());
        assert!(get.bytes * 4 >= size * 3 && get.bytes <= size * 3, "{} for {size}", get.bytes);
    }
}
