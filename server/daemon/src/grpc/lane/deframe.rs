//! Takes the messages out of the body of a request as they come, without a copy of those that come in one piece. What is large
//! has room in the ledger from when it begins to come until nobody needs it. What messages say is not known here.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http_body::Body;

use super::prefix::{PREFIX_BYTES, Prefix};
use crate::{
    grpc::{
        coming::{Coming, Intake, Room, SMALL_BYTES},
        status::Failure,
    },
    ledger::{Permit, Use},
};

/// A message, and the room it has as long as this is kept; none if it is small.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) bytes: Bytes,
    pub(crate) room: Option<Arc<Permit>>,
}

/// The messages of a request.
pub(crate) struct Messages<B> {
    body: B,
    intake: Intake,
    /// What came and was not looked at, and its room if it is large.
    here: Bytes,
    room: Option<Arc<Permit>>,
    /// What came and waits for room.
    waits: Option<(Bytes, Room)>,
    /// The beginning of a message that did not come in one piece.
    begun: BytesMut,
    /// The same message, if it is large.
    coming: Option<Coming>,
    message_bytes_max: usize,
    over: bool,
}

impl<B> Messages<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    /// The messages of a body, each of so many bytes at most.
    pub(crate) fn of(body: B, intake: Intake, message_bytes_max: usize) -> Self {
        Self {
            body,
            intake,
            here: Bytes::new(),
            room: None,
            waits: None,
            begun: BytesMut::new(),
            coming: None,
            message_bytes_max,
            over: false,
        }
    }

    /// The next message; `None`: there are no more.
    ///
    /// # Errors
    /// A message that is too large, compressed, cut off or too slow; no room for it; a body that broke. Nothing comes after that.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Message, Failure>>> {
        loop {
            match ready!(self.poll_room(cx)).and_then(|()| self.take()) {
                Ok(Some(message)) => return Poll::Ready(Some(Ok(message))),
                Ok(None) if self.over => return Poll::Ready(None),
                Ok(None) => {}
                Err(failure) => return self.fail(failure),
            }
            // Not before there is room for what has begun.
            if let Err(failure) = ready!(self.poll_room(cx)) {
                return self.fail(failure);
            }
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => self.came(frame.into_data().unwrap_or_default()),
                Poll::Ready(Some(Err(_broken))) => {
                    return self.fail(Failure::new("BAD_MESSAGE", "the request broke off"));
                }
                Poll::Ready(None) if self.begun.is_empty() => self.over = true,
                Poll::Ready(None) => {
                    return self.fail(Failure::new("BAD_MESSAGE", "the last message of the request is cut off"));
                }
                Poll::Pending => match self.coming.as_mut().map_or(Ok(()), |coming| coming.poll_pace(cx)) {
                    Ok(()) => return Poll::Pending,
                    Err(failure) => return self.fail(failure),
                },
            }
        }
    }

    /// Comes when what is here has room.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        if let Some((_, waits)) = &mut self.waits {
            let permit = match ready!(waits.poll(cx)) {
                Ok(permit) => permit,
                Err(failure) => return Poll::Ready(Err(failure)),
            };
            self.room = Some(Arc::new(permit));
            self.here = self.waits.take().map(|(frame, _)| frame).unwrap_or_default();
        }
        self.coming.as_mut().map_or(Poll::Ready(Ok(())), |coming| coming.poll_room(cx))
    }

    fn came(&mut self, frame: Bytes) {
        if let Some(coming) = &mut self.coming {
            // Its room is there already.
            coming.came(frame.len());
        } else if frame.len() > SMALL_BYTES {
            match self.intake.share().take(Use::Requests, frame.len() as u64) {
                Some(permit) => self.room = Some(Arc::new(permit)),
                None => {
                    self.waits = Some((frame.clone(), Room::new(&self.intake, frame.len())));
                    return;
                }
            }
        }
        self.here = frame;
    }

    fn fail(&mut self, failure: Failure) -> Poll<Option<Result<Message, Failure>>> {
        (self.over, self.here, self.begun) = (true, Bytes::new(), BytesMut::new());
        (self.room, self.waits, self.coming) = (None, None, None);
        Poll::Ready(Some(Err(failure)))
    }

    /// The next message of those bytes that are here; `None`: it is not all here, and what there is of it is put by.
    fn take(&mut self) -> Result<Option<Message>, Failure> {
        if self.begun.is_empty() {
            if let Some(length) = self.length(&self.here)?
                && self.here.len() >= PREFIX_BYTES + length
            {
                let mut message = self.here.split_to(PREFIX_BYTES + length);
                let room = self.room.take();
                self.room = room.clone().filter(|_| !self.here.is_empty());
                return Ok(Some(Message { bytes: message.split_off(PREFIX_BYTES), room }));
            }
            self.put_by(self.here.len());
        } else {
            self.put_by(PREFIX_BYTES.saturating_sub(self.begun.len()));
        }
        let Some(length) = self.length(&self.begun)? else {
            self.leave();
            return Ok(None);
        };
        self.put_by((PREFIX_BYTES + length).saturating_sub(self.begun.len()));
        if self.begun.len() < PREFIX_BYTES + length {
            if length > SMALL_BYTES && self.coming.is_none() {
                self.coming = Some(Coming::new(&self.intake, length));
            }
            self.leave();
            return Ok(None);
        }
        let room = self.coming.take().and_then(Coming::into_room).map(Arc::new).or_else(|| self.room.take());
        self.room = room.clone().filter(|_| !self.here.is_empty());
        Ok(Some(Message { bytes: std::mem::take(&mut self.begun).freeze().slice(PREFIX_BYTES..), room }))
    }

    /// Gives back the room of what is not here any more. What was put by is small, or has room as part of its message: both
    /// at once might never fit.
    fn leave(&mut self) {
        if self.here.is_empty() {
            self.room = None;
        }
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
    use crate::{config::LedgerSettings, ledger::Ledger};

    fn intake(settings: &LedgerSettings) -> Intake {
        let (ledger, patience) = (Ledger::new(settings), std::time::Duration::from_secs(60));
        Intake { ledger, own: Arc::default(), caller: None, rate_min: 1 << 20, patience }
    }

    fn all(pieces: Vec<Bytes>, most: usize) -> Vec<Result<Bytes, &'static str>> {
        let frames =
            stream::iter(pieces.into_iter().map(|piece| Ok::<_, std::convert::Infallible>(Frame::data(piece))));
        let mut messages = Messages::of(StreamBody::new(frames), intake(&LedgerSettings::default()), most);
        let messages = stream::poll_fn(|cx| messages.poll_next(cx));
        let messages = messages.map(|message| message.map(|said| said.bytes).map_err(|failure| failure.reason()));
        messages.collect::<Vec<_>>().now_or_never().unwrap()
    }

    fn framed(messages: &[Vec<u8>]) -> Vec<u8> {
        messages.iter().flat_map(|message| [&Prefix::write(message.len()).unwrap(), &message[..]].concat()).collect()
    }

    fn cut(random: &mut StdRng, mut bytes: Bytes) -> Vec<Bytes> {
        let mut pieces = Vec::new();
        while !bytes.is_empty() {
            pieces.push(bytes.split_to(random.random_range(0..=bytes.len().min(50))));
        }
        pieces
    }

    #[tokio::test]
    async fn messages_come_out_however_they_were_cut() {
        let mut random = StdRng::seed_from_u64(3);
        for _ in 0..300 {
            let mut message = || vec![random.random(); random.random_range(0..40)];
            let messages: Vec<Vec<u8>> = (0..8).map(|_| message()).collect();
            let pieces = cut(&mut random, framed(&messages).into());
            let expected: Vec<_> = messages.into_iter().map(|message| Ok(Bytes::from(message))).collect();
            assert_eq!(all(pieces, 40), expected);
        }
    }

    /// The messages of a stream that goes on after these pieces.
    fn going_on(pieces: Vec<Vec<u8>>, intake: Intake) -> Messages<impl Body<Data = Bytes> + Unpin> {
        let frames = pieces.into_iter().map(|piece| Ok::<_, std::convert::Infallible>(Frame::data(piece.into())));
        let frames = stream::iter(frames).chain(stream::pending());
        Messages::of(StreamBody::new(frames), intake, 4 << 20)
    }

    #[tokio::test]
    async fn the_beginning_of_a_prefix_holds_no_room() {
        let intake = intake(&LedgerSettings::default());
        let ledger = Arc::clone(&intake.ledger);
        let held = || ledger.state(Use::Requests).0;
        for begun in [vec![0, 0, 0], vec![0, 0, 0, 0, 9, 1]] {
            let first = [framed(&[vec![7; 1 << 20]]), begun].concat();
            let mut messages = going_on(vec![first], intake.clone());
            let mut next = std::pin::pin!(stream::poll_fn(|cx| messages.poll_next(cx)));
            let message = next.next().await.unwrap().unwrap();
            assert!(held() >= 1 << 20);
            drop(message);
            assert!(next.next().now_or_never().is_none(), "it is not all here");
            assert_eq!(held(), 0);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_needs_no_room_beside_that_of_its_first_frame() {
        let settings = LedgerSettings { requests_bytes_max: 1 << 20, ..Default::default() };
        let intake = Intake { caller: Some("a".into()), ..intake(&settings) };
        // All that one caller may hold, and a large part of it in the first frame.
        let mut rest = framed(&[vec![7; 512 << 10]]);
        let first: Vec<u8> = rest.drain(..200 << 10).collect();
        let mut messages = going_on(vec![first, rest], intake);
        let message = stream::poll_fn(|cx| messages.poll_next(cx)).next().await.unwrap();
        assert_eq!(message.map(|message| message.bytes.len()).map_err(|failure| failure.reason()), Ok(512 << 10));
    }

    #[tokio::test]
    async fn what_is_no_message_ends_the_request() {
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
