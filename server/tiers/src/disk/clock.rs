//! Wall-clock time that never goes back, also across restarts: the highest time that was seen is kept in a small file. Whose
//! deadlines these are is not known here.

use std::{
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hotplate_engine::clock::Clock;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::files::{Files, Handle};

/// The file's name.
pub(super) const FILE: &str = "clock";
/// Two copies, written in turn, so that a torn write leaves the other.
const COPIES: u64 = 2;
const COPY_BYTES: usize = 16;
const SEED: u64 = u64::from_le_bytes(*b"hpclock1");

/// Wall-clock milliseconds since the Unix epoch, never fewer than were seen before.
#[derive(Debug)]
pub(super) struct Wall {
    clock: Clock,
    /// Milliseconds that this process's clock is behind what was seen before it started.
    behind: AtomicU64,
}

impl Wall {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, behind: AtomicU64::new(0) }
    }

    /// Notes a time that was seen in the past: from here on it is not earlier than that.
    pub(super) fn seen(&self, millis: u64) {
        let missing = millis.saturating_sub(self.raw());
        self.behind.fetch_max(missing, Ordering::SeqCst);
    }

    fn raw(&self) -> u64 {
        millis(self.clock.wall(self.clock.now()))
    }

    /// Now.
    pub(super) fn now(&self) -> u64 {
        self.raw().saturating_add(self.behind.load(Ordering::SeqCst))
    }

    /// What has to be added to times of this process's clock to get those that are kept on disk.
    pub(super) fn behind(&self) -> Duration {
        Duration::from_millis(self.behind.load(Ordering::SeqCst))
    }
}

/// Whole milliseconds, rounded down.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Where the highest time is kept.
#[derive(Debug)]
pub(super) struct HighWater {
    file: Arc<dyn Handle>,
    turn: u64,
}

impl HighWater {
    /// Opens or makes the file; with the highest time that it has, and whether some of it was damaged.
    pub(super) fn open(files: &dyn Files, directory: &Path) -> io::Result<(Self, u64, bool)> {
        let path = directory.join(FILE);
        let file = match files.open_to_write(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => files.create(&path)?,
            file => file?,
        };
        let (highest, turn, damaged) = read(file.as_ref())?;
        Ok((Self { file, turn }, highest, damaged))
    }

    /// Keeps a time. It is in the other copy than the one before.
    pub(super) fn keep(&mut self, now: u64) -> io::Result<()> {
        let mut copy = [0; COPY_BYTES];
        copy[..8].copy_from_slice(&now.to_le_bytes());
        copy[8..].copy_from_slice(&xxh3_64_with_seed(&now.to_le_bytes(), SEED).to_le_bytes());
        self.file.write_all(&copy, (self.turn % COPIES) * COPY_BYTES as u64)?;
        self.turn += 1;
        Ok(())
    }
}

/// The highest time, the copy that is to be written next, and whether a copy that is there is damaged.
pub(super) fn read(file: &dyn Handle) -> io::Result<(u64, u64, bool)> {
    let length = file.length()?;
    let (mut highest, mut turn, mut damaged) = (0, 0, false);
    for number in 0..COPIES {
        let at = number * COPY_BYTES as u64;
        if length <= at {
            continue;
        }
        let mut copy = [0; COPY_BYTES];
        let whole = length >= at + COPY_BYTES as u64;
        if whole {
            file.read_all(&mut copy, at)?;
        }
        let (time, sum) = copy.split_at(8);
        if !whole || sum != xxh3_64_with_seed(time, SEED).to_le_bytes() {
            damaged = true;
            continue;
        }
        let time = u64::from_le_bytes(copy[..8].try_into().expect("8 bytes"));
        if time >= highest {
            (highest, turn) = (time, number + 1);
        }
    }
    Ok((highest, turn, damaged))
}
