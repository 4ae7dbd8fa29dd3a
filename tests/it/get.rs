//! Get: every outcome, every miss reason, what an answer carries, and every field of the request.

use std::time::Duration;

use hotplate_proto::v1::{self, EntryView, GetOutcome, MissReason, StalePolicy, Tier};
use tonic::Code;

use crate::{
    harness::{Local, namespace},
    wire::*,
};

#[tokio::test]
async fn a_hit_carries_the_value_and_what_is_known_of_it() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let stored = client
        .store(v1::PutRequest {
            content_type: "application/json".to_owned(),
            encoding: "gzip".to_owned(),
            kind: "summarize".to_owned(),
            tags: texts(&["b", "a", "b"]),
            labels: [("owner".to_owned(), "tests".to_owned())].into(),
            compute_cost: seconds(7),
            ..put("k", b"\x00\xffbytes")
        })
        .await;
    server.advance(Duration::from_secs(10));
    let answer = client.ask(get("k")).await;
    assert_eq!(answer.outcome(), GetOutcome::Hit);
    assert_eq!(value_of(&answer), b"\x00\xffbytes");
    assert_eq!(answer.served_from(), Tier::Memory);
    assert_eq!(answer.miss_reason(), MissReason::Unspecified);
    let facts = facts_of(&answer);
    assert_eq!(facts.etag, stored.metadata.unwrap().etag);
    assert_eq!((facts.content_type.as_str(), facts.encoding.as_str()), ("application/json", "gzip"));
    assert_eq!((facts.kind.as_str(), &facts.tags), ("summarize", &texts(&["a", "b"])));
    assert_eq!(facts.labels.get("owner").map(String::as_str), Some("tests"));
    assert_eq!(facts.size_bytes, 7);
    assert!(facts.stored_bytes > 7 + 1, "keys and bookkeeping are charged: {}", facts.stored_bytes);
    assert_eq!(facts.digest.len(), 32);
    assert_eq!(std_duration(facts.compute_cost), Duration::from_secs(7));
    assert_eq!(std_duration(facts.age), Duration::from_secs(10));
    assert_eq!(std_duration(facts.fresh_for), Duration::from_secs(3590));
    assert_eq!(std_duration(facts.usable_for), Duration::from_secs(3590));
    assert_eq!((facts.hit_count, facts.served_from()), (0, Tier::Memory));
    assert_eq!(facts_of(&client.ask(get("k")).await).hit_count, 1, "the first answer is counted in the second");
}

#[tokio::test]
async fn an_answer_names_the_positions_it_reflects() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let position = client.store(put("k", "v")).await.position.unwrap();
    let as_of = client.ask(get("k")).await.as_of.unwrap();
    let logs: Vec<u32> = as_of.logs.iter().map(|log| log.log).collect();
    assert_eq!(logs.len(), 2, "the key's log and the selector log: {logs:?}");
    assert_eq!(logs[1], 64);
    assert!(as_of.logs.contains(&position.logs[0]), "{as_of:?} includes {position:?}");
    let miss = client.ask(get("absent")).await;
    assert_eq!(miss.as_of.unwrap().logs.len(), 2, "a miss says how current it is as well");
}

#[tokio::test]
async fn a_key_nobody_stored_is_a_miss() {
    let server = Local::start().await;
    let answer = server.client().await.ask(get("k")).await;
    assert_eq!((answer.outcome(), answer.miss_reason()), (GetOutcome::Miss, MissReason::NeverStored));
    assert_eq!((answer.entry, answer.served_from), (None, Tier::Unspecified.into()));
}

#[tokio::test]
async fn expiry_is_decided_on_read_to_the_nanosecond() {
    let server = Local::start().await;
    let mut client = server.client().await;
    client.store(v1::PutRequest { expiration: Some(ttl(60)), ..put("k", "v") }).await;
    server.clock.advance(Duration::from_secs(60) - Duration::from_nanos(1));
    assert!(client.value("k").await.is_ok());
    server.clock.advance(Duration::from_nanos(1));
    assert_eq!(client.value("k").await, Err(MissReason::Expired));
}

#[tokio::test]
async fn an_entry_unread_for_its_idle_ttl_ends_and_reads_keep_it() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let idle = v1::Expiration { idle_ttl: seconds(10), ..ttl(100) };
    for key in ["read", "unread"] {
        client.store(v1::PutRequest { expiration: Some(idle.clone()), ..put(key, "v") }).await;
    }
    server.advance(Duration::from_secs(6));
    assert!(client.value("read").await.is_ok());
    assert_eq!(client.ask(peek("unread")).await.outcome(), GetOutcome::Hit);
    server.advance(Duration::from_secs(6));
    assert!(client.value("read").await.is_ok());
    assert_eq!(client.value("unread").await, Err(MissReason::Expired), "a peek does not keep an entry alive");
    let total = client.count("").await.total.unwrap();
    assert_eq!(removals(&total, v1::RemovalReason::Idle), 1);
}

