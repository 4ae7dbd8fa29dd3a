//! How the herd's result is printed, for people and for programs.

use clap::ValueEnum;
use serde::Serialize;

use crate::{cache::Kind, polyglot};

/// How to print.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// For programs: one object, or an array of rows with --against
    Json,
}

/// What came of a herd.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) computations: usize,
    pub(crate) callers: u32,
    pub(crate) answered: u32,
    pub(crate) max_wait_ms: u64,
    pub(crate) lost_with_holder: Option<u32>,
    pub(crate) requests: Option<u64>,
    pub(crate) server_cpu_ms: Option<u64>,
    pub(crate) client_cpu_ms: Option<u64>,
}

/// The object of one herd: these keys, and the last only when a process was killed.
#[derive(Serialize)]
struct One {
    computations: usize,
    callers: u32,
    answered: u32,
    max_wait_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    lost_with_holder: Option<u32>,
}

/// A row of several herds.
#[derive(Serialize)]
struct Row {
    cache: &'static str,
    round: u32,
    #[serde(flatten)]
    one: One,
    requests: Option<u64>,
    server_cpu_ms: Option<u64>,
    client_cpu_ms: Option<u64>,
}

impl Outcome {
    fn one(&self) -> One {
        One {
            computations: self.computations,
            callers: self.callers,
            answered: self.answered,
            max_wait_ms: self.max_wait_ms,
            lost_with_holder: self.lost_with_holder,
        }
    }

    /// A sentence.
    fn text(&self) -> String {
        let lost = self.lost_with_holder.map(|lost| format!(", {lost} killed with their process")).unwrap_or_default();
        let plural = if self.computations == 1 { "" } else { "s" };
        format!(
            "{} callers: {} computation{plural}, {} answered{lost}, the longest wait {} ms",
            self.callers, self.computations, self.answered, self.max_wait_ms
        )
    }
}

/// Prints one herd.
///
/// # Errors
/// It cannot be written as JSON.
pub(crate) fn one(outcome: &Outcome, format: Format) -> Result<(), String> {
    match format {
        Format::Text => println!("{}", outcome.text()),
        Format::Json => println!("{}", json(&outcome.one())?),
    }
    Ok(())
}

/// Prints the herd across languages.
///
/// # Errors
/// It cannot be written as JSON.
pub(crate) fn languages(outcome: &polyglot::Outcome, format: Format) -> Result<(), String> {
    match format {
        Format::Text => println!("{}", outcome.text()),
        Format::Json => println!("{}", json(outcome)?),
    }
    Ok(())
}

/// Prints several herds: each as a row; for people also the medians of each cache.
///
/// # Errors
/// They cannot be written as JSON.
pub(crate) fn all(rows: &[(Kind, u32, Outcome)], format: Format) -> Result<(), String> {
    let row = |(kind, round, outcome): &(Kind, u32, Outcome)| Row {
        cache: kind.name(),
        round: *round,
        one: outcome.one(),
        requests: outcome.requests,
        server_cpu_ms: outcome.server_cpu_ms,
        client_cpu_ms: outcome.client_cpu_ms,
    };
    if format == Format::Json {
        let lines = rows.iter().map(|run| json(&row(run))).collect::<Result<Vec<_>, _>>()?;
        println!("[\n{}\n]", lines.join(",\n"));
        return Ok(());
    }
    let title =
        ["cache", "round", "computations", "answered", "max wait ms", "requests", "server CPU ms", "clients CPU ms"];
    println!("{}", columns(&title.map(str::to_owned)));
    for (kind, round, outcome) in rows {
        println!("{}", columns(&cells(kind.name(), &round.to_string(), outcome)));
    }
    let mut kinds: Vec<Kind> = Vec::new();
    rows.iter().filter(|row| row.1 == 1).for_each(|row| kinds.push(row.0));
    for kind in kinds {
        let of_kind: Vec<&Outcome> = rows.iter().filter(|row| row.0 == kind).map(|row| &row.2).collect();
        if let Some(middle) = medians(&of_kind) {
            println!("{}", columns(&cells(kind.name(), "median", &middle)));
        }
    }
    Ok(())
}

/// The median of each number by itself.
fn medians(outcomes: &[&Outcome]) -> Option<Outcome> {
    let median = |number: &dyn Fn(&Outcome) -> Option<u64>| {
        let mut numbers: Vec<u64> = outcomes.iter().filter_map(|outcome| number(outcome)).collect();
        numbers.sort_unstable();
        numbers.get(numbers.len() / 2).copied()
    };
    let small = |number: Option<u64>| u32::try_from(number.unwrap_or_default()).unwrap_or(u32::MAX);
    Some(Outcome {
        computations: small(median(&|one| u64::try_from(one.computations).ok())) as usize,
        answered: small(median(&|one| Some(one.answered.into()))),
        max_wait_ms: median(&|one| Some(one.max_wait_ms))?,
        requests: median(&|one| one.requests),
        server_cpu_ms: median(&|one| one.server_cpu_ms),
        client_cpu_ms: median(&|one| one.client_cpu_ms),
        ..(*outcomes.first()?).clone()
    })
}

fn cells(cache: &str, round: &str, outcome: &Outcome) -> [String; 8] {
    let known = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    [
        cache.to_owned(),
        round.to_owned(),
        outcome.computations.to_string(),
        outcome.answered.to_string(),
        outcome.max_wait_ms.to_string(),
        known(outcome.requests),
        known(outcome.server_cpu_ms),
        known(outcome.client_cpu_ms),
    ]
}

fn columns(cells: &[String; 8]) -> String {
    let [cache, rest @ ..] = cells;
    rest.iter().fold(format!("{cache:<10}"), |line, cell| format!("{line}{cell:>16}"))
}

fn json(value: &impl Serialize) -> Result<String, String> {
    serde_json::to_string(value).map_err(|error| format!("the result cannot be written: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(max_wait_ms: u64, lost_with_holder: Option<u32>) -> Outcome {
        Outcome {
            computations: 1,
            callers: 500,
            answered: 500,
            max_wait_ms,
            lost_with_holder,
            requests: Some(max_wait_ms),
            server_cpu_ms: None,
            client_cpu_ms: None,
        }
    }

    #[test]
    fn the_object_has_the_four_keys_and_a_fifth_when_a_process_was_killed() {
        let plain = r#"{"computations":1,"callers":500,"answered":500,"max_wait_ms":7}"#;
        assert_eq!(json(&outcome(7, None).one()).as_deref(), Ok(plain));
        assert!(json(&outcome(7, Some(125)).one()).unwrap().ends_with(r#","lost_with_holder":125}"#));
    }

    #[test]
    fn a_median_is_the_one_in_the_middle() {
        let (low, middle, high) = (outcome(1, None), outcome(5, None), outcome(90, None));
        let median = medians(&[&high, &low, &middle]).unwrap();
        assert_eq!((median.max_wait_ms, median.requests, median.server_cpu_ms), (5, Some(5), None));
    }
}
