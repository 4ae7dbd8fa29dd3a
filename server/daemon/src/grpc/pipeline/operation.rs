//! One operation that a handler serves: as the RPC of its name would be, with its own permission, time and place among the
//! calls in flight. How operations come and answers go is not known here.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{FutureExt, TryFutureExt, future::BoxFuture};
use hotplate_proto::v1::{self, Permission};
use prost::Message;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{
    operations::{Kind, Operation, Operations},
    results::{Said, Told},
    waiting::Turn,
};
use crate::{
    grpc::{
        coming::{Intake, SMALL_BYTES},
        get,
        granted::Granted,
        invalidate, put,
        service::{About, Answer, CacheRpcs, Call, Parts},
        status::Failure,
        touch,
    },
    ledger::{Permit, Use, full},
    limits::Admission,
};

/// Bytes that an operation takes which waits for its turn, besides those of its request.
const WAITING_BYTES: usize = 1 << 10;

/// What all operations of a stream have in common.
pub(crate) struct Stream {
    /// The handlers.
    pub(crate) rpcs: CacheRpcs,
    /// How many calls at once.
    pub(crate) admission: Admission,
    /// The call that the stream is.
    pub(crate) call: Arc<Call>,
    /// Longest time of an operation.
    pub(crate) deadline_max: Duration,
    /// How requests of its caller come in.
    pub(crate) intake: Intake,
}

/// A request of an operation.
enum Request {
    Get(Box<v1::GetRequest>),
    Put(Box<v1::PutRequest>),
    Touch(Box<v1::TouchRequest>),
    Invalidate(Box<v1::InvalidateRequest>),
}

/// An operation that was let in.
struct Begun {
    request: Request,
    place: OwnedSemaphorePermit,
    _turn: OwnedSemaphorePermit,
}

/// An operation that is to be served.
enum Asked {
    /// It has begun.
    Now(Box<Begun>),
    /// It begins when it is its turn: its request and namespace.
    Later(Arc<Semaphore>, Kind, (Bytes, String)),
}