#[tokio::test]
async fn a_miss_says_what_removed_the_entry() {
    let server = Local::with(|settings| settings.memory.entries_max = 4).await;
    let mut client = server.client().await;
    client.store(put("dropped", "v")).await;
    client.drop_all(vec![select::key("dropped")]).await;
    assert_eq!(client.value("dropped").await, Err(MissReason::Invalidated));
    for n in 0..12 {
        client.store(put(&format!("many:{n}"), "v")).await;
    }
    let mut held = 0;
    for n in 0..12 {
        match client.value(&format!("many:{n}")).await {
            Ok(_) => held += 1,
            Err(reason) => assert_eq!(reason, MissReason::Evicted),
        }
    }
    assert!((1..=4).contains(&held), "{held} of at most 4 entries");
    assert!(client.value("many:11").await.is_ok(), "the newest is not the one that makes room");
}

#[tokio::test]
async fn a_value_that_was_refused_is_a_miss_that_says_so() {
    let server = Local::with(|settings| namespace(settings, "default").bytes_max = Some(64 << 10)).await;
    let mut client = server.client().await;
    let answer = client.store(put("big", vec![7; 100 << 10])).await;
    assert_eq!(answer.outcome(), v1::PutOutcome::NotAdmitted);
    assert_eq!(client.value("big").await, Err(MissReason::NotAdmitted));
}

#[tokio::test]
async fn an_entry_older_than_asked_is_too_old() {
    let server = Local::start().await;
    let mut client = server.client().await;
    client.store(put("k", "v")).await;
    server.advance(Duration::from_secs(30));
    let old = client.ask(v1::GetRequest { max_age: seconds(29), ..get("k") }).await;
    assert_eq!((old.outcome(), old.miss_reason()), (GetOutcome::Miss, MissReason::TooOld));
    let fine = client.ask(v1::GetRequest { max_age: seconds(30), ..get("k") }).await;
    assert_eq!(fine.outcome(), GetOutcome::Hit);
    client.store(put("k", "v")).await;
    let confirmed = client.ask(v1::GetRequest { max_age: seconds(1), ..get("k") }).await;
    assert_eq!(confirmed.outcome(), GetOutcome::Hit, "a Put of the same content confirms the entry");
}

#[tokio::test]
async fn a_remembered_absence_is_negative() {
    let server = Local::start().await;
    let mut client = server.client().await;
    client.store(v1::PutRequest { expiration: Some(ttl(10)), ..put_negative("k", "NOT_FOUND") }).await;
    let answer = client.ask(get("k")).await;
    assert_eq!(answer.outcome(), GetOutcome::Negative);
    let Some(v1::entry::Payload::Negative(negative)) = answer.entry.unwrap().payload else { panic!("no negative") };
    assert_eq!((negative.reason.as_str(), negative.message.as_str()), ("NOT_FOUND", "there is none"));
    server.advance(Duration::from_secs(10));
    assert_eq!(client.value("k").await, Err(MissReason::Expired));
}

#[tokio::test]
async fn the_etag_a_caller_holds_saves_the_value() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let etag = client.store(put("k", "v")).await.metadata.unwrap().etag;
    let same = client.ask(v1::GetRequest { if_etag_not: etag.clone(), ..get("k") }).await;
    assert_eq!(same.outcome(), GetOutcome::NotModified);
    assert_eq!(facts_of(&same).etag, etag);
    assert_eq!(same.entry.unwrap().payload, None, "the value is not sent again");
    client.store(put("k", "other")).await;
    let changed = client.ask(v1::GetRequest { if_etag_not: etag, ..get("k") }).await;
    assert_eq!((changed.outcome(), value_of(&changed)), (GetOutcome::Hit, &b"other"[..]));
}

