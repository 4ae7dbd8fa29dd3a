//! The near cache of the Rust client against real servers: what it saves, what it hears of, and what happens when it
//! hears nothing.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use hotplate::{
    Client, ComputeOptions, Hit, Lookup, Namespace, NearFollow, NearOptions, NearStats, ReadOptions, Selector,
    TtlClass, WriteOptions,
};
use hotplate_engine::clock::Clock;
use tokio::task::JoinSet;

use crate::{
    harness::{Local, Server, Setup, unhurried},
    proxy::Proxy,
    wire::{PATIENCE, until},
};

/// Longer than a busy machine holds anything up.
const SILENCE: Duration = Duration::from_secs(20);

fn options() -> NearOptions {
    NearOptions::new().progress_max(SILENCE)
}

/// A client with a near cache.
fn near(address: std::net::SocketAddr, options: NearOptions) -> Client {
    let builder = Client::builder().url(format!("hotplate://{address}/ml")).profile(unhurried());
    builder.near_cache(options).build().unwrap()
}

/// Another client, without one.
fn plain(address: std::net::SocketAddr) -> Namespace {
    let builder = Client::builder().url(format!("hotplate://{address}/ml")).profile(unhurried());
    builder.build().unwrap().default_namespace()
}

fn stats(space: &Namespace) -> NearStats {
    space.near_stats().expect("it has a near cache")
}

async fn read(space: &Namespace, key: &str) -> Option<Hit<String>> {
    match space.get::<String>(key).await.unwrap() {
        Lookup::Hit(hit) => Some(hit),
        Lookup::Negative(_) | Lookup::Miss(_) => None,
    }
}

/// Reads until the value comes from this process, and answers it.
async fn warm(space: &Namespace, key: &str) -> String {
    let found = until("a near hit", || read(space, key), |hit| hit.as_ref().is_some_and(|hit| hit.near)).await;
    found.expect("a hit").value
}

/// Reads until the value is this one, or gone.
async fn becomes(space: &Namespace, key: &str, value: Option<&str>) {
    until("a new value", || read(space, key), |hit| hit.as_ref().map(|hit| hit.value.as_str()) == value).await;
}

/// Gets that the server counted in its namespace.
async fn gets(server: &Namespace) -> u64 {
    let total = server.stats().await.unwrap().total.expect("a total");
    let missed: u64 = total.misses.iter().map(|misses| misses.count).sum();
    total.hits + total.stale_hits + total.negative_hits + missed
}

#[tokio::test]
async fn a_hit_asks_nobody_and_copies_nothing() {
    let server = Server::start();
    let (other, space) = (plain(server.grpc), near(server.grpc, options()).default_namespace());
    other.put("k", "v").await.unwrap();
    warm(&space, "k").await;
    let first = space.get_shared::<String>("k").await.unwrap().value().unwrap();
    let before = gets(&other).await;
    for _ in 0..1_000 {
        let found = space.get_shared::<String>("k").await.unwrap();
        assert!(matches!(&found, Lookup::Hit(hit) if hit.near && Arc::ptr_eq(&hit.value, &first)), "{found:?}");
        let computed = space.get_or_compute("k", &ComputeOptions::new(), || async { Err::<String, _>("asked") }).await;
        assert_eq!(computed.unwrap(), "v");
    }
    let many = space.get_many::<String, _>(["k", "k"]).await.unwrap();
    assert!(many.iter().all(|found| matches!(found, Ok(Lookup::Hit(hit)) if hit.near)), "{many:?}");
    assert_eq!(gets(&other).await, before);
    assert!(stats(&space).hits >= 2_002, "{:?}", stats(&space));
}

