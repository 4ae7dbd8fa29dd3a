//! Opens connections: TCP, TLS, user and password. When to, and what is asked then, is not decided here.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use hotplate_engine::{
    clock::{Clock, Moment},
    task::Tasks,
    tier::TierErrorKind,
};
use redis::{AsyncConnectionConfig, ProtocolVersion, PushInfo, RedisConnectionInfo, aio::MultiplexedConnection};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{self, TcpStream},
    time,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{self, ClientConfig, RootCertStore, crypto::aws_lc_rs},
};
use tokio_util::sync::CancellationToken;

use super::{
    fail::{Cause, Fail},
    url::Address,
};

/// Requests that may wait to be written to one connection.
const REQUESTS_WAITING_MAX: usize = 1024;
/// Time for a server to agree on TLS: one that does not speak it may say nothing at all.
const TLS_TIMEOUT: Duration = Duration::from_millis(1500);
/// Bytes collected before they are written.
const WRITE_BYTES: usize = 64 << 10;
/// What a reply may have besides a value: logs' fences, mostly.
const REPLY_BYTES: u64 = 64 << 20;

/// What all connections have in common.
pub(super) struct Dialer {
    /// Where it all is, without credentials.
    pub(super) place: String,
    tls: Option<TlsConnector>,
    settings: RedisConnectionInfo,
    database: u8,
    reply_bytes_max: u64,
    tasks: Arc<Tasks>,
    pub(super) clock: Clock,
}

/// Who connects, and how.
pub(super) struct Account {
    pub(super) username: Option<String>,
    pub(super) password: Option<String>,
    pub(super) database: u8,
}

/// One connection. Its task ends with it.
pub(super) struct Opened {
    pub(super) connection: MultiplexedConnection,
    /// Cancelled when it is of no use any more, by its task or by whoever noticed.
    pub(super) ended: CancellationToken,
    /// Bytes received since the last reply was complete.
    pub(super) received: Arc<AtomicU64>,
    /// When the oldest request was sent that no byte came back after, in nanoseconds; zero for none.
    waiting_since: Arc<AtomicU64>,
}

impl Opened {
    /// Notes that something is asked.
    pub(super) fn asked(&self, now: Moment) {
        // Fails when something was asked before that nothing came back after: that is what is noted.
        let _noted = self.waiting_since.compare_exchange(0, now.0.max(1), Ordering::Relaxed, Ordering::Relaxed);
    }

    /// For how long nothing has come back although something was asked.
    pub(super) fn silent_for(&self, now: Moment) -> Duration {
        match self.waiting_since.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            since => now.since(Moment(since)),
        }
    }
}

/// Takes what the server says without having been asked; must not wait.
pub(super) type OnPush = Arc<dyn Fn(PushInfo) + Send + Sync>;

impl Dialer {
    /// `place`: where it all is, as people are told. `value_bytes_max`: largest value.
    pub(super) fn new(
        (place, account): (String, Account),
        tls: Option<TlsConnector>,
        value_bytes_max: u64,
        owner: (Arc<Tasks>, Clock),
    ) -> Self {
        let mut settings = RedisConnectionInfo::default().set_skip_set_lib_name();
        if let Some(password) = account.password {
            settings = settings.set_password(password);
        }
        if let Some(username) = account.username {
            settings = settings.set_username(username);
        }
        let reply_bytes_max = value_bytes_max.saturating_add(REPLY_BYTES);
        let (tasks, clock) = owner;
        Self { place, tls, settings, database: account.database, reply_bytes_max, tasks, clock }
    }

    /// A connection for requests.
    pub(super) async fn open(&self, address: &Address) -> Result<Opened, Fail> {
        let settings = self.settings.clone().set_db(self.database.into()).set_protocol(ProtocolVersion::RESP2);
        self.dial(address, settings, AsyncConnectionConfig::new()).await
    }

    /// A connection on which the server speaks without being asked.
    pub(super) async fn listen(&self, address: &Address, on_push: OnPush) -> Result<Opened, Fail> {
        let settings = self.settings.clone().set_protocol(ProtocolVersion::RESP3);
        let pushed = move |info: PushInfo| {
            on_push(info);
            Ok::<(), redis::aio::SendError>(())
        };
        self.dial(address, settings, AsyncConnectionConfig::new().set_push_sender(pushed)).await
    }

    /// A connection to a Sentinel: it may know neither user nor password.
    pub(super) async fn ask_sentinel(&self, address: &Address, with_password: bool) -> Result<Opened, Fail> {
        let settings = if with_password { self.settings.clone() } else { RedisConnectionInfo::default() };
        let settings = settings.set_skip_set_lib_name().set_protocol(ProtocolVersion::RESP2);
        self.dial(address, settings, AsyncConnectionConfig::new()).await
    }

