//! Invalidate with REFRESH: what it selects is served as stale until the server has fetched it anew from an origin.

use std::{collections::BTreeMap, sync::Arc};

use hotplate_proto::v1::{self, EventType, GetOutcome, InvalidateMode, PreloadState, StalePolicy};
use tokio::sync::Semaphore;
use tonic::Code;

use crate::{
    follower::Follower,
    harness::{Local, namespace},
    origin::{Origin, serves, status},
    wire::*,
};

fn refresh(selectors: Vec<v1::Selector>) -> v1::InvalidateRequest {
    v1::InvalidateRequest { mode: InvalidateMode::Refresh.into(), ..invalidate(selectors) }
}

fn stale(key: &str) -> v1::GetRequest {
    v1::GetRequest { stale_policy: StalePolicy::WhileRevalidate.into(), ..get(key) }
}

fn put_stale(key: &str, value: &str, tags: &[&str]) -> v1::PutRequest {
    let expiration = Some(v1::Expiration { stale_for: seconds(30), ..ttl(100) });
    v1::PutRequest { expiration, ..put_tagged(key, value, tags) }
}

async fn started(client: &mut Client, request: v1::InvalidateRequest) -> v1::InvalidateResponse {
    client.invalidate(request).await.unwrap().into_inner()
}

/// Follows a job to its end: how each key ended.
async fn ended(client: &mut Client, job_id: &str) -> BTreeMap<String, PreloadState> {
    let request = v1::PreloadRequest { job_id: job_id.to_owned(), ..Default::default() };
    let mut job = client.preload(request).await.unwrap().into_inner();
    let mut states = BTreeMap::new();
    while let Some(progress) = within("progress of the job", job.message()).await.unwrap() {
        states.extend(progress.results.iter().map(|result| (result.key.clone(), result.state())));
    }
    states
}

#[tokio::test]
async fn the_old_is_stale_until_each_was_fetched_once() {
    let gate = Arc::new(Semaphore::new(0));
    let origin = Origin::gated(gate.clone()).await;
    let server = Local::with(|settings| origin.serves(settings)).await;
    let mut client = server.client().await;
    let keys = ["a", "b", "c"];
    for key in keys {
        client.store(put_stale(key, "old", &["t"])).await;
    }
    client.store(put_stale("other", "old", &[])).await;
    let answer = started(&mut client, refresh(vec![select::tag("t")])).await;
    assert_eq!((answer.matched_count, answer.refreshing_count), (3, 3));
    assert!(!answer.refresh_job_id.is_empty() && answer.position.is_some());
    until("all are being fetched", || async { origin.asked().len() }, |asked| *asked == 3).await;
    for key in keys {
        let old = client.ask(stale(key)).await;
        assert_eq!((old.outcome(), value_of(&old)), (GetOutcome::Stale, &b"old"[..]), "{key}");
        assert_eq!(client.ask(get(key)).await.outcome(), GetOutcome::Miss, "{key}");
    }
    assert_eq!(client.ask(get("other")).await.outcome(), GetOutcome::Hit);
    gate.add_permits(3);
    let states = ended(&mut client, &answer.refresh_job_id).await;
    assert!(states.len() == 3 && states.values().all(|state| *state == PreloadState::Loaded), "{states:?}");
    for key in keys {
        let new = client.ask(get(key)).await;
        assert_eq!((new.outcome(), value_of(&new)), (GetOutcome::Hit, format!("/items/{key}").as_bytes()), "{key}");
        assert_eq!(facts_of(&new).tags, texts(&["t"]), "{key}");
    }
    assert!(origin.counts().len() == 3 && origin.counts().values().all(|count| *count == 1), "{:?}", origin.counts());
}

