//! Every verb that talks to a server: what it does, what it prints, how it ends.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    process::Stdio,
    thread,
};

use tempfile::TempDir;

use crate::run::{Server, offline};

#[test]
fn what_is_put_is_got_byte_for_byte() {
    let server = Server::start(&[]);
    let dir = TempDir::new().unwrap();
    let every_byte: Vec<u8> = (0..=255).collect();
    let file = dir.path().join("in.bin");
    fs::write(&file, &every_byte).unwrap();
    server.done(&["put", "file", &format!("@{}", file.display()), "--ttl", "1h"]);
    assert_eq!(server.done(&["get", "file"]).stdout, every_byte);
    assert_eq!(server.run_with(&["put", "stdin", "-", "--ttl", "1h"], &every_byte).code, 0);
    let out = dir.path().join("out.bin");
    assert_eq!(server.done(&["get", "stdin", "--out", out.to_str().unwrap()]).stdout, b"");
    assert_eq!(fs::read(&out).unwrap(), every_byte);
    let said = server.done(&["get", "file", "-o", out.to_str().unwrap(), "-o", "json"]).json();
    let etag = server.done(&["get", "file", "-o", "meta"]).json()["etag"].clone();
    assert!(said["bytes"] == 256 && said["etag"] == etag && said["outcome"] == "HIT", "{said}");
    assert_eq!(server.run(&["get", "file", "--out", "/nowhere/out.bin"]).code, 2);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing is left beside");
    server.done(&["put", "text", "@@home", "--ttl", "1h"]);
    assert_eq!(server.done(&["get", "text"]).stdout, b"@home");
    server.done(&["put", "empty", "", "--ttl", "1h"]);
    assert_eq!(server.done(&["get", "empty"]).stdout, b"");
    let json = server.done(&["get", "file", "-o", "json"]).json();
    assert!(json["value_base64"].is_string() && json["outcome"] == "HIT", "{json}");
    assert_eq!(server.done(&["get", "text", "-o", "json"]).json()["value"], "@home");
    assert_eq!(server.done(&["get", "file", "-o", "meta"]).json()["size_bytes"], 256);
}

#[test]
fn negative_answers_end_with_1() {
    let server = Server::start(&[]);
    let miss = server.run(&["get", "nothing"]);
    assert_eq!((miss.code, miss.stdout.as_slice()), (1, &b""[..]));
    assert!(miss.stderr.contains("never stored"), "{miss:?}");
    assert_eq!(server.run(&["get", "nothing", "-o", "json"]).json()["miss_reason"], "NEVER_STORED");
    assert_eq!(server.run(&["info", "nothing"]).code, 1);
    assert_eq!(server.run(&["touch", "nothing", "--ttl", "1h"]).code, 1);
    assert_eq!(server.run(&["rm", "nothing", "--fail-empty"]).code, 1);
    assert_eq!(server.run(&["invalidate", "--tag", "nothing", "--yes", "--fail-empty"]).code, 1);
    server.done(&["rm", "nothing"]);
    server.done(&["put", "gone", "--negative", "NOT_FOUND", "--ttl", "1m"]);
    let negative = server.run(&["get", "gone"]);
    assert!(negative.code == 1 && negative.stderr.contains("NOT_FOUND"), "{negative:?}");
    server.done(&["info", "gone"]);
}

#[test]
fn conditions_decide_whether_a_put_stores() {
    let server = Server::start(&[]);
    assert_eq!(server.run(&["put", "k", "v1", "--ttl", "1h", "--if-present"]).code, 1);
    let first = server.done(&["put", "k", "v1", "--ttl", "1h", "--if-absent", "-o", "json"]).json();
    assert_eq!(first["outcome"], "STORED");
    let second = server.run(&["put", "k", "v2", "--ttl", "1h", "--if-absent", "-o", "json"]);
    assert_eq!((second.code, second.json()["outcome"].as_str()), (1, Some("PRECONDITION_FAILED")));
    let etag = first["metadata"]["etag"].as_str().unwrap();
    server.done(&["put", "k", "v2", "--ttl", "1h", "--if-etag", etag]);
    assert_eq!(server.run(&["put", "k", "v3", "--ttl", "1h", "--if-etag", etag]).code, 1);
    assert_eq!(server.done(&["put", "k", "v2", "--ttl", "1h"]).text().split('\t').next(), Some("REFRESHED"));
}

