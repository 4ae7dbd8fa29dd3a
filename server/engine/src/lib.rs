//! The cache itself: store, lifetimes, validity, history, statistics.
//!
//! No sockets, no files, no environment variables live here, and time is read only through [`clock::Clock`]. The rows
//! below are the layers: a file uses `crate::` only from rows above its own (`tests/tidy.rs` checks it).
//! What is hidden from the documentation is public for tests and benches alone, and may change at any time.

// vocabulary
pub mod ahead;
mod allocation;
pub mod chunks;
pub mod clock;
pub mod compress;
pub mod entry;
pub mod error;
pub mod event;
pub mod key;
pub mod position;
mod slab;
#[doc(hidden)]
pub mod sync;
// orders of eviction
pub mod policy;
// meaning
#[doc(hidden)]
pub mod glob;
pub mod namespace;
pub mod selector;
// ports
pub mod origin;
pub mod tier;
// parts
#[doc(hidden)]
pub mod changes;
#[doc(hidden)]
pub mod fence;
#[doc(hidden)]
pub mod fleet;
mod flights;
#[doc(hidden)]
pub mod graph;
#[doc(hidden)]
pub mod index;
pub mod insight;
pub mod lease;
#[doc(hidden)]
pub mod memory;
pub mod stats;
pub mod task;
pub mod watch;
// flows
pub mod flow;
// the whole
pub mod cache;

pub use cache::Cache;
pub use error::{Error, Kind, Result};
