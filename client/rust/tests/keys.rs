//! Runs every vector of `tests/conformance/keys.json`: what an independent implementation says keys must be.

use std::collections::HashSet;

use hotplate::Key;
use serde_json::Value;

fn vectors() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/conformance/keys.json");
    serde_json::from_str(&std::fs::read_to_string(path).expect("the vectors are part of the repository")).expect("JSON")
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().expect("a list").iter().map(|item| item.as_str().expect("text")).collect()
}

fn apply(key: Key, call: &Value) -> Key {
    let text = |index: usize| call[index].as_str().expect("text");
    match text(0) {
        "segments" => Key::new(texts(&call[1])),
        "id" => key.id(text(1)),
        "param" => key.param(text(1), &call[2]),
        "params" => key.params(&call[1]),
        "unordered" => key.unordered(texts(&call[1])),
        "text" => key.text(text(1)),
        "content" => key.content(hex::decode(text(1)).expect("hexadecimal")),
        other => panic!("unknown call {other}"),
    }
}

#[test]
fn every_key_is_what_the_reference_makes() {
    let vectors = vectors();
    let keys = vectors["keys"].as_array().expect("a list");
    assert!(keys.len() >= 150, "only {} vectors", keys.len());
    let mut wrong = Vec::new();
    for vector in keys {
        let calls = vector["calls"].as_array().expect("a list");
        let key = calls.iter().fold(Key::new([""; 0]), apply);
        let expected = vector["key"].as_str();
        if key.render().ok().as_deref() != expected {
            wrong.push(format!("{}: {:?}, expected {expected:?}", vector["name"], key.render()));
        }
        assert!(key.render().map_or(true, |text| text.len() <= 1024), "{}", vector["name"]);
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_float_is_what_the_reference_makes() {
    for vector in vectors()["floats"].as_array().expect("a list") {
        let bits = u64::from_str_radix(vector["bits"].as_str().expect("text"), 16).expect("hexadecimal");
        let float = f64::from_bits(bits);
        let key = Key::new(["k"]).param("p", float).render().expect("a finite float");
        assert_eq!(key, format!("k:p_{}", vector["text"].as_str().expect("text")), "{bits:016x}");
    }
}

#[test]
fn different_calls_make_different_keys() {
    let pairs = [
        (Key::new(["a", "b"]), Key::new(["a:b"])),
        (Key::new(["k"]).param("a", "b_c"), Key::new(["k"]).param("a_b", "c")),
        (Key::new(["k"]).unordered(["a", "b"]), Key::new(["k"]).unordered(["ab"])),
        (Key::new(["k"]).content("x"), Key::new(["k"]).id("~sha256").id("2d711642b726b04401627ca9fbac32f5")),
        (Key::new(["k"]).text(&"x".repeat(1001)), Key::new(["k"]).text(&"x".repeat(1002))),
    ];
    let rendered: HashSet<String> =
        pairs.iter().flat_map(|(one, two)| [one, two]).map(|key| key.render().expect("valid")).collect();
    assert_eq!(rendered.len(), pairs.len() * 2);
}

#[test]
fn printing_a_key_does_not_tell_it() {
    let shown = format!("{:?}", Key::new(["user"]).id("someone-secret"));
    assert!(!shown.contains("someone") && shown.starts_with("Key(#"), "{shown}");
}
