//! `hotplate bench`: every mode against a real server, the form of what it prints, how it ends, what it leaves behind, and the
//! same load on real peers.

use std::{process::Stdio, time::Instant};

use hotplate_redisctl::eventually;
use serde_json::Value;

use crate::run::{Ran, Server, finish, offline, signal};

/// As short as a run is that measures something, and longer ones for a machine that does something else meanwhile.
const SECONDS: [&str; 4] = ["0.1", "1", "5", "20"];
/// What else makes a run short.
pub(crate) const SMALL: [&str; 4] = ["--warmup", "0", "--keys", "50"];

/// Runs this for longer and longer, until it has seen what it is to see.
pub(crate) fn until(run: impl Fn(&str) -> Ran, seen: impl Fn(&Ran) -> bool) -> Ran {
    let mut runs = SECONDS.iter().map(|seconds| run(seconds)).inspect(|ran| assert!(ran.code < 2, "{ran:?}"));
    runs.find(|ran| seen(ran)).expect("it is seen in 20 seconds")
}

fn bench(server: &Server, arguments: &[&str], seen: impl Fn(&Ran) -> bool) -> Ran {
    until(|seconds| server.run(&[&["bench", "--seconds", seconds], &SMALL[..], arguments].concat()), seen)
}

/// Whether something was done, on both sides where there are two.
pub(crate) fn some(ran: &Ran) -> bool {
    let result = ran.json();
    let peer = &result["results"]["peer"];
    result["ops"].as_u64() > Some(0) && (peer.is_null() || peer["ops"].as_u64() > Some(0))
}

pub(crate) fn measured(server: &Server, arguments: &[&str]) -> Value {
    measured_until(server, arguments, |_| true)
}

