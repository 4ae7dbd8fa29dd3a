//! The port to the tier that replicas share: entries, and the fleet's logs of what was invalidated, in which order counts.
//! What a replica does with that is not known here.

use std::{sync::Arc, time::Duration};

use futures::{future::BoxFuture, stream::BoxStream};

use super::{Kept, TierError, TierState};
use crate::{
    key::Key,
    position::{LogId, Position},
    selector::Selector,
};

/// What a fence of the fleet selects.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FenceName {
    /// The namespace.
    pub namespace: Arc<str>,
    /// What in it: a key in the key's own log, anything else in the selector log. [`Selector::DependentsOf`] selects what
    /// was made from a key or tag, directly or not.
    pub selector: Selector,
}

/// Where one log of the fleet is, and what happened there since the caller's position.
#[derive(Clone, Debug, PartialEq)]
pub struct LogNow {
    /// Which log.
    pub log: LogId,
    /// Identifies the process that answered: another one may have lost what the last one had acknowledged.
    pub run: u64,
    /// Where the log is.
    pub position: Position,
    /// Fences up to this number may have been forgotten: what happened since an earlier one cannot be said, and what was
    /// computed before it is not known to be valid. Who holds nothing yet asks from here.
    pub floor: u64,
    /// Lowest number at which one epoch of this lineage took over from another; zero when none has. What an earlier epoch
    /// numbered higher may be older than what has that number now: it counts as this number at most.
    pub began: u64,
    /// What happened since.
    pub since: Since,
}

/// Which line of epochs a log's position belongs to: those of one line follow each other with what the last one had left,
/// which after a failover may be less than it had acknowledged. A log that begins from nothing begins another line.
#[must_use]
pub const fn lineage(position: Position) -> u64 {
    position.epoch >> TURN_BITS
}

/// Bits of an epoch that tell apart the epochs of one lineage.
pub const TURN_BITS: u32 = 20;

/// What happened in a log since a position.
#[derive(Clone, Debug, PartialEq)]
pub enum Since {
    /// The newest fence of each name that was raised since, ascending by number.
    Fences(Vec<(FenceName, u64)>),
    /// Not asked.
    NotAsked,
    /// That cannot be said: another epoch, fences forgotten since, or the log is behind the position.
    Lost,
}

/// Where a value's computation began in the fleet's logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FleetStamp {
    /// In the key's log.
    pub key: Position,
    /// In the selector log.
    pub selector: Position,
}

/// An entry as the shared tier holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The entry.
    pub kept: Kept,
    /// Where its computation began. Whether fences of the selector log select it is for the caller to see.
    pub stamp: FleetStamp,
}

/// A wish for the key's lease across the fleet, when there is no entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseWish {
    /// Who will hold it.
    pub token: u128,
    /// For how long.
    pub duration: Duration,
    /// Only when the entry found was stored before this wall-clock time, or there is none: to renew what is stale.
    pub unless_stored_after: Option<Duration>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseTurn {
    /// Not asked, or not needed: there is an entry.
    None,
    /// The caller has it.
    Granted,
    /// Another has it, for so long.
    Taken(Duration),
}

/// What a read found.
#[derive(Clone, Debug, PartialEq)]
pub struct SharedRead {
    /// The entry, if there is one.
    pub found: Option<Found>,
    /// The key's log, in the same instant, with what happened since the caller's position.
    pub now: LogNow,
    /// The lease.
    pub lease: LeaseTurn,
}

/// What a write did.
#[derive(Clone, Debug, PartialEq)]
pub struct SharedWrite {
    /// The key's log with this change: its position is the change's own.
    pub now: LogNow,
    /// Whether the value lies there now; not, when it is larger than may lie there.
    pub stored: bool,
}

/// What a fill did.
#[derive(Clone, Debug, PartialEq)]
pub enum SharedFill {
    /// Stored; the key's log in the same instant.
    Stored(LogNow),
    /// Something that concerns it changed since its computation began, or that is not known any more.
    TooLate(LogNow),
    /// Larger than may lie there.
    TooLarge,
}

/// What writing again did.
#[derive(Clone, Debug, PartialEq)]
pub enum SharedAgain {
    /// The entry lies there, or was too large to, as the key's newest change.
    There {
        /// That change: this one, or the first one, which was done although that was not heard.
        change: Position,
        /// The key's log.
        now: LogNow,
    },
    /// Something else happened to the key since: nothing was done.
    TooLate(LogNow),
}

