//! Refreshing ahead: a hit near its end comes with the lease, for one caller at a time.

use std::time::Duration;

use hotplate_engine::ahead::RefreshAhead;
use hotplate_proto::v1::{self, GetOutcome, PutOutcome, refresh_ahead::When};
use tonic::Code;

use crate::{
    harness::{Local, namespace},
    wire::*,
};

fn ahead(when: When) -> Option<v1::Expiration> {
    Some(v1::Expiration { refresh_ahead: Some(v1::RefreshAhead { when: Some(when) }), ..ttl(100) })
}

#[tokio::test]
async fn in_the_last_part_of_its_ttl_one_reader_gets_the_lease_and_all_get_the_value() {
    let server = Local::start().await;
    let mut client = server.client().await;
    client.store(v1::PutRequest { expiration: ahead(When::Fraction(0.2)), ..put("k", "v") }).await;
    server.advance(Duration::from_secs(79));
    assert_eq!(client.ask(lease("k")).await.lease, None, "it is not due yet");
    server.advance(Duration::from_secs(1));
    assert_eq!(client.ask(get("k")).await.lease, None, "a Get that asks for none gets none");
    let answers = [client.ask(lease_or_wait("k")).await, client.ask(lease("k")).await, client.ask(lease("k")).await];
    assert!(answers.iter().all(|answer| answer.outcome() == GetOutcome::Hit && value_of(answer) == b"v"));
    assert!(answers[0].lease.is_some() && answers[1].lease.is_none() && answers[2].lease.is_none());
    let renewed = client.store(put_under(&token_of(&answers[0]), "k", "v")).await;
    assert_eq!(renewed.outcome(), PutOutcome::Refreshed);
    assert_eq!(client.ask(lease("k")).await.lease, None);
}

#[tokio::test]
async fn an_etag_that_is_current_comes_with_the_lease_as_well() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let expiration = ahead(When::Fraction(0.5));
    let etag = client.store(v1::PutRequest { expiration, ..put("k", "v") }).await.metadata.unwrap().etag;
    server.advance(Duration::from_secs(60));
    let answer = client.ask(v1::GetRequest { if_etag_not: etag, ..lease("k") }).await;
    assert!(answer.outcome() == GetOutcome::NotModified && answer.lease.is_some());
}

#[tokio::test]
async fn a_failed_renewal_ahead_leaves_the_fresh_value_and_is_not_tried_again_at_once() {
    let server = Local::start().await;
    let mut client = server.client().await;
    for key in ["with-stale-time", "plain"] {
        let stale_for = if key == "plain" { None } else { seconds(50) };
        let expiration = Some(v1::Expiration { stale_for, ..ahead(When::Fraction(0.5)).unwrap() });
        client.store(v1::PutRequest { expiration, ..put(key, "v") }).await;
        server.advance(Duration::from_secs(60));
        let token = token_of(&client.ask(lease(key)).await);
        let failure = Some(v1::Negative { reason: "AWAY".to_owned(), message: String::new() });
        let release = v1::ReleaseLeaseRequest { key: key.to_owned(), token, failure, ..Default::default() };
        client.release_lease(release).await.unwrap();
        let kept = client.ask(lease(key)).await;
        assert_eq!((kept.outcome(), kept.lease.clone()), (GetOutcome::Hit, None), "{key}");
        assert_eq!(facts_of(&kept).refresh_failure.clone().unwrap().reason, "AWAY");
        server.advance(Duration::from_secs(5));
        assert!(client.ask(lease(key)).await.lease.is_some(), "{key}");
    }
}

