//! The body of a response on the general way: in room of its own if it is large, ended when its time is over. Which call gets
//! which time is decided by the gate.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Sleep, sleep},
};
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::{Status, body::Body};

use super::{
    coming::Intake,
    going::{Going, Outlet, Parcel, poll_sent},
    lane::reply::Framed,
    readers::{Readers, Streaming},
    service::{CacheRpcs, Call},
    status::Failure,
};
use crate::{access::Permission, ledger::Unsent, net::waits_for_reader};

/// The body of a response that ends early, with a status, when its time is over. Its end is held back until what came before
/// is sent: with it, what HTTP/2 holds of the response would leave our hands.
pub(crate) struct Ending {
    inner: Body,
    at: Option<(Pin<Box<Sleep>>, Failure)>,
    stop: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    way: Way,
    /// Its trailers, if it has some, once nothing else comes.
    end: Option<Option<HeaderMap>>,
    over: bool,
}

/// How what it says goes out.
enum Way {
    /// The answer of a call, which has room.
    Call(Box<Answer>),
    /// Piece by piece, counted here until they are sent.
    Stream(Arc<Unsent>),
}

/// The answer of a call.
struct Answer {
    outlet: (Intake, Arc<Readers>),
    /// Whose it is. What it was given is given back unless the answer goes out.
    call: Option<Arc<Call>>,
    /// Where it is recorded when it does not.
    rpcs: CacheRpcs,
    goes_out: bool,
    /// What waits for room.
    waits: Option<(Bytes, BoxFuture<'static, Result<Going, Failure>>)>,
    sending: Option<Box<Streaming>>,
    /// The call counts as in flight until its response is sent.
    _place: OwnedSemaphorePermit,
}

impl Answer {
    fn add(&mut self, bytes: Bytes) {
        let ((intake, readers), length) = (self.outlet.clone(), bytes.len());
        // Something may have been done that its caller is to hear of, however long that takes.
        let is_done = self.call.as_ref().is_none_or(|call| call.permission != Permission::Read);
        let room = async move {
            let outlet = Outlet { intake: &intake, readers: &readers };
            match outlet.wait(length).await {
                Err(_full) if is_done => Ok(outlet.wait_anyway(length).await),
                waited => waited,
            }
        };
        self.waits = Some((bytes, room.boxed()));
    }

    /// What is here, once there is room for it.
    fn poll_here(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Framed, Failure>>> {
        let Some((bytes, room)) = &mut self.waits else { return Poll::Ready(None) };
        let going = ready!(room.poll_unpin(cx));
        let bytes = std::mem::take(bytes);
        self.waits = None;
        Poll::Ready(Some(going.map(|going| {
            self.goes_out = true;
            self.call.iter().for_each(|call| call.granted.told());
            let Parcel { message, sending } = going.with(Framed::whole(bytes));
            // Who is counted is waited for elsewhere.
            if sending.is_none() {
                waits_for_reader(true);
            }
            self.sending = sending.or_else(|| self.sending.take());
            message
        })))
    }
}

impl Ending {
    /// Of a call, whose place is kept until its answer is sent.
    pub(crate) fn of_call(
        inner: Body,
        place: OwnedSemaphorePermit,
        (rpcs, call): (CacheRpcs, Option<Arc<Call>>),
        outlet: (Intake, Arc<Readers>),
    ) -> Self {
        let answer = Answer { outlet, call, rpcs, goes_out: false, waits: None, sending: None, _place: place };
        Self::new(inner, Way::Call(Box::new(answer)))
    }

    /// Of a stream.
    pub(crate) fn of_stream(inner: Body) -> Self {
        Self::new(inner, Way::Stream(Arc::default()))
    }

    fn new(inner: Body, way: Way) -> Self {
        Self { inner, at: None, stop: None, way, end: None, over: false }
    }

    /// Ends with this failure when the time is over.
    pub(crate) fn after(mut self, time: Duration, failure: Failure) -> Self {
        self.at = Some((Box::pin(sleep(time)), failure));
        self
    }

