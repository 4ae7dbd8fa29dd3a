//! Channels for the generated stubs, where a call is made by them and not by hand.

use std::time::Duration;

use tonic::{
    Code, Request, Status,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint},
};

use crate::{
    failure::{Failure, FailureKind},
    link::wire::{STREAMS_OF_WINDOW, authority},
    plan::{Http2, Server, Trust},
};

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a call beside the load may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// A channel for a few calls beside the load.
pub(crate) async fn connect(server: &Server) -> Result<Channel, Failure> {
    open(endpoint(server)?.timeout(CALL_TIMEOUT), server).await
}

/// A channel for the load itself.
pub(crate) async fn connect_for_load(server: &Server, http2: Http2) -> Result<Channel, Failure> {
    let endpoint = endpoint(server)?
        .initial_stream_window_size(http2.window)
        .initial_connection_window_size(http2.window.saturating_mul(STREAMS_OF_WINDOW))
        .tcp_nodelay(true);
    open(endpoint, server).await
}

fn endpoint(server: &Server) -> Result<Endpoint, Failure> {
    let wrong = |error: tonic::transport::Error| Failure::usage(format!("{}: {error}", authority(server)));
    let scheme = if server.tls.is_some() { "https" } else { "http" };
    let endpoint = Endpoint::from_shared(format!("{scheme}://{}", authority(server))).map_err(wrong)?;
    let endpoint = endpoint.connect_timeout(CONNECT_TIMEOUT);
    match &server.tls {
        None => Ok(endpoint),
        Some(Trust::System) => endpoint.tls_config(ClientTlsConfig::new().with_native_roots()).map_err(wrong),
        Some(Trust::Pem(pem)) => {
            let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem));
            endpoint.tls_config(tls).map_err(wrong)
        }
    }
}

async fn open(endpoint: Endpoint, server: &Server) -> Result<Channel, Failure> {
    endpoint.connect().await.map_err(|error| Failure::unreachable(format!("{}: {error}", authority(server))))
}

/// A request that shows the token.
pub(crate) fn with_token<T>(server: &Server, message: T) -> Result<Request<T>, Failure> {
    let mut request = Request::new(message);
    if let Some(token) = &server.token {
        let text = format!("Bearer {token}").parse();
        let text = text.ok().ok_or_else(|| Failure::usage("the token has characters that no token has"))?;
        request.metadata_mut().insert("authorization", text);
    }
    Ok(request)
}

/// What a status means for the run.
pub(crate) fn failure(status: &Status) -> Failure {
    let kind = match status.code() {
        Code::Unavailable => FailureKind::Unreachable,
        Code::Unauthenticated | Code::PermissionDenied => FailureKind::Auth,
        _ => FailureKind::Rejected,
    };
    Failure { kind, message: format!("{:?}: {}", status.code(), status.message()) }
}
