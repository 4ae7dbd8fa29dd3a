//! Finding an entry: looked up without I/O, read on a thread that may wait, and looked up again, because it may have been
//! forgotten meanwhile. How many are read at a time is bounded.

use std::{
    io::{self, ErrorKind},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use hotplate_engine::{
    key::Key,
    tier::{Kept, TierError, TierErrorKind},
};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::{
    core::{Core, Known, Place, Standing},
    counters::count,
    dictionary::Dictionaries,
    frame::{BlobRef, FRAME_BYTES, Frame, NOTE_BYTES},
    segment::HEADER_BYTES,
};
use crate::codec::{CodecError, Decoded};

/// Times that an entry is looked for again because it was moved while it was read.
const LOOKS_MAX: usize = 8;
/// Bytes of a record that is read at once if the system has it in memory.
const CACHED_BYTES_MAX: u32 = 32 << 10;
/// Bytes of a value that is unpacked at once.
const UNPACKED_BYTES_MAX: u64 = 128 << 10;

/// Reading of entries.
#[derive(Debug)]
pub(super) struct Reads {
    core: Arc<Core>,
    dictionaries: Arc<Dictionaries>,
    places: Arc<Semaphore>,
    running: TaskTracker,
}

/// What was read of an entry.
enum Read {
    Entry(Box<Decoded>),
    /// It is compressed with a dictionary that has to be loaded.
    Compressed(Bytes),
    /// A later version wrote it.
    Foreign,
    Damaged,
    /// Its file was removed meanwhile.
    Removed,
}

impl Reads {
    pub(super) fn new(core: Arc<Core>, dictionaries: Arc<Dictionaries>) -> Self {
        let places = Arc::new(Semaphore::new(core.options.reads_max));
        Self { core, dictionaries, places, running: TaskTracker::new() }
    }

    /// Finds an entry.
    pub(super) async fn get(&self, key: &Key) -> Result<Option<Kept>, TierError> {
        let found = self.look(key).await;
        let counters = &self.core.counters;
        match &found {
            Ok(Some(_)) => count(&counters.hits, 1),
            Ok(None) => count(&counters.misses, 1),
            Err(_) => {}
        }
        found
    }

    async fn look(&self, key: &Key) -> Result<Option<Kept>, TierError> {
        for _ in 0..LOOKS_MAX {
            let place = match self.core.find(key)? {
                Known::Nothing => return Ok(None),
                Known::Waits(kept) => return Ok(Some(*kept)),
                Known::Lies(place) => place,
            };
            let Some(decoded) = self.read(place).await? else { continue };
            let Decoded { key: of, mut kept, .. } = decoded;
            if of != *key {
                return Ok(None);
            }
            let behind = self.core.wall.behind();
            for time in [&mut kept.stored, &mut kept.fresh_until, &mut kept.usable_until] {
                *time = time.saturating_sub(behind.min(*time));
            }
            match self.core.confirm(key, &place, &kept) {
                Standing::Holds => return Ok(Some(kept)),
                Standing::Gone => return Ok(None),
                Standing::Moved => {}
            }
        }
        Ok(None)
    }

    /// Reads what lies there; `None` when it was removed meanwhile or is of no use, which then is noted.
    async fn read(&self, place: Place) -> Result<Option<Decoded>, TierError> {
        let read = match cached(&self.core, &place) {
            Some(read) => read,
            None => self.read_waiting(place).await?,
        };
        self.core.read_went(read.as_ref().err().map(again));
        match read.map_err(|error| unreadable(&error))? {
            Read::Entry(decoded) => Ok(Some(*decoded)),
            Read::Removed => Ok(None),
            Read::Foreign => Err(corrupt("a later version wrote it")),
            // What was replaced or carried over while it was read is looked for again.
            Read::Damaged if self.core.damaged(&place) => Err(corrupt("it is not what was written")),
            Read::Damaged => Ok(None),
            Read::Compressed(record) => {
                let decoded = self.core.codec.decode_from(record, self.dictionaries.as_ref()).await;
                if decoded.as_ref().is_err_and(CodecError::is_damage) {
                    self.core.damaged(&place);
                }
                Ok(Some(decoded?))
            }
        }
    }

    /// Reads on a thread that may wait for the medium.
    async fn read_waiting(&self, place: Place) -> Result<io::Result<Read>, TierError> {
        let core = self.core.clone();
        let reading = self.waiting(move || read(&core, &place)).await;
        reading.unwrap_or(Ok(Ok(Read::Removed)))
    }

    /// Does what may wait for the medium, in its turn; `None`: it is closed. It counts until it has ended, also when its caller
    /// has gone away: on a disk that hangs it holds a thread for as long.
    async fn waiting<R: Send + 'static>(
        &self,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Option<Result<R, TierError>> {
        let place = self.places.clone().acquire_owned().await.ok()?;
        let running = self.running.spawn_blocking(move || {
            let done = work();
            drop(place);
            done
        });
        Some(running.await.map_err(|_panicked| corrupt("reading it failed")))
    }

    /// Asks the medium whether it can be read: the beginning of the newest segment, if there is one.
    pub(super) async fn answer(&self) -> Result<(), TierError> {
        let newest = self.core.ledger.lock().segments.last_key_value().map(|(id, _)| *id);
        let Some(id) = newest else { return Ok(()) };
        let core = self.core.clone();
        let reading = self.waiting(move || core.segment(id)?.read_all(&mut [0; HEADER_BYTES], 0)).await;
        match reading.transpose()?.unwrap_or(Ok(())) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(unreadable(&error)),
            _ => Ok(()),
        }
    }

    /// Whether nothing is read at present.
    #[cfg(test)]
    pub(super) fn idle(&self) -> bool {
        self.running.is_empty()
    }

    /// Waits until nothing is read any more, and lets nothing begin.
    pub(super) async fn close(&self) {
        self.places.close();
        self.running.close();
        self.running.wait().await;
    }
}

