//! How a client is set up. Every setting is checked in `build`, which opens no connection.

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::sync::OnceCell;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};
use zeroize::Zeroizing;

use crate::{
    Client, Error, Profile, Result,
    calls::{Closing, Wire},
    client::{OnError, Setup},
    endpoint::Address,
    env,
    near::{NearOptions, NearSetup},
    pipe::Pipes,
    pool::{CONNECTIONS_MAX, Pool},
    retry::Budget,
    token::Token,
    ttl,
};

/// Where a client connects when nothing is said.
const DEFAULT_URL: &str = "hotplate://127.0.0.1:7070";
/// Invalidations remembered while the server is away, when nothing is said.
const JOURNAL_MAX: usize = 10_000;
/// Computations of `get_or_compute` that may run at once, when nothing is said.
const COMPUTATIONS_MAX: usize = 1_024;

/// Settings of a [`Client`]; made by [`Client::builder`].
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    urls: Vec<String>,
    namespace: Option<String>,
    token: Option<Token>,
    allow_insecure_token: bool,
    tls: Tls,
    profile: Option<Profile>,
    timeout: Option<Duration>,
    pipelining: bool,
    connections_max: usize,
    setup: Setup,
}

/// What TLS uses, as PEM.
#[derive(Default)]
struct Tls {
    wanted: bool,
    ca: Option<Vec<u8>>,
    identity: Option<(Vec<u8>, Zeroizing<Vec<u8>>)>,
    domain: Option<String>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls")
            .field("wanted", &self.wanted)
            .field("ca", &self.ca.is_some())
            .field("identity", &self.identity.is_some())
            .field("domain", &self.domain)
            .finish()
    }
}

impl Default for Builder {
    fn default() -> Self {
        let setup = Setup {
            on_error: OnError::Miss,
            disabled: false,
            journal_max: JOURNAL_MAX,
            computations_max: COMPUTATIONS_MAX,
            client_id: hex::encode(rand::random::<[u8; 8]>()),
            client_id_is_own: true,
            near: NearSetup::default(),
        };
        Self {
            urls: Vec::new(),
            namespace: None,
            token: None,
            allow_insecure_token: false,
            tls: Tls::default(),
            profile: None,
            timeout: None,
            pipelining: true,
            connections_max: CONNECTIONS_MAX,
            setup,
        }
    }
}

