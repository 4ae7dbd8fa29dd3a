//! The disk tier as its callers see it: real files in a directory of the test's own.

#![expect(clippy::unwrap_used, reason = "a test that cannot open a tier has failed")]

mod support;

mod chunks;
mod clock;
mod damage;
mod dependents;
#[cfg(target_os = "linux")]
mod full;
mod kept;
mod limits;
mod model;
mod restart;
mod verified;
mod whose;
