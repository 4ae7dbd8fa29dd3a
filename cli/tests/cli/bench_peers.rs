//! Starts memcached and etcd for `hotplate bench --against`, on free ports, and ends them by their own ids. Both are Debian
//! packages that `cargo x setup` installs.

use std::{
    net::TcpStream,
    process::{Child, Command, Stdio},
};

use hotplate_redisctl::{Port, eventually};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    bench::{SMALL, both, measured_until, some, sound, until},
    run::{Server, finish},
};

/// A server of others; ended when dropped.
struct Peer {
    child: Child,
    port: Port,
    /// For its own kind.
    _other: Port,
    _folder: TempDir,
}

impl Peer {
    /// Starts a program with the arguments for this port, a second free one and this folder.
    fn start(program: &str, arguments: impl Fn(u16, u16, &str) -> Vec<String>) -> Self {
        let folder = TempDir::new().unwrap();
        let (port, other) = (Port::hold().unwrap(), Port::hold().unwrap());
        let mut command = Command::new(program);
        command.args(arguments(port.number(), other.number(), folder.path().to_str().unwrap()));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap_or_else(|error| panic!("{program}: {error}; run `cargo x setup`"));
        let mut peer = Self { child, port, _other: other, _folder: folder };
        eventually("it listens", || {
            assert!(peer.child.try_wait().unwrap().is_none(), "{program} does not start");
            TcpStream::connect(("127.0.0.1", peer.port.number())).is_ok()
        })
        .unwrap();
        peer
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

/// The result of a comparison with a peer whose name begins so.
fn compared(server: &Server, url: &str, name: &str, arguments: &[&str]) -> Value {
    let against = ["--against", url, "--rounds", "1", "--in-flight", "4", "--read-ratio", "0.9", "--check", "all"];
    let result = measured_until(server, &[&against, arguments].concat(), |result| both(&result["results"]["peer"]));
    sound(&result, result["mode"].as_str().unwrap());
    assert!(result["peer_name"].as_str().is_some_and(|peer| peer.starts_with(name)), "{result}");
    let peer = &result["results"]["peer"];
    assert_eq!(peer["errors"], 0, "{result}");
    result
}

/// What the peer still has of a run's keys, asked by one that fills nothing.
fn left(server: &Server, url: &str) -> Value {
    let run = |seconds: &str| {
        let arguments = ["bench", "--addr", url, "--no-fill", "-o", "json", "--prefix", "mine/", "--seconds", seconds];
        finish(server.command(&[&arguments, &SMALL[..]].concat()), b"")
    };
    until(run, some).json()["hits"].clone()
}

#[test]
fn memcached_is_driven_with_the_same_load() {
    let (server, memcached) = (Server::start(&[]), Peer::memcached());
    let url = format!("memcached://127.0.0.1:{}", memcached.port.number());
    compared(&server, &url, "memcached 1.", &["--prefix", "mine/"]);
    compared(&server, &url, "memcached 1.", &["--mode", "pipeline", "--prefix", "mine/", "--value-size", "1..90KiB"]);
    assert_eq!(left(&server, &url), 0);
}

#[test]
fn etcd_is_driven_with_the_same_load() {
    let (server, etcd) = (Server::start(&[]), Peer::etcd());
    let url = format!("etcd://127.0.0.1:{}", etcd.port.number());
    compared(&server, &url, "etcd 3.", &["--prefix", "mine/"]);
    assert_eq!(left(&server, &url), 0);
}
