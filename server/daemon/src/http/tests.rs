//! Tests of the HTTP port over real sockets: probes, metrics, hints, bounds, and its end.

use std::{net::SocketAddr, sync::atomic::Ordering, time::Duration};

use hotplate_engine::{clock::Clock, namespace::EngineConfig, origin::Origins};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::config::{HttpSettings, Settings};

const PATIENCE: Duration = Duration::from_secs(20);

struct Server {
    address: SocketAddr,
    state: HttpState,
    stop: CancellationToken,
    task: JoinSet<()>,
}

async fn server(settings: HttpSettings) -> Server {
    let clock = Clock::system();
    let telemetry = Telemetry::detached(clock.clone());
    let observer: Arc<Telemetry> = Arc::clone(&telemetry);
    let cache = Cache::new(EngineConfig::default(), clock, observer, Origins::new()).unwrap();
    let state = HttpState { ready: Arc::new(AtomicBool::new(true)), cache, telemetry, access: "none" };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let mut task = JoinSet::new();
    task.spawn(serve(listener, state.clone(), settings, stop.clone()));
    Server { address, state, stop, task }
}

/// Sends a request as it is and returns all that comes back until the peer closes.
async fn exchange(address: SocketAddr, request: &str) -> String {
    timeout(PATIENCE, exchange_patiently(address, request)).await.unwrap()
}

async fn exchange_patiently(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let answer = exchange(address, &format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[tokio::test]
async fn probes_tell_alive_and_ready_apart() {
    let server = server(Settings::default().http).await;
    assert_eq!(get(server.address, "/livez").await, (200, "ok\n".to_owned()));
    assert_eq!(get(server.address, "/readyz").await, (200, "ready\n".to_owned()));
    server.state.ready.store(false, Ordering::Release);
    assert_eq!(get(server.address, "/livez").await.0, 200);
    assert_eq!(get(server.address, "/readyz").await, (503, "not ready\n".to_owned()));
    let (code, body) = get(server.address, "/readyz?verbose").await;
    let verbose: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((code, verbose["status"].as_str()), (503, Some("not ready")));
    let (code, body) = get(server.address, "/healthz").await;
    let health: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(code, 200);
    assert_eq!(health["access"], "none");
    assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(health["entries"], 0);
}

#[tokio::test]
async fn metrics_are_open_metrics_of_the_engine() {
    let server = server(Settings::default().http).await;
    let (code, body) = get(server.address, "/metrics").await;
    assert_eq!(code, 200);
    assert!(body.ends_with("# EOF\n"), "{body}");
    for line in ["hotplate_server_entries_max 1000000", "hotplate_connections 0", "hotplate_watches 0"] {
        assert!(body.contains(&format!("\n{line}\n")), "{line} in\n{body}");
    }
}

#[tokio::test]
async fn whoever_is_lost_gets_a_hint() {
    let server = server(Settings::default().http).await;
    let (code, body) = get(server.address, "/v1/entries").await;
    assert!(code == 404 && body.contains("/metrics") && body.contains("gRPC"), "{code} {body}");
    let posted = exchange(server.address, "POST /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(posted.starts_with("HTTP/1.1 405") && posted.ends_with("Use GET or HEAD.\n"), "{posted}");
}

#[tokio::test]
async fn a_peer_that_never_asks_is_let_go() {
    let settings = HttpSettings { header_timeout: Duration::from_millis(50), ..Settings::default().http };
    let server = server(settings).await;
    let answer = exchange(server.address, "GET /livez HTTP/1.1\r\nho").await;
    assert!(!answer.contains("200 OK"), "{answer}");
}

#[tokio::test]
async fn no_connection_lives_for_ever() {
    let settings = HttpSettings { header_timeout: Duration::from_secs(600), ..Settings::default().http };
    let server = server(settings).await;
    let clock = Clock::system();
    let start = clock.now();
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    // From here on nothing is left to do but to wait.
    tokio::time::pause();
    stream.read_to_end(&mut Vec::new()).await.unwrap();
    let lived = clock.now().since(start);
    assert!(lived >= Duration::from_secs(299) && lived < Duration::from_secs(400), "{lived:?}");
}

#[tokio::test]
async fn connections_above_the_bound_wait_for_room() {
    let settings = HttpSettings { connections_max: 1, ..Settings::default().http };
    let server = server(settings).await;
    let mut first = TcpStream::connect(server.address).await.unwrap();
    first.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut head = [0; 12];
    first.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    let mut second = TcpStream::connect(server.address).await.unwrap();
    second.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut waiting = [0; 12];
    assert!(timeout(Duration::from_millis(100), second.read_exact(&mut waiting)).await.is_err(), "no room yet");
    drop(first);
    timeout(PATIENCE, second.read_exact(&mut waiting)).await.unwrap().unwrap();
    assert_eq!(&waiting, b"HTTP/1.1 200");
}

#[tokio::test]
async fn no_peer_holds_up_the_end() {
    let mut server = server(Settings::default().http).await;
    let mut half = TcpStream::connect(server.address).await.unwrap();
    half.write_all(b"GET /livez HTTP/1.1\r\nho").await.unwrap();
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    idle.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut head = [0; 12];
    idle.read_exact(&mut head).await.unwrap();
    server.stop.cancel();
    timeout(PATIENCE, server.task.join_next()).await.unwrap().unwrap().unwrap();
    assert!(TcpStream::connect(server.address).await.is_err(), "the port is closed");
}
