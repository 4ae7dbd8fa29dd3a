//! What needs no server: usage, contexts, tokens, completions, pages, configuration, servers that are not there.

use std::{fs, os::unix::fs::PermissionsExt};

use tempfile::TempDir;

use crate::run::{Ran, command, finish, offline};

fn at(home: &TempDir, arguments: &[&str]) -> Ran {
    let mut command = command(home.path());
    command.args(arguments);
    finish(command, b"")
}

#[test]
fn every_command_teaches_by_examples() {
    let help = offline(&["--help"]);
    assert_eq!(help.code, 0);
    let verbs = [
        "serve",
        "get",
        "put",
        "rm",
        "touch",
        "ls",
        "info",
        "invalidate",
        "preload",
        "watch",
        "stats",
        "health",
        "context",
        "completions",
        "man",
    ];
    for verb in verbs {
        assert!(help.text().contains(&format!("\n  {verb} ")), "{verb} is not listed");
        let own = offline(&[verb, "--help"]);
        assert!(own.code == 0 && own.text().contains("Examples:"), "{verb}: {own:?}");
    }
    assert!(offline(&["disk", "verify", "--help"]).text().contains("Examples:"));
    assert!(offline(&["token", "create", "--help"]).text().contains("Examples:"));
}

#[test]
fn wrong_usage_ends_with_2() {
    let wrong: [&[&str]; 9] = [
        &[],
        &["nonsense"],
        &["get"],
        &["put", "k"],
        &["put", "k", "@/does/not/exist"],
        &["touch", "k"],
        &["ls", "-o", "meta"],
        &["invalidate", "--yes"],
        &["get", "k", "--timeout", "soon"],
    ];
    for arguments in wrong {
        assert_eq!(offline(arguments).code, 2, "{arguments:?}");
    }
}

#[test]
fn a_server_that_is_not_there_ends_with_3() {
    let verbs: [&[&str]; 4] = [&["get", "k"], &["stats"], &["watch"], &["health"]];
    for arguments in verbs {
        let ran = offline(&[arguments, &["--endpoint", "http://127.0.0.1:1"]].concat());
        assert_eq!(ran.code, 3, "{arguments:?}: {ran:?}");
        assert!(ran.stdout.is_empty() && ran.stderr.contains("hotplate serve"), "{ran:?}");
    }
    assert_eq!(offline(&["health", "--http", "http://127.0.0.1:1/readyz"]).code, 3);
}

#[test]
fn contexts_are_saved_for_their_owner_only() {
    let home = TempDir::new().unwrap();
    assert_eq!(at(&home, &["context", "ls"]).stdout, b"");
    let added =
        at(&home, &["context", "add", "prod", "--endpoint", "http://127.0.0.1:1", "-n", "reports", "--token", "s3"]);
    assert_eq!(added.code, 0, "{added:?}");
    let file = home.path().join("contexts/prod.toml");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(at(&home, &["context", "use", "prod"]).code, 0);
    let listed = at(&home, &["context", "ls", "-o", "json"]).json();
    assert_eq!(listed["contexts"][0]["name"], "prod");
    assert_eq!(listed["contexts"][0]["in_use"], true);
    assert!(!listed.to_string().contains("s3"), "the token is shown");
    // The context in use is where verbs go.
    assert_eq!(at(&home, &["get", "k"]).code, 3);
    assert_eq!(at(&home, &["context", "rm", "prod"]).code, 0);
    assert_eq!(at(&home, &["context", "ls", "-o", "json"]).json()["contexts"], serde_json::json!([]));
}

#[test]
fn a_context_that_is_not_there_or_broken_is_refused() {
    let home = TempDir::new().unwrap();
    let unknown = at(&home, &["get", "k", "--context", "nope"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.stderr.contains("context add nope"), "{unknown:?}");
    for name in ["../x", ".hidden", "", "a/b"] {
        assert_eq!(at(&home, &["context", "add", name, "--endpoint", "http://x"]).code, 2, "{name}");
    }
    fs::create_dir_all(home.path().join("contexts")).unwrap();
    fs::write(home.path().join("contexts/bad.toml"), "endpont = \"x\"\n").unwrap();
    let broken = at(&home, &["get", "k", "--context", "bad"]);
    assert!(broken.code == 2 && broken.stderr.contains("endpont"), "{broken:?}");
}

#[test]
fn a_token_goes_to_no_other_machine_in_the_clear() {
    let ran = offline(&["get", "k", "--endpoint", "http://192.0.2.1:7070", "--token", "hp_secret"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("--insecure-token") && !ran.stderr.contains("hp_secret"), "{ran:?}");
}

#[test]
fn tokens_are_made_with_their_configuration() {
    let made = offline(&["token", "create", "--role", "writer", "--namespaces", "a/*,b", "-o", "json"]).json();
    let token = made["token"].as_str().unwrap();
    assert!(token.starts_with("hp_") && token.len() == 55, "{token}");
    assert_eq!(made["namespaces"], serde_json::json!(["a/*", "b"]));
    assert_eq!(made["sha256"].as_str().unwrap().len(), 64);
    let text = offline(&["token", "create", "--expires", "2030-01-01"]);
    let snippet = text.text().split_once("configuration file:\n").unwrap().1;
    let home = TempDir::new().unwrap();
    let file = home.path().join("hotplate.toml");
    fs::write(&file, snippet).unwrap();
    let checked = at(&home, &["serve", "--check-config", "--config", file.to_str().unwrap()]);
    assert_eq!(checked.code, 0, "{checked:?}");
    assert_eq!(offline(&["token", "create", "--role", "king"]).code, 2);
    assert_eq!(offline(&["token", "create", "--expires", "soon"]).code, 2);
}

#[test]
fn completions_and_pages_are_written() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = offline(&["completions", shell]);
        assert!(script.code == 0 && script.text().contains("invalidate"), "{shell}");
    }
    assert!(offline(&["man"]).text().contains(".TH hotplate 1"));
    let dir = TempDir::new().unwrap();
    assert_eq!(offline(&["man", "--dir", dir.path().to_str().unwrap()]).code, 0);
    assert!(dir.path().join("hotplate-invalidate.1").is_file());
}

#[test]
fn the_page_of_the_command_line_is_current() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/cli.md");
    let current = fs::read_to_string(page).unwrap();
    assert!(current == offline(&["docs", "cli"]).text(), "docs/cli.md is old: write `hotplate docs cli` into it");
    for name in ["settings", "metrics", "errors"] {
        assert!(offline(&["docs", name]).text().starts_with("# "), "{name}");
    }
}

#[test]
fn a_refused_configuration_ends_with_78_and_the_fix() {
    let open = offline(&["serve", "--listen", "0.0.0.0:7070"]);
    assert_eq!(open.code, 78);
    assert!(open.stderr.contains("hotplate token create"), "{open:?}");
    let home = TempDir::new().unwrap();
    let file = home.path().join("hotplate.toml");
    fs::write(&file, "[memory]\nbites_max = 1\n").unwrap();
    let unknown = at(&home, &["serve", "--config", file.to_str().unwrap()]);
    assert!(unknown.code == 78 && unknown.stderr.contains("bytes_max"), "{unknown:?}");
    assert_eq!(offline(&["serve", "--check-config"]).code, 0);
    assert!(offline(&["serve", "--print-config"]).text().contains("memory.bytes_max"));
}