#[tokio::test]
async fn who_wants_more_than_a_kept_value_gets_it_from_the_server() {
    let server = Server::start();
    let client = near(server.grpc, options());
    let space = client.default_namespace();
    space.put("k", "v").await.unwrap();
    warm(&space, "k").await;
    let from = |found: Lookup<String>| match found {
        Lookup::Hit(hit) => hit.near,
        other => panic!("{other:?}"),
    };
    assert!(!from(space.without_near_cache().get("k").await.unwrap()));
    assert!(!from(space.get_with("k", &ReadOptions::new().peek()).await.unwrap()));
    assert!(from(space.get_with("k", &ReadOptions::new().max_age(Duration::from_secs(3_600))).await.unwrap()));
    assert!(from(space.get_with("k", &ReadOptions::new().accept_stale()).await.unwrap()));
    tokio::time::sleep(Duration::from_millis(5)).await;
    let found = space.get_with::<String>("k", &ReadOptions::new().max_age(Duration::from_millis(1))).await.unwrap();
    assert!(matches!(found, Lookup::Miss(hotplate::MissReason::TooOld)), "{found:?}");
}

#[tokio::test]
async fn namespaces_are_chosen_and_nothing_is_kept_unless_asked() {
    let server = Server::start();
    let url = format!("hotplate://{}", server.grpc);
    let builder = Client::builder().url(url).near_cache(options()).near_cache_of("off", None);
    let client = builder.build().unwrap();
    assert!(client.namespace("on").near_stats().is_some() && client.namespace("off").near_stats().is_none());
    assert!(plain(server.grpc).near_stats().is_none());
}

#[tokio::test]
async fn every_change_by_another_is_heard() {
    let server = Server::start();
    let other = plain(server.grpc);
    let space = near(server.grpc, options().keep_dependents(true)).default_namespace();
    let write = WriteOptions::new().tags(["t", "u"]).kind("report").depends_on("base").ttl(TtlClass::Long);
    let selectors = [
        Selector::key("m:k").unwrap(),
        Selector::prefix("m:"),
        Selector::glob("m:?"),
        Selector::tag("t"),
        Selector::all_tags(["t", "u"]),
        Selector::kind("report"),
        Selector::dependents_of("base"),
        Selector::key("base").unwrap(),
        Selector::everything(),
    ];
    for (round, selector) in selectors.into_iter().enumerate() {
        let (old, new) = (format!("{round} old"), format!("{round} new"));
        other.put_with("m:k", &old, &write).await.unwrap();
        becomes(&space, "m:k", Some(&old)).await;
        assert_eq!(warm(&space, "m:k").await, old);
        other.invalidate(selector.clone()).await.unwrap();
        becomes(&space, "m:k", None).await;
        other.put_with("m:k", &old, &write).await.unwrap();
        becomes(&space, "m:k", Some(&old)).await;
        warm(&space, "m:k").await;
        other.put_with("m:k", &new, &write).await.unwrap();
        becomes(&space, "m:k", Some(&new)).await;
    }
}

#[tokio::test]
async fn what_this_client_writes_it_reads_at_once() {
    let server = Server::start();
    let space = near(server.grpc, options()).default_namespace();
    let tagged = WriteOptions::new().tag("t");
    space.put_with("k", "start", &tagged).await.unwrap();
    warm(&space, "k").await;
    for round in 0..100 {
        let value = format!("{round}");
        space.put_with("k", &value, &tagged).await.unwrap();
        assert_eq!(read(&space, "k").await.unwrap().value, value);
        let many = format!("{round} many");
        space.put_many([("k", &many)], &tagged).await.unwrap();
        assert_eq!(read(&space, "k").await.unwrap().value, many);
        let drop = if round % 2 == 0 { Selector::tag("t") } else { Selector::key("k").unwrap() };
        space.invalidate(drop).await.unwrap();
        assert_eq!(read(&space, "k").await, None);
        space.put_negative("k", "GONE", "it is gone", &WriteOptions::new()).await.unwrap();
        assert!(matches!(space.get::<String>("k").await.unwrap(), Lookup::Negative(_)));
    }
    let stats = stats(&space);
    assert!(stats.serving && stats.admitted > 100, "{stats:?}");
}

