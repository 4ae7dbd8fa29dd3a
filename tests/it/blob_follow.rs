//! Readers that follow an upload: from the first byte, chunk by chunk as they were written, of one upload and no other.

use bytes::Bytes;
use hotplate_proto::v1::{self, GetOutcome, PutOutcome, read_value_response};
use tokio::task::JoinSet;
use tonic::{Code, Streaming};

use crate::{
    blob::*,
    harness::Local,
    wire::{Calls as _, Failure, invalidate, put, select, texts, within},
    write_value::{until_received, until_received_of},
};

fn follow(key: &str) -> v1::ReadValueRequest {
    v1::ReadValueRequest { follow: true, ..read(key) }
}

/// Opens a stream and takes its header.
async fn open(
    blobs: &mut Blobs,
    request: v1::ReadValueRequest,
) -> (v1::ReadValueHeader, Streaming<v1::ReadValueResponse>) {
    let mut stream = within("a read", blobs.read_value(request)).await.unwrap().into_inner();
    let first = within("a header", stream.message()).await.unwrap().expect("a header comes first");
    let Some(read_value_response::Message::Header(header)) = first.message else { panic!("no header: {first:?}") };
    (header, stream)
}

async fn next(stream: &mut Streaming<v1::ReadValueResponse>) -> Bytes {
    let message = within("a chunk", stream.message()).await.unwrap().expect("a chunk");
    let Some(read_value_response::Message::Chunk(chunk)) = message.message else { panic!("no chunk: {message:?}") };
    chunk.data
}

#[tokio::test]
async fn tokens_are_read_as_they_are_written() {
    let server = Local::start().await;
    let mut blobs = blobs(server.grpc).await;
    let writing = Writing::begin(&blobs, header(&id(1), "k")).await;
    writing.say(chunk(0, b"Once")).await;
    until_received(&mut blobs, 4).await;
    let (header, mut stream) = open(&mut blobs, follow("k")).await;
    assert_eq!(header.found.unwrap().outcome(), GetOutcome::Pending);
    assert_eq!(next(&mut stream).await, "Once");
    for (offset, token) in [(4, " upon"), (9, " a"), (11, " time")] {
        writing.say(chunk(offset, token.as_bytes())).await;
        assert_eq!(next(&mut stream).await, token, "before the upload is finished");
    }
    writing.say(finish(16)).await;
    let stored = writing.ended().await.unwrap().put.unwrap();
    let end = rest(&mut stream, 16).await.unwrap();
    assert_eq!(end.trailer.unwrap().etag, stored.metadata.unwrap().etag);
    assert_eq!(read_all(&mut blobs, read("k")).await.unwrap().chunks, ["Once", " upon", " a", " time"]);
}

#[tokio::test]
async fn a_herd_streams_from_the_first_byte() {
    let server = Local::start().await;
    let mut blobs = blobs(server.grpc).await;
    let value = pattern(7, 3 << 20);
    let pieces: Vec<&[u8]> = value.chunks(100_000).collect();
    let writing = Writing::begin(&blobs, header(&id(1), "k")).await;
    writing.say(chunk(0, pieces[0])).await;
    until_received(&mut blobs, 100_000).await;
    let mut herd = JoinSet::new();
    let (begun, mut all_begun) = tokio::sync::mpsc::channel(100);
    for _ in 0..100 {
        let (mut blobs, begun) = (blobs.clone(), begun.clone());
        herd.spawn(async move {
            let (_, mut stream) = open(&mut blobs, follow("k")).await;
            let first = next(&mut stream).await;
            begun.send(()).await.unwrap();
            let end = rest(&mut stream, first.len() as u64).await.unwrap();
            (first.len(), [first.to_vec(), end.data()].concat(), end.trailer.unwrap().etag)
        });
    }
    for _ in 0..100 {
        within("a reader with its first bytes", all_begun.recv()).await.unwrap();
    }
    for (number, piece) in pieces.iter().enumerate().skip(1) {
        writing.say(chunk(number as u64 * 100_000, piece)).await;
    }
    writing.say(finish(value.len() as u64)).await;
    let etag = writing.ended().await.unwrap().put.unwrap().metadata.unwrap().etag;
    while let Some(read) = herd.join_next().await {
        let (first, data, told) = read.unwrap();
        assert!(data == value && first == 100_000 && told == etag);
    }
}

#[tokio::test]
async fn who_follows_an_upload_that_fails_is_told_so() {
    let server = Local::start().await;
    let mut blobs = blobs(server.grpc).await;
    for (number, last) in [(1, chunk(3, b"more than was said")), (2, finish(99))] {
        let begun = v1::WriteValueHeader { size_bytes: 6, ..header(&id(1), "k") };
        let writing = Writing::begin(&blobs, begun).await;
        writing.say(chunk(0, b"abc")).await;
        until_received(&mut blobs, 3).await;
        let (_, mut stream) = open(&mut blobs, follow("k")).await;
        assert_eq!(next(&mut stream).await, "abc");
        writing.say(last).await;
        writing.ended().await.unwrap_err();
        if number == 1 {
            // It may still be continued: who follows waits, until it is begun anew.
            let anew = Writing::begin(&blobs, header(&id(1), "k")).await;
            anew.say(chunk(0, b"xyz")).await;
            let gone = rest(&mut stream, 3).await.unwrap_err();
            Failure::of(&gone).is(Code::Aborted, "VERSION_GONE");
            anew.say(finish(1)).await;
            anew.ended().await.unwrap_err();
            continue;
        }
        let gone = rest(&mut stream, 3).await.unwrap_err();
        Failure::of(&gone).is(Code::Aborted, "VERSION_GONE");
    }
    let nothing = read_all(&mut blobs, follow("k")).await.unwrap();
    assert_eq!(nothing.outcome(), GetOutcome::Miss, "nothing is left of them");
}

