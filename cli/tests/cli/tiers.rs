//! What verbs say of a server with tiers beside memory: what they do not count, and when an answer may be older than promised.

use tempfile::TempDir;

use crate::run::Server;

/// Nothing answers there.
const NO_REDIS: [&str; 2] = ["--shared-url", "redis://127.0.0.1:1"];

#[test]
fn an_answer_of_a_server_that_hears_of_no_others_is_told_to_be_degraded() {
    let server = Server::start(&NO_REDIS);
    server.done(&["put", "k", "v", "--ttl", "1h"]);
    let got = server.done(&["get", "k"]);
    assert_eq!(got.stdout, b"v");
    assert!(got.stderr.contains("degraded: the server has not heard of the others"), "{got:?}");
    assert_eq!(server.done(&["get", "k", "-o", "json"]).json()["coherence"], "degraded");
    assert_eq!(server.done(&["get", "k", "-o", "meta"]).json()["coherence"], "degraded");
    let info = server.done(&["info", "k"]);
    assert!(info.text().contains("degraded") && info.stderr.contains("degraded:"), "{info:?}");
    let alone = Server::start(&[]);
    alone.done(&["put", "k", "v", "--ttl", "1h"]);
    let got = alone.done(&["get", "k", "-o", "json"]);
    assert!(got.json()["coherence"] == "kept" && got.stderr.is_empty(), "{got:?}");
}

#[test]
fn what_is_pending_is_told_in_fields() {
    let server = Server::start(&NO_REDIS);
    server.done(&["put", "k", "v", "--ttl", "1h"]);
    let pending = server.run(&["rm", "k", "-o", "json"]);
    assert_eq!(pending.code, 5);
    let said = pending.json();
    assert_eq!(
        (&said["reason"], &said["applied"], &said["pending"]),
        (&"TIER_PENDING".into(), &"LOCAL".into(), &"SHARED".into())
    );
    assert!(said["retry_after_seconds"] == 1.0 && pending.stderr.contains("TIER_PENDING"), "{pending:?}");
}

#[test]
fn what_lies_on_the_disk_alone_is_counted_by_key_and_said_not_to_be_counted_by_set() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("disk");
    // Nothing is kept in memory: the disk serves alone.
    let server = Server::start(&["--disk-path", path.to_str().unwrap(), "--memory-entries-max", "0"]);
    for key in ["a", "b", "c"] {
        server.done(&["put", key, "v", "--ttl", "1h", "--tag", "t"]);
    }
    let look = server.done(&["invalidate", "--key", "a", "--key", "none", "--dry-run", "-o", "json"]).json();
    assert_eq!((&look["matched"], &look["uncounted_tiers"]), (&1.into(), &serde_json::json!([])));
    assert_eq!(look["sample_keys"], serde_json::json!(["a"]));
    let look = server.done(&["invalidate", "--tag", "t", "--dry-run"]);
    assert!(look.text().contains("would drop at least 0 entries here; disk would be told as well"), "{look:?}");
    for refused in [&["--dry-run"][..], &["--yes"][..]] {
        let refused = server.run(&[&["invalidate", "--tag", "t", "--fail-empty"], refused].concat());
        assert!(refused.code == 2 && refused.stderr.contains("nothing was done: --fail-empty"), "{refused:?}");
    }
    server.done(&["get", "a"]);
    server.done(&["invalidate", "--key", "a", "--fail-empty"]);
    assert_eq!(server.run(&["invalidate", "--key", "a", "--fail-empty"]).code, 1);
    server.done(&["rm", "b", "--fail-empty"]);
    assert_eq!(server.run(&["rm", "b", "--fail-empty"]).code, 1);
    let dropped = server.done(&["invalidate", "--tag", "t", "--yes"]);
    assert!(
        dropped.stderr.contains("dropped at least 0 entries here; disk told as well, and not counted"),
        "{dropped:?}"
    );
    assert_eq!(server.run(&["get", "c"]).code, 1);
}
