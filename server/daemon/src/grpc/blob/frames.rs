//! What a reader is sent, as frames: the head of a chunk, then its bytes where they lie in the store. What is read is not
//! known here.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{BufMut, Bytes, BytesMut};
use futures::{Stream, stream::BoxStream};
use http::{HeaderMap, HeaderValue, Response, header::CONTENT_TYPE};
use http_body::Frame;
use prost::{Message, encoding::encode_varint};
use tonic::body::Body;

use crate::grpc::status::Failure;

/// Bytes before a chunk's data at most.
const HEAD: usize = 40;

/// A message as gRPC frames it.
pub(in crate::grpc) fn message(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut frame = BytesMut::with_capacity(length + 5);
    frame.put_u8(0);
    // No message here is larger than a chunk.
    frame.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    message.encode_raw(&mut frame);
    frame.freeze()
}

/// The frame before a chunk's data: the gRPC prefix and all of the message that comes before them.
pub(in crate::grpc) fn chunk_head(offset: u64, crc32c: u32, length: usize) -> Bytes {
    let mut inner = BytesMut::with_capacity(HEAD);
    if offset != 0 {
        inner.put_u8(1 << 3);
        encode_varint(offset, &mut inner);
    }
    if crc32c != 0 {
        inner.put_u8(2 << 3 | 5);
        inner.put_u32_le(crc32c);
    }
    inner.put_u8(3 << 3 | 2);
    encode_varint(length as u64, &mut inner);
    let mut outer = BytesMut::with_capacity(HEAD);
    outer.put_u8(2 << 3 | 2);
    encode_varint((inner.len() + length) as u64, &mut outer);
    let mut head = BytesMut::with_capacity(HEAD);
    head.put_u8(0);
    head.put_u32(u32::try_from(outer.len() + inner.len() + length).unwrap_or(u32::MAX));
    head.extend_from_slice(&outer);
    head.extend_from_slice(&inner);
    head.freeze()
}

/// A response that has begun.
pub(in crate::grpc) fn response(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

/// The response to a call with one message.
pub(in crate::grpc) fn unary(answer: &impl Message) -> Response<Body> {
    let frames = [Frame::data(message(answer)), Frame::trailers(done())];
    response(Body::new(Ready(frames.into())))
}

fn done() -> HeaderMap {
    HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))])
}

/// Frames that are there already.
struct Ready(VecDeque<Frame<Bytes>>);

impl http_body::Body for Ready {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }
}

/// A stream of pieces as a body: ends with OK, or with the failure that comes in place of a piece.
pub(in crate::grpc) struct Pieces(Option<BoxStream<'static, Result<Bytes, Failure>>>);

impl Pieces {
    /// These pieces.
    pub(in crate::grpc) fn new(pieces: impl Stream<Item = Result<Bytes, Failure>> + Send + 'static) -> Self {
        Self(Some(Box::pin(pieces)))
    }
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
        let Some(pieces) = &mut self.0 else { return Poll::Ready(None) };
        let trailers = match ready!(pieces.as_mut().poll_next(cx)) {
            Some(Ok(piece)) => return Poll::Ready(Some(Ok(Frame::data(piece)))),
            Some(Err(failure)) => failure.trailers(),
            None => done(),
        };
        self.0 = None;
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }
}

#[cfg(test)]
mod tests {
    use hotplate_proto::v1::{self, read_value_response};

    use super::*;

    #[test]
    fn a_head_and_its_data_are_the_message_that_a_library_would_write() {
        for (offset, crc32c, length) in [(0, 0, 1), (1, 7, 127), (1 << 40, u32::MAX, 128), (300, 1, 1 << 20)] {
            let data = Bytes::from(vec![b'x'; length]);
            let chunk = v1::ValueChunk { offset, crc32c, data: data.clone() };
            let whole = v1::ReadValueResponse { message: Some(read_value_response::Message::Chunk(chunk)) };
            let by_hand = [&chunk_head(offset, crc32c, length)[..], &data].concat();
            assert_eq!(by_hand, message(&whole), "{offset} {length}");
        }
    }
}
