//! Opening a directory: which entries are there, and which of them may be served. Files are hostile here: lengths are checked
//! before anything is allocated, and whatever is not sound is dropped and counted.
//!
//! An entry is valid when its number is the newest of its key, above every fence that selects it, and not below the floor.
//! Where something is lost and nobody knows what it said, the floor rises to what follows: it may have been the end of anything
//! older.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    io,
    sync::Arc,
};

use ahash::RandomState;
use hotplate_engine::{fence::SelectorFences, selector::Selector};

use super::{
    blob,
    clock::HighWater,
    core::Core,
    counters::count,
    files::{Handle, gone},
    frame::{BlobRef, FRAME_BYTES, Frame, Kind, SEQUENCE_END},
    index::{Index, Slot},
    ledger::{Filling, weight},
    lock::{Identity, Lock, NotHeld},
    log::Log,
    options::Sync,
    owed, positions,
    report::Report,
    segment::{self, HEADER_BYTES, Header, Opened, Row},
    trouble::{Fault, Step},
    writer::{Writer, floor, full},
};

/// Numbers left out at every start: what was given before and is lost is never given again.
const GAP: u64 = 1 << 20;
/// Numbers left out where another version has been writing.
const FOREIGN_GAP: u64 = 1 << 40;
/// What the system calls a medium that fails.
const EIO: i32 = 5;

/// What is in a directory.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) segments: BTreeMap<u32, Filling>,
    /// When each segment was begun.
    begun: HashMap<u32, u64>,
    rows: HashMap<u64, (Row, u32), RandomState>,
    gone: HashMap<u64, u64, RandomState>,
    fences: Vec<(u64, Arc<str>, Vec<Selector>)>,
    /// Everything below is invalid.
    pub(super) floor: u64,
    /// Something is lost before what comes next.
    hole: bool,
    /// Whether the floor was raised for what was found now, so that it has to be written down.
    pub(super) raised: bool,
    newest: u64,
    /// Of the last segment: its number, and where its records end.
    last: (u32, u64),
    pub(super) corrupt: u64,
    /// The first segment in which something is.
    first_corrupt: Option<u32>,
    /// Bytes of files of other versions, which are left alone.
    pub(super) foreign: u64,
    seen: u64,
    useless: Vec<u32>,
    /// The last segment, if there is nothing of it but its name.
    unbegun: Option<u32>,
    /// Records that are sound.
    pub(super) records: u64,
}

/// Reads all segments of a directory. Changes nothing.
///
/// # Errors
/// What the system says, except that a medium fails under a segment: that counts as damage.
pub(super) fn find(core: &Core) -> io::Result<Found> {
    let mut ids = Vec::new();
    for (name, length) in core.files.list(&core.options.path)? {
        ids.extend(segment_id(&name).map(|id| (id, length)));
    }
    ids.sort_unstable();
    let last = ids.last().map_or(0, |last| last.0);
    let mut found = Found::default();
    for (id, length) in ids {
        let corrupt = found.corrupt;
        if let Err(error) = found.segment(core, id, length, id == last) {
            let lost = error.raw_os_error() == Some(EIO) || error.kind() == io::ErrorKind::UnexpectedEof;
            if !lost {
                return Err(error);
            }
            found.lose(id);
        }
        if found.corrupt > corrupt {
            found.first_corrupt.get_or_insert(id);
        }
    }
    if found.hole {
        found.raise(found.newest + 1);
    }
    Ok(found)
}

fn segment_id(name: &str) -> Option<u32> {
    let digits = name.strip_suffix(".seg").filter(|digits| digits.len() == 8)?;
    u32::from_str_radix(digits, 16).ok()
}

impl Found {
    fn raise(&mut self, floor: u64) {
        self.raised |= floor > self.floor;
        self.floor = self.floor.max(floor);
        self.hole = false;
    }

    /// Notes whether a segment, or the end of one, is missing before the next.
    fn missing(&mut self, missing: bool) {
        self.corrupt += u64::from(missing && !self.hole);
        self.hole |= missing;
    }

    fn lose(&mut self, id: u32) {
        self.corrupt += 1;
        self.hole = true;
        self.useless.push(id);
        self.last = (id, 0);
    }

