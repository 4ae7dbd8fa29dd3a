//! Room for uploads: nobody holds a part of it while waiting for the rest, what was refused gives it back, and what the server
//! says it takes fits.

use std::time::Duration;

use hotplate_proto::v1::{self, GetServerInfoRequest, PutOutcome, write_value_request::Message};
use tonic::{Code, Status};

use crate::{
    blob::*,
    harness::Local,
    wire::{Failure, until},
    write_value::{until_received, until_received_of},
};

const MIB: usize = 1 << 20;

/// A server that has room for 8 MiB of uploads.
async fn small() -> Local {
    Local::with(|settings| settings.memory.bytes_max = 16 << 20).await
}

/// Bytes that uploads hold, and may hold.
pub(crate) async fn held(server: &Local) -> (u64, u64) {
    let page = reqwest::get(format!("http://{}/metrics", server.http)).await.unwrap().text().await.unwrap();
    let of = |name: &str| {
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix("{use=\"uploads\"} "));
        line.expect("the metric is told").parse().unwrap()
    };
    (of("hotplate_ledger_bytes"), of("hotplate_ledger_bytes_max"))
}

async fn nothing_is_held(server: &Local) {
    until("the room is given back", || async { held(server).await.0 }, |held| *held == 0).await;
}

fn of_size(number: u64, key: &str, size_bytes: u64) -> v1::WriteValueHeader {
    v1::WriteValueHeader { size_bytes, ..header(&id(number), key) }
}

fn is_to_wait(status: &Status) {
    let failure = Failure::of(status);
    assert!(failure.retry_after.is_some(), "others will be done: {status:?}");
    failure.is(Code::ResourceExhausted, "NOT_ADMITTED");
}

#[tokio::test]
async fn of_two_announced_uploads_that_do_not_fit_together_the_later_waits_outside() {
    let server = small().await;
    let mut blobs = blobs(server.grpc).await;
    let values = [pattern(1, 6 * MIB), pattern(2, 6 * MIB)];
    let first = Writing::begin(&blobs, of_size(1, "a", 6 << 20)).await;
    first.say(chunk(0, &values[0][..MIB])).await;
    until_received(&mut blobs, 1 << 20).await;
    let pieces: Vec<&[u8]> = values[1].chunks(MIB).collect();
    let refused = send(&mut blobs, messages(of_size(2, "b", 6 << 20), &pieces)).await.unwrap_err();
    is_to_wait(&refused);
    assert!(held(&server).await.0 < 3 << 20, "the later holds nothing");
    for (number, piece) in values[0].chunks(MIB).enumerate().skip(1) {
        first.say(chunk((number * MIB) as u64, piece)).await;
    }
    first.say(finish(6 << 20)).await;
    assert_eq!(first.ended().await.unwrap().put.unwrap().outcome(), PutOutcome::Stored);
    let second = send(&mut blobs, messages(of_size(2, "b", 6 << 20), &pieces)).await.unwrap();
    assert_eq!(second.put.unwrap().outcome(), PutOutcome::Stored);
    assert!(read_all(&mut blobs, read("b")).await.unwrap().data() == values[1]);
}

#[tokio::test]
async fn of_two_uploads_of_unknown_size_one_gives_way_and_the_other_is_stored() {
    let server = small().await;
    let mut blobs = blobs(server.grpc).await;
    let value = pattern(1, 6 * MIB);
    let (first, second) =
        (Writing::begin(&blobs, header(&id(1), "a")).await, Writing::begin(&blobs, header(&id(2), "b")).await);
    for (number, piece) in value.chunks(MIB).take(3).enumerate() {
        first.say(chunk((number * MIB) as u64, piece)).await;
        second.say(chunk((number * MIB) as u64, piece)).await;
    }
    until_received(&mut blobs, 3 << 20).await;
    until_received_of(&mut blobs, &id(2), 3 << 20).await;
    for (number, piece) in value.chunks(MIB).enumerate().skip(3) {
        first.say(chunk((number * MIB) as u64, piece)).await;
    }
    is_to_wait(&first.ended().await.unwrap_err());
    for (number, piece) in value.chunks(MIB).enumerate().skip(3) {
        second.say(chunk((number * MIB) as u64, piece)).await;
    }
    let stored = second.said(finish(6 << 20)).await.unwrap();
    assert_eq!(stored.put.unwrap().outcome(), PutOutcome::Stored);
    nothing_is_held(&server).await;
}

