//! A value fetched while the world moved on is stored nowhere: whatever overtook the fetch wins.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use hotplate_engine::{
    Cache,
    clock::Clock,
    entry::{Dependencies, Description, Payload},
    event::Silent,
    flow::{
        get::{GetRequest, Lookup},
        invalidate::InvalidateRequest,
        preload::{PreloadItem, PreloadRequest, PreloadState},
        put::{PutAnswer, PutRequest},
    },
    namespace::EngineConfig,
    origin::{Loaded, Origin, OriginAnswer, OriginError, OriginRequest, Origins},
    selector::Selector,
};
use tokio::sync::Semaphore;

/// Says that it was asked, then waits to be let go, then answers "fetched".
struct Gated {
    asked: Semaphore,
    go: Semaphore,
}

impl Origin for Gated {
    fn load(&self, _request: OriginRequest) -> BoxFuture<'_, Result<OriginAnswer, OriginError>> {
        async {
            self.asked.add_permits(1);
            self.go.acquire().await.unwrap().forget();
            Ok(OriginAnswer::Found(Loaded {
                value: Bytes::from_static(b"fetched"),
                content_type: "".into(),
                encoding: "".into(),
                ttl: None,
                validator: None,
            }))
        }
        .boxed()
    }
}

fn put(cache: &Cache, value: &'static [u8]) -> PutAnswer {
    put_as(cache, "k", (value, &[]))
}

fn put_as(cache: &Cache, key: &str, (value, on): (&'static [u8], &[&str])) -> PutAnswer {
    let request = PutRequest {
        description: Description {
            tags: vec!["t".into()],
            depends_on: Dependencies::of(on.iter().map(|name| Arc::from(*name))),
            ..Description::default()
        },
        ..PutRequest::new("", key, Payload::Value(Bytes::from_static(value)))
    };
    cache.put(request).unwrap()
}

fn invalidate(cache: &Cache, selector: Selector) {
    let request = InvalidateRequest {
        namespace: String::new(),
        selectors: vec![selector],
        cascade: true,
        validate_only: false,
        reason: None,
        request_id: String::new(),
        client_id: None,
    };
    cache.invalidate(&request).unwrap();
}

fn value(cache: &Cache) -> Option<Bytes> {
    let request = GetRequest { key: "k".to_owned(), ..GetRequest::default() };
    match cache.get(&request).unwrap().outcome {
        Lookup::Hit(entry) => match entry.payload {
            Payload::Value(value) => Some(value),
            Payload::Compressed(_) | Payload::Chunks(_) | Payload::Negative(_) => None,
        },
        _ => None,
    }
}

/// Fetches the key and lets `meanwhile` happen between the question and the answer.
async fn overtake(meanwhile: impl FnOnce(&Cache)) -> (Arc<Cache>, PreloadState) {
    let origin = Arc::new(Gated { asked: Semaphore::new(0), go: Semaphore::new(0) });
    let named: BTreeMap<String, Arc<dyn Origin>> = [("o".to_owned(), origin.clone() as Arc<dyn Origin>)].into();
    let origins: Origins = [("default".to_owned(), named)].into();
    let config = EngineConfig { seed: Some(1), ..EngineConfig::default() };
    let cache = Cache::new(config, Clock::manual(), Arc::new(Silent), origins).unwrap();
    assert!(matches!(put(&cache, b"old"), PutAnswer::Stored { .. }));
    let item = PreloadItem { key: "k".to_owned(), tags: vec!["t".into()], ..PreloadItem::default() };
    let mut job =
        cache.preload(PreloadRequest { items: vec![item], force: true, ..PreloadRequest::default() }).unwrap();
    origin.asked.acquire().await.unwrap().forget();
    meanwhile(&cache);
    origin.go.add_permits(1);
    let mut state = None;
    while let Some(progress) = job.next().await {
        state = progress.results.into_iter().next().map(|result| result.state).or(state);
    }
    cache.check_invariants().unwrap();
    (cache, state.unwrap())
}

fn too_late(state: &PreloadState) -> bool {
    matches!(state, PreloadState::NotStored { reason: "INVALIDATED", .. })
}

#[tokio::test]
async fn nothing_overtakes_an_undisturbed_fill() {
    let (cache, state) = overtake(|_| {}).await;
    assert_eq!((state, value(&cache)), (PreloadState::Loaded, Some(Bytes::from_static(b"fetched"))));
}

#[tokio::test]
async fn an_invalidate_by_key_tag_prefix_glob_or_of_everything_wins() {
    let selectors = [
        Selector::key("k").unwrap(),
        Selector::tag("t").unwrap(),
        Selector::prefix("k").unwrap(),
        Selector::glob("?").unwrap(),
        Selector::all_tags(["t"]).unwrap(),
        Selector::Everything,
    ];
    for selector in selectors {
        let (cache, state) = overtake(|cache| invalidate(cache, selector.clone())).await;
        assert!(too_late(&state), "{selector:?}: {state:?}");
        assert_eq!(value(&cache), None, "{selector:?}");
    }
}

#[tokio::test]
async fn an_invalidate_of_something_else_changes_nothing() {
    let (cache, state) = overtake(|cache| invalidate(cache, Selector::tag("other").unwrap())).await;
    assert_eq!((state, value(&cache)), (PreloadState::Loaded, Some(Bytes::from_static(b"fetched"))));
}

#[tokio::test]
async fn a_write_wins() {
    let (cache, state) = overtake(|cache| assert!(matches!(put(cache, b"new"), PutAnswer::Stored { .. }))).await;
    assert!(too_late(&state));
    assert_eq!(value(&cache), Some(Bytes::from_static(b"new")));
}

/// Has nothing new, after it was let go.
struct Unchanged(Gated);

impl Origin for Unchanged {
    fn load(&self, request: OriginRequest) -> BoxFuture<'_, Result<OriginAnswer, OriginError>> {
        async { self.0.load(request).await.map(|_| OriginAnswer::NotModified { ttl: None }) }.boxed()
    }
}

