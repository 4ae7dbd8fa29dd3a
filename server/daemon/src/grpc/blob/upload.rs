//! One upload: what of it is here, who writes it, and what became of it. Who may write is not known here, nor how its
//! bytes travel; what a stream that writes does to it is told in `writer`.

use std::{fmt, mem, sync::Arc, time::Duration};

use hotplate_engine::{
    Cache,
    chunks::{Chunk, Chunks, Collecting},
    clock::{Clock, Moment},
    flow::{fill::Ticket, put::PutRequest},
    memory::reserved::Reservation,
};
use hotplate_proto::v1;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    digest::Digesting,
    kept::{Kept, Value},
    writer::Writer,
};
use crate::grpc::{readers::Readers, status::Failure};

/// An upload of so many bytes may be slow: of tokens, which come as they are made, for one.
const SLOW_BYTES_MAX: u64 = 1 << 20;

/// What is written where.
pub(in crate::grpc) struct Plan {
    /// The Put that it is, without payload.
    pub(in crate::grpc) put: PutRequest,
    /// The lease it is computed under.
    pub(in crate::grpc) lease: Option<u128>,
    /// Where things were when it began.
    pub(in crate::grpc) begun: Ticket,
    /// Bytes of the value, if that was said.
    pub(in crate::grpc) size: Option<u64>,
}

/// One upload.
pub(in crate::grpc) struct Upload {
    /// Names it to readers, who must not know what the writer calls it.
    pub(in crate::grpc) version: Arc<str>,
    pub(in crate::grpc) plan: Plan,
    pub(super) state: Mutex<State>,
    /// Told whenever something has changed.
    pub(super) changed: watch::Sender<()>,
    /// Its SHA-256 as it is worked out, if it is to be.
    pub(in crate::grpc) digesting: Option<Arc<Digesting>>,
}

/// What changes of an upload.
pub(super) struct State {
    pub(super) phase: Phase,
    /// The stream that writes now: how many there were, and what ends it.
    pub(super) writer: Option<(u64, CancellationToken)>,
    writers: u64,
    /// Why the last stream that was ended was.
    pub(super) ended: Option<Failure>,
    /// What its writer is told, once that is known.
    outcome: Option<Result<v1::WriteValueResponse, Failure>>,
    /// When something came last, or the last stream ended.
    pub(super) seen: Moment,
    /// Since when the rate is measured, and how much there was then.
    measured: (Moment, u64),
    /// How often the server is at work on it: then it is not the writer who is slow.
    pub(super) busy: usize,
}

/// How far an upload is.
pub(super) enum Phase {
    Collecting(Collecting, Option<Arc<Reservation>>),
    /// All is here, and is being proved: nobody writes any more.
    Closed(Collecting),
    /// It is proved and being stored.
    Finishing(Chunks),
    Stored(Kept, Arc<str>),
    Failed,
}

/// Where a reader of an upload is: in which chunk, and where that begins.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::grpc) struct Place {
    index: usize,
    begin: u64,
}

/// What there is to read of an upload at an offset.
pub(in crate::grpc) enum Seen {
    /// A chunk, and where in it the offset is.
    Chunk(Chunk, usize),
    /// Nothing yet.
    Nothing,
    /// It is stored, under this etag; the offset is at its end.
    Stored(Chunks, Arc<str>),
    /// It is no more.
    Failed,
}

/// What an upload that was given up held: it is given back when this is dropped, and then who follows it hears of it. To be
/// dropped with nothing locked: it may be much.
#[must_use = "what it holds may be much: drop it with nothing locked"]
pub(in crate::grpc) struct GivenUp {
    held: Option<Phase>,
    of: Arc<Upload>,
}

impl Drop for GivenUp {
    fn drop(&mut self) {
        self.held = None;
        self.of.changed.send_replace(());
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").field("received", &self.received()).finish_non_exhaustive()
    }
}

impl Upload {
    /// Nothing of it is here yet.
    pub(in crate::grpc) fn new(plan: Plan, now: Moment) -> Arc<Self> {
        let phase = Phase::Collecting(Collecting::new(), None);
        let state = State {
            phase,
            writer: None,
            writers: 0,
            ended: None,
            outcome: None,
            seen: now,
            measured: (now, 0),
            busy: 0,
        };
        let digesting = plan.put.digest.is_some().then(Digesting::new);
        let version = format!("upload-{:032x}", rand::random::<u128>()).into();
        Arc::new(Self { version, plan, state: Mutex::new(state), changed: watch::Sender::new(()), digesting })
    }

    /// Bytes that are here.
    pub(in crate::grpc) fn received(&self) -> u64 {
        self.state.lock().phase.received()
    }

