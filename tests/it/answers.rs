//! Answers whose readers take little or nothing of them: what they hold is counted and bounded, and given back in time.

use std::time::Duration;

use hotplate_proto::v1;
use tonic::Code;

use crate::{
    blob_readers::Stalled,
    harness::{Local, metric},
    raw::{Raw, RawCall, framed},
    wire::*,
};

const MIB: u64 = 1 << 20;
const SENDING: &str = "hotplate_ledger_bytes{use=\"sending\"}";
const STALL: Duration = Duration::from_secs(30);

/// A server whose time stands still, with values of 1 MiB under `k` and of this many bytes under `small`.
async fn server(small: usize) -> Local {
    let server = Local::with(|settings| {
        settings.limits.calls_max = 2000;
        settings.limits.read_stall = STALL;
    })
    .await;
    let mut client = server.client().await;
    client.store(put("k", vec![7; 1 << 20])).await;
    client.store(put("small", vec![7; small])).await;
    server
}

/// Sends a request of which not all is here when it is looked at: it goes the general way.
async fn finish_in_parts(raw: &mut Raw, call: &mut RawCall, request: &v1::BatchGetRequest) {
    let (begin, rest) = (framed(request).slice(..7), framed(request).slice(7..));
    call.body.send_data(begin, false).unwrap();
    raw.looked_at().await;
    call.body.send_data(rest, true).unwrap();
}

/// Asks for a key so many times in each way there is, over a connection with these windows, and reads nothing.
async fn ask(server: &Local, window: u32, count: usize) -> (Raw, Vec<RawCall>) {
    let (mut raw, mut calls) = (Raw::narrow(server.grpc, window).await, Vec::new());
    let batch = v1::BatchGetRequest { items: vec![get("k")], ..Default::default() };
    for _ in 0..count {
        let mut one = raw.open("Get", &[]).await;
        one.finish(&get("k"));
        let mut many = raw.open("BatchGet", &[]).await;
        many.finish(&batch);
        let mut general = raw.open("BatchGet", &[]).await;
        finish_in_parts(&mut raw, &mut general, &batch).await;
        calls.extend([one, many, general]);
    }
    (raw, calls)
}

#[tokio::test]
async fn large_answers_that_nobody_takes_are_in_the_ledger_and_end() {
    for window in [0, 1 << 10, 64 << 10] {
        let server = server(100).await;
        let (raw, calls) = ask(&server, window, 10).await;
        let mut readers = Stalled::of(calls, window, vec![raw]);
        let held = || metric(server.http, SENDING);
        let bytes = until("all of them are held", held, |held| *held >= 30 * MIB).await;
        assert!(bytes <= 32 * MIB, "{bytes}");
        until("none takes any more", async || readers.full(), |full| *full == 30).await;
        assert_eq!(server.client().await.value("k").await.unwrap().len(), 1 << 20, "who reads is served");
        server.advance(STALL);
        until("it is given back", held, |held| *held == 0).await;
        readers.until_open(0).await;
        assert_eq!(readers.full(), 30, "window {window}");
    }
}

