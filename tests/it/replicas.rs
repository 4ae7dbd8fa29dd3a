//! Several servers on one Redis: what one changes the others know, positions hold on all of them, one of them computes, and
//! all of them go on when Redis is gone.

use std::time::Duration;

use hotplate_proto::v1::{self, EventType, GetOutcome, PutOutcome};
use hotplate_redisctl::{Options, Server as Redis};
use tokio::task::JoinSet;
use tonic::Code;
use tonic_types::StatusExt;

use crate::{
    follower::{Follower, told},
    harness::{Server, Setup},
    wire::*,
};

/// A server that shares this Redis. Calls to it have all the time there is: these machines may be busy, and a server does
/// without a Redis that is late, as it should.
pub(crate) fn sharing(url: &str) -> Setup {
    let setup = Setup::default().env("HOTPLATE_SHARED_URL", url);
    setup.env("HOTPLATE_SHARED_TIMEOUT", "10s").env("HOTPLATE_SHARED_CHANGE_TIMEOUT", "10s")
}

/// Redis and so many servers that share it.
fn replicas(count: usize) -> (Redis, Vec<Server>) {
    let redis = Redis::start().expect("redis-server starts");
    let servers = (0..count).map(|_| sharing(&redis.url()).spawn()).collect();
    (redis, servers)
}

async fn clients(servers: &[Server]) -> Vec<Client> {
    let mut clients = Vec::new();
    for server in servers {
        clients.push(server.client().await);
    }
    clients
}

/// Waits until a server has heard what the others changed. One that was held up at its start begins alone, as it should.
async fn joined(client: &Client) {
    let health =
        || async { client.clone().count("*").await.tiers.iter().map(v1::TierStats::health).collect::<Vec<_>>() };
    until("it has joined", health, |tiers| tiers.iter().all(|health| *health == v1::TierHealth::Up)).await;
}

/// Waits until a server has, or has not, a value of the key.
async fn becomes(client: &Client, key: &str, value: Option<&str>) {
    let ask = || async { client.clone().value(key).await.ok() };
    until("the other server knows", ask, |read| read.as_deref() == value.map(str::as_bytes)).await;
}

#[tokio::test]
async fn what_one_server_changes_the_other_knows() {
    let (_redis, servers) = replicas(2);
    let [a, b] = &mut clients(&servers).await[..] else { unreachable!() };
    a.store(put_tagged("k", "one", &["t"])).await;
    let answer = b.ask(get("k")).await;
    assert_eq!((value_of(&answer), answer.served_from()), (&b"one"[..], v1::Tier::Shared));
    // A server that was held up does not keep what it read: it might not have heard of a change meanwhile.
    let reader = &*b;
    let from = || async { reader.clone().ask(get("k")).await.served_from() };
    until("it keeps what it read", from, |from| *from == v1::Tier::Memory).await;
    a.store(put_tagged("k", "two", &["t"])).await;
    becomes(b, "k", Some("two")).await;
    for selector in [select::key("k"), select::tag("t"), select::prefix("k"), select::everything()] {
        a.store(put_tagged("k", "three", &["t"])).await;
        becomes(b, "k", Some("three")).await;
        b.drop_all(vec![selector]).await;
        assert!(b.value("k").await.is_err(), "who answered has it no more");
        becomes(a, "k", None).await;
    }
}

#[tokio::test]
async fn a_watch_on_one_server_tells_what_another_changes() {
    let (_redis, servers) = replicas(2);
    let [a, b] = &mut clients(&servers).await[..] else { unreachable!() };
    let mut follower = Follower::open(b, watch(vec![])).await;
    a.store(put("k", "v")).await;
    a.drop_all(vec![select::key("k")]).await;
    a.drop_all(vec![select::tag("t")]).await;
    let events = follower.events(3).await;
    assert_eq!(told(&events), [(EventType::Put, "k"), (EventType::Invalidated, "k"), (EventType::SetInvalidated, "")]);
}

