//! The words of a scenario: the ops of the protocol with their arguments, what the orchestrator does itself, and what may be said
//! of each. A word that is not known is refused when a scenario is read, so that none is ignored when it is played.

use serde_json::{Map, Value};

use crate::{expect, scripted};

/// An op of the protocol.
struct Op {
    name: &'static str,
    /// The argument that one word stands for.
    word: &'static str,
    /// Whether it is done with a client, and may name a namespace.
    of_client: bool,
    arguments: &'static [&'static str],
}

const fn op(name: &'static str, arguments: &'static [&'static str]) -> Op {
    Op { name, word: "key", of_client: true, arguments }
}

/// One that names neither a client nor a namespace.
const fn bare(name: &'static str, word: &'static str, arguments: &'static [&'static str]) -> Op {
    Op { name, word, of_client: false, arguments }
}

/// One of the client itself.
const fn whole(name: &'static str, arguments: &'static [&'static str]) -> Op {
    Op { name, word: "client", of_client: true, arguments }
}

/// All that a driver may be asked; PROTOCOL.md says what they mean.
const OPS: [Op; 35] = [
    whole("open", &["url", "urls", "settings"]),
    whole("close", &[]),
    whole("state", &[]),
    op("get", &["key", "codec", "options"]),
    op("get_many", &["keys", "codec"]),
    op("put", &["key", "value", "codec", "options"]),
    op("put_negative", &["key", "reason", "message", "ttl"]),
    op("put_many", &["items", "codec", "options"]),
    op("touch", &["key", "ttl"]),
    op("exists", &["key"]),
    op("ttl", &["key"]),
    op("remove", &["key"]),
    op("invalidate", &["selectors", "reason"]),
    op("mark_stale", &["selectors", "spread_over_ms"]),
    op("get_or_compute", &["key", "codec", "options", "compute"]),
    bare("computations", "name", &["name"]),
    bare("release", "gate", &["gate"]),
    bare("cancel", "target", &["target"]),
    op("preload", &["items", "force"]),
    op(
        "watch_open",
        &["watch", "selectors", "include_present", "values", "resume", "exclude_own", "progress_interval_ms"],
    ),
    bare("watch_next", "watch", &["watch", "count", "within_ms", "progress"]),
    bare("watch_close", "watch", &["watch"]),
    whole("stats", &[]),
    op("explain", &["key"]),
    whole("server_info", &[]),
    whole("near_stats", &[]),
    op("read_stream", &["key", "options", "follow"]),
    op("write_stream", &["key", "pieces", "options"]),
    bare("key", "calls", &["calls"]),
    bare("float", "bits", &["bits"]),
    bare("ttl_parse", "text", &["text"]),
    bare("ttl_format", "ms", &["ms"]),
    bare("encode", "codec", &["codec", "value"]),
    bare("decode", "codec", &["codec", "content_type", "content_encoding", "bytes"]),
    bare("near_case", "case", &["settings", "case"]),
];

/// What is done by the orchestrator, with the modifiers that each takes.
const OWN: [(&str, &[&str]); 10] = [
    ("parallel", &["within_ms"]),
    ("join", &["expect", "error", "took_ms", "within_ms"]),
    ("server", &["within_ms"]),
    ("proxy", &[]),
    ("script", &[]),
    ("seen", &["expect", "eventually_ms", "within_ms"]),
    ("leases", &["expect", "eventually_ms", "within_ms"]),
    ("origin", &["expect", "eventually_ms", "within_ms"]),
    ("wait_ms", &[]),
    ("set", &[]),
];

/// What a step of a driver may say besides its verb.
const OF_OPS: [&str; 9] =
    ["expect", "error", "eventually_ms", "within_ms", "background", "times", "in_turn", "gives_up_ms", "took_ms"];

/// What more of a step may say: a word for who reads it.
const NOTE: &str = "note";

/// Words of a line of a script.
const LINE: [&str; 11] = [
    "status",
    "reason",
    "message",
    "field",
    "retry_after_ms",
    "details",
    "hang",
    "delay_ms",
    "times",
    "always",
    "answer",
];

/// Words of an answer that is scripted, by the method.
const ANSWERS: [(&str, &[&str]); 9] = [
    ("Get", &["hit", "negative", "miss_reason", "lease", "lease_ms", "pending_ms"]),
    ("BatchGet", &["items"]),
    ("BatchPut", &["items"]),
    ("Put", &["not_admitted", "lease_lost"]),
    ("ExtendLease", &["lease_ms"]),
    ("GetServerInfo", &["batch_items_max", "features", "value_bytes_max", "unary_value_bytes_max", "chunk_bytes_max"]),
    (
        "ReadValue",
        &["bytes", "seed", "version", "chunk_bytes", "damaged", "gap", "ends", "then", "crc32c", "size_bytes"],
    ),
    ("WriteValue", &["takes", "then"]),
    ("Watch", &["progress_ms"]),
];

/// Words of a way that is broken.
pub(crate) const WAY: [&str; 5] = ["delay_ms", "silent", "bytes_per_second", "ends_after", "flips_one_in"];

/// Whether the orchestrator does it.
pub(crate) fn is_own(verb: &str) -> bool {
    OWN.iter().any(|(name, _)| *name == verb)
}

/// Whether an op is done with a client.
pub(crate) fn takes_client(verb: &str) -> bool {
    OPS.iter().any(|op| op.name == verb && op.of_client)
}

/// The argument that one word stands for.
pub(crate) fn word(verb: &str) -> &'static str {
    OPS.iter().find(|op| op.name == verb).map_or("key", |op| op.word)
}

