//! ReleaseLease: a computation that ends without a value keeps nobody waiting.

use std::time::Duration;

use hotplate_proto::v1::{self, GetOutcome, LeaseOutcome, entry::Payload};
use tonic::Code;

use crate::{
    harness::Local,
    lease::{ask, waiting},
    wire::*,
};

fn release(key: &str, token: &str) -> v1::ReleaseLeaseRequest {
    v1::ReleaseLeaseRequest { key: key.to_owned(), token: token.to_owned(), ..Default::default() }
}

fn failed() -> Option<v1::Negative> {
    Some(v1::Negative { reason: "TOO_FEW_SAMPLES".to_owned(), message: "3 of 100".to_owned() })
}

/// Two who wait for a key that a third computes, and the token of that.
async fn two_wait(server: &Local, client: &Client) -> (String, [tokio::task::JoinHandle<v1::GetResponse>; 2]) {
    let token = token_of(&client.clone().ask(lease("k")).await);
    let mut waiters = Vec::new();
    for callers in 1..=2 {
        waiters.push(ask(client, lease_or_wait("k")));
        waiting(server, callers).await;
    }
    (token, waiters.try_into().expect("two"))
}

#[tokio::test]
async fn a_failure_is_remembered_and_given_to_who_waits() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let (token, waiters) = two_wait(&server, &client).await;
    let request = v1::ReleaseLeaseRequest { failure: failed(), expiration: Some(ttl(5)), ..release("k", &token) };
    let released = client.release_lease(request.clone()).await.unwrap().into_inner();
    assert_eq!((released.outcome(), released.waiters_released), (LeaseOutcome::Held, 2));
    for waiter in waiters {
        let answer = within("the failure", waiter).await.unwrap();
        assert_eq!(answer.outcome(), GetOutcome::Negative);
        assert_eq!(answer.entry.unwrap().payload, failed().map(Payload::Negative));
    }
    let again = client.release_lease(request).await.unwrap().into_inner();
    assert_eq!((again.outcome(), again.waiters_released), (LeaseOutcome::Lost, 0));
    let remembered = client.ask(lease("k")).await;
    assert_eq!((remembered.outcome(), remembered.lease), (GetOutcome::Negative, None));
    server.advance(Duration::from_secs(5));
    assert!(client.ask(lease("k")).await.lease.is_some(), "it is tried again after that");
}

#[tokio::test]
async fn a_failure_goes_with_what_the_value_would_have_gone_with() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let ways =
        [select::tag("dataset:3"), select::kind("summary"), select::key("source"), select::dependents_of("source")];
    for selector in ways {
        let token = token_of(&client.ask(lease("k")).await);
        let failure = v1::ReleaseLeaseRequest {
            failure: failed(),
            kind: "summary".to_owned(),
            tags: vec!["dataset:3".to_owned()],
            depends_on: vec!["source".to_owned()],
            ..release("k", &token)
        };
        client.release_lease(failure).await.unwrap();
        assert_eq!(client.ask(lease("k")).await.outcome(), GetOutcome::Negative);
        client.invalidate(invalidate(vec![selector.clone()])).await.unwrap();
        let answer = client.ask(lease("k")).await;
        assert!(answer.lease.is_some(), "{selector:?} leaves {:?}", answer.outcome());
        client.release_lease(release("k", &token_of(&answer))).await.unwrap();
    }
}

#[tokio::test]
async fn without_a_failure_the_next_gets_the_lease() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let (token, [first, second]) = two_wait(&server, &client).await;
    client.release_lease(release("k", &token)).await.unwrap();
    let promoted = within("the promotion", first).await.unwrap();
    assert_eq!(promoted.outcome(), GetOutcome::Miss);
    client.release_lease(release("k", &token_of(&promoted))).await.unwrap();
    let last = within("the promotion", second).await.unwrap();
    client.release_lease(release("k", &token_of(&last))).await.unwrap();
    assert!(client.ask(lease("k")).await.lease.is_some(), "it is free");
}

#[tokio::test]
async fn held_off_nobody_gets_the_lease_for_a_while() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let (token, [first, _second]) = two_wait(&server, &client).await;
    let hold_off = v1::ReleaseLeaseRequest { hold_off: seconds(5), ..release("k", &token) };
    client.release_lease(hold_off).await.unwrap();
    assert_eq!(client.ask(lease("k")).await.outcome(), GetOutcome::Pending);
    assert_eq!(server.waiters(), 2);
    server.advance(Duration::from_secs(5));
    assert_eq!(within("the promotion", first).await.unwrap().outcome(), GetOutcome::Miss);
}

#[tokio::test]
async fn a_release_that_contradicts_itself_is_refused_and_changes_nothing() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let token = token_of(&client.ask(lease("k")).await);
    let bad = [
        (v1::ReleaseLeaseRequest { hold_off: seconds(61), ..release("k", &token) }, "hold_off"),
        (v1::ReleaseLeaseRequest { hold_off: seconds(0), ..release("k", &token) }, "hold_off"),
        (v1::ReleaseLeaseRequest { hold_off: seconds(1), failure: failed(), ..release("k", &token) }, "hold_off"),
        (v1::ReleaseLeaseRequest { expiration: Some(ttl(1)), ..release("k", &token) }, "expiration"),
        (release("k", "x"), "token"),
    ];
    for (request, field) in bad {
        failure(client.release_lease(request).await).is(Code::InvalidArgument, "BAD_ARGUMENT").blames(field);
    }
    assert_eq!(client.ask(lease("k")).await.outcome(), GetOutcome::Pending, "it is still held");
}
