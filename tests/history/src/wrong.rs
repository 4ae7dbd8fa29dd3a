//! Servers that are wrong on purpose: something between the clients and the real server that answers as a server would
//! which breaks a promise. What finds it is decided elsewhere.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::{BufMut, Bytes, BytesMut};
use hotplate_proto::v1::{GetOutcome, GetRequest, GetResponse, InvalidateResponse, Lease, MissPolicy};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri, uri::Scheme};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use prost::Message;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
};

use crate::clock;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Body = UnsyncBoxBody<Bytes, Error>;

/// A call that was acknowledged and is yet to be done.
type Late = (http::request::Parts, Bytes);

/// How a server is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Wrong {
    /// Acknowledges an Invalidate before it does it
    AcknowledgesTooEarly,
    /// Keeps answers for a while, and an Invalidate does not reach them
    KeepsAnswers,
    /// Gives a lease to everyone who asks
    LeasesForEveryone,
    /// Does not tell who waits that the wait is over
    ForgetsWhoWaits,
}

/// Bytes before each message: whether it is compressed, and its length.
const FRAME_HEAD: usize = 5;
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
/// How late what was acknowledged is done.
const LATE: Duration = Duration::from_millis(250);
/// Calls at most that are acknowledged and not done.
const LATE_MAX: usize = 4_096;
/// How long answers are kept, in nanoseconds.
const KEPT: u64 = clock::milliseconds(700);
/// Every so many waits are forgotten.
const FORGOTTEN: u64 = 8;

impl Wrong {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AcknowledgesTooEarly => "acknowledges-too-early",
            Self::KeepsAnswers => "keeps-answers",
            Self::LeasesForEveryone => "leases-for-everyone",
            Self::ForgetsWhoWaits => "forgets-who-waits",
        }
    }

    /// The validator that has to find it.
    #[must_use]
    pub fn found_by(self) -> &'static str {
        match self {
            Self::AcknowledgesTooEarly | Self::KeepsAnswers => "nothing_older_than_acknowledged",
            Self::LeasesForEveryone => "one_computation_per_validity",
            Self::ForgetsWhoWaits => "every_waiter_released_in_time",
        }
    }
}

/// What stands in front of the server.
struct Front {
    wrong: Wrong,
    server: SocketAddr,
    client: Client<HttpConnector, Body>,
    late: mpsc::Sender<Late>,
    kept: Mutex<HashMap<String, (u64, GetResponse)>>,
    count: std::sync::atomic::AtomicU64,
}

/// Stands in front of the server until it is dropped.
///
/// # Errors
/// No connection can be accepted any more.
pub async fn serve(listener: TcpListener, server: SocketAddr, wrong: Wrong) -> std::io::Result<()> {
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let (kept, count) = (Mutex::default(), std::sync::atomic::AtomicU64::default());
    let (late, mut came_late) = mpsc::channel(LATE_MAX);
    let front = Arc::new(Front { wrong, server, client, late, kept, count });
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => { connections.spawn(connection(front.clone(), accepted?.0)); }
            Some(call) = came_late.recv() => { connections.spawn(front.clone().catch_up(call)); }
        }
        while connections.try_join_next().is_some() {}
    }
}

/// What goes wrong on a connection ends it, as it would end one to a server.
async fn connection(front: Arc<Front>, stream: TcpStream) {
    let answers = service_fn(move |request| {
        let front = front.clone();
        async move {
            let answered = front.answer(request).await;
            Ok::<_, Infallible>(answered.unwrap_or_else(|error| unavailable(&error.to_string())))
        }
    });
    let served = http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), answers);
    let _cut = served.await;
}

impl Front {
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, Error> {
        let call = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
        match (self.wrong, call.as_str()) {
            (Wrong::AcknowledgesTooEarly, "Invalidate") => self.acknowledge(request).await,
            (Wrong::KeepsAnswers | Wrong::LeasesForEveryone | Wrong::ForgetsWhoWaits, "Get") => self.get(request).await,
            _ => {
                let (parts, body) = request.into_parts();
                self.forward(parts, body.map_err(Error::from).boxed_unsync()).await
            }
        }
    }

    /// Passes a call on, with this body.
    async fn forward(&self, mut parts: http::request::Parts, body: Body) -> Result<Response<Body>, Error> {
        let mut uri = parts.uri.into_parts();
        uri.scheme = Some(Scheme::HTTP);
        uri.authority = Some(self.server.to_string().parse()?);
        parts.uri = Uri::from_parts(uri)?;
        let answer = self.client.request(Request::from_parts(parts, body)).await?;
        Ok(answer.map(|body| body.map_err(Error::from).boxed_unsync()))
    }