    async fn dial(
        &self,
        address: &Address,
        settings: RedisConnectionInfo,
        config: AsyncConnectionConfig,
    ) -> Result<Opened, Fail> {
        let stream = connected(address).await?;
        let received = Arc::new(AtomicU64::new(0));
        let waiting_since = Arc::new(AtomicU64::new(0));
        let (counted, waiting) = (Arc::clone(&received), Arc::clone(&waiting_since));
        let metered =
            |stream| Metered { stream, received: counted, waiting_since: waiting, most: self.reply_bytes_max };
        let config = config
            // Whoever asks decides how long to wait.
            .set_response_timeout(None)
            .set_pipeline_buffer_size(REQUESTS_WAITING_MAX)
            .set_write_backpressure_boundary(WRITE_BYTES);
        let stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(stream),
            Some(tls) => Box::new(encrypted(tls, address, stream).await?),
        };
        let opened = MultiplexedConnection::new_with_config(&settings, metered(stream), config).await;
        let (connection, driver) = opened.map_err(|error| self.unwelcome(address, Fail::of(&error)))?;
        let ended = CancellationToken::new();
        let end = ended.clone();
        self.tasks.spawn("redis connection", async move {
            let _cancelled = end.run_until_cancelled(driver).await;
            end.cancel();
        });
        Ok(Opened { connection, ended, received, waiting_since })
    }

    /// Why a server that took the connection did not go on.
    pub(super) fn unwelcome(&self, address: &Address, fail: Fail) -> Fail {
        if fail.cause != Cause::Broken || fail.error.kind != TierErrorKind::Unreachable || self.tls.is_some() {
            return fail;
        }
        let why = &fail.error.message;
        Fail::unreachable(format!("{why}, before {address} had answered: when that port wants TLS, write rediss://"))
    }

    /// Starts a task that ends with the tier.
    pub(super) fn spawn(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(name, work);
    }
}

impl std::fmt::Debug for Dialer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dialer").field("tls", &self.tls.is_some()).finish_non_exhaustive()
    }
}

/// A TCP connection.
async fn connected(address: &Address) -> Result<TcpStream, Fail> {
    let host = address.host.as_str();
    let found = net::lookup_host((host, address.port)).await;
    let unknown = |error: io::Error| {
        Fail::unreachable(format!("the name {host} of Redis is not found: check shared.url and the DNS ({error})"))
    };
    let found: Vec<_> = found.map_err(unknown)?.collect();
    let failed =
        |error: io::Error| Fail::unreachable(format!("cannot connect to Redis at {address}: {}", error.kind()));
    let stream = TcpStream::connect(found.as_slice()).await.map_err(failed)?;
    // Requests are small and waited for.
    stream.set_nodelay(true).map_err(failed)?;
    Ok(stream)
}

/// The same with TLS on it.
async fn encrypted(tls: &TlsConnector, address: &Address, stream: TcpStream) -> Result<TlsStream<TcpStream>, Fail> {
    let name = ServerName::try_from(address.host.clone()).map_err(|_error| {
        Fail::new(TierErrorKind::Refused, format!("{address} cannot be checked with TLS"), Cause::Broken)
    })?;
    let plain = "does that port speak TLS? One that does not is written redis://";
    match time::timeout(TLS_TIMEOUT, tls.connect(name, stream)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => {
            let cause = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
            let what_to_do = match cause {
                Some(rustls::Error::InvalidCertificate(_)) => {
                    "name the authority that signed its certificate in shared.ca_file"
                }
                _ => plain,
            };
            Err(Fail::unreachable(format!("TLS with Redis at {address} fails: {error}; {what_to_do}")))
        }
        Err(_elapsed) => {
            let late = format!("Redis at {address} did not answer to TLS within {TLS_TIMEOUT:?}; {plain}");
            Err(Fail::unreachable(late))
        }
    }
}

/// What connects with TLS. `authorities`: PEM certificates to trust instead of the system's.
///
/// # Errors
/// When there is no certificate to trust.
pub(super) fn connector(authorities: Option<&[u8]>) -> Result<TlsConnector, String> {
    let mut roots = RootCertStore::empty();
    match authorities {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|error| format!("the CA file of Redis is no PEM: {error}"))?;
                roots.add(certificate).map_err(|error| format!("the CA file of Redis: {error}"))?;
            }
        }
        None => {
            // What cannot be read among the system's is not trusted, no more.
            let _counts = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err("there is no certificate to check Redis' with: name a CA file".into());
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS: {error}"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Notes when something comes, and ends a connection that sends more without completing a reply than any of ours has: the
/// parser would keep it all.
struct Metered {
    stream: Box<dyn Stream>,
    received: Arc<AtomicU64>,
    waiting_since: Arc<AtomicU64>,
    most: u64,
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        let bytes = (buffer.filled().len() - before) as u64;
        if bytes > 0 {
            self.waiting_since.store(0, Ordering::Relaxed);
        }
        if bytes > 0 && self.received.fetch_add(bytes, Ordering::Relaxed) > self.most {
            return Poll::Ready(Err(io::Error::other("a reply is larger than any that was asked for")));
        }
        read
    }
}

impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
