//! A guarded tier, in front of one that does what it is told: answer, say nothing, fail, refuse.

mod tier;

use std::{sync::Arc, time::Duration};

use futures::FutureExt;
use hotplate_engine::{
    clock::Clock,
    entry::Description,
    key::Key,
    selector::Selector,
    tier::{
        BreakerState, Kept, TierErrorKind, TierHealth,
        local::{HandedDown, LocalTier},
        shared::{FenceName, LeaseWish, SharedTier},
    },
};
use tokio::time::{Instant, advance, sleep};

use self::tier::{Does, Fake};
use super::{
    lookout::{Line, Tally, Told},
    *,
};

const TIMEOUT: Duration = Duration::from_millis(50);

fn options() -> GuardOptions {
    GuardOptions { calls_max: 4, changes_max: 2, waiting_max: 8, ..GuardOptions::shared(TIMEOUT) }
}

fn guarded(options: GuardOptions) -> (Arc<Fake>, Arc<Guarded<dyn SharedTier>>) {
    let fake = Arc::new(Fake::default());
    let inner: Arc<dyn SharedTier> = Arc::clone(&fake) as _;
    (fake, Guarded::shared(inner, options, Clock::system()))
}

fn guarded_local() -> (Arc<Fake>, Arc<Guarded<dyn LocalTier>>) {
    let fake = Arc::new(Fake::default());
    let inner: Arc<dyn LocalTier> = Arc::clone(&fake) as _;
    (fake, Guarded::local(inner, options(), Clock::system()))
}

fn key() -> Key {
    Key::new("default", "k").unwrap()
}

fn kept() -> Kept {
    Kept {
        payload: hotplate_engine::entry::Payload::Value(bytes::Bytes::from_static(b"v")),
        description: Arc::new(Description::default()),
        digest: [0; 32],
        cost: None,
        cost_measured: false,
        stored: Duration::ZERO,
        fresh_until: Duration::ZERO,
        usable_until: Duration::ZERO,
        idle_ttl: None,
        refresh_ahead: None,
        marked: false,
    }
}

#[expect(clippy::disallowed_methods, reason = "the clock of tests that pause it")]
fn now() -> Instant {
    Instant::now()
}

async fn read(tier: &Guarded<dyn SharedTier>) -> Result<(), TierErrorKind> {
    SharedTier::read(tier, &key(), None, None).await.map(drop).map_err(|error| error.kind)
}

/// Reads until it is not asked any more.
async fn open(fake: &Fake, tier: &Guarded<dyn SharedTier>, does: Does) {
    fake.does(does);
    while read(tier).await != Err(TierErrorKind::Away) {}
}

#[tokio::test(start_paused = true)]
async fn a_silent_tier_costs_its_time_a_few_times_and_then_nothing() {
    let (fake, tier) = guarded(options());
    fake.does(Does::Nothing);
    for _ in 0..5 {
        let began = now();
        assert_eq!(read(&tier).await, Err(TierErrorKind::TimedOut));
        assert_eq!(now() - began, TIMEOUT);
    }
    let asked = fake.calls();
    for _ in 0..100 {
        let answer = SharedTier::read(&*tier, &key(), None, None).now_or_never();
        assert_eq!(answer.expect("no waiting at all").unwrap_err().kind, TierErrorKind::Away);
        let answer = tier.raise(&[], None).now_or_never();
        assert_eq!(answer.expect("no waiting at all").unwrap_err().kind, TierErrorKind::Away);
    }
    assert_eq!(fake.calls(), asked, "it is not asked");
    let state = SharedTier::state(&*tier);
    assert_eq!((state.health, state.calls.unwrap().breaker), (TierHealth::Away, BreakerState::Open));
    assert_eq!(state.errors, [("timed_out", 5), ("away", 200)]);
    assert!(state.why.unwrap().contains("did not answer within 50ms"));
    assert_eq!(state.calls.unwrap().latency.count, 5);
}

