//! Limits: each is met at its bound and answered beyond it with its own code and reason.

use hotplate_proto::v1;
use tokio::io::AsyncReadExt;
use tonic::Code;

use crate::{
    follower::Follower,
    harness::{Local, channel, client},
    raw::Raw,
    wire::*,
};

fn many(count: usize, bytes: usize) -> Vec<String> {
    (0..count).map(|n| format!("{n:0bytes$}")).collect()
}

#[tokio::test]
async fn facts_of_an_entry_are_bounded_each_by_itself() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let label = |pairs: usize, bytes: usize| (0..pairs).map(|n| (format!("l{n}"), "x".repeat(bytes))).collect();
    let fine = [
        v1::PutRequest { tags: many(64, 128), ..put("k", "1") },
        v1::PutRequest { kind: "k".repeat(128), ..put("k", "2") },
        v1::PutRequest { content_type: "c".repeat(256), ..put("k", "3") },
        v1::PutRequest { encoding: "e".repeat(64), ..put("k", "4") },
        v1::PutRequest { labels: label(64, 200), ..put("k", "5") },
        v1::PutRequest { request_id: "r".repeat(128), ..put("k", "6") },
        v1::PutRequest { client_id: "c".repeat(128), ..put("k", "7") },
    ];
    for request in fine {
        assert_eq!(client.store(request).await.outcome(), v1::PutOutcome::Stored);
    }
    let beyond = [
        ("tags", v1::PutRequest { tags: many(65, 1), ..put("k", "v") }),
        ("tags", v1::PutRequest { tags: vec!["t".repeat(129)], ..put("k", "v") }),
        ("tags", v1::PutRequest { tags: vec![String::new()], ..put("k", "v") }),
        ("kind", v1::PutRequest { kind: "k".repeat(129), ..put("k", "v") }),
        ("content_type", v1::PutRequest { content_type: "c".repeat(257), ..put("k", "v") }),
        ("encoding", v1::PutRequest { encoding: "e".repeat(65), ..put("k", "v") }),
        ("labels", v1::PutRequest { labels: label(65, 1), ..put("k", "v") }),
        ("labels", v1::PutRequest { labels: label(4, 4096), ..put("k", "v") }),
        ("request_id", v1::PutRequest { request_id: "r".repeat(129), ..put("k", "v") }),
        ("client_id", v1::PutRequest { client_id: "c".repeat(129), ..put("k", "v") }),
        ("negative", put_negative("k", &"R".repeat(65))),
    ];
    for (field, request) in beyond {
        let refused = failure(client.put(request).await);
        refused.is(Code::InvalidArgument, "BAD_ARGUMENT");
        assert!(refused.fields[0].starts_with(field), "{field}: {refused:?}");
    }
    assert_eq!(client.value("k").await.unwrap(), b"7", "a refused call changes nothing");
    let reason = v1::InvalidateRequest { reason: "r".repeat(257), ..invalidate(vec![select::key("k")]) };
    failure(client.invalidate(reason).await).is(Code::InvalidArgument, "BAD_ARGUMENT").blames("reason");
    assert!(client.value("k").await.is_ok());
}

#[tokio::test]
async fn a_message_beyond_its_limit_is_refused_before_it_is_read() {
    let server = Local::with(|settings| {
        settings.limits.message_bytes_max = 128 << 10;
        settings.limits.value_bytes_max = 64 << 10;
    })
    .await;
    let mut client = server.client().await;
    client.store(put("k", vec![1; 64 << 10])).await;
    let refused = failure(client.put(put("k", vec![1; 129 << 10])).await);
    refused.is(Code::ResourceExhausted, "MESSAGE_TOO_LARGE");
    client.store(put("k", "the connection goes on")).await;
}

#[tokio::test]
async fn namespaces_are_bounded() {
    let server = Local::with(|settings| settings.namespaces.max = 3).await;
    let mut client = server.client().await;
    let of = |n: usize| v1::PutRequest { namespace: format!("n{n}"), ..put("k", "v") };
    let mut refused = 0;
    for n in 0..6 {
        if let Err(status) = client.put(of(n)).await {
            Failure::of(&status).is(Code::ResourceExhausted, "TOO_MANY_NAMESPACES");
            refused += 1;
        }
    }
    assert!((3..=4).contains(&refused), "{refused} of 6 refused at a limit of 3");
    client.store(of(0)).await;
}

