//! Requests of very many small parts, which take much more once they are taken apart: refused before they are.

use bytes::Bytes;
use hotplate_proto::v1::{self, pipeline_operation::Operation};
use prost::Message;
use tonic::Code;

use crate::{
    harness::{Local, metric},
    pipeline::{Pipe, reason},
    raw::{Raw, framed},
    wire::*,
};

/// A message as gRPC frames it: a field of this number so many times, with this content, and then what cannot be decoded.
fn many(field: u8, content: &[u8], count: usize) -> Bytes {
    let mut one = vec![field << 3 | 2];
    prost::encoding::encode_varint(u64::try_from(content.len()).unwrap(), &mut one);
    one.extend_from_slice(content);
    let message = [&one.repeat(count)[..], &[0x0a, 9]].concat();
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0][..], &length, &message].concat().into()
}

/// What a call is answered whose request is these bytes, in two parts if it is to go the general way.
async fn refused(server: &Local, rpc: &str, mut request: Bytes, in_parts: bool) -> Failure {
    let mut raw = Raw::connect(server.grpc).await;
    let mut call = raw.open(rpc, &[]).await;
    if in_parts {
        call.body.send_data(request.split_to(7), false).unwrap();
        raw.looked_at().await;
    }
    call.body.send_data(request, true).unwrap();
    Failure::of(&call.status().await)
}

#[tokio::test]
async fn batches_of_too_many_items_are_refused_before_they_are_decoded() {
    let server = Local::start().await;
    for rpc in ["BatchGet", "BatchPut", "Revalidate"] {
        for (in_parts, count) in [(false, 4_000), (false, 1_000_000), (true, 4_000), (true, 1_000_000)] {
            let failure = refused(&server, rpc, many(2, b"", count), in_parts).await;
            failure.is(Code::InvalidArgument, "BATCH_TOO_LARGE").blames("items");
        }
        let name = format!("hotplate_calls_total{{rpc=\"{rpc}\",code=\"INVALID_ARGUMENT\"}}");
        assert_eq!(metric(server.http, &name).await, 4, "no handler records that");
    }
}

#[tokio::test]
async fn requests_of_very_many_small_parts_are_refused_before_they_are_decoded() {
    let server = Local::start().await;
    let (tags, selectors) = ((11, 1_500_000), (2, 1_500_000));
    let all_tags =
        v1::Selector { selector: Some(v1::selector::Selector::AllTags(v1::TagSet { tags: vec![String::new(); 100] })) };
    for (rpc, (field, count), content) in [
        ("Put", tags, vec![]),
        ("Put", (12, 1_000_000), vec![]),
        ("BatchPut", (2, 900), [11 << 3 | 2, 0].repeat(2000)),
        ("Invalidate", selectors, vec![]),
        ("Invalidate", (2, 15_000), all_tags.encode_to_vec()),
        ("Watch", (11, 1_500_000), vec![]),
        ("UpdateWatch", (4, 1_500_000), vec![]),
        ("ListEntries", selectors, vec![]),
        ("Preload", (2, 15_000), [0x32, 0].repeat(100)),
        ("ReleaseLease", (8, 1_500_000), vec![]),
        ("Get", (6, 15_000), [0x0a, 0].repeat(100)),
    ] {
        let failure = refused(&server, rpc, many(field, &content, count), rpc == "Get").await;
        assert_eq!(failure.reason, "MESSAGE_TOO_LARGE", "{rpc}: {failure:?}");
    }
    // Announced is how many items a job may have: that is what is told.
    refused(&server, "Preload", many(2, b"", 1_500_000), false)
        .await
        .is(Code::InvalidArgument, "BAD_ARGUMENT")
        .blames("items");
    let mut pipe = Pipe::open(&mut server.client().await, "").await;
    let said = pipe.ask(Operation::Put(v1::PutRequest { tags: vec![String::new(); 1_500_000], ..put("k", "v") })).await;
    assert_eq!(reason(&said), "MESSAGE_TOO_LARGE");
}

#[tokio::test]
async fn a_call_has_one_message() {
    let server = Local::start().await;
    for first in [100, 10_000] {
        let two = [framed(&put("k", vec![1; first])), framed(&put("k", "other"))].concat();
        let failure = refused(&server, "Put", two.into(), false).await;
        failure.is(Code::InvalidArgument, "BAD_MESSAGE");
    }
    assert!(server.client().await.value("k").await.is_err(), "nothing was stored");
}

#[tokio::test]
async fn requests_of_as_many_parts_as_may_be_are_served() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let tags: Vec<String> = (0..64).map(|n| format!("tag:{n}")).collect();
    let items = (0..1000).map(|n| v1::PutRequest { tags: tags.clone(), ..put(&format!("k:{n}"), "v") }).collect();
    let stored = client.batch_put(v1::BatchPutRequest { items, ..Default::default() }).await.unwrap().into_inner();
    let is_stored =
        |result: &v1::BatchPutResult| matches!(result.result, Some(v1::batch_put_result::Result::Response(_)));
    assert!(stored.results.len() == 1000 && stored.results.iter().all(is_stored));
}
