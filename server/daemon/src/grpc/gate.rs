//! What every call passes before its handler: access, admission, deadline; and what every answer passes: a reason for
//! each failure, an end in time, a record. What calls mean is not known here.

use std::{
    convert::Infallible,
    future::Future,
    panic::{self, AssertUnwindSafe},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use hotplate_engine::clock::{Clock, Moment};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;
use tonic::{Code, body::Body, service::Routes};
use tower::Service as _;
use tracing::{Instrument, Span};

use super::{
    blob::service::{BlobRpcs, blob_rpc_at},
    bounded::{guarded, panicked},
    coming::Intake,
    ending::Ending,
    going::Outlet,
    granted::Granted,
    lane::{
        Outgoing,
        prefix::{PREFIX_BYTES, only_message},
        reply::{Reply, response},
        request::{Taken, take},
        unary::{Lane, Served},
    },
    metered::Metered,
    pipeline::{Pipeline, Stream},
    service::{COHERENCE, CacheRpcs, Call, RpcServer, rpc_at},
    status::{Failure, unexplained},
};
use crate::{
    access::{Access, Caller, Known, Need},
    deadline::asked_for,
    ledger::Own,
    limits::Admission,
    telemetry::{CallRecord, Telemetry},
};

/// The way in over one connection. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Gate {
    parts: Arc<Parts>,
    connection: Arc<Connection>,
}

/// What is kept of one connection.
#[derive(Default)]
struct Connection {
    /// Who called last.
    known: Known,
    /// What it may hold besides what all have in common.
    own: Arc<Own>,
}

/// What the gate is made of.
pub(crate) struct Parts {
    /// Who may call what.
    pub(crate) access: Access,
    /// How many calls at once.
    pub(crate) admission: Admission,
    /// Longest time of a unary call, and for any call until its answer begins.
    pub(crate) deadline_max: Duration,
    /// Hears of calls that ended here.
    pub(crate) telemetry: Arc<Telemetry>,
    /// Time.
    pub(crate) clock: Clock,
    /// The RPCs of the contract.
    pub(crate) rpcs: CacheRpcs,
    /// The same as a service.
    pub(crate) server: RpcServer,
    /// Bytes of a request at most.
    pub(crate) message_bytes_max: usize,
    /// Those of large values.
    pub(crate) blobs: BlobRpcs,
    /// Bytes a second at least of a large request, and the time after which one that comes slower is given up.
    pub(crate) pace: (u64, Duration),
    /// Health and reflection.
    pub(crate) others: Routes,
}

/// A call that was let in.
struct Pass {
    call: Option<Arc<Call>>,
    intake: Intake,
    place: Option<OwnedSemaphorePermit>,
    /// Time until the answer must begin; `None` for probes that gave no deadline.
    head: Option<Duration>,
    /// When a response that has begun ends, and why.
    end: Option<(Duration, Why)>,
    /// Whether an open response ends when the server goes. Watches end with a word of their own.
    ends_with_server: bool,
}

/// Why a response that has begun ends. Most calls are answered before that, and need no failure made.
#[derive(Clone, Copy, Debug)]
enum Why {
    /// The call's time is over.
    Deadline,
    /// Its caller's token expired.
    Expired,
}

impl Why {
    fn failure(self) -> Failure {
        match self {
            Self::Deadline => Failure::deadline(),
            Self::Expired => Failure::new("TOKEN_EXPIRED", "the token has expired while the stream was open"),
        }
    }
}

impl Pass {
    /// Why a call was cut: where its answer had to begin by the end of all, because of what ends it.
    fn why(&self, cut: Failure) -> Failure {
        let is_late = cut.code() == Code::DeadlineExceeded;
        let end = self.end.as_ref().filter(|(time, _)| is_late && Some(*time) == self.head);
        end.map_or(cut, |(_, why)| why.failure())
    }
}

impl hyper::service::Service<Request<Incoming>> for Gate {
    type Response = Response<Outgoing>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        Answering::Asked(Some((self.clone(), request)))
    }
}

/// A call that is being answered. What can be answered at once is when this is first polled, and arms no timer.
#[expect(clippy::large_enum_variant, reason = "what is asked lives until it is first polled, which answers most calls")]
pub(crate) enum Answering {
    /// Not looked at yet.
    Asked(Option<(Gate, Request<Incoming>)>),
    /// Under way.
    Open(Open),
}

