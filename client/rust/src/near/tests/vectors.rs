//! The vectors of `tests/conformance/near.json`.

use std::{collections::HashMap, sync::Arc, time::Duration};

use serde_json::Value;

use super::{LOG, answer, core, log, position, wire};
use crate::{
    Json, Lookup, NearFollow, NearOptions, NearStats,
    near::{
        core::{Asked, Confirmation, Core, stamp_of},
        kept::Kept,
        selects::Set,
    },
    v1,
};

/// One case under way.
struct Run {
    core: Arc<Core>,
    now: Duration,
    asked: HashMap<String, Asked>,
    writes: HashMap<String, Vec<Set>>,
    suspects: Option<(Asked, Vec<Arc<Kept>>)>,
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn number(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or_default()
}

fn milliseconds(value: &Value, name: &str) -> Duration {
    Duration::from_millis(number(value, name))
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(|text| text.as_str().expect("text").to_owned()).collect()
}

fn place(step: &Value) -> v1::Position {
    position(number(step, "epoch"), |log| number(&step["at"], &log.to_string()))
}

fn as_of(step: &Value) -> [v1::LogPosition; 2] {
    let epoch = number(step, "epoch");
    let key = u32::try_from(number(step, "log")).expect("a log");
    [log(key, epoch, number(step, "number")), log(super::SETS, epoch, number(step, "sets"))]
}

fn selector(value: &Value) -> v1::Selector {
    use v1::selector::Selector;
    let own = |name: &str| value[name].as_str().map(str::to_owned);
    let selector = own("key")
        .map(Selector::Key)
        .or_else(|| own("prefix").map(Selector::Prefix))
        .or_else(|| own("glob").map(Selector::Glob))
        .or_else(|| own("tag").map(Selector::Tag))
        .or_else(|| own("kind").map(Selector::Kind))
        .or_else(|| own("dependents_of").map(Selector::DependentsOf))
        .or_else(|| value["everything"].as_bool().map(Selector::Everything))
        .or_else(|| value.get("all_tags").map(|tags| Selector::AllTags(v1::TagSet { tags: texts(tags) })));
    v1::Selector { selector }
}

fn options(settings: &Value, case: &Value) -> NearOptions {
    let follow = match (case.get("prefixes"), case["follow_keys"].as_bool()) {
        (Some(prefixes), _) => NearFollow::Prefixes(texts(prefixes)),
        (None, Some(true)) => NearFollow::KeptKeys,
        (None, _) => NearFollow::Namespace,
    };
    NearOptions::new()
        .progress_max(milliseconds(settings, "progress_max_ms"))
        .ttl_max(milliseconds(settings, "ttl_max_ms"))
        .keep_dependents(case["keep_dependents"].as_bool().unwrap_or_default())
        .follow(follow)
}

impl Run {
    fn step(&mut self, step: &Value) {
        match text(step, "step") {
            "pass" => self.now += milliseconds(step, "ms"),
            "ask" => drop(self.asked.insert(text(step, "as").to_owned(), self.core.ask(self.now))),
            "answer" => self.answer(step),
            "read" => self.read(step),
            "lost" => self.core.lost(),
            "opened" | "event" | "progress" | "discontinuity" => self.message(step),
            "revalidated" => self.revalidated(step),
            "followed" => self.followed(step),
            "write_begins" | "write_answered" | "write_unknown" => self.write(step),
            other => panic!("a step `{other}`"),
        }
    }

    fn answer(&self, step: &Value) {
        let metadata = v1::EntryMetadata {
            fresh_for: wire(milliseconds(step, "fresh_ms")),
            usable_for: wire(milliseconds(step, "fresh_ms")),
            age: wire(milliseconds(step, "age_ms")),
            kind: text(step, "kind").to_owned(),
            tags: texts(&step["tags"]),
            depends_on: texts(&step["made_from"]),
            ..v1::EntryMetadata::default()
        };
        let before = self.core.stats(self.now);
        let response = answer(text(step, "value"), as_of(step), metadata);
        self.core.offer(self.asked[text(step, "to")], text(step, "key"), &response);
        let after = self.core.stats(self.now);
        assert_eq!(after.admitted > before.admitted, step["kept"].as_bool().expect("kept"), "{step}");
        assert_eq!(reason(&before, &after), text(step, "why"), "{step}");
    }

    fn read(&self, step: &Value) {
        let max_age = step.get("max_age_ms").map(|_| milliseconds(step, "max_age_ms"));
        let found = self.core.hit(text(step, "key"), max_age, self.now);
        let value = found.map(|kept| match kept.shared::<String, _>(&Json, self.now).expect("text was kept") {
            Lookup::Hit(hit) => (*hit.value).clone(),
            other => panic!("not a value: {other:?}"),
        });
        assert_eq!(value.as_deref(), step["expect"].as_str(), "{step}");
    }

