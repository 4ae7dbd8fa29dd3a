//! What an entry is stored under. Validation of names lives here; what a key means does not.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use crate::{
    error::{Error, Kind, Reason, Result},
    position::LogId,
};

/// Longest key, in bytes of UTF-8.
pub const KEY_BYTES_MAX: usize = 1024;
/// Longest namespace name, in bytes.
pub const NAMESPACE_BYTES_MAX: usize = 64;
/// The namespace that an empty name means.
pub const DEFAULT_NAMESPACE: &str = "default";

/// A namespace and a key in it, hashed once.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    namespace: Arc<str>,
    text: Arc<str>,
    hash: u64,
    log: LogId,
}

impl Key {
    /// Checks both names and builds the key. An empty namespace means [`DEFAULT_NAMESPACE`].
    ///
    /// # Errors
    /// `BAD_NAMESPACE` or `BAD_KEY`, naming the field and the bound that is broken.
    pub fn new(namespace: &str, text: &str) -> Result<Self> {
        let namespace = namespace_name(namespace)?;
        check_text(text)?;
        Ok(Self::trusted(namespace, Arc::from(text)))
    }

    /// Builds a key from names that were checked before.
    #[must_use]
    pub fn trusted(namespace: Arc<str>, text: Arc<str>) -> Self {
        let hash = stable_hash(&namespace, &text);
        Self { namespace, text, hash, log: LogId::of_hash(hash) }
    }

    /// The namespace's name.
    #[must_use]
    pub fn namespace(&self) -> &Arc<str> {
        &self.namespace
    }

    /// The key's text.
    #[must_use]
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// xxh3-64 of namespace, a zero byte and key: the same on every replica and in every version.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The log that records this key's changes.
    #[must_use]
    pub fn log(&self) -> LogId {
        self.log
    }
}

/// Bytes of names that are hashed in one piece, which takes a third of the time.
const HASHED_AT_ONCE: usize = 256;

/// xxh3-64 of namespace, a zero byte and key: what [`Key::hash`] says of these names.
#[must_use]
pub fn stable_hash(namespace: &str, text: &str) -> u64 {
    let (start, end) = (namespace.len() + 1, namespace.len() + 1 + text.len());
    if end <= HASHED_AT_ONCE {
        let mut names = [0; HASHED_AT_ONCE];
        names[..namespace.len()].copy_from_slice(namespace.as_bytes());
        names[start..end].copy_from_slice(text.as_bytes());
        return xxhash_rust::xxh3::xxh3_64(&names[..end]);
    }
    let mut hasher = xxhash_rust::xxh3::Xxh3::new();
    hasher.update(namespace.as_bytes());
    hasher.update(&[0]);
    hasher.update(text.as_bytes());
    hasher.digest()
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl fmt::Debug for Key {
    /// Keys may name people or hold parts of prompts: what is printed identifies the key without telling it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}/#{:016x})", self.namespace, self.hash)
    }
}

/// Checks a namespace's name and resolves the empty one: 1 to 64 bytes of letters, digits, `-`, `_`, `.` and `/`.
///
/// # Errors
/// `BAD_NAMESPACE` with the rule.
pub fn namespace_name(name: &str) -> Result<Arc<str>> {
    let name = if name.is_empty() { DEFAULT_NAMESPACE } else { name };
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    if name.len() > NAMESPACE_BYTES_MAX || !name.chars().all(allowed) {
        let rule = "a namespace is 1 to 64 letters, digits, '-', '_', '.' or '/'";
        return Err(Error::new(Kind::InvalidArgument, Reason::BadNamespace, rule).field("namespace"));
    }
    Ok(Arc::from(name))
}

/// Checks a key's text: 1 to 1,024 bytes without control characters.
///
/// # Errors
/// `BAD_KEY` with the rule that is broken.
pub fn check_text(text: &str) -> Result<()> {
    let broken = if text.is_empty() {
        "a key has at least one byte".to_owned()
    } else if text.len() > KEY_BYTES_MAX {
        format!("a key has at most {KEY_BYTES_MAX} bytes, this one has {}", text.len())
    } else if text.chars().any(char::is_control) {
        "a key has no control characters".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::new(Kind::InvalidArgument, Reason::BadKey, broken).field("key"))
}
