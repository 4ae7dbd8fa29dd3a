//! Random operations on a whole cache that is too small for them, and on a reference with room for everything. What is
//! served is what the reference says; a miss where it knows better needs an eviction that was told of, or a refusal.
//! After every step the checker runs, and counters, bytes and entries must agree. The same seed gives the same run; a
//! failure is shrunk to the shortest sequence that still shows it, and printed with its seed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "state_machine/operations.rs"]
mod operations;
#[path = "state_machine/reference.rs"]
mod reference;
#[path = "state_machine/subject.rs"]
mod subject;

use std::cell::Cell;

use operations::Operation;
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngSeed, TestRunner},
};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest};
use reference::Reference;
use subject::{Silenced, Subject};

/// Operations in a sequence.
const STEPS: usize = 500;
/// Sequences of each seed. Four seeds make 120,000 steps.
const SEQUENCES: u32 = 60;

fn config(seed: u64) -> Config {
    let rng_seed = RngSeed::Fixed(seed);
    Config { cases: SEQUENCES, rng_seed, failure_persistence: None, max_shrink_iters: 20_000, ..Config::default() }
}

fn compare(seed: u64) {
    let sequences = Reference::sequential_strategy(STEPS);
    let steps = Cell::new(0);
    let compared = TestRunner::new(config(seed)).run(&sequences, |(start, operations, seen)| {
        steps.set(steps.get() + operations.len());
        Subject::test_sequential(Config::default(), start, operations, seen);
        Ok(())
    });
    if let Err(reason) = compared {
        panic!("seed {seed}: {reason}");
    }
    assert_eq!(steps.get(), STEPS * SEQUENCES as usize);
}

#[test]
fn what_is_served_was_written_last_and_what_is_missing_was_told() {
    compare(1);
}

#[test]
fn what_is_served_was_written_last_and_what_is_missing_was_told_second_seed() {
    compare(2);
}

#[test]
fn what_is_served_was_written_last_and_what_is_missing_was_told_third_seed() {
    compare(3);
}

#[test]
fn what_is_served_was_written_last_and_what_is_missing_was_told_fourth_seed() {
    compare(4);
}

/// What a cache answers to one sequence.
fn answers(seed: u64) -> Vec<String> {
    let sequence = Reference::sequential_strategy(4 * STEPS);
    let (mut reference, operations, _) = sequence.new_tree(&mut TestRunner::new(config(seed))).unwrap().current();
    let mut subject = Subject::init_test(&reference);
    for operation in operations {
        reference = Reference::apply(reference, &operation);
        subject = Subject::apply(subject, &reference, operation);
    }
    subject.trace
}

#[test]
fn the_same_seed_gives_the_same_answers() {
    assert_eq!(answers(5), answers(5));
    assert_ne!(answers(5), answers(6));
}

#[test]
#[should_panic(expected = "not Hit")]
fn evictions_that_nobody_was_told_of_are_found_out() {
    let sequences = Reference::sequential_strategy(STEPS);
    let (start, mut operations, _) = sequences.new_tree(&mut TestRunner::new(config(7))).unwrap().current();
    operations.retain(|operation| matches!(operation, Operation::Put { absent: false, .. } | Operation::Get { .. }));
    Silenced::test_sequential(Config::default(), start, operations, None);
}
