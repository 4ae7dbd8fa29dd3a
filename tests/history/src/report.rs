//! What came of a run, as JSON and as a table. Nothing is decided here.

use std::{collections::BTreeMap, path::Path};

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use crate::{
    load::History,
    mutate::MUTANTS,
    record::{FaultKind, Run},
    validate::{Judged, VALIDATORS},
    wrong::Wrong,
};

/// Violations that are shown of each validator.
const SHOWN: usize = 10;

/// What came of a run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// From what it followed.
    pub seed: u64,
    /// Seconds the clients worked.
    pub seconds: u64,
    /// Processes of clients.
    pub processes: u32,
    /// Clients in each.
    pub clients: u32,
    /// Calls.
    pub operations: usize,
    /// Messages that watchers got.
    pub watched: usize,
    /// Faults.
    pub faults: usize,
    /// Faults by kind.
    pub faults_by_kind: BTreeMap<FaultKind, u64>,
    /// Calls that failed, by code.
    pub failures: BTreeMap<String, u64>,
    /// Milliseconds for which a process did not get to run, summed up.
    pub stalled_ms: u64,
    /// What the validators found.
    pub validators: Vec<Verdict>,
    /// Whether broken versions of this history were found.
    pub mutants: Vec<Caught>,
    /// Where the history is kept; `None` when it is not.
    pub kept: Option<String>,
    /// What runs the same again.
    pub replay: String,
}

/// What one validator found.
#[derive(Debug, Serialize)]
pub struct Verdict {
    /// Its name.
    pub name: &'static str,
    /// Facts it judged.
    pub checked: u64,
    /// How often something did not hold.
    pub violations: usize,
    /// The first of them, one sentence each.
    pub examples: Vec<String>,
}

/// Whether a wrong server would have been found.
#[derive(Debug, Serialize)]
pub struct Caught {
    /// The wrong server.
    pub mutant: &'static str,
    /// What must find it.
    pub validator: &'static str,
    /// Whether it did.
    pub caught: bool,
}

impl Report {
    /// Judges a history, then broken versions of it.
    #[must_use]
    pub fn of(history: &History) -> Self {
        let mut faults_by_kind = BTreeMap::new();
        for fault in &history.faults {
            *faults_by_kind.entry(fault.kind).or_default() += 1;
        }
        let stalled: u64 = history.stalls.iter().map(|span| span.to - span.from).sum();
        let Run { seed, seconds, processes, clients, lease_ms, near_ms } = history.run;
        Self {
            seed,
            seconds,
            processes,
            clients,
            operations: history.operations.len(),
            watched: history.watched.len(),
            faults: history.faults.len(),
            faults_by_kind,
            failures: history.failures(),
            stalled_ms: stalled / 1_000_000,
            validators: VALIDATORS.iter().map(|(name, judge)| verdict(name, judge(history))).collect(),
            mutants: MUTANTS.iter().map(|mutant| caught(history, mutant)).collect(),
            kept: None,
            replay: format!(
                "cargo x history --seed {seed} --seconds {seconds} --processes {processes} --clients {clients} --lease-ms {lease_ms} --near-ms {near_ms}"
            ),
        }
    }

    /// Whether everything holds, was looked at, and would have been found otherwise.
    #[must_use]
    pub fn good(&self) -> bool {
        self.objections().is_empty()
    }

    /// Whether nothing is wrong, but a longer run might have shown more: a validator had nothing to judge, or what was broken on
    /// purpose was not found, as nothing happened in it that would have shown it.
    #[must_use]
    pub fn shows_too_little(&self) -> bool {
        !self.good() && self.validators.iter().all(|verdict| verdict.violations == 0)
    }

    /// Whether a server that was wrong in this way was found.
    pub fn finds(&mut self, wrong: Wrong) -> bool {
        let validator = wrong.found_by();
        let found = self.validators.iter().any(|verdict| verdict.name == validator && verdict.violations > 0);
        self.mutants = vec![Caught { mutant: wrong.name(), validator, caught: found }];
        found
    }

    /// As JSON.
    ///
    /// # Errors
    /// It cannot be written as such.
    pub fn json(&self) -> Result<String, String> {
        serde_json::to_string_pretty(self).map_err(|error| error.to_string())
    }

    /// For people.
    #[must_use]
    pub fn tables(&self) -> String {
        let faults: Vec<_> = self.faults_by_kind.iter().map(|(kind, count)| format!("{count} {kind:?}")).collect();
        let mut text = format!(
            "seed {}: {} calls, {} messages to watchers, {} faults ({})\n",
            self.seed,
            self.operations,
            self.watched,
            self.faults,
            faults.join(", ")
        );
        let mut table = Table::new();
        table.set_content_arrangement(ContentArrangement::Dynamic).load_style(presets::NOTHING).set_header([
            "validator",
            "checked",
            "violations",
        ]);
        for verdict in &self.validators {
            table.add_row([verdict.name.to_owned(), verdict.checked.to_string(), verdict.violations.to_string()]);
        }
        text.push_str(&table.to_string());
        let found = self.mutants.iter().filter(|mutant| mutant.caught).count();
        text.push_str(&format!("\n{found} of {} broken versions of this history were found", self.mutants.len()));
        for objection in self.objections() {
            text.push('\n');
            text.push_str(&objection);
        }
        text
    }

    /// What keeps the report from being good, a line each; empty: nothing does.
    #[must_use]
    pub fn objections(&self) -> Vec<String> {
        let broken = self
            .validators
            .iter()
            .flat_map(|verdict| verdict.examples.iter().map(move |example| format!("{}: {example}", verdict.name)));
        let idle = self.validators.iter().filter(|verdict| verdict.checked == 0);
        let idle = idle.map(|verdict| format!("{}: nothing was there to judge", verdict.name));
        let missed = self.mutants.iter().filter(|mutant| !mutant.caught);
        let missed = missed.map(|missed| format!("not found by {}: {}", missed.validator, missed.mutant));
        broken.chain(idle).chain(missed).collect()
    }

    /// How to see what went wrong again.
    #[must_use]
    pub fn again(&self, kept: &Path) -> String {
        let kept = kept.display();
        format!(
            "seed {}\nrun again: {}\ncheck again: cargo x history --recheck {kept}\nrecord: {kept}",
            self.seed, self.replay
        )
    }
}

fn verdict(name: &'static str, judged: Judged) -> Verdict {
    let Judged { checked, mut violations } = judged;
    let count = violations.len();
    violations.truncate(SHOWN);
    Verdict { name, checked, violations: count, examples: violations }
}

fn caught(history: &History, &(mutant, validator, breaks): &crate::mutate::Mutant) -> Caught {
    let mut broken = history.clone();
    breaks(&mut broken);
    let judge = VALIDATORS.iter().find(|(name, _)| *name == validator);
    Caught { mutant, validator, caught: judge.is_some_and(|(_, judge)| !judge(&broken).violations.is_empty()) }
}
