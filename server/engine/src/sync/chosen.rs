//! Locks and counters at each of which a test chooses who goes on, and which it can weaken to see what breaks. For tests
//! only: outside of one they do not work.

use std::cell::Cell;

pub use shuttle::sync::MutexGuard;
use shuttle::sync::atomic;

use super::Ordering;

/// What a test takes away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Weakness {
    /// Nothing.
    #[default]
    None,
    /// [`AtomicU64::fetch_update`] reads, and writes later.
    TornUpdate,
    /// [`AtomicU64::fetch_max`] reads, and writes later.
    TornMax,
}

std::thread_local! {
    /// All threads of one exploration are coroutines of one thread.
    static WEAKNESS: Cell<Weakness> = const { Cell::new(Weakness::None) };
}

/// Takes something away from all counters, for the calling thread's explorations.
pub fn weaken(weakness: Weakness) {
    WEAKNESS.set(weakness);
}

/// A counter.
#[derive(Debug, Default)]
pub struct AtomicU64(atomic::AtomicU64);

impl AtomicU64 {
    /// A counter that begins here.
    #[must_use]
    pub fn new(value: u64) -> Self {
        Self(atomic::AtomicU64::new(value))
    }

    /// Its value.
    pub fn load(&self, order: Ordering) -> u64 {
        self.0.load(order)
    }

    /// Sets it.
    pub fn store(&self, value: u64, order: Ordering) {
        self.0.store(value, order);
    }

    /// Adds to it; returns what it was.
    pub fn fetch_add(&self, more: u64, order: Ordering) -> u64 {
        self.0.fetch_add(more, order)
    }

    /// Takes from it; returns what it was.
    pub fn fetch_sub(&self, less: u64, order: Ordering) -> u64 {
        self.0.fetch_sub(less, order)
    }

    /// Raises it to a value; returns what it was.
    pub fn fetch_max(&self, value: u64, order: Ordering) -> u64 {
        if WEAKNESS.get() != Weakness::TornMax {
            return self.0.fetch_max(value, order);
        }
        let before = self.0.load(order);
        if value > before {
            self.0.store(value, order);
        }
        before
    }

    /// Changes it as told; returns what it was.
    ///
    /// # Errors
    /// What it is, when it is not to be changed.
    pub fn fetch_update(
        &self,
        set: Ordering,
        fetch: Ordering,
        mut change: impl FnMut(u64) -> Option<u64>,
    ) -> Result<u64, u64> {
        if WEAKNESS.get() != Weakness::TornUpdate {
            return self.0.fetch_update(set, fetch, change);
        }
        let before = self.0.load(fetch);
        let after = change(before).ok_or(before)?;
        self.0.store(after, set);
        Ok(before)
    }
}

/// A lock for one.
#[derive(Debug, Default)]
pub struct Mutex<T>(shuttle::sync::Mutex<T>);

impl<T> Mutex<T> {
    /// An open lock.
    pub fn new(value: T) -> Self {
        Self(shuttle::sync::Mutex::new(value))
    }

    /// Waits for it.
    ///
    /// # Panics
    /// When another thread of the test has panicked with it.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().expect("a test ends with its first panic")
    }
}

/// A lock for one writer or many readers.
#[derive(Debug, Default)]
pub struct RwLock<T>(shuttle::sync::RwLock<T>);

impl<T> RwLock<T> {
    /// Waits to read.
    ///
    /// # Panics
    /// When another thread of the test has panicked with it.
    pub fn read(&self) -> shuttle::sync::RwLockReadGuard<'_, T> {
        self.0.read().expect("a test ends with its first panic")
    }

    /// Waits to write.
    ///
    /// # Panics
    /// When another thread of the test has panicked with it.
    pub fn write(&self) -> shuttle::sync::RwLockWriteGuard<'_, T> {
        self.0.write().expect("a test ends with its first panic")
    }
}
