//! The disk tier as its callers see it: real files in a directory of the test's own.

#![expect(clippy::unwrap_used, reason = "a test that cannot open a tier has failed")]

mod support;

mod damage;
mod dependents;
mod kept;
mod restart;
