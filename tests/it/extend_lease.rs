//! ExtendLease: who goes on computing keeps the lease.

use std::time::Duration;

use hotplate_proto::v1::{self, GetOutcome, LeaseOutcome, PutOutcome};
use tonic::Code;

use crate::{harness::Local, wire::*};

fn extend(key: &str, token: &str) -> v1::ExtendLeaseRequest {
    v1::ExtendLeaseRequest { key: key.to_owned(), token: token.to_owned(), ..Default::default() }
}

#[tokio::test]
async fn a_lease_that_is_extended_outlives_its_duration() {
    let server = Local::with(|settings| settings.leases.duration = Duration::from_secs(2)).await;
    let mut client = server.client().await;
    let granted = client.ask(lease("k")).await;
    assert_eq!(std_duration(granted.lease.as_ref().unwrap().duration), Duration::from_secs(2));
    let token = token_of(&granted);
    for _ in 0..3 {
        server.advance(Duration::from_millis(1_999));
        let kept = client.extend_lease(extend("k", &token)).await.unwrap().into_inner();
        assert_eq!(kept.outcome(), LeaseOutcome::Held);
        let kept = kept.lease.unwrap();
        assert_eq!((&kept.token, std_duration(kept.duration)), (&token, Duration::from_secs(2)));
    }
    assert_eq!(client.ask(lease("k")).await.outcome(), GetOutcome::Pending);
    let stored = client.store(put_under(&token, "k", "v")).await;
    assert_eq!(stored.outcome(), PutOutcome::Stored);
    let took = std_duration(stored.metadata.unwrap().compute_cost);
    assert_eq!(took, Duration::from_millis(3 * 1_999), "measured from the grant, not from the last extension");
}

#[tokio::test]
async fn a_lease_that_is_not_held_cannot_be_extended() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let token = token_of(&client.ask(lease("k")).await);
    for (key, token) in [("k", "0".repeat(32)), ("other", token.clone())] {
        let answer = client.extend_lease(extend(key, &token)).await.unwrap().into_inner();
        assert_eq!((answer.outcome(), answer.lease), (LeaseOutcome::Lost, None));
    }
    server.advance(Duration::from_secs(10));
    let lapsed = client.extend_lease(extend("k", &token)).await.unwrap().into_inner();
    assert_eq!(lapsed.outcome(), LeaseOutcome::Lost);
    assert!(client.ask(lease("k")).await.lease.is_some(), "it is free again");
    let nameless = failure(client.extend_lease(extend("k", "")).await);
    nameless.is(Code::InvalidArgument, "BAD_ARGUMENT").blames("token");
    failure(client.extend_lease(extend("", &token)).await).is(Code::InvalidArgument, "BAD_KEY");
}
