//! Large values: the way they take by themselves, and streams that break anywhere and go on, byte for byte.

use std::{convert::Infallible, sync::atomic::Ordering, time::Duration};

use bytes::Bytes;
use futures::TryStreamExt;
use hotplate::{Client, ErrorKind, Lookup, Namespace, Raw, WriteOptions, v1};
use hotplate_faultproxy::Proxy;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::double::{Double, patient};

const CHUNK: usize = 64 << 10;

fn double() -> (Double, Namespace<Raw>) {
    let double = Double::start();
    double.state.blobs.chunk_bytes.store(CHUNK, Ordering::Relaxed);
    let space = double.client().namespace("test").codec(Raw);
    (double, space)
}

fn value(bytes: usize, seed: u64) -> Bytes {
    let mut value = vec![0; bytes];
    StdRng::seed_from_u64(seed).fill(&mut value[..]);
    value.into()
}

async fn read(space: &Namespace<Raw>, key: &str) -> Bytes {
    match space.get::<Bytes>(key).await.expect("answered") {
        Lookup::Hit(hit) => hit.value,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_value_takes_the_way_it_fits() {
    let (double, space) = double();
    let (small, large) = (value(900_000, 1), value(2_500_000, 2));
    assert!(space.put("small", &small).await.expect("stored").is_stored());
    assert!(space.put("large", &large).await.expect("stored").is_stored());
    assert_eq!((double.state.count("put"), double.state.blobs.writes.lock().len()), (1, 1));
    assert!(read(&space, "small").await == small && read(&space, "large").await == large);
    let many = space.get_many::<Bytes, _>(["small", "large"]).await.expect("answered");
    let sizes: Vec<_> = many.into_iter().map(|found| found.expect("found").value().map(|value| value.len())).collect();
    assert_eq!(sizes, [Some(900_000), Some(2_500_000)]);
    assert_eq!(double.state.count("get_server_info"), 1, "asked once");
}

#[tokio::test]
async fn a_server_without_streams_says_itself_what_is_too_large() {
    let (double, space) = double();
    double.state.blobs.chunk_bytes.store(0, Ordering::Relaxed);
    space.put("large", &value(2_500_000, 2)).await.expect("this one takes it");
    assert_eq!((double.state.count("put"), double.state.blobs.writes.lock().len()), (1, 0));
    let error = space.write_stream("k", &WriteOptions::new()).await.expect_err("none");
    assert_eq!(error.kind, ErrorKind::Unimplemented);
}

#[tokio::test]
async fn what_is_cut_goes_on_where_it_was_cut() {
    let (double, space) = double();
    let large = value(2_500_000, 3);
    double.state.blobs.cut_writes.lock().extend([300_000, 700_000, 64, 1]);
    space.put("k", &large).await.expect("stored");
    let offsets: Vec<_> = double.state.blobs.writes.lock().iter().map(|header| header.write_offset).collect();
    assert_eq!(offsets.len(), 5);
    assert!(offsets.is_sorted() && offsets[1] >= 300_000, "{offsets:?}");
    double.state.blobs.cut_reads.lock().extend([1, 500_000, 64, 900_000]);
    assert_eq!(read(&space, "k").await, large);
    let reads = double.state.blobs.reads.lock();
    assert!(reads.iter().skip(1).all(|again| again.version == "e1" && again.read_offset > 0), "{reads:?}");
    let ids = double.state.blobs.writes.lock();
    assert!(ids.iter().all(|header| header.upload_id == ids[0].upload_id && header.upload_id.len() == 32));
}

#[tokio::test]
async fn a_finish_whose_answer_is_lost_is_not_sent_twice() {
    let (double, space) = double();
    double.state.blobs.cut_writes.lock().push(u64::MAX);
    assert!(space.put("k", &value(1_500_000, 4)).await.expect("stored").is_stored());
    assert_eq!((double.state.blobs.writes.lock().len(), double.state.puts.lock().len()), (1, 1));
}

#[tokio::test]
async fn an_upload_that_the_server_forgot_begins_anew() {
    let (double, space) = double();
    let large = value(2_000_000, 5);
    let writer = space.client().calls();
    double.state.blobs.cut_writes.lock().push(500_000);
    let put = v1::PutRequest { namespace: "test".to_owned(), key: "k".to_owned(), ..v1::PutRequest::default() };
    let forgets = async {
        while double.state.blobs.pieces.lock().len() < 8 {
            tokio::task::yield_now().await;
        }
        double.state.blobs.uploads.lock().clear();
    };
    let (written, ()) = tokio::join!(writer.write_value(put, large.clone(), true), forgets);
    assert_eq!(written.expect("stored").outcome(), v1::PutOutcome::Stored);
    assert_eq!(double.state.blobs.values.lock()["k"].0, large);
}

#[tokio::test]
async fn a_piece_that_arrives_otherwise_than_it_was_sent_is_read_again() {
    let (double, space) = double();
    let large = value(2_000_000, 6);
    space.put("k", &large).await.expect("stored");
    *double.state.blobs.flips.lock() = true;
    assert_eq!(read(&space, "k").await, large);
    assert_eq!(double.state.blobs.reads.lock().len(), 2);
}

#[tokio::test]
async fn a_value_that_is_replaced_while_it_is_read_is_never_mixed() {
    let (double, space) = double();
    let (old, new) = (value(2_000_000, 7), value(2_000_000, 8));
    space.put("k", &old).await.expect("stored");
    double.state.blobs.cut_reads.lock().push(500_000);
    let mut stream = space.read_stream("k").await.expect("opened");
    assert!(matches!(&stream.found, Lookup::Hit(hit) if hit.value == 2_000_000));
    let first = stream.next().await.expect("read").expect("a piece");
    assert_eq!(first, old.slice(..CHUNK));
    double.state.blobs.values.lock().insert("k".to_owned(), (new, "e2".to_owned()));
    let error = loop {
        match stream.next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("half of one value and half of another"),
            Err(error) => break error,
        }
    };
    assert_eq!((error.kind, error.reason.as_deref()), (ErrorKind::FailedPrecondition, Some("VERSION_GONE")));
}

#[tokio::test]
async fn pieces_stay_the_pieces_that_were_sent() {
    let (double, space) = double();
    let mut writer = space.write_stream("tokens", &WriteOptions::new()).await.expect("opened");
    for token in ["a", " stream", " of", " tokens"] {
        writer.send(token).await.expect("sent");
    }
    assert!(writer.finish().await.expect("stored").is_stored());
    assert_eq!(*double.state.blobs.pieces.lock(), [1, 7, 3, 7]);
    let stream = space.read_stream("tokens").await.expect("opened");
    let read: Vec<Bytes> = stream.into_stream().try_collect().await.expect("read");
    assert_eq!(read.concat(), b"a stream of tokens");
}

#[tokio::test]
async fn a_writer_whose_stream_breaks_sends_again_what_is_missing() {
    let (double, space) = double();
    double.state.blobs.cut_writes.lock().extend([5, 100_000, 1]);
    let mut writer = space.write_stream("k", &WriteOptions::new()).await.expect("opened");
    let whole = value(40 << 20, 9);
    for piece in whole.chunks(300_000) {
        writer.send(Bytes::copy_from_slice(piece)).await.expect("sent");
    }
    writer.finish().await.expect("stored");
    assert_eq!(double.state.blobs.values.lock()["k"].0, whole);
}

#[tokio::test]
async fn a_stream_that_breaks_before_the_server_knows_of_it_is_one_failure() {
    let (double, space) = double();
    double.state.blobs.cut_writes.lock().extend([0; 5]);
    let whole = value(3 << 20, 12);
    space.put("k", &whole).await.expect("stored");
    assert_eq!(double.state.blobs.values.lock()["k"].0, whole);
    assert_eq!(double.state.blobs.writes.lock().len(), 6);
}

#[tokio::test]
async fn what_is_not_there_is_a_miss_and_no_error() {
    let (_double, space) = double();
    let mut stream = space.read_stream("none").await.expect("answered");
    assert!(matches!(stream.found, Lookup::Miss(_)));
    assert_eq!(stream.next().await.expect("nothing to read"), None);
}

#[tokio::test]
async fn a_server_that_stays_away_ends_a_transfer_with_the_cause() {
    let (mut double, space) = double();
    // More than windows and buffers on the way take.
    space.put("k", &value(24_000_000, 10)).await.expect("stored");
    let stream = space.read_stream("k").await.expect("opened");
    double.stop();
    let ended = stream.into_stream().try_for_each(|_| std::future::ready(Ok(())));
    let ended = tokio::time::timeout(Duration::from_secs(60), ended).await.expect("it ends by itself");
    let error = ended.expect_err("cut");
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
}

/// Ends connections at any byte behind their first chunk, several in turn, and lets the last one be.
async fn cut(proxy: &Proxy, random: &mut StdRng) -> Infallible {
    proxy.ends_in_turn(5, || random.random_range(70_000..600_000)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_byte_the_network_ends_at_values_are_whole() {
    let (double, _) = double();
    let proxy = Proxy::start(double.address, 7).await.expect("a proxy");
    let client = Client::builder()
        .url(format!("hotplate://{}/test", proxy.address()))
        .profile(patient())
        .build()
        .expect("valid");
    let (calls, space) = (client.calls(), client.default_namespace().codec(Raw));
    let mut random = StdRng::seed_from_u64(0x0ff5e7);
    for round in 0..8_u64 {
        let large = value(3_000_000 + usize::try_from(round).expect("small") * 100_001, round);
        let put = v1::PutRequest { namespace: "test".to_owned(), key: "k".to_owned(), ..v1::PutRequest::default() };
        let written = tokio::select! {
            written = calls.write_value(put, large.clone(), round % 2 == 0) => written,
            never = cut(&proxy, &mut random) => match never {},
        };
        written.expect("stored");
        assert!(double.state.blobs.values.lock()["k"].0 == large, "round {round}");
        let read = async {
            let stream = space.read_stream("k").await.expect("opened").into_stream();
            stream.try_collect::<Vec<Bytes>>().await.expect("read").concat()
        };
        let read = tokio::select! {
            read = read => read,
            never = cut(&proxy, &mut random) => match never {},
        };
        assert!(read == large, "round {round}");
        proxy.heal();
    }
    let again = double.state.blobs.writes.lock().len() + double.state.blobs.reads.lock().len() - 16;
    assert!(again > 20, "{again} streams were gone on with");
}
