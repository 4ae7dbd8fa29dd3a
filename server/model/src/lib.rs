//! A model of one server with leases, fences, a near cache and Watch, checked in every order for small sizes.
//!
//! Everything here is for `cargo x model`: nothing of the product depends on it, and it is not built by default. What is
//! modelled, what is not, and which file of the product each step stands for is told in `docs/model.md`.

pub mod check;
pub mod configuration;
mod depend;
pub mod fences;
mod lease;
pub mod mutant;
mod near;
pub mod properties;
pub mod protocol;
pub mod rows;
mod server;
pub mod state;
mod writer;
