//! A model of replicas that share a tier: their own logs and tickets, the fleet's log, journals, debts, a failover that
//! loses what was acknowledged, a near cache that follows one of them, and a disk.
//!
//! One key, and where asked a witness beside it in the same log: something old that both replicas hold, which nobody
//! reads or computes anew, so that it is there only to be dropped.

pub mod configuration;
mod disk;
pub mod mutant;
mod near;
pub mod properties;
pub mod protocol;
mod replica;
mod resync;
mod shared;
pub mod state;
pub mod step;
mod writer;
