//! Several keys asked for at once: many callers with the same keys in different orders never wait for each other, and what
//! a call was given and did not answer is handed on.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use hotplate_engine::{
    Cache,
    clock::Clock,
    entry::Payload,
    event::Silent,
    flow::{
        get::GetRequest,
        lease::{LeasedAnswer, OnMiss, Release},
        put::{PutAnswer, PutRequest},
    },
    namespace::EngineConfig,
    origin::Origins,
};
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};

const WAIT: Duration = Duration::from_secs(30);

fn cache() -> Arc<Cache> {
    Cache::new(EngineConfig::default(), Clock::system(), Arc::new(Silent), Origins::new()).unwrap()
}

fn items(keys: &[String]) -> Vec<(GetRequest, OnMiss)> {
    keys.iter().map(|key| (GetRequest { key: key.clone(), ..GetRequest::default() }, OnMiss::Wait(WAIT))).collect()
}

fn put(cache: &Cache, key: &str, token: u128) -> PutAnswer {
    let request = PutRequest::new("", key, Payload::Value(Bytes::from_static(b"v")));
    cache.put_leased(request, token).unwrap()
}

/// Asks for all keys until it has all values; computes what it is given the lease of. How often it computed.
async fn gather(cache: Arc<Cache>, mut keys: Vec<String>, computed: Arc<AtomicUsize>) {
    while !keys.is_empty() {
        let answers = cache.get_many(&items(&keys)).await;
        let given = answers.iter().any(|answer| matches!(answer, Ok(LeasedAnswer::Found(_, Some(_)))));
        let mut left = Vec::new();
        for (key, answer) in keys.into_iter().zip(answers) {
            match answer.unwrap() {
                LeasedAnswer::Found(_, Some(grant)) => {
                    tokio::task::yield_now().await;
                    assert!(matches!(put(&cache, &key, grant.token), PutAnswer::Stored { .. }), "{key}");
                    computed.fetch_add(1, SeqCst);
                }
                LeasedAnswer::Found(answer, None) => assert!(answer.outcome.view().is_some(), "{key}"),
                LeasedAnswer::Pending(..) => {
                    assert!(given, "{key}: nothing else ended the wait");
                    left.push(key);
                }
            }
        }
        keys = left;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn callers_of_the_same_keys_in_any_order_never_wait_for_each_other() {
    for round in 0..30 {
        let (cache, computed) = (cache(), Arc::new(AtomicUsize::new(0)));
        let mut callers = tokio::task::JoinSet::new();
        for caller in 0..8 {
            let mut keys: Vec<String> = (0..12).map(|number| format!("k{number}")).collect();
            keys.shuffle(&mut StdRng::seed_from_u64(round * 8 + caller));
            callers.spawn(gather(cache.clone(), keys, computed.clone()));
        }
        let all = tokio::time::timeout(Duration::from_secs(9), callers.join_all());
        all.await.expect("long before any lease lapses");
        assert_eq!((computed.load(SeqCst), cache.lease_waiters()), (12, 0), "round {round}");
        cache.check_invariants().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_batch_was_given_and_did_not_answer_is_handed_on() {
    let cache = cache();
    let keys = ["a".to_owned(), "b".to_owned()];
    let held = cache.get_many(&items(&keys)).await;
    let mut batch = Box::pin({
        let (cache, keys) = (cache.clone(), keys.clone());
        async move { cache.get_many(&items(&keys)).await }
    });
    let single = GetRequest { key: "b".to_owned(), ..GetRequest::default() };
    let mut next = Box::pin(cache.get_leased(&single, Some(WAIT)));
    assert!(futures::poll!(&mut batch).is_pending() && futures::poll!(&mut next).is_pending());
    let Ok(LeasedAnswer::Found(_, Some(b))) = &held[1] else { panic!("{held:?}") };
    cache.release_lease(("", "b"), b.token, Release::Next).unwrap();
    assert_eq!(cache.lease_waiters(), 2, "the batch has been told of `b`, and waits for `a`");
    drop(batch);
    let next = next.await.unwrap();
    assert!(matches!(next, LeasedAnswer::Found(_, Some(_))), "{next:?}");
    assert_eq!(cache.lease_waiters(), 0);
}

/// All that is there when a lease comes is answered with it.
#[tokio::test(start_paused = true)]
async fn a_lease_ends_the_wait_and_what_came_until_then_is_answered() {
    let cache = cache();
    let keys = ["a", "b", "c", "d"].map(str::to_owned);
    let held = cache.get_many(&items(&keys)).await;
    let token = |at: usize| match &held[at] {
        Ok(LeasedAnswer::Found(_, Some(grant))) => grant.token,
        other => panic!("{other:?}"),
    };
    let mut batch = Box::pin({
        let (cache, keys) = (cache.clone(), keys.clone());
        async move { cache.get_many(&items(&keys)).await }
    });
    assert!(futures::poll!(&mut batch).is_pending());
    put(&cache, "a", token(0));
    cache.release_lease(("", "b"), token(1), Release::Next).unwrap();
    cache.release_lease(("", "c"), token(2), Release::Next).unwrap();
    let answers: Vec<LeasedAnswer> = batch.await.into_iter().map(Result::unwrap).collect();
    assert!(matches!(&answers[0], LeasedAnswer::Found(found, None) if found.outcome.view().is_some()));
    assert!(answers[1..3].iter().all(|answer| matches!(answer, LeasedAnswer::Found(_, Some(_)))), "{answers:?}");
    assert!(matches!(answers[3], LeasedAnswer::Pending(..)));
    assert_eq!(cache.lease_waiters(), 0);
}
