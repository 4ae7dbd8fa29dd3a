//! Everything there is at one moment: the source, the shared tier with its follower, two replicas, a near cache, and what
//! was promised. No rules.

/// Replicas.
pub const REPLICAS: usize = 2;
/// Calls of writers that one replica may have under way.
pub const SLOTS: usize = 2;
/// What changes concern: the key, and the witness.
pub const KEYS: usize = 2;
/// The key that is read, computed and written.
pub const KEY: usize = 0;
/// The key that is only ever dropped.
pub const WITNESS: usize = 1;

/// Which keys a change concerns.
pub type Names = [bool; KEYS];

/// One moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// What a computation would give now: a number that rises with each change.
    pub truth: u8,
    /// The shared tier.
    pub shared: Shared,
    /// Its follower, as of some earlier moment.
    pub follower: Shared,
    /// Which process answers for the shared tier: rises with each failover.
    pub run: u8,
    /// Epochs begun.
    pub epochs: u8,
    /// The replicas.
    pub replicas: [Replica; REPLICAS],
    /// The near cache, which follows the first replica.
    pub near: Near,
    /// Every change of the fleet's log that ever was; hints tell of them. The truth in it is only for properties.
    pub changes: Vec<Change>,
    /// What was promised to whom; no rule looks at it.
    pub promised: Promised,
    /// What has happened of what is bounded.
    pub spent: Spent,
}

/// The shared tier: one log and what belongs to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Shared {
    /// Its history.
    pub epoch: u8,
    /// Changes in it.
    pub number: u8,
    /// The process that this epoch belongs to.
    pub run: u8,
    /// For each key, the number of the newest change.
    pub fences: [u8; KEYS],
    /// Fences up to here may have been forgotten.
    pub floor: u8,
    /// The value of the key.
    pub value: Option<u8>,
    /// The truth of the newest change in this history; no rule looks at it.
    pub current: u8,
}

/// One change in the fleet's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Change {
    /// In which history.
    pub epoch: u8,
    /// Its number there.
    pub number: u8,
    /// What it concerns.
    pub names: Names,
    /// Who made it.
    pub by: usize,
    /// What the source was then.
    pub truth: u8,
}

/// One replica.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Replica {
    /// The key in its memory.
    pub memory: Option<u8>,
    /// Whether it holds the witness.
    pub witness: bool,
    /// Its own log: numbers that it gives itself.
    pub log: u8,
    /// The run of the replica, which is the epoch of its own log.
    pub life: u8,
    /// The fleet's history as far as it is known here.
    pub epoch: u8,
    /// All of the fleet's log up to here is applied.
    pub position: u8,
    /// What is applied beyond it: bit n stands for the number n + 1 after the position.
    pub beyond: u8,
    /// Bit n: the hint of change n has not come, and may never come.
    pub unheard: u8,
    /// Whether it follows the fleet's log.
    pub follow: Follow,
    /// A change whose number is noted and which is not applied yet: only in a mutant.
    pub half: Option<Names>,
    /// A read of a slower tier.
    pub read: Read,
    /// A computation.
    pub fill: Fill,
    /// Calls of writers.
    pub calls: [Call; SLOTS],
    /// For each key, in which epoch its newest own change was raised, and what the source was then.
    pub journal: [Option<(u8, u8)>; KEYS],
    /// Own changes that the shared tier was not told.
    pub debt: Names,
    /// Whether it is cut off from the shared tier.
    pub cut: bool,
    /// Its disk.
    pub disk: Disk,
}

/// Whether a replica follows the fleet's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Follow {
    /// It does.
    Following,
    /// It does not, and reads nothing from the shared tier.
    Lost,
    /// It has looked where the log is, and has not begun to follow from there.
    Looked(Look),
}

/// Where the log was when it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Look {
    /// The history.
    pub epoch: u8,
    /// The number.
    pub number: u8,
    /// The newest change of the key, and what may have been forgotten.
    pub fence: u8,
    /// Fences up to here may have been forgotten.
    pub floor: u8,
}

/// A read of a slower tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Read {
    /// None.
    No,
    /// Sent to the shared tier.
    Sent(Asked),
    /// The shared tier has read; the reply is on its way.
    Reply {
        /// What was asked.
        asked: Asked,
        /// The history.
        epoch: u8,
        /// Where the log was in the same instant.
        number: u8,
        /// What was found.
        value: Option<u8>,
    },
    /// Read from the disk, not let into memory yet.
    Disk {
        /// What was asked.
        asked: Asked,
        /// What was found.
        value: u8,
    },
}

/// What is noted before a slower tier is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Asked {
    /// The ticket: where the replica's own log was.
    pub ticket: u8,
    /// Where its position in the fleet's log was.
    pub position: u8,
    /// What this replica had acknowledged. No rule looks at it.
    pub acked: u8,
}

/// Where a computation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fill {
    /// None.
    No,
    /// It has its stamps.
    Granted(Stamps),
    /// It has its value.
    Computed(Stamps, u8),
    /// It is in memory and not offered to the shared tier yet.
    Admitted(Stamps, u8),
    /// The shared tier would not have it, and the replica has not heard that yet.
    Refused(u8),
}

