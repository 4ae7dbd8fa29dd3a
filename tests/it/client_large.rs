//! Large values of the Rust client against the real service: the way they take, streams that break, who follows.

use std::convert::Infallible;

use bytes::Bytes;
use futures::TryStreamExt;
use hotplate::{Client, ComputeOptions, Lookup, Namespace, Raw, Selector, WriteOptions, v1};
use hotplate_faultproxy::Proxy;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::harness::{Local, unhurried};

pub(crate) fn space(address: std::net::SocketAddr) -> Namespace<Raw> {
    let client = Client::builder().url(format!("hotplate://{address}/ml")).profile(unhurried());
    client.build().unwrap().default_namespace().codec(Raw)
}

pub(crate) fn value(bytes: usize, seed: u64) -> Bytes {
    let mut value = vec![0; bytes];
    StdRng::seed_from_u64(seed).fill(&mut value[..]);
    value.into()
}

async fn read(space: &Namespace<Raw>, key: &str) -> Option<Bytes> {
    space.get::<Bytes>(key).await.unwrap().value()
}

#[tokio::test]
async fn values_of_any_size_are_put_computed_and_read_alike() {
    let server = Local::start().await;
    let space = space(server.grpc);
    for (key, bytes) in [("small", 100), ("limit", 1 << 20), ("above", (1 << 20) + 1), ("large", 9_000_001)] {
        let sent = value(bytes, bytes as u64);
        assert!(space.put(key, &sent).await.unwrap().is_stored(), "{key}");
        assert!(read(&space, key).await.unwrap() == sent, "{key}");
    }
    let many = space.get_many::<Bytes, _>(["small", "large", "none"]).await.unwrap();
    let sizes: Vec<_> = many.into_iter().map(|found| found.unwrap().value().map(|value| value.len())).collect();
    assert_eq!(sizes, [Some(100), Some(9_000_001), None]);
    let made = value(4_000_000, 4);
    let result = made.clone();
    let compute = move || std::future::ready(Ok::<_, String>(result.clone()));
    let computed: Bytes = space.get_or_compute("made", &ComputeOptions::new(), compute).await.unwrap();
    assert!(computed == made && read(&space, "made").await.unwrap() == made);
    space.remove("large").await.unwrap();
    assert_eq!(read(&space, "large").await, None);
    let tagged = WriteOptions::new().tag("t");
    space.put_with("tagged", &made, &tagged).await.unwrap();
    space.invalidate(Selector::tag("t")).await.unwrap();
    assert_eq!(read(&space, "tagged").await, None);
}

#[tokio::test]
async fn a_server_that_takes_less_with_a_call_gets_the_rest_as_a_stream() {
    let server = Local::with(|settings| settings.limits.unary_value_bytes_max = 10_000).await;
    let space = space(server.grpc);
    for bytes in [9_999, 10_001, 500_000, 20_000] {
        let sent = value(bytes, 1);
        assert!(space.put("k", &sent).await.unwrap().is_stored());
        assert!(read(&space, "k").await.unwrap() == sent);
    }
}

#[tokio::test]
async fn who_follows_reads_each_piece_as_it_is_written() {
    let server = Local::start().await;
    let (writer, reader) = (space(server.grpc), space(server.grpc));
    let mut writing = writer.write_stream("tokens", &WriteOptions::new()).await.unwrap();
    writing.send("once").await.unwrap();
    let mut following = reader.follow("tokens").await.unwrap();
    while !matches!(following.found, Lookup::Hit(_)) {
        following = reader.follow("tokens").await.unwrap();
    }
    assert_eq!(following.next().await.unwrap().unwrap(), "once");
    for token in [" upon", " a", " time"] {
        writing.send(token).await.unwrap();
        assert_eq!(following.next().await.unwrap().unwrap(), token);
    }
    assert_eq!(read(&reader, "tokens").await, None, "it is not stored yet");
    assert!(writing.finish().await.unwrap().is_stored());
    assert_eq!(following.next().await.unwrap(), None);
    assert_eq!(read(&reader, "tokens").await.unwrap(), "once upon a time");
}

/// Ends connections at any byte behind their first chunk, several in turn, and lets the last one be.
pub(crate) async fn cut(proxy: &Proxy, random: &mut StdRng) -> Infallible {
    proxy.ends_in_turn(6, || random.random_range(1_100_000..4_000_000)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_byte_the_network_ends_at_values_are_whole() {
    let server = Local::start().await;
    let proxy = Proxy::start(server.grpc, 7).await.unwrap();
    let space = space(proxy.address());
    let calls = space.client().calls();
    let mut random = StdRng::seed_from_u64(0xb10b);
    for round in 0..6_u64 {
        let sent = value(9_000_000 + usize::try_from(round).unwrap() * 100_001, round);
        let put = v1::PutRequest { namespace: "ml".to_owned(), key: "k".to_owned(), ..Default::default() };
        let written = tokio::select! {
            written = calls.write_value(put, sent.clone(), round % 2 == 0) => written,
            never = cut(&proxy, &mut random) => match never {},
        };
        assert_eq!(written.unwrap().outcome(), v1::PutOutcome::Stored);
        let read = async {
            let stream = space.read_stream("k").await.unwrap().into_stream();
            stream.try_collect::<Vec<Bytes>>().await.unwrap().concat()
        };
        let read = tokio::select! {
            read = Box::pin(read) => read,
            never = cut(&proxy, &mut random) => match never {},
        };
        assert!(read == sent, "round {round}");
        proxy.heal();
    }
}
