//! Making room: the oldest segment goes, and what of it is worth it is carried over to the newest one under a new number.
//!
//! Segments always go oldest first. So whatever says that something is forgotten stays as long as what it speaks of: entries
//! that are older lie in the same segment or in older ones, which went before, and what is carried over was asked whether
//! anything concerns it when it got its new number.

use std::io;

use bytes::Bytes;
use hotplate_engine::selector::Facets;

use super::{
    blob,
    core::Core,
    counters::count,
    files::gone,
    frame::{FRAME_BYTES, Frame, Kind, NOTE_BYTES, Note},
    index::{NEVER, Slot},
    ledger::weight,
    log::Record,
    options::Sync,
    segment::{self, ROW_BYTES, Row},
    trouble::{Fault, Step},
    writer::{Writer, full},
};
use crate::codec::{CodecError, Facts};

/// Part of a segment that may be carried over, as a divisor.
const CARRIED_PART: u64 = 4;
/// Entries that cost so many milliseconds to compute are carried over once without having been read.
const WORTH_MILLIS: u32 = 50;
/// Bytes of the headroom that stay for headers and small files.
const CARRIED_SLACK: u64 = 4096;
/// Bytes carried over at once at most.
const CARRY_BYTES_MAX: u64 = 2 << 20;
/// Rows looked at under one lock.
const ROWS_AT_ONCE: usize = 1024;
/// Segments that all together may be less than half alive.
const SEGMENTS_LOOSE: u64 = 4;
/// Bytes of a blob read to learn what it is.
const HEAD_BYTES_MAX: usize = 2 << 20;

/// What of a segment is carried over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carry {
    /// All that lives.
    All,
    /// What is worth it, up to a part of the segment.
    Worth,
    Nothing,
}

impl Writer {
    /// Makes room for so many more bytes.
    pub(super) fn reserve(&mut self, more: u64) -> Result<(), Fault> {
        let (max, entries_max) = (self.core.options.bytes_max, self.core.options.entries_max);
        loop {
            let (used, entries) = self.core.ledger.lock().filled();
            let needed = used + more + self.log.footer_bytes() + self.core.options.headroom();
            if needed <= max && entries <= entries_max {
                return Ok(());
            }
            let reclaimed = self.reclaim_oldest(Carry::Worth)?;
            if !reclaimed {
                return (needed <= max).then_some(()).ok_or_else(full);
            }
        }
    }

    /// Removes what is dead: segments at the old end, and more of them when most of all is dead.
    pub(super) fn tidy(&mut self) -> Result<(), Fault> {
        while self.is_oldest_useless() {
            self.reclaim_oldest(Carry::All)?;
        }
        Ok(())
    }

    fn is_oldest_useless(&self) -> bool {
        let ledger = self.core.ledger.lock();
        let Some((id, filling)) = ledger.segments.first_key_value() else { return false };
        let (used, live) = (ledger.used(), ledger.live());
        let options = &self.core.options;
        let loose = used > SEGMENTS_LOOSE * options.segment_bytes() && live < used / 2;
        let fits = used + filling.live + options.headroom() <= options.bytes_max;
        Some(*id) != self.log.active() && (filling.entries == 0 || (loose && fits))
    }

    /// Removes the oldest segment. False when there is none that could go.
    pub(super) fn reclaim_oldest(&mut self, carry: Carry) -> Result<bool, Fault> {
        let oldest = self.core.ledger.lock().segments.first_key_value().map(|(id, filling)| (*id, *filling));
        let Some((id, filling)) = oldest else { return Ok(false) };
        if Some(id) == self.log.active() {
            self.log.seal(&self.core)?;
        }
        let rows = self.rows(id, filling.salt).unwrap_or_default();
        if carry != Carry::Nothing && filling.entries > 0 {
            let chosen = self.choose(id, &rows, carry);
            self.carry(id, filling.salt, &chosen)?;
        }
        // The file first: what could not be removed stays known, so that it can be forgotten by name.
        self.remove_segment(id).map_err(Step::Removing.of())?;
        self.force_removal()?;
        self.take_out(id, &rows);
        self.core.shut(id);
        self.remove_blobs();
        Ok(true)
    }

