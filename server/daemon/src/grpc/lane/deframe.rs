//! Takes the messages out of the body of a request as they come, without a copy of those that come in one piece. What messages
//! say is not known here.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http_body::Body;

use super::prefix::{PREFIX_BYTES, Prefix};
use crate::grpc::status::Failure;

/// The messages of a request.
#[derive(Debug)]
pub(crate) struct Messages<B> {
    body: B,
    /// What came and was not looked at.
    here: Bytes,
    /// The beginning of a message that did not come in one piece.
    begun: BytesMut,
    message_bytes_max: usize,
    over: bool,
}

impl<B> Messages<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    /// The messages of a body, each of so many bytes at most.
    pub(crate) fn of(body: B, message_bytes_max: usize) -> Self {
        Self { body, here: Bytes::new(), begun: BytesMut::new(), message_bytes_max, over: false }
    }

    /// The next message; `None`: there are no more.
    ///
    /// # Errors
    /// A message that is too large, compressed or cut off; a body that broke. Nothing comes after that.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Failure>>> {
        loop {
            match self.take() {
                Ok(Some(message)) => return Poll::Ready(Some(Ok(message))),
                Ok(None) if self.over => return Poll::Ready(None),
                Ok(None) => {}
                Err(failure) => return self.fail(failure),
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => self.here = frame.into_data().unwrap_or_default(),
                Some(Err(_broken)) => return self.fail(Failure::new("BAD_MESSAGE", "the request broke off")),
                None if self.begun.is_empty() => self.over = true,
                None => return self.fail(Failure::new("BAD_MESSAGE", "the last message of the request is cut off")),
            }
        }
    }

    fn fail(&mut self, failure: Failure) -> Poll<Option<Result<Bytes, Failure>>> {
        (self.over, self.here, self.begun) = (true, Bytes::new(), BytesMut::new());
        Poll::Ready(Some(Err(failure)))
    }

    /// The next message of those bytes that are here; `None`: it is not all here, and what there is of it is put by.
    fn take(&mut self) -> Result<Option<Bytes>, Failure> {
        if self.begun.is_empty() {
            if let Some(length) = self.length(&self.here)?
                && self.here.len() >= PREFIX_BYTES + length
            {
                let mut message = self.here.split_to(PREFIX_BYTES + length);
                return Ok(Some(message.split_off(PREFIX_BYTES)));
            }
            self.put_by(self.here.len());
            return Ok(None);
        }
        self.put_by(PREFIX_BYTES.saturating_sub(self.begun.len()));
        let Some(length) = self.length(&self.begun)? else { return Ok(None) };
        self.put_by((PREFIX_BYTES + length).saturating_sub(self.begun.len()));
        if self.begun.len() < PREFIX_BYTES + length {
            return Ok(None);
        }
        Ok(Some(std::mem::take(&mut self.begun).freeze().slice(PREFIX_BYTES..)))
    }

    fn put_by(&mut self, most: usize) {
        let some = self.here.split_to(most.min(self.here.len()));
        self.begun.extend_from_slice(&some);
    }

    /// The length of the message that begins here; `None`: its prefix is not all here.
    fn length(&self, bytes: &[u8]) -> Result<Option<usize>, Failure> {
        match Prefix::read(bytes) {
            None => Ok(None),
            Some(Prefix { flag: 0, length }) if length <= self.message_bytes_max => Ok(Some(length)),
            Some(Prefix { flag: 0, length }) => {
                let rule = format!("a message has at most {} bytes, this one has {length}", self.message_bytes_max);
                Err(Failure::new("MESSAGE_TOO_LARGE", rule))
            }
            Some(_) => Err(Failure::new("BAD_MESSAGE", "the request is not compressed as a whole, so no message is")),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, StreamExt, stream};
    use http_body::Frame;
    use http_body_util::StreamBody;
    use rand::{RngExt, SeedableRng, rngs::StdRng};

    use super::*;

    fn all(pieces: Vec<Bytes>, most: usize) -> Vec<Result<Bytes, &'static str>> {
        let frames =
            stream::iter(pieces.into_iter().map(|piece| Ok::<_, std::convert::Infallible>(Frame::data(piece))));
        let mut messages = Messages::of(StreamBody::new(frames), most);
        let messages = stream::poll_fn(|cx| messages.poll_next(cx));
        let messages = messages.map(|message| message.map_err(|failure| failure.reason()));
        messages.collect::<Vec<_>>().now_or_never().unwrap()
    }

    fn framed(messages: &[Vec<u8>]) -> Vec<u8> {
        messages.iter().flat_map(|message| [&Prefix::write(message.len()).unwrap(), &message[..]].concat()).collect()
    }

    #[test]
    fn messages_come_out_however_they_were_cut() {
        let mut random = StdRng::seed_from_u64(3);
        for _ in 0..300 {
            let mut message = || vec![random.random(); random.random_range(0..40)];
            let messages: Vec<Vec<u8>> = (0..8).map(|_| message()).collect();
            let (mut bytes, mut pieces) = (Bytes::from(framed(&messages)), Vec::new());
            while !bytes.is_empty() {
                pieces.push(bytes.split_to(random.random_range(0..=bytes.len().min(50))));
            }
            let expected: Vec<_> = messages.into_iter().map(|message| Ok(Bytes::from(message))).collect();
            assert_eq!(all(pieces, 40), expected);
        }
    }

    #[test]
    fn what_is_no_message_ends_the_request() {
        let good = framed(&[vec![1, 2]]);
        for (bad, reason) in [
            (vec![0, 0, 0, 0, 9], "MESSAGE_TOO_LARGE"),
            (vec![1, 0, 0, 0, 1, 7], "BAD_MESSAGE"),
            (vec![0, 0, 0, 0, 3, 7], "BAD_MESSAGE"),
            (vec![0, 0, 0], "BAD_MESSAGE"),
        ] {
            let messages = all(vec![[&good[..], &bad].concat().into()], 8);
            assert_eq!(messages, [Ok(Bytes::from(vec![1, 2])), Err(reason)]);
        }
        assert_eq!(all(vec![], 8), []);
    }
}