    async fn acknowledge(&self, request: Request<Incoming>) -> Result<Response<Body>, Error> {
        let (parts, body) = request.into_parts();
        let asked = body.collect().await?.to_bytes();
        self.late.try_send((parts, asked))?;
        Ok(message(&InvalidateResponse::default()))
    }

    /// Does what was acknowledged.
    async fn catch_up(self: Arc<Self>, (parts, asked): Late) {
        tokio::time::sleep(LATE).await;
        let answer = self.forward(parts, whole(asked, None)).await;
        if let Ok(answer) = answer {
            // What it says has been said already.
            let _answered = answer.into_body().collect().await;
        }
    }

    async fn get(&self, request: Request<Incoming>) -> Result<Response<Body>, Error> {
        let (parts, body) = request.into_parts();
        let asked = body.collect().await?.to_bytes();
        let get = GetRequest::decode(asked.get(FRAME_HEAD..).unwrap_or_default())?;
        if let Some(kept) = self.kept(&get) {
            return Ok(message(&kept));
        }
        // Who would wait is given a lease as well.
        let asked = match (self.wrong, get.miss_policy()) {
            (Wrong::LeasesForEveryone, MissPolicy::LeaseOrWait) => {
                framed(&GetRequest { miss_policy: MissPolicy::Lease.into(), wait_timeout: None, ..get.clone() })
            }
            _ => asked,
        };
        let (head, body) = self.forward(parts, whole(asked, None)).await?.into_parts();
        let answered = body.collect().await?;
        let trailers = answered.trailers().cloned();
        let bytes = answered.to_bytes();
        let Some(Ok(mut answer)) = bytes.get(FRAME_HEAD..).map(GetResponse::decode) else {
            return Ok(Response::from_parts(head, whole(bytes, trailers)));
        };
        self.spoil(&get, &mut answer).await;
        Ok(message(&answer))
    }

    fn kept(&self, get: &GetRequest) -> Option<GetResponse> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (until, answer) = kept.get(&get.key)?;
        (*until > clock::now()).then(|| answer.clone())
    }

    async fn spoil(&self, get: &GetRequest, answer: &mut GetResponse) {
        let number = self.count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        match self.wrong {
            Wrong::KeepsAnswers if answer.outcome() == GetOutcome::Hit => {
                let kept = (clock::now() + KEPT, answer.clone());
                self.kept.lock().unwrap_or_else(PoisonError::into_inner).insert(get.key.clone(), kept);
            }
            Wrong::LeasesForEveryone if answer.outcome() == GetOutcome::Pending => {
                answer.set_outcome(GetOutcome::Miss);
                let duration = prost_types::Duration::try_from(Duration::from_secs(1)).ok();
                answer.lease = Some(Lease { token: format!("{number:032x}"), duration });
            }
            Wrong::ForgetsWhoWaits
                if get.miss_policy() == MissPolicy::LeaseOrWait && number.is_multiple_of(FORGOTTEN) =>
            {
                std::future::pending::<()>().await;
            }
            _ => {}
        }
    }
}

/// A message as gRPC frames it.
fn framed(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut frame = BytesMut::with_capacity(FRAME_HEAD + length);
    frame.put_u8(0);
    frame.put_u32(u32::try_from(length).unwrap_or_default());
    frame.put_slice(&message.encode_to_vec());
    frame.freeze()
}

fn whole(bytes: Bytes, trailers: Option<HeaderMap>) -> Body {
    let body = Full::new(bytes).with_trailers(async { trailers.map(Ok) });
    body.map_err(|never| match never {}).boxed_unsync()
}

/// An answer of one message.
fn message(message: &impl Message) -> Response<Body> {
    let trailers = HeaderMap::from_iter([(GRPC_STATUS, HeaderValue::from_static("0"))]);
    grpc(whole(framed(message), Some(trailers)))
}

/// An answer that the server is away.
fn unavailable(said: &str) -> Response<Body> {
    let mut response = grpc(whole(Bytes::new(), None));
    response.headers_mut().insert(GRPC_STATUS, HeaderValue::from_static("14"));
    response.headers_mut().extend(HeaderValue::from_str(said).ok().map(|said| (GRPC_MESSAGE, said)));
    response
}

fn grpc(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}
