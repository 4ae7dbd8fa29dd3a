//! The verbs: what happens, in order, when someone gets, puts, touches, invalidates, preloads, lists or watches.

pub mod fill;
pub mod get;
pub mod invalidate;
mod job;
pub mod list;
pub mod preload;
pub mod put;
pub mod touch;
pub mod watch;