#[tokio::test]
async fn a_position_of_one_server_holds_on_another() {
    let (_redis, servers) = replicas(2);
    let [a, b] = &mut clients(&servers).await[..] else { unreachable!() };
    for turn in 0..50 {
        let (writer, reader) = if turn % 2 == 0 { (&mut *a, &mut *b) } else { (&mut *b, &mut *a) };
        let value = turn.to_string();
        let min_position = writer.store(put("k", &value)).await.position;
        let answer = reader.ask(v1::GetRequest { min_position, ..get("k") }).await;
        assert_eq!(value_of(&answer), value.as_bytes());
        let min_position = reader.drop_all(vec![select::key("k")]).await.position;
        let answer = writer.ask(v1::GetRequest { min_position, ..get("k") }).await;
        assert_eq!(answer.outcome(), GetOutcome::Miss);
    }
}

#[tokio::test]
async fn the_callers_of_three_servers_cost_one_computation() {
    let (_redis, servers) = replicas(3);
    let clients = clients(&servers).await;
    for client in &clients {
        joined(client).await;
    }
    let mut callers = JoinSet::new();
    for number in 0..60 {
        callers.spawn(get_or_compute(clients[number % 3].clone()));
    }
    let mut computed = 0;
    while let Some(did) = within("an answer", callers.join_next()).await {
        computed += did.unwrap();
    }
    assert_eq!(computed, 1);
}