    fn remove_segment(&mut self, id: u32) -> io::Result<()> {
        gone(self.core.files.remove(&self.core.segment_path(id)))?;
        self.unforced_removal = true;
        Ok(())
    }

    /// Before what was in a removed segment leaves the index: from then on nothing is written when it is forgotten, so it must
    /// not come back when the power fails.
    fn force_removal(&mut self) -> Result<(), Fault> {
        if self.core.options.sync == Sync::Always { self.sync_removals() } else { Ok(()) }
    }

    /// Forces onto the medium that segments are gone.
    pub(super) fn sync_removals(&mut self) -> Result<(), Fault> {
        if self.unforced_removal {
            self.core.files.sync_directory(&self.core.options.path).map_err(Step::Syncing.of())?;
        }
        self.unforced_removal = false;
        Ok(())
    }

    /// After a record that everything older is gone.
    pub(super) fn remove_segments_before_active(&mut self) -> Result<(), Fault> {
        let ids: Vec<u32> = self.core.ledger.lock().segments.keys().copied().collect();
        let active = self.log.active();
        let before = |id: &u32| active.is_none_or(|active| *id < active);
        for id in ids.into_iter().filter(before) {
            self.remove_segment(id).map_err(Step::Removing.of())?;
            self.core.ledger.lock().segments.remove(&id);
            self.core.shut(id);
        }
        self.force_removal()
    }

    fn rows(&self, id: u32, salt: u64) -> io::Result<Vec<Row>> {
        let file = self.core.segment(id)?;
        let length = file.length()?;
        match segment::read_footer(file.as_ref(), length, salt)? {
            Some((rows, _)) => Ok(rows),
            None => Ok(segment::scan(file.as_ref(), length, salt)?.rows),
        }
    }

    /// Takes what lay in a segment that is gone out of the index.
    fn take_out(&self, id: u32, rows: &[Row]) {
        for some in rows.chunks(ROWS_AT_ONCE) {
            let mut ledger = self.core.ledger.lock();
            some.iter().filter(|row| row.kind.is_entry()).for_each(|row| ledger.evict(row.name, id));
        }
        let mut ledger = self.core.ledger.lock();
        let left = ledger.segments.get(&id).map_or(0, |filling| filling.entries);
        // Otherwise its rows could not be read.
        for _ in 0..if left > 0 { ledger.index.parts() } else { 0 } {
            let names = ledger.index.sweep(|slot| slot.segment == id);
            names.into_iter().for_each(|name| ledger.evict(name, id));
        }
        ledger.segments.remove(&id);
        ledger.forget_fences();
    }

    /// What of a segment is to be carried over: what was read, or cost much, by what it saves for its bytes.
    fn choose(&self, id: u32, rows: &[Row], carry: Carry) -> Vec<Row> {
        let now = self.core.wall.now();
        let mut worth: Vec<(f64, u64, Row)> = Vec::new();
        for some in rows.chunks(ROWS_AT_ONCE) {
            let ledger = self.core.ledger.lock();
            let entries = some.iter().filter(|row| row.kind.is_entry());
            worth.extend(entries.filter_map(|row| {
                let slot = ledger.index.get(row.name)?;
                let there = slot.segment == id && slot.sequence == row.sequence && !slot.over(now);
                let bytes = weight(slot, row.blob);
                (there && (carry == Carry::All || is_worth(slot))).then(|| (value(slot, bytes), bytes, *row))
            }));
        }
        let all: u64 = rows.iter().map(Row::weight).sum();
        let (mut left, mut room) = match carry {
            Carry::All => (u64::MAX, u64::MAX),
            Carry::Worth | Carry::Nothing => (all / CARRIED_PART, self.core.options.headroom() - CARRIED_SLACK),
        };
        worth.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut chosen = Vec::new();
        for (_, bytes, row) in worth {
            // A blob stays where it is: only its record takes room before anything is removed.
            let record = (FRAME_BYTES + ROW_BYTES) as u64 + u64::from(row.length);
            if bytes <= left && record <= room {
                (left, room) = (left - bytes, room - record);
                chosen.push(row);
            }
        }
        chosen.sort_by_key(|row| row.offset);
        chosen
    }

