//! The hotplate server: configuration, gRPC, HTTP, access, telemetry. No cache logic lives here.

pub mod access;
mod compose;
pub mod config;
mod deadline;
pub mod grpc;
pub mod http;
mod ledger;
mod limits;
pub mod net;
mod serve;
mod snapshot;
mod task;
pub mod telemetry;
pub mod tls;

pub use serve::{Running, StartError, start, start_with};
