//! Redis that restarts, fails over, stands still, moves slots and loses connections: what was acknowledged is kept or is seen
//! to be lost, and the tier comes back by itself.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::StreamExt;
use hotplate_engine::{
    clock::Clock,
    key::Key,
    position::LogId,
    tier::{
        TierError, TierErrorKind,
        shared::{Hint, SharedFill, SharedTier, Since, lineage},
    },
};
use hotplate_redisctl::{Cluster, Options, Sentinel, Server, slot_of};

use crate::harness::*;

/// After Redis takes writes again, so do tiers. It takes about half a second on a quiet machine, as `cargo x torture redis` tells; this
/// is to end where it would hang.
const BACK_WITHIN: Duration = Duration::from_secs(30);

/// Writes until it works; how long that took.
async fn back(tier: &dyn SharedTier, text: &str) -> Duration {
    let clock = Clock::system();
    let (begin, key) = (clock.now(), key(text));
    eventually("it is written again", || async { tier.raise(&[of_key(&key)], None).await.is_ok() }).await;
    clock.now().since(begin)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_turns_the_epoch_even_when_nothing_was_lost() {
    let mut server = Server::with(Options::default().persistent()).unwrap();
    let (tier, key) = (tier(&server.url()), key("restart"));
    let before = put(&*tier, &key, "kept").await;
    let began = stamp(&*tier, &key).await;
    server.restart().unwrap();
    eventually("it answers", || async { tier.ping().await.is_ok() }).await;
    let read = tier.read(&key, Some(before.position), None).await.unwrap();
    assert_ne!((read.now.run, read.now.position.epoch), (before.run, before.position.epoch));
    assert_eq!((read.now.position.number, &read.now.since), (before.position.number, &Since::Lost));
    assert_eq!(lineage(read.now.position), lineage(before.position), "it goes on with what was left");
    assert_eq!((before.began, read.now.began), (0, before.position.number));
    assert!(read.found.is_some(), "whether it is trusted is for the caller to say");
    assert!(matches!(tier.fill(&key, &kept("late"), began, None).await.unwrap(), SharedFill::TooLate(_)));
    let after = now(&*tier, key.log(), Some(read.now.position)).await;
    assert_eq!((after.run, fences(&after)), (read.now.run, vec![]), "it turns once");

    // Without having been asked in between, the first change says it.
    server.restart().unwrap();
    eventually("it answers", || async { tier.ping().await.is_ok() }).await;
    let raised = tier.raise(&[of_key(&key)], None).await.unwrap().remove(0);
    assert!(raised.position.epoch != after.position.epoch && raised.run != after.run);
    assert_eq!(raised.position.number, after.position.number + 1);
    assert_eq!(lineage(raised.position), lineage(before.position));
    assert_eq!(raised.began, before.position.number, "the lowest number at which one epoch followed another");
    server.command(&["FLUSHALL"]).unwrap();
    let fresh = now(&*tier, key.log(), None).await;
    assert_ne!(lineage(fresh.position), lineage(before.position), "nothing was left");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_still_is_given_up_and_found_again() {
    let mut server = Server::start().unwrap();
    let (tier, key) = (tier(&server.url()), key("still"));
    put(&*tier, &key, "x").await;
    server.pause().unwrap();
    let read = || tokio::time::timeout(Duration::from_millis(50), tier.read(&key, None, None));
    assert!(read().await.is_err(), "whoever asks decides how long to wait");
    eventually("the connection is given up", || async {
        matches!(read().await, Ok(Err(error)) if error.kind == TierErrorKind::Unreachable)
    })
    .await;
    server.resume().unwrap();
    eventually("it is found again", || async { matches!(read().await, Ok(Ok(read)) if read.found.is_some()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_cut_costs_no_call() {
    let server = Server::start().unwrap();
    let (tier, key) = (tier(&server.url()), key("cut"));
    put(&*tier, &key, "x").await;
    for _cut in 0..3 {
        server.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).unwrap();
        assert_eq!(value(&*tier, &key).await.as_deref(), Some("x"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_listens_is_told_that_something_was_lost() {
    let server = Server::start().unwrap();
    let (tier, key) = (tier(&server.url()), key("listener"));
    let mut hints = tier.hints();
    for _lost in 0..2 {
        assert_eq!(hints.next().await, Some(Hint::Lost));
    }
    put(&*tier, &key, "x").await;
    assert!(matches!(hints.next().await, Some(Hint::Raised { .. })));
    server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]).unwrap();
    assert_eq!(hints.next().await, Some(Hint::Lost), "at once");
    assert_eq!(hints.next().await, Some(Hint::Lost), "and when it listens again");
    put(&*tier, &key, "y").await;
    assert!(matches!(hints.next().await, Some(Hint::Raised { .. })));

    // Nobody takes what is told: there is a bound to what waits, and what is beyond it was lost. What waits is not told late.
    let tag = "t".repeat(120);
    let names: Vec<_> = (0..300).map(|n| of_tag(&format!("{tag}{n:03}"))).collect();
    // Who listens may be late: then the bound is not reached yet, and there is more.
    let mut told = 0;
    loop {
        for _change in 0..300 {
            tier.raise(&names, None).await.unwrap();
        }
        if hints.next().await == Some(Hint::Lost) {
            break;
        }
        told += 1;
        assert!(told < 20, "{told} told of {} that waited", 300 * told);
    }
    // Junk on the channel is nothing.
    assert_eq!(hints.next().await, Some(Hint::Lost));
    server.command(&["PUBLISH", "hp:hints", "junk"]).unwrap();
    let last = put(&*tier, &key, "z").await;
    assert!(matches!(hints.next().await, Some(Hint::Raised { position, .. }) if position == last.position));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_of_sentinels_is_followed_and_seen() {
    let mut group = Sentinel::start().unwrap();
    let (tier, key) = (tier(&group.url()), key("failover"));
    let before = put(&*tier, &key, "x").await;
    let mut hints = tier.hints();
    for _lost in 0..2 {
        assert_eq!(hints.next().await, Some(Hint::Lost));
    }

    let old = group.master().unwrap();
    group.servers[old].kill();
    group.another_master(old).unwrap();
    let took = back(&*tier, "failover back").await;
    assert!(took < BACK_WITHIN, "{took:?} after the new master is one");
    let after = now(&*tier, key.log(), Some(before.position)).await;
    assert!(after.run != before.run && after.position.epoch != before.position.epoch && after.since == Since::Lost);
    assert_eq!(hints.next().await, Some(Hint::Lost));
    assert_eq!(hints.next().await, Some(Hint::Lost));
    tier.raise(&[of_key(&key)], None).await.unwrap();
    assert!(matches!(hints.next().await, Some(Hint::Raised { .. })));

    // Back to the first one, while both run: its process is the same as before, its promotion is not.
    group.servers[old].restart().unwrap();
    let before = put(&*tier, &key, "y").await;
    eventually("the old master follows", || async {
        group.servers[old].info("replication", "master_link_status").is_ok_and(|status| status == "up")
    })
    .await;
    group.failover().unwrap();
    // The second one takes writes until the Sentinels have told it: what it acknowledges meanwhile is lost with it.
    eventually("the third one is asked", || async {
        let after = tier.poll(&[(key.log(), Some(before.position))]).await;
        after.is_ok_and(|after| after[0].run != before.run && after[0].since == Since::Lost)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_that_nothing_was_written_under_is_seen() {
    // To a replica and back, as a partition does it: the process of the last change is the master again.
    let (one, two) = (Server::start().unwrap(), Server::start().unwrap());
    let (tier, key) = (tier(&one.url()), key("promotion"));
    let before = put(&*tier, &key, "x").await;
    two.command(&["REPLICAOF", "127.0.0.1", &one.port().to_string()]).unwrap();
    let up = |server: &Server| server.info("replication", "master_link_status").is_ok_and(|status| status == "up");
    hotplate_redisctl::eventually("it follows", || up(&two)).unwrap();
    two.command(&["REPLICAOF", "NO", "ONE"]).unwrap();
    one.command(&["REPLICAOF", "127.0.0.1", &two.port().to_string()]).unwrap();
    hotplate_redisctl::eventually("it follows", || up(&one)).unwrap();
    one.command(&["REPLICAOF", "NO", "ONE"]).unwrap();
    back(&*tier, "promotion back").await;
    let after = now(&*tier, key.log(), Some(before.position)).await;
    assert!(after.run != before.run && after.since == Since::Lost, "{after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_loses_and_changes_masters_is_followed_and_seen() {
    let mut cluster = Cluster::start().unwrap();
    let (tier, key) = (tier(&cluster.url()), key("node"));
    let slot = slot_of(&format!("{{{}}}", key.log().number()));
    let before = put(&*tier, &key, "x").await;
    cluster.failover(slot).unwrap();
    let took = back(&*tier, "node").await;
    assert!(took < BACK_WITHIN, "{took:?}");
    let after = now(&*tier, key.log(), Some(before.position)).await;
    assert!(after.run != before.run && after.since == Since::Lost);

    let before = put(&*tier, &key, "y").await;
    let old = cluster.master_of(slot).unwrap();
    cluster.nodes[old].kill();
    cluster.another_master(slot, old).unwrap();
    let took = back(&*tier, "node").await;
    assert!(took < BACK_WITHIN, "{took:?}");
    let logs: Vec<_> = (0..65).map(|n| (LogId::from_number(n).unwrap(), None)).collect();
    // Each node hears for itself that the cluster is whole again, and serves nothing before.
    eventually("all logs have a node", || async { tier.poll(&logs).await.is_ok_and(|logs| logs.len() == 65) }).await;
    let after = now(&*tier, key.log(), Some(before.position)).await;
    assert!(after.run != before.run && after.since == Since::Lost);
}

/// Writes and reads for as long as it is let.
struct Load {
    one: Arc<dyn SharedTier>,
    other: Arc<dyn SharedTier>,
    keys: Vec<Key>,
    stop: AtomicBool,
    done: AtomicU64,
}

impl Load {
    /// How many calls were refused, which they are while a slot is between two nodes.
    async fn run(&self) -> u64 {
        let mut refused = 0;
        let mut round = 0;
        while !self.stop.load(Ordering::Relaxed) {
            match self.step(round).await {
                Ok(()) => drop(self.done.fetch_add(1, Ordering::Relaxed)),
                Err(error) => {
                    assert_eq!(error.kind, TierErrorKind::Away, "{error}");
                    refused += 1;
                }
            }
            round += 1;
        }
        refused
    }

    async fn step(&self, round: usize) -> Result<(), TierError> {
        let (key, entry) = (&self.keys[round % self.keys.len()], kept(&round.to_string()));
        let selector = self.one.poll(&[(LogId::SELECTOR, None)]).await?[0].position;
        self.one.write(key, &entry, selector, None).await?;
        let found = self.other.read(key, None, None).await?.found.expect("what was acknowledged is there");
        assert_eq!(found.kept.payload, entry.payload);
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_moves_under_load_and_nothing_is_lost_or_stale() {
    let cluster = Cluster::start().unwrap();
    let log = key("moves").log();
    let keys = (0..).map(|n| key(&format!("moves {n}"))).filter(|key| key.log() == log).take(8).collect();
    let slot = slot_of(&format!("{{{}}}", log.number()));
    let (one, other) = (tier(&cluster.url()), tier(&cluster.url()));
    let load = Load { one, other, keys, stop: AtomicBool::new(false), done: AtomicU64::new(0) };
    let load = Arc::new(load);
    let running = Arc::clone(&load);
    let mut runs = tokio::task::JoinSet::new();
    runs.spawn(async move { running.run().await });
    let done = || load.done.load(Ordering::Relaxed);
    eventually("there is load", || async { done() > 20 }).await;
    for _round in 0..2 {
        let from = cluster.master_of(slot).unwrap();
        let to = (0..3).find(|at| *at != from).unwrap();
        cluster.begin_migration(slot, to).unwrap();
        // For a while it is between the two.
        tokio::time::sleep(Duration::from_millis(100)).await;
        cluster.finish_migration(slot, to).unwrap();
        let before = done();
        eventually("it goes on", || async { done() > before + 50 }).await;
    }
    load.stop.store(true, Ordering::Relaxed);
    let refused = runs.join_next().await.unwrap().unwrap();
    assert!(refused < 100, "{refused}");
}
