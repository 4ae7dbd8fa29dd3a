//! How values become bytes and back, and what content type says so. Which codec a namespace uses is its caller's
//! choice.

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use crate::{Error, Result};

/// A way to write values. Reading checks the content type first: bytes of another kind are an error, never a guess.
pub trait Codec: Clone + Send + Sync + 'static {
    /// The media type of what it writes.
    fn content_type(&self) -> &'static str;

    /// Whether it reads values of this media type. By default only its own; parameters such as `charset` are ignored.
    fn reads(&self, content_type: &str) -> bool {
        essence(content_type).eq_ignore_ascii_case(self.content_type())
    }
}

/// A codec that writes values of this type.
pub trait Encode<T: ?Sized>: Codec {
    /// The value as bytes.
    ///
    /// # Errors
    /// `Codec` when the value has no such form.
    fn encode(&self, value: &T) -> Result<Bytes>;
}

/// A codec that reads values of this type.
pub trait Decode<T>: Codec {
    /// The value that the bytes hold.
    ///
    /// # Errors
    /// `Codec` when they hold none of this type.
    fn decode(&self, bytes: Bytes) -> Result<T>;
}

/// Checks what a stored value says of itself, then reads it.
pub(crate) fn decode_checked<T, C: Decode<T>>(
    codec: &C,
    content_type: &str,
    encoding: &str,
    bytes: Bytes,
) -> Result<T> {
    if !codec.reads(content_type) {
        let named = if content_type.is_empty() { "no content type" } else { content_type };
        return Err(Error::codec(format!("the stored value has {named}, not {}", codec.content_type())));
    }
    if !encoding.is_empty() {
        return Err(Error::codec(format!("the stored value is encoded with `{encoding}`, which is not read here")));
    }
    codec.decode(bytes)
}

/// A media type without its parameters.
fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

/// `application/json`, readable by people and every language. The default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json;

impl Codec for Json {
    fn content_type(&self) -> &'static str {
        "application/json"
    }

    fn reads(&self, content_type: &str) -> bool {
        let essence = essence(content_type).to_ascii_lowercase();
        essence == "application/json" || essence.ends_with("+json")
    }
}

impl<T: Serialize + ?Sized> Encode<T> for Json {
    fn encode(&self, value: &T) -> Result<Bytes> {
        serde_json::to_vec(value)
            .map(Bytes::from)
            .map_err(|cause| Error::codec(format!("the value has no JSON form: {cause}")))
    }
}

impl<T: DeserializeOwned> Decode<T> for Json {
    fn decode(&self, bytes: Bytes) -> Result<T> {
        serde_json::from_slice(&bytes).map_err(|cause| {
            // The cause's own text may quote the value.
            Error::codec(format!(
                "the stored JSON has another shape (line {}, column {})",
                cause.line(),
                cause.column()
            ))
        })
    }
}

/// `application/msgpack`: compact, with field names, readable by many languages.
#[derive(Clone, Copy, Debug, Default)]
pub struct MessagePack;

impl Codec for MessagePack {
    fn content_type(&self) -> &'static str {
        "application/msgpack"
    }
}

impl<T: Serialize + ?Sized> Encode<T> for MessagePack {
    fn encode(&self, value: &T) -> Result<Bytes> {
        rmp_serde::to_vec_named(value)
            .map(Bytes::from)
            .map_err(|cause| Error::codec(format!("the value has no MessagePack form: {cause}")))
    }
}

impl<T: DeserializeOwned> Decode<T> for MessagePack {
    fn decode(&self, bytes: Bytes) -> Result<T> {
        let mut reader = std::io::Cursor::new(&bytes[..]);
        let value = rmp_serde::from_read(&mut reader);
        match value {
            // Bytes left over mean that these were never written as this type.
            Ok(value) if reader.position() == bytes.len() as u64 => Ok(value),
            // The cause's own text may quote the value.
            Ok(_) | Err(_) => Err(Error::codec("the stored MessagePack has another shape")),
        }
    }
}

/// `application/octet-stream`: bytes as they are. Reads values of every content type.
#[derive(Clone, Copy, Debug, Default)]
pub struct Raw;

