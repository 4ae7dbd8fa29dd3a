//! Put: check, resolve the lifetime, test the precondition, pass the gate.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    admit::{Admission, Admitted, Right, admit},
    bounds::{self, ID_BYTES_MAX},
    cascade,
    condition::{Below, not_in_memory},
    fill::Ticket,
    lifetime::Rules,
    renew,
    repeat::{Answer, Repeats},
};
use crate::{
    changes::Author,
    clock::Moment,
    entry::{Description, EntryView, Expiration, Payload},
    error::{Error, Kind, Reason, Result},
    event::LeaseTurn,
    key::Key,
    memory::{Store, content::Content, record::Lifetime, reserved::Reservation, space::Space},
    position::Positions,
};

/// What to store.
#[derive(Clone, Debug)]
pub struct PutRequest {
    /// The namespace; empty means `default`.
    pub namespace: String,
    /// The key.
    pub key: String,
    /// What; `None`: the content is unchanged, renew it (needs [`Precondition::Etag`]).
    pub payload: Option<Payload>,
    /// SHA-256 of the value as the writer has it, whatever its size; checked.
    pub digest: Option<[u8; 32]>,
    /// What the writer says of it.
    pub description: Description,
    /// For how long.
    pub expiration: Expiration,
    /// On which condition.
    pub precondition: Precondition,
    /// A repeated id gets the first answer; empty: none.
    pub request_id: String,
    /// Who writes.
    pub client_id: Option<Arc<str>>,
}

impl PutRequest {
    /// Stores this under the key as it is: nothing else is said of it, it lasts as long as the namespace says, on no
    /// condition.
    #[must_use]
    pub fn new(namespace: impl Into<String>, key: impl Into<String>, payload: Payload) -> Self {
        Self {
            namespace: namespace.into(),
            key: key.into(),
            payload: Some(payload),
            digest: None,
            description: Description::default(),
            expiration: Expiration::default(),
            precondition: Precondition::Always,
            request_id: String::new(),
            client_id: None,
        }
    }
}

/// A condition on what is stored now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Precondition {
    /// None.
    #[default]
    Always,
    /// Nothing that may be served.
    Absent,
    /// Something.
    Present,
    /// Something with this etag.
    Etag(String),
}

/// What became of a Put.
#[derive(Clone, Debug)]
pub enum PutAnswer {
    /// Stored.
    Stored {
        /// As stored.
        entry: EntryView,
        /// Where in the history.
        position: Positions,
        /// Callers who waited for it and got it.
        waiters_released: u32,
    },
    /// The same content was there and was renewed.
    Refreshed {
        /// As stored.
        entry: EntryView,
        /// Where the history is.
        position: Positions,
        /// Callers who waited for it and got it.
        waiters_released: u32,
    },
    /// The lease is not held, or what it was granted for was invalidated.
    LeaseLost,
    /// The condition does not hold.
    PreconditionFailed {
        /// What is in the way.
        entry: Option<EntryView>,
    },
    /// It cannot fit.
    NotAdmitted {
        /// Why, and what would change it.
        why: String,
        /// Where in the history, when an older value was dropped.
        position: Option<Positions>,
        /// Callers who waited for it and got it nevertheless.
        waiters_released: u32,
    },
}

/// Stores one entry.
///
/// # Errors
/// Anything out of its bounds; `DIGEST_MISMATCH`; `DEPENDENCY_CYCLE`; `NAMESPACE_UNKNOWN`; `TOO_MANY_NAMESPACES`.
pub fn put(store: &Store, repeats: &Repeats, request: PutRequest) -> Result<PutAnswer> {
    put_under(store, repeats, request, None)
}

/// Stores one entry, under the lease that this token names if there is one.
///
/// # Errors
/// Anything out of its bounds; `DIGEST_MISMATCH`; `DEPENDENCY_CYCLE`; `NAMESPACE_UNKNOWN`; `TOO_MANY_NAMESPACES`.
pub fn put_under(store: &Store, repeats: &Repeats, request: PutRequest, lease: Option<u128>) -> Result<PutAnswer> {
    match prepare(store, repeats, request, Means { lease, ..Means::default() })? {
        Begun::Answered(answer) => Ok(answer),
        Begun::Prepared(prepared) => finish(store, repeats, prepared),
    }
}

/// Makes a write that was checked, and remembers it: it is done with this.
pub(super) fn finish(store: &Store, repeats: &Repeats, prepared: Prepared) -> Result<PutAnswer> {
    let (key, id) = (prepared.key.clone(), prepared.request.request_id.clone());
    let answer = apply(store, prepared)?;
    remember(repeats, (&key, &id), &answer);
    Ok(answer)
}

/// A call of this id is done, and was answered so.
pub(super) fn remember(repeats: &Repeats, (key, id): (&Key, &str), answer: &PutAnswer) {
    repeats.remember(key.namespace(), id, Answer::Put(answer.without_value()));
}