/// A call that takes longer.
type Open = Pin<Box<dyn Future<Output = Response<Outgoing>> + Send>>;

impl Future for Answering {
    type Output = Result<Response<Outgoing>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Self::Asked(asked) = &mut *self
            && let Some((gate, request)) = asked.take()
        {
            match begin(gate, request, cx) {
                Ok(response) => return Poll::Ready(Ok(response)),
                Err(open) => *self = Self::Open(open),
            }
        }
        match &mut *self {
            Self::Open(open) => open.as_mut().poll(cx).map(Ok),
            Self::Asked(_) => Poll::Pending,
        }
    }
}

/// Answers a call at once, or says what does.
fn begin(gate: Gate, request: Request<Incoming>, cx: &mut Context<'_>) -> Result<Response<Outgoing>, Open> {
    let Gate { parts, connection } = gate;
    let rpc = rpc_at(request.uri().path()).or_else(|| blob_rpc_at(request.uri().path()));
    let span = rpc.map_or_else(Span::none, |rpc| parts.telemetry.call_span(rpc, request.headers()));
    let Some((rpc, lane)) = rpc.and_then(|rpc| Some((rpc, Lane::of(rpc, request.method(), request.headers())?))) else {
        let answer = async move { parts.answer(request.map(Body::new), rpc, &connection).await };
        return Err(Box::pin(answer.instrument(span)));
    };
    let at_once = span.in_scope(|| parts.at_once((rpc, lane), (request, &connection), cx));
    let mut open: Open = match at_once {
        AtOnce::Answered(response) => return Ok(response),
        AtOnce::Message(later) => {
            let (pass, message, started) = *later;
            Box::pin(async move { parts.handle(lane, message, (pass, started)).await }.instrument(span))
        }
        AtOnce::General(later) => {
            let (pass, request, started) = *later;
            let answer = async move { parts.answer_let_in(request, Some(rpc), (pass, started)).await };
            Box::pin(answer.instrument(span))
        }
    };
    match open.as_mut().poll(cx) {
        Poll::Ready(response) => Ok(response),
        Poll::Pending => Err(open),
    }
}

/// What became of the attempt to answer a call at once.
enum AtOnce {
    /// It is.
    Answered(Response<Outgoing>),
    /// A handler is to answer this message.
    Message(Box<(Pass, Bytes, Moment)>),
    /// The general way is to answer it.
    General(Box<(Pass, Request<Body>, Moment)>),
}

impl Gate {
    /// The gate of a new connection, over which nobody is known yet.
    pub(crate) fn of_connection(&self) -> Self {
        Self { parts: Arc::clone(&self.parts), connection: Arc::default() }
    }

    /// A gate before these parts.
    pub(crate) fn new(parts: Parts) -> Self {
        Self { parts: Arc::new(parts), connection: Arc::default() }
    }
}

impl Parts {
    async fn answer(
        &self,
        request: Request<Body>,
        rpc: Option<&'static str>,
        connection: &Connection,
    ) -> Response<Outgoing> {
        let started = self.clock.now();
        match self.admit((request.uri().path(), request.headers(), connection), rpc, started) {
            Ok(pass) => self.answer_let_in(request, rpc, (pass, started)).await,
            Err(refused) => self.refuse(rpc, None, started, refused).map(Outgoing::Other),
        }
    }

    async fn answer_let_in(
        &self,
        request: Request<Body>,
        rpc: Option<&'static str>,
        (pass, started): (Pass, Moment),
    ) -> Response<Outgoing> {
        let call = pass.call.clone();
        let served = guarded(pass.head, self.dispatch(request, call.clone(), &pass.intake)).await;
        let served = served.map_err(|cut| pass.why(cut));
        let response = match served {
            Ok(response) => response,
            Err(failure) => return self.refuse(rpc, call.as_deref(), started, failure).map(Outgoing::Other),
        };
        match unexplained(&response) {
            Some(failure) => self.refuse(rpc, call.as_deref(), started, failure).map(Outgoing::Other),
            None => response.map(|body| self.ending(body, pass, started)),
        }
    }

