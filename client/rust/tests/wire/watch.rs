//! Streams over lost connections.

use hotplate::{Client, ErrorKind, Selector, Watch, WatchItem, v1};

use crate::double::{Double, Fault};

fn message(token: &str, message: v1::watch_response::Message) -> v1::WatchResponse {
    v1::WatchResponse { message: Some(message), resume_token: token.as_bytes().to_vec().into() }
}

fn created(token: &str) -> v1::WatchResponse {
    message(token, v1::watch_response::Message::Created(v1::WatchCreated::default()))
}

fn event(token: &str, key: &str) -> v1::WatchResponse {
    let event = v1::WatchEvent { key: key.to_owned(), ..v1::WatchEvent::default() };
    message(token, v1::watch_response::Message::Events(v1::WatchEvents { events: vec![event] }))
}

fn lost(token: &str) -> v1::WatchResponse {
    let reason = v1::DiscontinuityReason::NewEpoch.into();
    message(token, v1::watch_response::Message::Discontinuity(v1::WatchDiscontinuity { reason, position: None }))
}

async fn next(watch: &mut Watch) -> WatchItem {
    watch.next().await.expect("an item").expect("no error")
}

#[tokio::test]
async fn a_watch_goes_on_after_its_last_token_over_a_closed_stream_and_a_crash() {
    let mut double = Double::start();
    double.state.watch_scripts.lock().extend([
        (vec![created("t0"), event("t1", "a")], false),
        (vec![created("t1"), event("t2", "b")], true),
        (vec![created("t2"), lost("t3"), event("t4", "c")], true),
    ]);
    let space = double.client().default_namespace();
    let mut watch = space.watch().selector(Selector::prefix("m:")).include_present().exclude_own();
    assert!(matches!(next(&mut watch).await, WatchItem::Created(_)));
    assert!(matches!(next(&mut watch).await, WatchItem::Events(events) if events[0].key == "a"));
    assert!(matches!(next(&mut watch).await, WatchItem::Lost(error) if error.kind == ErrorKind::Unavailable));
    assert!(matches!(next(&mut watch).await, WatchItem::Created(_)));
    assert!(matches!(next(&mut watch).await, WatchItem::Events(events) if events[0].key == "b"));
    assert_eq!(watch.resume_token(), b"t2");
    double.stop();
    assert!(matches!(next(&mut watch).await, WatchItem::Lost(_)), "told once, however long it is away");
    double.serve();
    assert!(matches!(next(&mut watch).await, WatchItem::Created(_)));
    assert_eq!(next(&mut watch).await, WatchItem::Discontinuity(v1::DiscontinuityReason::NewEpoch));
    assert!(matches!(next(&mut watch).await, WatchItem::Events(events) if events[0].key == "c"));
    let opened = double.state.watches.lock().clone();
    let tokens: Vec<_> = opened.iter().map(|request| request.resume_token.to_vec()).collect();
    assert_eq!(tokens, [b"".to_vec(), b"t1".to_vec(), b"t2".to_vec()]);
    let present: Vec<_> = opened.iter().map(|request| request.include_present).collect();
    assert_eq!(present, [true, false, false], "a listing is not asked for again");
    assert!(!opened[2].exclude_client_id.is_empty() && opened[2].selectors.len() == 1);
}

#[tokio::test]
async fn an_error_that_reconnecting_cannot_mend_ends_the_watch() {
    let double = Double::start();
    let denied = tonic::Status::permission_denied("no");
    double.state.faults.lock().push_back(Fault::Refuse(Box::new(denied)));
    let mut watch = double.client().default_namespace().watch();
    let error = watch.next().await.expect("an item").expect_err("refused");
    assert_eq!(error.kind, ErrorKind::PermissionDenied);
    assert!(watch.next().await.is_none());
}

#[tokio::test]
async fn giving_up_a_wait_loses_nothing() {
    let double = Double::start();
    double.state.watch_scripts.lock().push_back((vec![created("t0"), event("t1", "a")], true));
    let mut watch = double.client().default_namespace().watch();
    for _ in 0..50 {
        tokio::select! {
            biased;
            () = tokio::task::yield_now() => {}
            item = watch.next() => {
                assert!(matches!(item, Some(Ok(WatchItem::Created(_)))), "{item:?}");
                break;
            }
        }
    }
    let mut seen = Vec::new();
    while !matches!(seen.last(), Some(WatchItem::Events(_))) {
        seen.push(next(&mut watch).await);
    }
    assert!(!seen.iter().any(|item| matches!(item, WatchItem::Lost(_))), "{seen:?}");
    assert_eq!(double.state.count("watch"), 1, "one stream, however often the wait is given up");
}

#[tokio::test]
async fn a_preload_job_is_joined_again_by_its_id() {
    let double = Double::start();
    let client: Client = double.client();
    let items = ["a", "b"].map(|key| v1::PreloadItem { key: key.to_owned(), ..v1::PreloadItem::default() });
    let mut job = client.default_namespace().preload(items).parallelism(2).force();
    let mut done = Vec::new();
    while let Some(progress) = job.next().await {
        done.push(progress.expect("joined again").done_count);
    }
    assert_eq!((done, job.job_id()), (vec![1, 2], "job-1"));
    let requests = double.state.preloads.lock().clone();
    assert!(requests.len() == 2 && requests[0].items.len() == 2 && !requests[0].request_id.is_empty());
    assert!(requests[1].job_id == "job-1" && requests[1].items.is_empty());
}
