//! What the conformance driver checks besides what users call: private parts, by way of a feature that only the driver turns
//! on. No user needs it, and it may change at any time.

use bytes::Bytes;
use serde_json::Value;

use crate::{Decode, Error, ErrorKind, Result, codec, near};

/// Reads a stored value: what it says of itself is checked first, as every read does.
///
/// # Errors
/// `Codec` when it has another content type than the codec reads, any content encoding, or other bytes.
pub fn decode<T, C: Decode<T>>(codec: &C, content_type: &str, encoding: &str, bytes: Bytes) -> Result<T> {
    codec::decode_checked(codec, content_type, encoding, bytes)
}

/// Carries out a case of `tests/conformance/near.json` on a near cache without a network; what came of each step.
///
/// # Errors
/// `InvalidArgument` for a case that makes no sense.
pub fn near_case(settings: &Value, case: &Value) -> Result<Vec<Value>> {
    near::replay::replay(settings, case).map_err(|why| Error::new(ErrorKind::InvalidArgument, why))
}