#[tokio::test]
async fn a_stale_entry_is_served_only_to_who_asks_for_it_and_only_so_long() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let lifetime = v1::Expiration { stale_for: seconds(20), ..ttl(10) };
    client.store(v1::PutRequest { expiration: Some(lifetime), ..put("k", "v") }).await;
    let with = |policy: StalePolicy| v1::GetRequest { stale_policy: policy.into(), ..get("k") };
    assert_eq!(client.ask(with(StalePolicy::WhileRevalidate)).await.outcome(), GetOutcome::Hit);
    server.advance(Duration::from_secs(10));
    for refusing in [StalePolicy::Unspecified, StalePolicy::Refuse] {
        let answer = client.ask(with(refusing)).await;
        assert_eq!((answer.outcome(), answer.miss_reason()), (GetOutcome::Miss, MissReason::Expired));
    }
    for (policy, stale_hits) in [(StalePolicy::WhileRevalidate, 1), (StalePolicy::IfError, 1)] {
        let answer = client.ask(with(policy)).await;
        assert_eq!((answer.outcome(), value_of(&answer)), (GetOutcome::Stale, &b"v"[..]));
        assert_eq!(std_duration(facts_of(&answer).fresh_for), Duration::ZERO);
        assert_eq!(std_duration(facts_of(&answer).usable_for), Duration::from_secs(20));
        assert_eq!(client.count("").await.total.unwrap().stale_hits, stale_hits, "a fall-back counts as a miss");
    }
    server.advance(Duration::from_secs(20));
    let over = client.ask(with(StalePolicy::WhileRevalidate)).await;
    assert_eq!((over.outcome(), over.miss_reason()), (GetOutcome::Miss, MissReason::Expired));
}

#[tokio::test]
async fn a_peek_leaves_no_trace() {
    let server = Local::start().await;
    let mut client = server.client().await;
    client.store(put("k", "v")).await;
    let before = client.count("").await.total.unwrap();
    for key in ["k", "absent"] {
        client.ask(peek(key)).await;
    }
    let after = client.count("").await.total.unwrap();
    assert_eq!((after.hits, after.misses), (before.hits, before.misses));
    assert_eq!(facts_of(&client.ask(peek("k")).await).hit_count, 0);
}

#[tokio::test]
async fn a_view_of_the_metadata_has_no_value() {
    let server = Local::start().await;
    let mut client = server.client().await;
    client.store(put("k", "v")).await;
    let answer = client.ask(v1::GetRequest { view: EntryView::Metadata.into(), ..get("k") }).await;
    assert_eq!((answer.outcome(), facts_of(&answer).size_bytes), (GetOutcome::Hit, 1));
    assert_eq!(answer.entry.unwrap().payload, None);
}

#[tokio::test]
async fn a_position_that_was_reached_is_answered_and_one_that_was_not_fails() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let reached = client.store(put("k", "v")).await.position.unwrap();
    let asked = v1::GetRequest { min_position: Some(reached.clone()), ..get("k") };
    assert_eq!(client.ask(asked).await.outcome(), GetOutcome::Hit);
    let mut ahead = reached.clone();
    ahead.logs[0].number += 1;
    let mut foreign = reached;
    foreign.logs[0].epoch ^= 1;
    let mut refused =
        async |position| failure(client.get(v1::GetRequest { min_position: Some(position), ..get("k") }).await);
    refused(ahead).await.is(Code::Unavailable, "POSITION_NOT_REACHED").says_when();
    let over = refused(foreign).await;
    assert_eq!(over.is(Code::FailedPrecondition, "POSITION_UNKNOWN").retry_after, None, "asking again does not help");
}

#[tokio::test]
async fn a_key_has_1_to_1024_bytes_without_control_characters() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let longest = "é".repeat(512);
    client.store(put(&longest, "v")).await;
    assert!(client.value(&longest).await.is_ok());
    for bad in [String::new(), "k".repeat(1025), "a\nb".to_owned(), "a\u{0}b".to_owned(), "a\u{85}b".to_owned()] {
        failure(client.get(get(&bad)).await).is(Code::InvalidArgument, "BAD_KEY").blames("key");
        failure(client.put(put(&bad, "v")).await).is(Code::InvalidArgument, "BAD_KEY").blames("key");
    }
}

#[tokio::test]
async fn namespaces_keep_apart_and_an_empty_name_is_default() {
    let server = Local::start().await;
    let mut client = server.client().await;
    client.store(v1::PutRequest { namespace: "team-a/models".to_owned(), ..put("k", "a") }).await;
    assert_eq!(client.value("k").await, Err(MissReason::NeverStored));
    client.store(put("k", "d")).await;
    let named = client.ask(v1::GetRequest { namespace: "default".to_owned(), ..get("k") }).await;
    assert_eq!(value_of(&named), b"d");
    for bad in ["a b", "ä", &"n".repeat(65)] {
        let request = v1::GetRequest { namespace: bad.to_owned(), ..get("k") };
        failure(client.get(request).await).is(Code::InvalidArgument, "BAD_NAMESPACE").blames("namespace");
    }
}

#[tokio::test]
async fn durations_that_say_nothing_are_refused() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let negative = Some(prost_types::Duration { seconds: -1, nanos: 0 });
    let refused = failure(client.get(v1::GetRequest { max_age: negative, ..get("k") }).await);
    assert_eq!(refused.code, Code::InvalidArgument, "{refused:?}");
    refused.blames("max_age");
}
