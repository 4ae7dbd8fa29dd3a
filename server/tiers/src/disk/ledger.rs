//! What the tier knows, under one lock: the order of all that was handed over, the index, the fences, what waits to be
//! written, how full the segments are. No I/O and no codec here: every step is short.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};

use ahash::RandomState;
use futures::channel::oneshot;
use hotplate_engine::{
    fence::SelectorFences,
    key::Key,
    selector::{Facets, Selector},
    tier::{Kept, TierError, local::Saved},
};

use super::{
    blob,
    frame::BlobRef,
    index::{Index, Slot},
    owed::Owing,
    segment::Row,
    trouble::Trouble,
    waits::Waits,
};

/// Operations that wait at most. Beyond, everything is forgotten at once instead: one record, however much it is.
const QUEUED_MAX: usize = 1 << 20;
/// Puts are refused while so many operations wait.
pub(super) const QUEUED_PUTS_MAX: usize = QUEUED_MAX / 2;
/// Bytes that selectors of waiting fences take at most; beyond, everything is forgotten at once instead.
const QUEUED_SETS_BYTES_MAX: usize = 32 << 20;

/// What is to be written.
#[derive(Clone, Debug)]
pub(super) enum Op {
    /// The entry that waits under this hash, if it is still the one of this number. Else that the older ones are gone, if
    /// there were any: who waits for that does not wait for what came later.
    Put {
        name: u64,
        replaces: bool,
    },
    Forget(u64),
    Sets(Arc<str>, Arc<[Selector]>),
    /// Everything that is older.
    Floor,
}

/// Its place in the order, and what it is.
#[derive(Clone, Debug)]
pub(super) struct Queued {
    pub(super) sequence: u64,
    pub(super) op: Op,
}

/// An entry that waits to be written.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) sequence: u64,
    pub(super) key: Key,
    pub(super) kept: Kept,
    pub(super) bytes: u64,
}

/// How full a segment is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Filling {
    /// Bytes of its file.
    pub(super) file: u64,
    /// Bytes of what lives in it, blobs included.
    pub(super) live: u64,
    /// Entries that live in it.
    pub(super) entries: u64,
    /// What lives in it was handed over under this number, or a later one.
    pub(super) first: u64,
    /// The seed of its checksums.
    pub(super) salt: u64,
}

/// A blob to remove.
#[derive(Clone, Copy, Debug)]
pub(super) struct DeadBlob {
    pub(super) id: u64,
    /// Bytes of its file.
    pub(super) bytes: u64,
    /// Not before everything up to here is written: until then a record on disk names it.
    pub(super) after: u64,
}

impl DeadBlob {
    fn new(blob: BlobRef, after: u64) -> Self {
        Self { id: blob.id, bytes: blob::file_bytes(blob.bytes), after }
    }
}

/// What waits for [`Ledger::settled`].
pub(super) type Waiter = (u64, oneshot::Sender<Result<(), TierError>>);

/// All of it.
#[derive(Debug)]
pub(super) struct Ledger {
    next: u64,
    pub(super) index: Index,
    fences: SelectorFences,
    pending: HashMap<u64, Waiting, RandomState>,
    queue: VecDeque<Queued>,
    pub(super) waits: Waits,
    sets_bytes: usize,
    /// Everything up to here was written, or needs no writing any more.
    pub(super) settled: u64,
    /// The newest that would come back in a crash if it were not written.
    owed: u64,
    pub(super) waiters: Vec<Waiter>,
    pub(super) dead_blobs: Vec<DeadBlob>,
    /// Bytes of all files of blobs, dead ones included.
    pub(super) blob_bytes: u64,
    pub(super) segments: BTreeMap<u32, Filling>,
    /// Bytes of files that are of no use and cannot be removed: of other versions.
    pub(super) foreign: u64,
    pub(super) trouble: Option<Trouble>,
    /// Whether the directory was read. Until then nothing is known of what is in it.
    pub(super) opened: bool,
    /// Something was forgotten before the directory was read: all that is in it is dropped.
    pub(super) unread_forgotten: bool,
    /// What was saved when the directory was read, of how far it was told of what replicas share.
    pub(super) positions: Option<Saved>,
    /// What is to be saved of that, and which number has to be written before.
    unsaved: Option<(u64, Option<Saved>)>,
    /// What others have still to be told.
    pub(super) owing: Owing,
    pub(super) closing: bool,
    /// It was dropped without being closed: nothing more is written.
    pub(super) abandoned: bool,
    pub(super) evicted: u64,
}

