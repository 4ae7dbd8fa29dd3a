//! What Redis says of a log: its marks, and a page of the fences raised since a number. Checked like any other input.

use std::collections::HashMap;

use hotplate_engine::{
    position::{LogId, Position},
    tier::shared::{FenceName, LogNow, Since},
};
use redis::Value;

use super::{
    fail::{Cause, Fail},
    names,
};

/// Members in one page, at most: more than one change raises, so that a page always gets further.
pub(super) const PAGE_MEMBERS: usize = 1028;
/// Fences that one change raises in one log.
pub(super) const NAMES_MAX: usize = 512;
/// Pages that are asked for: more fences than any log keeps.
const PAGES_MAX: usize = 160;
/// The marks' members, in the order they are asked for.
pub(super) const MARKS: [&str; 5] = ["!e", "!r", "!f", "!n", "!b"];
/// Numbers of changes are below, epochs and runs are from here on: a page of changes is empty when there were none.
pub(super) const NUMBERS_END: u64 = 1 << 51;
/// Scores are whole numbers up to here, exactly.
const SCORE_MAX: f64 = 9_007_199_254_740_992.0;

/// A log's marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marks {
    pub(super) position: Position,
    pub(super) floor: u64,
    pub(super) run: u64,
    pub(super) began: u64,
}

impl Marks {
    /// Reads the answer to `ZMSCORE`, or what scripts give: `None` when the log has none.
    pub(super) fn read(value: &Value) -> Result<Option<Self>, Fail> {
        match value {
            Value::Array(scores) => match scores.as_slice() {
                [epoch, number, floor, run, began] => Ok(Self::of([epoch, number, floor, run, began])),
                _ => Err(Fail::strange()),
            },
            Value::ServerError(error) => match Fail::answered(error) {
                // The script that comes next puts a log in its place.
                fail if fail.cause == Cause::WrongType => Ok(None),
                fail => Err(fail),
            },
            _ => Err(Fail::strange()),
        }
    }

    fn of([epoch, number, floor, run, began]: [&Value; 5]) -> Option<Self> {
        let position = Position { epoch: score(epoch)?, number: score(number)? };
        Some(Self { position, floor: score(floor)?, run: score(run)?, began: score(began)? })
    }

    /// As the engine takes it.
    pub(super) fn now(self, log: LogId, since: Since) -> LogNow {
        LogNow { log, run: self.run, position: self.position, floor: self.floor, began: self.began, since }
    }

