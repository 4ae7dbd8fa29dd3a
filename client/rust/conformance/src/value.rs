//! How values are written in requests and answers: JSON as it is, bytes in three forms. What codecs make of them is `codec`'s.

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::answer::{Outcome, Refusal};

/// Bytes that are answered as they are; of longer ones, their hash is.
const ANSWERED_MAX: usize = 4_096;

/// The bytes that a value stands for; `None` when it is plain JSON.
pub(crate) fn bytes(value: &Value) -> Outcome<Option<Bytes>> {
    let Some(fields) = value.as_object().filter(|fields| fields.len() == 1) else { return Ok(None) };
    if let Some(text) = fields.get("$bytes") {
        return text.as_str().map(base64).transpose();
    }
    let Some(fill) = fields.get("$fill") else { return Ok(None) };
    let count = fill["bytes"].as_u64().ok_or_else(|| Refusal::fault("`$fill` without `bytes`"))?;
    Ok(Some(filled(count, fill["seed"].as_u64().unwrap_or_default())))
}

/// Bytes as they are written in base64.
pub(crate) fn base64(text: &str) -> Outcome<Bytes> {
    let bytes = BASE64_STANDARD.decode(text).map_err(|error| Refusal::fault(format!("base64: {error}")))?;
    Ok(bytes.into())
}

/// The same, the other way.
pub(crate) fn to_base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

fn filled(count: u64, seed: u64) -> Bytes {
    let byte = |i: u64| u8::try_from((i * 31 + (i / 251) * 7 + seed) % 256).unwrap_or_default();
    (0..count).map(byte).collect()
}

/// How bytes are answered.
pub(crate) fn of_bytes(bytes: &[u8]) -> Value {
    match bytes.len() {
        0..=ANSWERED_MAX => json!({ "$bytes": to_base64(bytes) }),
        count => json!({ "$sha256": hex::encode(Sha256::digest(bytes)), "bytes": count }),
    }
}
