//! ListEntries: order, pages, filters, stability against deletes, tokens.

use std::time::Duration;

use hotplate_proto::v1::{self, ListEntriesRequest};
use tonic::Code;

use crate::{harness::Local, wire::*};

async fn stocked(client: &mut Client, entries: usize) {
    let items = (0..entries).map(|n| put(&format!("k:{n:03}"), format!("{n}"))).collect();
    client.batch_put(v1::BatchPutRequest { items, ..Default::default() }).await.unwrap();
}

async fn page(client: &mut Client, request: ListEntriesRequest) -> (Vec<String>, String) {
    let page = client.list_entries(request).await.unwrap().into_inner();
    (page.entries.into_iter().map(|entry| entry.key).collect(), page.next_page_token)
}

#[tokio::test]
async fn pages_hold_every_entry_once_in_key_order() {
    let server = Local::start().await;
    let mut client = server.client().await;
    stocked(&mut client, 25).await;
    let mut request = ListEntriesRequest { page_size: 10, ..Default::default() };
    let mut keys = Vec::new();
    let mut sizes = Vec::new();
    loop {
        let (found, token) = page(&mut client, request.clone()).await;
        sizes.push(found.len());
        keys.extend(found);
        if token.is_empty() {
            break;
        }
        request.page_token = token;
    }
    assert_eq!(sizes, [10, 10, 5]);
    assert_eq!(keys, (0..25).map(|n| format!("k:{n:03}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_listing_has_metadata_and_no_values() {
    let server = Local::start().await;
    let mut client = server.client().await;
    client.store(put_tagged("k", "value", &["t"])).await;
    client.ask(get("k")).await;
    let found = client.list_entries(ListEntriesRequest::default()).await.unwrap().into_inner();
    let facts = found.entries[0].metadata.as_ref().unwrap();
    assert_eq!((found.entries[0].key.as_str(), &found.entries[0].payload), ("k", &None));
    assert_eq!((facts.size_bytes, facts.hit_count, &facts.tags), (5, 1, &texts(&["t"])));
    client.list_entries(ListEntriesRequest::default()).await.unwrap();
    assert_eq!(facts_of(&client.ask(peek("k")).await).hit_count, 1, "a listing is no access");
}

#[tokio::test]
async fn deletes_and_writes_between_pages_move_nothing_else() {
    let server = Local::start().await;
    let mut client = server.client().await;
    stocked(&mut client, 20).await;
    let request = ListEntriesRequest { page_size: 10, ..Default::default() };
    let (first, token) = page(&mut client, request.clone()).await;
    client.drop_all(vec![select::key("k:003"), select::key("k:009"), select::key("k:010")]).await;
    client.store(put("a:new", "v")).await;
    let (second, end) = page(&mut client, ListEntriesRequest { page_token: token, ..request }).await;
    assert_eq!(first.len(), 10);
    assert_eq!(second, (11..20).map(|n| format!("k:{n:03}")).collect::<Vec<_>>());
    assert_eq!(end, "");
}

#[tokio::test]
async fn filters_select_and_expired_entries_are_not_listed() {
    let server = Local::start().await;
    let mut client = server.client().await;
    client.store(put_tagged("a:1", "v", &["t"])).await;
    client.store(v1::PutRequest { kind: "q".to_owned(), ..put("a:2", "v") }).await;
    client.store(v1::PutRequest { expiration: Some(ttl(5)), ..put("b:1", "v") }).await;
    let cases = [
        (vec![], vec!["a:1", "a:2", "b:1"]),
        (vec![select::prefix("a:")], vec!["a:1", "a:2"]),
        (vec![select::glob("*:1")], vec!["a:1", "b:1"]),
        (vec![select::tag("t"), select::kind("q")], vec!["a:1", "a:2"]),
        (vec![select::key("b:1")], vec!["b:1"]),
    ];
    for (selectors, expected) in cases {
        let (found, _) = page(&mut client, ListEntriesRequest { selectors, ..Default::default() }).await;
        assert_eq!(found, expected);
    }
    server.clock.advance(Duration::from_secs(5));
    assert_eq!(page(&mut client, ListEntriesRequest::default()).await.0, ["a:1", "a:2"]);
}

#[tokio::test]
async fn page_sizes_and_tokens_are_checked() {
    let server = Local::start().await;
    let mut client = server.client().await;
    stocked(&mut client, 150).await;
    let (standard, token) = page(&mut client, ListEntriesRequest::default()).await;
    assert_eq!(standard.len(), 100);
    let too_many = ListEntriesRequest { page_size: 1001, ..Default::default() };
    let refused = failure(client.list_entries(too_many).await);
    assert_eq!(refused.code, Code::InvalidArgument);
    refused.blames("page_size");
    let other = ListEntriesRequest { selectors: vec![select::prefix("k:")], page_token: token, ..Default::default() };
    for request in [ListEntriesRequest { page_token: "made up".to_owned(), ..Default::default() }, other] {
        let refused = failure(client.list_entries(request).await);
        refused.is(Code::InvalidArgument, "BAD_PAGE_TOKEN").blames("page_token");
    }
}
