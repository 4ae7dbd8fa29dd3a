//! Token, deadlines, retries and errors of the thin layer.

use std::time::Duration;

use hotplate::{Client, ErrorKind, Profile, v1};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::double::{Double, Fault, past_its_deadline, patient, until};

fn get(key: &str) -> v1::GetRequest {
    v1::GetRequest { namespace: "test".to_owned(), key: key.to_owned(), ..v1::GetRequest::default() }
}

#[tokio::test]
async fn a_call_that_found_the_server_away_is_tried_again_twice() {
    let double = Double::start();
    double.state.faults.lock().extend([Fault::unavailable(), Fault::unavailable()]);
    let response = double.client().calls().get(get("a")).await.expect("the third try");
    assert_eq!(response.outcome(), v1::GetOutcome::Miss);
    assert_eq!(double.state.count("get"), 3);

    double.state.faults.lock().extend([Fault::unavailable(), Fault::unavailable(), Fault::unavailable()]);
    let error = double.client().calls().get(get("a")).await.expect_err("no fourth try");
    assert_eq!((error.kind, double.state.count("get")), (ErrorKind::Unavailable, 6));
}

#[tokio::test]
async fn what_may_not_be_repeated_or_cannot_succeed_is_tried_once() {
    let double = Double::start();
    *double.state.always.lock() = Some(Fault::unavailable());
    let error = double.client().calls().touch(v1::TouchRequest::default()).await.expect_err("away");
    assert_eq!((error.kind, double.state.count("touch")), (ErrorKind::Unavailable, 1));
    let error = double.client().calls().without_retries().get(get("a")).await.expect_err("away");
    assert_eq!((error.kind, double.state.count("get")), (ErrorKind::Unavailable, 1));
    *double.state.always.lock() = Some(Fault::Refuse(Box::new(Status::internal("bug"))));
    let error = double.client().calls().put(v1::PutRequest::default()).await.expect_err("a bug");
    assert_eq!((error.kind, double.state.count("put")), (ErrorKind::Internal, 1));
}

#[tokio::test]
async fn a_server_that_never_answers_costs_the_deadline_and_no_more() {
    let double = Double::start();
    *double.state.always.lock() = Some(Fault::Stall);
    let calls = double.client().calls().with_timeout(Duration::from_secs(10));
    let mut call = Box::pin(calls.get(get("a")));
    tokio::select! {
        answered = &mut call => panic!("nobody answers: {answered:?}"),
        // The server is told how long it has.
        () = until(|| double.state.timeout.lock().is_some()) => {}
    }
    let ended = past_its_deadline(tokio::time::timeout(Duration::from_secs(11), call)).await;
    assert_eq!(ended.expect("it ends by itself").expect_err("no answer").kind, ErrorKind::DeadlineExceeded);
}

#[tokio::test]
async fn a_wait_that_would_outlast_the_deadline_is_not_begun() {
    let double = Double::start();
    let mut details = ErrorDetails::new();
    details.set_retry_info(Some(Duration::from_secs(3_600)));
    let draining = Status::with_error_details(Code::Unavailable, "draining", details);
    *double.state.always.lock() = Some(Fault::Refuse(Box::new(draining)));
    let error = double.client().calls().get(get("a")).await.expect_err("away");
    assert_eq!((error.kind, double.state.count("get")), (ErrorKind::Unavailable, 1), "the cause, not a timeout");
    assert_eq!(error.retry_after, Some(Duration::from_secs(3_600)));
}

#[tokio::test]
async fn nobody_listening_is_unavailable() {
    let mut double = Double::start();
    double.stop();
    let error = double.client().calls().get(get("a")).await.expect_err("refused");
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
}

#[tokio::test]
async fn calls_reach_the_server_again_once_it_is_back() {
    let mut double = Double::start();
    let calls = double.client().calls();
    calls.get(get("a")).await.expect("there");
    double.stop();
    calls.get(get("a")).await.expect_err("gone");
    double.serve();
    calls.get(get("a")).await.expect("back");
}

