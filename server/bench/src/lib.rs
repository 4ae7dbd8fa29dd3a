//! Measures the store beside other caches: hit ratios on recorded traffic, and time per operation.
//!
//! Everything here is for `cargo x bench`: nothing of the product depends on it, and it is not built by default. The
//! two programs are `benches/hit_ratio.rs` and `benches/ops.rs`; what they do is here, so that it can be tested.

pub mod catalogue;
pub mod contestant;
pub mod disk;
pub mod ending;
pub mod ops;
pub mod plot;
pub mod replay;
pub mod rows;
pub mod select;
pub mod summary;
pub mod synthetic;
pub mod trace;
pub mod wire;