#[tokio::test]
async fn a_write_that_was_given_up_may_still_happen_and_is_then_heard() {
    let server = Server::start();
    let (other, space) = (plain(server.grpc), near(server.grpc, options()).default_namespace());
    other.put("k", "start").await.unwrap();
    warm(&space, "k").await;
    let mut given_up = Vec::new();
    for round in 0..60_u64 {
        let value = format!("{round}");
        let put = tokio::time::timeout(Duration::from_micros(round * 20), space.put("k", &value)).await;
        let there = async || read(&other, "k").await.expect("a value").value;
        let read = || async { (warm(&space, "k").await, there().await) };
        until("agreement", read, |(near, there)| near == there).await;
        if put.is_err() {
            given_up.push(value);
            continue;
        }
        let there = there().await;
        assert!(there == value || given_up.contains(&there), "{there}, not {value}");
    }
}

#[tokio::test]
async fn a_connection_that_is_cut_ends_service_and_what_did_not_change_is_served_again() {
    let server = Server::start();
    let proxy = Proxy::to(server.grpc).await;
    let (other, space) = (plain(server.grpc), near(proxy.address, options()).default_namespace());
    other.put("same", "v").await.unwrap();
    other.put("changed", "old").await.unwrap();
    warm(&space, "same").await;
    warm(&space, "changed").await;
    proxy.cut();
    // Long before the server would have been silent for too long.
    let clock = Clock::system();
    let cut = clock.now();
    until("the loss", || async { stats(&space).serving }, |serving| !serving).await;
    assert!(clock.now().since(cut) < SILENCE / 2, "{:?}", clock.now().since(cut));
    assert_eq!(read(&space, "same").await, None);
    other.put("changed", "new").await.unwrap();
    let admitted = stats(&space).admitted;
    proxy.lead_to(server.grpc);
    until("service", || async { stats(&space).serving }, |serving| *serving).await;
    let same = space.get::<String>("same").await.unwrap();
    assert!(matches!(&same, Lookup::Hit(hit) if hit.near && hit.value == "v"), "{same:?}");
    let found = until("an answer", || read(&space, "changed"), Option::is_some).await;
    assert_eq!(found.unwrap().value, "new");
    let stats = stats(&space);
    assert!(stats.losses >= 1 && stats.admitted <= admitted + 1 && stats.distrusted == 0, "{stats:?}");
}

#[tokio::test]
async fn a_server_that_was_restarted_is_another_history() {
    let server = Server::start();
    let proxy = Proxy::to(server.grpc).await;
    let space = near(proxy.address, options()).default_namespace();
    plain(server.grpc).put("k", "old").await.unwrap();
    warm(&space, "k").await;
    proxy.cut();
    drop(server);
    let server = Server::start();
    proxy.lead_to(server.grpc);
    until("service", || async { stats(&space) }, |stats| stats.serving && stats.distrusted == 1).await;
    assert_eq!(stats(&space).entries, 0);
    until(
        "an answer",
        || space.get::<String>("k"),
        |found| matches!(found, Ok(Lookup::Miss(hotplate::MissReason::NeverStored))),
    )
    .await
    .unwrap();
    plain(server.grpc).put("k", "new").await.unwrap();
    assert_eq!(warm(&space, "k").await, "new");
}