#[test]
fn the_server_rejects_with_5_and_its_reason() {
    let server = Server::start(&[]);
    let long = "k".repeat(1025);
    let bad_key = server.run(&["get", &long]);
    assert!(bad_key.code == 5 && bad_key.stderr.contains("BAD_KEY"), "{bad_key:?}");
    let bad_ttl = server.run(&["put", "k", "v", "--ttl", "5000d"]);
    assert!(bad_ttl.code == 5 && bad_ttl.stderr.contains("TTL_OUT_OF_BOUNDS"), "{bad_ttl:?}");
    assert_eq!(server.run(&["put", "k", "v", "--ttl-class", "eternal"]).code, 5);
    assert_eq!(server.run(&["preload", "--key", "k"]).code, 5);
}

#[test]
fn a_token_is_needed_where_one_is_configured() {
    let made = offline(&["token", "create", "--role", "reader", "-o", "json"]).json();
    let dir = TempDir::new().unwrap();
    let config = dir.path().join("hotplate.toml");
    let token = made["token"].as_str().unwrap();
    let text = format!(
        "[[access.tokens]]\nid = {}\nsha256 = {}\nrole = \"reader\"\nnamespaces = [\"*\"]\n",
        made["id"], made["sha256"]
    );
    fs::write(&config, text).unwrap();
    let server = Server::start(&["--config", config.to_str().unwrap()]);
    assert_eq!(server.run(&["get", "k"]).code, 4);
    assert_eq!(server.run(&["get", "k", "--token", token]).code, 1);
    let file = dir.path().join("token");
    fs::write(&file, format!("{token}\n")).unwrap();
    assert_eq!(server.run(&["get", "k", "--token-file", file.to_str().unwrap()]).code, 1);
    let denied = server.run(&["put", "k", "v", "--ttl", "1h", "--token", token]);
    assert!(denied.code == 4 && !denied.stderr.contains(token), "{denied:?}");
}

#[test]
fn a_peer_that_never_answers_ends_with_6() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let ran = offline(&["get", "k", "--endpoint", &address, "--timeout", "300ms"]);
    assert_eq!(ran.code, 6, "{ran:?}");
}

#[test]
fn listings_are_complete_in_every_form() {
    let server = Server::start(&[]);
    for number in 0..12 {
        let tag = if number % 2 == 0 { "even" } else { "odd" };
        server.done(&["put", &format!("n:{number:02}"), "v", "--ttl", "1h", "--tag", tag, "--kind", "number"]);
    }
    server.done(&["put", "with\u{202e}turn", "v", "--ttl", "1h"]);
    let raw = server.done(&["ls", "n:", "-o", "raw"]);
    let expected: Vec<String> = (0..12).map(|number| format!("n:{number:02}")).collect();
    assert_eq!(raw.text().lines().collect::<Vec<_>>(), expected);
    assert_eq!(server.done(&["ls", "--tag", "even", "-o", "json"]).json().as_array().unwrap().len(), 6);
    assert_eq!(server.done(&["ls", "--kind", "number", "-o", "jsonl"]).json_lines().len(), 12);
    assert_eq!(server.done(&["ls", "--glob", "n:0?", "-o", "raw"]).text().lines().count(), 10);
    let limited = server.done(&["ls", "--limit", "5"]);
    assert_eq!(limited.text().lines().count(), 5);
    assert!(limited.stderr.contains("more"), "{limited:?}");
    let plain = server.done(&["ls", "with"]);
    assert_eq!(plain.text().split('\t').next(), Some("with\\u{202e}turn"));
    assert_eq!(server.done(&["ls", "none:", "-o", "json"]).json(), serde_json::json!([]));
}

#[test]
fn lifetimes_are_shown_and_changed() {
    let server = Server::start(&[]);
    server.done(&[
        "put",
        "k",
        "v",
        "--ttl",
        "1h",
        "--stale-for",
        "1h",
        "--label",
        "a=b",
        "--content-type",
        "text/plain",
    ]);
    let info = server.done(&["info", "k", "-o", "json"]).json();
    let fresh = info["metadata"]["fresh_for_seconds"].as_f64().unwrap();
    assert!((3500.0..=3600.0).contains(&fresh), "{info}");
    assert_eq!(info["metadata"]["labels"]["a"], "b");
    assert_eq!(info["metadata"]["hit_count"], 0, "info counts as a read");
    let shorter = server.done(&["touch", "k", "--ttl", "10m", "--extend", "-o", "json"]).json();
    assert_eq!(shorter["outcome"], "UNCHANGED");
    assert_eq!(server.done(&["touch", "k", "--ttl-class", "very_long", "-o", "json"]).json()["outcome"], "TOUCHED");
    let table = server.done(&["info", "k", "-o", "table"]);
    assert!(table.text().contains("text/plain") && table.text().contains("fresh for"), "{table:?}");
}

