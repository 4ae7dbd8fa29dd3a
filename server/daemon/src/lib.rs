//! The hotplate server: configuration, gRPC, HTTP, access, telemetry. No cache logic lives here.

pub mod access;
pub mod config;
pub mod http;
pub mod telemetry;
pub mod tls;
