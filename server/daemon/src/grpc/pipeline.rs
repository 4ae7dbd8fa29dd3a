//! Pipeline: many small operations over one stream. What memory answers at once is answered in one pass over a message; the
//! rest waits for its handler beside it. How much waits, and how much is answered before it is sent, is bounded by itself: who
//! waits long holds up neither what memory answers nor a cancellation. What operations mean is not known here.
//!
//! The stream is the body of its response: it takes messages only when it is asked for what to send, so a caller who reads
//! no answers soon sends no operations.

mod current;
mod operation;
mod operations;
mod results;
mod room;
mod waiting;

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Sleep, sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::Status;

pub(crate) use self::operation::Stream;
use self::{
    current::Current,
    operations::{Kind, Operation, Operations},
    results::Results,
    room::Room,
    waiting::{Done, Waiting},
};
use super::{
    lane::{
        deframe::{Message, Messages},
        reply::Framed,
    },
    readers::Streaming,
    status::Failure,
};

/// A stream of operations and their answers, as the body of its response.
pub(crate) struct Pipeline<B = Incoming> {
    stream: Arc<Stream>,
    items_max: usize,
    messages: Messages<B>,
    /// The message that is being carried out.
    current: Option<Current>,
    waiting: Waiting,
    results: Results,
    state: State,
    /// When it ends at the latest, and why.
    end: Option<(Pin<Box<Sleep>>, Failure)>,
    /// The server is on its way out.
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
}

/// How far a stream is.
enum State {
    /// Messages may come.
    Open,
    /// No more: it ends so once what waits is answered.
    Ending(Option<Failure>),
    /// Its trailers were sent.
    Over,
}

impl<B: Body<Data = Bytes> + Unpin> Pipeline<B> {
    /// The answers to the operations that come in this body.
    pub(in crate::grpc) fn new(
        stream: Stream,
        body: B,
        sending: Streaming,
        (items_max, message_bytes_max): (usize, usize),
    ) -> Self {
        let stop = Box::pin(stream.admission.draining().clone().cancelled_owned());
        let room = Room::new(stream.intake.share(), sending);
        Self {
            messages: Messages::of(body, stream.intake.clone(), message_bytes_max),
            stream: Arc::new(stream),
            items_max,
            current: None,
            waiting: Waiting::new(),
            results: Results::new(room),
            state: State::Open,
            end: None,
            stop,
        }
    }

    /// The same, ended with this failure when the time is over.
    pub(crate) fn until(mut self, end: Option<(Duration, Failure)>) -> Self {
        self.end = end.map(|(time, failure)| (Box::pin(sleep(time)), failure));
        self
    }

    /// Looks whether it is to end.
    fn look_at_the_time(&mut self, cx: &mut Context<'_>) {
        if let Some((sleep, failure)) = &mut self.end
            && sleep.as_mut().poll(cx).is_ready()
        {
            let failure = failure.clone();
            self.end = None;
            self.cut(failure);
        }
        if matches!(self.state, State::Open) && self.stop.as_mut().poll(cx).is_ready() {
            self.stop(Failure::draining());
        }
    }

    /// Takes no more operations: the stream ends with this failure once what waits is answered.
    fn stop(&mut self, failure: Failure) {
        if matches!(self.state, State::Open) {
            self.state = State::Ending(Some(failure));
        }
    }

    /// Ends now, with what is answered already. What is done is not undone by the time that its last answers take to be sent.
    fn cut(&mut self, failure: Failure) {
        if !matches!(self.state, State::Over) && !self.is_done() {
            self.waiting = Waiting::new();
            self.current = None;
            self.results.give_up();
            self.state = State::Ending(Some(failure));
        }
    }

    /// Goes on until there is a message to send, or nothing is ready.
    fn advance(&mut self, cx: &mut Context<'_>) {
        while self.results.poll_room(cx).is_ready() {
            self.take_done(cx);
            if !self.results.may_grow() {
                continue;
            }
            if let Some(mut current) = self.current.take() {
                self.carry_out(&mut current, cx);
                self.current = Some(current).filter(|current| !current.is_over());
                continue;
            }
            if !matches!(self.state, State::Open) || self.results.is_waiting() || self.waiting.is_full() {
                break;
            }
            match self.messages.poll_next(cx) {
                Poll::Pending => break,
                Poll::Ready(None) => self.state = State::Ending(None),
                Poll::Ready(Some(message)) => self.take_up(message),
            }
        }
        // Whatever has begun was looked at after that, and whatever found no room waits for it.
        self.results.rest();
    }

    fn take_done(&mut self, cx: &mut Context<'_>) {
        while self.results.may_grow()
            && let Poll::Ready(Some(Done { call_id, told, .. })) = self.waiting.poll_done(cx)
        {
            self.results.told(call_id, told);
        }
    }

    fn take_up(&mut self, message: Result<Message, Failure>) {
        let current = message.and_then(|Message { bytes, room }| {
            let operations = Operations::of(bytes, self.items_max, &self.stream.rpcs.parts().shapes)?;
            self.check_ids(&operations)?;
            Ok(Current::new(operations, room))
        });
        match current {
            Ok(current) => self.current = Some(current),
            Err(failure) => self.stop(failure),
        }
    }

    /// Carries out operations of a message as far as there is room for their answers: what memory answers in one pass, then the
    /// rest one by one.
    fn carry_out(&mut self, current: &mut Current, cx: &mut Context<'_>) {
        let end = current.look(&self.stream, &mut self.results);
        while self.results.may_grow()
            && let Some(operation) = current.next(end)
        {
            self.serve(current, &operation, cx);
        }
    }

