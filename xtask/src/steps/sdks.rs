//! Each SDK passes its own checks and tests, and what is released of it works where nothing else of it is.

use crate::{
    program::{self, Log},
    report::Report,
    sdk,
    steps::{Failure, Outcome},
};

/// What is done of each SDK, in this order.
const PHASES: [&str; 4] = ["prepare", "check", "test", "package"];

/// Does all of it for all of them. What fails in one language keeps no other from being tested.
pub(crate) fn check(log: &Log) -> Outcome {
    log.run(&mut program::build(&["hotplate"], &[]))?;
    let (mut passed, mut told, mut wrong) = (0, Vec::new(), Vec::new());
    for sdk in sdk::all()? {
        let began = now();
        match one(log, &sdk, &mut passed) {
            Ok(()) => told.push(format!("{} {:.0} s", sdk.language, began.elapsed().as_secs_f64())),
            Err(reason) => wrong.push(format!("{}: {reason}", sdk.language)),
        }
    }
    if wrong.is_empty() && passed > 0 {
        return Ok(Report { passed, note: told.join(", ") });
    }
    let failed = wrong.len() as u64;
    Err(Failure { passed, failed, reason: wrong.join("; ") })
}

fn one(log: &Log, sdk: &sdk::Sdk, passed: &mut u64) -> Result<(), String> {
    for phase in PHASES {
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
