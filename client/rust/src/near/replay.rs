//! A case of `tests/conformance/near.json`, carried out on a near cache without a network: what came of each step. What must
//! come of it is judged by who asks.

use std::{collections::HashMap, sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::{
    core::{Asked, Confirmation, Core, stamp_of},
    kept::Kept,
    options::{NearFollow, NearOptions, NearStats},
    selects::Set,
};
use crate::{Json, Lookup, v1};

/// A log of keys; which one a key belongs to is the server's choice.
const LOG: u32 = 3;
/// The log of sets.
const SETS: u32 = 64;

type Told<T> = Result<T, String>;

/// Carries out a case and tells what came of each step, as `tests/conformance/PROTOCOL.md` names it.
///
/// # Errors
/// A step that makes no sense.
pub(crate) fn replay(settings: &Value, case: &Value) -> Told<Vec<Value>> {
    let fences_max = usize::try_from(number(settings, "fences_max")).map_err(|_large| "fences_max is too large")?;
    let core = Core::new(options(settings, case)?, fences_max).map_err(|error| error.to_string())?;
    let mut run = Run {
        core: Arc::new(core),
        now: Duration::from_secs(1_000),
        asked: HashMap::new(),
        writes: HashMap::new(),
        suspects: None,
    };
    let steps = case["steps"].as_array().ok_or("a case has steps")?;
    let numbered = steps.iter().enumerate();
    numbered.map(|(place, step)| run.step(step).map_err(|why| format!("step {place}: {why}"))).collect()
}

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

fn texts(value: &Value) -> Told<Vec<String>> {
    let text = |text: &Value| text.as_str().map(str::to_owned).ok_or_else(|| format!("{text} is no text"));
    value.as_array().into_iter().flatten().map(text).collect()
}

fn log(log: u32, epoch: u64, number: u64) -> v1::LogPosition {
    v1::LogPosition { log, epoch, number }
}

/// A position of all logs; those that are not named are at zero.
fn place(step: &Value) -> v1::Position {
    let at = |log: u32| number(&step["at"], &log.to_string());
    let epoch = number(step, "epoch");
    v1::Position { logs: (0..=SETS).map(|number| log(number, epoch, at(number))).collect() }
}

fn as_of(step: &Value) -> Told<v1::Position> {
    let epoch = number(step, "epoch");
    let key = u32::try_from(number(step, "log")).map_err(|_large| "there is no such log")?;
    let logs = vec![log(key, epoch, number(step, "number")), log(SETS, epoch, number(step, "sets"))];
    Ok(v1::Position { logs })
}

fn selector(value: &Value) -> Told<v1::Selector> {
    use v1::selector::Selector;
    let own = |name: &str| value[name].as_str().map(str::to_owned);
    let tags = value.get("all_tags").map(texts).transpose()?;
    let selector = own("key")
        .map(Selector::Key)
        .or_else(|| own("prefix").map(Selector::Prefix))
        .or_else(|| own("glob").map(Selector::Glob))
        .or_else(|| own("tag").map(Selector::Tag))
        .or_else(|| own("kind").map(Selector::Kind))
        .or_else(|| own("dependents_of").map(Selector::DependentsOf))
        .or_else(|| value["everything"].as_bool().map(Selector::Everything))
        .or_else(|| tags.map(|tags| Selector::AllTags(v1::TagSet { tags })));
    Ok(v1::Selector { selector })
}

fn options(settings: &Value, case: &Value) -> Told<NearOptions> {
    let follow = match (case.get("prefixes"), case["follow_keys"].as_bool()) {
        (Some(prefixes), _) => NearFollow::Prefixes(texts(prefixes)?),
        (None, Some(true)) => NearFollow::KeptKeys,
        (None, _) => NearFollow::Namespace,
    };
    Ok(NearOptions::new()
        .progress_max(milliseconds(settings, "progress_max_ms"))
        .ttl_max(milliseconds(settings, "ttl_max_ms"))
        .keep_dependents(case["keep_dependents"].as_bool().unwrap_or_default())
        .follow(follow))
}

impl Run {
    fn step(&mut self, step: &Value) -> Told<Value> {
        match text(step, "step") {
            "pass" => self.now += milliseconds(step, "ms"),
            "ask" => drop(self.asked.insert(text(step, "as").to_owned(), self.core.ask(self.now))),
            "answer" => return self.answer(step),
            "read" => return self.read(step),
            "lost" => self.core.lost(),
            "opened" | "event" | "progress" | "discontinuity" => return self.message(step),
            "revalidated" => self.revalidated(step)?,
            "followed" => return self.followed(step),
            "write_begins" | "write_answered" | "write_unknown" => return self.write(step),
            other => return Err(format!("there is no step `{other}`")),
        }
        Ok(json!({}))
    }

    fn answer(&self, step: &Value) -> Told<Value> {
        let lasts = wire(milliseconds(step, "fresh_ms"));
        let metadata = v1::EntryMetadata {
            fresh_for: lasts,
            usable_for: lasts,
            age: wire(milliseconds(step, "age_ms")),
            kind: text(step, "kind").to_owned(),
            tags: texts(&step["tags"])?,
            depends_on: texts(&step["made_from"])?,
            content_type: "application/json".to_owned(),
            ..v1::EntryMetadata::default()
        };
        let payload = Some(v1::entry::Payload::Value(step["value"].to_string().into()));
        let response = v1::GetResponse {
            outcome: v1::GetOutcome::Hit.into(),
            entry: Some(v1::Entry { payload, metadata: Some(metadata), ..v1::Entry::default() }),
            as_of: Some(as_of(step)?),
            ..v1::GetResponse::default()
        };
        let asked = *self.asked.get(text(step, "to")).ok_or("an answer to no question")?;
        let before = self.core.stats(self.now);
        self.core.offer(asked, text(step, "key"), &response);
        let after = self.core.stats(self.now);
        Ok(match after.admitted > before.admitted {
            true => json!({ "kept": true }),
            false => json!({ "why": reason(&before, &after) }),
        })
    }

    fn read(&self, step: &Value) -> Told<Value> {
        let max_age = step.get("max_age_ms").map(|_| milliseconds(step, "max_age_ms"));
        let found = self.core.hit(text(step, "key"), max_age, self.now);
        let found = found.map(|kept| kept.shared::<Value, _>(&Json, self.now)).transpose();
        match found.map_err(|error| error.to_string())? {
            Some(Lookup::Hit(hit)) => Ok(json!({ "value": *hit.value })),
            Some(Lookup::Negative(_) | Lookup::Miss(_)) => Err("it serves what is no value".to_owned()),
            None => Ok(json!({ "value": null })),
        }
    }

    fn message(&self, step: &Value) -> Told<Value> {
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
            _ => Message::Events(v1::WatchEvents { events: vec![event(step)?] }),
        };
        let continued = step["continued"].as_bool().unwrap_or_default();
        Ok(reopened(self.core.take(&message, continued, self.now).is_err()))
    }

    fn revalidated(&mut self, step: &Value) -> Told<()> {
        let (core, now) = (&self.core, self.now);
        let (asked, suspects) = self.suspects.get_or_insert_with(|| core.suspects(100, now));
        let lasts = milliseconds(step, "fresh_ms");
        let confirmed = match step["current"].as_bool() {
            Some(true) => {
                let stamp = stamp_of(Some(&as_of(step)?)).ok_or("the answer does not say how current it is")?;
                Some(Confirmation { stamp, fresh_for: lasts, usable_for: lasts })
            }
            _ => None,
        };
        if let Some(suspect) = suspects.iter().find(|kept| *kept.content.key == *text(step, "key")) {
            core.confirm(*asked, suspect, confirmed);
        }
        Ok(())
    }

    fn followed(&self, step: &Value) -> Told<Value> {
        let Some(update) = self.core.update(100) else { return Ok(json!({ "add": [], "remove": [] })) };
        let sorted = |keys: &[Arc<str>]| {
            let mut keys: Vec<_> = keys.iter().map(ToString::to_string).collect();
            keys.sort();
            keys
        };
        let told = json!({ "add": sorted(&update.add), "remove": sorted(&update.remove) });
        let at = |number_of: u32| number(&step["at"], &number_of.to_string());
        let logs = [LOG, SETS].map(|number| log(number, 7, at(number)));
        self.core.updated(&update, Some(&v1::Position { logs: logs.to_vec() }));
        Ok(told)
    }

    fn write(&mut self, step: &Value) -> Told<Value> {
        if text(step, "step") == "write_begins" {
            let sets = step["sets"].as_array().ok_or("a write names what it covers")?.iter();
            let sets = sets.map(|set| Ok(Set::of(&selector(set)?))).collect::<Told<Vec<_>>>()?;
            self.core.wrote(&sets);
            self.writes.insert(text(step, "as").to_owned(), sets);
            return Ok(json!({}));
        }
        let sets = self.writes.get(text(step, "to")).ok_or("the end of no write")?;
        if text(step, "step") == "write_answered" {
            self.core.wrote(sets);
            return Ok(json!({}));
        }
        Ok(reopened(self.core.may_have_written(sets)))
    }
}

fn reopened(reopen: bool) -> Value {
    if reopen { json!({ "reopen": true }) } else { json!({}) }
}

fn wire(duration: Duration) -> Option<prost_types::Duration> {
    prost_types::Duration::try_from(duration).ok()
}

fn event(step: &Value) -> Told<v1::WatchEvent> {
    let number_of = u32::try_from(number(step, "log")).map_err(|_large| "there is no such log")?;
    let at = log(number_of, number(step, "epoch"), number(step, "number"));
    let (kind, selector) = match step.get("selector") {
        Some(set) => (v1::EventType::SetInvalidated, Some(selector(set)?)),
        None => (v1::EventType::Put, None),
    };
    let key = text(step, "key").to_owned();
    Ok(v1::WatchEvent { r#type: kind.into(), key, selector, position: Some(at), ..v1::WatchEvent::default() })
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
