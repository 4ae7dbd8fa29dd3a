//! What the callers' side and the writer's side share, and the callers' side of it: handing over, forgetting, looking up.
//! Nothing here waits for I/O.

use std::{
    num::NonZeroUsize,
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use hotplate_engine::{
    clock::Clock,
    key::Key,
    selector::{Facets, Selector},
    tier::{Kept, TierError, TierErrorKind, TierHealth, TierState, steps::Steps},
};
use lru::LruCache;
use parking_lot::{Condvar, Mutex};

use super::{
    DiskOptions, blob,
    clock::{Wall, millis},
    counters::{Counters, Dropped, count},
    files::{Files, Handle},
    frame::{BlobRef, Note},
    index::{NEVER, Slot, seconds},
    ledger::{Ledger, QUEUED_PUTS_MAX, Waiting},
    report,
    trouble::{Step, Trouble},
};
use crate::codec::Codec;

/// Segments that are kept open for reading.
const OPEN_SEGMENTS: NonZeroUsize = NonZeroUsize::new(128).expect("not zero");
/// Failed reads in a row after which nothing is read for a while.
const FAILED_READS_MAX: u32 = 3;
/// Bytes charged to a waiting entry besides its value and its texts.
const WAITING_BYTES: u64 = 512;

/// Both sides.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) options: DiskOptions,
    pub(super) files: Arc<dyn Files>,
    pub(super) codec: Arc<Codec>,
    pub(super) wall: Wall,
    pub(super) ledger: Mutex<Ledger>,
    /// Wakes the writer.
    pub(super) wake: Condvar,
    pub(super) counters: Counters,
    pub(super) recovery: OnceLock<Duration>,
    open: Mutex<LruCache<u32, Arc<dyn Handle>>>,
    failed_reads: AtomicU32,
}

/// Where an entry lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) name: u64,
    pub(super) sequence: u64,
    pub(super) segment: u32,
    pub(super) offset: u32,
    pub(super) length: u32,
    pub(super) salt: u64,
    pub(super) blob: Option<BlobRef>,
}

/// What is known of a key without I/O.
#[derive(Debug)]
pub(super) enum Known {
    Nothing,
    /// It waits to be written, and is whole.
    Waits(Box<Kept>),
    Lies(Place),
}

/// Whether what was read is what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is.
    Holds,
    /// It was forgotten, or has ended.
    Gone,
    /// It lies somewhere else by now, or another is in its place: look again.
    Moved,
}

impl Core {
    pub(super) fn new(options: DiskOptions, files: Arc<dyn Files>, codec: Arc<Codec>, clock: Clock) -> Self {
        Self {
            ledger: Mutex::new(Ledger::new(options.fences_max, options.queue_bytes_max)),
            options,
            files,
            codec,
            wall: Wall::new(clock),
            wake: Condvar::new(),
            counters: Counters::default(),
            recovery: OnceLock::new(),
            open: Mutex::new(LruCache::new(OPEN_SEGMENTS)),
            failed_reads: AtomicU32::new(0),
        }
    }

    pub(super) fn segment_path(&self, id: u32) -> PathBuf {
        self.options.path.join(format!("{id:08x}.seg"))
    }

    /// What the index has to know of an entry, in the disk's time.
    pub(super) fn note(&self, kept: &Kept) -> Note {
        let behind = self.wall.behind();
        Note {
            stored: millis(kept.stored.saturating_add(behind)),
            ends: millis(kept.usable_until.saturating_add(behind)),
            idle: kept.idle_ttl.map_or(0, |idle| millis(idle).max(1)),
            cost: kept.cost.map_or(0, |cost| u32::try_from(millis(cost)).unwrap_or(u32::MAX)),
        }
    }

    /// When an entry ends that was last used at `used`: by its deadline, its age or being unread, whichever is first.
    pub(super) fn ends(&self, note: &Note, used: u64) -> u32 {
        let age = self.options.age_max.map_or(u64::MAX, |age| note.stored.saturating_add(millis(age)));
        let idle = if note.idle == 0 { u64::MAX } else { used.saturating_add(note.idle) };
        seconds(note.ends.min(age).min(idle))
    }

    /// Takes an entry. What there was of the key is forgotten in any case.
    pub(super) fn put(&self, key: &Key, kept: Kept) -> bool {
        let value = kept.value_bytes();
        let bytes = value + (kept.description.bytes() + key.text().len()) as u64 + WAITING_BYTES;
        let note = self.note(&kept);
        let now = self.wall.now();
        let ends = self.ends(&note, now);
        let mut ledger = self.ledger.lock();
        let over = note.ends <= now || (ends != NEVER && now / 1000 >= u64::from(ends));
        if let Some(why) = self.refusal(&ledger, (value, bytes), over) {
            self.forget_in(&mut ledger, key.hash());
            drop(ledger);
            self.counters.dropped(why);
            return false;
        }
        let replaces = ledger.remove(key.hash());
        let sequence = ledger.take_number();
        let slot = Slot {
            sequence,
            segment: 0,
            offset: 0,
            length: 0,
            ends,
            cost: note.cost,
            reads: 0,
            carried: 0,
            blob: false,
        };
        ledger.put(Waiting { sequence, key: key.clone(), kept, bytes }, slot, replaces);
        drop(ledger);
        self.wake.notify_one();
        true
    }