impl Codec for Raw {
    fn content_type(&self) -> &'static str {
        "application/octet-stream"
    }

    fn reads(&self, _content_type: &str) -> bool {
        true
    }
}

impl Encode<Bytes> for Raw {
    fn encode(&self, value: &Bytes) -> Result<Bytes> {
        Ok(value.clone())
    }
}

impl Encode<[u8]> for Raw {
    fn encode(&self, value: &[u8]) -> Result<Bytes> {
        Ok(Bytes::copy_from_slice(value))
    }
}

impl Encode<Vec<u8>> for Raw {
    fn encode(&self, value: &Vec<u8>) -> Result<Bytes> {
        Ok(Bytes::copy_from_slice(value))
    }
}

impl Encode<str> for Raw {
    fn encode(&self, value: &str) -> Result<Bytes> {
        Ok(Bytes::copy_from_slice(value.as_bytes()))
    }
}

impl Encode<String> for Raw {
    fn encode(&self, value: &String) -> Result<Bytes> {
        Ok(Bytes::copy_from_slice(value.as_bytes()))
    }
}

impl Decode<Bytes> for Raw {
    fn decode(&self, bytes: Bytes) -> Result<Bytes> {
        Ok(bytes)
    }
}

impl Decode<Vec<u8>> for Raw {
    fn decode(&self, bytes: Bytes) -> Result<Vec<u8>> {
        Ok(bytes.into())
    }
}

impl Decode<String> for Raw {
    fn decode(&self, bytes: Bytes) -> Result<String> {
        match String::from_utf8(bytes.into()) {
            Ok(text) => Ok(text),
            // The error holds the bytes.
            Err(_bytes) => Err(Error::codec("the stored value is not UTF-8")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_content_type_or_encoding_is_refused_before_the_bytes_are_read() {
        let read =
            |content_type, encoding| decode_checked::<u32, _>(&Json, content_type, encoding, Bytes::from_static(b"7"));
        assert_eq!(read("application/json", ""), Ok(7));
        assert_eq!(read("Application/JSON; charset=utf-8", ""), Ok(7));
        assert_eq!(read("application/problem+json", ""), Ok(7));
        for (content_type, encoding) in [("text/plain", ""), ("", ""), ("application/json", "gzip")] {
            assert_eq!(read(content_type, encoding).expect_err("refused").kind, crate::ErrorKind::Codec);
        }
    }

    #[test]
    fn every_codec_reads_what_it_wrote() {
        let value = vec![("a".to_owned(), 1.5), ("b".to_owned(), -2.0)];
        let json = Json.encode(&value).and_then(|bytes| Json.decode(bytes));
        assert_eq!(json.as_ref(), Ok(&value));
        let packed = MessagePack.encode(&value).and_then(|bytes| MessagePack.decode(bytes));
        assert_eq!(packed, Ok(value));
        let raw: Result<String> = Raw.encode("text").and_then(|bytes| Raw.decode(bytes));
        assert_eq!(raw, Ok("text".to_owned()));
    }

    #[test]
    fn floats_survive_json_to_the_last_bit() {
        let mut bits: u64 = 0x9E37_79B9_7F4A_7C15;
        for _ in 0..20_000 {
            bits ^= bits << 13;
            bits ^= bits >> 7;
            bits ^= bits << 17;
            let float = f64::from_bits(bits);
            if float.is_finite() {
                let read: Result<f64> = Json.encode(&float).and_then(|bytes| Json.decode(bytes));
                assert_eq!(read.map(f64::to_bits), Ok(bits), "{float:e}");
            }
        }
    }

    #[test]
    fn errors_do_not_quote_the_value() {
        let secret = Bytes::from_static(b"{\"password\":\"hunter2\"}");
        let error = Decode::<u32>::decode(&Json, secret.clone()).expect_err("another shape");
        assert!(!error.to_string().contains("hunter2") && !error.to_string().contains("password"), "{error}");
        let error = Decode::<u32>::decode(&MessagePack, secret).expect_err("another shape");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