    fn carry(&mut self, id: u32, salt: u64, rows: &[Row]) -> Result<(), Fault> {
        let mut rows = rows.iter();
        loop {
            let some = self.some_carried(id, salt, &mut rows);
            if some.is_empty() {
                return Ok(());
            }
            let (was, records): (Vec<u64>, Vec<Record>) = some.into_iter().unzip();
            let (segment, rows) = self.log.append(&self.core, &records)?;
            let mut ledger = self.core.ledger.lock();
            rows.iter().zip(was).for_each(|(row, was)| ledger.placed(segment, row, was));
            drop(ledger);
            count(&self.core.counters.carried, rows.len() as u64);
        }
    }

    /// The next records to carry over, with the numbers they had.
    fn some_carried<'a>(&self, id: u32, salt: u64, rows: &mut impl Iterator<Item = &'a Row>) -> Vec<(u64, Record)> {
        let (mut some, mut bytes) = (Vec::new(), 0);
        while bytes < CARRY_BYTES_MAX {
            let Some(row) = rows.next() else { break };
            // What cannot be read is not carried over.
            let Ok(Some(record)) = carried(&self.core, id, salt, row) else { continue };
            bytes += record.bytes();
            some.push((row.sequence, record));
        }
        some
    }
}

fn is_worth(slot: &Slot) -> bool {
    slot.reads > 0 || (slot.carried == 0 && slot.cost >= WORTH_MILLIS)
}

/// What keeping it is expected to save for each byte; less each time it was carried over.
fn value(slot: &Slot, bytes: u64) -> f64 {
    let saved = f64::from(slot.cost.max(1)) * f64::from(u16::from(slot.reads) + 1);
    #[expect(clippy::cast_precision_loss, reason = "an order, not a count")]
    let bytes = bytes.max(1) as f64;
    saved / bytes / f64::from(1u32 << slot.carried.min(16))
}

/// The record that carries an entry over, under a new number; `None` when it is damaged, or not valid any more.
fn carried(core: &Core, id: u32, salt: u64, row: &Row) -> io::Result<Option<Record>> {
    let file = core.segment(id)?;
    let mut record = vec![0; FRAME_BYTES + row.length as usize];
    file.read_all(&mut record, u64::from(row.offset))?;
    let Some((first, content)) = record.split_first_chunk() else { return Ok(None) };
    let sound = |frame: &Frame| frame.sequence == row.sequence && frame.name == row.name && frame.holds(content, salt);
    if !Frame::read(first, salt).is_some_and(|frame| sound(&frame)) {
        count(&core.counters.corrupt, 1);
        return Ok(None);
    }
    let Some(mut note) = Note::read(content) else { return Ok(None) };
    let rest = &content[NOTE_BYTES..];
    let facts = match row.blob {
        Some(blob) => facts(core, &blob::read_start(core.files.as_ref(), &core.options.path, &blob, HEAD_BYTES_MAX)?),
        None => facts(core, rest),
    };
    let Some(facts) = facts else { return Ok(None) };
    let made_from = super::sets::made_from(&facts.description);
    let description = &facts.description;
    let key = &facts.key;
    let of = Facets { key: key.text(), kind: &description.kind, tags: &description.tags, depends_on: &made_from };
    let mut ledger = core.ledger.lock();
    let Some(slot) = ledger.index.get(row.name).filter(|slot| slot.sequence == row.sequence).copied() else {
        return Ok(None);
    };
    if !ledger.allows(key.namespace(), &of, row.sequence) {
        ledger.remove_fenced(row.name);
        return Ok(None);
    }
    let sequence = ledger.take_number();
    drop(ledger);
    if slot.ends != NEVER {
        note.ends = note.ends.min(u64::from(slot.ends) * 1000);
    }
    let kind = if row.blob.is_some() { Kind::Blob } else { Kind::Value };
    Ok(Some(Record::entry(kind, (sequence, row.name), &note, [Bytes::copy_from_slice(rest), Bytes::new()])))
}

fn facts(core: &Core, record: &[u8]) -> Option<Facts> {
    let facts: Result<Facts, CodecError> = core.codec.facts(record);
    facts.ok()
}