#[tokio::test]
async fn without_an_origin_nothing_is_marked() {
    let origin = Origin::plain().await;
    let server = Local::with(|settings| {
        serves(settings, "one", origin.settings());
        serves(settings, "two", origin.settings());
        namespace(settings, "none");
    })
    .await;
    let mut client = server.client().await;
    let other = v1::RefreshFrom { origin: "three".to_owned(), ..Default::default() };
    for (space, from) in [("none", None), ("", None), ("", Some(other))] {
        client.store(v1::PutRequest { namespace: space.to_owned(), ..put_stale("k", "old", &[]) }).await;
        let request =
            v1::InvalidateRequest { namespace: space.to_owned(), refresh: from, ..refresh(vec![select::key("k")]) };
        let refused = failure(client.invalidate(request).await);
        refused.is(Code::FailedPrecondition, "NO_ORIGIN").blames("refresh.origin");
        let found = client.ask(v1::GetRequest { namespace: space.to_owned(), ..get("k") }).await;
        assert_eq!(found.outcome(), GetOutcome::Hit, "{space:?}");
    }
    let named = v1::RefreshFrom { origin: "two".to_owned(), ..Default::default() };
    let request = v1::InvalidateRequest { refresh: Some(named), ..refresh(vec![select::key("k")]) };
    let job = started(&mut client, request).await.refresh_job_id;
    assert_eq!(ended(&mut client, &job).await["k"], PreloadState::Loaded);
    assert_eq!(origin.asked().len(), 1);
}

#[tokio::test]
async fn what_says_nothing_or_is_too_much_is_refused() {
    let origin = Origin::plain().await;
    let server = Local::with(|settings| {
        origin.serves(settings);
        settings.preload.items_max = 2;
    })
    .await;
    let mut client = server.client().await;
    for key in ["a", "b", "c"] {
        client.store(put_stale(key, "old", &["t"])).await;
    }
    let spread = v1::InvalidateRequest { spread_over: seconds(10), ..refresh(vec![select::key("a")]) };
    failure(client.invalidate(spread).await).is(Code::InvalidArgument, "BAD_ARGUMENT").blames("spread_over");
    let from = Some(v1::RefreshFrom::default());
    let dropping = v1::InvalidateRequest { refresh: from, ..invalidate(vec![select::key("a")]) };
    failure(client.invalidate(dropping).await).is(Code::InvalidArgument, "BAD_ARGUMENT").blames("refresh");
    let many = failure(client.invalidate(refresh(vec![select::tag("t")])).await);
    many.is(Code::InvalidArgument, "BATCH_TOO_LARGE").blames("selectors");
    for key in ["a", "b", "c"] {
        assert_eq!(client.ask(get(key)).await.outcome(), GetOutcome::Hit, "{key}");
    }
    let dry = v1::InvalidateRequest { validate_only: true, ..refresh(vec![select::key("a"), select::key("missing")]) };
    let dry = started(&mut client, dry).await;
    assert_eq!((dry.matched_count, dry.refreshing_count, dry.refresh_job_id.as_str()), (1, 1, ""));
    assert_eq!(origin.asked().len(), 0);
}

#[tokio::test]
async fn what_fails_stays_stale_with_its_reason_and_a_retry_joins_the_same_job() {
    let origin = Origin::start(|_| async { status(403) }).await;
    let server = Local::with(|settings| origin.serves(settings)).await;
    let mut client = server.client().await;
    client.store(put_stale("k", "old", &["t"])).await;
    let request = v1::InvalidateRequest { request_id: "once".to_owned(), ..refresh(vec![select::tag("t")]) };
    let first = started(&mut client, request.clone()).await;
    let again = started(&mut client, request).await;
    assert_eq!(first, again);
    assert_eq!(ended(&mut client, &first.refresh_job_id).await["k"], PreloadState::Failed);
    let old = client.ask(stale("k")).await;
    assert_eq!((old.outcome(), value_of(&old)), (GetOutcome::Stale, &b"old"[..]));
    assert_eq!(facts_of(&old).refresh_failure.as_ref().unwrap().reason, "ORIGIN_STATUS");
    assert_eq!(origin.asked().len(), 1);
}

#[tokio::test]
async fn watchers_hear_of_the_mark_and_of_what_was_fetched() {
    let origin = Origin::plain().await;
    let server = Local::with(|settings| origin.serves(settings)).await;
    let mut client = server.client().await;
    client.store(put_stale("k", "old", &[])).await;
    let mut follower = Follower::open(&mut client, watch(vec![])).await;
    let answer = started(&mut client, refresh(vec![select::key("k")])).await;
    ended(&mut client, &answer.refresh_job_id).await;
    let heard: Vec<_> = follower.events(2).await.iter().map(v1::WatchEvent::r#type).collect();
    assert_eq!(heard, [EventType::MarkedStale, EventType::Put]);
}
