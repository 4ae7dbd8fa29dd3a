//! A server of the fleet that keeps what it has on its disk while it is down: of what it shares it serves nothing that others
//! dropped meanwhile, or may have, and all the rest is there again.

use std::{sync::Arc, time::Duration};

use hotplate_engine::{
    Cache,
    clock::Clock,
    event::Silent,
    flow::{
        get::{GetRequest, Lookup},
        lease::{LeasedAnswer, OnMiss},
        put::PutRequest,
    },
    namespace::{Besides, Coherence, EngineConfig, NamespaceConfig},
    origin::Origins,
    selector::Selector,
    tier::{TierName, Tiers, local::LocalTier},
};

use super::{
    double::{Disk, Manners},
    link::{Link, Net, Wrong},
    net, pass,
    replicas::{SPACE, put, start},
};

/// One process after another, above the same disk.
async fn above(disk: &Arc<Disk>, net: (&Arc<Net>, &Clock)) -> Arc<Cache> {
    above_with(disk, net, true).await
}

/// `alone`: a namespace of that name lies on the disk and is not shared.
async fn above_with(disk: &Arc<Disk>, (net, clock): (&Arc<Net>, &Clock), alone: bool) -> Arc<Cache> {
    let unshared = NamespaceConfig { tiers: Besides { disk: true, shared: false }, ..NamespaceConfig::default() };
    let namespaces = alone.then(|| ("alone".to_owned(), unshared)).into_iter().collect();
    let config = EngineConfig { namespaces, ..EngineConfig::default() };
    let link = Link::new(net, 9, Wrong::Nothing);
    let tiers = Tiers { local: Some(disk.clone()), shared: Some(link), ..Tiers::default() };
    let cache = Cache::with_tiers(config, clock.clone(), Arc::new(Silent), (Origins::default(), tiers)).unwrap();
    net.tasks.spawn("follow", cache.clone().follow_fleet());
    assert!(cache.caught_up(Duration::from_secs(5)).await);
    cache
}

/// It ends in order.
async fn ends(cache: Arc<Cache>) {
    cache.close();
    assert_eq!(cache.leave_fleet(Duration::from_secs(1)).await, 0);
    cache.close_tiers().await;
}

async fn stores(cache: &Arc<Cache>, namespace: &str, key: &str) {
    let request = PutRequest { namespace: namespace.to_owned(), ..put(key, 1) };
    cache.write(request, None).await.unwrap();
}

/// The keys that it serves from its memory or disk.
async fn serves(cache: &Arc<Cache>, namespace: &str, keys: &[&str]) -> Vec<String> {
    let mut served = Vec::new();
    for key in keys {
        let (namespace, key) = (namespace.to_owned(), (*key).to_owned());
        let slowest = Some(TierName::Disk);
        let request = GetRequest { namespace, key: key.clone(), slowest, ..GetRequest::default() };
        let LeasedAnswer::Found(answer, _) = cache.read(&request, OnMiss::Report).await.unwrap() else { panic!() };
        if matches!(answer.outcome, Lookup::Hit(_)) {
            served.push(key);
        }
    }
    served
}

