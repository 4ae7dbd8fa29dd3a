//! `bare`: a gRPC server with hotplate's contract and nothing behind it, with hotplate's allocator.

use std::process::ExitCode;

use hotplate_compare::bare;

/// That of hotplate.
#[cfg(unix)]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    bare::main(bare::Allocator::Jemalloc)
}