    /// Told whenever something has changed.
    pub(in crate::grpc) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Takes over: from now on what an earlier stream sends is refused. `None`: all is here, and nobody writes any more.
    pub(in crate::grpc) fn begin(self: &Arc<Self>, clock: &Clock) -> Option<Writer> {
        let now = clock.now();
        let mut state = self.state.lock();
        if !matches!(state.phase, Phase::Collecting(..)) {
            return None;
        }
        state.writers += 1;
        let (turn, cut) = (state.writers, CancellationToken::new());
        if let Some((_, earlier)) = state.writer.replace((turn, cut.clone())) {
            state.ended = Some(taken_over());
            earlier.cancel();
        }
        state.measure_from(now);
        Some(Writer::new(Arc::clone(self), (turn, cut), clock.clone()))
    }

    /// Whether all of it is here, and nobody writes any more.
    pub(in crate::grpc) fn is_closed(&self) -> bool {
        matches!(self.state.lock().phase, Phase::Closed(_) | Phase::Finishing(_) | Phase::Stored(..))
    }

    /// What became of it, as soon as that is known.
    pub(in crate::grpc) async fn outcome(&self) -> Result<v1::WriteValueResponse, Failure> {
        let mut changes = self.changes();
        loop {
            let outcome = self.state.lock().outcome.clone();
            if let Some(outcome) = outcome {
                return outcome;
            }
            // The sender is here: it does not end.
            let _ = changes.changed().await;
        }
    }

    /// What of it is after an offset, which is in or after the chunk at `place`.
    pub(in crate::grpc) fn at(&self, offset: u64, place: &mut Place) -> Seen {
        let state = self.state.lock();
        match &state.phase {
            Phase::Collecting(collecting, _) | Phase::Closed(collecting) => {
                match chunk_at(collecting.chunks(), offset, place) {
                    Some((chunk, within)) => Seen::Chunk(chunk, within),
                    None => Seen::Nothing,
                }
            }
            Phase::Failed => Seen::Failed,
            Phase::Finishing(chunks) => chunk_of(chunks, offset).unwrap_or(Seen::Nothing),
            Phase::Stored(kept, etag) => match kept.value().as_deref() {
                Some(Value::Chunks(chunks)) => {
                    chunk_of(chunks, offset).unwrap_or_else(|| Seen::Stored(chunks.clone(), Arc::clone(etag)))
                }
                Some(Value::Whole(_)) | None => Seen::Failed,
            },
        }
    }

    /// Gives it up: whoever follows it hears that it is gone, and whoever writes it why.
    pub(in crate::grpc) fn fail(self: &Arc<Self>, why: Failure) {
        drop(self.end(self.state.lock(), why));
    }

    /// The same, unless all is here: `None`: then it is too late.
    pub(in crate::grpc) fn fail_if_open(self: &Arc<Self>, why: Failure) -> Option<GivenUp> {
        let state = self.state.lock();
        let is_open = !matches!(state.phase, Phase::Closed(_) | Phase::Finishing(_) | Phase::Stored(..));
        is_open.then(|| self.end(state, why))
    }

    fn end(self: &Arc<Self>, mut state: MutexGuard<'_, State>, why: Failure) -> GivenUp {
        let mut held = None;
        if !matches!(state.phase, Phase::Stored(..)) {
            held = Some(mem::replace(&mut state.phase, Phase::Failed));
        }
        if let Some((_, cut)) = state.writer.take() {
            state.ended = Some(why.clone());
            cut.cancel();
        }
        state.outcome.get_or_insert(Err(why));
        GivenUp { held, of: Arc::clone(self) }
    }

    /// It was answered so. It is stored under this etag; `None`: it is not stored.
    pub(in crate::grpc) fn stored(
        &self,
        answer: v1::WriteValueResponse,
        (etag, readers): (Option<Arc<str>>, &Arc<Readers>),
    ) {
        let mut state = self.state.lock();
        let phase = mem::replace(&mut state.phase, Phase::Failed);
        state.phase = match (phase, etag) {
            (Phase::Finishing(chunks), etag) => {
                let put = &self.plan.put;
                let kept = readers.keep((&put.namespace, &put.key), Value::Chunks(chunks));
                Phase::Stored(kept, etag.unwrap_or_default())
            }
            (other, _) => other,
        };
        state.outcome.get_or_insert(Ok(answer));
        drop(state);
        self.changed.send_replace(());
    }

