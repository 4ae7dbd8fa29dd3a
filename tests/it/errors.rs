//! Every reason a call can fail for is declared by the server, produced by a call, and comes with its code.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use hotplate_daemon::{access::Role, grpc::REASONS};
use hotplate_proto::v1::{self, write_value_request::Message};
use tokio::sync::Semaphore;
use tonic::Code;

use crate::{
    blob::{self, chunk, header, id, said},
    follower::Follower,
    harness::{Local, Setup, grant, namespace, with_token},
    origin::Origin,
    raw::Raw,
    wire::*,
    write_value::until_received,
};

/// Reasons no call can be made to produce: `BUG` says that the server met a state it holds impossible.
const UNREACHABLE: [&str; 1] = ["BUG"];

/// An open server with small limits and one origin that does not answer.
async fn small() -> (Local, Client, Origin) {
    let origin = Origin::gated(Arc::new(Semaphore::new(0))).await;
    let server = Local::with(|settings| {
        origin.serves(settings);
        namespace(settings, "known");
        settings.namespaces.max = 2;
        settings.watch.streams_max = 1;
        settings.preload.jobs_max = 1;
        settings.limits.batch_items_max = 1;
        settings.limits.calls_max = 1;
        settings.watch.keys_max = 1;
        settings.limits.cascade_entries_max = 1;
        settings.limits.value_bytes_max = 1000;
        settings.limits.message_bytes_max = 128 << 10;
    })
    .await;
    let client = server.client().await;
    (server, client, origin)
}

/// Reasons that say what is wrong with a request.
async fn of_bad_requests(client: &mut Client) -> Vec<(Failure, Code)> {
    let put_of = |request: v1::PutRequest| request;
    let mut found = vec![
        failure(client.get(get("")).await),
        failure(client.get(v1::GetRequest { namespace: "a b".to_owned(), ..get("k") }).await),
        failure(client.invalidate(invalidate(vec![select::glob("[")])).await),
        failure(client.invalidate(invalidate(vec![])).await),
        failure(client.put(put_of(v1::PutRequest { kind: "k".repeat(129), ..put("k", "v") })).await),
        failure(client.put(put_of(v1::PutRequest { expiration: Some(ttl(0)), ..put("k", "v") })).await),
        failure(client.put(put("k", vec![0; 1001])).await),
        failure(client.put(v1::PutRequest { depends_on: texts(&["k"]), ..put("k", "v") }).await),
        failure(client.put(v1::PutRequest { digest: vec![0; 32].into(), ..put("k", "v") }).await),
        failure(client.batch_get(v1::BatchGetRequest { items: vec![get("k"); 2], ..Default::default() }).await),
    ];
    let paged = v1::ListEntriesRequest { page_token: "made up".to_owned(), ..Default::default() };
    found.push(failure(client.list_entries(paged).await));
    let resumed = v1::WatchRequest { resume_token: bytes::Bytes::from_static(b"made up"), ..watch(vec![]) };
    found.push(failure(client.watch(resumed).await));
    found.into_iter().map(|failure| (failure, Code::InvalidArgument)).collect()
}

