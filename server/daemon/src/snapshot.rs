//! Hands the hot set of one process to the next: when it is written and read, and what is said of it. What a file holds and
//! which entries are worth it is decided elsewhere.

use std::{future::Future, sync::Arc, time::Duration};

use hotplate_engine::{
    Cache,
    clock::{Clock, Moment},
    flow::warm::{Tickets, Warmed},
};
use hotplate_tiers::{
    codec::{Codec, CodecOptions},
    snapshot::{Reader, Snapshots, Writer},
};

use crate::config::Settings;

/// Entries between two looks at the clock and lines of the log.
const ENTRIES_PER_LINE: u64 = 100_000;

/// The hot set of this process and of the one before.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    files: Snapshots,
    cache: Arc<Cache>,
    clock: Clock,
    bytes_max: u64,
    time_max: Duration,
}

/// What the process before left, to be let in.
#[derive(Debug)]
struct Left {
    reader: Reader,
    tickets: Tickets,
}

impl Snapshot {
    /// As the settings say; `None` where nothing is left and nothing read. With a slower tier there is no need for it, and
    /// no telling what was invalidated there meanwhile.
    pub(crate) fn new(settings: &Settings, cache: &Arc<Cache>, clock: &Clock) -> Option<Self> {
        let path = settings.snapshot.path.clone()?;
        if !cache.tiers().none() {
            return None;
        }
        let value_bytes_max = settings.limits.value_bytes_max as u64;
        let codec =
            Codec::new(CodecOptions { value_bytes_max, dictionaries: false, ..CodecOptions::default() }, clock.clone());
        Some(Self {
            files: Snapshots::new(path, codec, rand::random()),
            cache: cache.clone(),
            clock: clock.clone(),
            bytes_max: settings.snapshot.bytes_max as u64,
            time_max: settings.snapshot.time_max,
        })
    }

    /// Takes what the process before left, if it left something; what is to be done to let that in. To be called before
    /// anything is served.
    pub(crate) fn warming(self) -> Option<impl Future<Output = ()> + Send + 'static> {
        let left = self.take()?;
        Some(beside(move || self.warm(left)))
    }

    /// How long leaving it may take on a way out that has so much time for it.
    pub(crate) fn time(&self, most: Duration) -> Duration {
        self.time_max.min(most)
    }

    /// Leaves the hot set for the next process, within a time. To be called when nothing is served any more.
    pub(crate) async fn leaving(self, time_max: Duration) {
        beside(move || self.leave(time_max)).await;
    }

    fn take(&self) -> Option<Left> {
        let tickets = self.cache.warm_tickets();
        match self.files.take() {
            Ok(reader) => reader.map(|reader| Left { reader, tickets }),
            Err(error) => {
                tracing::warn!(%error, "the snapshot cannot be used: the cache starts empty, and leaves none");
                None
            }
        }
    }

    /// Lets in what was left, the most valuable first, until memory is full or its time is over.
    fn warm(&self, left: Left) {
        let Left { mut reader, tickets } = left;
        let begin = self.clock.now();
        let (mut stored, mut unwanted, mut end) = (0_u64, 0_u64, "all");
        for entry in reader.by_ref() {
            match self.cache.warm(&tickets, &entry.key, entry.kept) {
                Warmed::Stored => stored += 1,
                Warmed::Unwanted => unwanted += 1,
                Warmed::Full => {
                    end = "memory is full";
                    break;
                }
            }
            if (stored + unwanted).is_multiple_of(ENTRIES_PER_LINE) {
                tracing::info!(stored, unwanted, "reading the snapshot");
            }
            if self.is_late(begin) {
                end = "snapshot.time_max is over";
                break;
            }
        }
        let (damaged, took) = (reader.damaged(), self.clock.now().since(begin));
        if damaged > 0 {
            tracing::warn!(damaged, "records of the snapshot were damaged and dropped");
        }
        tracing::info!(stored, unwanted, ?took, end, "snapshot read");
    }

    fn leave(&self, time_max: Duration) {
        let begin = self.clock.now();
        let late = |now: Moment| now.since(begin) >= time_max;
        match self.files.leave(self.bytes_max).and_then(|writer| self.fill(writer, late)) {
            Ok((entries, bytes)) => {
                tracing::info!(entries, bytes, took = ?self.clock.now().since(begin), "snapshot written");
            }
            Err(error) => tracing::warn!(%error, "the snapshot cannot be written: the next process starts empty"),
        }
    }

    fn fill(&self, mut writer: Writer, late: impl Fn(Moment) -> bool) -> std::io::Result<(u64, u64)> {
        for key in self.cache.hottest(self.bytes_max) {
            if late(self.clock.now()) {
                tracing::warn!("snapshot.time_max is over: what is worth least is left out");
                break;
            }
            if let Some(kept) = self.cache.handed_on(&key)
                && !writer.add(&key, &kept)?
            {
                break;
            }
        }
        let written = writer.written();
        writer.finish()?;
        Ok(written)
    }

    fn is_late(&self, begin: Moment) -> bool {
        self.clock.now().since(begin) >= self.time_max
    }
}

/// Reads and writes files on a thread where that keeps nobody waiting.
async fn beside(work: impl FnOnce() + Send + 'static) {
    if let Err(error) = tokio::task::spawn_blocking(work).await {
        tracing::error!(%error, "handing on the hot set ended before its time");
    }
}