#[tokio::test]
async fn a_server_that_stands_still_is_not_trusted_for_long() {
    let server = Server::start();
    let silence = Duration::from_secs(6);
    let space = near(server.grpc, options().progress_max(silence)).default_namespace();
    plain(server.grpc).put("k", "v").await.unwrap();
    warm(&space, "k").await;
    let clock = Clock::system();
    server.signal("STOP");
    let stopped = clock.now();
    // What had come before is heard when this thread gets to it: what the machine holds up is held against nobody.
    let (mut last, mut before, mut held_up) = (stopped, stopped, Duration::ZERO);
    while clock.now().since(stopped) < silence + silence / 2 + held_up {
        let asked = clock.now();
        held_up += asked.since(before).saturating_sub(Duration::from_millis(5));
        before = asked;
        let found = tokio::time::timeout(Duration::from_millis(1), space.get::<String>("k")).await;
        if matches!(found, Ok(Ok(Lookup::Hit(_)))) {
            last = asked;
        }
    }
    server.signal("CONT");
    let served = last.since(stopped);
    assert!(served <= silence + held_up, "served for {served:?}, held up for {held_up:?}");
    assert!(served + held_up > silence / 4, "served for {served:?}, held up for {held_up:?}");
    assert_eq!(warm(&space, "k").await, "v");
}

#[tokio::test]
async fn after_a_gap_copies_are_confirmed_without_being_sent_again() {
    let server = Setup::default().arg("--watch-history-changes-max").arg("20").spawn();
    let proxy = Proxy::to(server.grpc).await;
    let (other, space) = (plain(server.grpc), near(proxy.address, options()).default_namespace());
    for key in ["same", "changed", "gone"] {
        other.put(key, "old").await.unwrap();
        warm(&space, key).await;
    }
    proxy.cut();
    until("the loss", || async { stats(&space).serving }, |serving| !serving).await;
    other.put("changed", "new").await.unwrap();
    other.remove("gone").await.unwrap();
    for n in 0..50 {
        other.put(format!("x{n}"), "v").await.unwrap();
    }
    let before = gets(&other).await;
    proxy.lead_to(server.grpc);
    until("a confirmation", || async { stats(&space) }, |stats| stats.revalidated == 1).await;
    let same = space.get_shared::<String>("same").await.unwrap();
    assert!(matches!(&same, Lookup::Hit(hit) if hit.near), "{same:?}");
    assert_eq!(gets(&other).await, before);
    becomes(&space, "changed", Some("new")).await;
    becomes(&space, "gone", None).await;
    let stats = stats(&space);
    assert_eq!((stats.distrusted, stats.revalidated), (3, 1), "{stats:?}");
}

#[tokio::test]
async fn single_keys_are_followed_and_given_up() {
    let server = Server::start();
    let other = plain(server.grpc);
    let space = near(server.grpc, options().entries_max(5).follow(NearFollow::KeptKeys)).default_namespace();
    for n in 0..20 {
        let key = format!("k{n}");
        other.put(&key, "old").await.unwrap();
        warm(&space, &key).await;
        let stats = stats(&space);
        assert!(stats.followed <= 5 && stats.entries <= stats.followed, "{stats:?}");
    }
    let invalidated = stats(&space).invalidated;
    for n in 0..20 {
        other.put(format!("k{n}"), "new").await.unwrap();
    }
    until("some are heard of", || async { stats(&space) }, |stats| stats.invalidated > invalidated).await;
    for n in 0..20 {
        becomes(&space, &format!("k{n}"), Some("new")).await;
    }
    warm(&space, "k19").await;
    other.invalidate(Selector::prefix("k")).await.unwrap();
    becomes(&space, "k19", None).await;
}

#[tokio::test]
async fn an_entry_that_expires_or_is_shortened_is_dropped_when_the_server_says_so() {
    let server = Local::start().await;
    let (other, space) = (plain(server.grpc), near(server.grpc, options()).default_namespace());
    other.put("k", "v").await.unwrap();
    warm(&space, "k").await;
    assert!(other.touch("k", Duration::from_secs(1)).await.unwrap());
    server.advance(Duration::from_secs(2));
    becomes(&space, "k", None).await;
}

