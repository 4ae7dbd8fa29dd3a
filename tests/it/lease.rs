//! Leases of Get and Put: one computation for all who ask, whatever becomes of who computes.

use std::time::Duration;

use hotplate_proto::v1::{self, ComputeCostSource, GetOutcome, PutOutcome};
use tokio::task::{JoinHandle, JoinSet};
use tonic::Request;

use crate::{
    harness::{Local, namespace},
    wire::*,
};

/// Asks in a task of its own.
#[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime, and tests abort it")]
pub(crate) fn ask(client: &Client, request: v1::GetRequest) -> JoinHandle<v1::GetResponse> {
    let mut client = client.clone();
    tokio::spawn(async move { client.ask(request).await })
}

/// Waits until so many wait on the server.
pub(crate) async fn waiting(server: &Local, callers: usize) {
    until("callers wait", || async { server.waiters() }, |waiting| *waiting == callers).await;
}

async fn answered(what: &str, asked: JoinHandle<v1::GetResponse>) -> v1::GetResponse {
    within(what, asked).await.unwrap()
}

#[tokio::test]
async fn two_hundred_callers_of_one_key_cost_one_computation() {
    let server = Local::start().await;
    let client = server.client().await;
    let mut callers = JoinSet::new();
    for _ in 0..200 {
        let mut client = client.clone();
        callers.spawn(async move { (client.ask(lease_or_wait("k")).await, client) });
    }
    let (mut computed, mut served) = (0, 0);
    while let Some(ended) = within("an answer", callers.join_next()).await {
        let (answer, mut client) = ended.unwrap();
        if answer.outcome() == GetOutcome::Hit {
            assert_eq!(value_of(&answer), b"computed");
            served += 1;
            continue;
        }
        computed += 1;
        assert_eq!(answer.outcome(), GetOutcome::Miss);
        waiting(&server, 199).await;
        let stored = client.store(put_under(&token_of(&answer), "k", "computed")).await;
        assert_eq!((stored.outcome(), stored.waiters_released), (PutOutcome::Stored, 199));
    }
    assert_eq!((computed, served, server.waiters()), (1, 199, 0));
    let total = client.clone().count("").await.total.unwrap();
    assert_eq!((total.hits, misses(&total, v1::MissReason::NeverStored)), (199, 1));
}

#[tokio::test]
async fn when_the_holder_is_gone_the_next_gets_the_lease_after_it_lapsed() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let lost = token_of(&client.ask(lease("k")).await);
    let first = ask(&client, lease_or_wait("k"));
    waiting(&server, 1).await;
    let second = ask(&client, lease_or_wait("k"));
    waiting(&server, 2).await;
    server.advance(Duration::from_millis(9_999));
    assert_eq!(server.waiters(), 2, "the lease lasts for ten seconds");
    server.advance(Duration::from_millis(1));
    let promoted = answered("the promotion", first).await;
    assert_eq!((promoted.outcome(), server.waiters()), (GetOutcome::Miss, 1));
    let late = client.store(put_under(&lost, "k", "late")).await;
    assert_eq!((late.outcome(), late.metadata, late.position), (PutOutcome::LeaseLost, None, None));
    assert_eq!(client.ask(get("k")).await.outcome(), GetOutcome::Miss, "nothing was stored");
    client.store(put_under(&token_of(&promoted), "k", "computed")).await;
    assert_eq!(value_of(&answered("the value", second).await), b"computed");
    assert_eq!(client.store(put_under(&token_of(&promoted), "k", "again")).await.outcome(), PutOutcome::LeaseLost);
}

