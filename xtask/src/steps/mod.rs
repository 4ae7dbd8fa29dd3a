//! The steps of `cargo x ci`, in order. Each is a small function; those with more to them have a file of their own.

use crate::{
    generate,
    program::{self, Log, cargo, command},
    report::{Report, count_tests},
    setup,
};

mod bench;
mod conformance;
mod contract;
mod deploy;
mod history;
mod model;
mod polyglot;
mod readme;
mod sdks;
mod torture;
mod wheel;

/// One thing a change has to pass.
pub(crate) struct Step {
    /// How it is called with `--only`, and the name of its log.
    pub(crate) name: &'static str,
    /// What it shows, for the summary line.
    pub(crate) what: &'static str,
    /// Does it.
    pub(crate) run: fn(&Log) -> Outcome,
}

/// What became of a step.
pub(crate) type Outcome = Result<Report, Failure>;

/// A step that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Checks that passed all the same.
    pub(crate) passed: u64,
    /// Checks that failed.
    pub(crate) failed: u64,
    /// What went wrong, in a line.
    pub(crate) reason: String,
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Self { passed: 0, failed: 1, reason }
    }
}

/// Every step, in the order in which a mistake is cheapest to find.
pub(crate) fn all() -> Vec<Step> {
    let step = |name, what, run| Step { name, what, run };
    vec![
        step("setup", "tools", set_up),
        step("fmt", "cargo fmt --check", format),
        step("clippy", "cargo clippy, all targets, no warning", clippy),
        step("proto", "buf lint, format, breaking", contract::check),
        step("doc", "cargo doc, no warning", document),
        step("deny", "licences, bans and sources of dependencies", deny),
        step("build", "every test, and the programs that they start", build),
        step("gen", "generated files are up to date", generated),
        step("test", "cargo test --workspace", test),
        step("interleavings", "the memory tier under a scheduler that chooses who goes on", interleavings),
        step("model", "one server, and replicas that share a tier, in every order", model::check),
        step("history", "a server under faults, as clients in several processes saw it", history::check),
        step("torture", "a server that is killed, one whose Redis fails, and three that share one", torture::check),
        step("bench", "a trace replayed by every cache, a moment of every row of the comparison", bench::check),
        step("conformance", "what every client must do, in every language", conformance::check),
        step("sdks", "each SDK checked, tested, packed, and used from its package", sdks::check),
        step("polyglot", "one result for callers in every language", polyglot::check),
        step("example", "a fitted model from Python and from Rust", run_example),
        step("deploy", "Dockerfile, compose file, Kubernetes manifests", deploy::check),
        step("readme", "every command of the README", readme::check),
        step("wheel", "the server as a Python wheel", wheel::check),
    ]
}

fn set_up(log: &Log) -> Outcome {
    let note = setup::run(&|line| {
        println!("      {line}");
        // The line is on the terminal already; a log that cannot be written fails the next command.
        let _logged = log.say(line);
    });
    note.map(Report::one).map_err(Failure::from)
}

fn format(log: &Log) -> Outcome {
    log.run(&mut cargo(["fmt", "--all", "--", "--check"]))?;
    Ok(Report::one(""))
}

fn clippy(log: &Log) -> Outcome {
    log.run(&mut cargo(["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]))?;
    Ok(Report::one(""))
}

fn document(log: &Log) -> Outcome {
    let mut doc = cargo(["doc", "--workspace", "--no-deps", "--locked"]);
    log.run(doc.env("RUSTDOCFLAGS", "-D warnings"))?;
    Ok(Report::one(""))
}

fn deny(log: &Log) -> Outcome {
    let mut deny = command(program::tool("cargo-deny"));
    log.run(deny.args(["--locked", "check", "licenses", "bans", "sources"]))?;
    Ok(Report::one("advisories need a database from the network: run `cargo deny check advisories` with one"))
}

fn build(log: &Log) -> Outcome {
    log.run(&mut cargo(["test", "--workspace", "--locked", "--no-run"]))?;
    Ok(Report::one(""))
}

fn generated(log: &Log) -> Outcome {
    let note = generate::run(true)?;
    log.say(&note)?;
    Ok(Report::one(note))
}

fn test(log: &Log) -> Outcome {
    run_tests(log, &mut cargo(["test", "--workspace", "--locked", "--no-fail-fast"]))
}

/// The feature is turned on for these tests alone: with it, the engine does not work outside of them. Asked for of the whole
/// workspace, so that all else has the features that it was built with before.
fn interleavings(log: &Log) -> Outcome {
    let tests = ["test", "--workspace", "--locked", "--features", "hotplate-engine/shuttle"];
    run_tests(log, cargo(tests).args(["--test", "interleavings"]))
}

fn run_tests(log: &Log, tests: &mut std::process::Command) -> Outcome {
    let outcome = log.run(tests);
    let (passed, failed) = count_tests(&log.tail(usize::MAX));
    match outcome {
        Ok(_) if passed > 0 => Ok(Report { passed, note: format!("{passed} tests") }),
        Ok(_) => Err(Failure { passed, failed: 1, reason: "no test ran".into() }),
        Err(reason) => Err(Failure { passed, failed, reason }),
    }
}

fn run_example(log: &Log) -> Outcome {
    let text = log.run(&mut example_command())?;
    let times = text.lines().find(|line| line.contains("with the cache"));
    Ok(Report::one(times.unwrap_or_default()))
}

/// The example as its own process, so that its output goes into the log.
fn example_command() -> std::process::Command {
    cargo(["run", "--quiet", "--locked", "--package", "xtask", "--", "example"])
}