impl Builder {
    /// Adds a server: `hotplate://host:7070/namespace?timeout=250ms`, `http://…`, `https://…` or `host:port`. The path
    /// sets the default namespace; `timeout`, `profile` and `tls=true` may follow as a query. Calls take turns
    /// between all servers given. Without any, `hotplate://127.0.0.1:7070`.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.urls.push(url.into());
        self
    }

    /// The same as [`Builder::url`].
    pub fn endpoint(self, endpoint: impl Into<String>) -> Self {
        self.url(endpoint)
    }

    /// Adds several servers.
    pub fn endpoints<T: Into<String>>(mut self, endpoints: impl IntoIterator<Item = T>) -> Self {
        self.urls.extend(endpoints.into_iter().map(Into::into));
        self
    }

    /// The namespace of [`Client::default_namespace`]. Without one, the address's path, then `default`.
    pub fn default_namespace(mut self, name: impl Into<String>) -> Self {
        self.namespace = Some(name.into());
        self
    }

    /// The bearer token sent with every call. It is never printed, and wiped from memory when the builder is gone.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(Token::new(token));
        self
    }

    /// Sends the token even without TLS to a host that is not this machine. Whoever listens in then has it.
    pub fn allow_insecure_token(mut self, allow: bool) -> Self {
        self.allow_insecure_token = allow;
        self
    }

    /// Uses TLS with the system's certificate authorities, also for `hotplate://`.
    pub fn tls(mut self) -> Self {
        self.tls.wanted = true;
        self
    }

    /// Uses TLS and trusts this certificate authority (PEM) instead of the system's.
    pub fn tls_ca(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.tls.wanted = true;
        self.tls.ca = Some(pem.as_ref().to_vec());
        self
    }

    /// Uses TLS and shows this certificate with its private key (both PEM) to the server.
    pub fn tls_identity(mut self, certificate_pem: impl AsRef<[u8]>, key_pem: impl AsRef<[u8]>) -> Self {
        self.tls.wanted = true;
        self.tls.identity = Some((certificate_pem.as_ref().to_vec(), Zeroizing::new(key_pem.as_ref().to_vec())));
        self
    }

    /// The name the server's certificate must have, when it is not the address's host.
    pub fn tls_domain(mut self, name: impl Into<String>) -> Self {
        self.tls.domain = Some(name.into());
        self
    }

    /// The timeouts. Without one, [`Profile::local`].
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = Some(profile);
        self
    }

    /// The deadline of every call, retries included, instead of the profile's. At least 1 ms.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Whether small calls that are made at the same time share a stream: more calls for the same work, and none waits
    /// for another. A server that has no such streams is called as before. Turn it off where a proxy between should
    /// spread single calls over servers. Default: on.
    pub fn pipelining(mut self, pipelining: bool) -> Self {
        self.pipelining = pipelining;
        self
    }

    /// Connections for calls at most, to all servers together, but at least one to each; 1 to 64. The next is opened
    /// when those before it are busy. Default: 4.
    pub fn connections_max(mut self, connections: usize) -> Self {
        self.connections_max = connections;
        self
    }

    /// What typed reads and writes do when the cache is away. Default: [`OnError::Miss`].
    pub fn on_error(mut self, on_error: OnError) -> Self {
        self.setup.on_error = on_error;
        self
    }

    /// Turns the cache off: nothing is sent, every read is a miss, every write is dropped, everything is computed. What has
    /// no such answer, as [`Client::calls`], watches, preloads and statistics, is an error of kind `FailedPrecondition`.
    /// The environment variable `HOTPLATE_DISABLE=1` does the same for every client of a process.
    pub fn disabled(mut self, disabled: bool) -> Self {
        self.setup.disabled = disabled;
        self
    }

    /// Invalidations remembered while the server is away, 1 or more; past that, an invalidation fails with reason
    /// `JOURNAL_FULL`, because dropping one would mean serving what it dropped. Default: 10,000.
    pub fn journal_max(mut self, selectors: usize) -> Self {
        self.setup.journal_max = selectors;
        self
    }

    /// Computations of `get_or_compute` that run at once, 1 or more; others wait for their turn. Default: 1,024.
    pub fn computations_max(mut self, computations: usize) -> Self {
        self.setup.computations_max = computations;
        self
    }

    /// The name this client writes under, so that its own watches can leave out what it did. At most 128 bytes.
    /// Default: random.
    pub fn client_id(mut self, id: impl Into<String>) -> Self {
        self.setup.client_id = id.into();
        self.setup.client_id_is_own = false;
        self
    }

    /// Keeps values in this process, for as long as the server vouches for them, in every namespace that is not named
    /// by [`Builder::near_cache_of`]. Without this, nothing is kept.
    pub fn near_cache(mut self, options: NearOptions) -> Self {
        self.setup.near.all = Some(options);
        self
    }

    /// The same for one namespace; `None` for one that does without.
    pub fn near_cache_of(mut self, namespace: impl Into<String>, options: Option<NearOptions>) -> Self {
        self.setup.near.named.insert(namespace.into(), options);
        self
    }

    /// Adds what the environment says: `HOTPLATE_URL` (several with commas), `HOTPLATE_TOKEN` or
    /// `HOTPLATE_TOKEN_FILE`, `HOTPLATE_NAMESPACE`, `HOTPLATE_TIMEOUT`, `HOTPLATE_CLIENT_PROFILE`,
    /// `HOTPLATE_CA_FILE`. What was set before in code stays.
    ///
    /// # Errors
    /// A variable that does not parse or a file that cannot be read.
    pub fn env(mut self) -> Result<Self> {
        let settings = env::Settings::read()?;
        if self.urls.is_empty() {
            let urls = settings.url.as_deref().unwrap_or_default().split(',');
            self.urls = urls.map(str::trim).filter(|url| !url.is_empty()).map(str::to_owned).collect();
        }
        self.namespace = self.namespace.or(settings.namespace);
        if self.token.is_none() {
            self.token = match (settings.token, settings.token_file) {
                (Some(token), _) => Some(Token::new(token)),
                (None, Some(path)) => Some(Token::new(read_file("HOTPLATE_TOKEN_FILE", &path)?)),
                (None, None) => None,
            };
        }
        if self.timeout.is_none() {
            self.timeout = settings.timeout.as_deref().map(ttl::parse_duration).transpose()?;
        }
        if self.profile.is_none() {
            self.profile = settings.profile.as_deref().map(Profile::named).transpose()?;
        }
        match settings.ca_file {
            Some(path) if self.tls.ca.is_none() => {
                let pem = read_file("HOTPLATE_CA_FILE", &path)?;
                Ok(self.tls_ca(pem))
            }
            _ => Ok(self),
        }
    }

    /// Checks the settings and makes the client. Connections are opened when first used, so this succeeds while the
    /// server is down. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// `Configuration`, with what to change; also for `HOTPLATE_DISABLE` with anything but `1`, `true`, `0` and `false`.
    pub fn build(mut self) -> Result<Client> {
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(Error::configuration("a client needs a tokio runtime: call `build` from within one"));
        }
        if self.urls.is_empty() {
            self.urls.push(DEFAULT_URL.to_owned());
        }
        let mut addresses = self.urls.iter().map(|url| Address::parse(url)).collect::<Result<Vec<_>>>()?;
        let tls_wanted = self.tls.wanted;
        addresses.iter_mut().for_each(|address| address.tls |= tls_wanted);
        self.tls.check()?;
        let authorization = self.token.as_ref().map(Token::header).transpose()?;
        if authorization.is_some() && !self.allow_insecure_token {
            refuse_open_token(&addresses)?;
        }
        let profile = self.timeouts(&addresses)?;
        let endpoints = self.endpoints_of(&addresses, &profile)?;
        let named = addresses.iter().find_map(|address| address.namespace.clone());
        let namespace = self.namespace.or(named).unwrap_or_else(|| "default".to_owned());
        let mut setup = self.setup;
        check_setup(&setup)?;
        if !(1..=64).contains(&self.connections_max) {
            return Err(Error::configuration("connections_max is 1 to 64"));
        }
        setup.disabled |= env::disabled()?;
        let pool = Pool::new(&endpoints, self.connections_max);
        let wire = Wire {
            pipes: self.pipelining.then(|| Pipes::new(&pool, authorization.as_ref())),
            pool,
            profile,
            authorization,
            budget: Budget::default(),
            repeats: AtomicU64::new(0),
            limits: OnceCell::new(),
            disabled: setup.disabled,
            closing: Closing::default(),
        };
        Ok(Client::new(Arc::new(wire), namespace, setup))
    }

    fn timeouts(&self, addresses: &[Address]) -> Result<Profile> {
        let from_address = addresses.iter().find_map(|address| address.profile);
        let mut profile = self.profile.or(from_address).unwrap_or_default();
        if let Some(timeout) = self.timeout.or(addresses.iter().find_map(|address| address.timeout)) {
            profile.call_timeout = timeout;
            profile.bulk_timeout = timeout;
        }
        let all = [profile.connect_timeout, profile.call_timeout, profile.bulk_timeout];
        match all.iter().any(|timeout| *timeout < Duration::from_millis(1)) {
            true => Err(Error::configuration("a timeout is at least 1 ms")),
            false => Ok(profile),
        }
    }

    fn endpoints_of(&self, addresses: &[Address], profile: &Profile) -> Result<Vec<Endpoint>> {
        let tls = addresses.iter().any(|address| address.tls).then(|| self.tls.config());
        addresses.iter().map(|address| address.endpoint(tls.as_ref().filter(|_| address.tls), profile)).collect()
    }
}

