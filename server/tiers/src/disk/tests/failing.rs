//! A file system that fails when it is told to. What follows from that is tested beside.

use std::{
    collections::HashSet,
    io::{self, Error},
    path::Path,
    sync::Arc,
    thread::{self, ThreadId},
    time::Duration,
};

use parking_lot::{Condvar, Mutex};

use crate::disk::files::{Files, Handle, System};

pub(super) const EIO: i32 = 5;
pub(super) const ENOSPC: i32 = 28;
pub(super) const EROFS: i32 = 30;

/// What fails, by the number of the error.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fails {
    pub(super) create: Option<i32>,
    pub(super) write: Option<i32>,
    pub(super) read: Option<i32>,
    pub(super) sync: Option<i32>,
    pub(super) remove: Option<i32>,
    pub(super) list: Option<i32>,
    pub(super) cut: Option<i32>,
    /// What is read needs no waiting for the medium.
    pub(super) in_memory: bool,
    /// A read takes so long.
    pub(super) slow: Option<Duration>,
    /// Writes and reads take so many bytes at a time.
    pub(super) short: Option<usize>,
    /// Bytes that may still be written; then the disk is full, or has crashed.
    pub(super) left: Option<u64>,
    /// When nothing is left everything fails: the process has ended.
    pub(super) crashes: bool,
}

impl Fails {
    /// As a file system that was mounted again for reading only.
    pub(super) fn read_only() -> Self {
        let rofs = Some(EROFS);
        Self { create: rofs, write: rofs, remove: rofs, cut: rofs, ..Self::default() }
    }
}

/// A file system that fails as it is told; the real one, unless it is above another.
#[derive(Debug)]
pub(super) struct Failing {
    fails: Arc<Mutex<Fails>>,
    pub(super) gate: Arc<Gate>,
    inner: Arc<dyn Files>,
}

/// Where reads wait while it is shut.
#[derive(Debug, Default)]
pub(super) struct Gate {
    passing: Mutex<Passing>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Passing {
    shut: bool,
    arrived: usize,
    threads: HashSet<ThreadId>,
}

impl Gate {
    pub(super) fn shut(&self, shut: bool) {
        self.passing.lock().shut = shut;
        self.changed.notify_all();
    }

    /// Reads that came so far.
    pub(super) fn arrived(&self) -> usize {
        self.passing.lock().arrived
    }

    /// Whether this thread made a call that may wait for the medium.
    pub(super) fn saw_this_thread(&self) -> bool {
        self.passing.lock().threads.contains(&thread::current().id())
    }

    fn see(&self) {
        self.passing.lock().threads.insert(thread::current().id());
    }

    fn pass(&self) {
        self.see();
        let mut passing = self.passing.lock();
        passing.arrived += 1;
        while passing.shut {
            self.changed.wait(&mut passing);
        }
    }

    fn is_shut(&self) -> bool {
        self.passing.lock().shut
    }
}

impl Default for Failing {
    fn default() -> Self {
        Self::over(Arc::new(System))
    }
}

fn fail(error: Option<i32>) -> io::Result<()> {
    error.map_or(Ok(()), |error| Err(Error::from_raw_os_error(error)))
}

impl Failing {
    pub(super) fn over(inner: Arc<dyn Files>) -> Self {
        Self { fails: Arc::default(), gate: Arc::default(), inner }
    }

    pub(super) fn set(&self, fails: Fails) {
        *self.fails.lock() = fails;
    }

    fn check(&self, which: impl Fn(&Fails) -> Option<i32>) -> io::Result<()> {
        self.gate.see();
        let fails = *self.fails.lock();
        fail(which(&fails).or_else(|| crashed(&fails)))
    }

    fn wrap(&self, inner: Arc<dyn Handle>) -> Arc<dyn Handle> {
        Arc::new(FailingHandle { inner, fails: self.fails.clone(), gate: self.gate.clone() })
    }
}

fn crashed(fails: &Fails) -> Option<i32> {
    (fails.crashes && fails.left == Some(0)).then_some(EIO)
}

impl Files for Failing {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn Handle>> {
        self.check(|fails| fails.create)?;
        self.inner.create(path).map(|file| self.wrap(file))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn Handle>> {
        self.check(|fails| fails.read)?;
        self.inner.open(path).map(|file| self.wrap(file))
    }

    fn open_to_write(&self, path: &Path) -> io::Result<Arc<dyn Handle>> {
        self.check(|fails| fails.create)?;
        self.inner.open_to_write(path).map(|file| self.wrap(file))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.check(|fails| fails.remove)?;
        self.inner.remove(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.check(|fails| fails.create)?;
        self.inner.rename(from, to)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<(String, u64)>> {
        self.check(|fails| fails.list)?;
        self.inner.list(directory)
    }

    fn make_directory(&self, path: &Path) -> io::Result<()> {
        self.inner.make_directory(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.check(|fails| fails.sync)?;
        self.inner.sync_directory(path)
    }
}

#[derive(Debug)]
struct FailingHandle {
    inner: Arc<dyn Handle>,
    fails: Arc<Mutex<Fails>>,
    gate: Arc<Gate>,
}

impl Handle for FailingHandle {
    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        self.gate.pass();
        let fails = *self.fails.lock();
        fails.slow.map(thread::sleep).unwrap_or_default();
        fail(fails.read)?;
        let most = into.len().min(fails.short.unwrap_or(usize::MAX));
        self.inner.read_at(&mut into[..most], at)
    }

    fn read_cached(&self, into: &mut [u8], at: u64) -> bool {
        let fails = *self.fails.lock();
        if fails.in_memory {
            return self.inner.read_all(into, at).is_ok();
        }
        let free = fails.read.is_none() && fails.slow.is_none() && fails.short.is_none() && !self.gate.is_shut();
        free && self.inner.read_cached(into, at)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<usize> {
        let mut fails = self.fails.lock();
        fail(fails.write.or_else(|| crashed(&fails)))?;
        let mut most = bytes.len().min(fails.short.unwrap_or(usize::MAX));
        if let Some(left) = fails.left {
            most = most.min(usize::try_from(left).unwrap());
            fail((most == 0).then_some(ENOSPC))?;
        }
        let written = self.inner.write_at(&bytes[..most], at)?;
        fails.left = fails.left.map(|left| left - written as u64);
        Ok(written)
    }

    fn length(&self) -> io::Result<u64> {
        self.inner.length()
    }

    fn cut(&self, length: u64) -> io::Result<()> {
        let fails = *self.fails.lock();
        fail(fails.cut.or_else(|| crashed(&fails)))?;
        self.inner.cut(length)
    }

    fn sync(&self) -> io::Result<()> {
        let fails = *self.fails.lock();
        fail(fails.sync.or_else(|| crashed(&fails)))?;
        self.inner.sync()
    }
}
