//! Rules about the source text that no compiler checks: sizes, headers, layers, names, documents.
//!
//! Reads files only, needs nothing built and takes seconds. Every rule is a function from sources to findings, and has
//! a test with a bad example, so that a rule which can no longer fail is noticed. Behaviour is not tested here.

#![expect(clippy::unwrap_used, reason = "a test that cannot read the sources has failed")]

#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/samples.rs"]
mod samples;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/words.rs"]
mod words;

use source::{Source, report, repository};

/// Lines a file may have.
const LINES_MAX: usize = 500;
/// Files that are longer, with the length they may not exceed. This list may only shrink.
const LONGER: [(&str, usize); 0] = [];

fn short_files(files: &[Source]) -> Vec<String> {
    let allowed = |path: &str| LONGER.iter().find(|(name, _)| *name == path).map_or(LINES_MAX, |(_, lines)| *lines);
    files
        .iter()
        .filter(|file| file.is_rust() && file.text.lines().count() > allowed(&file.path))
        .map(|file| format!("{}: {} lines, split it", file.path, file.text.lines().count()))
        .collect()
}

fn headers(files: &[Source]) -> Vec<String> {
    files
        .iter()
        .filter(|file| file.is_rust() && !file.text.starts_with("//!"))
        .map(|file| format!("{}: begins without a `//!` line that says what lives there", file.path))
        .collect()
}

fn ratchet_is_needed(files: &[Source]) -> Vec<String> {
    LONGER
        .iter()
        .filter(|(name, _)| !files.iter().any(|file| file.path == *name && file.text.lines().count() > LINES_MAX))
        .map(|(name, _)| format!("{name} is short enough now: take it off the list"))
        .collect()
}

#[test]
fn files_are_short() {
    report(short_files(&repository()));
    report(ratchet_is_needed(&repository()));
}

#[test]
fn files_begin_with_what_lives_there() {
    report(headers(&repository()));
}

#[test]
fn a_long_file_is_found() {
    let long = Source::new("a.rs", &"//! x\n".repeat(LINES_MAX + 1));
    assert_eq!(short_files(&[long]).len(), 1);
    assert!(short_files(&[Source::new("a.rs", &"//! x\n".repeat(LINES_MAX))]).is_empty());
}

#[test]
fn a_file_without_header_is_found() {
    assert_eq!(headers(&[Source::new("a.rs", "use std::fmt;\n")]).len(), 1);
}
