//! Connections of the gRPC port: the accept loop, the workers that serve them and how each begins and ends. What is
//! called over them is the gate's business.

mod coalesce;
mod connection;
mod cut;
mod idle;

use std::{io, net::SocketAddr, sync::Arc, thread, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    runtime,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use crate::{
    config::Settings,
    task::Tasks,
    telemetry::{ConnectionGuard, Telemetry},
};

pub use coalesce::{BoxError, CoalesceIo, Drain, FlushAfterPoll, coalesce};
pub(crate) use connection::Setup;
pub use connection::http2;
pub(crate) use cut::{Cut, waits_for_reader};

/// Rest after an accept that failed: without it, a server out of descriptors would spin.
const ACCEPT_REST: Duration = Duration::from_millis(50);
/// Accepted connections that may wait for one worker.
const HANDOVER_MAX: usize = 1024;

/// A connection that was let in.
struct Accepted {
    stream: std::net::TcpStream,
    _place: OwnedSemaphorePermit,
    _counted: ConnectionGuard,
}

/// What ends the port, in the order in which it happens.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ends {
    /// No new connections; those that exist are told to go, and end with their last call.
    pub(crate) going: CancellationToken,
    /// Everything ends now.
    pub(crate) abort: CancellationToken,
}

/// The threads that serve connections, each with a runtime of its own.
#[derive(Debug)]
pub(crate) struct Workers {
    senders: Vec<mpsc::Sender<Accepted>>,
    ended: Vec<oneshot::Receiver<()>>,
}

impl Workers {
    /// Starts as many as configured; none configured: one for each core.
    pub(crate) fn start(settings: &Settings, setup: &Arc<Setup>, ends: &Ends) -> io::Result<Self> {
        let cores = || thread::available_parallelism().map_or(1, usize::from);
        let count = if settings.server.workers == 0 { cores() } else { settings.server.workers };
        let (mut senders, mut ended) = (Vec::new(), Vec::new());
        for number in 0..count {
            let (sender, receiver) = mpsc::channel(HANDOVER_MAX);
            let (end, at_end) = oneshot::channel();
            let worker = Worker { receiver, setup: Arc::clone(setup), ends: ends.clone() };
            worker.start(number, end)?;
            senders.push(sender);
            ended.push(at_end);
        }
        Ok(Self { senders, ended })
    }

    /// Where the accept loop hands connections over.
    pub(crate) fn take_senders(&mut self) -> Senders {
        Senders(std::mem::take(&mut self.senders))
    }

    /// What tells that all of them have ended.
    pub(crate) fn take_ended(&mut self) -> impl Future<Output = ()> + use<> {
        let ended = std::mem::take(&mut self.ended);
        async move {
            for worker in ended {
                // An error says that the thread is gone, which is what is waited for.
                let _ = worker.await;
            }
        }
    }
}

/// Where accepted connections go.
pub(crate) struct Senders(Vec<mpsc::Sender<Accepted>>);

struct Worker {
    receiver: mpsc::Receiver<Accepted>,
    setup: Arc<Setup>,
    ends: Ends,
}

impl Worker {
    /// One thread with one runtime: a connection and its calls stay on one core.
    fn start(self, number: usize, end: oneshot::Sender<()>) -> io::Result<()> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = thread::Builder::new().name(format!("hotplate-{number}"));
        thread.spawn(move || {
            runtime.block_on(self.run());
            drop(runtime);
            // Nobody listens when the server was dropped instead of stopped.
            let _ = end.send(());
        })?;
        Ok(())
    }

    async fn run(mut self) {
        let tasks = Tasks::default();
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.ends.abort.cancelled() => return,
                accepted = self.receiver.recv() => accepted,
            };
            let Some(accepted) = accepted else { break };
            let (setup, ends, calls) = (Arc::clone(&self.setup), self.ends.clone(), tasks.clone());
            tasks.spawn(async move {
                let Accepted { stream, _place, _counted } = accepted;
                match TcpStream::from_std(stream) {
                    Ok(stream) => setup.serve(stream, calls, &ends).await,
                    Err(error) => tracing::warn!(%error, "a connection could not be taken over"),
                }
            });
        }
        tokio::select! {
            () = self.ends.abort.cancelled() => {}
            () = tasks.ended() => {}
        }
    }
}

/// The listening side of the port.
pub(crate) struct Port {
    listener: TcpListener,
    places: Arc<Semaphore>,
    telemetry: Arc<Telemetry>,
    going: CancellationToken,
}

impl Port {
    /// Listens; nothing is accepted before [`Port::accept`] runs.
    pub(crate) async fn bind(
        address: SocketAddr,
        connections_max: usize,
        telemetry: Arc<Telemetry>,
        ends: &Ends,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let places = Arc::new(Semaphore::new(connections_max.min(Semaphore::MAX_PERMITS)));
        Ok(Self { listener, places, telemetry, going: ends.going.clone() })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Accepts until the server goes, and deals the connections out to the workers in turn. Stops listening at once
    /// then; the workers end after their last connection.
    pub(crate) async fn accept(self, workers: Senders) {
        let mut turn = 0_usize;
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.going.cancelled() => return,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _peer)) => {
                    self.let_in(stream, &workers.0[turn % workers.0.len()]);
                    turn = turn.wrapping_add(1);
                }
                Err(error) => {
                    tracing::warn!(%error, "the gRPC port could not accept a connection");
                    sleep(ACCEPT_REST).await;
                }
            }
        }
    }

    /// Who comes too many is closed at once, so that it can go elsewhere.
    fn let_in(&self, stream: TcpStream, worker: &mpsc::Sender<Accepted>) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            self.telemetry.connection_refused();
            return;
        };
        let Ok(stream) = stream.set_nodelay(true).and_then(|()| stream.into_std()) else { return };
        let accepted = Accepted { stream, _place: place, _counted: self.telemetry.connection() };
        if worker.try_send(accepted).is_err() {
            self.telemetry.connection_refused();
        }
    }
}
