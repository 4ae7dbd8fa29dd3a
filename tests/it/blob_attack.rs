//! Uploads by writers that lie, lose, repeat, mix and announce: whatever they send, what is stored is one value byte for byte or
//! nothing, and what they hold is what came of them.

use std::time::Duration;

use bytes::Bytes;
use hotplate_proto::v1::{self, PutOutcome, write_value_request::Message};
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;
use tonic::Code;

use crate::{
    blob::*,
    blob_room::held,
    harness::Local,
    raw::{Raw, framed},
    wire::{Calls as _, Failure, put, select, until},
};

const MIB: usize = 1 << 20;

/// What a writer does wrong once, at a place that the seed decides.
#[derive(Clone, Copy, Debug)]
enum Lie {
    WrongChecksum,
    Gap,
    Overlap,
    Replay,
    TooMuch,
    EarlyFinish,
    WrongSize,
    WrongWholeChecksum,
    WrongDigest,
    TwoHeaders,
    Cut,
}

const LIES: [Lie; 11] = [
    Lie::WrongChecksum,
    Lie::Gap,
    Lie::Overlap,
    Lie::Replay,
    Lie::TooMuch,
    Lie::EarlyFinish,
    Lie::WrongSize,
    Lie::WrongWholeChecksum,
    Lie::WrongDigest,
    Lie::TwoHeaders,
    Lie::Cut,
];

fn whole(value: &[u8]) -> v1::WriteValueFinish {
    let digest = Bytes::copy_from_slice(&Sha256::digest(value));
    v1::WriteValueFinish { size_bytes: value.len() as u64, crc32c: Some(crc32c::crc32c(value)), digest }
}

fn begun(id: &str, value: &[u8], write_offset: u64) -> v1::WriteValueHeader {
    v1::WriteValueHeader { size_bytes: value.len() as u64, write_offset, ..header(id, "k") }
}

/// The message that lies in place of the chunk at these bytes.
fn lie(lie: Lie, value: &[u8], (at, end): (usize, usize)) -> Option<Message> {
    let data = &value[at..end];
    let finish = whole(value);
    Some(match lie {
        Lie::WrongChecksum => {
            let crc32c = crc32c::crc32c(data) ^ 1;
            Message::Chunk(v1::ValueChunk { offset: at as u64, crc32c, data: Bytes::copy_from_slice(data) })
        }
        Lie::Gap => chunk(at as u64 + 1, data),
        Lie::Overlap => chunk(at as u64 - 1, data),
        Lie::Replay => chunk(0, &value[..at]),
        Lie::TooMuch => chunk(at as u64, &vec![9; value.len() - at + 1]),
        Lie::EarlyFinish => Message::Finish(finish),
        Lie::WrongSize => Message::Finish(v1::WriteValueFinish { size_bytes: at as u64 + 1, ..Default::default() }),
        Lie::WrongWholeChecksum => {
            let crc32c = Some(crc32c::crc32c(&value[..at]) ^ 1);
            Message::Finish(v1::WriteValueFinish { size_bytes: at as u64, crc32c, ..Default::default() })
        }
        Lie::WrongDigest => Message::Finish(v1::WriteValueFinish { size_bytes: at as u64, ..finish }),
        Lie::TwoHeaders => Message::Header(begun("another-upload-of-a-test", value, 0)),
        Lie::Cut => return None,
    })
}

/// Sends a value up to where it lies; whether the server said that it does.
async fn send_with(blobs: &mut Blobs, id: &str, value: &[u8], (what, at): (Lie, usize)) -> bool {
    let writing = Writing::begin(blobs, begun(id, value, 0)).await;
    writing.say(chunk(0, &value[..at])).await;
    let end = value.len().min(at + 1000);
    let Some(message) = lie(what, value, (at, end)) else {
        writing.cut().await;
        return true;
    };
    let answer = writing.said(message).await;
    answer.is_err_and(|status| !["BUG", "OVERLOADED"].contains(&Failure::of(&status).reason.as_str()))
}

