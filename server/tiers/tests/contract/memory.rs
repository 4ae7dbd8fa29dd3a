//! What Redis does with its memory: full, evicting, emptied, full of fences, with things in it that are none of ours.

use std::time::Duration;

use hotplate_engine::{
    clock::Clock,
    key::Key,
    position::{LogId, Position},
    selector::Selector,
    tier::{
        TierErrorKind, TierHealth,
        shared::{FenceName, LeaseTurn, LeaseWish, SharedFill, SharedTier, Since},
    },
};
use hotplate_redisctl::{Options, Server};

use crate::harness::*;

fn log_name(log: LogId) -> String {
    format!("hp:{{{}}}:c", log.number())
}

fn value_name(key: &Key) -> String {
    format!("hp:{{{}}}:v:{}:{}", key.log().number(), key.namespace(), key.text())
}

/// Fences enough for a log to forget some.
fn many_keys(log: LogId, count: usize) -> Vec<FenceName> {
    let keys = (0..).map(|n| key(&format!("many {n}"))).filter(|key| key.log() == log);
    keys.take(count).map(|key| of_key(&key)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_to_lie_there_leaves_nothing_older_there() {
    let server = Server::start().unwrap();
    let (tier, key) = (tier(&server.url()), key("grown"));
    let large = "x".repeat(usize::try_from(VALUE_BYTES_MAX).unwrap() + 1);
    put(&*tier, &key, "old").await;
    let began = stamp(&*tier, &key).await;
    let unless_stored_after = Some(Clock::system().wall(Clock::system().now()) + Duration::from_secs(1));
    let wish = LeaseWish { token: 1, duration: Duration::from_secs(9), unless_stored_after };
    assert_eq!(tier.read(&key, None, Some(wish)).await.unwrap().lease, LeaseTurn::Granted);
    let filled = tier.fill(&key, &kept(&large), began, Some(1)).await.unwrap();
    assert_eq!(filled, SharedFill::TooLarge);
    assert_eq!(value(&*tier, &key).await, None);
    assert!(!tier.extend(&key, 1, Duration::from_secs(9)).await.unwrap(), "its lease has ended");

    put(&*tier, &key, "newer").await;
    let filled = tier.fill(&key, &kept(&large), began, None).await.unwrap();
    assert!(matches!(filled, SharedFill::TooLate(_)), "{filled:?}");
    assert_eq!(value(&*tier, &key).await.as_deref(), Some("newer"), "what was computed too late drops nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_redis_is_full_nothing_is_stored_and_all_is_forgotten_that_must_be() {
    let server = Server::start().unwrap();
    let (tier, key) = (tier(&server.url()), key("full"));
    put(&*tier, &key, "old").await;
    let began = stamp(&*tier, &key).await;
    server.config_set("maxmemory", "1").unwrap();

    let full = tier.fill(&key, &kept("computed"), began, None).await.unwrap_err();
    assert_eq!(full.kind, TierErrorKind::Full);
    assert_eq!(value(&*tier, &key).await, None, "what it was to replace is older than what its caller has");
    server.config_set("maxmemory", "0").unwrap();
    put(&*tier, &key, "newer").await;
    server.config_set("maxmemory", "1").unwrap();
    let late = tier.fill(&key, &kept("computed"), began, None).await.unwrap();
    assert!(matches!(late, SharedFill::TooLate(_)), "{late:?}");
    assert_eq!(value(&*tier, &key).await.as_deref(), Some("newer"));
    let began = stamp(&*tier, &key).await;
    let written = tier.write(&key, &kept("new"), began.selector, Some(began.key)).await.unwrap();
    assert!(!written.stored && written.now.position.number == began.key.number + 1);
    let state = tier.state();
    assert!(state.health == TierHealth::Degraded && state.why.unwrap().contains("full"));
    assert_eq!(value(&*tier, &key).await, None, "the older one is not the truth any more");
    let raised = tier.raise(&[of_key(&key), of_tag("x")], None).await.unwrap();
    assert_eq!(raised.len(), 2);
    let lease = Some(LeaseWish { token: 1, duration: Duration::from_secs(9), unless_stored_after: None });
    assert_eq!(tier.read(&key, None, lease).await.unwrap().lease, LeaseTurn::Granted);
    assert!(
        matches!(tier.fill(&key, &kept("x"), stamp(&*tier, &key).await, Some(1)).await, Err(error) if error.kind == TierErrorKind::Full)
    );
    assert!(!tier.extend(&key, 1, Duration::from_secs(9)).await.unwrap(), "who waits need not");
    assert_eq!(tier.state().dropped.iter().find(|(why, _)| *why == "full").unwrap().1, 3);

    server.config_set("maxmemory", "0").unwrap();
    put(&*tier, &key, "there is room again").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_gone_begins_again_and_says_so() {
    let server = Server::start().unwrap();
    let (tier, key) = (tier(&server.url()), key("emptied"));
    let before = put(&*tier, &key, "x").await;
    // As eviction does it: one key, whole.
    server.command(&["UNLINK", &log_name(key.log())]).unwrap();
    let read = tier.read(&key, Some(before.position), None).await.unwrap();
    assert_ne!(read.now.position.epoch, before.position.epoch);
    assert_eq!(read.now.since, Since::Lost);

    let before = put(&*tier, &key, "y").await;
    server.command(&["FLUSHALL"]).unwrap();
    let after = now(&*tier, key.log(), Some(before.position)).await;
    assert!(after.position.epoch != before.position.epoch && after.since == Since::Lost);
    let late = hotplate_engine::tier::shared::FleetStamp { key: before.position, selector: before.position };
    assert!(matches!(tier.fill(&key, &kept("late"), late, None).await.unwrap(), SharedFill::TooLate(_)));

    let before = put(&*tier, &key, "z").await;
    server.command(&["FLUSHALL"]).unwrap();
    let raised = tier.raise(&[of_key(&key)], None).await.unwrap();
    assert!(raised[0].position.epoch != before.position.epoch && raised[0].position.number == 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_evicts_logs_is_said_to_be_one() {
    let server = Server::with(Options::default().arguments(&["--maxmemory", "100mb"])).unwrap();
    let tier = tier(&server.url());
    now(&*tier, LogId::SELECTOR, None).await;
    assert_eq!(tier.state().health, TierHealth::Up);
    server.config_set("maxmemory-policy", "allkeys-lru").unwrap();
    now(&*tier, LogId::SELECTOR, None).await;
    let state = tier.state();
    assert_eq!(state.health, TierHealth::Degraded);
    assert!(state.why.unwrap().contains("allkeys-lru"));
    server.config_set("maxmemory-policy", "volatile-lfu").unwrap();
    now(&*tier, LogId::SELECTOR, None).await;
    assert_eq!(tier.state().health, TierHealth::Up);
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_that_redis_forgot_are_learnt_again() {
    let server = Server::start().unwrap();
    let (tier, key) = (tier(&server.url()), key("scripts"));
    put(&*tier, &key, "1").await;
    server.command(&["SCRIPT", "FLUSH"]).unwrap();
    put(&*tier, &key, "2").await;
    server.command(&["SCRIPT", "FLUSH"]).unwrap();
    tier.raise(&[of_key(&key)], None).await.unwrap();
    server.command(&["SCRIPT", "FLUSH"]).unwrap();
    tier.release(&key, 5).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_ours_is_dropped_and_never_served() {
    let server = Server::start().unwrap();
    let (tier, key, other) = (tier(&server.url()), key("mine"), key("of another one"));
    put(&*tier, &key, "mine").await;
    put(&*tier, &other, "another's").await;
    let name = value_name(&key);
    let record = server.command(&["GET", &name]).unwrap();
    let hotplate_redisctl::Value::BulkString(record) = record else { panic!("a record") };

    let mut expected = 0;
    let mut is_dropped = async |how: &str| {
        expected += 1;
        assert_eq!(value(&*tier, &key).await, None, "{how}");
        assert_eq!(server.command(&["EXISTS", &name]).unwrap(), hotplate_redisctl::Value::Int(0), "{how}");
        assert_eq!(tier.state().corrupt, expected, "{how}");
    };
    server.command(&["SET", &name, "junk"]).unwrap();
    is_dropped("foreign bytes").await;
    server.command(&["LPUSH", &name, "junk"]).unwrap();
    is_dropped("another type").await;
    server.command(&["COPY", &value_name(&other), &name]).ok();
    server
        .command(&["EVAL", "redis.call('SET', KEYS[2], redis.call('GET', KEYS[1]))", "2", &value_name(&other), &name])
        .unwrap();
    is_dropped("another key's entry").await;
    // Any bit of it, in the stamp, the head or the value.
    for at in (0..record.len()).step_by(7) {
        server.command(&["SET", &name, "x"]).unwrap();
        let mut pairs: Vec<String> = Vec::new();
        for (n, byte) in record.iter().enumerate() {
            pairs.push(format!("{}", if n == at { byte ^ 16 } else { *byte }));
        }
        let set = "local t={} for i=1,#ARGV do t[i]=string.char(tonumber(ARGV[i])) end redis.call('SET',KEYS[1],table.concat(t))";
        let mut words = vec!["EVAL", set, "1", &name];
        words.extend(pairs.iter().map(String::as_str));
        server.command(&words).unwrap();
        is_dropped(&format!("byte {at}")).await;
    }
    put(&*tier, &key, "mine again").await;
    assert_eq!(value(&*tier, &key).await.as_deref(), Some("mine again"));

    // A log that holds something else is begun anew.
    let log = log_name(key.log());
    server.command(&["SET", &log, "junk"]).unwrap();
    put(&*tier, &key, "on top of it").await;
    server.command(&["SET", &log, "junk"]).unwrap();
    assert!(tier.read(&key, None, None).await.unwrap().found.is_some());
    // Marks that are none, too.
    server.command(&["ZADD", &log, "0.5", "!r"]).unwrap();
    assert!(tier.read(&key, None, None).await.is_err() || tier.raise(&[of_key(&key)], None).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_keeps_so_many_fences_and_says_which_it_forgot() {
    let server = Server::start().unwrap();
    let (tier, key) = (tier(&server.url()), key("kept"));
    let log = key.log();
    put(&*tier, &key, "x").await;
    let before = stamp(&*tier, &key).await;
    // Each name is a change of its own, or they would all have the same number.
    let names = many_keys(log, 4700);
    for names in names.chunks(100) {
        tier.raise(names, None).await.unwrap();
    }
    let after = now(&*tier, log, Some(before.key)).await;
    assert_eq!(after.since, Since::Lost);
    assert!(after.floor > before.key.number, "{after:?}");
    let count = server.command(&["ZCARD", &log_name(log)]).unwrap();
    assert!(matches!(count, hotplate_redisctl::Value::Int(count) if count <= 4096 + 5), "{count:?}");
    assert_eq!(value(&*tier, &key).await.as_deref(), Some("x"), "what lies there was not invalidated");
    // What began before the floor may have been invalidated: nobody knows any more.
    assert!(matches!(tier.fill(&key, &kept("late"), before, None).await.unwrap(), SharedFill::TooLate(_)));
    let from_floor = Position { number: after.floor, ..after.position };
    let kept_fences = fences(&now(&*tier, log, Some(from_floor)).await);
    assert!(kept_fences.len() > 3000 && kept_fences.iter().all(|(_, number)| *number > after.floor));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_selector_log_keeps_more_and_those_of_whole_namespaces_longest() {
    let server = Server::start().unwrap();
    let tier = tier(&server.url());
    let everything = FenceName { namespace: "gone".into(), selector: Selector::Everything };
    let begin = now(&*tier, LogId::SELECTOR, None).await.position;
    tier.raise(std::slice::from_ref(&everything), None).await.unwrap();
    let names: Vec<FenceName> = (0..3000).map(|n| of_tag(&format!("early {n}"))).collect();
    for names in names.chunks(500) {
        tier.raise(names, None).await.unwrap();
    }
    let all = fences(&now(&*tier, LogId::SELECTOR, Some(begin)).await);
    assert_eq!(all.len(), 3001, "more than one page");
    assert!(all.is_sorted_by_key(|(_, number)| *number));

    let names: Vec<FenceName> = (0..66_000).map(|n| of_tag(&format!("tag {n}"))).collect();
    for names in names.chunks(512) {
        tier.raise(names, None).await.unwrap();
    }
    let last = now(&*tier, LogId::SELECTOR, None).await;
    assert!(last.floor > begin.number + 1);
    let member = server.command(&["ZSCORE", &log_name(LogId::SELECTOR), "*:gone:"]).unwrap();
    assert_ne!(member, hotplate_redisctl::Value::Nil);
    let all = fences(&now(&*tier, LogId::SELECTOR, Some(Position { number: last.floor, ..last.position })).await);
    assert!(all.len() > 60_000, "{}", all.len());
}
