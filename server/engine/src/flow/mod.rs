//! The verbs: what happens, in order, when someone gets, puts, touches, invalidates, preloads, lists or watches.

pub mod get;
pub mod invalidate;
pub mod list;
pub mod preload;
pub mod put;
pub mod touch;
