//! What a guard allows a tier. No decision is made here.

use std::time::Duration;

use super::breaker::BreakerOptions;

/// What a tier is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardOptions {
    /// How long a read may take, or each step of one that is large, or what ends with it: a lease that is extended or given
    /// back.
    pub timeout: Duration,
    /// How long a change, or asking for changes, may take.
    pub change_timeout: Duration,
    /// Reads and writes of values that may be on their way at once, and as many reads of large ones besides, so that these keep
    /// no others out; at least 1.
    pub calls_max: u32,
    /// Changes of the order of things that may be on their way besides, so that nothing is read in their place, and as many
    /// that ask for changes or keep a lease; at least 1.
    pub changes_max: u32,
    /// Calls of each of these sorts that wait until they may be on their way, each within its own time; at least 1.
    pub waiting_max: u32,
    /// A read that took so long is sent a second time, and whichever answers first counts; `None`: never.
    pub hedge_after: Option<Duration>,
    /// For how long a tier counts as degraded after it refused something.
    pub degraded_for: Duration,
    /// When it is asked, and when not.
    pub breaker: BreakerOptions,
}

impl GuardOptions {
    /// For a tier that replicas share: a read takes this long at most, a change five times as long.
    #[must_use]
    pub fn shared(timeout: Duration) -> Self {
        Self {
            timeout,
            change_timeout: timeout * 5,
            calls_max: 256,
            changes_max: 64,
            waiting_max: 4096,
            hedge_after: None,
            degraded_for: Duration::from_secs(10),
            breaker: BreakerOptions::default(),
        }
    }

    /// For a tier of this machine: a disk that is slow for a moment is still faster than computing again.
    #[must_use]
    pub fn local() -> Self {
        Self {
            timeout: Duration::from_secs(1),
            change_timeout: Duration::from_secs(10),
            calls_max: 64,
            ..Self::shared(Duration::from_secs(1))
        }
    }
}