    /// Takes a call of the lane as far as it comes without waiting.
    fn at_once(
        &self,
        (rpc, lane): (&'static str, Lane),
        (request, connection): (Request<Incoming>, &Connection),
        cx: &mut Context<'_>,
    ) -> AtOnce {
        let started = self.clock.now();
        let mut pass = match self.admit((request.uri().path(), request.headers(), connection), Some(rpc), started) {
            Ok(pass) => pass,
            Err(refused) => {
                return AtOnce::Answered(self.refuse(Some(rpc), None, started, refused).map(Outgoing::Other));
            }
        };
        if let (Lane::Pipeline, Some(call)) = (lane, &pass.call) {
            let call = Arc::clone(call);
            return AtOnce::Answered(self.pipeline(call, request.into_body(), pass));
        }
        let (head, body) = request.into_parts();
        let most = self.message_bytes_max;
        let general = |pass, body| AtOnce::General(Box::new((pass, Request::from_parts(head, body), started)));
        let message = match take(body, PREFIX_BYTES + most, cx) {
            Taken::Not(untaken) => return general(pass, Body::new(untaken)),
            Taken::Whole(whole) => match only_message(&whole, most) {
                Some(message) => message,
                None => return general(pass, Body::new(Full::from(whole))),
            },
        };
        let (Lane::Get, Some(call)) = (lane, &pass.call) else {
            return AtOnce::Message(Box::new((pass, message, started)));
        };
        let outlet = self.outlet(&pass.intake);
        let hit = panic::catch_unwind(AssertUnwindSafe(|| self.rpcs.hit(call, &message, outlet)));
        match hit {
            Ok(None) => AtOnce::Message(Box::new((pass, message, started))),
            Ok(Some(hit)) => AtOnce::Answered(Reply::response(hit, pass.place.take()).map(Outgoing::Reply)),
            Err(_panic) => {
                let refused = self.refuse(Some(rpc), Some(call), started, panicked());
                AtOnce::Answered(refused.map(Outgoing::Other))
            }
        }
    }

    /// Opens a stream of operations.
    fn pipeline(&self, call: Arc<Call>, body: Incoming, pass: Pass) -> Response<Outgoing> {
        let (rpcs, admission) = (self.rpcs.clone(), self.admission.clone());
        let stream = Stream { rpcs, admission, call, deadline_max: self.deadline_max, intake: pass.intake };
        let bounds = (self.rpcs.parts().batch_items_max, self.message_bytes_max);
        let pipeline = Pipeline::new(stream, body, self.blobs.begin_sending(), bounds);
        let end = pass.end.map(|(time, why)| (time, why.failure()));
        response(Outgoing::Pipeline(Box::new(pipeline.until(end))))
    }

    /// Lets a handler answer a message.
    async fn handle(&self, lane: Lane, message: Bytes, (pass, started): (Pass, Moment)) -> Response<Outgoing> {
        let Pass { call: Some(call), place, head, intake, .. } = pass else {
            return Failure::bug("a call of an RPC has no caller").response().map(Outgoing::Other);
        };
        let asked = (message, self.outlet(&intake));
        match guarded(head, self.rpcs.serve(lane, &call, asked)).await {
            Ok(Ok(Served { message, degraded })) => {
                call.granted.told();
                let mut response = Reply::response(message, place);
                if degraded {
                    response.headers_mut().insert(COHERENCE, HeaderValue::from_static("degraded"));
                }
                response.map(Outgoing::Reply)
            }
            Ok(Err(failure)) => failure.response().map(Outgoing::Other),
            Err(cut) => self.refuse(Some(call.rpc), Some(&call), started, cut).map(Outgoing::Other),
        }
    }

    fn admit(
        &self,
        (path, headers, connection): (&str, &HeaderMap, &Connection),
        rpc: Option<&'static str>,
        started: Moment,
    ) -> Result<Pass, Failure> {
        let asked = asked_for(headers)?;
        let permission = match self.access.need(path) {
            Need::NoSuchRpc => return Err(Failure::new("NO_SUCH_RPC", "the server has no RPC of this name")),
            Need::Nothing => {
                let end = asked.map(|time| (time, Why::Deadline));
                let intake = self.intake(connection, None);
                return Ok(Pass { intake, call: None, place: None, head: asked, end, ends_with_server: true });
            }
            Need::Permission(permission) => permission,
        };
        let caller = self.access.recognize(headers, &connection.known)?;
        self.admission.open()?;
        // Before anything of its request is taken; where it may do so is seen when that is known.
        caller.check_anywhere(permission)?;
        if asked.is_some_and(|time| time.is_zero()) {
            return Err(Failure::deadline());
        }
        let head = asked.map_or(self.deadline_max, |time| time.min(self.deadline_max));
        let streaming =
            rpc.is_none_or(|rpc| matches!(rpc, "Watch" | "Preload" | "Pipeline" | "ReadValue" | "WriteValue"));
        let place = if streaming { None } else { Some(self.admission.place()?) };
        let end = if streaming { self.stream_end(asked, &caller) } else { Some((head, Why::Deadline)) };
        let intake = self.intake(connection, caller.token_id());
        let call =
            rpc.map(|rpc| Arc::new(Call { rpc, caller, permission, started, time: head, granted: Granted::default() }));
        let (ends_with_server, is_upload) = (rpc.is_none_or(|rpc| rpc == "ReadValue"), rpc == Some("WriteValue"));
        // Its answer begins when all has come: that takes as long as its caller gives it.
        let head = if is_upload { end.as_ref().map(|(time, _)| *time) } else { Some(head) };
        Ok(Pass { intake, ends_with_server, call, place, head, end })
    }

    fn outlet<'a>(&'a self, intake: &'a Intake) -> Outlet<'a> {
        Outlet { intake, readers: self.blobs.readers() }
    }

    fn intake(&self, connection: &Connection, caller: Option<&Arc<str>>) -> Intake {
        let (own, (rate_min, patience)) = (Arc::clone(&connection.own), self.pace);
        Intake { ledger: Arc::clone(self.blobs.ledger()), own, caller: caller.cloned(), rate_min, patience }
    }

    /// A stream ends at its own deadline, if it has one, or when its caller's token expires.
    fn stream_end(&self, asked: Option<Duration>, caller: &Caller) -> Option<(Duration, Why)> {
        let token = self.access.time_left(caller);
        match (asked, token) {
            (Some(asked), Some(token)) if token < asked => Some((token, Why::Expired)),
            (Some(asked), _) => Some((asked, Why::Deadline)),
            (None, Some(token)) => Some((token, Why::Expired)),
            (None, None) => None,
        }
    }

    async fn dispatch(&self, request: Request<Body>, call: Option<Arc<Call>>, intake: &Intake) -> Response<Body> {
        let served = match call {
            Some(call) if blob_rpc_at(request.uri().path()).is_some() => {
                return Box::pin(self.blobs.serve(request, call, intake)).await;
            }
            Some(call) => {
                let (shapes, rpc) = (Arc::clone(&self.rpcs.parts().shapes), call.rpc);
                let (rpcs, of) = (self.rpcs.clone(), Arc::clone(&call));
                let check = move |message: &[Bytes]| shapes.check(rpc, message);
                let refused = move |failure: &Failure| rpcs.record(&of, ("", None), Err(failure));
                let (intake, most) = (intake.clone(), self.message_bytes_max);
                let mut request = request.map(|body| Body::new(Metered::new(body, intake, most, (check, refused))));
                request.extensions_mut().insert(call);
                self.server.clone().call(request).await
            }
            None => self.others.clone().call(request).await,
        };
        served.unwrap_or_else(|never| match never {})
    }

    fn ending(&self, body: Body, pass: Pass, started: Moment) -> Outgoing {
        let Pass { call, place, end, ends_with_server, intake, .. } = pass;
        let mut body = match place {
            Some(place) => {
                let outlet = (intake, Arc::clone(self.blobs.readers()));
                Ending::of_call(body, place, (self.rpcs.clone(), call), outlet)
            }
            None => Ending::of_stream(body),
        };
        if let Some((time, why)) = end {
            body = body.after(time.saturating_sub(self.clock.now().since(started)), why.failure());
        }
        if ends_with_server {
            body = body.when_stopped(self.admission.draining().clone().cancelled_owned());
        }
        Outgoing::Ending(Box::new(body))
    }

    fn refuse(
        &self,
        rpc: Option<&'static str>,
        call: Option<&Call>,
        started: Moment,
        failure: Failure,
    ) -> Response<Body> {
        if let Some(rpc) = rpc {
            self.telemetry.call(&CallRecord {
                rpc,
                namespace: "",
                key: None,
                outcome: "",
                tier: "",
                code: failure.code(),
                reason: failure.reason(),
                caller: call.map_or("", |call| call.caller.id()),
                elapsed: self.clock.now().since(started),
            });
        }
        failure.response()
    }
}
