//! What Pipeline holds is bounded: by who reads no answers, and by operations that wait, which hold up nothing else.

use std::time::Duration;

use bytes::Bytes;
use hotplate_proto::v1::{self, pipeline_operation::Operation, pipeline_result::Result as Said};

use crate::{
    harness::{Local, Server, Setup, metric},
    pipeline::{Pipe, at, found, reason},
    raw::{Raw, RawCall, framed},
    wire::*,
};

const MIB: u64 = 1 << 20;
const SENDING: &str = "hotplate_ledger_bytes{use=\"sending\"}";

/// A message that asks for each of so many keys, all in one frame: what they are answered is not read.
fn asking(keys: usize) -> Bytes {
    let operations = (0..keys as u64).map(|n| at(n, Operation::Get(get(&format!("k:{n}"))))).collect();
    framed(&v1::PipelineRequest { operations, ..Default::default() })
}

/// Opens streams that ask and read nothing.
async fn silent(server: &Server, (connections, streams): (usize, usize), keys: usize) -> Vec<(Raw, Vec<RawCall>)> {
    let mut all = Vec::new();
    for _ in 0..connections {
        let mut raw = Raw::connect(server.grpc).await;
        let mut calls = Vec::new();
        for _ in 0..streams {
            let mut call = raw.open("Pipeline", &[]).await;
            call.body.send_data(asking(keys), false).unwrap();
            calls.push(call);
        }
        all.push((raw, calls));
    }
    all
}

async fn store_many(client: &mut Client, keys: usize, value: Vec<u8>) {
    let mut pipe = Pipe::open(client, "").await;
    for first in (0..keys).step_by(10) {
        let puts = (first..keys.min(first + 10)).map(|n| Operation::Put(put(&format!("k:{n}"), &value)));
        let puts: Vec<Operation> = puts.collect();
        let count = puts.len();
        pipe.send(puts).await;
        pipe.answers(count).await;
    }
}

#[tokio::test]
async fn who_reads_nothing_holds_a_share_that_is_in_the_ledger_and_is_cut_off() {
    let config = "limits.calls_max = 64\nlimits.read_stall = \"5s\"\nledger.sending_bytes_max = \"8MiB\"\n";
    let server = Setup::default().config(config).spawn();
    let mut client = server.client().await;
    // Copied into each answer: 15 MiB for each stream that asks.
    store_many(&mut client, 1000, (0..15_000_u32).map(|n| (n * n).to_le_bytes()[1]).collect()).await;
    let before = server.resident();
    let callers = silent(&server, (4, 20), 1000).await;
    let held = || metric(server.http, SENDING);
    until("answers are held", held, |held| *held > MIB).await;
    // Others are answered meanwhile.
    let mut pipe = Pipe::open(&mut client, "").await;
    for _ in 0..20 {
        let said = pipe.ask(Operation::Get(get("k:1"))).await;
        assert_eq!(value_of(found(&said)).len(), 15_000);
        assert!(held().await <= 8 * MIB);
    }
    let grown = server.resident().saturating_sub(before);
    assert!(grown < 64 * MIB, "{grown} bytes more for who reads nothing: 80 streams asked for 15 MB each");
    until("they are cut off", held, |held| *held == 0).await;
    drop(callers);
}

#[tokio::test]
async fn answers_beyond_the_ledger_come_as_their_reader_takes_them() {
    let server = Local::with(|settings| settings.ledger.sending_bytes_max = 64 << 10).await;
    let mut client = server.client().await;
    let value = vec![5; 200_000];
    store_many(&mut client, 40, value.clone()).await;
    let mut pipe = Pipe::open(&mut client, "").await;
    let first = pipe.send((0..40).map(|n| Operation::Get(get(&format!("k:{n}")))).collect()).await;
    for (id, said) in pipe.answers(40).await {
        assert!(value_of(found(&said)) == value, "{}", id - first);
    }
    let counted = client.count("").await.total.unwrap();
    assert_eq!(counted.hits, 40, "each is counted once");
    assert!(counted.misses.iter().all(|reason| reason.count == 0));
    until("nothing is held", || metric(server.http, SENDING), |held| *held == 0).await;
}

#[tokio::test]
async fn many_that_no_pass_over_memory_answers_are_answered_one_by_one() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let elsewhere = |n: u64| v1::GetRequest { namespace: "elsewhere".to_owned(), ..get(&format!("k:{n}")) };
    let value = vec![5; 300_000];
    for n in 0..100 {
        client.store(v1::PutRequest { namespace: "elsewhere".to_owned(), ..put(&format!("k:{n}"), &value) }).await;
    }
    let mut pipe = Pipe::open(&mut client, "").await;
    // Each fills what may wait to be sent: as many passes as there are operations.
    pipe.send((0..100).map(|n| Operation::Get(elsewhere(n))).collect()).await;
    assert!(pipe.answers(100).await.values().all(|said| value_of(found(said)) == value));
}

