//! Fill: ask an origin for one key and pass its answer through the gate. The ticket is taken before the origin is
//! asked, so that an answer which an Invalidate overtook is stored nowhere.

use std::{future::ready, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::{FutureExt, future::BoxFuture};

use crate::{
    clock::Clock,
    entry::{CostSource, Description, EntryView, Expiration, Negative, Payload, Ttl},
    error::Result,
    event::{Event, Observer},
    fence::Stamp,
    flow::preload::{Parameters, PreloadState},
    key::Key,
    origin::{Loaded, Origin, OriginAnswer, OriginError, OriginRequest},
    tier::shared::FleetStamp,
};

/// Label under which an entry keeps its origin's validator.
pub const VALIDATOR_LABEL: &str = "hotplate.origin_validator";
/// Times an origin is asked for one item.
const ATTEMPTS: u32 = 3;
/// Wait before the second attempt; doubled for each one after it, and shortened by up to half at random.
const BACKOFF: Duration = Duration::from_millis(100);

/// What a fill needs of the store.
pub trait Store: Send + Sync + 'static {
    /// The place in the history now, for a computation that begins after this call.
    fn ticket(&self, key: &Key) -> Ticket;

    /// The entry, if it may be served (fresh or stale). Leaves no trace.
    fn view(&self, key: &Key) -> Option<EntryView>;

    /// Brings the entry from a slower tier, if there are such and memory does not have it.
    fn bring<'a>(&'a self, _key: &'a Key) -> BoxFuture<'a, ()> {
        Box::pin(ready(()))
    }

    /// Adds to what is said of an entry what that was made from which it names, as far as tiers know.
    fn gather<'a>(&'a self, _key: &'a Key, _said: &'a mut Description) -> BoxFuture<'a, ()> {
        Box::pin(ready(()))
    }

    /// Where the logs that replicas share are now, for a computation that begins after this call; `None`: nothing is shared.
    fn place_in_fleet(&self, _key: &Key) -> Option<FleetStamp> {
        None
    }

    /// Stores where replicas share it what was stored here and computed since then; false when that was overtaken there,
    /// and is nowhere any more.
    fn share<'a>(&'a self, _key: &'a Key, _since: FleetStamp) -> BoxFuture<'a, bool> {
        Box::pin(async { true })
    }

    /// The longest TTL of a namespace.
    fn ttl_max(&self, namespace: &str) -> Duration;

    /// Passes the gate: stores the fill, unless what it was computed from was invalidated since its ticket.
    ///
    /// # Errors
    /// Anything out of its bounds.
    fn admit(&self, fill: Fill) -> Result<Admitted>;

    /// Keeps the reason why fetching a stale value anew failed beside it, where there is room for that.
    fn failed(&self, key: &Key, failure: &Negative);
}

/// A computed result on its way to the gate.
#[derive(Clone, Debug)]
pub struct Fill {
    /// The key.
    pub key: Key,
    /// What.
    pub payload: Payload,
    /// What is said of it.
    pub description: Description,
    /// Whether what it cost was measured, and not said by a writer.
    pub cost_measured: bool,
    /// For how long. A negative without TTL gets the namespace's `ttl_negative`.
    pub expiration: Expiration,
    /// Where the history was before the computation began.
    pub ticket: Ticket,
    /// For how long it is to make no room for others, if that is asked.
    pub pin_for: Option<Duration>,
}

/// Where things were before a computation began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// In the history.
    pub stamp: Stamp,
    /// In the store's order of uses.
    pub place: u64,
}

/// What the gate did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admitted {
    /// Stored.
    Stored {
        /// Whether it is pinned.
        pinned: bool,
    },
    /// The same content was there and was renewed.
    Refreshed {
        /// Whether it is pinned.
        pinned: bool,
    },
    /// Invalidated since the ticket: stored nowhere.
    TooLate,
    /// It cannot fit: why.
    NotAdmitted(String),
}

/// Fills the store from origins.
pub(super) struct Filler {
    pub(super) store: Arc<dyn Store>,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) clock: Clock,
    /// Decides the jitter of waits.
    pub(super) seed: u64,
}

/// Whom to ask, and with what.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) origin_name: Arc<str>,
    pub(super) origin: Arc<dyn Origin>,
    pub(super) parameters: Arc<Parameters>,
}

/// An item whose names were checked.
#[derive(Clone)]
pub(super) struct Checked {
    pub(super) key: Key,
    pub(super) source: Source,
    /// What is said of it: kind, tags, and what it was made from.
    pub(super) described: Description,
    pub(super) expiration: Expiration,
    pub(super) pin_for: Option<Duration>,
    /// Whether a failure is kept beside the stale value.
    pub(super) tell_failure: bool,
}

