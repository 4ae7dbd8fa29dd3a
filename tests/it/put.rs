//! Put: every outcome, lifetimes, conditions, digests, retries, and what is refused.

use std::time::Duration;

use hotplate_daemon::config::Settings;
use hotplate_proto::v1::{self, MissReason, PutOutcome, precondition::Condition};
use tonic::Code;

use crate::{
    harness::{Local, namespace},
    wire::*,
};

#[tokio::test]
async fn what_was_put_is_what_comes_back_from_nothing_to_the_limit() {
    let server = Local::with(|settings| settings.limits.value_bytes_max = 4096).await;
    let mut client = server.client().await;
    for size in [0, 1, 4095, 4096] {
        let value: Vec<u8> = (0..size).map(|n| u8::try_from(n % 251).unwrap()).collect();
        let answer = client.store(put("k", &value)).await;
        assert_eq!(answer.outcome(), PutOutcome::Stored, "{size}");
        assert_eq!(client.value("k").await.unwrap(), value);
    }
    let refused = failure(client.put(put("k", vec![0; 4097])).await);
    refused.is(Code::InvalidArgument, "VALUE_TOO_LARGE").blames("value");
    assert!(client.value("k").await.is_ok(), "a refused call changes nothing");
}

#[tokio::test]
async fn a_put_answers_its_position_and_positions_rise() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let first = client.store(put("k", "1")).await.position.unwrap();
    let second = client.store(put("k", "2")).await.position.unwrap();
    assert_eq!((first.logs.len(), second.logs.len()), (1, 1));
    assert_eq!((first.logs[0].log, first.logs[0].epoch), (second.logs[0].log, second.logs[0].epoch));
    assert_eq!(first.logs[0].number + 1, second.logs[0].number);
}

#[tokio::test]
async fn the_same_content_renews_the_entry() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let stored = client.store(put("k", "v")).await;
    server.advance(Duration::from_secs(100));
    let again = client.store(put("k", "v")).await;
    assert_eq!(again.outcome(), PutOutcome::Refreshed);
    let (before, after) = (stored.metadata.unwrap(), again.metadata.unwrap());
    assert_eq!(before.etag, after.etag);
    assert_eq!(std_duration(after.age), Duration::ZERO);
    assert_eq!(std_duration(after.fresh_for), Duration::from_secs(3600));
    let total = client.count("").await.total.unwrap();
    assert_eq!((total.puts, total.refreshes, total.entry_count), (1, 1, 1));
}

#[tokio::test]
async fn equal_content_has_an_equal_etag_under_any_key_history() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let first = client.store(put("k", "v")).await.metadata.unwrap().etag;
    let other = client.store(put("k", "w")).await.metadata.unwrap().etag;
    let back = client.store(put("k", "v")).await.metadata.unwrap().etag;
    assert_eq!(first, back);
    assert_ne!(first, other);
}

#[tokio::test]
async fn conditions_hold_or_the_entry_in_the_way_is_shown() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let on = |value: &str, on: Condition| v1::PutRequest { precondition: condition(on), ..put("k", value) };
    let refused = client.store(on("v", Condition::Present(true))).await;
    assert_eq!((refused.outcome(), refused.metadata, refused.position), (PutOutcome::PreconditionFailed, None, None));
    let stored = client.store(on("v1", Condition::Absent(true))).await;
    assert_eq!(stored.outcome(), PutOutcome::Stored);
    let etag = stored.metadata.unwrap().etag;
    let in_the_way = client.store(on("v2", Condition::Absent(true))).await;
    assert_eq!(in_the_way.outcome(), PutOutcome::PreconditionFailed);
    assert_eq!(in_the_way.metadata.unwrap().etag, etag);
    assert_eq!(client.store(on("v2", Condition::Present(true))).await.outcome(), PutOutcome::Stored);
    assert_eq!(client.store(on("v3", Condition::Etag(etag))).await.outcome(), PutOutcome::PreconditionFailed);
    let current = facts_of(&client.ask(get("k")).await).etag.clone();
    assert_eq!(client.store(on("v3", Condition::Etag(current))).await.outcome(), PutOutcome::Stored);
    server.advance(Duration::from_secs(3600));
    assert_eq!(
        client.store(on("v4", Condition::Absent(true))).await.outcome(),
        PutOutcome::Stored,
        "expired is absent"
    );
}

