//! Pipeline: many operations over one stream, each answered as the RPC of its name answers, in any order, within bounds, to
//! the end in order.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use hotplate_daemon::access::Role;
use hotplate_proto::v1::{self, pipeline_operation::Operation, pipeline_result::Result as Said};
use tokio::sync::mpsc;
use tonic::{Code, Status, Streaming};

use crate::{
    harness::{Local, Setup, grant, with_token},
    raw::Raw,
    wire::*,
};

/// One stream of operations and its answers.
pub(crate) struct Pipe {
    sender: mpsc::Sender<v1::PipelineRequest>,
    answers: Streaming<v1::PipelineResponse>,
    next: u64,
}

impl Pipe {
    pub(crate) async fn open(client: &mut Client, token: &str) -> Self {
        let (sender, receiver) = mpsc::channel(4);
        let requests = futures::stream::unfold(receiver, async |mut receiver: mpsc::Receiver<v1::PipelineRequest>| {
            let request = receiver.recv().await?;
            Some((request, receiver))
        });
        let answers = client.pipeline(with_token(requests, token)).await.unwrap().into_inner();
        Self { sender, answers, next: 0 }
    }

    /// Sends operations in one message; the id of the first, the others follow it.
    pub(crate) async fn send(&mut self, operations: Vec<Operation>) -> u64 {
        let first = self.next;
        self.next += operations.len() as u64;
        let operations = operations.into_iter().zip(first..).map(|(operation, call_id)| at(call_id, operation));
        self.message(operations.collect()).await;
        first
    }

    pub(crate) async fn message(&mut self, operations: Vec<v1::PipelineOperation>) {
        self.sender.send(v1::PipelineRequest { operations, ..Default::default() }).await.unwrap();
    }

    /// So many answers, by their ids.
    pub(crate) async fn answers(&mut self, count: usize) -> BTreeMap<u64, Said> {
        let mut answers = BTreeMap::new();
        while answers.len() < count {
            let message = within("an answer", self.answers.message()).await.unwrap().expect("the stream has not ended");
            assert!(!message.results.is_empty());
            for result in message.results {
                assert!(answers.insert(result.call_id, result.result.unwrap()).is_none(), "one answer each");
            }
        }
        assert_eq!(answers.len(), count);
        answers
    }

    /// The answer of one operation.
    pub(crate) async fn ask(&mut self, operation: Operation) -> Said {
        let id = self.send(vec![operation]).await;
        self.answers(1).await.remove(&id).unwrap()
    }

    /// How the stream ends.
    pub(crate) async fn end(mut self) -> Option<Status> {
        loop {
            match within("the end", self.answers.message()).await {
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(status) => return Some(status),
            }
        }
    }
}

pub(crate) fn at(call_id: u64, operation: Operation) -> v1::PipelineOperation {
    v1::PipelineOperation { call_id, operation: Some(operation), ..Default::default() }
}

pub(crate) fn reason(said: &Said) -> &str {
    match said {
        Said::Error(error) => &error.reason,
        other => panic!("no failure: {other:?}"),
    }
}

pub(crate) fn found(said: &Said) -> &v1::GetResponse {
    match said {
        Said::Get(found) => found,
        other => panic!("no answer of a Get: {other:?}"),
    }
}

/// The same call as a call of its own.
async fn unary(client: &mut Client, operation: Operation) -> Result<Said, Status> {
    Ok(match operation {
        Operation::Get(request) => Said::Get(client.get(request).await?.into_inner()),
        Operation::Put(request) => Said::Put(client.put(request).await?.into_inner()),
        Operation::Touch(request) => Said::Touch(client.touch(request).await?.into_inner()),
        Operation::Invalidate(request) => Said::Invalidate(client.invalidate(request).await?.into_inner()),
        Operation::Cancel(_) => unreachable!("no RPC"),
    })
}

/// An answer without what differs between two servers that were told the same: which history they have.
fn comparable(mut said: Said) -> Said {
    let anonymous = |position: &mut Option<v1::Position>| {
        position.iter_mut().flat_map(|position| &mut position.logs).for_each(|log| log.epoch = 0);
    };
    match &mut said {
        Said::Get(found) => anonymous(&mut found.as_of),
        Said::Put(stored) => anonymous(&mut stored.position),
        Said::Invalidate(dropped) => anonymous(&mut dropped.position),
        Said::Touch(_) | Said::Error(_) => {}
    }
    said
}

