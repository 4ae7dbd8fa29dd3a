//! What could not be told when it happened, and is told later.

use std::{
    sync::{Arc, Mutex, atomic::Ordering::SeqCst},
    time::Duration,
};

use hotplate_engine::{
    clock::{Clock, Moment},
    entry::Dependencies,
    flow::{explain::ExplainRequest, put::PutAnswer},
    key::Key,
    namespace::Coherence,
    selector::Selector,
};

use super::{
    link::{Net, Weather},
    net,
    replicas::{Read, Replica, SPACE, pass, put, start},
};

/// Until what is owed was told.
const TOLD: Duration = Duration::from_millis(1300);

#[tokio::test(start_paused = true)]
async fn a_value_stored_while_the_shared_tier_is_away_is_everybodys_when_it_is_back() {
    let (net, clock) = net(5);
    let replicas = start(&net, 2, &clock, Coherence::Available).await;
    let [a, b] = &replicas[..] else { unreachable!() };
    a.put("k", 1, None).await;
    assert_eq!(b.look("k").await, Read::Value(1));
    a.link.cut(true);
    for (key, value) in [("k", 2), ("new", 3)] {
        assert!(matches!(a.put(key, value, None).await, PutAnswer::Stored { .. }));
        assert_eq!(a.look(key).await, Read::Value(value));
    }
    a.link.cut(false);
    pass(TOLD).await;
    assert_eq!(a.cache.fleet_debt(), 0);
    let calls = a.link.calls.load(SeqCst);
    assert_eq!((a.look("k").await, a.look("new").await), (Read::Value(2), Read::Value(3)));
    assert_eq!(a.link.calls.load(SeqCst), calls, "from memory");
    assert_eq!((b.look("k").await, b.look("new").await), (Read::Value(2), Read::Value(3)));
}

#[tokio::test(start_paused = true)]
async fn a_value_that_was_stored_although_that_was_not_heard_stays_where_it_is() {
    let (net, clock) = net(6);
    let replicas = start(&net, 2, &clock, Coherence::Available).await;
    let [a, b] = &replicas[..] else { unreachable!() };
    a.put("k", 1, None).await;
    net.weather.lock().unwrap().answers_lost = 1;
    assert!(matches!(a.put("k", 2, None).await, PutAnswer::Stored { .. }));
    assert_eq!(a.cache.fleet_debt(), 1);
    net.weather.lock().unwrap().answers_lost = 0;
    pass(TOLD).await;
    assert_eq!(a.cache.fleet_debt(), 0);
    let calls = a.link.calls.load(SeqCst);
    assert_eq!(a.look("k").await, Read::Value(2));
    assert_eq!(a.link.calls.load(SeqCst), calls, "from memory");
    assert_eq!(b.look("k").await, Read::Value(2));
}

