//! The thread that writes: takes what was handed over in its order, writes it in batches, and says what is settled. What it
//! does when that fails is in `aside.rs`, how it makes room in `reclaim.rs`.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use hotplate_engine::clock::{Clock, Moment};

use super::{
    blob,
    clock::HighWater,
    core::Core,
    counters::{Dropped, count},
    files::Handle,
    frame::{Kind, NOTE_BYTES},
    ledger::{DeadBlob, Ledger, Op, Queued, Waiting},
    lock::{Identity, Lock},
    log::{Log, Record},
    options::Sync,
    positions, sets,
    trouble::{Backoff, Fault, Step},
};

/// Operations and bytes of values written at once at most.
const BATCH_OPS_MAX: usize = 512;
const BATCH_BYTES_MAX: u64 = 4 << 20;
/// Part of a segment that a batch has at most, as a divisor.
const BATCH_PART: u64 = 2;
/// Between two looks at what is due.
const TICK: Duration = Duration::from_millis(200);
/// Ticks between two notes of the time.
const TICKS_PER_NOTE: u64 = 5;

/// The writer's side.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) core: Arc<Core>,
    pub(super) log: Log,
    pub(super) held: Option<Lock>,
    /// Which directory it holds, or held last.
    pub(super) holds: Option<Identity>,
    pub(super) high: Option<HighWater>,
    pub(super) backoff: Backoff,
    /// When it tries again, while it is aside.
    pub(super) again: Moment,
    /// All files have to go before anything else is written.
    pub(super) must_wipe: bool,
    /// Segments were removed, and that was not forced onto the medium yet.
    pub(super) unforced_removal: bool,
    /// Blobs that were written and that no record names yet.
    pub(super) unnamed: Vec<DeadBlob>,
    /// What others have still to be told, as far as there is a file of it, and whether that is forced onto the medium.
    pub(super) owed: Option<Arc<dyn Handle>>,
    pub(super) unforced_owed: bool,
    /// Real time, also where the tier's clock stands still: it only paces.
    pub(super) pace: Clock,
    ticks: u64,
    next_tick: Moment,
    synced: Moment,
}

/// What there is to do.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Write,
    Owe,
    Wait,
    End,
}

