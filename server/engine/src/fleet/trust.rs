//! Until when this replica knows that it misses nothing for long: it heard from the shared tier that recently.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::clock::Moment;

/// Until when a replica trusts what it holds.
#[derive(Debug, Default)]
pub struct Trust {
    until: AtomicU64,
}

impl Trust {
    /// Everything was caught up with by something that was sent then.
    pub fn renew(&self, sent: Moment, lasts: Duration) {
        self.until.fetch_max(sent.after(lasts).0, Ordering::AcqRel);
    }

    /// Whether there ever was a time of which that was said.
    #[must_use]
    pub fn was_there(&self) -> bool {
        self.until.load(Ordering::Acquire) > 0
    }

    /// Whether that was recent enough.
    #[must_use]
    pub fn holds(&self, now: Moment) -> bool {
        now.0 < self.until.load(Ordering::Acquire)
    }
}
