//! Replicas that share one truth, in simulated time: what one invalidates the others do not serve, whatever is late, lost or
//! broken between them and what they share. The tier they share is one in memory that does what its port says, and loses
//! what a failover loses.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "fleet/debts.rs"]
mod debts;
#[path = "fleet/disks.rs"]
mod disks;
#[expect(dead_code, reason = "more is asked of it where it is tested")]
#[path = "tiers/double.rs"]
mod double;
#[path = "fleet/explained.rs"]
mod explained;
#[path = "fleet/failover.rs"]
mod failover;
#[path = "fleet/kin.rs"]
mod kin;
#[path = "fleet/link.rs"]
mod link;
#[path = "fleet/lives.rs"]
mod lives;
#[path = "fleet/owed.rs"]
mod owed;
#[path = "fleet/positions.rs"]
mod positions;
#[path = "fleet/replicas.rs"]
mod replicas;
#[path = "fleet/storm.rs"]
mod storm;
#[path = "fleet/truth.rs"]
mod truth;

use std::{
    sync::{Arc, atomic::Ordering::SeqCst},
    time::Duration,
};

use hotplate_engine::{
    clock::Clock,
    entry::Dependencies,
    error::Reason,
    event::MissReason,
    flow::{
        get::{GetRequest, Lookup},
        lease::{LeasedAnswer, OnMiss},
    },
    key::Key,
    namespace::Coherence,
    position::Positions,
    selector::Selector,
};
use link::{Net, Weather, Wrong};
use replicas::{Read, Replica, SPACE, pass, put, start};
use storm::{Breaks, storm};

const MOMENT: Duration = Duration::from_millis(30);

fn net(seed: u64) -> (Arc<Net>, Clock) {
    let clock = Clock::system();
    (Net::new(seed, clock.clone()), clock)
}

#[tokio::test(start_paused = true)]
async fn what_one_stores_another_finds_and_what_one_drops_nobody_has() {
    let (net, clock) = net(1);
    let replicas = start(&net, 2, &clock, Coherence::Available).await;
    let [a, b] = &replicas[..] else { unreachable!() };
    a.put("k", 1, None).await;
    assert_eq!(b.look("k").await, Read::Value(1));
    let calls = b.link.calls.load(SeqCst);
    assert_eq!(b.look("k").await, Read::Value(1));
    assert_eq!(b.link.calls.load(SeqCst), calls, "from memory");
    b.drop_key("k").await.unwrap();
    assert_eq!(b.look("k").await, Read::Miss);
    pass(MOMENT).await;
    assert_eq!(a.look("k").await, Read::Miss);
    a.put("k", 2, None).await;
    pass(MOMENT).await;
    assert_eq!(b.look("k").await, Read::Value(2));
    a.drop_set(Selector::tag("t-k").unwrap()).await.unwrap();
    assert_eq!(a.look("k").await, Read::Miss, "what lies where it is shared is fenced as well");
    pass(MOMENT).await;
    assert_eq!(b.look("k").await, Read::Miss);
}