#[tokio::test]
async fn unchanged_renews_without_sending_the_value() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let etag = client.store(put("k", "v")).await.metadata.unwrap().etag;
    server.advance(Duration::from_secs(1000));
    let unchanged = |etag: &str| v1::PutRequest {
        payload: Some(v1::put_request::Payload::Unchanged(true)),
        precondition: condition(Condition::Etag(etag.to_owned())),
        ..put("k", "")
    };
    let renewed = client.store(unchanged(&etag)).await;
    assert_eq!(renewed.outcome(), PutOutcome::Refreshed);
    assert_eq!(std_duration(renewed.metadata.unwrap().fresh_for), Duration::from_secs(3600));
    assert_eq!(client.value("k").await.unwrap(), b"v");
    assert_eq!(client.store(unchanged("other")).await.outcome(), PutOutcome::PreconditionFailed);
    let bare = v1::PutRequest { precondition: None, ..unchanged(&etag) };
    let refused = failure(client.put(bare).await);
    refused.is(Code::InvalidArgument, "BAD_ARGUMENT").blames("precondition");
}

#[tokio::test]
async fn a_wrong_digest_fails_the_call_and_changes_nothing() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let digest = client.store(put("k", "v")).await.metadata.unwrap().digest;
    let right = v1::PutRequest { digest: digest.clone(), ..put("other", "v") };
    assert_eq!(client.store(right).await.outcome(), PutOutcome::Stored);
    let wrong = v1::PutRequest { digest: digest.clone(), ..put("k", "w") };
    failure(client.put(wrong).await).is(Code::InvalidArgument, "DIGEST_MISMATCH").blames("digest");
    let short = v1::PutRequest { digest: digest.slice(..31), ..put("k", "v") };
    let refused = failure(client.put(short).await);
    assert_eq!(refused.code, Code::InvalidArgument);
    refused.blames("digest");
    assert_eq!(client.value("k").await.unwrap(), b"v");
}

#[tokio::test]
async fn a_value_that_cannot_fit_evicts_nothing_and_drops_the_older_value() {
    let server = Local::with(|settings| namespace(settings, "default").bytes_max = Some(64 << 10)).await;
    let mut client = server.client().await;
    for key in ["a", "b", "big"] {
        client.store(put(key, "small")).await;
    }
    let refused = client.store(put("big", vec![1; 65 << 10])).await;
    assert_eq!(refused.outcome(), PutOutcome::NotAdmitted);
    assert!(refused.not_admitted_reason.contains("bytes"), "says why: {}", refused.not_admitted_reason);
    assert!(client.value("a").await.is_ok() && client.value("b").await.is_ok());
    assert_eq!(client.value("big").await, Err(MissReason::NotAdmitted), "the older value is gone");
    assert_eq!(client.count("").await.total.unwrap().not_admitted, 1);
}

#[tokio::test]
async fn a_retry_with_the_same_id_gets_the_first_answer() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let once = v1::PutRequest { request_id: "r1".to_owned(), ..put("k", "v") };
    let first = client.store(once.clone()).await;
    client.store(put("k", "newer")).await;
    let retried = client.store(once).await;
    assert_eq!((retried.outcome(), &retried.position), (first.outcome(), &first.position));
    assert_eq!(client.value("k").await.unwrap(), b"newer", "the retry does not write again");
}

#[tokio::test]
async fn every_entry_has_an_end_from_put_kind_or_namespace() {
    let kinds = |settings: &mut Settings| {
        settings.kinds.insert("qa".to_owned(), hotplate_engine::namespace::KindTtl::Class("medium".to_owned()));
        settings.ttl.default = Duration::from_secs(111);
    };
    let server = Local::with(kinds).await;
    let mut client = server.client().await;
    let without = |kind: &str| v1::PutRequest { expiration: None, kind: kind.to_owned(), ..put("k", kind) };
    let mut lifetime = async |request: v1::PutRequest| {
        let answer = client.store(request).await;
        std_duration(answer.metadata.unwrap().fresh_for).as_secs()
    };
    assert_eq!(lifetime(without("")).await, 111);
    assert_eq!(lifetime(without("other")).await, 111);
    assert_eq!(lifetime(without("qa")).await, 1800);
    assert_eq!(lifetime(v1::PutRequest { expiration: Some(ttl(5)), ..without("qa") }).await, 5);
    assert_eq!(lifetime(v1::PutRequest { expiration: Some(ttl_class("day")), ..without("qa") }).await, 86_400);
    let only_stale = v1::Expiration { stale_for: seconds(9), ..Default::default() };
    assert_eq!(lifetime(v1::PutRequest { expiration: Some(only_stale), ..without("qa") }).await, 1800);
}

