//! The binary as its users see it: every verb, every exit code, every form of output, against a real server.

#![expect(clippy::unwrap_used, reason = "a test that cannot start the binary has failed")]

#[path = "cli/bench.rs"]
mod bench;
#[path = "cli/bench_peers.rs"]
mod bench_peers;
#[path = "cli/large.rs"]
mod large;
#[path = "cli/offline.rs"]
mod offline;
#[path = "cli/run.rs"]
mod run;
#[path = "cli/serving.rs"]
mod serving;
#[path = "cli/terminal.rs"]
mod terminal;
#[path = "cli/tiers.rs"]
mod tiers;
#[path = "cli/verbs.rs"]
mod verbs;