#[test]
fn sets_are_dropped_only_after_a_yes() {
    let server = Server::start(&[]);
    for key in ["a:1", "a:2", "b:1"] {
        server.done(&["put", key, "v", "--ttl", "1h", "--tag", "t"]);
    }
    let asked = server.run(&["invalidate", "--prefix", "a:"]);
    assert!(asked.code == 2 && asked.stderr.contains("--yes"), "{asked:?}");
    let dry = server.done(&["invalidate", "--prefix", "a:", "--dry-run", "-o", "json"]).json();
    assert_eq!((&dry["matched"], &dry["sample_keys"]), (&2.into(), &serde_json::json!(["a:1", "a:2"])));
    assert!(
        server.done(&["invalidate", "--tag", "t", "--dry-run"]).text().starts_with("would drop 3 entries\n  a:1\n")
    );
    let dropped = server.done(&["invalidate", "--prefix", "a:", "--yes", "--reason", "test", "-o", "json"]).json();
    assert_eq!(dropped["dropped"], 2);
    server.done(&["invalidate", "--key", "b:1"]);
    assert_eq!(server.run(&["get", "b:1"]).code, 1);
    server.done(&["invalidate", "--all", "--yes"]);
}

/// An origin of one answer.
fn origin_of(value: &'static str) -> (u16, thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        while !lines.next().unwrap().unwrap().is_empty() {}
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{value}", value.len()).unwrap();
    };
    (port, thread::spawn(answer))
}

#[test]
fn what_is_refreshed_is_fetched_by_the_job_that_is_named() {
    let (port, origin) = origin_of("new");
    let dir = TempDir::new().unwrap();
    let config = dir.path().join("hotplate.toml");
    let origins = "[namespaces.default.origins.backend]\nallow_private_addresses = true\n";
    fs::write(&config, format!("{origins}url = \"http://127.0.0.1:{port}/{{key}}/{{track}}\"\n")).unwrap();
    let server = Server::start(&["--config", config.to_str().unwrap()]);
    server.done(&["put", "k", "old", "--ttl", "1h", "--tag", "t"]);
    let refresh = ["invalidate", "--tag", "t", "--yes", "--mode", "refresh"];
    let wrong = server.run(&[&refresh[..], &["--origin", "other"]].concat());
    assert!(wrong.code != 0 && wrong.stderr.contains("NO_ORIGIN"), "{wrong:?}");
    assert_eq!(server.done(&["get", "k"]).stdout, b"old");
    let from = ["--origin", "backend", "--param", "track=spa", "-o", "json"];
    let told = server.done(&[&refresh[..], &from].concat()).json();
    assert_eq!((&told["mode"], &told["refreshing"], &told["dropped"]), (&"REFRESH".into(), &1.into(), &0.into()));
    server.done(&["preload", "--job", told["job"].as_str().unwrap()]);
    assert_eq!(server.done(&["get", "k"]).stdout, b"new");
    origin.join().unwrap();
}

#[test]
fn what_was_made_from_an_entry_goes_with_it() {
    let server = Server::start(&[]);
    let fill = || {
        server.done(&["put", "model:7", "v"]);
        server.done(&["put", "metrics:7", "v", "--depends-on", "model:7", "--depends-on", "tag:daily"]);
        server.done(&["put", "report", "v", "--depends-on", "metrics:7"]);
    };
    fill();
    let facts = server.done(&["info", "metrics:7", "-o", "json"]).json();
    assert_eq!(facts["metadata"]["depends_on"], serde_json::json!(["model:7", "tag:daily"]), "{facts}");
    let dry = server.done(&["invalidate", "--key", "model:7", "--dry-run"]);
    assert!(dry.text().starts_with("would drop 1 entry and 2 made from them"), "{dry:?}");
    let alone = server.done(&["invalidate", "--key", "model:7", "--no-cascade", "-o", "json"]).json();
    assert_eq!((&alone["dropped"], &alone["cascaded"]), (&1.into(), &0.into()));
    fill();
    let next = server.done(&["invalidate", "--dependents-of", "model:7", "--yes", "-o", "json"]).json();
    assert_eq!((&next["dropped"], &next["cascaded"]), (&1.into(), &1.into()));
    assert_eq!(server.run(&["get", "report"]).code, 1);
    server.done(&["get", "model:7"]);
}

