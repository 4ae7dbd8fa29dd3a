//! What a writer sends, read from the frames of its request as they come: the bytes of a chunk are asked for only when
//! there is room for them. What an upload makes of them is not known here.

use std::{
    future::poll_fn,
    mem,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::{Buf, Bytes, BytesMut};
use hotplate_proto::v1::{self, write_value_request::Message};
use http_body::Body;
use prost::{Message as _, encoding::decode_varint};

use crate::{
    grpc::{
        coming::{Coming, Intake, SMALL_BYTES},
        shape::Shapes,
        status::Failure,
    },
    ledger::Permit,
};

/// Bytes before each message: whether it is compressed, and its length.
const PREFIX: usize = 5;
/// Bytes of a chunk's message before its data at most, where it is written as protobuf libraries do.
const HEAD: usize = 48;
/// Bytes of a header or a finish at most: key, tags, labels and dependencies at their bounds.
const OTHERS_BYTES_MAX: usize = 512 << 10;

/// The messages of one request.
pub(in crate::grpc) struct Sent<B> {
    body: B,
    /// Bytes that were looked at and not taken; they come before the rest.
    front: BytesMut,
    /// What is left of the last frame.
    rest: Bytes,
    chunk_bytes_max: usize,
    intake: Intake,
    /// What looks at large messages before they are decoded, and the RPC they are of.
    shapes: (Arc<Shapes>, &'static str),
    /// The data of a chunk that could not be left where it was, and the room it has.
    gathered: Option<(Bytes, Option<Permit>)>,
    /// What came of a chunk that is on its way.
    coming: BytesMut,
}

/// A message that has begun; of a chunk the data is still to come.
#[derive(Debug)]
pub(in crate::grpc) enum Begun {
    /// What is written.
    Header(Box<v1::WriteValueHeader>),
    /// Bytes of it.
    Chunk(ChunkHead),
    /// All was sent.
    Finish(v1::WriteValueFinish),
}

/// What a chunk says before its data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::grpc) struct ChunkHead {
    pub(in crate::grpc) offset: u64,
    pub(in crate::grpc) crc32c: u32,
    /// Bytes of the data, 1 to the server's `chunk_bytes_max`.
    pub(in crate::grpc) length: usize,
}

impl<B> Sent<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    /// The messages of this request.
    pub(in crate::grpc) fn new(
        body: B,
        chunk_bytes_max: usize,
        intake: Intake,
        shapes: (Arc<Shapes>, &'static str),
    ) -> Self {
        Self {
            body,
            front: BytesMut::new(),
            rest: Bytes::new(),
            chunk_bytes_max,
            intake,
            shapes,
            gathered: None,
            coming: BytesMut::new(),
        }
    }

    /// The only message of a request; cancellation loses it.
    ///
    /// # Errors
    /// A request that is none, or too large.
    pub(in crate::grpc) async fn only<M: prost::Message + Default>(mut self) -> Result<M, Failure> {
        let length = self.prefix().await?.ok_or_else(|| Failure::new("BAD_MESSAGE", "the request has no message"))?;
        let (message, _room) = self.whole(length).await?;
        M::decode(message).map_err(|error| garbled(&error))
    }

    /// The next message, or its begin; `None`: the request has ended.
    ///
    /// # Errors
    /// What is no message of this RPC, or larger than it may be; no room for it.
    pub(in crate::grpc) async fn next(&mut self) -> Result<Option<Begun>, Failure> {
        let Some(length) = self.prefix().await? else { return Ok(None) };
        let looked = length.min(HEAD);
        self.look(looked).await?;
        let seen = if self.front.is_empty() { &self.rest[..looked] } else { &self.front[..looked] };
        if let Some((head, at)) = chunk_head(seen, length) {
            self.check(head.length)?;
            self.skip(at);
            return Ok(Some(Begun::Chunk(head)));
        }
        let (message, room) = self.whole(length).await?;
        let message = v1::WriteValueRequest::decode(message).map_err(|error| garbled(&error))?.message;
        Ok(Some(match message.ok_or_else(|| Failure::argument("message", "a message says what it is"))? {
            Message::Header(header) => Begun::Header(Box::new(header)),
            Message::Finish(finish) => Begun::Finish(finish),
            Message::Chunk(chunk) => {
                let head = ChunkHead { offset: chunk.offset, crc32c: chunk.crc32c, length: chunk.data.len() };
                self.check(head.length)?;
                self.gathered = Some((chunk.data, room));
                Begun::Chunk(head)
            }
        }))
    }

    /// How many bytes of so many that were announced are here, taken or not.
    pub(in crate::grpc) fn here(&self, length: usize) -> usize {
        match &self.gathered {
            Some((data, _)) => data.len(),
            None => (self.coming.len() + self.front.len() + self.rest.len()).min(length),
        }
    }

    /// The data of the chunk that has begun, of which so many bytes may be taken for now; `None`: as many are here. One that lies
    /// in one frame is handed on as it lies there.
    ///
    /// # Errors
    /// A request that ends in the middle of it.
    pub(in crate::grpc) async fn data(&mut self, length: usize, most: usize) -> Result<Option<Bytes>, Failure> {
        if let Some((data, _room)) = self.gathered.take() {
            return Ok(Some(data));
        }
        if self.front.is_empty() && self.rest.is_empty() && !self.frame().await? {
            return Err(cut_short());
        }
        if self.here(length) > most {
            return Ok(None);
        }
        if self.coming.is_empty() && self.front.is_empty() && self.rest.len() >= length {
            return Ok(Some(self.rest.split_to(length)));
        }
        let mut coming = mem::take(&mut self.coming);
        // What nothing was written to takes addresses, and no memory.
        coming.reserve(length - coming.len());
        self.gather(&mut coming, most.min(length), &AtomicUsize::new(0)).await?;
        if coming.len() == length {
            return Ok(Some(coming.freeze()));
        }
        self.coming = coming;
        Ok(None)
    }

    fn check(&self, length: usize) -> Result<(), Failure> {
        if length == 0 {
            return Err(Failure::argument("chunk.data", "a chunk has at least one byte"));
        }
        if length > self.chunk_bytes_max {
            let rule = format!("a chunk has at most {} bytes (limits.chunk_bytes_max)", self.chunk_bytes_max);
            return Err(Failure::argument("chunk.data", rule));
        }
        Ok(())
    }

    /// The length of the next message; `None`: the request has ended.
    async fn prefix(&mut self) -> Result<Option<usize>, Failure> {
        if self.front.is_empty() && self.rest.is_empty() && !self.frame().await? {
            return Ok(None);
        }
        self.look(PREFIX).await?;
        let seen = if self.front.is_empty() { &self.rest[..] } else { &self.front[..] };
        let (flag, length) = (seen[0], u32::from_be_bytes([seen[1], seen[2], seen[3], seen[4]]));
        self.skip(PREFIX);
        if flag != 0 {
            return Err(Failure::new("NO_SUCH_RPC", "this RPC takes no compressed messages: send them as they are"));
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > self.chunk_bytes_max.saturating_add(HEAD).max(OTHERS_BYTES_MAX) {
            return Err(Failure::new("MESSAGE_TOO_LARGE", "a message is larger than any of this RPC may be"));
        }
        Ok(Some(length))
    }

    /// A message in one piece, and the room it has in the ledger if it is large: then it keeps its pace as well.
    async fn whole(&mut self, length: usize) -> Result<(Bytes, Option<Permit>), Failure> {
        if length <= SMALL_BYTES {
            return Ok((self.piece(length, &AtomicUsize::new(0)).await?, None));
        }
        let mut coming = Coming::new(&self.intake, length);
        poll_fn(|cx| coming.poll_room(cx)).await?;
        let message = {
            let came = AtomicUsize::new(0);
            let mut gather = pin!(self.piece(length, &came));
            poll_fn(|cx| {
                let message = gather.as_mut().poll(cx);
                coming.came(came.swap(0, Ordering::Relaxed));
                coming.keep_pace(message, cx)
            })
            .await?
        };
        let (shapes, rpc) = &self.shapes;
        shapes.check(rpc, std::slice::from_ref(&message))?;
        Ok((message, coming.into_room()))
    }

    /// So many bytes in one piece; counts them as they come.
    async fn piece(&mut self, length: usize, came: &AtomicUsize) -> Result<Bytes, Failure> {
        let mut gathered = BytesMut::with_capacity(length);
        self.gather(&mut gathered, length, came).await?;
        Ok(gathered.freeze())
    }

    /// Adds what comes until there are so many bytes in all; counts those that came meanwhile.
    async fn gather(&mut self, gathered: &mut BytesMut, length: usize, came: &AtomicUsize) -> Result<(), Failure> {
        let first = self.front.len().min(length - gathered.len());
        gathered.extend_from_slice(&self.front.split_to(first));
        while gathered.len() < length {
            if self.rest.is_empty() && !self.frame().await? {
                return Err(cut_short());
            }
            let piece = self.rest.split_to(self.rest.len().min(length - gathered.len()));
            gathered.extend_from_slice(&piece);
            came.fetch_add(piece.len(), Ordering::Relaxed);
        }
        Ok(())
    }

    /// Makes so many bytes, few, lie in one piece: in front when there is something in front, else in the rest.
    async fn look(&mut self, length: usize) -> Result<(), Failure> {
        if self.front.is_empty() && self.rest.len() >= length {
            return Ok(());
        }
        while self.front.len() < length {
            if self.rest.is_empty() && !self.frame().await? {
                return Err(cut_short());
            }
            let piece = self.rest.split_to(self.rest.len().min(length - self.front.len()));
            self.front.extend_from_slice(&piece);
        }
        Ok(())
    }

    fn skip(&mut self, length: usize) {
        if self.front.is_empty() {
            self.rest.advance(length);
        } else {
            self.front.advance(length);
        }
    }

    /// Takes the next frame with bytes, once nothing is left of the last; false at the end.
    async fn frame(&mut self) -> Result<bool, Failure> {
        loop {
            let frame = poll_fn(|cx| Pin::new(&mut self.body).poll_frame(cx)).await;
            let Some(frame) = frame else { return Ok(false) };
            // Nobody hears what becomes of a request that broke.
            let frame = frame.map_err(|_broken| Failure::new("BAD_MESSAGE", "the request broke off"))?;
            let Ok(data) = frame.into_data() else { continue };
            if !data.is_empty() {
                self.rest = data;
                return Ok(true);
            }
        }
    }
}

/// A chunk's head at the begin of a message of this length, and where its data begins; `None`: it is another message, or one
/// whose data is not last.
fn chunk_head(seen: &[u8], length: usize) -> Option<(ChunkHead, usize)> {
    const CHUNK: u8 = 2 << 3 | 2;
    const OFFSET: u8 = 1 << 3;
    const CRC32C: u8 = 2 << 3 | 5;
    const DATA: u8 = 3 << 3 | 2;
    let mut left = seen;
    let mut head = ChunkHead::default();
    let inner = (left.try_get_u8().ok()? == CHUNK).then(|| decode_varint(&mut left).ok())??;
    if inner != (length - (seen.len() - left.len())) as u64 {
        return None;
    }
    loop {
        match left.try_get_u8().ok()? {
            OFFSET => head.offset = decode_varint(&mut left).ok()?,
            CRC32C => head.crc32c = left.try_get_u32_le().ok()?,
            DATA => {
                head.length = usize::try_from(decode_varint(&mut left).ok()?).ok()?;
                let at = seen.len() - left.len();
                // What is announced is no more than what came: a sum of both could overflow.
                return (head.length > 0 && length.checked_sub(at) == Some(head.length)).then_some((head, at));
            }
            _ => return None,
        }
    }
}

fn garbled(error: &prost::DecodeError) -> Failure {
    Failure::new("BAD_MESSAGE", format!("the request cannot be decoded: {error}"))
}

fn cut_short() -> Failure {
    Failure::new("BAD_MESSAGE", "the request ends in the middle of a message")
}

#[cfg(test)]
mod tests {
    use std::{
        collections::VecDeque,
        convert::Infallible,
        task::{Context, Poll},
    };

    use http_body::Frame;

    use super::*;
    use crate::{config::LedgerSettings, grpc::shape::Most, ledger::Ledger};

    /// A request that comes in these frames.
    struct Frames(VecDeque<Bytes>);

    impl Body for Frames {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.pop_front().map(|data| Ok(Frame::data(data))))
        }
    }

    fn sent(wire: &[u8], frame: usize) -> Sent<Frames> {
        let frames = wire.chunks(frame).map(Bytes::copy_from_slice).collect();
        let (ledger, patience) = (Ledger::new(&LedgerSettings::default()), std::time::Duration::from_secs(30));
        let intake = Intake { ledger, own: Default::default(), caller: None, rate_min: 1, patience };
        let most = Most { items: 1000, preload_items: 1000, message_bytes: 4 << 20 };
        Sent::new(Frames(frames), 8 << 10, intake, (Arc::new(Shapes::of_contract(most)), "WriteValue"))
    }

    fn framed(messages: impl IntoIterator<Item = Message>) -> Vec<u8> {
        let mut wire = Vec::new();
        for message in messages {
            raw(&v1::WriteValueRequest { message: Some(message) }.encode_to_vec(), &mut wire);
        }
        wire
    }

    fn raw(message: &[u8], wire: &mut Vec<u8>) {
        wire.push(0);
        wire.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
        wire.extend(message);
    }

    fn chunk(offset: u64, data: &[u8]) -> v1::ValueChunk {
        v1::ValueChunk { offset, crc32c: crc32c::crc32c(data), data: Bytes::copy_from_slice(data) }
    }

    async fn chunk_of(sent: &mut Sent<Frames>) -> v1::ValueChunk {
        let Some(Begun::Chunk(ChunkHead { offset, crc32c, length })) = sent.next().await.unwrap() else {
            panic!("no chunk")
        };
        v1::ValueChunk { offset, crc32c, data: sent.data(length, length).await.unwrap().expect("all of it may come") }
    }

    #[tokio::test]
    async fn messages_are_read_however_they_are_cut() {
        let data: Vec<u8> = (0..5000_u32).map(|number| number.to_le_bytes()[0]).collect();
        let header = v1::WriteValueHeader { upload_id: "x".repeat(16), ..Default::default() };
        let finish = v1::WriteValueFinish { size_bytes: 5001, ..Default::default() };
        let wire = framed([
            Message::Header(header.clone()),
            Message::Chunk(chunk(0, &data)),
            Message::Chunk(chunk(5000, b"!")),
            Message::Finish(finish.clone()),
        ]);
        for frame in [1, 3, 5, 47, 48, 49, 1000, wire.len()] {
            let mut sent = sent(&wire, frame);
            assert!(matches!(sent.next().await.unwrap(), Some(Begun::Header(read)) if *read == header), "{frame}");
            assert!(chunk_of(&mut sent).await == chunk(0, &data), "{frame}");
            assert_eq!(chunk_of(&mut sent).await, chunk(5000, b"!"), "{frame}");
            assert!(matches!(sent.next().await.unwrap(), Some(Begun::Finish(read)) if read == finish));
            assert!(sent.next().await.unwrap().is_none());
        }
    }

    /// The data of a chunk of this length, taken in such steps; how many these were.
    async fn in_steps(sent: &mut Sent<Frames>, (length, step): (usize, usize), frame: usize) -> (Bytes, usize) {
        let (mut most, mut steps) = (0, 0);
        loop {
            let here = sent.here(length);
            assert!(here <= most + frame + HEAD, "{here} of {most} in frames of {frame}");
            most = length.min(here + step);
            steps += 1;
            if let Some(data) = sent.data(length, most).await.unwrap() {
                return (data, steps);
            }
            assert!(sent.here(length) >= most, "it is asked for when it is used up");
        }
    }

    #[tokio::test]
    async fn of_a_chunk_no_more_is_taken_than_may_come() {
        let data: Vec<u8> = (0..5000_u32).map(|number| number.to_le_bytes()[0]).collect();
        let wire = framed([Message::Chunk(chunk(0, &data)), Message::Chunk(chunk(5000, b"!"))]);
        for frame in [1, 47, 100, 1000, wire.len()] {
            let mut sent = sent(&wire, frame);
            assert!(matches!(sent.next().await.unwrap(), Some(Begun::Chunk(head)) if head.length == data.len()));
            let (came, steps) = in_steps(&mut sent, (data.len(), 700), frame).await;
            assert!(came == data, "{frame}");
            assert!(frame == wire.len() || steps > 2, "{frame}: {steps} steps");
            assert_eq!(chunk_of(&mut sent).await, chunk(5000, b"!"), "{frame}");
        }
    }

    #[tokio::test]
    async fn a_chunk_in_another_order_is_read_as_well() {
        // data, then the offset, then a field that nobody knows.
        let inner = [&[0x1a, 3][..], b"abc", &[0x08, 9], &[0x7a, 1, 0]].concat();
        let mut wire = Vec::new();
        raw(&[&[0x12, u8::try_from(inner.len()).unwrap()][..], &inner].concat(), &mut wire);
        let mut sent = sent(&wire, 4);
        let Some(Begun::Chunk(head)) = sent.next().await.unwrap() else { panic!("no chunk") };
        assert_eq!(
            (head, &sent.data(3, 3).await.unwrap().unwrap()[..]),
            (ChunkHead { offset: 9, crc32c: 0, length: 3 }, &b"abc"[..])
        );
    }

    #[tokio::test]
    async fn what_has_too_many_parts_is_refused_before_it_is_decoded() {
        let within = |tag: u8, content: &[u8]| {
            let mut message = vec![tag];
            prost::encoding::encode_varint(content.len() as u64, &mut message);
            [&message, content].concat()
        };
        // A header with a Put that has so many labels.
        for (labels, expected) in [(100_000, Ok(())), (200_000, Err("MESSAGE_TOO_LARGE"))] {
            let mut wire = Vec::new();
            raw(&within(0x0a, &within(0x12, &[0x62, 0].repeat(labels))), &mut wire);
            let next = sent(&wire, 9_000).next().await;
            assert_eq!(next.map(|_header| ()).map_err(|failure| failure.reason()), expected);
        }
    }

    #[tokio::test]
    async fn what_is_no_message_is_refused_before_there_is_room_for_it() {
        let reason = async |wire: &[u8]| sent(wire, 7).next().await.unwrap_err().reason();
        assert_eq!(reason(&[1, 0, 0, 0, 0]).await, "NO_SUCH_RPC");
        assert_eq!(reason(&[0, 0xff, 0, 0, 0]).await, "MESSAGE_TOO_LARGE");
        assert_eq!(reason(&[0, 0, 0, 0, 2, 0xff, 0xff]).await, "BAD_MESSAGE");
        assert_eq!(reason(&[0, 0, 0]).await, "BAD_MESSAGE");
        assert_eq!(reason(&framed([Message::Chunk(chunk(0, &[0; (8 << 10) + 1]))])).await, "BAD_ARGUMENT");
        assert_eq!(reason(&framed([Message::Chunk(chunk(0, b""))])).await, "BAD_ARGUMENT");
        let mut endless = Vec::new();
        raw(&[&[0x12, 11, 0x1a][..], &[0xff; 9], &[1]].concat(), &mut endless);
        assert_eq!(reason(&endless).await, "BAD_MESSAGE");
        let half = framed([Message::Chunk(chunk(0, &[7; 100]))]);
        let mut sent = sent(&half[..60], 11);
        let Some(Begun::Chunk(head)) = sent.next().await.unwrap() else { panic!("no chunk") };
        assert_eq!(sent.data(head.length, head.length).await.unwrap_err().reason(), "BAD_MESSAGE");
    }
}
