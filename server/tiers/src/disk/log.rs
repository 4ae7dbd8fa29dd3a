//! The segment that is being written: beginning it, appending to it, completing it. What is written, and when, is decided by
//! the writer.

use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher,
    io::{self, ErrorKind},
    sync::Arc,
};

use bytes::Bytes;

use super::{
    core::Core,
    files::Handle,
    frame::{self, Kind, NOTE_BYTES, Note},
    ledger::Filling,
    options::Sync,
    segment::{self, HEADER_BYTES, Header, RECORDS_MAX, Row},
    trouble::{Fault, Step},
};

/// A record that is to be written.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) kind: Kind,
    pub(super) sequence: u64,
    pub(super) name: u64,
    /// Of an entry: stands before the content.
    pub(super) note: Option<[u8; NOTE_BYTES]>,
    pub(super) content: [Bytes; 2],
}

impl Record {
    pub(super) fn entry(kind: Kind, (sequence, name): (u64, u64), note: &Note, content: [Bytes; 2]) -> Self {
        Self { kind, sequence, name, note: Some(note.bytes()), content }
    }

    pub(super) fn plain(kind: Kind, (sequence, name): (u64, u64), content: Vec<u8>) -> Self {
        Self { kind, sequence, name, note: None, content: [content.into(), Bytes::new()] }
    }

    /// Bytes it takes in a segment, with its row of the footer.
    pub(super) fn bytes(&self) -> u64 {
        let content = self.note.map_or(0, |note| note.len()) + self.content[0].len() + self.content[1].len();
        (frame::FRAME_BYTES + segment::ROW_BYTES + content) as u64
    }
}

/// The segment that is being written, if there is one.
#[derive(Debug, Default)]
pub(super) struct Log {
    active: Option<Active>,
    /// The number of the last segment.
    last: u32,
    /// Where the records of the last segment end.
    last_end: u64,
    unsynced: bool,
}

#[derive(Debug)]
struct Active {
    id: u32,
    file: Arc<dyn Handle>,
    salt: u64,
    end: u64,
    rows: Vec<Row>,
    /// Bytes of its records and of the blobs they name.
    weight: u64,
}

impl Log {
    /// Goes on after a segment that ended there.
    pub(super) fn after(last: u32, last_end: u64) -> Self {
        Self { active: None, last, last_end, unsynced: false }
    }

    /// Number of the segment that is being written.
    pub(super) fn active(&self) -> Option<u32> {
        self.active.as_ref().map(|active| active.id)
    }

    /// Bytes that completing the segment takes.
    pub(super) fn footer_bytes(&self) -> u64 {
        segment::footer_bytes(self.active.as_ref().map_or(0, |active| active.rows.len())) + HEADER_BYTES as u64
    }

    /// Appends records, all or none as far as the tier goes on; with the segment they are in and their rows. After an error
    /// the segment is given up as it was before.
    pub(super) fn append(&mut self, core: &Core, records: &[Record]) -> Result<(u32, Vec<Row>), Fault> {
        if self.active.as_ref().is_some_and(|active| active.is_full(core, records.len())) {
            self.seal(core)?;
        }
        if self.active.is_none() {
            self.begin(core).map_err(Step::Writing.of())?;
        }
        let Some(active) = &mut self.active else { return Err(Step::Writing.of()(ErrorKind::Other.into())) };
        let result = active.append(records);
        let (id, end) = (active.id, active.end);
        match result {
            Ok(rows) => {
                self.unsynced = true;
                if let Some(filling) = core.ledger.lock().segments.get_mut(&id) {
                    filling.file = end;
                }
                Ok((id, rows))
            }
            Err(error) => {
                self.give_up(core);
                Err(Step::Writing.of()(error))
            }
        }
    }

