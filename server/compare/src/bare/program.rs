//! The command line of a bare server, and the line with which it says where it listens.

use std::{net::SocketAddr, process::ExitCode, sync::Arc};

use clap::{Parser, ValueEnum};

use super::{
    answers::{Answers, Sizes},
    calls::Calls,
    default, frames, tuned,
};

const AFTER: &str = "Prints {\"event\":\"listening\",\"grpc\":\"ADDRESS\"} when it listens, and serves until it is killed. It keeps \
nothing: every Get is a hit with the same bytes, every Put and every upload is thrown away.";

/// A gRPC server with hotplate's contract and nothing behind it.
#[derive(Debug, Parser)]
#[command(after_help = AFTER)]
struct Arguments {
    /// How connections are served and answers are made
    #[arg(long, value_enum, default_value_t = Shape::Tuned)]
    shape: Shape,
    /// Where to listen; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Bytes of the value that a Get finds
    #[arg(long, default_value_t = 100)]
    value_bytes: usize,
    /// How many values there are, each in memory of its own: Gets are answered by one after the other
    #[arg(long, default_value_t = 1)]
    values: usize,
    /// Bytes of the whole encoded answer of a Get: what the value lacks is made up with a longer key
    #[arg(long)]
    message_bytes: Option<usize>,
    /// Bytes of the value that a ReadValue reads
    #[arg(long, default_value_t = 0)]
    blob_bytes: usize,
    /// Bytes of each of its chunks
    #[arg(long, default_value_t = 1 << 20)]
    chunk_bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Shape {
    /// tonic's server with its defaults on tokio's default runtime
    Default,
    /// hotplate's transport: a runtime for each core, its HTTP/2 settings, fewer writes
    Tuned,
    /// The same, and keeps the chunks of the last upload, which it holds until the next one is whole
    Keeping,
    /// The same, with bodies made of frames by hand, without copies
    Frames,
}

/// What a program allocates with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allocator {
    /// The system's: only the default shape has it.
    System,
    /// jemalloc, as hotplate.
    Jemalloc,
}

/// Serves as the command line says, until the process is killed.
#[must_use]
pub fn main(allocator: Allocator) -> ExitCode {
    let arguments = Arguments::parse();
    match serve(&arguments, allocator) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => failed(&reason),
    }
}

fn serve(arguments: &Arguments, allocator: Allocator) -> Result<(), String> {
    if allocator == Allocator::System && arguments.shape != Shape::Default {
        return Err("this program has the default shape only: the others want jemalloc, which `bare` has".into());
    }
    let Arguments { value_bytes, values, message_bytes, blob_bytes, chunk_bytes, .. } = *arguments;
    let sizes = Sizes { value: value_bytes, values, message: message_bytes, blob: blob_bytes, chunk: chunk_bytes };
    let kept = (arguments.shape == Shape::Keeping).then(Arc::default);
    let calls = Calls { answers: Arc::new(Answers::new(sizes)), kept };
    let served = match arguments.shape {
        Shape::Default => default::serve(arguments.listen, calls),
        Shape::Tuned | Shape::Keeping => tuned::serve(arguments.listen, move |request| calls.answer(request)),
        Shape::Frames => tuned::serve(arguments.listen, move |request| frames::answer(&calls, request)),
    };
    served.map_err(|error| format!("cannot serve on {}: {error}", arguments.listen))
}

/// Says where the server listens.
#[expect(clippy::print_stdout, reason = "whoever starts a server reads its first line")]
pub(super) fn listening(address: SocketAddr) {
    println!("{{\"event\":\"listening\",\"grpc\":\"{address}\"}}");
}

#[expect(clippy::print_stderr, reason = "why a program ends")]
fn failed(reason: &str) -> ExitCode {
    eprintln!("error: {reason}");
    ExitCode::FAILURE
}
