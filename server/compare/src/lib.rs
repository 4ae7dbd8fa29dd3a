//! The whole cache beside others on one machine: bare gRPC servers as its ceiling, Redis, memcached and etcd as its peers.
//!
//! Everything here is for `cargo x bench`: nothing of the product depends on it, and it is not built by default. Load comes
//! from `hotplate bench`; what is measured, in what order, and how it is written down is here.

pub mod bare;
mod crc32c;
pub mod generator;
mod herd;
pub mod machine;
pub mod measure;
pub mod page;
pub mod peers;
pub mod plot;
pub mod process;
mod programs;
pub mod row;
pub mod scene;
pub mod servers;
pub mod side;
pub mod stage;
pub mod statistics;
