//! BatchGet with leases: each item its own, all waits together, and nobody who has a lease waits for another.

use std::time::Duration;

use hotplate_proto::v1::{self, GetOutcome, PutOutcome, batch_get_result::Result as Item};
use tokio::task::JoinHandle;
use tonic::Code;

use crate::{harness::Local, lease::waiting, wire::*};

fn items(items: Vec<v1::GetRequest>) -> v1::BatchGetRequest {
    v1::BatchGetRequest { items, ..Default::default() }
}

fn all(keys: &[&str]) -> v1::BatchGetRequest {
    items(keys.iter().map(|key| lease_or_wait(key)).collect())
}

fn responses(answer: v1::BatchGetResponse) -> Vec<v1::GetResponse> {
    let response = |result: v1::BatchGetResult| match result.result {
        Some(Item::Response(response)) => response,
        other => panic!("no response: {other:?}"),
    };
    answer.results.into_iter().map(response).collect()
}

async fn ask(client: &mut Client, request: v1::BatchGetRequest) -> Vec<v1::GetResponse> {
    responses(within("a batch", client.batch_get(request)).await.unwrap().into_inner())
}

/// Asks in a task of its own.
#[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime, and tests abort it")]
fn asking(client: &Client, request: v1::BatchGetRequest) -> JoinHandle<Vec<v1::GetResponse>> {
    let mut client = client.clone();
    tokio::spawn(async move { responses(client.batch_get(request).await.unwrap().into_inner()) })
}

async fn answered(asked: JoinHandle<Vec<v1::GetResponse>>) -> Vec<v1::GetResponse> {
    within("a batch", asked).await.unwrap()
}

fn outcomes(answers: &[v1::GetResponse]) -> Vec<(GetOutcome, bool)> {
    answers.iter().map(|answer| (answer.outcome(), answer.lease.is_some())).collect()
}

const GRANTED: (GetOutcome, bool) = (GetOutcome::Miss, true);
const PENDING: (GetOutcome, bool) = (GetOutcome::Pending, false);
const HIT: (GetOutcome, bool) = (GetOutcome::Hit, false);

#[tokio::test]
async fn each_item_gets_its_own_lease_in_order_and_who_has_one_waits_for_nobody() {
    let server = Local::start().await;
    let mut client = server.client().await;
    client.store(put("there", "v")).await;
    client.ask(lease("taken")).await;
    let wanted = vec![
        lease_or_wait("a"),
        get("missing"),
        lease_or_wait("there"),
        lease_or_wait("taken"),
        lease("b"),
        lease_or_wait("a"),
    ];
    let found = ask(&mut client, items(wanted)).await;
    let reported = (GetOutcome::Miss, false);
    assert_eq!(outcomes(&found), [GRANTED, reported, HIT, PENDING, GRANTED, PENDING]);
    assert_ne!(token_of(&found[0]), token_of(&found[4]));
    assert!(std_duration(found[3].pending.as_ref().unwrap().retry_after) > Duration::ZERO);
    assert_eq!(server.waiters(), 0);
    for (at, key) in [(0, "a"), (4, "b")] {
        assert_eq!(client.store(put_under(&token_of(&found[at]), key, key)).await.outcome(), PutOutcome::Stored);
    }
    let found = ask(&mut client, all(&["a", "b", "there"])).await;
    assert_eq!(outcomes(&found), [HIT, HIT, HIT]);
}

#[tokio::test]
async fn who_waits_for_several_keys_gets_all_their_values() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let held = ask(&mut client, all(&["a", "b"])).await;
    let batch = asking(&client, all(&["b", "a", "b"]));
    waiting(&server, 3).await;
    client.store(put_under(&token_of(&held[0]), "a", "1")).await;
    waiting(&server, 2).await;
    assert!(!batch.is_finished());
    let failure = v1::Negative { reason: "NONE".to_owned(), message: String::new() };
    let release = v1::ReleaseLeaseRequest {
        key: "b".to_owned(),
        token: token_of(&held[1]),
        failure: Some(failure),
        ..Default::default()
    };
    assert_eq!(client.release_lease(release).await.unwrap().into_inner().waiters_released, 2);
    let found = answered(batch).await;
    let negative = (GetOutcome::Negative, false);
    assert_eq!(outcomes(&found), [negative, HIT, negative]);
    assert_eq!(value_of(&found[1]), b"1");
}