#[tokio::test]
async fn a_put_needs_no_room_beside_that_of_its_message() {
    let server = Local::with(|settings| settings.ledger.requests_bytes_max = 1 << 20).await;
    let mut client = server.client().await;
    let mut pipe = Pipe::open(&mut client, "").await;
    for _ in 0..3 {
        let said = pipe.ask(Operation::Put(put("k", vec![5; 700 << 10]))).await;
        assert!(matches!(said, Said::Put(_)), "{said:?}");
    }
    drop(pipe);
    until("nothing is held", || metric(server.http, "hotplate_ledger_bytes{use=\"requests\"}"), |held| *held == 0)
        .await;
}

#[tokio::test]
async fn those_that_waited_are_all_answered_although_their_answers_do_not_fit_at_once() {
    let server = Local::with(|settings| settings.ledger.sending_bytes_max = 64 << 10).await;
    let mut client = server.client().await;
    let holder = token_of(&client.ask(lease("missing")).await);
    let mut pipe = Pipe::open(&mut client, "").await;
    pipe.send((0..40).map(|_| Operation::Get(lease_or_wait("missing"))).collect()).await;
    until("all wait", async || server.waiters(), |waiters| *waiters == 40).await;
    let value = vec![5; 200_000];
    client.store(put_under(&holder, "missing", &value)).await;
    assert!(pipe.answers(40).await.values().all(|said| value_of(found(said)) == value));
}

#[tokio::test]
async fn those_that_wait_hold_up_neither_hits_nor_cancels_nor_each_others_time() {
    let server = Local::with(|settings| settings.leases.waiters_max = 2048).await;
    let mut client = server.client().await;
    client.store(put("there", "v")).await;
    let holder = token_of(&client.ask(lease("missing")).await);
    let mut pipe = Pipe::open(&mut client, "").await;
    let first = pipe.send((0..1000).map(|_| Operation::Get(lease_or_wait("missing"))).collect()).await;
    until("some are served", async || server.waiters(), |waiters| *waiters >= 256).await;
    assert_eq!(server.waiters(), 256, "the others wait for their turn");
    assert_eq!(value_of(found(&pipe.ask(Operation::Get(get("there"))).await)), b"v", "what memory has goes on");
    for waits in [first, first + 999] {
        pipe.message(vec![at(waits, Operation::Cancel(v1::PipelineCancel {}))]).await;
        assert_eq!(reason(&pipe.answers(1).await[&waits]), "CANCELLED");
    }
    let hurried = v1::PipelineOperation {
        timeout: Some(wire(Duration::from_millis(30))),
        ..at(5_000, Operation::Get(get("not there")))
    };
    pipe.message(vec![hurried]).await;
    assert_eq!(reason(&pipe.answers(1).await[&5_000]), "DEADLINE_EXCEEDED");
    client.store(put_under(&holder, "missing", "now")).await;
    for (_, said) in pipe.answers(998).await {
        assert_eq!(value_of(found(&said)), b"now", "each gets its turn");
    }
}

#[tokio::test]
async fn more_than_may_wait_are_refused_and_hits_go_on() {
    let server = Local::start().await;
    let mut client = server.client().await;
    client.store(put("there", "v")).await;
    client.ask(lease("missing")).await;
    let mut pipe = Pipe::open(&mut client, "").await;
    for _ in 0..5 {
        pipe.send((0..1000).map(|_| Operation::Get(lease_or_wait("missing"))).collect()).await;
    }
    let refused = pipe.answers(5000 - 256 - 4096).await;
    assert!(refused.values().all(|said| reason(said) == "OVERLOADED"));
    assert_eq!(value_of(found(&pipe.ask(Operation::Get(get("there"))).await)), b"v");
}

#[tokio::test]
async fn a_stream_is_counted_by_how_it_ended() {
    let server = Local::with(|settings| settings.limits.batch_items_max = 4).await;
    let counted = async |code: &str| {
        metric(server.http, &format!("hotplate_calls_total{{rpc=\"Pipeline\",code=\"{code}\"}}")).await
    };
    let mut client = server.client().await;
    let mut pipe = Pipe::open(&mut client, "").await;
    assert!(matches!(pipe.ask(Operation::Get(get("k"))).await, Said::Get(_)));
    assert_eq!(counted("OK").await, 0, "it has not ended");
    pipe.message(vec![]).await;
    assert!(pipe.end().await.is_some());
    assert_eq!((counted("INVALID_ARGUMENT").await, counted("OK").await), (1, 0));
    let mut raw = Raw::connect(server.grpc).await;
    let mut call = raw.open("Pipeline", &[]).await;
    call.body.send_data(asking(1), true).unwrap();
    assert_eq!(call.status().await.code(), tonic::Code::Ok);
    assert_eq!(counted("OK").await, 1);
    let mut call = raw.open("Pipeline", &[]).await;
    call.body.send_data(asking(1), false).unwrap();
    call.body.send_reset(h2::Reason::CANCEL);
    until("it was cancelled", || counted("CANCELLED"), |ended| *ended == 1).await;
}