/// What another replica, or this one, changed: told at once, and perhaps not at all.
#[derive(Clone, Debug, PartialEq)]
pub enum Hint {
    /// Fences were raised by one change.
    Raised {
        /// In which log, and its number there.
        log: LogId,
        /// Where in it.
        position: Position,
        /// What they select.
        names: Vec<FenceName>,
        /// What was written, when it was a write.
        written: Option<WrittenHint>,
        /// Which replica did it.
        replica: u64,
        /// Whether the change only marked what it selects stale: entries in memory stay usable as such.
        marks: Option<Duration>,
    },
    /// A computation stored its value, or gave its lease back: who waits for the key may look again.
    Settled {
        /// The namespace and key.
        key: Key,
        /// What was stored, when something was.
        written: Option<WrittenHint>,
        /// Which replica did it.
        replica: u64,
    },
    /// The connection that tells was lost: what was told meanwhile is not known.
    Lost,
}

/// What is said of a value that was written, for those who follow changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenHint {
    /// Bytes of the value.
    pub size_bytes: u64,
    /// Whether it is a remembered absence or failure.
    pub negative: bool,
    /// Its kind; empty for none.
    pub kind: Arc<str>,
    /// Its tags.
    pub tags: Vec<Arc<str>>,
}

/// The tier that replicas share. Every call is one exchange with it, may be dropped at any time, and has no order of its own
/// beside others: the numbers that come back have.
pub trait SharedTier: Send + Sync + 'static {
    /// Finds an entry, and says what happened in the key's log since `at` (`None`: nothing is asked).
    fn read<'a>(
        &'a self,
        key: &'a Key,
        at: Option<Position>,
        lease: Option<LeaseWish>,
    ) -> BoxFuture<'a, Result<SharedRead, TierError>>;

    /// A writer's change: raises the key's fence and stores the value in its place, with this change as where its
    /// computation began. `selector`: where the selector log was before the call. Ends the key's lease.
    fn write<'a>(
        &'a self,
        key: &'a Key,
        kept: &'a Kept,
        selector: Position,
        at: Option<Position>,
    ) -> BoxFuture<'a, Result<SharedWrite, TierError>>;

    /// Stores what was computed since `stamp`, unless the key's fence was raised since. Ends the lease of this token.
    fn fill<'a>(
        &'a self,
        key: &'a Key,
        kept: &'a Kept,
        stamp: FleetStamp,
        token: Option<u128>,
    ) -> BoxFuture<'a, Result<SharedFill, TierError>>;

    /// Gives an entry another life: `kept` is what the caller holds, and was valid at `stamp`. Stored like a fill, and only
    /// where the same entry lies or nothing does; what is not the same ([`Kept::is_same`]) is newer, and stays.
    fn relive<'a>(
        &'a self,
        key: &'a Key,
        kept: &'a Kept,
        stamp: FleetStamp,
    ) -> BoxFuture<'a, Result<SharedFill, TierError>>;

    /// A writer's change that may not have been told when it was made: as [`SharedTier::write`], unless something happened
    /// to the key since its log was at `stamp.key`. What happened may have been just that change: then the same entry
    /// ([`Kept::is_same`]) lies there, and stays. `stamp.selector`: as there.
    fn write_again<'a>(
        &'a self,
        key: &'a Key,
        kept: &'a Kept,
        stamp: FleetStamp,
    ) -> BoxFuture<'a, Result<SharedAgain, TierError>>;

    /// Raises fences, each log's in one change, and drops the entries of named keys; the logs with those changes. Fails as
    /// a whole when any part did: then nothing is known of any of them. `marks`: see [`Hint::Raised`].
    fn raise<'a>(
        &'a self,
        names: &'a [FenceName],
        marks: Option<Duration>,
    ) -> BoxFuture<'a, Result<Vec<LogNow>, TierError>>;

    /// Lets a lease last for so long from now; whether it is still held.
    fn extend<'a>(&'a self, key: &'a Key, token: u128, duration: Duration) -> BoxFuture<'a, Result<bool, TierError>>;

    /// Gives a lease back; tells who waits.
    fn release<'a>(&'a self, key: &'a Key, token: u128) -> BoxFuture<'a, Result<(), TierError>>;

    /// Where the logs are, and what happened in each since the position given for it. Logs are left
    /// out whose part of the tier does not answer, unless no part does: that fails. Also tells the others that this replica
    /// lives and how far it is.
    fn poll<'a>(&'a self, at: &'a [(LogId, Option<Position>)]) -> BoxFuture<'a, Result<Vec<LogNow>, TierError>>;

    /// What changes, as it happens, from this call on; begins with [`Hint::Lost`], and never ends by itself.
    fn hints(&self) -> BoxStream<'static, Hint>;

    /// Whether it answers, in one cheap exchange: asked while it is away, to see whether it is back.
    fn ping(&self) -> BoxFuture<'_, Result<(), TierError>> {
        Box::pin(async move { self.poll(&[]).await.map(drop) })
    }

    /// Identifies this replica: its own hints bear it.
    fn replica(&self) -> u64;

    /// Its state.
    fn state(&self) -> TierState;
}