#[tokio::test(start_paused = true)]
async fn a_disk_serves_what_nobody_dropped_while_its_server_was_down_and_nothing_that_was() {
    const KEYS: [&str; 5] = ["by-key", "by-tag", "by-put", "kept", "other-tag"];
    let (net, clock) = net(14);
    let disk = Disk::new(1, Manners::default());
    let other = start(&net, 1, &clock, Coherence::Available).await.remove(0);
    let first = above(&disk, (&net, &clock)).await;
    for key in KEYS {
        stores(&first, SPACE, key).await;
        stores(&first, "on-demand", key).await;
    }
    ends(first).await;
    pass(Duration::from_secs(60)).await;
    other.drop_key("by-key").await.unwrap();
    other.drop_set(Selector::tag("t-by-tag").unwrap()).await.unwrap();
    other.put("by-put", 2, None).await;
    for _ in 0..3 {
        let again = above(&disk, (&net, &clock)).await;
        assert_eq!(serves(&again, SPACE, &KEYS).await, ["kept", "other-tag"]);
        assert_eq!(serves(&again, "on-demand", &KEYS).await, KEYS);
        ends(again).await;
    }
    let again = above(&disk, (&net, &clock)).await;
    other.drop_key("kept").await.unwrap();
    pass(Duration::from_secs(1)).await;
    assert_eq!(serves(&again, SPACE, &KEYS).await, ["other-tag"]);
    // It is gone without a word, and another log begins before it is there again.
    again.stop_following();
    drop(again);
    net.truth.lock().unwrap().flush();
    let last = above(&disk, (&net, &clock)).await;
    assert!(serves(&last, SPACE, &KEYS).await.is_empty() && serves(&last, "on-demand", &KEYS).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_shared_nothing_meanwhile_goes_on_from_nowhere() {
    let (net, clock) = net(15);
    let disk = Disk::new(1, Manners::default());
    let first = above(&disk, (&net, &clock)).await;
    stores(&first, SPACE, "k").await;
    ends(first).await;
    assert!(disk.positions().is_some());
    let tiers = Tiers { local: Some(disk.clone()), ..Tiers::default() };
    let alone =
        Cache::with_tiers(EngineConfig::default(), clock.clone(), Arc::new(Silent), (Origins::default(), tiers))
            .unwrap();
    stores(&alone, SPACE, "k").await;
    drop(alone);
    assert_eq!(disk.positions(), None, "the others know nothing of what was stored, nor it of theirs");
    let again = above(&disk, (&net, &clock)).await;
    assert!(serves(&again, SPACE, &["k"]).await.is_empty());
}

async fn holds(cache: &Arc<Cache>, namespace: &str) -> bool {
    let request = GetRequest { namespace: namespace.to_owned(), key: "k".to_owned(), ..GetRequest::default() };
    let LeasedAnswer::Found(answer, _) = cache.read(&request, OnMiss::Report).await.unwrap() else { panic!() };
    matches!(answer.outcome, Lookup::Hit(_))
}

#[tokio::test(start_paused = true)]
async fn a_disk_serves_nothing_of_what_was_shared_before_its_server_was_down() {
    let (net, clock) = net(13);
    let disk = Disk::new(1, Manners::default());
    let other = start(&net, 1, &clock, Coherence::Available).await.remove(0);
    let first = above(&disk, (&net, &clock)).await;
    for namespace in ["alone", "on-demand", "s"] {
        let request = PutRequest { namespace: namespace.to_owned(), ..put("k", 1) };
        first.write(request, None).await.unwrap();
        assert!(holds(&first, namespace).await);
    }
    first.close();
    drop(first);
    net.truth.lock().unwrap().flush();
    pass(Duration::from_secs(5)).await;
    other.drop_key("k").await.unwrap();
    let second = above(&disk, (&net, &clock)).await;
    assert!(!holds(&second, "on-demand").await && !holds(&second, "s").await, "nobody knows what became of it");
    assert!(holds(&second, "alone").await, "nobody else could drop it");
    let request = PutRequest { namespace: "on-demand".to_owned(), ..put("k", 2) };
    second.write(request, None).await.unwrap();
    assert_eq!(disk.keys().len(), 2, "what is stored from now on is kept");
}

#[tokio::test(start_paused = true)]
async fn what_nobody_looked_at_after_it_was_to_be_dropped_does_not_come_back_with_the_process_after_that() {
    for (seed, alone) in [(16, true), (17, false)] {
        let (net, clock) = net(seed);
        let disk = Disk::new(1, Manners::default());
        let other = start(&net, 1, &clock, Coherence::Available).await.remove(0);
        let first = above_with(&disk, (&net, &clock), alone).await;
        stores(&first, "on-demand", "k").await;
        ends(first).await;
        assert!(disk.positions().is_some());
        net.truth.lock().unwrap().flush();
        pass(Duration::from_secs(5)).await;
        other.drop_key("k").await.unwrap();
        // It drops everything that is shared, and nobody uses that namespace.
        let second = above_with(&disk, (&net, &clock), alone).await;
        pass(Duration::from_secs(10)).await;
        ends(second).await;
        let third = above_with(&disk, (&net, &clock), alone).await;
        assert!(serves(&third, "on-demand", &["k"]).await.is_empty(), "with another unshared: {alone}");
    }
}
