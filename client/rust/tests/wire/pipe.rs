//! Small calls that share a stream: each answered as if it were alone, whatever becomes of the stream.

use std::{future::Future, sync::Arc, time::Duration};

use futures::future::join_all;
use hotplate::{Calls, ErrorKind, v1};
use tonic::Status;

use crate::{
    double::{Double, Fault, State, past_its_deadline},
    double_pipe::Script,
};

pub(crate) fn get(key: &str) -> v1::GetRequest {
    v1::GetRequest { namespace: "test".to_owned(), key: key.to_owned(), ..v1::GetRequest::default() }
}

pub(crate) fn put(key: &str, bytes: usize) -> v1::PutRequest {
    let value = key.bytes().cycle().take(bytes).collect::<Vec<_>>();
    v1::PutRequest {
        namespace: "test".to_owned(),
        key: key.to_owned(),
        payload: Some(v1::put_request::Payload::Value(value.into())),
        ..v1::PutRequest::default()
    }
}

pub(crate) fn touch(key: &str) -> v1::TouchRequest {
    v1::TouchRequest { namespace: "test".to_owned(), key: key.to_owned(), ..v1::TouchRequest::default() }
}

pub(crate) fn double(script: impl IntoIterator<Item = Script>) -> (Double, Calls) {
    let double = Double::start();
    double.state.piped.script.lock().extend(script);
    let calls = double.client().calls();
    (double, calls)
}

pub(crate) fn value(response: &v1::GetResponse) -> Option<&[u8]> {
    match response.entry.as_ref()?.payload.as_ref()? {
        v1::entry::Payload::Value(value) => Some(value),
        _ => None,
    }
}