/// What a computation notes before it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamps {
    /// Where the replica's own log was.
    pub ticket: u8,
    /// The fleet's history.
    pub epoch: u8,
    /// The replica's position in it.
    pub position: u8,
    /// It was begun without the shared tier, and stays here.
    pub alone: bool,
}

/// Where a writer's call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// None.
    No,
    /// The source has changed, the Invalidate is on its way.
    Invalidate(Told),
    /// Its local part is done and nothing else: only in a mutant.
    LocalFirst(Told),
    /// A Put is in this replica's memory under its provisional value, and nowhere else.
    Put,
    /// The shared tier has done it; the reply is on its way.
    Reply {
        /// What was done.
        told: Told,
        /// Whether it was a Put.
        put: bool,
        /// The history.
        epoch: u8,
        /// Its number.
        number: u8,
    },
    /// Everything is done but the answer.
    Applied(Told),
    /// Answered before it was applied: only in a mutant.
    AnsweredEarly(Told),
}

/// What a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Told {
    /// Which keys.
    pub names: Names,
    /// What the source is since.
    pub truth: u8,
}

/// A disk: what is on it, and what is on its way there in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Disk {
    /// What a restart would find.
    pub durable: Option<u8>,
    /// On its way.
    pub queue: Vec<DiskStep>,
    /// The place in the fleet's log up to which what lies there is known to be good.
    pub saved: Option<(u8, u8)>,
    /// The replica has started and has not caught up: not read.
    pub closed: bool,
}

/// A step on its way to a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DiskStep {
    /// Stores a value.
    Put(u8),
    /// Drops what is there.
    Forget,
}

/// A near cache and its stream from the first replica.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Near {
    /// What it keeps, and what the answer reflected.
    pub entry: Option<(u8, u8)>,
    /// The life of the first replica that it follows.
    pub life: u8,
    /// All of that replica's log up to here is applied.
    pub position: u8,
    /// Nothing is served before this is reached.
    pub target: u8,
    /// What it was told last.
    pub told: u8,
    /// The stream is cut.
    pub cut: bool,
    /// An answer on its way.
    pub answer: Option<Answer>,
}

/// The answer of a Get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Answer {
    /// The value.
    pub value: u8,
    /// What it reflects of its replica's own log.
    pub as_of: u8,
    /// Who answered.
    pub replica: usize,
    /// In which life.
    pub life: u8,
}

/// What was promised: only properties look here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Promised {
    /// The truth of the newest change that each replica acknowledged.
    pub acked: [u8; REPLICAS],
    /// Whether each replica has acknowledged that the witness is invalid.
    pub witness: [bool; REPLICAS],
    /// For each number of the first replica's own log, the truth up to which its changes reach.
    pub told: Vec<u8>,
    /// Something older than what the replica had acknowledged before it was asked was handed out.
    pub old_answer: bool,
}

/// What has happened of what is bounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Spent {
    /// Changes by writers.
    pub changes: u8,
    /// Failovers.
    pub failovers: u8,
    /// Crashes of replicas.
    pub crashes: u8,
    /// Streams of the near cache cut.
    pub disconnects: u8,
    /// Replicas cut off from the shared tier.
    pub cuts: u8,
    /// Writers that went away.
    pub cancels: u8,
}

impl Replica {
    /// Whether it reads from the shared tier what concerns the key.
    #[must_use]
    pub fn reads_shared(&self) -> bool {
        self.follow == Follow::Following && !self.cut && !self.debt[KEY]
    }

    /// Whether nothing is under way.
    #[must_use]
    pub fn quiet(&self) -> bool {
        let calls = self.calls.iter().all(|call| *call == Call::No);
        let disk = self.disk.queue.is_empty() && !self.disk.closed;
        calls && disk && self.read == Read::No && self.fill == Fill::No && self.half.is_none() && !self.owes()
    }

    /// Whether there are changes that the shared tier was not told.
    #[must_use]
    pub fn owes(&self) -> bool {
        self.debt.contains(&true)
    }
}

impl State {
    /// Nothing is stored but the witness, everybody follows, nobody wants anything. `warm`: the shared tier and its follower
    /// have the key.
    #[must_use]
    pub fn start(witness: bool, warm: bool) -> Self {
        let shared = Shared { value: warm.then_some(0), ..Shared::default() };
        let replica = Replica {
            memory: None,
            witness,
            log: 0,
            life: 0,
            epoch: 0,
            position: 0,
            beyond: 0,
            unheard: 0,
            follow: Follow::Following,
            half: None,
            read: Read::No,
            fill: Fill::No,
            calls: [Call::No; SLOTS],
            journal: [None; KEYS],
            debt: [false; KEYS],
            cut: false,
            disk: Disk::default(),
        };
        Self {
            truth: 0,
            follower: shared.clone(),
            shared,
            run: 0,
            epochs: 0,
            replicas: [replica.clone(), replica],
            near: Near::default(),
            changes: Vec::new(),
            promised: Promised::default(),
            spent: Spent::default(),
        }
    }
}
