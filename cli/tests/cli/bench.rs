//! `hotplate bench`: every mode against a real server, the form of what it prints, how it ends, what it leaves behind, and the
//! same load on real peers.

use std::process::Stdio;

use hotplate_redisctl::eventually;
use serde_json::Value;

use crate::run::{Ran, Server, finish, offline, signal};

/// As short as a run can be that measures something.
pub(crate) const SHORT: [&str; 6] = ["--seconds", "0.2", "--warmup", "0", "--keys", "50"];

fn bench(server: &Server, arguments: &[&str]) -> Ran {
    server.run(&[&["bench"], &SHORT[..], arguments].concat())
}

pub(crate) fn measured(server: &Server, arguments: &[&str]) -> Value {
    let ran = bench(server, &[arguments, &["-o", "json"]].concat());
    assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
    ran.json()
}

/// Something was done, all of it right, and the numbers fit each other.
pub(crate) fn sound(result: &Value, mode: &str) {
    let number = |name: &str| result[name].as_f64().unwrap_or_else(|| panic!("{name} in {result}"));
    assert_eq!(result["mode"], mode);
    assert_eq!(result["errors"], 0, "{result}");
    assert!(number("ops_per_s") > 0.0 && number("mib_per_s") > 0.0, "{result}");
    assert!(number("p50_us") <= number("p99_us") && number("p99_us") <= number("p999_us"), "{result}");
}

#[test]
fn every_mode_is_measured_and_nothing_is_left_behind() {
    let server = Server::start(&[]);
    let pid = server.child.id().to_string();
    for (mode, more) in [
        ("unary", &["--check", "all", "--pid", &pid][..]),
        ("unary", &["--view", "full", "--read-ratio", "0.5", "--zipf", "0.99", "--value-size", "1..9KiB"]),
        ("unary", &["--view", "metadata", "--rate", "500"]),
        ("unary", &["--client", "tonic", "--read-ratio", "0.9", "--view", "full"]),
        ("unary", &["--client", "sdk", "--read-ratio", "0.9", "--check", "all"]),
        ("near", &["--threads", "2", "--check", "all"]),
        ("batch", &["--client", "tonic", "--batch", "10", "--read-ratio", "0.8", "--check", "all"]),
        ("batch", &["--batch", "10", "--read-ratio", "0.8", "--threads", "2"]),
        ("pipeline", &["--batch", "200", "--read-ratio", "0.8", "--check", "all", "--value-size", "10:9,64KiB:1"]),
    ] {
        let result = measured(&server, &[&["--mode", mode, "--in-flight", "8"], more].concat());
        if mode == "unary" && more.contains(&"metadata") {
            assert_eq!((&result["errors"], &result["hit_ratio"]), (&0.into(), &1.0.into()), "{result}");
        } else {
            sound(&result, mode);
        }
        assert_eq!(result["cpu_us_per_op"].is_number(), more.contains(&"--pid"), "{result}");
    }
    assert_eq!(server.done(&["stats", "-o", "json"]).json()["entries"], 0);
}

#[test]
fn results_are_written_in_every_form_and_rules_decide_the_exit_code() {
    let server = Server::start(&[]);
    let csv = bench(&server, &["-o", "csv", "--value-size", "1:1,2:1"]);
    let lines: Vec<&str> = csv.text().lines().collect();
    assert!(lines.len() == 2 && lines[0].starts_with("mode,client,") && lines[1].contains("\"1:1,2:1\""), "{csv:?}");
    let table = bench(&server, &["-o", "table"]);
    assert!(table.text().contains("operations/s") && table.text().contains("p99.9"), "{table:?}");
    let kept = measured(&server, &["--slo", "errors=0", "--slo", "p99<60s"]);
    assert_eq!(kept["slo"].as_array().map(Vec::len), Some(2));
    let missed = bench(&server, &["--slo", "p50<1us", "-o", "json"]);
    assert_eq!((missed.code, &missed.json()["slo"][0]["met"]), (1, &false.into()));
    assert!(missed.stderr.contains("p50<1us was missed: it is "), "{missed:?}");
}

