//! One upload: what of it is here, who writes it, and what became of it. Who may write is not known here, nor how its
//! bytes travel.

use std::{fmt, mem, sync::Arc, time::Duration};

use hotplate_engine::{
    chunks::{Chunk, Chunks, Collecting},
    clock::{Clock, Moment},
    flow::{fill::Ticket, put::PutRequest},
    memory::reserved::Reservation,
};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    digest::Digesting,
    readers::{Kept, Readers},
};
use crate::grpc::status::Failure;

/// An upload of so many bytes may be slow: of tokens, which come as they are made, for one.
pub(in crate::grpc) const SLOW_BYTES_MAX: u64 = 1 << 20;

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
    state: Mutex<State>,
    /// Told whenever something has changed.
    changed: watch::Sender<()>,
    /// Its SHA-256 as it is worked out, if it is to be.
    pub(in crate::grpc) digesting: Option<Arc<Digesting>>,
}

struct State {
    phase: Phase,
    /// The stream that writes now: how many there were, and what ends it.
    writer: Option<(u64, CancellationToken)>,
    writers: u64,
    /// Why the last stream that was ended was.
    ended: Option<Failure>,
    /// When something came last, or the last stream ended.
    seen: Moment,
    /// Since when the rate is measured, and how much there was then.
    measured: (Moment, u64),
}

enum Phase {
    Collecting(Collecting, Option<Arc<Reservation>>),
    /// All is here and being stored.
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

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").field("received", &self.received()).finish_non_exhaustive()
    }
}

impl Upload {
    /// Nothing of it is here yet.
    pub(in crate::grpc) fn new(plan: Plan, now: Moment) -> Arc<Self> {
        let phase = Phase::Collecting(Collecting::new(), None);
        let state = State { phase, writer: None, writers: 0, ended: None, seen: now, measured: (now, 0) };
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

    /// Takes over: from now on what an earlier stream sends is refused.
    pub(in crate::grpc) fn begin(self: &Arc<Self>, clock: &Clock) -> Writer {
        let now = clock.now();
        let mut state = self.state.lock();
        state.writers += 1;
        let (turn, cut) = (state.writers, CancellationToken::new());
        if let Some((_, earlier)) = state.writer.replace((turn, cut.clone())) {
            state.ended = Some(taken_over());
            earlier.cancel();
        }
        state.seen = now;
        state.measured = (now, state.phase.received());
        Writer { upload: Arc::clone(self), turn, cut, clock: clock.clone() }
    }

    /// What of it is after an offset, which is in or after the chunk at `place`.
    pub(in crate::grpc) fn at(&self, offset: u64, place: &mut Place) -> Seen {
        let state = self.state.lock();
        let (whole, etag) = match &state.phase {
            Phase::Collecting(collecting, _) => {
                return match chunk_at(collecting.chunks(), offset, place) {
                    Some((chunk, within)) => Seen::Chunk(chunk, within),
                    None => Seen::Nothing,
                };
            }
            Phase::Failed => return Seen::Failed,
            Phase::Finishing(chunks) => (Some(chunks.clone()), None),
            Phase::Stored(kept, etag) => (kept.chunks(), Some(etag.clone())),
        };
        let Some(whole) = whole else { return Seen::Failed };
        match (whole.at(offset), etag) {
            (Some((index, within)), _) => Seen::Chunk(whole.chunks()[index].clone(), within),
            (None, Some(etag)) => Seen::Stored(whole, etag),
            (None, None) => Seen::Nothing,
        }
    }

    /// Gives it up: whoever follows it hears that it is gone, and whoever writes it why.
    pub(in crate::grpc) fn fail(&self, why: Failure) {
        let mut state = self.state.lock();
        if !matches!(state.phase, Phase::Stored(..)) {
            state.phase = Phase::Failed;
        }
        if let Some((_, cut)) = state.writer.take() {
            state.ended = Some(why);
            cut.cancel();
        }
        drop(state);
        self.changed.send_replace(());
    }

    /// It is stored under this etag; `None`: it was answered, and is not stored.
    pub(in crate::grpc) fn stored(&self, etag: Option<Arc<str>>, readers: &Arc<Readers>) {
        let mut state = self.state.lock();
        let phase = mem::replace(&mut state.phase, Phase::Failed);
        state.phase = match (phase, etag) {
            (Phase::Finishing(chunks), etag) => Phase::Stored(readers.keep(chunks), etag.unwrap_or_default()),
            (other, _) => other,
        };
        state.writer = None;
        drop(state);
        self.changed.send_replace(());
    }

    /// Why it is to be given up now, if it is: nobody continues it, or it comes too slowly.
    pub(in crate::grpc) fn overdue(&self, now: Moment, pace: &Pace) -> Option<Failure> {
        let mut state = self.state.lock();
        let Phase::Collecting(collecting, _) = &state.phase else { return None };
        let received = collecting.size();
        let idle = now.since(state.seen) >= pace.expire_after;
        if state.writer.is_none() {
            return idle.then(|| gone("nobody continued the upload in time"));
        }
        if received.max(self.plan.size.unwrap_or(0)) <= SLOW_BYTES_MAX {
            return idle.then(|| stalled("nothing came in time (uploads.expire_after)"));
        }
        let (since, before) = state.measured;
        if now.since(since) < pace.window {
            return None;
        }
        state.measured = (now, received);
        let least = pace.rate_min as u128 * pace.window.as_millis() / 1000;
        let slow = u128::from(received - before) < least;
        slow.then(|| stalled("the upload came slower than uploads.rate_min"))
    }
}

/// How slow an upload may be.
#[derive(Clone, Copy, Debug)]
pub(in crate::grpc) struct Pace {
    pub(in crate::grpc) rate_min: usize,
    pub(in crate::grpc) window: Duration,
    pub(in crate::grpc) expire_after: Duration,
}

impl Phase {
    fn received(&self) -> u64 {
        match self {
            Self::Collecting(collecting, _) => collecting.size(),
            Self::Finishing(chunks) => chunks.size(),
            Self::Stored(..) | Self::Failed => 0,
        }
    }
}

/// One stream's right to write. When it is dropped the upload is to be continued by another.
pub(in crate::grpc) struct Writer {
    upload: Arc<Upload>,
    turn: u64,
    cut: CancellationToken,
    clock: Clock,
}

impl Writer {
    /// What it writes.
    pub(in crate::grpc) fn upload(&self) -> &Arc<Upload> {
        &self.upload
    }

