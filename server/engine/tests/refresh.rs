//! REFRESH: what is selected is stale until one job has fetched it anew; what can be refused marks nothing. The origin is
//! told here what to answer, and when.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::future::BoxFuture;
use hotplate_engine::{
    cache::Cache,
    clock::Clock,
    entry::{Dependencies, Description, EntryView, Expiration, Payload, Ttl},
    error::{Kind, Reason},
    event::Silent,
    flow::{
        anew::RefreshFrom,
        invalidate::{InvalidateAnswer, InvalidateRequest},
        list::ListRequest,
        preload::{PreloadItem, PreloadRequest, PreloadState},
        put::PutRequest,
    },
    namespace::EngineConfig,
    origin::{Loaded, Origin, OriginAnswer, OriginError, OriginRequest, Origins},
    selector::Selector,
};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

const ITEMS_MAX: usize = 4;

/// Answers `new` once it may, and fails for keys that begin with `down`.
struct Script {
    gate: Semaphore,
    asked: Mutex<BTreeMap<String, BTreeMap<String, String>>>,
    calls: AtomicUsize,
    /// A permit for each call that came.
    came: Semaphore,
}

impl Origin for Script {
    fn load(&self, request: OriginRequest) -> BoxFuture<'_, Result<OriginAnswer, OriginError>> {
        Box::pin(async move {
            self.calls.fetch_add(1, Ordering::SeqCst);
            self.asked.lock().insert(request.key.to_string(), request.parameters);
            self.came.add_permits(1);
            self.gate.acquire().await.unwrap().forget();
            if request.key.starts_with("down") {
                return Err(OriginError { reason: "ORIGIN_STATUS", message: "503".to_owned(), retryable: false });
            }
            let text: Arc<str> = Arc::from("");
            let value = Bytes::from_static(b"new");
            Ok(OriginAnswer::Found(Loaded {
                value,
                content_type: text.clone(),
                encoding: text,
                ttl: None,
                validator: None,
            }))
        })
    }
}

struct World {
    cache: Arc<Cache>,
    script: Arc<Script>,
}

fn world(origins: &[&str]) -> World {
    world_with(origins, 1)
}

fn world_with(origins: &[&str], preload_jobs_max: usize) -> World {
    let script = Arc::new(Script {
        gate: Semaphore::new(0),
        asked: Mutex::default(),
        calls: AtomicUsize::new(0),
        came: Semaphore::new(0),
    });
    let named = |name: &&str| ((*name).to_owned(), script.clone() as Arc<dyn Origin>);
    let own: BTreeMap<_, _> = origins.iter().map(named).collect();
    let all: Origins = if own.is_empty() { Origins::new() } else { [("default".to_owned(), own)].into() };
    let config = EngineConfig {
        seed: Some(1),
        shards: 4,
        preload_items_max: ITEMS_MAX,
        preload_jobs_max,
        ..EngineConfig::default()
    };
    let cache = Cache::new(config, Clock::manual(), Arc::new(Silent), all).unwrap();
    World { cache, script }
}

impl World {
    fn put(&self, key: &str, (tags, made_from): (&[&str], &[&str])) {
        let expiration = Expiration {
            ttl: Ttl::Exact(Duration::from_secs(100)),
            stale_for: Some(Duration::from_secs(50)),
            ..Expiration::default()
        };
        let description = Description {
            kind: Arc::from("report"),
            tags: tags.iter().map(|tag| Arc::from(*tag)).collect(),
            depends_on: Dependencies::of(made_from.iter().map(|name| Arc::from(*name))),
            ..Description::default()
        };
        let request = PutRequest {
            description,
            expiration,
            ..PutRequest::new("", key, Payload::Value(Bytes::from_static(b"old")))
        };
        self.cache.put(request).unwrap();
    }

    fn refresh(&self, request: &InvalidateRequest) -> InvalidateAnswer {
        self.cache.refresh(request, &RefreshFrom::default()).unwrap()
    }

