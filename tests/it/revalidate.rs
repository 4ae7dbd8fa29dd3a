//! Revalidate: each copy is compared for itself, with the time that is left and how current that is, and nothing is read.

use std::time::Duration;

use hotplate_proto::v1::{self, RevalidateState, StalePolicy};
use tonic::Code;

use crate::{follower::covers, harness::Local, wire::*};

fn copy(key: &str, etag: &str) -> v1::RevalidateItem {
    v1::RevalidateItem { key: key.to_owned(), etag: etag.to_owned() }
}

async fn compare(client: &mut Client, items: Vec<v1::RevalidateItem>) -> Vec<v1::RevalidateResult> {
    let request = v1::RevalidateRequest { items, ..Default::default() };
    client.revalidate(request).await.unwrap().into_inner().results
}

async fn etag(client: &mut Client, request: v1::PutRequest) -> String {
    client.store(request).await.metadata.unwrap().etag
}

fn states(results: &[v1::RevalidateResult]) -> Vec<RevalidateState> {
    results.iter().map(v1::RevalidateResult::state).collect()
}

#[tokio::test]
async fn copies_are_current_changed_or_gone_in_the_order_asked() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let mut etags = Vec::new();
    for key in ["same", "new", "dropped", "tagged"] {
        etags.push(etag(&mut client, put_tagged(key, key, &[key])).await);
    }
    etags.push(etag(&mut client, put_negative("none", "NO_SUCH_ROW")).await);
    client.store(put("new", "other")).await;
    client.drop_all(vec![select::key("dropped"), select::tag("tagged")]).await;
    let keys = ["same", "new", "dropped", "tagged", "none"];
    let mut items: Vec<_> = keys.iter().zip(&etags).map(|(key, etag)| copy(key, etag)).collect();
    items.push(copy("never", "x"));
    let results = compare(&mut client, items).await;
    use RevalidateState::{Changed, Current, Gone};
    assert_eq!(states(&results), [Current, Changed, Gone, Gone, Current, Gone]);
    let left = results[0].usable_for.map(|left| left.seconds);
    assert!(left.is_some_and(|left| (3590..=3600).contains(&left)), "{left:?}");
    assert!(results[1].fresh_for.is_none() && results[2].usable_for.is_none());
}

#[tokio::test]
async fn a_stale_entry_is_current_with_no_fresh_time_left() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let expiration = v1::Expiration { stale_for: seconds(30), ..ttl(10) };
    let etag = etag(&mut client, v1::PutRequest { expiration: Some(expiration), ..put("k", "v") }).await;
    for (passed, fresh, usable) in [(0, 10, 40), (15, 0, 25)] {
        server.advance(Duration::from_secs(passed));
        let result = compare(&mut client, vec![copy("k", &etag)]).await.remove(0);
        assert_eq!(result.state(), RevalidateState::Current);
        assert_eq!((result.fresh_for, result.usable_for), (seconds(fresh), seconds(usable)));
    }
    server.advance(Duration::from_secs(25));
    assert_eq!(states(&compare(&mut client, vec![copy("k", &etag)]).await), [RevalidateState::Gone]);
}

#[tokio::test]
async fn the_answer_says_how_current_it_is() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let stored = client.store(put("k", "v")).await;
    let swept = client.drop_all(vec![select::tag("t")]).await.position.unwrap();
    let result = compare(&mut client, vec![copy("k", &stored.metadata.unwrap().etag)]).await.remove(0);
    let as_of = result.as_of.unwrap();
    assert!(covers(&as_of, &stored.position.unwrap()) && covers(&as_of, &swept), "{as_of:?}");
    assert_eq!(as_of.logs.len(), 2);
    assert!(compare(&mut client, vec![copy("absent", "x")]).await[0].as_of.is_some());
}

#[tokio::test]
async fn an_item_that_fails_fails_alone() {
    let server = Local::with(|settings| settings.limits.batch_items_max = 3).await;
    let mut client = server.client().await;
    let etag = etag(&mut client, put("k", "v")).await;
    let results = compare(&mut client, vec![copy("", &etag), copy("k", &etag), copy("k", "")]).await;
    let failed = |result: &v1::RevalidateResult| {
        let error = result.error.clone().unwrap_or_default();
        (error.reason, error.field)
    };
    assert_eq!(failed(&results[0]), ("BAD_KEY".to_owned(), "items[0].key".to_owned()));
    assert_eq!(results[1].state(), RevalidateState::Current);
    assert_eq!(failed(&results[2]), ("BAD_ARGUMENT".to_owned(), "items[2].etag".to_owned()));
    let request = |items| v1::RevalidateRequest { items, ..Default::default() };
    let four = vec![copy("k", "e"); 4];
    failure(client.revalidate(request(four)).await).is(Code::InvalidArgument, "BATCH_TOO_LARGE");
    failure(client.revalidate(request(vec![])).await).blames("items");
}

#[tokio::test]
async fn comparing_is_no_read() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let expiration = v1::Expiration { idle_ttl: seconds(10), ..ttl(60) };
    let etag = etag(&mut client, v1::PutRequest { expiration: Some(expiration), ..put("k", "v") }).await;
    server.advance(Duration::from_secs(6));
    compare(&mut client, vec![copy("k", &etag), copy("k", "other"), copy("absent", "x")]).await;
    let counted = client.count("").await.total.unwrap();
    assert_eq!((counted.hits, counted.misses.iter().map(|miss| miss.count).sum::<u64>()), (0, 0));
    let seen = client.get(peek("k")).await.unwrap().into_inner().entry.unwrap().metadata.unwrap();
    assert_eq!(seen.hit_count, 0);
    server.advance(Duration::from_secs(5));
    let late = v1::GetRequest { stale_policy: StalePolicy::Refuse.into(), ..get("k") };
    assert_eq!(client.get(late).await.unwrap().into_inner().outcome(), v1::GetOutcome::Miss, "its idle time went on");
}