    fn segment(&mut self, core: &Core, id: u32, length: u64, is_last: bool) -> io::Result<()> {
        let file = core.files.open(&core.segment_path(id))?;
        self.missing(self.last.0 != 0 && id != self.last.0 + 1);
        let header = match Header::read(file.as_ref(), length, id)? {
            Opened::Ours(header) => header,
            // It was only begun when the process ended.
            Opened::Damaged if is_last && length < HEADER_BYTES as u64 => {
                self.unbegun = Some(id);
                return Ok(());
            }
            Opened::Damaged => {
                self.lose(id);
                return Ok(());
            }
            Opened::Foreign(first) => {
                self.foreign += length;
                self.hole = true;
                if first < SEQUENCE_END / 2 {
                    self.newest = self.newest.max(first.saturating_add(FOREIGN_GAP));
                }
                self.last = (id, 0);
                return Ok(());
            }
        };
        self.missing(self.last.0 != 0 && self.last.1 < header.previous_end);
        if self.hole {
            self.raise(header.first);
        }
        self.newest = self.newest.max(header.first.min(SEQUENCE_END).saturating_sub(1));
        self.seen = self.seen.max(header.begun);
        self.begun.insert(id, header.begun);
        let filling = Filling { file: length, first: header.first, salt: header.salt, ..Filling::default() };
        self.segments.insert(id, filling);
        let end = self.records(file.as_ref(), length, &header)?;
        self.last = (id, end);
        Ok(())
    }

    /// The blobs of what would be served at this time.
    pub(super) fn live_blobs(&mut self, core: &Core) -> impl Iterator<Item = BlobRef> {
        core.wall.seen(self.seen);
        self.drop_ended(core);
        self.rows.values().filter_map(|(row, _)| row.blob)
    }

    /// Drops what is over in any way, before files of blobs are looked at: one that nothing names is removed.
    fn drop_ended(&mut self, core: &Core) {
        let (now, floor, begun) = (core.wall.now(), self.floor, &self.begun);
        self.rows.retain(|_, (row, segment)| {
            let slot = slot(row, *segment, ends(core, begun, row, *segment));
            row.sequence >= floor && row.note.ends > now && !slot.over(now)
        });
    }

    fn records(&mut self, file: &dyn Handle, length: u64, header: &Header) -> io::Result<u64> {
        let (rows, end) = match segment::read_footer(file, length, header.salt)? {
            Some((rows, end)) => (rows, end),
            None => self.scanned(file, length, header)?,
        };
        for row in &rows {
            self.newest = self.newest.max(row.sequence);
            self.records += 1;
            if row.kind.is_entry() {
                self.entry(header.id, row);
            } else if !self.fence(file, header.salt, row)? {
                self.corrupt += 1;
                self.raise(row.sequence);
            }
        }
        Ok(end)
    }

    fn scanned(&mut self, file: &dyn Handle, length: u64, header: &Header) -> io::Result<(Vec<Row>, u64)> {
        let scan = segment::scan(file, length, header.salt)?;
        self.corrupt += scan.damaged;
        for hole in scan.holes {
            match hole {
                Some(next) => self.raise(next),
                None => self.hole = true,
            }
        }
        Ok((scan.rows, scan.end))
    }

    fn entry(&mut self, segment: u32, row: &Row) {
        self.seen = self.seen.max(row.note.stored);
        let forgotten = self.gone.get(&row.name).is_some_and(|gone| *gone >= row.sequence);
        let older = self.rows.get(&row.name).is_some_and(|(other, _)| other.sequence >= row.sequence);
        if !forgotten && !older {
            self.rows.insert(row.name, (*row, segment));
        }
    }