    /// Ends as soon as the server is on its way out.
    pub(crate) fn when_stopped(mut self, stop: WaitForCancellationFutureOwned) -> Self {
        self.stop = Some(Box::pin(stop));
        self
    }

    fn due(&mut self, cx: &mut Context<'_>) -> Option<Failure> {
        if let Some((sleep, failure)) = &mut self.at
            && sleep.as_mut().poll(cx).is_ready()
        {
            return Some(failure.clone());
        }
        let stopped = self.stop.as_mut().is_some_and(|stop| stop.as_mut().poll(cx).is_ready());
        stopped.then(Failure::draining)
    }

    /// Ends with a failure. Its handler has recorded that it went well.
    fn fail(&mut self, failure: Failure) {
        if let Way::Call(answer) = &self.way
            && !answer.goes_out
            && let Some(call) = &answer.call
        {
            answer.rpcs.record(call, ("", None), Err(&failure));
        }
        self.end(Some(failure.trailers()));
    }

    /// Nothing else comes.
    fn end(&mut self, trailers: Option<HeaderMap>) {
        // What is not sent yet is dropped or taken: a watch gives its place back although its reader may be slow to notice.
        self.inner = Body::empty();
        if let Way::Call(answer) = &mut self.way {
            answer.waits = None;
        }
        if matches!(&self.way, Way::Stream(unsent) if unsent.bytes() > 0) {
            waits_for_reader(true);
        }
        self.end = Some(trailers);
    }

    /// Comes when all that was handed out is sent.
    fn poll_sent(&mut self, cx: &Context<'_>) -> Poll<()> {
        match &mut self.way {
            Way::Call(answer) => poll_sent(&mut answer.sending, cx),
            Way::Stream(unsent) => unsent.poll_none(cx),
        }
    }

