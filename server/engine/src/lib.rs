//! The cache itself: store, lifetimes, validity, history, statistics.
//!
//! No sockets, no files, no environment variables live here, and time is read only through [`clock::Clock`]. The rows
//! below are the layers: a file uses `crate::` only from rows above its own (`tests/tidy.rs` checks it).

// vocabulary
pub mod clock;
pub mod entry;
pub mod error;
pub mod event;
pub mod key;
pub mod position;
mod slab;
pub mod sync;
// orders of eviction
pub mod policy;
// meaning
pub mod glob;
pub mod namespace;
pub mod selector;
// ports
pub mod origin;
// parts
pub mod changes;
pub mod fence;
pub mod index;
pub mod insight;
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
