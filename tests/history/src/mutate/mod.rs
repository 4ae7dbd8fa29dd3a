//! Histories as servers would leave them that break a promise, made from one that was recorded: every validator has to
//! find its own. A validator that cannot fail shows nothing.

mod watches;

use std::collections::HashMap;

use crate::{
    clock::milliseconds,
    load::History,
    record::{Answer, Call, Found, Get, Got, Granted, Miss, Operation, Outcome, Seen},
    universe,
};

/// A wrong server: its name, the validator that must find it, and what its histories look like.
pub type Mutant = (&'static str, &'static str, fn(&mut History));

/// All of them.
pub const MUTANTS: [Mutant; 21] = [
    ("gives-the-lease-to-everyone", "one_computation_per_validity", gives_the_lease_to_everyone),
    ("forgets-what-it-stored", "one_computation_per_validity", forgets_what_it_stored),
    ("takes-a-lost-lease", "one_computation_per_validity", takes_a_lost_lease),
    ("serves-the-first-value-for-ever", "nothing_older_than_acknowledged", serves_the_first_value_for_ever),
    ("stores-what-was-overtaken", "nothing_older_than_acknowledged", stores_what_was_overtaken),
    ("keeps-near-values-for-ever", "near_within_bound", keeps_near_values_for_ever),
    ("ends-nothing", "never_past_its_end", serves_the_first_value_for_ever),
    ("forgets-who-waits", "every_waiter_released_in_time", forgets_who_waits),
    ("mixes-two-values", "never_torn", mixes_two_values),
    ("answers-with-another-key", "never_torn", answers_with_another_key),
    ("loses-a-write", "linearizable", loses_a_write),
    ("checks-no-condition", "linearizable", checks_no_condition),
    ("fails-without-reason", "only_expected_failures", fails_without_reason),
    ("tells-backwards", "watch_ordered", watches::tells_backwards),
    ("tells-twice", "watch_unique", watches::tells_twice),
    ("tells-one-by-one", "watch_atomic", watches::tells_one_by_one),
    ("stops-telling", "watch_latest_reliable", watches::stops_telling),
    ("resumes-too-late", "watch_resumable", watches::resumes_too_late),
    ("claims-too-much", "watch_bookmarkable", watches::claims_too_much),
    ("loses-in-silence", "watch_bounded", watches::stops_telling),
    ("tells-everything", "watch_authorised", watches::tells_everything),
];

/// What was read of other keys than registers.
fn read(history: &mut History) -> impl Iterator<Item = (&str, &mut Seen)> {
    history.operations.iter_mut().filter_map(|Operation { call, answer, .. }| match (&*call, answer) {
        (Call::Get(get), Answer::Got(Got { found: Found::Fresh(seen), .. })) if !universe::is_register(&get.key) => {
            Some((get.key.as_str(), seen))
        }
        _ => None,
    })
}

fn gives_the_lease_to_everyone(history: &mut History) {
    let lasts_ms = history.run.lease_ms;
    let mut count = 0_u64;
    for operation in &mut history.operations {
        let (Call::Get(Get { miss: Miss::Lease, .. }), Answer::Got(got)) = (&operation.call, &mut operation.answer)
        else {
            continue;
        };
        if got.found == Found::Pending {
            count += 1;
            got.found = Found::Miss;
            got.lease = Some(Granted { token: format!("{count:032x}"), lasts_ms });
        }
    }
}

fn forgets_what_it_stored(history: &mut History) {
    for operation in &mut history.operations {
        if let (Call::Get(get), Answer::Got(got)) = (&operation.call, &mut operation.answer)
            && !universe::is_register(&get.key)
            && matches!(got.found, Found::Fresh(_))
        {
            got.found = Found::Miss;
        }
    }
}

fn takes_a_lost_lease(history: &mut History) {
    for operation in &mut history.operations {
        if let Answer::Put { outcome: outcome @ Outcome::LeaseLost, .. } = &mut operation.answer {
            *outcome = Outcome::Stored;
        }
    }
}

