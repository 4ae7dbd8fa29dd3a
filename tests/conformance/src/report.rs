//! What came of a run, as a matrix for people and as rows for programs. Nothing is decided here.

use std::collections::BTreeMap;

use comfy_table::{Cell, CellAlignment, Table, presets};

use crate::suite::Row;

/// The matrix: a row for each scenario, a column for each language.
#[must_use]
pub fn matrix(rows: &[Row]) -> String {
    let mut languages: Vec<&str> = Vec::new();
    let mut scenarios: Vec<&str> = Vec::new();
    let mut cells = BTreeMap::new();
    for row in rows {
        if !languages.contains(&row.language.as_str()) {
            languages.push(&row.language);
        }
        if !scenarios.contains(&row.scenario.as_str()) {
            scenarios.push(&row.scenario);
        }
        cells.insert((row.scenario.as_str(), row.language.as_str()), cell(row));
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(std::iter::once("scenario").chain(languages.iter().copied()));
    for scenario in scenarios {
        let mut line = vec![Cell::new(scenario)];
        line.extend(languages.iter().map(|language| {
            let text = cells.get(&(scenario, *language)).copied().unwrap_or("");
            Cell::new(text).set_alignment(CellAlignment::Center)
        }));
        table.add_row(line);
    }
    table.to_string()
}

fn cell(row: &Row) -> &'static str {
    match (row.pass, row.detail.is_empty()) {
        (true, true) => "✓",
        (true, false) => "–",
        (false, _) => "✗",
    }
}

/// What failed, with why.
#[must_use]
pub fn failures(rows: &[Row]) -> String {
    let failed = rows.iter().filter(|row| !row.pass);
    failed
        .map(|row| format!("{} {}\n    {}\n", row.language, row.scenario, row.detail.replace('\n', "\n    ")))
        .collect()
}

/// How many passed and failed, by language.
#[must_use]
pub fn summary(rows: &[Row]) -> String {
    let mut counts: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for row in rows {
        let (passed, failed) = counts.entry(&row.language).or_default();
        *(if row.pass { passed } else { failed }) += 1;
    }
    counts
        .iter()
        .map(|(language, (passed, failed))| format!("{language}: {passed} passed, {failed} failed\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(language: &str, scenario: &str, pass: bool, detail: &str) -> Row {
        let (language, scenario, detail) = (language.to_owned(), scenario.to_owned(), detail.to_owned());
        Row { language, scenario, pass, detail, took_ms: 1 }
    }

    #[test]
    fn each_scenario_has_a_line_and_each_language_a_column() {
        let rows = [
            row("go", "a/one", true, ""),
            row("go", "a/two", false, "it was\nnot"),
            row("rust", "a/one", true, "not asked of it: why"),
        ];
        let shown = matrix(&rows);
        let lines: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0], ["scenario", "go", "rust"]);
        assert_eq!((&lines[1][..], &lines[2][..]), (&["a/one", "✓", "–"][..], &["a/two", "✗"][..]));
        assert_eq!(failures(&rows), "go a/two\n    it was\n    not\n");
        assert_eq!(summary(&rows), "go: 1 passed, 1 failed\nrust: 1 passed, 0 failed\n");
    }
}
