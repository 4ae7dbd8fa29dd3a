//! Messages as they are sent, without a copy of what is large in them, and the body of a response that is one of them. What
//! messages say is not known here.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::LazyLock,
    task::{Context, Poll},
};

use bytes::{BufMut, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue, Response, header::CONTENT_TYPE};
use http_body::{Body, Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

use super::prefix::{PREFIX_BYTES, Prefix};
use crate::net::waits_for_reader;

/// A message with its prefix, in the pieces that are sent: what comes before a large value, the value, what comes after.
#[derive(Clone, Debug)]
pub(crate) struct Framed {
    pieces: [Bytes; 3],
}

impl Framed {
    /// A message in one piece, its prefix in front.
    pub(crate) fn whole(prefixed: Bytes) -> Self {
        Self { pieces: [prefixed, Bytes::new(), Bytes::new()] }
    }

    /// A message whose middle is sent as it lies. `head` begins with the prefix of the whole.
    pub(crate) fn around(head: Bytes, middle: Bytes, tail: Bytes) -> Self {
        Self { pieces: [head, middle, tail] }
    }

    /// Encodes a message, its prefix in front, in one piece of exactly its size; `None`: it is longer than any may be.
    pub(crate) fn of(message: &impl prost::Message) -> Option<Self> {
        let length = message.encoded_len();
        let mut whole = Vec::with_capacity(PREFIX_BYTES + length);
        whole.put_slice(&Prefix::write(length)?);
        message.encode_raw(&mut whole);
        Some(Self::whole(whole.into()))
    }

    /// Bytes of it that were not taken yet.
    pub(crate) fn length(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }

    /// The same with each of its pieces made into another of the same bytes.
    pub(crate) fn map(self, mut of: impl FnMut(Bytes) -> Bytes) -> Self {
        Self { pieces: self.pieces.map(|piece| if piece.is_empty() { piece } else { of(piece) }) }
    }

    /// The next piece; `None`: all were taken.
    pub(crate) fn next_piece(&mut self) -> Option<Bytes> {
        let piece = self.pieces.iter_mut().find(|piece| !piece.is_empty())?;
        Some(std::mem::take(piece))
    }
}

/// The body of a response that is one message, and OK after it.
#[derive(Debug)]
pub(crate) struct Reply {
    message: Framed,
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
    pub(crate) fn response(message: Framed, place: Option<OwnedSemaphorePermit>) -> Response<Self> {
        response(Self { message, over: false, _place: place })
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(piece) = self.message.next_piece() {
            waits_for_reader(true);
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        if self.over {
            return Poll::Ready(None);
        }
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

    fn frames(mut reply: Reply) -> Vec<Frame<Bytes>> {
        let frames = poll_fn(|cx| Pin::new(&mut reply).poll_frame(cx));
        frames.map(|frame| frame.unwrap_or_else(|never| match never {})).collect().now_or_never().unwrap()
    }

    #[test]
    fn a_reply_is_its_pieces_and_then_ok() {
        let value = Bytes::from(vec![7; 100_000]);
        let framed = Framed::around(Bytes::from_static(b"head"), value.clone(), Bytes::from_static(b"tail"));
        let frames = frames(Reply::response(framed, None).into_body());
        let data: Vec<&Bytes> = frames.iter().filter_map(Frame::data_ref).collect();
        assert_eq!(data, [&Bytes::from_static(b"head"), &value, &Bytes::from_static(b"tail")]);
        assert_eq!(data[1].as_ptr(), value.as_ptr(), "the value is sent as it lies");
        let trailers = frames.last().unwrap().trailers_ref().unwrap();
        assert_eq!(trailers["grpc-status"], "0");
        assert_eq!(frames.len(), 4);
    }

    #[test]
    fn a_message_is_one_piece_of_exactly_its_size() {
        let message = hotplate_proto::v1::GetRequest { key: "k".repeat(300), ..Default::default() };
        let mut framed = Framed::of(&message).unwrap();
        let piece = framed.next_piece().unwrap();
        let told = super::super::prefix::only_message(&piece, 1000).unwrap();
        assert_eq!(<hotplate_proto::v1::GetRequest as prost::Message>::decode(told).unwrap(), message);
        assert!(framed.next_piece().is_none());
        let response = Reply::response(Framed::of(&hotplate_proto::v1::GetRequest::default()).unwrap(), None);
        assert_eq!(response.headers()["content-type"], "application/grpc");
        assert_eq!(frames(response.into_body()).len(), 2, "an empty message has a prefix");
    }
}