/// A write that is checked: what it stores, and for how long, is decided.
#[derive(Clone)]
pub(super) struct Prepared {
    pub(super) key: Key,
    pub(super) space: Arc<Space>,
    /// Without its payload.
    pub(super) request: PutRequest,
    /// What to store, depending on what the writer names and on nothing else yet; `None`: renew what there is.
    pub(super) new: Option<(Content, Lifetime)>,
    pub(super) means: Means,
    /// What was found below memory, when its condition is on that as well.
    pub(super) below: Option<Below>,
    started: Moment,
}

/// What a writer has besides what it writes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Means {
    /// The lease that it is computed under.
    pub(crate) lease: Option<u128>,
    /// Room that is held for it.
    pub(crate) reserved: Option<Arc<Reservation>>,
    /// Where things were when it began to come in, if that took its time.
    pub(crate) begun: Option<Box<Ticket>>,
}

/// How far a write is.
#[expect(clippy::large_enum_variant, reason = "it is taken apart at once where it is made")]
pub(super) enum Begun {
    /// It was made before under the same id.
    Answered(PutAnswer),
    /// It may be made.
    Prepared(Prepared),
}

/// Checks a write. Nothing is changed, except that its namespace is there.
pub(super) fn prepare(store: &Store, repeats: &Repeats, mut request: PutRequest, means: Means) -> Result<Begun> {
    let started = store.clock.now();
    let key = Key::new(&request.namespace, &request.key)?;
    check(store, &mut request)?;
    let space = store.open(key.namespace())?;
    if let Some(Answer::Put(answer)) = repeats.recall(key.namespace(), &request.request_id) {
        return Ok(Begun::Answered(answer));
    }
    let new = match request.payload.take() {
        Some(payload) => Some(content(store, &space, &mut request, payload)?),
        None => None,
    };
    Ok(Begun::Prepared(Prepared { key, space, request, new, means, below: None, started }))
}

/// Makes a write that was checked, in the tiers of this server. Not remembered: it may have to be shared still.
pub(super) fn apply(store: &Store, prepared: Prepared) -> Result<PutAnswer> {
    let Prepared { key, space, request, new, means, below, started } = prepared;
    let author = Author { client_id: request.client_id.clone(), ..Author::default() };
    let kind = new.as_ref().map_or_else(Arc::default, |(content, _)| content.description.kind.clone());
    let answer = match new {
        Some(new) => {
            store_content(store, &space, &key, (new, &request.precondition, below.as_ref()), (author, &means))?
        }
        None if matches!(below, Some(Below::Found(..) | Below::Unasked)) => return Err(not_in_memory(below.as_ref())),
        None => renew(store, &space, &key, (&request, &author, means.lease))?,
    };
    if matches!(answer, PutAnswer::LeaseLost) {
        space.stats.on_lease(key.text(), &kind, LeaseTurn::Lost);
    }
    space.stats.on_latency("put", store.clock.now().since(started));
    Ok(answer)
}

fn check(store: &Store, request: &mut PutRequest) -> Result<()> {
    bounds::length("request_id", &request.request_id, ID_BYTES_MAX)?;
    bounds::length("client_id", request.client_id.as_deref().unwrap_or_default(), ID_BYTES_MAX)?;
    bounds::description(&mut request.description)?;
    match &request.payload {
        Some(payload) => bounds::payload(payload, store.config.value_bytes_max),
        None if matches!(request.precondition, Precondition::Etag(_)) => Ok(()),
        None => {
            let rule = "an unchanged payload renews the entry with a given etag: set precondition.etag";
            Err(Error::invalid(Reason::BadArgument, "precondition", rule))
        }
    }
}

/// What a write stores, and for how long.
fn content(store: &Store, space: &Space, request: &mut PutRequest, payload: Payload) -> Result<(Content, Lifetime)> {
    let lifetime = decide(store, space, request, matches!(payload, Payload::Negative(_)))?;
    let content = Content::new(compact(payload), std::mem::take(&mut request.description));
    if request.digest.is_some_and(|digest| digest != content.sha256()) {
        let rule = "digest is not the SHA-256 of the value that arrived: send the value again";
        return Err(Error::invalid(Reason::DigestMismatch, "digest", rule));
    }
    Ok((content, lifetime))
}