#[tokio::test]
async fn an_invalidate_revokes_the_lease_and_what_was_computed_before_is_not_stored() {
    let server = Local::start().await;
    let mut client = server.client().await;
    for selector in [select::key("k"), select::prefix("k"), select::glob("?"), select::everything()] {
        let old = token_of(&client.ask(lease("k")).await);
        let waiter = ask(&client, lease_or_wait("k"));
        waiting(&server, 1).await;
        let dropped = client.drop_all(vec![selector.clone(), select::key("other")]).await;
        assert_eq!(dropped.leases_revoked, 1, "{selector:?}");
        let promoted = answered("a new lease", waiter).await;
        assert_ne!(token_of(&promoted), old);
        assert_eq!(client.store(put_under(&old, "k", "old")).await.outcome(), PutOutcome::LeaseLost, "{selector:?}");
        assert!(client.value("k").await.is_err(), "{selector:?}");
        assert_eq!(client.store(put_under(&token_of(&promoted), "k", "new")).await.outcome(), PutOutcome::Stored);
        assert_eq!(client.drop_all(vec![select::key("k")]).await.leases_revoked, 0, "it was used");
    }
}

#[tokio::test]
async fn a_tag_that_was_invalidated_meanwhile_refuses_the_value_and_hands_the_lease_on() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let old = token_of(&client.ask(lease("k")).await);
    assert_eq!(client.drop_all(vec![select::tag("t")]).await.leases_revoked, 0);
    let waiter = ask(&client, lease_or_wait("k"));
    waiting(&server, 1).await;
    let tagged = |token: &str| v1::PutRequest { tags: texts(&["t"]), ..put_under(token, "k", "v") };
    assert_eq!(client.store(tagged(&old)).await.outcome(), PutOutcome::LeaseLost);
    let promoted = answered("the promotion", waiter).await;
    assert_eq!(client.store(tagged(&token_of(&promoted))).await.outcome(), PutOutcome::Stored);
    let other = token_of(&client.ask(lease("untagged")).await);
    client.drop_all(vec![select::tag("t")]).await;
    assert_eq!(client.store(put_under(&other, "untagged", "v")).await.outcome(), PutOutcome::Stored);
}

#[tokio::test]
async fn a_waiter_that_is_cancelled_is_freed_at_once() {
    let server = Local::with(|settings| settings.leases.waiters_max = 1).await;
    let mut client = server.client().await;
    let holder = token_of(&client.ask(lease("k")).await);
    for _ in 0..3 {
        let waiter = ask(&client, lease_or_wait("k"));
        waiting(&server, 1).await;
        waiter.abort();
        waiting(&server, 0).await;
    }
    let stored = client.store(put_under(&holder, "k", "v")).await;
    assert_eq!((stored.outcome(), stored.waiters_released), (PutOutcome::Stored, 0));
}

#[tokio::test]
async fn who_comes_when_as_many_wait_as_may_is_told_when_to_come_back() {
    let server = Local::with(|settings| {
        settings.leases.waiters_per_key_max = 1;
        settings.leases.waiters_max = 2;
        settings.leases.held_max = 3;
    })
    .await;
    let mut client = server.client().await;
    let mut waiters = Vec::new();
    for key in ["a", "b"] {
        client.ask(lease(key)).await;
        waiters.push(ask(&client, lease_or_wait(key)));
        waiting(&server, waiters.len()).await;
    }
    client.ask(lease("c")).await;
    for (request, bound) in [
        (lease_or_wait("a"), "one waits for this key"),
        (lease_or_wait("c"), "two wait for all keys"),
        (lease("a"), "another has the lease"),
        (lease("d"), "three keys are leased"),
        (lease_or_wait("d"), "three keys are leased"),
    ] {
        let told = within("an answer at once", client.ask(request)).await;
        assert_eq!((told.outcome(), told.lease.is_some()), (GetOutcome::Pending, false), "{bound}");
        assert!(std_duration(told.pending.unwrap().retry_after) > Duration::ZERO, "{bound}");
        assert!(told.as_of.is_some(), "{bound}");
    }
    assert!(waiters.iter().all(|waiter| !waiter.is_finished()));
}