/// The same error once more: the system's cannot be cloned.
fn again(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error)
}

fn corrupt(message: &str) -> TierError {
    TierError { kind: TierErrorKind::Corrupt, message: format!("disk: an entry was dropped: {message}") }
}

fn unreadable(error: &io::Error) -> TierError {
    TierError { kind: TierErrorKind::Unreachable, message: format!("disk: reading failed: {error}") }
}

/// Reads what is small and in the system's memory at once: handing it to another thread takes longer than reading it.
fn cached(core: &Core, place: &Place) -> Option<io::Result<Read>> {
    if place.blob.is_some() || place.length > CACHED_BYTES_MAX {
        return None;
    }
    let file = core.open_segment(place.segment)?;
    let mut frame = vec![0; FRAME_BYTES + place.length as usize];
    let there = file.read_cached(&mut frame, u64::from(place.offset));
    if !there {
        return None;
    }
    let record = record(core, place, frame);
    // However small it is, what is in it may be large.
    let large = |record: &Bytes| core.codec.facts(record).is_ok_and(|facts| facts.raw_bytes > UNPACKED_BYTES_MAX);
    if matches!(&record, Ok(Some(record)) if large(record)) {
        return None;
    }
    Some(decoded(core, place, record))
}

fn read(core: &Core, place: &Place) -> io::Result<Read> {
    let record = frame(core, place).and_then(|frame| record(core, place, frame));
    decoded(core, place, record)
}

fn decoded(core: &Core, place: &Place, record: io::Result<Option<Bytes>>) -> io::Result<Read> {
    let record = match record {
        Ok(Some(record)) => record,
        Ok(None) => return Ok(Read::Damaged),
        // A blob is removed only when no entry is in it any more.
        Err(error) if error.kind() == ErrorKind::NotFound && place.blob.is_some() => return Ok(Read::Damaged),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Read::Removed),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(Read::Damaged),
        Err(error) => return Err(error),
    };
    Ok(match core.codec.decode(record.clone()) {
        Ok(decoded) => Read::Entry(Box::new(decoded)),
        Err(CodecError::UnknownDictionary(_)) => Read::Compressed(record),
        Err(error) if error.is_damage() => Read::Damaged,
        Err(_) => Read::Foreign,
    })
}

/// The bytes of a record in its segment.
fn frame(core: &Core, place: &Place) -> io::Result<Vec<u8>> {
    let file = core.segment(place.segment)?;
    let mut frame = vec![0; FRAME_BYTES + place.length as usize];
    file.read_all(&mut frame, u64::from(place.offset))?;
    Ok(frame)
}

/// The bytes of an entry's own record; `None` when they are not what was written.
fn record(core: &Core, place: &Place, frame: Vec<u8>) -> io::Result<Option<Bytes>> {
    let Some((first, content)) = frame.split_first_chunk() else { return Ok(None) };
    let sound = Frame::read(first, place.salt).is_some_and(|frame| {
        frame.sequence == place.sequence && frame.name == place.name && frame.holds(content, place.salt)
    });
    if !sound || content.len() < NOTE_BYTES {
        return Ok(None);
    }
    let Some(blob) = place.blob else {
        return Ok(Some(Bytes::from(frame).slice(FRAME_BYTES + NOTE_BYTES..)));
    };
    if BlobRef::read(&content[NOTE_BYTES..]) != Some(blob) {
        return Ok(None);
    }
    core.blob(&blob)
}

/// Longest that closing waits for reads.
pub(super) const CLOSING_MAX: Duration = Duration::from_secs(5);
