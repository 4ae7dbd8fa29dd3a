//! Several keys in one call, several servers, and servers that take few operations with a message: how calls are gathered and
//! where they go.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures::future::join_all;
use hotplate::{Client, ErrorKind, Lookup, Namespace, WriteOptions, v1};
use tonic::Status;

use crate::{
    double::{Double, Fault, State, past_its_deadline, patient},
    double_pipe::Script,
    pipe::{double, get, put, touch, until_seen, value},
};

fn names(whose: usize, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("k{whose}.{n}")).collect()
}

async fn stored(space: &Namespace, whose: usize, count: usize) {
    for name in names(whose, count) {
        space.put(&name, &name).await.expect("stored");
    }
}

async fn found(space: &Namespace, whose: usize, count: usize) {
    let found = space.get_many::<String, _>(names(whose, count)).await.expect("answered");
    let found: Vec<_> = found.into_iter().filter_map(|found| found.expect("found").value()).collect();
    assert_eq!(found, names(whose, count));
}

#[tokio::test]
async fn reads_of_several_keys_share_messages_as_single_ones_do() {
    let (server, _) = double([Script::Serve]);
    let space = server.client().default_namespace();
    join_all((0..8).map(|whose| stored(&space, whose, 10))).await;
    server.state.piped.messages.lock().clear();
    join_all((0..8).map(|whose| found(&space, whose, 10))).await;
    assert_eq!((server.state.count("piped get"), server.state.count("batch_get")), (80, 0));
    let messages = server.state.piped.messages.lock().len();
    assert!(messages <= 4, "{messages} messages");
    // What would be a message of its own goes as one, with each answer on its own.
    let items = names(0, 101).iter().map(|name| get(name)).collect();
    let batch = v1::BatchGetRequest { namespace: "test".to_owned(), items };
    let answered = server.client().calls().batch_get(batch).await.expect("answered");
    assert_eq!((answered.results.len(), server.state.count("batch_get")), (101, 1));
}

#[tokio::test]
async fn an_item_fails_alone_and_says_which_it_is() {
    let (server, calls) = double([Script::Serve]);
    calls.put(put("good", 3)).await.expect("stored");
    let items = vec![get("good"), get("bad"), get("none")];
    let batch = v1::BatchGetRequest { namespace: "test".to_owned(), items };
    let answered = calls.batch_get(batch).await.expect("answered");
    let [good, bad, none] = &answered.results[..] else { panic!("{answered:?}") };
    use v1::batch_get_result::Result as Found;
    assert!(matches!(&good.result, Some(Found::Response(good)) if value(good) == Some(b"goo")));
    assert!(matches!(&none.result, Some(Found::Response(none)) if none.outcome() == v1::GetOutcome::Miss));
    let Some(Found::Error(bad)) = &bad.result else { panic!("{bad:?}") };
    assert_eq!((bad.reason.as_str(), bad.field.as_str()), ("BAD_KEY", "items[1].key"));
    assert_eq!(server.state.count("batch_get"), 0);
}

#[tokio::test]
async fn who_gives_up_on_several_keys_takes_all_of_them_back() {
    let (server, calls) = double([Script::Hold]);
    let space = server.client().default_namespace();
    let mut stays = Box::pin(calls.get(get("stays")));
    until_seen(&server.state, 1, &mut stays).await;
    let mut leaves = Box::pin(space.get_many::<String, _>(names(0, 5)));
    until_seen(&server.state, 6, futures::future::select(&mut stays, &mut leaves)).await;
    drop(leaves);
    until_seen(&server.state, 11, &mut stays).await;
    server.state.piped.released.send_replace(true);
    stays.await.expect("answered");
    assert_eq!(server.state.piped.cancelled.lock().len(), 5);
}

#[tokio::test]
async fn several_keys_end_at_their_callers_deadline() {
    let (server, calls) = double([Script::Hold]);
    let batch = v1::BatchGetRequest { namespace: "test".to_owned(), items: vec![get("a"), get("b")] };
    let calls = calls.with_timeout(Duration::from_secs(20));
    let mut call = Box::pin(calls.batch_get(batch));
    until_seen(&server.state, 2, &mut call).await;
    let error = past_its_deadline(call).await.expect_err("no answer");
    assert_eq!(error.kind, ErrorKind::DeadlineExceeded);
    assert_eq!(server.state.piped.operations().len(), 2);
}

