//! The Rust client where large values meet what else it does: parts of them, followers whose stream breaks, near caches, watches
//! and servers that take little with a message.

use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use hotplate::{
    Calls, Client, ErrorKind, Lookup, Namespace, NearOptions, Raw, Selector, ValueReader, WatchItem, WriteOptions,
    Written, v1,
};
use hotplate_faultproxy::{End, Proxy};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::{
    client_large::{cut, space, value},
    harness::{Local, unhurried},
    wire::until,
};

fn part(key: &str, (read_offset, read_limit): (u64, u64)) -> v1::ReadValueRequest {
    let (namespace, key) = ("ml".to_owned(), key.to_owned());
    v1::ReadValueRequest { namespace, key, read_offset, read_limit, ..v1::ReadValueRequest::default() }
}

async fn rest(reader: &mut ValueReader) -> hotplate::Result<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(bytes) = reader.next().await? {
        all.extend_from_slice(&bytes);
    }
    Ok(all)
}

#[tokio::test]
async fn parts_of_values_are_read_up_to_their_ends_and_not_beyond() {
    let server = Local::start().await;
    let space = space(server.grpc);
    let calls = space.client().calls();
    for size in [0, 10, 3_000_000] {
        let whole = value(size, 1);
        space.put("k", &whole).await.unwrap();
        let version = calls.read_value(part("k", (0, 0))).await.unwrap().header().version.clone();
        let size = size as u64;
        for (offset, limit) in [(0, 0), (0, 1), (size, 0), (size, 5), (size / 2, u64::MAX), (size / 3, size / 2)] {
            let request = v1::ReadValueRequest { version: version.clone(), ..part("k", (offset, limit)) };
            let mut reader = calls.read_value(request).await.unwrap();
            let most = usize::try_from(limit).ok().filter(|limit| *limit > 0).unwrap_or(usize::MAX);
            let rest_of = &whole[usize::try_from(offset).unwrap()..];
            assert!(
                rest(&mut reader).await.unwrap() == rest_of[..rest_of.len().min(most)],
                "{offset} {limit} of {size}"
            );
            assert_eq!(reader.trailer().map(|end| end.size_bytes), Some(size));
        }
        let beyond = v1::ReadValueRequest { version, ..part("k", (size + 1, 0)) };
        let error = calls.read_value(beyond).await.unwrap_err();
        assert_eq!((error.kind, error.reason.as_deref()), (ErrorKind::InvalidArgument, Some("BAD_OFFSET")));
    }
}

#[tokio::test]
async fn the_first_bytes_of_what_is_being_written_can_be_followed_alone() {
    let server = Local::start().await;
    let space = space(server.grpc);
    let mut writing = space.write_stream("k", &WriteOptions::new()).await.unwrap();
    writing.send("once upon").await.unwrap();
    let calls = space.client().calls();
    let follow = || async {
        let request = v1::ReadValueRequest { follow: true, ..part("k", (0, 4)) };
        calls.read_value(request).await.unwrap()
    };
    let mut reader = until("an upload", follow, |reader| !reader.header().version.is_empty()).await;
    assert_eq!(rest(&mut reader).await.unwrap(), b"once");
    writing.finish().await.unwrap();
}

#[tokio::test]
async fn who_follows_goes_on_with_what_was_stored_while_the_line_was_cut() {
    let server = Local::start().await;
    let proxy = Proxy::start(server.grpc, 7).await.unwrap();
    let (writer, reader) = (space(server.grpc), space(proxy.address()));
    let mut writing = writer.write_stream("k", &WriteOptions::new()).await.unwrap();
    writing.send("once").await.unwrap();
    let follow = || async { reader.follow("k").await.unwrap() };
    let mut following = until("an upload", follow, |stream| matches!(stream.found, Lookup::Hit(_))).await;
    assert_eq!(following.next().await.unwrap().unwrap(), "once");
    proxy.cut(End::Reset);
    writing.send(" upon a time").await.unwrap();
    assert!(writing.finish().await.unwrap().is_stored());
    assert_eq!(following.next().await.unwrap().unwrap(), " upon a time");
    assert_eq!(following.next().await.unwrap(), None);
    let etag = following.reader().trailer().unwrap().etag.clone();
    let Lookup::Hit(hit) = reader.get::<Bytes>("k").await.unwrap() else { panic!("it is stored") };
    assert_eq!((hit.etag, &hit.value[..]), (etag.into(), &b"once upon a time"[..]));
}

