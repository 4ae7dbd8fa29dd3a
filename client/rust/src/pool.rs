//! The connections of a client and which one a call takes. Every one is opened when first needed and again when lost.

use std::sync::atomic::{AtomicUsize, Ordering};

use tonic::transport::{Channel, Endpoint};

/// Connections per client when there are few endpoints: measured as the point where more stop helping.
const CONNECTIONS: usize = 4;

/// Connections for calls, and others for streams: a Watch that is slow to read must not hold up calls that share its
/// connection's flow control window.
#[derive(Debug)]
pub(crate) struct Pool {
    calls: Vec<Channel>,
    streams: Vec<Channel>,
    next: AtomicUsize,
}

impl Pool {
    /// Prepares the connections to at least one endpoint. Needs a tokio runtime; opens nothing.
    pub(crate) fn new(endpoints: &[Endpoint]) -> Self {
        let each = (CONNECTIONS / endpoints.len().max(1)).max(1);
        let calls = (0..each).flat_map(|_| endpoints.iter().map(Endpoint::connect_lazy)).collect();
        let streams = endpoints.iter().map(Endpoint::connect_lazy).collect();
        Self { calls, streams, next: AtomicUsize::new(0) }
    }

    /// The next connection in turn: a call that is tried again takes another endpoint where there is one.
    pub(crate) fn for_call(&self) -> Channel {
        self.pick(&self.calls)
    }

    /// The next connection for a long-lived stream.
    pub(crate) fn for_stream(&self) -> Channel {
        self.pick(&self.streams)
    }

    fn pick(&self, channels: &[Channel]) -> Channel {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        channels[turn % channels.len()].clone()
    }
}
