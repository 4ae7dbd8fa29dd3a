//! The proxy: accepts, connects, and ends connections. What happens on them is `way`'s.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use rand::{SeedableRng, rngs::SmallRng};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
    task::JoinSet,
};

use crate::{
    End, Faults, Seen, Way,
    way::{Direction, Line, pass},
};

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;
/// How long until a port that is not free yet is tried again.
const PORT_RETRY: Duration = Duration::from_millis(5);

/// How long until it is looked again whether connections have ended.
const LOOK: Duration = Duration::from_millis(1);

/// How things are.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) faults: Faults,
    /// Rises with each change of the faults.
    pub(crate) changes: u64,
    server: SocketAddr,
    /// How often all connections were ended, and how the last time.
    ends: (u64, End),
}

/// What is counted.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    connections: AtomicU64,
    open: AtomicU64,
    pub(crate) up_bytes: AtomicU64,
    pub(crate) down_bytes: AtomicU64,
    pub(crate) flipped: AtomicU64,
}

/// A proxy in front of one server. It ends, with its connections, when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    state: watch::Sender<State>,
    counts: Arc<Counts>,
    _runs: JoinSet<()>,
}

impl Proxy {
    /// Starts one on a free port of loopback, with nothing broken. What is left to chance follows from the seed.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn start(server: SocketAddr, seed: u64) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let first = State { faults: Faults::default(), changes: 0, server, ends: (0, End::Closed) };
        let (state, watched) = watch::channel(first);
        let counts = Arc::new(Counts::default());
        let mut runs = JoinSet::new();
        runs.spawn(listen(listener, address, Shared { state: watched, counts: Arc::clone(&counts), seed }));
        Ok(Self { address, state, counts, _runs: runs })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How things are from now on, for all connections.
    pub fn set(&self, faults: Faults) {
        self.state.send_modify(|state| {
            state.faults = faults;
            state.changes += 1;
        });
    }

    /// Nothing is broken from now on.
    pub fn heal(&self) {
        self.set(Faults::default());
    }

    /// Ends all connections there are. New ones may be made.
    pub fn cut(&self, end: End) {
        self.state.send_modify(|state| state.ends = (state.ends.0 + 1, end));
    }

    /// Ends all connections there are, and returns when that is done: what is sent afterwards goes nowhere.
    pub async fn cut_off(&self, end: End) {
        let made = self.seen().connections;
        self.cut(end);
        while self.seen().connections.saturating_sub(self.seen().open) < made {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Ends connections, one after the other, each when so many bytes have gone one way; the one after the last is let be.
    /// Never returns: what goes on over them is to be waited for beside it.
    pub async fn ends_in_turn(&self, connections: usize, mut bytes: impl FnMut() -> u64) -> std::convert::Infallible {
        for _ in 0..connections {
            let made = self.seen().connections;
            let mut ends = || Way { ends_after: Some((bytes(), End::Reset)), ..Way::default() };
            self.set(Faults { up: ends(), down: ends(), refuses: false });
            while self.seen().connections == made {
                tokio::task::yield_now().await;
            }
        }
        self.heal();
        std::future::pending().await
    }

    /// New connections go to this server.
    pub fn redirect(&self, server: SocketAddr) {
        self.state.send_modify(|state| state.server = server);
    }

    /// What it saw.
    #[must_use]
    pub fn seen(&self) -> Seen {
        let counts = &self.counts;
        Seen {
            connections: counts.connections.load(Relaxed),
            open: counts.open.load(Relaxed),
            up_bytes: counts.up_bytes.load(Relaxed),
            down_bytes: counts.down_bytes.load(Relaxed),
            flipped: counts.flipped.load(Relaxed),
        }
    }
}

#[derive(Clone)]
struct Shared {
    state: watch::Receiver<State>,
    counts: Arc<Counts>,
    seed: u64,
}

/// Accepts, or holds the port without listening there, as long as the proxy lives.
async fn listen(listener: TcpListener, address: SocketAddr, shared: Shared) {
    let (mut listener, mut connections) = (Some(listener), JoinSet::new());
    let (others, mut state) = (shared.clone(), shared.state);
    loop {
        let Some(accepts) = &listener else {
            let Some(held) = bind(address).await else { continue };
            if state.wait_for(|state| !state.faults.refuses).await.is_err() {
                return;
            }
            listener = held.listen(BACKLOG).ok();
            continue;
        };
        tokio::select! {
            accepted = accepts.accept() => if let Ok((client, _)) = accepted {
                let number = others.counts.connections.fetch_add(1, Relaxed);
                connections.spawn(connect(client, number, others.clone()));
            },
            changed = state.wait_for(|state| state.faults.refuses) => match changed {
                Ok(_) => listener = None,
                Err(_) => return,
            },
        }
        while connections.try_join_next().is_some() {}
    }
}

/// The same port again; the last listener's connections do not hinder that. A port that somebody else took is waited for.
async fn bind(address: SocketAddr) -> Option<TcpSocket> {
    let socket = TcpSocket::new_v4().ok()?;
    let bound = socket.set_reuseaddr(true).and_then(|()| socket.bind(address));
    if bound.is_err() {
        tokio::time::sleep(PORT_RETRY).await;
        return None;
    }
    Some(socket)
}

/// Counts a connection for as long as it lives.
struct Open(Arc<Counts>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}

/// A server that is away ends the connection, as it would without a proxy.
async fn connect(client: TcpStream, number: u64, mut shared: Shared) {
    shared.counts.open.fetch_add(1, Relaxed);
    let _open = Open(Arc::clone(&shared.counts));
    let (server, ends) = {
        let state = shared.state.borrow();
        (state.server, state.ends.0)
    };
    let Ok(server) = TcpStream::connect(server).await else {
        finish(&client, End::Reset);
        return;
    };
    if client.set_nodelay(true).and_then(|()| server.set_nodelay(true)).is_err() {
        return;
    }
    let (mut client, mut server) = (client, server);
    let end = {
        let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
        let (watched, counts, seed) = (shared.state.clone(), &*shared.counts, shared.seed);
        let line = |direction, salt: u64| Line {
            direction,
            state: watched.clone(),
            counts,
            random: SmallRng::seed_from_u64(seed ^ ((number << 1) | salt).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        };
        let (up, down) = (line(Direction::Up, 0), line(Direction::Down, 1));
        let both = both(pass(up, from_client, to_server), pass(down, from_server, to_client));
        tokio::select! {
            end = both => end,
            state = shared.state.wait_for(|state| state.ends.0 != ends) => state.map_or(End::Closed, |state| state.ends.1),
        }
    };
    finish(&client, end);
    finish(&server, end);
}

/// Until both directions have ended in order, or one of them ends the connection.
async fn both(
    up: impl Future<Output = io::Result<Option<End>>>,
    down: impl Future<Output = io::Result<Option<End>>>,
) -> End {
    let (up, down) = (std::pin::pin!(ends(up)), std::pin::pin!(ends(down)));
    tokio::try_join!(up, down).map_or_else(|end| end, |_| End::Closed)
}

/// An error when the connection has to end because of this direction.
async fn ends(way: impl Future<Output = io::Result<Option<End>>>) -> Result<(), End> {
    match way.await {
        Ok(None) => Ok(()),
        Ok(Some(end)) => Err(end),
        Err(_broken) => Err(End::Reset),
    }
}

fn finish(stream: &TcpStream, end: End) {
    if end == End::Reset {
        // Fails only for a connection that is gone already.
        let _gone = stream.set_zero_linger();
    }
}
