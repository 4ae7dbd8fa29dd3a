//! What lies where it is shared after a failover: used again, when, and not when it may be wrong.

use std::{sync::Arc, time::Duration};

use hotplate_engine::{
    flow::lease::OnMiss,
    namespace::Coherence,
    position::{LogId, Positions},
    selector::Selector,
};

use super::{
    MOMENT,
    link::Net,
    net,
    replicas::{Read, Replica, pass, start},
};

/// Computes a value under a lease.
async fn compute(replica: &Replica, key: &str, value: u64) {
    let wait = OnMiss::Wait(Duration::from_secs(5));
    let Read::Compute(token) = replica.get(key, wait, Positions::default()).await.unwrap() else {
        panic!("it is there")
    };
    replica.put(key, value, Some(token)).await;
}

/// What one replica computed, so long after a failover that lost nothing.
async fn after_failover(coherence: Coherence, passes: Duration) -> (Arc<Net>, Vec<Arc<Replica>>) {
    let (net, clock) = net(9);
    let replicas = start(&net, 2, &clock, coherence).await;
    replicas[1].drop_set(Selector::tag("other").unwrap()).await.unwrap();
    for key in ["a", "b", "c"] {
        compute(&replicas[0], key, 1).await;
    }
    net.truth.lock().unwrap().replicate();
    net.truth.lock().unwrap().fail_over();
    pass(passes).await;
    (net, replicas)
}

#[tokio::test(start_paused = true)]
async fn what_lies_there_is_used_again_some_time_after_a_failover() {
    let (_net, replicas) = after_failover(Coherence::Available, Duration::from_secs(4)).await;
    let [a, b] = &replicas[..] else { unreachable!() };
    assert_eq!((a.look("a").await, b.look("a").await), (Read::Miss, Read::Miss), "not everybody has told again yet");
    pass(Duration::from_secs(4)).await;
    assert_eq!((a.look("a").await, b.look("a").await), (Read::Value(1), Read::Value(1)));
    b.drop_key("b").await.unwrap();
    a.drop_set(Selector::tag("t-c").unwrap()).await.unwrap();
    pass(MOMENT).await;
    for replica in [a, b] {
        assert_eq!((replica.look("b").await, replica.look("c").await), (Read::Miss, Read::Miss));
        assert_eq!(replica.look("a").await, Read::Value(1));
    }
}

#[tokio::test(start_paused = true)]
async fn where_coherence_is_strict_what_lies_there_after_a_failover_is_never_used() {
    let (_net, replicas) = after_failover(Coherence::Strict, Duration::from_secs(20)).await;
    assert_eq!((replicas[0].look("a").await, replicas[1].look("a").await), (Read::Miss, Read::Miss));
}

#[tokio::test(start_paused = true)]
async fn a_set_dropped_in_the_new_history_drops_what_had_a_higher_number_in_the_lost_one() {
    let (net, replicas) = after_failover(Coherence::Available, Duration::from_secs(8)).await;
    let [a, b] = &replicas[..] else { unreachable!() };
    // The selector log gets ahead of what is replicated, values of that time are not lost.
    for _ in 0..10 {
        b.drop_set(Selector::tag("other").unwrap()).await.unwrap();
    }
    compute(a, "d", 2).await;
    net.truth.lock().unwrap().replicate_all_but(LogId::SELECTOR);
    net.truth.lock().unwrap().fail_over();
    pass(Duration::from_secs(8)).await;
    assert_eq!(b.look("d").await, Read::Value(2));
    b.drop_set(Selector::tag("t-d").unwrap()).await.unwrap();
    pass(MOMENT).await;
    assert_eq!((a.look("d").await, b.look("d").await), (Read::Miss, Read::Miss));
}

#[tokio::test(start_paused = true)]
async fn where_more_is_lost_than_is_told_again_nothing_is_used() {
    let hour = Duration::from_secs(3600);
    for in_key_log in [true, false] {
        let (net, clock) = net(10);
        let replicas = start(&net, 2, &clock, Coherence::Available).await;
        let [a, b] = &replicas[..] else { unreachable!() };
        compute(a, "a", 1).await;
        net.truth.lock().unwrap().replicate();
        pass(Duration::from_secs(700)).await;
        if in_key_log { b.drop_key("a").await } else { b.drop_set(Selector::tag("t-a").unwrap()).await }.unwrap();
        pass(hour / 4).await;
        // It comes back as it was a quarter of an hour ago.
        net.truth.lock().unwrap().fail_over();
        pass(Duration::from_secs(8)).await;
        assert_eq!((a.look("a").await, b.look("a").await), (Read::Miss, Read::Miss));
    }
}
