//! How keys are made: readable segments where possible, canonical hashes where not, the same in every language. The
//! rules are in `tests/conformance/README.md`, with vectors.

use std::{
    borrow::Cow,
    fmt::{self, Write as _},
};

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{Error, Result, canonical, faithful};

/// Longest key, in bytes of UTF-8.
pub const KEY_BYTES_MAX: usize = 1024;
/// Longest text, in characters, that [`Key::text`] writes out.
pub const TEXT_INLINE_MAX: usize = 1000;
/// What a hashed part begins with. No segment can: a leading `~` is percent-encoded.
const HASH_MARK: &str = "~sha256:";

/// A key under construction: segments joined by `:`.
///
/// Characters that mean something in keys, globs and URLs (`: * ? [ ] % /`, a leading `~`), white space and control
/// characters are percent-encoded; text is in normal form C. A fault, such as an empty segment, is kept and reported
/// when the key is used.
///
/// ```
/// use hotplate::Key;
/// let key = Key::new(["model", "metrics"]).id("abc-123").param("top", 10);
/// assert_eq!(key.render()?, "model:metrics:abc-123:top_10");
/// // The order of ids does not matter.
/// let one = Key::new(["model", "comparison"]).unordered(["b", "a"]);
/// let two = Key::new(["model", "comparison"]).unordered(["a", "b"]);
/// assert_eq!(one.render()?, two.render()?);
/// # Ok::<(), hotplate::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    segments: Vec<String>,
    fault: Option<Error>,
}

impl Key {
    /// Begins with these segments, such as `["model", "metrics"]`.
    pub fn new<T: AsRef<str>>(segments: impl IntoIterator<Item = T>) -> Self {
        let empty = Self { segments: Vec::new(), fault: None };
        segments.into_iter().fold(empty, |key, segment| key.segment(segment.as_ref()))
    }

    /// Adds one segment: an id, a number, a name.
    #[must_use]
    pub fn id(self, id: impl fmt::Display) -> Self {
        self.segment(&id.to_string())
    }

    /// Adds `name_value`: text, numbers, booleans and null as they are, arrays and objects as a hash of their
    /// canonical JSON. An `_` within the name is percent-encoded, so that the first one always ends it.
    #[must_use]
    pub fn param(self, name: &str, value: impl Serialize) -> Self {
        let rendered = to_json(&value).and_then(|value| param_text(&value));
        match rendered {
            Ok(_) if name.is_empty() => self.failed(Error::invalid("key", "a key parameter has an empty name")),
            Ok(text) => {
                let name = encode(&canonical::nfc(name)).replace('_', "%5F");
                self.push(format!("{name}_{}", encode_inner(&text)))
            }
            Err(error) => self.failed(error),
        }
    }

    /// Adds a hash of the canonical JSON of many parameters at once: a map or a struct.
    #[must_use]
    pub fn params(self, values: impl Serialize) -> Self {
        let text = to_json(&values).and_then(|value| canonical::json(&value));
        match text {
            Ok(text) => self.push(hash(text.as_bytes())),
            Err(error) => self.failed(error),
        }
    }

    /// Adds a hash of ids whose order does not matter. Duplicates count.
    #[must_use]
    pub fn unordered<T: fmt::Display>(self, ids: impl IntoIterator<Item = T>) -> Self {
        let mut ids: Vec<String> = ids.into_iter().map(|id| canonical::nfc(&id.to_string())).collect();
        ids.sort_unstable();
        self.params(ids)
    }

    /// Adds free text, such as a prompt: written out up to 1,000 characters, hashed beyond.
    #[must_use]
    pub fn text(self, text: &str) -> Self {
        let text = canonical::nfc(text);
        match text.chars().count() {
            0..=TEXT_INLINE_MAX => self.segment(&text),
            _ => self.push(format!("{HASH_MARK}{}", hash(text.as_bytes()))),
        }
    }

    /// Adds a hash of bytes: the content a result was computed from.
    #[must_use]
    pub fn content(self, bytes: impl AsRef<[u8]>) -> Self {
        self.push(format!("{HASH_MARK}{}", hash(bytes.as_ref())))
    }