/// Writes a value in pieces of any size, none of which can be read again.
async fn pour(space: &Namespace<Raw>, whole: &Bytes, sizes: &mut StdRng) -> hotplate::Result<Written> {
    let (mut writing, mut rest) = (space.write_stream("k", &WriteOptions::new()).await?, whole.clone());
    while !rest.is_empty() {
        let size = sizes.random_range(1..700_000).min(rest.len());
        writing.send(rest.split_to(size)).await?;
    }
    writing.finish().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_again_is_whole_whatever_byte_the_network_ends_at() {
    let server = Local::start().await;
    let proxy = Proxy::start(server.grpc, 7).await.unwrap();
    let (direct, space) = (space(server.grpc), space(proxy.address()));
    let (mut random, mut sizes) = (StdRng::seed_from_u64(0x70c4), StdRng::seed_from_u64(0x5173));
    for round in 0..4 {
        let whole = value(20_000_000 + usize::try_from(round).unwrap() * 100_001, round);
        let written = tokio::select! {
            written = Box::pin(pour(&space, &whole, &mut sizes)) => written,
            never = cut(&proxy, &mut random) => match never {},
        };
        assert!(written.unwrap().is_stored(), "round {round}");
        proxy.heal();
        // By the reads that nobody asks to go by stream, cut as well.
        let read = tokio::select! {
            read = Box::pin(space.get::<Bytes>("k")) => read,
            never = cut(&proxy, &mut random) => match never {},
        };
        assert!(read.unwrap().value().unwrap() == whole, "round {round}");
        proxy.heal();
        assert!(direct.get::<Bytes>("k").await.unwrap().value().unwrap() == whole, "round {round}");
    }
}

fn near(address: std::net::SocketAddr, bytes: u64) -> Namespace<Raw> {
    let options = NearOptions::new().bytes_max(bytes).progress_max(Duration::from_secs(2));
    let client = Client::builder().url(format!("hotplate://{address}/ml")).profile(unhurried()).near_cache(options);
    client.build().unwrap().default_namespace().codec(Raw)
}

#[tokio::test]
async fn a_large_value_is_kept_near_where_there_is_room_and_read_again_where_there_is_none() {
    let server = Local::start().await;
    let other = space(server.grpc);
    let (first, second) = (value(2_500_000, 1), value(2_500_001, 2));
    other.put("k", &first).await.unwrap();
    let roomy = near(server.grpc, 1 << 30);
    let hit = |space: &Namespace<Raw>| {
        let space = space.clone();
        async move {
            match space.get::<Bytes>("k").await.unwrap() {
                Lookup::Hit(hit) => hit,
                other => panic!("{other:?}"),
            }
        }
    };
    let kept = until("a near hit", || hit(&roomy), |hit| hit.near).await;
    assert!(kept.value == first);
    assert!(roomy.get_shared::<Bytes>("k").await.unwrap().value().is_some_and(|value| *value == first));
    let many = roomy.get_many::<Bytes, _>(["k"]).await.unwrap().remove(0).unwrap().value();
    assert!(many.is_some_and(|value| value == first));
    other.put("k", &second).await.unwrap();
    until("the new value", || hit(&roomy), |hit| hit.near && hit.value == second).await;
    let narrow = near(server.grpc, 1 << 20);
    let refused = || async {
        let hit = hit(&narrow).await;
        assert!(hit.value == second && !hit.near);
        narrow.near_stats().unwrap()
    };
    until("a refusal", refused, |stats| stats.refused.too_large > 0).await;
}

#[tokio::test]
async fn a_watch_tells_of_a_large_value_by_its_size_and_it_is_read_as_any_other() {
    let server = Local::start().await;
    let space = space(server.grpc);
    let mut watch = space.watch().selector(Selector::prefix("k")).content(v1::WatchContent::Values);
    assert!(matches!(watch.next().await, Some(Ok(WatchItem::Created(_)))));
    let sent = value(2_500_000, 1);
    space.put("k", &sent).await.unwrap();
    let entry = loop {
        let Some(Ok(WatchItem::Events(events))) = watch.next().await else { continue };
        if let Some(entry) = events.into_iter().find_map(|event| event.entry) {
            break entry;
        }
    };
    let large = v1::LargeValue { size_bytes: 2_500_000 };
    assert_eq!((entry.key.as_str(), entry.payload), ("k", Some(v1::entry::Payload::Large(large))));
    assert!(space.get::<Bytes>("k").await.unwrap().value().is_some_and(|value| value == sent));
}

async fn touch_all(calls: &Calls) {
    let hour = prost_types::Duration { seconds: 3_600, nanos: 0 };
    let expiration = v1::Expiration { lifetime: Some(v1::expiration::Lifetime::Ttl(hour)), ..Default::default() };
    let touch = |n| v1::TouchRequest {
        namespace: "ml".to_owned(),
        key: format!("k{n}"),
        expiration: Some(expiration.clone()),
        ..Default::default()
    };
    for touched in join_all((0..30).map(|n| calls.touch(touch(n)))).await {
        assert_ne!(touched.unwrap().outcome(), v1::TouchOutcome::NotFound);
    }
}

#[tokio::test]
async fn a_server_that_takes_few_items_with_a_message_is_used_as_any_other() {
    let server = Local::with(|settings| settings.limits.batch_items_max = 3).await;
    let space = space(server.grpc);
    let keys: Vec<String> = (0..30).map(|n| format!("k{n}")).collect();
    let sent: Vec<Bytes> = (0..30).map(|n| value(100, n)).collect();
    let written = space.put_many(keys.iter().zip(&sent), &WriteOptions::new()).await.unwrap();
    assert!(written.into_iter().all(|written| written.unwrap().is_stored()));
    for fresh in [space.clone(), self::space(server.grpc)] {
        let found = fresh.get_many::<Bytes, _>(&keys).await.unwrap();
        let found: Vec<_> = found.into_iter().filter_map(|found| found.unwrap().value()).collect();
        assert_eq!(found, sent);
        touch_all(&fresh.client().calls()).await;
    }
    touch_all(&self::space(server.grpc).client().calls()).await;
}

/// What a batch comes to.
async fn batch(calls: &Calls, namespace: &str) -> hotplate::Result<v1::BatchGetResponse> {
    let get = |key: &str| v1::GetRequest { key: key.to_owned(), ..Default::default() };
    let items = vec![get("large"), get("small"), get(""), get("none")];
    let answer = calls.batch_get(v1::BatchGetRequest { namespace: namespace.to_owned(), items }).await;
    answer.map(|mut answer| {
        // Lifetimes go on.
        for result in &mut answer.results {
            if let Some(v1::batch_get_result::Result::Response(response)) = &mut result.result
                && let Some(metadata) = response.entry.as_mut().and_then(|entry| entry.metadata.as_mut())
            {
                (metadata.age, metadata.fresh_for, metadata.usable_for, metadata.hit_count) = (None, None, None, 0);
            }
        }
        answer
    })
}

#[tokio::test]
async fn a_batch_that_shares_a_stream_answers_as_it_does_alone() {
    let server = Local::start().await;
    let builder = || Client::builder().url(format!("hotplate://{}/ml", server.grpc)).profile(unhurried());
    let client = |shared| builder().pipelining(shared).build();
    let (shared, alone) = (client(true).unwrap(), client(false).unwrap());
    let space = shared.default_namespace().codec(Raw);
    space.put("large", &value(2_500_000, 1)).await.unwrap();
    space.put("small", &value(10, 2)).await.unwrap();
    for namespace in ["ml", "no such/"] {
        let (shared, alone) = (batch(&shared.calls(), namespace).await, batch(&alone.calls(), namespace).await);
        assert_eq!(shared, alone);
        assert_eq!(shared.unwrap().results.len(), 4);
    }
}
