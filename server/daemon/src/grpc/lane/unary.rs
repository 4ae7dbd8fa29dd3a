//! One call of the lane, from its message to its answer: memory is asked first, in place; what that does not answer goes to
//! the handler of its RPC. Who may call, and for how long, is the gate's business.

use bytes::{Buf, Bytes};
use hotplate_engine::flow::hit::{Hit, Value, Wanted};
use hotplate_proto::v1::Permission;
use http::{HeaderMap, HeaderName, Method, header::CONTENT_TYPE};
use prost::Message;

use super::{prefix::PREFIX_BYTES, reply::Framed, wire::Backward};
use crate::grpc::{
    batch_get,
    coming::SMALL_BYTES,
    convert, get,
    going::{Outlet, Parcel},
    service::{About, Answer, CacheRpcs, Call},
    status::Failure,
};

/// A name that is text is read anew at each look.
static GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// RPCs that are served here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// `Get`.
    Get,
    /// `BatchGet`.
    BatchGet,
    /// `Pipeline`.
    Pipeline,
}

impl Lane {
    /// The lane of a call; `None`: it goes the general way.
    pub(crate) fn of(rpc: &str, method: &Method, headers: &HeaderMap) -> Option<Self> {
        let lane = match rpc {
            "Get" => Self::Get,
            "BatchGet" => Self::BatchGet,
            "Pipeline" => Self::Pipeline,
            _ => return None,
        };
        let plain = headers
            .get(CONTENT_TYPE)
            .is_some_and(|form| form == "application/grpc" || form == "application/grpc+proto");
        (plain && method == Method::POST && !headers.contains_key(&GRPC_ENCODING)).then_some(lane)
    }
}

/// An answer as it is sent, and whether what others changed may not be known here.
pub(crate) struct Served {
    /// The message.
    pub(crate) message: Parcel,
    /// Whether the response says that.
    pub(crate) degraded: bool,
}

impl CacheRpcs {
    /// Answers a Get that asks for one entry which memory has, fresh; `None`: another way knows what there is to say.
    pub(crate) fn hit(&self, call: &Call, message: &[u8], outlet: Outlet<'_>) -> Option<Parcel> {
        let parts = self.parts();
        let convert::PlainGet { namespace, key, full } = convert::PlainGet::read(message)?;
        if !call.caller.allows(Permission::Read, namespace) || parts.cache.is_degraded(namespace) {
            return None;
        }
        let (mut written, mut kept, mut going) = (None, None, None);
        parts.cache.hits(namespace, &[Wanted { key, with_facts: full }], |_, hit| {
            going = outlet.take(convert::bytes_of_hit(key, &hit));
            if going.is_none() {
                return false;
            }
            match hit.value {
                Value::Here(_) => written = Some(write(key, hit)),
                // Not while anything is locked: it may be held smaller.
                Value::Shared(value) => {
                    kept = Some(Hit { value: Value::Shared(value), as_of: hit.as_of, facts: hit.facts })
                }
            }
            true
        });
        let framed = written.or_else(|| kept.map(|hit| write(key, hit)))?.framed()?;
        self.record(call, (namespace, Some(key)), Ok("hit"));
        Some(going?.with(framed))
    }

    /// Answers any call of the lane.
    pub(crate) async fn serve(
        &self,
        lane: Lane,
        call: &Call,
        (message, outlet): (Bytes, Outlet<'_>),
    ) -> Result<Served, Failure> {
        if message.len() > SMALL_BYTES {
            let checked = self.parts().shapes.check(call.rpc, std::slice::from_ref(&message));
            checked.inspect_err(|failure| self.record(call, ("", None), Err(failure)))?;
        }
        let asked = (message, outlet);
        match lane {
            Lane::Pipeline => Err(Failure::bug("a stream is served as a call")),
            Lane::Get => self.one(call, asked, async |request| get::get(self.parts(), call, request).await).await,
            Lane::BatchGet => {
                self.one(call, asked, async |request| batch_get::batch_get(self.parts(), call, request).await).await
            }
        }
    }

    async fn one<Q: About + Message + Default, A: Message>(
        &self,
        call: &Call,
        (message, outlet): (Bytes, Outlet<'_>),
        handler: impl AsyncFnOnce(Q) -> Result<Answer<A>, Failure>,
    ) -> Result<Served, Failure> {
        let request = match Q::decode(message) {
            Ok(request) => request,
            Err(error) => {
                let failure = Failure::new("BAD_MESSAGE", format!("the request cannot be decoded: {error}"));
                self.record(call, ("", None), Err(&failure));
                return Err(failure);
            }
        };
        let (namespace, key) = (request.namespace().to_owned(), request.key().map(str::to_owned));
        let written = handler(request).await.and_then(|Answer { message, outcome }| {
            let too_large = || Failure::new("MESSAGE_TOO_LARGE", "the answer is larger than any message may be");
            Ok((Framed::of(&message).ok_or_else(too_large)?, outcome))
        });
        let said = match written {
            Ok((framed, outcome)) => with_room(framed, outlet).await.map(|parcel| (parcel, outcome)),
            Err(failure) => Err(failure),
        };
        self.record(call, (&namespace, key.as_deref()), said.as_ref().map(|(_, outcome)| *outcome));
        Ok(Served { message: said?.0, degraded: self.parts().cache.is_degraded(&namespace) })
    }
}

/// An answer that may be sent, once there is room for it.
async fn with_room(framed: Framed, outlet: Outlet<'_>) -> Result<Parcel, Failure> {
    let bytes = framed.remaining();
    let going = match outlet.take(bytes) {
        Some(going) => going,
        None => Box::pin(outlet.wait(bytes)).await?,
    };
    Ok(going.with(framed))
}

fn write(key: &str, hit: Hit<'_>) -> Backward {
    let mut out = Backward::with_room(PREFIX_BYTES + convert::room_for_hit(key, &hit));
    convert::write_hit(&mut out, key, hit);
    out
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_plain_calls_of_known_rpcs_are_in_the_lane() {
        let headers = |form: &'static str| HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(form))]);
        let plain = headers("application/grpc");
        assert_eq!(Lane::of("Get", &Method::POST, &plain), Some(Lane::Get));
        assert_eq!(Lane::of("BatchGet", &Method::POST, &plain), Some(Lane::BatchGet));
        assert_eq!(Lane::of("Watch", &Method::POST, &plain), None);
        assert_eq!(Lane::of("Get", &Method::GET, &plain), None);
        assert_eq!(Lane::of("Get", &Method::POST, &headers("application/grpc-web")), None);
        assert_eq!(Lane::of("Get", &Method::POST, &HeaderMap::new()), None);
        let mut compressed = plain;
        compressed.insert("grpc-encoding", HeaderValue::from_static("gzip"));
        assert_eq!(Lane::of("Get", &Method::POST, &compressed), None);
    }
}
