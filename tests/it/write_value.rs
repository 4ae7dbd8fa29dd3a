//! WriteValue: in one step or not at all, in order, checked, continued, and as a Put in everything else.

use bytes::Bytes;
use hotplate_proto::v1::{self, PutOutcome, write_value_request::Message};
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;
use tonic::Code;

use crate::{
    blob::*,
    follower::Follower,
    harness::Local,
    wire::{Calls as _, Failure, PATIENCE, get, lease, put_tagged, seconds, select, texts, token_of, watch},
};

const MIB: usize = 1 << 20;

#[tokio::test]
async fn a_value_is_stored_in_one_step_as_a_put_would() {
    let server = Local::start().await;
    let (mut client, mut blobs) = (server.client().await, blobs(server.grpc).await);
    let mut follower = Follower::open(&mut client, watch(vec![select::tag("t")])).await;
    let value = pattern(1, 5 * MIB + 17);
    let pieces: Vec<&[u8]> = value.chunks(MIB).collect();
    let put = v1::PutRequest { payload: None, ..put_tagged("k", "", &["t"]) };
    let begun = v1::WriteValueHeader { put: Some(put), size_bytes: value.len() as u64, ..header(&id(1), "k") };
    let writing = Writing::begin(&blobs, begun).await;
    let mut offset = 0;
    for piece in &pieces {
        writing.say(chunk(offset, piece)).await;
        offset += piece.len() as u64;
        assert!(client.value("k").await.is_err(), "nothing is there before it is finished");
    }
    writing.say(finish(offset)).await;
    let answer = writing.ended().await.unwrap();
    let stored = answer.put.unwrap();
    assert_eq!((answer.received_bytes, stored.outcome()), (offset, PutOutcome::Stored));
    let facts = stored.metadata.unwrap();
    assert_eq!((facts.size_bytes, facts.tags), (offset, texts(&["t"])));
    assert_eq!(follower.events(1).await.len(), 1);
    let read = read_all(&mut blobs, read("k")).await.unwrap();
    assert!(read.data() == value, "byte for byte");
    assert_eq!(
        read.chunks.iter().map(Bytes::len).collect::<Vec<_>>(),
        pieces.iter().map(|piece| piece.len()).collect::<Vec<_>>()
    );
    let again = client.get(get("k")).await.unwrap().into_inner();
    assert_eq!(again.entry.unwrap().metadata.unwrap().etag, facts.etag);
}

#[tokio::test]
async fn a_small_value_is_the_same_entry_however_it_came() {
    let server = Local::start().await;
    let (mut client, mut blobs) = (server.client().await, blobs(server.grpc).await);
    let etag = client.store(crate::wire::put("plain", "hello, world")).await.metadata.unwrap().etag;
    for (number, pieces) in [vec![&b"hello, world"[..]], vec![&b"hello"[..], b", ", b"world"]].into_iter().enumerate() {
        let stored = upload(&mut blobs, &id(number as u64), "k", &pieces).await.put.unwrap();
        assert_eq!(stored.metadata.unwrap().etag, etag);
        assert_eq!(client.value("k").await.unwrap(), b"hello, world");
        assert_eq!(read_all(&mut blobs, read("k")).await.unwrap().chunks.len(), pieces.len(), "kept as they came");
    }
}

#[tokio::test]
async fn chunks_come_in_order_and_whole() {
    let server = Local::start().await;
    let blobs = blobs(server.grpc).await;
    let refused = async |number: u64, message: Message| {
        let writing = Writing::begin(&blobs, v1::WriteValueHeader { size_bytes: 10, ..header(&id(number), "k") }).await;
        writing.say(chunk(0, b"01234")).await;
        writing.say(message).await;
        Failure::of(&writing.ended().await.unwrap_err())
    };
    refused(1, chunk(4, b"x")).await.is(Code::OutOfRange, "BAD_OFFSET");
    refused(2, chunk(6, b"x")).await.is(Code::OutOfRange, "BAD_OFFSET");
    let wrong = v1::ValueChunk { offset: 5, crc32c: 1, data: Bytes::from_static(b"x") };
    refused(3, Message::Chunk(wrong)).await.is(Code::InvalidArgument, "CHECKSUM_MISMATCH");
    refused(4, chunk(5, b"567890")).await.is(Code::InvalidArgument, "BAD_ARGUMENT");
    refused(5, chunk(5, &vec![0; MIB + 1])).await.is(Code::InvalidArgument, "BAD_ARGUMENT");
    refused(6, chunk(5, b"")).await.is(Code::InvalidArgument, "BAD_ARGUMENT");
    refused(7, Message::Header(header(&id(7), "k"))).await.is(Code::InvalidArgument, "BAD_ARGUMENT");
    refused(8, finish(4)).await.is(Code::InvalidArgument, "BAD_ARGUMENT");
    let crc32c = v1::WriteValueFinish { size_bytes: 10, crc32c: Some(1), ..Default::default() };
    let whole = async |number, finish| {
        let writing = Writing::begin(&blobs, header(&id(number), "k")).await;
        writing.say(chunk(0, b"0123456789")).await;
        writing.say(Message::Finish(finish)).await;
        Failure::of(&writing.ended().await.unwrap_err())
    };
    whole(9, crc32c).await.is(Code::InvalidArgument, "CHECKSUM_MISMATCH");
    let digest = v1::WriteValueFinish { size_bytes: 10, digest: vec![0; 32].into(), ..Default::default() };
    whole(10, digest).await.is(Code::InvalidArgument, "DIGEST_MISMATCH");
    assert!(server.client().await.value("k").await.is_err(), "none of it was stored");
}

