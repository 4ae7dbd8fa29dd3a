//! Everything there is at one moment: the source, the server, its callers, the near cache, and what was promised. No
//! rules.

use crate::fences::{Fences, KEYS, Log, Numbers, Target};

/// Callers that compute: A and B.
pub const CALLERS: usize = 2;

/// One moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// What a computation would give now: a number that rises with each change of the source.
    pub truth: [u8; KEYS],
    /// The server.
    pub server: Server,
    /// A and B.
    pub callers: [Caller; CALLERS],
    /// The one who changes the source and says so.
    pub writer: Writer,
    /// The near cache of a third process.
    pub near: Near,
    /// What was promised to whom; no rule looks at it.
    pub promised: Promised,
    /// What has happened of what is bounded.
    pub spent: Spent,
}

/// The server's memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Server {
    /// Rises with each restart: histories are not comparable.
    pub epoch: u8,
    /// The number up to which each log is applied.
    pub numbers: Numbers,
    /// What began before these is not stored.
    pub fences: Fences,
    /// What is stored.
    pub entries: [Option<Entry>; KEYS],
    /// Leases whose token is valid.
    pub leases: [Vec<Lease>; KEYS],
    /// Callers that are held, first come first.
    pub waiters: [Vec<usize>; KEYS],
    /// Tokens made by this run.
    pub tokens: u8,
    /// The recent changes, oldest first.
    pub history: Vec<Change>,
    /// The last number of each log that the history no longer holds.
    pub forgotten: Numbers,
    /// Somebody was let in and has not stored yet: nobody else links, and nobody looks at what is linked.
    pub linking: bool,
}

/// A stored value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Which truth it shows.
    pub value: u8,
    /// Where the history was when its computation began; in a near cache, what the answer reflects.
    pub stamp: Numbers,
}

/// The right to compute a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// What the holder shows.
    pub token: Token,
    /// Where the history was when it was granted.
    pub stamp: Numbers,
}

/// Names one lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    /// The run of the server that made it.
    pub run: u8,
    /// Rises within a run.
    pub number: u8,
}

/// One change in the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Change {
    /// What it concerns.
    pub target: Target,
    /// Its number in its log.
    pub number: u8,
}

/// Where a caller is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Caller {
    /// It wants nothing.
    Idle,
    /// It is held by the server.
    Waiting {
        /// For this key.
        key: usize,
        /// What was acknowledged when its Get began: it must not be given anything older.
        acked: u8,
    },
    /// It computes.
    Computing(Computation),
}

/// A computation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Computation {
    /// Of this key.
    pub key: usize,
    /// Its lease; without, it fills as a preload does.
    pub token: Option<Token>,
    /// Where the history was before it began.
    pub stamp: Numbers,
    /// What came out, once it has.
    pub value: Option<u8>,
    /// The gate has asked for what it was made from, and let it in.
    pub asked: bool,
    /// The server took the lease away. No rule looks at it.
    pub lost: bool,
}

/// What the writer is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Writer {
    /// Nothing.
    Idle,
    /// The source has changed, the call is on its way.
    Called(Call),
    /// The number is taken, the fence is not raised yet: only in a mutant.
    Numbered(Call, u8),
    /// The tag's fence is raised; the entries are still there.
    Fenced(Call),
    /// What depends on the source was looked up, nothing else is done yet.
    Planned(Call, [bool; KEYS]),
    /// The fence of the source is raised; of the plan, the keys from this one on are still to be dropped, and then what
    /// was stored meanwhile.
    Cascading(Call, usize, [bool; KEYS]),
    /// Everything is done but the answer.
    Applied(Call),
    /// The answer is given and nothing is done yet: only in a mutant.
    Answered(Call),
}

/// A call of the writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// Invalidate.
    Invalidate(Target),
    /// Put without a lease.
    Put(usize),
}

impl Call {
    /// What it concerns.
    #[must_use]
    pub fn target(self) -> Target {
        match self {
            Self::Invalidate(target) => target,
            Self::Put(key) => Target::Key(key),
        }
    }
}

/// A near cache and its stream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Near {
    /// The stream is open.
    pub connected: bool,
    /// The history it follows.
    pub epoch: u8,
    /// All up to here is applied.
    pub position: Numbers,
    /// Nothing is served before this is reached.
    pub target: Numbers,
    /// What it was told.
    pub fences: Fences,
    /// What it keeps; the stamp is what the answer reflected.
    pub entries: [Option<Entry>; KEYS],
    /// An answer on its way.
    pub answer: Option<Answer>,
    /// A change whose number is taken and whose entries are still there: only in a mutant.
    pub half: Option<Change>,
}

/// The answer of a Get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Answer {
    /// The key.
    pub key: usize,
    /// The value, and what the answer reflects.
    pub entry: Entry,
    /// The history that it belongs to.
    pub epoch: u8,
}

/// What was promised: only properties look here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Promised {
    /// For each key, the truth of the last acknowledged change.
    pub acked: [u8; KEYS],
    /// For each key, the number of the last acknowledged Invalidate that named it, in this epoch.
    pub revoked: [u8; KEYS],
    /// For each key, what was acknowledged when the near cache's stream was opened.
    pub at_open: [u8; KEYS],
    /// For each change of the writer in this epoch: its log, its number, and the truth of both keys then (zero for one
    /// that it does not concern).
    pub told: Vec<(Log, u8, [u8; KEYS])>,
    /// A Put under a lost lease was stored.
    pub stored_under_lost_lease: bool,
    /// A waiter was given something older than what was acknowledged before it asked.
    pub waiter_got_old: bool,
}

/// What has happened of what is bounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Spent {
    /// Calls of A and B.
    pub calls: u8,
    /// Calls of the writer.
    pub changes: u8,
    /// Streams cut.
    pub disconnects: u8,
    /// Restarts.
    pub restarts: u8,
}

impl State {
    /// Nothing is stored, the near cache follows, nobody wants anything.
    #[must_use]
    pub fn start() -> Self {
        Self {
            truth: [0; KEYS],
            server: Server::default(),
            callers: [Caller::Idle; CALLERS],
            writer: Writer::Idle,
            near: Near {
                connected: true,
                epoch: 0,
                position: Numbers::default(),
                target: Numbers::default(),
                fences: Fences::default(),
                entries: [None; KEYS],
                answer: None,
                half: None,
            },
            promised: Promised::default(),
            spent: Spent::default(),
        }
    }
}
