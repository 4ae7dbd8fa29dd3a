//! The body of a request with one message: in room of its own and at its pace if it is large, looked at when it is whole. What
//! comes in small frames is put together, as each would keep alive what it was read into. What requests say is not known here.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use tonic::Status;

use super::{
    coming::{Coming, Intake, SMALL_BYTES},
    lane::prefix::{PREFIX_BYTES, Prefix},
    status::Failure,
};
use crate::ledger::Permit;

/// Bytes of a piece into which the frames of a large message are put together: one after the other is given back as the message
/// is passed on.
const PIECE_BYTES: usize = 64 << 10;

/// The body of a request with one message, which has room and keeps its pace if it is large, and is looked at when it is whole.
pub(crate) struct Metered<B, C, R> {
    body: B,
    intake: Intake,
    message_bytes_max: usize,
    check: C,
    refused: R,
    state: State,
    /// What came before the length of the message is known.
    front: BytesMut,
    /// What waits until it is passed on.
    pieces: Pieces,
}

/// What came of a message, put together.
#[derive(Default)]
struct Pieces {
    whole: VecDeque<Bytes>,
    open: BytesMut,
}

impl Pieces {
    fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.open.is_empty()
    }

    /// A copy, in front of so many bytes that are missing; what comes in one piece stays as it came.
    fn add(&mut self, mut data: Bytes, missing: usize) {
        let is_first = self.is_empty();
        if is_first && missing == 0 {
            return self.whole.push_back(data);
        }
        // The first came before there was room: it takes no more than it is.
        let follow = if is_first { 0 } else { missing };
        while !data.is_empty() {
            if self.open.len() == PIECE_BYTES {
                self.close();
            }
            let (more, left) = (data.len() + follow, PIECE_BYTES - self.open.len());
            if self.open.capacity() - self.open.len() < data.len().min(left) {
                self.open.reserve(more.min(left));
            }
            self.open.extend_from_slice(&data.split_to(data.len().min(left)));
        }
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            self.whole.push_back(std::mem::take(&mut self.open).freeze());
        }
    }

    /// The next to pass on, of those that are whole.
    fn next(&mut self) -> Option<Bytes> {
        self.whole.pop_front()
    }
}

enum State {
    /// How long the message is is not known yet.
    Begin,
    /// It is large, so many bytes of it are missing.
    Coming(Box<Coming>, usize),
    /// All of it is here, or it is small, so many bytes of it are missing; its room if it has some.
    Passing { missing: usize, _room: Option<Permit> },
    /// It is refused elsewhere.
    Refused,
}