#[tokio::test]
async fn what_is_no_upload_is_refused_at_its_begin() {
    let server = Local::with(|settings| {
        settings.memory.bytes_max = 8 << 20;
        settings.uploads.max = 1;
    })
    .await;
    let mut blobs = blobs(server.grpc).await;
    let mut refused = async |begun: v1::WriteValueHeader| {
        Failure::of(&send(&mut blobs, vec![said(Message::Header(begun))]).await.unwrap_err())
    };
    refused(header("short", "k")).await.is(Code::InvalidArgument, "BAD_ARGUMENT");
    refused(header("sixteen letters!", "k")).await.is(Code::InvalidArgument, "BAD_ARGUMENT");
    refused(header(&id(1), "")).await.is(Code::InvalidArgument, "BAD_KEY");
    let large = v1::WriteValueHeader { size_bytes: (8 << 20) + 1, ..header(&id(1), "k") };
    refused(large).await.is(Code::InvalidArgument, "VALUE_TOO_LARGE");
    refused(v1::WriteValueHeader { write_offset: 1, ..header(&id(1), "k") }).await.is(Code::NotFound, "UPLOAD_UNKNOWN");
    let value = v1::WriteValueHeader { put: Some(crate::wire::put("k", "v")), ..header(&id(1), "k") };
    refused(value).await.is(Code::InvalidArgument, "BAD_ARGUMENT");
    let no_header = Failure::of(&send(&mut blobs, vec![said(chunk(0, b"x"))]).await.unwrap_err());
    no_header.is(Code::InvalidArgument, "BAD_ARGUMENT");
    let begun = send(&mut blobs, vec![said(Message::Header(header(&id(1), "k")))]).await.unwrap();
    assert_eq!((begun.received_bytes, begun.put), (0, None));
    let other = send(&mut blobs, vec![said(Message::Header(header(&id(2), "k")))]).await.unwrap_err();
    Failure::of(&other).is(Code::ResourceExhausted, "TOO_MANY_UPLOADS");
}

#[tokio::test]
async fn an_upload_that_broke_off_is_continued_and_repeated() {
    let server = Local::start().await;
    let mut blobs = blobs(server.grpc).await;
    let first = vec![said(Message::Header(header(&id(1), "k"))), said(chunk(0, b"01234"))];
    let unfinished = send(&mut blobs, first).await.unwrap();
    assert_eq!((unfinished.received_bytes, &unfinished.put), (5, &None));
    let at = |write_offset| v1::WriteValueHeader { write_offset, ..header(&id(1), "k") };
    let refused = send(&mut blobs, vec![said(Message::Header(at(4)))]).await.unwrap_err();
    Failure::of(&refused).is(Code::OutOfRange, "BAD_OFFSET");
    let elsewhere = v1::WriteValueHeader { write_offset: 5, ..header(&id(1), "other") };
    let refused = send(&mut blobs, vec![said(Message::Header(elsewhere))]).await.unwrap_err();
    Failure::of(&refused).is(Code::InvalidArgument, "BAD_ARGUMENT");
    let done = send(&mut blobs, messages(at(5), &[b"56789"])).await.unwrap();
    assert_eq!((done.received_bytes, done.put.as_ref().unwrap().outcome()), (10, PutOutcome::Stored));
    assert_eq!(read_all(&mut blobs, read("k")).await.unwrap().data(), b"0123456789");
    let repeated = send(&mut blobs, messages(at(0), &[b"something else"])).await.unwrap();
    assert_eq!(repeated, done, "a finished upload is answered as it was");
    let asked = v1::QueryWriteRequest { upload_id: id(1), ..Default::default() };
    let queried = blobs.query_write(asked).await.unwrap().into_inner();
    assert_eq!((queried.received_bytes, queried.put), (10, done.put));
}

#[tokio::test]
async fn beginning_at_zero_again_begins_anew() {
    let server = Local::start().await;
    let mut blobs = blobs(server.grpc).await;
    send(&mut blobs, vec![said(Message::Header(header(&id(1), "k"))), said(chunk(0, b"old"))]).await.unwrap();
    upload(&mut blobs, &id(1), "k", &[b"new value"]).await;
    assert_eq!(read_all(&mut blobs, read("k")).await.unwrap().data(), b"new value");
}