    /// The next bytes, or what ends it.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Framed>, Status>> {
        if let Way::Call(answer) = &mut self.way {
            match ready!(answer.poll_here(cx)) {
                Some(Ok(framed)) => return Poll::Ready(Ok(Some(framed))),
                Some(Err(full)) => {
                    self.fail(full);
                    return Poll::Ready(Ok(None));
                }
                None => {}
            }
        }
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        // Streams wait for their readers as long as those like, or look after that themselves.
        if polled.is_pending() && matches!(self.way, Way::Call(_)) {
            waits_for_reader(false);
        }
        match ready!(polled).transpose()?.map(Frame::into_data) {
            None => self.end(None),
            Some(Err(other)) => self.end(other.into_trailers().ok()),
            Some(Ok(bytes)) => match &mut self.way {
                Way::Call(answer) => answer.add(bytes),
                Way::Stream(unsent) => {
                    let framed = Framed::whole(bytes).counted_in(Arc::clone(unsent));
                    return Poll::Ready(Ok(Some(framed)));
                }
            },
        }
        Poll::Ready(Ok(None))
    }
}

impl http_body::Body for Ending {
    type Data = Framed;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Framed>, Status>>> {
        let this = &mut *self;
        while !this.over {
            if this.end.is_some() {
                ready!(this.poll_sent(cx));
                this.over = true;
                return Poll::Ready(this.end.take().flatten().map(|trailers| Ok(Frame::trailers(trailers))));
            }
            if let Some(failure) = this.due(cx) {
                this.fail(failure);
                continue;
            }
            if let Some(framed) = ready!(this.poll_next(cx))? {
                return Poll::Ready(Some(Ok(Frame::data(framed))));
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        let waits = matches!(&self.way, Way::Call(answer) if answer.waits.is_some());
        self.over || (self.end.is_none() && !waits && self.inner.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Buf;
    use futures::{poll, stream, stream::StreamExt};
    use hotplate_engine::clock::Clock;
    use http_body_util::{BodyExt, StreamBody};
    use tokio::sync::Semaphore;

    use super::*;
    use crate::{access::Caller, config::LedgerSettings, grpc::granted::Granted, ledger::Ledger, ledger::Use};

    const SECOND: Duration = Duration::from_secs(1);

    /// A body that says so many bytes, and nothing else.
    fn saying(bytes: usize) -> Body {
        let data = Ok::<_, Status>(Frame::data(Bytes::from(vec![7; bytes])));
        Body::new(StreamBody::new(stream::iter([data]).chain(stream::pending())))
    }

    /// A call that changes nothing, or something.
    fn called(permission: Permission) -> Option<Arc<Call>> {
        let (caller, started) = (Caller::anyone(), Clock::manual().now());
        Some(Arc::new(Call { rpc: "Get", caller, permission, started, time: SECOND, granted: Granted::default() }))
    }

    /// What a body says first.
    async fn first(ending: &mut Ending) -> Framed {
        ending.frame().await.unwrap().unwrap().into_data().unwrap()
    }

    /// Whether the body says nothing while this is held, and then that it ended for lack of time.
    async fn ends_once_dropped(ending: &mut Ending, held: Framed) -> bool {
        tokio::time::advance(SECOND).await;
        let held_back = poll!(std::pin::pin!(ending.frame())).is_pending() && !ending.is_end_stream();
        let mut end = std::pin::pin!(ending.frame());
        let held_back = held_back && poll!(end.as_mut()).is_pending();
        drop(held);
        let trailers = end.await.unwrap().unwrap().into_trailers().unwrap();
        held_back && trailers["grpc-status"] == "4"
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_a_response_waits_until_what_came_before_is_sent() {
        let mut stream = Ending::of_stream(saying(10)).after(SECOND, Failure::deadline());
        let held = first(&mut stream).await;
        assert!(ends_once_dropped(&mut stream, held).await);

        let ledger = Ledger::new(&LedgerSettings::default());
        let readers = Readers::new(SECOND, Arc::clone(&ledger), Clock::manual());
        let intake =
            Intake { ledger: Arc::clone(&ledger), own: Arc::default(), caller: None, rate_min: 1, patience: SECOND };
        let place = || Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let call = |bytes| {
            let outlet = (intake.clone(), Arc::clone(&readers));
            let of = (CacheRpcs::detached(), called(Permission::Read));
            Ending::of_call(saying(bytes), place(), of, outlet).after(SECOND, Failure::deadline())
        };
        let mut large = call(1 << 20);
        let held = first(&mut large).await;
        assert_eq!((held.remaining(), ledger.state(Use::Sending).0), (1 << 20, 1 << 20));
        assert!(ends_once_dropped(&mut large, held).await);
        assert_eq!(ledger.state(Use::Sending).0, 0);

        let mut small = call(50_000);
        let held = first(&mut small).await;
        assert_eq!((intake.own.unsent().bytes(), ledger.state(Use::Sending).0), (50_000, 0));
        tokio::time::advance(SECOND).await;
        assert!(small.frame().await.unwrap().unwrap().is_trailers(), "it goes out in one piece with its end");
        drop(held);
        assert_eq!(intake.own.unsent().bytes(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_without_room_waits_and_is_refused_when_too_much_waits() {
        let settings = LedgerSettings { sending_bytes_max: 1 << 20, ..Default::default() };
        let ledger = Ledger::new(&settings);
        let readers = Readers::new(SECOND, Arc::clone(&ledger), Clock::manual());
        let intake =
            Intake { ledger: Arc::clone(&ledger), own: Arc::default(), caller: None, rate_min: 1, patience: SECOND };
        let call = |permission| {
            let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
            let of = (CacheRpcs::detached(), called(permission));
            Ending::of_call(saying(600 << 10), place, of, (intake.clone(), Arc::clone(&readers)))
        };
        let read = || call(Permission::Read);
        let held = first(&mut read()).await;
        let (mut waits, mut refused, mut done) = (read(), read(), call(Permission::Write));
        assert!(poll!(std::pin::pin!(waits.frame())).is_pending());
        let trailers = refused.frame().await.unwrap().unwrap().into_trailers().unwrap();
        assert_eq!(trailers["grpc-status"], "8", "as much waits as may have room");
        assert!(poll!(std::pin::pin!(done.frame())).is_pending(), "what was done is told");
        drop(held);
        let held = first(&mut waits).await;
        assert_eq!(held.remaining(), 600 << 10);
        drop((held, waits));
        assert_eq!(first(&mut done).await.remaining(), 600 << 10);
    }
}