#[tokio::test]
async fn small_answers_that_nobody_takes_are_few_or_in_the_ledger() {
    let server = server(50_000).await;
    let (mut raw, mut calls) = (Raw::narrow(server.grpc, 1 << 10).await, Vec::new());
    for _ in 0..100 {
        let mut call = raw.open("Get", &[]).await;
        call.finish(&get("small"));
        calls.push(call);
    }
    let mut answers = Vec::new();
    for call in calls {
        answers.push(within("its begin", call.begun()).await);
    }
    let held = || metric(server.http, SENDING);
    // All but 1 MiB for the connection, and what is its own.
    until("they are held", held, |held| *held >= 75 * 50_000).await;
    assert!(held().await <= 100 * 50_000);
    server.advance(STALL);
    until("it is given back", held, |held| *held == 0).await;
    let (mut ended, mut whole) = (0, 0);
    for answer in answers {
        match within("its end", answer.cut(true, drop)).await {
            (1024, Some(h2::Reason::CANCEL)) => ended += 1,
            (bytes, None) if bytes > 50_000 => whole += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(ended >= 75 && whole <= 25, "{ended} are ended, {whole} were left to the connection");
}

#[tokio::test]
async fn what_nobody_takes_of_a_stream_that_is_over_ends_as_well() {
    let server = server(100).await;
    let mut raw = Raw::narrow(server.grpc, 64 << 10).await;
    let mut call = raw.open("Pipeline", &[]).await;
    let operation = Some(v1::pipeline_operation::Operation::Get(get("k")));
    let operations = vec![v1::PipelineOperation { call_id: 1, operation, ..Default::default() }];
    call.finish(&v1::PipelineRequest { operations, ..Default::default() });
    let held = || metric(server.http, SENDING);
    let mut reader = Stalled::of(vec![call], 64 << 10, vec![raw]);
    until("its answer is held", held, |held| *held >= MIB).await;
    until("it takes no more", async || reader.full(), |full| *full == 1).await;
    server.advance(STALL);
    until("it is given back", held, |held| *held == 0).await;
    reader.until_open(0).await;
    assert_eq!(reader.full(), 1);
}

/// A Get of a stale value, which comes with its lease.
fn stale(key: &str) -> v1::GetRequest {
    v1::GetRequest { stale_policy: v1::StalePolicy::WhileRevalidate.into(), ..lease(key) }
}

/// Asks for a stale key over this connection, at once or on the general way.
async fn ask_stale(raw: &mut Raw, key: &str, general: bool, timeout: &str) -> RawCall {
    let rpc = if general { "BatchGet" } else { "Get" };
    let mut call = raw.open(rpc, &[("grpc-timeout", timeout)]).await;
    if general {
        finish_in_parts(raw, &mut call, &v1::BatchGetRequest { items: vec![stale(key)], ..Default::default() }).await;
    } else {
        call.finish(&stale(key));
    }
    call
}

#[tokio::test]
async fn leases_are_given_back_when_there_is_no_room_or_no_time_to_tell_of_them() {
    let server = Local::with(|settings| {
        settings.ledger.sending_bytes_max = 1 << 20;
        settings.limits.read_stall = STALL;
    })
    .await;
    let mut client = server.client().await;
    client.store(put("held", vec![7; 900 << 10])).await;
    client.store(put("waits", vec![7; 600 << 10])).await;
    let expiration = Some(v1::Expiration { stale_for: seconds(600), ..ttl(1) });
    for key in ["a", "b", "c", "d"] {
        client.store(v1::PutRequest { expiration: expiration.clone(), ..put(key, vec![7; 600 << 10]) }).await;
    }
    server.advance(Duration::from_secs(2));
    let mut raw = Raw::narrow(server.grpc, 1 << 10).await;
    let mut held = raw.open("Get", &[]).await;
    held.finish(&get("held"));
    until("there is no room", || metric(server.http, SENDING), |bytes| *bytes >= 900 << 10).await;
    let ask_small = |key: &'static str| {
        let (mut client, small) =
            (client.clone(), v1::GetRequest { view: v1::EntryView::Metadata.into(), ..stale(key) });
        async move { client.ask(small).await.lease.is_some() }
    };
    for (key, general) in [("a", false), ("b", true)] {
        let failure = Failure::of(&ask_stale(&mut raw, key, general, "3S").await.status().await);
        assert_eq!(failure.reason, "DEADLINE_EXCEEDED");
        until("its lease is free", || ask_small(key), |free| *free).await;
    }
    let mut waits = raw.open("Get", &[]).await;
    waits.finish(&get("waits"));
    for (key, general) in [("c", false), ("d", true)] {
        let failure = Failure::of(&ask_stale(&mut raw, key, general, "20S").await.status().await);
        failure.is(Code::ResourceExhausted, "OVERLOADED");
        until("its lease is free", || ask_small(key), |free| *free).await;
    }
    // The handler had recorded that it went well.
    for (rpc, code) in
        [("Get", "RESOURCE_EXHAUSTED"), ("BatchGet", "RESOURCE_EXHAUSTED"), ("BatchGet", "DEADLINE_EXCEEDED")]
    {
        let name = format!("hotplate_calls_total{{rpc=\"{rpc}\",code=\"{code}\"}}");
        assert_eq!(metric(server.http, &name).await, 1, "{name}");
    }
    drop((raw, held, waits));
}
