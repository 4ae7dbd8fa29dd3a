//! The model still holds: every configuration to its end, and every mutant is found.

use crate::{
    program::{self, Log, command, root},
    report::Report,
    steps::{Failure, Outcome},
};

/// Checks everything. Its package is optimized in a debug build as well, so nothing is built for this alone.
pub(crate) fn check(log: &Log) -> Outcome {
    log.run(&mut program::build(&["hotplate-model"], &[]))?;
    let output = log.run(command(root().join("target/debug/hotplate-model")).args(["-o", "json"]));
    let counts = count(&output.as_ref().map_or_else(|_| log.tail(usize::MAX), Clone::clone));
    if let Err(reason) = output {
        return Err(Failure { passed: counts.passed, failed: counts.failed, reason });
    }
    if counts.configurations == 0 || counts.mutants == 0 || counts.failed > 0 {
        return Err("the model checked nothing, or ended well with something that does not hold".to_owned().into());
    }
    let note =
        format!("{} states in {} configurations, {} mutants", counts.states, counts.configurations, counts.mutants);
    Ok(Report { passed: counts.passed, note })
}

/// What the rows say.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    configurations: u64,
    mutants: u64,
    states: u64,
    passed: u64,
    failed: u64,
}

fn count(output: &str) -> Counts {
    let mut counts = Counts::default();
    for row in output.lines().map(|line| line.trim_end_matches(',')) {
        let good = if row.starts_with("{\"configuration\":") {
            counts.configurations += 1;
            counts.states += states(row).unwrap_or_default();
            row.ends_with("\"result\":\"holds\"}")
        } else if row.starts_with("{\"mutant\":") {
            counts.mutants += 1;
            row.ends_with("\"caught\":true}")
        } else {
            continue;
        };
        *(if good { &mut counts.passed } else { &mut counts.failed }) += 1;
    }
    counts
}

fn states(row: &str) -> Option<u64> {
    row.split("\"states\":").nth(1)?.split(',').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_and_what_is_wrong_is_found() {
        let output = concat!(
            "[\n",
            "{\"configuration\":\"near\",\"states\":7,\"result\":\"holds\"},\n",
            "{\"configuration\":\"restart\",\"states\":3,\"result\":\"broken I3\"},\n",
            "{\"mutant\":\"ticket-at-put\",\"caught\":true},\n",
            "{\"mutant\":\"silent-loss\",\"caught\":false}\n",
            "]\n",
        );
        let counts = Counts { configurations: 2, mutants: 2, states: 10, passed: 2, failed: 2 };
        assert_eq!(count(output), counts);
        assert_eq!(count("nothing of this kind"), Counts::default());
    }
}
