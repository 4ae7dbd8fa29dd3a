//! Reflection, asked by the tools people use: grpcurl and buf curl, v1 and v1alpha, and calls made through it.
//!
//! Both tools are installed by `cargo x setup`.

use std::{path::PathBuf, process::Command};

use crate::harness::Server;

fn tool(path: &str) -> PathBuf {
    let tool = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tools")).join(path);
    assert!(tool.is_file(), "{} is missing: run `cargo x setup`, which installs it", tool.display());
    tool
}

/// Runs a tool that must succeed and answers what it printed.
fn run(tool: PathBuf, args: &[&str]) -> String {
    let output = Command::new(tool).args(args).output().expect("the tool runs");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{args:?}: {out}{err}");
    out.into_owned()
}

pub(crate) fn grpcurl(args: &[&str]) -> String {
    run(tool("bin/grpcurl"), args)
}

const SERVICES: [&str; 4] = [
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
    "hotplate.v1.CacheService",
];

#[test]
fn grpcurl_lists_and_describes_what_the_server_has() {
    let server = Server::start();
    let address = server.grpc.to_string();
    let listed = grpcurl(&["-plaintext", &address, "list"]);
    for service in SERVICES {
        assert!(listed.lines().any(|line| line == service), "{service} is not in:\n{listed}");
    }
    let methods = grpcurl(&["-plaintext", &address, "list", "hotplate.v1.CacheService"]);
    assert_eq!(methods.lines().count(), 17, "{methods}");
    let described = grpcurl(&["-plaintext", &address, "describe", "hotplate.v1.GetRequest"]);
    assert!(described.contains("stale_policy"), "{described}");
}

#[test]
fn grpcurl_puts_gets_and_sees_a_miss() {
    let server = Server::start();
    let address = server.grpc.to_string();
    let call = |method: &str, body: &str| {
        let text = grpcurl(&["-plaintext", "-d", body, &address, &format!("hotplate.v1.CacheService/{method}")]);
        serde_json::from_str::<serde_json::Value>(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    };
    let stored = call("Put", r#"{"key": "k", "value": "aGVsbG8=", "expiration": {"ttl": "60s"}}"#);
    assert_eq!(stored["outcome"], "PUT_OUTCOME_STORED");
    let found = call("Get", r#"{"key": "k"}"#);
    assert_eq!(
        (found["outcome"].as_str(), found["entry"]["value"].as_str()),
        (Some("GET_OUTCOME_HIT"), Some("aGVsbG8="))
    );
    let missed = call("Get", r#"{"key": "absent"}"#);
    assert_eq!(missed["missReason"], "MISS_REASON_NEVER_STORED");
}

#[test]
fn grpcurl_shows_why_a_call_failed() {
    let server = Server::start();
    let address = server.grpc.to_string();
    let args = ["-plaintext", "-d", r#"{"key": ""}"#, &address, "hotplate.v1.CacheService/Get"];
    let output = Command::new(tool("bin/grpcurl")).args(args).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(text.contains("InvalidArgument") && text.contains("BAD_KEY") && text.contains("hotplate"), "{text}");
}

#[test]
fn buf_curl_lists_and_calls_without_a_schema_of_its_own() {
    let server = Server::start();
    let url = format!("http://{}", server.grpc);
    for protocol in ["grpc-v1", "grpc-v1alpha"] {
        let args = ["curl", "--http2-prior-knowledge", "--protocol", "grpc", "--reflect-protocol", protocol];
        let listed = run(tool("py/bin/buf"), &[&args[..], &["--list-methods", &url]].concat());
        assert!(listed.contains("hotplate.v1.CacheService/Watch"), "{protocol}: {listed}");
        let method = format!("{url}/hotplate.v1.CacheService/Get");
        let answer = run(tool("py/bin/buf"), &[&args[..], &["-d", r#"{"key": "k"}"#, &method]].concat());
        assert!(answer.contains("GET_OUTCOME_MISS"), "{protocol}: {answer}");
    }
}
