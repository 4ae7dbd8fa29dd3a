//! What a history is made of: operations with when they began and ended, what watchers were told, and faults. One JSON
//! object a line. Who writes and who judges is elsewhere.

use serde::{Deserialize, Serialize};

/// One line of a record. Times are nanoseconds of [`crate::clock::now`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
pub enum Line {
    /// What the run was asked for; the first line of the driver's file.
    Run(Run),
    /// An operation that may change something is about to begin: all that is known when its client is killed in it.
    Begun(Operation),
    /// An operation has ended.
    Ended(Operation),
    /// A watcher begins to follow.
    Follows(Follows),
    /// A watcher was told something, or its stream ended.
    Watched(Watched),
    /// A process did not get to run when it wanted to.
    Stalled(Span),
    /// Something was broken on purpose.
    Fault(Fault),
}

/// What a run was asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// From what the clients' choices and the faults follow.
    pub seed: u64,
    /// Seconds the clients work.
    pub seconds: u64,
    /// Client processes.
    pub processes: u32,
    /// Clients in each process.
    pub clients: u32,
    /// How long the server's leases last, in milliseconds.
    pub lease_ms: u64,
    /// How long the server may be silent before nothing is served from a near cache, in milliseconds.
    pub near_ms: u64,
}

/// A stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Its beginning.
    pub from: u64,
    /// Its end.
    pub to: u64,
}

/// One call of one client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// Who: process, incarnation of the process, client in it.
    pub client: String,
    /// Its number among all of this client.
    pub number: u64,
    /// When the call began.
    pub start: u64,
    /// When it had its answer or failed; `None` when the client was killed in it.
    pub end: Option<u64>,
    /// What was asked for.
    pub call: Call,
    /// What was answered.
    pub answer: Answer,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// A Get.
    Get(Get),
    /// A Put.
    Put(Put),
    /// An ExtendLease.
    Extend {
        /// The key.
        key: String,
        /// The lease.
        token: String,
    },
    /// A ReleaseLease.
    Release {
        /// The key.
        key: String,
        /// The lease.
        token: String,
        /// The failure to be remembered.
        failure: Option<Written>,
        /// For how long nobody gets the lease; zero: not at all.
        hold_off_ms: u64,
    },
    /// An Invalidate.
    Invalidate(Invalidate),
}

/// A Get.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Get {
    /// The key.
    pub key: String,
    /// What to do when there is nothing.
    pub miss: Miss,
    /// Whether only what is younger than a bound was asked for, so that a miss says little.
    pub young: bool,
    /// Whether a stale value was asked for as well.
    #[serde(default)]
    pub stale: bool,
    /// Whether what it found was kept in the client's own process. Misses of such a client are its own as well.
    pub near: bool,
}

/// What to do on a miss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Miss {
    /// Say so.
    #[default]
    Report,
    /// Ask for the lease.
    Lease,
    /// Ask for the lease, or wait so many milliseconds for who has it.
    Wait(u64),
}

/// What was computed and is written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Written {
    /// Version of the external truth when the computation began.
    pub truth: u64,
    /// Names the computation; no two have the same name.
    pub computation: String,
    /// Bytes of the value.
    pub size: usize,
    /// Checksum of the value, in hexadecimal digits.
    pub sum: String,
    /// How long it is fresh, in milliseconds.
    pub ttl_ms: u64,
    /// For how long it may be served as stale afterwards, in milliseconds.
    #[serde(default)]
    pub stale_ms: u64,
}

/// A Put.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Put {
    /// The key.
    pub key: String,
    /// What is written.
    pub written: Written,
    /// The lease under which it was computed.
    pub token: Option<String>,
    /// On what condition.
    pub condition: Condition,
}

/// On what condition a Put stores.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// In any case.
    #[default]
    Always,
    /// Nothing is there.
    Absent,
    /// Something is there.
    Present,
    /// What this computation made is there.
    Is(String),
}

/// An Invalidate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Invalidate {
    /// What is meant.
    pub selectors: Vec<Selects>,
    /// Whether what was made from it is meant as well.
    pub cascade: bool,
    /// Whether it is only marked stale.
    #[serde(default)]
    pub mark_stale: bool,
    /// Version of the external truth from which on values are right: raised before the call.
    pub truth: u64,
}

/// A selector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selects {
    /// This key.
    Key(String),
    /// Keys that begin so.
    Prefix(String),
    /// Keys that match; only `?` is used as wildcard.
    Glob(String),
    /// Entries with this tag.
    Tag(String),
    /// Entries with all of these tags.
    AllTags(Vec<String>),
    /// Entries of this kind.
    Kind(String),
    /// Entries that name this in `depends_on`.
    DependentsOf(String),
    /// All.
    Everything,
}

