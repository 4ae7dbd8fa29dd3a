//! What people read of it: that a directory was opened and what was found, in one line, and what was lost, in another. Nothing is
//! decided here.

use std::{path::Path, time::Duration};

/// What came of opening a directory.
#[derive(Debug)]
pub(super) struct Report<'a> {
    pub(super) path: &'a Path,
    pub(super) took: Duration,
    pub(super) entries: u64,
    pub(super) bytes: u64,
    /// Records and files that are damaged.
    pub(super) damaged: u64,
    /// The first segment in which one is.
    pub(super) first: Option<u32>,
    /// Sound entries that something which cannot be read may have ended.
    pub(super) doubted: u64,
    /// Something was invalidated before the directory could be read.
    pub(super) unread: bool,
    /// Entries that were more than the limits allow.
    pub(super) evicted: u64,
}

impl Report<'_> {
    /// Says it.
    pub(super) fn tell(&self) {
        let path = self.path.display();
        let millis = u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(%path, entries = self.entries, bytes = self.bytes, millis, "the disk is open");
        if self.damaged > 0 {
            let first = self.first.map(|id| format!("{id:08x}.seg"));
            tracing::warn!(
                %path,
                damaged = self.damaged,
                first,
                doubted = self.doubted,
                "records on the disk are damaged: they are dropped, and the older entries that one of them may have ended; the \
                 rest is served. `hotplate disk verify` reads everything when the server is stopped; look after the \
                 medium when it happens again"
            );
        } else if self.unread {
            tracing::warn!(
                %path,
                dropped = self.doubted,
                "something was invalidated before this directory could be read: all that was in it is dropped"
            );
        }
        if self.evicted > 0 {
            tracing::warn!(
                %path,
                dropped = self.evicted,
                "the disk held more than disk.bytes_max and disk.entries_max allow: the oldest entries are dropped"
            );
        }
    }
}

/// Says that another damaged record was met since the start: at the first, and each time they have doubled.
pub(super) fn met(path: &Path, segment: u32, damaged: u64) {
    if damaged.is_power_of_two() {
        tracing::warn!(
            path = %path.display(),
            file = format!("{segment:08x}.seg"),
            damaged,
            "an entry on the disk is damaged: it is dropped, and the caller computes it; look after the medium when that goes on"
        );
    }
}
