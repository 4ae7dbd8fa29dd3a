//! What is printed: rows as JSON or as tables. Nothing is measured or summed up here.

use std::collections::BTreeMap;

use clap::ValueEnum;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;

/// What one cache of one size saved on one trace. The names are what others read.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The trace.
    pub trace: String,
    /// The capacity as a fraction of the trace's footprint.
    pub size: f64,
    /// The cache.
    pub cache: String,
    /// Reads that hit, of all.
    pub hit_ratio: f64,
    /// Bytes of reads that hit, of all.
    pub byte_hit_ratio: f64,
    /// Cost of reads that hit, of all.
    pub cost_saved: f64,
}

/// How rows are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Tables for people
    #[default]
    Table,
    /// A JSON array and nothing else
    Json,
}

/// Rows as one JSON array, a row a line.
///
/// # Errors
/// A number that JSON cannot hold.
pub fn json(rows: &[impl Serialize]) -> Result<String, String> {
    let lines: Result<Vec<_>, _> = rows.iter().map(serde_json::to_string).collect();
    let lines = lines.map_err(|error| format!("a row cannot be written as JSON: {error}"))?;
    Ok(format!("[\n{}\n]", lines.join(",\n")))
}

/// One table for each measure: a line for each trace and size, a column for each cache. Percent.
#[must_use]
pub fn tables(rows: &[Row]) -> String {
    let hits = table(rows, |row| row.hit_ratio);
    let bytes = table(rows, |row| row.byte_hit_ratio);
    let cost = table(rows, |row| row.cost_saved);
    format!("hit ratio, %\n{hits}\n\nbyte hit ratio, %\n{bytes}\n\ncost saved, %\n{cost}\n\n")
}

fn table(rows: &[Row], of: impl Fn(&Row) -> f64) -> Table {
    let mut caches: Vec<&str> = Vec::new();
    let mut lines: BTreeMap<usize, (String, String, Vec<String>)> = BTreeMap::new();
    let mut places: Vec<(&str, u64)> = Vec::new();
    for row in rows {
        if !caches.contains(&row.cache.as_str()) {
            caches.push(&row.cache);
        }
        let place = (row.trace.as_str(), row.size.to_bits());
        let number = places.iter().position(|known| *known == place).unwrap_or_else(|| {
            places.push(place);
            places.len() - 1
        });
        let line = lines.entry(number).or_insert_with(|| (row.trace.clone(), percent(row.size), Vec::new()));
        line.2.push(format!("{:.1}", 100.0 * of(row)));
    }
    let mut table = markdown();
    table.set_header(["trace", "size"].into_iter().chain(caches));
    for (trace, size, cells) in lines.into_values() {
        table.add_row([trace, size].into_iter().chain(cells));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// A table that is Markdown, so that it can be pasted into a page.
#[must_use]
pub fn markdown() -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Disabled);
    table
}

/// A fraction as people write it: `0.5 %`.
#[must_use]
pub fn percent(fraction: f64) -> String {
    let hundredths = (fraction * 1e6).round() / 1e4;
    format!("{hundredths} %")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(trace: &str, size: f64, cache: &str, hit_ratio: f64) -> Row {
        Row { trace: trace.into(), size, cache: cache.into(), hit_ratio, byte_hit_ratio: 0.5, cost_saved: 0.25 }
    }

    #[test]
    fn json_has_exactly_the_keys_others_rely_on() {
        let text = json(&[row("t", 0.01, "lru", 0.125)]).unwrap();
        let rows: serde_json::Value = serde_json::from_str(&text).unwrap();
        let expected = serde_json::json!([{
            "trace": "t", "size": 0.01, "cache": "lru", "hit_ratio": 0.125, "byte_hit_ratio": 0.5, "cost_saved": 0.25
        }]);
        assert_eq!(rows, expected);
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&json(&[] as &[Row]).unwrap()).unwrap(),
            serde_json::json!([])
        );
    }

    #[test]
    fn a_table_has_a_line_for_each_trace_and_size() {
        let rows =
            [row("a", 0.01, "x", 0.1), row("a", 0.01, "y", 0.2), row("a", 0.05, "x", 0.3), row("a", 0.05, "y", 0.4)];
        let text = table(&rows, |row| row.hit_ratio).to_string();
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(text.contains("5 %") && text.contains("40.0"), "{text}");
    }

    #[test]
    fn fractions_are_written_without_noise() {
        assert_eq!(percent(0.005), "0.5 %");
        assert_eq!(percent(0.07), "7 %");
        assert_eq!(percent(0.4), "40 %");
    }
}
