//! Touch: the three modes, every outcome, and that the value is left alone.

use std::time::Duration;

use hotplate_proto::v1::{self, MissReason, TouchMode, TouchOutcome};
use tonic::Code;

use crate::{harness::Local, wire::*};

fn fresh(answer: &v1::TouchResponse) -> u64 {
    std_duration(answer.metadata.as_ref().unwrap().fresh_for).as_secs()
}

#[tokio::test]
async fn set_extend_and_shorten_move_the_end() {
    let server = Local::start().await;
    let mut client = server.client().await;
    client.store(v1::PutRequest { expiration: Some(ttl(100)), ..put("k", "v") }).await;
    let steps = [
        (TouchMode::Set, 50, TouchOutcome::Touched, 50),
        (TouchMode::Unspecified, 60, TouchOutcome::Touched, 60),
        (TouchMode::Extend, 40, TouchOutcome::Unchanged, 60),
        (TouchMode::Extend, 80, TouchOutcome::Touched, 80),
        (TouchMode::Shorten, 90, TouchOutcome::Unchanged, 80),
        (TouchMode::Shorten, 10, TouchOutcome::Touched, 10),
    ];
    for (mode, asked, outcome, left) in steps {
        let answer = client.touch(touch("k", mode, ttl(asked))).await.unwrap().into_inner();
        assert_eq!((answer.outcome(), fresh(&answer)), (outcome, left), "{mode:?} {asked}");
    }
    server.advance(Duration::from_secs(10));
    assert_eq!(client.value("k").await, Err(MissReason::Expired));
}

#[tokio::test]
async fn a_touch_takes_classes_and_stale_times() {
    let server = Local::start().await;
    let mut client = server.client().await;
    client.store(put("k", "v")).await;
    let lifetime = v1::Expiration { stale_for: seconds(50), ..ttl_class("very_short") };
    let answer = client.touch(touch("k", TouchMode::Set, lifetime)).await.unwrap().into_inner();
    let facts = answer.metadata.unwrap();
    assert_eq!(std_duration(facts.fresh_for), Duration::from_secs(300));
    assert_eq!(std_duration(facts.usable_for), Duration::from_secs(350));
}

#[tokio::test]
async fn nothing_to_touch_is_an_outcome() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let answer = client.touch(touch("k", TouchMode::Set, ttl(10))).await.unwrap().into_inner();
    assert_eq!((answer.outcome(), answer.metadata), (TouchOutcome::NotFound, None));
    client.store(v1::PutRequest { expiration: Some(ttl(5)), ..put("k", "v") }).await;
    server.clock.advance(Duration::from_secs(5));
    let answer = client.touch(touch("k", TouchMode::Extend, ttl(10))).await.unwrap().into_inner();
    assert_eq!(answer.outcome(), TouchOutcome::NotFound, "what has expired does not come back");
}

#[tokio::test]
async fn a_touch_meant_for_another_version_changes_nothing() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let etag = client.store(put("k", "v")).await.metadata.unwrap().etag;
    let of = |etag: &str| v1::TouchRequest { etag: etag.to_owned(), ..touch("k", TouchMode::Set, ttl(10)) };
    let other = client.touch(of("other")).await.unwrap().into_inner();
    assert_eq!((other.outcome(), fresh(&other)), (TouchOutcome::EtagMismatch, 3600));
    assert_eq!(other.metadata.unwrap().etag, etag);
    let own = client.touch(of(&etag)).await.unwrap().into_inner();
    assert_eq!((own.outcome(), fresh(&own)), (TouchOutcome::Touched, 10));
}

#[tokio::test]
async fn a_touch_leaves_value_age_and_hits_alone() {
    let server = Local::start().await;
    let mut client = server.client().await;
    client.store(put("k", "v")).await;
    server.advance(Duration::from_secs(7));
    client.touch(touch("k", TouchMode::Set, ttl(10))).await.unwrap();
    let answer = client.ask(peek("k")).await;
    assert_eq!(value_of(&answer), b"v");
    assert_eq!((std_duration(facts_of(&answer).age).as_secs(), facts_of(&answer).hit_count), (7, 0));
}

#[tokio::test]
async fn a_touch_without_a_lifetime_is_refused() {
    let server = Local::start().await;
    let mut client = server.client().await;
    client.store(put("k", "v")).await;
    let missing = v1::TouchRequest { expiration: None, ..touch("k", TouchMode::Set, ttl(1)) };
    for request in [missing, touch("k", TouchMode::Set, v1::Expiration::default()), touch("k", TouchMode::Set, ttl(0))]
    {
        let refused = failure(client.touch(request).await);
        refused.is(Code::InvalidArgument, "TTL_OUT_OF_BOUNDS");
        assert!(refused.fields[0].starts_with("expiration"), "{refused:?}");
    }
    failure(client.touch(touch("", TouchMode::Set, ttl(1))).await).is(Code::InvalidArgument, "BAD_KEY").blames("key");
}
