//! The shape that hotplate has: a current-thread runtime for each core, connections handed to them in turn, its HTTP/2
//! settings and its fewer, larger writes. What is answered is the caller's.

use std::{
    convert::Infallible,
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread,
};

use hotplate_daemon::net::{FlushAfterPoll, coalesce, http2};
use http::{Request, Response};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpStream, sync::mpsc};
use tonic::body::Body;

use super::{program::listening, task::Connections};

/// Calls at once on one connection, as hotplate has it by default.
const STREAMS_MAX: u32 = 512;
/// Bytes of a call's metadata, as hotplate has it by default.
const METADATA_BYTES_MAX: u32 = 8 << 10;
/// Accepted connections that may wait for one worker.
const HANDOVER_MAX: usize = 1024;

/// Serves until the process ends. Every call is answered by `answer`.
pub(super) fn serve<A, F>(address: SocketAddr, answer: A) -> io::Result<()>
where
    A: Fn(Request<Incoming>) -> F + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let listener = TcpListener::bind(address)?;
    let answer = Arc::new(answer);
    let workers: io::Result<Vec<_>> =
        (0..thread::available_parallelism().map_or(1, usize::from)).map(|_| worker(Arc::clone(&answer))).collect();
    let workers = workers?;
    listening(listener.local_addr()?);
    for turn in 0_usize.. {
        let (stream, _peer) = listener.accept()?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        // A connection too many is closed by being dropped.
        let _handed = workers[turn % workers.len()].try_send(stream);
    }
    Ok(())
}

fn worker<A, F>(answer: Arc<A>) -> io::Result<mpsc::Sender<std::net::TcpStream>>
where
    A: Fn(Request<Incoming>) -> F + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (sender, mut receiver) = mpsc::channel::<std::net::TcpStream>(HANDOVER_MAX);
    let serve = async move {
        let connections = Connections::default();
        while let Some(stream) = receiver.recv().await {
            if let Ok(stream) = TcpStream::from_std(stream) {
                connections.spawn(connection(stream, Arc::clone(&answer)));
            }
        }
    };
    thread::Builder::new().name("bare".into()).spawn(move || runtime.block_on(serve))?;
    Ok(sender)
}

async fn connection<A, F>(stream: TcpStream, answer: Arc<A>)
where
    A: Fn(Request<Incoming>) -> F + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let (io, drain) = coalesce(stream);
    let mut http = http2(TokioExecutor::new());
    http.max_concurrent_streams(STREAMS_MAX).max_header_list_size(METADATA_BYTES_MAX);
    let service = service_fn(move |request| {
        let answer = answer(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let connection = http.serve_connection(TokioIo::new(io), service);
    // A peer that went away is how connections end here.
    let _ended = FlushAfterPoll::new(connection, drain).await;
}