/// What is measured when something was done and this was seen.
pub(crate) fn measured_until(server: &Server, arguments: &[&str], seen: impl Fn(&Value) -> bool) -> Value {
    let arguments = [arguments, &["-o", "json"]].concat();
    let ran = bench(server, &arguments, |ran| ran.code != 0 || some(ran) && seen(&ran.json()));
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

/// Measures with these modes and flags; afterwards nothing is left in the server.
fn all_sound(runs: &[(&str, &[&str])]) {
    let server = Server::start(&[]);
    let pid = server.child.id().to_string();
    for (mode, more) in runs {
        let result = measured(&server, &[&["--mode", mode, "--in-flight", "8", "--pid", &pid], *more].concat());
        sound(&result, mode);
        assert!(result["cpu_us_per_op"].is_number(), "{result}");
    }
    assert_eq!(server.done(&["stats", "-o", "json"]).json()["entries"], 0);
}

#[test]
fn single_calls_are_measured_and_nothing_is_left_behind() {
    all_sound(&[
        ("unary", &["--check", "all"]),
        ("unary", &["--view", "full", "--read-ratio", "0.5", "--zipf", "0.99", "--value-size", "1..9KiB"]),
        ("unary", &["--rate", "500", "--threads", "2"]),
    ]);
    let server = Server::start(&[]);
    let facts = measured(&server, &["--view", "metadata"]);
    assert_eq!((&facts["errors"], &facts["hit_ratio"]), (&0.into(), &1.0.into()), "{facts}");
}

#[test]
fn many_operations_a_message_are_measured_and_nothing_is_left_behind() {
    all_sound(&[
        ("batch", &["--client", "tonic", "--batch", "10", "--read-ratio", "0.8", "--check", "all"]),
        ("batch", &["--batch", "10", "--read-ratio", "0.8", "--threads", "2"]),
        ("pipeline", &["--batch", "200", "--read-ratio", "0.8", "--check", "all", "--value-size", "10:9,64KiB:1"]),
    ]);
}

#[test]
fn other_clients_are_measured_and_nothing_is_left_behind() {
    all_sound(&[
        ("unary", &["--client", "tonic", "--read-ratio", "0.9", "--view", "full"]),
        ("unary", &["--client", "sdk", "--read-ratio", "0.9", "--check", "all"]),
        ("near", &["--threads", "2", "--check", "all"]),
    ]);
}

#[test]
fn streams_of_chunks_are_measured_and_nothing_is_left_behind() {
    let more = ["--value-size", "1..3MiB", "--chunk-size", "64KiB", "--read-ratio", "0.7", "--check", "all"];
    all_sound(&[("blob", &more)]);
}

#[test]
fn results_are_written_in_every_form_and_rules_decide_the_exit_code() {
    let server = Server::start(&[]);
    let csv = bench(&server, &["-o", "csv", "--value-size", "1:1,2:1"], |_| true);
    let lines: Vec<&str> = csv.text().lines().collect();
    assert!(lines.len() == 2 && lines[0].starts_with("mode,client,") && lines[1].contains("\"1:1,2:1\""), "{csv:?}");
    let table = bench(&server, &["-o", "table"], |_| true);
    assert!(table.text().contains("operations/s") && table.text().contains("p99.9"), "{table:?}");
    let kept = measured(&server, &["--slo", "errors=0", "--slo", "p99<60s"]);
    assert_eq!(kept["slo"].as_array().map(Vec::len), Some(2));
    let busy = kept["generator_busy"].as_f64();
    assert!(busy > Some(0.0) && busy <= Some(1.0) && kept["generator_limited"].is_boolean(), "{kept}");
    let nothing_there = ["--no-fill", "--prefix", "none/", "--mode", "unary", "-o", "json"];
    let free = bench(&server, &[&nothing_there[..], &["--slo", "p99<60s"]].concat(), some);
    assert_eq!(free.code, 0, "a miss is no error where nothing was filled: {free:?}");
    // Of the writes, those that are too large for a call fail.
    let failing = ["--no-fill", "--value-size", "100:1,2MiB:1", "--read-ratio", "0.5", "-o", "json", "--slo"];
    let both = |ran: &Ran| some(ran) && ran.json()["errors"].as_u64() > Some(0);
    let failed = bench(&server, &[&failing[..], &["p99<60s"]].concat(), both);
    let rules = &failed.json()["slo"];
    assert_eq!((failed.code, &rules[0]["met"], &rules[1]["met"]), (1, &true.into(), &false.into()), "{failed:?}");
    assert!(failed.stderr.contains("errors=0 was missed"), "{failed:?}");
    let allowed = bench(&server, &[&failing[..], &["p99<60s", "--slo", "errors<1000000"]].concat(), both);
    assert_eq!(allowed.code, 0, "{allowed:?}");
    let missed = bench(&server, &["--slo", "p50<1us", "-o", "json"], some);
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
    // More than can be under way: some were answered.
    eventually("it reads", || hits() > 1_000).unwrap();
    signal(&child, "INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(result["interrupted"] == true && result["ops"].as_u64() > Some(0), "{result}");
    assert_eq!(server.done(&["stats", "-o", "json"]).json()["entries"], 0);
}

#[test]
fn of_a_herd_one_computes_and_all_get_the_value() {
    let server = Server::start(&[]);
    let result = measured(&server, &["--herd", "40", "--compute-time", "50ms", "--check", "all"]);
    let herd = &result["herd"];
    assert_eq!(
        (&result["errors"], &herd["callers"], &herd["computed_max"]),
        (&0.into(), &40.into(), &1.into()),
        "{result}"
    );
    assert_eq!(herd["computed"], herd["keys"], "{result}");
    assert!(result["p50_us"].as_f64() >= Some(50_000.0), "{result}");
    assert_eq!(server.done(&["stats", "-o", "json"]).json()["entries"], 0);
}

/// What is measured of a server that stands still for a quarter of the time in the middle; of longer and longer runs the first that
/// the whole of it fell into, with some hundreds of operations.
fn stalled(arguments: &[&str]) -> Value {
    let mut runs = STALLED_SECONDS.iter().filter_map(|seconds| stalled_for(*seconds, arguments));
    runs.find(|result| result["ops"].as_u64() > Some(200)).expect("this machine gets to it within half a minute")
}

const STALLED_SECONDS: [f64; 4] = [1.2, 4.0, 12.0, 40.0];

/// The same of a run of so many seconds; `None` when the server may have stood still beyond the end of it.
#[expect(clippy::disallowed_methods, reason = "whether this machine was held up is what is measured")]
fn stalled_for(seconds: f64, arguments: &[&str]) -> Option<Value> {
    let server = Server::start(&[]);
    let lasts = seconds.to_string();
    let fixed = ["bench", "--seconds", &lasts, "--warmup", "0", "--keys", "10", "--connections", "1", "-o", "json"];
    let mut command = server.command(&[&fixed[..], arguments].concat());
    let began = Instant::now();
    let child = command.stdout(Stdio::piped()).spawn().unwrap();
    let hits = || server.done(&["stats", "-o", "json"]).json()["hits"].as_u64().unwrap();
    eventually("it reads", || hits() > 0).unwrap();
    server.signal("STOP");
    let stands_still = format!("{:.0}ms", seconds * 250.0);
    let asked = server.run(&["get", "k", "--timeout", &stands_still]);
    assert_eq!(asked.code, 6, "nobody is answered for so long: {asked:?}");
    server.signal("CONT");
    let within = began.elapsed().as_secs_f64() < seconds;
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    within.then(|| serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn a_stall_is_charged_to_all_that_should_have_begun_meanwhile() {
    // A quarter of the time: of ten operations more than one had to wait for more than a third of the stall.
    let open = stalled(&["--rate", "300", "--in-flight", "2"]);
    assert!(open["p90_us"].as_f64() > Some(90_000.0) && open["p99_us"].as_f64() > Some(200_000.0), "{open}");
}

#[test]
fn a_closed_loop_asks_nothing_while_it_waits() {
    // Two operations tell of the stall, of hundreds.
    let closed = stalled(&["--in-flight", "2"]);
    assert!(closed["max_us"].as_f64() > Some(250_000.0) && closed["p90_us"].as_f64() < Some(90_000.0), "{closed}");
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
    let alone = |seconds: &str| {
        let bench = ["bench", "-o", "json", "--addr", &url, "--seconds", seconds];
        finish(server.command(&[&bench, &SMALL[..]].concat()), b"")
    };
    let alone = until(alone, some);
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
    let run = |seconds: &str| {
        let more = ["bench", "--addr", &url, "--seconds", seconds, "--warmup", "0", "-o", "json"];
        offline(&[&more[..], &arguments].concat())
    };
    let result = until(run, |ran| both(&ran.json())).json();
    sound(&result, "unary");
}

/// Whether values were read and written.
pub(crate) fn both(result: &Value) -> bool {
    result["hits"].as_u64() > Some(0) && result["writes"].as_u64() > Some(0)
}
