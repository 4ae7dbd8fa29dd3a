//! Where the bytes of a hotplate cache come from: I/O, and nothing but I/O. What is cached, for how long and whether
//! it may be served is decided by the engine.

pub mod codec;
pub mod disk;
pub mod guard;
pub mod origin;
pub mod redis;
pub mod snapshot;
