//! Invalidate with MARK_STALE: what it selects is served as stale at most, for as long as it may be, and everyone hears of
//! it.

use std::time::Duration;

use hotplate_proto::v1::{
    self, EventType, Freshness, GetOutcome, InvalidateMode, KeyEventType, MissReason, PutOutcome, StalePolicy,
    TouchMode,
};
use tonic::Code;

use crate::{
    follower::Follower,
    harness::Local,
    lease::{ask, waiting},
    wire::*,
};

fn mark(selectors: Vec<v1::Selector>) -> v1::InvalidateRequest {
    v1::InvalidateRequest { mode: InvalidateMode::MarkStale.into(), ..invalidate(selectors) }
}

fn stale(key: &str) -> v1::GetRequest {
    v1::GetRequest { stale_policy: StalePolicy::WhileRevalidate.into(), ..get(key) }
}

fn put_stale(key: &str, value: &str, tags: &[&str]) -> v1::PutRequest {
    let expiration = Some(v1::Expiration { stale_for: seconds(30), ..ttl(100) });
    v1::PutRequest { expiration, ..put_tagged(key, value, tags) }
}

async fn marked(client: &mut Client, request: v1::InvalidateRequest) -> v1::InvalidateResponse {
    client.invalidate(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn what_is_marked_is_stale_at_once_for_as_long_as_it_may_be_stale() {
    let server = Local::start().await;
    let mut client = server.client().await;
    client.store(put_stale("k", "v", &["t"])).await;
    client.store(put_tagged("no-stale-time", "v", &["t"])).await;
    let answer = marked(&mut client, mark(vec![select::tag("t")])).await;
    assert_eq!((answer.matched_count, answer.position.unwrap().logs.len()), (2, 1));
    let missed = client.ask(get("k")).await;
    assert_eq!((missed.outcome(), missed.miss_reason()), (GetOutcome::Miss, MissReason::Invalidated));
    let found = client.ask(stale("k")).await;
    assert_eq!((found.outcome(), facts_of(&found).marked_stale), (GetOutcome::Stale, true));
    assert_eq!((facts_of(&found).fresh_for, facts_of(&found).usable_for), (seconds(0), seconds(30)));
    assert_eq!(client.ask(stale("no-stale-time")).await.miss_reason(), MissReason::Invalidated);
    server.advance(Duration::from_secs(10));
    marked(&mut client, mark(vec![select::key("k")])).await;
    assert_eq!(facts_of(&client.ask(stale("k")).await).usable_for, seconds(20), "a second mark adds nothing");
    server.advance(Duration::from_secs(20));
    assert_eq!(client.ask(stale("k")).await.outcome(), GetOutcome::Miss);
}

#[tokio::test]
async fn a_drop_beats_a_mark_whichever_comes_first() {
    let server = Local::start().await;
    let mut client = server.client().await;
    for mark_first in [true, false] {
        client.store(put_stale("k", "v", &["t"])).await;
        let drop = invalidate(vec![select::prefix("k")]);
        let calls =
            if mark_first { [mark(vec![select::tag("t")]), drop] } else { [drop, mark(vec![select::tag("t")])] };
        for call in calls {
            marked(&mut client, call).await;
        }
        assert_eq!(client.ask(stale("k")).await.miss_reason(), MissReason::Invalidated, "{mark_first}");
    }
}

#[tokio::test]
async fn what_was_computed_before_the_mark_is_not_stored_as_fresh() {
    let server = Local::start().await;
    let mut client = server.client().await;
    for selector in [select::key("k"), select::prefix("k"), select::tag("t"), select::everything()] {
        client.store(put_stale("k", "old", &["t"])).await;
        let etag = facts_of(&client.ask(get("k")).await).etag.clone();
        server.advance(Duration::from_secs(101));
        let token = token_of(&client.ask(v1::GetRequest { ..lease("k") }).await);
        let by_tag = selector == select::tag("t");
        let answer = marked(&mut client, mark(vec![selector])).await;
        assert_eq!(answer.leases_revoked, u32::from(!by_tag));
        let renewal = v1::PutRequest {
            payload: Some(v1::put_request::Payload::Unchanged(true)),
            precondition: condition(v1::precondition::Condition::Etag(etag)),
            ..put_under(&token, "k", "")
        };
        let late = v1::PutRequest { tags: texts(&["t"]), ..put_under(&token, "k", "late") };
        assert_eq!(client.store(renewal).await.outcome(), PutOutcome::LeaseLost);
        assert_eq!(client.store(late).await.outcome(), PutOutcome::LeaseLost);
        let found = client.ask(stale("k")).await;
        assert_eq!((found.outcome(), value_of(&found)), (GetOutcome::Stale, &b"old"[..]));
    }
}

#[tokio::test]
async fn who_waits_is_the_next_to_compute_when_the_key_is_marked() {
    let server = Local::start().await;
    let mut client = server.client().await;
    token_of(&client.ask(lease("k")).await);
    let waiter = ask(&client, lease_or_wait("k"));
    waiting(&server, 1).await;
    marked(&mut client, mark(vec![select::key("k")])).await;
    assert!(within("the lease", waiter).await.unwrap().lease.is_some());
}

#[tokio::test]
async fn a_touch_does_not_make_fresh_what_was_marked() {
    let server = Local::start().await;
    let mut client = server.client().await;
    client.store(put_stale("k", "v", &[])).await;
    marked(&mut client, mark(vec![select::key("k")])).await;
    let longer = v1::Expiration { stale_for: seconds(60), ..ttl(1000) };
    let touched = client.touch(touch("k", TouchMode::Set, longer)).await.unwrap().into_inner();
    let facts = touched.metadata.unwrap();
    assert_eq!((facts.fresh_for, facts.usable_for, facts.marked_stale), (seconds(0), seconds(60), true));
    assert_eq!(client.ask(get("k")).await.outcome(), GetOutcome::Miss);
    assert_eq!(client.store(put_stale("k", "v", &[])).await.outcome(), PutOutcome::Refreshed);
    let again = client.ask(get("k")).await;
    assert_eq!((again.outcome(), facts_of(&again).marked_stale), (GetOutcome::Hit, false));
}

#[tokio::test]
async fn what_was_made_from_what_is_marked_is_marked_too_unless_cascade_is_off() {
    let server = Local::start().await;
    let mut client = server.client().await;
    client.store(put_stale("source", "v", &[])).await;
    for (key, from) in [("made", "source"), ("made-again", "made")] {
        client.store(v1::PutRequest { depends_on: texts(&[from]), ..put_stale(key, "v", &[]) }).await;
    }
    let dry =
        marked(&mut client, v1::InvalidateRequest { validate_only: true, ..mark(vec![select::key("source")]) }).await;
    assert_eq!((dry.matched_count, dry.cascaded_count, dry.position), (1, 2, None));
    let alone = v1::InvalidateRequest { cascade: Some(false), ..mark(vec![select::key("source")]) };
    assert_eq!(marked(&mut client, alone).await.cascaded_count, 0);
    assert_eq!(client.ask(get("made")).await.outcome(), GetOutcome::Hit);
    let all = marked(&mut client, mark(vec![select::key("source"), select::dependents_of("source")])).await;
    assert_eq!((all.matched_count, all.cascaded_count), (2, 1), "each is counted once");
    for key in ["source", "made", "made-again"] {
        assert_eq!(client.ask(stale(key)).await.outcome(), GetOutcome::Stale, "{key}");
    }
}

#[tokio::test]
async fn what_is_spread_becomes_stale_bit_by_bit_and_no_entry_later_than_asked() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let keys: Vec<String> = (0..60).map(|number| format!("k{number}")).collect();
    for key in &keys {
        client.store(put_stale(key, "v", &["t"])).await;
    }
    let spread = v1::InvalidateRequest { spread_over: seconds(30), ..mark(vec![select::tag("t")]) };
    assert_eq!(marked(&mut client, spread).await.matched_count, 60);
    let mut hits = Vec::new();
    for _ in 0..4 {
        let mut fresh = 0;
        for key in &keys {
            fresh += usize::from(client.ask(peek(key)).await.outcome() == GetOutcome::Hit);
        }
        hits.push(fresh);
        server.advance(Duration::from_secs(10));
    }
    assert!(hits[0] > 55 && (30..55).contains(&hits[1]) && (8..30).contains(&hits[2]), "{hits:?}");
    assert_eq!(hits[3], 0);
}

#[tokio::test]
async fn a_mark_is_heard_as_what_it_is() {
    let server = Local::start().await;
    let mut client = server.client().await;
    client.store(put_stale("k", "v", &["t"])).await;
    client.store(put_tagged("gone", "v", &["t"])).await;
    let mut follower = Follower::open(&mut client, watch(Vec::new())).await;
    let by =
        |request| v1::InvalidateRequest { client_id: "janitor".to_owned(), reason: "new data".to_owned(), ..request };
    marked(&mut client, by(mark(vec![select::key("k"), select::key("gone")]))).await;
    marked(&mut client, by(mark(vec![select::tag("t")]))).await;
    marked(&mut client, by(invalidate(vec![select::tag("t")]))).await;
    let mut events = follower.events(4).await;
    events[..2].sort_by_key(|event| event.key.clone());
    let told: Vec<_> = events.iter().map(|event| (event.r#type(), event.mode(), &*event.key)).collect();
    let expected = [
        (EventType::Invalidated, InvalidateMode::Delete, "gone"),
        (EventType::MarkedStale, InvalidateMode::MarkStale, "k"),
        (EventType::SetInvalidated, InvalidateMode::MarkStale, ""),
        (EventType::SetInvalidated, InvalidateMode::Delete, ""),
    ];
    assert_eq!(told, expected);
    assert!(events.iter().all(|event| (&*event.client_id, &*event.reason) == ("janitor", "new data")));
}

#[tokio::test]
async fn explain_says_who_marked_it_and_by_what() {
    let server = Local::start().await;
    let mut client = server.client().await;
    client.store(put_stale("k", "v", &["t"])).await;
    let by = v1::InvalidateRequest { client_id: "janitor".to_owned(), ..mark(vec![select::tag("t")]) };
    marked(&mut client, by).await;
    let request = v1::ExplainKeyRequest { key: "k".to_owned(), ..Default::default() };
    let told = client.explain_key(request).await.unwrap().into_inner();
    assert_eq!((told.freshness(), told.metadata.clone().unwrap().marked_stale), (Freshness::Stale, true));
    let cause = told.cause.unwrap();
    assert_eq!((cause.r#type(), &*cause.client_id), (KeyEventType::MarkedStale, "janitor"));
    assert_eq!((&cause.selector, cause.effect()), (&Some(select::tag("t")), v1::KeyEventEffect::Marked));
    assert!(told.explanation.contains("marked stale"), "{}", told.explanation);
}

#[tokio::test]
async fn a_repeated_mark_gets_the_first_answer() {
    let server = Local::start().await;
    let mut client = server.client().await;
    client.store(put_stale("k", "v", &[])).await;
    let request = v1::InvalidateRequest { request_id: "once".to_owned(), ..mark(vec![select::key("k")]) };
    let first = marked(&mut client, request.clone()).await;
    client.store(put_stale("k", "w", &[])).await;
    assert_eq!(marked(&mut client, request).await, first);
    assert_eq!(client.value("k").await.unwrap(), b"w");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let all = || vec![select::everything()];
    let bad = [
        (v1::InvalidateRequest { spread_over: seconds(1), ..invalidate(all()) }, "spread_over"),
        (v1::InvalidateRequest { spread_over: seconds(0), ..mark(all()) }, "spread_over"),
        (v1::InvalidateRequest { spread_over: seconds(3601), ..mark(all()) }, "spread_over"),
        (v1::InvalidateRequest { mode: 99, ..invalidate(all()) }, "mode"),
    ];
    for (request, field) in bad {
        failure(client.invalidate(request).await).is(Code::InvalidArgument, "BAD_ARGUMENT").blames(field);
    }
    failure(client.invalidate(mark(Vec::new())).await).is(Code::InvalidArgument, "NO_SELECTOR");
}
