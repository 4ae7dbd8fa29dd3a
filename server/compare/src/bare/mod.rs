//! Servers that speak the contract and keep nothing: what the stack below a cache can do, as the ceiling of what a cache on it
//! can. Answers are fixed when a server starts; no look-up, no checks, no counting.

mod answers;
mod calls;
mod default;
mod frames;
mod program;
mod task;
mod tuned;

pub use program::{Allocator, main};
