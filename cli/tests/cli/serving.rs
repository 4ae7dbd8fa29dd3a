//! `serve` as a process: its first line, its end on signals, health as exit code.

use std::{net::TcpStream, process::Stdio};

use crate::run::{Server, signal};

#[test]
fn the_first_line_tells_the_real_addresses() {
    let server = Server::start(&[]);
    let expected = format!("{{\"event\":\"listening\",\"grpc\":\"{}\",\"http\":\"{}\"}}\n", server.grpc, server.http);
    assert_eq!(server.first_line, expected);
    assert!(!server.grpc.ends_with(":0") && !server.http.ends_with(":0"));
    TcpStream::connect(&server.grpc).unwrap();
    TcpStream::connect(&server.http).unwrap();
}

#[test]
fn signals_end_it_gracefully() {
    for name in ["TERM", "INT"] {
        let mut server = Server::start(&[]);
        server.signal(name);
        assert_eq!(server.child.wait().unwrap().code(), Some(0), "{name}");
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut server = Server::start(&["--shutdown-drain-delay", "50s", "--shutdown-deadline", "55s"]);
    server.signal("TERM");
    // The first signal has arrived once the server says that it is not ready any more.
    let url = format!("http://{}/readyz", server.http);
    while server.run(&["health", "--http", &url]).code == 0 {
        std::thread::yield_now();
    }
    server.signal("TERM");
    assert_eq!(server.child.wait().unwrap().code(), Some(130));
}

#[test]
fn health_is_an_exit_code() {
    let server = Server::start(&[]);
    assert_eq!(server.done(&["health"]).text(), "SERVING\n");
    assert_eq!(server.done(&["health", "--service", "liveness"]).text(), "SERVING\n");
    assert_eq!(server.done(&["health", "-o", "json"]).json()["status"], "SERVING");
    assert_eq!(server.done(&["health", "--http", &format!("http://{}/livez", server.http)]).text(), "SERVING\n");
    assert_eq!(server.run(&["health", "--http", &format!("http://{}/nothing", server.http)]).code, 1);
    assert_eq!(server.run(&["health", "--service", "no.such.Service"]).code, 5);
}

#[test]
fn an_interrupt_ends_a_verb_with_130() {
    let server = Server::start(&[]);
    let mut command = server.command(&["watch", "--present", "-o", "jsonl"]);
    server.done(&["put", "k", "v", "--ttl", "1h"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    // Read from until the end: whoever writes to nobody ends by itself.
    let mut output = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut output, &mut String::new()).unwrap();
    signal(&child, "INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
}