fn store_content(
    store: &Store,
    space: &Arc<Space>,
    key: &Key,
    ((mut content, lifetime), precondition, below): ((Content, Lifetime), &Precondition, Option<&Below>),
    (author, means): (Author, &Means),
) -> Result<PutAnswer> {
    // Kept until it is stored: two writers who link each to the other's key must not both find no cycle, and whoever
    // invalidates what this was made from must find it when the gate did not refuse it.
    let said = content.description.depends_on.clone();
    let _linking = said.is_some().then(|| space.graph.linking());
    if let Some(said) = said {
        let closed = cascade::close(store, (space, key), &said)?;
        Arc::make_mut(&mut content.description).depends_on = Some(closed);
    }
    let right = match means.lease {
        None => match &means.begun {
            None => Right::Write(author),
            Some(ticket) => Right::Since(author, **ticket),
        },
        Some(token) => {
            let now = store.clock.now();
            let claim = store.shard(key).beside.leases.claim(key, token, now);
            let Some(claim) = claim else { return Ok(PutAnswer::LeaseLost) };
            content.measure(now.since(claim.granted));
            Right::Lease(author, claim)
        }
    };
    let reserved = means.reserved.as_deref();
    let admission = Admission { space, key, content, lifetime, precondition, below, right, pin: None, reserved };
    answer(admit(store, &admission), below)
}

fn answer(admitted: Admitted, below: Option<&Below>) -> Result<PutAnswer> {
    Ok(match admitted {
        Admitted::Stored(entry, position, waiters_released) => PutAnswer::Stored { entry, position, waiters_released },
        Admitted::Refreshed(entry, position, waiters_released) => {
            PutAnswer::Refreshed { entry, position, waiters_released }
        }
        Admitted::PreconditionFailed(entry) => PutAnswer::PreconditionFailed { entry },
        Admitted::LeaseLost => PutAnswer::LeaseLost,
        Admitted::NotAdmitted(why, position, waiters_released) => {
            PutAnswer::NotAdmitted { why, position, waiters_released }
        }
        Admitted::Unknown => return Err(not_in_memory(below)),
        Admitted::TooLate => {
            return Err(Error::new(Kind::Internal, Reason::Bug, "a write was taken for a fill"));
        }
    })
}

/// Renews what is stored, if it still has the etag.
fn renew(
    store: &Store,
    space: &Arc<Space>,
    key: &Key,
    (request, author, lease): (&PutRequest, &Author, Option<u128>),
) -> Result<PutAnswer> {
    let (kind, negative) = {
        let shard = store.shard(key);
        let slot = store.find(&shard, space, key);
        let record = slot.and_then(|slot| shard.table(&space.shelf)?.get(slot));
        let Some(record) = record else { return Ok(PutAnswer::PreconditionFailed { entry: None }) };
        (record.description(&shard.beside.shared).kind.clone(), record.is_negative())
    };
    let rules = Rules { namespace: &space.config, classes: &store.config.ttl_classes, kind: &kind, negative };
    let lifetime = rules.decide(&request.expiration, store.clock.now(), store.random())?;
    answer(renew::renew(store, space, key, (&request.precondition, lifetime), (author, lease)), None)
}

fn decide(store: &Store, space: &Space, request: &PutRequest, negative: bool) -> Result<Lifetime> {
    let kind = &*request.description.kind;
    let rules = Rules { namespace: &space.config, classes: &store.config.ttl_classes, kind, negative };
    rules.decide(&request.expiration, store.clock.now(), store.random())
}

/// A small value that shares a receive buffer would keep all of that buffer: it gets its own.
fn compact(payload: Payload) -> Payload {
    const SHARED_BYTES_MIN: usize = 4096;
    match payload {
        Payload::Value(value) if value.len() < SHARED_BYTES_MIN => Payload::Value(Bytes::copy_from_slice(&value)),
        Payload::Chunks(chunks) => match Payload::collected(chunks) {
            value @ Payload::Value(_) => compact(value),
            chunks => chunks,
        },
        other => other,
    }
}

impl PutAnswer {
    /// The same at other places.
    pub(super) fn at(mut self, places: impl FnOnce(&Positions) -> Positions) -> Self {
        match &mut self {
            Self::Stored { position, .. } | Self::Refreshed { position, .. } => *position = places(position),
            Self::NotAdmitted { position, .. } => *position = Some(places(&position.take().unwrap_or_default())),
            Self::PreconditionFailed { .. } | Self::LeaseLost => {}
        }
        self
    }

    /// The same without the value's bytes, to be kept without keeping them.
    pub(super) fn without_value(&self) -> Self {
        let empty = |entry: &EntryView| EntryView { payload: Payload::Value(Bytes::new()), ..entry.clone() };
        match self {
            Self::Stored { entry, position, waiters_released: released } => {
                Self::Stored { entry: empty(entry), position: position.clone(), waiters_released: *released }
            }
            Self::Refreshed { entry, position, waiters_released: released } => {
                Self::Refreshed { entry: empty(entry), position: position.clone(), waiters_released: *released }
            }
            Self::PreconditionFailed { entry } => Self::PreconditionFailed { entry: entry.as_ref().map(empty) },
            Self::NotAdmitted { .. } | Self::LeaseLost => self.clone(),
        }
    }
}