#[tokio::test(start_paused = true)]
async fn it_comes_back_by_itself_and_only_when_it_answers() {
    let (fake, tier) = guarded(options());
    open(&fake, &tier, Does::Fails).await;
    sleep(Duration::from_secs(30)).await;
    assert_eq!(read(&tier).await, Err(TierErrorKind::Away));
    let looked = fake.pings();
    assert!((25..=70).contains(&looked), "about once a second: {looked}");
    fake.does(Does::Answers);
    sleep(Duration::from_millis(1_100)).await;
    assert_eq!(read(&tier).await, Ok(()));
    let state = SharedTier::state(&*tier);
    assert_eq!((state.health, state.why, state.calls.unwrap().opened), (TierHealth::Up, None, 1));
}

#[tokio::test(start_paused = true)]
async fn one_that_answers_probes_but_no_calls_is_asked_little() {
    let (fake, tier) = guarded(options());
    fake.does(Does::OnlyPings);
    let (began, mut asked) = (now(), 0);
    while now() - began < Duration::from_secs(20) {
        asked += usize::from(read(&tier).await == Err(TierErrorKind::TimedOut));
        advance(Duration::from_millis(1)).await;
        tokio::task::yield_now().await;
    }
    assert!((10..=60).contains(&asked), "a call or two a second find out: {asked}");
}

#[tokio::test(start_paused = true)]
async fn so_many_calls_are_on_their_way_and_not_more() {
    let (fake, tier) = guarded(options());
    fake.does(Does::Nothing);
    let mut reads: Vec<_> = (0..12).map(|_| Box::pin(read(&tier))).collect();
    for read in &mut reads {
        assert!(read.now_or_never().is_none());
    }
    assert_eq!(fake.calls(), 4, "the others wait");
    assert_eq!(read(&tier).now_or_never(), Some(Err(TierErrorKind::Busy)), "and not more than so many");
    fake.does(Does::Answers);
    assert!(tier.raise(&[], None).await.is_ok(), "no number of reads keeps an invalidation out");
    assert_eq!(SharedTier::state(&*tier).calls.unwrap().in_flight, 4);
    drop(reads);
    assert_eq!(SharedTier::state(&*tier).calls.unwrap().in_flight, 0, "who goes away makes room");
    assert_eq!(read(&tier).await, Ok(()));
    assert_eq!(
        SharedTier::state(&*tier).calls.unwrap().breaker,
        BreakerState::Closed,
        "Busy is no failure of the tier"
    );
}

#[tokio::test(start_paused = true)]
async fn who_comes_in_a_crowd_waits_for_its_turn_and_does_not_fail() {
    let (fake, tier) = guarded(GuardOptions::shared(TIMEOUT));
    fake.does(Does::Takes(Duration::from_millis(1)));
    let (key, kept, began) = (key(), kept(), now());
    let writes = futures::future::join_all((0..2_000).map(|_| tier.write(&key, &kept, tier::position(), None)));
    let raises = futures::future::join_all((0..1_000).map(|_| tier.raise(&[], None)));
    let (writes, raises) = futures::future::join(writes, raises).await;
    assert!(writes.iter().all(Result::is_ok) && raises.iter().all(Result::is_ok));
    assert!(now() - began < TIMEOUT, "256 and 64 at once");
    assert_eq!(SharedTier::state(&*tier).errors, []);
}