/// Refuses a step that says something which would be ignored.
pub(crate) fn check(verb: &str, arguments: &Value, modifiers: &Map<String, Value>) -> Result<(), String> {
    let own = OWN.iter().find(|(name, _)| *name == verb).map(|(_, taken)| *taken);
    let taken = own.unwrap_or(&OF_OPS);
    if let Some(name) = modifiers.keys().find(|name| !taken.contains(&name.as_str()) && *name != NOTE) {
        return Err(format!("`{verb}` takes no `{name}`"));
    }
    let says = |name: &str| modifiers.contains_key(name);
    if says("background") {
        only(
            modifiers,
            &["background", "within_ms", NOTE],
            "what comes of a step in the background is said by `join`",
        )?;
    }
    if says("times") && says("in_turn") {
        return Err("either `times` or `in_turn`".to_owned());
    }
    modifiers.get("expect").into_iter().chain(modifiers.get("error")).try_for_each(expect::check)?;
    match verb {
        "script" => script(arguments),
        "proxy" => proxy(arguments),
        _ if own.is_some() => Ok(()),
        _ => op_arguments(verb, arguments),
    }
}

fn op_arguments(verb: &str, arguments: &Value) -> Result<(), String> {
    let op = OPS.iter().find(|op| op.name == verb).ok_or_else(|| format!("there is no op `{verb}`"))?;
    let fields = arguments.as_object().ok_or_else(|| format!("`{verb}` takes an object: {arguments}"))?;
    let known = |name: &str| {
        op.arguments.contains(&name)
            || (op.of_client && (name == "client" || name == "namespace"))
            || matches!((op.name, name), ("watch_next" | "watch_close", "client"))
    };
    match fields.keys().find(|name| !known(name)) {
        Some(name) => Err(format!("`{verb}` has no argument `{name}`")),
        None => Ok(()),
    }
}

fn script(methods: &Value) -> Result<(), String> {
    let methods = methods.as_object().ok_or("a script names methods, each with its lines")?;
    for (method, lines) in methods {
        if method != "any" && !scripted::is_method(method) {
            return Err(format!("there is no method `{method}`: {}", scripted::METHODS.join(", ")));
        }
        for line in lines.as_array().ok_or_else(|| format!("`{method}` has a list of lines"))? {
            let fields = line.as_object().ok_or_else(|| format!("`{method}`: a line is an object: {line}"))?;
            only(fields, &LINE, &format!("a line of `{method}`"))?;
            let Some(answer) = fields.get("answer") else { continue };
            let words = ANSWERS.iter().find(|(name, _)| name == method).map_or(&[][..], |(_, words)| *words);
            let answer = answer.as_object().ok_or_else(|| format!("`{method}`: an answer is an object: {answer}"))?;
            only(answer, words, &format!("an answer of `{method}`"))?;
        }
    }
    Ok(())
}

fn proxy(what: &Value) -> Result<(), String> {
    let words = ["heal", "refuse", "silent", "cut", "reset", "away"];
    match what {
        Value::String(word) if words.contains(&word.as_str()) => Ok(()),
        Value::Object(ways) => {
            only(ways, &["up", "down"], "a proxy")?;
            ways.values().try_for_each(|way| {
                let fields = way.as_object().ok_or_else(|| format!("a way is an object: {way}"))?;
                only(fields, &WAY, "a way")
            })
        }
        _ => Err(format!("a proxy does not {what}: {}, or ways `up` and `down`", words.join(", "))),
    }
}

fn only(fields: &Map<String, Value>, known: &[&str], of: &str) -> Result<(), String> {
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(format!("`{name}`: {of}: there are {}", known.join(", "))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn checked(verb: &str, arguments: Value, modifiers: Value) -> Result<(), String> {
        check(verb, &arguments, modifiers.as_object().expect("an object"))
    }

    #[test]
    fn what_would_be_ignored_is_refused() {
        let refused = |verb: &str, arguments: Value, modifiers: Value| {
            let came = checked(verb, arguments.clone(), modifiers.clone());
            assert!(came.is_err(), "{verb} {arguments} {modifiers}");
        };
        refused("get", json!({ "key": "k" }), json!({ "background": "b", "expect": {} }));
        refused("get", json!({ "keys": ["k"] }), json!({}));
        refused("gett", json!({ "key": "k" }), json!({}));
        refused("get", json!({ "key": "k" }), json!({ "expect": { "age_ms": { "$mim": 3 } } }));
        refused("seen", json!("Get"), json!({ "error": {} }));
        refused("parallel", json!([]), json!({ "expect": {} }));
        refused("script", json!({ "Gett": [] }), json!({}));
        refused("script", json!({ "Get": [{ "statis": "UNAVAILABLE" }] }), json!({}));
        refused("script", json!({ "Get": [{ "answer": { "hitt": {} } }] }), json!({}));
        refused("proxy", json!({ "down": { "dellay_ms": 5 } }), json!({}));
        refused("proxy", json!("slient"), json!({}));
        refused("get", json!({ "key": "k" }), json!({ "times": 2, "in_turn": 2 }));
    }

    #[test]
    fn what_is_known_is_taken() {
        let taken = |verb: &str, arguments: Value, modifiers: Value| {
            assert_eq!(checked(verb, arguments, modifiers), Ok(()), "{verb}");
        };
        taken(
            "get",
            json!({ "key": "k", "namespace": "n" }),
            json!({ "expect": { "age_ms": { "$min": 3 } }, "times": 2 }),
        );
        taken("get", json!({ "key": "k" }), json!({ "background": "b", "note": "why" }));
        taken("script", json!({ "any": [{ "hang": true }], "Put": [{ "answer": { "lease_lost": true } }] }), json!({}));
        taken("proxy", json!({ "up": { "bytes_per_second": 5 } }), json!({}));
        taken("join", json!("b"), json!({ "error": { "kind": "CANCELLED" }, "took_ms": { "$max": 5 } }));
    }
}