/// Reasons that say what there is not, or no more of.
async fn of_what_there_is_not(server: &Local, client: &mut Client) -> Vec<(Failure, Code)> {
    for key in ["a", "b"] {
        client.store(v1::PutRequest { depends_on: texts(&["model"]), ..put(key, "v") }).await;
    }
    let mut found =
        vec![(failure(client.invalidate(invalidate(vec![select::key("model")])).await), Code::ResourceExhausted)];
    client.drop_all(vec![select::everything()]).await;
    let item = |key: &str| vec![v1::PreloadItem { key: key.to_owned(), ..Default::default() }];
    let job = v1::PreloadRequest { job_id: "none".to_owned(), ..Default::default() };
    found.push((failure(client.preload(job).await), Code::NotFound));
    let elsewhere = v1::PreloadRequest { namespace: "known".to_owned(), items: item("k"), ..Default::default() };
    found.push((failure(client.preload(elsewhere).await), Code::FailedPrecondition));
    let one = v1::PreloadRequest { items: item("a"), ..Default::default() };
    let _running = client.preload(one).await.unwrap();
    let other = v1::PreloadRequest { items: item("b"), ..Default::default() };
    found.push((failure(client.preload(other).await), Code::ResourceExhausted));
    let unknown = v1::UpdateWatchRequest { watch_id: "none".to_owned(), ..Default::default() };
    found.push((failure(client.update_watch(unknown).await), Code::NotFound));
    let too_many = v1::WatchRequest { follow_keys: true, keys: texts(&["a", "b"]), ..watch(vec![]) };
    found.push((failure(client.watch(too_many).await), Code::ResourceExhausted));
    let _watching = Follower::open(client, watch(vec![])).await;
    found.push((failure(client.watch(watch(vec![])).await), Code::ResourceExhausted));
    let third = v1::PutRequest { namespace: "third".to_owned(), ..put("k", "v") };
    found.push((failure(client.put(third).await), Code::ResourceExhausted));
    found.push((failure(client.put(put("k", vec![0; 200 << 10])).await), Code::ResourceExhausted));
    let mut position = client.store(put("k", "v")).await.position.unwrap();
    position.logs[0].number += 1;
    let ahead = v1::GetRequest { min_position: Some(position.clone()), ..get("k") };
    found.push((failure(client.get(ahead).await), Code::Unavailable));
    position.logs[0].epoch ^= 1;
    let over = v1::GetRequest { min_position: Some(position), ..get("k") };
    found.push((failure(client.get(over).await), Code::FailedPrecondition));
    let mut raw = Raw::connect(server.grpc).await;
    let mut garbled = raw.open("Get", &[]).await;
    garbled.body.send_data(bytes::Bytes::from_static(&[0, 0, 0, 0, 2, 0xff, 0xff]), true).unwrap();
    found.push((Failure::of(&garbled.status().await), Code::InvalidArgument));
    let late = raw.open("Get", &[("grpc-timeout", "100m")]).await;
    found.push((Failure::of(&late.status().await), Code::DeadlineExceeded));
    let _open = raw.open("Get", &[]).await;
    raw.looked_at().await;
    let ask = || {
        let mut client = client.clone();
        async move { client.get(get("k")).await.err().map(|status| Failure::of(&status)) }
    };
    let mut other = Raw::connect(server.grpc).await;
    let strange = other.open("NoSuchRpc", &[]).await;
    found.push((Failure::of(&strange.status().await), Code::Unimplemented));
    let mut health = tonic_health::pb::health_client::HealthClient::new(crate::harness::channel(server.grpc).await);
    let unknown = tonic_health::pb::HealthCheckRequest { service: "unknown".to_owned() };
    found.push((failure(health.check(unknown).await), Code::NotFound));
    found.push((until("the limit of calls", ask, Option::is_some).await.unwrap(), Code::ResourceExhausted));
    found
}

/// Reasons of callers that are unknown or not allowed, and of a server with configured namespaces only.
async fn of_access() -> Vec<(Failure, Code)> {
    let (mut reader, mut over) = (String::new(), String::new());
    let server = Local::with(|settings| {
        reader = grant(&mut settings.access, Role::Reader, &["*"]);
        over = grant(&mut settings.access, Role::Admin, &["*"]);
        settings.access.tokens[1].expires = Some(Duration::from_secs(1));
        settings.namespaces.create = hotplate_daemon::config::Create::Configured;
        namespace(settings, "known");
    })
    .await;
    let mut client = server.client().await;
    let of = |name: &str| v1::GetRequest { namespace: name.to_owned(), ..get("k") };
    let writing = v1::PutRequest { namespace: "known".to_owned(), ..put("k", "v") };
    vec![
        (failure(client.get(get("k")).await), Code::Unauthenticated),
        (failure(client.get(with_token(get("k"), "hp_wrong")).await), Code::Unauthenticated),
        (failure(client.get(with_token(get("k"), &over)).await), Code::Unauthenticated),
        (failure(client.put(with_token(writing, &reader)).await), Code::PermissionDenied),
        (failure(client.get(with_token(of("other"), &reader)).await), Code::NotFound),
    ]
}

/// The reason of a call that comes while the server is on its way out.
async fn of_draining() -> Vec<(Failure, Code)> {
    let config = "shutdown.drain_delay = \"0s\"\nshutdown.deadline = \"60s\"\n";
    let server = Setup::default().config(config).spawn();
    let mut raw = Raw::connect(server.grpc).await;
    let _held = raw.open("Get", &[]).await;
    let mut client = server.client().await;
    let mut follower = Follower::open(&mut client, watch(vec![])).await;
    server.terminate();
    let ended = follower.end().await;
    ended.err().map(|status| (Failure::of(&status), Code::Unavailable)).into_iter().collect()
}

/// The reason of an Invalidate that what replicas share cannot be told.
async fn of_tiers_away() -> Vec<(Failure, Code)> {
    let nobody_listens = "redis://127.0.0.1:1";
    let server = Setup::default().env("HOTPLATE_SHARED_URL", nobody_listens).spawn();
    let mut client = server.client().await;
    client.store(put("k", "v")).await;
    vec![(failure(client.invalidate(invalidate(vec![select::key("k")])).await), Code::Unavailable)]
}

