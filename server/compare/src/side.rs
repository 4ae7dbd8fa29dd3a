//! Who is compared: the server in its variants, the bare servers, and the peers. Names only.

/// One that takes turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// hotplate as it is started without further settings.
    Ours,
    /// hotplate with TLS.
    OursTls,
    /// hotplate that demands a token.
    OursToken,
    /// hotplate that counts no calls.
    OursUncounted,
    /// hotplate whose metrics are fetched again and again.
    OursScraped,
    /// hotplate that demands a token and whose metrics are fetched.
    OursTokenScraped,
    /// hotplate while hundreds wait for one missing result.
    OursHerd,
    /// hotplate that traces one call in a hundred.
    OursTraced,
    /// A bare server as tonic, tokio and the system come.
    Default,
    /// A bare server on hotplate's transport.
    Tuned,
    /// The same, and keeps what it is sent until it is sent the next.
    Keeping,
    /// The same with bodies framed by hand.
    Frames,
    /// Redis, driven by our generator.
    Redis,
    /// Redis, driven by `redis-benchmark`.
    RedisBenchmark,
    /// memcached, driven by our generator.
    Memcached,
    /// etcd, driven by our generator.
    Etcd,
    /// What a row has to reach, where nobody else does the same.
    Bar,
}

impl Side {
    /// How rows name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ours => "hotplate",
            Self::OursTls => "hotplate with TLS",
            Self::OursToken => "hotplate with a token",
            Self::OursUncounted => "hotplate, calls not counted",
            Self::OursScraped => "hotplate, metrics fetched",
            Self::OursTokenScraped => "hotplate with a token, metrics fetched",
            Self::OursHerd => "hotplate, 500 callers wait",
            Self::OursTraced => "hotplate, 1 % traced",
            Self::Default => "bare tonic, defaults",
            Self::Tuned => "bare tonic, same transport",
            Self::Keeping => "bare tonic that keeps it",
            Self::Frames => "bare frames, same transport",
            Self::Redis => "Redis",
            Self::RedisBenchmark => "Redis by redis-benchmark",
            Self::Memcached => "memcached",
            Self::Etcd => "etcd",
            Self::Bar => "the bar",
        }
    }

    /// Whether it is a server of this project with a cache behind it.
    #[must_use]
    pub const fn is_ours(self) -> bool {
        matches!(
            self,
            Self::Ours
                | Self::OursTls
                | Self::OursToken
                | Self::OursUncounted
                | Self::OursScraped
                | Self::OursTokenScraped
                | Self::OursHerd
                | Self::OursTraced
        )
    }

    /// Whether it is a bare server, and of which shape.
    #[must_use]
    pub const fn shape(self) -> Option<&'static str> {
        match self {
            Self::Default => Some("default"),
            Self::Tuned => Some("tuned"),
            Self::Keeping => Some("keeping"),
            Self::Frames => Some("frames"),
            _ => None,
        }
    }
}