    fn serve(&mut self, current: &Current, operation: &Operation, cx: &mut Context<'_>) {
        if operation.kind == Kind::Cancel {
            self.waiting.cancel(operation.call_id);
            return;
        }
        let served = self.stream.serve((&current.operations, current.room.as_ref()), operation, self.waiting.turn());
        let bytes = operation.request.len();
        if let Some(told) = self.waiting.take_up(operation.call_id, bytes, served, cx) {
            self.results.told(operation.call_id, told);
        }
    }

    /// Whose answer is whose must be plain: nobody could tell two apart that have one id.
    fn check_ids(&self, operations: &Operations) -> Result<(), Failure> {
        let twice = || {
            Err(Failure::argument(
                "operations.call_id",
                "an operation has the `call_id` of another that is not answered yet",
            ))
        };
        let named = || operations.operations.iter().filter(|operation| operation.kind != Kind::Cancel);
        if named().any(|operation| self.waiting.has(operation.call_id)) {
            return twice();
        }
        if named().is_sorted_by(|one, other| one.call_id < other.call_id) {
            return Ok(());
        }
        let mut ids: Vec<u64> = named().map(|operation| operation.call_id).collect();
        ids.sort_unstable();
        if ids.is_sorted_by(|one, other| one < other) { Ok(()) } else { twice() }
    }

    /// Whether all is answered and sent that will be.
    fn is_done(&self) -> bool {
        matches!(self.state, State::Ending(_))
            && self.waiting.is_empty()
            && self.current.is_none()
            && self.results.is_empty()
    }

    fn trailers(&mut self, failure: Option<Failure>) -> HeaderMap {
        self.state = State::Over;
        self.stream.rpcs.record(&self.stream.call, ("", None), failure.as_ref().map_or(Ok(""), Err));
        failure.map_or_else(super::lane::reply::ok, Failure::trailers)
    }
}

impl<B> Drop for Pipeline<B> {
    fn drop(&mut self) {
        if !matches!(self.state, State::Over) {
            self.stream.rpcs.record(&self.stream.call, ("", None), Err(&Failure::cancelled()));
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Pipeline<B> {
    type Data = Framed;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Framed>, Status>>> {
        let this = &mut *self;
        this.look_at_the_time(cx);
        loop {
            if let Some(message) = this.results.next() {
                return Poll::Ready(Some(Ok(Frame::data(message))));
            }
            let is_done = this.is_done();
            match &mut this.state {
                State::Over => return Poll::Ready(None),
                State::Ending(failure) if is_done => {
                    // With its trailers it would leave our hands, however much of it is not sent.
                    ready!(this.results.poll_sent(cx));
                    let failure = failure.take();
                    return Poll::Ready(Some(Ok(Frame::trailers(this.trailers(failure)))));
                }
                State::Open | State::Ending(_) => this.advance(cx),
            }
            if !this.results.is_waiting() && !this.is_done() {
                return Poll::Pending;
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, State::Over)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Buf;
    use futures::{StreamExt, poll, stream};
    use hotplate_engine::clock::Clock;
    use hotplate_proto::v1::{self, Permission};
    use http_body_util::{BodyExt, StreamBody};
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::{
        access::Caller,
        config::LedgerSettings,
        grpc::{
            coming::Intake,
            granted::Granted,
            readers::Readers,
            service::{CacheRpcs, Call},
        },
        ledger::Ledger,
        limits::Admission,
    };

    const SECOND: Duration = Duration::from_secs(1);

    /// A stream with one operation, which goes on or not, and has a second.
    fn pipeline(goes_on: bool) -> Pipeline<impl Body<Data = Bytes> + Unpin> {
        let (ledger, clock) = (Ledger::new(&LedgerSettings::default()), Clock::manual());
        let readers = Readers::new(SECOND, Arc::clone(&ledger), clock.clone());
        let intake = Intake { ledger, own: Arc::default(), caller: None, rate_min: 1, patience: SECOND };
        let (caller, permission, granted) = (Caller::anyone(), Permission::Authenticated, Granted::default());
        let call = Call { rpc: "Pipeline", caller, permission, started: clock.now(), time: SECOND, granted };
        let (rpcs, admission) = (CacheRpcs::detached(), Admission::new(10, CancellationToken::new()));
        let stream = Stream { rpcs, admission, call: Arc::new(call), deadline_max: SECOND, intake };
        let get = v1::GetRequest { key: "k".to_owned(), ..Default::default() };
        let operation = Some(v1::pipeline_operation::Operation::Get(get));
        let operations = vec![v1::PipelineOperation { call_id: 1, operation, ..Default::default() }];
        let mut message = Framed::of(&v1::PipelineRequest { operations, ..Default::default() }).unwrap();
        let frame = Ok::<_, Status>(Frame::data(message.copy_to_bytes(message.remaining())));
        let rest = if goes_on { stream::pending().boxed() } else { stream::empty().boxed() };
        let body = StreamBody::new(stream::iter([frame]).chain(rest));
        Pipeline::new(stream, body, readers.begin_counted(), (1000, 4 << 20)).until(Some((SECOND, Failure::deadline())))
    }

    /// How a stream ends whose answer is sent after its time is over.
    async fn ended(goes_on: bool) -> HeaderMap {
        let mut pipeline = pipeline(goes_on);
        let held = pipeline.frame().await.unwrap().unwrap().into_data().unwrap();
        let mut end = std::pin::pin!(pipeline.frame());
        assert!(poll!(end.as_mut()).is_pending(), "its answer is not sent");
        tokio::time::advance(SECOND * 2).await;
        assert!(poll!(end.as_mut()).is_pending());
        drop(held);
        end.await.unwrap().unwrap().into_trailers().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_is_done_ends_well_however_long_its_answers_take() {
        assert_eq!(ended(false).await["grpc-status"], "0");
        assert_eq!(ended(true).await["grpc-status"], "4", "more might have come");
    }
}
