//! What is read is what was written, whole; and calls fail only as they may.

use std::collections::HashMap;

use super::{Judged, time};
use crate::{
    load::History,
    record::{Answer, Operation, Seen, Written},
};

/// Codes with which calls end when connections, servers or deadlines do.
const EXPECTED: [&str; 4] = ["Unavailable", "DeadlineExceeded", "Cancelled", "Unknown"];

/// Every value that was read is of the key that was asked for, carries its own checksum, and is what somebody wrote to
/// that key.
pub(super) fn never_torn(history: &History) -> Judged {
    let mut written: HashMap<&str, (&str, &Written)> = HashMap::new();
    for operation in &history.operations {
        if let (Some(what), Some(key)) = (operation.written(), operation.call.key()) {
            written.insert(&what.computation, (key, what));
        }
    }
    let mut judged = Judged::default();
    for operation in &history.operations {
        let (Some(seen), Some(key)) = (operation.seen(), operation.call.key()) else { continue };
        let wrong = wrong(key, seen, written.get(seen.computation.as_str()).copied());
        judged.fact(wrong.map(|wrong| format!("{key}: {wrong}, read at {}", time(history, operation.start))));
    }
    judged
}

fn wrong(key: &str, seen: &Seen, written: Option<(&str, &Written)>) -> Option<String> {
    if seen.sum != seen.sum_read {
        return Some(format!("{} bytes whose checksum is {} carry {}", seen.size, seen.sum_read, seen.sum));
    }
    if seen.key != key {
        return Some(format!("a value of {}", seen.key));
    }
    match written {
        None => Some(format!("a value of computation {} that nobody wrote", seen.computation)),
        Some((of, what)) if of != key || (&what.sum, what.size, what.truth) != (&seen.sum, seen.size, seen.truth) => {
            Some(format!("another value than computation {} wrote to {of}", seen.computation))
        }
        Some(_) => None,
    }
}

/// A call that fails was cut off, came too late, or found no server: nothing is refused that is in order.
pub(super) fn only_expected_failures(history: &History) -> Judged {
    let mut judged = Judged::default();
    for operation in &history.operations {
        judged.fact(unexpected(operation));
    }
    judged
}

fn unexpected(operation: &Operation) -> Option<String> {
    match &operation.answer {
        Answer::Failed { code, said } if !EXPECTED.contains(&code.as_str()) => {
            Some(format!("{} number {}: {code}: {said}", operation.client, operation.number))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::example::{KEY, history, put, read, seen},
        *,
    };
    use crate::record::{Found, Outcome};

    fn found(seen: Seen) -> Vec<String> {
        let stored = put((0, 5), None, "c", Outcome::Stored);
        never_torn(&history([stored, read((10, 20), Found::Fresh(seen))])).violations
    }

    #[test]
    fn a_torn_value_is_found() {
        assert!(found(seen("c", 0)).is_empty());
        let torn = Seen { sum_read: "another".into(), ..seen("c", 0) };
        assert_eq!(found(torn).len(), 1);
    }

    #[test]
    fn a_value_of_another_key_is_found() {
        let other = Seen { key: "g0/k1".into(), ..seen("c", 0) };
        assert!(found(other)[0].contains(KEY));
    }

    #[test]
    fn a_value_that_nobody_wrote_is_found() {
        assert_eq!(found(seen("d", 0)).len(), 1);
        assert_eq!(found(seen("c", 7)).len(), 1);
    }

    #[test]
    fn a_call_that_fails_without_reason_is_found() {
        let failed = |code: &str| {
            let answer = Answer::Failed { code: code.into(), said: String::new() };
            only_expected_failures(&history([Operation { answer, ..read((0, 1), Found::Miss) }])).violations.len()
        };
        assert_eq!((failed("Unavailable"), failed("Internal")), (0, 1));
    }
}
