//! A server that ends without a word while it owes something: the next one above its disk tells it.

use std::{
    sync::{Arc, atomic::Ordering::SeqCst},
    time::Duration,
};

use hotplate_engine::{
    Cache,
    clock::Clock,
    error::Reason,
    event::Silent,
    flow::put::PutRequest,
    namespace::{Coherence, EngineConfig, FleetRules},
    origin::Origins,
    tier::Tiers,
};

use super::{
    double::{Disk, Manners},
    link::{Link, Net, Wrong},
    net, pass,
    replicas::{Read, Replica, SPACE, put, start},
};

/// Until what is owed was told: a log is taken up first.
const TOLD: Duration = Duration::from_millis(2500);

/// One process after another, above the same disk.
async fn above(disk: &Arc<Disk>, (net, clock): (&Arc<Net>, &Clock), allow_local_ack: bool) -> Replica {
    let fleet = FleetRules { allow_local_ack, ..FleetRules::default() };
    let config = EngineConfig { fleet, ..EngineConfig::default() };
    let link = Link::new(net, 9, Wrong::Nothing);
    let tiers = Tiers { local: Some(disk.clone()), shared: Some(link.clone()), ..Tiers::default() };
    let cache = Cache::with_tiers(config, clock.clone(), Arc::new(Silent), (Origins::default(), tiers)).unwrap();
    net.tasks.spawn("follow", cache.clone().follow_fleet());
    Replica { cache, link }
}

/// It is killed.
fn killed(replica: Replica, disk: &Disk, damaged: bool) {
    replica.cache.stop_following();
    drop(replica);
    disk.crash(damaged);
}

#[tokio::test(start_paused = true)]
async fn what_a_server_owed_when_it_was_killed_the_next_one_tells() {
    let (net, clock) = net(21);
    let disk = Disk::new(1, Manners::default());
    let other = start(&net, 1, &clock, Coherence::Available).await.remove(0);
    let first = above(&disk, (&net, &clock), true).await;
    assert!(first.cache.caught_up(Duration::from_secs(5)).await);
    for key in ["put", "dropped", "kept"] {
        first.put(key, 1, None).await;
        assert_eq!(other.look(key).await, Read::Value(1));
    }
    pass(Duration::from_secs(3)).await;
    first.link.cut(true);
    first.put("put", 2, None).await;
    assert!(first.drop_key("dropped").await.unwrap().local_only);
    assert_eq!(disk.owed(), 2, "before it was answered");
    killed(first, &disk, false);

    let again = above(&disk, (&net, &clock), true).await;
    assert_eq!(again.cache.fleet_debt(), 2);
    for key in ["put", "dropped"] {
        assert_eq!(again.look(key).await, Read::Miss, "nothing older is taken");
    }
    again.put("put-anew", 3, None).await;
    pass(TOLD).await;
    assert_eq!((again.cache.fleet_debt(), disk.owed()), (0, 0), "told, and not kept any more");
    for replica in [&again, &*other] {
        for key in ["put", "dropped"] {
            assert_eq!(replica.look(key).await, Read::Miss);
        }
        assert_eq!(replica.look("kept").await, Read::Value(1));
    }
    killed(again, &disk, false);
    assert_eq!(above(&disk, (&net, &clock), true).await.cache.fleet_debt(), 0);
}

#[tokio::test(start_paused = true)]
async fn where_a_part_of_it_cannot_be_read_everything_is_told() {
    let (net, clock) = net(22);
    let disk = Disk::new(1, Manners::default());
    let other = start(&net, 1, &clock, Coherence::Available).await.remove(0);
    let first = above(&disk, (&net, &clock), true).await;
    assert!(first.cache.caught_up(Duration::from_secs(5)).await);
    first.put("k", 1, None).await;
    first.cache.write(PutRequest { namespace: "later".to_owned(), ..put("k", 1) }, None).await.unwrap();
    assert_eq!(other.look("k").await, Read::Value(1));
    pass(Duration::from_secs(3)).await;
    killed(first, &disk, true);

    let again = above(&disk, (&net, &clock), true).await;
    pass(TOLD).await;
    for _ in 0..2 {
        assert_eq!(again.look("k").await, Read::Miss, "{SPACE} is used: it is owed, then told");
        pass(TOLD).await;
    }
    assert_eq!(other.look("k").await, Read::Miss);
    again.put("k", 2, None).await;
    pass(TOLD).await;
    assert_eq!((other.look("k").await, again.look("k").await), (Read::Value(2), Read::Value(2)), "once");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_kept_is_not_acknowledged_as_if_it_were() {
    let (net, clock) = net(23);
    let disk = Disk::new(1, Manners::default());
    let server = above(&disk, (&net, &clock), false).await;
    assert!(server.cache.caught_up(Duration::from_secs(5)).await);
    server.link.cut(true);
    disk.unwritable.store(true, SeqCst);
    let error = server.drop_key("k").await.unwrap_err();
    assert_eq!(error.reason(), Reason::TierPending);
    assert!(error.to_string().contains("the disk cannot write it down now"), "{error}");
    disk.unwritable.store(false, SeqCst);
    let error = server.drop_key("k").await.unwrap_err();
    assert!(!error.to_string().contains("the disk"), "{error}");
    assert_eq!(disk.owed(), 1);
}
