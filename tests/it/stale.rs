//! Stale answers of Get: while one caller renews, and when renewing fails; failures beside the values they did not renew.

use std::time::Duration;

use hotplate_proto::v1::{self, GetOutcome, KeyEventType, LeaseOutcome, MissReason, PutOutcome, StalePolicy};

use crate::{
    harness::{Local, namespace},
    lease::{ask, waiting},
    wire::*,
};

const POLICIES: [StalePolicy; 3] = [StalePolicy::Refuse, StalePolicy::WhileRevalidate, StalePolicy::IfError];

fn with(policy: StalePolicy, request: v1::GetRequest) -> v1::GetRequest {
    v1::GetRequest { stale_policy: policy.into(), ..request }
}

fn fresh_then_stale(fresh: u64, stale: u64) -> Option<v1::Expiration> {
    Some(v1::Expiration { stale_for: seconds(stale), ..ttl(fresh) })
}

/// A server with a key that has been stale for a second and is for 59 more.
async fn stale_key() -> (Local, Client) {
    let server = Local::start().await;
    let mut client = server.client().await;
    client.store(v1::PutRequest { expiration: fresh_then_stale(10, 60), ..put("k", "old") }).await;
    server.advance(Duration::from_secs(11));
    (server, client)
}

fn failed(token: &str, reason: &str) -> v1::ReleaseLeaseRequest {
    let failure = v1::Negative { reason: reason.to_owned(), message: "the database is away".to_owned() };
    v1::ReleaseLeaseRequest {
        key: "k".to_owned(),
        token: token.to_owned(),
        failure: Some(failure),
        ..Default::default()
    }
}

#[tokio::test]
async fn many_get_the_stale_value_and_one_of_them_the_lease() {
    let (_server, mut client) = stale_key().await;
    let mut leases = Vec::new();
    for _ in 0..20 {
        let answer = client.ask(with(StalePolicy::WhileRevalidate, lease_or_wait("k"))).await;
        assert_eq!((answer.outcome(), value_of(&answer)), (GetOutcome::Stale, &b"old"[..]));
        leases.extend(answer.lease);
    }
    assert_eq!(leases.len(), 1, "one refresher at a time");
    let stored = client.store(put_under(&leases[0].token, "k", "new")).await;
    assert_eq!(stored.outcome(), PutOutcome::Stored);
    assert_eq!(client.value("k").await.unwrap(), b"new");
}

#[tokio::test]
async fn who_takes_a_stale_value_only_for_an_error_waits_and_gets_it_when_computing_fails() {
    let (server, mut client) = stale_key().await;
    let holder = client.ask(with(StalePolicy::IfError, lease_or_wait("k"))).await;
    assert_eq!(holder.outcome(), GetOutcome::Stale, "the holder has it to fall back on");
    let token = token_of(&holder);
    let pending = client.ask(with(StalePolicy::IfError, lease("k"))).await;
    assert_eq!((pending.outcome(), pending.entry), (GetOutcome::Pending, None));
    let waiters =
        [StalePolicy::Refuse, StalePolicy::IfError].map(|policy| ask(&client, with(policy, lease_or_wait("k"))));
    waiting(&server, 2).await;
    let released = client.release_lease(failed(&token, "DATABASE_AWAY")).await.unwrap().into_inner();
    assert_eq!((released.outcome(), released.waiters_released), (LeaseOutcome::Held, 2));
    let [refusing, accepting] = waiters;
    let refusing = within("an answer", refusing).await.unwrap();
    assert_eq!(refusing.outcome(), GetOutcome::Negative);
    assert_eq!(facts_of(&refusing).refresh_failure, None);
    let accepting = within("an answer", accepting).await.unwrap();
    assert_eq!((accepting.outcome(), value_of(&accepting)), (GetOutcome::Stale, &b"old"[..]));
    let failure = facts_of(&accepting).refresh_failure.clone().unwrap();
    assert_eq!((&*failure.reason, &*failure.message), ("DATABASE_AWAY", "the database is away"));
}

#[tokio::test]
async fn a_computation_that_succeeds_answers_who_waited_with_the_new_value() {
    let (server, mut client) = stale_key().await;
    let token = token_of(&client.ask(with(StalePolicy::IfError, lease("k"))).await);
    let waiter = ask(&client, with(StalePolicy::IfError, lease_or_wait("k")));
    waiting(&server, 1).await;
    client.store(put_under(&token, "k", "new")).await;
    let answer = within("an answer", waiter).await.unwrap();
    assert_eq!((answer.outcome(), value_of(&answer)), (GetOutcome::Hit, &b"new"[..]));
}

