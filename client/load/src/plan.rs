//! What a run is to be: who is asked, how, with what, for how long. Says nothing of how that is done.

use std::{sync::Arc, time::Duration};

use crate::{herd::Herd, size::Sizes, trace::Trace};

/// Lanes a run may have: each holds buffers and, at some peers, a connection.
const IN_FLIGHT_MAX: usize = 100_000;
/// Operations of a message at most; servers may allow fewer.
const BATCH_MAX: usize = 10_000;
/// Keys a run may have: more than fit any memory.
const KEYS_MAX: u64 = 1 << 36;
/// Client threads at most.
const THREADS_MAX: usize = 256;

/// How calls are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One key a call.
    Unary,
    /// `BatchGet` and `BatchPut`.
    Batch,
    /// The `Pipeline` stream.
    Pipeline,
    /// Reads from the near cache of the Rust client.
    Near,
    /// `ReadValue` and `WriteValue`.
    Blob,
}

impl Mode {
    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unary => "unary",
            Self::Batch => "batch",
            Self::Pipeline => "pipeline",
            Self::Near => "near",
            Self::Blob => "blob",
        }
    }
}

/// Which client makes the calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum With {
    /// HTTP/2 by hand: the least a client can cost.
    H2,
    /// The generated stubs.
    Tonic,
    /// The Rust client library, as applications use it.
    Sdk,
}

impl With {
    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::H2 => "h2",
            Self::Tonic => "tonic",
            Self::Sdk => "sdk",
        }
    }
}

/// How closely values that come back are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Every byte of every value.
    All,
    /// The length of every value, every byte of one of 64.
    Sampled,
    /// The length of every value, and the checksum of every chunk that has one.
    Sums,
    /// The length of every value.
    Length,
}

/// How much of an entry is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Key, value and metadata.
    Full,
    /// The value.
    Value,
    /// Metadata.
    Metadata,
}

/// Which certificates are trusted.
#[derive(Clone, Debug)]
pub enum Trust {
    /// Those the system trusts.
    System,
    /// These, as PEM.
    Pem(Vec<u8>),
}

/// A server of ours.
#[derive(Clone)]
pub struct Server {
    /// Name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// With TLS, and whom it trusts.
    pub tls: Option<Trust>,
    /// Bearer token.
    pub token: Option<String>,
    /// Namespace; empty: the default one.
    pub namespace: String,
}

/// The token is a secret.
impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let secret = self.token.as_ref().map(|_| "…");
        write!(f, "Server({}:{}, tls: {}, token: {secret:?})", self.host, self.port, self.tls.is_some())
    }
}

/// How many of what.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Messages under way, over all connections and threads.
    pub in_flight: usize,
    /// Connections.
    pub connections: usize,
    /// Threads that drive them.
    pub threads: usize,
    /// Operations of a message.
    pub batch: usize,
}

/// Settings of HTTP/2 and of streams of bytes.
#[derive(Clone, Copy, Debug)]
pub struct Http2 {
    /// The largest frame that is accepted, in bytes.
    pub frame_size: u32,
    /// What may be under way to the client on one stream, in bytes; four times that on one connection.
    pub window: u32,
    /// Bytes of a chunk in mode blob.
    pub chunk: u32,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How calls are made.
    pub mode: Mode,
    /// By which client.
    pub client: With,
    /// How much of an entry is asked for.
    pub view: View,
    /// How many of what.
    pub shape: Shape,
    /// Settings of HTTP/2.
    pub http2: Http2,
    /// Sizes of values.
    pub sizes: Sizes,
    /// Number of keys.
    pub keys: u64,
    /// Exponent of Zipf's law; none: all keys alike.
    pub zipf: Option<f64>,
    /// Share of operations that read.
    pub read_ratio: f64,
    /// Many callers that want one missing key, instead of keys that are there.
    pub herd: Option<Herd>,
    /// A recording to replay instead of keys by chance.
    pub trace: Option<Arc<Trace>>,
    /// Operations a second, by schedule; none: the next begins when one has ended.
    pub rate: Option<f64>,
    /// How long is measured.
    pub time: Duration,
    /// How long the same is done before, unmeasured.
    pub warm_up: Duration,
    /// Where chance begins.
    pub seed: u64,
    /// How closely values are looked at.
    pub check: Check,
    /// What keys begin with.
    pub prefix: String,
    /// Writes all keys first.
    pub fill: bool,
    /// Leaves them there.
    pub keep: bool,
}

impl Plan {
    /// Whether it can be done.
    ///
    /// # Errors
    /// A sentence that names what cannot.
    pub fn check(&self) -> Result<(), String> {
        let shape = self.shape;
        let within = |name: &str, value: usize, most: usize| match (1..=most).contains(&value) {
            true => Ok(()),
            false => Err(format!("--{name} is 1 to {most}")),
        };
        within("in-flight", shape.in_flight, IN_FLIGHT_MAX)?;
        within("connections", shape.connections, IN_FLIGHT_MAX)?;
        within("threads", shape.threads, THREADS_MAX)?;
        within("batch", shape.batch, BATCH_MAX)?;
        if !(1..=KEYS_MAX).contains(&self.keys) {
            return Err(format!("--keys is 1 to {KEYS_MAX}"));
        }
        if !(0.0..=1.0).contains(&self.read_ratio) {
            return Err("--read-ratio is 0 to 1".into());
        }
        if self.rate.is_some_and(|rate| !(rate.is_finite() && rate > 0.0)) {
            return Err("--rate is above 0".into());
        }
        if self.prefix.is_empty() || self.prefix.len() > 100 || !self.prefix.is_ascii() {
            return Err("--prefix is 1 to 100 letters, digits and signs of ASCII".into());
        }
        if !(16_384..=16_777_215).contains(&self.http2.frame_size) {
            return Err("--frame-size is 16KiB to 16777215".into());
        }
        if !(65_535..=(1 << 29)).contains(&self.http2.window) {
            return Err("--window is 65535 to 512MiB".into());
        }
        if !(4_096..=(4 << 20)).contains(&self.http2.chunk) {
            return Err("--chunk-size is 4KiB to 4MiB".into());
        }
        self.herd.map_or(Ok(()), Herd::check)?;
        self.fits_together()
    }

    fn fits_together(&self) -> Result<(), String> {
        match (self.mode, self.client) {
            (Mode::Near, With::H2 | With::Tonic) => Err("mode near reads from the client library: --client sdk".into()),
            (Mode::Pipeline | Mode::Blob, With::Sdk | With::Tonic) => Err(
                "modes pipeline and blob are driven by --client h2; the client library uses such streams by itself \
                     in mode unary"
                    .into(),
            ),
            _ if self.trace.is_some() && self.mode != Mode::Unary => Err("--trace needs --mode unary".into()),
            _ => Ok(()),
        }
    }

    /// Operations of a message in this mode.
    #[must_use]
    pub fn batch(&self) -> usize {
        match self.mode {
            Mode::Unary | Mode::Blob => 1,
            Mode::Batch | Mode::Pipeline | Mode::Near => self.shape.batch,
        }
    }
}
