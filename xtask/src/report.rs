//! What a step reports: how many checks passed and what a reader should know. Counting only, no running.

/// What a step that passed has to say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// Checks that passed.
    pub(crate) passed: u64,
    /// What a reader of the summary should know.
    pub(crate) note: String,
}

impl Report {
    /// One check passed.
    pub(crate) fn one(note: impl Into<String>) -> Self {
        Self { passed: 1, note: note.into() }
    }
}

/// Tests that passed and failed, by the summary lines that the Rust test runner prints.
pub(crate) fn count_tests(output: &str) -> (u64, u64) {
    let mut total = (0, 0);
    for line in output.lines().filter(|line| line.trim_start().starts_with("test result:")) {
        total.0 += number_before(line, " passed");
        total.1 += number_before(line, " failed");
    }
    total
}

fn number_before(line: &str, word: &str) -> u64 {
    let before = line.split(word).next().unwrap_or_default();
    before.rsplit(' ').next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_summed_over_all_binaries() {
        let output = "running 2 tests\ntest result: ok. 2 passed; 0 failed; 0 ignored\n\
                      test result: FAILED. 13 passed; 4 failed; 0 ignored; 0 measured\n";
        assert_eq!(count_tests(output), (15, 4));
    }

    #[test]
    fn other_output_counts_nothing() {
        assert_eq!(count_tests("12 passed\nthe test result: 3 passed\n"), (0, 0));
    }
}
