//! A server of the fleet that keeps what it has on its disk while it is down: of what it shares it serves nothing that others
//! may have dropped meanwhile, and what it does not share is there again.

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
    tier::Tiers,
};

use super::{
    double::{Disk, Manners},
    link::{Link, Net, Wrong},
    net, pass,
    replicas::{put, start},
};

/// One process after another, above the same disk.
async fn above(disk: &Arc<Disk>, (net, clock): (&Arc<Net>, &Clock)) -> Arc<Cache> {
    let alone = NamespaceConfig { tiers: Besides { disk: true, shared: false }, ..NamespaceConfig::default() };
    let config = EngineConfig { namespaces: [("alone".to_owned(), alone)].into(), ..EngineConfig::default() };
    let link = Link::new(net, 9, Wrong::Nothing);
    let tiers = Tiers { local: Some(disk.clone()), shared: Some(link), ..Tiers::default() };
    let cache = Cache::with_tiers(config, clock.clone(), Arc::new(Silent), (Origins::default(), tiers)).unwrap();
    net.tasks.spawn("follow", cache.clone().follow_fleet());
    assert!(cache.caught_up(Duration::from_secs(5)).await);
    cache
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
