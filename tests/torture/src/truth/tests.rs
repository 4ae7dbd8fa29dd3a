//! What is found, and what must not be: a judge that cannot condemn shows nothing.

use super::*;

/// A write of key 1 that is sent and answered then.
fn put(truth: &mut Truth, sent: u64, answered: u64) -> u64 {
    let number = truth.writes(1, sent, None);
    truth.wrote(1, number, answered, true);
    number
}

#[test]
fn what_was_written_is_read_and_what_nobody_wrote_is_wrong() {
    let mut truth = Truth::new(4);
    let number = put(&mut truth, 1, 2);
    assert_eq!(truth.read(1, 3, Some(number)), Verdict::Fine);
    assert_eq!(truth.read(1, 3, None), Verdict::Fine);
    assert_eq!(truth.read(1, 3, Some(99)), Verdict::Wrong);
    assert_eq!(truth.read(7, 3, Some(number)), Verdict::Wrong);
}

#[test]
fn what_was_invalidated_does_not_come_back() {
    for named in [Named::Key(1), Named::Tag(1), Named::Prefix(1)] {
        let mut truth = Truth::new(4);
        let number = put(&mut truth, 1, 2);
        truth.invalidates(named);
        assert_eq!(truth.read(1, 3, Some(number)), Verdict::Fine, "{named:?} is not answered yet");
        truth.invalidated(named, 3, 5);
        assert_eq!(truth.read(1, 4, Some(number)), Verdict::Fine, "the read began before the answer");
        assert_eq!(truth.read(1, 6, Some(number)), Verdict::Resurrected);
        truth.killed(7);
        assert_eq!(truth.read_after_restart(1, (8, 8), Some(number), true), Verdict::Resurrected);
    }
}

#[test]
fn a_write_that_was_under_way_while_something_was_invalidated_may_be_seen() {
    let mut truth = Truth::new(4);
    let number = truth.writes(1, 1, None);
    truth.invalidates(Named::Key(1));
    truth.wrote(1, number, 4, true);
    truth.invalidated(Named::Key(1), 3, 5);
    assert_eq!(truth.read(1, 6, Some(number)), Verdict::Fine);
}

#[test]
fn what_was_replaced_is_gone_as_long_as_the_server_lives() {
    let mut truth = Truth::new(4);
    let (old, new) = (put(&mut truth, 1, 2), put(&mut truth, 3, 4));
    assert_eq!(truth.read(1, 5, Some(old)), Verdict::Resurrected);
    assert_eq!(truth.read(1, 5, Some(new)), Verdict::Fine);
    truth.killed(6);
    assert_eq!(
        truth.clone().read_after_restart(1, (7, 7), Some(old), true),
        Verdict::Fine,
        "the newer one was lost with it"
    );
    assert_eq!(truth.read_after_restart(1, (7, 7), Some(new), true), Verdict::Fine);
    truth.killed(8);
    assert_eq!(
        truth.read_after_restart(1, (9, 9), Some(old), true),
        Verdict::Resurrected,
        "but it was seen on the disk"
    );
}

#[test]
fn what_the_disk_did_not_hold_is_not_there_later() {
    let mut truth = Truth::new(4);
    let number = put(&mut truth, 1, 2);
    truth.killed(3);
    assert_eq!(truth.read_after_restart(1, (4, 4), None, true), Verdict::Fine, "it was only acknowledged");
    truth.killed(5);
    assert_eq!(truth.read_after_restart(1, (6, 6), Some(number), true), Verdict::Resurrected);
}

#[test]
fn what_lay_on_the_disk_stays_there() {
    let mut truth = Truth::new(4);
    let number = put(&mut truth, 1, 2);
    truth.killed(3);
    truth.read_after_restart(1, (4, 4), Some(number), true);
    truth.killed(5);
    assert_eq!(truth.clone().read_after_restart(1, (6, 6), None, false), Verdict::Fine, "a small disk makes room");
    assert_eq!(truth.read_after_restart(1, (6, 6), None, true), Verdict::Lost);

    let mut truth = Truth::new(4);
    let number = put(&mut truth, 1, 2);
    truth.killed(3);
    truth.read_after_restart(1, (4, 4), Some(number), true);
    truth.invalidates(Named::Tag(1));
    truth.killed(5);
    assert_eq!(truth.read_after_restart(1, (6, 6), None, true), Verdict::Fine, "it was touched since");
}

#[test]
fn what_was_stored_before_an_end_in_order_is_there() {
    let mut truth = Truth::new(4);
    put(&mut truth, 1, 2);
    put(&mut truth, 3, 4);
    truth.ended_in_order();
    assert_eq!(truth.read_after_restart(1, (5, 5), None, true), Verdict::Lost);

    let mut truth = Truth::new(4);
    put(&mut truth, 1, 2);
    let failed = truth.writes(1, 3, None);
    truth.write_failed(1, failed, 4);
    truth.ended_in_order();
    assert_eq!(truth.read_after_restart(1, (5, 5), None, true), Verdict::Fine, "one that failed may have been a write");

    for answered in [false, true] {
        let mut truth = Truth::new(4);
        truth.invalidates(Named::Tag(1));
        put(&mut truth, 2, 3);
        if answered {
            truth.invalidated(Named::Tag(1), 1, 4);
        } else {
            truth.invalidate_failed(Named::Tag(1));
        }
        truth.ended_in_order();
        assert_eq!(truth.read_after_restart(1, (5, 5), None, true), Verdict::Fine, "which was first is not known");
    }
}

#[test]
fn what_has_ended_is_not_served() {
    let mut truth = Truth::new(4);
    let number = truth.writes(1, 1, Some(10));
    truth.wrote(1, number, 2, true);
    assert_eq!(truth.read(1, 11, Some(number)), Verdict::Fine);
    assert_eq!(truth.read(1, 13, Some(number)), Verdict::Resurrected);
    truth.ended_in_order();
    let mut later = truth.clone();
    assert_eq!(later.read_after_restart(1, (9, 10), None, true), Verdict::Lost, "it lived at least until 11");
    assert_eq!(
        truth.read_after_restart(1, (10, 11), None, true),
        Verdict::Fine,
        "it may have been over while it was read"
    );
}
