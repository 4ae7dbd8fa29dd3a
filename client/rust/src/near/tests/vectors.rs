//! The vectors of `tests/conformance/near.json`.

use serde_json::{Value, json};

use crate::near::replay::replay;

/// What must come of a step, as a replay tells it.
fn expected(step: &Value) -> Value {
    let reopen = step["reopen"].as_bool().unwrap_or_default();
    match step["step"].as_str().unwrap_or_default() {
        "answer" if step["kept"] == true => json!({ "kept": true }),
        "answer" => json!({ "why": step["why"] }),
        "read" => json!({ "value": step["expect"] }),
        "followed" => json!({ "add": step["add"], "remove": step["remove"] }),
        _ if reopen => json!({ "reopen": true }),
        _ => json!({}),
    }
}

#[test]
fn every_near_cache_vector_holds() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/conformance/near.json");
    let vectors = std::fs::read_to_string(path).expect("the vectors are part of the repository");
    let vectors: Value = serde_json::from_str(&vectors).expect("JSON");
    let cases = vectors["cases"].as_array().expect("a list");
    assert!(cases.len() >= 40, "only {} cases", cases.len());
    for case in cases {
        let came = replay(&vectors["settings"], case).expect("a case that makes sense");
        let steps = case["steps"].as_array().expect("steps");
        for (place, (step, came)) in steps.iter().zip(&came).enumerate() {
            assert_eq!(*came, expected(step), "case `{}`, step {place}: {step}", case["name"]);
        }
    }
}
