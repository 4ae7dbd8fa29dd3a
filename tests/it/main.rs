//! The whole service over the wire: one module for each RPC, and one for each promise that spans several.
//!
//! Every test starts a real server on free ports and speaks the contract to it. Tests of one function live beside that
//! function; how a client library behaves is tested with the library.

#![expect(clippy::unwrap_used, reason = "a test that meets a surprise has failed")]

mod harness;
mod wire;

mod access;
mod answers;
mod batch_get;
mod batch_lease;
mod batch_put;
mod blob;
mod blob_attack;
mod blob_cuts;
mod blob_finish;
mod blob_follow;
mod blob_readers;
mod blob_room;
mod blob_soak;
mod client_large;
mod client_parts;
mod client_small;
mod coming;
mod compute;
mod config;
mod deadline;
mod depend;
mod errors;
mod explain_key;
mod extend_lease;
mod follower;
mod get;
mod health;
mod insight;
mod invalidate;
mod lease;
mod levels;
mod limits;
mod list_entries;
mod mark_stale;
mod memory_codec;
mod near;
mod origin;
mod parts;
mod pipeline;
mod pipeline_bounds;
mod preload;
mod promises;
mod proxy;
mod put;
mod query_write;
mod random_ops;
mod raw;
mod read_value;
mod reflection;
mod refresh;
mod refresh_ahead;
mod release_lease;
mod replicas;
mod requirements;
mod revalidate;
mod server_info;
mod shutdown;
mod snapshot;
mod stale;
mod stats;
mod tiers;
mod tls;
mod touch;
mod update_watch;
mod watch;
mod write_value;
