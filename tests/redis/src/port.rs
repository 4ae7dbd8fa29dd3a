//! A port of this machine that belongs to whoever has it, also while nobody listens there. What listens is not known here.

use std::net::SocketAddr;

use tokio::net::TcpSocket;

use crate::Result;

/// A port that is held: no other program is given it, nor any connection that leaves this machine. A server that sets
/// `SO_REUSEADDR`, as all do that are restarted, listens there as if it were free.
#[derive(Debug)]
pub struct Port {
    number: u16,
    // It is bound, and never listens.
    _held: TcpSocket,
}

impl Port {
    /// Holds one that is free, on 127.0.0.1.
    ///
    /// # Errors
    /// When there is none.
    pub fn hold() -> Result<Self> {
        let failed = |error: std::io::Error| format!("no free port: {error}");
        let held = TcpSocket::new_v4().map_err(failed)?;
        held.set_reuseaddr(true).map_err(failed)?;
        held.bind(SocketAddr::from(([127, 0, 0, 1], 0))).map_err(failed)?;
        Ok(Self { number: held.local_addr().map_err(failed)?.port(), _held: held })
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }
}
