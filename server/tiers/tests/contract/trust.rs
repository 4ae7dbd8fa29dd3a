//! What a look at the logs is worth: it fails where the server may not be the one that counts any more, and one
//! connection that hangs among others is noticed.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hotplate_engine::{
    position::LogId,
    tier::{TierErrorKind, shared::SharedTier},
};
use hotplate_redisctl::{Sentinel, Server};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinSet,
};

use crate::harness::*;

fn follows(server: &Server, master: &Server) {
    server.command(&["REPLICAOF", "127.0.0.1", &master.port().to_string()]).unwrap();
    let up = || server.info("replication", "master_link_status").is_ok_and(|status| status == "up");
    hotplate_redisctl::eventually("it follows", up).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_no_master_any_more_is_not_believed() {
    let (one, two) = (Server::start().unwrap(), Server::start().unwrap());
    let (behind, key) = (tier(&one.url()), key("demoted"));
    let before = put(&*behind, &key, "x").await;
    follows(&two, &one);
    two.command(&["REPLICAOF", "NO", "ONE"]).unwrap();
    put(&*tier(&two.url()), &key, "y").await;
    // Its connections stay open, and its logs were written by the master that it says it has the history of.
    follows(&one, &two);
    let error = behind.poll(&[(key.log(), Some(before.position))]).await.unwrap_err();
    assert_eq!(error.kind, TierErrorKind::Refused, "{error}");
    assert!(error.message.contains("replica"), "{error}");
    assert!(behind.read(&key, None, None).await.is_err(), "nothing is read from it either");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_takes_no_writes_is_not_believed_and_a_full_one_is() {
    let server = Server::start().unwrap();
    let (tier, key) = (tier(&server.url()), key("no writes"));
    put(&*tier, &key, "x").await;
    let logs = [key.log(), LogId::SELECTOR];
    for memory in ["0", "1"] {
        server.config_set("maxmemory", memory).unwrap();
        server.config_set("min-replicas-to-write", "1").unwrap();
        for log in logs {
            let error = tier.poll(&[(log, None)]).await.unwrap_err();
            assert_eq!(error.kind, TierErrorKind::Away, "{error}");
            assert!(error.message.contains("min-replicas-to-write"), "{error}");
        }
        server.config_set("min-replicas-to-write", "0").unwrap();
        for log in logs {
            now(&*tier, log, None).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_no_sentinel_speaks_for_is_not_believed_for_long() {
    let mut group = Sentinel::start().unwrap();
    let (tier, key) = (tier(&group.url()), key("unspoken"));
    put(&*tier, &key, "x").await;
    let polled = || async { tier.poll(&[(key.log(), None)]).await };
    for sentinel in &mut group.sentinels {
        sentinel.pause().unwrap();
    }
    eventually("it is not believed", || async {
        polled().await.is_err_and(|error| error.kind == TierErrorKind::Away && error.message.contains("Sentinel"))
    })
    .await;
    assert_eq!(value(&*tier, &key).await.as_deref(), Some("x"), "it is used all the same");
    group.sentinels[0].resume().unwrap();
    eventually("one of them is enough", || async { polled().await.is_ok() }).await;
    for sentinel in &mut group.sentinels[1..] {
        sentinel.resume().unwrap();
    }
}

/// Between a tier and a server: the second connection that was made to it can be made to hang.
struct Hanging {
    address: SocketAddr,
    hang: Arc<Notify>,
    accepted: Arc<AtomicUsize>,
    _connections: JoinSet<()>,
}

impl Hanging {
    async fn before(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, to) = (listener.local_addr().unwrap(), server.address());
        let (hang, accepted) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
        let mut connections = JoinSet::new();
        connections.spawn(accept(listener, to, (Arc::clone(&hang), Arc::clone(&accepted))));
        Self { address, hang, accepted, _connections: connections }
    }
}

async fn accept(listener: TcpListener, to: String, (hang, accepted): (Arc<Notify>, Arc<AtomicUsize>)) {
    let mut connections = JoinSet::new();
    while let Ok((here, _)) = listener.accept().await {
        let second = accepted.fetch_add(1, Ordering::Relaxed) == 1;
        connections.spawn(pass(here, to.clone(), second.then(|| Arc::clone(&hang))));
    }
}

async fn pass(mut here: TcpStream, to: String, hang: Option<Arc<Notify>>) {
    let mut there = TcpStream::connect(to).await.unwrap();
    let passed = copy_bidirectional(&mut here, &mut there);
    let Some(hang) = hang else { return drop(passed.await) };
    tokio::select! { _ended = passed => {}, () = hang.notified() => std::future::pending().await }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_that_hangs_among_others_is_noticed() {
    let server = Server::start().unwrap();
    let between = Hanging::before(&server).await;
    let (tier, key) = (tier(&format!("redis://{}", between.address)), key("one of four"));
    put(&*tier, &key, "x").await;
    let connections = between.accepted.load(Ordering::Relaxed);
    assert!(connections > 1, "{connections}");
    between.hang.notify_one();
    let read = || tokio::time::timeout(Duration::from_millis(100), tier.read(&key, None, None));
    // Until it hangs, some answer as well.
    let hung = async { while read().await.is_ok() {} };
    assert!(tokio::time::timeout(Duration::from_secs(10), hung).await.is_ok(), "it hangs");
    // None waits for a connection that nothing comes back on.
    eventually("many in a row are answered", || async {
        let reads = futures::future::join_all((0..4 * connections).map(|_| read())).await;
        reads.iter().all(|read| matches!(read, Ok(Ok(_))))
    })
    .await;
    assert!(between.accepted.load(Ordering::Relaxed) > connections);
}
