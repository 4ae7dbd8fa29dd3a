//! One codec for all that a request may name, over values as requests write them.

use bytes::Bytes;
use hotplate::{Codec, Decode, Encode, Error, ErrorKind, Json, MessagePack, Raw, Result};
use serde_json::Value;

use crate::{
    answer::{Outcome, Refusal},
    value,
};

/// The codec that a request names.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Named {
    /// `json`, unless said otherwise.
    #[default]
    Json,
    /// `msgpack`.
    MessagePack,
    /// `raw`.
    Raw,
}

impl Named {
    /// By its name.
    pub(crate) fn of(name: Option<&str>) -> Outcome<Self> {
        match name {
            None | Some("json") => Ok(Self::Json),
            Some("msgpack") => Ok(Self::MessagePack),
            Some("raw") => Ok(Self::Raw),
            Some(other) => Err(Refusal::Unsupported(format!("there is no codec `{other}`"))),
        }
    }
}

impl Codec for Named {
    fn content_type(&self) -> &'static str {
        match self {
            Self::Json => Json.content_type(),
            Self::MessagePack => MessagePack.content_type(),
            Self::Raw => Raw.content_type(),
        }
    }

    fn reads(&self, content_type: &str) -> bool {
        match self {
            Self::Json => Json.reads(content_type),
            Self::MessagePack => MessagePack.reads(content_type),
            Self::Raw => Raw.reads(content_type),
        }
    }
}

impl Encode<Value> for Named {
    fn encode(&self, value: &Value) -> Result<Bytes> {
        match self {
            Self::Json => Json.encode(value),
            Self::MessagePack => MessagePack.encode(value),
            Self::Raw => match value::bytes(value) {
                Ok(Some(bytes)) => Ok(bytes),
                Ok(None) | Err(_) => Err(Error::new(ErrorKind::Codec, "the raw codec writes bytes alone")),
            },
        }
    }
}

impl Decode<Value> for Named {
    fn decode(&self, bytes: Bytes) -> Result<Value> {
        match self {
            Self::Json => Json.decode(bytes),
            Self::MessagePack => MessagePack.decode(bytes),
            Self::Raw => Ok(value::of_bytes(&bytes)),
        }
    }
}