/// An operation that is the same for the same number (splitmix64).
fn random(seed: u64, number: u64) -> Operation {
    let mut z = (seed << 32 | number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    let key = format!("k{}", z % 7);
    let size = [0, 1, 100, 1023, 1024, 20_000][(z >> 8) as usize % 6];
    match (z >> 16) % 12 {
        0 => Operation::Put(put(&key, vec![1; size])),
        1 => Operation::Put(put_tagged(&key, vec![2; size], &["t"])),
        2 => Operation::Put(put_negative(&key, "NONE")),
        3 => Operation::Put(put(&key, "")),
        4 => Operation::Touch(v1::TouchRequest { key, expiration: Some(ttl(60)), ..Default::default() }),
        5 => Operation::Invalidate(invalidate(vec![select::tag("t")])),
        6 => Operation::Invalidate(invalidate(vec![select::key(&key)])),
        7 => Operation::Get(v1::GetRequest { view: v1::EntryView::Value.into(), ..get(&key) }),
        8 => Operation::Get(v1::GetRequest { view: v1::EntryView::Metadata.into(), ..get(&key) }),
        9 => Operation::Get(v1::GetRequest { key: String::new(), ..get(&key) }),
        10 => Operation::Get(v1::GetRequest { namespace: "a b".to_owned(), ..get(&key) }),
        _ => Operation::Get(get(&key)),
    }
}

fn assert_same_failure(said: &Said, status: &tonic::Status) {
    let failure = Failure::of(status);
    let Said::Error(error) = said else { panic!("{said:?} instead of {failure:?}") };
    assert_eq!((&error.reason, &error.message), (&failure.reason, &status.message().to_owned()));
    assert_eq!(error.code, i32::from(status.code()));
}

#[tokio::test]
async fn every_operation_is_answered_as_its_own_rpc_answers() {
    for seed in 0..4 {
        let (one, other) = (Local::start().await, Local::start().await);
        let (mut client, mut piped) = (one.client().await, other.client().await);
        let mut pipe = Pipe::open(&mut piped, "").await;
        for number in 0..400 {
            let operation = random(seed, number);
            let expected = unary(&mut client, operation.clone()).await;
            let said = comparable(pipe.ask(operation.clone()).await);
            match expected {
                Ok(expected) => assert_eq!(said, comparable(expected), "{operation:?}"),
                Err(status) => assert_same_failure(&said, &status),
            }
        }
        let counted = [client.count("").await.total.unwrap(), piped.count("").await.total.unwrap()];
        assert_eq!((counted[0].hits, counted[0].puts), (counted[1].hits, counted[1].puts));
        assert_eq!(counted[0].misses, counted[1].misses);
    }
}

#[tokio::test]
async fn many_operations_of_a_message_are_answered_once_each() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let mut pipe = Pipe::open(&mut client, "").await;
    let value = |n: usize| vec![b'v'; [3, 900, 5000, 40_000][n % 4] + n];
    let puts = (0..100).map(|n| Operation::Put(put(&format!("k:{n}"), value(n)))).collect();
    pipe.send(puts).await;
    pipe.answers(100).await;
    for view in [v1::EntryView::Full, v1::EntryView::Value] {
        let gets = (0..100).map(|n| Operation::Get(v1::GetRequest { view: view.into(), ..get(&format!("k:{n}")) }));
        let first = pipe.send(gets.collect()).await;
        for (id, said) in pipe.answers(100).await {
            let n = usize::try_from(id - first).unwrap();
            assert_eq!(value_of(found(&said)), value(n), "the value of its own key");
            let entry = found(&said).entry.as_ref().unwrap();
            assert_eq!(entry.metadata.is_some(), view == v1::EntryView::Full);
        }
    }
    drop(pipe.sender.clone());
    let Pipe { sender, answers, next } = pipe;
    drop(sender);
    let (closed, _receiver) = mpsc::channel(1);
    assert!(Pipe { sender: closed, answers, next }.end().await.is_none(), "it ends well when the caller is done");
}

