//! What was made from what is invalidated, over any number of steps, goes with it on every server and where they share it:
//! whoever is asked, and whatever each of them knows.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use hotplate_engine::{
    Cache,
    clock::Clock,
    entry::{Dependencies, Description},
    event::Silent,
    flow::{
        invalidate::{InvalidateAnswer, InvalidateRequest},
        lease::OnMiss,
        put::PutRequest,
    },
    namespace::{Coherence, EngineConfig},
    origin::Origins,
    position::Positions,
    selector::Selector,
    tier::Tiers,
};

use super::{
    MOMENT,
    double::{Disk, Manners},
    link::{Link, Net, Wrong},
    net, pass,
    replicas::{Read, Replica, SPACE, put, start},
};

/// Every way to name what the others are made from: it has two tags and a kind.
fn ways() -> Vec<Selector> {
    vec![
        Selector::key("models/1").unwrap(),
        Selector::dependents_of("models/1").unwrap(),
        Selector::tag("red").unwrap(),
        Selector::all_tags(["red", "blue"]).unwrap(),
        Selector::kind("model").unwrap(),
        Selector::prefix("models/").unwrap(),
        Selector::glob("mod*/1").unwrap(),
    ]
}

fn made(key: &str, from: &[&str]) -> PutRequest {
    let depends_on = Dependencies::of(from.iter().map(|name| Arc::from(*name)));
    PutRequest { description: Description { depends_on, ..Description::default() }, ..put(key, 1) }
}

fn model(key: &str, tags: &[&str]) -> PutRequest {
    let tags = tags.iter().map(|tag| Arc::from(*tag)).collect();
    PutRequest { description: Description { kind: Arc::from("model"), tags, ..Description::default() }, ..put(key, 1) }
}

/// With all that follows from it; `marks`: it is only marked stale.
async fn end(cache: &Arc<Cache>, way: &Selector, marks: bool) -> InvalidateAnswer {
    let request = InvalidateRequest {
        namespace: SPACE.to_owned(),
        selectors: vec![way.clone()],
        cascade: true,
        validate_only: false,
        reason: None,
        request_id: String::new(),
        client_id: None,
    };
    let answer = if marks { cache.outdate(&request, None).await } else { cache.drop_entries(&request).await };
    answer.unwrap()
}