    /// All there is, by key.
    fn entries(&self) -> BTreeMap<String, EntryView> {
        let request =
            ListRequest { namespace: String::new(), selectors: Vec::new(), page_size: 100, page_token: String::new() };
        let listed = self.cache.list(&request).unwrap().entries;
        listed.into_iter().map(|view| (view.key.to_string(), view)).collect()
    }

    /// Follows a job to its end.
    async fn ended(&self, answer: &InvalidateAnswer) -> BTreeMap<String, PreloadState> {
        let job_id = answer.refresh_job_id.as_deref().unwrap().to_owned();
        let mut job = self.cache.preload(PreloadRequest { job_id, ..PreloadRequest::default() }).unwrap();
        let mut states = BTreeMap::new();
        while let Some(progress) = job.next().await {
            states.extend(progress.results.into_iter().map(|result| (result.key.to_string(), result.state)));
        }
        states
    }
}

fn invalidate(selectors: Vec<Selector>) -> InvalidateRequest {
    InvalidateRequest {
        namespace: String::new(),
        selectors,
        cascade: true,
        validate_only: false,
        reason: None,
        request_id: String::new(),
        client_id: None,
    }
}

fn tag(tag: &str) -> Vec<Selector> {
    vec![Selector::tag(tag).unwrap()]
}

fn key(key: &str) -> Vec<Selector> {
    vec![Selector::key(key).unwrap()]
}

fn value(view: &EntryView) -> &[u8] {
    match &view.payload {
        Payload::Value(value) => value,
        Payload::Compressed(_) | Payload::Chunks(_) | Payload::Negative(_) => panic!("no failure is stored"),
    }
}

#[tokio::test]
async fn what_is_selected_is_stale_until_it_is_fetched_and_keeps_what_is_said_of_it() {
    let world = world(&["backend"]);
    world.put("a", (&["t", "u"], &["source"]));
    world.put("b", (&["t"], &[]));
    world.put("made", (&[], &["a"]));
    world.put("other", (&["u"], &[]));
    let answer = world.refresh(&invalidate(tag("t")));
    assert_eq!((answer.matched_count, answer.cascaded_count, answer.refreshing_count), (2, 1, 2));
    for (key, marked) in [("a", true), ("b", true), ("made", true), ("other", false)] {
        let view = &world.entries()[key];
        assert_eq!((value(view), view.facts.marked_stale), (&b"old"[..], marked), "{key}");
    }
    world.script.gate.add_permits(2);
    let states = world.ended(&answer).await;
    assert_eq!(states.into_iter().collect::<Vec<_>>(), ["a", "b"].map(|key| (key.to_owned(), PreloadState::Loaded)));
    let entries = world.entries();
    for key in ["a", "b"] {
        let view = &entries[key];
        assert_eq!((value(view), view.facts.marked_stale), (&b"new"[..], false), "{key}");
        assert!(!view.facts.fresh_for.is_zero(), "{key}");
        assert_eq!(&*view.facts.description.kind, "report");
    }
    let said = &entries["a"].facts.description;
    assert_eq!(said.tags.iter().map(|tag| &**tag).collect::<Vec<_>>(), ["t", "u"]);
    assert_eq!(said.made_from().iter().map(|name| &**name).collect::<Vec<_>>(), ["source"]);
    assert!(entries["made"].facts.marked_stale, "what follows is not fetched");
    assert_eq!(world.script.calls.load(Ordering::SeqCst), 2, "one fetch for each");
    world.cache.check_invariants().unwrap();
}

