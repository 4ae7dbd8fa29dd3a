//! Functions that are wrapped: their results are kept, or what they outdate is dropped.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hotplate::{Cached, ComputeOptions, Error, ErrorKind, Invalidates, Selector, v1};

use crate::double::Double;

type Argument = (String, u32);

fn argument(text: &str, number: u32) -> Argument {
    (text.to_owned(), number)
}

#[tokio::test]
async fn a_functions_results_are_kept_under_its_prefix_by_argument() {
    let double = Double::start();
    let space = double.client().default_namespace();
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let options = ComputeOptions::new().ttl(Duration::from_secs(90));
    let repeated = Cached::new(&space, ["text", "repeated"], options, move |(text, times): Argument| {
        counted.fetch_add(1, Ordering::SeqCst);
        async move { Ok::<_, std::fmt::Error>(text.repeat(times as usize)) }
    });
    for _ in 0..2 {
        assert_eq!(repeated.call(argument("ab", 2)).await.as_deref(), Ok("abab"));
        assert_eq!(repeated.clone().call(argument("ab", 1)).await.as_deref(), Ok("ab"));
    }
    assert_eq!(runs.load(Ordering::SeqCst), 2, "once for each argument");
    let put = double.state.puts.lock()[0].clone();
    assert_eq!(put.key, repeated.key(&argument("ab", 2)).expect("valid"));
    assert!(put.key.starts_with("text:repeated:"));
    let lifetime = put.expiration.and_then(|expiration| expiration.lifetime);
    let ttl = prost_types::Duration { seconds: 90, nanos: 0 };
    assert_eq!(lifetime, Some(v1::expiration::Lifetime::Ttl(ttl)));
    repeated.forget(&argument("ab", 2)).await.expect("there");
    repeated.call(argument("ab", 2)).await.expect("computed");
    assert_eq!(runs.load(Ordering::SeqCst), 3);
    assert_eq!(repeated.all(), Ok(Selector::prefix("text:repeated:")));
}

#[tokio::test]
async fn a_functions_failure_is_the_callers() {
    let double = Double::start();
    let space = double.client().default_namespace();
    let failing = Cached::new(&space, ["f"], ComputeOptions::new(), |_: u32| async { Err::<u32, _>("no data") });
    let error = failing.call(1).await.expect_err("failed");
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Compute, "no data"));
    let nameless = Cached::new(&space, [""], ComputeOptions::new(), |_: u32| async { Ok::<u32, Error>(1) });
    assert_eq!(nameless.call(1).await.expect_err("no prefix").kind, ErrorKind::InvalidArgument);
}

/// The function's own sort of failure.
#[derive(Debug, PartialEq)]
enum Failure {
    Training(usize),
    Cache(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Cache(error)
    }
}

#[tokio::test]
async fn what_a_function_outdates_is_dropped_after_it_ran_and_also_when_it_failed() {
    let double = Double::start();
    let space = double.client().default_namespace();
    let selectors = [Selector::glob("lap:*"), Selector::prefix("car:")];
    let state = Arc::clone(&double.state);
    let train = Invalidates::new(&space, selectors.clone(), move |fails: bool| {
        let before = state.invalidates.lock().len();
        let result = if fails { Err(Failure::Training(before)) } else { Ok(before) };
        async move { result }
    });
    assert_eq!(train.call(false).await, Ok(0), "it ran before anything was invalidated");
    assert_eq!(train.call(true).await, Err(Failure::Training(1)));
    let sent = double.state.invalidates.lock().clone();
    assert_eq!(sent.len(), 2);
    for request in sent {
        assert_eq!((request.namespace.as_str(), request.selectors.len()), ("test", 2));
        assert_eq!(request.selectors[0].selector, Some(v1::selector::Selector::Glob("lap:*".to_owned())));
    }
}

#[tokio::test]
async fn an_invalidation_that_is_refused_is_the_callers() {
    let double = Double::start();
    let space = double.client().default_namespace();
    let train = Invalidates::new(&space, [Selector::everything()], |(): ()| async { Ok::<u32, Failure>(1) });
    let denied = tonic::Status::permission_denied("a writer may not");
    double.state.faults.lock().push_back(crate::double::Fault::Refuse(Box::new(denied)));
    match train.call(()).await {
        Err(Failure::Cache(error)) => assert_eq!(error.kind, ErrorKind::PermissionDenied),
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn arguments_that_differ_share_no_result_and_what_cannot_be_told_apart_is_refused() {
    let double = Double::start();
    let space = double.client().default_namespace();
    let shown = Cached::new(&space, ["shown"], ComputeOptions::new(), |number: Option<f64>| async move {
        Ok::<_, std::fmt::Error>(format!("{number:?}"))
    });
    for number in [None, Some(0.0), Some(f64::MAX)] {
        assert_eq!(shown.call(number).await, Ok(format!("{number:?}")));
    }
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(shown.call(Some(number)).await.expect_err("refused").kind, ErrorKind::InvalidArgument);
    }
}
