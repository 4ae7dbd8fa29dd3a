//! The connections of a client and which one a call takes. Every one is opened when first needed and again when lost.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tonic::transport::{Channel, Endpoint};

/// Connections per client at most, when nothing is said: measured as the point where more stop helping.
pub(crate) const CONNECTIONS_MAX: usize = 4;
/// Calls under way on a connection before the next one is opened.
const CALLS_PER_CONNECTION: usize = 32;

/// Connections for calls, and others for streams that are read slowly: a Watch that waits for its reader must not hold
/// up calls that share its connection's flow control window.
#[derive(Debug)]
pub(crate) struct Pool {
    servers: Vec<Vec<Line>>,
    transfers: Vec<Vec<Line>>,
    streams: Vec<Channel>,
    next: AtomicUsize,
}

/// A connection and how many calls are under way on it.
#[derive(Debug)]
struct Line {
    channel: Channel,
    calls: Arc<AtomicUsize>,
}

/// A place on a connection, for as long as a call is under way.
#[derive(Debug)]
pub(crate) struct Place {
    channel: Channel,
    calls: Arc<AtomicUsize>,
}

impl Pool {
    /// Prepares at most `connections` to all endpoints together, and at least one to each. Needs a tokio runtime; opens
    /// nothing.
    pub(crate) fn new(endpoints: &[Endpoint], connections: usize) -> Self {
        let each = (connections / endpoints.len().max(1)).max(1);
        let line = |endpoint: &Endpoint| Line { channel: endpoint.connect_lazy(), calls: Arc::default() };
        let lines = || endpoints.iter().map(|endpoint| (0..each).map(|_| line(endpoint)).collect()).collect();
        let (servers, transfers) = (lines(), lines());
        let streams = endpoints.iter().map(Endpoint::connect_lazy).collect();
        Self { servers, transfers, streams, next: AtomicUsize::new(0) }
    }

    /// Whose turn it is. To be asked once for each call, as it goes round: who is tried again takes the next.
    pub(crate) fn turn(&self) -> usize {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// A connection for a call to the server whose turn this is: the first that has few under way, else the one with the
    /// fewest.
    pub(crate) fn for_call(&self, turn: usize) -> Place {
        place(&self.servers[turn % self.servers.len()], CALLS_PER_CONNECTION)
    }

    /// A connection for a large value, to the server whose turn this is: one that no small call waits behind, and of its
    /// own as long as there are.
    pub(crate) fn for_transfer(&self, turn: usize) -> Place {
        place(&self.transfers[turn % self.transfers.len()], 1)
    }

    /// A connection for a long-lived stream.
    pub(crate) fn for_stream(&self, turn: usize) -> Channel {
        self.streams[turn % self.streams.len()].clone()
    }

    /// The connections for calls to each server.
    pub(crate) fn by_server(&self) -> impl Iterator<Item = Vec<Channel>> {
        self.servers.iter().map(|lines| lines.iter().map(|line| line.channel.clone()).collect())
    }
}

/// A place on the first connection with fewer than `few` users, else on the one with the fewest.
fn place(lines: &[Line], few: usize) -> Place {
    let load = |line: &Line| line.calls.load(Ordering::Relaxed);
    let free = lines.iter().find(|line| load(line) < few);
    let line = free.or_else(|| lines.iter().min_by_key(|line| load(line))).unwrap_or(&lines[0]);
    line.calls.fetch_add(1, Ordering::Relaxed);
    Place { channel: line.channel.clone(), calls: Arc::clone(&line.calls) }
}

impl Place {
    /// The connection.
    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn another_connection_is_taken_when_those_before_it_are_busy() {
        let endpoint = Endpoint::from_static("http://127.0.0.1:1");
        let pool = Pool::new(&[endpoint], 2);
        let loads = || pool.servers[0].iter().map(|line| line.calls.load(Ordering::Relaxed)).collect::<Vec<_>>();
        let mut places: Vec<_> = (0..CALLS_PER_CONNECTION).map(|_| pool.for_call(0)).collect();
        assert_eq!(loads(), [CALLS_PER_CONNECTION, 0]);
        places.extend((0..CALLS_PER_CONNECTION + 4).map(|_| pool.for_call(0)));
        assert_eq!(loads(), [CALLS_PER_CONNECTION + 2, CALLS_PER_CONNECTION + 2]);
        drop(places);
        assert_eq!(loads(), [0, 0]);
    }
}
