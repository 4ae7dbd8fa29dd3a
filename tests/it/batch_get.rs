//! BatchGet: order, items that fail alone, deferred items, limits.

use hotplate_proto::v1::{self, GetOutcome, batch_get_result::Result as Item};
use tonic::Code;

use crate::{harness::Local, wire::*};

fn batch(items: Vec<v1::GetRequest>) -> v1::BatchGetRequest {
    v1::BatchGetRequest { items, ..Default::default() }
}

async fn results(client: &mut Client, request: v1::BatchGetRequest) -> Vec<Item> {
    let answer = client.batch_get(request).await.unwrap().into_inner();
    answer.results.into_iter().map(|result| result.result.expect("one is set")).collect()
}

#[tokio::test]
async fn answers_come_in_order_and_fail_alone() {
    let server = Local::start().await;
    let mut client = server.client().await;
    client.store(put("b", "2")).await;
    client.store(put("a", "1")).await;
    let items = vec![get("a"), get("absent"), get(""), get("b"), get("a")];
    let found = results(&mut client, batch(items)).await;
    let [Item::Response(a), Item::Response(absent), Item::Error(bad), Item::Response(b), Item::Response(again)] =
        &found[..]
    else {
        panic!("{found:?}")
    };
    assert_eq!((value_of(a), value_of(b), value_of(again)), (&b"1"[..], &b"2"[..], &b"1"[..]));
    assert_eq!(absent.outcome(), GetOutcome::Miss);
    assert_eq!((bad.code, bad.reason.as_str()), (Code::InvalidArgument as i32, "BAD_KEY"));
    assert!(bad.field.contains("key") && !bad.message.is_empty(), "{bad:?}");
}

#[tokio::test]
async fn each_item_has_its_own_wishes() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let etag = client.store(put("k", "v")).await.metadata.unwrap().etag;
    let metadata = v1::GetRequest { view: v1::EntryView::Metadata.into(), ..get("k") };
    let known = v1::GetRequest { if_etag_not: etag, ..get("k") };
    let found = results(&mut client, batch(vec![metadata, known])).await;
    let [Item::Response(metadata), Item::Response(known)] = &found[..] else { panic!("{found:?}") };
    assert_eq!((metadata.outcome(), &metadata.entry.as_ref().unwrap().payload), (GetOutcome::Hit, &None));
    assert_eq!(known.outcome(), GetOutcome::NotModified);
}

#[tokio::test]
async fn the_namespace_is_the_batch_s() {
    let server = Local::start().await;
    let mut client = server.client().await;
    client.store(v1::PutRequest { namespace: "n".to_owned(), ..put("k", "v") }).await;
    let of = |namespace: &str| v1::GetRequest { namespace: namespace.to_owned(), ..get("k") };
    let request = v1::BatchGetRequest { namespace: "n".to_owned(), items: vec![of(""), of("n"), of("other")] };
    let found = results(&mut client, request).await;
    let [Item::Response(one), Item::Response(two), Item::Error(other)] = &found[..] else { panic!("{found:?}") };
    assert_eq!((value_of(one), value_of(two)), (&b"v"[..], &b"v"[..]));
    assert_eq!(other.code, Code::InvalidArgument as i32);
    assert!(other.field.contains("namespace"), "{other:?}");
}

#[tokio::test]
async fn what_does_not_fit_the_answer_is_deferred() {
    let limit = 1 << 20;
    let server = Local::with(|settings| {
        settings.limits.message_bytes_max = limit;
        settings.limits.value_bytes_max = 512 << 10;
    })
    .await;
    let mut client = server.client().await;
    let keys: Vec<String> = (0..4).map(|n| format!("k{n}")).collect();
    for key in &keys {
        client.store(put(key, vec![1; 400 << 10])).await;
    }
    let mut wanted: Vec<String> = keys.clone();
    let mut rounds = 0;
    while !wanted.is_empty() {
        let found = results(&mut client, batch(wanted.iter().map(|key| get(key)).collect())).await;
        let before = wanted.len();
        wanted = wanted.into_iter().zip(found).filter_map(|(key, item)| deferred(key, item)).collect();
        assert!(wanted.len() < before, "every round brings something");
        rounds += 1;
    }
    assert_eq!(rounds, 2, "two values of 400 KiB fit into 1 MiB");
}

fn deferred(key: String, item: Item) -> Option<String> {
    match item {
        Item::Response(answer) => {
            assert_eq!(value_of(&answer).len(), 400 << 10);
            None
        }
        Item::Deferred(left) => {
            assert_eq!(left.size_bytes, 400 << 10);
            Some(key)
        }
        Item::Error(error) => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn a_batch_has_1_to_the_limit_of_items() {
    let server = Local::with(|settings| settings.limits.batch_items_max = 3).await;
    let mut client = server.client().await;
    assert_eq!(results(&mut client, batch(vec![get("k"); 3])).await.len(), 3);
    failure(client.batch_get(batch(vec![get("k"); 4])).await)
        .is(Code::InvalidArgument, "BATCH_TOO_LARGE")
        .blames("items");
    let empty = failure(client.batch_get(batch(vec![])).await);
    assert_eq!(empty.code, Code::InvalidArgument);
    empty.blames("items");
}
