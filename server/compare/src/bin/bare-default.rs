//! `bare-default`: a gRPC server with hotplate's contract and nothing behind it, as tonic, tokio and the system come.

use std::process::ExitCode;

use hotplate_compare::bare;

fn main() -> ExitCode {
    bare::main(bare::Allocator::System)
}