/// How often it computed.
async fn get_or_compute(replica: Arc<Replica>) -> u32 {
    match replica.get("k", OnMiss::Wait(Duration::from_secs(5)), Positions::default()).await.unwrap() {
        Read::Compute(token) => {
            pass(Duration::from_millis(700)).await;
            replica.put("k", 7, Some(token)).await;
            1
        }
        Read::Value(7) => 0,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn many_callers_of_many_servers_compute_once() {
    for seed in 0..100 {
        let (net, clock) = net(seed);
        // What another stored is found before it is told, and told while it is taken.
        *net.weather.lock().unwrap() = Weather { delay_ms: 3, hint_delay_ms: 12, hints_lost: 4, answers_lost: 0 };
        let replicas = start(&net, 3, &clock, Coherence::Available).await;
        let mut callers = tokio::task::JoinSet::new();
        for number in 0..60 {
            let replica = replicas[number % 3].clone();
            callers.spawn(get_or_compute(replica));
        }
        let mut computed = 0;
        while let Some(did) = callers.join_next().await {
            computed += did.unwrap();
        }
        assert_eq!(computed, 1, "seed {seed}");
    }
}

/// A value comes to this server while the fleet is asked for the lease: it is a hit, and the lease is for the next.
#[tokio::test(start_paused = true)]
async fn who_is_granted_what_is_stored_meanwhile_does_not_compute() {
    let (net, clock) = net(15);
    let replicas = start(&net, 2, &clock, Coherence::Available).await;
    let [a, b] = &replicas[..] else { unreachable!() };
    let wait = OnMiss::Wait(Duration::from_secs(5));
    a.link.reads_late_ms.store(100, SeqCst);
    let stores = async {
        // Twice what the tier has to say: whether there is a value, and who is to compute it.
        pass(Duration::from_millis(150)).await;
        a.put("k", 1, None).await;
    };
    let (read, ()) = tokio::join!(a.get("k", wait, Positions::default()), stores);
    assert_eq!(read.unwrap(), Read::Value(1));
    a.drop_key("k").await.unwrap();
    pass(MOMENT).await;
    let before = clock.now();
    assert!(matches!(b.get("k", wait, Positions::default()).await.unwrap(), Read::Compute(_)));
    assert!(clock.now().since(before) < Duration::from_millis(50), "nobody else has it");
}

#[tokio::test(start_paused = true)]
async fn a_lease_of_which_nobody_heard_is_nobodys() {
    let (net, clock) = net(12);
    let replicas = start(&net, 2, &clock, Coherence::Available).await;
    let [a, b] = &replicas[..] else { unreachable!() };
    let wait = OnMiss::Wait(Duration::from_secs(5));
    let unheard = |after: Option<Duration>| *a.link.wishes_unheard.lock().unwrap() = after;
    for (key, gone) in [("fails", false), ("goes", true)] {
        let asked = a.get(key, wait, Positions::default());
        unheard(Some(MOMENT));
        if gone {
            // Its caller goes before that.
            assert!(tokio::time::timeout(MOMENT / 2, asked).await.is_err());
        } else {
            assert!(matches!(asked.await.unwrap(), Read::Compute(_)), "alone");
        }
        unheard(None);
        let before = clock.now();
        let read = b.get(key, wait, Positions::default()).await.unwrap();
        assert!(matches!(read, Read::Compute(_)), "{read:?}");
        assert!(clock.now().since(before) < Duration::from_millis(200), "long before it lapses");
    }
}

#[tokio::test(start_paused = true)]
async fn who_fills_what_is_not_heard_of_holds_no_lease() {
    let (net, clock) = net(13);
    let replicas = start(&net, 2, &clock, Coherence::Available).await;
    let [a, b] = &replicas[..] else { unreachable!() };
    let wait = OnMiss::Wait(Duration::from_secs(5));
    let Read::Compute(token) = a.get("k", wait, Positions::default()).await.unwrap() else { panic!() };
    a.link.cut(true);
    a.put("k", 1, Some(token)).await;
    a.link.cut(false);
    let before = clock.now();
    assert!(matches!(b.get("k", wait, Positions::default()).await.unwrap(), Read::Compute(_)));
    assert!(clock.now().since(before) < Duration::from_millis(1500), "with what is asked every second");
}

#[tokio::test(start_paused = true)]
async fn an_invalidation_that_cannot_be_told_is_told_later_and_holds_here_at_once() {
    let (net, clock) = net(4);
    let replicas = start(&net, 2, &clock, Coherence::Available).await;
    let [a, b] = &replicas[..] else { unreachable!() };
    a.put("k", 1, None).await;
    assert_eq!(b.look("k").await, Read::Value(1));
    a.link.cut(true);
    let refused = a.drop_key("k").await.unwrap_err();
    assert_eq!(refused.reason(), Reason::TierPending);
    assert_eq!(a.look("k").await, Read::Miss);
    assert_eq!(a.cache.fleet_debt(), 1);
    a.link.cut(false);
    assert_eq!(a.look("k").await, Read::Miss, "what is owed is not read, although it lies there still");
    pass(Duration::from_millis(1300)).await;
    assert_eq!(a.cache.fleet_debt(), 0);
    assert_eq!((a.look("k").await, b.look("k").await), (Read::Miss, Read::Miss));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_an_invalidation_overtook_is_not_kept() {
    let (net, clock) = net(7);
    let replicas = start(&net, 2, &clock, Coherence::Available).await;
    let [a, b] = &replicas[..] else { unreachable!() };
    a.put("k", 1, None).await;
    pass(MOMENT).await;
    b.link.reads_late_ms.store(100, SeqCst);
    let mut slow = tokio::task::JoinSet::new();
    let reader = b.clone();
    slow.spawn(async move { reader.get("k", OnMiss::Report, Positions::default()).await });
    pass(MOMENT).await;
    b.drop_key("k").await.unwrap();
    slow.join_next().await;
    b.link.reads_late_ms.store(0, SeqCst);
    assert_eq!(b.look("k").await, Read::Miss);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_follows_to_the_end_and_tells_what_it_owes() {
    let (net, clock) = net(14);
    let replicas = start(&net, 2, &clock, Coherence::Available).await;
    let [a, b] = &replicas[..] else { unreachable!() };
    a.put("k", 1, None).await;
    a.put("l", 1, None).await;
    a.cache.close();
    b.drop_key("k").await.unwrap();
    pass(MOMENT).await;
    assert_eq!(a.look("k").await, Read::Miss, "calls are still answered");
    a.link.cut(true);
    a.put("l", 2, None).await;
    let before = clock.now();
    assert_eq!(a.cache.leave_fleet(LATE).await, 1);
    assert!(clock.now().since(before) < LATE + MOMENT);
    let back = async {
        pass(LATE / 2).await;
        a.link.cut(false);
    };
    let (owed, ()) = tokio::join!(a.cache.leave_fleet(LATE), back);
    assert_eq!(owed, 0);
    pass(MOMENT).await;
    assert_eq!(b.look("l").await, Read::Value(2));
}

#[tokio::test(start_paused = true)]
async fn a_value_for_which_there_is_no_room_on_the_way_is_refused_and_costs_nothing_that_is_stored() {
    let (net, clock) = net(9);
    let replicas = start(&net, 2, &clock, Coherence::Available).await;
    let [a, b] = &replicas[..] else { unreachable!() };
    a.put("k", 1, None).await;
    a.link.busy.store(true, SeqCst);
    let refused = a.cache.write(put("k", 2), None).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::Overloaded);
    assert_eq!(a.cache.fleet_debt(), 0, "nothing is wrong with what lies there");
    a.link.busy.store(false, SeqCst);
    pass(Duration::from_millis(1300)).await;
    assert_eq!((a.look("k").await, b.look("k").await), (Read::Value(1), Read::Value(1)));
}

#[tokio::test(start_paused = true)]
async fn an_invalidation_that_a_failover_lost_is_told_again() {
    for seed in 0..20 {
        let (net, clock) = net(seed);
        let replicas = start(&net, 3, &clock, Coherence::Available).await;
        replicas[0].put("k", 1, None).await;
        net.truth.lock().unwrap().replicate();
        replicas[1].drop_key("k").await.unwrap();
        net.truth.lock().unwrap().fail_over();
        let key = Key::new(SPACE, "k").unwrap();
        assert!(net.truth.lock().unwrap().value(&key).is_some(), "it is back");
        assert_eq!(replicas[1].look("k").await, Read::Miss);
        pass(Duration::from_secs(3)).await;
        for replica in &replicas {
            assert_eq!(replica.look("k").await, Read::Miss);
        }
    }
}

const LATE: Duration = Duration::from_secs(3);

/// Changes that are on their way while a failover loses what was told of them, each answer or second part so late that
/// the history after it is known by then.
#[tokio::test(start_paused = true)]
async fn what_a_failover_loses_of_a_change_that_is_not_done_is_told_again() {
    let keys: Vec<String> = (0..600).map(|number| format!("k{number}")).collect();
    let none = Duration::ZERO;
    for late in [vec![(none, none), (LATE, none)], vec![(none, LATE)]] {
        let (net, clock) = net(10);
        let replicas = start(&net, 2, &clock, Coherence::Available).await;
        let [a, b] = &replicas[..] else { unreachable!() };
        for key in &keys {
            let mut request = put(key, 1);
            request.description.depends_on = Dependencies::of([Arc::from("source")]);
            a.cache.write(request, None).await.unwrap();
        }
        net.truth.lock().unwrap().replicate();
        a.link.changes_late.lock().unwrap().extend(late);
        let (dropped, ()) = tokio::join!(a.drop_with_all_made_of_it("source"), async {
            pass(MOMENT).await;
            net.truth.lock().unwrap().fail_over();
        });
        assert_eq!(dropped.unwrap_err().reason(), Reason::TierPending, "not known to be done");
        pass(Duration::from_millis(1300)).await;
        assert_eq!(a.cache.fleet_debt(), 0);
        for key in &keys {
            assert_eq!((a.look(key).await, b.look(key).await), (Read::Miss, Read::Miss), "{key}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_value_that_a_failover_lost_before_that_was_heard_leaves_no_older_one() {
    let (net, clock) = net(11);
    let replicas = start(&net, 2, &clock, Coherence::Available).await;
    let [a, b] = &replicas[..] else { unreachable!() };
    a.put("k", 1, None).await;
    net.truth.lock().unwrap().replicate();
    a.link.changes_late.lock().unwrap().push_back((Duration::ZERO, LATE));
    let (_stored, ()) = tokio::join!(a.put("k", 2, None), async {
        pass(MOMENT).await;
        net.truth.lock().unwrap().fail_over();
    });
    pass(Duration::from_millis(1300)).await;
    for replica in [a, b] {
        assert_ne!(replica.look("k").await, Read::Value(1));
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_cut_off_says_so_or_serves_nothing() {
    for coherence in [Coherence::Available, Coherence::Strict] {
        let (net, clock) = net(6);
        let replicas = start(&net, 2, &clock, coherence).await;
        let [a, b] = &replicas[..] else { unreachable!() };
        a.put("k", 1, None).await;
        assert_eq!(b.look("k").await, Read::Value(1));
        assert!(!b.cache.is_degraded(SPACE));
        b.link.cut(true);
        pass(Duration::from_millis(3200)).await;
        assert!(b.cache.is_degraded(SPACE) && !b.cache.is_degraded("alone"));
        let request = GetRequest { namespace: SPACE.to_owned(), key: "k".to_owned(), ..GetRequest::default() };
        let LeasedAnswer::Found(answer, _) = b.cache.read(&request, OnMiss::Report).await.unwrap() else { panic!() };
        match coherence {
            Coherence::Available => assert!(matches!(answer.outcome, Lookup::Hit(_))),
            Coherence::Strict => assert!(matches!(answer.outcome, Lookup::Miss(MissReason::TierUnavailable))),
        }
        b.link.cut(false);
        pass(Duration::from_millis(1500)).await;
        assert!(!b.cache.is_degraded(SPACE));
        assert_eq!(b.look("k").await, Read::Value(1));
    }
}

async fn write(net: Arc<Net>, replica: Arc<Replica>, number: u64) {
    for turn in 0..4 {
        pass(Duration::from_micros(net.below(6000))).await;
        replica.put("k", number * 10 + turn, None).await;
        replica.look("k").await;
    }
}

#[tokio::test(start_paused = true)]
async fn two_writers_of_one_key_end_with_the_same_value_everywhere() {
    for seed in 0..20 {
        let (net, clock) = net(seed);
        let replicas = start(&net, 3, &clock, Coherence::Available).await;
        *net.weather.lock().unwrap() = Weather { delay_ms: 8, hint_delay_ms: 15, hints_lost: 5, answers_lost: 0 };
        let mut writers = tokio::task::JoinSet::new();
        for number in 0..6 {
            writers.spawn(write(net.clone(), replicas[usize::from(number % 2 == 0)].clone(), number));
        }
        while writers.join_next().await.is_some() {}
        *net.weather.lock().unwrap() = Weather::FAIR;
        pass(Duration::from_secs(2)).await;
        let reads = [replicas[0].look("k").await, replicas[1].look("k").await, replicas[2].look("k").await];
        assert!(matches!(reads[0], Read::Value(_)));
        assert!(reads.iter().all(|read| *read == reads[0]), "seed {seed}: {reads:?}");
    }
}

async fn storms(seeds: std::ops::Range<u64>, weather: Weather, breaks: Breaks) {
    for seed in seeds {
        let report = storm(seed, (weather, breaks), |_| Wrong::Nothing).await;
        assert!(report.clean(), "seed {seed}: {report:?}");
        assert!(report.reads > 1000, "seed {seed}: {report:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_stale_in_fair_weather() {
    storms(0..4, Weather::FAIR, Breaks::default()).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_stale_when_much_is_late_and_lost() {
    storms(100..108, Weather::FOUL, Breaks::default()).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_stale_when_replicas_are_cut_off() {
    storms(200..208, Weather::FOUL, Breaks { cuts: true, ..Breaks::default() }).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_stale_when_failovers_lose_what_was_acknowledged() {
    storms(300..312, Weather::FOUL, Breaks { fail_overs: true, ..Breaks::default() }).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_stale_when_everything_breaks() {
    storms(400..412, Weather::FOUL, Breaks { fail_overs: true, flushes: true, cuts: true }).await;
}

#[tokio::test(start_paused = true)]
async fn what_would_be_stale_is_noticed() {
    let mut noticed = [false; 2];
    for seed in 0..3 {
        let unfenced = storm(seed, (Weather::FOUL, Breaks::default()), |net| {
            net.truth.lock().unwrap().fills_unfenced = true;
            Wrong::Nothing
        });
        noticed[0] |= !unfenced.await.clean();
        let silent = storm(seed, (Weather::FOUL, Breaks::default()), |_| Wrong::PollTellsNothing);
        noticed[1] |= !silent.await.clean();
    }
    assert_eq!(noticed, [true; 2], "fills without fences, positions that move before anything is dropped");
}
