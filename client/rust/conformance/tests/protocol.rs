//! The driver as a process: that it speaks the protocol. What its client does is `tests/conformance`'s.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};

struct Driver {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Driver {
    fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hotplate-driver"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the driver starts");
        let (input, output) = (child.stdin.take(), child.stdout.take().expect("piped"));
        Self { child, input, output: BufReader::new(output) }
    }

    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("it says something");
        serde_json::from_str(&line).expect("a line is JSON")
    }

    fn ask(&mut self, request: &str) -> Value {
        let input = self.input.as_mut().expect("it was not ended");
        writeln!(input, "{request}").expect("it reads");
        self.line()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        self.child.wait().map(drop).unwrap_or_default();
    }
}

#[test]
fn it_says_who_it_is_and_ends_with_its_input() {
    let mut driver = Driver::start();
    let hello = driver.line();
    assert_eq!((&hello["hello"]["language"], &hello["hello"]["protocol"]), (&json!("rust"), &json!(1)));
    driver.ask(r#"{"id": 1, "op": "open", "client": "a", "url": "hotplate://127.0.0.1:1"}"#);
    drop(driver.input.take());
    assert!(driver.child.wait().expect("it ends").success());
}

#[test]
fn requests_that_make_no_sense_are_faults_and_end_nothing() {
    let mut driver = Driver::start();
    driver.line();
    for request in [
        r#"{"id": 1, "op": "fly"}"#,
        r#"{"id": 2, "op": "float", "bits": "0", "colour": "red"}"#,
        r#"{"id": 3, "op": "get", "client": "nobody", "key": "k"}"#,
        r#"{"id": 4, "op": "float"}"#,
        r#"{"id": 6}"#,
        "not JSON",
    ] {
        assert!(driver.ask(request)["fault"].is_string(), "{request}");
    }
    let answer = driver.ask(r#"{"id": 5, "op": "float", "bits": "3ff8000000000000"}"#);
    assert_eq!(answer, json!({ "id": 5, "ok": { "text": "1.5" } }));
}

#[test]
fn a_request_is_given_up_by_the_line_right_behind_it() {
    let mut driver = Driver::start();
    driver.line();
    driver.ask(r#"{"id": 1, "op": "open", "client": "a", "url": "hotplate://127.0.0.1:1"}"#);
    for id in (2..200).step_by(2) {
        let compute = json!({ "name": "f", "value": 1, "gate": "never" });
        let options = json!({ "mode": "bypass" });
        let target = json!({
            "id": id, "op": "get_or_compute", "client": "a", "key": "k", "options": options, "compute": compute,
        });
        let cancel = json!({ "id": id + 1, "op": "cancel", "target": id });
        let two = [driver.ask(&format!("{target}\n{cancel}")), driver.line()];
        let ended = two.iter().find(|answer| answer["id"] == json!(id)).expect("both are answered");
        assert_eq!(ended["error"]["kind"], "CANCELLED", "{ended}");
    }
}

#[test]
fn what_is_no_text_in_rust_is_said_to_be_unsupported() {
    let mut driver = Driver::start();
    driver.line();
    let answer = driver.ask(r#"{"id": 1, "op": "get", "client": "a", "key": "a\ud800b"}"#);
    assert!(answer["id"] == json!(1) && answer["unsupported"].is_string(), "{answer}");
}

#[test]
fn what_the_client_refuses_is_an_error_with_its_kind() {
    let mut driver = Driver::start();
    driver.line();
    let answer = driver.ask(r#"{"id": 1, "op": "key", "calls": [["id", ""]]}"#);
    assert_eq!((&answer["error"]["kind"], &answer["error"]["field"]), (&json!("INVALID_ARGUMENT"), &json!("key")));
    let answer = driver.ask(r#"{"id": 2, "op": "open", "client": "a", "url": "redis://x"}"#);
    assert_eq!(answer["error"]["kind"], "CONFIGURATION");
}