#[test]
fn what_cannot_be_done_is_said_before_anything_is() {
    for (arguments, said) in [
        (&["--slo", "p98<1ms"][..], "is no rule"),
        (&["--value-size", "9..1"], "a range goes"),
        (&["--mode", "near", "--client", "h2"], "--client sdk"),
        (&["--read-ratio", "1.5"], "0 to 1"),
        (&["--in-flight", "0"], "--in-flight is 1 to"),
        (&["--trace", "/nowhere.csv.zst"], "/nowhere.csv.zst"),
        (&["--against", "ftp://host"], "unknown scheme"),
    ] {
        let ran = offline(&[&["bench"], arguments].concat());
        assert!(ran.code == 2 && ran.stderr.contains(said), "{arguments:?}: {ran:?}");
    }
    let nobody = offline(&["bench", "--addr", "127.0.0.1:1"]);
    assert_eq!(nobody.code, 3, "{nobody:?}");
    let token = offline(&["bench", "--addr", "cache.example", "--token", "t"]);
    assert!(token.code == 2 && token.stderr.contains("unencrypted"), "{token:?}");
}

#[test]
fn ctrl_c_ends_it_with_what_was_measured() {
    let server = Server::start(&[]);
    let arguments = ["bench", "--seconds", "60", "--warmup", "0", "--keys", "50", "-o", "json"];
    let mut command = server.command(&arguments);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let hits = || server.done(&["stats", "-o", "json"]).json()["hits"].as_u64().unwrap();
    eventually("it reads", || hits() > 0).unwrap();
    signal(&child, "INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(result["interrupted"] == true && result["ops"].as_u64() > Some(0), "{result}");
    assert_eq!(server.done(&["stats", "-o", "json"]).json()["entries"], 0);
}

#[test]
fn redis_is_driven_with_the_same_load_in_turns() {
    let server = Server::start(&[]);
    let redis = hotplate_redisctl::Server::start().unwrap();
    let pid = redis.pid().unwrap().to_string();
    let url = format!("redis://{}/3", redis.address());
    for mode in ["unary", "pipeline"] {
        let against = ["--against", &url, "--rounds", "2", "--peer-pid", &pid, "--read-ratio", "0.9"];
        let result = measured(&server, &[&["--mode", mode, "--in-flight", "4"], &against[..]].concat());
        sound(&result, mode);
        assert!(result["peer_name"].as_str().unwrap().starts_with("redis 7"), "{result}");
        assert_eq!(result["results"]["peer"]["errors"], 0, "{result}");
        assert!(result["ours"].as_f64() > Some(0.0) && result["peer"].as_f64() > Some(0.0), "{result}");
        let (ratio, spread) = (result["ratio"].as_f64(), &result["spread"]);
        assert!(spread[0].as_f64() <= ratio && ratio <= spread[1].as_f64(), "{result}");
        assert_eq!(result["rounds"].as_array().map(Vec::len), Some(2));
    }
    let alone = finish(server.command(&[&["bench", "-o", "json", "--addr", &url], &SHORT[..]].concat()), b"");
    sound(&alone.json(), "unary");
    assert_eq!(redis.text(&["DBSIZE"]).unwrap_or_default(), "0");
    assert!(redis.info("keyspace", "db3").map_or(true, |text| text.is_empty()), "keys are left");
}

#[test]
fn large_values_of_redis_are_whole() {
    let redis = hotplate_redisctl::Server::start().unwrap();
    let url = format!("redis://{}", redis.address());
    let arguments =
        ["--value-size", "5000000", "--in-flight", "2", "--keys", "2", "--check", "all", "--read-ratio", "0.8"];
    let more = ["bench", "--addr", &url, "--seconds", "0.3", "--warmup", "0", "-o", "json"];
    let result = offline(&[&more[..], &arguments].concat()).json();
    sound(&result, "unary");
    assert!(result["hits"].as_u64() > Some(0) && result["writes"].as_u64() > Some(0), "{result}");
}