fn serves_the_first_value_for_ever(history: &mut History) {
    let mut first: HashMap<String, Seen> = HashMap::new();
    for (key, seen) in read(history) {
        *seen = first.entry(key.to_owned()).or_insert_with(|| seen.clone()).clone();
    }
}

/// A near cache that hears of nothing.
fn keeps_near_values_for_ever(history: &mut History) {
    let mut first: HashMap<(String, String), Seen> = HashMap::new();
    for Operation { client, call, answer, .. } in &mut history.operations {
        if let (Call::Get(get @ Get { near: true, .. }), Answer::Got(Got { found: Found::Fresh(seen), .. })) =
            (&*call, answer)
        {
            let kept = first.entry((client.clone(), get.key.clone())).or_insert_with(|| seen.clone());
            seen.clone_from(kept);
        }
    }
}

/// Whoever lost its lease is read by all who come afterwards.
fn stores_what_was_overtaken(history: &mut History) {
    let mut overtaken: HashMap<String, Vec<(u64, Seen)>> = HashMap::new();
    for operation in &history.operations {
        if let (Call::Put(put), Answer::Put { outcome: Outcome::LeaseLost, .. }, Some(end)) =
            (&operation.call, &operation.answer, operation.end)
        {
            let seen = Seen {
                key: put.key.clone(),
                truth: put.written.truth,
                computation: put.written.computation.clone(),
                size: put.written.size,
                sum: put.written.sum.clone(),
                sum_read: put.written.sum.clone(),
            };
            overtaken.entry(put.key.clone()).or_default().push((end, seen));
        }
    }
    for Operation { start, call, answer, .. } in &mut history.operations {
        let (Call::Get(get), Answer::Got(Got { found: Found::Fresh(seen), .. })) = (&*call, answer) else { continue };
        let earlier = overtaken.get(&get.key).into_iter().flatten().filter(|(end, _)| end < start);
        if let Some((_, last)) = earlier.max_by_key(|(end, _)| *end) {
            *seen = last.clone();
        }
    }
}

fn forgets_who_waits(history: &mut History) {
    for operation in &mut history.operations {
        if let (Call::Get(Get { miss: Miss::Wait(_), .. }), Answer::Got(Got { found: Found::Pending, .. })) =
            (&operation.call, &operation.answer)
        {
            operation.end = operation.end.map(|end| end + milliseconds(30_000));
        }
    }
}

fn mixes_two_values(history: &mut History) {
    let mut last = Seen::default();
    for (_, seen) in read(history) {
        let whole = seen.clone();
        seen.sum = last.sum;
        last = whole;
    }
}

fn answers_with_another_key(history: &mut History) {
    let mut last: Option<Seen> = None;
    for (key, seen) in read(history) {
        let own = seen.clone();
        if let Some(other) = last.filter(|other| other.key != key) {
            *seen = other;
        }
        last = Some(own);
    }
}

fn registers(history: &mut History) -> impl Iterator<Item = &mut Operation> {
    history.operations.iter_mut().filter(|operation| operation.call.key().is_some_and(universe::is_register))
}

fn loses_a_write(history: &mut History) {
    for operation in registers(history) {
        if let Answer::Got(got @ Got { found: Found::Fresh(_), .. }) = &mut operation.answer {
            got.found = Found::Miss;
        }
    }
}

fn checks_no_condition(history: &mut History) {
    for operation in registers(history) {
        if let Answer::Put { outcome: outcome @ Outcome::ConditionFailed, .. } = &mut operation.answer {
            *outcome = Outcome::Stored;
        }
    }
}

fn fails_without_reason(history: &mut History) {
    if let Some(operation) = history.operations.first_mut() {
        operation.answer = Answer::Failed { code: "Internal".to_owned(), said: "for no reason".to_owned() };
    }
}