impl Ledger {
    pub(super) fn new(fences_max: usize, queue_bytes_max: u64) -> Self {
        Self {
            next: 1,
            index: Index::new(),
            fences: SelectorFences::new(0, fences_max),
            pending: HashMap::with_hasher(RandomState::new()),
            queue: VecDeque::new(),
            waits: Waits::new(queue_bytes_max),
            sets_bytes: 0,
            settled: 0,
            owed: 0,
            waiters: Vec::new(),
            dead_blobs: Vec::new(),
            blob_bytes: 0,
            segments: BTreeMap::new(),
            foreign: 0,
            trouble: None,
            opened: false,
            unread_forgotten: false,
            positions: None,
            unsaved: None,
            owing: Owing::default(),
            closing: false,
            abandoned: false,
            evicted: 0,
        }
    }

    /// Goes on from what was found: numbers below `next` were given before.
    pub(super) fn restore(&mut self, next: u64, index: Index, fences: SelectorFences) {
        // Never given twice by this process either: a read may still be on its way.
        self.next = next.max(self.next);
        self.settled = self.next - 1;
        self.owed = self.owed.min(self.settled);
        self.index = index;
        self.fences = fences;
        self.opened = true;
    }

    /// The next place in the order.
    pub(super) fn take_number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }

    /// Takes an entry; whatever was there of the key must have been removed before.
    pub(super) fn put(&mut self, waiting: Waiting, slot: Slot, replaces: bool) {
        let name = waiting.key.hash();
        if replaces {
            self.owed = waiting.sequence;
        }
        self.waits.add(waiting.bytes);
        self.queue.push_back(Queued { sequence: waiting.sequence, op: Op::Put { name, replaces } });
        self.index.insert(name, slot, None);
        self.pending.insert(name, waiting);
    }

    /// Removes what there is of a key, without a word on disk. Whether there was something.
    pub(super) fn remove(&mut self, name: u64) -> bool {
        let Some((slot, blob)) = self.index.remove(name) else { return false };
        self.unfill(&slot, blob);
        // Whoever replaces or forgets it takes the next number.
        self.dead_blobs.extend(blob.map(|blob| DeadBlob::new(blob, self.next)));
        if let Some(waiting) = self.pending.remove(&name) {
            self.waits.sub(waiting.bytes);
        }
        true
    }

    fn unfill(&mut self, slot: &Slot, blob: Option<BlobRef>) {
        let bytes = weight(slot, blob);
        if let Some(filling) = self.segments.get_mut(&slot.segment) {
            filling.live = filling.live.saturating_sub(bytes);
            filling.entries = filling.entries.saturating_sub(1);
        }
    }

    /// Forgets a key in a way that lasts. Whether there was something.
    pub(super) fn forget(&mut self, name: u64) -> bool {
        let held = self.remove(name);
        if held {
            self.owe(Op::Forget(name));
        }
        held
    }

    /// Removes an entry that a fence selects: on disk the fence says so. A blob goes at once, so its record is ended as well: it
    /// would look like one whose blob is lost.
    pub(super) fn remove_fenced(&mut self, name: u64) {
        if self.index.get(name).is_some_and(|slot| slot.blob) {
            self.forget(name);
        } else {
            self.remove(name);
        }
    }

    fn owe(&mut self, op: Op) {
        let sequence = self.take_number();
        self.queue.push_back(Queued { sequence, op });
        self.owed = sequence;
        if self.queue.len() > QUEUED_MAX || self.sets_bytes > QUEUED_SETS_BYTES_MAX {
            drop(self.forget_all());
        }
    }

    /// Raises a fence.
    pub(super) fn forget_sets(&mut self, namespace: &Arc<str>, selectors: &[Selector]) {
        if self.index.len() == 0 {
            return;
        }
        for some in selectors.chunks(super::sets::PER_RECORD) {
            self.fences.raise(namespace, some, self.next);
            self.sets_bytes += some.iter().map(Selector::bytes).sum::<usize>();
            self.owe(Op::Sets(namespace.clone(), some.into()));
        }
    }

    /// Forgets everything. What it was is given back, so that it is dropped without the lock.
    pub(super) fn forget_all(&mut self) -> (Index, HashMap<u64, Waiting, RandomState>) {
        let index = std::mem::replace(&mut self.index, Index::new());
        self.dead_blobs.extend(index.blobs().map(|blob| DeadBlob::new(*blob, self.next)));
        let pending = std::mem::replace(&mut self.pending, HashMap::with_hasher(RandomState::new()));
        for filling in self.segments.values_mut() {
            (filling.live, filling.entries) = (0, 0);
        }
        self.queue.clear();
        self.waits.clear();
        self.sets_bytes = 0;
        let sequence = self.take_number();
        self.queue.push_back(Queued { sequence, op: Op::Floor });
        self.owed = sequence;
        (index, pending)
    }

    /// Whether something with these facets, handed over under this number, is not selected by a later fence.
    pub(super) fn allows(&self, namespace: &str, facets: &Facets<'_>, sequence: u64) -> bool {
        self.fences.concerning(namespace, facets).is_none_or(|fence| fence.number < sequence)
    }

    /// Whether no later fence of the namespace at all could select it.
    pub(super) fn certain(&self, namespace: &str, sequence: u64) -> bool {
        self.fences.newest_in(namespace) < sequence
    }

    /// What is waiting under a hash.
    pub(super) fn waiting(&self, name: u64) -> Option<&Waiting> {
        self.pending.get(&name)
    }

    /// Takes what is to be written next: so many operations and bytes at most, and always one.
    pub(super) fn next_batch(&mut self, ops_max: usize, bytes_max: u64) -> Vec<Queued> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while let Some(queued) = self.queue.front() {
            let more = match &queued.op {
                Op::Put { name, .. } => self.pending.get(name).map_or(0, |waiting| waiting.bytes),
                Op::Forget(_) | Op::Sets(..) | Op::Floor => 64,
            };
            if !batch.is_empty() && (batch.len() >= ops_max || bytes + more > bytes_max) {
                break;
            }
            bytes += more;
            batch.extend(self.queue.pop_front());
        }
        batch
    }

    /// Puts back what could not be written: in front, in its order.
    pub(super) fn put_back(&mut self, ops: Vec<Queued>) {
        for queued in ops.into_iter().rev() {
            self.queue.push_front(queued);
        }
    }

    /// Gives up all puts that wait, those in `batch` included: they become forgettings, in the order they had, in front of
    /// what waits besides. With how many they were.
    pub(super) fn give_up_puts(&mut self, batch: Vec<Queued>) -> u64 {
        let mut given_up = 0;
        let queue = std::mem::take(&mut self.queue);
        for queued in batch.into_iter().chain(queue) {
            let Op::Put { name, .. } = queued.op else {
                self.queue.push_back(queued);
                continue;
            };
            if self.pending.get(&name).is_some_and(|waiting| waiting.sequence == queued.sequence) {
                self.remove(name);
                given_up += 1;
            }
            self.owed = self.owed.max(queued.sequence);
            self.queue.push_back(Queued { sequence: queued.sequence, op: Op::Forget(name) });
        }
        given_up
    }

    /// All files are gone, and with them everything that could come back.
    pub(super) fn wiped(&mut self) -> (Index, Vec<Waiter>) {
        let (index, _pending) = self.forget_all();
        self.queue.clear();
        self.segments.clear();
        self.dead_blobs.clear();
        self.blob_bytes = 0;
        self.settled = self.next - 1;
        (index, std::mem::take(&mut self.waiters))
    }

    /// The directory is not there any more: nothing is known of what is in it, or in what is there instead. With who waited
    /// for something to be written.
    pub(super) fn lost(&mut self) -> (Index, Vec<Waiter>) {
        let lost = self.wiped();
        (self.opened, self.unread_forgotten) = (false, true);
        self.owing.lost();
        lost
    }

    pub(super) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Whether something must be written before everything is settled.
    pub(super) fn owes(&self) -> bool {
        self.settled < self.owed
    }

    /// Takes what is to be saved in the place of what was, once all is settled that was forgotten before. Of a directory that
    /// was not read nothing is: what is in it was not told.
    pub(super) fn keep(&mut self, saved: Option<Saved>) {
        if self.opened || saved.is_none() {
            let owed = if saved.is_some() { self.owed } else { 0 };
            self.unsaved = Some((owed, saved));
        }
    }

    /// Takes what may be saved now.
    pub(super) fn take_unsaved(&mut self) -> Option<Option<Saved>> {
        let due = self.opened && self.unsaved.as_ref().is_some_and(|(owed, _)| *owed <= self.settled);
        self.unsaved.take_if(|_| due).map(|(_, saved)| saved)
    }

    /// The newest number that must be written before everything is settled.
    pub(super) fn owed(&self) -> u64 {
        self.owed
    }

    /// Notes that everything up to here is written. With who waited for that.
    pub(super) fn settle(&mut self, upto: u64, done: &[Queued]) -> Vec<Waiter> {
        for queued in done {
            if let Op::Sets(_, selectors) = &queued.op {
                let bytes: usize = selectors.iter().map(Selector::bytes).sum();
                self.sets_bytes = self.sets_bytes.saturating_sub(bytes);
            }
        }
        self.settled = self.settled.max(upto);
        self.settle_idle();
        let settled = self.settled;
        self.waiters.extract_if(.., |waiter| waiter.0 <= settled).collect()
    }

    /// When nothing waits and nothing is on its way, all numbers that were given are settled.
    pub(super) fn settle_idle(&mut self) {
        if self.queue.is_empty() {
            self.settled = self.next - 1;
        }
    }

    /// Takes the blobs that may be removed now.
    pub(super) fn take_dead_blobs(&mut self) -> Vec<DeadBlob> {
        // What no number was taken for has ended, or is fenced: nothing has to be written first.
        let settled = if self.settled + 1 == self.next { u64::MAX } else { self.settled };
        self.dead_blobs.extract_if(.., |blob| blob.after <= settled).collect()
    }

    /// Notes where an entry was written, if it is still the one that was under its hash with this number.
    pub(super) fn placed(&mut self, segment: u32, row: &Row, was: u64) {
        let name = row.name;
        let Some(mut slot) = self.index.get(name).copied().filter(|slot| slot.sequence == was) else {
            // It was replaced or forgotten meanwhile; what was carried over went with what took its place.
            let own = row.blob.filter(|blob| blob.id == row.sequence);
            self.dead_blobs.extend(own.map(|blob| DeadBlob::new(blob, self.next)));
            return;
        };
        if slot.waits() {
            if let Some(waiting) = self.pending.remove(&name) {
                self.waits.sub(waiting.bytes);
            }
        } else {
            let blob = self.index.blob(name);
            self.unfill(&slot, blob);
            (slot.carried, slot.reads) = (slot.carried.saturating_add(1), slot.reads / 2);
        }
        slot = Slot { sequence: row.sequence, segment, offset: row.offset, length: row.length, ..slot };
        slot.blob = row.blob.is_some();
        self.index.insert(name, slot, row.blob);
        let filling = self.segments.entry(segment).or_default();
        filling.live += row.weight();
        filling.entries += 1;
    }

    /// Forgets fences that select nothing any more, because everything as old is gone.
    pub(super) fn forget_fences(&mut self) {
        if let Some(first) = self.segments.values().map(|filling| filling.first).min() {
            let oldest = self.settled.min(first);
            self.fences.forget_below(oldest);
        }
    }

    /// Bytes of all files.
    pub(super) fn used(&self) -> u64 {
        self.segments.values().map(|filling| filling.file).sum::<u64>()
            + self.blob_bytes
            + self.foreign
            + self.owing.bytes()
    }

    /// Bytes of all files, and entries.
    pub(super) fn filled(&self) -> (u64, u64) {
        (self.used(), self.index.len())
    }

    /// Removes an entry whose segment is gone.
    pub(super) fn evict(&mut self, name: u64, segment: u32) {
        let blobs = self.dead_blobs.len();
        if self.index.get(name).is_some_and(|slot| slot.segment == segment) && self.remove(name) {
            self.evicted += 1;
            // No record names it any more.
            self.dead_blobs[blobs..].iter_mut().for_each(|blob| blob.after = 0);
        }
    }

    /// Bytes of what lives.
    pub(super) fn live(&self) -> u64 {
        self.segments.values().map(|filling| filling.live).sum()
    }
}

/// Bytes that an entry takes on disk.
pub(super) fn weight(slot: &Slot, blob: Option<BlobRef>) -> u64 {
    let record = super::frame::FRAME_BYTES as u64 + u64::from(slot.length);
    record + blob.map_or(0, |blob| blob::file_bytes(blob.bytes))
}
