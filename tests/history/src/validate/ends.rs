//! Nothing is served past its end.

use std::collections::HashMap;

use super::{Judged, time};
use crate::{
    clock::milliseconds,
    load::{History, acts_until},
    record::{Answer, Call, Found, Got, Written},
};

/// How much later than its end a copy may be served that its client counts from when it came.
const TRAVELS: u64 = milliseconds(500);

/// What is read as fresh was stored less than its TTL before the Get began, what is read as stale less than its stale time
/// besides: counted from the last moment at which it can have been stored.
pub(super) fn never_past_its_end(history: &History) -> Judged {
    let mut stored: HashMap<&str, (u64, &Written)> = HashMap::new();
    for operation in &history.operations {
        if let Some(written) = operation.written() {
            stored.insert(&written.computation, (acts_until(operation), written));
        }
    }
    let mut judged = Judged::default();
    for operation in &history.operations {
        let (Call::Get(get), Answer::Got(Got { found, .. })) = (&operation.call, &operation.answer) else { continue };
        let (seen, stale) = match found {
            Found::Fresh(seen) | Found::Negative(seen) => (seen, false),
            Found::Stale(seen) => (seen, true),
            Found::Miss | Found::Pending => continue,
        };
        let Some((by, written)) = stored.get(seen.computation.as_str()) else { continue };
        let lives = written.ttl_ms + if stale { written.stale_ms } else { 0 };
        let travels = if get.near { TRAVELS } else { 0 };
        let late = operation.start.saturating_sub(by + milliseconds(lives) + travels);
        judged.fact((late > 0).then(|| {
            let (key, at) = (&get.key, time(history, operation.start));
            format!("{key}: {} was read at {at}, {} us after its end", seen.computation, late / 1_000)
        }));
    }
    judged
}

#[cfg(test)]
mod tests {
    use super::{
        super::example::{history, put, read, seen},
        *,
    };
    use crate::record::Outcome;

    #[test]
    fn what_is_read_past_its_end_is_found() {
        let found = |start, found: fn(crate::record::Seen) -> Found| {
            let stored = put((0, 5), None, "c", Outcome::Stored);
            let history = history([stored, read((start, start + 1), found(seen("c", 0)))]);
            never_past_its_end(&history).violations.len()
        };
        assert_eq!((found(60_004, Found::Fresh), found(60_006, Found::Fresh)), (0, 1));
        assert_eq!(found(60_006, Found::Stale), 1, "it had no stale time");
    }
}