/// Sends what the server does not have of a value.
async fn go_on(blobs: &mut Blobs, id: &str, value: &[u8]) -> v1::PutResponse {
    let asked = v1::QueryWriteRequest { upload_id: id.to_owned(), ..Default::default() };
    let known = blobs.query_write(asked).await.map(tonic::Response::into_inner).unwrap_or_default();
    let from = usize::try_from(known.received_bytes).unwrap();
    let writing = Writing::begin(blobs, begun(id, value, known.received_bytes)).await;
    let mut at = from;
    for piece in value[from..].chunks(70_000) {
        writing.say(chunk(at as u64, piece)).await;
        at += piece.len();
    }
    writing.said(Message::Finish(whole(value))).await.unwrap().put.expect("it is finished")
}

#[tokio::test]
async fn whatever_a_writer_lies_about_is_refused_and_what_it_then_sends_is_stored_byte_for_byte() {
    let server = Local::start().await;
    let (mut client, mut blobs) = (server.client().await, blobs(server.grpc).await);
    let mut random = Random(2024);
    for (number, what) in LIES.into_iter().cycle().take(3 * LIES.len()).enumerate() {
        let value = pattern(u8::try_from(number).unwrap(), 1000 + random.below(600_000));
        let (at, id) = (1 + random.below(value.len() - 2), id(number as u64));
        let case = format!("{what:?} at {at} of {}", value.len());
        assert!(send_with(&mut blobs, &id, &value, (what, at)).await, "{case}");
        assert!(client.value("k").await.is_err(), "{case}: nothing can be read");
        assert_eq!(go_on(&mut blobs, &id, &value).await.outcome(), PutOutcome::Stored, "{case}");
        assert!(read_all(&mut blobs, read("k")).await.unwrap().data() == value, "{case}");
        client.drop_all(vec![select::key("k")]).await;
    }
}

/// Writes one upload over and over as one of two who both think it is theirs.
async fn contend(mut blobs: Blobs, id: String, value: Vec<u8>, mut random: Random) {
    for _ in 0..30 {
        let asked = v1::QueryWriteRequest { upload_id: id.clone(), ..Default::default() };
        let known = blobs.query_write(asked).await.map(tonic::Response::into_inner).unwrap_or_default();
        if known.put.is_some() {
            return;
        }
        let from = usize::try_from(known.received_bytes).unwrap().min(value.len());
        let writing = Writing::begin(&blobs, begun(&id, &value, from as u64)).await;
        let mut at = from;
        while at < value.len() {
            let end = value.len().min(at + 1 + random.below(60_000));
            writing.say(chunk(at as u64, &value[at..end])).await;
            at = end;
        }
        // Refused when the other took over, or when what is there is not all its own.
        let _refused = writing.said(Message::Finish(whole(&value))).await;
    }
}

#[tokio::test]
async fn two_writers_of_one_upload_store_the_value_of_one_of_them_or_none() {
    let server = Local::start().await;
    let mut blobs = blobs(server.grpc).await;
    let mut stored = 0;
    // Which of them come to an end is up to how they meet.
    for seed in 0..60_u64 {
        if seed >= 6 && stored > 0 {
            break;
        }
        let values = [1, 2].map(|whose| pattern(whose, 400_000));
        let mut both = JoinSet::new();
        for (whose, value) in values.iter().enumerate() {
            let random = Random(seed * 2 + whose as u64);
            both.spawn(contend(blobs.clone(), id(seed), value.clone(), random));
        }
        both.join_all().await;
        let found = read_all(&mut blobs, read("k")).await.unwrap();
        if found.trailer.is_some() {
            let data = found.data();
            assert!(values.contains(&data), "seed {seed}: a mix of two uploads is there");
            stored += 1;
        }
        server.client().await.drop_all(vec![select::key("k")]).await;
    }
    assert!(stored > 0, "some of them were stored");
}