#[tokio::test]
async fn a_failed_renewal_ahead_keeps_nobody_from_computing_once_the_value_has_ended() {
    let ahead = RefreshAhead::fraction(0.5).unwrap();
    let server = Local::with(|settings| namespace(settings, "default").refresh_ahead = Some(ahead)).await;
    let mut client = server.client().await;
    client.store(v1::PutRequest { expiration: Some(ttl(100)), ..put("k", "v") }).await;
    server.advance(Duration::from_secs(60));
    let token = token_of(&client.ask(lease("k")).await);
    let failure = Some(v1::Negative { reason: "AWAY".to_owned(), message: String::new() });
    let expiration = Some(ttl(3_000));
    let release = v1::ReleaseLeaseRequest { key: "k".to_owned(), token, failure, expiration, ..Default::default() };
    client.release_lease(release).await.unwrap();
    server.advance(Duration::from_secs(39));
    let kept = client.ask(lease("k")).await;
    assert_eq!((kept.outcome(), kept.lease), (GetOutcome::Hit, None));
    server.advance(Duration::from_secs(2));
    let ended = client.ask(lease("k")).await;
    assert!(ended.outcome() == GetOutcome::Miss && ended.lease.is_some(), "{ended:?}");
}

#[tokio::test]
async fn a_namespace_says_it_for_entries_that_do_not() {
    let server = Local::with(|settings| {
        namespace(settings, "own").refresh_ahead = Some(RefreshAhead::fraction(0.5).unwrap());
        settings.ttl.refresh_ahead = RefreshAhead::fraction(0.1).unwrap();
    })
    .await;
    let mut client = server.client().await;
    for (name, never) in [("own", false), ("", false), ("own", true)] {
        let expiration = if never { ahead(When::Fraction(0.0)) } else { Some(ttl(100)) };
        let key = format!("k{never}");
        client.store(v1::PutRequest { namespace: name.to_owned(), expiration, ..put(&key, "v") }).await;
    }
    server.advance(Duration::from_secs(60));
    let leased = async |client: &mut Client, name: &str, key: &str| {
        client.ask(v1::GetRequest { namespace: name.to_owned(), ..lease(key) }).await.lease.is_some()
    };
    assert!(leased(&mut client, "own", "kfalse").await);
    assert!(!leased(&mut client, "own", "ktrue").await, "zero is never");
    assert!(!leased(&mut client, "", "kfalse").await);
    server.advance(Duration::from_secs(31));
    assert!(leased(&mut client, "", "kfalse").await);
}

#[tokio::test]
async fn xfetch_renews_what_was_dear_earlier_than_what_was_cheap() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let mut first_due = Vec::new();
    for (cost, key) in [(Duration::from_secs(20), "dear"), (Duration::from_millis(1), "cheap")] {
        let expiration = ahead(When::XfetchBeta(1.0));
        client.store(v1::PutRequest { expiration, compute_cost: Some(wire(cost)), ..put(key, "v") }).await;
        let stored = server.clock.now();
        while client.ask(lease(key)).await.lease.is_none() {
            server.advance(Duration::from_secs(1));
        }
        first_due.push(server.clock.now().since(stored).as_secs());
    }
    // That the dear one is due before its last 2 s is as good as certain, and that the cheap one is not as well.
    assert!(first_due[0] < 98 && first_due[1] >= 100, "{first_due:?}");
}

#[tokio::test]
async fn shares_and_factors_out_of_their_bounds_are_refused() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let bad = [
        (When::Fraction(0.91), "expiration.refresh_ahead.fraction"),
        (When::Fraction(f64::NAN), "expiration.refresh_ahead.fraction"),
        (When::XfetchBeta(0.0), "expiration.refresh_ahead.xfetch_beta"),
        (When::XfetchBeta(101.0), "expiration.refresh_ahead.xfetch_beta"),
    ];
    for (when, field) in bad {
        let request = v1::PutRequest { expiration: ahead(when), ..put("k", "v") };
        failure(client.put(request).await).is(Code::InvalidArgument, "TTL_OUT_OF_BOUNDS").blames(field);
    }
    let nothing = v1::Expiration { refresh_ahead: Some(v1::RefreshAhead { when: None }), ..ttl(1) };
    let request = v1::PutRequest { expiration: Some(nothing), ..put("k", "v") };
    failure(client.put(request).await)
        .is(Code::InvalidArgument, "TTL_OUT_OF_BOUNDS")
        .blames("expiration.refresh_ahead");
}
