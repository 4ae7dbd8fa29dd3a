//! Words that say nothing and words of unfinished work.

use crate::source::{Source, identifiers, line_of, report, repository};

/// Parts of names that tell nothing about the thing. Split so that this file does not name them.
const EMPTY_NAMES: [&str; 3] = [concat!("Man", "ager"), concat!("Hel", "per"), concat!("Proc", "essor")];
/// Whole names of modules and files that collect what has no place.
const EMPTY_MODULES: [&str; 4] =
    [concat!("ut", "ils"), concat!("ut", "il"), concat!("mi", "sc"), concat!("com", "mon")];
/// Marks of work that was left.
const UNFINISHED: [&str; 5] = [
    concat!("to", "do!("),
    concat!("unimpl", "emented!("),
    concat!("FIX", "ME"),
    concat!("XX", "X:"),
    concat!("#[ig", "nore"),
];
fn empty_names(files: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let stem = file.path.rsplit('/').next().and_then(|name| name.split('.').next()).unwrap_or_default();
        if EMPTY_MODULES.contains(&stem) {
            findings.push(format!("{}: a file is named after what it holds", file.path));
        }
        let code = file.code();
        for (at, name) in identifiers(&code) {
            let module = EMPTY_MODULES.contains(&name) && code[..at].ends_with("mod ");
            if module || EMPTY_NAMES.iter().any(|empty| name.contains(empty)) {
                findings.push(format!("{}:{}: `{name}` says nothing", file.path, line_of(&code, at)));
            }
        }
    }
    findings
}

fn unfinished(files: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.is_rust() || file.path.ends_with(".proto")) {
        for (number, line) in file.text.lines().enumerate() {
            let left = UNFINISHED.iter().any(|word| line.contains(word)) || to_do_without_reason(line);
            if left {
                findings.push(format!("{}:{}: unfinished: {}", file.path, number + 1, line.trim()));
            }
        }
    }
    findings
}

/// A mark of later work must say what for: `(reason)` right behind it.
fn to_do_without_reason(line: &str) -> bool {
    let mark = concat!("TO", "DO");
    line.find(mark).is_some_and(|at| !line[at + mark.len()..].starts_with('('))
}

#[test]
fn names_say_something() {
    report(empty_names(&repository()));
}

#[test]
fn nothing_is_left_unfinished() {
    report(unfinished(&repository()));
}

#[test]
fn an_empty_name_is_found() {
    let text = format!("//! x\nstruct Key{} {{}}\nmod {};\n", EMPTY_NAMES[0], EMPTY_MODULES[0]);
    assert_eq!(empty_names(&[Source::new("a.rs", &text)]).len(), 2);
    assert_eq!(empty_names(&[Source::new(&format!("a/{}.rs", EMPTY_MODULES[2]), "//! x\n")]).len(), 1);
    assert!(empty_names(&[Source::new("a.rs", "//! the Helpers of others may be named in prose\n")]).is_empty());
}

#[test]
fn unfinished_work_is_found() {
    for word in UNFINISHED {
        assert_eq!(unfinished(&[Source::new("a.rs", &format!("//! x\n{word}\n"))]).len(), 1, "{word}");
    }
    let mark = concat!("TO", "DO");
    assert_eq!(unfinished(&[Source::new("a.rs", &format!("// {mark} later\n"))]).len(), 1);
    assert!(unfinished(&[Source::new("a.rs", &format!("// {mark}(needs the disk tier)\n"))]).is_empty());
}
