//! When the disk fails: stepping aside, making sure that nothing forgotten can come back, and coming back by itself.

use std::io;

use super::{
    blob,
    counters::Dropped,
    files::gone,
    ledger::Queued,
    lock::{LOCK, Lock},
    log::Log,
    reclaim::Carry,
    recover,
    trouble::{Backoff, Fault, Step, Trouble},
    writer::Writer,
};

/// Segments given up, oldest first, for the room that forgetting takes on a full disk.
const GIVEN_UP_MAX: usize = 4;
/// Operations in one attempt; what waits besides follows.
const FORCED_OPS_MAX: usize = 1 << 16;
/// Bytes that must fit before a full disk counts as having room again.
const PROBE_BYTES: u64 = 256 << 10;

impl Writer {
    /// Notes a failure: puts are given up, what must not be lost goes back into the queue.
    pub(super) fn step_aside(&mut self, batch: Vec<Queued>, fault: &Fault) {
        self.core.counters.failed(fault.step);
        self.log.give_up(&self.core);
        self.must_wipe |= fault.step == Step::Syncing;
        let full = fault.error.kind() == io::ErrorKind::StorageFull;
        let mut ledger = self.core.ledger.lock();
        let given_up = ledger.give_up_puts(batch);
        ledger.dead_blobs.append(&mut self.unnamed);
        ledger.trouble = Some(Trouble::new(fault, &self.core.options.path));
        drop(ledger);
        let why = if full { Dropped::Full } else { Dropped::Failed };
        (0..given_up).for_each(|_| self.core.counters.dropped(why));
        self.again = self.pace.now().after(self.backoff.next());
    }

    /// While the tier is aside and somebody waits: what is owed is written all the same, or everything is removed. Only when
    /// neither is possible are they told that it is not settled.
    pub(super) fn settle_by_force(&mut self) {
        if !self.core.ledger.lock().opened {
            self.refuse();
            return;
        }
        let unwritten = self.must_wipe || self.write_owed().is_err();
        if unwritten && self.wipe().is_err() {
            self.must_wipe = true;
            self.refuse();
        }
    }

    fn refuse(&self) {
        let (waiters, error) = {
            let mut ledger = self.core.ledger.lock();
            let error = ledger.trouble.as_ref().map(Trouble::error);
            (std::mem::take(&mut ledger.waiters), error)
        };
        for (_, waiter) in waiters {
            if let Some(error) = error.clone() {
                // Who does not wait any more need not be told.
                let _gone = waiter.send(Err(error));
            }
        }
    }

    /// Writes what is in the queue, which is no puts any more, giving up old segments for it on a full disk.
    fn write_owed(&mut self) -> Result<(), Fault> {
        let (mut given_up, mut written) = (0, false);
        while !written {
            let batch = self.core.ledger.lock().next_batch(FORCED_OPS_MAX, u64::MAX);
            let result = self.write_batch(&batch);
            let Err(fault) = result else {
                written = self.core.ledger.lock().queued() == 0;
                continue;
            };
            self.log.give_up(&self.core);
            self.core.ledger.lock().put_back(batch);
            let full = fault.error.kind() == io::ErrorKind::StorageFull;
            given_up += 1;
            if !full || given_up > GIVEN_UP_MAX || !self.reclaim_oldest(Carry::Nothing)? {
                return Err(fault);
            }
        }
        Ok(())
    }

    /// Removes all segments, oldest first, and all blobs: nothing that was here can come back.
    fn wipe(&mut self) -> io::Result<()> {
        self.log.give_up(&self.core);
        let (files, directory) = (self.core.files.clone(), self.core.options.path.clone());
        let segments: Vec<u32> = self.core.ledger.lock().segments.keys().copied().collect();
        for id in &segments {
            gone(files.remove(&self.core.segment_path(*id)))?;
        }
        files.sync_directory(&directory)?;
        let (index, waiters) = self.core.ledger.lock().wiped();
        segments.into_iter().for_each(|id| self.core.shut(id));
        self.must_wipe = false;
        drop(index);
        for (_, waiter) in waiters {
            // Who does not wait any more need not be told.
            let _gone = waiter.send(Ok(()));
        }
        self.remove_all_blobs();
        Ok(())
    }

    /// Nothing names them any more: one that cannot be removed only takes room, and is found at the next start.
    fn remove_all_blobs(&self) {
        let directory = self.core.options.path.join(blob::DIRECTORY);
        for (name, _) in self.core.files.list(&directory).unwrap_or_default() {
            if self.core.files.remove(&directory.join(name)).is_err() {
                self.core.counters.failed(Step::Removing);
            }
        }
    }

    /// When the directory, or the file that says whose it is, was removed or replaced: another process may use it, and what
    /// is written here nobody finds. It is given up, and taken anew when that can be.
    pub(super) fn see_whether_it_is_there(&mut self) {
        if self.held.as_ref().is_none_or(Lock::holds) {
            return;
        }
        let error = io::Error::other(format!("it, or its file {LOCK}, was removed or replaced while it was in use"));
        let fault = Step::Opening.of()(error);
        tracing::warn!(
            path = %self.core.options.path.display(),
            "the directory of the disk tier, or its lock file, was removed or replaced: all that was in it is forgotten; do \
             not put it back"
        );
        self.core.counters.failed(fault.step);
        (self.held, self.high, self.log, self.unnamed) = (None, None, Log::default(), Vec::new());
        self.owed = None;
        (self.must_wipe, self.unforced_removal) = (false, false);
        let mut ledger = self.core.ledger.lock();
        let trouble = Trouble::new(&fault, &self.core.options.path);
        let (index, waiters) = ledger.lost();
        ledger.trouble = Some(trouble.clone());
        drop(ledger);
        drop(index);
        self.core.shut_all();
        for (_, waiter) in waiters {
            // Who does not wait any more need not be told.
            let _gone = waiter.send(Err(trouble.error()));
        }
        self.again = self.pace.now().after(self.backoff.next());
    }

    /// When it is time to: sees whether the disk works again.
    pub(super) fn come_back(&mut self) {
        let (opened, step) = {
            let ledger = self.core.ledger.lock();
            (ledger.opened, ledger.trouble.as_ref().map(|trouble| trouble.step))
        };
        if self.pace.now() < self.again || (step.is_none() && opened) {
            return;
        }
        match self.attempt(opened, step) {
            Ok(()) => {
                self.backoff = Backoff::default();
                self.core.ledger.lock().trouble = None;
            }
            Err(fault) => {
                self.core.counters.failed(fault.step);
                self.again = self.pace.now().after(self.backoff.next());
                self.core.ledger.lock().trouble = Some(Trouble::new(&fault, &self.core.options.path));
            }
        }
    }

    fn attempt(&mut self, opened: bool, step: Option<Step>) -> Result<(), Fault> {
        if !opened {
            return recover::open(self);
        }
        if step == Some(Step::Reading) {
            // Whether it works is seen by the next who reads.
            return Ok(());
        }
        if self.must_wipe {
            self.wipe().map_err(Step::Removing.of())?;
        }
        self.probe().map_err(Step::Writing.of())
    }

    /// Writes a file and removes it.
    fn probe(&self) -> io::Result<()> {
        let files = self.core.files.as_ref();
        let path = self.core.options.path.join("probe");
        gone(files.remove(&path))?;
        let file = files.create(&path)?;
        let bytes = vec![0x5a; usize::try_from(PROBE_BYTES.min(self.core.options.inline_bytes())).unwrap_or(0)];
        let written = file.write_all(&bytes, 0).and_then(|()| file.sync());
        files.remove(&path)?;
        written
    }
}
