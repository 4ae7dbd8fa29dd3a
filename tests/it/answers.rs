//! Answers whose readers take little or nothing of them: what they hold is counted and bounded, and given back in time.

use std::time::Duration;

use hotplate_proto::v1;
use tonic::Code;

use crate::{
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

/// Asks for a key so many times in each way there is, over a connection with these windows, and reads nothing.
async fn ask(server: &Local, window: u32, count: usize) -> (Raw, Vec<RawCall>) {
    let (mut raw, mut calls) = (Raw::narrow(server.grpc, window).await, Vec::new());
    let batch = v1::BatchGetRequest { items: vec![get("k")], ..Default::default() };
    for _ in 0..count {
        let mut one = raw.open("Get", &[]).await;
        one.finish(&get("k"));
        let mut many = raw.open("BatchGet", &[]).await;
        many.finish(&batch);
        // Not all here when it is looked at: this goes the general way.
        let mut general = raw.open("BatchGet", &[]).await;
        let (begin, rest) = (framed(&batch).slice(..7), framed(&batch).slice(7..));
        general.body.send_data(begin, false).unwrap();
        let mut between = raw.open("Nothing", &[]).await;
        between.finish(&get("k"));
        assert_eq!(between.status().await.code(), Code::Unimplemented);
        general.body.send_data(rest, true).unwrap();
        calls.extend([one, many, general]);
    }
    (raw, calls)
}

#[tokio::test]
async fn large_answers_that_nobody_takes_are_in_the_ledger_and_end() {
    for window in [0, 1 << 10, 64 << 10] {
        let server = server(100).await;
        let (raw, calls) = ask(&server, window, 10).await;
        let held = || metric(server.http, SENDING);
        let bytes = until("they are held", held, |held| *held >= 29 * MIB).await;
        assert!(bytes <= 32 * MIB, "{bytes}");
        assert_eq!(server.client().await.value("k").await.unwrap().len(), 1 << 20, "who reads is served");
        server.advance(STALL / 2);
        assert!(held().await >= 29 * MIB, "they are held as long as they are there");
        server.advance(STALL / 2);
        until("it is given back", held, |held| *held == 0).await;
        for call in calls {
            assert_eq!(
                within("its end", call.cut(false)).await,
                (window as usize, Some(h2::Reason::CANCEL)),
                "window {window}"
            );
        }
        drop(raw);
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
    let held = || metric(server.http, SENDING);
    // All but 1 MiB for the connection, and what is its own.
    until("they are held", held, |held| *held >= 75 * 50_000).await;
    assert!(held().await <= 100 * 50_000);
    server.advance(STALL);
    until("it is given back", held, |held| *held == 0).await;
    let (mut ended, mut whole) = (0, 0);
    for call in calls {
        match within("its end", call.cut(true)).await {
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
    until("its answer is held", held, |held| *held >= MIB).await;
    server.advance(STALL);
    until("it is given back", held, |held| *held == 0).await;
    assert_eq!(within("its end", call.cut(false)).await, (64 << 10, Some(h2::Reason::CANCEL)));
}