#[tokio::test]
async fn who_waits_holds_nobody_up_and_can_be_cancelled() {
    let server = Local::start().await;
    let mut client = server.client().await;
    client.store(put("there", "v")).await;
    let holder = client.ask(lease("missing")).await;
    let mut pipe = Pipe::open(&mut client, "").await;
    let waits = pipe.send(vec![Operation::Get(lease_or_wait("missing")), Operation::Get(get("there"))]).await;
    let answers = pipe.answers(1).await;
    assert_eq!(value_of(found(&answers[&(waits + 1)])), b"v", "the other is answered meanwhile");
    let cancelled = pipe.send(vec![Operation::Get(lease_or_wait("missing"))]).await;
    until("both wait", async || server.waiters(), |waiters| *waiters == 2).await;
    pipe.message(vec![at(cancelled, Operation::Cancel(v1::PipelineCancel {}))]).await;
    assert_eq!(reason(&pipe.answers(1).await[&cancelled]), "CANCELLED");
    assert_eq!(server.waiters(), 1, "it waits no more");
    pipe.message(vec![at(cancelled, Operation::Cancel(v1::PipelineCancel {}))]).await;
    client.store(put_under(&token_of(&holder), "missing", "now")).await;
    assert_eq!(value_of(found(&pipe.answers(1).await[&waits])), b"now");
}

#[tokio::test]
async fn each_has_its_own_time() {
    let server = Local::start().await;
    let mut client = server.client().await;
    client.ask(lease("missing")).await;
    let mut pipe = Pipe::open(&mut client, "").await;
    let timed = |call_id, timeout| v1::PipelineOperation {
        timeout: Some(timeout),
        ..at(call_id, Operation::Get(lease_or_wait("missing")))
    };
    pipe.message(vec![timed(1, wire(Duration::from_millis(30))), timed(2, wire(Duration::ZERO))]).await;
    let answers = pipe.answers(2).await;
    assert_eq!(reason(&answers[&2]), "BAD_ARGUMENT", "no time at all says nothing");
    // The wait ends a little before the time does, as for a call of its own.
    let waited = matches!(&answers[&1], Said::Get(found) if found.outcome() == v1::GetOutcome::Pending);
    assert!(waited || reason(&answers[&1]) == "DEADLINE_EXCEEDED", "{:?}", answers[&1]);
}

#[tokio::test]
async fn each_needs_its_own_permission() {
    let (mut reader, mut writer) = (String::new(), String::new());
    let server = Local::with(|settings| {
        reader = grant(&mut settings.access, Role::Reader, &["team/a"]);
        writer = grant(&mut settings.access, Role::Writer, &["team/a"]);
    })
    .await;
    let mut client = server.client().await;
    let of = |namespace: &str| v1::GetRequest { namespace: namespace.to_owned(), ..get("k") };
    let all = |namespace: &str| {
        let namespace = namespace.to_owned();
        vec![
            Operation::Get(of(&namespace)),
            Operation::Get(v1::GetRequest { namespace: namespace.clone(), ..lease("k") }),
            Operation::Put(v1::PutRequest { namespace: namespace.clone(), ..put("k", "v") }),
            Operation::Touch(v1::TouchRequest {
                namespace: namespace.clone(),
                key: "k".to_owned(),
                expiration: Some(ttl(9)),
                ..Default::default()
            }),
            Operation::Invalidate(v1::InvalidateRequest {
                namespace: namespace.clone(),
                ..invalidate(vec![select::key("k")])
            }),
            Operation::Invalidate(v1::InvalidateRequest { namespace, ..invalidate(vec![select::everything()]) }),
        ]
    };
    for (token, allowed) in [(&reader, &[0_u64][..]), (&writer, &[0, 1, 2, 3, 4])] {
        let mut pipe = Pipe::open(&mut client, token).await;
        let answers = |answers: BTreeMap<u64, Said>| -> BTreeSet<u64> {
            let refused = |said: &Said| matches!(said, Said::Error(error) if error.reason == "PERMISSION_DENIED");
            answers.into_iter().filter(|(_, said)| !refused(said)).map(|(id, _)| id).collect()
        };
        pipe.send(all("team/a")).await;
        assert_eq!(answers(pipe.answers(6).await), allowed.iter().copied().collect());
        pipe.send(all("other")).await;
        assert_eq!(answers(pipe.answers(6).await), BTreeSet::new());
    }
    let status = client.pipeline(with_token(futures::stream::empty(), "hp_wrong")).await.unwrap_err();
    Failure::of(&status).is(Code::Unauthenticated, "TOKEN_INVALID");
}

