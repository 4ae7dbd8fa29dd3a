//! One HTTP/2 connection to a server of ours, by hand: opened, used by several lanes, opened again when it broke. What the
//! messages say is not known here.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use h2::{
    RecvStream, SendStream,
    client::{ResponseFuture, SendRequest},
};
use http::{HeaderMap, HeaderValue, Method, Request, Uri, header};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::Semaphore,
    time::timeout,
};
use tokio_rustls::{TlsConnector, rustls};

use crate::{
    failure::{Failure, FailureKind},
    link::{Fault, codec::PREFIX},
    plan::{Http2, Server, Trust},
    task::Tasks,
};

/// How long connecting may take, TLS with it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The connection's window is so many of a stream's.
pub(crate) const STREAMS_OF_WINDOW: u32 = 4;
/// Bytes that may wait in a stream to be sent.
const SEND_BUFFER: usize = 1 << 20;
/// An answer may have this many bytes: far more than any server sends in one.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A connection that several lanes share.
pub(crate) struct Wire {
    server: Rc<Server>,
    http2: Http2,
    tasks: Tasks,
    sender: RefCell<SendRequest<Bytes>>,
    /// How often it was opened.
    opened: Cell<u64>,
    mending: Semaphore,
}

impl Wire {
    /// Connects.
    pub(crate) async fn open(server: Rc<Server>, http2: Http2, tasks: &Tasks) -> Result<Rc<Self>, Failure> {
        let sender = connect(&server, http2, tasks).await?;
        Ok(Rc::new(Self {
            server,
            http2,
            tasks: tasks.clone(),
            sender: RefCell::new(sender),
            opened: Cell::new(0),
            mending: Semaphore::new(1),
        }))
    }

    /// Connects again unless another lane did so since the connection had this number.
    pub(crate) async fn mend(&self, number: u64) {
        let Ok(_turn) = self.mending.acquire().await else { return };
        if self.opened.get() != number {
            return;
        }
        if let Ok(sender) = connect(&self.server, self.http2, &self.tasks).await {
            self.sender.replace(sender);
            self.opened.set(number + 1);
        }
    }

    /// What the server is.
    pub(crate) fn server(&self) -> &Server {
        &self.server
    }
}

/// One lane's calls over a connection.
pub(crate) struct Calls {
    wire: Rc<Wire>,
    sender: SendRequest<Bytes>,
    number: u64,
    scratch: BytesMut,
}

impl Calls {
    /// Over this connection.
    pub(crate) fn new(wire: Rc<Wire>) -> Self {
        let sender = wire.sender.borrow().clone();
        Self { number: wire.opened.get(), sender, wire, scratch: BytesMut::new() }
    }

    /// What to call: the path of an RPC, with everything that each call of it has in common.
    pub(crate) fn head(&self, path: &str) -> Result<Request<()>, Failure> {
        head(self.wire.server(), path)
    }

    /// Calls with one message and answers with one, without its prefix.
    pub(crate) async fn unary(&mut self, head: &Request<()>, body: Bytes) -> Result<Bytes, Fault> {
        let (response, mut stream) = self.start(head).await?;
        stream.send_data(body, true).map_err(fault)?;
        let response = response.await.map_err(fault)?;
        status(response.status(), response.headers())?;
        let message = message(response.into_body(), &mut self.scratch).await?;
        if message.len() < PREFIX || message[0] != 0 {
            return Err(Fault::said("MALFORMED"));
        }
        Ok(message.slice(PREFIX..))
    }

    /// Begins a call: what comes back, and where its messages go.
    pub(crate) async fn start(&mut self, head: &Request<()>) -> Result<(ResponseFuture, SendStream<Bytes>), Fault> {
        std::future::poll_fn(|context| self.sender.poll_ready(context)).await.map_err(fault)?;
        self.sender.send_request(head.clone(), false).map_err(fault)
    }

    /// Connects again.
    pub(crate) async fn mend(&mut self) {
        self.wire.mend(self.number).await;
        self.number = self.wire.opened.get();
        self.sender = self.wire.sender.borrow().clone();
    }
}

/// All of an answer: without a copy when it comes in one frame.
pub(crate) async fn message(mut body: RecvStream, scratch: &mut BytesMut) -> Result<Bytes, Fault> {
    let mut first = Bytes::new();
    scratch.clear();
    while let Some(frame) = body.data().await {
        let frame = frame.map_err(fault)?;
        body.flow_control().release_capacity(frame.len()).map_err(fault)?;
        if first.is_empty() {
            first = frame;
        } else if scratch.len() + frame.len() > ANSWER_BYTES_MAX {
            return Err(Fault::said("ANSWER_TOO_LARGE"));
        } else {
            if scratch.is_empty() {
                scratch.extend_from_slice(&first);
            }
            scratch.extend_from_slice(&frame);
        }
    }
    if let Some(trailers) = body.trailers().await.map_err(fault)? {
        code(&trailers)?;
    }
    Ok(if scratch.is_empty() { first } else { scratch.split().freeze() })
}

