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

/// Lines of one failed test that are shown: enough for where and what.
const LINES_MAX: usize = 12;

/// What the Rust test runner printed of each test that failed, a few lines each; nothing when none did. One that fails is
/// told of where its program ends, far above the last line of a run of many programs.
pub(crate) fn failed_tests(output: &str) -> String {
    let mut shown = String::new();
    let mut lines = output.lines().peekable();
    while let Some(head) = lines.next() {
        if !(head.starts_with("---- ") && head.ends_with(" ----")) {
            continue;
        }
        shown.extend([head, "\n"]);
        let mut left = LINES_MAX;
        while let Some(line) = lines.next_if(|line| !line.starts_with("---- ") && *line != "failures:") {
            if left > 0 && !line.is_empty() {
                shown.extend([line, "\n"]);
                left -= 1;
            }
        }
    }
    shown
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
    fn a_failed_test_is_shown_with_what_it_said() {
        let output = "test a ... ok\ntest b::c ... FAILED\n\nfailures:\n\n---- b::c stdout ----\n\n\
                      thread 'b::c' panicked at b.rs:3:5:\nleft: 1\n\n\n---- d stdout ----\nError: none\n\n\
                      failures:\n    b::c\n    d\n\ntest result: FAILED. 1 passed; 2 failed\n   Doc-tests other\n";
        let shown = "---- b::c stdout ----\nthread 'b::c' panicked at b.rs:3:5:\nleft: 1\n\
                     ---- d stdout ----\nError: none\n";
        assert_eq!(failed_tests(output), shown);
        assert_eq!(failed_tests("test a ... ok\ntest result: ok. 1 passed; 0 failed\n"), "");
    }

    #[test]
    fn other_output_counts_nothing() {
        assert_eq!(count_tests("12 passed\nthe test result: 3 passed\n"), (0, 0));
    }
}