#[tokio::test]
async fn messages_that_nobody_could_answer_end_the_stream() {
    let server = Local::with(|settings| settings.limits.batch_items_max = 4).await;
    let mut client = server.client().await;
    let holder = token_of(&client.ask(lease("missing")).await);
    let plain = |id| at(id, Operation::Get(get("k")));
    let waits = |id| at(id, Operation::Get(lease_or_wait("missing")));
    let bad: [(Vec<v1::PipelineOperation>, &str); 4] = [
        (vec![], "BAD_ARGUMENT"),
        ((10..15).map(plain).collect(), "BATCH_TOO_LARGE"),
        (vec![plain(7), plain(3), plain(7)], "BAD_ARGUMENT"),
        (vec![waits(1)], "BAD_ARGUMENT"),
    ];
    let mut pipes = Vec::new();
    for (operations, expected) in bad {
        let mut pipe = Pipe::open(&mut client, "").await;
        pipe.message(vec![waits(1), plain(2)]).await;
        assert!(matches!(pipe.answers(1).await[&2], Said::Get(_)));
        pipe.message(operations).await;
        pipes.push((pipe, expected));
    }
    // What waits is answered before the stream ends.
    client.store(put_under(&holder, "missing", "now")).await;
    for (mut pipe, expected) in pipes {
        assert_eq!(value_of(found(&pipe.answers(1).await[&1])), b"now");
        assert_eq!(Failure::of(&pipe.end().await.expect("it ends")).reason, expected);
    }
    let mut pipe = Pipe::open(&mut client, "").await;
    pipe.message(vec![v1::PipelineOperation { call_id: 5, ..Default::default() }, plain(6)]).await;
    let answers = pipe.answers(2).await;
    assert_eq!(reason(&answers[&5]), "BAD_ARGUMENT", "an operation that says nothing is answered");
    assert_eq!(found(&answers[&6]).outcome(), v1::GetOutcome::Miss);
}

#[tokio::test]
async fn a_stream_ends_with_its_time_its_token_and_the_server() {
    let mut token = String::new();
    let server = Local::with(|settings| {
        token = grant(&mut settings.access, Role::Reader, &["*"]);
        settings.access.tokens[0].expires = None;
    })
    .await;
    // By hand: a client library ends a call itself whose answer has not begun in its time.
    let mut raw = Raw::connect(server.grpc).await;
    let bearer = format!("Bearer {token}");
    let call = raw.open("Pipeline", &[("grpc-timeout", "50m"), ("authorization", &bearer)]).await;
    Failure::of(&call.status().await).is(Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
    let mut client = server.client().await;
    let pipe = Pipe::open(&mut client, &token).await;
    let (ended, ()) = tokio::join!(pipe.end(), within("the way out", server.shutdown()));
    Failure::of(&ended.unwrap()).is(Code::Unavailable, "DRAINING");
}

#[tokio::test]
async fn who_reads_nothing_is_not_read_from() {
    let server = Setup::default().config("limits.calls_max = 64\n").spawn();
    let mut client = server.client().await;
    client.store(put("large", vec![7; 60_000])).await;
    let mut raw = Raw::connect(server.grpc).await;
    let mut call = raw.open("Pipeline", &[]).await;
    let mut taken = 0_usize;
    for round in 0..400_u64 {
        let operations = (0..50).map(|n| at(round * 50 + n, Operation::Get(get("large")))).collect();
        let message = crate::raw::framed(&v1::PipelineRequest { operations, ..Default::default() });
        let length = message.len();
        call.body.reserve_capacity(length);
        let room = std::future::poll_fn(|cx| call.body.poll_capacity(cx));
        match tokio::time::timeout(Duration::from_millis(500), room).await {
            Ok(Some(Ok(_))) => call.body.send_data(message, false).unwrap(),
            _ => break,
        }
        taken += length;
    }
    // Their answers would have more than a gigabyte: it takes what its windows hold, and reads no further.
    assert!(taken < 2 << 20, "{taken} bytes of operations were taken from who reads no answer");
    assert_eq!(client.value("large").await.unwrap().len(), 60_000, "others are served");
}

#[test]
fn grpcurl_sends_operations() {
    let server = Setup::default().spawn();
    let body = r#"{"operations": [{"call_id": 1, "put": {"key": "k", "value": "aGVsbG8=", "expiration": {"ttl": "60s"}}}]}
        {"operations": [{"call_id": 2, "get": {"key": "other"}}]}"#;
    let address = server.grpc.to_string();
    let text = crate::reflection::grpcurl(&["-plaintext", "-d", body, &address, "hotplate.v1.CacheService/Pipeline"]);
    assert!(text.contains("PUT_OUTCOME_STORED") && text.contains("GET_OUTCOME_MISS"), "{text}");
}
