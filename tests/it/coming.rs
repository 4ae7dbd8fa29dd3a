//! Requests that do not come whole, and answers that nobody takes: what they hold is counted, bounded for each caller, and given
//! back in time.

use std::time::Duration;

use hotplate_daemon::access::Role;
use hotplate_proto::v1;
use tonic::Code;

use crate::{
    harness::{Local, grant, metric, with_token},
    raw::{Raw, RawCall},
    wire::*,
};

const REQUESTS: &str = "hotplate_ledger_bytes{use=\"requests\"}";
const PUT: &str = "hotplate.v1.CacheService/Put";
const WRITE: &str = "hotplate.v1.BlobService/WriteValue";
const PIPELINE: &str = "hotplate.v1.CacheService/Pipeline";

/// Begins a message of so many bytes at this path, and sends the first of them: a field that is longer than what comes.
async fn half(raw: &mut Raw, path: &str, token: &str, length: u32) -> RawCall {
    let bearer = format!("Bearer {token}");
    let mut call = raw.open_at(path, &[("authorization", &bearer)]).await;
    let begin = [&[0][..], &length.to_be_bytes(), &[0x0a, 0xe8, 7], &[b'a'; 100]].concat();
    call.body.send_data(begin.into(), false).unwrap();
    call
}

#[tokio::test]
async fn half_sent_requests_have_room_in_the_ledger_and_give_it_back() {
    // Long enough to see that each has its room, at once not to wait for each.
    let server = Local::with(|settings| settings.limits.read_stall = Duration::from_secs(8)).await;
    let held = || metric(server.http, REQUESTS);
    let (mut calls, mut all) = (Vec::new(), 0);
    for path in [PUT, WRITE, PIPELINE] {
        let mut raw = Raw::connect(server.grpc).await;
        calls.push((half(&mut raw, path, "", 500 << 10).await, raw));
        let room = until(&format!("{path} has room"), held, |held| *held > all).await;
        all += 500 << 10;
        assert_eq!(room, all, "{path}");
    }
    for (call, _connection) in calls {
        Failure::of(&call.status().await).is(Code::ResourceExhausted, "OVERLOADED");
    }
    until("their room is given back", held, |held| *held == 0).await;
}

#[tokio::test]
async fn one_caller_leaves_room_for_others_and_small_messages_always_pass() {
    let (mut greedy, mut other) = (String::new(), String::new());
    let server = Local::with(|settings| {
        settings.ledger.requests_bytes_max = 1 << 20;
        settings.limits.read_stall = Duration::from_secs(600);
        greedy = grant(&mut settings.access, Role::Writer, &["team/a"]);
        other = grant(&mut settings.access, Role::Writer, &["team/b"]);
    })
    .await;
    let (mut calls, mut connections) = (Vec::new(), Vec::new());
    for path in [WRITE, PUT, PIPELINE] {
        let mut raw = Raw::connect(server.grpc).await;
        for _ in 0..20 {
            calls.push(half(&mut raw, path, &greedy, 400 << 10).await);
        }
        calls.push(half(&mut raw, path, &greedy, 60 << 10).await);
        connections.push(raw);
    }
    let held = || metric(server.http, REQUESTS);
    until("much is held", held, |held| *held >= 400 << 10).await;
    assert!(held().await <= 512 << 10, "one caller holds half at most");
    let mut client = server.client().await;
    let of =
        |namespace: &str, bytes: usize| v1::PutRequest { namespace: namespace.to_owned(), ..put("k", vec![1; bytes]) };
    client.put(with_token(of("team/b", 300_000), &other)).await.expect("another caller has room");
    client.put(with_token(of("team/a", 3_000), &greedy)).await.expect("small messages need none");
    drop((calls, connections));
}

#[tokio::test]
async fn who_may_write_nowhere_is_told_so_before_anything_comes() {
    let mut reader = String::new();
    let server = Local::with(|settings| {
        settings.limits.deadline_max = Duration::from_secs(600);
        reader = grant(&mut settings.access, Role::Reader, &["team/a"]);
    })
    .await;
    let mut raw = Raw::connect(server.grpc).await;
    for path in [PUT, WRITE, "hotplate.v1.CacheService/BatchPut"] {
        let call = half(&mut raw, path, &reader, 500 << 10).await;
        Failure::of(&call.status().await).is(Code::PermissionDenied, "PERMISSION_DENIED");
    }
}

#[tokio::test]
async fn who_shows_no_token_can_begin_nothing_large() {
    let server = Local::with(|settings| drop(grant(&mut settings.access, Role::Reader, &["*"]))).await;
    let mut raw = Raw::connect(server.grpc).await;
    for path in ["grpc.health.v1.Health/Check", "grpc.reflection.v1.ServerReflection/ServerReflectionInfo"] {
        let call = half(&mut raw, path, "", 5 << 10).await;
        assert!(call.status().await.code() != Code::Ok, "{path}");
    }
    let call = half(&mut raw, PUT, "hp_wrong", 500 << 10).await;
    assert_eq!(call.status().await.code(), Code::Unauthenticated);
}

#[tokio::test]
async fn calls_whose_answer_nobody_takes_give_their_place_back() {
    let server = Local::with(|settings| {
        settings.limits.calls_max = 2;
        // Long enough to see that the places are taken.
        settings.limits.read_stall = Duration::from_secs(8);
    })
    .await;
    let mut client = server.client().await;
    client.store(put("k", vec![7; 50_000])).await;
    let mut raw = Raw::silent(server.grpc).await;
    let mut one = raw.open("Get", &[]).await;
    one.finish(&get("k"));
    let mut two = raw.open("ListEntries", &[]).await;
    two.finish(&v1::ListEntriesRequest::default());
    // Who asks may not take the place of one of them.
    raw.looked_at().await;
    let ask = || {
        let mut client = client.clone();
        async move { client.get(get("k")).await.map_err(|status| Failure::of(&status).reason) }
    };
    let refused = until("both places are taken", ask, Result::is_err).await.unwrap_err();
    assert_eq!(refused, "OVERLOADED");
    until("they are free again", ask, Result::is_ok).await.unwrap();
}
