//! The embedded disk tier: append-only segments, a file for each large value, an index in memory. It is opened, handed
//! entries and asked for them here; `docs/disk.md` says what is in the files and what happens when the disk fails.
//!
//! | file | what |
//! |---|---|
//! | `core.rs`, `ledger.rs`, `index.rs`, `waits.rs` | what is known: the order of all that was handed over, where entries lie |
//! | `writer.rs`, `log.rs`, `reclaim.rs`, `aside.rs` | the thread that writes, makes room, and steps aside |
//! | `recover.rs`, `verify.rs`, `report.rs` | what is found in a directory, and what is said of it |
//! | `frame.rs`, `segment.rs`, `sets.rs`, `blob.rs`, `clock.rs`, `positions.rs`, `owed.rs`, `dictionary.rs` | the formats of the files |
//! | `reads.rs` | finding entries |
//! | `files.rs`, `lock.rs`, `window.rs` | the file system |

mod aside;
mod blob;
mod clock;
mod core;
mod counters;
mod dictionary;
mod files;
mod frame;
mod index;
mod ledger;
mod lock;
mod log;
mod options;
mod owed;
mod positions;
mod reads;
mod reclaim;
mod recover;
mod report;
mod segment;
mod sets;
mod trouble;
mod verify;
mod waits;
mod window;
mod writer;

use std::{io, sync::Arc, thread::JoinHandle};

use futures::{FutureExt, channel::oneshot, future::BoxFuture};
use hotplate_engine::{
    clock::Clock,
    key::Key,
    selector::Selector,
    task::Tasks,
    tier::{
        Kept, TierError, TierErrorKind, TierName, TierState,
        local::{HandedDown, LocalTier, Owed, Saved},
        shared::FenceName,
        steps::Steps,
    },
};
use parking_lot::Mutex;

use self::{
    core::Core,
    dictionary::Dictionaries,
    files::{Files, System},
    reads::Reads,
    trouble::{Step, Trouble},
    writer::Writer,
};
pub use self::{
    lock::is_foreign,
    options::{BYTES_MIN, DiskError, DiskOptions, Sync},
    verify::{Verified, verify},
};
use crate::codec::Codec;

/// A disk tier. It belongs to this process alone; dropping it without [`LocalTier::close`] is as if the process had ended.
#[derive(Debug)]
pub struct DiskTier {
    core: Arc<Core>,
    reads: Arc<Reads>,
    thread: Mutex<Option<JoinHandle<()>>>,
    tasks: Tasks,
}

impl DiskTier {
    /// Opens a directory and reads what is in it, which takes milliseconds for each 10,000 entries. What may pass by itself
    /// (a disk that fails, is full, or may only be read) is no error: then the tier is away, says why, and tries again.
    ///
    /// # Errors
    /// An option is out of its bounds, another process uses the directory, or something else lies in it.
    pub fn open(options: DiskOptions, codec: Arc<Codec>, clock: Clock) -> Result<Arc<Self>, DiskError> {
        Self::open_on(options, codec, clock, Arc::new(System))
    }

    fn open_on(
        options: DiskOptions,
        codec: Arc<Codec>,
        clock: Clock,
        files: Arc<dyn Files>,
    ) -> Result<Arc<Self>, DiskError> {
        options.check()?;
        let path = options.path.clone();
        let dictionaries = Arc::new(Dictionaries::new(files.clone(), &path));
        let core = Arc::new(Core::new(options, files, codec, clock));
        let mut writer = Writer::new(core.clone());
        if let Err(fault) = recover::open(&mut writer) {
            match fault.error.kind() {
                io::ErrorKind::ResourceBusy => return Err(DiskError::InUse(path)),
                io::ErrorKind::DirectoryNotEmpty => return Err(DiskError::NotOurs(path)),
                _ if core.options.required => return Err(DiskError::Unusable(trouble::unusable(&path, &fault.error))),
                _ => {}
            }
            core.counters.failed(Step::Opening);
            core.ledger.lock().trouble = Some(Trouble::new(&fault, &core.options.path));
        }
        let run = move || writer.run();
        let thread = std::thread::Builder::new().name("hotplate-disk".to_owned()).spawn(run);
        let thread = Mutex::new(Some(thread.map_err(DiskError::Thread)?));
        let tasks = Tasks::new();
        if tokio::runtime::Handle::try_current().is_ok() {
            let (codec, store) = (core.codec.clone(), dictionaries.clone());
            tasks.spawn("dictionaries", async move { codec.keep_trained(store).await });
        }
        let reads = Arc::new(Reads::new(core.clone(), dictionaries));
        Ok(Arc::new(Self { core, reads, thread, tasks }))
    }
}

