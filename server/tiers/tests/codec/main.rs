//! The record of an entry as slower tiers keep it: what goes in comes out, and nothing else ever does.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod chunks;
mod damage;
mod dictionaries;
mod golden;
mod kept;
mod round_trip;