#[tokio::test]
async fn a_wait_ends_with_pending_and_before_its_deadline() {
    let server = Local::start().await;
    let mut client = server.client().await;
    client.ask(lease("k")).await;
    let short = v1::GetRequest { wait_timeout: Some(wire(Duration::from_millis(20))), ..lease_or_wait("k") };
    assert_eq!(within("the end of the wait", client.ask(short)).await.outcome(), GetOutcome::Pending);
    // A machine that is held up where the wait ends has no time left for the answer: asked again, it has.
    let timed = || {
        let (mut client, mut request) = (client.clone(), Request::new(lease_or_wait("k")));
        request.set_timeout(Duration::from_millis(500));
        async move { Box::pin(client.get(request)).await.map(|ended| ended.into_inner().outcome()) }
    };
    let in_time = until("its end before the deadline", timed, |ended| matches!(ended, Ok(GetOutcome::Pending))).await;
    assert_eq!(in_time.unwrap(), GetOutcome::Pending);
    waiting(&server, 0).await;
    let server = Local::with(|settings| settings.leases.wait_max = Duration::from_millis(20)).await;
    let mut client = server.client().await;
    client.ask(lease("k")).await;
    assert_eq!(within("the server's maximum", client.ask(lease_or_wait("k"))).await.outcome(), GetOutcome::Pending);
}

#[tokio::test]
async fn what_computing_cost_is_measured_unless_it_is_said() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let token = token_of(&client.ask(lease("k")).await);
    server.advance(Duration::from_secs(3));
    let stored = client.store(put_under(&token, "k", "v")).await.metadata.unwrap();
    assert_eq!(std_duration(stored.compute_cost), Duration::from_secs(3));
    assert_eq!(stored.compute_cost_source(), ComputeCostSource::Measured);
    let token = token_of(&client.ask(lease("said")).await);
    server.advance(Duration::from_secs(3));
    let said = v1::PutRequest { compute_cost: seconds(1), ..put_under(&token, "said", "v") };
    let stored = client.store(said).await.metadata.unwrap();
    assert_eq!(std_duration(stored.compute_cost), Duration::from_secs(1));
    assert_eq!(stored.compute_cost_source(), ComputeCostSource::Given);
}

#[tokio::test]
async fn a_write_without_lease_takes_the_lease_and_releases_who_waits() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let token = token_of(&client.ask(lease("k")).await);
    let waiter = ask(&client, lease_or_wait("k"));
    waiting(&server, 1).await;
    assert_eq!(client.store(put("k", "written")).await.waiters_released, 1);
    assert_eq!(value_of(&answered("the value", waiter).await), b"written");
    assert_eq!(client.store(put_under(&token, "k", "computed")).await.outcome(), PutOutcome::LeaseLost);
    assert_eq!(client.value("k").await.unwrap(), b"written");
}

#[tokio::test]
async fn a_remembered_absence_releases_who_waits_at_once() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let token = token_of(&client.ask(lease("k")).await);
    let waiters = [ask(&client, lease_or_wait("k")), ask(&client, lease_or_wait("k"))];
    waiting(&server, 2).await;
    let none = v1::Negative { reason: "NOT_FOUND".to_owned(), message: "there is none".to_owned() };
    let absent = v1::PutRequest {
        payload: Some(v1::put_request::Payload::Negative(none)),
        expiration: Some(ttl(60)),
        ..put_under(&token, "k", "")
    };
    let stored = client.store(absent).await;
    assert_eq!((stored.outcome(), stored.waiters_released), (PutOutcome::Stored, 2));
    for waiter in waiters {
        let answer = answered("the absence", waiter).await;
        assert_eq!((answer.outcome(), answer.lease), (GetOutcome::Negative, None));
    }
    assert_eq!(client.ask(lease_or_wait("k")).await.outcome(), GetOutcome::Negative, "and it is remembered");
}

/// Its connection is gone, and with it every call on it.
#[tokio::test]
async fn waiters_of_a_client_that_is_gone_are_freed_at_once() {
    let server = Local::start().await;
    let mut client = server.client().await;
    client.ask(lease("k")).await;
    let gone = server.client().await;
    let calls: Vec<_> = (0..5).map(|_| ask(&gone, lease_or_wait("k"))).collect();
    waiting(&server, 5).await;
    drop(gone);
    calls.iter().for_each(JoinHandle::abort);
    waiting(&server, 0).await;
}

