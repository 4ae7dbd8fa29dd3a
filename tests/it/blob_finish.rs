//! The end of an upload: whoever comes back while it is proved and stored hears what became of it, and disturbs nothing; what
//! it is known by afterwards.

use std::time::Duration;

use bytes::Bytes;
use hotplate_daemon::access::Role;
use hotplate_proto::v1::{self, PutOutcome, write_value_request::Message};
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;
use tonic::{Code, Status};

use crate::{
    blob::*,
    harness::{Local, grant, with_token},
    wire::{Calls as _, Failure, facts_of, get, until, within},
    write_value::until_received_of,
};

const MIB: usize = 1 << 20;

fn sha256(value: &[u8]) -> [u8; 32] {
    Sha256::digest(value).into()
}

fn proved(value: &[u8], sum: [u8; 32]) -> Message {
    let digest = Bytes::copy_from_slice(&sum);
    Message::Finish(v1::WriteValueFinish { size_bytes: value.len() as u64, digest, ..Default::default() })
}

/// Sends all of a value, and the finish with this sum: the server has to go over all of it before it can say anything.
async fn all_but_the_answer(blobs: &mut Blobs, id: &str, value: &[u8], sum: [u8; 32]) -> Writing {
    let writing = Writing::begin(blobs, header(id, "k")).await;
    for (number, piece) in value.chunks(MIB).enumerate() {
        writing.say(chunk((number * MIB) as u64, piece)).await;
    }
    until_received_of(blobs, id, value.len() as u64).await;
    writing.say(proved(value, sum)).await;
    writing
}

/// Comes back to an upload, in each way there is: at its end, from its begin, and by asking. What each is told.
async fn come_back(blobs: &Blobs, id: &str, value: &[u8]) -> Vec<Result<Option<v1::PutResponse>, Status>> {
    let mut coming = JoinSet::new();
    for offset in [value.len() as u64, 0] {
        let (mut blobs, begun) = (blobs.clone(), v1::WriteValueHeader { write_offset: offset, ..header(id, "k") });
        let messages = vec![said(Message::Header(begun)), said(finish(value.len() as u64))];
        coming.spawn(async move { send(&mut blobs, messages).await.map(|answer| answer.put) });
    }
    let (mut blobs, asked) = (blobs.clone(), v1::QueryWriteRequest { upload_id: id.to_owned(), ..Default::default() });
    coming.spawn(async move { blobs.query_write(asked).await.map(|answer| answer.into_inner().put) });
    within("what each is told", coming.join_all()).await
}

#[tokio::test]
async fn who_comes_back_while_an_upload_is_proved_hears_what_became_of_it() {
    let server = Local::start().await;
    let mut blobs = blobs(server.grpc).await;
    let value = pattern(1, 24 * MIB);
    let writing = all_but_the_answer(&mut blobs, &id(1), &value, sha256(&value)).await;
    let others = come_back(&blobs, &id(1), &value).await;
    let stored = writing.ended().await.unwrap().put.expect("it is finished");
    assert_eq!(stored.outcome(), PutOutcome::Stored);
    for other in others {
        assert_eq!(other.unwrap().as_ref(), Some(&stored), "the same answer");
    }
    assert!(read_all(&mut blobs, read("k")).await.unwrap().data() == value);
}

#[tokio::test]
async fn who_comes_back_to_what_turns_out_wrong_stores_nothing_of_it() {
    let server = Local::start().await;
    let mut blobs = blobs(server.grpc).await;
    let value = pattern(2, 24 * MIB);
    let writing = all_but_the_answer(&mut blobs, &id(1), &value, [7; 32]).await;
    let others = come_back(&blobs, &id(1), &value).await;
    Failure::of(&writing.ended().await.unwrap_err()).is(Code::InvalidArgument, "DIGEST_MISMATCH");
    for other in others {
        let told = Failure::of(&other.unwrap_err()).reason;
        assert!(["DIGEST_MISMATCH", "UPLOAD_UNKNOWN", "BAD_ARGUMENT"].contains(&told.as_str()), "{told}");
    }
    assert!(server.client().await.value("k").await.is_err(), "none of it was stored");
}

