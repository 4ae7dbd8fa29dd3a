//! Places in the fleet's logs that callers name: reached, not yet, and never.

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use hotplate_engine::{
    error::Reason,
    flow::{lease::OnMiss, put::PutAnswer},
    namespace::Coherence,
    position::{LogId, Position, Positions},
};

use super::{
    MOMENT, net,
    replicas::{Read, Replica, pass, start},
    truth::Truth,
};

fn position(answer: PutAnswer) -> Positions {
    match answer {
        PutAnswer::Stored { position, .. } | PutAnswer::Refreshed { position, .. } => position,
        other => panic!("not stored: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_position_of_one_is_waited_for_by_another() {
    let (net, clock) = net(2);
    let replicas = start(&net, 2, &clock, Coherence::Available).await;
    let [a, b] = &replicas[..] else { unreachable!() };
    // Nothing is told: what is missing is asked for.
    net.weather.lock().unwrap().hints_lost = 1;
    for value in 1..50 {
        let at = position(a.put("k", value, None).await);
        let before = clock.now();
        let read = b.get("k", OnMiss::Report, at.clone()).await.unwrap();
        assert_eq!(read, Read::Value(value));
        assert!(clock.now().since(before) < Duration::from_millis(20));
    }
    let at = position(a.put("k", 50, None).await);
    b.link.cut(true);
    let refused = b.get("k", OnMiss::Report, at).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::PositionNotReached);
}

#[tokio::test(start_paused = true)]
async fn a_position_that_nobody_gave_is_refused_and_disturbs_nobody() {
    let (net, clock) = net(7);
    let replicas = start(&net, 2, &clock, Coherence::Available).await;
    let [a, b] = &replicas[..] else { unreachable!() };
    let at = position(a.put("k", 1, None).await);
    a.put("other", 2, None).await;
    assert_eq!((b.look("k").await, b.look("other").await), (Read::Value(1), Read::Value(2)));
    for more in [1_000_000, u64::MAX / 2] {
        let beyond = |(log, at): (LogId, Position)| (log, Position { number: at.number + more, ..at });
        let before = clock.now();
        let refused = b.get("k", OnMiss::Report, Positions::new(at.iter().map(beyond).collect())).await.unwrap_err();
        assert_eq!(refused.reason(), Reason::PositionNotReached);
        assert!(
            clock.now().since(before) < Duration::from_millis(100),
            "who shares it says that there is no such place"
        );
        let calls = b.link.calls.load(SeqCst);
        assert_eq!((b.look("k").await, b.look("other").await), (Read::Value(1), Read::Value(2)));
        assert_eq!(b.link.calls.load(SeqCst), calls, "from memory");
    }
    a.put("k", 3, None).await;
    pass(MOMENT).await;
    assert_eq!(b.look("k").await, Read::Value(3), "the log is followed as before");
}

#[tokio::test(start_paused = true)]
async fn a_position_of_a_history_that_is_over_is_refused_for_good_and_one_of_the_next_is_waited_for() {
    for breaks in [Truth::fail_over, Truth::flush] {
        let (net, clock) = net(15);
        let replicas = start(&net, 2, &clock, Coherence::Available).await;
        let [a, b] = &replicas[..] else { unreachable!() };
        let before = position(a.put("k", 1, None).await);
        net.truth.lock().unwrap().replicate();
        breaks(&mut net.truth.lock().unwrap());
        // Nobody here has heard of that.
        let after = shared(a).await;
        let asked = clock.now();
        let read = b.get("k", OnMiss::Report, after).await;
        assert!(matches!(read, Ok(Read::Value(2) | Read::Miss)), "{read:?}");
        assert!(clock.now().since(asked) < Duration::from_millis(1500), "{:?}", clock.now().since(asked));
        for replica in [a, b] {
            let asked = clock.now();
            let refused = replica.get("k", OnMiss::Report, before.clone()).await.unwrap_err();
            assert_eq!(refused.reason(), Reason::PositionUnknown);
            assert!(clock.now().since(asked) < Duration::from_millis(100), "at once");
        }
    }
}

/// Where a value was stored that is shared.
async fn shared(replica: &Replica) -> Positions {
    loop {
        let stored = position(replica.put("k", 2, None).await);
        if stored.iter().any(|(log, _)| log.of_fleet().is_some()) {
            return stored;
        }
        pass(MOMENT / 3).await;
    }
}

#[tokio::test(start_paused = true)]
async fn many_who_wait_for_places_cause_as_few_calls_as_one() {
    let (net, clock) = net(16);
    let replicas = start(&net, 2, &clock, Coherence::Available).await;
    let [a, b] = &replicas[..] else { unreachable!() };
    let at = position(a.put("k", 1, None).await);
    assert_eq!(b.look("k").await, Read::Value(1));
    let ahead = |(log, at): (LogId, Position)| (log, Position { number: at.number + 5, ..at });
    let ahead = Positions::new(at.iter().map(ahead).collect());
    let calls = b.link.calls.load(SeqCst);
    let waiting = (0..200).map(|_| b.get("k", OnMiss::Report, ahead.clone()));
    let refused = futures::future::join_all(waiting).await;
    assert!(refused.iter().all(|read| read.as_ref().is_err_and(|error| error.reason() == Reason::PositionNotReached)));
    assert!(b.link.calls.load(SeqCst) - calls < 8, "{}", b.link.calls.load(SeqCst) - calls);
}
