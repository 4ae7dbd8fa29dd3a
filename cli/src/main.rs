//! The `hotplate` binary: reads the command line and hands over to the verb that was named. Nothing else lives here.

mod args;
mod connect;
mod context;
mod duration;
mod exit;
mod output;
mod verb;

use std::process::ExitCode;

/// What entries are charged is what this takes for them.
#[cfg(unix)]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let matches = args::command().get_matches_from(args::with_files(std::env::args_os()));
    verb::run(&matches).into()
}
