//! Large values, in the chunks they came in: on disk, after a restart, damaged, and where there is no room for them.

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use hotplate_engine::{
    chunks::{Chunk, Chunks, Collecting},
    clock::Clock,
    entry::Payload,
    tier::{Kept, TierErrorKind, local::LocalTier},
};
use hotplate_tiers::disk::{DiskOptions, DiskTier, verify};

use crate::support::{kept, key, noise, open, open_with, put, written};

const MIB: usize = 1 << 20;
const LARGE: u64 = 1 << 30;

/// A value in chunks of these lengths, over and over.
fn cut(value: &[u8], lengths: &[usize]) -> Chunks {
    let (mut collecting, mut rest) = (Collecting::new(), value);
    for length in lengths.iter().cycle() {
        let (chunk, behind) = rest.split_at((*length).min(rest.len()));
        collecting.push(Chunk::new(Bytes::copy_from_slice(chunk)));
        rest = behind;
        if rest.is_empty() {
            break;
        }
    }
    collecting.finish(None)
}

fn chunked(clock: &Clock, chunks: Chunks) -> Kept {
    Kept { digest: chunks.digest(), payload: Payload::collected(chunks), ..kept(clock, "") }
}

async fn read(tier: &DiskTier, text: &str) -> Option<Kept> {
    tier.get(&key(text)).await.unwrap()
}

fn lengths(kept: &Kept) -> Vec<usize> {
    match &kept.payload {
        Payload::Chunks(chunks) => chunks.chunks().iter().map(|chunk| chunk.bytes().len()).collect(),
        Payload::Value(value) => vec![value.len()],
        other => panic!("a value was stored: {other:?}"),
    }
}

fn blobs(path: &Path) -> Vec<std::path::PathBuf> {
    std::fs::read_dir(path.join("blobs")).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn large(path: &Path, clock: &Clock) -> Arc<DiskTier> {
    open_with(DiskOptions::new(path, LARGE), clock)
}

#[tokio::test(flavor = "multi_thread")]
async fn they_come_back_in_their_chunks_also_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let value = noise(64 * MIB, 1);
    let odd = [1, 65_537, 1_048_575, 2 * MIB, 7];
    let sizes = [0, 1, 5000, MIB, 3 * MIB - 1, 3 * MIB, 3 * MIB + 1, 64 * MIB];
    let entries: Vec<_> = sizes.iter().map(|size| chunked(&clock, cut(&value[..*size], &odd))).collect();
    let mut tier = large(directory.path(), &clock);
    for (size, entry) in sizes.iter().zip(&entries) {
        assert!(put(&tier, &size.to_string(), entry.clone()));
        written(&tier).await;
    }
    for again in [false, true] {
        for (size, entry) in sizes.iter().zip(&entries) {
            let found = read(&tier, &size.to_string()).await.unwrap();
            assert_eq!((found.digest, lengths(&found)), (entry.digest, lengths(entry)), "{size}, restarted: {again}");
            assert_eq!(found.payload, entry.payload, "{size}");
        }
        tier.close().await;
        drop(tier);
        let verified = verify(directory.path(), &mut |_, _| {}).unwrap();
        assert_eq!((verified.damaged, verified.blobs), (0, 5));
        tier = large(directory.path(), &clock);
    }
}

#[tokio::test]
async fn what_waits_to_be_written_is_the_value_itself() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let tier = open(directory.path(), &clock);
    let chunks = cut(&noise(4 * MIB, 1), &[MIB]);
    assert!(put(&tier, "k", chunked(&clock, chunks.clone())));
    let Payload::Chunks(found) = read(&tier, "k").await.unwrap().payload else { panic!("it is large") };
    assert_eq!(found, chunks);
}