/// Each step is stored by another server than the one before, which holds nothing of it.
async fn chain(replicas: &[Arc<Replica>]) {
    let [a, b, c, ..] = replicas else { unreachable!() };
    a.cache.write(model("models/1", &["blue", "red"]), None).await.unwrap();
    b.cache.write(made("one", &["models/1"]), None).await.unwrap();
    c.cache.write(made("two", &["elsewhere", "one"]), None).await.unwrap();
    a.cache.write(made("three", &["two"]), None).await.unwrap();
    let other = PutRequest { description: model("", &["blue"]).description, ..put("other", 1) };
    let other = PutRequest { description: Description { kind: Arc::from("fit"), ..other.description }, ..other };
    b.cache.write(other, None).await.unwrap();
    c.cache.write(made("apart", &["elsewhere", "other"]), None).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_was_made_from_it_goes_on_every_server_whoever_is_asked() {
    for (number, way) in (100..).zip(ways()) {
        for (marks, asked) in [(false, 3), (true, 3), (false, 0), (false, 1), (true, 2)] {
            asked_of_one(number, &way, (marks, asked)).await;
        }
    }
}

async fn asked_of_one(number: u64, way: &Selector, (marks, asked): (bool, usize)) {
    let (net, clock) = net(number);
    let replicas = start(&net, 4, &clock, Coherence::Available).await;
    chain(&replicas).await;
    // Some have read some of it, and nothing that it was made from.
    assert_eq!(replicas[1].look("three").await, Read::Value(1));
    assert_eq!(replicas[2].look("two").await, Read::Value(1));
    end(&replicas[asked].cache, way, marks).await;
    pass(MOMENT).await;
    for (at, replica) in replicas.iter().enumerate() {
        for key in ["one", "two", "three"] {
            assert_eq!(replica.look(key).await, Read::Miss, "{way:?} {marks} by {asked}: {key} at {at}");
        }
        assert_eq!(replica.look("apart").await, Read::Value(1), "{way:?} {marks} by {asked} at {at}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_cascade_what_was_made_from_it_stays() {
    for way in ways().into_iter().filter(|way| !matches!(way, Selector::DependentsOf(_))) {
        let (net, clock) = net(120);
        let replicas = start(&net, 4, &clock, Coherence::Available).await;
        chain(&replicas).await;
        replicas[3].drop_set(way.clone()).await.unwrap();
        pass(MOMENT).await;
        for replica in &replicas {
            assert_eq!(replica.look("models/1").await, Read::Miss, "{way:?}");
            assert_eq!(replica.look("three").await, Read::Value(1), "{way:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_computed_meanwhile_from_something_that_goes_is_refused() {
    for (number, way) in (130..).zip(ways()) {
        for (reads, heard) in [(true, true), (true, false), (false, true), (false, false)] {
            computed_meanwhile(number, &way, (reads, heard)).await;
        }
    }
}

/// `reads`: who computes read it here; `heard`: this server has heard of the call before the value comes.
async fn computed_meanwhile(number: u64, way: &Selector, (reads, heard): (bool, bool)) {
    let (net, clock) = net(number);
    let replicas = start(&net, 4, &clock, Coherence::Available).await;
    chain(&replicas).await;
    let b = &replicas[1];
    let read = b.get("late", OnMiss::Lease, Positions::default()).await.unwrap();
    let Read::Compute(token) = read else { panic!("{read:?}") };
    if reads {
        assert_eq!(b.look("two").await, Read::Value(1), "what it is computed from");
    }
    end(&replicas[3].cache, way, false).await;
    if heard {
        pass(MOMENT).await;
    }
    b.cache.write(made("late", &["two"]), Some(token)).await.unwrap();
    pass(MOMENT).await;
    for replica in &replicas {
        assert_eq!(replica.look("late").await, Read::Miss, "{way:?} {reads} {heard}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_made_from_more_than_it_can_say_may_be_made_from_anything() {
    let (net, clock) = net(140);
    let replicas = start(&net, 3, &clock, Coherence::Available).await;
    let [a, b, c] = &replicas[..] else { unreachable!() };
    let parents: Vec<String> = (0..8).map(|number| format!("p{number}")).collect();
    for parent in &parents {
        let tags: Vec<String> = (0..48).map(|number| format!("{parent}-{number}")).collect();
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        a.cache.write(model(parent, &tags), None).await.unwrap();
    }
    let parents: Vec<&str> = parents.iter().map(String::as_str).collect();
    a.cache.write(made("many", &parents), None).await.unwrap();
    b.cache.write(made("from-many", &["many"]), None).await.unwrap();
    a.cache.write(made("few", &["p0"]), None).await.unwrap();
    assert_eq!(b.look("many").await, Read::Value(1));
    end(&c.cache, &Selector::tag("p7-40").unwrap(), false).await;
    pass(MOMENT).await;
    for replica in [a, b, c] {
        assert_eq!((replica.look("many").await, replica.look("from-many").await), (Read::Miss, Read::Miss));
        assert_eq!(replica.look("few").await, Read::Value(1));
    }
}

/// A server that keeps nothing in memory.
async fn on_disk_alone(disk: &Arc<Disk>, (net, clock): (&Arc<Net>, &Clock)) -> Replica {
    let config = EngineConfig { entries_max: 0, ..EngineConfig::default() };
    let link = Link::new(net, 9, Wrong::Nothing);
    let tiers = Tiers { local: Some(disk.clone()), shared: Some(link.clone()), ..Tiers::default() };
    let cache = Cache::with_tiers(config, clock.clone(), Arc::new(Silent), (Origins::default(), tiers)).unwrap();
    net.tasks.spawn("follow", cache.clone().follow_fleet());
    assert!(cache.caught_up(Duration::from_secs(5)).await);
    Replica { cache, link }
}

#[tokio::test(start_paused = true)]
async fn what_lies_on_a_disk_alone_goes_too() {
    for (number, way) in (150..).zip(ways()).chain((160..).zip(ways())) {
        let (net, clock) = net(number);
        let disk = Disk::new(1, Manners::default());
        let replicas = start(&net, 4, &clock, Coherence::Available).await;
        let below = on_disk_alone(&disk, (&net, &clock)).await;
        chain(&replicas).await;
        below.cache.write(made("four", &["three"]), None).await.unwrap();
        below.cache.write(made("beside", &["apart"]), None).await.unwrap();
        assert!(disk.keys().contains(&"four".to_owned()) || disk.keys().is_empty(), "{:?}", disk.keys());
        assert_eq!((below.look("four").await, below.look("three").await), (Read::Value(1), Read::Value(1)));
        let asked = if number < 160 { &replicas[3] } else { &below };
        end(&asked.cache, &way, false).await;
        pass(MOMENT).await;
        for key in ["four", "three"] {
            assert_eq!(below.look(key).await, Read::Miss, "{way:?} {key}");
        }
        assert_eq!(below.look("beside").await, Read::Value(1), "{way:?}");
    }
}

/// What there is, with all it was made from, as a list says it.
#[derive(Default)]
struct Plain(BTreeMap<String, BTreeSet<String>>);

impl Plain {
    /// Drops a key and all that was made from it.
    fn end(&mut self, root: &str) {
        self.0.retain(|key, made_from| key != root && !made_from.contains(root));
    }

    fn put(&mut self, key: &str, from: &[String]) {
        let mut made_from: BTreeSet<String> = from.iter().cloned().collect();
        made_from.extend(from.iter().filter_map(|name| self.0.get(name)).flatten().cloned());
        self.0.insert(key.to_owned(), made_from);
    }
}

/// Each key has a tag and a kind of its own, so there are several ways to name the same one.
fn way(number: u32, key: &str) -> Selector {
    match number % 6 {
        0 => Selector::key(key),
        1 => Selector::tag(&format!("t-{key}")),
        2 => Selector::kind(&format!("kind-{key}")),
        3 => Selector::all_tags([&*format!("t-{key}"), "all"]),
        4 => Selector::prefix(key),
        _ => Selector::glob(&format!("{}?", &key[..2])),
    }
    .unwrap()
}

#[tokio::test(start_paused = true)]
async fn any_sequence_agrees_with_a_list_of_what_was_made_from_what() {
    for seed in 0..12 {
        let (net, clock) = net(seed);
        let replicas = start(&net, 3, &clock, Coherence::Available).await;
        let mut plain = Plain::default();
        for step in 0..80 {
            one_step(&net, &replicas, &mut plain).await;
            pass(MOMENT).await;
            let (looks, key) = (&replicas[below(&net, 3) as usize], key_of(below(&net, 10)));
            let there = plain.0.contains_key(&key);
            assert_eq!(looks.look(&key).await != Read::Miss, there, "seed {seed}, step {step}: {key}");
        }
        for (replica, key) in replicas.iter().flat_map(|replica| (0..10).map(move |number| (replica, key_of(number)))) {
            assert_eq!(replica.look(&key).await != Read::Miss, plain.0.contains_key(&key), "seed {seed}: {key}");
        }
    }
}

fn below(net: &Net, bound: u32) -> u32 {
    u32::try_from(net.below(u64::from(bound))).unwrap()
}

/// None begins like another.
fn key_of(number: u32) -> String {
    format!("{number}k{number}")
}

/// Stores what is not there, from what is there and comes before it; or drops something with all that was made from it.
async fn one_step(net: &Net, replicas: &[Arc<Replica>], plain: &mut Plain) {
    let (number, asked) = (below(net, 10), &replicas[below(net, 3) as usize]);
    let key = key_of(number);
    if below(net, 4) == 0 {
        end(&asked.cache, &way(below(net, 6), &key), below(net, 3) == 0).await;
        plain.end(&key);
        return;
    }
    if plain.0.contains_key(&key) {
        return;
    }
    let mut from: Vec<String> = (0..number).map(key_of).filter(|name| plain.0.contains_key(name)).collect();
    from.retain(|_| below(net, 3) == 0);
    let mut request = model(&key, &["all", &format!("t-{key}")]);
    request.description.kind = Arc::from(format!("kind-{key}"));
    request.description.depends_on = Dependencies::of(from.iter().map(|name| Arc::from(name.as_str())));
    asked.cache.write(request, None).await.unwrap();
    plain.put(&key, &from);
}
