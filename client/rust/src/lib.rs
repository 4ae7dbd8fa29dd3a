//! Client of the hotplate cache.
//!
//! [`Client`] holds connections; [`Calls`] are the RPCs as they are.

mod builder;
mod calls;
mod canonical;
mod client;
mod clock;
mod endpoint;
mod env;
mod error;
mod key;
mod pool;
mod profile;
mod retry;
mod token;
mod ttl;

pub use hotplate_proto::v1;

pub use builder::Builder;
pub use calls::Calls;
pub use client::{Client, OnError};
pub use error::{Error, ErrorKind, Result};
pub use key::{AsKey, KEY_BYTES_MAX, Key, TEXT_INLINE_MAX};
pub use profile::Profile;
pub use ttl::{Ttl, TtlClass, format_duration, parse_duration};