#[tokio::test]
async fn streams_that_announce_much_and_send_little_hold_little_and_hinder_nobody_for_long() {
    const STREAMS: u64 = 100;
    let server = Local::with(|settings| settings.memory.bytes_max = 32 << 20).await;
    let (mut client, mut writer) = (server.client().await, blobs(server.grpc).await);
    let mut silent = Vec::new();
    for number in 0..STREAMS {
        let begun = v1::WriteValueHeader { size_bytes: 8 << 20, ..header(&id(number), &format!("k{number}")) };
        let writing = Writing::begin(&writer, begun).await;
        writing.say(chunk(0, b"x")).await;
        silent.push(writing);
    }
    let holding = until("some of them hold room", || async { held(&server).await.0 }, |held| *held > 0).await;
    assert!(holding <= STREAMS << 10, "{holding} bytes are held for {STREAMS} bytes");
    client.store(put("small", "v")).await;
    let value = pattern(1, 12 * MIB);
    let pieces: Vec<&[u8]> = value.chunks(MIB).collect();
    let legit = || v1::WriteValueHeader { size_bytes: value.len() as u64, ..header(&id(1000), "k") };
    let refused = Failure::of(&send(&mut writer, messages(legit(), &pieces[..1])).await.unwrap_err());
    assert!(refused.retry_after.is_some());
    refused.is(Code::ResourceExhausted, "NOT_ADMITTED");
    server.clock.advance(Duration::from_secs(3));
    let stored = send(&mut writer, messages(legit(), &pieces)).await.unwrap();
    assert_eq!(stored.put.unwrap().outcome(), PutOutcome::Stored);
    drop(silent);
}

/// The begin of an upload's messages: its header, and of a chunk of 1 MiB all but its data, and then some of that.
fn begun_chunk(number: u64, data: usize) -> Vec<u8> {
    let message = |message: Message| framed(&v1::WriteValueRequest { message: Some(message) });
    let whole = message(chunk(0, &vec![7; MIB]));
    let head = whole.len() - MIB;
    let begin = message(Message::Header(header(&id(number), &format!("k{number}"))));
    [&begin[..], &whole[..head + data]].concat()
}

#[tokio::test]
async fn chunks_of_which_only_the_begin_comes_hold_little_and_evict_nothing() {
    const STREAMS: u64 = 200;
    let server = Local::with(|settings| settings.memory.bytes_max = 32 << 20).await;
    let (mut client, mut writer) = (server.client().await, blobs(server.grpc).await);
    let kept = pattern(3, 12 * MIB);
    upload(&mut writer, &id(2000), "kept", &kept.chunks(MIB).collect::<Vec<_>>()).await;
    let mut raw = Raw::connect(server.grpc).await;
    let mut calls = Vec::new();
    for number in 0..STREAMS {
        let mut call = raw.open_at("hotplate.v1.BlobService/WriteValue", &[]).await;
        call.body.send_data(begun_chunk(number, 48).into(), false).unwrap();
        calls.push(call);
    }
    // Each has 16 KiB for what may come next.
    let all = STREAMS * (16 << 10);
    until("all of them hold room", || async { held(&server).await.0 }, |held| *held >= all).await;
    assert!(held(&server).await.0 <= all + STREAMS * (1 << 10), "{:?}", held(&server).await);
    let value = pattern(1, 4 * MIB);
    let pieces: Vec<&[u8]> = value.chunks(MIB).collect();
    let stored = upload(&mut writer, &id(1000), "k", &pieces).await;
    assert_eq!(stored.put.unwrap().outcome(), PutOutcome::Stored, "there is room for who sends");
    assert!(read_all(&mut writer, read("kept")).await.unwrap().data() == kept, "nothing went for what does not come");
    client.store(put("small", "v")).await;
    drop(calls);
}
