//! ReadValue: what a Get would answer, in pieces, from any byte on, of one version.

use bytes::Bytes;
use hotplate_proto::v1::{self, GetOutcome};
use tonic::Code;

use crate::{
    blob::*,
    harness::Local,
    wire::{Calls as _, Failure, put, put_negative, select},
};

const MIB: usize = 1 << 20;

#[tokio::test]
async fn any_value_is_read_with_what_a_get_would_say() {
    let server = Local::start().await;
    let (mut client, mut blobs) = (server.client().await, blobs(server.grpc).await);
    let stored = client.store(put("small", "some bytes")).await.metadata.unwrap();
    let small = read_all(&mut blobs, read("small")).await.unwrap();
    assert_eq!((small.outcome(), small.data()), (GetOutcome::Hit, b"some bytes".to_vec()));
    assert_eq!((small.header.version.as_str(), small.header.size_bytes), (stored.etag.as_str(), 10));
    let trailer = small.trailer.unwrap();
    assert_eq!((trailer.size_bytes, trailer.crc32c), (10, crc32c::crc32c(b"some bytes")));
    assert_eq!((trailer.digest, trailer.etag), (stored.digest, stored.etag));
    client.store(put("empty", "")).await;
    let empty = read_all(&mut blobs, read("empty")).await.unwrap();
    assert_eq!((empty.outcome(), empty.chunks.len(), empty.trailer.is_some()), (GetOutcome::Hit, 0, true));
    client.store(put_negative("none", "NOT_FOUND")).await;
    let none = read_all(&mut blobs, read("none")).await.unwrap();
    assert_eq!((none.outcome(), none.trailer, none.header.version.as_str()), (GetOutcome::Negative, None, ""));
    let said = none.header.found.unwrap().entry.unwrap().payload;
    assert!(matches!(said, Some(v1::entry::Payload::Negative(_))), "{said:?}");
    let missing = read_all(&mut blobs, read("nothing")).await.unwrap();
    assert_eq!((missing.outcome(), missing.trailer), (GetOutcome::Miss, None));
}

#[tokio::test]
async fn a_value_is_read_from_any_byte_and_cut_as_asked() {
    let server = Local::start().await;
    let mut blobs = blobs(server.grpc).await;
    let value = pattern(1, 3 * MIB + 5);
    let pieces: Vec<&[u8]> = value.chunks(700_001).collect();
    upload(&mut blobs, &id(1), "k", &pieces).await;
    let version = read_all(&mut blobs, read("k")).await.unwrap().header.version;
    let size = value.len() as u64;
    for (offset, limit, most) in [
        (0, 0, 4096),
        (1, 0, 0),
        (700_001, 10, 0),
        (700_000, 2, 0),
        (size - 1, 0, 0),
        (size, 0, 0),
        (12, 1 << 40, 65_536),
    ] {
        let asked = v1::ReadValueRequest {
            version: version.clone(),
            read_offset: offset,
            read_limit: limit,
            chunk_bytes_max: most,
            ..read("k")
        };
        let part = read_all(&mut blobs, asked).await.unwrap();
        let end = if limit == 0 { size } else { size.min(offset + limit) };
        assert!(part.data() == value[offset as usize..end as usize], "{offset} {limit}");
        assert!(most == 0 || part.chunks.iter().map(Bytes::len).max().unwrap() <= most as usize);
        assert_eq!(part.trailer.unwrap().size_bytes, size);
    }
}

#[tokio::test]
async fn a_continued_read_is_of_the_same_version_or_none() {
    let server = Local::start().await;
    let (mut client, mut blobs) = (server.client().await, blobs(server.grpc).await);
    upload(&mut blobs, &id(1), "k", &[b"first version"]).await;
    let version = read_all(&mut blobs, read("k")).await.unwrap().header.version;
    let at = |read_offset: u64| v1::ReadValueRequest { version: version.clone(), read_offset, ..read("k") };
    let mut refused = async |asked| Failure::of(&read_all(&mut blobs, asked).await.unwrap_err());
    refused(at(14)).await.is(Code::OutOfRange, "BAD_OFFSET");
    refused(v1::ReadValueRequest { read_offset: 1, ..read("k") }).await.is(Code::InvalidArgument, "BAD_ARGUMENT");
    refused(v1::ReadValueRequest { chunk_bytes_max: 100, ..read("k") }).await.is(Code::InvalidArgument, "BAD_ARGUMENT");
    let made_up = v1::ReadValueRequest { version: "upload-of-nobody".to_owned(), ..read("k") };
    refused(made_up).await.is(Code::Aborted, "VERSION_GONE");
    client.store(put("k", "second version")).await;
    refused(at(3)).await.is(Code::Aborted, "VERSION_GONE");
    client.drop_all(vec![select::key("k")]).await;
    refused(at(3)).await.is(Code::Aborted, "VERSION_GONE");
}

#[tokio::test]
async fn a_reader_ends_what_it_began_although_the_value_is_replaced() {
    let server = Local::start().await;
    let (mut client, mut blobs) = (server.client().await, blobs(server.grpc).await);
    let value = pattern(1, 8 * MIB);
    upload(&mut blobs, &id(1), "k", &value.chunks(MIB).collect::<Vec<_>>()).await;
    let mut stream = blobs.read_value(read("k")).await.unwrap().into_inner();
    assert!(stream.message().await.unwrap().is_some(), "the header");
    client.store(put("k", "another")).await;
    assert!(rest(&mut stream, 0).await.unwrap().data() == value);
}
