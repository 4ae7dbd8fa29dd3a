//! ExplainKey: what a Get would say, the history with its selectors and authors, and that it leaves no trace.

use std::time::Duration;

use hotplate_proto::v1::{self, Freshness, GetOutcome, KeyEventEffect, KeyEventType, MissReason};
use tonic::Code;

use crate::{harness::Local, wire::*};

async fn explain(client: &mut Client, key: &str) -> v1::ExplainKeyResponse {
    let request = v1::ExplainKeyRequest { key: key.to_owned(), ..Default::default() };
    client.explain_key(request).await.unwrap().into_inner()
}

fn types(answer: &v1::ExplainKeyResponse) -> Vec<KeyEventType> {
    answer.events.iter().map(v1::KeyEvent::r#type).collect()
}

#[tokio::test]
async fn a_hit_is_explained_with_its_facts_and_counts_as_no_read() {
    let server = Local::start().await;
    let mut client = server.client().await;
    client.store(v1::PutRequest { client_id: "writer".to_owned(), ..put_tagged("k", "value", &["t"]) }).await;
    server.advance(Duration::from_secs(5));
    let told = explain(&mut client, "k").await;
    assert_eq!((told.outcome(), told.freshness()), (GetOutcome::Hit, Freshness::Fresh));
    let facts = told.metadata.as_ref().unwrap();
    assert_eq!((facts.size_bytes, facts.hit_count, facts.served_from), (5, 0, v1::Tier::Memory.into()));
    assert_eq!(std_duration(facts.fresh_for).as_secs(), 3595);
    assert_eq!(told.explanation, "A Get finds it: stored or confirmed 5 s ago, fresh for 59 min more.");
    assert_eq!(types(&told), [KeyEventType::Stored]);
    let stored = &told.events[0];
    assert_eq!((stored.client_id.as_str(), stored.size_bytes), ("writer", 5));
    assert_eq!(std_duration(stored.age).as_secs(), 5);
    assert!(told.complete && told.cause.is_none() && told.as_of.is_some() && stored.position.is_some());
    assert_eq!(client.count("").await.total.unwrap().misses.iter().map(|miss| miss.count).sum::<u64>(), 0);
    assert_eq!(client.count("").await.total.unwrap().hits, 0);
}

#[tokio::test]
async fn an_invalidation_by_tag_is_the_cause_with_its_author_reason_and_position() {
    let server = Local::start().await;
    let mut client = server.client().await;
    client.store(put_tagged("k", "value", &["dataset:3"])).await;
    let dropped = v1::InvalidateRequest {
        reason: "data set 3 was measured again".to_owned(),
        client_id: "importer".to_owned(),
        ..invalidate(vec![select::tag("dataset:3")])
    };
    let position = client.invalidate(dropped).await.unwrap().into_inner().position.unwrap();
    let told = explain(&mut client, "k").await;
    assert_eq!((told.outcome(), told.miss_reason()), (GetOutcome::Miss, MissReason::Invalidated));
    let cause = told.cause.as_ref().unwrap();
    assert_eq!((cause.r#type(), cause.effect()), (KeyEventType::Invalidated, KeyEventEffect::Dropped));
    assert_eq!(cause.selector, Some(select::tag("dataset:3")));
    assert_eq!((cause.client_id.as_str(), cause.reason.as_str()), ("importer", "data set 3 was measured again"));
    assert_eq!(cause.position, Some(position.logs[0]));
    assert_eq!(types(&told), [KeyEventType::Invalidated, KeyEventType::Stored]);
    assert!(told.explanation.contains("the tag dataset:3 by importer"), "{}", told.explanation);
    assert_eq!(client.value("k").await, Err(MissReason::Invalidated));
}

#[tokio::test]
async fn every_miss_has_its_reason_in_the_answer_and_in_the_explanation() {
    let server = Local::with(|settings| {
        settings.memory.entries_max = 1;
        settings.memory.bytes_max = 1 << 16;
    })
    .await;
    let mut client = server.client().await;
    client.store(put("evicted", "v")).await;
    client.store(v1::PutRequest { expiration: Some(ttl(1)), ..put("expired", "v") }).await;
    server.advance(Duration::from_secs(10));
    client.store(put("invalidated", "v")).await;
    client.drop_all(vec![select::key("invalidated")]).await;
    let large = client.put(put("large", "v".repeat(1 << 17))).await.unwrap().into_inner();
    assert_eq!(large.outcome(), v1::PutOutcome::NotAdmitted);
    let expected = [
        ("evicted", MissReason::Evicted),
        ("expired", MissReason::Expired),
        ("invalidated", MissReason::Invalidated),
        ("never", MissReason::NeverStored),
        ("large", MissReason::NotAdmitted),
    ];
    for (key, reason) in expected {
        assert_eq!(client.value(key).await, Err(reason), "{key}");
        let told = explain(&mut client, key).await;
        assert_eq!((told.outcome(), told.miss_reason()), (GetOutcome::Miss, reason), "{key}");
        assert_eq!(told.cause.is_some(), reason != MissReason::NeverStored, "{key}");
        assert!(told.explanation.starts_with("A Get misses: "), "{}", told.explanation);
    }
}

#[tokio::test]
async fn a_remembered_absence_is_explained_as_one() {
    let server = Local::start().await;
    let mut client = server.client().await;
    client.store(put_negative("k", "NOT_FOUND")).await;
    let told = explain(&mut client, "k").await;
    assert_eq!((told.outcome(), told.negative.unwrap().reason.as_str()), (GetOutcome::Negative, "NOT_FOUND"));
    assert!(told.events[0].negative);
}

#[tokio::test]
async fn events_are_bounded_and_names_are_checked() {
    let server = Local::start().await;
    let mut client = server.client().await;
    for n in 0..3 {
        client.store(put("k", format!("{n}"))).await;
    }
    let request = |max_events| v1::ExplainKeyRequest { key: "k".to_owned(), max_events, ..Default::default() };
    let two = client.explain_key(request(2)).await.unwrap().into_inner();
    assert_eq!((two.events.len(), two.more_events), (2, true));
    failure(client.explain_key(request(101)).await).is(Code::InvalidArgument, "BAD_ARGUMENT").blames("max_events");
    let empty = v1::ExplainKeyRequest::default();
    failure(client.explain_key(empty).await).is(Code::InvalidArgument, "BAD_KEY").blames("key");
    let bad = v1::ExplainKeyRequest { namespace: "no spaces".to_owned(), ..request(1) };
    failure(client.explain_key(bad).await).is(Code::InvalidArgument, "BAD_NAMESPACE").blames("namespace");
}