    /// False when what is fenced cannot be read.
    fn fence(&mut self, file: &dyn Handle, salt: u64, row: &Row) -> io::Result<bool> {
        match row.kind {
            Kind::Sets | Kind::Floor => {}
            // Without a key nobody knows what it is about.
            Kind::Unknown if row.name == 0 => return Ok(false),
            _ => {
                let gone = self.gone.entry(row.name).or_default();
                *gone = row.sequence.max(*gone);
                if self.rows.get(&row.name).is_some_and(|(other, _)| other.sequence <= row.sequence) {
                    self.rows.remove(&row.name);
                }
                return Ok(true);
            }
        }
        if row.length > super::frame::CONTENT_BYTES_MAX {
            return Ok(false);
        }
        let mut record = vec![0; FRAME_BYTES + row.length as usize];
        file.read_all(&mut record, u64::from(row.offset))?;
        let Some((first, content)) = record.split_first_chunk() else { return Ok(false) };
        let sound = Frame::read(first, salt).is_some_and(|frame| {
            frame.kind == row.kind && frame.sequence == row.sequence && frame.holds(content, salt)
        });
        if !sound {
            return Ok(false);
        }
        if row.kind == Kind::Floor {
            let below = content.try_into().map(u64::from_le_bytes).ok().filter(|below| *below <= row.sequence);
            self.floor = self.floor.max(below.unwrap_or(row.sequence));
            return Ok(below.is_some());
        }
        let Some((namespace, selectors)) = super::sets::read(content) else { return Ok(false) };
        self.fences.push((row.sequence, namespace, selectors));
        Ok(true)
    }
}

/// Takes the directory, reads it and goes on from there.
pub(super) fn open(writer: &mut Writer) -> Result<(), Fault> {
    let core = writer.core.clone();
    let begun = writer.pace.now();
    let opening = Step::Opening.of();
    let directory = &core.options.path;
    core.files.make_directory(directory).map_err(&opening)?;
    take(writer).map_err(&opening)?;
    core.files.make_directory(&directory.join(blob::DIRECTORY)).map_err(&opening)?;
    let (high, seen, torn_clock) = HighWater::open(core.files.as_ref(), directory).map_err(&opening)?;
    writer.high = Some(high);
    let mut found = find(&core).map_err(&opening)?;
    core.wall.seen(seen.max(found.seen));
    let (saved, torn_positions) = positions::load(core.files.as_ref(), directory).map_err(&opening)?;
    let (owes, torn_owed) = owed::load(core.files.as_ref(), directory).map_err(&opening)?;
    let torn = u64::from(torn_clock) + u64::from(torn_positions) + u64::from(torn_owed);
    count(&core.counters.corrupt, torn);
    core.ledger.lock().positions = saved;
    // Something was forgotten while nothing could be read: it may have been any of this.
    let unread = core.ledger.lock().unread_forgotten;
    if unread {
        found.raise(found.newest + 1);
    }
    let doubted =
        if found.raised { found.rows.values().filter(|(row, _)| row.sequence < found.floor).count() } else { 0 };
    found.drop_ended(&core);
    let blobs = blobs(&core, &mut found).map_err(&opening)?;
    let (damaged, first) = (found.corrupt + torn, found.first_corrupt);
    let evicted = core.ledger.lock().evicted;
    restore(writer, found, blobs)?;
    core.ledger.lock().owing.find(owes);
    let took = writer.pace.now().since(begun);
    core.recovery.get_or_init(|| took);
    let (entries, bytes, evicted) = {
        let ledger = core.ledger.lock();
        (ledger.index.len(), ledger.used(), ledger.evicted - evicted)
    };
    let path = directory.as_path();
    let doubted = doubted as u64;
    Report { path, took, entries, bytes, damaged, first, doubted, unread, evicted }.tell();
    Ok(())
}

fn take(writer: &mut Writer) -> io::Result<()> {
    if writer.held.is_none() {
        let directory = &writer.core.options.path;
        writer.held = match Lock::take(directory, writer.holds) {
            Ok(lock) => Some(lock),
            Err(NotHeld::InUse) => return Err(io::ErrorKind::ResourceBusy.into()),
            Err(NotHeld::NotOurs) => return Err(io::ErrorKind::DirectoryNotEmpty.into()),
            Err(NotHeld::Failed(error)) => return Err(error),
        };
        writer.holds = Identity::of(directory);
    }
    Ok(())
}

