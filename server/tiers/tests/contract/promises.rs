//! The promises of the port, one by one, on every form of Redis.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, stream::BoxStream};
use hotplate_engine::{
    chunks::{Chunk, Chunks, Collecting, digest_of_value},
    entry::{Negative, Payload},
    key::Key,
    position::{LogId, Position},
    tier::{
        Kept,
        shared::{FleetStamp, Hint, LeaseTurn, LeaseWish, SharedAgain, SharedFill, SharedTier, Since, WrittenHint},
    },
};

use crate::harness::*;

/// What every form of Redis does, behind the guard and without.
async fn keeps_all_promises(redis: Redis) {
    for (one, other) in
        [(redis.tier() as Arc<dyn SharedTier>, redis.tier() as Arc<dyn SharedTier>), (redis.guarded(), redis.guarded())]
    {
        all(&*one, &*other).await;
    }
}

/// All of them, of two tiers on the same Redis.
pub(crate) async fn all(one: &dyn SharedTier, other: &dyn SharedTier) {
    an_entry_comes_back_as_it_was(one, other).await;
    the_last_write_stays(one, other).await;
    an_invalidation_is_seen_by_all(one, other).await;
    a_fill_that_began_before_a_change_is_too_late(one, other).await;
    a_life_is_given_anew_to_the_same_entry_only(one, other).await;
    a_write_is_repeated_unless_something_else_happened(one, other).await;
    what_is_too_large_takes_the_older_one_with_it(one).await;
    what_came_in_chunks_lies_there_in_one_piece(one, other).await;
    a_lease_is_held_by_one(one, other).await;
    a_stale_entry_is_renewed_by_one(one, other).await;
    what_happened_since_can_be_asked(one, other).await;
    changes_are_told(one, other).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_server_keeps_all_promises() {
    keeps_all_promises(Redis::single()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_under_sentinels_keeps_all_promises() {
    keeps_all_promises(Redis::sentinel()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_keeps_all_promises() {
    keeps_all_promises(Redis::cluster()).await;
}

async fn an_entry_comes_back_as_it_was(one: &dyn SharedTier, other: &dyn SharedTier) {
    let key = key("as it was {x}");
    let selector = now(one, LogId::SELECTOR, None).await.position;
    let entry = kept(&"value ".repeat(2000));
    let written = one.write(&key, &entry, selector, None).await.unwrap();
    let found = other.read(&key, None, None).await.unwrap().found.unwrap();
    assert_eq!(found.kept, entry);
    assert_eq!((found.stamp.key, found.stamp.selector), (written.now.position, selector));

    let negative = Negative { reason: "NOT_FOUND".into(), message: "there is none".into() };
    let absent = Kept { payload: Payload::Negative(negative), ..kept("") };
    one.write(&key, &absent, selector, None).await.unwrap();
    assert_eq!(other.read(&key, None, None).await.unwrap().found.unwrap().kept.payload, absent.payload);

    // Written at the end of its life it is not stored any more.
    let short = || kept_for("short", Duration::from_millis(150));
    eventually("one is stored that ends soon", || async {
        one.write(&key, &short(), selector, None).await.unwrap().stored
    })
    .await;
    eventually("an entry ends", || async { value(other, &key).await.is_none() }).await;
}

async fn the_last_write_stays(one: &dyn SharedTier, other: &dyn SharedTier) {
    let key = key("last");
    let first = put(one, &key, "1").await;
    let second = put(other, &key, "2").await;
    assert_eq!(second.position.epoch, first.position.epoch);
    assert!(second.position.number > first.position.number);
    assert_eq!(value(one, &key).await.as_deref(), Some("2"));
}

async fn an_invalidation_is_seen_by_all(one: &dyn SharedTier, other: &dyn SharedTier) {
    let (key, kin) = (key("dropped"), key("kin"));
    put(one, &key, "x").await;
    put(one, &kin, "y").await;
    let before = stamp(one, &key).await;
    let raised = other.raise(&[of_key(&key), of_tag("red"), of_tag("blue")], None).await.unwrap();
    assert_eq!(raised.len(), 2, "one change in each log");
    let position = |log| raised.iter().find(|now| now.log == log).unwrap().position;
    assert_eq!(position(key.log()).number, before.key.number + 1);
    assert_eq!(position(LogId::SELECTOR).number, before.selector.number + 1);
    assert_eq!(value(one, &key).await, None);
    // Selector fences are for the caller to see: what they select still lies there, with its stamp.
    let found = one.read(&kin, None, None).await.unwrap().found.unwrap();
    assert!(found.stamp.selector.number < position(LogId::SELECTOR).number);
}

async fn a_fill_that_began_before_a_change_is_too_late(one: &dyn SharedTier, other: &dyn SharedTier) {
    let key = key("fill");
    one.raise(&[of_key(&key)], None).await.unwrap();
    let began = stamp(one, &key).await;
    assert!(matches!(one.fill(&key, &kept("in time"), began, None).await.unwrap(), SharedFill::Stored(_)));
    let found = other.read(&key, None, None).await.unwrap().found.unwrap();
    assert_eq!(found.stamp, began);

    put(other, &key, "newer").await;
    assert!(matches!(one.fill(&key, &kept("old"), began, None).await.unwrap(), SharedFill::TooLate(_)));
    assert_eq!(value(one, &key).await.as_deref(), Some("newer"));

    let mut elsewhere = stamp(one, &key).await;
    elsewhere.key.epoch ^= 1;
    assert!(matches!(one.fill(&key, &kept("other epoch"), elsewhere, None).await.unwrap(), SharedFill::TooLate(_)));
    let mut future = stamp(one, &key).await;
    future.key.number += 1;
    assert!(matches!(one.fill(&key, &kept("from the future"), future, None).await.unwrap(), SharedFill::TooLate(_)));
}

async fn a_life_is_given_anew_to_the_same_entry_only(one: &dyn SharedTier, other: &dyn SharedTier) {
    let key = key("relive");
    let late = |lives: SharedFill| matches!(lives, SharedFill::TooLate(_));
    put(one, &key, "first").await;
    let seen = other.read(&key, None, None).await.unwrap().found.unwrap();
    let longer = Kept { usable_until: seen.kept.usable_until + Duration::from_secs(60), ..seen.kept.clone() };
    // Valid at a place before the change that stored it: that it lies there says that nothing happened since.
    let began = FleetStamp { key: Position { number: 0, ..seen.stamp.key }, ..stamp(other, &key).await };
    assert!(!late(other.relive(&key, &longer, began).await.unwrap()));
    let found = one.read(&key, None, None).await.unwrap().found.unwrap();
    assert_eq!((&found.kept, found.stamp.key), (&longer, seen.stamp.key));

    // A writer replaced it, or another computed it anew, which raises no fence: that stays.
    let began = stamp(other, &key).await;
    put(one, &key, "second").await;
    assert!(late(other.relive(&key, &longer, began).await.unwrap()));
    assert_eq!(value(one, &key).await.as_deref(), Some("second"));
    let began = stamp(one, &key).await;
    one.fill(&key, &kept("third"), began, None).await.unwrap();
    assert!(late(other.relive(&key, &kept("second"), began).await.unwrap()));
    assert_eq!(value(one, &key).await.as_deref(), Some("third"));

    // It was dropped: it stays so. Of what made room for others nobody said that.
    one.raise(&[of_key(&key)], None).await.unwrap();
    assert!(late(other.relive(&key, &kept("third"), began).await.unwrap()));
    assert_eq!(value(one, &key).await, None);
    let began = stamp(other, &key).await;
    assert!(!late(other.relive(&key, &kept("fourth"), began).await.unwrap()));
    assert_eq!(value(one, &key).await.as_deref(), Some("fourth"));
}

async fn a_write_is_repeated_unless_something_else_happened(one: &dyn SharedTier, other: &dyn SharedTier) {
    let key = key("again");
    put(other, &key, "first").await;
    let began = stamp(one, &key).await;
    let again = async |entry: &str| one.write_again(&key, &kept(entry), began).await.unwrap();
    let SharedAgain::There { change, now } = again("second").await else { panic!("nothing happened since") };
    assert_eq!((change, change.number), (now.position, began.key.number + 1));
    let found = other.read(&key, None, None).await.unwrap().found.unwrap();
    assert_eq!((found.stamp.key, found.stamp.selector), (change, began.selector));
    // That it was done already is seen.
    let SharedAgain::There { change: same, .. } = again("second").await else { panic!("it lies there") };
    assert_eq!(same, change);
    assert_eq!(stamp(one, &key).await.key, change, "nothing was done again");
    assert!(matches!(again("another").await, SharedAgain::TooLate(_)));
    assert_eq!(value(other, &key).await.as_deref(), Some("second"));
    other.raise(&[of_key(&key)], None).await.unwrap();
    assert!(matches!(again("second").await, SharedAgain::TooLate(_)), "it was dropped since");
    put(other, &key, "second").await;
    let mut elsewhere = stamp(one, &key).await;
    elsewhere.key.epoch ^= 1;
    let asked = one.write_again(&key, &kept("third"), elsewhere).await.unwrap();
    assert!(matches!(asked, SharedAgain::TooLate(_)));
    assert_eq!(value(one, &key).await.as_deref(), Some("second"));
}

async fn what_is_too_large_takes_the_older_one_with_it(one: &dyn SharedTier) {
    let key = key("large");
    let large = kept(&"x".repeat(usize::try_from(VALUE_BYTES_MAX).unwrap() + 1));
    is_too_large(one, (&key, &large)).await;
    let Payload::Value(value) = &large.payload else { unreachable!("it is a value") };
    is_too_large(one, (&key, &Kept { payload: Payload::Chunks(Chunks::cut(value)), ..large.clone() })).await;
}

async fn is_too_large(one: &dyn SharedTier, (key, large): (&Key, &Kept)) {
    put(one, key, "small").await;
    let selector = now(one, LogId::SELECTOR, None).await.position;
    let before = now(one, key.log(), None).await.position;
    let written = one.write(key, large, selector, None).await.unwrap();
    assert!(!written.stored && written.now.position.number == before.number + 1);
    assert_eq!(value(one, key).await, None);
    let began = stamp(one, key).await;
    assert_eq!(one.fill(key, large, began, None).await.unwrap(), SharedFill::TooLarge);
}

/// Other replicas may be of a version that knows no chunks.
async fn what_came_in_chunks_lies_there_in_one_piece(one: &dyn SharedTier, other: &dyn SharedTier) {
    let key = key("chunks");
    let mut collecting = Collecting::new();
    for text in ["a ", "stream ", "of tokens"] {
        collecting.push(Chunk::new(Bytes::from_static(text.as_bytes())));
    }
    let chunks = collecting.finish(None);
    let whole = kept("a stream of tokens");
    assert_eq!(chunks.digest(), digest_of_value(b"a stream of tokens"));
    let cut = Kept { digest: chunks.digest(), payload: Payload::Chunks(chunks), ..whole };
    let selector = now(one, LogId::SELECTOR, None).await.position;
    assert!(one.write(&key, &cut, selector, None).await.unwrap().stored);
    let found = other.read(&key, None, None).await.unwrap().found.unwrap().kept;
    assert_eq!(found.payload, Payload::Value(Bytes::from_static(b"a stream of tokens")));
    assert_eq!(found.digest, cut.digest);
}

fn wish(token: u128, duration: Duration) -> Option<LeaseWish> {
    Some(LeaseWish { token, duration, unless_stored_after: None })
}

async fn a_lease_is_held_by_one(one: &dyn SharedTier, other: &dyn SharedTier) {
    let key = key("leased");
    one.raise(&[of_key(&key)], None).await.unwrap();
    let long = Duration::from_secs(20);
    assert_eq!(one.read(&key, None, None).await.unwrap().lease, LeaseTurn::None);
    assert_eq!(one.read(&key, None, wish(1, long)).await.unwrap().lease, LeaseTurn::Granted);
    assert_eq!(
        one.read(&key, None, wish(1, long)).await.unwrap().lease,
        LeaseTurn::Granted,
        "asked twice by its holder"
    );
    let LeaseTurn::Taken(left) = other.read(&key, None, wish(2, long)).await.unwrap().lease else { panic!("taken") };
    assert!(left <= long && left > long / 2, "{left:?}");
    assert!(one.extend(&key, 1, long * 2).await.unwrap() && !other.extend(&key, 2, long).await.unwrap());
    other.release(&key, 2).await.unwrap();
    assert!(matches!(other.read(&key, None, wish(2, long)).await.unwrap().lease, LeaseTurn::Taken(_)));
    one.release(&key, 1).await.unwrap();
    assert_eq!(other.read(&key, None, wish(2, long)).await.unwrap().lease, LeaseTurn::Granted);

    // A fill ends the lease of its token, a write any, an invalidation any: what is computed under it is too late.
    let began = stamp(other, &key).await;
    other.fill(&key, &kept("x"), began, Some(2)).await.unwrap();
    let read = one.read(&key, None, wish(3, long)).await.unwrap();
    assert!(read.lease == LeaseTurn::None && read.found.is_some());
    one.raise(&[of_key(&key)], None).await.unwrap();
    assert_eq!(one.read(&key, None, wish(4, long)).await.unwrap().lease, LeaseTurn::Granted);
    one.raise(&[of_key(&key)], None).await.unwrap();
    assert_eq!(other.read(&key, None, wish(5, long)).await.unwrap().lease, LeaseTurn::Granted);
    put(one, &key, "written").await;
    assert!(!other.extend(&key, 5, long).await.unwrap());

    one.raise(&[of_key(&key)], None).await.unwrap();
    assert_eq!(one.read(&key, None, wish(6, Duration::from_millis(80))).await.unwrap().lease, LeaseTurn::Granted);
    eventually("a lease ends by itself", || async {
        other.read(&key, None, wish(7, long)).await.unwrap().lease == LeaseTurn::Granted
    })
    .await;
    other.release(&key, 7).await.unwrap();
}

async fn a_stale_entry_is_renewed_by_one(one: &dyn SharedTier, other: &dyn SharedTier) {
    let key = key("renewed");
    put(one, &key, "old").await;
    let stored = one.read(&key, None, None).await.unwrap().found.unwrap().kept.stored;
    let duration = Duration::from_secs(20);
    let wish = |token, moment| Some(LeaseWish { token, duration, unless_stored_after: Some(moment) });
    let read = one.read(&key, None, wish(1, stored)).await.unwrap();
    assert!(read.lease == LeaseTurn::None && read.found.is_some(), "new enough");
    let later = stored + Duration::from_millis(1);
    let read = one.read(&key, None, wish(1, later)).await.unwrap();
    assert!(read.lease == LeaseTurn::Granted && read.found.is_some(), "the old one is there meanwhile");
    assert!(matches!(other.read(&key, None, wish(2, later)).await.unwrap().lease, LeaseTurn::Taken(_)));
    one.release(&key, 1).await.unwrap();
}

async fn what_happened_since_can_be_asked(one: &dyn SharedTier, other: &dyn SharedTier) {
    let key = key("asked");
    let begin = now(one, key.log(), None).await;
    assert_eq!(begin.since, Since::NotAsked);
    assert_eq!(fences(&now(one, key.log(), Some(begin.position)).await), vec![]);
    put(other, &key, "1").await;
    let second = put(other, &key, "2").await.position.number;
    assert_eq!(second, begin.position.number + 2);
    let expected = vec![(of_key(&key), second)];
    let read = one.read(&key, Some(begin.position), None).await.unwrap();
    assert_eq!((fences(&read.now), read.now.position.number), (expected.clone(), second));
    assert_eq!(fences(&now(one, key.log(), Some(begin.position)).await), expected);
    let selector = now(one, LogId::SELECTOR, None).await.position;
    let written = one.write(&key, &kept("3"), selector, Some(begin.position)).await.unwrap();
    assert_eq!(fences(&written.now), vec![(of_key(&key), second + 1)]);

    let at = written.now.position;
    for lost in [Position { epoch: at.epoch ^ 1, ..at }, Position { number: at.number + 1, ..at }] {
        assert_eq!(now(one, key.log(), Some(lost)).await.since, Since::Lost);
        assert_eq!(one.read(&key, Some(lost), None).await.unwrap().now.since, Since::Lost);
    }
    assert_eq!(now(one, key.log(), None).await.run, now(other, key.log(), None).await.run);
}

/// Waits for a hint. Nodes of a cluster tell in no common order: what was changed before may be told later.
async fn hears(hints: &mut BoxStream<'static, Hint>, is_it: impl Fn(&Hint) -> bool) {
    for _other in 0..50 {
        let hint = hints.next().await.unwrap();
        assert_ne!(hint, Hint::Lost);
        if is_it(&hint) {
            return;
        }
    }
    panic!("it is not told");
}

async fn changes_are_told(one: &dyn SharedTier, other: &dyn SharedTier) {
    let (key, mut hints) = (key("told"), other.hints());
    assert_eq!(hints.next().await, Some(Hint::Lost), "what was told before is not known");
    assert_eq!(hints.next().await, Some(Hint::Lost), "it listens now");
    let put = put(one, &key, "12345").await;
    let hint = WrittenHint { size_bytes: 5, negative: false, kind: "fit".into(), tags: vec!["red".into()] };
    let replica = one.replica();
    let (log, position, names) = (key.log(), put.position, vec![of_key(&key)]);
    let written = Some(hint.clone());
    hears(&mut hints, |hint| {
        *hint == Hint::Raised { log, position, names: names.clone(), written: written.clone(), replica, marks: None }
    })
    .await;

    let marks = Some(Duration::from_secs(7));
    let names = vec![of_tag("a"), of_tag("b")];
    let raised = one.raise(&names, marks).await.unwrap();
    let (log, position) = (LogId::SELECTOR, raised[0].position);
    hears(&mut hints, |hint| {
        *hint == Hint::Raised { log, position, names: names.clone(), written: None, replica, marks }
    })
    .await;

    let began = stamp(one, &key).await;
    one.fill(&key, &kept("12345"), began, None).await.unwrap();
    let settled = Hint::Settled { key: key.clone(), written: Some(hint), replica };
    hears(&mut hints, |hint| *hint == settled).await;
    one.raise(&[of_key(&key)], None).await.unwrap();
    hears(&mut hints, |hint| matches!(hint, Hint::Raised { log, .. } if *log == key.log())).await;
    assert_eq!(one.read(&key, None, wish(9, Duration::from_secs(5))).await.unwrap().lease, LeaseTurn::Granted);
    one.release(&key, 9).await.unwrap();
    let settled = Hint::Settled { key, written: None, replica };
    hears(&mut hints, |hint| *hint == settled).await;
}