impl Tls {
    /// PEM that holds nothing would only show at the first call, as a server that is not trusted.
    fn check(&self) -> Result<()> {
        let holds_certificate = |pem: &[u8]| {
            let mut found = CertificateDer::pem_slice_iter(pem).peekable();
            found.peek().is_some() && found.all(|certificate| certificate.is_ok())
        };
        if self.ca.as_ref().is_some_and(|pem| !holds_certificate(pem)) {
            return Err(Error::configuration("TLS: the certificate authority is no PEM certificate"));
        }
        let Some((certificate, key)) = &self.identity else { return Ok(()) };
        if !holds_certificate(certificate) {
            return Err(Error::configuration("TLS: the client certificate is no PEM certificate"));
        }
        match PrivateKeyDer::from_pem_slice(key) {
            Ok(_) => Ok(()),
            // The cause may tell about the key.
            Err(_cause) => Err(Error::configuration("TLS: the client key is no PEM private key")),
        }
    }

    fn config(&self) -> ClientTlsConfig {
        let mut config = ClientTlsConfig::new();
        config = match &self.ca {
            Some(pem) => config.ca_certificate(Certificate::from_pem(pem)),
            None => config.with_native_roots(),
        };
        if let Some((certificate, key)) = &self.identity {
            config = config.identity(Identity::from_pem(certificate, key.as_slice()));
        }
        match &self.domain {
            Some(name) => config.domain_name(name),
            None => config,
        }
    }
}

fn refuse_open_token(addresses: &[Address]) -> Result<()> {
    match addresses.iter().find(|address| !address.tls && !address.is_loopback()) {
        Some(address) => Err(Error::configuration(format!(
            "the token would go to {} unencrypted: use https:// or TLS, or allow_insecure_token(true)",
            address.host
        ))),
        None => Ok(()),
    }
}

fn check_setup(setup: &Setup) -> Result<()> {
    if setup.journal_max == 0 || setup.computations_max == 0 {
        return Err(Error::configuration("journal_max and computations_max are at least 1"));
    }
    if setup.client_id.len() > 128 {
        return Err(Error::configuration("client_id has at most 128 bytes"));
    }
    setup.near.check()
}

fn read_file(variable: &str, path: &str) -> Result<String> {
    std::fs::read_to_string(path)
        .map_err(|cause| Error::configuration(format!("the file that {variable} names cannot be read: {cause}")))
}
