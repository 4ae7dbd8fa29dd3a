//! What is printed: rows as JSON or as tables, and counterexamples. Nothing is checked here.

use std::fmt::Write as _;

use clap::ValueEnum;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;

use crate::{
    catalogue::{Size, Wrong},
    check::{Checked, Counterexample},
};

/// A row of what was printed. The names are what others read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Row {
    /// A size that was checked to the end.
    Configuration {
        /// Its name.
        configuration: &'static str,
        /// Different states.
        states: usize,
        /// `holds`, or what does not.
        result: String,
    },
    /// A wrong way.
    Mutant {
        /// Its name.
        mutant: &'static str,
        /// Whether it was found out.
        caught: bool,
    },
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

/// Everything that was checked.
#[derive(Debug, Default)]
pub struct Results {
    /// Sizes, in the order in which they were checked.
    pub configurations: Vec<(Size, Checked<String>)>,
    /// Wrong ways, with the configuration that had to find each.
    pub mutants: Vec<(Wrong, Checked<String>)>,
}

impl Results {
    /// Whether every configuration holds and every mutant was caught.
    #[must_use]
    pub fn good(&self) -> bool {
        let caught = |(_, checked): &(_, Checked<String>)| !checked.broken.is_empty();
        self.configurations.iter().all(|(_, checked)| checked.holds()) && self.mutants.iter().all(caught)
    }

    /// A row for each configuration, then one for each mutant.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        let configurations = self.configurations.iter().map(|(configuration, checked)| Row::Configuration {
            configuration: configuration.name(),
            states: checked.states,
            result: result(checked),
        });
        let mutants = self
            .mutants
            .iter()
            .map(|(mutant, checked)| Row::Mutant { mutant: mutant.name(), caught: !checked.broken.is_empty() });
        configurations.chain(mutants).collect()
    }

    /// Rows as one JSON array, a row a line.
    ///
    /// # Errors
    /// A row that JSON cannot hold.
    pub fn json(&self) -> Result<String, String> {
        let lines: Result<Vec<_>, _> = self.rows().iter().map(serde_json::to_string).collect();
        let lines = lines.map_err(|error| format!("a row cannot be written as JSON: {error}"))?;
        Ok(format!("[\n{}\n]", lines.join(",\n")))
    }

    /// A table of configurations and one of mutants, as far as there are any.
    #[must_use]
    pub fn tables(&self) -> String {
        let mut all = Vec::new();
        if !self.configurations.is_empty() {
            let mut table = table(["configuration", "states", "result", "about"]);
            for (configuration, checked) in &self.configurations {
                let states = checked.states.to_string();
                table.add_row([configuration.name(), &states, &result(checked), configuration.what()]);
            }
            all.push(aligned(table, 1).to_string());
        }
        if !self.mutants.is_empty() {
            let mut table = table(["mutant", "steps", "caught by", "what is wrong"]);
            for (mutant, checked) in &self.mutants {
                let first = checked.broken.first();
                let steps = first.map_or("-".to_owned(), |first| first.steps.len().to_string());
                let caught = format!("{} in {}", first.map_or("NOT CAUGHT", short), mutant.found_in());
                table.add_row([mutant.name(), &steps, &caught, mutant.what()]);
            }
            all.push(aligned(table, 1).to_string());
        }
        all.join("\n\n")
    }

    /// Every counterexample, step by step.
    #[must_use]
    pub fn traces(&self) -> String {
        let configurations = self.configurations.iter().map(|(configuration, checked)| (configuration.name(), checked));
        let mutants = self.mutants.iter().map(|(mutant, checked)| (mutant.name(), checked));
        let mut text = String::new();
        for (name, checked) in configurations.chain(mutants) {
            checked.broken.iter().for_each(|one| trace(&mut text, name, one));
        }
        text
    }
}

fn trace(text: &mut String, name: &str, counterexample: &Counterexample<String>) {
    // Writing to a string cannot fail.
    let _written = writeln!(text, "\n{name} breaks {}", counterexample.property);
    for (at, step) in counterexample.steps.iter().enumerate() {
        let _written = writeln!(text, "{:>4}  {step}", at + 1);
    }
}

/// What a property is called for short: the letters before the colon.
fn short(counterexample: &Counterexample<String>) -> &str {
    counterexample.property.split(':').next().unwrap_or_default()
}

fn result(checked: &Checked<String>) -> String {
    if checked.holds() {
        return "holds".to_owned();
    }
    let broken = checked.broken.iter().map(|one| format!("broken {}", short(one)));
    let unreached = checked.unreached.iter().map(|name| format!("never {name}"));
    broken.chain(unreached).collect::<Vec<_>>().join(", ")
}

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Disabled).set_header(header);
    table
}

fn aligned(mut table: Table, right: usize) -> Table {
    if let Some(column) = table.column_mut(right) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{sizes, wrongs};

    fn checked(broken: bool) -> Checked<String> {
        let counterexample =
            Counterexample { property: "I1: x", steps: vec!["A: get key 0".to_owned(), "A: computed".to_owned()] };
        let broken = if broken { vec![counterexample] } else { Vec::new() };
        Checked { states: 7, broken, unreached: Vec::new() }
    }

    fn results(broken: bool, caught: bool) -> Results {
        Results { configurations: vec![(sizes()[0], checked(broken))], mutants: vec![(wrongs()[2], checked(caught))] }
    }

    #[test]
    fn rows_have_the_keys_that_others_read() {
        let json = results(false, true).json().unwrap();
        let wanted = r#"[
{"configuration":"leases","states":7,"result":"holds"},
{"mutant":"ticket-at-put","caught":true}
]"#;
        assert_eq!(json, wanted);
    }

    #[test]
    fn it_is_good_when_all_holds_and_all_is_caught() {
        assert!(results(false, true).good());
        assert!(!results(true, true).good());
        assert!(!results(false, false).good());
        let unreached = Checked { unreached: vec!["R1"], ..checked(false) };
        assert!(!Results { configurations: vec![(sizes()[0], unreached)], mutants: vec![] }.good());
    }

    #[test]
    fn tables_and_traces_name_what_is_broken() {
        let results = results(true, false);
        assert!(results.tables().contains("broken I1") && results.tables().contains("NOT CAUGHT"));
        assert!(results.traces().contains("leases breaks I1: x\n   1  A: get key 0\n   2  A: computed\n"));
    }
}