    fn begin(&mut self, core: &Core) -> io::Result<()> {
        let id = self.last.checked_add(1).ok_or(ErrorKind::StorageFull)?;
        let begun = core.wall.now();
        let first = core.ledger.lock().settled + 1;
        let salt = RandomState::new().hash_one((id, begun));
        let header = Header { id, first, salt, previous_end: self.last_end, begun };
        let path = core.segment_path(id);
        let file = core.files.create(&path)?;
        // From here on the number is taken, whatever is in the file.
        (self.last, self.last_end) = (id, HEADER_BYTES as u64);
        let end = HEADER_BYTES as u64;
        if let Err(error) = file.write_all(&header.bytes(), 0) {
            core.files.remove(&path)?;
            self.last = id - 1;
            self.last_end = header.previous_end;
            return Err(error);
        }
        if core.options.sync != Sync::Off {
            core.files.sync_directory(&core.options.path)?;
        }
        let filling = Filling { file: end, first, salt, ..Filling::default() };
        core.ledger.lock().segments.insert(id, filling);
        self.active = Some(Active { id, file, salt, end, rows: Vec::new(), weight: end });
        Ok(())
    }

    /// Completes the segment. Without a footer, when there is no room for one, it is only slower to open.
    pub(super) fn seal(&mut self, core: &Core) -> Result<(), Fault> {
        let Some(active) = self.active.take() else { return Ok(()) };
        self.last_end = active.end;
        let footer = segment::footer(&active.rows, active.salt, active.end);
        let mut end = active.end + footer.len() as u64;
        if active.file.write_all(&footer, active.end).is_err() {
            end = if active.file.cut(active.end).is_ok() { active.end } else { end };
        }
        if let Some(filling) = core.ledger.lock().segments.get_mut(&active.id) {
            filling.file = end;
        }
        self.unsynced = false;
        if core.options.sync == Sync::Off { Ok(()) } else { active.file.sync().map_err(Step::Syncing.of()) }
    }

    /// Leaves the segment as it was before something failed. What stays behind its end counts as what it is, or as cut off.
    pub(super) fn give_up(&mut self, core: &Core) {
        let Some(active) = self.active.take() else { return };
        self.last_end = active.end;
        let end =
            if active.file.cut(active.end).is_ok() { active.end } else { active.file.length().unwrap_or(active.end) };
        if let Some(filling) = core.ledger.lock().segments.get_mut(&active.id) {
            filling.file = end;
        }
    }

    /// Forces what was written onto the medium.
    pub(super) fn sync(&mut self) -> Result<(), Fault> {
        if let Some(active) = self.active.as_ref().filter(|_| self.unsynced) {
            active.file.sync().map_err(Step::Syncing.of())?;
        }
        self.unsynced = false;
        Ok(())
    }
}

impl Active {
    fn is_full(&self, core: &Core, more: usize) -> bool {
        self.weight >= core.options.segment_bytes() || self.rows.len() + more > RECORDS_MAX
    }

    fn append(&mut self, records: &[Record]) -> io::Result<Vec<Row>> {
        let mut bytes = Vec::with_capacity(records.iter().map(|record| record.bytes() as usize).sum());
        let mut rows = Vec::with_capacity(records.len());
        for record in records {
            let at = bytes.len();
            let note = record.note.as_ref().map_or(&[][..], |note| note);
            let content = [note, &record.content[0], &record.content[1]];
            let of = (record.kind, record.sequence, record.name);
            let length = frame::append(&mut bytes, self.salt, of, &content).ok_or(ErrorKind::InvalidInput)?;
            let offset = u32::try_from(self.end + at as u64).map_err(|_too_far| ErrorKind::InvalidInput)?;
            rows.push(row(record, offset, length));
        }
        self.file.write_all(&bytes, self.end)?;
        self.end += bytes.len() as u64;
        self.weight += rows.iter().map(Row::weight).sum::<u64>();
        self.rows.extend_from_slice(&rows);
        Ok(rows)
    }
}

fn row(record: &Record, offset: u32, length: u32) -> Row {
    let note = record.note.and_then(|note| Note::read(&note)).unwrap_or_default();
    let blob = (record.kind == Kind::Blob).then(|| frame::BlobRef::read(&record.content[0])).flatten();
    let Record { kind, sequence, name, .. } = *record;
    Row { kind, offset, length, sequence, name, note, blob }
}
