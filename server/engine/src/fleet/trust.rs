//! Until when this replica knows that it misses nothing for long: it heard from the shared tier that recently.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use crate::clock::Moment;

/// Until when a replica trusts what it holds.
#[derive(Debug, Default)]
pub struct Trust {
    until: AtomicU64,
    doubts: AtomicBool,
}

impl Trust {
    /// Everything was caught up with by something that was sent then.
    pub fn renew(&self, sent: Moment, lasts: Duration) {
        self.until.fetch_max(sent.after(lasts).0, Ordering::AcqRel);
    }

    /// Until when it does.
    #[must_use]
    pub fn until(&self) -> Moment {
        Moment(self.until.load(Ordering::Acquire))
    }

    /// From now on nothing counts that was kept before this process began and has not been looked at since.
    pub fn doubt_what_was_there(&self) {
        self.doubts.store(true, Ordering::Release);
    }

    /// Whether that is so.
    #[must_use]
    pub fn doubts_what_was_there(&self) -> bool {
        self.doubts.load(Ordering::Acquire)
    }

    /// Whether that was recent enough.
    #[must_use]
    pub fn holds(&self, now: Moment) -> bool {
        now.0 < self.until.load(Ordering::Acquire)
    }
}