#[tokio::test]
async fn lifetimes_out_of_bounds_are_refused() {
    let server = Local::with(|settings| settings.ttl.max = Duration::from_secs(1000)).await;
    let mut client = server.client().await;
    let with = |expiration: v1::Expiration| v1::PutRequest { expiration: Some(expiration), ..put("k", "v") };
    let negative = v1::Expiration {
        lifetime: Some(v1::expiration::Lifetime::Ttl(prost_types::Duration { seconds: -1, nanos: 0 })),
        ..Default::default()
    };
    let bad = [
        ttl(0),
        ttl(1001),
        ttl_exact(Duration::from_micros(999)),
        ttl_class("no-such-class"),
        ttl_class("day"),
        negative,
        v1::Expiration { stale_for: seconds(0), ..ttl(10) },
        v1::Expiration { idle_ttl: seconds(0), ..ttl(10) },
        v1::Expiration { jitter: Some(0.51), ..ttl(10) },
        v1::Expiration { jitter: Some(-0.1), ..ttl(10) },
        v1::Expiration { jitter: Some(f64::NAN), ..ttl(10) },
    ];
    for expiration in bad {
        let refused = failure(client.put(with(expiration)).await);
        refused.is(Code::InvalidArgument, "TTL_OUT_OF_BOUNDS");
        assert!(refused.fields[0].starts_with("expiration"), "{refused:?}");
    }
    for fine in [ttl(1000), ttl_exact(Duration::from_millis(1)), ttl_class("short")] {
        assert_eq!(client.store(with(fine)).await.metadata.map(|facts| facts.size_bytes), Some(1));
    }
}

#[tokio::test]
async fn jitter_moves_ends_earlier_and_apart() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let mut ends = std::collections::BTreeSet::new();
    for n in 0..50 {
        let expiration = Some(v1::Expiration { jitter: Some(0.5), ..ttl(1000) });
        let answer = client.store(v1::PutRequest { expiration, ..put(&format!("k{n}"), "v") }).await;
        let fresh = std_duration(answer.metadata.unwrap().fresh_for);
        assert!(fresh <= Duration::from_secs(1000) && fresh >= Duration::from_secs(500), "{fresh:?}");
        ends.insert(fresh);
    }
    assert!(ends.len() > 40, "{} different ends of 50", ends.len());
}

#[tokio::test]
async fn a_put_without_payload_or_with_a_false_condition_is_refused() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let bare = v1::PutRequest { payload: None, ..put("k", "") };
    failure(client.put(bare).await).is(Code::InvalidArgument, "BAD_ARGUMENT").blames("payload");
    let conditions = [
        Some(v1::Precondition { condition: None }),
        condition(Condition::Absent(false)),
        condition(Condition::Present(false)),
    ];
    for precondition in conditions {
        let request = v1::PutRequest { precondition, ..put("k", "v") };
        let refused = failure(client.put(request).await);
        refused.is(Code::InvalidArgument, "BAD_ARGUMENT");
        assert!(refused.fields[0].starts_with("precondition"), "{refused:?}");
    }
}

#[tokio::test]
async fn negative_results_live_their_own_time() {
    let server = Local::with(|settings| settings.ttl.negative = Duration::from_secs(44)).await;
    let mut client = server.client().await;
    let answer = client.store(v1::PutRequest { expiration: None, ..put_negative("k", "NOT_FOUND") }).await;
    assert_eq!(answer.outcome(), PutOutcome::Stored);
    assert_eq!(std_duration(answer.metadata.unwrap().fresh_for), Duration::from_secs(44));
    let value = client.store(put("k", "found")).await;
    assert_eq!(value.outcome(), PutOutcome::Stored, "a value takes the place of an absence");
    assert_eq!(client.value("k").await.unwrap(), b"found");
}
