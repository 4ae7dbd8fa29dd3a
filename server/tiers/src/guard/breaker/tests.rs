//! What holds of a breaker whatever happens to it, and the cases that made it what it is.

use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);

fn options() -> BreakerOptions {
    BreakerOptions { failures_max: 3, window_calls_min: 10, trial_calls: 4, ..BreakerOptions::default() }
}

fn at(ms: u64) -> Moment {
    Moment(ms * 1_000_000)
}

/// Makes it fail until it opens, all at this time.
fn open(breaker: &mut Breaker, now: Moment) {
    while let Some(turn) = breaker.turn() {
        breaker.ended(now, turn, false);
    }
}

/// Looks for it, with success, until it is asked again; returns when that is.
fn close(breaker: &mut Breaker) -> Moment {
    loop {
        let look = breaker.look().unwrap();
        if breaker.looked(look, true) {
            return look;
        }
    }
}

#[test]
fn failures_in_a_row_stop_the_asking_and_a_good_call_between_does_not() {
    let mut breaker = Breaker::new(options(), 1);
    for good in [false, false, true, false, false] {
        let turn = breaker.turn().unwrap();
        assert!(!breaker.ended(at(0), turn, good));
    }
    let turn = breaker.turn().unwrap();
    assert!(breaker.ended(at(0), turn, false), "the third in a row");
    assert_eq!((breaker.state(), breaker.turn(), breaker.opened()), (BreakerState::Open, None, 1));
}

#[test]
fn a_share_of_failures_stops_it_too_once_there_were_enough_calls_of_late() {
    let mut breaker = Breaker::new(options(), 1);
    let mut stopped = None;
    for call in 0..20 {
        let turn = breaker.turn().unwrap();
        if breaker.ended(at(call), turn, call % 2 == 0) {
            stopped = Some(call);
            break;
        }
    }
    assert_eq!(stopped, Some(9), "half of the first ten");
    let mut breaker = Breaker::new(options(), 1);
    for call in 0..20 {
        let turn = breaker.turn().unwrap();
        assert!(!breaker.ended(at(call * 2_000), turn, call % 2 == 0), "never ten within its window");
    }
}

#[test]
fn what_began_before_it_opened_says_nothing_afterwards() {
    let mut breaker = Breaker::new(options(), 1);
    let early = breaker.turn().unwrap();
    open(&mut breaker, at(0));
    let now = close(&mut breaker);
    assert!(!breaker.ended(now, early, false), "one failure would stop it now");
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn it_is_asked_again_only_after_every_probe_succeeded() {
    let mut breaker = Breaker::new(options(), 1);
    open(&mut breaker, at(0));
    assert!(!breaker.looked(breaker.look().unwrap(), true));
    assert_eq!((breaker.state(), breaker.turn()), (BreakerState::HalfOpen, None), "no caller finds out");
    assert!(!breaker.looked(breaker.look().unwrap(), false));
    assert_eq!(breaker.state(), BreakerState::Open, "from the beginning");
    close(&mut breaker);
    assert!(breaker.turn().is_some());
}

#[test]
fn one_failure_stops_what_just_came_back_and_waiting_goes_on_longer() {
    let mut breaker = Breaker::new(options(), 1);
    open(&mut breaker, at(0));
    let now = close(&mut breaker);
    let turn = breaker.turn().unwrap();
    assert!(breaker.ended(now, turn, false));
    let waits = breaker.look().unwrap().since(now);
    assert!(waits >= options().wait_min, "at least half of twice the first time: {waits:?}");
    let now = close(&mut breaker);
    for _ in 0..4 {
        let turn = breaker.turn().unwrap();
        breaker.ended(now, turn, true);
    }
    open(&mut breaker, now);
    let waits = breaker.look().unwrap().since(now);
    assert!(waits <= options().wait_min, "trusted again, so as the first time: {waits:?}");
}

/// What can happen to a breaker.
#[derive(Clone, Debug)]
enum Happens {
    Begins,
    Ends { which: usize, good: bool },
    Looked { found: bool },
    Passes(u64),
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        4 => Just(Happens::Begins),
        4 => (0_usize..8, any::<bool>()).prop_map(|(which, good)| Happens::Ends { which, good }),
        2 => any::<bool>().prop_map(|found| Happens::Looked { found }),
        2 => (0_u64..3_000).prop_map(Happens::Passes),
    ]
}

proptest! {
    #[test]
    fn whatever_happens(seed: u64, steps in proptest::collection::vec(happens(), 1..200)) {
        let mut breaker = Breaker::new(options(), seed);
        let (mut now, mut turns, mut found) = (at(0), Vec::new(), 0);
        for step in steps {
            let before = (breaker.state(), breaker.opened());
            match step {
                Happens::Begins => turns.extend(breaker.turn()),
                Happens::Ends { which, good } if which < turns.len() => {
                    let stopped = breaker.ended(now, turns.swap_remove(which), good);
                    prop_assert!(!(stopped && good), "a good call stops nothing");
                    prop_assert_eq!(stopped, breaker.opened() == before.1 + 1);
                    prop_assert!(before.0 == BreakerState::Closed || breaker.state() == before.0, "calls do not bring it back");
                }
                Happens::Looked { found: good } if breaker.look().is_some() => {
                    found = if good { found + 1 } else { 0 };
                    let back = breaker.looked(now, good);
                    prop_assert_eq!(back, found == options().probes, "exactly when all probes succeeded");
                    prop_assert_eq!(back, breaker.state() == BreakerState::Closed);
                    if back { found = 0; }
                }
                Happens::Passes(ms) => now = now.after(MS * u32::try_from(ms).unwrap()),
                _ => {}
            }
            prop_assert_eq!(breaker.turn().is_some(), breaker.look().is_none(), "asked, or looked for: never neither");
            if before.0 == BreakerState::Closed && breaker.state() != BreakerState::Closed {
                found = 0;
                let waits = breaker.look().unwrap().since(now);
                prop_assert!(waits >= options().wait_min / 2 && waits <= options().wait_max, "{:?}", waits);
            }
        }
        // Whatever happened: a tier that answers comes back, and soon.
        let left = now;
        if breaker.look().is_some() {
            let back = close(&mut breaker);
            prop_assert!(back.since(left) <= options().wait_max + options().wait_min, "{:?}", back.since(left));
        }
    }

    #[test]
    fn waiting_grows_to_its_bound_and_is_not_the_same_for_all(seed: u64) {
        let mut breaker = Breaker::new(options(), seed);
        open(&mut breaker, at(0));
        let mut other = Breaker::new(options(), seed.wrapping_add(1));
        open(&mut other, at(0));
        prop_assert_ne!(breaker.look(), other.look());
        for _ in 0..10 {
            let now = breaker.look().unwrap();
            breaker.looked(now, false);
            let waits = breaker.look().unwrap().since(now);
            prop_assert!(waits <= options().wait_max);
        }
        let now = breaker.look().unwrap();
        breaker.looked(now, false);
        prop_assert!(breaker.look().unwrap().since(now) >= options().wait_max / 2);
    }
}