/// When an origin was asked, and how long it needed.
#[derive(Clone, Copy)]
struct Asked {
    ticket: Ticket,
    took: Duration,
}

/// How an item ended.
pub(super) struct Ended {
    pub(super) state: PreloadState,
    /// What it loaded.
    pub(super) bytes: u64,
    pub(super) pinned: bool,
}

impl From<PreloadState> for Ended {
    fn from(state: PreloadState) -> Self {
        Self { state, bytes: 0, pinned: false }
    }
}

impl Filler {
    /// Fetches one item, unless it is fresh and not forced.
    pub(super) async fn fill(&self, checked: &Checked, force: bool) -> Ended {
        self.store.bring(&checked.key).await;
        let present = self.store.view(&checked.key);
        if !force && present.as_ref().is_some_and(|entry| !entry.facts.fresh_for.is_zero()) {
            let pinned = present.is_some_and(|entry| entry.facts.pinned);
            return Ended { pinned, ..PreloadState::Skipped.into() };
        }
        let mut checked = checked.clone();
        // Before the ticket: what becomes of that while the origin is asked then counts.
        self.store.gather(&checked.key, &mut checked.described).await;
        let checked = &checked;
        let mut attempt = 1;
        loop {
            // A new ticket for each attempt: an Invalidate between two of them spoils only the first.
            let ticket = self.store.ticket(&checked.key);
            let began = self.store.place_in_fleet(&checked.key);
            let start = self.clock.now();
            match self.ask(checked, present.as_ref()).await {
                Ok(answer) => {
                    let asked = Asked { ticket, took: self.clock.now().since(start) };
                    let ended = self.pass(checked, answer, present, asked);
                    return self.share(checked, ended, began).await;
                }
                Err(error) if error.retryable && attempt < ATTEMPTS => {
                    tokio::time::sleep(self.backoff(&checked.key, attempt)).await;
                    attempt += 1;
                }
                Err(error) => return self.failed(checked, error).into(),
            }
        }
    }

    /// Stores where replicas share it what was stored here.
    async fn share(&self, checked: &Checked, ended: Ended, began: Option<FleetStamp>) -> Ended {
        let stored = matches!(ended.state, PreloadState::Loaded | PreloadState::Negative | PreloadState::Revalidated);
        match began.filter(|_| stored) {
            Some(began) if !self.store.share(&checked.key, began).await => overtaken().into(),
            _ => ended,
        }
    }

    fn failed(&self, checked: &Checked, OriginError { reason, message, .. }: OriginError) -> PreloadState {
        if checked.tell_failure {
            let failure = Negative { reason: Arc::from(reason), message: Arc::from(message.as_str()) };
            self.store.failed(&checked.key, &failure);
        }
        PreloadState::Failed { reason, message }
    }

    async fn ask(
        &self,
        checked: &Checked,
        present: Option<&EntryView>,
    ) -> std::result::Result<OriginAnswer, OriginError> {
        let validator = present.and_then(|entry| entry.facts.description.labels.get(VALIDATOR_LABEL));
        let request = OriginRequest {
            namespace: checked.key.namespace().clone(),
            key: checked.key.text().clone(),
            parameters: (*checked.source.parameters).clone(),
            validator: validator.map(|validator| Arc::from(validator.as_str())),
        };
        let start = self.clock.now();
        let load = async { checked.source.origin.load(request).await };
        let answer = AssertUnwindSafe(load).catch_unwind().await.unwrap_or_else(|_panic| {
            let message =
                format!("the origin `{}` failed on this item; this is a bug in it", checked.source.origin_name);
            Err(OriginError { reason: "ORIGIN_FAILED", message, retryable: false })
        });
        self.observer.observe(&Event::OriginCalled {
            origin: checked.source.origin_name.clone(),
            usable: answer.is_ok(),
            elapsed: self.clock.now().since(start),
        });
        answer
    }

    fn pass(&self, checked: &Checked, answer: OriginAnswer, present: Option<EntryView>, asked: Asked) -> Ended {
        match (answer, present) {
            (OriginAnswer::Found(loaded), _) => self.found(checked, loaded, asked),
            (OriginAnswer::Absent, _) => self.absent(checked, asked.ticket),
            (OriginAnswer::NotModified { ttl }, Some(entry)) => self.renew(checked, entry, ttl, asked.ticket),
            (OriginAnswer::NotModified { .. }, None) => {
                let message = format!("the origin `{}` answered `not modified` unasked", checked.source.origin_name);
                PreloadState::Failed { reason: "ORIGIN_STATUS", message }.into()
            }
        }
    }

