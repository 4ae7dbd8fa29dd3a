//! Starts memcached and etcd for `hotplate bench --against`, on free ports, and ends them by their own ids. Both are Debian
//! packages that `cargo x setup` installs.

use std::{
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
};

use hotplate_redisctl::eventually;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    bench::{SHORT, measured, sound},
    run::{Server, finish},
};

/// How often a start is tried: a port that was free may be taken before the server binds it.
const STARTS_MAX: usize = 5;

/// A server of others; ended when dropped.
struct Peer {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl Peer {
    /// Starts a program with the arguments for this port, a second free one and this folder.
    fn start(program: &str, arguments: impl Fn(u16, u16, &str) -> Vec<String>) -> Self {
        for _start in 0..STARTS_MAX {
            let folder = TempDir::new().unwrap();
            let (port, other) = (free_port(), free_port());
            let mut command = Command::new(program);
            command.args(arguments(port, other, folder.path().to_str().unwrap()));
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let child = command.spawn().unwrap_or_else(|error| panic!("{program}: {error}; run `cargo x setup`"));
            let mut peer = Self { child, port, _folder: folder };
            let answers = || TcpStream::connect(("127.0.0.1", port)).is_ok();
            let mut ended = false;
            eventually("it listens or ends", || {
                ended = peer.child.try_wait().unwrap().is_some();
                ended || answers()
            })
            .unwrap();
            if !ended {
                return peer;
            }
        }
        panic!("{program} does not start");
    }

    fn memcached() -> Self {
        Self::start("memcached", |port, _, _| {
            let port = port.to_string();
            ["-l", "127.0.0.1", "-p", &port, "-U", "0", "-t", "1", "-u", "nobody"].map(str::to_owned).to_vec()
        })
    }

    fn etcd() -> Self {
        Self::start("etcd", |port, peer, folder| {
            let (client, peer) = (format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{peer}"));
            let arguments = [
                ("data-dir", folder),
                ("listen-client-urls", &client),
                ("advertise-client-urls", &client),
                ("listen-peer-urls", &peer),
                ("initial-advertise-peer-urls", &peer),
                ("initial-cluster", &format!("default={peer}")),
                ("heartbeat-interval", "10"),
                ("election-timeout", "100"),
            ];
            arguments.iter().flat_map(|(name, value)| [format!("--{name}"), (*value).to_owned()]).collect()
        })
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The result of a comparison with a peer whose name begins so.
fn compared(server: &Server, url: &str, name: &str, arguments: &[&str]) -> Value {
    let against = ["--against", url, "--rounds", "1", "--in-flight", "4", "--read-ratio", "0.9", "--check", "all"];
    let result = measured(server, &[&against, arguments].concat());
    sound(&result, result["mode"].as_str().unwrap());
    assert!(result["peer_name"].as_str().is_some_and(|peer| peer.starts_with(name)), "{result}");
    let peer = &result["results"]["peer"];
    assert!(peer["errors"] == 0 && peer["hits"].as_u64() > Some(0) && peer["writes"].as_u64() > Some(0), "{result}");
    result
}

/// What the peer still has of a run's keys, asked by one that fills nothing.
fn left(server: &Server, url: &str) -> Value {
    let arguments = ["bench", "--addr", url, "--no-fill", "-o", "json", "--prefix", "mine/"];
    finish(server.command(&[&arguments, &SHORT[..]].concat()), b"").json()["hits"].clone()
}

#[test]
fn memcached_is_driven_with_the_same_load() {
    let (server, memcached) = (Server::start(&[]), Peer::memcached());
    let url = format!("memcached://127.0.0.1:{}", memcached.port);
    compared(&server, &url, "memcached 1.", &["--prefix", "mine/"]);
    compared(&server, &url, "memcached 1.", &["--mode", "pipeline", "--prefix", "mine/", "--value-size", "1..90KiB"]);
    assert_eq!(left(&server, &url), 0);
}

#[test]
fn etcd_is_driven_with_the_same_load() {
    let (server, etcd) = (Server::start(&[]), Peer::etcd());
    let url = format!("etcd://127.0.0.1:{}", etcd.port);
    compared(&server, &url, "etcd 3.", &["--prefix", "mine/"]);
    assert_eq!(left(&server, &url), 0);
}