#[tokio::test(start_paused = true)]
async fn who_waits_does_so_within_its_own_time_and_says_nothing_of_the_tier() {
    let (fake, tier) = guarded(options());
    // The second four have two fifths of their time, which is not enough.
    fake.does(Does::Takes(TIMEOUT * 3 / 5));
    let began = now();
    let answers = futures::future::join_all((0..12).map(|_| read(&tier))).await;
    assert_eq!(now() - began, TIMEOUT);
    assert_eq!(answers[..4], [Ok(()); 4]);
    assert_eq!(answers[4..8], [Err(TierErrorKind::TimedOut); 4], "they were sent");
    assert_eq!(answers[8..], [Err(TierErrorKind::Busy); 4], "and these were not");
    assert_eq!(fake.calls(), 8);
    fake.does(Does::Answers);
    for _ in 0..10 {
        assert_eq!(read(&tier).await, Ok(()), "it is asked");
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_tier_that_turns_out_to_be_away_waits_no_longer() {
    let options = GuardOptions { waiting_max: 100, ..options() };
    let (fake, tier) = guarded(options);
    fake.does(Does::Fails);
    let answers = futures::future::join_all((0..100).map(|_| read(&tier))).await;
    assert!(answers.iter().filter(|answer| **answer == Err(TierErrorKind::Away)).count() > 90, "{answers:?}");
    assert!(fake.calls() < 10);
}

#[tokio::test(start_paused = true)]
async fn no_number_of_changes_keeps_out_what_trust_depends_on() {
    let (fake, tier) = guarded(options());
    fake.does(Does::Nothing);
    let mut raises: Vec<_> = (0..10).map(|_| tier.raise(&[], None)).collect();
    for raise in &mut raises {
        assert!(raise.now_or_never().is_none());
    }
    fake.does(Does::Answers);
    let polled = tier.poll(&[]).now_or_never();
    assert!(polled.expect("no waiting").is_ok());
    assert!(tier.extend(&key(), 1, TIMEOUT).now_or_never().expect("no waiting").is_ok());
    assert!(tier.release(&key(), 1).now_or_never().expect("no waiting").is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_was_forgotten_is_waited_for_by_everybody() {
    let (fake, tier) = guarded_local();
    fake.does(Does::Takes(TIMEOUT * 4));
    let began = now();
    let answers = futures::future::join_all((0..100).map(|_| tier.settled())).await;
    assert!(answers.iter().all(Result::is_ok), "one batch settles them all");
    assert_eq!((now() - began, fake.calls()), (TIMEOUT * 4, 100));
    fake.does(Does::Nothing);
    let began = now();
    assert_eq!(tier.settled().await.unwrap_err().kind, TierErrorKind::TimedOut);
    assert_eq!(now() - began, options().change_timeout);
}

#[tokio::test(start_paused = true)]
async fn callers_in_a_hurry_do_not_hide_that_it_is_away() {
    let (fake, tier) = guarded(options());
    fake.does(Does::Nothing);
    for _ in 0..100 {
        assert!(tokio::time::timeout(TIMEOUT / 10, read(&tier)).await.is_err());
    }
    assert_ne!(read(&tier).await, Err(TierErrorKind::Away), "that was too short to say anything");
    fake.does(Does::Answers);
    assert_eq!(read(&tier).await, Ok(()));
    fake.does(Does::Nothing);
    for _ in 0..5 {
        assert!(tokio::time::timeout(TIMEOUT * 3 / 5, read(&tier)).await.is_err());
    }
    assert_eq!(read(&tier).await, Err(TierErrorKind::Away));
}

fn large() -> Key {
    Key::new("default", "large").unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_is_large_may_take_long_while_it_comes_on() {
    let (fake, tier) = guarded_local();
    fake.does(Does::Steps(100, TIMEOUT * 4 / 5));
    let (large, began) = (large(), now());
    for _ in 0..6 {
        assert!(tier.get(&large).await.is_ok());
    }
    assert_eq!(now() - began, TIMEOUT * 80 * 6);
    for _ in 0..6 {
        assert!(tokio::time::timeout(TIMEOUT * 10, tier.get(&large)).await.is_err(), "its caller goes away");
    }
    let state = LocalTier::state(&*tier);
    assert_eq!((state.errors.len(), state.calls.unwrap().breaker), (0, BreakerState::Closed), "slow is not away");
}

#[tokio::test(start_paused = true)]
async fn no_number_of_large_ones_keeps_a_small_one_out() {
    let (fake, tier) = guarded_local();
    fake.does(Does::Steps(1000, TIMEOUT / 2));
    let (key, large) = (key(), large());
    let mut reads: Vec<_> = (0..12).map(|_| tier.get(&large)).collect();
    for read in &mut reads {
        assert!(read.now_or_never().is_none());
    }
    assert_eq!(fake.calls(), 4, "the others wait");
    assert_eq!(tier.get(&large).await.unwrap_err().kind, TierErrorKind::Busy, "and not more than so many");
    assert!(tier.get(&key).now_or_never().expect("no waiting").is_ok());
    let began = now();
    assert!(
        futures::future::join_all(reads).await.iter().all(Result::is_ok),
        "each in its turn, however long that takes"
    );
    assert_eq!(now() - began, TIMEOUT * 1500);
}

#[tokio::test(start_paused = true)]
async fn what_is_large_and_does_not_come_on_says_that_the_tier_is_away() {
    let (fake, tier) = guarded_local();
    fake.does(Does::Nothing);
    let (large, began) = (large(), now());
    for _ in 0..5 {
        assert_eq!(tier.get(&large).await.unwrap_err().kind, TierErrorKind::TimedOut);
    }
    assert_eq!(now() - began, TIMEOUT * 5);
    assert_eq!(tier.get(&large).await.unwrap_err().kind, TierErrorKind::Away);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_twice_unless_that_is_asked_for() {
    let (fake, tier) = guarded(options());
    fake.does(Does::NothingOnce);
    assert_eq!(read(&tier).await, Err(TierErrorKind::TimedOut));
    assert_eq!(fake.calls(), 1);

    let (fake, tier) = guarded(GuardOptions { hedge_after: Some(TIMEOUT / 5), ..options() });
    fake.does(Does::NothingOnce);
    let began = now();
    assert_eq!(read(&tier).await, Ok(()));
    assert_eq!((now() - began, fake.calls()), (TIMEOUT / 5, 2));
    assert_eq!(SharedTier::state(&*tier).calls.unwrap().hedged, 1);

    fake.does(Does::NothingOnce);
    let lease = LeaseWish { token: 1, duration: TIMEOUT, unless_stored_after: None };
    let wished = SharedTier::read(&*tier, &key(), None, Some(lease)).await;
    assert_eq!(wished.unwrap_err().kind, TierErrorKind::TimedOut, "a wish is sent once");
}

#[tokio::test(start_paused = true)]
async fn hedging_stops_while_much_is_on_its_way() {
    let (fake, tier) = guarded(GuardOptions { hedge_after: Some(TIMEOUT / 5), ..options() });
    fake.does(Does::Nothing);
    let answers = futures::future::join_all((0..4).map(|_| read(&tier))).await;
    assert_eq!(answers, vec![Err(TierErrorKind::TimedOut); 4]);
    assert_eq!(fake.calls(), 4);
}

#[tokio::test(start_paused = true)]
async fn one_that_refuses_is_degraded_for_a_while_but_asked() {
    let (fake, tier) = guarded(options());
    fake.does(Does::Refuses);
    for _ in 0..20 {
        assert_eq!(read(&tier).await, Err(TierErrorKind::Refused));
    }
    let state = SharedTier::state(&*tier);
    assert_eq!((state.health, state.why.as_deref()), (TierHealth::Degraded, Some("no rights")));
    fake.does(Does::Answers);
    sleep(Duration::from_secs(11)).await;
    assert_eq!(SharedTier::state(&*tier).health, TierHealth::Up);
}

#[tokio::test(start_paused = true)]
async fn what_is_forgotten_reaches_a_tier_that_is_away() {
    let (fake, tier) = guarded_local();
    assert!(tier.put(&key(), kept(), HandedDown::Written) && tier.holds(&key()));
    fake.does(Does::Fails);
    while tier.get(&key()).await.unwrap_err().kind != TierErrorKind::Away {}
    assert!(tier.holds(&key()) && tier.may_hold(&key()), "it was not asked, which is not that there is nothing");
    assert!(!tier.put(&key(), kept(), HandedDown::Written));
    assert!(!fake.held(), "what it held before is not what was put last");
    tier.forget_sets(&"default".into(), &[Selector::Tag("t".into())]);
    tier.forget(&key());
    assert_eq!(fake.forgotten(), (2, 1));
    let asked = fake.calls();
    assert_eq!(
        tier.settled().await.unwrap_err().kind,
        TierErrorKind::Unreachable,
        "it says so itself: never a silent yes"
    );
    assert_eq!(fake.calls(), asked + 1);
    let state = LocalTier::state(&*tier);
    assert_eq!((state.health, state.dropped), (TierHealth::Away, vec![("away", 1)]));
    fake.does(Does::Answers);
    sleep(Duration::from_millis(1_100)).await;
    assert!(tier.settled().await.is_ok() && tier.get(&key()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn one_that_is_catching_up_is_said_to_be() {
    let (fake, tier) = guarded_local();
    fake.is(TierHealth::CatchingUp);
    assert_eq!(LocalTier::state(&*tier).health, TierHealth::CatchingUp);
    fake.is(TierHealth::Away);
    fake.does(Does::Fails);
    while tier.get(&key()).await.unwrap_err().kind != TierErrorKind::Away {}
    fake.does(Does::Answers);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(tier.get(&key()).await.unwrap_err().kind, TierErrorKind::Away, "it says itself that it is away");
    fake.is(TierHealth::Up);
    sleep(Duration::from_millis(1_100)).await;
    assert!(tier.get(&key()).await.is_ok());
}

#[tokio::test]
async fn its_task_ends_with_it() {
    let (fake, tier) = guarded(options());
    let inner = Arc::downgrade(&fake);
    drop((fake, tier));
    while inner.upgrade().is_some() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn every_call_gets_through() {
    let (fake, tier) = guarded(options());
    let position = tier::position();
    let stamp = hotplate_engine::tier::shared::FleetStamp { key: position, selector: position };
    let name = FenceName { namespace: "default".into(), selector: Selector::Tag("t".into()) };
    assert!(tier.write(&key(), &kept(), position, None).await.is_ok());
    assert!(tier.fill(&key(), &kept(), stamp, None).await.is_ok());
    assert!(tier.raise(&[name], None).await.is_ok());
    assert!(tier.extend(&key(), 1, TIMEOUT).await.is_ok());
    assert!(tier.release(&key(), 1).await.is_ok());
    assert!(tier.poll(&[]).await.is_ok() && tier.ping().await.is_ok());
    assert_eq!((fake.calls(), tier.replica()), (6, 7));
}

#[test]
fn each_change_is_told_when_it_happens_with_how_long_the_trouble_lasted() {
    let (clock, mut told) = (Clock::manual(), Told::nothing(Clock::manual().now()));
    let mut line = |seconds: u64, health, failed| {
        clock.advance(Duration::from_secs(seconds));
        told.line(clock.now(), health, Tally { failed, dropped: failed * 2 })
    };
    let plain = |before| Some(Line { before, changes: 1, trouble: None });
    assert_eq!(line(0, TierHealth::CatchingUp, 0), None, "nothing happened");
    assert_eq!(line(1, TierHealth::Up, 0), plain(TierHealth::CatchingUp));
    assert_eq!(line(1, TierHealth::Up, 0), None);
    assert_eq!(line(1, TierHealth::Away, 5), plain(TierHealth::Up));
    assert_eq!(line(3, TierHealth::Degraded, 6), plain(TierHealth::Away));
    let trouble = Some((Duration::from_secs(7), Tally { failed: 3, dropped: 6 }));
    assert_eq!(line(4, TierHealth::Up, 8), Some(Line { before: TierHealth::Degraded, changes: 1, trouble }));
}

#[test]
fn one_that_comes_and_goes_is_told_seldom_and_its_last_state_always() {
    let (clock, mut lines) = (Clock::manual(), 0);
    let mut told = Told::nothing(clock.now());
    for _ in 0..300 {
        for health in [TierHealth::Away, TierHealth::Up] {
            clock.advance(Duration::from_millis(100));
            lines += u32::from(told.line(clock.now(), health, Tally::default()).is_some());
        }
    }
    assert!((8..=15).contains(&lines), "eight, and one every ten seconds of a minute: {lines}");
    assert_eq!(told.line(clock.now(), TierHealth::Away, Tally::default()), None);
    clock.advance(Duration::from_secs(10));
    let last = told.line(clock.now(), TierHealth::Away, Tally::default()).expect("a line is due");
    assert!(last.changes > 1, "{last:?}");
    assert_eq!(told.line(clock.now(), TierHealth::Away, Tally::default()), None);
}
