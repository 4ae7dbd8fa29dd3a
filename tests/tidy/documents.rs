//! Documents that name things of the code must name things that exist, and all of them.

use std::collections::BTreeSet;

use crate::source::{Source, file, report, repository};

/// The names of all test functions.
fn tests(files: &[Source]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let mut marked = false;
        for line in file.text.lines().map(str::trim) {
            marked |= line.starts_with("#[test") || line.starts_with("#[tokio::test");
            let name =
                line.trim_start_matches("async ").strip_prefix("fn ").and_then(|rest| rest.split(['(', '<']).next());
            if let Some(name) = name.filter(|_| marked) {
                names.insert(name.to_owned());
                marked = false;
            }
        }
    }
    for file in files.iter().filter(|file| file.path.ends_with(".py")) {
        let lines = file.text.lines().filter_map(|line| line.trim().strip_prefix("def test_"));
        names.extend(lines.filter_map(|rest| rest.split('(').next()).map(|name| format!("test_{name}")));
    }
    names
}

/// The names between backticks that claim to be tests: `area::name` with nothing but lower case.
fn tests_named(document: &str) -> Vec<String> {
    let quoted = document.split('`').skip(1).step_by(2);
    let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == ':';
    quoted.filter(|name| name.contains("::") && name.chars().all(lower)).map(str::to_owned).collect()
}

fn unknown_tests(document: &Source, known: &BTreeSet<String>) -> Vec<String> {
    let named = tests_named(&document.text);
    let unknown = named.iter().filter(|name| !name.rsplit("::").next().is_some_and(|name| known.contains(name)));
    unknown.map(|name| format!("{}: names `{name}`, which is no test", document.path)).collect()
}

const SCENARIOS: &str = "tests/conformance/scenarios/";

/// The scenarios that every client plays, as `file/name`.
fn scenarios(files: &[Source]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in files {
        let Some(area) = file.path.strip_prefix(SCENARIOS).and_then(|name| name.strip_suffix(".yaml")) else {
            continue;
        };
        names.extend(
            file.text.lines().filter_map(|line| line.strip_prefix("- name: ")).map(|name| format!("{area}/{name}")),
        );
    }
    names
}

/// The names between backticks that claim to be scenarios: they begin with the name of a file of scenarios.
fn scenarios_named(document: &str, known: &BTreeSet<String>) -> Vec<String> {
    let areas: BTreeSet<&str> = known.iter().filter_map(|name| name.split('/').next()).collect();
    let quoted = document.split('`').skip(1).step_by(2);
    let named = quoted.filter(|name| name.split_once('/').is_some_and(|(area, _)| areas.contains(area)));
    named.map(str::to_owned).collect()
}

fn unknown_scenarios(document: &Source, known: &BTreeSet<String>) -> Vec<String> {
    let unknown = scenarios_named(&document.text, known).into_iter().filter(|name| !known.contains(name));
    unknown.map(|name| format!("{}: names `{name}`, which is no scenario", document.path)).collect()
}

/// String literals that look like names and stand in the given table of a source.
fn names_in_table(text: &str, is_name: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let table = text.split("#[cfg(test)]").next().unwrap_or_default();
    table.split('"').skip(1).step_by(2).filter(|name| is_name(name)).map(str::to_owned).collect()
}

fn is_metric(name: &str) -> bool {
    name.starts_with("hotplate_") && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// The keys of the table of settings.
fn settings(table: &str) -> BTreeSet<String> {
    let rows = table.split("row(").skip(1).filter_map(|row| row.trim_start().strip_prefix('"'));
    rows.filter_map(|row| row.split('"').next()).map(str::to_owned).collect()
}

fn undocumented(names: &BTreeSet<String>, document: &Source) -> Vec<String> {
    let missing = names.iter().filter(|name| !document.text.contains(&format!("`{name}")));
    missing.map(|name| format!("{}: does not mention `{name}`", document.path)).collect()
}

#[test]
fn documents_name_only_tests_that_exist() {
    let known = tests(&repository());
    for path in ["docs/requirements.md", "docs/guarantees.md"] {
        let document = file(path);
        assert!(!tests_named(&document.text).is_empty(), "{path} names no test");
        report(unknown_tests(&document, &known));
    }
}

#[test]
fn documents_name_only_scenarios_that_exist() {
    let known = scenarios(&repository());
    let document = file("docs/requirements.md");
    assert!(!scenarios_named(&document.text, &known).is_empty(), "no scenario is named");
    report(unknown_scenarios(&document, &known));
}

#[test]
fn every_metric_is_documented() {
    let names = names_in_table(&file("server/daemon/src/telemetry/names.rs").text, is_metric);
    assert!(names.len() > 5, "the list of metrics was not found");
    report(undocumented(&names, &file("docs/metrics.md")));
}

#[test]
fn every_setting_is_documented() {
    let names = settings(&file("server/daemon/src/config/settings.rs").text);
    assert!(names.contains("memory.entries_max") && names.len() > 20, "the table of settings was not found");
    report(undocumented(&names, &file("docs/settings.md")));
}

#[test]
fn an_undocumented_setting_is_found() {
    let names = settings("const R: &[Row] = &[\n row(\n  \"grpc.listen\", NONE), row(\"ttl.max\", X)];");
    assert_eq!(names.len(), 2);
    assert_eq!(undocumented(&names, &Source::new("s.md", "| `ttl.max` |")).len(), 1);
}

#[test]
fn a_name_of_no_test_is_found() {
    let code = Source::new("a.rs", "//! x\n#[tokio::test]\nasync fn b3_classes() {}\nfn no_test() {}\n");
    let known = tests(&[code]);
    let document =
        Source::new("d.md", "| B3 | `requirements::b3_classes` |\n| B4 | `requirements::no_test` | `Vec::new`\n");
    assert_eq!(unknown_tests(&document, &known).len(), 1);
}

#[test]
fn a_name_of_no_scenario_is_found() {
    let file = Source::new("tests/conformance/scenarios/near.yaml", "- name: a hit asks nobody\n  steps:\n");
    let known = scenarios(&[file]);
    let document = Source::new("d.md", "| `near/a hit asks nobody` | `near/a hit asks all` | `src/near`\n");
    assert_eq!(unknown_scenarios(&document, &known), ["d.md: names `near/a hit asks all`, which is no scenario"]);
}

#[test]
fn an_undocumented_metric_is_found() {
    let names = names_in_table("const A: &str = \"hotplate_gets_total\"; const B: &str = \"Help.\";", is_metric);
    assert_eq!(names.len(), 1);
    assert_eq!(undocumented(&names, &Source::new("m.md", "| `hotplate_puts_total` |")).len(), 1);
}
