//! Deadlines: what has none left ends as DEADLINE_EXCEEDED, calls and streams alike, and no other call is disturbed.

use std::time::Duration;

use tonic::Code;

use crate::{follower::Follower, harness::Local, raw::Raw, wire::*};

#[tokio::test]
async fn a_stream_ends_at_its_deadline() {
    let server = Local::start().await;
    // By hand: a client library ends a call itself whose answer has not begun in its time.
    let mut raw = Raw::connect(server.grpc).await;
    let mut call = raw.open("Watch", &[("grpc-timeout", "300m")]).await;
    call.finish(&watch(vec![]));
    Failure::of(&call.status().await).is(Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
    let mut client = server.client().await;
    let mut other = Follower::open(&mut client, watch(vec![])).await;
    client.store(put("k", "v")).await;
    other.events(1).await;
}

#[tokio::test]
async fn a_call_that_is_still_being_sent_ends_at_its_deadline() {
    let server = Local::start().await;
    let mut raw = Raw::connect(server.grpc).await;
    let call = raw.open("Put", &[("grpc-timeout", "150m")]).await;
    Failure::of(&call.status().await).is(Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
}

#[tokio::test]
async fn a_deadline_that_has_passed_is_not_worked_on() {
    let server = Local::start().await;
    let mut raw = Raw::connect(server.grpc).await;
    let mut call = raw.open("Put", &[("grpc-timeout", "0n")]).await;
    call.body.send_data(crate::raw::framed(&put("k", "v")), true).unwrap_or_default();
    assert_eq!(call.status().await.code(), Code::DeadlineExceeded);
    assert!(server.client().await.value("k").await.is_err());
}

#[tokio::test]
async fn the_server_s_own_bound_holds_where_none_is_asked() {
    let server = Local::with(|settings| settings.limits.deadline_max = Duration::from_millis(200)).await;
    let mut raw = Raw::connect(server.grpc).await;
    let none = raw.open("Get", &[]).await;
    let far = raw.open("Get", &[("grpc-timeout", "1H")]).await;
    for call in [none, far] {
        assert_eq!(call.status().await.code(), Code::DeadlineExceeded);
    }
}

#[tokio::test]
async fn a_malformed_deadline_is_no_reason_to_fail_badly() {
    let server = Local::start().await;
    let mut raw = Raw::connect(server.grpc).await;
    for malformed in ["", "5", "x", "123456789m", "-1S", "1 S"] {
        let mut call = raw.open("Get", &[("grpc-timeout", malformed)]).await;
        call.body.send_data(crate::raw::framed(&get("k")), true).unwrap_or_default();
        let code = call.status().await.code();
        assert!(matches!(code, Code::Ok | Code::InvalidArgument), "{malformed:?}: {code:?}");
    }
}