#[tokio::test]
async fn a_large_value_shows_its_sha256_or_none() {
    let folder = tempfile::tempdir().unwrap();
    let with_disk = |settings: &mut hotplate_daemon::config::Settings| {
        settings.disk.path = Some(folder.path().join("disk"));
        settings.disk.bytes_max = 64 << 20;
    };
    let server = Local::with(with_disk).await;
    let (mut client, mut writer) = (server.client().await, blobs(server.grpc).await);
    let value = pattern(3, 5 * MIB + 3);
    let pieces: Vec<&[u8]> = value.chunks(MIB).collect();
    let stored = upload(&mut writer, &id(1), "plain", &pieces).await.put.unwrap().metadata.unwrap();
    assert!(stored.digest.is_empty() || stored.digest[..] == sha256(&value), "{:?}", stored.digest);
    let mut begun = header(&id(2), "k");
    begun.put.as_mut().unwrap().digest = Bytes::copy_from_slice(&sha256(&value));
    let stored = send(&mut writer, messages(begun, &pieces)).await.unwrap().put.unwrap().metadata.unwrap();
    assert_eq!(stored.digest[..], sha256(&value));
    let found = client.ask(get("k")).await;
    assert_eq!(facts_of(&found).digest[..], sha256(&value));
    let headed = read_all(&mut writer, read("k")).await.unwrap();
    let shown = headed.header.found.unwrap().entry.unwrap().metadata.unwrap();
    assert_eq!((&shown.digest[..], &headed.trailer.unwrap().digest[..]), (&sha256(&value)[..], &sha256(&value)[..]));
    let clock = server.clock.clone();
    server.shutdown().await;
    let server = Local::at(clock, with_disk).await;
    let client = server.client().await;
    // A disk that is slow is not waited for.
    let ask = || {
        let mut client = client.clone();
        async move { client.ask(get("k")).await.entry.and_then(|entry| entry.metadata).map(|facts| facts.digest) }
    };
    let digest = until("the value from the disk", ask, Option::is_some).await.unwrap();
    assert_eq!(digest[..], sha256(&value), "it is kept where the value is");
    let small = server.client().await.store(crate::wire::put("small", "v")).await.metadata.unwrap();
    assert_eq!(small.digest[..], sha256(b"v"));
}

#[tokio::test]
async fn an_upload_whose_token_expires_says_so_and_goes_on_with_another() {
    let (mut short, mut long) = (String::new(), String::new());
    let server = Local::with(|settings| {
        short = grant(&mut settings.access, Role::Writer, &["*"]);
        // The clock of the server stands still; the time that is left on it is then waited for: long enough to send something.
        settings.access.tokens[0].expires = Some(Duration::from_secs(1_750_000_004));
        long = grant(&mut settings.access, Role::Writer, &["*"]);
    })
    .await;
    let mut blobs = blobs(server.grpc).await;
    let first = vec![said(Message::Header(header(&id(1), "k"))), said(chunk(0, b"abc"))];
    let open = futures::StreamExt::chain(futures::stream::iter(first), futures::stream::pending());
    let ended = within("the end of the upload", blobs.write_value(with_token(open, &short))).await.unwrap_err();
    Failure::of(&ended).is(Code::Unauthenticated, "TOKEN_EXPIRED");
    let rest = messages(v1::WriteValueHeader { write_offset: 3, ..header(&id(1), "k") }, &[b"def"]);
    let answer = blobs.write_value(with_token(futures::stream::iter(rest), &long)).await.unwrap().into_inner();
    assert_eq!(answer.put.unwrap().outcome(), PutOutcome::Stored);
}