/// The reason of an operation of a Pipeline that its caller cancelled.
async fn of_cancelling() -> Vec<(Failure, Code)> {
    let server = Local::start().await;
    let mut client = server.client().await;
    client.ask(lease("missing")).await;
    let waits = v1::pipeline_operation::Operation::Get(lease_or_wait("missing"));
    let cancels = v1::pipeline_operation::Operation::Cancel(v1::PipelineCancel {});
    let messages = [waits, cancels].map(|operation| {
        let operations = vec![v1::PipelineOperation { operation: Some(operation), ..Default::default() }];
        v1::PipelineRequest { operations, ..Default::default() }
    });
    let mut answers = client.pipeline(futures::stream::iter(messages)).await.unwrap().into_inner();
    let mut results = within("an answer", answers.message()).await.unwrap().unwrap().results;
    let Some(v1::pipeline_result::Result::Error(error)) = results.remove(0).result else { unreachable!("{results:?}") };
    vec![(Failure::of_item(&error), Code::Cancelled)]
}

/// Reasons of what lies on the disk alone.
async fn of_the_disk_alone() -> Vec<(Failure, Code)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk");
    let server = Local::with(|settings| {
        settings.disk.path = Some(path);
        settings.memory.entries_max = 0;
    })
    .await;
    let mut client = server.client().await;
    client.store(put("k", "v")).await;
    let touch = v1::TouchRequest { key: "k".to_owned(), expiration: Some(ttl(60)), ..Default::default() };
    vec![(failure(client.touch(touch).await), Code::FailedPrecondition)]
}

/// Reasons of large values that come and go in chunks.
async fn of_large_values() -> Vec<(Failure, Code)> {
    let server = Local::with(|settings| {
        settings.memory.bytes_max = 8 << 20;
        settings.uploads.max = 1;
    })
    .await;
    let mut blobs = blob::blobs(server.grpc).await;
    let of_another = v1::ReadValueRequest { version: "none".to_owned(), ..blob::read("k") };
    let mut found = vec![(failure(blobs.read_value(of_another).await), Code::Aborted)];
    let unknown = v1::QueryWriteRequest { upload_id: id(2), ..Default::default() };
    found.push((failure(blobs.query_write(unknown).await), Code::NotFound));
    let begun = |number| said(Message::Header(header(&id(number), "k")));
    let large = blob::pattern(1, 6 << 20);
    let pieces = large.chunks(1 << 20).zip(0..).map(|(piece, number)| said(chunk(number << 20, piece)));
    let too_large = [begun(1)].into_iter().chain(pieces).collect();
    let wrong = v1::ValueChunk { crc32c: 1, data: "x".into(), ..Default::default() };
    for (messages, code) in [
        (vec![begun(1), said(chunk(1, b"x"))], Code::OutOfRange),
        (vec![begun(1), said(Message::Chunk(wrong))], Code::InvalidArgument),
        (vec![begun(2)], Code::ResourceExhausted),
        (too_large, Code::ResourceExhausted),
    ] {
        found.push((Failure::of(&blob::send(&mut blobs, messages).await.unwrap_err()), code));
    }
    let earlier = blob::Writing::begin(&blobs, header(&id(1), "k")).await;
    earlier.say(chunk(0, b"abc")).await;
    until_received(&mut blobs, 3).await;
    let goes_on = v1::WriteValueHeader { write_offset: 3, ..header(&id(1), "k") };
    let later = blob::Writing::begin(&blobs, goes_on).await;
    found.push((Failure::of(&earlier.answered().await.unwrap_err()), Code::Aborted));
    server.advance(Duration::from_secs(61));
    found.push((Failure::of(&later.answered().await.unwrap_err()), Code::Aborted));
    found
}

#[tokio::test]
async fn every_declared_reason_is_produced_and_every_produced_one_declared() {
    let (server, mut client, _origin) = small().await;
    let mut found = Box::pin(of_bad_requests(&mut client)).await;
    found.extend(Box::pin(of_what_there_is_not(&server, &mut client)).await);
    found.extend(Box::pin(of_access()).await);
    found.extend(Box::pin(of_large_values()).await);
    found.extend(Box::pin(of_draining()).await);
    found.extend(Box::pin(of_tiers_away()).await);
    found.extend(Box::pin(of_the_disk_alone()).await);
    found.extend(Box::pin(of_cancelling()).await);
    let mut produced = BTreeSet::new();
    for (failure, code) in &found {
        failure.is(*code, &failure.reason);
        produced.insert(failure.reason.as_str());
    }
    for (failure, code) in &found {
        let row = REASONS.iter().find(|row| row.0 == failure.reason);
        assert_eq!(row.map(|row| row.1), Some(*code), "{} is declared with its code", failure.reason);
    }
    let declared = REASONS.iter().map(|row| row.0);
    let reachable: BTreeSet<&str> = declared.filter(|reason| !UNREACHABLE.contains(reason)).collect();
    assert_eq!(produced, reachable);
}