impl Writer {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self {
            core,
            log: Log::default(),
            held: None,
            holds: None,
            high: None,
            backoff: Backoff::default(),
            again: Moment(0),
            must_wipe: false,
            unforced_removal: false,
            unnamed: Vec::new(),
            owed: None,
            unforced_owed: false,
            pace: Clock::system(),
            ticks: 0,
            next_tick: Moment(0),
            synced: Moment(0),
        }
    }

    /// Writes until the tier is closed.
    pub(super) fn run(&mut self) {
        loop {
            match self.next() {
                Next::Write => {
                    self.save_positions();
                    self.write();
                }
                Next::Owe => self.keep_owed(),
                Next::Wait => {}
                Next::End => break,
            }
            if self.pace.now() >= self.next_tick {
                self.next_tick = self.pace.now().after(TICK);
                self.tick();
            }
        }
        self.finish();
    }

    /// What there is to do next; waits for it, at most until something is due.
    fn next(&mut self) -> Next {
        let wait = self.next_tick.since(self.pace.now());
        let mut ledger = self.core.ledger.lock();
        if ledger.abandoned {
            return Next::End;
        }
        if ledger.opened && ledger.owing.is_due() {
            return Next::Owe;
        }
        let aside = ledger.trouble.as_ref().is_some_and(|trouble| trouble.step != Step::Reading);
        let urgent = !ledger.waiters.is_empty() && (ledger.opened || aside);
        if ledger.opened && ledger.queued() > 0 && !aside || urgent {
            return Next::Write;
        }
        if ledger.closing {
            return Next::End;
        }
        if wait > Duration::ZERO {
            self.core.wake.wait_for(&mut ledger, wait);
        }
        Next::Wait
    }

    fn write(&mut self) {
        if self.core.ledger.lock().trouble.as_ref().is_some_and(|trouble| trouble.step != Step::Reading) {
            self.settle_by_force();
            return;
        }
        let bytes_max = BATCH_BYTES_MAX.min(self.core.options.segment_bytes() / BATCH_PART);
        let batch = self.core.ledger.lock().next_batch(BATCH_OPS_MAX, bytes_max);
        if let Err(fault) = self.write_batch(&batch) {
            self.step_aside(batch, &fault);
        }
        self.remove_blobs();
    }

    /// Writes what was taken from the queue, and says that it is settled.
    pub(super) fn write_batch(&mut self, batch: &[Queued]) -> Result<(), Fault> {
        let Some(last) = batch.last() else {
            // Nothing waits and nothing is on its way: whatever was owed is written.
            let owed = self.core.ledger.lock().owed();
            self.settled(owed, batch);
            return Ok(());
        };
        let floor = batch.iter().any(|queued| matches!(queued.op, Op::Floor));
        if floor {
            self.log.seal(&self.core)?;
        }
        let records = self.records(batch)?;
        self.reserve(records.iter().map(Record::bytes).sum())?;
        if !records.is_empty() {
            self.append(&records)?;
        }
        self.unnamed.clear();
        if self.core.options.sync == Sync::Always {
            self.log.sync()?;
        }
        self.settled(last.sequence, batch);
        if floor {
            self.remove_segments_before_active()?;
        }
        Ok(())
    }

    fn append(&mut self, records: &[Record]) -> Result<(), Fault> {
        let (segment, rows) = self.log.append(&self.core, records)?;
        let entries = rows.iter().filter(|row| row.kind.is_entry());
        let mut ledger = self.core.ledger.lock();
        let mut stored = 0;
        for row in entries {
            ledger.placed(segment, row, row.sequence);
            stored += 1;
        }
        drop(ledger);
        count(&self.core.counters.puts, stored);
        Ok(())
    }

    fn settled(&self, upto: u64, batch: &[Queued]) {
        let waiters = self.core.ledger.lock().settle(upto, batch);
        for (_, waiter) in waiters {
            // Who does not wait any more need not be told.
            let _gone = waiter.send(Ok(()));
        }
    }

    fn records(&mut self, batch: &[Queued]) -> Result<Vec<Record>, Fault> {
        let mut records = Vec::with_capacity(batch.len());
        for Queued { sequence, op } in batch {
            let sequence = *sequence;
            records.extend(match op {
                Op::Put { name, replaces } => self.entry_of(*name, sequence, *replaces)?,
                Op::Forget(name) => Some(Record::plain(Kind::Forget, (sequence, *name), Vec::new())),
                Op::Sets(namespace, selectors) => {
                    let mut content = Vec::new();
                    sets::write(&mut content, namespace, selectors);
                    Some(Record::plain(Kind::Sets, (sequence, 0), content))
                }
                Op::Floor => Some(floor(sequence, sequence)),
            });
        }
        Ok(records)
    }

    /// The record of the entry that waits under a hash. When it was replaced or forgotten meanwhile, which is written in its
    /// turn, only that what was before it is gone.
    fn entry_of(&mut self, name: u64, sequence: u64, replaces: bool) -> Result<Option<Record>, Fault> {
        let waiting = self.core.ledger.lock().waiting(name).cloned();
        match waiting.filter(|waiting| waiting.sequence == sequence) {
            Some(waiting) => self.entry(waiting).map(Some),
            None => Ok(replaces.then(|| Record::plain(Kind::Forget, (sequence, name), Vec::new()))),
        }
    }

    /// The record of an entry, or of its end when it cannot be written as one.
    fn entry(&mut self, mut waiting: Waiting) -> Result<Record, Fault> {
        let name = waiting.key.hash();
        let of = (waiting.sequence, name);
        let note = self.core.note(&waiting.kept);
        let behind = self.core.wall.behind();
        for time in [&mut waiting.kept.stored, &mut waiting.kept.fresh_until, &mut waiting.kept.usable_until] {
            *time = time.saturating_add(behind);
        }
        let Ok(encoded) = self.core.codec.encode(&waiting.key, &waiting.kept) else {
            self.core.ledger.lock().remove(name);
            self.core.counters.dropped(Dropped::Refused);
            return Ok(Record::plain(Kind::Forget, of, Vec::new()));
        };
        let bytes = encoded.len() as u64;
        if bytes + NOTE_BYTES as u64 <= self.core.options.inline_bytes() {
            return Ok(Record::entry(Kind::Value, of, &note, encoded.into_two()));
        }
        self.reserve(blob::file_bytes(bytes))?;
        let (files, directory) = (self.core.files.as_ref(), &self.core.options.path);
        let sync = self.core.options.sync == Sync::Always;
        let blob = blob::write(files, directory, waiting.sequence, encoded.parts(), sync);
        let blob = blob.map_err(Step::Writing.of())?;
        let file = blob::file_bytes(blob.bytes);
        self.core.ledger.lock().blob_bytes += file;
        self.unnamed.push(DeadBlob { id: blob.id, bytes: file, after: 0 });
        Ok(Record::entry(Kind::Blob, of, &note, [Bytes::copy_from_slice(&blob.bytes()), Bytes::new()]))
    }

    /// Removes the files of blobs that nothing names any more. One that cannot be removed is found at the next start.
    pub(super) fn remove_blobs(&self) {
        let dead = self.core.ledger.lock().take_dead_blobs();
        let mut removed = 0;
        for DeadBlob { id, bytes, .. } in dead {
            if blob::remove(self.core.files.as_ref(), &self.core.options.path, id).is_ok() {
                removed += bytes;
            } else {
                self.core.counters.failed(Step::Removing);
            }
        }
        if removed > 0 {
            let mut ledger = self.core.ledger.lock();
            ledger.blob_bytes = ledger.blob_bytes.saturating_sub(removed);
        }
    }

    fn tick(&mut self) {
        self.ticks += 1;
        if self.ticks.is_multiple_of(TICKS_PER_NOTE) {
            self.see_whether_it_is_there();
        }
        self.come_back();
        self.core.ledger.lock().settle_idle();
        self.save_positions();
        self.keep_owed();
        self.remove_blobs();
        if !self.core.ledger.lock().opened {
            return;
        }
        if self.ticks.is_multiple_of(TICKS_PER_NOTE) {
            self.note_time();
        }
        self.drop_ended();
        if let Err(fault) = self.sync_when_due().and_then(|()| self.tidy()) {
            self.step_aside(Vec::new(), &fault);
        }
    }

    /// That the time cannot be noted matters only when the clock goes back as well.
    fn note_time(&mut self) {
        let now = self.core.wall.now();
        if self.high.as_mut().is_some_and(|high| high.keep(now).is_err()) {
            self.core.counters.failed(Step::Writing);
        }
    }

    fn sync_when_due(&mut self) -> Result<(), Fault> {
        let Sync::Interval(interval) = self.core.options.sync else { return Ok(()) };
        let now = self.pace.now();
        if now.since(self.synced) < interval {
            return Ok(());
        }
        self.synced = now;
        self.force_owed();
        self.sync_removals()?;
        self.log.sync()
    }

    /// Saves how far what is here was told of what replicas share, when that may be: what was forgotten before is written, and
    /// as safe as it gets. What cannot be saved is tried again with the next; what was saved before still holds.
    fn save_positions(&mut self) {
        let Some(saved) = self.core.ledger.lock().take_unsaved() else { return };
        let sync = self.core.options.sync;
        let forced = if sync == Sync::Off { Ok(()) } else { self.sync_removals().and_then(|()| self.log.sync()) };
        let result = forced.and_then(|()| {
            let to = &self.core.options.path;
            positions::save(self.core.files.as_ref(), to, (saved.as_ref(), sync)).map_err(Step::Writing.of())
        });
        if let Err(fault) = result {
            if saved.is_none() || fault.step == Step::Syncing {
                self.core.ledger.lock().keep(saved);
                self.step_aside(Vec::new(), &fault);
            } else {
                self.core.counters.failed(fault.step);
            }
        }
    }

    /// Takes a part of what has ended out of the index.
    fn drop_ended(&self) {
        let now = self.core.wall.now();
        let mut ledger = self.core.ledger.lock();
        let ended = ledger.index.sweep(|slot| !slot.waits() && slot.over(now));
        for name in ended {
            ledger.remove(name);
        }
    }

    /// What was replaced or invalidated and could not be written down is there again at the next start.
    fn say_what_comes_back(&self) {
        let ledger = self.core.ledger.lock();
        if ledger.owes() || (!ledger.opened && ledger.unread_forgotten) {
            let why = ledger.trouble.as_ref().map(|trouble| trouble.why.clone()).unwrap_or_default();
            drop(ledger);
            tracing::error!(
                path = %self.core.options.path.display(),
                why,
                "what was replaced or invalidated lately could not be written to the disk: the next start would find the \
                 older values again; empty the directory before it"
            );
        }
    }

    fn finish(&mut self) {
        let abandoned = self.core.ledger.lock().abandoned;
        if !abandoned {
            if self.core.ledger.lock().owes() {
                self.settle_by_force();
            }
            self.note_time();
            self.say_what_comes_back();
            self.save_positions();
            self.keep_owed();
            let sealed = self.log.seal(&self.core);
            if let Err(fault) = sealed {
                self.core.counters.failed(fault.step);
            }
            self.remove_blobs();
        }
        self.held = None;
        end_waiters(&mut self.core.ledger.lock());
    }
}

/// The record that everything older than `below` is gone.
pub(super) fn floor(sequence: u64, below: u64) -> Record {
    Record::plain(Kind::Floor, (sequence, 0), below.to_le_bytes().to_vec())
}

fn end_waiters(ledger: &mut Ledger) {
    // Dropping them tells who waits.
    ledger.waiters.clear();
    ledger.owing.give_up();
}

/// What a failure of a whole step is called.
pub(super) fn full() -> Fault {
    Fault { step: Step::Writing, error: io::ErrorKind::StorageFull.into() }
}
