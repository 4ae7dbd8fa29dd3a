//! The way out: SIGTERM under load ends the process in order and in time, whatever peers do.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hotplate_proto::v1::{self, watch_response::Message};
use tokio::{net::TcpStream, task::JoinSet};
use tonic::Code;

use crate::{
    follower::Follower,
    harness::{Server, Setup, client},
    raw::Raw,
    wire::*,
};

const CONFIG: &str = "shutdown.drain_delay = \"200ms\"\nshutdown.deadline = \"8s\"\n";

fn patient() -> Duration {
    Duration::from_secs(24)
}

/// Puts until a call fails; none may that began before the server was asked to end. Answers how many were served.
async fn put_until_refused(mut client: Client, worker: u32, asked_to_end: Arc<AtomicBool>) -> u32 {
    let mut served = 0_u32;
    loop {
        let before = !asked_to_end.load(Ordering::SeqCst);
        let key = format!("{worker}:{}", served % 50);
        let Err(status) = client.put(put(&key, vec![7; 2000])).await else {
            served += 1;
            continue;
        };
        assert!(!before, "a call that began before the signal failed: {status:?}");
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        return served;
    }
}

#[tokio::test]
async fn under_load_no_call_fails_that_began_before_and_the_end_is_in_time() {
    // The delay is longer than a call may be on its way from a client that a busy machine holds up.
    let config = "shutdown.drain_delay = \"4s\"\nshutdown.deadline = \"12s\"\n";
    let mut server = Setup::default().config(config).spawn();
    let silent = TcpStream::connect(server.grpc).await.unwrap();
    let mut stuck_client = server.client().await;
    let stuck = stuck_client.watch(watch(vec![])).await.unwrap().into_inner();
    let asked_to_end = Arc::new(AtomicBool::new(false));
    let mut load = JoinSet::new();
    for worker in 0..4 {
        load.spawn(put_until_refused(server.client().await, worker, Arc::clone(&asked_to_end)));
    }
    let mut counting = server.client().await;
    let puts = || {
        let mut counting = counting.clone();
        async move { counting.count("").await.total.unwrap().puts }
    };
    until("load", puts, |puts| *puts >= 200).await;
    counting.store(put("last", "v")).await;
    asked_to_end.store(true, Ordering::SeqCst);
    server.terminate();
    let served = within("the end of the load", load.join_all()).await;
    assert!(served.iter().all(|served| *served > 0), "{served:?}");
    let status = server.ended(patient()).expect("the process ends within its deadline");
    assert_eq!(status.code(), Some(0), "{}", server.errors());
    drop((silent, stuck));
}

#[tokio::test]
async fn a_watch_ends_with_a_word_and_a_token() {
    let mut server = Setup::default().config(CONFIG).spawn();
    let mut client = server.client().await;
    let mut follower = Follower::open(&mut client, watch(vec![])).await;
    client.store(put("k", "v")).await;
    follower.events(1).await;
    server.terminate();
    follower.end().await.unwrap_or_else(|status| assert_eq!(status.code(), Code::Unavailable, "{status:?}"));
    let last = follower.seen.last().unwrap();
    assert!(
        matches!(last.message, Some(Message::Progress(v1::WatchProgress { closing: true, .. }))),
        "the last word is a Progress that says so: {last:?}"
    );
    assert!(!last.resume_token.is_empty());
    assert_eq!(server.ended(patient()).expect("in time").code(), Some(0));
}

#[tokio::test]
async fn connections_are_told_to_go_and_calls_in_flight_are_finished() {
    let mut server = Setup::default().config(CONFIG).spawn();
    let mut raw = Raw::connect(server.grpc).await;
    let mut call = raw.open("Put", &[]).await;
    let mut told = Raw::connect(server.grpc).await;
    let mut quick = told.open("Get", &[]).await;
    quick.finish(&get("k"));
    assert_eq!(quick.status().await.code(), Code::Ok);
    server.terminate();
    let ended = told.ended(patient()).await.expect("an idle connection is closed");
    assert!(ended.is_ok(), "{ended:?}");
    call.finish(&put("k", "v"));
    assert_eq!(call.status().await.code(), Code::Ok, "a call that was open is still served");
    drop(raw);
    assert_eq!(server.ended(patient()).expect("in time").code(), Some(0));
}

#[tokio::test]
async fn a_call_that_never_ends_does_not_hold_the_process() {
    let mut server = Setup::default().config("shutdown.drain_delay = \"0s\"\nshutdown.deadline = \"1s\"\n").spawn();
    let mut raw = Raw::connect(server.grpc).await;
    let _call = raw.open("Put", &[]).await;
    server.terminate();
    // Less than the deadline of a server that is told nothing.
    let ended = server.ended(Duration::from_secs(8));
    assert_eq!(ended.expect("in time").code(), Some(0), "{}", server.errors());
}

#[tokio::test]
async fn nothing_new_is_accepted_afterwards() {
    let mut server: Server = Setup::default().config(CONFIG).spawn();
    let address = server.grpc;
    client(address).await.store(put("k", "v")).await;
    server.terminate();
    assert_eq!(server.ended(patient()).expect("in time").code(), Some(0));
    assert!(TcpStream::connect(address).await.is_err());
}
