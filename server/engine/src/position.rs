//! Places in the history of changes: logs, epochs, numbers. What happened at a place is not known here.

/// Logs that record changes of keys.
pub const KEY_LOGS: u8 = 64;
/// All logs: those of keys and the selector log.
pub const LOGS: usize = KEY_LOGS as usize + 1;

/// What the numbers of the fleet's logs begin with.
const FLEET: u8 = 128;

/// Which log: 0 to 63 for keys, 64 for selectors. Positions that are told to callers also name the logs that replicas share,
/// by these numbers and 128.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId(u8);

impl LogId {
    /// The log that records tags, kinds, prefixes, globs and whole namespaces.
    pub const SELECTOR: Self = Self(KEY_LOGS);

    /// The log of a key with this hash.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the remainder is below 64")]
    pub fn of_hash(hash: u64) -> Self {
        Self((hash % u64::from(KEY_LOGS)) as u8)
    }

    /// The log with this number, if there is one.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        u8::try_from(number).ok().filter(|log| *log <= KEY_LOGS).map(Self)
    }

    /// The log that a caller names: of this server, or of the fleet.
    #[must_use]
    pub fn from_caller(number: u32) -> Option<Self> {
        match number.checked_sub(u32::from(FLEET)) {
            Some(number) => Self::from_number(number).map(Self::in_fleet),
            None => Self::from_number(number),
        }
    }

    /// The log of the fleet that records the same keys.
    #[must_use]
    pub fn in_fleet(self) -> Self {
        Self(self.0 | FLEET)
    }

    /// As which log the fleet knows it, if it is one of the fleet's.
    #[must_use]
    pub fn of_fleet(self) -> Option<Self> {
        self.0.checked_sub(FLEET).map(Self)
    }

    /// Its number, 0 to 64; of the fleet's logs 128 to 192.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }

    /// Its number as an index. Not for logs of the fleet, which lie in no array with those of a server.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// A place in one log: comparable only within one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// Identifies one unbroken history (52 random bits).
    pub epoch: u64,
    /// Rises by one with each change.
    pub number: u64,
}

/// Positions of several logs, each at most once, ascending by log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Positions(Vec<(LogId, Position)>);

impl Positions {
    /// Sorts by log; of two entries for one log the one with the greater number stays.
    #[must_use]
    pub fn new(mut logs: Vec<(LogId, Position)>) -> Self {
        logs.sort_by_key(|(log, position)| (*log, std::cmp::Reverse(position.number)));
        logs.dedup_by_key(|(log, _)| *log);
        Self(logs)
    }

    /// What it holds, ascending by log.
    pub fn iter(&self) -> impl Iterator<Item = (LogId, Position)> + '_ {
        self.0.iter().copied()
    }

    /// Whether it names no log.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// How current an answer about a key is: its log and the selector log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsOf {
    /// The key's log.
    pub log: LogId,
    /// Position in the key's log.
    pub key: Position,
    /// Position in the selector log.
    pub selector: Position,
}

impl AsOf {
    /// The same as positions.
    #[must_use]
    pub fn positions(&self) -> Positions {
        Positions::new(vec![(self.log, self.key), (LogId::SELECTOR, self.selector)])
    }
}
