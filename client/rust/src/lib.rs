//! Client of the hotplate cache: results that are expensive to compute, kept where every process can reach them.
//!
//! [`Client`] holds the connections, [`Namespace`] reads and writes typed values, [`Calls`] are the RPCs as they are. A
//! cache that is away is a miss, never an error, unless [`OnError::Raise`] asks for it.
//!
//! ```no_run
//! # async fn run() -> Result<(), hotplate::Error> {
//! use hotplate::{Client, ComputeOptions, Key, Profile, TtlClass};
//!
//! let client = Client::builder().url("hotplate://127.0.0.1:7070/ml").profile(Profile::in_cluster()).build()?;
//! let ml = client.default_namespace();
//! let key = Key::new(["model", "metrics"]).id("abc-123").param("top", 10);
//! let options = ComputeOptions::new().ttl(TtlClass::Long);
//! let metrics: Vec<f64> = ml.get_or_compute(&key, &options, || train("abc-123")).await?;
//! # let _ = metrics;
//! # Ok(())
//! # }
//! # async fn train(_id: &str) -> Result<Vec<f64>, std::io::Error> { Ok(vec![0.91]) }
//! ```

mod batch;
mod blob;
mod breaker;
mod builder;
mod cached;
mod calls;
mod canonical;
mod claim;
mod client;
mod clock;
mod codec;
mod compute;
mod compute_options;
#[cfg(feature = "conformance")]
#[doc(hidden)]
pub mod conformance;
mod endpoint;
mod env;
mod error;
mod faithful;
mod flight;
mod gate;
mod invalidation;
mod key;
mod lease;
mod lookup;
mod namespace;
mod near;
mod options;
mod pipe;
mod pool;
mod profile;
mod retry;
mod task;
mod token;
mod tries;
mod ttl;
mod watch;
mod within;

pub use hotplate_proto::v1;

pub use blob::{ReadStream, ValueReader, ValueSource, ValueWriter, WriteStream};
pub use builder::Builder;
pub use cached::{Cached, Invalidates};
pub use calls::Calls;
pub use client::{Client, OnError};
pub use codec::{Codec, Decode, Encode, Json, MessagePack, Raw};
pub use compute_options::{CacheMode, ComputeOptions};
pub use error::{Error, ErrorKind, Result};
pub use gate::DegradationCounts;
pub use key::{AsKey, KEY_BYTES_MAX, Key, TEXT_INLINE_MAX};
pub use lookup::{Etag, Hit, Invalidated, Lookup, MissReason, Negative, Refreshing, Written};
pub use namespace::Namespace;
pub use near::{NearFollow, NearOptions, NearRefusals, NearStats};
pub use options::{ReadOptions, Selector, WriteOptions};
pub use profile::Profile;
pub use ttl::{Ttl, TtlClass, format_duration, parse_duration};
pub use watch::{Preload, Watch, WatchItem};