#[tokio::test]
async fn a_value_that_cannot_be_stored_still_releases_who_waits() {
    let server = Local::with(|settings| {
        namespace(settings, "default").bytes_max = Some(64 << 10);
    })
    .await;
    let mut client = server.client().await;
    let token = token_of(&client.ask(lease("k")).await);
    let waiter = ask(&client, lease_or_wait("k"));
    waiting(&server, 1).await;
    let refused = client.store(put_under(&token, "k", vec![1; 65 << 10])).await;
    assert_eq!((refused.outcome(), refused.waiters_released), (PutOutcome::NotAdmitted, 1));
    assert_eq!(value_of(&answered("the value", waiter).await).len(), 65 << 10);
}

#[tokio::test]
async fn a_stale_value_comes_with_the_lease_once_and_nobody_waits_for_it() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let expiration = v1::Expiration { stale_for: seconds(60), ..ttl(1) };
    let etag =
        client.store(v1::PutRequest { expiration: Some(expiration), ..put("k", "v") }).await.metadata.unwrap().etag;
    server.advance(Duration::from_secs(2));
    let stale = v1::GetRequest { stale_policy: v1::StalePolicy::WhileRevalidate.into(), ..lease_or_wait("k") };
    let first = client.ask(stale.clone()).await;
    let second = within("an answer at once", client.ask(stale)).await;
    assert_eq!((first.outcome(), second.outcome()), (GetOutcome::Stale, GetOutcome::Stale));
    assert!(first.lease.is_some() && second.lease.is_none());
    let unchanged = |token: &str| v1::PutRequest {
        payload: Some(v1::put_request::Payload::Unchanged(true)),
        precondition: condition(v1::precondition::Condition::Etag(etag.clone())),
        ..put_under(token, "k", "")
    };
    assert_eq!(client.store(unchanged(&"0".repeat(32))).await.outcome(), PutOutcome::LeaseLost);
    assert_eq!(client.store(unchanged(&token_of(&first))).await.outcome(), PutOutcome::Refreshed);
    let fresh = client.ask(lease("k")).await;
    assert_eq!((fresh.outcome(), fresh.lease), (GetOutcome::Hit, None));
}

#[tokio::test]
async fn what_makes_no_sense_with_a_lease_is_refused() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let bad = [
        (v1::GetRequest { peek: true, ..lease("k") }, "miss_policy"),
        (v1::GetRequest { wait_timeout: seconds(1), ..lease("k") }, "wait_timeout"),
        (v1::GetRequest { wait_timeout: seconds(0), ..lease_or_wait("k") }, "wait_timeout"),
        (v1::GetRequest { miss_policy: 99, ..get("k") }, "miss_policy"),
    ];
    for (request, field) in bad {
        failure(client.get(request).await).is(tonic::Code::InvalidArgument, "BAD_ARGUMENT").blames(field);
    }
    let refused = failure(client.put(put_under("not a token", "k", "v")).await);
    refused.is(tonic::Code::InvalidArgument, "BAD_ARGUMENT").blames("lease_token");
    assert_eq!(client.ask(lease("k")).await.outcome(), GetOutcome::Miss, "nobody has got the lease");
}

#[tokio::test]
async fn a_server_that_goes_sends_away_who_waits() {
    let server = Local::with(|settings| settings.leases.wait_max = Duration::from_secs(60)).await;
    let mut client = server.client().await;
    client.ask(lease("k")).await;
    let waiters: Vec<_> = (0..3).map(|_| ask(&client, lease_or_wait("k"))).collect();
    waiting(&server, 3).await;
    drop(client);
    within("the shutdown", server.shutdown()).await;
    for waiter in waiters {
        assert_eq!(answered("the end of the wait", waiter).await.outcome(), GetOutcome::Pending);
    }
}
