//! Large values under cuts: writers of distinct values to the same keys whose streams break at random and go on, readers who do
//! the same; and readers who take nothing of what they are sent.

use std::time::Duration;

use hotplate_proto::v1;
use tokio::task::JoinSet;

use crate::{blob::*, blob_readers::stalled, harness::Local, wire::until};

/// Uploads a value with its stream cut between chunks at random.
async fn upload_with_cuts(blobs: &mut Blobs, (id, key): (&str, &str), value: &[u8], random: &mut Random) {
    loop {
        let asked = v1::QueryWriteRequest { upload_id: id.to_owned(), ..Default::default() };
        let known = blobs.query_write(asked).await.map(tonic::Response::into_inner);
        let mut at = known.map_or(0, |known| usize::try_from(known.received_bytes).unwrap());
        let begun = v1::WriteValueHeader { write_offset: at as u64, ..header(id, key) };
        let writing = Writing::begin(blobs, begun).await;
        let mut left = random.below(6);
        while at < value.len() && left > 0 {
            let end = value.len().min(at + 1 + random.below(100_000));
            writing.say(chunk(at as u64, &value[at..end])).await;
            (at, left) = (end, left - 1);
        }
        if at < value.len() {
            writing.cut().await;
            continue;
        }
        writing.say(finish(value.len() as u64)).await;
        // The server may have received less than was sent: then it says so, and the rest is sent again.
        if writing.ended().await.is_ok_and(|answer| answer.put.is_some()) {
            return;
        }
    }
}

async fn upload_four(mut blobs: Blobs, whose: u8) {
    let mut random = Random(u64::from(whose) + 1);
    for round in 0..4_u64 {
        let value = pattern(whose, 100_000 + random.below(900_000));
        let key = format!("k{}", random.below(2));
        upload_with_cuts(&mut blobs, (&id(u64::from(whose) * 100 + round), &key), &value, &mut random).await;
    }
}

#[tokio::test]
async fn what_is_read_is_one_upload_byte_for_byte_whatever_breaks() {
    let server = Local::start().await;
    let blobs = blobs(server.grpc).await;
    let mut all = JoinSet::new();
    for whose in 0..6_u8 {
        all.spawn(upload_four(blobs.clone(), whose));
    }
    let reading = blobs.clone();
    all.spawn(async move {
        let (mut random, mut whole) = (Random(99), 0);
        while whole < 40 {
            whole +=
                u64::from(read_with_cuts(&mut reading.clone(), &format!("k{}", random.below(2)), &mut random).await);
        }
    });
    while let Some(ended) = all.join_next().await {
        ended.unwrap();
    }
}

/// Reads a key in parts of one version; whether it was read to its end. What was read is a prefix of one value.
async fn read_with_cuts(blobs: &mut Blobs, key: &str, random: &mut Random) -> bool {
    let (mut data, mut version) = (Vec::new(), String::new());
    loop {
        let asked = v1::ReadValueRequest {
            read_offset: data.len() as u64,
            read_limit: 1 + random.below(400_000) as u64,
            version: version.clone(),
            ..read(key)
        };
        // Replaced meanwhile, or not there yet.
        let Ok(part) = read_all(blobs, asked).await else { return false };
        let Some(trailer) = part.trailer.as_ref() else { return false };
        data.extend(part.data());
        version.clone_from(&part.header.version);
        let whose = data[7];
        assert!(data == pattern(whose, data.len()), "bytes of one upload, in their places");
        if data.len() as u64 == trailer.size_bytes {
            assert_eq!(crc32c::crc32c(&data), trailer.crc32c);
            return true;
        }
    }
}

/// Bytes that are held for values on their way to readers.
async fn sending(server: &Local) -> u64 {
    let page = reqwest::get(format!("http://{}/metrics", server.http)).await.unwrap().text().await.unwrap();
    let line = page.lines().find_map(|line| line.strip_prefix("hotplate_ledger_bytes{use=\"sending\"} "));
    line.expect("the metric is told").parse().unwrap()
}

#[tokio::test]
async fn who_takes_nothing_holds_one_chunk_and_is_cut_off() {
    const STREAMS: u64 = 5;
    let server = Local::start().await;
    let mut writer = blobs(server.grpc).await;
    let value = pattern(1, 8 << 20);
    upload(&mut writer, &id(1), "k", &value.chunks(1 << 20).collect::<Vec<_>>()).await;
    let mut stalled = stalled(&server, ("k", 65_535), STREAMS as usize).await;
    until("none takes any more", async || stalled.full(), |full| *full == STREAMS as usize).await;
    let held =
        until("they hold more than is their connection's own", || sending(&server), |held| *held >= 1 << 14).await;
    assert!(held <= STREAMS << 18, "{held}: more than a slice of a chunk each");
    server.advance(Duration::from_secs(31));
    until("all of them are cut off", || sending(&server), |held| *held == 0).await;
    stalled.until_open(0).await;
    assert!(read_all(&mut writer, read("k")).await.unwrap().data() == value, "others read on");
}