/// What the headers say of how the call went, where they do.
pub(crate) fn status(status: http::StatusCode, headers: &HeaderMap) -> Result<(), Fault> {
    if status != http::StatusCode::OK {
        return Err(Fault::said("HTTP_STATUS"));
    }
    code(headers)
}

/// What a `grpc-status` says, where there is one.
pub(crate) fn code(headers: &HeaderMap) -> Result<(), Fault> {
    match headers.get("grpc-status").map(HeaderValue::as_bytes) {
        None | Some(b"0") => Ok(()),
        Some(code) => Err(Fault::said(code_name(code))),
    }
}

/// The name of a code of gRPC.
fn code_name(code: &[u8]) -> &'static str {
    const NAMES: [&str; 17] = [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ];
    let number: Option<usize> = std::str::from_utf8(code).ok().and_then(|text| text.parse().ok());
    number.and_then(|number| NAMES.get(number)).copied().unwrap_or("UNKNOWN")
}

/// A stream that was reset is one call's; anything else is the connection's.
pub(crate) fn fault(error: h2::Error) -> Fault {
    if error.is_reset() && !error.is_go_away() { Fault::said("STREAM_RESET") } else { Fault::broken() }
}

fn head(server: &Server, path: &str) -> Result<Request<()>, Failure> {
    let wrong = |error: &dyn std::fmt::Display| Failure::usage(format!("the address cannot be used: {error}"));
    let scheme = if server.tls.is_some() { "https" } else { "http" };
    let uri = Uri::builder().scheme(scheme).authority(authority(server)).path_and_query(path);
    let mut request = Request::new(());
    *request.uri_mut() = uri.build().map_err(|error| wrong(&error))?;
    *request.method_mut() = Method::POST;
    let headers = request.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    if let Some(token) = &server.token {
        let text = HeaderValue::from_str(&format!("Bearer {token}"));
        let mut text = text.ok().ok_or_else(|| Failure::usage("the token has characters that no token has"))?;
        text.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, text);
    }
    Ok(request)
}

/// Host and port as a URL has them.
pub(crate) fn authority(server: &Server) -> String {
    if server.host.contains(':') {
        format!("[{}]:{}", server.host, server.port)
    } else {
        format!("{}:{}", server.host, server.port)
    }
}

async fn connect(server: &Server, http2: Http2, tasks: &Tasks) -> Result<SendRequest<Bytes>, Failure> {
    let wrong = |what: &dyn std::fmt::Display| Failure::unreachable(format!("{}: {what}", authority(server)));
    let connecting = async {
        let tcp = TcpStream::connect((server.host.as_str(), server.port)).await.map_err(|error| wrong(&error))?;
        tcp.set_nodelay(true).map_err(|error| wrong(&error))?;
        match &server.tls {
            None => handshake(tcp, http2, tasks).await.map_err(|error| wrong(&error)),
            Some(trust) => {
                let name = ServerName::try_from(server.host.clone());
                let name = name.map_err(|error| Failure::usage(format!("{}: {error}", server.host)))?;
                let tls = TlsConnector::from(Arc::new(tls_config(trust)?)).connect(name, tcp).await;
                let tls = tls.map_err(|error| wrong(&error))?;
                handshake(tls, http2, tasks).await.map_err(|error| wrong(&error))
            }
        }
    };
    timeout(CONNECT_TIMEOUT, connecting).await.unwrap_or_else(|_late| Err(wrong(&"does not answer")))
}

async fn handshake<T: AsyncRead + AsyncWrite + Unpin + 'static>(
    io: T,
    http2: Http2,
    tasks: &Tasks,
) -> Result<SendRequest<Bytes>, h2::Error> {
    let (sender, connection) = h2::client::Builder::new()
        .initial_window_size(http2.window)
        .initial_connection_window_size(http2.window.saturating_mul(STREAMS_OF_WINDOW))
        .max_frame_size(http2.frame_size)
        .max_send_buffer_size(SEND_BUFFER)
        .enable_push(false)
        .handshake(io)
        .await?;
    tasks.spawn(async move {
        // Whoever uses the connection is told when it ends.
        let _ended = connection.await;
    });
    Ok(sender)
}

fn tls_config(trust: &Trust) -> Result<rustls::ClientConfig, Failure> {
    let mut roots = rustls::RootCertStore::empty();
    match trust {
        Trust::System => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        Trust::Pem(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.ok().ok_or_else(|| Failure::usage("--cacert: is no PEM certificate"))?;
                roots.add(certificate).map_err(|error| Failure::usage(format!("--cacert: {error}")))?;
            }
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| Failure { kind: FailureKind::Usage, message: error.to_string() })?;
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

/// The next whole message of a stream, without its prefix; what has arrived of it is kept meanwhile.
pub(crate) fn take_message(buffer: &mut BytesMut) -> Result<Option<Bytes>, Fault> {
    let Some(prefix) = buffer.first_chunk::<PREFIX>() else { return Ok(None) };
    let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
    if prefix[0] != 0 || length > ANSWER_BYTES_MAX {
        return Err(Fault::said("MALFORMED"));
    }
    if buffer.len() < PREFIX + length {
        return Ok(None);
    }
    buffer.advance(PREFIX);
    Ok(Some(buffer.split_to(length).freeze()))
}
