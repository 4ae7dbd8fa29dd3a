//! How a near cache opens its stream of changes, and what it does with a server that makes no sense.

use std::{sync::Arc, time::Duration};

use hotplate::{Client, MissReason, NearFollow, NearOptions, Written, v1};
use tokio::time::Instant;

use crate::double::{Double, Fault, State, past_its_deadline, until};

fn created(token: &str, position: Option<v1::Position>) -> v1::WatchResponse {
    let created = v1::WatchCreated { position, ..v1::WatchCreated::default() };
    let message = Some(v1::watch_response::Message::Created(created));
    v1::WatchResponse { message, resume_token: token.as_bytes().to_vec().into() }
}

fn start() -> Option<v1::Position> {
    let logs = (0..=64).map(|log| v1::LogPosition { log, epoch: 1, number: 0 }).collect();
    Some(v1::Position { logs })
}

async fn opened(state: &Arc<State>, times: usize) -> Vec<v1::WatchRequest> {
    let all = async {
        while state.watches.lock().len() < times {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all).await.expect("the stream is opened so often");
    state.watches.lock().clone()
}

/// Waits until the stream has been taken in.
async fn serving(client: &Client) {
    let space = client.default_namespace();
    let all = async {
        while !space.near_stats().expect("it has a near cache").serving {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all).await.expect("the near cache serves");
}

#[tokio::test]
async fn own_changes_are_left_out_until_a_write_ends_nobody_knows_how() {
    let double = Double::start();
    double.state.watch_scripts.lock().extend([(vec![created("t0", start())], true), (vec![], true)]);
    // Its silence is borne for longer than a call.
    let near = NearOptions::new().progress_max(Duration::from_secs(600));
    let builder = double.builder().timeout(Duration::from_secs(20)).near_cache(near);
    let client = builder.build().expect("valid settings");
    let space = client.default_namespace();
    assert!(space.get::<u32>("a").await.is_ok());
    serving(&client).await;
    assert!(space.put("a", &1).await.expect("it is stored").is_stored());
    double.state.faults.lock().push_back(Fault::Stall);
    let mut put = Box::pin(space.put("a", &2));
    tokio::select! {
        answered = &mut put => panic!("nobody answers: {answered:?}"),
        () = until(|| double.state.count("put") > 1) => {}
    }
    assert_eq!(past_its_deadline(put).await, Ok(Written::Dropped(MissReason::Timeout)));
    assert!(!space.near_stats().expect("it has a near cache").serving, "at once");
    let opened = opened(&double.state, 2).await;
    let excluded: Vec<_> = opened.iter().map(|request| request.exclude_client_id.as_str()).collect();
    assert_eq!(excluded, [client.client_id(), ""]);
    assert_eq!([&opened[0].resume_token[..], &opened[1].resume_token[..]], [&b""[..], &b"t0"[..]]);
}

#[tokio::test]
async fn what_is_followed_is_what_was_asked_for() {
    let double = Double::start();
    let prefixes = NearFollow::Prefixes(vec!["m:".to_owned()]);
    let every_third = NearOptions::new().progress_max(Duration::from_secs(6));
    let chosen = [
        NearOptions::new().follow(prefixes),
        NearOptions::new().follow(NearFollow::KeptKeys),
        every_third.keep_dependents(true),
    ];
    for (times, options) in chosen.into_iter().enumerate() {
        let client = double.builder().client_id("shared").near_cache(options).build().expect("valid settings");
        assert!(client.default_namespace().get::<u32>("a").await.is_ok());
        opened(&double.state, times + 1).await;
    }
    let opened = double.state.watches.lock().clone();
    let selected: Vec<_> = opened.iter().map(|request| request.selectors.len()).collect();
    assert_eq!(selected, [1, 0, 0]);
    assert_eq!(opened.iter().map(|request| request.follow_keys).collect::<Vec<_>>(), [false, true, false]);
    let told = &opened[2].event_types;
    let named = [v1::EventType::Put, v1::EventType::SetInvalidated, v1::EventType::Evicted];
    assert!(opened[0].event_types.is_empty() && named.iter().all(|named| told.contains(&i32::from(*named))));
    assert_eq!(opened[2].progress_interval.as_ref().map(|interval| interval.seconds), Some(2));
    let shared = |request: &v1::WatchRequest| request.exclude_client_id.is_empty();
    assert!(opened.iter().all(shared), "others may write under a name that was set");
}

#[tokio::test]
async fn a_server_that_makes_no_sense_is_not_asked_in_a_loop() {
    let double = Double::start();
    double.state.watch_scripts.lock().extend((0..20).map(|_| (vec![created("t0", None)], true)));
    let client = double.builder().near_cache(NearOptions::new()).build().expect("valid settings");
    #[expect(clippy::disallowed_methods, reason = "how long something takes is what is measured")]
    let now = Instant::now;
    let begun = now();
    assert!(client.default_namespace().get::<u32>("a").await.is_ok(), "reads go on");
    let opened = opened(&double.state, 4).await;
    // Waits of 50, 100 and 200 ms, each a fifth shorter at most.
    assert!(now() - begun >= Duration::from_millis(280), "{} in {:?}", opened.len(), now() - begun);
}

#[tokio::test]
async fn options_out_of_their_bounds_are_refused_when_the_client_is_built() {
    let refused = Client::builder().near_cache_of("ml", Some(NearOptions::new().entries_max(0))).build();
    let error = refused.expect_err("no room for anything");
    assert!(error.kind == hotplate::ErrorKind::Configuration && error.message.contains("entries_max"), "{error}");
}