/// Runs what waits for the server until the server has seen so many operations.
pub(crate) async fn until_seen<F: Future>(state: &Arc<State>, operations: usize, waiting: F) {
    let seen = async {
        while state.piped.operations().len() < operations {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = waiting => panic!("answered too early"),
        () = seen => {}
    }
}

#[tokio::test]
async fn calls_at_the_same_time_share_one_stream_and_few_messages() {
    let (double, calls) = double([Script::Serve]);
    join_all((0..300).map(|n| calls.put(put(&format!("k{n}"), 20)))).await.into_iter().for_each(|put| {
        put.expect("stored");
    });
    let answers = join_all((0..300).map(|n| calls.get(get(&format!("k{n}"))))).await;
    for (n, answer) in answers.into_iter().enumerate() {
        let sent = put(&format!("k{n}"), 20);
        let Some(v1::put_request::Payload::Value(sent)) = sent.payload else { panic!("a value") };
        assert_eq!(value(&answer.expect("found")), Some(&sent[..]));
    }
    let (piped, alone) = (double.state.count("piped get"), double.state.count("get") + double.state.count("put"));
    assert_eq!((piped, alone, *double.state.piped.opened.lock()), (300, 0, 1));
    let messages = double.state.piped.messages.lock();
    assert!(messages.len() < 60, "{} messages", messages.len());
    assert!(messages.iter().all(|message| message.operations.len() <= 100));
}

#[tokio::test]
async fn answers_find_their_callers_in_whatever_order_they_come() {
    let (double, calls) = double([Script::Serve, Script::Hold]);
    let first = double.client().calls();
    join_all((0..50).map(|n| first.put(put(&format!("k{n}"), 10)))).await;
    let mut waiting = Box::pin(join_all((0..50).map(|n| calls.get(get(&format!("k{n}"))))));
    until_seen(&double.state, 100, &mut waiting).await;
    double.state.piped.released.send_replace(true);
    for (n, answer) in waiting.await.into_iter().enumerate() {
        assert!(value(&answer.expect("found")).expect("a value").starts_with(format!("k{n}").as_bytes()));
    }
}

#[tokio::test]
async fn what_names_another_namespace_keeps_its_own() {
    let (double, calls) = double([Script::Serve]);
    let named = |namespace: &str| v1::GetRequest { namespace: namespace.to_owned(), ..get("a") };
    let names = ["test", "other", "", "test", "default"];
    join_all(names.map(|namespace| calls.get(named(namespace)))).await;
    calls.get(named("")).await.expect("answered");
    calls.get(named("default")).await.expect("answered");
    let seen: Vec<_> = double.state.gets.lock().iter().map(|get| get.namespace.clone()).collect();
    assert_eq!(seen, ["test", "other", "default", "test", "default", "default", "default"]);
}

#[tokio::test]
async fn who_gives_up_is_taken_back_and_the_others_are_answered() {
    let (double, calls) = double([Script::Hold]);
    let mut stays = Box::pin(calls.get(get("stays")));
    let mut leaves = Box::pin(calls.get(get("leaves")));
    until_seen(&double.state, 2, futures::future::select(&mut stays, &mut leaves)).await;
    let left = double.state.piped.operations()[1].call_id;
    drop(leaves);
    until_seen(&double.state, 3, &mut stays).await;
    double.state.piped.released.send_replace(true);
    assert_eq!(stays.await.expect("answered").outcome(), v1::GetOutcome::Miss);
    assert_eq!(*double.state.piped.cancelled.lock(), [left]);
    calls.get(get("later")).await.expect("the stream goes on");
    assert_eq!(*double.state.piped.opened.lock(), 1);
}

#[tokio::test]
async fn each_call_ends_at_its_own_deadline_and_tells_it_to_the_server() {
    let (double, calls) = double([Script::Hold]);
    let long = calls.clone().with_timeout(Duration::from_secs(600));
    let short = calls.clone().with_timeout(Duration::from_millis(20_080));
    let mut stays = Box::pin(long.get(get("long")));
    let mut ends = Box::pin(short.get(get("short")));
    until_seen(&double.state, 2, futures::future::select(&mut stays, &mut ends)).await;
    let error = past_its_deadline(async {
        tokio::select! {
            _ = &mut stays => panic!("nothing is answered yet"),
            ended = ends => ended.expect_err("no answer"),
        }
    })
    .await;
    assert_eq!(error.kind, ErrorKind::DeadlineExceeded);
    let told = double.state.piped.operations().into_iter().filter_map(|operation| operation.timeout);
    let mut told: Vec<_> = told.map(|timeout| (timeout.seconds, timeout.nanos)).collect();
    told.sort_unstable();
    assert_eq!(told, [(20, 80_000_000), (600, 0)]);
    double.state.piped.released.send_replace(true);
    stays.await.expect("answered");
}

#[tokio::test]
async fn a_server_without_streams_is_asked_for_one_once() {
    let (double, calls) = double([Script::Absent]);
    let touched = join_all((0..20).map(|n| calls.touch(touch(&format!("k{n}"))))).await;
    assert!(touched.iter().all(Result::is_ok), "{touched:?}");
    calls.get(get("a")).await.expect("answered");
    let touches = double.state.count("touch");
    assert_eq!((touches, double.state.count("get"), *double.state.piped.opened.lock()), (20, 1, 1));
}

#[tokio::test]
async fn a_broken_stream_repeats_what_is_safe_and_nothing_else() {
    let away = Script::BreakAfter(3, Status::unavailable("gone"));
    let (double, calls) = double([away, Script::Serve]);
    let (got, written, touched) = tokio::join!(calls.get(get("a")), calls.put(put("b", 3)), calls.touch(touch("c")));
    got.expect("asked again");
    written.expect("put again");
    assert_eq!(touched.expect_err("not repeated").kind, ErrorKind::Unavailable);
    let count = |name| double.state.count(name);
    assert_eq!((count("piped touch"), count("touch")), (1, 0), "a lifetime counts from the call");
    assert_eq!((count("get"), count("put")), (1, 1), "what is tried again goes alone");
    calls.touch(touch("c")).await.expect("on a new stream");
    assert_eq!(*double.state.piped.opened.lock(), 2);
}

#[tokio::test]
async fn a_stream_that_ends_without_answers_is_a_broken_one() {
    let (double, calls) = double([Script::EndAfter(2), Script::Serve]);
    let (got, touched) = tokio::join!(calls.get(get("a")), calls.touch(touch("c")));
    got.expect("asked again");
    assert_eq!(touched.expect_err("not repeated").kind, ErrorKind::Unavailable);
    assert_eq!(double.state.count("piped touch") + double.state.count("touch"), 1);
}

#[tokio::test]
async fn without_retries_a_broken_stream_is_a_failure() {
    let (_double, calls) = double([Script::BreakAfter(1, Status::unavailable("gone"))]);
    let error = calls.without_retries().get(get("a")).await.expect_err("one try");
    assert_eq!(error.kind, ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_refusal_of_the_stream_is_the_answer_of_everyone_on_it() {
    let (double, calls) = double([Script::BreakAfter(2, Status::permission_denied("no"))]);
    let (one, other) = tokio::join!(calls.get(get("a")), calls.put(put("b", 3)));
    for error in [one.expect_err("refused"), other.expect_err("refused")] {
        assert_eq!((error.kind, error.message.as_str()), (ErrorKind::PermissionDenied, "no"));
    }
    assert_eq!(double.state.count("get") + double.state.count("put"), 0);
}

#[tokio::test]
async fn the_failure_of_one_operation_is_that_of_the_call() {
    let (_double, calls) = double([Script::Serve]);
    let (bad, good) = tokio::join!(calls.get(get("bad")), calls.get(get("good")));
    let error = bad.expect_err("refused");
    assert_eq!((error.kind, error.reason.as_deref()), (ErrorKind::InvalidArgument, Some("BAD_KEY")));
    assert_eq!((error.field.as_deref(), error.message.as_str()), (Some("key"), "no"));
    assert_eq!(error.retry_after, Some(Duration::from_millis(30)));
    assert_eq!(error.details.get("applied").map(String::as_str), Some("LOCAL"));
    good.expect("answered");
}

#[tokio::test]
async fn what_is_large_or_waits_goes_alone() {
    let (double, calls) = double([Script::Serve]);
    calls.put(put("large", 20_000)).await.expect("stored");
    calls.put(put("small", 2_000)).await.expect("stored");
    let waits = v1::GetRequest { miss_policy: v1::MissPolicy::LeaseOrWait.into(), ..get("small") };
    calls.get(waits).await.expect("found");
    let position = v1::GetRequest { min_position: Some(v1::Position::default()), ..get("small") };
    calls.get(position).await.expect("found");
    let count = |name| double.state.count(name);
    assert_eq!((count("put"), count("get"), count("piped put"), count("piped get")), (1, 2, 1, 0));
}

#[tokio::test]
async fn streams_can_be_turned_off() {
    let (double, _) = double([Script::Serve]);
    let calls = double.builder().pipelining(false).build().expect("valid").calls();
    calls.get(get("a")).await.expect("answered");
    assert_eq!((double.state.count("get"), *double.state.piped.opened.lock()), (1, 0));
}

#[tokio::test]
async fn another_connection_is_opened_when_one_stream_is_full() {
    let (double, calls) = double([Script::Hold]);
    let mut waiting = Box::pin(join_all((0..1_100).map(|n| calls.touch(touch(&format!("k{n}"))))));
    until_seen(&double.state, 1_100, &mut waiting).await;
    assert_eq!(*double.state.piped.opened.lock(), 2);
    double.state.piped.released.send_replace(true);
    assert!(waiting.await.iter().all(Result::is_ok));
    assert_eq!(double.state.count("piped touch") + double.state.count("touch"), 1_100);
}

#[tokio::test]
async fn closing_the_client_ends_who_waits_on_a_stream() {
    let double = Double::start();
    double.state.piped.script.lock().push(Script::Hold);
    let client = double.client();
    let calls = client.calls();
    let mut waits = Box::pin(calls.get(get("a")));
    until_seen(&double.state, 1, &mut waits).await;
    client.close().await;
    assert_eq!(waits.await.expect_err("closed").kind, ErrorKind::Cancelled);
    assert_eq!(calls.get(get("a")).await.expect_err("closed").kind, ErrorKind::Cancelled);
    assert_eq!(double.state.count("get"), 0);
}

#[tokio::test]
async fn streams_come_back_with_the_server() {
    let (mut double, calls) = double([Script::Serve]);
    calls.get(get("a")).await.expect("there");
    double.stop();
    calls.get(get("a")).await.expect_err("gone");
    double.serve();
    *double.state.always.lock() = Some(Fault::unavailable());
    calls.touch(touch("a")).await.expect("on a stream");
    assert_eq!(*double.state.piped.opened.lock(), 2);
}

#[tokio::test]
async fn the_token_goes_with_the_stream() {
    let double = Double::start();
    double.state.piped.script.lock().push(Script::Serve);
    let client = double.builder().token("s3cret-token").build().expect("loopback");
    client.calls().get(get("a")).await.expect("answered");
    assert_eq!(double.state.authorization.lock().as_deref(), Some("Bearer s3cret-token"));
    assert_eq!(double.state.count("get"), 0);
}