#[tokio::test(start_paused = true)]
async fn what_is_put_anew_is_not_dropped_for_what_is_owed_of_it() {
    let (net, clock) = net(7);
    let replicas = start(&net, 2, &clock, Coherence::Available).await;
    let [a, b] = &replicas[..] else { unreachable!() };
    a.link.cut(true);
    a.put("k", 1, None).await;
    a.drop_key("other").await.unwrap_err();
    a.link.cut(false);
    for key in ["k", "other"] {
        a.put(key, 2, None).await;
    }
    assert_eq!(a.cache.fleet_debt(), 0, "that it was put says more");
    pass(TOLD).await;
    for replica in [a, b] {
        assert_eq!((replica.look("k").await, replica.look("other").await), (Read::Value(2), Read::Value(2)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_value_that_another_replaced_or_dropped_meanwhile_is_not_told_over_that() {
    let (net, clock) = net(8);
    let replicas = start(&net, 2, &clock, Coherence::Available).await;
    let [a, b] = &replicas[..] else { unreachable!() };
    for key in ["replaced", "dropped", "tagged", "mine"] {
        a.put(key, 1, None).await;
    }
    a.link.cut(true);
    for key in ["replaced", "dropped", "tagged", "mine"] {
        a.put(key, 2, None).await;
    }
    b.put("replaced", 3, None).await;
    b.drop_key("dropped").await.unwrap();
    b.drop_set(Selector::tag("t-tagged").unwrap()).await.unwrap();
    a.drop_set(Selector::tag("t-mine").unwrap()).await.unwrap_err();
    a.link.cut(false);
    pass(TOLD).await;
    assert_eq!(a.cache.fleet_debt(), 0);
    let asked = ExplainRequest { namespace: SPACE.to_owned(), key: "replaced".to_owned(), ..ExplainRequest::default() };
    let said = a.cache.explain(&asked).unwrap().explanation;
    assert!(said.contains("changed here while the tier that servers share did not answer"), "{said}");
    for replica in [a, b] {
        assert_ne!(replica.look("replaced").await, Read::Value(2), "3 was acknowledged after it");
        for key in ["dropped", "tagged", "mine"] {
            assert_eq!(replica.look(key).await, Read::Miss, "{key}");
        }
    }
}

/// Values that were put, and when each Put began and was acknowledged.
type Written = Arc<Mutex<Vec<(u64, Moment, Moment)>>>;

async fn put_some((net, clock): (Arc<Net>, Clock), replica: Arc<Replica>, (number, written): (u64, Written)) {
    for turn in 0..6 {
        pass(Duration::from_millis(net.below(400))).await;
        let (value, began) = (number * 10 + turn, clock.now());
        replica.put("k", value, None).await;
        written.lock().unwrap().push((value, began, clock.now()));
    }
}

#[tokio::test(start_paused = true)]
async fn of_writers_who_are_cut_off_nobody_s_older_value_comes_back() {
    let mut values = 0;
    for seed in 0..40 {
        let (net, clock) = net(seed);
        let replicas = start(&net, 3, &clock, Coherence::Available).await;
        *net.weather.lock().unwrap() = Weather { answers_lost: 6, ..Weather::FOUL };
        let written = Written::default();
        let mut writers = tokio::task::JoinSet::new();
        for number in 0..4 {
            let replica = replicas[usize::try_from(number % 3).unwrap()].clone();
            writers.spawn(put_some((net.clone(), clock.clone()), replica, (number, written.clone())));
        }
        for turn in 0..4 {
            replicas[turn % 3].link.cut(true);
            pass(Duration::from_millis(net.below(300))).await;
            replicas[turn % 3].link.cut(false);
        }
        // One is away to the end, every other time.
        replicas[0].link.cut(seed % 2 == 0);
        while writers.join_next().await.is_some() {}
        replicas[0].link.cut(false);
        *net.weather.lock().unwrap() = Weather::FAIR;
        pass(Duration::from_secs(4)).await;
        let written = written.lock().unwrap().clone();
        let mut reads = Vec::new();
        for replica in &replicas {
            assert_eq!(replica.cache.fleet_debt(), 0);
            reads.push(replica.look("k").await);
        }
        assert!(reads.iter().all(|read| *read == reads[0]), "seed {seed}: {reads:?}");
        let Read::Value(value) = reads[0] else { continue };
        values += 1;
        let (.., told) = *written.iter().find(|(other, ..)| *other == value).unwrap();
        assert!(!written.iter().any(|(_, began, _)| *began > told), "seed {seed}: {value} is older: {written:?}");
    }
    assert!(values > 10, "{values}");
}

#[tokio::test(start_paused = true)]
async fn who_did_not_answer_is_not_waited_for_again() {
    let (net, clock) = net(9);
    let replicas = start(&net, 1, &clock, Coherence::Available).await;
    let [a] = &replicas[..] else { unreachable!() };
    for number in 0..600 {
        let mut request = put(&format!("k{number}"), 1);
        request.description.depends_on = Dependencies::of([Arc::from("source")]);
        a.cache.write(request, None).await.unwrap();
    }
    a.link.cut(true);
    let calls = a.link.calls.load(SeqCst);
    a.drop_with_all_made_of_it("source").await.unwrap_err();
    let logs = 65;
    assert!(a.link.calls.load(SeqCst) - calls <= logs, "what is told after that is told to nobody");
    assert_eq!(a.look("k7").await, Read::Miss);
}

#[tokio::test(start_paused = true)]
async fn a_part_that_is_away_keeps_nothing_from_the_others() {
    let (net, clock) = net(10);
    let replicas = start(&net, 2, &clock, Coherence::Available).await;
    let [a, b] = &replicas[..] else { unreachable!() };
    let of = |text: &str| Key::new(SPACE, text).unwrap().log();
    let other = (0..).map(|number| format!("k{number}")).find(|text| of(text) != of("k")).unwrap();
    for key in ["k", &other] {
        a.put(key, 1, None).await;
        assert_eq!(b.look(key).await, Read::Value(1));
    }
    *a.link.without.lock().unwrap() = Some(of("k"));
    a.drop_keys(&["k", &other]).await.unwrap_err();
    assert_eq!(a.cache.fleet_debt(), 1, "one of two");
    pass(Duration::from_millis(100)).await;
    assert_eq!((b.look("k").await, b.look(&other).await), (Read::Value(1), Read::Miss));
    // What is stored meanwhile in the others stays, however often the rest is tried.
    a.put(&other, 2, None).await;
    pass(Duration::from_secs(3)).await;
    assert_eq!((a.cache.fleet_debt(), b.look(&other).await), (1, Read::Value(2)));
    *a.link.without.lock().unwrap() = None;
    pass(TOLD).await;
    assert_eq!((a.cache.fleet_debt(), b.look("k").await), (0, Read::Miss));
}
