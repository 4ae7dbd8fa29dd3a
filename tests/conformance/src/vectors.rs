//! Scenarios that are made of tables: the vectors of every client, and each reason that a call may fail with.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::{Map, Value, json};

use crate::scenario::{Scenario, Setting, Step};

/// What comes of the steps of a near cache, and is not told to drivers.
const NEAR_OUTCOMES: [(&str, &[&str]); 3] =
    [("answer", &["kept", "why"]), ("read", &["expect"]), ("followed", &["add", "remove"])];

/// The vectors in this folder.
pub(crate) fn all(folder: &Path) -> Result<Vec<Scenario>, String> {
    let keys = json(&folder.join("keys.json"))?;
    let (ttl, envelope, near) =
        (json(&folder.join("ttl.json"))?, json(&folder.join("envelope.json"))?, json(&folder.join("near.json"))?);
    Ok(vec![
        table("keys", rows(&keys["keys"], key))?,
        table(
            "floats in keys",
            rows(&keys["floats"], |row| asks("float", &["bits"], row, json!({ "text": row["text"] }))),
        )?,
        table("lifetimes as they are written", rows(&ttl["parse"], lifetime))?,
        table(
            "lifetimes as they are shown",
            rows(&ttl["format"], |row| asks("ttl_format", &["ms"], row, json!({ "text": row["text"] }))),
        )?,
        table("values as they are stored", rows(&envelope["encode"], encoded))?,
        table("stored values that are read", rows(&envelope["decode"], decoded))?,
        table("the rule of near caches", rows(&near["cases"], |case| near_case(&near["settings"], case)))?,
    ])
}

fn json(file: &Path) -> Result<Value, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))
}

fn rows(table: &Value, step: impl Fn(&Value) -> Value) -> Vec<Value> {
    table.as_array().into_iter().flatten().map(step).collect()
}

/// All rows at once: each is a request of its own.
fn table(name: &str, rows: Vec<Value>) -> Result<Scenario, String> {
    if rows.is_empty() {
        return Err(format!("the table of `{name}` is empty"));
    }
    scenario(format!("vectors/{name}"), "none", BTreeMap::new(), &[json!({ "parallel": rows, "within_ms": 60_000 })])
}

fn scenario(
    name: String,
    server: &str,
    clients: BTreeMap<String, Map<String, Value>>,
    steps: &[Value],
) -> Result<Scenario, String> {
    let step = |step: &Value| serde_json::from_value::<Step>(step.clone()).map_err(|error| format!("{name}: {error}"));
    let steps = steps.iter().map(step).collect::<Result<_, _>>()?;
    let (server, clients) = (Setting::Named(server.to_owned()), Some(clients));
    Ok(Scenario { name, server, clients, steps, within_ms: 90_000, ..Scenario::default() })
}

/// A request with some fields of a row.
fn asks(op: &str, fields: &[&str], row: &Value, expected: Value) -> Value {
    let given = fields.iter().filter_map(|name| Some(((*name).to_owned(), row.get(*name)?.clone())));
    json!({ op: Value::Object(given.collect()), "expect": expected })
}

/// The same, which is refused.
fn refused(op: &str, fields: &[&str], row: &Value, kind: &str) -> Value {
    let mut step = asks(op, fields, row, Value::Null);
    if let Some(step) = step.as_object_mut() {
        step.remove("expect");
    }
    step["error"] = json!({ "kind": kind });
    step
}

fn key(row: &Value) -> Value {
    match row["key"].as_str() {
        Some(key) => asks("key", &["calls"], row, json!({ "key": key })),
        None => refused("key", &["calls"], row, "INVALID_ARGUMENT"),
    }
}

fn lifetime(row: &Value) -> Value {
    match (row.get("ms"), row.get("class")) {
        (Some(ms), _) => asks("ttl_parse", &["text"], row, json!({ "ms": ms })),
        (None, Some(class)) => asks("ttl_parse", &["text"], row, json!({ "class": class })),
        (None, None) => refused("ttl_parse", &["text"], row, "INVALID_ARGUMENT"),
    }
}

fn encoded(row: &Value) -> Value {
    match row.get("bytes") {
        Some(bytes) => {
            let expected = json!({ "content_type": row["content_type"], "bytes": bytes });
            asks("encode", &["codec", "value"], row, expected)
        }
        None => refused("encode", &["codec", "value"], row, "CODEC"),
    }
}

fn decoded(row: &Value) -> Value {
    const FIELDS: [&str; 4] = ["codec", "content_type", "content_encoding", "bytes"];
    match row.get("value") {
        Some(value) => asks("decode", &FIELDS, row, json!({ "value": value })),
        None => refused("decode", &FIELDS, row, "CODEC"),
    }
}

fn near_case(settings: &Value, case: &Value) -> Value {
    let mut told = case.clone();
    let mut expected = Vec::new();
    for step in told["steps"].as_array_mut().into_iter().flatten() {
        expected.push(outcome(step));
        strip(step);
    }
    json!({ "near_case": { "settings": settings, "case": told }, "expect": { "steps": expected } })
}