    /// Whether what happened since a position can be said.
    fn can_tell_since(&self, at: Position) -> bool {
        self.position.epoch == at.epoch && self.floor <= at.number && at.number <= self.position.number
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number from 0 to 2^53")]
fn score(value: &Value) -> Option<u64> {
    let Value::BulkString(text) = value else { return None };
    let number: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (number.fract() == 0.0 && (0.0..=SCORE_MAX).contains(&number)).then_some(number as u64)
}

/// What happened in a log since a position, page by page.
#[derive(Debug)]
pub(super) struct Delta {
    at: Option<Position>,
    from: u64,
    fences: Vec<(FenceName, u64)>,
    lost: bool,
    pages: usize,
}

impl Delta {
    pub(super) fn new(at: Option<Position>) -> Self {
        let from = at.map_or(0, |at| at.number);
        Self { at, from, fences: Vec::new(), lost: false, pages: 0 }
    }

    /// The number after which the next page begins; `None`: none is needed.
    pub(super) fn from(&self) -> Option<u64> {
        self.at.is_some().then_some(self.from)
    }

    /// Takes a page and the marks of the same instant; whether that was the last one.
    pub(super) fn take(&mut self, marks: &Marks, page: &Value) -> Result<bool, Fail> {
        let Some(at) = self.at else { return Ok(true) };
        self.pages += 1;
        if !marks.can_tell_since(at) || self.pages > PAGES_MAX {
            self.lost = true;
            return Ok(true);
        }
        let Value::Array(members) = page else { return Err(Fail::strange()) };
        let full = members.len() >= 2 * PAGE_MEMBERS;
        let Some(mut fences) = fences(members, marks.position.number) else {
            self.lost = true;
            return Ok(true);
        };
        if full {
            // One change may go on behind the page: it is taken whole, with the next one.
            let last = fences.last().map(|(_, number)| *number);
            fences.retain(|(_, number)| Some(*number) != last);
        }
        if let Some((_, number)) = fences.last() {
            self.from = *number;
        } else if full {
            self.lost = true;
            return Ok(true);
        }
        self.fences.append(&mut fences);
        Ok(!full)
    }

    /// All pages together.
    pub(super) fn since(self) -> Since {
        match (self.at, self.lost) {
            (None, _) => Since::NotAsked,
            (Some(_), true) => Since::Lost,
            (Some(_), false) if self.pages <= 1 => Since::Fences(self.fences),
            (Some(_), false) => {
                // A fence that was raised again meanwhile stands on two pages.
                let newest: HashMap<FenceName, u64> = self.fences.into_iter().collect();
                let mut fences: Vec<_> = newest.into_iter().collect();
                fences.sort_by_key(|(_, number)| *number);
                Since::Fences(fences)
            }
        }
    }
}

/// What a script says happened since the position that it was given: with its own change, when it made one.
pub(super) fn of_script(at: Option<Position>, marks: &Marks, page: &Value) -> Result<Since, Fail> {
    match (at, page) {
        (Some(at), _) if !marks.can_tell_since(at) => Ok(Since::Lost),
        (Some(at), Value::Array(_)) => {
            let mut delta = Delta::new(Some(at));
            let _whole = delta.take(marks, page)?;
            Ok(delta.since())
        }
        // Too much for one answer counts as not asked: who needs it asks.
        (_, Value::Nil | Value::Array(_)) => Ok(Since::NotAsked),
        _ => Err(Fail::strange()),
    }
}

/// The fences among members with their numbers, ascending; `None` when one cannot be read: what it selects is not known.
fn fences(members: &[Value], newest: u64) -> Option<Vec<(FenceName, u64)>> {
    let mut fences = Vec::with_capacity(members.len() / 2);
    for pair in members.chunks(2) {
        let [Value::BulkString(member), number] = pair else { return None };
        // Marks have other numbers, and what is beyond the newest was not written by the scripts.
        if member.first() == Some(&b'!') {
            continue;
        }
        match score(number) {
            Some(number) if number <= newest => fences.push((names::fence(member)?, number)),
            _ => {}
        }
    }
    Some(fences)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: impl ToString) -> Value {
        Value::BulkString(text.to_string().into_bytes())
    }

    fn marks(epoch: u64, number: u64, floor: u64) -> Marks {
        Marks { position: Position { epoch, number }, floor, run: 1, began: 0 }
    }

    fn page(members: impl IntoIterator<Item = (String, u64)>) -> Value {
        Value::Array(members.into_iter().flat_map(|(member, number)| [bulk(member), bulk(number)]).collect())
    }

    fn tag(n: u64) -> String {
        format!("t:n:{n}")
    }

    #[test]
    fn marks_are_whole_numbers_or_there_are_none() {
        let read = |texts: [&str; 5]| Marks::read(&Value::Array(texts.iter().map(bulk).collect()));
        assert_eq!(read(["4e+15", "7", "0", "1", "0"]).unwrap().unwrap().position.epoch, 4_000_000_000_000_000);
        for wrong in ["-1", "0.5", "nan", "inf", "1e300", "x", ""] {
            assert_eq!(read([wrong, "7", "0", "1", "0"]).unwrap(), None, "{wrong}");
        }
        assert!(Marks::read(&Value::Int(1)).is_err() && Marks::read(&Value::Array(vec![])).is_err());
    }

    #[test]
    fn what_cannot_be_said_is_lost() {
        let at = Position { epoch: 5, number: 10 };
        for (marks, lost) in
            [(marks(5, 12, 10), false), (marks(6, 12, 0), true), (marks(5, 12, 11), true), (marks(5, 9, 0), true)]
        {
            let mut delta = Delta::new(Some(at));
            assert!(delta.take(&marks, &page([])).unwrap());
            assert_eq!(delta.since() == Since::Lost, lost, "{marks:?}");
        }
    }

    #[test]
    fn a_fence_that_cannot_be_read_is_not_passed_over() {
        let mut delta = Delta::new(Some(Position { epoch: 5, number: 0 }));
        assert!(delta.take(&marks(5, 3, 0), &page([("z:from the future".into(), 2)])).unwrap());
        assert_eq!(delta.since(), Since::Lost);
    }

    #[test]
    fn pages_go_on_until_one_is_not_full_and_repeat_no_name() {
        let mut delta = Delta::new(Some(Position { epoch: 5, number: 0 }));
        let full = (1..=PAGE_MEMBERS as u64).map(|n| (tag(n), n));
        assert!(!delta.take(&marks(5, 5000, 0), &page(full)).unwrap());
        assert_eq!(delta.from(), Some(PAGE_MEMBERS as u64 - 1), "the last change may not be whole");
        let rest = [(tag(PAGE_MEMBERS as u64), PAGE_MEMBERS as u64), (tag(1), 5000), ("!e".into(), 9_999_999)];
        assert!(delta.take(&marks(5, 5000, 0), &page(rest)).unwrap());
        let Since::Fences(fences) = delta.since() else { panic!("it can be said") };
        assert_eq!(fences.len(), PAGE_MEMBERS);
        assert_eq!(fences.last().unwrap().1, 5000);
        assert!(fences.is_sorted_by_key(|(_, number)| *number));
    }
}
