//! The gRPC side: one file per RPC that translates, and what they share. No cache logic lives here.

pub(crate) mod batch_get;
pub(crate) mod batch_put;
pub(crate) mod blob;
mod bounded;
pub(crate) mod coming;
pub(crate) mod convert;
mod ending;
pub(crate) mod explain_key;
pub(crate) mod extend_lease;
pub(crate) mod gate;
pub(crate) mod get;
pub(crate) mod going;
pub(crate) mod granted;
pub(crate) mod health;
pub(crate) mod invalidate;
pub(crate) mod lane;
pub(crate) mod list_entries;
mod metered;
pub(crate) mod pipeline;
pub(crate) mod preload;
pub(crate) mod put;
pub(crate) mod query_write;
pub(crate) mod read_value;
pub(crate) mod reflection;
pub(crate) mod release_lease;
pub(crate) mod revalidate;
pub(crate) mod server_info;
pub(crate) mod service;
pub(crate) mod shape;
pub(crate) mod stats;
pub(crate) mod status;
pub(crate) mod touch;
pub(crate) mod update_watch;
pub(crate) mod watch;
pub(crate) mod write_value;

pub use status::{DOMAIN, REASONS};
