//! What a failure of Redis means to who called. No answer of the server is repeated word for word: it may name keys.

use hotplate_engine::tier::{TierError, TierErrorKind};
use redis::{RedisError, ServerError};

/// There is no room.
pub(super) const FULL: &str = "Redis is full: raise maxmemory, or let it evict (maxmemory-policy volatile-lfu)";

/// Why an exchange failed: what the caller is told, and what those who route and run scripts look at.
#[derive(Clone, Debug)]
pub(super) struct Fail {
    pub(super) error: TierError,
    pub(super) cause: Cause,
}

/// What can be done about it here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Nothing.
    Other,
    /// The connection is of no use any more.
    Broken,
    /// The slot is at another node from now on.
    Moved(String),
    /// This one time, another node is to be asked.
    Ask(String),
    /// The slot is between two nodes.
    TryAgain,
    /// The server is not the master any more.
    NotMaster,
    /// The script is not known.
    NoScript,
    /// There is no room.
    Full,
    /// The key is of another type.
    WrongType,
}

impl From<Fail> for TierError {
    fn from(fail: Fail) -> Self {
        fail.error
    }
}

impl Fail {
    pub(super) fn new(kind: TierErrorKind, message: impl Into<String>, cause: Cause) -> Self {
        Self { error: TierError { kind, message: message.into() }, cause }
    }

    /// Nothing was sent.
    pub(super) fn here(error: TierError) -> Self {
        Self { error, cause: Cause::Other }
    }

    /// No connection, or none any more.
    pub(super) fn unreachable(message: impl Into<String>) -> Self {
        Self::new(TierErrorKind::Unreachable, message, Cause::Broken)
    }

    /// An answer that has another form than Redis gives.
    pub(super) fn strange() -> Self {
        Self::unreachable("Redis gave an answer of an unknown form: the connection is given up")
    }

    /// What the server, or the client library, said.
    pub(super) fn of(error: &RedisError) -> Self {
        if let Some(errors) = error.clone().into_server_errors()
            && let Some((_, first)) = errors.first()
        {
            return Self::answered(first);
        }
        if error.kind() == redis::ErrorKind::AuthenticationFailed {
            return Self::coded("WRONGPASS", "");
        }
        match error.code() {
            Some(code) => Self::coded(code, error.detail().unwrap_or_default()),
            None => Self::unreachable(format!("the connection to Redis broke: {}", error.category())),
        }
    }

    /// An error as an answer.
    pub(super) fn answered(error: &ServerError) -> Self {
        Self::coded(error.code(), error.details().unwrap_or_default())
    }

    fn coded(code: &str, details: &str) -> Self {
        let refused =
            |why: &str, cause| Self::new(TierErrorKind::Refused, format!("Redis refuses: {why} ({code})"), cause);
        let away = |why: &str, cause| {
            Self::new(TierErrorKind::Away, format!("Redis does not serve now: {why} ({code})"), cause)
        };
        let node = || details.split_ascii_whitespace().nth(1).unwrap_or_default().to_owned();
        // What a script met has no code of its own.
        let code = match code {
            "ERR" if details.contains("can't run this command") => "NOPERM",
            "ERR" if details.contains("access a non local key") => "TRYAGAIN",
            code => code,
        };
        match code {
            "MOVED" => away("the slot has another node", Cause::Moved(node())),
            "ASK" => away("the slot moves to another node", Cause::Ask(node())),
            "TRYAGAIN" => away("the slot moves to another node", Cause::TryAgain),
            "CLUSTERDOWN" => away("the cluster has lost nodes", Cause::NotMaster),
            "LOADING" => away("it reads its files", Cause::Other),
            "MASTERDOWN" => away("the replica has lost its master", Cause::NotMaster),
            "BUSY" => away("a script of somebody else runs for too long", Cause::Other),
            "NOREPLICAS" => away("too few replicas follow it (min-replicas-to-write)", Cause::Other),
            "READONLY" => refused("it is a replica: name its master, or use redis+sentinel://", Cause::NotMaster),
            "NOPERM" => refused("the user lacks rights: see the ACL template in docs/redis.md", Cause::Other),
            "NOAUTH" | "WRONGPASS" => refused("user or password are missing or wrong", Cause::Broken),
            "MISCONF" => refused("it cannot write its own files", Cause::Other),
            "WRONGTYPE" => refused("a key of ours holds something else", Cause::WrongType),
            "NOSCRIPT" => refused("it does not know the script", Cause::NoScript),
            "OOM" => Self::new(TierErrorKind::Full, FULL, Cause::Full),
            "ERR" if details.contains("cluster support disabled") => refused(
                "it is no node of a cluster: write redis:// instead of redis+cluster:// in shared.url",
                Cause::Other,
            ),
            _ => refused("it answers with an error", Cause::Other),
        }
    }
}
