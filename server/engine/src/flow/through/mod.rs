//! The verbs through all tiers: memory first, then the disk of this machine, then what replicas share. With memory alone
//! each is what its file in `flow` does, and never waits. What replicas agree on is not decided here.

mod count;
pub(crate) mod explain;
pub mod get;
pub mod invalidate;
pub(super) mod kin;
pub mod lease;
pub(super) mod lower;
pub mod put;
pub mod touch;
