//! Each SDK passes its own checks and tests, and what is released of it works where nothing else of it is.

use crate::{
    lanes,
    program::{self, Log},
    report::Report,
    sdk,
    steps::{Failure, Outcome},
};

/// SDKs that are worked on at a time: most of what they do keeps one processor busy, and waits for registries and servers in between.
const LANES: usize = 2;

/// Does all of it for all of them. What fails in one language keeps no other from being tested.
pub(crate) fn check(log: &Log) -> Outcome {
    log.run(&mut program::build(&["hotplate"], &[]))?;
    let (mut passed, mut told, mut wrong) = (0, Vec::new(), Vec::new());
    for done in lanes::side_by_side(LANES, sdk::all()?, |sdk| one(log, &sdk)) {
        passed += done.passed;
        match done.outcome {
            Ok(()) => told.push(format!("{} {:.0} s", done.language, done.seconds)),
            Err(reason) => wrong.push(format!("{}: {reason}", done.language)),
        }
    }
    if wrong.is_empty() && passed > 0 {
        return Ok(Report { passed, note: told.join(", ") });
    }
    let failed = wrong.len() as u64;
    Err(Failure { passed, failed, reason: wrong.join("; ") })
}

/// What came of one SDK.
struct Done {
    language: String,
    /// Commands that did what they were to.
    passed: u64,
    seconds: f64,
    outcome: Result<(), String>,
}

/// Does all of it for one of them, into a log of its own, which the step's has at the end.
fn one(log: &Log, sdk: &sdk::Sdk) -> Done {
    let began = now();
    let mut passed = 0;
    let outcome = log.beside(&sdk.language).and_then(|own| {
        let outcome = phases(&own, sdk, &mut passed);
        log.append(&own).and(outcome)
    });
    Done { language: sdk.language.clone(), passed, seconds: began.elapsed().as_secs_f64(), outcome }
}

fn phases(log: &Log, sdk: &sdk::Sdk, passed: &mut u64) -> Result<(), String> {
    for phase in sdk::PHASES {
        log.say(&format!("== {} {phase}", sdk.language))?;
        for mut command in sdk.phase(phase) {
            log.run(&mut command).map_err(|reason| format!("{phase}: {reason}"))?;
            *passed += 1;
        }
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "how long an SDK took is told to a person and decides nothing")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}