/// Two batches ask for the same keys in opposite order. Each is given one of them: were each to wait for the other, neither
/// would compute.
#[tokio::test]
async fn two_batches_in_opposite_order_do_not_wait_for_each_other() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let b = token_of(&client.ask(lease("b")).await);
    let one = ask(&mut client, all(&["a", "b"])).await;
    assert_eq!(outcomes(&one), [GRANTED, PENDING], "it has `a`, so it does not wait for `b`");
    let other = asking(&client, all(&["b", "a"]));
    waiting(&server, 2).await;
    let release = v1::ReleaseLeaseRequest { key: "b".to_owned(), token: b, ..Default::default() };
    client.release_lease(release).await.unwrap();
    let other = answered(other).await;
    assert_eq!(outcomes(&other), [GRANTED, PENDING], "promoted to `b`, it does not wait for `a` any more");
    assert_eq!(server.waiters(), 0);
    client.store(put_under(&token_of(&one[0]), "a", "1")).await;
    client.store(put_under(&token_of(&other[0]), "b", "2")).await;
    assert_eq!(outcomes(&ask(&mut client, all(&["b", "a"])).await), [HIT, HIT]);
}

#[tokio::test]
async fn each_item_waits_for_its_own_time() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let held = token_of(&client.ask(lease("long")).await);
    client.ask(lease("short")).await;
    let short = v1::GetRequest { wait_timeout: seconds(4), ..lease_or_wait("short") };
    let batch = asking(&client, items(vec![short, lease_or_wait("long")]));
    waiting(&server, 2).await;
    waiting(&server, 1).await;
    client.store(put_under(&held, "long", "v")).await;
    assert_eq!(outcomes(&answered(batch).await), [PENDING, HIT]);
}

#[tokio::test]
async fn a_batch_that_is_cancelled_frees_its_places_and_hands_on_what_it_was_given() {
    let server = Local::start().await;
    let mut client = server.client().await;
    for key in ["a", "b"] {
        client.ask(lease(key)).await;
    }
    let batch = asking(&client, all(&["a", "b"]));
    waiting(&server, 2).await;
    batch.abort();
    waiting(&server, 0).await;
    client.drop_all(vec![select::key("a")]).await;
    assert_eq!(outcomes(&[client.ask(lease("a")).await]), [GRANTED], "nobody has it for a batch that is gone");
}

/// A stale value comes with a lease and does not fit: the lease does not stay with who never heard of it.
#[tokio::test]
async fn a_lease_whose_item_is_deferred_is_given_back() {
    let server = Local::with(|settings| {
        settings.limits.message_bytes_max = 1 << 20;
        settings.limits.value_bytes_max = 700 << 10;
    })
    .await;
    let mut client = server.client().await;
    for key in ["a", "b"] {
        let expiration = v1::Expiration { stale_for: seconds(60), ..ttl(1) };
        client.store(v1::PutRequest { expiration: Some(expiration), ..put(key, vec![1; 600 << 10]) }).await;
    }
    server.advance(Duration::from_secs(2));
    let stale = |key| v1::GetRequest { stale_policy: v1::StalePolicy::WhileRevalidate.into(), ..lease(key) };
    let answer = client.batch_get(items(vec![stale("a"), stale("b")])).await.unwrap().into_inner();
    assert!(matches!(&answer.results[1].result, Some(Item::Deferred(_))));
    let again = responses(client.batch_get(items(vec![stale("b")])).await.unwrap().into_inner());
    assert_eq!(outcomes(&again), [(GetOutcome::Stale, true)]);
}

#[tokio::test]
async fn an_item_that_makes_no_sense_fails_alone() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let bad = vec![
        lease("a"),
        v1::GetRequest { peek: true, ..lease("b") },
        v1::GetRequest { wait_timeout: seconds(1), ..lease("c") },
        lease(""),
    ];
    let results = client.batch_get(items(bad)).await.unwrap().into_inner().results;
    let errors: Vec<(i32, String)> = results[1..]
        .iter()
        .map(|result| match &result.result {
            Some(Item::Error(error)) => (error.code, error.field.clone()),
            other => panic!("not refused: {other:?}"),
        })
        .collect();
    let fields = ["items[1].miss_policy", "items[2].wait_timeout", "items[3].key"];
    assert_eq!(errors, fields.map(|field| (Code::InvalidArgument as i32, field.to_owned())));
    assert!(matches!(&results[0].result, Some(Item::Response(response)) if response.lease.is_some()));
}