    fn refusal(&self, ledger: &Ledger, (value, bytes): (u64, u64), over: bool) -> Option<Dropped> {
        let away = ledger.trouble.as_ref().is_some_and(|trouble| trouble.step != Step::Reading);
        if ledger.closing || !ledger.opened || away {
            return Some(Dropped::Away);
        }
        if value > self.options.value_bytes() {
            return Some(Dropped::TooLarge);
        }
        if !ledger.waits.takes(bytes) || ledger.queued() >= QUEUED_PUTS_MAX {
            return Some(Dropped::QueueFull);
        }
        over.then_some(Dropped::Ended)
    }

    fn forget_in(&self, ledger: &mut Ledger, name: u64) -> bool {
        if !ledger.opened {
            ledger.unread_forgotten = true;
            return false;
        }
        let held = ledger.forget(name);
        if held {
            self.wake.notify_one();
        }
        held
    }

    pub(super) fn forget(&self, key: &Key) -> bool {
        self.forget_in(&mut self.ledger.lock(), key.hash())
    }

    pub(super) fn forget_sets(&self, namespace: &Arc<str>, selectors: &[Selector]) {
        let mut ledger = self.ledger.lock();
        if ledger.opened {
            ledger.forget_sets(namespace, selectors);
        } else {
            ledger.unread_forgotten = true;
        }
        drop(ledger);
        self.wake.notify_one();
    }

    pub(super) fn forget_all(&self) {
        let mut ledger = self.ledger.lock();
        if !ledger.opened {
            ledger.unread_forgotten = true;
            return;
        }
        let forgotten = ledger.forget_all();
        drop(ledger);
        self.wake.notify_one();
        drop(forgotten);
    }

    pub(super) fn holds(&self, key: &Key) -> bool {
        let now = self.wall.now();
        let ledger = self.ledger.lock();
        let slot = ledger.index.get(key.hash()).filter(|slot| !slot.over(now));
        // What it was made from is not known here: after a fence that might select it the answer is no.
        slot.is_some_and(|slot| ledger.certain(key.namespace(), slot.sequence))
    }

    /// Whether reading might find something: also where a fence might select what lies there, and where nothing can be read
    /// now.
    pub(super) fn may_hold(&self, key: &Key) -> bool {
        let now = self.wall.now();
        let ledger = self.ledger.lock();
        !ledger.opened || ledger.trouble.is_some() || ledger.index.get(key.hash()).is_some_and(|slot| !slot.over(now))
    }

    /// What is known of a key, if reading is possible at all.
    pub(super) fn find(&self, key: &Key) -> Result<Known, TierError> {
        let now = self.wall.now();
        let mut ledger = self.ledger.lock();
        if !ledger.opened || ledger.closing {
            let why = ledger.trouble.as_ref().map_or("it is closed", |trouble| &trouble.why);
            return Err(away(why));
        }
        if let Some(trouble) = ledger.trouble.as_ref().filter(|trouble| trouble.step == Step::Reading) {
            return Err(away(&trouble.why));
        }
        let name = key.hash();
        let Some(slot) = ledger.index.get(name).copied() else { return Ok(Known::Nothing) };
        if slot.over(now) {
            ledger.remove(name);
            return Ok(Known::Nothing);
        }
        if slot.waits() {
            let waiting = ledger.waiting(name).filter(|waiting| waiting.key == *key);
            let waiting = waiting.filter(|waiting| {
                let made_from = made_from(&waiting.kept);
                ledger.allows(key.namespace(), &facets(key, &waiting.kept, &made_from), waiting.sequence)
            });
            return Ok(waiting.map_or(Known::Nothing, |waiting| Known::Waits(Box::new(waiting.kept.clone()))));
        }
        let Some(filling) = ledger.segments.get(&slot.segment) else { return Ok(Known::Nothing) };
        Ok(Known::Lies(Place {
            name,
            sequence: slot.sequence,
            segment: slot.segment,
            offset: slot.offset,
            length: slot.length,
            salt: filling.salt,
            blob: ledger.index.blob(name),
        }))
    }

    /// Whether an entry that was read is what there is of its key now. Notes that it was read.
    pub(super) fn confirm(&self, key: &Key, place: &Place, kept: &Kept) -> Standing {
        let (note, now) = (self.note(kept), self.wall.now());
        let made_from = made_from(kept);
        let mut ledger = self.ledger.lock();
        let Some(slot) = ledger.index.get(place.name).copied() else { return Standing::Gone };
        if slot.sequence != place.sequence {
            return Standing::Moved;
        }
        let allowed = ledger.allows(key.namespace(), &facets(key, kept, &made_from), slot.sequence);
        if !allowed || note.ends <= now {
            ledger.remove_fenced(place.name);
            return Standing::Gone;
        }
        let ends = self.ends(&note, now);
        if let Some(slot) = ledger.index.get_mut(place.name) {
            slot.reads = slot.reads.saturating_add(1);
            slot.ends = ends;
        }
        Standing::Holds
    }