#[tokio::test]
async fn what_is_refused_for_good_gives_its_room_back_at_once() {
    let server = small().await;
    let mut blobs = blobs(server.grpc).await;
    let value = pattern(1, 2 * MIB);
    let too_much = vec![
        said(Message::Header(of_size(1, "k", (2 << 20) - 1))),
        said(chunk(0, &value[..MIB])),
        said(chunk(1 << 20, &value[MIB..])),
    ];
    let refused = send(&mut blobs, too_much).await.unwrap_err();
    Failure::of(&refused).is(Code::InvalidArgument, "BAD_ARGUMENT");
    nothing_is_held(&server).await;
    let two_headers = vec![
        said(Message::Header(header(&id(2), "k"))),
        said(chunk(0, &value[..MIB])),
        said(Message::Header(header(&id(2), "k"))),
    ];
    Failure::of(&send(&mut blobs, two_headers).await.unwrap_err()).is(Code::InvalidArgument, "BAD_ARGUMENT");
    nothing_is_held(&server).await;
    let known = v1::QueryWriteRequest { upload_id: id(1), ..Default::default() };
    Failure::of(&blobs.query_write(known).await.unwrap_err()).is(Code::NotFound, "UPLOAD_UNKNOWN");
}

#[tokio::test]
async fn what_may_go_on_keeps_its_room_until_another_needs_it() {
    let server = small().await;
    let mut blobs = blobs(server.grpc).await;
    let value = pattern(1, 6 * MIB);
    let pieces: Vec<&[u8]> = value.chunks(MIB).collect();
    let broken = Writing::begin(&blobs, of_size(1, "a", 6 << 20)).await;
    broken.say(chunk(0, pieces[0])).await;
    until_received(&mut blobs, 1 << 20).await;
    broken.cut().await;
    is_to_wait(&send(&mut blobs, messages(of_size(2, "b", 6 << 20), &pieces)).await.unwrap_err());
    let asked = v1::QueryWriteRequest { upload_id: id(1), ..Default::default() };
    let known = blobs.query_write(asked.clone()).await.unwrap().into_inner();
    assert_eq!(known.received_bytes, 1 << 20, "it may go on");
    // A tenth of the time after which it is given up when nobody wants its room.
    server.clock.advance(Duration::from_secs(6));
    let stored = send(&mut blobs, messages(of_size(2, "b", 6 << 20), &pieces)).await.unwrap();
    assert_eq!(stored.put.unwrap().outcome(), PutOutcome::Stored);
    Failure::of(&blobs.query_write(asked).await.unwrap_err()).is(Code::NotFound, "UPLOAD_UNKNOWN");
}

#[tokio::test]
async fn the_largest_value_that_the_server_speaks_of_can_be_written() {
    let server = small().await;
    let mut blobs = blobs(server.grpc).await;
    let info = server.client().await.get_server_info(GetServerInfoRequest {}).await.unwrap().into_inner();
    let limits = info.limits.unwrap();
    let (_, room) = held(&server).await;
    assert!((room - (256 << 10)..=room).contains(&limits.value_bytes_max), "{} of {room}", limits.value_bytes_max);
    let value = pattern(1, usize::try_from(limits.value_bytes_max).unwrap());
    let pieces: Vec<&[u8]> = value.chunks(usize::try_from(limits.chunk_bytes_max).unwrap()).collect();
    let stored = send(&mut blobs, messages(of_size(1, "k", limits.value_bytes_max), &pieces)).await.unwrap();
    assert_eq!(stored.put.unwrap().outcome(), PutOutcome::Stored);
    let more = send(&mut blobs, vec![said(Message::Header(of_size(2, "k", limits.value_bytes_max + 1)))]).await;
    Failure::of(&more.unwrap_err()).is(Code::InvalidArgument, "VALUE_TOO_LARGE");
}

#[tokio::test]
async fn an_upload_in_small_chunks_has_all_it_needs_whatever_a_later_one_takes() {
    const SMALL: usize = 4 << 10;
    let server = small().await;
    let mut blobs = blobs(server.grpc).await;
    let value = pattern(1, 4 * MIB);
    let first = Writing::begin(&blobs, of_size(1, "a", 4 << 20)).await;
    first.say(chunk(0, &value[..SMALL])).await;
    until_received(&mut blobs, SMALL as u64).await;
    // The largest that is let in beside it.
    let mut size = 4 << 20;
    for number in 2.. {
        let later = vec![said(Message::Header(of_size(number, "b", size))), said(chunk(0, &value[..SMALL]))];
        match send(&mut blobs, later).await {
            Ok(_unfinished) => break,
            Err(refused) => is_to_wait(&refused),
        }
        size -= 8 << 10;
    }
    assert!(size > 3 << 20, "{size}");
    for (number, piece) in value.chunks(SMALL).enumerate().skip(1) {
        first.say(chunk((number * SMALL) as u64, piece)).await;
    }
    assert_eq!(first.said(finish(4 << 20)).await.unwrap().put.unwrap().outcome(), PutOutcome::Stored);
}
