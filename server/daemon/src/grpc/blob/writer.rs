//! A stream that writes an upload: one at a time may, and the last thing it does is to close it. What comes over the stream is
//! not known here.

use std::{mem, sync::Arc};

use hotplate_engine::{
    chunks::{Chunk, Chunks, Collecting},
    clock::Clock,
    memory::reserved::Reservation,
};
use tokio_util::sync::CancellationToken;

use super::upload::{Phase, State, Upload, taken_over};
use crate::grpc::status::Failure;

/// One stream's right to write. When it is dropped the upload is to be continued by another.
pub(in crate::grpc) struct Writer {
    upload: Arc<Upload>,
    turn: u64,
    cut: CancellationToken,
    clock: Clock,
}

/// An upload that is closed: all that is left is to prove and store it, which nobody else disturbs.
pub(in crate::grpc) struct Closing {
    upload: Arc<Upload>,
    collected: Collecting,
    room: Option<Arc<Reservation>>,
}

/// The server is at work on an upload until this is dropped.
pub(in crate::grpc) struct Busy<'a>(&'a Writer);

impl Writer {
    /// The right of the stream of this turn, which ends when it is cut.
    pub(super) fn new(upload: Arc<Upload>, (turn, cut): (u64, CancellationToken), clock: Clock) -> Self {
        Self { upload, turn, cut, clock }
    }

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

    fn is_own(&self, state: &State) -> bool {
        state.writer.as_ref().is_some_and(|(turn, _)| *turn == self.turn)
    }

    /// Whether it still writes the upload.
    pub(in crate::grpc) fn writes(&self) -> bool {
        self.is_own(&self.upload.state.lock())
    }

    /// What came so far and the room for it, if this may still write.
    fn own<T>(
        &self,
        act: impl FnOnce(&mut Collecting, &mut Option<Arc<Reservation>>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut state = self.upload.state.lock();
        if !self.is_own(&state) {
            drop(state);
            return Err(self.why());
        }
        match &mut state.phase {
            Phase::Collecting(collecting, room) => act(collecting, room),
            Phase::Closed(_) | Phase::Finishing(_) | Phase::Stored(..) | Phase::Failed => Err(taken_over()),
        }
    }

    /// The room that is held for the upload; `None`: nobody has asked for any.
    pub(in crate::grpc) fn room(&self) -> Result<Option<Arc<Reservation>>, Failure> {
        self.own(|_, room| Ok(room.clone()))
    }

    /// Keeps the first room there is.
    pub(in crate::grpc) fn keep(&self, room: Reservation) -> Result<Arc<Reservation>, Failure> {
        self.own(|_, kept| Ok(Arc::clone(kept.get_or_insert_with(|| Arc::new(room)))))
    }

    /// Gives back the room that it has for what has not come.
    pub(in crate::grpc) fn let_go(&self) {
        // Who writes no more has none.
        let room = self.own(|_, room| Ok(room.take())).ok().flatten();
        drop(room);
    }

    /// Says that the server is at work on the upload now: meanwhile it is not its writer who is slow.
    pub(in crate::grpc) fn busy(&self) -> Busy<'_> {
        self.upload.state.lock().busy += 1;
        Busy(self)
    }

    /// Adds a chunk at an offset; bytes received then.
    pub(in crate::grpc) fn push(&self, offset: u64, chunk: Chunk) -> Result<u64, Failure> {
        let received = self.own(|collecting, _| {
            check_offset(offset, collecting.size())?;
            collecting.push(chunk);
            Ok(collecting.size())
        })?;
        self.upload.state.lock().seen = self.clock.now();
        self.upload.changed.send_replace(());
        Ok(received)
    }

    /// Bytes that what came is charged.
    pub(in crate::grpc) fn charged(&self) -> Result<u64, Failure> {
        self.own(|collecting, _| Ok(collecting.charged_bytes()))
    }

    /// Closes the upload: whoever comes now hears what becomes of it.
    pub(in crate::grpc) fn close(self) -> Result<Closing, Failure> {
        let mut state = self.upload.state.lock();
        if !self.is_own(&state) {
            drop(state);
            return Err(self.why());
        }
        let (collected, room) = match mem::replace(&mut state.phase, Phase::Failed) {
            Phase::Collecting(collected, room) => (collected, room),
            other => {
                state.phase = other;
                return Err(taken_over());
            }
        };
        // Who follows reads on, of what the one who closes goes over.
        state.phase = Phase::Closed(collected.clone());
        state.writer = None;
        drop(state);
        Ok(Closing { upload: Arc::clone(&self.upload), collected, room })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let mut state = self.upload.state.lock();
        if self.is_own(&state) {
            state.writer = None;
            state.seen = self.clock.now();
        }
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let mut state = self.0.upload.state.lock();
        state.busy -= 1;
        state.measure_from(self.0.clock.now());
    }
}

impl Closing {
    /// What is closed.
    pub(in crate::grpc) fn upload(&self) -> &Arc<Upload> {
        &self.upload
    }

    /// What came.
    pub(in crate::grpc) fn collected(&self) -> &Collecting {
        &self.collected
    }

    /// All of it is proved: what it is, and the room that is held for it.
    pub(in crate::grpc) fn complete(self, sha256: Option<[u8; 32]>) -> (Chunks, Option<Arc<Reservation>>) {
        let Self { upload, collected, room } = self;
        let chunks = collected.finish(sha256);
        upload.state.lock().phase = Phase::Finishing(chunks.clone());
        (chunks, room)
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