#[tokio::test]
async fn a_wait_that_ends_without_a_value_ends_with_the_stale_one() {
    let (_server, mut client) = stale_key().await;
    token_of(&client.ask(lease("k")).await);
    let short = v1::GetRequest { wait_timeout: Some(wire(Duration::from_millis(20))), ..lease_or_wait("k") };
    let answer = within("an answer", client.ask(with(StalePolicy::IfError, short.clone()))).await;
    assert_eq!((answer.outcome(), answer.lease), (GetOutcome::Stale, None));
    assert_eq!(within("an answer", client.ask(short)).await.outcome(), GetOutcome::Pending);
}

#[tokio::test]
async fn what_was_dropped_meanwhile_is_no_fall_back() {
    let (server, mut client) = stale_key().await;
    token_of(&client.ask(lease("k")).await);
    let waiter = ask(&client, with(StalePolicy::IfError, lease_or_wait("k")));
    waiting(&server, 1).await;
    client.drop_all(vec![select::key("k")]).await;
    let answer = within("an answer", waiter).await.unwrap();
    assert_eq!((answer.outcome(), answer.miss_reason()), (GetOutcome::Miss, MissReason::Invalidated));
    assert!(answer.lease.is_some(), "it is the next to compute");
}

#[tokio::test]
async fn a_failed_refresh_leaves_the_value_and_shows_why_until_it_ends() {
    let (server, mut client) = stale_key().await;
    let token = token_of(&client.ask(lease("k")).await);
    client.release_lease(failed(&token, "DATABASE_AWAY")).await.unwrap();
    server.advance(Duration::from_secs(2));
    for policy in POLICIES {
        let answer = client.ask(with(policy, lease("k"))).await;
        assert_eq!(answer.lease, None, "as long as the failure is remembered nobody tries again");
        if policy == StalePolicy::Refuse {
            assert_eq!(answer.outcome(), GetOutcome::Negative);
            continue;
        }
        assert_eq!((answer.outcome(), value_of(&answer)), (GetOutcome::Stale, &b"old"[..]));
        let failure = facts_of(&answer).refresh_failure.clone().unwrap();
        assert_eq!((failure.age, failure.retry_after), (seconds(2), seconds(3)));
    }
    let explained = v1::ExplainKeyRequest { key: "k".to_owned(), ..Default::default() };
    let explained = client.explain_key(explained).await.unwrap().into_inner();
    assert!(explained.explanation.contains("DATABASE_AWAY"), "{}", explained.explanation);
    assert_eq!(explained.events[0].r#type(), KeyEventType::RefreshFailed);
    // Its 5 s are over: one may try again, and the reason stays visible.
    server.advance(Duration::from_secs(3));
    let answer = client.ask(with(StalePolicy::WhileRevalidate, lease("k"))).await;
    assert!(answer.lease.is_some() && facts_of(&answer).refresh_failure.is_some());
    client.store(put_under(&token_of(&answer), "k", "old")).await;
    let renewed = client.ask(get("k")).await;
    assert_eq!((renewed.outcome(), facts_of(&renewed).refresh_failure.clone()), (GetOutcome::Hit, None));
}

#[tokio::test]
async fn a_failure_beside_a_value_is_in_the_sets_of_the_value() {
    let (server, mut client) = stale_key().await;
    let stored = v1::PutRequest {
        kind: "report".to_owned(),
        depends_on: texts(&["base"]),
        expiration: fresh_then_stale(1, 60),
        ..put_tagged("k", "old", &["t"])
    };
    client.store(stored).await;
    server.advance(Duration::from_secs(2));
    let token = token_of(&client.ask(lease("k")).await);
    let waiter = ask(&client, lease_or_wait("k"));
    waiting(&server, 1).await;
    client.release_lease(failed(&token, "DATABASE_AWAY")).await.unwrap();
    for answer in [within("an answer", waiter).await.unwrap(), client.ask(get("k")).await] {
        assert_eq!(answer.outcome(), GetOutcome::Negative);
        let facts = facts_of(&answer);
        // Whoever keeps a copy has to know which invalidations of sets concern it.
        assert_eq!((&*facts.kind, &facts.tags, &facts.depends_on), ("report", &texts(&["t"]), &texts(&["base"])));
        assert_eq!((&*facts.content_type, facts.size_bytes), ("", 0));
    }
}

#[tokio::test]
async fn a_failure_beside_a_value_does_not_outlive_a_mark() {
    let marks = [select::key("k"), select::tag("t"), select::everything()];
    for selector in marks {
        let (server, mut client) = stale_key().await;
        let tagged = v1::PutRequest { expiration: fresh_then_stale(1, 60), ..put_tagged("k", "old", &["t"]) };
        client.store(tagged).await;
        server.advance(Duration::from_secs(2));
        let token = token_of(&client.ask(lease("k")).await);
        client.release_lease(failed(&token, "DATABASE_AWAY")).await.unwrap();
        assert_eq!(client.ask(get("k")).await.outcome(), GetOutcome::Negative);
        let mode = v1::InvalidateMode::MarkStale.into();
        let mark = v1::InvalidateRequest { selectors: vec![selector.clone()], mode, ..Default::default() };
        client.invalidate(mark).await.unwrap();
        let refusing = client.ask(get("k")).await;
        assert_eq!(
            (refusing.outcome(), refusing.miss_reason()),
            (GetOutcome::Miss, MissReason::Invalidated),
            "{selector:?}"
        );
        let accepting = client.ask(with(StalePolicy::WhileRevalidate, get("k"))).await;
        assert_eq!((accepting.outcome(), value_of(&accepting)), (GetOutcome::Stale, &b"old"[..]));
    }
}

#[tokio::test]
async fn the_stale_value_ends_when_it_was_to_end_however_often_renewing_fails() {
    let (server, mut client) = stale_key().await;
    for _ in 0..9 {
        let token = token_of(&client.ask(lease("k")).await);
        client.release_lease(failed(&token, "AGAIN")).await.unwrap();
        server.advance(Duration::from_secs(6));
    }
    let left = client.ask(with(StalePolicy::IfError, get("k"))).await;
    assert_eq!((left.outcome(), std_duration(facts_of(&left).usable_for)), (GetOutcome::Stale, Duration::from_secs(5)));
    server.advance(Duration::from_secs(5));
    assert_eq!(client.ask(with(StalePolicy::IfError, get("k"))).await.outcome(), GetOutcome::Miss);
}

#[tokio::test]
async fn a_failure_without_a_value_is_remembered_for_its_own_time_and_releases_who_waits() {
    let server = Local::with(|settings| {
        namespace(settings, "default").ttl_failure = Some(Duration::from_secs(7));
        namespace(settings, "default").ttl_negative = Some(Duration::from_secs(70));
    })
    .await;
    let mut client = server.client().await;
    let token = token_of(&client.ask(lease("k")).await);
    let waiter = ask(&client, lease_or_wait("k"));
    waiting(&server, 1).await;
    client.release_lease(failed(&token, "DATABASE_AWAY")).await.unwrap();
    assert_eq!(within("an answer", waiter).await.unwrap().outcome(), GetOutcome::Negative);
    let found = client.ask(get("k")).await;
    assert_eq!((found.outcome(), facts_of(&found).fresh_for), (GetOutcome::Negative, seconds(7)));
    client.store(v1::PutRequest { expiration: None, ..put_negative("absent", "NOT_FOUND") }).await;
    assert_eq!(facts_of(&client.ask(get("absent")).await).fresh_for, seconds(70));
    let long = v1::ReleaseLeaseRequest { expiration: Some(ttl(30)), ..failed("", "DATABASE_AWAY") };
    let (long, token) = (v1::ReleaseLeaseRequest { key: "other".to_owned(), ..long }, client.ask(lease("other")).await);
    client.release_lease(v1::ReleaseLeaseRequest { token: token_of(&token), ..long }).await.unwrap();
    assert_eq!(facts_of(&client.ask(get("other")).await).fresh_for, seconds(30));
}

#[tokio::test]
async fn callers_served_with_a_stale_value_count_as_served() {
    let (_server, mut client) = stale_key().await;
    client.ask(with(StalePolicy::WhileRevalidate, lease("k"))).await;
    client.ask(with(StalePolicy::WhileRevalidate, lease("k"))).await;
    let short = v1::GetRequest { wait_timeout: Some(wire(Duration::from_millis(10))), ..lease_or_wait("k") };
    client.ask(with(StalePolicy::IfError, short)).await;
    let total = client.count("").await.total.unwrap();
    assert_eq!((total.stale_hits, misses(&total, MissReason::Expired)), (3, 0));
}
