//! `cargo x`: sets a machine up, runs the tests, regenerates what is generated, and checks everything.
//!
//! The command line only. What each command does is in the file named after it; nothing here knows the product except
//! as programs to build and run.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a development tool talks to the terminal")]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bench;
mod ci;
mod conformance;
mod demo;
mod example;
mod generate;
mod history;
mod lanes;
mod model;
mod prepare;
mod program;
mod report;
mod sdk;
mod server;
mod setup;
mod soak;
mod steps;
mod stubs;
mod torture;

#[derive(Parser)]
#[command(name = "cargo x", about = "Set up, test, generate and check hotplate")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install the tools that are missing, into target/tools wherever that is possible
    Setup,
    /// Run the Rust tests; arguments go to `cargo test`
    Test {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Regenerate every generated file
    Gen {
        /// Change nothing; fail when a file is not what would be generated
        #[arg(long)]
        check: bool,
    },
    /// Cache a fitted model from Python and from Rust on a server of its own
    Example,
    /// Measure. Without more: the whole cache beside bare servers and its peers, written into docs/performance.md
    Bench {
        #[command(subcommand)]
        what: Option<Bench>,
    },
    /// Check leases, fences, near cache and Watch in every order that can happen
    #[command(disable_help_flag = true)]
    Model {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Record what clients see of a real server under faults, and judge it
    #[command(disable_help_flag = true)]
    History {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Fetch and build what each SDK is built with: what its checks, its tests and its driver need
    Prepare {
        /// Only of these
        #[arg(long, value_name = "LANGUAGE")]
        language: Vec<String>,
    },
    /// Run what every client must do, as scenarios against real servers and faults, in every language
    #[command(disable_help_flag = true)]
    Conformance {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Show what the cache does with real processes: `cargo x demo herd --help` says what there is
    Demo {
        /// Build with optimisation, to measure
        #[arg(long)]
        release: bool,
        /// What to show, and how
        #[command(subcommand)]
        what: Demo,
    },
    /// Put the engine to the test for minutes, and measure what no test can decide
    #[command(args_conflicts_with_subcommands = true)]
    Soak {
        /// The whole engine for so long: eight threads, one that watches what is charged, the checker at every pause
        #[arg(long, default_value_t = 5.0)]
        minutes: f64,
        #[command(subcommand)]
        what: Option<soak::Soak>,
    },
    /// Kill servers, and let what they depend on fail: `cargo x torture crash --help` says how
    Torture {
        /// What is done
        #[command(subcommand)]
        what: torture::Torture,
    },
    /// Everything a change has to pass, in order
    Ci {
        /// Run only these steps
        #[arg(long, value_name = "STEP")]
        only: Vec<String>,
    },
}

/// Arguments go to the demo.
#[derive(Subcommand)]
enum Demo {
    /// Hundreds of callers in several processes want one missing result at once
    #[command(disable_help_flag = true)]
    Herd {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

impl Demo {
    fn run(self, release: bool) -> ExitCode {
        let Self::Herd { mut arguments } = self;
        arguments.insert(0, "herd".to_owned());
        as_it_ended(demo::run(release, &arguments))
    }
}

/// Arguments go to the bench: `cargo x bench hit-ratio --help` says which there are.
#[derive(Subcommand)]
enum Bench {
    /// The whole cache beside bare gRPC servers, Redis, memcached and etcd: throughput, latency, processor time, memory
    #[command(disable_help_flag = true)]
    Compare {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Hit ratios and compute saved on recorded traffic, by cache and size
    #[command(disable_help_flag = true)]
    HitRatio {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Nanoseconds per operation
    #[command(disable_help_flag = true)]
    Ops {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// The disk tier beside foyer, redb and diskcache, and what many small entries cost
    #[command(disable_help_flag = true)]
    Disk {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// The clients of all languages against one server: one Get a call, many, near cache, and a herd over processes
    Sdk(bench::sdk::Options),
    /// What watches and large invalidations cost a server over gRPC
    #[command(disable_help_flag = true)]
    Wire {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// The tier that replicas share beside plain GET and SET on the same Redis
    #[command(disable_help_flag = true)]
    Redis {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

impl Bench {
    fn run(self) -> ExitCode {
        let (bench, arguments) = match self {
            Self::Compare { arguments } => return as_it_ended(bench::compare::run(&arguments)),
            Self::HitRatio { arguments } => ("hit_ratio", arguments),
            Self::Ops { arguments } => ("ops", arguments),
            Self::Disk { arguments } => ("disk", arguments),
            Self::Sdk(options) => return as_it_ended(bench::sdk::run(&options).map(|()| ExitCode::SUCCESS)),
            Self::Wire { arguments } => ("wire", arguments),
            Self::Redis { arguments } => ("redis", arguments),
        };
        as_it_ended(bench::run(bench, &arguments))
    }
}

fn as_it_ended(program: Result<ExitCode, String>) -> ExitCode {
    program.unwrap_or_else(|reason| {
        eprintln!("error: {reason}");
        ExitCode::FAILURE
    })
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Setup => setup::run(&|line| println!("{line}")),
        Command::Test { arguments } => {
            program::run(program::cargo(["test", "--workspace"]).args(arguments)).map(|()| String::new())
        }
        Command::Gen { check } => generate::run(check),
        Command::Prepare { language } => prepare::run(&language),
        Command::Example => example::run(),
        Command::Soak { minutes, what } => soak::run(minutes, what.as_ref()),
        Command::Bench { what } => {
            let all = || Bench::Compare { arguments: vec!["--write".to_owned()] };
            return what.unwrap_or_else(all).run();
        }
        Command::Model { arguments } => return as_it_ended(model::run(&arguments)),
        Command::History { arguments } => return as_it_ended(history::run(&arguments)),
        Command::Conformance { arguments } => return as_it_ended(conformance::run(&arguments)),
        Command::Demo { release, what } => return what.run(release),
        Command::Torture { what } => return as_it_ended(what.run()),
        Command::Ci { only } => return ci::run(&only),
    };
    match done {
        Ok(summary) => {
            if !summary.is_empty() {
                println!("{summary}");
            }
            ExitCode::SUCCESS
        }
        Err(reason) => {
            eprintln!("error: {reason}");
            ExitCode::FAILURE
        }
    }
}