#[tokio::test]
async fn who_follows_goes_on_over_a_break_of_either_stream() {
    let server = Local::start().await;
    let mut blobs = blobs(server.grpc).await;
    let writing = Writing::begin(&blobs, header(&id(1), "k")).await;
    writing.say(chunk(0, b"abc")).await;
    until_received(&mut blobs, 3).await;
    let (begun, mut stream) = open(&mut blobs, follow("k")).await;
    let version = begun.version;
    assert_eq!(next(&mut stream).await, "abc");
    writing.cut().await;
    let at = |read_offset: u64| v1::ReadValueRequest { version: version.clone(), read_offset, ..follow("k") };
    let (_, mut other) = open(&mut blobs, at(1)).await;
    assert_eq!(next(&mut other).await, "bc");
    let again = v1::WriteValueHeader { write_offset: 3, ..header(&id(1), "k") };
    send(&mut blobs, messages(again, &[b"def"])).await.unwrap();
    assert_eq!(rest(&mut stream, 3).await.unwrap().data(), b"def");
    assert_eq!(rest(&mut other, 3).await.unwrap().data(), b"def");
    let (stored, mut late) = open(&mut blobs, at(4)).await;
    assert_eq!(stored.found.unwrap().outcome(), GetOutcome::Hit, "it is stored by now");
    assert_eq!(rest(&mut late, 4).await.unwrap().data(), b"ef");
}

#[tokio::test]
async fn who_follows_is_sent_nothing_of_what_an_invalidate_overtook() {
    let server = Local::start().await;
    let (mut client, mut blobs) = (server.client().await, blobs(server.grpc).await);
    let selectors = [select::key("k"), select::tag("t"), select::kind("q"), select::dependents_of("source")];
    for (number, selector) in selectors.into_iter().enumerate() {
        let name = id(number as u64);
        let mut begun = header(&name, "k");
        let put = begun.put.as_mut().unwrap();
        (put.tags, put.kind, put.depends_on) = (texts(&["t"]), "q".to_owned(), texts(&["source"]));
        let writing = Writing::begin(&blobs, begun).await;
        writing.say(chunk(0, b"computed ")).await;
        until_received_of(&mut blobs, &name, 9).await;
        let (header, mut stream) = open(&mut blobs, follow("k")).await;
        let version = header.version;
        assert_eq!(next(&mut stream).await, "computed ");
        client.drop_all(vec![selector]).await;
        // The writer does nothing, and all the same it hears of it.
        let gone = rest(&mut stream, 9).await.unwrap_err();
        Failure::of(&gone).is(Code::Aborted, "VERSION_GONE");
        let late = read_all(&mut blobs, follow("k")).await.unwrap();
        assert_eq!((late.outcome(), late.data()), (GetOutcome::Miss, vec![]), "who comes after it finds nothing");
        let continued = v1::ReadValueRequest { version, read_offset: 3, ..follow("k") };
        let gone = read_all(&mut blobs, continued).await.unwrap_err();
        Failure::of(&gone).is(Code::Aborted, "VERSION_GONE");
        writing.say(chunk(9, b"before")).await;
        writing.say(finish(15)).await;
        assert_eq!(writing.ended().await.unwrap().put.unwrap().outcome(), PutOutcome::LeaseLost);
    }
    let writing = Writing::begin(&blobs, header(&id(9), "k")).await;
    writing.say(chunk(0, b"computed after")).await;
    until_received_of(&mut blobs, &id(9), 14).await;
    let (_, mut stream) = open(&mut blobs, follow("k")).await;
    writing.say(finish(14)).await;
    writing.ended().await.unwrap();
    assert_eq!(rest(&mut stream, 0).await.unwrap().data(), b"computed after", "what comes afterwards is followed");
}

#[tokio::test]
async fn an_upload_that_an_invalidate_overtook_is_not_stored() {
    let server = Local::start().await;
    let (mut client, mut blobs) = (server.client().await, blobs(server.grpc).await);
    for (number, selector) in [select::key("k"), select::prefix("k"), select::everything()].into_iter().enumerate() {
        let name = id(100 + number as u64);
        let writing = Writing::begin(&blobs, header(&name, "k")).await;
        writing.say(chunk(0, b"computed before")).await;
        until_received_of(&mut blobs, &name, 15).await;
        let (_, mut stream) = open(&mut blobs, follow("k")).await;
        for cascade in [Some(false), None] {
            client.invalidate(v1::InvalidateRequest { cascade, ..invalidate(vec![selector.clone()]) }).await.unwrap();
        }
        writing.say(finish(15)).await;
        assert_eq!(writing.ended().await.unwrap().put.unwrap().outcome(), PutOutcome::LeaseLost);
        assert!(client.value("k").await.is_err());
        let gone = rest(&mut stream, 0).await.unwrap_err();
        Failure::of(&gone).is(Code::Aborted, "VERSION_GONE");
    }
    let writing = Writing::begin(&blobs, header(&id(1), "other")).await;
    writing.say(chunk(0, b"an upload")).await;
    until_received(&mut blobs, 9).await;
    client.store(put("other", "a put")).await;
    writing.say(finish(9)).await;
    assert_eq!(
        writing.ended().await.unwrap().put.unwrap().outcome(),
        PutOutcome::Stored,
        "the last of two writers wins"
    );
}
