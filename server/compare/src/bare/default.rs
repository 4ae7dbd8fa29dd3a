//! The shape that a server has when nobody tunes it: tonic's own server with its defaults, on tokio's default runtime.

use std::{io, net::SocketAddr};

use tonic::transport::{Server, server::TcpIncoming};

use super::{
    calls::{Calls, Named},
    program::listening,
};

/// Serves until the process ends.
pub(super) fn serve(address: SocketAddr, calls: Calls) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        // What `serve` does with an address, but the port that was taken can be told.
        let incoming = TcpIncoming::bind(address)?.with_nodelay(Some(true));
        listening(incoming.local_addr()?);
        let server = Server::builder().add_service(Named::<false>(calls.clone())).add_service(Named::<true>(calls));
        server.serve_with_incoming(incoming).await.map_err(io::Error::other)
    })
}