#[tokio::test]
async fn a_change_anywhere_and_a_cut_anywhere_are_found() {
    let clock = Clock::system();
    let value = noise(4 * MIB, 3);
    let file_bytes = {
        let directory = tempfile::tempdir().unwrap();
        let tier = large(directory.path(), &clock);
        put(&tier, "k", chunked(&clock, cut(&value, &[300_000])));
        written(&tier).await;
        std::fs::metadata(&blobs(directory.path())[0]).unwrap().len()
    };
    // Its header, the head of the record with the table of chunks, the first, a middle and the last chunk.
    let places = [0, 20, 31, 32, 40, 100, 200, 300, 350, 1000, file_bytes / 2, file_bytes - 1];
    for (cuts, at) in places.into_iter().flat_map(|at| [(false, at), (true, at)]) {
        let directory = tempfile::tempdir().unwrap();
        let tier = large(directory.path(), &clock);
        put(&tier, "k", chunked(&clock, cut(&value, &[300_000])));
        written(&tier).await;
        let blob = &blobs(directory.path())[0];
        let mut bytes = std::fs::read(blob).unwrap();
        let place = usize::try_from(at).unwrap();
        if cuts {
            bytes.truncate(place);
        } else {
            bytes[place] ^= 0x10;
        }
        std::fs::write(blob, bytes).unwrap();
        let error = tier.get(&key("k")).await.unwrap_err();
        assert_eq!(error.kind, TierErrorKind::Corrupt, "cut: {cuts}, at {at}");
        assert_eq!(read(&tier, "k").await, None, "it was dropped");
        assert_eq!(tier.state().corrupt, 1);
    }
}

#[tokio::test]
async fn the_oldest_go_when_the_disk_is_full_and_what_is_larger_than_it_is_not_taken() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let tier = open_with(DiskOptions::new(directory.path(), 64 << 20), &clock);
    for number in 0..12 {
        let value = noise(10 * MIB, number);
        assert!(put(&tier, &number.to_string(), chunked(&clock, cut(&value, &[MIB + 1]))));
        written(&tier).await;
        assert!(crate::support::bytes_on_disk(directory.path()) <= 64 << 20);
        let found = read(&tier, &number.to_string()).await.unwrap();
        assert_eq!(found.payload.value_bytes(), 10 << 20);
    }
    assert_eq!(read(&tier, "0").await, None, "it made room");
    put(&tier, "k", chunked(&clock, cut(b"older", &[2])));
    assert!(!put(&tier, "k", chunked(&clock, cut(&noise(33 * MIB, 1), &[MIB]))));
    assert_eq!(read(&tier, "k").await, None, "what it replaces is gone all the same");
    let dropped = tier.state().dropped;
    assert!(dropped.contains(&("too_large", 1)), "{dropped:?}");
}

#[tokio::test]
async fn one_value_larger_than_the_queue_waits_beside_it() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let options = DiskOptions { queue_bytes_max: MIB as u64, ..DiskOptions::new(directory.path(), LARGE) };
    let tier = open_with(options, &clock);
    let value = cut(&noise(40 * MIB, 1), &[MIB]);
    let mut most = 0;
    for number in 0..200 {
        // Whatever becomes of it: what waits, and what of it is being written, is bounded.
        put(&tier, &format!("small{number}"), kept(&clock, noise(40_000, number)));
        put(&tier, &format!("large{number}"), chunked(&clock, value.clone()));
        most = most.max(tier.state().memory_bytes);
    }
    assert!(most < 43 << 20, "{most} bytes waited");
    // Writes all that waits, and nothing besides that would be counted.
    tier.close().await;
    let state = tier.state();
    let refused: u64 = state.dropped.iter().map(|(_, count)| count).sum();
    assert_eq!(state.puts + refused, 400, "each was written or counted as dropped");
    assert!(state.entries.unwrap() > 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_of_large_values_take_turns() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let options = DiskOptions { reads_bytes_max: 2 << 20, ..DiskOptions::new(directory.path(), LARGE) };
    let tier = open_with(options, &clock);
    let value = cut(&noise(8 * MIB, 1), &[MIB]);
    put(&tier, "k", chunked(&clock, value.clone()));
    written(&tier).await;
    let readers = (0..8).map(|_| async { read(&tier, "k").await.unwrap().payload });
    for payload in futures::future::join_all(readers).await {
        assert_eq!(payload, Payload::Chunks(value.clone()));
    }
}
