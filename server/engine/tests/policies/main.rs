//! Every eviction policy against its definition: simulators that keep plain lists and search them from end to end take
//! the same steps, and after each one both must name the same order, the same price and the same victim. What the store
//! around the policies does is not tested here.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod admission;
mod behaviour;
mod cost_aware;
mod lru;
mod random;
mod run;
mod s3_fifo;
mod sharing;