/// What must come of a step.
fn outcome(step: &Value) -> Value {
    match step["step"].as_str().unwrap_or_default() {
        "answer" if step["kept"] == true => json!({ "kept": true }),
        "answer" => json!({ "why": step["why"] }),
        "read" => json!({ "value": step["expect"] }),
        "followed" => json!({ "add": step["add"], "remove": step["remove"] }),
        _ if step["reopen"] == true => json!({ "reopen": true }),
        _ => json!({}),
    }
}

fn strip(step: &mut Value) {
    let kind = step["step"].as_str().unwrap_or_default().to_owned();
    let own = NEAR_OUTCOMES.iter().filter(|(name, _)| *name == kind).flat_map(|(_, fields)| *fields);
    if let Some(fields) = step.as_object_mut() {
        own.chain(&["reopen"]).for_each(|name| drop(fields.remove(*name)));
    }
}

/// A scenario for each reason in the table of `docs/errors.md`: a call that fails with it does so for its caller, with all that
/// the server said; and where the cache may be away without an error, it is a miss exactly when the failure is one of the
/// cache and not of the request.
pub(crate) fn reasons(page: &Path) -> Result<Vec<Scenario>, String> {
    let text = fs::read_to_string(page).map_err(|error| format!("{}: {error}", page.display()))?;
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| `")?.split('|');
        let reason = cells.next()?.trim().trim_end_matches('`').to_owned();
        Some((reason, cells.next()?.trim().to_owned()))
    };
    let rows: Vec<_> = text.lines().filter_map(row).collect();
    if rows.len() < 40 {
        return Err(format!("{}: only {} reasons", page.display(), rows.len()));
    }
    rows.iter().map(|(reason, status)| fails_with(reason, status)).collect()
}

fn fails_with(reason: &str, status: &str) -> Result<Scenario, String> {
    let about_request = status == "INVALID_ARGUMENT";
    // Longer than any deadline: then nobody waits for it.
    let later = matches!(status, "UNAVAILABLE" | "RESOURCE_EXHAUSTED").then_some(90_000);
    let field = about_request.then_some("key");
    let line = json!({
        "status": status, "reason": reason, "message": format!("said of {reason}"), "field": field,
        "retry_after_ms": later, "details": { "fact": "of it" }, "always": true,
    });
    let (kind, is_outage) = kind(status);
    let error = json!({
        "kind": kind, "reason": reason, "field": field, "retry_after_ms": later, "details": { "fact": "of it" },
        "message": { "$contains": format!("said of {reason}") },
    });
    let why = if kind == "DEADLINE_EXCEEDED" { "timeout" } else { "unavailable" };
    let mut without = json!({ "get": { "client": "b", "key": "k" } });
    match is_outage {
        true => without["expect"] = json!({ "outcome": "miss", "miss_reason": why }),
        false => without["error"] = json!({ "kind": kind, "reason": reason }),
    }
    let steps = [
        json!({ "script": { "Get": [line] } }),
        json!({ "get": "k", "error": error }),
        json!({ "seen": "Get", "expect": { "calls": 1 } }),
        without,
    ];
    let raises = Map::from_iter([("on_error".to_owned(), json!("raise"))]);
    let clients = BTreeMap::from([("a".to_owned(), raises), ("b".to_owned(), Map::new())]);
    scenario(format!("errors/{reason}"), "scripted", clients, &steps)
}

/// The kind that a status is, and whether the cache is at fault.
fn kind(status: &str) -> (&str, bool) {
    match status {
        "OUT_OF_RANGE" => ("INVALID_ARGUMENT", false),
        "ABORTED" | "ALREADY_EXISTS" => ("FAILED_PRECONDITION", false),
        "UNKNOWN" | "DATA_LOSS" | "INTERNAL" => ("INTERNAL", true),
        "UNAVAILABLE" | "DEADLINE_EXCEEDED" | "RESOURCE_EXHAUSTED" | "CANCELLED" => (status, true),
        other => (other, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_come_of_a_near_case_is_not_told_to_drivers() {
        let steps = json!([
            { "step": "answer", "key": "a", "kept": false, "why": "OVERTAKEN" }, { "step": "read", "key": "a", "expect": "v" },
            { "step": "followed", "add": ["a"], "remove": [], "at": {} }, { "step": "event", "key": "a", "reopen": true },
        ]);
        let step = near_case(&json!({}), &json!({ "name": "n", "steps": steps }));
        let told = json!([
            { "step": "answer", "key": "a" }, { "step": "read", "key": "a" }, { "step": "followed", "at": {} },
            { "step": "event", "key": "a" },
        ]);
        let expected = json!([
            { "why": "OVERTAKEN" }, { "value": "v" }, { "add": ["a"], "remove": [] }, { "reopen": true },
        ]);
        assert_eq!(step["near_case"]["case"]["steps"], told);
        assert_eq!(step["expect"]["steps"], expected);
    }

    #[test]
    fn a_row_without_a_result_is_one_that_is_refused() {
        assert_eq!(lifetime(&json!({ "text": "1s", "ms": 1000 }))["expect"], json!({ "ms": 1000 }));
        let refused = lifetime(&json!({ "text": "", "refused": true }));
        assert_eq!((&refused["error"]["kind"], refused.get("expect")), (&json!("INVALID_ARGUMENT"), None));
        assert_eq!(decoded(&json!({ "codec": "json", "bytes": "e30=" }))["error"]["kind"], "CODEC");
    }
}
