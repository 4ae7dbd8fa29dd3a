//! BatchPut: order, items that fail alone, limits.

use hotplate_proto::v1::{self, PutOutcome, batch_put_result::Result as Item};
use tonic::Code;

use crate::{harness::Local, wire::*};

fn batch(items: Vec<v1::PutRequest>) -> v1::BatchPutRequest {
    v1::BatchPutRequest { items, ..Default::default() }
}

async fn results(client: &mut Client, request: v1::BatchPutRequest) -> Vec<Item> {
    let answer = client.batch_put(request).await.unwrap().into_inner();
    answer.results.into_iter().map(|result| result.result.expect("one is set")).collect()
}

#[tokio::test]
async fn items_are_stored_in_order_and_fail_alone() {
    let server = Local::with(|settings| settings.limits.value_bytes_max = 100).await;
    let mut client = server.client().await;
    let absent = condition(v1::precondition::Condition::Absent(true));
    let items = vec![
        put("a", "1"),
        put("a", "2"),
        put("big", vec![0; 101]),
        v1::PutRequest { precondition: absent, ..put("a", "3") },
        put("a", "2"),
    ];
    let found = results(&mut client, batch(items)).await;
    let [Item::Response(first), Item::Response(second), Item::Error(big), Item::Response(kept), Item::Response(same)] =
        &found[..]
    else {
        panic!("{found:?}")
    };
    assert_eq!((first.outcome(), second.outcome()), (PutOutcome::Stored, PutOutcome::Stored));
    assert_eq!((big.code, big.reason.as_str()), (Code::InvalidArgument as i32, "VALUE_TOO_LARGE"));
    assert!(big.field.contains("value"), "{big:?}");
    assert_eq!((kept.outcome(), same.outcome()), (PutOutcome::PreconditionFailed, PutOutcome::Refreshed));
    assert_eq!(client.value("a").await.unwrap(), b"2");
}

#[tokio::test]
async fn the_namespace_is_the_batch_s() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let of = |namespace: &str| v1::PutRequest { namespace: namespace.to_owned(), ..put("k", "v") };
    let request = v1::BatchPutRequest { namespace: "n".to_owned(), items: vec![of(""), of("other")] };
    let found = results(&mut client, request).await;
    let [Item::Response(_), Item::Error(other)] = &found[..] else { panic!("{found:?}") };
    assert!(other.field.contains("namespace"), "{other:?}");
    let answer = client.ask(v1::GetRequest { namespace: "n".to_owned(), ..get("k") }).await;
    assert_eq!(value_of(&answer), b"v");
}

#[tokio::test]
async fn a_retried_batch_is_stored_once() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let items = vec![v1::PutRequest { request_id: "r".to_owned(), ..put("k", "v") }];
    let first = results(&mut client, batch(items.clone())).await;
    assert_eq!(first, results(&mut client, batch(items)).await);
    assert_eq!(client.count("").await.total.unwrap().puts, 1);
}

#[tokio::test]
async fn a_batch_has_1_to_the_limit_of_items() {
    let server = Local::with(|settings| settings.limits.batch_items_max = 3).await;
    let mut client = server.client().await;
    assert_eq!(results(&mut client, batch(vec![put("k", "v"); 3])).await.len(), 3);
    let large = failure(client.batch_put(batch(vec![put("k", "w"); 4])).await);
    large.is(Code::InvalidArgument, "BATCH_TOO_LARGE").blames("items");
    assert_eq!(client.value("k").await.unwrap(), b"v", "none of a refused batch is stored");
    assert_eq!(failure(client.batch_put(batch(vec![])).await).code, Code::InvalidArgument);
}