#[tokio::test]
async fn only_configured_namespaces_exist_where_that_is_asked() {
    let server = Local::with(|settings| {
        settings.namespaces.create = hotplate_daemon::config::Create::Configured;
        crate::harness::namespace(settings, "known");
    })
    .await;
    let mut client = server.client().await;
    client.store(v1::PutRequest { namespace: "known".to_owned(), ..put("k", "v") }).await;
    let elsewhere = v1::PutRequest { namespace: "other".to_owned(), ..put("k", "v") };
    failure(client.put(elsewhere).await).is(Code::NotFound, "NAMESPACE_UNKNOWN").blames("namespace");
}

#[tokio::test]
async fn watches_are_bounded() {
    let server = Local::with(|settings| settings.watch.streams_max = 2).await;
    let mut client = server.client().await;
    let first = Follower::open(&mut client, watch(vec![])).await;
    let _second = Follower::open(&mut client, watch(vec![])).await;
    let refused = failure(client.watch(watch(vec![])).await);
    refused.is(Code::ResourceExhausted, "TOO_MANY_WATCHES").says_when();
    drop(first);
    let again = || {
        let mut client = client.clone();
        async move { client.watch(watch(vec![])).await.is_ok() }
    };
    until("a free place", again, |open| *open).await;
    let pending = v1::WatchRequest { max_pending_events: u32::MAX, ..watch(vec![]) };
    let refused = failure(client.watch(pending).await);
    assert_eq!(refused.code, Code::InvalidArgument, "{refused:?}");
    refused.blames("max_pending_events");
}

#[tokio::test]
async fn calls_in_flight_are_bounded_and_told_when_to_come_back() {
    let server = Local::with(|settings| settings.limits.calls_max = 2).await;
    let mut client = server.client().await;
    let mut raw = Raw::connect(server.grpc).await;
    let mut one = raw.open("Get", &[]).await;
    let mut two = raw.open("Get", &[]).await;
    // Who asks may not take the place of one of them.
    raw.looked_at().await;
    let ask = || {
        let mut client = client.clone();
        async move { client.get(get("k")).await.err().map(|status| Failure::of(&status)) }
    };
    let refused = until("the limit", ask, Option::is_some).await.unwrap();
    refused.is(Code::ResourceExhausted, "OVERLOADED").says_when();
    one.finish(&get("k"));
    two.finish(&get("k"));
    assert_eq!((one.status().await.code(), two.status().await.code()), (Code::Ok, Code::Ok));
    let ask = || {
        let mut client = client.clone();
        async move { client.get(get("k")).await.is_ok() }
    };
    until("a free place", ask, |served| *served).await;
    client.store(put("k", "v")).await;
}

#[tokio::test]
async fn connections_are_bounded() {
    let server = Local::with(|settings| settings.limits.connections_max = 2).await;
    let mut first = server.client().await;
    first.store(put("k", "v")).await;
    let second = server.client().await;
    let mut third = tokio::net::TcpStream::connect(server.grpc).await.unwrap();
    let mut rest = Vec::new();
    within("an end of the third connection", third.read_to_end(&mut rest)).await.unwrap_or_default();
    assert!(first.value("k").await.is_ok(), "the others go on");
    drop(second);
    let again = || async {
        let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{}", server.grpc)).unwrap();
        match endpoint.connect().await {
            Ok(channel) => crate::harness::unlimited(channel).get(get("k")).await.is_ok(),
            Err(_) => false,
        }
    };
    until("a free place", again, |served| *served).await;
}

#[tokio::test]
async fn streams_of_one_connection_wait_for_each_other_and_disturb_no_other() {
    let server = Local::with(|settings| settings.limits.streams_per_connection_max = 2).await;
    let mut full = unlimited_on_one(&server).await;
    let first = Follower::open(&mut full, watch(vec![])).await;
    let _second = Follower::open(&mut full, watch(vec![])).await;
    client(server.grpc).await.store(put("k", "v")).await;
    let mut waiting = full.clone();
    let third = waiting.get(get("k"));
    tokio::pin!(third);
    let early = futures::poll!(third.as_mut());
    assert!(early.is_pending());
    drop(first);
    assert_eq!(within("the third call", third).await.unwrap().into_inner().outcome(), v1::GetOutcome::Hit);
}

async fn unlimited_on_one(server: &Local) -> Client {
    crate::harness::unlimited(channel(server.grpc).await)
}

#[tokio::test]
async fn metadata_is_bounded() {
    let server = Local::with(|settings| settings.limits.metadata_bytes_max = 4 << 10).await;
    let mut client = server.client().await;
    let mut request = tonic::Request::new(get("k"));
    request.metadata_mut().insert("x-large", "x".repeat(16 << 10).parse().unwrap());
    let status = client.get(request).await.unwrap_err();
    assert!(status.code() != Code::Ok, "{status:?}");
    client.ask(get("k")).await;
}
