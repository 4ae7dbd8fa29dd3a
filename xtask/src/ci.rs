//! Runs the steps in order, one summary line each, and ends with the count of everything that passed.

use std::{
    env,
    process::{Child, ExitCode},
    time::Instant,
};

use crate::{
    program::{Log, command, root},
    report::{Report, failed_tests},
    steps::{self, Failure, Step},
};

/// Runs all steps, or only the named ones. The last line of output is `N passed, M failed`.
pub(crate) fn run(only: &[String]) -> ExitCode {
    let steps = steps::all();
    if let Some(unknown) = only.iter().find(|name| !steps.iter().any(|step| step.name == **name)) {
        let names: Vec<&str> = steps.iter().map(|step| step.name).collect();
        eprintln!("error: there is no step `{unknown}`; steps: {}", names.join(", "));
        return ExitCode::from(2);
    }
    let (mut passed, mut failed) = (0, 0);
    let mut _ahead = None;
    for step in steps.iter().filter(|step| only.is_empty() || only.iter().any(|name| name == step.name)) {
        let counts = one(step);
        passed += counts.0;
        failed += counts.1;
        if step.name == LAST_BUILD && only.is_empty() {
            _ahead = Ahead::begin();
        }
    }
    println!("{passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The step after which nothing is compiled for minutes.
const LAST_BUILD: &str = "build";

/// What the README's commands and the wheel need, then what each SDK does.
const AHEAD: &str = "cargo build --release --locked; \"$0\" prepare";

/// The release build and what each SDK is prepared with, begun long before they are needed: while tests wait for servers and clocks,
/// this takes the processor time that they leave. Who needs what it makes makes it again, which waits for this one and
/// finds it done.
struct Ahead(Child);

impl Ahead {
    fn begin() -> Option<Self> {
        let log = Log::create(root().join("target/ci/ahead.log")).ok()?;
        let mut build = command("nice");
        build.args(["-n", "19", "sh", "-c", AHEAD]).arg(env::current_exe().ok()?);
        build.stdout(log.handle().ok()?).stderr(log.handle().ok()?).spawn().ok().map(Self)
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        // Nothing that was begun goes on after the end. Where it failed, the step that needs it says why.
        let _ended = self.0.wait();
    }
}

/// Runs one step and prints its line; returns what passed and what failed.
fn one(step: &Step) -> (u64, u64) {
    let start = now();
    let log = match Log::create(root().join("target/ci").join(format!("{}.log", step.name))) {
        Ok(log) => log,
        Err(reason) => {
            println!("FAIL  {:<10} {reason}", step.name);
            return (0, 1);
        }
    };
    let outcome = (step.run)(&log);
    let seconds = start.elapsed().as_secs_f64();
    match outcome {
        Ok(Report { passed, note }) => {
            println!("ok    {:<10} {seconds:>6.1} s  {}{}", step.name, step.what, in_parentheses(&note));
            (passed, 0)
        }
        Err(Failure { passed, failed, reason }) => {
            println!("FAIL  {:<10} {seconds:>6.1} s  {}: {reason}", step.name, step.what);
            println!("{}", told(&log));
            println!("      all of it: {}", log.path().display());
            println!("      again:     cargo x ci --only {}", step.name);
            (passed, failed.max(1))
        }
    }
}

/// Why a step failed: the tests that did, else the end of what it printed.
fn told(log: &Log) -> String {
    let tests = failed_tests(&log.tail(usize::MAX));
    if tests.is_empty() { log.tail(60) } else { tests }
}

fn in_parentheses(note: &str) -> String {
    if note.is_empty() { String::new() } else { format!(" ({note})") }
}

#[expect(clippy::disallowed_methods, reason = "the duration of a step is told to a person and decides nothing")]
fn now() -> Instant {
    Instant::now()
}