/// How often it computed.
async fn get_or_compute(mut client: Client) -> u32 {
    loop {
        let answer = client.ask(lease_or_wait("k")).await;
        match answer.outcome() {
            GetOutcome::Hit => return 0,
            GetOutcome::Miss => {
                tokio::time::sleep(Duration::from_millis(300)).await;
                let stored = client.store(put_under(&token_of(&answer), "k", "computed")).await;
                assert_eq!(stored.outcome(), PutOutcome::Stored);
                return 1;
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn servers_go_on_without_redis_and_catch_up_when_it_is_back() {
    let (mut redis, servers) = replicas(2);
    let [a, b] = &mut clients(&servers).await[..] else { unreachable!() };
    a.store(put("k", "v")).await;
    a.store(put("other", "v")).await;
    becomes(b, "k", Some("v")).await;
    redis.kill();
    let refused = a.invalidate(invalidate(vec![select::key("k")])).await.expect_err("Redis is gone");
    Failure::of(&refused).is(Code::Unavailable, "TIER_PENDING").says_when();
    let details = refused.get_error_details();
    let said = &details.error_info().expect("ErrorInfo").metadata;
    assert_eq!((said["applied"].as_str(), said["pending"].as_str()), ("LOCAL", "SHARED"));
    assert!(a.value("k").await.is_err(), "it is done on this server");
    assert_eq!(a.value("other").await.expect("memory serves"), b"v");
    assert_eq!(b.value("k").await.expect("memory serves"), b"v");
    assert_eq!(a.store(put("alone", "v")).await.outcome(), PutOutcome::Stored);
    assert_eq!(a.value("alone").await.expect("stored here"), b"v");
    let degraded =
        || async { b.clone().get(get("k")).await.expect("get").metadata().get("x-hotplate-coherence").cloned() };
    let said = until("it says that it is cut off", degraded, Option::is_some).await;
    assert_eq!(said.expect("a header"), "degraded");
    redis.restart().expect("redis-server starts again");
    until("it trusts what it has again", degraded, Option::is_none).await;
    becomes(b, "k", None).await;
    assert!(a.value("k").await.is_err());
    // What a server stores before it has caught up itself lies there alone.
    let again = || async {
        a.clone().store(put("k", "new")).await;
        b.clone().value("k").await.ok()
    };
    until("both share again", again, |read| read.as_deref() == Some(b"new")).await;
}

#[tokio::test]
async fn a_server_starts_without_redis_and_joins_when_it_is_there() {
    let (mut redis, servers) = replicas(1);
    let mut a = servers[0].client().await;
    let url = redis.url();
    redis.kill();
    let late = sharing(&url).spawn();
    let mut b = late.client().await;
    assert_eq!(b.store(put("k", "v")).await.outcome(), PutOutcome::Stored);
    assert_eq!(b.value("k").await.expect("it serves alone"), b"v");
    redis.restart().expect("redis-server starts again");
    until(
        "it joins",
        || async {
            b.clone().store(put("k", "shared")).await;
            a.clone().value("k").await.ok()
        },
        |read| read.as_deref() == Some(b"shared"),
    )
    .await;
    a.drop_all(vec![select::key("k")]).await;
    becomes(&b, "k", None).await;
}

#[tokio::test]
async fn what_lies_in_redis_is_used_again_after_its_restart() {
    let mut redis = Redis::with(Options::default().persistent()).expect("redis-server starts");
    let url = redis.url();
    let setup = || sharing(&url).env("HOTPLATE_SHARED_QUARANTINE", "2s");
    let servers: Vec<Server> = (0..2).map(|_| setup().spawn()).collect();
    let [a, b] = &mut clients(&servers).await[..] else { unreachable!() };
    for key in ["kept", "dropped"] {
        let token = token_of(&a.ask(lease_or_wait(key)).await);
        a.store(v1::PutRequest { tags: vec![key.to_owned()], ..put_under(&token, key, "computed") }).await;
    }
    redis.kill();
    redis.restart().expect("redis-server starts again");
    // Not in the memory of the other one, and of an epoch of before.
    becomes(b, "kept", Some("computed")).await;
    becomes(a, "kept", Some("computed")).await;
    a.drop_all(vec![select::tag("dropped")]).await;
    assert!(a.value("dropped").await.is_err());
    becomes(b, "dropped", None).await;
}

#[tokio::test]
async fn what_a_server_owes_is_counted() {
    let server = Setup::default().env("HOTPLATE_SHARED_URL", "redis://127.0.0.1:1").spawn();
    let mut client = server.client().await;
    client.store(put("k", "v")).await;
    let pending = client.invalidate(invalidate(vec![select::key("k")])).await.unwrap_err();
    assert_eq!(pending.code(), Code::Unavailable);
    let stats = client.count("*").await;
    assert!(stats.tiers.first().is_some_and(|tier| tier.debt > 0), "{:?}", stats.tiers);
}

/// A server with a disk in this folder.
fn with_disk(redis: &Redis, folder: &std::path::Path) -> Server {
    // Larger than what may lie in Redis: where it is found tells who had it.
    let setup = sharing(&redis.url()).env("HOTPLATE_SHARED_VALUE_BYTES_MAX", "100");
    setup.env("HOTPLATE_DISK_PATH", folder.join("disk").to_str().unwrap()).spawn()
}

fn stop(mut server: Server) {
    server.terminate();
    assert!(server.ended(PATIENCE).is_some_and(|status| status.success()), "{}", server.errors());
}

/// Which of these keys have a value there.
async fn served<'a>(client: &Client, keys: &[&'a str]) -> Vec<&'a str> {
    let mut served = Vec::new();
    for key in keys {
        if everywhere(client, key).await.outcome() == v1::GetOutcome::Hit {
            served.push(*key);
        }
    }
    served
}

#[tokio::test]
async fn a_restart_keeps_on_the_disk_what_nobody_dropped_meanwhile() {
    const KEYS: [&str; 4] = ["by-key", "by-tag", "kept", "also-kept"];
    let (mut redis, others) = replicas(1);
    let other = &mut clients(&others).await[0];
    let folder = tempfile::tempdir().unwrap();
    let value = "v".repeat(5000);
    let serves = async |server: &Server, expected: &[&str]| {
        assert_eq!(served(&server.client().await, &KEYS).await, expected);
    };
    let server = with_disk(&redis, folder.path());
    let mut client = server.client().await;
    for key in KEYS {
        client.store(put_tagged(key, value.as_str(), &[key])).await;
    }
    stop(server);
    let server = with_disk(&redis, folder.path());
    serves(&server, &KEYS).await;
    stop(server);
    other.drop_all(vec![select::key("by-key")]).await;
    other.drop_all(vec![select::tag("by-tag")]).await;
    let server = with_disk(&redis, folder.path());
    serves(&server, &["kept", "also-kept"]).await;
    other.drop_all(vec![select::key("also-kept")]).await;
    becomes(&server.client().await, "also-kept", None).await;
    // Not in order.
    drop(server);
    other.drop_all(vec![select::key("elsewhere")]).await;
    let server = with_disk(&redis, folder.path());
    serves(&server, &["kept"]).await;
    stop(server);
    redis.restart().expect("it starts again");
    let server = with_disk(&redis, folder.path());
    // What was told there nobody knows.
    serves(&server, &[]).await;
}

#[tokio::test]
async fn what_a_server_was_killed_with_before_redis_knew_it_the_next_one_tells() {
    let mut redis = Redis::with(Options::default().persistent()).expect("redis-server starts");
    let (url, folder) = (redis.url(), tempfile::tempdir().unwrap());
    let setup = || sharing(&url).env("HOTPLATE_SHARED_QUARANTINE", "2s").env("HOTPLATE_SHARED_ALLOW_LOCAL_ACK", "true");
    let with_disk = || setup().env("HOTPLATE_DISK_PATH", folder.path().join("disk").to_str().unwrap()).spawn();
    let server = with_disk();
    let mut client = server.client().await;
    for key in ["put", "dropped", "kept"] {
        client.store(put(key, "old")).await;
    }
    redis.kill();
    client.store(put("put", "new")).await;
    client.drop_all(vec![select::key("dropped")]).await;
    // Not in order.
    drop(server);
    redis.restart().expect("redis-server starts again");
    let server = with_disk();
    let client = server.client().await;
    let owed = async || client.clone().count("*").await.tiers.iter().map(|tier| tier.debt).sum::<u64>();
    until("it is told", owed, |owed| *owed == 0).await;
    let other = setup().spawn();
    let other = other.client().await;
    // From now on what is in Redis of before is used.
    becomes(&other, "kept", Some("old")).await;
    assert_eq!(served(&other, &["put", "dropped"]).await, [""; 0]);
    assert!(served(&client, &["dropped"]).await.is_empty());
}

#[tokio::test]
async fn what_was_made_from_what_goes_on_one_server_goes_on_all() {
    let (_redis, servers) = replicas(3);
    let [a, b, c] = &mut clients(&servers).await[..] else { unreachable!() };
    let ways = [
        select::key("p:x"),
        select::tag("t"),
        select::all_tags(&["t", "u"]),
        select::kind("model"),
        select::prefix("p:"),
        select::glob("p:?"),
        select::dependents_of("p:x"),
    ];
    for (number, way) in ways.into_iter().enumerate() {
        let marks = number % 2 == 1;
        a.store(v1::PutRequest { kind: "model".to_owned(), ..put_tagged("p:x", "v", &["t", "u"]) }).await;
        b.store(v1::PutRequest { depends_on: texts(&["p:x"]), ..put("one", "v") }).await;
        a.store(v1::PutRequest { depends_on: texts(&["one"]), ..put("two", "v") }).await;
        b.store(v1::PutRequest { depends_on: texts(&["elsewhere"]), ..put("apart", "v") }).await;
        becomes(b, "two", Some("v")).await;
        // This one has read nothing of it.
        let call = v1::InvalidateRequest {
            mode: if marks { v1::InvalidateMode::MarkStale.into() } else { Default::default() },
            ..invalidate(vec![way])
        };
        c.invalidate(call).await.expect("it is told");
        for client in [&*a, &*b, &*c] {
            becomes(client, "one", None).await;
            becomes(client, "two", None).await;
            becomes(client, "apart", Some("v")).await;
        }
    }
}
