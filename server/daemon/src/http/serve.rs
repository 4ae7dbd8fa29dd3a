//! The accept loop of the HTTP port: bounded connections, bounded time for a request's head, and an end that no peer
//! can hold up.

use std::{io, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{HttpState, router};
use crate::config::HttpSettings;

/// Time open requests have once the server stops.
const LAST_REQUESTS: Duration = Duration::from_secs(1);
/// Age at which a connection is ended, so that peers who never read cannot keep the port's connections for ever.
const AGE_MAX: Duration = Duration::from_secs(300);
/// Rest after an accept that failed: without it, a server out of descriptors would spin.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// Serves until told to stop. Returns when every connection has ended, at most a second after that.
pub async fn serve(listener: TcpListener, state: HttpState, settings: HttpSettings, stop: CancellationToken) {
    let port = Port {
        routes: router(state),
        header_timeout: settings.header_timeout,
        connections: TaskTracker::new(),
        stop: stop.clone(),
    };
    let free = Arc::new(Semaphore::new(settings.connections_max));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &free) => accepted,
        };
        match accepted {
            Ok((stream, permit)) => port.start(stream, permit),
            Err(error) => {
                tracing::warn!(%error, "the HTTP port could not accept a connection");
                sleep(ACCEPT_REST).await;
            }
        }
    }
    port.connections.close();
    port.connections.wait().await;
}

/// Waits for room first, so that connections above the bound wait in the kernel's queue.
async fn accept(listener: &TcpListener, free: &Arc<Semaphore>) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let permit = Arc::clone(free).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _peer) = listener.accept().await?;
    Ok((stream, permit))
}

struct Port {
    routes: Router,
    header_timeout: Duration,
    connections: TaskTracker,
    stop: CancellationToken,
}

impl Port {
    fn start(&self, stream: TcpStream, permit: OwnedSemaphorePermit) {
        let service = TowerToHyperService::new(self.routes.clone());
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(self.header_timeout);
        let connection = http.serve_connection(TokioIo::new(stream), service);
        let stop = self.stop.clone();
        self.connections.spawn(async move {
            let mut connection = std::pin::pin!(connection);
            let ended = tokio::select! {
                ended = &mut connection => Some(ended),
                () = stop.cancelled() => None,
                () = sleep(AGE_MAX) => None,
            };
            let ended = match ended {
                Some(ended) => ended,
                None => {
                    connection.as_mut().graceful_shutdown();
                    timeout(LAST_REQUESTS, connection).await.unwrap_or(Ok(()))
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "an HTTP connection broke");
            }
            drop(permit);
        });
    }
}
