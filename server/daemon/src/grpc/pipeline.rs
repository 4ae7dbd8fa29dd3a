//! Pipeline: many small operations over one stream. What memory answers at once is answered in one pass over a message; the
//! rest waits for its handler beside it, so much at a time as the bounds below say. What operations mean is not known here.
//!
//! The stream is the body of its response: it takes messages only when it is asked for what to send, so a caller who reads
//! no answers soon sends no operations.

mod operation;
mod operations;
mod results;

use std::{
    collections::HashMap,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures::{
    FutureExt, StreamExt,
    future::{AbortHandle, Abortable, Aborted, BoxFuture},
    stream::FuturesUnordered,
};
use hotplate_engine::flow::hit::{Hit, Value, Wanted};
use hotplate_proto::v1::Permission;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Sleep, sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::Status;

pub(crate) use self::operation::Stream;
use self::{
    operations::{Kind, Operation, Operations},
    results::{Results, Said},
};
use super::{
    convert::PlainGet,
    lane::{deframe::Messages, reply::Framed},
    status::Failure,
};

/// Operations of one stream that wait for their handlers, from which on no message is taken.
const WAITING_MAX: usize = 256;
/// Bytes of their requests, from which on no message is taken.
const WAITING_BYTES_MAX: usize = 4 << 20;

/// A stream of operations and their answers, as the body of its response.
pub(crate) struct Pipeline<B = Incoming> {
    stream: Arc<Stream>,
    items_max: usize,
    messages: Messages<B>,
    waiting: Waiting,
    results: Results,
    sending: Option<Framed>,
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

/// What came of an operation that waited.
struct Done {
    call_id: u64,
    said: Said,
    bytes: usize,
}

/// Operations that wait for their handlers.
#[derive(Default)]
struct Waiting {
    served: FuturesUnordered<BoxFuture<'static, Done>>,
    /// What ends each before its time.
    ends: HashMap<u64, AbortHandle>,
    bytes: usize,
}

impl Waiting {
    fn is_full(&self) -> bool {
        self.served.len() >= WAITING_MAX || self.bytes >= WAITING_BYTES_MAX
    }

    /// Takes an operation up; its answer, if that is there already.
    fn take_up(
        &mut self,
        call_id: u64,
        bytes: usize,
        served: BoxFuture<'static, Said>,
        cx: &mut Context<'_>,
    ) -> Option<Said> {
        let mut served = served;
        if let Poll::Ready(said) = served.as_mut().poll(cx) {
            return Some(said);
        }
        let (end, ends) = AbortHandle::new_pair();
        self.ends.insert(call_id, end);
        self.bytes += bytes;
        let done = Abortable::new(served, ends).map(move |said| {
            let said = said.unwrap_or_else(|Aborted| Said::Error(Failure::cancelled().item()));
            Done { call_id, said, bytes }
        });
        self.served.push(done.boxed());
        None
    }

    fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<Option<Done>> {
        let done = self.served.poll_next_unpin(cx);
        if let Poll::Ready(Some(done)) = &done {
            self.ends.remove(&done.call_id);
            self.bytes -= done.bytes;
        }
        done
    }

    fn cancel(&self, call_id: u64) {
        if let Some(end) = self.ends.get(&call_id) {
            end.abort();
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Pipeline<B> {
    /// The answers to the operations that come in this body.
    pub(crate) fn new(stream: Stream, body: B, (items_max, message_bytes_max): (usize, usize)) -> Self {
        let stop = Box::pin(stream.admission.draining().clone().cancelled_owned());
        Self {
            stream: Arc::new(stream),
            items_max,
            messages: Messages::of(body, message_bytes_max),
            waiting: Waiting::default(),
            results: Results::new(),
            sending: None,
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

    /// Ends now, with what is answered already.
    fn cut(&mut self, failure: Failure) {
        if !matches!(self.state, State::Over) {
            self.waiting = Waiting::default();
            self.state = State::Ending(Some(failure));
        }
    }

    /// Goes on until there is a message to send, or nothing is ready.
    fn advance(&mut self, cx: &mut Context<'_>) {
        self.take_done(cx);
        while matches!(self.state, State::Open) && !self.results.is_waiting() && !self.waiting.is_full() {
            match self.messages.poll_next(cx) {
                Poll::Pending => break,
                Poll::Ready(None) => self.state = State::Ending(None),
                Poll::Ready(Some(message)) => self.take_up(message, cx),
            }
        }
        // Those that have just begun are to be heard of as well.
        self.take_done(cx);
        self.results.close();
    }

    fn take_done(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(Some(Done { call_id, said, .. })) = self.waiting.poll_done(cx) {
            self.results.said(call_id, &said);
        }
    }

    fn take_up(&mut self, message: Result<Bytes, Failure>, cx: &mut Context<'_>) {
        let operations = message.and_then(|message| Operations::of(message, self.items_max));
        if let Err(failure) = operations.and_then(|operations| self.carry_out(&operations, cx)) {
            self.stop(failure);
        }
    }

    /// Carries out the operations of a message: what memory answers in one pass, then the rest one by one.
    fn carry_out(&mut self, operations: &Operations, cx: &mut Context<'_>) -> Result<(), Failure> {
        self.check_ids(operations)?;
        let answered = self.hits(operations);
        for (number, operation) in operations.operations.iter().enumerate() {
            if answered.get(number) == Some(&true) {
                continue;
            }
            if operation.kind == Kind::Cancel {
                self.waiting.cancel(operation.call_id);
                continue;
            }
            let served = self.stream.serve(operations, operation);
            let bytes = operation.request.len();
            if let Some(said) = self.waiting.take_up(operation.call_id, bytes, served, cx) {
                self.results.said(operation.call_id, &said);
            }
        }
        Ok(())
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
        if !self.waiting.ends.is_empty() && named().any(|operation| self.waiting.ends.contains_key(&operation.call_id))
        {
            return twice();
        }
        if named().is_sorted_by(|one, other| one.call_id < other.call_id) {
            return Ok(());
        }
        let mut ids: Vec<u64> = named().map(|operation| operation.call_id).collect();
        ids.sort_unstable();
        if ids.is_sorted_by(|one, other| one < other) { Ok(()) } else { twice() }
    }

    /// Answers the plain Gets that memory has fresh values for; which operations these are.
    fn hits(&mut self, operations: &Operations) -> Vec<bool> {
        let Stream { rpcs, admission, call, .. } = &*self.stream;
        let (namespace, cache) = (operations.namespace(), &rpcs.parts().cache);
        let allowed = call.caller.allows(Permission::Read, namespace);
        if !allowed || admission.open().is_err() || cache.is_degraded(namespace) {
            return Vec::new();
        }
        let started = cache.clock().now();
        let plain = |(number, operation): (usize, &Operation)| {
            let get = (operation.kind == Kind::Get).then(|| PlainGet::read(operations.request(operation))).flatten()?;
            let same = get.namespace.is_empty() || get.namespace == namespace;
            (same && operation.time().is_ok()).then_some((number, Wanted { key: get.key, with_facts: get.full }))
        };
        let (numbers, wanted): (Vec<usize>, Vec<Wanted<'_>>) =
            operations.operations.iter().enumerate().filter_map(plain).unzip();
        let (mut answered, mut shared, mut hits) = (vec![false; operations.operations.len()], Vec::new(), 0);
        let results = &mut self.results;
        cache.hits(namespace, &wanted, |place, hit| {
            let number = numbers[place];
            answered[number] = true;
            hits += 1;
            match hit.value {
                Value::Here(_) => results.hit(operations.operations[number].call_id, wanted[place].key, hit),
                // Not while anything is locked: it may be held smaller.
                Value::Shared(value) => {
                    let hit = Hit { value: Value::Shared(value), as_of: hit.as_of, facts: hit.facts };
                    shared.push((number, place, hit));
                }
            }
        });
        for (number, place, hit) in shared {
            results.hit(operations.operations[number].call_id, wanted[place].key, hit);
        }
        let keys = wanted.iter().zip(&numbers).filter(|(_, number)| answered[**number]).map(|(wanted, _)| wanted.key);
        rpcs.record_hits((namespace, keys), (call, started), hits);
        answered
    }

    fn trailers(&mut self, failure: Option<Failure>) -> HeaderMap {
        self.state = State::Over;
        failure.map_or_else(super::lane::reply::ok, Failure::trailers)
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Pipeline<B> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        this.look_at_the_time(cx);
        loop {
            if let Some(piece) = this.sending.as_mut().and_then(Framed::next_piece) {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            this.sending = this.results.next();
            if this.sending.is_some() {
                continue;
            }
            match &mut this.state {
                State::Over => return Poll::Ready(None),
                State::Ending(failure) if this.waiting.served.is_empty() => {
                    let failure = failure.take();
                    return Poll::Ready(Some(Ok(Frame::trailers(this.trailers(failure)))));
                }
                State::Open | State::Ending(_) => this.advance(cx),
            }
            let ends = matches!(this.state, State::Ending(_)) && this.waiting.served.is_empty();
            if !this.results.is_waiting() && !ends {
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