#[tokio::test]
async fn what_is_dropped_by_the_mark_is_fetched_and_what_is_not_there_is_not() {
    let world = world(&["backend"]);
    world.put("there", (&[], &[]));
    let both = vec![Selector::key("there").unwrap(), Selector::key("missing").unwrap()];
    let answer = world.refresh(&invalidate(both));
    assert_eq!((answer.matched_count, answer.refreshing_count), (1, 1));
    world.script.gate.add_permits(1);
    world.ended(&answer).await;
    assert_eq!(world.entries().into_keys().collect::<Vec<_>>(), ["there"]);
    // Without a stale time: it is dropped, and fetched all the same.
    let again = world.refresh(&invalidate(key("there")));
    assert!(world.entries().is_empty(), "what was fetched has the lifetime of the namespace, without a stale time");
    world.script.gate.add_permits(1);
    world.ended(&again).await;
    assert_eq!(value(&world.entries()["there"]), b"new");
    let nothing = world.refresh(&invalidate(key("missing")));
    assert_eq!((nothing.refreshing_count, nothing.refresh_job_id), (0, None));
}

#[tokio::test]
async fn what_cannot_be_fetched_is_refused_and_nothing_is_marked() {
    let no_origin = world(&[]);
    let several = world(&["one", "two"]);
    let fetching = world(&["backend"]);
    for world in [&no_origin, &several, &fetching] {
        (0..=ITEMS_MAX).for_each(|number| world.put(&format!("k{number}"), (&["t"], &[])));
    }
    let long = RefreshFrom { parameters: [("p".to_owned(), "x".repeat(5000))].into(), ..RefreshFrom::default() };
    let unknown = RefreshFrom { origin: "three".to_owned(), ..RefreshFrom::default() };
    let cases = [
        (&no_origin, key("k0"), RefreshFrom::default(), Reason::NoOrigin, "refresh.origin"),
        (&no_origin, key("missing"), RefreshFrom::default(), Reason::NoOrigin, "refresh.origin"),
        (&several, key("k0"), RefreshFrom::default(), Reason::NoOrigin, "refresh.origin"),
        (&several, key("k0"), unknown, Reason::NoOrigin, "refresh.origin"),
        (&fetching, key("k0"), long, Reason::BadArgument, "refresh.parameters"),
        (&fetching, tag("t"), RefreshFrom::default(), Reason::BatchTooLarge, "selectors"),
    ];
    for (world, selectors, from, reason, field) in cases {
        for validate_only in [true, false] {
            let request = InvalidateRequest { validate_only, ..invalidate(selectors.clone()) };
            let error = world.cache.refresh(&request, &from).unwrap_err();
            assert_eq!((error.reason(), error.field_name()), (reason, Some(field)), "{error}");
        }
    }
    // The only job that may run is under way.
    let running = fetching.refresh(&invalidate(key("k1")));
    let error = fetching.cache.refresh(&invalidate(key("k2")), &RefreshFrom::default()).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (Kind::ResourceExhausted, Reason::TooManyJobs));
    let marked = |world: &World| {
        let entries = world.entries().into_iter();
        entries.filter(|(_, view)| view.facts.marked_stale).map(|(key, _)| key).collect::<Vec<_>>()
    };
    assert_eq!((marked(&no_origin).len(), marked(&several).len(), marked(&fetching)), (0, 0, vec!["k1".to_owned()]));
    fetching.script.gate.add_permits(1);
    fetching.ended(&running).await;
    assert_eq!(fetching.refresh(&invalidate(key("k2"))).refreshing_count, 1, "and now there is room again");
}

