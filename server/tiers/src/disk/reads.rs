//! Finding an entry: looked up without I/O, read on a thread that may wait, and looked up again, because it may have been
//! forgotten meanwhile. How many are read at a time is bounded; what is large tells how it comes on.

use std::{
    io::{self, ErrorKind},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use hotplate_engine::{
    key::Key,
    tier::{Kept, TierError, TierErrorKind, steps::Steps},
};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::{
    blob::Reading,
    core::{Core, Known, Place, Standing},
    counters::count,
    dictionary::Dictionaries,
    frame::{BlobRef, FRAME_BYTES, Frame, NOTE_BYTES},
    segment::HEADER_BYTES,
};
use crate::codec::{CodecError, Decoded, Gathering, PREFIX_BYTES};

/// Times that an entry is looked for again because it was moved while it was read.
const LOOKS_MAX: usize = 8;
/// Bytes of a record that is read at once if the system has it in memory.
const CACHED_BYTES_MAX: u32 = 32 << 10;
/// Bytes of a value that is unpacked at once.
const UNPACKED_BYTES_MAX: u64 = 128 << 10;

/// Kilobytes of entries read at once at most, whatever the options say: what a count of them can be.
const KILOBYTES_MAX: u32 = 1 << 28;

/// Reading of entries.
#[derive(Debug)]
pub(super) struct Reads {
    core: Arc<Core>,
    dictionaries: Arc<Dictionaries>,
    places: Arc<Semaphore>,
    /// Those of them that entries with files of their own may have: others need not wait for these.
    large: Arc<Semaphore>,
    /// Steps of all that is read in steps.
    steps: Steps,
    /// Kilobytes of entries that are read now and have files of their own.
    room: Arc<Semaphore>,
    running: TaskTracker,
}

/// Where an entry's own record is.
enum Record {
    Inline(Bytes),
    Blob(BlobRef),
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
        let large = Arc::new(Semaphore::new(core.options.reads_max.div_ceil(2)));
        let room = Arc::new(Semaphore::new(kilobytes(core.options.reads_bytes_max) as usize));
        Self { core, dictionaries, places, large, steps: Steps::new(), room, running: TaskTracker::new() }
    }

    /// Finds an entry.
    pub(super) async fn get(&self, key: &Key, steps: &Steps) -> Result<Option<Kept>, TierError> {
        let found = self.look(key, steps).await;
        let counters = &self.core.counters;
        match &found {
            Ok(Some(_)) => count(&counters.hits, 1),
            Ok(None) => count(&counters.misses, 1),
            Err(_) => {}
        }
        found
    }

    async fn look(&self, key: &Key, steps: &Steps) -> Result<Option<Kept>, TierError> {
        for _ in 0..LOOKS_MAX {
            let place = match self.core.find(key)? {
                Known::Nothing => return Ok(None),
                Known::Waits(kept) => return Ok(Some(*kept)),
                Known::Lies(place) => place,
            };
            let Some(decoded) = self.read(place, steps).await? else { continue };
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
    async fn read(&self, place: Place, steps: &Steps) -> Result<Option<Decoded>, TierError> {
        let read = match cached(&self.core, &place) {
            Some(read) => read,
            None => self.read_waiting(place, steps).await?,
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
    async fn read_waiting(&self, place: Place, steps: &Steps) -> Result<io::Result<Read>, TierError> {
        let (core, told) = (self.core.clone(), steps.clone());
        let Some(blob) = place.blob else {
            return self.waiting(move || read(&core, &place, &told)).await.unwrap_or(Ok(Ok(Read::Removed)));
        };
        steps.wait_behind(&self.steps);
        // One that is larger than all of them may be together is read when no other is.
        let room = kilobytes(blob.bytes.min(self.core.options.reads_bytes_max));
        let turn = async {
            let large = self.large.clone().acquire_owned().await.ok()?;
            Some((large, self.room.clone().acquire_many_owned(room).await.ok()?))
        };
        let Some(turn) = turn.await else { return Ok(Ok(Read::Removed)) };
        let reading = self.waiting(move || {
            told.begin();
            let read = read(&core, &place, &told);
            drop(turn);
            read
        });
        reading.await.unwrap_or(Ok(Ok(Read::Removed)))
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
        self.large.close();
        self.room.close();
        self.running.close();
        self.running.wait().await;
    }
}

/// Kilobytes that so many bytes begin.
fn kilobytes(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(1 << 10)).unwrap_or(u32::MAX).min(KILOBYTES_MAX)
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
    let record = record(place, frame);
    // However small it is, what is in it may be large.
    let large = |record: &Bytes| core.codec.facts(record).is_ok_and(|facts| facts.raw_bytes > UNPACKED_BYTES_MAX);
    if matches!(&record, Some(Record::Inline(record)) if large(record)) {
        return None;
    }
    Some(decoded(core, place, Ok(record), &Steps::new()))
}

fn read(core: &Core, place: &Place, steps: &Steps) -> io::Result<Read> {
    let record = frame(core, place).map(|frame| record(place, frame));
    decoded(core, place, record, steps)
}

fn decoded(core: &Core, place: &Place, record: io::Result<Option<Record>>, steps: &Steps) -> io::Result<Read> {
    let read = match record {
        Ok(Some(Record::Inline(record))) => return Ok(entry(core.codec.decode(record.clone()), || record)),
        Ok(Some(Record::Blob(blob))) => of_blob(core, &blob, steps),
        Ok(None) => return Ok(Read::Damaged),
        Err(error) => Err(error),
    };
    match read {
        // A blob is removed only when no entry is in it any more.
        Err(error) if error.kind() == ErrorKind::NotFound && place.blob.is_some() => Ok(Read::Damaged),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Read::Removed),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(Read::Damaged),
        read => read,
    }
}

fn entry(decoded: Result<Decoded, CodecError>, record: impl FnOnce() -> Bytes) -> Read {
    match decoded {
        Ok(decoded) => Read::Entry(Box::new(decoded)),
        Err(CodecError::UnknownDictionary(_)) => Read::Compressed(record()),
        Err(error) if error.is_damage() => Read::Damaged,
        Err(_) => Read::Foreign,
    }
}

/// Reads an entry in a file of its own, a large value in its pieces: it is never in memory twice.
fn of_blob(core: &Core, blob: &BlobRef, steps: &Steps) -> io::Result<Read> {
    let Some(mut reading) = core.blob(blob, steps.clone())? else { return Ok(Read::Damaged) };
    let mut head = reading.next(PREFIX_BYTES)?.to_vec();
    let facts = match core.codec.facts(&head) {
        Err(CodecError::Truncated { needs }) => {
            // At most as long as a head may be.
            let more = usize::try_from(needs).unwrap_or(usize::MAX).saturating_sub(PREFIX_BYTES);
            head.extend_from_slice(&reading.next(more)?);
            core.codec.facts(&head)
        }
        other => other,
    };
    let facts = match facts {
        Ok(facts) if facts.record_bytes() == blob.bytes => facts,
        Err(error) if reading.ends_whole()? => return Ok(entry(Err(error), Bytes::new)),
        _ => return Ok(Read::Damaged),
    };
    match Gathering::of(facts) {
        Ok(pieces) => gather(pieces, reading),
        Err(facts) => {
            let body = reading.next(usize::try_from(reading.left()).unwrap_or(usize::MAX))?;
            if !reading.ends_whole()? {
                return Ok(Read::Damaged);
            }
            Ok(entry(core.codec.decode_body(facts, body.clone()), || [&head[..], &body].concat().into()))
        }
    }
}

fn gather(mut pieces: Gathering, mut reading: Reading) -> io::Result<Read> {
    while let Some(bytes) = pieces.next_bytes() {
        if pieces.push(reading.next(bytes)?).is_err() {
            return Ok(Read::Damaged);
        }
    }
    let whole = reading.ends_whole()?;
    Ok(if whole { entry(pieces.finish(), Bytes::new) } else { Read::Damaged })
}

/// The bytes of a record in its segment.
fn frame(core: &Core, place: &Place) -> io::Result<Vec<u8>> {
    let file = core.segment(place.segment)?;
    let mut frame = vec![0; FRAME_BYTES + place.length as usize];
    file.read_all(&mut frame, u64::from(place.offset))?;
    Ok(frame)
}

/// An entry's own record; `None` when it is not what was written.
fn record(place: &Place, frame: Vec<u8>) -> Option<Record> {
    let (first, content) = frame.split_first_chunk()?;
    let sound = Frame::read(first, place.salt).is_some_and(|frame| {
        frame.sequence == place.sequence && frame.name == place.name && frame.holds(content, place.salt)
    });
    if !sound || content.len() < NOTE_BYTES {
        return None;
    }
    match place.blob {
        None => Some(Record::Inline(Bytes::from(frame).slice(FRAME_BYTES + NOTE_BYTES..))),
        blob => BlobRef::read(&content[NOTE_BYTES..]).filter(|named| Some(*named) == blob).map(Record::Blob),
    }
}

/// Longest that closing waits for reads.
pub(super) const CLOSING_MAX: Duration = Duration::from_secs(5);