#[tokio::test]
async fn several_keys_on_a_stream_that_breaks_are_asked_for_again_together() {
    let (server, _) = double([Script::BreakAfter(3, Status::unavailable("gone")), Script::Absent]);
    let space = server.client().default_namespace();
    let none = space.get_many::<String, _>(names(0, 3)).await.expect("asked again");
    assert!(none.iter().all(|found| matches!(found, Ok(Lookup::Miss(_)))), "{none:?}");
    assert_eq!((server.state.count("piped get"), server.state.count("batch_get")), (3, 1));
    // A server without streams has them as one call, too.
    space.get_many::<String, _>(names(0, 3)).await.expect("answered");
    assert_eq!(server.state.count("batch_get"), 2);
}

/// A server that takes so few with a message.
fn frugal(script: Script) -> Double {
    let (server, _) = double([script]);
    server.state.batch_items_max.store(3, Ordering::Relaxed);
    server
}

#[tokio::test]
async fn a_server_that_takes_few_operations_with_a_message_gets_no_more() {
    let server = frugal(Script::Serve);
    let calls = server.client().calls();
    let touched = join_all((0..20).map(|n| calls.touch(touch(&format!("k{n}"))))).await;
    assert!(touched.iter().all(Result::is_ok), "{touched:?}");
    let count = |name| server.state.count(name);
    assert_eq!(count("piped touch") + count("touch"), 20, "each once, also those that were refused");
    assert_eq!(count("get_server_info"), 1);
    join_all((0..20).map(|n| calls.touch(touch(&format!("k{n}"))))).await.into_iter().for_each(|touched| {
        touched.expect("touched");
    });
    assert_eq!((*server.state.piped.refused.lock(), *server.state.piped.opened.lock()), (1, 2));
    assert_eq!(count("piped touch") + count("touch"), 40);
}

#[tokio::test]
async fn what_a_server_is_known_to_take_is_never_exceeded() {
    for script in [Script::Serve, Script::Absent] {
        let server = frugal(script);
        let client = server.client();
        client.calls().limits().await.expect("told");
        let space = client.default_namespace();
        let items: Vec<_> = names(0, 10).into_iter().map(|name| (name.clone(), name)).collect();
        let items = items.iter().map(|(key, value)| (key.as_str(), value));
        let written = space.put_many(items, &WriteOptions::new()).await.expect("answered");
        assert!(written.len() == 10 && written.iter().all(Result::is_ok), "{written:?}");
        found(&space, 0, 10).await;
        assert_eq!((*server.state.piped.refused.lock(), server.state.count("batch refused")), (0, 0));
    }
}

#[tokio::test]
async fn what_a_server_takes_is_found_out_when_it_refuses_more() {
    let server = frugal(Script::Absent);
    let space = server.client().default_namespace();
    let items: Vec<_> = names(0, 10).into_iter().map(|name| (name.clone(), name)).collect();
    let items = items.iter().map(|(key, value)| (key.as_str(), value));
    assert_eq!(space.put_many(items, &WriteOptions::new()).await.expect("answered").len(), 10);
    found(&space, 0, 10).await;
    assert_eq!((server.state.count("batch refused"), server.state.count("get_server_info")), (1, 1));
}

fn both(first: &Double, second: &Double) -> Client {
    let urls = [first.url(), second.url()];
    Client::builder().endpoints(urls).profile(patient()).pipelining(false).build().expect("valid settings")
}

#[tokio::test]
async fn calls_take_turns_between_servers() {
    let (first, second) = (Double::start(), Double::start());
    let calls = both(&first, &second).calls();
    for n in 0..10 {
        calls.get(get(&format!("k{n}"))).await.expect("answered");
        calls.get_server_info().await.expect("answered");
    }
    let calls_of = |state: &Arc<State>| state.count("get") + state.count("get_server_info");
    assert_eq!((calls_of(&first.state), calls_of(&second.state)), (10, 10));
    let gets = |state: &Arc<State>| state.count("get");
    let before = (gets(&first.state), gets(&second.state));
    for _ in 0..10 {
        calls.get(get("k")).await.expect("answered");
    }
    assert_eq!((gets(&first.state), gets(&second.state)), (before.0 + 5, before.1 + 5));
}

#[tokio::test]
async fn a_call_that_is_tried_again_goes_to_another_server() {
    let (first, second) = (Double::start(), Double::start());
    *first.state.always.lock() = Some(Fault::unavailable());
    let calls = both(&first, &second).calls();
    for _ in 0..10 {
        calls.get(get("k")).await.expect("the other answers");
    }
    assert_eq!((first.state.count("get"), second.state.count("get")), (5, 10));
}