#[tokio::test]
async fn validating_only_counts() {
    let world = world(&["backend"]);
    world.put("a", (&["t"], &[]));
    let dry = world.refresh(&InvalidateRequest { validate_only: true, ..invalidate(tag("t")) });
    assert_eq!((dry.matched_count, dry.refreshing_count, dry.refresh_job_id), (1, 1, None));
    assert!(!world.entries()["a"].facts.marked_stale);
    assert_eq!(world.script.calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_retry_with_the_same_id_gets_the_same_job() {
    let world = world(&["named", "other"]);
    world.put("a", (&["t"], &[]));
    let parameters: BTreeMap<String, String> = [("track".to_owned(), "spa".to_owned())].into();
    let from = RefreshFrom { origin: "named".to_owned(), parameters: parameters.clone() };
    let request = InvalidateRequest { request_id: "once".to_owned(), ..invalidate(tag("t")) };
    let first = world.cache.refresh(&request, &from).unwrap();
    let again = world.cache.refresh(&request, &from).unwrap();
    assert!(first.refresh_job_id.is_some() && first.refresh_job_id == again.refresh_job_id);
    world.script.gate.add_permits(2);
    world.ended(&again).await;
    assert_eq!(world.script.calls.load(Ordering::SeqCst), 1);
    assert_eq!(world.script.asked.lock()["a"], parameters);
}

#[tokio::test]
async fn what_fails_leaves_the_old_value_with_the_reason_beside_it() {
    let world = world(&["backend"]);
    world.put("down", (&["t"], &[]));
    let answer = world.refresh(&invalidate(tag("t")));
    world.script.gate.add_permits(1);
    let states = world.ended(&answer).await;
    assert!(matches!(&states["down"], PreloadState::Failed { reason: "ORIGIN_STATUS", .. }));
    let view = world.entries().remove("down").unwrap();
    assert_eq!((value(&view), view.facts.marked_stale), (&b"old"[..], true));
    let failure = view.facts.failure.unwrap();
    assert_eq!((&*failure.negative.reason, &*failure.negative.message), ("ORIGIN_STATUS", "503"));
    world.cache.check_invariants().unwrap();
}

#[tokio::test]
async fn what_others_fetched_before_is_kept_out_and_what_the_job_fetches_is_let_in() {
    let world = world_with(&["backend"], 2);
    world.put("a", (&["t"], &[]));
    let item = PreloadItem { key: "a".to_owned(), tags: vec![Arc::from("t")], ..PreloadItem::default() };
    let request = PreloadRequest { items: vec![item], force: true, ..PreloadRequest::default() };
    let mut before = world.cache.preload(request).unwrap();
    world.script.came.acquire().await.unwrap().forget();
    let answer = world.refresh(&invalidate(tag("t")));
    world.script.came.acquire().await.unwrap().forget();
    world.script.gate.add_permits(1);
    let late = loop {
        let progress = before.next().await.unwrap();
        if let Some(result) = progress.results.into_iter().next() {
            break result.state;
        }
    };
    assert!(matches!(late, PreloadState::NotStored { reason: "INVALIDATED", .. }), "{late:?}");
    assert!(world.entries()["a"].facts.marked_stale);
    world.script.gate.add_permits(1);
    assert_eq!(world.ended(&answer).await["a"], PreloadState::Loaded);
    assert_eq!(value(&world.entries()["a"]), b"new");
}

#[tokio::test]
async fn an_invalidate_while_it_is_fetched_keeps_the_fetched_value_out() {
    let world = world(&["backend"]);
    world.put("a", (&["t"], &[]));
    let answer = world.refresh(&invalidate(tag("t")));
    world.script.came.acquire().await.unwrap().forget();
    world.cache.invalidate(&invalidate(tag("t"))).unwrap();
    world.script.gate.add_permits(1);
    let states = world.ended(&answer).await;
    assert!(matches!(&states["a"], PreloadState::NotStored { reason: "INVALIDATED", .. }), "{states:?}");
    assert!(world.entries().is_empty());
}

#[tokio::test]
async fn a_job_that_is_cancelled_leaves_the_rest_stale() {
    let world = world(&["backend"]);
    world.put("a", (&["t"], &[]));
    let answer = world.refresh(&invalidate(tag("t")));
    let job_id = answer.refresh_job_id.as_deref().unwrap().to_owned();
    drop(world.cache.preload(PreloadRequest { job_id, cancel: true, ..PreloadRequest::default() }).unwrap());
    assert_eq!(world.ended(&answer).await["a"], PreloadState::Cancelled);
    assert!(world.entries()["a"].facts.marked_stale);
    world.cache.close();
    let error = world.cache.refresh(&invalidate(tag("t")), &RefreshFrom::default()).unwrap_err();
    assert_eq!(error.reason(), Reason::Draining);
}