    /// Drops an entry that is damaged. Whether it still was the one of its key.
    pub(super) fn damaged(&self, place: &Place) -> bool {
        let mut ledger = self.ledger.lock();
        let there = ledger.index.get(place.name).is_some_and(|slot| slot.sequence == place.sequence);
        if there {
            count(&self.counters.corrupt, 1);
            self.forget_in(&mut ledger, place.name);
            drop(ledger);
            report::met(&self.options.path, place.segment, self.counters.corrupt.load(Relaxed));
        }
        there
    }

    /// Notes how a read went.
    pub(super) fn read_went(&self, error: Option<std::io::Error>) {
        let Some(error) = error else {
            self.failed_reads.store(0, Relaxed);
            return;
        };
        self.counters.failed(Step::Reading);
        if self.failed_reads.fetch_add(1, Relaxed) + 1 >= FAILED_READS_MAX {
            self.failed_reads.store(0, Relaxed);
            let mut ledger = self.ledger.lock();
            if ledger.trouble.is_none() {
                ledger.trouble = Some(Trouble::new(&Step::Reading.of()(error), &self.options.path));
                self.wake.notify_one();
            }
        }
    }

    /// A segment, if it is open for reading already.
    pub(super) fn open_segment(&self, id: u32) -> Option<Arc<dyn Handle>> {
        self.open.lock().get(&id).cloned()
    }

    /// A segment, open for reading.
    pub(super) fn segment(&self, id: u32) -> std::io::Result<Arc<dyn Handle>> {
        if let Some(file) = self.open_segment(id) {
            return Ok(file);
        }
        let file = self.files.open(&self.segment_path(id))?;
        // It may have been removed meanwhile: kept open it would go on taking room that nobody counts.
        let ledger = self.ledger.lock();
        if ledger.segments.contains_key(&id) {
            self.open.lock().put(id, file.clone());
        }
        Ok(file)
    }

    /// Forgets that a segment is open, after it was taken out of the ledger.
    pub(super) fn shut(&self, id: u32) {
        self.open.lock().pop(&id);
    }

    /// Forgets all segments that are open.
    pub(super) fn shut_all(&self) {
        self.open.lock().clear();
    }

    /// Its state and counters.
    pub(super) fn state(&self) -> TierState {
        let ledger = self.ledger.lock();
        let health = match &ledger.trouble {
            Some(trouble) => trouble.health(),
            None if ledger.closing => TierHealth::Away,
            None if !ledger.opened => TierHealth::CatchingUp,
            None => TierHealth::Up,
        };
        let why = ledger.trouble.as_ref().map(|trouble| trouble.why.clone());
        let (entries, bytes, evicted) = (ledger.index.len(), ledger.used(), ledger.evicted);
        let memory_bytes = ledger.index.memory_bytes() + ledger.waits.all() + self.codec.memory_bytes();
        let debt = ledger.owed().saturating_sub(ledger.settled).min(ledger.queued() as u64);
        drop(ledger);
        let counter = |counter: &std::sync::atomic::AtomicU64| counter.load(Relaxed);
        TierState {
            health,
            why,
            place: Some(self.options.path.display().to_string()),
            entries: Some(entries),
            bytes: Some(bytes),
            bytes_max: Some(self.options.bytes_max),
            memory_bytes,
            hits: counter(&self.counters.hits),
            misses: counter(&self.counters.misses),
            puts: counter(&self.counters.puts),
            dropped: self.counters.all_dropped(),
            evicted,
            corrupt: counter(&self.counters.corrupt),
            errors: self.counters.all_failed(),
            codec: self.codec.state(),
            debt,
            recovery: self.recovery.get().copied(),
            ..TierState::default()
        }
    }

    /// Whether an entry lies in a file of its own.
    pub(super) fn is_blob(&self, key: &Key) -> bool {
        self.ledger.lock().index.get(key.hash()).is_some_and(|slot| slot.blob)
    }

    /// Where blobs are read from.
    pub(super) fn blob(&self, blob: &BlobRef, steps: Steps) -> std::io::Result<Option<blob::Reading>> {
        blob::open(self.files.as_ref(), &self.options.path, blob, steps)
    }
}

/// All that an entry was made from.
pub(super) fn made_from(kept: &Kept) -> Vec<Arc<str>> {
    super::sets::made_from(&kept.description)
}

/// What of an entry a fence looks at.
pub(super) fn facets<'a>(key: &'a Key, kept: &'a Kept, made_from: &'a [Arc<str>]) -> Facets<'a> {
    let description = &kept.description;
    Facets { key: key.text(), kind: &description.kind, tags: &description.tags, depends_on: made_from }
}

fn away(why: &str) -> TierError {
    TierError { kind: TierErrorKind::Away, message: format!("disk: {why}") }
}