impl LocalTier for DiskTier {
    fn name(&self) -> TierName {
        TierName::Disk
    }

    fn put(&self, key: &Key, kept: Kept, _why: HandedDown) -> bool {
        self.core.put(key, kept)
    }

    fn forget(&self, key: &Key) -> bool {
        self.core.forget(key)
    }

    fn forget_sets(&self, namespace: &Arc<str>, selectors: &[Selector]) {
        self.core.forget_sets(namespace, selectors);
    }

    fn forget_dependents(&self, namespace: &Arc<str>, selectors: &[Selector]) {
        let dependents = sets::dependents(selectors);
        if !dependents.is_empty() {
            self.core.forget_sets(namespace, &dependents);
        }
    }

    fn forget_all(&self) {
        self.core.forget_all();
    }

    fn settled(&self) -> BoxFuture<'_, Result<(), TierError>> {
        let mut ledger = self.core.ledger.lock();
        if !ledger.opened && ledger.unread_forgotten {
            let error = ledger.trouble.as_ref().map_or_else(closed, Trouble::error);
            return async { Err(error) }.boxed();
        }
        if !ledger.owes() {
            return async { Ok(()) }.boxed();
        }
        let (told, settled) = oneshot::channel();
        let owed = ledger.owed();
        ledger.waiters.push((owed, told));
        drop(ledger);
        self.core.wake.notify_one();
        async { settled.await.unwrap_or_else(|_closed| Err(closed())) }.boxed()
    }

    /// Also that it can be read.
    fn answers(&self) -> BoxFuture<'_, Result<(), TierError>> {
        async {
            self.reads.answer().await?;
            self.settled().await
        }
        .boxed()
    }

    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Kept>, TierError>> {
        async { self.reads.get(key, &Steps::new()).await }.boxed()
    }

    fn is_large(&self, key: &Key) -> bool {
        self.core.is_blob(key)
    }

    fn get_in_steps<'a>(&'a self, key: &'a Key, steps: &'a Steps) -> BoxFuture<'a, Result<Option<Kept>, TierError>> {
        self.reads.get(key, steps).boxed()
    }

    fn holds(&self, key: &Key) -> bool {
        self.core.holds(key)
    }

    fn may_hold(&self, key: &Key) -> bool {
        self.core.may_hold(key)
    }

    fn positions(&self) -> Option<Saved> {
        self.core.ledger.lock().positions.clone()
    }

    fn save_positions(&self, saved: Option<Saved>) {
        self.core.ledger.lock().keep(saved);
        self.core.wake.notify_one();
    }

    fn take_owed(&self) -> Owed {
        self.core.ledger.lock().owing.take_found()
    }

    fn owe(&self, names: &[FenceName]) {
        self.core.ledger.lock().owing.add(names);
        self.core.wake.notify_one();
    }

    fn owe_only(&self, names: &[FenceName]) {
        self.core.ledger.lock().owing.replace(names);
        self.core.wake.notify_one();
    }

    fn owed_kept(&self) -> BoxFuture<'_, Result<(), TierError>> {
        let mut ledger = self.core.ledger.lock();
        if ledger.owing.is_kept() {
            return async { Ok(()) }.boxed();
        }
        if !ledger.opened || ledger.closing {
            let error = ledger.trouble.as_ref().map_or_else(closed, Trouble::error);
            return async { Err(error) }.boxed();
        }
        let (told, kept) = oneshot::channel();
        ledger.owing.wait(told);
        drop(ledger);
        self.core.wake.notify_one();
        async { kept.await.unwrap_or_else(|_closed| Err(closed())) }.boxed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        async {
            self.core.ledger.lock().closing = true;
            self.core.wake.notify_one();
            self.tasks.close();
            self.tasks.ended().await;
            // A disk that hangs must not hold up the process for ever.
            let _in_time = tokio::time::timeout(reads::CLOSING_MAX, self.reads.close()).await;
            let Some(thread) = self.thread.lock().take() else { return };
            let joined = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                tracing::error!("the thread that writes to the disk did not end as it should");
            }
        }
        .boxed()
    }

    fn state(&self) -> TierState {
        self.core.state()
    }
}

impl Drop for DiskTier {
    fn drop(&mut self) {
        self.core.ledger.lock().abandoned = true;
        self.core.wake.notify_one();
        if let Some(thread) = self.thread.lock().take() {
            // It ends after the batch that it is writing; that it failed has been said.
            let _ended = thread.join();
        }
    }
}

fn closed() -> TierError {
    TierError { kind: TierErrorKind::Away, message: "disk: it is closed".to_owned() }
}

#[cfg(test)]
mod tests;
