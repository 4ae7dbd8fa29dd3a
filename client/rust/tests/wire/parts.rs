//! Parts of values and their ends: what is read when a stream breaks just there.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use hotplate::{Calls, ErrorKind, Result, v1};

use crate::double::Double;

const CHUNK: usize = 10_000;

fn double(value: &Bytes) -> (Double, Calls) {
    let double = Double::start();
    double.state.blobs.chunk_bytes.store(CHUNK, Ordering::Relaxed);
    double.state.blobs.values.lock().insert("k".to_owned(), (value.clone(), "e1".to_owned()));
    let entry = v1::Entry { key: "k".to_owned(), ..v1::Entry::default() };
    double.state.entries.lock().insert("k".to_owned(), entry);
    let calls = double.client().calls();
    (double, calls)
}

fn value(bytes: usize) -> Bytes {
    (0..bytes).map(|at| u8::try_from(at % 251).expect("below 251")).collect()
}

fn part(read_offset: u64, read_limit: u64) -> v1::ReadValueRequest {
    let (key, version) = ("k".to_owned(), "e1".to_owned());
    v1::ReadValueRequest { key, version, read_offset, read_limit, ..v1::ReadValueRequest::default() }
}

async fn read(calls: &Calls, request: v1::ReadValueRequest) -> Result<(Vec<u8>, Option<v1::ReadValueTrailer>)> {
    let mut reader = calls.read_value(request).await?;
    let mut all = Vec::new();
    while let Some(bytes) = reader.next().await? {
        all.extend_from_slice(&bytes);
    }
    assert_eq!(reader.next().await?, None, "the end stays the end");
    Ok((all, reader.trailer().cloned()))
}

#[tokio::test]
async fn parts_are_what_was_asked_for_wherever_they_lie() {
    let whole = value(35_000);
    let (_double, calls) = double(&whole);
    for (offset, limit) in
        [(0, 0), (0, 1), (0, 35_000), (0, u64::MAX), (9_999, 2), (34_999, 1), (34_999, 900), (35_000, 0), (35_000, 7)]
    {
        let from = usize::try_from(offset).expect("small");
        let most = if limit == 0 { usize::MAX } else { usize::try_from(limit).unwrap_or(usize::MAX) };
        let expected = &whole[from..whole.len().min(from.saturating_add(most))];
        let (read, trailer) = read(&calls, part(offset, limit)).await.expect("read");
        assert!(read == expected && trailer.is_some_and(|end| end.size_bytes == 35_000), "{offset} {limit}");
    }
}

#[tokio::test]
async fn an_empty_value_is_read_to_its_end() {
    let (double, calls) = double(&Bytes::new());
    let (read, trailer) = read(&calls, part(0, 0)).await.expect("read");
    assert_eq!((read.len(), trailer.map(|end| end.size_bytes)), (0, Some(0)));
    assert_eq!(double.state.blobs.reads.lock().len(), 1);
}

#[tokio::test]
async fn a_part_whose_end_is_cut_off_is_not_gone_on_with_to_the_end_of_the_whole() {
    let whole = value(35_000);
    let (double, calls) = double(&whole);
    double.state.blobs.cut_reads.lock().push(12_000);
    let (read, trailer) = read(&calls, part(3_000, 12_000)).await.expect("read");
    assert!(read == whole[3_000..15_000] && trailer.is_none(), "{} bytes", read.len());
    assert_eq!(double.state.blobs.reads.lock().len(), 1, "nothing was left to ask for");
}

#[tokio::test]
async fn a_part_that_breaks_goes_on_for_what_is_left_of_it() {
    let whole = value(35_000);
    let (double, calls) = double(&whole);
    double.state.blobs.cut_reads.lock().extend([1, 5_000]);
    let (read, _) = read(&calls, part(3_000, 24_000)).await.expect("read");
    assert!(read == whole[3_000..27_000]);
    let asked: Vec<_> = double.state.blobs.reads.lock().iter().map(|r| (r.read_offset, r.read_limit)).collect();
    assert_eq!(asked, [(3_000, 24_000), (13_000, 14_000), (23_000, 4_000)]);
}

#[tokio::test]
async fn a_whole_whose_end_is_cut_off_is_proved_all_the_same() {
    let whole = value(30_000);
    let (double, calls) = double(&whole);
    double.state.blobs.cut_reads.lock().push(30_000);
    let (read, trailer) = read(&calls, part(0, 0)).await.expect("read");
    assert!(read == whole && trailer.is_some());
    let asked: Vec<_> = double.state.blobs.reads.lock().iter().map(|r| (r.read_offset, r.read_limit)).collect();
    assert_eq!(asked, [(0, 0), (30_000, 0)]);
}

#[tokio::test]
async fn a_limit_as_large_as_the_value_does_not_keep_the_whole_from_being_proved() {
    let (double, calls) = double(&value(30_000));
    *double.state.blobs.wrong_sum.lock() = true;
    for limit in [0, 30_000, u64::MAX] {
        let error = read(&calls, part(0, limit)).await.expect_err("another value than was sent");
        assert_eq!((error.kind, error.reason.as_deref()), (ErrorKind::Internal, Some("DIGEST_MISMATCH")));
    }
    read(&calls, part(0, 29_999)).await.expect("of a part nobody knows a sum");
}
