//! Reads what was recorded in a folder, all processes together, into one history. Judges nothing.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::{Path, PathBuf},
};

use crate::{
    clock::milliseconds,
    record::{Answer, Fault, FaultKind, Follows, Line, Operation, Run, Selects, Span, Watched},
};

/// How long after its client has given up a call may still take effect: what was sent lies in buffers while the server is
/// stopped or waits for the processor.
const AFTERMATH: u64 = milliseconds(5_000);
/// How long a call lasts at most, when its client was killed and did not say when it ended.
const CALL_MAX: u64 = milliseconds(10_000);

/// Everything a run recorded.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// What was asked for.
    pub run: Run,
    /// All calls, by when they began.
    pub operations: Vec<Operation>,
    /// What each watcher follows.
    pub follows: BTreeMap<String, Vec<Selects>>,
    /// What watchers were told: by watcher, in order.
    pub watched: Vec<Watched>,
    /// When a process did not get to run.
    pub stalls: Vec<Span>,
    /// What was broken.
    pub faults: Vec<Fault>,
}

/// Until when a call may take effect.
#[must_use]
pub fn acts_until(operation: &Operation) -> u64 {
    match operation.end {
        Some(end) if operation.answered() => end,
        Some(end) => end + AFTERMATH,
        None => operation.start + CALL_MAX + AFTERMATH,
    }
}

impl History {
    /// Puts lines of several files together.
    #[must_use]
    pub fn from_lines(lines: impl IntoIterator<Item = Line>) -> Self {
        let mut history = Self::default();
        let mut begun: HashMap<(String, u64), Operation> = HashMap::new();
        for line in lines {
            match line {
                Line::Run(run) => history.run = run,
                Line::Begun(operation) => {
                    begun.insert((operation.client.clone(), operation.number), operation);
                }
                Line::Ended(operation) => history.operations.push(operation),
                Line::Follows(Follows { watcher, selectors }) => {
                    history.follows.insert(watcher, selectors);
                }
                Line::Watched(watched) => history.watched.push(watched),
                Line::Stalled(span) => history.stalls.push(span),
                Line::Fault(fault) => history.faults.push(fault),
            }
        }
        for ended in &history.operations {
            begun.remove(&(ended.client.clone(), ended.number));
        }
        history.operations.extend(begun.into_values());
        history.operations.sort_by(|one, other| (one.start, &one.client).cmp(&(other.start, &other.client)));
        history.watched.sort_by(|one, other| (&one.watcher, one.at).cmp(&(&other.watcher, other.at)));
        history
    }

    /// Reads every `*.jsonl` of a folder.
    ///
    /// # Errors
    /// A file cannot be read; a line is none, except for the last of a file when it was cut off in the middle, which
    /// happens when its writer is killed.
    pub fn read(folder: &Path) -> Result<Self, String> {
        let mut lines = Vec::new();
        for file in files(folder)? {
            let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
            // What follows the last end of a line was cut off when its writer was killed.
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            for (index, line) in whole.lines().enumerate() {
                let line = serde_json::from_str(line);
                lines.push(line.map_err(|error| format!("{}:{}: {error}", file.display(), index + 1))?);
            }
        }
        if lines.is_empty() {
            return Err(format!("{}: there is no history", folder.display()));
        }
        Ok(Self::from_lines(lines))
    }

    /// Time within a stretch in which nobody can be blamed for being late: processes did not get to run, the server was
    /// stopped or being started again. May count an instant twice.
    #[must_use]
    pub fn excused(&self, from: u64, to: u64) -> u64 {
        let faults = self.faults.iter().filter(|fault| matches!(fault.kind, FaultKind::Pause | FaultKind::Restart));
        let faults = faults.map(|fault| Span { from: fault.from, to: fault.to });
        let within = |span: Span| span.to.min(to).saturating_sub(span.from.max(from));
        faults.chain(self.stalls.iter().copied()).map(within).sum()
    }

    /// When the server was started again: it may have forgotten everything at any time in between.
    pub fn restarts(&self) -> impl Iterator<Item = Span> + '_ {
        let restarts = self.faults.iter().filter(|fault| fault.kind == FaultKind::Restart);
        restarts.map(|fault| Span { from: fault.from, to: fault.to })
    }

    /// Calls that were answered with a failure, by code.
    #[must_use]
    pub fn failures(&self) -> BTreeMap<String, u64> {
        let mut failures = BTreeMap::new();
        for operation in &self.operations {
            if let Answer::Failed { code, .. } = &operation.answer {
                *failures.entry(code.clone()).or_default() += 1;
            }
        }
        failures
    }
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let fail = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if path.extension().is_some_and(|end| end == "jsonl") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Call, Get};

    fn operation(number: u64, end: Option<u64>) -> Operation {
        let call = Call::Get(Get { key: "g0/k0".into(), ..Get::default() });
        Operation { client: "0.0.0".into(), number, start: number, end, call, answer: Answer::Unknown }
    }

    #[test]
    fn what_was_begun_and_never_ended_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let lines =
            [Line::Begun(operation(1, None)), Line::Ended(operation(1, Some(9))), Line::Begun(operation(2, None))];
        let mut text: String = lines.iter().map(|line| serde_json::to_string(line).unwrap() + "\n").collect();
        text.push_str("{\"line\":\"ended\",\"cli");
        fs::write(folder.path().join("0-0.jsonl"), &text).unwrap();
        let history = History::read(folder.path()).unwrap();
        assert_eq!(history.operations, [operation(1, Some(9)), operation(2, None)]);
        fs::write(folder.path().join("0-0.jsonl"), format!("{text}\n")).unwrap();
        assert!(History::read(folder.path()).unwrap_err().contains("0-0.jsonl:4"));
    }

    #[test]
    fn an_empty_folder_is_no_history() {
        assert!(History::read(tempfile::tempdir().unwrap().path()).is_err());
    }
}