    /// It was answered so, and is nowhere: what there is of its key is something else.
    pub(in crate::grpc) fn answered(&self, answer: v1::WriteValueResponse) {
        let mut state = self.state.lock();
        let given_up = mem::replace(&mut state.phase, Phase::Failed);
        state.outcome.get_or_insert(Ok(answer));
        drop(state);
        drop(given_up);
        self.changed.send_replace(());
    }

    /// Whether it is stored, or may still be: nothing that concerns it was invalidated since it was begun.
    pub(in crate::grpc) fn stands(&self, cache: &Cache) -> bool {
        let Plan { put, begun, .. } = &self.plan;
        let is_stored = matches!(self.state.lock().phase, Phase::Stored(..));
        is_stored || cache.stands((&put.namespace, &put.key), &put.description, *begun)
    }

    /// Lets who follows it look whether it still stands.
    pub(in crate::grpc) fn look_again(&self) {
        self.changed.send_replace(());
    }

    /// Why it is to be given up now, if it is: nobody continues it, or it comes too slowly. While the server itself is at work
    /// on it nobody is too slow.
    pub(in crate::grpc) fn overdue(&self, now: Moment, pace: &Pace) -> Option<Failure> {
        let mut state = self.state.lock();
        let received = match &state.phase {
            Phase::Collecting(collecting, _) if state.busy == 0 => collecting.size(),
            // It ended without a word: what is known of it goes.
            Phase::Failed => return Some(gone("the upload ended")),
            Phase::Collecting(..) | Phase::Closed(_) | Phase::Finishing(_) | Phase::Stored(..) => return None,
        };
        let idle = now.since(state.seen) >= pace.expire_after;
        if state.writer.is_none() {
            return idle.then(|| gone("nobody continued the upload in time"));
        }
        if received.max(self.plan.size.unwrap_or(0)) <= SLOW_BYTES_MAX {
            return idle.then(|| stalled("nothing came in time (uploads.expire_after)"));
        }
        let (since, before) = state.measured;
        let took = now.since(since);
        if took < pace.window {
            return None;
        }
        if !pace.is_wanted {
            state.measured = (now, received);
        }
        let least = pace.rate_min as u128 * took.as_millis() / 1000;
        let slow = u128::from(received - before) < least;
        slow.then(|| stalled("the upload came slower than uploads.rate_min"))
    }
}

impl State {
    /// From now on it is measured anew how fast it comes.
    pub(super) fn measure_from(&mut self, now: Moment) {
        self.seen = now;
        self.measured = (now, self.phase.received());
    }
}

/// How slow an upload may be.
#[derive(Clone, Copy, Debug)]
pub(in crate::grpc) struct Pace {
    pub(in crate::grpc) rate_min: usize,
    pub(in crate::grpc) window: Duration,
    pub(in crate::grpc) expire_after: Duration,
    /// Whether others want the room that it has.
    pub(in crate::grpc) is_wanted: bool,
}

/// What is slow may be so for this part of the time when others want its room.
const WHEN_WANTED: u32 = 10;

impl Pace {
    /// How slow it may be when others want its room.
    pub(in crate::grpc) fn when_wanted(self) -> Self {
        let (window, expire_after) = (self.window / WHEN_WANTED, self.expire_after / WHEN_WANTED);
        Self { window, expire_after, is_wanted: true, ..self }
    }
}

impl Phase {
    fn received(&self) -> u64 {
        match self {
            Self::Collecting(collecting, _) | Self::Closed(collecting) => collecting.size(),
            Self::Finishing(chunks) => chunks.size(),
            Self::Stored(..) | Self::Failed => 0,
        }
    }
}

fn chunk_of(chunks: &Chunks, offset: u64) -> Option<Seen> {
    let (index, within) = chunks.at(offset)?;
    Some(Seen::Chunk(chunks.chunks()[index].clone(), within))
}

fn chunk_at(chunks: &[Chunk], offset: u64, place: &mut Place) -> Option<(Chunk, usize)> {
    loop {
        let chunk = chunks.get(place.index)?;
        let length = chunk.bytes().len() as u64;
        if let Some(within) = offset.checked_sub(place.begin).filter(|within| *within < length) {
            return Some((chunk.clone(), usize::try_from(within).ok()?));
        }
        *place = Place { index: place.index + 1, begin: place.begin + length };
    }
}

pub(super) fn taken_over() -> Failure {
    Failure::new("UPLOAD_TAKEN_OVER", "another stream writes this upload now: only one does")
}

fn stalled(why: &'static str) -> Failure {
    Failure::new("UPLOAD_STALLED", why)
}

/// An upload that is not known any more.
pub(in crate::grpc) fn gone(why: &'static str) -> Failure {
    Failure::new("UPLOAD_UNKNOWN", why)
}
