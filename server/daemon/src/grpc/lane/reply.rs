//! Messages as they are sent, without a copy of what is large in them, and the body of a response that is one of them. What
//! messages say is not known here.

use std::{
    convert::Infallible,
    io::IoSlice,
    pin::Pin,
    sync::{Arc, LazyLock},
    task::{Context, Poll, ready},
};

use bytes::{Buf, BufMut, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue, Response, header::CONTENT_TYPE};
use http_body::{Body, Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

use super::prefix::{PREFIX_BYTES, Prefix};
use crate::{
    grpc::{
        going::{Parcel, poll_sent},
        readers::{OnWay, Streaming},
    },
    ledger::Unsent,
    net::waits_for_reader,
};

/// A message with its prefix, in the pieces that are sent: what comes before a large value, the value, what comes after. It is
/// handed on whole, and written from where the pieces lie: in one frame, where the peer takes such large ones.
///
/// Most messages are one piece, and HTTP/2 moves them many times until they are sent: the others are told elsewhere.
#[derive(Debug)]
pub(crate) struct Framed {
    first: Bytes,
    more: Option<Box<More>>,
    /// Where it is counted until it is sent.
    unsent: Option<Arc<Unsent>>,
}

/// What few messages have.
#[derive(Debug, Default)]
struct More {
    rest: [Bytes; 2],
    /// Hears how it is sent, and keeps its room until it is.
    way: Option<OnWay>,
}

impl Framed {
    /// A message in one piece, its prefix in front.
    pub(crate) fn whole(prefixed: Bytes) -> Self {
        Self { first: prefixed, more: None, unsent: None }
    }

    /// A message whose middle is sent as it lies. `head` begins with the prefix of the whole.
    pub(crate) fn around(head: Bytes, middle: Bytes, tail: Bytes) -> Self {
        Self { first: head, more: Some(Box::new(More { rest: [middle, tail], way: None })), unsent: None }
    }

    /// Encodes a message, its prefix in front, in one piece of exactly its size; `None`: it is longer than any may be.
    pub(crate) fn of(message: &impl prost::Message) -> Option<Self> {
        let length = message.encoded_len();
        let mut whole = Vec::with_capacity(PREFIX_BYTES + length);
        whole.put_slice(&Prefix::write(length)?);
        message.encode_raw(&mut whole);
        Some(Self::whole(whole.into()))
    }

    /// The same, with who hears how it is sent.
    pub(crate) fn on_way(mut self, way: OnWay) -> Self {
        self.more.get_or_insert_default().way = Some(way);
        self
    }

    /// The same, counted here until it is sent.
    pub(crate) fn counted_in(mut self, unsent: Arc<Unsent>) -> Self {
        unsent.add(self.remaining());
        self.unsent = Some(unsent);
        self
    }

    fn pieces(&self) -> impl Iterator<Item = &Bytes> {
        let rest = self.more.as_deref().map(|more| &more.rest);
        [&self.first].into_iter().chain(rest.into_iter().flatten()).filter(|piece| !piece.is_empty())
    }
}

impl Drop for Framed {
    fn drop(&mut self) {
        if let Some(unsent) = &self.unsent {
            unsent.sent(self.remaining());
        }
    }
}

impl Buf for Framed {
    fn remaining(&self) -> usize {
        self.pieces().map(Bytes::len).sum()
    }

    fn chunk(&self) -> &[u8] {
        self.pieces().next().map_or(&[], |piece| piece)
    }

    fn chunks_vectored<'a>(&'a self, into: &mut [IoSlice<'a>]) -> usize {
        let mut count = 0;
        for (slice, piece) in into.iter_mut().zip(self.pieces()) {
            *slice = IoSlice::new(piece);
            count += 1;
        }
        count
    }

    fn advance(&mut self, count: usize) {
        assert!(count <= self.remaining(), "no more is taken than there is");
        let mut left = count;
        let rest = self.more.as_deref_mut().map(|more| &mut more.rest);
        for piece in [&mut self.first].into_iter().chain(rest.into_iter().flatten()) {
            let taken = left.min(piece.len());
            if taken == piece.len() {
                // What it holds is let go as soon as it is sent.
                *piece = Bytes::new();
            } else {
                piece.advance(taken);
            }
            left -= taken;
        }
        if let Some(unsent) = &self.unsent {
            unsent.sent(count);
        }
        let is_sent = !self.has_remaining();
        if let Some(More { way, .. }) = self.more.as_deref_mut() {
            way.iter_mut().for_each(|way| way.went(count));
            way.take_if(|_| is_sent);
        }
    }
}

/// The body of a response that is one message, and OK after it.
#[derive(Debug)]
pub(crate) struct Reply {
    message: Option<Framed>,
    /// What tells when it is sent, if the call lasts until then.
    sending: Option<Box<Streaming>>,
    over: bool,
    /// The call counts as in flight until its response is sent.
    _place: Option<OwnedSemaphorePermit>,
}

static HEADERS: LazyLock<HeaderMap> =
    LazyLock::new(|| HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/grpc"))]));
static OK: LazyLock<HeaderMap> =
    LazyLock::new(|| HeaderMap::from_iter([(HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))]));

/// The trailers of a call that went well.
pub(crate) fn ok() -> HeaderMap {
    OK.clone()
}

/// The response of a call that is answered by messages.
pub(crate) fn response<B>(body: B) -> Response<B> {
    let mut response = Response::new(body);
    response.headers_mut().clone_from(&HEADERS);
    response
}

impl Reply {
    /// The response that is this message. The call keeps its place until it is sent.
    pub(crate) fn response(answer: Parcel, place: Option<OwnedSemaphorePermit>) -> Response<Self> {
        let Parcel { message, sending } = answer;
        response(Self { message: Some(message), sending, over: false, _place: place })
    }
}

impl Body for Reply {
    type Data = Framed;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Framed>, Infallible>>> {
        if let Some(message) = self.message.take() {
            // Who is counted is waited for elsewhere.
            if self.sending.is_none() {
                waits_for_reader(true);
            }
            return Poll::Ready(Some(Ok(Frame::data(message))));
        }
        if self.over {
            return Poll::Ready(None);
        }
        // With its trailers it would leave our hands, however much of it is not sent.
        ready!(poll_sent(&mut self.sending, cx));
        self.over = true;
        Poll::Ready(Some(Ok(Frame::trailers(ok()))))
    }

    fn is_end_stream(&self) -> bool {
        self.over
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, StreamExt, stream::poll_fn};

    use super::*;
    use crate::grpc::going::Going;

    fn frames(mut reply: Reply) -> Vec<Frame<Framed>> {
        let frames = poll_fn(|cx| Pin::new(&mut reply).poll_frame(cx));
        frames.map(|frame| frame.unwrap_or_else(|never| match never {})).collect().now_or_never().unwrap()
    }

    #[test]
    fn a_reply_is_one_frame_of_its_pieces_and_then_ok() {
        let value = Bytes::from(vec![7; 100_000]);
        let framed = Framed::around(Bytes::from_static(b"head"), value.clone(), Bytes::from_static(b"tail"));
        let frames = frames(Reply::response(Going::Tiny.with(framed), None).into_body());
        let mut slices = [IoSlice::new(&[]); 4];
        assert_eq!(frames[0].data_ref().unwrap().chunks_vectored(&mut slices), 3);
        assert_eq!([&*slices[0], &*slices[1], &*slices[2]], [&b"head"[..], &value, b"tail"]);
        assert_eq!(slices[1].as_ptr(), value.as_ptr(), "the value is sent as it lies");
        let trailers = frames.last().unwrap().trailers_ref().unwrap();
        assert_eq!(trailers["grpc-status"], "0");
        assert_eq!(frames.len(), 2);
    }

    #[test]
    fn pieces_are_taken_in_order_however_much_is_taken_at_once() {
        let pieces = ["head", "middle", "tail"];
        let whole = pieces.concat();
        for step in 1..=whole.len() {
            let [head, middle, tail] = pieces.map(|piece| Bytes::from_static(piece.as_bytes()));
            let (mut framed, mut taken) = (Framed::around(head, middle, tail), Vec::new());
            while framed.has_remaining() {
                assert_eq!(framed.remaining(), whole.len() - taken.len());
                let some = framed.chunk().len().min(step);
                taken.extend_from_slice(&framed.chunk()[..some]);
                framed.advance(some);
            }
            assert_eq!(taken, whole.as_bytes());
        }
        let mut framed = Framed::around(Bytes::from_static(b"ab"), Bytes::new(), Bytes::from_static(b"cd"));
        framed.advance(3);
        assert_eq!((framed.chunk(), framed.chunks_vectored(&mut [])), (&b"d"[..], 0));
    }

    #[test]
    fn a_message_is_one_piece_of_exactly_its_size() {
        let message = hotplate_proto::v1::GetRequest { key: "k".repeat(300), ..Default::default() };
        let mut framed = Framed::of(&message).unwrap();
        let piece = framed.copy_to_bytes(framed.remaining());
        let told = super::super::prefix::only_message(&piece, 1000).unwrap();
        assert_eq!(<hotplate_proto::v1::GetRequest as prost::Message>::decode(told).unwrap(), message);
        assert!(!framed.has_remaining());
        let response =
            Reply::response(Going::Tiny.with(Framed::of(&hotplate_proto::v1::GetRequest::default()).unwrap()), None);
        assert_eq!(response.headers()["content-type"], "application/grpc");
        assert_eq!(frames(response.into_body()).len(), 2, "an empty message has a prefix");
    }
}
