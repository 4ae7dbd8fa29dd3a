//! How many calls of one sort are on their way to a tier, and how many wait until they may be. For how long they wait is
//! decided by their callers.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::sync::{Semaphore, SemaphorePermit};

/// One sort of calls.
#[derive(Debug)]
pub(super) struct Lane {
    permits: Semaphore,
    max: usize,
    waiting: AtomicUsize,
    waiting_max: usize,
}

/// Who waits, until it is dropped.
struct Waits<'a>(&'a AtomicUsize);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Lane {
    /// So many at once, and so many who wait; at least one each.
    pub(super) fn new(max: u32, waiting_max: u32) -> Self {
        let count = |max: u32| usize::try_from(max.max(1)).unwrap_or(1);
        let max = count(max);
        Self { permits: Semaphore::new(max), max, waiting: AtomicUsize::new(0), waiting_max: count(waiting_max) }
    }

    /// Waits for a place, first come, first served; `None`: too many wait.
    pub(super) async fn enter(&self) -> Option<SemaphorePermit<'_>> {
        if let Ok(permit) = self.permits.try_acquire() {
            return Some(permit);
        }
        let before = self.waiting.fetch_add(1, Relaxed);
        let _waits = Waits(&self.waiting);
        if before >= self.waiting_max {
            return None;
        }
        self.permits.acquire().await.ok()
    }

    /// A place, if less than half of them are taken.
    pub(super) fn spare(&self) -> Option<SemaphorePermit<'_>> {
        if self.permits.available_permits() <= self.max / 2 {
            return None;
        }
        self.permits.try_acquire().ok()
    }

    /// Calls that are on their way, and how many may be.
    pub(super) fn taken(&self) -> (u64, u64) {
        (self.max.saturating_sub(self.permits.available_permits()) as u64, self.max as u64)
    }
}
