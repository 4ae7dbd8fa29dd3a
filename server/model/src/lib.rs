//! Models of one server with leases, fences, a near cache and Watch, and of replicas that share a tier (`fleet`), checked in
//! every order for small sizes.
//!
//! Everything here is for `cargo x model`: nothing of the product depends on it, and it is not built by default. What is
//! modelled, what is not, and which file of the product each step stands for is told in `docs/model.md`.

pub mod catalogue;
pub mod check;
pub mod configuration;
mod depend;
pub mod fences;
pub mod fleet;
mod lease;
pub mod mutant;
mod near;
pub mod properties;
pub mod protocol;
pub mod rows;
mod server;
pub mod state;
pub mod walk;
mod writer;
mod wrong;
