//! A history of a real server under faults still shows what was promised, and its validators still find what is broken.

use crate::{
    history,
    program::Log,
    report::Report,
    steps::{Failure, Outcome},
};

/// The run: its length is what it adds to everything else.
const ARGUMENTS: [&str; 6] = ["--seconds", "20", "--seed", "1", "-o", "json"];

/// Records one history and judges it.
pub(crate) fn check(log: &Log) -> Outcome {
    history::build()?;
    let output = log.run(history::program().args(ARGUMENTS));
    let counts = count(&output.as_ref().map_or_else(|_| log.tail(usize::MAX), Clone::clone));
    if let Err(reason) = output {
        return Err(Failure { passed: counts.passed, failed: counts.failed, reason });
    }
    if counts.validators == 0 || counts.mutants == 0 || counts.failed > 0 {
        return Err("nothing was judged, or it ended well with something that does not hold".to_owned().into());
    }
    let Counts { passed, validators, mutants, .. } = counts;
    let number = |name: &str| counts.numbers.iter().find(|row| row.0 == name).map_or(0, |row| row.1);
    let (operations, faults) = (number("operations"), number("faults"));
    let note = format!("{operations} calls, {faults} faults, {validators} validators, {mutants} broken histories");
    Ok(Report { passed, note })
}

/// What the report says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    validators: u64,
    mutants: u64,
    passed: u64,
    failed: u64,
    numbers: Vec<(String, u64)>,
}

fn count(output: &str) -> Counts {
    let mut counts = Counts::default();
    for line in output.lines().map(str::trim) {
        let Some((name, value)) = line.trim_end_matches(',').split_once(": ") else { continue };
        let name = name.trim_matches('"');
        let good = match name {
            "violations" => {
                counts.validators += 1;
                value == "0"
            }
            "caught" => {
                counts.mutants += 1;
                value == "true"
            }
            _ => {
                counts.numbers.extend(value.parse().ok().map(|value| (name.to_owned(), value)));
                continue;
            }
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
            "{\n  \"operations\": 7,\n  \"validators\": [\n    {\n      \"violations\": 0,\n    },\n",
            "    {\n      \"violations\": 2\n    }\n  ],\n  \"mutants\": [\n    {\n      \"caught\": true\n    },\n",
            "    {\n      \"caught\": false\n    }\n  ]\n}\n",
        );
        let numbers = vec![("operations".to_owned(), 7)];
        assert_eq!(count(output), Counts { validators: 2, mutants: 2, passed: 2, failed: 2, numbers });
        assert_eq!(count("nothing of this kind"), Counts::default());
    }
}