#[tokio::test]
async fn of_two_streams_of_one_upload_the_later_goes_on() {
    let server = Local::start().await;
    let mut blobs = blobs(server.grpc).await;
    let first = Writing::begin(&blobs, header(&id(1), "k")).await;
    first.say(chunk(0, b"abc")).await;
    until_received(&mut blobs, 3).await;
    let later = v1::WriteValueHeader { write_offset: 3, ..header(&id(1), "k") };
    let second = Writing::begin(&blobs, later).await;
    second.say(chunk(3, b"def")).await;
    until_received(&mut blobs, 6).await;
    Failure::of(&first.ended().await.unwrap_err()).is(Code::Aborted, "UPLOAD_TAKEN_OVER");
    second.say(finish(6)).await;
    assert_eq!(second.ended().await.unwrap().put.unwrap().outcome(), PutOutcome::Stored);
    assert_eq!(read_all(&mut blobs, read("k")).await.unwrap().data(), b"abcdef");
}

/// Waits until so much of the first upload is there.
pub(crate) async fn until_received(blobs: &mut Blobs, bytes: u64) {
    until_received_of(blobs, &id(1), bytes).await;
}

/// Waits until so much of an upload is there.
pub(crate) async fn until_received_of(blobs: &mut Blobs, upload_id: &str, bytes: u64) {
    let ask = || {
        let mut blobs = blobs.clone();
        let asked = v1::QueryWriteRequest { upload_id: upload_id.to_owned(), ..Default::default() };
        async move { blobs.query_write(asked).await.map_or(0, |answer| answer.into_inner().received_bytes) }
    };
    crate::wire::until("the upload's bytes", ask, |received| *received == bytes).await;
}

#[tokio::test]
async fn what_nobody_continues_is_given_up() {
    let server = Local::start().await;
    let mut blobs = blobs(server.grpc).await;
    send(&mut blobs, vec![said(Message::Header(header(&id(1), "k"))), said(chunk(0, b"abc"))]).await.unwrap();
    server.advance(std::time::Duration::from_secs(61));
    let asked = v1::QueryWriteRequest { upload_id: id(1), ..Default::default() };
    let ask = || {
        let (mut blobs, asked) = (blobs.clone(), asked.clone());
        async move { blobs.query_write(asked).await.err().map(|status| Failure::of(&status).reason) }
    };
    let gone = crate::wire::until("the end of an upload", ask, Option::is_some).await;
    assert_eq!(gone.as_deref(), Some("UPLOAD_UNKNOWN"));
}

#[tokio::test]
async fn a_digest_is_checked_while_the_value_comes_or_at_its_end() {
    let server = Local::start().await;
    let mut blobs = blobs(server.grpc).await;
    let value = pattern(3, 9 * MIB);
    let sum: [u8; 32] = Sha256::digest(&value).into();
    let pieces: Vec<&[u8]> = value.chunks(MIB).collect();
    let announced = |number, digest: [u8; 32]| {
        let mut begun = header(&id(number), "k");
        begun.put.as_mut().unwrap().digest = Bytes::copy_from_slice(&digest);
        begun
    };
    let wrong = send(&mut blobs, messages(announced(1, [7; 32]), &pieces)).await.unwrap_err();
    Failure::of(&wrong).is(Code::InvalidArgument, "DIGEST_MISMATCH");
    send(&mut blobs, messages(announced(2, sum), &pieces)).await.unwrap();
    assert_eq!(read_all(&mut blobs, read("k")).await.unwrap().trailer.unwrap().digest[..], sum);
    let mut at_the_end = messages(header(&id(3), "other"), &pieces);
    let said_so =
        v1::WriteValueFinish { size_bytes: value.len() as u64, digest: sum.to_vec().into(), ..Default::default() };
    *at_the_end.last_mut().unwrap() = said(Message::Finish(said_so));
    send(&mut blobs, at_the_end).await.unwrap();
    assert_eq!(read_all(&mut blobs, read("other")).await.unwrap().trailer.unwrap().digest[..], sum);
}

#[tokio::test]
async fn an_upload_under_a_lease_releases_who_waits() {
    let server = Local::start().await;
    let (mut client, mut blobs) = (server.client().await, blobs(server.grpc).await);
    let token = token_of(&client.get(lease("k")).await.unwrap().into_inner());
    let mut other = client.clone();
    let mut waiting = JoinSet::new();
    waiting.spawn(async move {
        let asked = v1::GetRequest { wait_timeout: seconds(PATIENCE.as_secs()), ..crate::wire::lease_or_wait("k") };
        other.get(asked).await.unwrap().into_inner()
    });
    crate::wire::until("a caller that waits", || async { server.waiters() }, |waiting| *waiting == 1).await;
    let mut begun = header(&id(1), "k");
    begun.put.as_mut().unwrap().lease_token = token.clone();
    let answer = send(&mut blobs, messages(begun, &[b"val", b"ue"])).await.unwrap();
    assert_eq!(answer.put.unwrap().waiters_released, 1);
    assert_eq!(waiting.join_next().await.unwrap().unwrap().outcome(), v1::GetOutcome::Hit);
    let mut again = header(&id(2), "k");
    again.put.as_mut().unwrap().lease_token = token;
    let lost = send(&mut blobs, messages(again, &[b"late"])).await.unwrap();
    assert_eq!(lost.put.unwrap().outcome(), PutOutcome::LeaseLost);
}