    fn message(&self, step: &Value) {
        use v1::watch_response::Message;
        let position = Some(place(step));
        let message = match text(step, "step") {
            "opened" => {
                self.core.opening();
                let watch_id = "watch".to_owned();
                Message::Created(v1::WatchCreated { position, watch_id })
            }
            "progress" => Message::Progress(v1::WatchProgress { position, closing: false }),
            "discontinuity" => {
                let reason = match text(step, "reason") {
                    "NEW_EPOCH" => v1::DiscontinuityReason::NewEpoch,
                    _ => v1::DiscontinuityReason::HistoryTrimmed,
                };
                Message::Discontinuity(v1::WatchDiscontinuity { reason: reason.into(), position })
            }
            _ => Message::Events(v1::WatchEvents { events: vec![event(step)] }),
        };
        let continued = step["continued"].as_bool().unwrap_or_default();
        let taken = self.core.take(&message, continued, self.now);
        assert_eq!(taken.is_err(), step["reopen"].as_bool().unwrap_or_default(), "{step}");
    }

    fn revalidated(&mut self, step: &Value) {
        let (core, now) = (&self.core, self.now);
        let (asked, suspects) = self.suspects.get_or_insert_with(|| core.suspects(100, now));
        let confirmed = step["current"].as_bool().unwrap_or_default().then(|| Confirmation {
            stamp: stamp_of(Some(&v1::Position { logs: as_of(step).to_vec() })).expect("a stamp"),
            fresh_for: milliseconds(step, "fresh_ms"),
            usable_for: milliseconds(step, "fresh_ms"),
        });
        if let Some(suspect) = suspects.iter().find(|kept| *kept.content.key == *text(step, "key")) {
            core.confirm(*asked, suspect, confirmed);
        }
    }

    fn followed(&self, step: &Value) {
        let update = self.core.update(100).expect("something to tell");
        let mut told = update.add.iter().map(ToString::to_string).collect::<Vec<_>>();
        told.sort();
        assert_eq!(told, texts(&step["add"]), "{step}");
        assert_eq!(update.remove.len(), texts(&step["remove"]).len(), "{step}");
        let logs = [LOG, super::SETS].map(|number| log(number, 7, number_at(step, number)));
        self.core.updated(&update, Some(&v1::Position { logs: logs.to_vec() }));
    }

    fn write(&mut self, step: &Value) {
        match text(step, "step") {
            "write_begins" => {
                let sets = step["sets"].as_array().expect("sets").iter().map(|set| Set::of(&selector(set)));
                let sets: Vec<_> = sets.collect();
                self.core.wrote(&sets);
                self.writes.insert(text(step, "as").to_owned(), sets);
            }
            "write_answered" => self.core.wrote(&self.writes[text(step, "to")]),
            _ => {
                let reopen = self.core.may_have_written(&self.writes[text(step, "to")]);
                assert_eq!(reopen, step["reopen"].as_bool().expect("reopen"), "{step}");
            }
        }
    }
}

fn number_at(step: &Value, log: u32) -> u64 {
    number(&step["at"], &log.to_string())
}

fn event(step: &Value) -> v1::WatchEvent {
    let at = log(u32::try_from(number(step, "log")).expect("a log"), number(step, "epoch"), number(step, "number"));
    let (kind, selector) = match step.get("selector") {
        Some(set) => (v1::EventType::SetInvalidated, Some(selector(set))),
        None => (v1::EventType::Put, None),
    };
    let key = text(step, "key").to_owned();
    v1::WatchEvent { r#type: kind.into(), key, selector, position: Some(at), ..v1::WatchEvent::default() }
}

/// Which count of refusals rose.
fn reason(before: &NearStats, after: &NearStats) -> &'static str {
    let (before, after) = (before.refused, after.refused);
    let reasons = [
        ("NOT_SYNCED", before.not_synced, after.not_synced),
        ("OTHER_HISTORY", before.other_history, after.other_history),
        ("OVERTAKEN", before.overtaken, after.overtaken),
        ("OWN_WRITE", before.own_write, after.own_write),
        ("NOT_FOLLOWED", before.not_followed, after.not_followed),
        ("DEPENDENT", before.dependent, after.dependent),
        ("TOO_LARGE", before.too_large, after.too_large),
    ];
    reasons.iter().find(|(_, before, after)| after > before).map_or("", |(name, ..)| name)
}

#[test]
fn every_near_cache_vector_holds() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/conformance/near.json");
    let vectors = std::fs::read_to_string(path).expect("the vectors are part of the repository");
    let vectors: Value = serde_json::from_str(&vectors).expect("JSON");
    let cases = vectors["cases"].as_array().expect("a list");
    assert!(cases.len() >= 40, "only {} cases", cases.len());
    let settings = &vectors["settings"];
    let fences_max = usize::try_from(number(settings, "fences_max")).expect("a bound");
    for case in cases {
        let mut run = Run {
            core: core(options(settings, case), fences_max),
            now: Duration::from_secs(1_000),
            asked: HashMap::new(),
            writes: HashMap::new(),
            suspects: None,
        };
        let steps = case["steps"].as_array().expect("steps");
        for (place, step) in steps.iter().enumerate() {
            let told = std::panic::AssertUnwindSafe(|| run.step(step));
            let held = std::panic::catch_unwind(told);
            assert!(held.is_ok(), "case `{}`, step {place}", text(case, "name"));
        }
    }
}