impl<B, C, R> Metered<B, C, R>
where
    B: Body<Data = Bytes> + Unpin,
    C: Fn(&[Bytes]) -> Result<(), Failure> + Unpin,
    R: Fn(&Failure) + Unpin,
{
    /// A message of so many bytes at most: what is longer is left to whoever reads it. `check` looks at it, `refused` hears why it
    /// is refused here: no handler does.
    pub(crate) fn new(body: B, intake: Intake, message_bytes_max: usize, (check, refused): (C, R)) -> Self {
        let (front, pieces) = (BytesMut::new(), Pieces::default());
        Self { body, intake, message_bytes_max, check, refused, state: State::Begin, front, pieces }
    }

    /// Takes what came, if it is part of the message.
    fn came(&mut self, frame: Result<Frame<Bytes>, Status>) -> Option<Result<Frame<Bytes>, Status>> {
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => self.take(data).err().map(|failure| Err(self.refuse(failure))),
            Ok(Err(trailers)) => Some(Ok(trailers)),
            Err(broken) => Some(Err(broken)),
        }
    }

    fn refuse(&self, failure: Failure) -> Status {
        (self.refused)(&failure);
        failure.into()
    }

    /// The next of what is here of a message that ended before it was whole: it is refused by whoever reads it.
    fn rest(&mut self) -> Option<Bytes> {
        self.state = State::Refused;
        self.pieces.close();
        let front = std::mem::take(&mut self.front).freeze();
        self.pieces.next().or_else(|| Some(front).filter(|front| !front.is_empty()))
    }

    fn take(&mut self, data: Bytes) -> Result<(), Failure> {
        if !matches!(self.state, State::Begin) {
            return self.pass(data);
        }
        // Most prefixes come with what follows them.
        let data = if self.front.is_empty() && data.len() >= PREFIX_BYTES {
            data
        } else {
            self.front.extend_from_slice(&data);
            if self.front.len() < PREFIX_BYTES {
                return Ok(());
            }
            std::mem::take(&mut self.front).freeze()
        };
        let length = Prefix::read(&data).map_or(0, |prefix| prefix.length);
        self.state = if length > self.message_bytes_max {
            State::Refused
        } else if length > SMALL_BYTES {
            State::Coming(Box::new(Coming::new(&self.intake, length)), PREFIX_BYTES + length)
        } else {
            State::Passing { missing: PREFIX_BYTES + length, _room: None }
        };
        self.pass(data)
    }

    fn pass(&mut self, data: Bytes) -> Result<(), Failure> {
        match &mut self.state {
            State::Coming(_, missing) | State::Passing { missing, .. } if *missing < data.len() => {
                return Err(Failure::new("BAD_MESSAGE", "a call has one message, this one has more"));
            }
            State::Coming(coming, missing) => {
                coming.came(data.len());
                *missing -= data.len();
                self.pieces.add(data, *missing);
                return Ok(());
            }
            State::Passing { missing, .. } => *missing -= data.len(),
            State::Begin | State::Refused => {}
        }
        self.pieces.whole.push_back(data);
        Ok(())
    }

    /// Comes when the message comes too slowly.
    fn poll_pace(&mut self, cx: &mut Context<'_>) -> Poll<Failure> {
        match &mut self.state {
            State::Coming(coming, _) => coming.poll_pace(cx).map_or_else(Poll::Ready, |()| Poll::Pending),
            State::Begin | State::Passing { .. } | State::Refused => Poll::Pending,
        }
    }

    /// The next piece that may go on: of a large message when there is room for it, it is whole and was looked at.
    fn poll_here(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Failure>>> {
        if let State::Coming(coming, missing) = &mut self.state {
            if let Err(failure) = ready!(coming.poll_room(cx)) {
                return Poll::Ready(Some(Err(failure)));
            }
            if *missing > 0 {
                return Poll::Ready(None);
            }
            self.pieces.close();
            if let Err(failure) = self.look() {
                return Poll::Ready(Some(Err(failure)));
            }
            let passing = State::Passing { missing: 0, _room: None };
            if let State::Coming(coming, _) = std::mem::replace(&mut self.state, passing) {
                self.state = State::Passing { missing: 0, _room: coming.into_room() };
            }
        }
        Poll::Ready(self.pieces.next().map(Ok))
    }

    /// Looks at the message that is whole.
    fn look(&mut self) -> Result<(), Failure> {
        // Its prefix is in the first: that is known since it came.
        let pieces = &mut self.pieces.whole;
        if let Some(first) = pieces.front_mut() {
            let prefix = first.split_to(PREFIX_BYTES);
            let checked = (self.check)(pieces.make_contiguous());
            pieces.push_front(prefix);
            return checked;
        }
        Ok(())
    }
}