    fn found(&self, checked: &Checked, loaded: Loaded, Asked { ticket, took }: Asked) -> Ended {
        let Some(expiration) = self.expiration(checked, loaded.ttl) else { return not_to_be_stored().into() };
        let bytes = loaded.value.len() as u64;
        let labels = loaded.validator.map(|validator| (VALIDATOR_LABEL.to_owned(), validator.to_string()));
        let description = Description {
            content_type: loaded.content_type,
            encoding: loaded.encoding,
            labels: labels.into_iter().collect(),
            // What the origin needed is what a hit saves.
            compute_cost: Some(took),
            ..self.described(checked)
        };
        let fill = Fill {
            key: checked.key.clone(),
            payload: Payload::Value(loaded.value),
            description,
            cost_measured: true,
            expiration,
            ticket,
            pin_for: checked.pin_for,
        };
        Ended { bytes, ..self.admit(fill, PreloadState::Loaded) }
    }

    fn absent(&self, checked: &Checked, ticket: Ticket) -> Ended {
        let negative = Negative {
            reason: Arc::from("NOT_FOUND"),
            message: Arc::from(format!("the origin `{}` has no such entry", checked.source.origin_name)),
        };
        let fill = Fill {
            key: checked.key.clone(),
            payload: Payload::Negative(negative),
            description: self.described(checked),
            cost_measured: false,
            // Not the item's lifetime, which is meant for a value.
            expiration: Expiration::default(),
            ticket,
            // An absence is not worth keeping others out.
            pin_for: None,
        };
        self.admit(fill, PreloadState::Negative)
    }

    fn renew(&self, checked: &Checked, entry: EntryView, ttl: Option<Duration>, ticket: Ticket) -> Ended {
        let Some(expiration) = self.expiration(checked, ttl) else { return not_to_be_stored().into() };
        let described = self.described(checked);
        let was = &*entry.facts.description;
        let description = Description {
            kind: described.kind,
            tags: described.tags,
            compute_cost: entry.facts.compute_cost,
            ..was.clone()
        };
        let cost_measured = entry.facts.cost_source == CostSource::Measured;
        let fill = Fill {
            key: checked.key.clone(),
            payload: entry.payload,
            description,
            cost_measured,
            expiration,
            ticket,
            pin_for: checked.pin_for,
        };
        self.admit(fill, PreloadState::Revalidated)
    }

    fn described(&self, checked: &Checked) -> Description {
        let mut described = checked.described.clone();
        described.tags.sort();
        described.tags.dedup();
        described
    }

    /// The lifetime: the caller's, else the origin's within the namespace's bound. `None`: the origin forbids storing.
    fn expiration(&self, checked: &Checked, origin: Option<Duration>) -> Option<Expiration> {
        let asked = checked.expiration.clone();
        let Some(ttl) = origin.filter(|_| asked.ttl == Ttl::Default) else { return Some(asked) };
        let ttl = ttl.min(self.store.ttl_max(checked.key.namespace()));
        (!ttl.is_zero()).then_some(Expiration { ttl: Ttl::Exact(ttl), ..asked })
    }

    fn admit(&self, fill: Fill, state: PreloadState) -> Ended {
        let state = match self.store.admit(fill) {
            Ok(Admitted::Stored { pinned } | Admitted::Refreshed { pinned }) => {
                return Ended { pinned, ..state.into() };
            }
            Ok(Admitted::TooLate) => overtaken(),
            Ok(Admitted::NotAdmitted(message)) => PreloadState::NotStored { reason: "NOT_ADMITTED", message },
            Err(error) => PreloadState::Failed { reason: error.reason().name(), message: error.message().to_owned() },
        };
        state.into()
    }

    fn backoff(&self, key: &Key, attempt: u32) -> Duration {
        let draw = xxhash_rust::xxh3::xxh3_64_with_seed(&attempt.to_le_bytes(), self.seed ^ key.hash());
        #[expect(clippy::cast_precision_loss, reason = "a share needs no more than 53 bits")]
        let share = draw as f64 / u64::MAX as f64;
        (BACKOFF * 2u32.pow(attempt - 1)).mul_f64(1.0 - share / 2.0)
    }
}

fn overtaken() -> PreloadState {
    PreloadState::NotStored {
        reason: "INVALIDATED",
        message: "invalidated while it was being fetched; preload it again".to_owned(),
    }
}

fn not_to_be_stored() -> PreloadState {
    PreloadState::NotStored {
        reason: "ORIGIN_NO_STORE",
        message: "the origin says that its answer is not to be stored; give the item a TTL to store it all the same"
            .to_owned(),
    }
}
