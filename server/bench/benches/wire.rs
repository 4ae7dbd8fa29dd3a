//! `cargo x bench wire`: what watches and large invalidations cost a real server over gRPC on loopback. The command line
//! only; what is measured is in the library beside it.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use hotplate_bench::{
    ending,
    wire::{tags, watchers},
};

/// That of the server.
#[cfg(unix)]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const EXAMPLES: &str = "Examples:
  cargo x bench wire watchers                    writes beside 1,000 watches, with and without a stuck one
  cargo x bench wire tags --sizes 10,100000      an Invalidate of a tag that few and that many entries have

Both print one JSON object. The server, the readers and the writers have threads of their own in one process and speak
over loopback. Run it on a quiet machine.";

/// What watches and large invalidations cost a server over gRPC.
#[derive(Parser)]
#[command(name = "cargo x bench wire", after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    what: What,
    /// What cargo adds
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum What {
    /// Writes beside many watches: all of them read, or one does not
    Watchers(watchers::Plan),
    /// An Invalidate of a tag, by how many entries have it
    Tags(tags::Plan),
}

fn main() -> ExitCode {
    let measured = match Arguments::parse().what {
        What::Watchers(plan) => watchers::run(&plan),
        What::Tags(plan) => tags::run(&plan),
    };
    ending::told(measured)
}
