//! Every client does what every client must do, in every language that has an `sdk.toml`. That scenarios find what is wrong
//! with a client is a test of theirs.

use std::collections::BTreeMap;

use crate::{
    conformance,
    program::Log,
    report::Report,
    steps::{Failure, Outcome},
};

/// Languages that must take part. A language that is missing is not one that passed.
const LANGUAGES: [&str; 5] = ["go", "java", "python", "rust", "typescript"];
/// Scenarios that each of them passes at least: fewer means that they were not found, or not asked of it.
const SCENARIOS_MIN: u64 = 280;

/// Runs all scenarios in all languages.
pub(crate) fn check(log: &Log) -> Outcome {
    conformance::build()?;
    let output = log.run(conformance::program().args(["-o", "json"]));
    let counts = count(&output.as_ref().map_or_else(|_| log.tail(usize::MAX), Clone::clone));
    let sum = |of: fn(&Counts) -> u64| counts.values().map(of).sum::<u64>();
    let (passed, failed) = (sum(|counts| counts.passed), sum(|counts| counts.failed));
    let judged = output.and_then(|_| judge(&counts));
    if let Err(reason) = judged {
        return Err(Failure { passed, failed: failed.max(1), reason });
    }
    let each = counts.iter().map(|(language, counts)| format!("{language} {}", counts.passed));
    Ok(Report { passed, note: format!("scenarios: {}", each.collect::<Vec<_>>().join(", ")) })
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

/// Counts rows, each of which is some lines: `language` first, `pass`, then `detail`.
fn count(output: &str) -> BTreeMap<String, Counts> {
    let (mut all, mut language, mut pass) = (BTreeMap::<String, Counts>::new(), String::new(), false);
    for line in output.lines().map(|line| line.trim().trim_end_matches(',')) {
        match line.split_once(": ") {
            Some(("\"language\"", name)) => name.trim_matches('"').clone_into(&mut language),
            Some(("\"pass\"", word)) => pass = word == "true",
            Some(("\"detail\"", detail)) if !language.is_empty() => {
                let counts = all.entry(language.clone()).or_default();
                *match (pass, detail.starts_with("\"not asked")) {
                    (true, true) => &mut counts.not_asked,
                    (true, false) => &mut counts.passed,
                    (false, _) => &mut counts.failed,
                } += 1;
            }
            _ => {}
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(language: &str, pass: bool, detail: &str) -> String {
        format!(
            "  {{\n    \"language\": \"{language}\",\n    \"scenario\": \"a/b\",\n    \"pass\": {pass},\n    \"detail\": \
             \"{detail}\",\n    \"took_ms\": 3\n  }},\n"
        )
    }

    #[test]
    fn rows_are_counted_by_language_and_by_what_came_of_them() {
        let rows = [
            row("rust", true, ""),
            row("go", false, "why"),
            row("go", true, "not asked of it: why"),
            row("go", true, ""),
        ];
        let all = count(&format!("[\n{}]\n", rows.concat()));
        let counts = |passed, failed, not_asked| Counts { passed, failed, not_asked };
        assert_eq!(all, BTreeMap::from([("rust".to_owned(), counts(1, 0, 0)), ("go".to_owned(), counts(1, 1, 1))]));
        assert!(count("nothing of this kind").is_empty());
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
