//! The verbs: what happens, in order, when someone gets, puts, touches, invalidates, preloads, lists or watches.

pub mod admit;
pub mod anew;
pub mod bounds;
mod cascade;
pub mod explain;
mod failure;
pub mod fill;
pub mod get;
pub mod insight;
pub mod invalidate;
mod job;
pub mod lease;
pub mod lifetime;
pub mod list;
pub mod mark;
mod overtaken;
mod ports;
pub mod preload;
pub mod put;
mod refresh;
mod renew;
pub mod repeat;
pub mod revalidate;
pub mod stats;
pub mod through;
pub mod touch;
pub mod watch;
