//! A server with memory alone that ends in order hands its most valuable entries to the next one.

use std::{path::Path, time::Duration};

use hotplate_proto::v1;
use prost_types::Duration as Wire;

use crate::{
    harness::{Local, Setup},
    health::http,
    wire::*,
};

async fn started(folder: &Path) -> Local {
    Local::with(|settings| settings.snapshot.path = Some(folder.join("hot"))).await
}

async fn has(client: &mut Client, key: &str) -> bool {
    let answer = client.ask(get(key)).await;
    answer.entry.is_some()
}

#[tokio::test]
async fn what_is_stored_is_there_again_and_what_was_invalidated_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let first = started(folder.path()).await;
    let mut client = first.client().await;
    let stored = v1::PutRequest {
        compute_cost: seconds(3),
        depends_on: texts(&["source", "tag:t"]),
        ..put_tagged("kept", "value", &["a", "b"])
    };
    client.store(stored).await;
    client.store(put("dropped", "value")).await;
    client.store(put_tagged("swept", "value", &["gone"])).await;
    client.store(put_negative("none", "NOT_FOUND")).await;
    client.drop_all(vec![select::key("dropped"), select::tag("gone")]).await;
    let before = client.ask(get("kept")).await;
    first.shutdown().await;

    let second = started(folder.path()).await;
    let mut client = second.client().await;
    let after = client.ask(get("kept")).await;
    assert_eq!(value_of(&after), b"value");
    let (before, after) = (facts_of(&before), facts_of(&after));
    assert_eq!((&after.etag, &after.tags, &after.depends_on), (&before.etag, &before.tags, &before.depends_on));
    assert_eq!(std_duration(after.compute_cost), Duration::from_secs(3));
    assert_eq!(client.ask(get("none")).await.outcome(), v1::GetOutcome::Negative);
    assert!(!has(&mut client, "dropped").await && !has(&mut client, "swept").await);
    client.drop_all(vec![select::tag("t")]).await;
    assert!(!has(&mut client, "kept").await, "what it was made from is known again");
    second.shutdown().await;

    let third = started(folder.path()).await;
    let mut client = third.client().await;
    assert!(!has(&mut client, "kept").await && client.ask(get("none")).await.entry.is_some());
}

#[tokio::test]
async fn a_life_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let first = started(folder.path()).await;
    first.client().await.store(v1::PutRequest { expiration: Some(ttl(60)), ..put("k", "value") }).await;
    first.shutdown().await;
    let second = started(folder.path()).await;
    let mut client = second.client().await;
    second.advance(Duration::from_secs(50));
    let left: Option<Wire> = facts_of(&client.ask(get("k")).await).fresh_for;
    assert_eq!(left, seconds(10));
    second.advance(Duration::from_secs(10));
    assert!(!has(&mut client, "k").await);
}

#[tokio::test]
async fn a_server_that_is_killed_leaves_nothing_and_what_was_left_before_is_not_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hot");
    let start = || Setup::default().arg("--snapshot-path").arg(path.to_str().unwrap()).spawn();
    let mut first = start();
    first.client().await.store(put("k", "value")).await;
    first.terminate();
    assert!(first.ended(PATIENCE).expect("it ends").success());
    assert!(path.exists(), "{}", first.errors());

    let second = start();
    let mut client = second.client().await;
    assert!(has(&mut client, "k").await);
    assert!(!path.exists());
    client.drop_all(vec![select::key("k")]).await;
    client.store(put("other", "value")).await;
    drop(second);

    let third = start();
    let mut client = third.client().await;
    assert!(!has(&mut client, "k").await && !has(&mut client, "other").await);
    let (status, _) = http(&format!("http://{}/readyz", third.http)).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn with_less_memory_the_most_valuable_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let first = started(folder.path()).await;
    let mut client = first.client().await;
    let value = vec![7; 20_000];
    for number in 0..100 {
        let cost = if number % 4 == 0 { 100 } else { 1 };
        let stored = v1::PutRequest { compute_cost: seconds(cost), ..put(&format!("k{number}"), &value) };
        client.store(stored).await;
    }
    first.shutdown().await;
    let second = Local::with(|settings| {
        settings.snapshot.path = Some(folder.path().join("hot"));
        settings.memory.bytes_max = 1 << 20;
    })
    .await;
    let mut client = second.client().await;
    let (mut dear, mut cheap) = (0, 0);
    for number in 0..100 {
        let counter = if number % 4 == 0 { &mut dear } else { &mut cheap };
        *counter += u32::from(has(&mut client, &format!("k{number}")).await);
    }
    assert_eq!(dear, 25);
    assert!(cheap > 10 && cheap < 40, "{cheap}");
}

#[tokio::test]
async fn it_may_be_read_beside_the_first_calls() {
    let folder = tempfile::tempdir().unwrap();
    let first = started(folder.path()).await;
    first.client().await.store(put("k", "value")).await;
    first.shutdown().await;
    let second = Local::with(|settings| {
        settings.snapshot.path = Some(folder.path().join("hot"));
        settings.snapshot.before_ready = false;
    })
    .await;
    let mut client = second.client().await;
    within("the entry comes back", async {
        while !has(&mut client, "k").await {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