impl<B, C, R> Body for Metered<B, C, R>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Status>,
    C: Fn(&[Bytes]) -> Result<(), Failure> + Unpin,
    R: Fn(&Failure) + Unpin,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        loop {
            if let Some(data) = ready!(this.poll_here(cx)) {
                return Poll::Ready(Some(data.map(Frame::data).map_err(|failure| this.refuse(failure))));
            }
            let other = match Pin::new(&mut this.body).poll_frame(cx) {
                Poll::Ready(Some(frame)) => this.came(frame.map_err(Into::into)),
                Poll::Ready(None) => return Poll::Ready(this.rest().map(|data| Ok(Frame::data(data)))),
                Poll::Pending => return this.poll_pace(cx).map(|slow| Some(Err(this.refuse(slow)))),
            };
            if other.is_some() {
                return Poll::Ready(other);
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.front.is_empty() && self.pieces.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering::SeqCst},
        },
        time::Duration,
    };

    use futures::{StreamExt, stream};
    use http_body_util::{BodyExt, StreamBody};
    use tokio::time::sleep;

    use super::*;
    use crate::{config::LedgerSettings, ledger::Ledger};

    const SECOND: Duration = Duration::from_secs(1);

    fn intake() -> Intake {
        let ledger = Ledger::new(&LedgerSettings::default());
        Intake { ledger, own: Arc::default(), caller: None, rate_min: 1 << 10, patience: SECOND }
    }

    fn framed(message: &[u8]) -> Vec<u8> {
        [&Prefix::write(message.len()).unwrap(), message].concat()
    }

    /// A frame, counted as long as it is held.
    struct Counted(Vec<u8>, Arc<AtomicUsize>);

    impl AsRef<[u8]> for Counted {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }

    impl Drop for Counted {
        fn drop(&mut self) {
            self.1.fetch_sub(1, SeqCst);
        }
    }

    async fn passes(time: Duration) {
        if !time.is_zero() {
            sleep(time).await;
        }
    }

    /// What is passed on of a message that comes in frames of so many bytes, each after this time, and how many frames were held
    /// at once at most.
    async fn passed(message: &[u8], size: usize, each: Duration) -> (Vec<Result<Bytes, Status>>, usize) {
        let (held, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let frames: Vec<Vec<u8>> = framed(message).chunks(size).map(<[u8]>::to_vec).collect();
        let (own, peak) = (Arc::clone(&held), Arc::clone(&most));
        let frames = stream::iter(frames).then(move |frame| {
            let (own, peak) = (Arc::clone(&own), Arc::clone(&peak));
            async move {
                passes(each).await;
                peak.fetch_max(own.fetch_add(1, SeqCst) + 1, SeqCst);
                Ok::<_, Status>(Frame::data(Bytes::from_owner(Counted(frame, own))))
            }
        });
        let looked = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&looked);
        let check = move |pieces: &[Bytes]| {
            seen.store(pieces.iter().map(Bytes::len).sum(), SeqCst);
            Ok(())
        };
        let told = Arc::new(AtomicUsize::new(0));
        let hears = Arc::clone(&told);
        let refused = move |_: &Failure| {
            hears.fetch_add(1, SeqCst);
        };
        let mut body = Metered::new(StreamBody::new(Box::pin(frames)), intake(), 4 << 20, (check, refused));
        let mut passed = Vec::new();
        while let Some(frame) = body.frame().await {
            let is_over = frame.is_err();
            passed.push(frame.map(|frame| frame.into_data().unwrap()));
            if is_over {
                assert_eq!(told.load(SeqCst), 1, "who keeps the record hears of it");
                return (passed, most.load(SeqCst));
            }
        }
        assert_eq!(looked.load(SeqCst), message.len(), "it was looked at when it was whole");
        assert_eq!(told.load(SeqCst), 0);
        (passed, most.load(SeqCst))
    }

    #[tokio::test(start_paused = true)]
    async fn small_frames_are_not_kept_until_their_message_is_whole() {
        let message: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        for size in [1, 7, 1_000, 16 << 10, 1 << 20] {
            let (pieces, held) = passed(&message, size, Duration::ZERO).await;
            assert!(held <= 1, "{held} frames of {size} bytes are held at once");
            assert!(pieces.len() <= 2 + message.len() / PIECE_BYTES + 1, "{} pieces", pieces.len());
            let whole: Vec<u8> = pieces.into_iter().flat_map(|piece| piece.unwrap()).collect();
            assert!(whole == framed(&message), "frames of {size} bytes");
        }
    }

    #[test]
    fn pieces_take_little_more_than_what_lies_in_them() {
        let mut pieces = Pieces::default();
        for left in (0..200_000).rev() {
            pieces.add(Bytes::from_static(b"a"), left);
            assert!(pieces.open.capacity() <= PIECE_BYTES);
        }
        pieces.close();
        let lengths: Vec<usize> = pieces.whole.iter().map(Bytes::len).collect();
        assert_eq!(lengths, [PIECE_BYTES, PIECE_BYTES, PIECE_BYTES, 200_000 - 3 * PIECE_BYTES]);
        // Of what has no room yet there is no more than came.
        let mut first = Pieces::default();
        first.add(Bytes::from_static(b"begin"), 1 << 20);
        assert!(first.open.capacity() < 100);
    }

    #[tokio::test(start_paused = true)]
    async fn who_sends_slowly_but_keeps_the_pace_is_served_and_who_does_not_is_refused() {
        let (each, message) = (Duration::from_millis(70), vec![7; 20_000]);
        let (pieces, _) = passed(&message, 1_000, each).await;
        assert!(pieces.iter().all(Result::is_ok));
        // 714 bytes a second, where 1,024 are the least.
        let (pieces, _) = passed(&message, 50, each).await;
        assert_eq!(pieces.last().unwrap().as_ref().unwrap_err().code(), tonic::Code::ResourceExhausted);
    }
}