/// What is being renewed made room for others meanwhile, so that the cascade of what it was made from did not find it.
#[tokio::test]
async fn an_invalidate_of_what_it_was_made_from_wins() {
    for (selector, late) in [("source", true), ("other", false)] {
        let origin = Arc::new(Unchanged(Gated { asked: Semaphore::new(0), go: Semaphore::new(0) }));
        let named: BTreeMap<String, Arc<dyn Origin>> = [("o".to_owned(), origin.clone() as Arc<dyn Origin>)].into();
        let origins: Origins = [("default".to_owned(), named)].into();
        let config = EngineConfig { seed: Some(1), entries_max: 1, shards: 1, ..EngineConfig::default() };
        let cache = Cache::new(config, Clock::manual(), Arc::new(Silent), origins).unwrap();
        put_as(&cache, "k", (b"old", &["source"]));
        let item = PreloadItem { key: "k".to_owned(), ..PreloadItem::default() };
        let mut job =
            cache.preload(PreloadRequest { items: vec![item], force: true, ..PreloadRequest::default() }).unwrap();
        origin.0.asked.acquire().await.unwrap().forget();
        put_as(&cache, "more", (b"v", &[]));
        assert_eq!(value(&cache), None, "it made room");
        invalidate(&cache, Selector::key(selector).unwrap());
        origin.0.go.add_permits(1);
        let mut state = None;
        while let Some(progress) = job.next().await {
            state = progress.results.into_iter().next().map(|result| result.state).or(state);
        }
        let state = state.unwrap();
        assert_eq!(too_late(&state), late, "{selector}: {state:?}");
        assert_eq!(value(&cache).is_none(), late, "{selector}");
        cache.check_invariants().unwrap();
    }
}

/// The source went from `old` to `fetched` and back while it was asked: the writer who says `old` again is newer.
#[tokio::test]
async fn a_write_that_changes_nothing_wins_as_well() {
    let (cache, state) = overtake(|cache| assert!(matches!(put(cache, b"old"), PutAnswer::Refreshed { .. }))).await;
    assert!(too_late(&state));
    assert_eq!(value(&cache), Some(Bytes::from_static(b"old")));
}
