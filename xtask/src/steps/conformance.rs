//! Every client does what every client must do, in every language that has an `sdk.toml`. That scenarios find what is wrong
//! with a client is a test of theirs.

use crate::{
    conformance,
    program::Log,
    report::Report,
    steps::{Failure, Outcome},
};

/// Scenarios that a run has at least in each language: fewer means that they were not found.
const SCENARIOS_MIN: u64 = 60;

/// Runs all scenarios in all languages.
pub(crate) fn check(log: &Log) -> Outcome {
    conformance::build()?;
    let output = log.run(conformance::program().args(["-o", "json"]));
    let counts = count(&output.as_ref().map_or_else(|_| log.tail(usize::MAX), Clone::clone));
    let (passed, failed) = (counts.passed, counts.failed);
    if let Err(reason) = output {
        return Err(Failure { passed, failed, reason });
    }
    if passed < SCENARIOS_MIN {
        return Err(Failure { passed, failed: 1, reason: format!("only {passed} scenarios were run") });
    }
    Ok(Report { passed, note: format!("{passed} scenarios in {} languages", counts.languages) })
}

/// What a report says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    languages: usize,
    passed: u64,
    failed: u64,
}

fn count(output: &str) -> Counts {
    let (mut counts, mut languages) = (Counts::default(), Vec::new());
    for line in output.lines().map(|line| line.trim().trim_end_matches(',')) {
        match line.split_once(": ") {
            Some(("\"pass\"", "true")) => counts.passed += 1,
            Some(("\"pass\"", "false")) => counts.failed += 1,
            Some(("\"language\"", language)) if !languages.contains(&language) => languages.push(language),
            _ => {}
        }
    }
    counts.languages = languages.len();
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_by_whether_they_passed() {
        let output = concat!(
            "[\n  {\n    \"language\": \"rust\",\n    \"scenario\": \"a/b\",\n    \"pass\": true,\n    \"detail\": \"\"\n  },\n",
            "  {\n    \"language\": \"go\",\n    \"scenario\": \"a/b\",\n    \"pass\": false,\n    \"detail\": \"why\"\n  }\n]\n",
        );
        assert_eq!(count(output), Counts { languages: 2, passed: 1, failed: 1 });
        assert_eq!(count("nothing of this kind"), Counts::default());
    }
}