/// What is answered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// No answer came: it may have happened, now or a little later, or not.
    #[default]
    Unknown,
    /// The server or the channel failed the call, which may have happened all the same.
    Failed {
        /// The gRPC code.
        code: String,
        /// What was said.
        said: String,
    },
    /// To a Get.
    Got(Got),
    /// To a Put.
    Put {
        /// What became of it.
        outcome: Outcome,
        /// Where the key's log is: log, epoch, number.
        at: Option<[u64; 3]>,
    },
    /// To ExtendLease and ReleaseLease.
    Lease {
        /// Whether it was held.
        held: bool,
    },
    /// To an Invalidate.
    Invalidated {
        /// Where the change is in each log: log, epoch, number.
        at: Vec<[u64; 3]>,
    },
}

/// What a Get found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Got {
    /// What it found.
    pub found: Found,
    /// The lease it came with.
    pub lease: Option<Granted>,
}

/// A lease that was granted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Granted {
    /// Its token.
    pub token: String,
    /// How long it lasts, in milliseconds.
    pub lasts_ms: u64,
}

/// What a Get found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// Nothing.
    #[default]
    Miss,
    /// Another computes it.
    Pending,
    /// A fresh value.
    Fresh(Seen),
    /// A stale value.
    Stale(Seen),
    /// A remembered failure.
    Negative(Seen),
}

/// A value as it was read. What it says of itself is empty when it could not be understood.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// The key it says it is of.
    pub key: String,
    /// The version of the truth it says it was computed from.
    pub truth: u64,
    /// The computation it says it comes from.
    pub computation: String,
    /// Bytes.
    pub size: usize,
    /// The checksum it carries.
    pub sum: String,
    /// The checksum of what was read.
    pub sum_read: String,
}

/// What became of a Put.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Stored, also when it renewed the same content.
    Stored,
    /// Its condition did not hold.
    ConditionFailed,
    /// There was no room.
    NotAdmitted,
    /// Its lease was lost.
    LeaseLost,
}

/// What a watcher follows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Follows {
    /// Who.
    pub watcher: String,
    /// What any of these selects; none: everything.
    pub selectors: Vec<Selects>,
}

/// What a watcher was told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Watched {
    /// Who: a watcher goes on from one stream to the next by its token.
    pub watcher: String,
    /// Which of its streams, counted from zero.
    pub stream: u64,
    /// When.
    pub at: u64,
    /// The message as it came on the wire, in hexadecimal digits; `None` at the end of a stream.
    pub message: Option<String>,
    /// How a stream ended, when it did not just end.
    pub failed: Option<String>,
}

/// Something that was broken on purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What.
    pub kind: FaultKind,
    /// When it began.
    pub from: u64,
    /// When it was over.
    pub to: u64,
    /// Which process of clients it hit; `None`: the server, and so all.
    pub process: Option<u32>,
}

/// What is broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// All connections of a process are cut.
    Cut,
    /// What the server sends to a process does not arrive, and nobody says so; then the connections are cut.
    HalfOpen,
    /// What the server sends to a process arrives late.
    Delay,
    /// A process of clients is killed and started again.
    Kill,
    /// The server is stopped by SIGSTOP and goes on.
    Pause,
    /// The server drains, ends, and is started again on the same port, with nothing.
    Restart,
}

impl Call {
    /// The key it is about; `None` for an Invalidate.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Get(get) => Some(&get.key),
            Self::Put(put) => Some(&put.key),
            Self::Extend { key, .. } | Self::Release { key, .. } => Some(key),
            Self::Invalidate(_) => None,
        }
    }
}

impl Operation {
    /// The value a Get was answered with.
    #[must_use]
    pub fn seen(&self) -> Option<&Seen> {
        match &self.answer {
            Answer::Got(Got { found: Found::Fresh(seen) | Found::Stale(seen) | Found::Negative(seen), .. }) => {
                Some(seen)
            }
            _ => None,
        }
    }

    /// The lease a Get was answered with.
    #[must_use]
    pub fn granted(&self) -> Option<&Granted> {
        match &self.answer {
            Answer::Got(got) => got.lease.as_ref(),
            _ => None,
        }
    }

    /// Whether there is an answer.
    #[must_use]
    pub fn answered(&self) -> bool {
        !matches!(self.answer, Answer::Unknown | Answer::Failed { .. })
    }

    /// What a Put, or a ReleaseLease with a failure, writes.
    #[must_use]
    pub fn written(&self) -> Option<&Written> {
        match &self.call {
            Call::Put(put) => Some(&put.written),
            Call::Release { failure, .. } => failure.as_ref(),
            _ => None,
        }
    }

    /// Whether it was answered that what it writes is there.
    #[must_use]
    pub fn stored(&self) -> bool {
        matches!(self.answer, Answer::Put { outcome: Outcome::Stored, .. } | Answer::Lease { held: true })
            && self.written().is_some()
    }
}
