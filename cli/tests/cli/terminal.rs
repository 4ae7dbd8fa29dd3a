//! What a person sees: the same binary on a pseudo terminal, made by `script` of util-linux.

use std::process::{Command, Stdio};

use crate::run::{BINARY, Server};

/// What a command line prints on a terminal, both outputs together.
fn on_terminal(server: &Server, arguments: &str, answer: &str) -> String {
    let mut command = Command::new("script");
    command.args(["-qec", &format!("{BINARY} {arguments}"), "/dev/null"]);
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("TERM", "xterm")
        .env("HOTPLATE_CONFIG_HOME", server.home.path());
    command.env("HOTPLATE_URL", format!("http://{}", server.grpc));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), answer.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap().replace("\r\n", "\n")
}

#[test]
fn a_terminal_gets_text_only() {
    let server = Server::start(&[]);
    server.run_with(&["put", "binary", "-", "--ttl", "1h"], &[0, 255, 7]);
    let shown = on_terminal(&server, "get binary", "");
    assert!(shown.contains("binary value, 3 B") && shown.contains("--out FILE"), "{shown:?}");
    server.run_with(&["put", "escape", "-", "--ttl", "1h"], b"\x1b[2J");
    assert!(!on_terminal(&server, "get escape", "").contains("\x1b[2J"));
    server.done(&["put", "json", "{\"a\":[1,2]}", "--ttl", "1h"]);
    assert!(on_terminal(&server, "get json", "").contains("{\n  \"a\": [\n"));
    server.done(&["put", "key\u{202e}turn", "v", "--ttl", "1h"]);
    let listed = on_terminal(&server, "ls", "");
    assert!(!listed.contains('\u{202e}') && listed.contains("KEY") && listed.contains("\\u{202e}"), "{listed:?}");
    server.done(&["put", &"long".repeat(250), "v", "--ttl", "1h"]);
    server.done(&["get", &"long".repeat(250)]);
    server.done(&["get", "key\u{202e}turn"]);
    let stats = on_terminal(&server, "stats --top 5 --by prefix", "");
    assert!(stats.lines().all(|line| line.chars().count() < 200) && stats.contains('…'), "{stats:?}");
    for stats in [stats, on_terminal(&server, "stats --top 5 -o json", "")] {
        assert!(!stats.contains('\u{202e}') && stats.contains("turn"), "{stats:?}");
    }
}

#[test]
fn a_set_is_dropped_after_a_yes_and_kept_after_anything_else() {
    let server = Server::start(&[]);
    server.done(&["put", "a:1", "v", "--ttl", "1h"]);
    let kept = on_terminal(&server, "invalidate --prefix a:", "n\n");
    assert!(kept.contains("Drop 1 entry (prefix a:)") && kept.contains("nothing was dropped"), "{kept:?}");
    server.done(&["get", "a:1"]);
    let dropped = on_terminal(&server, "invalidate --prefix a:", "y\n");
    assert!(dropped.contains("dropped 1 entry"), "{dropped:?}");
}

#[test]
fn colours_can_be_turned_off() {
    let server = Server::start(&[]);
    assert!(on_terminal(&server, "health", "").contains("\x1b[32mSERVING"));
    assert!(!on_terminal(&server, "health --no-color", "").contains('\x1b'));
}
