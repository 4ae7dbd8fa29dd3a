//! Every client does what every client must do, in every language that has an `sdk.toml`. That scenarios find what is wrong
//! with a client is a test of theirs.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{
    conformance,
    program::Log,
    report::Report,
    steps::{Failure, Outcome},
};

/// Clients that must take part, Python's blocking one among them. One that is missing is not one that passed.
const LANGUAGES: [&str; 7] = ["go", "java", "java-blocking", "python", "python-sync", "rust", "typescript"];
/// Scenarios that each of them passes at least: fewer means that they were not found, or not asked of it.
const SCENARIOS_MIN: u64 = 280;

/// Runs all scenarios in all languages.
pub(crate) fn check(log: &Log) -> Outcome {
    conformance::build()?;
    let output = log.run(conformance::program().args(["-o", "json"]));
    let rows = rows(&output.as_ref().map_or_else(|_| log.tail(usize::MAX), Clone::clone));
    let counts = count(&rows);
    let sum = |of: fn(&Counts) -> u64| counts.values().map(of).sum::<u64>();
    let (passed, failed) = (sum(|counts| counts.passed), sum(|counts| counts.failed));
    let judged = output.and_then(|_| judge(&counts));
    if let Err(reason) = judged {
        return Err(Failure { passed, failed: failed.max(1), reason: format!("{reason}{}", told(&rows)) });
    }
    let each = counts.iter().map(|(language, counts)| format!("{language} {}", counts.passed));
    Ok(Report { passed, note: format!("scenarios: {}", each.collect::<Vec<_>>().join(", ")) })
}

/// A scenario in a language.
#[derive(Debug, Deserialize)]
struct Row {
    language: String,
    scenario: String,
    pass: bool,
    #[serde(default)]
    detail: String,
}

/// The rows of the report, which stands on lines of its own among all else that was printed.
fn rows(output: &str) -> Vec<Row> {
    let report = output.split_once("[\n").and_then(|(_, rest)| rest.rsplit_once("\n]"));
    report.and_then(|(rows, _)| serde_json::from_str(&format!("[{rows}]")).ok()).unwrap_or_default()
}

/// Failures that are told of; more than these have one cause.
const TOLD_MAX: usize = 20;

/// The rows that failed, and why, a line each.
fn told(rows: &[Row]) -> String {
    let failed = rows.iter().filter(|row| !row.pass).take(TOLD_MAX);
    failed.map(|row| format!("\n      {} {}: {}", row.language, row.scenario, row.detail)).collect()
}

/// What a report says of a driver.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: u64,
    failed: u64,
    /// Scenarios that its language need not have.
    not_asked: u64,
}

/// Whether every language did enough of it.
fn judge(all: &BTreeMap<String, Counts>) -> Result<(), String> {
    let of = |language: &&str| all.get(*language).map_or(0, |counts| counts.passed);
    match LANGUAGES.iter().find(|language| of(language) < SCENARIOS_MIN) {
        Some(language) => {
            Err(format!("only {} scenarios were passed in {language}, not {SCENARIOS_MIN}", of(language)))
        }
        None => Ok(()),
    }
}

fn count(rows: &[Row]) -> BTreeMap<String, Counts> {
    let mut all = BTreeMap::<String, Counts>::new();
    for row in rows {
        let counts = all.entry(row.language.clone()).or_default();
        *match (row.pass, row.detail.starts_with("not asked")) {
            (true, true) => &mut counts.not_asked,
            (true, false) => &mut counts.passed,
            (false, _) => &mut counts.failed,
        } += 1;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = r#"$ hotplate-conformance -o json
[go] is prepared
[
  { "language": "rust", "scenario": "a/b", "pass": true, "detail": "", "took_ms": 3 },
  { "language": "go", "scenario": "a/b", "pass": false, "detail": "why" },
  { "language": "go", "scenario": "a/c", "pass": true, "detail": "not asked of it: why" },
  { "language": "go", "scenario": "a/d", "pass": true, "detail": "" }
]
"#;

    #[test]
    fn rows_are_counted_by_language_and_by_what_came_of_them() {
        let rows = rows(REPORT);
        let counts = |passed, failed, not_asked| Counts { passed, failed, not_asked };
        assert_eq!(
            count(&rows),
            BTreeMap::from([("rust".to_owned(), counts(1, 0, 0)), ("go".to_owned(), counts(1, 1, 1))])
        );
        assert_eq!(told(&rows), "\n      go a/b: why");
        assert!(super::rows("nothing of this kind").is_empty());
    }

    #[test]
    fn a_language_that_is_missing_or_was_asked_little_is_found() {
        let enough = || Counts { passed: SCENARIOS_MIN, ..Counts::default() };
        let mut all: BTreeMap<_, _> = LANGUAGES.iter().map(|language| ((*language).to_owned(), enough())).collect();
        assert_eq!(judge(&all), Ok(()));
        all.insert("java".to_owned(), Counts { passed: SCENARIOS_MIN - 1, not_asked: 9, failed: 0 });
        assert!(judge(&all).is_err_and(|why| why.contains("java")));
        all.remove("java");
        assert!(judge(&all).is_err());
    }
}
