//! What an entry lives on by, and what a writer asks for again: a Touch, a renewal, a Put that was given up.

use std::time::Duration;

use hotplate_engine::{
    entry::{Description, Expiration, Ttl},
    flow::{
        lease::{OnMiss, Release},
        put::{Precondition, PutAnswer, PutRequest},
    },
    key::Key,
    namespace::Coherence,
    position::Positions,
};

use super::{
    link::Weather,
    net,
    replicas::{Read, Replica, SPACE, pass, put, start},
};

/// One hour from now.
fn hour() -> Expiration {
    Expiration { ttl: Ttl::Exact(Duration::from_secs(3600)), ..Expiration::default() }
}

#[tokio::test(start_paused = true)]
async fn a_longer_life_is_given_to_nothing_that_was_replaced_or_dropped_elsewhere() {
    let (net, clock) = net(9);
    let replicas = start(&net, 2, &clock, Coherence::Available).await;
    let [a, b] = &replicas[..] else { unreachable!() };
    // Nothing is told, and what is missing is asked for after a second: until then each has what it had.
    net.weather.lock().unwrap().hints_lost = 1;
    a.put("k", 1, None).await;
    pass(Duration::from_millis(1100)).await;
    assert_eq!(b.look("k").await, Read::Value(1));
    a.put("k", 2, None).await;
    assert_eq!(b.touch("k", hour()).await, Some(2), "what is there now lives on, and not what was");
    assert_eq!((a.look("k").await, b.look("k").await), (Read::Value(2), Read::Value(2)));
    pass(Duration::from_millis(1100)).await;
    assert_eq!(b.look("k").await, Read::Value(2));
    a.drop_key("k").await.unwrap();
    assert_eq!(b.touch("k", hour()).await, None, "there is nothing to live on");
    assert_eq!((a.look("k").await, b.look("k").await), (Read::Miss, Read::Miss));
    pass(Duration::from_secs(2)).await;
    assert_eq!((a.look("k").await, b.look("k").await), (Read::Miss, Read::Miss));
}

#[tokio::test(start_paused = true)]
async fn what_was_replaced_elsewhere_is_not_renewed() {
    let (net, clock) = net(10);
    let replicas = start(&net, 2, &clock, Coherence::Available).await;
    let [a, b] = &replicas[..] else { unreachable!() };
    net.weather.lock().unwrap().hints_lost = 1;
    let PutAnswer::Stored { entry, .. } = a.put("k", 1, None).await else { panic!() };
    let renewal = || PutRequest {
        payload: None,
        description: Description::default(),
        precondition: Precondition::Etag(entry.facts.etag.to_string()),
        ..put("k", 0)
    };
    pass(Duration::from_millis(1100)).await;
    assert_eq!(b.look("k").await, Read::Value(1));
    assert!(matches!(b.cache.write(renewal(), None).await.unwrap(), PutAnswer::Refreshed { .. }));
    a.put("k", 2, None).await;
    assert!(matches!(b.cache.write(renewal(), None).await.unwrap(), PutAnswer::PreconditionFailed { .. }));
    pass(Duration::from_secs(2)).await;
    assert_eq!((a.look("k").await, b.look("k").await), (Read::Value(2), Read::Value(2)));
}

#[tokio::test(start_paused = true)]
async fn a_longer_life_is_given_to_nothing_that_was_computed_anew_elsewhere() {
    let (net, clock) = net(11);
    let replicas = start(&net, 2, &clock, Coherence::Available).await;
    let [a, b] = &replicas[..] else { unreachable!() };
    net.weather.lock().unwrap().hints_lost = 1;
    let short = Expiration {
        ttl: Ttl::Exact(Duration::from_secs(1)),
        stale_for: Some(Duration::from_secs(3600)),
        ..Expiration::default()
    };
    a.cache.write(PutRequest { expiration: short, ..put("k", 1) }, None).await.unwrap();
    assert_eq!(b.look("k").await, Read::Value(1));
    pass(Duration::from_millis(1100)).await;
    let token = a.lease("k").await;
    a.put("k", 2, Some(token)).await;
    assert_eq!(b.touch("k", hour()).await, Some(2), "no fence says so: it is compared with what lies there");
    assert_eq!(b.look("k").await, Read::Value(2));
}

#[tokio::test(start_paused = true)]
async fn a_longer_life_is_that_of_all() {
    let (net, clock) = net(12);
    let replicas = start(&net, 2, &clock, Coherence::Available).await;
    let [a, b] = &replicas[..] else { unreachable!() };
    let short = Expiration { ttl: Ttl::Exact(Duration::from_secs(5)), ..Expiration::default() };
    a.cache.write(PutRequest { expiration: short, ..put("k", 1) }, None).await.unwrap();
    assert_eq!(b.look("k").await, Read::Value(1));
    assert_eq!(b.touch("k", hour()).await, Some(1));
    pass(Duration::from_secs(60)).await;
    assert_eq!((a.look("k").await, b.look("k").await), (Read::Value(1), Read::Value(1)));
    // Nobody shares it any more: it lives on where it is known to be what it was.
    net.truth.lock().unwrap().evict(&Key::new(SPACE, "k").unwrap());
    assert_eq!(b.touch("k", hour()).await, Some(1));
    assert!(net.truth.lock().unwrap().value(&Key::new(SPACE, "k").unwrap()).is_some());
}