/// Drops entries whose blob is not there, and removes blobs that no entry is in. With the bytes of those that stay.
fn blobs(core: &Core, found: &mut Found) -> io::Result<u64> {
    let directory = core.options.path.join(blob::DIRECTORY);
    let files = core.files.list(&directory)?;
    let lengths: HashMap<u64, u64> =
        files.iter().filter_map(|(name, length)| Some((blob::id_of(name)?, *length))).collect();
    let before = found.rows.len();
    let whole = |row: &Row| row.blob.is_none_or(|blob| lengths.get(&blob.id) == Some(&blob::file_bytes(blob.bytes)));
    found.rows.retain(|_, (row, _)| whole(row));
    found.corrupt += (before - found.rows.len()) as u64;
    let named: HashSet<u64> = found.rows.values().filter_map(|(row, _)| Some(row.blob?.id)).collect();
    let mut bytes = 0;
    for (name, length) in files {
        let stays = blob::id_of(&name).is_some_and(|id| named.contains(&id));
        // Another version may name it.
        if stays || found.foreign > 0 {
            bytes += length;
        } else {
            gone(core.files.remove(&directory.join(name)))?;
        }
    }
    Ok(bytes)
}

fn restore(writer: &mut Writer, mut found: Found, blob_bytes: u64) -> Result<(), Fault> {
    let core = writer.core.clone();
    // First, because the next segment gets its number.
    if let Some(id) = found.unbegun {
        gone(core.files.remove(&core.segment_path(id))).map_err(Step::Removing.of())?;
    }
    let mut index = Index::new();
    for (name, (row, segment)) in &found.rows {
        let slot = slot(row, *segment, ends(&core, &found.begun, row, *segment));
        if let Some(filling) = found.segments.get_mut(segment) {
            filling.live += weight(&slot, row.blob);
            filling.entries += 1;
        }
        index.insert(*name, slot, row.blob);
    }
    let mut fences = SelectorFences::new(0, core.options.fences_max);
    found.fences.sort_by_key(|fence| fence.0);
    for (number, namespace, selectors) in &found.fences {
        fences.raise(namespace, selectors, *number);
    }
    count(&core.counters.corrupt, found.corrupt);
    let next = if found.newest == 0 { 1 } else { found.newest + GAP };
    if next >= SEQUENCE_END / 2 {
        return Err(full());
    }
    writer.log = Log::after(found.last.0, found.last.1);
    let mut ledger = core.ledger.lock();
    ledger.segments = found.segments;
    ledger.blob_bytes = blob_bytes;
    ledger.foreign = found.foreign;
    ledger.restore(next, index, fences);
    let number = if found.raised { Some(ledger.take_number()) } else { None };
    drop(ledger);
    settle_found(writer, number.map(|number| floor(number, found.floor)), &found.useless)
}

/// Writes down that everything below the floor is invalid, and only then removes what nobody can read.
fn settle_found(writer: &mut Writer, floor: Option<super::log::Record>, useless: &[u32]) -> Result<(), Fault> {
    let core = writer.core.clone();
    let settled = (|| {
        if let Some(floor) = floor {
            writer.log.append(&core, &[floor])?;
            if core.options.sync == Sync::Always {
                writer.log.sync()?;
            }
        }
        for id in useless {
            gone(core.files.remove(&core.segment_path(*id))).map_err(Step::Removing.of())?;
        }
        core.ledger.lock().unread_forgotten = false;
        writer.reserve(0)
    })();
    // Until that is written it is not open: what may not be served would be there again after the next start.
    if settled.is_err() {
        writer.log.give_up(&core);
        core.ledger.lock().opened = false;
    }
    settled
}

/// When an entry ends that is not known to have been read since its segment was begun.
fn ends(core: &Core, begun: &HashMap<u32, u64>, row: &Row, segment: u32) -> u32 {
    let used = row.note.stored.max(begun.get(&segment).copied().unwrap_or(0));
    core.ends(&row.note, used)
}

fn slot(row: &Row, segment: u32, ends: u32) -> Slot {
    Slot {
        sequence: row.sequence,
        segment,
        offset: row.offset,
        length: row.length,
        ends,
        cost: row.note.cost,
        reads: 0,
        carried: 0,
        blob: row.blob.is_some(),
    }
}
