//! One operation that a handler serves: as the RPC of its name would be, with its own permission, time and place among the
//! calls in flight. How operations come and answers go is not known here.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::{FutureExt, TryFutureExt, future::BoxFuture};
use hotplate_proto::v1::{self, Permission};
use prost::Message;
use tokio::{sync::OwnedSemaphorePermit, time::timeout};

use super::{
    operations::{Kind, Operation, Operations},
    results::Said,
};
use crate::{
    grpc::{
        get, invalidate, put,
        service::{About, Answer, CacheRpcs, Call, Parts},
        status::Failure,
        touch,
    },
    limits::Admission,
};

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
}

impl Stream {
    /// What serves an operation; its end is its answer, whatever happens.
    pub(super) fn serve(self: &Arc<Self>, operations: &Operations, operation: &Operation) -> BoxFuture<'static, Said> {
        let (rpc, permission) = match operation.kind {
            Kind::Get => ("Get", Permission::Read),
            Kind::Put => ("Put", Permission::Write),
            Kind::Touch => ("Touch", Permission::Write),
            Kind::Invalidate => ("Invalidate", Permission::Invalidate),
            Kind::Cancel | Kind::Missing => {
                let rule = "an operation says what it is: get, put, touch or invalidate";
                return futures::future::ready(Said::Error(Failure::argument("operation", rule).item())).boxed();
            }
        };
        let (time, begun) = match operation.time() {
            Ok(asked) => {
                (asked.map_or(self.deadline_max, |time| time.min(self.deadline_max)), self.begin(operations, operation))
            }
            Err(failure) => (self.deadline_max, Err(failure)),
        };
        let started = self.rpcs.parts().cache.clock().now();
        let call = Call { rpc, caller: self.call.caller.clone(), permission, started, time };
        let stream = Arc::clone(self);
        async move {
            let failure = match begun {
                Ok(begun) => match stream.answered(&call, begun).await {
                    Ok(Ok(said)) => return said,
                    // Its handler has recorded that.
                    Ok(Err(failure)) => return Said::Error(failure.item()),
                    Err(cut) => cut,
                },
                Err(failure) => failure,
            };
            stream.rpcs.record(&call, ("", None), Err(&failure));
            Said::Error(failure.item())
        }
        .boxed()
    }

    fn begin(&self, operations: &Operations, operation: &Operation) -> Result<Begun, Failure> {
        self.admission.open()?;
        let (bytes, namespace) = (operations.request(operation), operations.namespace());
        let request = match operation.kind {
            Kind::Put => Request::Put(read(bytes, namespace, |put: &mut v1::PutRequest| &mut put.namespace)?),
            Kind::Touch => Request::Touch(read(bytes, namespace, |touch: &mut v1::TouchRequest| &mut touch.namespace)?),
            Kind::Invalidate => {
                Request::Invalidate(read(bytes, namespace, |drop: &mut v1::InvalidateRequest| &mut drop.namespace)?)
            }
            Kind::Get | Kind::Cancel | Kind::Missing => {
                Request::Get(read(bytes, namespace, |get: &mut v1::GetRequest| &mut get.namespace)?)
            }
        };
        Ok(Begun { request, place: self.admission.place()? })
    }

    /// Lets the handler answer in bounded time. A panic ends this operation and no other.
    async fn answered(&self, call: &Call, begun: Begun) -> Result<Result<Said, Failure>, Failure> {
        let Begun { request, place } = begun;
        let served = AssertUnwindSafe(self.handled(call, request)).catch_unwind();
        let ended = timeout(call.time, served).await;
        drop(place);
        ended.map_err(|_elapsed| Failure::deadline())?.map_err(|_panic| {
            tracing::error!("an operation panicked");
            Failure::bug("the server met a bug while it served this operation; others go on")
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