impl Stream {
    /// What serves an operation of a message that has this room, when it is its turn; its end is its answer, whatever happens.
    pub(super) fn serve(
        self: &Arc<Self>,
        message: (&Operations, Option<&Arc<Permit>>),
        operation: &Operation,
        turn: Result<Turn, Failure>,
    ) -> BoxFuture<'static, Told> {
        let (rpc, permission) = match operation.kind {
            Kind::Get => ("Get", Permission::Read),
            Kind::Put => ("Put", Permission::Write),
            Kind::Touch => ("Touch", Permission::Write),
            Kind::Invalidate => ("Invalidate", Permission::Invalidate),
            Kind::Cancel | Kind::Missing => {
                let rule = "an operation says what it is: get, put, touch or invalidate";
                return futures::future::ready(Told::plain(Failure::argument("operation", rule))).boxed();
            }
        };
        let asked = operation.time().and_then(|time| Ok((time, self.take(message, operation, turn?)?)));
        let (time, asked) = match asked {
            Ok((time, asked)) => (time.map_or(self.deadline_max, |time| time.min(self.deadline_max)), Ok(asked)),
            Err(failure) => (self.deadline_max, Err(failure)),
        };
        let started = self.rpcs.parts().cache.clock().now();
        let call =
            Call { rpc, caller: self.call.caller.clone(), permission, started, time, granted: Granted::default() };
        let stream = Arc::clone(self);
        async move {
            let failure = match asked {
                // Its room is kept until it is answered.
                Ok((asked, _room)) => match stream.answered(&call, asked).await {
                    Ok(Ok(said)) => return Told { said, granted: call.granted.handed_on() },
                    // Its handler has recorded that.
                    Ok(Err(failure)) => return Told::plain(failure),
                    Err(cut) => cut,
                },
                Err(failure) => failure,
            };
            stream.rpcs.record(&call, ("", None), Err(&failure));
            Told::plain(failure)
        }
        .boxed()
    }

    /// Lets an operation in, which keeps the room of its message, or makes room for it until it is its turn.
    fn take(
        &self,
        (operations, room): (&Operations, Option<&Arc<Permit>>),
        operation: &Operation,
        turn: Turn,
    ) -> Result<(Asked, Option<Arc<Permit>>), Failure> {
        let (request, namespace) = (operations.request(operation), operations.namespace());
        match turn {
            Turn::Now(turn) => {
                // A second time what came in once might never fit beside it.
                let room = room.filter(|_| request.len() > SMALL_BYTES).map(Arc::clone);
                let begun = self.begin(operation.kind, (request, namespace), turn)?;
                Ok((Asked::Now(Box::new(begun)), room))
            }
            Turn::Later(turns) => {
                let room = self.room(request.len() + namespace.len() + WAITING_BYTES)?;
                let about = (Bytes::copy_from_slice(request), namespace.to_owned());
                Ok((Asked::Later(turns, operation.kind, about), Some(Arc::new(room))))
            }
        }
    }

    fn room(&self, bytes: usize) -> Result<Permit, Failure> {
        self.intake.share().take(Use::Requests, bytes as u64).ok_or_else(|| full(Use::Requests))
    }

    fn begin(
        &self,
        kind: Kind,
        (bytes, namespace): (&[u8], &str),
        turn: OwnedSemaphorePermit,
    ) -> Result<Begun, Failure> {
        self.admission.open()?;
        if bytes.len() > SMALL_BYTES
            && let Some(rpc) = rpc_of(kind)
        {
            self.rpcs.parts().shapes.check(rpc, &[bytes])?;
        }
        let request = match kind {
            Kind::Put => Request::Put(read(bytes, namespace, |put: &mut v1::PutRequest| &mut put.namespace)?),
            Kind::Touch => Request::Touch(read(bytes, namespace, |touch: &mut v1::TouchRequest| &mut touch.namespace)?),
            Kind::Invalidate => {
                Request::Invalidate(read(bytes, namespace, |drop: &mut v1::InvalidateRequest| &mut drop.namespace)?)
            }
            Kind::Get | Kind::Cancel | Kind::Missing => {
                Request::Get(read(bytes, namespace, |get: &mut v1::GetRequest| &mut get.namespace)?)
            }
        };
        Ok(Begun { request, place: self.admission.place()?, _turn: turn })
    }

    async fn turn(&self, asked: Asked) -> Result<Begun, Failure> {
        match asked {
            Asked::Now(begun) => Ok(*begun),
            Asked::Later(turns, kind, (request, namespace)) => {
                let closed = |_closed| Failure::bug("the turns of a stream have ended before it");
                let turn = turns.acquire_owned().await.map_err(closed)?;
                self.begin(kind, (&request, &namespace), turn)
            }
        }
    }

    /// Lets the handler answer in bounded time. A panic ends this operation and no other.
    async fn answered(&self, call: &Call, asked: Asked) -> Result<Result<Said, Failure>, Failure> {
        let served = async {
            let Begun { request, place: _place, _turn } = self.turn(asked).await?;
            Ok(self.handled(call, request).await)
        };
        let ended = timeout(call.time, AssertUnwindSafe(served).catch_unwind()).await;
        ended.map_err(|_elapsed| Failure::deadline())?.unwrap_or_else(|_panic| {
            tracing::error!("an operation panicked");
            Err(Failure::bug("the server met a bug while it served this operation; others go on"))
        })
    }

    fn handled<'a>(&'a self, call: &'a Call, request: Request) -> BoxFuture<'a, Result<Said, Failure>> {
        match request {
            Request::Get(request) => self.told(call, *request, get::get).map_ok(Said::Get).boxed(),
            Request::Put(request) => self.told(call, *request, put::put).map_ok(Said::Put).boxed(),
            Request::Touch(request) => self.told(call, *request, touch::touch).map_ok(Said::Touch).boxed(),
            Request::Invalidate(request) => {
                self.told(call, *request, invalidate::invalidate).map_ok(Said::Invalidate).boxed()
            }
        }
    }

    async fn told<Q: About, A>(
        &self,
        call: &Call,
        request: Q,
        handler: impl AsyncFnOnce(&Parts, &Call, Q) -> Result<Answer<A>, Failure>,
    ) -> Result<A, Failure> {
        let (namespace, key) = (request.namespace().to_owned(), request.key().map(str::to_owned));
        let answer = handler(self.rpcs.parts(), call, request).await;
        self.rpcs.recorded(call, (&namespace, key.as_deref()), answer)
    }
}

/// The RPC that an operation is a call of; `None`: it is none.
fn rpc_of(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Get => Some("Get"),
        Kind::Put => Some("Put"),
        Kind::Touch => Some("Touch"),
        Kind::Invalidate => Some("Invalidate"),
        Kind::Cancel | Kind::Missing => None,
    }
}

/// Reads a request; one that names no namespace is in that of its message. Its value gets memory of its own: a message may be
/// much larger.
fn read<Q: Message + Default>(
    bytes: &[u8],
    namespace: &str,
    own: impl FnOnce(&mut Q) -> &mut String,
) -> Result<Box<Q>, Failure> {
    let bad = |error| Failure::new("BAD_MESSAGE", format!("the operation cannot be decoded: {error}"));
    let mut request = Q::decode(bytes).map_err(bad)?;
    let own = own(&mut request);
    if own.is_empty() {
        namespace.clone_into(own);
    }
    Ok(Box::new(request))
}