#[test]
fn statistics_have_stable_keys() {
    let server = Server::start(&[]);
    server.done(&["put", "a:1", "v", "--ttl", "1h", "--kind", "x"]);
    server.done(&["get", "a:1"]);
    server.run(&["get", "a:2"]);
    let stats = server.done(&["stats", "-o", "json"]).json();
    for key in
        ["hits", "misses", "hit_ratio", "entries", "entries_max", "bytes", "bytes_max", "uptime_seconds", "groups"]
    {
        assert!(stats.get(key).is_some(), "{key}: {stats}");
    }
    assert_eq!((&stats["hits"], &stats["misses"], &stats["entries"]), (&1.into(), &1.into(), &1.into()));
    for by in ["namespace", "prefix", "kind"] {
        let grouped = server.done(&["stats", "--by", by, "-o", "json"]).json();
        assert!(!grouped["groups"].as_array().unwrap().is_empty(), "{by}: {grouped}");
    }
    let told = server.done(&["stats", "--top", "3", "--what-if", "--advice", "--trend", "-o", "json"]).json();
    assert_eq!(told["top_keys"]["reads"][0]["count"], 1, "{told}");
    assert_eq!(told["what_if"]["points"].as_array().map(Vec::len), Some(4), "{told}");
    assert!(told["recommendations"].is_array() && told["trend"].is_array(), "{told}");
    let shown = server.done(&["stats", "--top", "3", "--what-if", "--advice", "-o", "table"]);
    assert!(shown.text().contains("MOST READ") && shown.text().contains("advice: none"), "{shown:?}");
    let table = server.done(&["stats", "--all", "--by", "namespace", "-o", "table"]);
    assert!(table.text().contains("hit ratio") && table.stderr.contains("verdict"), "{table:?}");
}

#[test]
fn a_watch_shows_changes_and_resumes() {
    let server = Server::start(&[]);
    server.done(&["put", "w:1", "v1", "--ttl", "1h"]);
    let present = server.done(&["watch", "--prefix", "w:", "--present", "--limit", "1"]).json_lines();
    assert_eq!((&present[0]["event"], &present[0]["key"]), (&"PRESENT".into(), &"w:1".into()));
    let mut command = server.command(&["watch", "--prefix", "w:", "--present", "--limit", "2", "--content", "values"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    lines.next().unwrap().unwrap();
    server.done(&["put", "w:2", "v2", "--ttl", "1h"]);
    let event: serde_json::Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!((&event["event"], &event["key"], &event["value"]), (&"PUT".into(), &"w:2".into(), &"v2".into()));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    server.done(&["rm", "w:2", "--reason", "done with it"]);
    let token = event["resume_token"].as_str().unwrap();
    let resumed = server.done(&["watch", "--prefix", "w:", "--resume", token, "--limit", "1"]).json_lines();
    assert_eq!((&resumed[0]["event"], &resumed[0]["reason"]), (&"INVALIDATED".into(), &"done with it".into()));
    let script = "echo $HOTPLATE_EVENT_TYPE:$HOTPLATE_EVENT_KEY";
    let ran = server.done(&["watch", "--resume", token, "--limit", "1", "--", "sh", "-c", script]);
    assert_eq!(ran.text(), "INVALIDATED:w:2\n");
    assert_eq!(server.run(&["watch", "--resume", "!"]).code, 2);
}

#[test]
fn a_reader_that_went_away_is_no_failure() {
    let server = Server::start(&[]);
    for number in 0..3 {
        server.done(&["put", &format!("k{number}"), "v", "--ttl", "1h"]);
    }
    let mut command = server.command(&["ls", "-o", "raw"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn a_key_is_explained_for_people_and_for_programs() {
    let server = Server::start(&[]);
    server.done(&["put", "k", "value", "--ttl", "1h", "--tag", "t"]);
    let there = server.done(&["explain", "k", "-o", "json"]).json();
    assert_eq!((&there["outcome"], &there["complete"], &there["cause"]), (&"HIT".into(), &true.into(), &().into()));
    server.done(&["invalidate", "--tag", "t", "--yes", "--reason", "measured again"]);
    let missing = server.run(&["explain", "k", "-o", "json"]);
    let told = missing.json();
    assert_eq!((missing.code, &told["miss_reason"]), (1, &"INVALIDATED".into()));
    assert_eq!((&told["cause"]["selector"], &told["cause"]["reason"]), (&"tag t".into(), &"measured again".into()));
    let events: Vec<_> = told["events"].as_array().unwrap().iter().map(|event| event["event"].clone()).collect();
    assert_eq!(events, ["INVALIDATED", "STORED"]);
    let table = server.run(&["explain", "k", "-o", "table"]);
    let people = table.text();
    for sentence in ["miss: invalidated", "invalidated by the tag t", "since the server was started", "WHAT HAPPENED"] {
        assert!(people.contains(sentence), "{sentence}: {people}");
    }
    let never = server.run(&["explain", "never"]);
    assert!(never.code == 1 && never.text().contains("never stored"), "{never:?}");
    assert_eq!(server.run(&["explain", "k", "--events", "101"]).code, 2);
}
