//! A server that is killed still starts and serves what it may, one whose Redis fails still answers right and comes back, and
//! servers that share a Redis serve nothing old for longer than is stated.

use crate::{
    lanes,
    program::Log,
    report::Report,
    steps::{Failure, Outcome},
    torture,
};

/// Most of what this step takes: about half a second each.
const KILLS: &str = "200";
/// As many as it takes to put a disk back to its past, and to look at it.
const WRONG_KILLS: &str = "12";
/// How Redis fails; for so many seconds each.
const FAULTS: [&str; 6] = ["kill", "pause", "flap", "oom", "failover", "blackhole"];
const SECONDS: &str = "3";

/// Seconds of three servers, and of three whose Redis is wrong in one of these ways.
const REPLICAS_SECONDS: &str = "20";
const WRONG_SECONDS: &str = "12";
const WRONG_WAYS: [&str; 2] = ["writes-without-script", "forgets-fences"];

/// One of the two halves.
type Kind = fn(&Log) -> Outcome;

/// Kills, and lets Redis fail in every way. Both wait more than they work, so they go on side by side.
pub(crate) fn check(log: &Log) -> Outcome {
    torture::build()?;
    let kinds: Vec<(&str, Kind)> = vec![("crash", crash), ("shared", shared)];
    let done = lanes::side_by_side(2, kinds, |(name, kind)| {
        let own = log.beside(name)?;
        let outcome = kind(&own);
        log.append(&own)?;
        outcome
    });
    together(done)
}

/// One outcome of several.
fn together(outcomes: Vec<Outcome>) -> Outcome {
    let (mut passed, mut failed, mut notes, mut reasons) = (0, 0, Vec::new(), Vec::new());
    for outcome in outcomes {
        match outcome {
            Ok(report) => {
                passed += report.passed;
                notes.push(report.note);
            }
            Err(failure) => {
                passed += failure.passed;
                failed += failure.failed;
                reasons.push(failure.reason);
            }
        }
    }
    match reasons.is_empty() {
        true => Ok(Report { passed, note: notes.join("; ") }),
        false => Err(Failure { passed, failed, reason: reasons.join("; ") }),
    }
}

/// A server with a disk.
fn crash(log: &Log) -> Outcome {
    let crash = log.run(torture::program().args(["crash", "--kills", KILLS, "-o", "json"]))?;
    let kills = number(&crash, "kills").filter(|kills| *kills > 0.0).ok_or_else(|| "no kill".to_owned())?;
    // What cannot find a wrong disk shows nothing.
    log.run(torture::program().args(["crash", "--kills", WRONG_KILLS, "--rolls-back", "-o", "json"]))
        .map_err(|reason| Failure { passed: 1, failed: 1, reason })?;
    let recovery = number(&crash, "recovery_ms_max").unwrap_or_default();
    Ok(Report { passed: 2, note: format!("{kills} kills, recovered within {recovery:.0} ms") })
}

/// Servers with a Redis.
fn shared(log: &Log) -> Outcome {
    let (mut passed, mut slowest) = (0, 0.0_f64);
    let failed = |passed, reason| Failure { passed, failed: 1, reason };
    for fault in FAULTS {
        let redis = log.run(torture::program().args(["redis", "--fault", fault, "--seconds", SECONDS, "-o", "json"]));
        let redis = redis.map_err(|reason| failed(passed, reason))?;
        let reads = number(&redis, "reads").filter(|reads| *reads > 0.0);
        reads.ok_or_else(|| failed(passed, format!("{fault}: nothing was read")))?;
        slowest = slowest.max(number(&redis, "recovered_ms").unwrap_or_default());
        passed += 1;
    }
    let lag = replicas(log).map_err(|reason| failed(passed, reason))?;
    passed += 1 + WRONG_WAYS.len() as u64;
    let note = format!(
        "Redis failed in {} ways, used again within {slowest:.0} ms; replicas heard of each other within {lag:.0} ms",
        FAULTS.len()
    );
    Ok(Report { passed, note })
}

/// Servers that share a Redis, and the same with a Redis that is wrong on purpose and has to be found; the longest lag.
fn replicas(log: &Log) -> Result<f64, String> {
    let run = |more: &[&str]| log.run(torture::program().args(["replicas", "--longer", "3", "-o", "json"]).args(more));
    let right = run(&["--seconds", REPLICAS_SECONDS])?;
    for wrong in WRONG_WAYS {
        run(&["--seconds", WRONG_SECONDS, "--wrong", wrong])?;
    }
    number(&right, "lag_max_ms").ok_or_else(|| "no lag was measured".to_owned())
}

/// A number of a report of one line.
fn number(output: &str, name: &str) -> Option<f64> {
    let rest = output.split(&format!("\"{name}\":")).nth(1)?;
    rest.split([',', '}']).next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_in_one_of_several_is_told() {
        let good = || Ok(Report { passed: 2, note: "good".to_owned() });
        let bad = Err(Failure { passed: 1, failed: 1, reason: "bad".to_owned() });
        assert_eq!(together(vec![good(), good()]).unwrap().passed, 4);
        let failure = together(vec![good(), bad]).unwrap_err();
        assert_eq!((failure.passed, failure.failed, failure.reason.as_str()), (3, 1, "bad"));
    }

    #[test]
    fn numbers_are_read_from_a_report() {
        let output = "seed 1\n{\"kills\":7,\"recovery_ms_max\":12.5}\n";
        assert_eq!((number(output, "kills"), number(output, "recovery_ms_max")), (Some(7.0), Some(12.5)));
        assert_eq!(number(output, "reads"), None);
    }
}
