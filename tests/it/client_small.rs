//! Small calls of the Rust client against the real service: on a shared stream they answer what they answer alone.

use std::time::Duration;

use futures::future::join_all;
use hotplate::{Calls, Client, Error};
use hotplate_proto::v1;

use crate::{
    harness::{Local, unhurried},
    wire::get,
};

fn calls(server: &Local, pipelining: bool) -> Calls {
    let client = Client::builder().url(format!("hotplate://{}", server.grpc)).profile(unhurried());
    client.pipelining(pipelining).build().unwrap().calls()
}

fn put(key: &str) -> v1::PutRequest {
    let payload = Some(v1::put_request::Payload::Value(key.to_owned().into()));
    v1::PutRequest { key: key.to_owned(), payload, ..v1::PutRequest::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_at_once_get_their_own_answers() {
    let server = Local::start().await;
    let calls = calls(&server, true);
    let round = async |n: usize| {
        let key = format!("k{n}");
        calls.put(put(&key)).await.unwrap();
        let found = calls.get(get(&key)).await.unwrap().entry.unwrap().payload;
        assert_eq!(found, Some(v1::entry::Payload::Value(key.clone().into())));
        let selector = v1::Selector { selector: Some(v1::selector::Selector::Key(key.clone())) };
        let selectors = vec![selector];
        let dropped = calls.invalidate(v1::InvalidateRequest { selectors, ..Default::default() }).await.unwrap();
        assert_eq!(dropped.matched_count, 1);
        assert_eq!(calls.get(get(&key)).await.unwrap().outcome(), v1::GetOutcome::Miss);
    };
    join_all((0..1_500).map(round)).await;
}

/// What the same wrong calls come to.
async fn refused(calls: &Calls) -> Vec<Error> {
    let long = prost_types::Duration { seconds: -1, nanos: 0 };
    let lifetime = v1::Expiration { lifetime: Some(v1::expiration::Lifetime::Ttl(long)), ..Default::default() };
    let (gets, puts) = (
        [get(""), get(&"k".repeat(2_000)), v1::GetRequest { namespace: "no such/".to_owned(), ..get("k") }],
        [
            v1::PutRequest { payload: None, ..put("k") },
            v1::PutRequest { expiration: Some(lifetime), ..put("k") },
            v1::PutRequest { digest: vec![1; 32].into(), ..put("k") },
            v1::PutRequest { tags: vec![String::new()], ..put("k") },
        ],
    );
    let mut errors = Vec::new();
    for get in gets {
        errors.push(calls.get(get).await.unwrap_err());
    }
    for put in puts {
        errors.push(calls.put(put).await.unwrap_err());
    }
    errors.push(calls.touch(v1::TouchRequest::default()).await.unwrap_err());
    errors.push(calls.invalidate(v1::InvalidateRequest::default()).await.unwrap_err());
    errors
}

#[tokio::test]
async fn what_is_refused_is_refused_in_the_same_words() {
    let server = Local::start().await;
    let (shared, alone) = (refused(&calls(&server, true)).await, refused(&calls(&server, false)).await);
    assert_eq!(shared, alone);
    assert!(shared.iter().all(|error| error.reason.is_some()), "{shared:?}");
}

#[tokio::test]
async fn a_deadline_on_a_stream_ends_one_call_and_no_other() {
    let server = Local::start().await;
    let calls = calls(&server, true);
    let over = calls.clone().with_timeout(Duration::from_nanos(1));
    let (late, fine) = tokio::join!(over.get(get("a")), calls.get(get("a")));
    assert_eq!(late.unwrap_err().kind, hotplate::ErrorKind::DeadlineExceeded);
    assert_eq!(fine.unwrap().outcome(), v1::GetOutcome::Miss);
}
