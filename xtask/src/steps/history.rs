//! A history of a real server under faults still shows what was promised, its validators still find what is broken in it,
//! and servers that are wrong on purpose.

use crate::{
    history,
    program::Log,
    report::Report,
    steps::{Failure, Outcome},
};

/// The run: its length is most of what it adds to everything else. Where that shows too little, as what a machine gets done differs, it
/// goes on for longer.
const RUN: [&str; 8] = ["--seconds", "20", "--longer", "2", "--seed", "1", "-o", "json"];
/// Wrong servers, each found in a short run.
const WRONG: [&str; 4] = ["acknowledges-too-early", "keeps-answers", "leases-for-everyone", "forgets-who-waits"];
const WRONG_RUN: [&str; 8] = ["--seconds", "5", "--longer", "4", "--seed", "1", "-o", "json"];

/// Records histories and judges them.
pub(crate) fn check(log: &Log) -> Outcome {
    history::build()?;
    let mut counts = run(log, &RUN)?;
    let (operations, faults) = (counts.operations, counts.faults);
    for wrong in WRONG {
        let arguments = [&["--wrong", wrong][..], &WRONG_RUN].concat();
        let found = run(log, &arguments)?;
        counts.passed += found.mutants;
    }
    let (validators, mutants) = (counts.validators, counts.mutants);
    let note = format!(
        "{operations} calls, {faults} faults, {validators} validators, {mutants} broken histories, {} wrong servers",
        WRONG.len()
    );
    Ok(Report { passed: counts.passed, note })
}

/// One run, which has to end well and say so.
fn run(log: &Log, arguments: &[&str]) -> Result<Counts, Failure> {
    let output = log.run(history::program().args(arguments));
    let counts = count(&output.as_ref().map_or_else(|_| log.tail(usize::MAX), Clone::clone));
    if let Err(reason) = output {
        return Err(Failure { passed: counts.passed, failed: counts.failed, reason });
    }
    if counts.validators == 0 || counts.mutants == 0 {
        return Err("nothing was judged".to_owned().into());
    }
    Ok(counts)
}

/// What a report says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    operations: u64,
    faults: u64,
    validators: u64,
    mutants: u64,
    passed: u64,
    failed: u64,
}

fn count(output: &str) -> Counts {
    let mut counts = Counts::default();
    for line in output.lines().map(|line| line.trim().trim_end_matches(',')) {
        let Some((name, value)) = line.split_once(": ") else { continue };
        let good = match name.trim_matches('"') {
            "operations" => {
                counts.operations = value.parse().unwrap_or_default();
                continue;
            }
            "faults" => {
                counts.faults = value.parse().unwrap_or_default();
                continue;
            }
            "violations" => {
                counts.validators += 1;
                value == "0"
            }
            "caught" => {
                counts.mutants += 1;
                value == "true"
            }
            _ => continue,
        };
        *(if good { &mut counts.passed } else { &mut counts.failed }) += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_and_what_does_not_are_counted() {
        let output = concat!(
            "{\n  \"operations\": 7,\n  \"faults\": 2,\n  \"validators\": [\n    {\n      \"violations\": 0,\n    },\n",
            "    {\n      \"violations\": 2\n    }\n  ],\n  \"mutants\": [\n    {\n      \"caught\": true\n    },\n",
            "    {\n      \"caught\": false\n    }\n  ]\n}\n",
        );
        let counts = Counts { operations: 7, faults: 2, validators: 2, mutants: 2, passed: 2, failed: 2 };
        assert_eq!(count(output), counts);
        assert_eq!(count("nothing of this kind"), Counts::default());
    }
}
