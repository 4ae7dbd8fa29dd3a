//! A TCP proxy on loopback that breaks connections when it is told to: late, slow, silent in one direction, cut, reset, cut
//! after so many bytes, bytes changed, refused. What is transported is not known here, nor when it is broken.

mod proxy;
mod way;

use std::time::Duration;

pub use proxy::Proxy;

/// How a connection ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// In order, as a process that ends does it.
    #[default]
    Closed,
    /// By a reset, as a machine that forgot the connection does it.
    Reset,
}

/// How things are in one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// What is sent arrives so much later; its order stays.
    pub delay: Duration,
    /// And by up to this much later again, by chance.
    pub jitter: Duration,
    /// At most so many bytes get through in a second, of each connection; `None`: any number.
    pub bytes_per_second: Option<u64>,
    /// Nothing gets through, and nobody is told: what was sent arrives when this has ended, unless its connection did.
    pub silent: bool,
    /// A connection ends, in this way, when so many bytes got through since this was set.
    pub ends_after: Option<(u64, End)>,
    /// One bit of about one byte in so many is changed; `None`: of none. At least 1.
    pub flips_one_in: Option<u64>,
}

/// How things are, for connections there are and for new ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// What clients send.
    pub up: Way,
    /// What the server sends.
    pub down: Way,
    /// New connections are refused, as they are where nobody listens.
    pub refuses: bool,
}

impl Faults {
    /// Silent in both directions: a network that is gone, or a machine that hangs.
    #[must_use]
    pub fn silent() -> Self {
        let silent = Way { silent: true, ..Way::default() };
        Self { up: silent.clone(), down: silent, refuses: false }
    }

    /// What the server sends arrives so much later.
    #[must_use]
    pub fn late(delay: Duration, jitter: Duration) -> Self {
        Self { down: Way { delay, jitter, ..Way::default() }, ..Self::default() }
    }

    /// One bit of about one byte in so many that the server sends is changed.
    #[must_use]
    pub fn flipping(one_in: u64) -> Self {
        Self { down: Way { flips_one_in: Some(one_in.max(1)), ..Way::default() }, ..Self::default() }
    }

    /// New connections are refused.
    #[must_use]
    pub fn refusing() -> Self {
        Self { refuses: true, ..Self::default() }
    }
}

/// What a proxy saw since it was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Connections that were made.
    pub connections: u64,
    /// Connections there are.
    pub open: u64,
    /// Bytes that clients sent and that got through.
    pub up_bytes: u64,
    /// Bytes that the server sent and that got through.
    pub down_bytes: u64,
    /// Bits that were changed.
    pub flipped: u64,
}