#[tokio::test]
async fn another_endpoint_answers_when_one_is_down() {
    let (up, mut down) = (Double::start(), Double::start());
    down.stop();
    let client = Client::builder().endpoints([down.url(), up.url()]).profile(patient()).build().expect("valid");
    for _ in 0..10 {
        client.calls().get(get("a")).await.expect("the other endpoint");
    }
    assert_eq!(up.state.count("get"), 10);
}

#[tokio::test]
async fn an_error_carries_reason_field_and_wait() {
    let double = Double::start();
    let mut details = ErrorDetails::new();
    details
        .set_error_info("TTL_OUT_OF_BOUNDS", "hotplate", std::collections::HashMap::new())
        .add_bad_request_violation("expiration.ttl", "too long")
        .set_retry_info(Some(Duration::from_millis(30)));
    let status = Status::with_error_details(Code::InvalidArgument, "too long", details);
    double.state.faults.lock().push_back(Fault::Refuse(Box::new(status)));
    let error = double.client().calls().get(get("a")).await.expect_err("refused");
    assert_eq!(error.kind, ErrorKind::InvalidArgument);
    assert_eq!(error.reason.as_deref(), Some("TTL_OUT_OF_BOUNDS"));
    assert_eq!(error.field.as_deref(), Some("expiration.ttl"));
    assert_eq!(error.retry_after, Some(Duration::from_millis(30)));
    assert_eq!(error.message, "too long");
}

#[tokio::test]
async fn the_token_is_sent_and_never_shown() {
    let double = Double::start();
    let builder = double.builder().token("s3cret-token\n");
    assert!(!format!("{builder:?}").contains("s3cret"));
    let client = builder.build().expect("loopback needs no TLS");
    assert!(!format!("{client:?}").contains("s3cret"));
    client.calls().get(get("a")).await.expect("there");
    assert_eq!(double.state.authorization.lock().as_deref(), Some("Bearer s3cret-token"));
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_with_the_fix() {
    let refused = [
        (Client::builder().url("hotplate://cache.internal:7070").token("t"), "allow_insecure_token"),
        (Client::builder().url("ftp://cache:1"), "hotplate://"),
        (Client::builder().url("hotplate://user:pw@cache"), "token"),
        (Client::builder().url("hotplate://cache?timeout=never"), "250ms"),
        (Client::builder().url("hotplate://cache?speed=fast"), "timeout"),
        (Client::builder().url("hotplate://"), "host"),
        (Client::builder().timeout(Duration::ZERO), "1 ms"),
        (Client::builder().token(""), "empty"),
        (Client::builder().url("https://cache").tls_ca("no certificate"), "TLS"),
    ];
    for (builder, fix) in refused {
        let shown = format!("{builder:?}");
        let error = builder.build().expect_err(&shown);
        assert!(error.to_string().contains(fix), "{error} should mention {fix}");
        assert!(!error.to_string().contains("pw"), "{error}");
    }
    let allowed = Client::builder().url("hotplate://cache.internal").token("t").allow_insecure_token(true);
    assert_eq!(allowed.build().expect("allowed").namespace_name(), "default");
    let named = Client::builder().url("hotplate://[::1]:7070/ml?timeout=250ms&profile=low_latency").token("t");
    assert_eq!(named.build().expect("loopback").namespace_name(), "ml");
}

#[test]
fn without_a_runtime_the_client_says_what_it_needs() {
    let error = Client::builder().profile(Profile::batch()).build().expect_err("no runtime");
    assert_eq!(error.kind, ErrorKind::Configuration);
}

#[tokio::test]
async fn conditional_writes_and_invalidations_carry_an_id_that_stays_the_same_when_tried_again() {
    let double = Double::start();
    let calls = double.client().calls();
    double.state.faults.lock().push_back(Fault::unavailable());
    let condition = v1::Precondition { condition: Some(v1::precondition::Condition::Absent(true)) };
    calls.put(v1::PutRequest { precondition: Some(condition), ..Default::default() }).await.expect("second try");
    calls.put(v1::PutRequest::default()).await.expect("there");
    calls.invalidate(v1::InvalidateRequest::default()).await.expect("there");
    let puts = double.state.puts.lock().clone();
    assert_eq!((puts[0].request_id.len(), puts[1].request_id.len()), (32, 0));
    assert_eq!(double.state.invalidates.lock()[0].request_id.len(), 32);
}
