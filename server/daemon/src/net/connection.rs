//! One connection: its handshakes in bounded time, HTTP/2 with explicit bounds, and its end. Where connections come
//! from is not known here.

use std::{io, sync::Arc, time::Duration};

use hyper::server::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::{
    Ends,
    coalesce::{FlushAfterPoll, coalesce},
    idle::{Calls, Idle, LOOKS},
};
use crate::{config::Settings, grpc::gate::Gate, task::Tasks};

/// TLS handshakes at once at most: each costs a private-key operation.
const HANDSHAKES_MAX: usize = 512;
/// The client preface and the head of its first frame: who has sent these speaks HTTP/2, and from then on keepalive
/// finds out whether it lives.
const SPOKE: u64 = 24 + 9;
/// Time in which a peer may end what it had begun when its connection was closed.
const LINGER: Duration = Duration::from_secs(1);
const FRAME_BYTES_MAX: u32 = 256 << 10;
/// Bytes that may be on their way to one call: a chunk of an upload as clients cut them. With less, an upload waits for the
/// server after each of its frames.
const STREAM_WINDOW: u32 = 1 << 20;
/// The same of all calls of a connection: what a peer can have held here before anybody has looked at it.
const CONNECTION_WINDOW: u32 = 2 << 20;
/// Bytes of a response that wait for the peer, from which on it is asked for no more: a slice of a large value, so that the
/// next is there when one is sent.
const SEND_BUFFER: usize = 256 << 10;
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// How connections are served.
pub(crate) struct Setup {
    gate: Gate,
    tls: Option<TlsAcceptor>,
    handshakes: Semaphore,
    handshake_timeout: Duration,
    idle_look: Duration,
    read_stall: Duration,
    streams_max: u32,
    metadata_bytes_max: u32,
}

impl Setup {
    /// As configured.
    pub(crate) fn new(settings: &Settings, gate: Gate, tls: Option<TlsAcceptor>) -> Arc<Self> {
        let bounded = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Arc::new(Self {
            gate,
            tls,
            handshakes: Semaphore::new(HANDSHAKES_MAX),
            handshake_timeout: settings.limits.handshake_timeout,
            idle_look: settings.limits.idle_timeout / LOOKS,
            read_stall: settings.limits.read_stall,
            streams_max: bounded(settings.limits.streams_per_connection_max),
            metadata_bytes_max: bounded(settings.limits.metadata_bytes_max),
        })
    }

    /// Serves one connection to its end.
    pub(crate) async fn serve(&self, stream: TcpStream, tasks: Tasks, ends: &Ends) {
        let Some(tls) = &self.tls else { return self.speak(stream, tasks, ends).await };
        let handshake = async {
            let _place = self.handshakes.acquire().await.map_err(io::Error::other)?;
            tls.accept(stream).await
        };
        let shaken = tokio::select! {
            () = ends.going.cancelled() => return,
            shaken = timeout(self.handshake_timeout, handshake) => shaken,
        };
        match shaken {
            Ok(Ok(stream)) => self.speak(stream, tasks, ends).await,
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_elapsed) => tracing::debug!("a TLS handshake took too long"),
        }
    }

    async fn speak<S>(&self, stream: S, tasks: Tasks, ends: &Ends)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (io, drain) = coalesce(stream);
        let calls = Calls::new(tasks, self.read_stall);
        let connection = self.http(calls.clone()).serve_connection(TokioIo::new(io), self.gate.of_connection());
        let mut connection = FlushAfterPoll::new(connection, drain);
        let mut idle = Idle::new(calls);
        let mut look = std::pin::pin!(sleep(self.handshake_timeout));
        let mut told = false;
        let ended = loop {
            tokio::select! {
                ended = &mut connection => break ended,
                () = ends.going.cancelled(), if !told => {
                    // Who has only just connected hears it after its handshake, if that comes soon.
                    connection.connection().graceful_shutdown();
                    if connection.received() < SPOKE {
                        look.set(sleep(LINGER));
                    }
                    told = true;
                }
                () = &mut look => {
                    if connection.received() < SPOKE {
                        tracing::debug!("a connection never spoke");
                        return;
                    }
                    if !told && idle.look() {
                        connection.connection().graceful_shutdown();
                        told = true;
                    }
                    look.set(sleep(self.idle_look));
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection broke");
        }
        // A peer that does not close its side is left to itself then.
        let _ = timeout(LINGER, connection.linger()).await;
    }

    fn http(&self, calls: Calls) -> http2::Builder<Calls> {
        let mut http = http2(calls);
        http.max_concurrent_streams(self.streams_max).max_header_list_size(self.metadata_bytes_max);
        http
    }
}

/// HTTP/2 as this server speaks it: windows, frames, buffers and keepalive. How many streams and how much metadata there
/// may be is the caller's to say. Public so that what is measured beside the server has the same transport.
pub fn http2<E: Clone>(executor: E) -> http2::Builder<E> {
    let mut http = http2::Builder::new(executor);
    http.timer(TokioTimer::new())
        .adaptive_window(false)
        .auto_date_header(false)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME_BYTES_MAX)
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT);
    http
}