/// A Put with an id, given up after so long.
async fn given_up(replica: &Replica, (value, within): (u64, Duration)) -> Option<PutAnswer> {
    let request = PutRequest { request_id: "r".to_owned(), ..put("k", value) };
    tokio::time::timeout(within, replica.cache.write(request, None)).await.ok().map(Result::unwrap)
}

#[tokio::test(start_paused = true)]
async fn what_was_given_up_before_it_was_shared_is_done_when_it_is_asked_for_again() {
    let (net, clock) = net(8);
    let replicas = start(&net, 2, &clock, Coherence::Available).await;
    let [a, b] = &replicas[..] else { unreachable!() };
    a.put("k", 1, None).await;
    assert_eq!(b.look("k").await, Read::Value(1));
    net.weather.lock().unwrap().delay_ms = 60_000;
    assert!(given_up(a, (2, Duration::from_millis(1))).await.is_none());
    *net.weather.lock().unwrap() = Weather::FAIR;
    let Some(PutAnswer::Stored { position, .. }) = given_up(a, (2, Duration::from_secs(5))).await else { panic!() };
    assert_eq!(a.look("k").await, Read::Value(2));
    assert_eq!(b.get("k", OnMiss::Report, position.clone()).await.unwrap(), Read::Value(2));
    let Some(PutAnswer::Stored { position: again, .. }) = given_up(a, (2, Duration::from_secs(5))).await else {
        panic!()
    };
    assert_eq!(again, position, "done once, and told again");
}

#[tokio::test(start_paused = true)]
async fn what_its_caller_takes_for_missing_is_computed_by_one() {
    let (net, clock) = net(14);
    let replicas = start(&net, 3, &clock, Coherence::Available).await;
    let short = Expiration {
        ttl: Ttl::Exact(Duration::from_secs(1)),
        stale_for: Some(Duration::from_secs(3600)),
        ..Expiration::default()
    };
    let [a, b, c] = &replicas[..] else { unreachable!() };
    a.cache.write(PutRequest { expiration: short, ..put("k", 1) }, None).await.unwrap();
    assert_eq!(b.look("k").await, Read::Value(1));
    pass(Duration::from_millis(1100)).await;
    // One that has it, and one that only finds it where it is shared: stale, it is neither's.
    for first in [b, c] {
        let Read::Compute(token) = first.get("k", OnMiss::Lease, Positions::default()).await.unwrap() else { panic!() };
        for other in replicas.iter().filter(|other| !std::sync::Arc::ptr_eq(other, first)) {
            assert_eq!(other.get("k", OnMiss::Lease, Positions::default()).await.unwrap(), Read::Pending);
        }
        assert!(first.cache.give_back((SPACE, "k"), token, Release::Next).await.unwrap().is_some());
    }
    let waits = OnMiss::Wait(Duration::from_secs(5));
    let Read::Compute(token) = c.get("k", waits, Positions::default()).await.unwrap() else { panic!() };
    let (read, _) = tokio::join!(b.get("k", waits, Positions::default()), async {
        pass(Duration::from_millis(300)).await;
        c.put("k", 2, Some(token)).await
    });
    assert_eq!(read.unwrap(), Read::Value(2));
}

#[tokio::test(start_paused = true)]
async fn what_renews_an_entry_and_is_not_heard_leaves_no_older_one() {
    let (net, clock) = net(15);
    let replicas = start(&net, 2, &clock, Coherence::Available).await;
    let [a, b] = &replicas[..] else { unreachable!() };
    let short = Expiration {
        ttl: Ttl::Exact(Duration::from_secs(1)),
        stale_for: Some(Duration::from_secs(3600)),
        ..Expiration::default()
    };
    for key in ["k", "l"] {
        a.cache.write(PutRequest { expiration: short.clone(), ..put(key, 1) }, None).await.unwrap();
    }
    pass(Duration::from_millis(1100)).await;
    // Done and not heard; not done.
    for (key, cut) in [("k", false), ("l", true)] {
        let token = a.lease(key).await;
        a.link.cut(cut);
        net.weather.lock().unwrap().answers_lost = 1;
        a.put(key, 2, Some(token)).await;
        net.weather.lock().unwrap().answers_lost = 0;
        a.link.cut(false);
    }
    pass(Duration::from_millis(1300)).await;
    assert_eq!(a.cache.fleet_debt(), 0);
    for key in ["k", "l"] {
        assert_eq!((a.look(key).await, b.look(key).await), (Read::Value(2), Read::Value(2)), "{key}");
    }
}