/// What the readers of a storm compare with.
struct Truth {
    /// What a computation would read now, by key.
    values: Vec<AtomicU64>,
    /// What must at least be read, by key: raised when an invalidation was answered.
    floors: Vec<AtomicU64>,
    /// The same for invalidations by another client, with the time from which on it must be so.
    later: Mutex<Vec<(Duration, usize, u64)>>,
    ended: AtomicBool,
    clock: Clock,
    start: hotplate_engine::clock::Moment,
}

const STORM_KEYS: usize = 8;
/// As long at least, and until so many were served from this process.
const STORM: Duration = Duration::from_secs(3);
const NEAR_HITS: u64 = 1_000;

impl Truth {
    fn now(&self) -> Duration {
        self.clock.now().since(self.start)
    }

    fn floor(&self, key: usize) -> u64 {
        let now = self.now();
        let mut later = self.later.lock().unwrap();
        later.retain(|(from, key, value)| {
            let over = *from <= now;
            if over {
                self.floors[*key].fetch_max(*value, Ordering::SeqCst);
            }
            !over
        });
        drop(later);
        self.floors[key].load(Ordering::SeqCst)
    }

    /// Changes the truth, then invalidates, in three ways in turn.
    async fn change(&self, space: &Namespace, key: usize) -> u64 {
        let value = self.values[key].fetch_add(1, Ordering::SeqCst) + 1;
        let selector = match value % 3 {
            0 => Selector::key(format!("k{key}")).unwrap(),
            1 => Selector::tag(format!("t{key}")),
            _ => Selector::prefix(format!("k{key}")),
        };
        space.invalidate(selector).await.unwrap();
        value
    }
}

async fn storm_reader(truth: Arc<Truth>, space: Namespace, mut seed: u64) -> u64 {
    let mut near = 0;
    while !truth.ended.load(Ordering::Relaxed) {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let key = usize::try_from(seed >> 33).unwrap() % STORM_KEYS;
        let floor = truth.floor(key);
        let write = WriteOptions::new().tag(format!("t{key}"));
        let source = Arc::clone(&truth);
        let compute = move || async move { Ok::<_, String>(source.values[key].load(Ordering::SeqCst)) };
        let before = stats(&space).hits;
        let value = space.get_or_compute(format!("k{key}"), &write.into(), compute).await.unwrap();
        near += stats(&space).hits - before;
        assert!(value >= floor, "key {key}: read {value}, {floor} was answered before");
        tokio::task::yield_now().await;
    }
    near
}

#[tokio::test(flavor = "multi_thread", worker_threads = 10)]
async fn in_a_storm_nothing_is_read_that_this_client_knows_to_be_over() {
    let server = Server::start();
    let silence = Duration::from_secs(1);
    let (other, space) = (plain(server.grpc), near(server.grpc, options().progress_max(silence)).default_namespace());
    let clock = Clock::system();
    let zeros = || (0..STORM_KEYS).map(|_| AtomicU64::new(0)).collect();
    let truth = Arc::new(Truth {
        values: zeros(),
        floors: zeros(),
        later: Mutex::default(),
        ended: AtomicBool::new(false),
        start: clock.now(),
        clock,
    });
    let mut readers = JoinSet::new();
    for seed in 0..10 {
        readers.spawn(storm_reader(Arc::clone(&truth), space.clone(), seed));
    }
    while truth.now() < STORM || (stats(&space).hits <= NEAR_HITS && truth.now() < STORM + PATIENCE) {
        let own = usize::try_from(truth.now().as_micros() % 4).unwrap();
        let value = truth.change(&space, own).await;
        truth.floors[own].fetch_max(value, Ordering::SeqCst);
        let value = truth.change(&other, own + 4).await;
        truth.later.lock().unwrap().push((truth.now() + silence + silence / 2, own + 4, value));
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    truth.ended.store(true, Ordering::Relaxed);
    let ended = tokio::time::timeout(PATIENCE, readers.join_all()).await.expect("all readers end");
    assert!(ended.iter().sum::<u64>() > NEAR_HITS, "near hits: {ended:?}; {:?}", stats(&space));
}