    /// The key's text. Beyond 1,024 bytes, as many leading segments as fit are kept and a hash of the whole follows.
    ///
    /// # Errors
    /// `InvalidArgument` for an empty key or segment, and for a parameter that has no canonical JSON.
    pub fn render(&self) -> Result<String> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        if self.segments.is_empty() {
            return Err(Error::invalid("key", "a key has at least one segment"));
        }
        let whole = self.segments.join(":");
        if whole.len() <= KEY_BYTES_MAX {
            return Ok(whole);
        }
        let suffix = format!("{HASH_MARK}{}", hash(whole.as_bytes()));
        let mut short = String::new();
        for segment in &self.segments {
            if short.len() + segment.len() + 1 + suffix.len() > KEY_BYTES_MAX {
                break;
            }
            short.push_str(segment);
            short.push(':');
        }
        short.push_str(&suffix);
        Ok(short)
    }

    fn segment(self, text: &str) -> Self {
        match text.is_empty() {
            true => self.failed(Error::invalid("key", "a key segment is empty")),
            false => self.push(encode(&canonical::nfc(text))),
        }
    }

    fn push(mut self, segment: String) -> Self {
        self.segments.push(segment);
        self
    }

    fn failed(mut self, error: Error) -> Self {
        self.fault.get_or_insert(error);
        self
    }
}

impl fmt::Debug for Key {
    /// Keys may name people or hold parts of prompts: what is printed identifies the key without telling it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digest = hash(self.segments.join(":").as_bytes());
        write!(f, "Key(#{})", &digest[..16])
    }
}

/// What can be used as a key: a [`Key`], or text that is taken as the whole key, as it is.
pub trait AsKey {
    /// The key's text.
    ///
    /// # Errors
    /// As [`Key::render`].
    fn as_key(&self) -> Result<String>;

    /// The same without a copy where there is such a text already.
    ///
    /// # Errors
    /// As [`AsKey::as_key`].
    fn key_text(&self) -> Result<Cow<'_, str>> {
        self.as_key().map(Cow::Owned)
    }
}

impl AsKey for Key {
    fn as_key(&self) -> Result<String> {
        self.render()
    }
}

impl AsKey for str {
    fn as_key(&self) -> Result<String> {
        Ok(self.to_owned())
    }

    fn key_text(&self) -> Result<Cow<'_, str>> {
        Ok(Cow::Borrowed(self))
    }
}

impl AsKey for String {
    fn as_key(&self) -> Result<String> {
        Ok(self.clone())
    }

    fn key_text(&self) -> Result<Cow<'_, str>> {
        Ok(Cow::Borrowed(self))
    }
}

impl<T: AsKey + ?Sized> AsKey for &T {
    fn as_key(&self) -> Result<String> {
        (**self).as_key()
    }

    fn key_text(&self) -> Result<Cow<'_, str>> {
        (**self).key_text()
    }
}

fn to_json(value: &impl Serialize) -> Result<Value> {
    faithful::check(value)?;
    serde_json::to_value(value)
        .map_err(|cause| Error::invalid("key", format!("a key parameter has no JSON form: {cause}")))
}

fn param_text(value: &Value) -> Result<String> {
    match value {
        Value::String(text) if text.is_empty() => Err(Error::invalid("key", "a key parameter's value is empty")),
        Value::String(text) => Ok(canonical::nfc(text)),
        Value::Array(_) | Value::Object(_) => Ok(hash(canonical::json(value)?.as_bytes())),
        Value::Null | Value::Bool(_) | Value::Number(_) => canonical::json(value),
    }
}

/// The first half of the SHA-256, in lower-case hexadecimal: 128 bits are enough for names.
fn hash(bytes: &[u8]) -> String {
    hex::encode(&Sha256::digest(bytes)[..16])
}

/// Percent-encodes a whole segment.
fn encode(text: &str) -> String {
    match text.strip_prefix('~') {
        Some(rest) => format!("%7E{}", encode_inner(rest)),
        None => encode_inner(text),
    }
}

fn encode_inner(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, ':' | '*' | '?' | '[' | ']' | '%' | '/') || c.is_whitespace() || c.is_control() {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                // Writing into a String cannot fail.
                let _ = write!(out, "%{byte:02X}");
            }
        } else {
            out.push(c);
        }
    }
    out
}
