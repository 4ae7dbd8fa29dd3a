//! What a look at the logs is worth: it fails where the server may not be the one that counts any more, and what hangs
//! is noticed and holds up nothing else.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hotplate_engine::{
    clock::Clock,
    position::LogId,
    tier::{
        TierErrorKind,
        shared::{LogNow, SharedTier},
    },
};
use hotplate_redisctl::{Cluster, Sentinel, Server, slot_of};
use hotplate_tiers::guard::{GuardOptions, Guarded};
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
    assert!(tokio::time::timeout(Duration::from_secs(60), hung).await.is_ok(), "it hangs");
    // None waits for a connection that nothing comes back on.
    eventually("many in a row are answered", || async {
        let reads = futures::future::join_all((0..4 * connections).map(|_| read())).await;
        reads.iter().all(|read| matches!(read, Ok(Ok(_))))
    })
    .await;
    assert!(between.accepted.load(Ordering::Relaxed) > connections);
}

fn each_log() -> Vec<(LogId, Option<hotplate_engine::position::Position>)> {
    (0..65).map(|number| (LogId::from_number(number).unwrap(), None)).collect()
}

/// Whether all logs but those of one slot's node were told of.
fn told_of_others(nows: &[LogNow], missing: LogId) -> bool {
    nows.len() > 20 && nows.len() < 65 && nows.iter().all(|now| now.log != missing)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_a_cluster_that_hangs_or_is_away_holds_up_no_other() {
    let mut cluster = Cluster::start().unwrap();
    for node in &cluster.nodes {
        node.config_set("cluster-require-full-coverage", "no").unwrap();
    }
    let bare = tier(&cluster.url());
    let tier: Arc<dyn SharedTier> =
        Guarded::shared(bare, GuardOptions::shared(Duration::from_millis(100)), Clock::system());
    let logs = each_log();
    let missing = key("shard").log();
    let slot = slot_of(&format!("{{{}}}", missing.number()));
    let all = || async { tier.poll(&logs).await.is_ok_and(|nows| nows.len() == 65) };
    eventually("all are told of", all).await;
    // Nobody is left to take its place.
    let first = cluster.master_of(slot).unwrap();
    cluster.nodes[first].kill();
    let node = cluster.another_master(slot, first).unwrap();
    eventually("all are told of by another master", all).await;

    for hangs in [true, false] {
        if hangs {
            cluster.nodes[node].pause().unwrap();
        } else {
            cluster.nodes[node].kill();
        }
        let others = || async { tier.poll(&logs).await.is_ok_and(|nows| told_of_others(&nows, missing)) };
        eventually("the others are told of", others).await;
        let mut right = 0;
        for _look in 0..10 {
            right += usize::from(others().await);
        }
        assert!(right >= 5, "{right} of 10, and hangs: {hangs}");
        assert!(tier.poll(&[(missing, None)]).await.is_err(), "of nothing that was asked for");
        if hangs {
            cluster.nodes[node].resume().unwrap();
        } else {
            cluster.nodes[node].restart().unwrap();
        }
        eventually("all are told of again", all).await;
    }
}