    /// Comes when it may not go on; says why.
    pub(in crate::grpc) async fn ended(&self) -> Failure {
        self.cut.cancelled().await;
        self.why()
    }

    fn why(&self) -> Failure {
        let ended = self.upload.state.lock().ended.clone();
        ended.unwrap_or_else(taken_over)
    }

    /// The state, if this may still write.
    fn own<T>(&self, act: impl FnOnce(&mut State) -> Result<T, Failure>) -> Result<T, Failure> {
        let mut state = self.upload.state.lock();
        if state.writer.as_ref().is_none_or(|(turn, _)| *turn != self.turn) {
            drop(state);
            return Err(self.why());
        }
        act(&mut state)
    }

    /// The room that is held for the upload; `None`: nobody has asked for any.
    pub(in crate::grpc) fn room(&self) -> Result<Option<Arc<Reservation>>, Failure> {
        self.own(|state| match &state.phase {
            Phase::Collecting(_, room) => Ok(room.clone()),
            Phase::Finishing(_) | Phase::Stored(..) | Phase::Failed => Err(taken_over()),
        })
    }

    /// Keeps the first room there is.
    pub(in crate::grpc) fn keep(&self, room: Reservation) -> Result<Arc<Reservation>, Failure> {
        self.own(|state| match &mut state.phase {
            Phase::Collecting(_, kept) => Ok(Arc::clone(kept.get_or_insert_with(|| Arc::new(room)))),
            Phase::Finishing(_) | Phase::Stored(..) | Phase::Failed => Err(taken_over()),
        })
    }

    /// Adds a chunk at an offset; bytes received then.
    pub(in crate::grpc) fn push(&self, offset: u64, chunk: Chunk) -> Result<u64, Failure> {
        let received = self.own(|state| {
            let Phase::Collecting(collecting, _) = &mut state.phase else { return Err(taken_over()) };
            check_offset(offset, collecting.size())?;
            collecting.push(chunk);
            state.seen = self.clock.now();
            Ok(collecting.size())
        })?;
        self.upload.changed.send_replace(());
        Ok(received)
    }

    /// Bytes that what came is charged.
    pub(in crate::grpc) fn charged(&self) -> Result<u64, Failure> {
        self.own(|state| match &state.phase {
            Phase::Collecting(collecting, _) => Ok(collecting.charged_bytes()),
            Phase::Finishing(_) | Phase::Stored(..) | Phase::Failed => Err(taken_over()),
        })
    }

    /// What came, to be checked: its size and CRC-32C.
    pub(in crate::grpc) fn sums(&self) -> Result<(u64, u32), Failure> {
        self.own(|state| match &state.phase {
            Phase::Collecting(collecting, _) => Ok((collecting.size(), collecting.crc32c())),
            Phase::Finishing(_) | Phase::Stored(..) | Phase::Failed => Err(taken_over()),
        })
    }

    /// The chunks from this number on.
    pub(in crate::grpc) fn chunks_from(&self, number: usize) -> Result<Vec<Chunk>, Failure> {
        self.own(|state| match &state.phase {
            Phase::Collecting(collecting, _) => {
                Ok(collecting.chunks().get(number..).map_or_else(Vec::new, <[Chunk]>::to_vec))
            }
            Phase::Finishing(_) | Phase::Stored(..) | Phase::Failed => Err(taken_over()),
        })
    }

    /// All is here: what it is, and the room that is held for it. Nobody writes any more.
    pub(in crate::grpc) fn complete(
        &self,
        sha256: Option<[u8; 32]>,
    ) -> Result<(Chunks, Option<Arc<Reservation>>), Failure> {
        self.own(|state| {
            let Phase::Collecting(collecting, room) = mem::replace(&mut state.phase, Phase::Failed) else {
                return Err(taken_over());
            };
            let chunks = collecting.finish(sha256);
            state.phase = Phase::Finishing(chunks.clone());
            Ok((chunks, room))
        })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let mut state = self.upload.state.lock();
        if state.writer.as_ref().is_some_and(|(turn, _)| *turn == self.turn) {
            state.writer = None;
            state.seen = self.clock.now();
        }
    }
}

/// Refuses what does not go on where the last ended.
pub(in crate::grpc) fn check_offset(offset: u64, received: u64) -> Result<(), Failure> {
    if offset == received {
        return Ok(());
    }
    let rule = format!("the upload goes on at byte {received}, not {offset}: continue there");
    Err(Failure::new("BAD_OFFSET", rule).at("chunk.offset"))
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

fn taken_over() -> Failure {
    Failure::new("UPLOAD_TAKEN_OVER", "another stream writes this upload now: only one does")
}

fn stalled(why: &'static str) -> Failure {
    Failure::new("UPLOAD_STALLED", why)
}

/// An upload that is not known any more.
pub(in crate::grpc) fn gone(why: &'static str) -> Failure {
    Failure::new("UPLOAD_UNKNOWN", why)
}
