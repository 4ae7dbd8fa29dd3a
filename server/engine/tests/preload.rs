//! Preload jobs against origins that are told what to answer, and a store that only remembers what passed the gate.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use hotplate_engine::{
    clock::Clock,
    entry::{CostSource, EntryView, Expiration, Facts, Negative, Payload, Ttl},
    error::{Reason, Result},
    event::Silent,
    fence::Stamp,
    flow::{
        fill::{Admitted, Fill, Store, Ticket, VALIDATOR_LABEL},
        preload::{Jobs, PreloadItem, PreloadProgress, PreloadRequest, PreloadState, PreloadStream},
    },
    key::Key,
    namespace::EngineConfig,
    origin::{Loaded, Origin, OriginAnswer, OriginError, OriginRequest, Origins},
};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

/// Keeps what passed the gate; `fresh` says whether it shows as fresh.
struct Shelf {
    entries: Mutex<BTreeMap<String, (Fill, bool)>>,
    /// Raised by each Invalidate: a fill with an older ticket is refused.
    fence: AtomicUsize,
}

impl Store for Shelf {
    fn ticket(&self, _key: &Key) -> Ticket {
        let stamp = Stamp { epoch: 1, key: self.fence.load(Ordering::SeqCst) as u64, selector: 0 };
        Ticket { stamp, place: 0 }
    }

    fn view(&self, key: &Key) -> Option<EntryView> {
        let entries = self.entries.lock();
        let (fill, fresh) = entries.get(&**key.text())?;
        let left = Duration::from_secs(60);
        let facts = Facts {
            etag: Arc::from("e"),
            description: Arc::new(fill.description.clone()),
            compute_cost: None,
            cost_source: CostSource::Estimated,
            size_bytes: 0,
            charged_bytes: 0,
            marked_stale: false,
            failure: None,
            digest: [0; 32],
            sha256: None,
            age: Duration::ZERO,
            fresh_for: if *fresh { left } else { Duration::ZERO },
            usable_for: left,
            hit_count: 0,
            pinned: false,
        };
        Some(EntryView { key: key.text().clone(), payload: fill.payload.clone(), facts })
    }

    fn ttl_max(&self, _namespace: &str) -> Duration {
        Duration::from_secs(1000)
    }

    fn admit(&self, fill: Fill) -> Result<Admitted> {
        if fill.ticket.stamp.key < self.fence.load(Ordering::SeqCst) as u64 {
            return Ok(Admitted::TooLate);
        }
        if matches!(&fill.payload, Payload::Value(value) if value.len() > 100) {
            return Ok(Admitted::NotAdmitted("too large".to_owned()));
        }
        self.entries.lock().insert(fill.key.text().to_string(), (fill, true));
        Ok(Admitted::Stored { pinned: false })
    }

    fn failed(&self, _key: &Key, failure: &Negative) {
        panic!("a preload keeps no failure: {failure:?}");
    }
}

/// Answers by what the key begins with.
struct Script {
    calls: AtomicUsize,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
    gate: Semaphore,
    shelf: Arc<Shelf>,
}

impl Origin for Script {
    fn load(&self, request: OriginRequest) -> BoxFuture<'_, std::result::Result<OriginAnswer, OriginError>> {
        Box::pin(async move {
            let call = self.calls.fetch_add(1, Ordering::SeqCst);
            let running = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_at_once.fetch_max(running, Ordering::SeqCst);
            tokio::task::yield_now().await;
            let answer = self.answer(&request, call).await;
            self.at_once.fetch_sub(1, Ordering::SeqCst);
            answer
        })
    }
}

impl Script {
    async fn answer(&self, request: &OriginRequest, call: usize) -> std::result::Result<OriginAnswer, OriginError> {
        let failure = |retryable| Err(OriginError { reason: "ORIGIN_STATUS", message: "status".to_owned(), retryable });
        let found = |bytes: usize, ttl: Option<u64>| {
            Ok(OriginAnswer::Found(Loaded {
                value: vec![1; bytes].into(),
                content_type: Arc::from("text/plain"),
                encoding: Arc::from(""),
                ttl: ttl.map(Duration::from_secs),
                validator: Some(Arc::from("v1")),
            }))
        };
        match request.key.split(':').next().unwrap_or_default() {
            "absent" => Ok(OriginAnswer::Absent),
            "broken" => failure(false),
            "down" => failure(true),
            "flaky" if call < 2 => failure(true),
            "panic" => panic!("an origin with a bug"),
            "large" => found(101, None),
            "nostore" => found(3, Some(0)),
            "week" => found(3, Some(604_800)),
            "current" if request.validator.as_deref() == Some("v1") => {
                Ok(OriginAnswer::NotModified { ttl: Some(Duration::from_secs(9)) })
            }
            "overtaken" => {
                self.shelf.fence.fetch_add(1, Ordering::SeqCst);
                found(3, None)
            }
            "wait" => {
                self.gate.acquire().await.unwrap().forget();
                found(3, None)
            }
            _ => found(3, None),
        }
    }
}

struct Kitchen {
    jobs: Jobs,
    script: Arc<Script>,
    shelf: Arc<Shelf>,
}

fn kitchen() -> Kitchen {
    let shelf = Arc::new(Shelf { entries: Mutex::default(), fence: AtomicUsize::new(0) });
    let script = Arc::new(Script {
        calls: AtomicUsize::new(0),
        at_once: AtomicUsize::new(0),
        most_at_once: AtomicUsize::new(0),
        gate: Semaphore::new(0),
        shelf: shelf.clone(),
    });
    let origin: Arc<dyn Origin> = script.clone();
    let named = BTreeMap::from([("main".to_owned(), origin)]);
    let two =
        BTreeMap::from([("a".to_owned(), script.clone() as Arc<dyn Origin>), ("b".to_owned(), script.clone() as _)]);
    let origins = Origins::from([("default".to_owned(), named), ("two".to_owned(), two)]);
    let config = EngineConfig { preload_jobs_max: 2, preload_items_max: 600, seed: Some(1), ..EngineConfig::default() };
    let jobs = Jobs::new(&config, Clock::system(), Arc::new(Silent), origins, shelf.clone());
    Kitchen { jobs, script, shelf }
}

fn items(keys: &[&str]) -> PreloadRequest {
    let item = |key: &&str| PreloadItem { key: (*key).to_owned(), ..PreloadItem::default() };
    PreloadRequest { items: keys.iter().map(item).collect(), ..PreloadRequest::default() }
}

async fn to_the_end(mut stream: PreloadStream) -> (BTreeMap<String, PreloadState>, PreloadProgress) {
    let mut states = BTreeMap::new();
    let mut last = None;
    while let Some(progress) = stream.next().await {
        states.extend(progress.results.iter().map(|result| (result.key.to_string(), result.state.clone())));
        last = Some(progress);
    }
    (states, last.unwrap())
}

impl Kitchen {
    async fn state(&self, request: PreloadRequest) -> PreloadState {
        to_the_end(self.jobs.preload(request).unwrap()).await.0.into_values().next().unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn each_item_ends_alone_and_in_its_own_way() {
    let kitchen = kitchen();
    let keys = ["found", "absent", "broken", "down", "panic", "large", "nostore", "overtaken"];
    let request = PreloadRequest { max_parallelism: 1, ..items(&keys) };
    let (states, last) = to_the_end(kitchen.jobs.preload(request).unwrap()).await;
    let reason = |key: &str| match &states[key] {
        PreloadState::Failed { reason, .. } | PreloadState::NotStored { reason, .. } => *reason,
        other => panic!("{key}: {other:?}"),
    };
    assert_eq!(states["found"], PreloadState::Loaded);
    assert_eq!(states["absent"], PreloadState::Negative);
    assert_eq!(
        (reason("broken"), reason("down"), reason("panic")),
        ("ORIGIN_STATUS", "ORIGIN_STATUS", "ORIGIN_FAILED")
    );
    assert_eq!(
        (reason("large"), reason("nostore"), reason("overtaken")),
        ("NOT_ADMITTED", "ORIGIN_NO_STORE", "INVALIDATED")
    );
    assert_eq!((last.done_count, last.total_count, last.finished, last.cancelled), (8, 8, true, false));
    assert_eq!(last.loaded_bytes, 3 + 101 + 3);
    assert!(matches!(kitchen.shelf.entries.lock()["absent"].0.payload, Payload::Negative(_)));
}

#[tokio::test(start_paused = true)]
async fn only_what_may_help_is_retried_and_not_for_ever() {
    for (key, calls) in [("broken", 1), ("down", 3), ("flaky", 3), ("found", 1)] {
        let kitchen = kitchen();
        kitchen.state(items(&[key])).await;
        assert_eq!(kitchen.script.calls.load(Ordering::SeqCst), calls, "{key}");
    }
}

#[tokio::test]
async fn what_is_fresh_is_skipped_unless_forced() {
    let kitchen = kitchen();
    assert_eq!(kitchen.state(items(&["x"])).await, PreloadState::Loaded);
    assert_eq!(kitchen.state(items(&["x"])).await, PreloadState::Skipped);
    assert_eq!(kitchen.state(PreloadRequest { force: true, ..items(&["x"]) }).await, PreloadState::Loaded);
}

#[tokio::test]
async fn what_the_origin_says_is_current_is_renewed() {
    let kitchen = kitchen();
    assert_eq!(kitchen.state(items(&["current"])).await, PreloadState::Loaded);
    kitchen.shelf.entries.lock().get_mut("current").unwrap().1 = false;
    assert_eq!(kitchen.state(items(&["current"])).await, PreloadState::Revalidated);
    let entries = kitchen.shelf.entries.lock();
    let (fill, _) = &entries["current"];
    assert_eq!(fill.expiration.ttl, Ttl::Exact(Duration::from_secs(9)));
    assert_eq!(fill.description.labels[VALIDATOR_LABEL], "v1");
}

#[tokio::test]
async fn the_callers_lifetime_comes_first_and_the_origins_is_bounded() {
    let kitchen = kitchen();
    kitchen.state(items(&["week"])).await;
    assert_eq!(kitchen.shelf.entries.lock()["week"].0.expiration.ttl, Ttl::Exact(Duration::from_secs(1000)));
    let mut request = items(&["nostore"]);
    request.items[0].expiration = Expiration { ttl: Ttl::Class("day".to_owned()), ..Expiration::default() };
    assert_eq!(kitchen.state(request).await, PreloadState::Loaded);
    assert_eq!(kitchen.shelf.entries.lock()["nostore"].0.expiration.ttl, Ttl::Class("day".to_owned()));
}

#[tokio::test]
async fn parallelism_is_bounded() {
    let kitchen = kitchen();
    let keys: Vec<_> = (0..300).map(|n| format!("k{n}")).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    let request = PreloadRequest { max_parallelism: 3, ..items(&keys) };
    let (states, last) = to_the_end(kitchen.jobs.preload(request).unwrap()).await;
    assert_eq!((states.len(), last.done_count), (300, 300));
    assert_eq!(kitchen.script.most_at_once.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_job_outlives_its_stream_and_is_joined_again_with_its_results_so_far() {
    let kitchen = kitchen();
    let mut stream = kitchen.jobs.preload(items(&["a", "wait"])).unwrap();
    let mut seen = 0;
    let mut job_id = String::new();
    while seen < 1 {
        let progress = stream.next().await.unwrap();
        (seen, job_id) = (progress.done_count, progress.job_id.to_string());
    }
    drop(stream);
    let join = PreloadRequest { job_id: job_id.clone(), ..PreloadRequest::default() };
    let mut joined = kitchen.jobs.preload(join.clone()).unwrap();
    let first = joined.next().await.unwrap();
    assert_eq!((&*first.job_id, &*first.results[0].key, first.finished), (job_id.as_str(), "a", false));
    kitchen.script.gate.add_permits(1);
    assert!(to_the_end(joined).await.1.finished);
    assert_eq!(to_the_end(kitchen.jobs.preload(join).unwrap()).await.0.len(), 2, "an ended job is remembered");
}

#[tokio::test]
async fn a_job_is_cancelled_by_its_id_or_with_its_caller() {
    let kitchen = kitchen();
    let mut stream = kitchen.jobs.preload(items(&["wait:1", "wait:2"])).unwrap();
    let job_id = stream.next().await.unwrap().job_id.to_string();
    let cancel = PreloadRequest { job_id, cancel: true, ..PreloadRequest::default() };
    let (states, last) = to_the_end(kitchen.jobs.preload(cancel).unwrap()).await;
    assert!(last.cancelled && states.values().all(|state| *state == PreloadState::Cancelled));
    assert!(to_the_end(stream).await.1.cancelled);

    let request = PreloadRequest { cancel_on_disconnect: true, ..items(&["wait:3"]) };
    let mut stream = kitchen.jobs.preload(request).unwrap();
    let job_id = stream.next().await.unwrap().job_id.to_string();
    drop(stream);
    let join = PreloadRequest { job_id, ..PreloadRequest::default() };
    assert!(to_the_end(kitchen.jobs.preload(join).unwrap()).await.1.cancelled);
}

#[tokio::test]
async fn closing_ends_jobs_and_their_streams() {
    let kitchen = kitchen();
    let mut stream = kitchen.jobs.preload(items(&["wait"])).unwrap();
    stream.next().await.unwrap();
    kitchen.jobs.close();
    assert!(to_the_end(stream).await.1.cancelled);
    assert_eq!(kitchen.jobs.preload(items(&["a"])).unwrap_err().reason(), Reason::Draining);
}

#[tokio::test]
async fn a_repeated_request_id_joins_its_job() {
    let kitchen = kitchen();
    let request = PreloadRequest { request_id: "r".to_owned(), ..items(&["a"]) };
    let (_, first) = to_the_end(kitchen.jobs.preload(request.clone()).unwrap()).await;
    let (_, second) = to_the_end(kitchen.jobs.preload(request).unwrap()).await;
    assert_eq!(first.job_id, second.job_id);
    assert_eq!(kitchen.script.calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_job_belongs_to_its_namespace_and_old_ones_are_forgotten() {
    let kitchen = kitchen();
    let (_, first) = to_the_end(kitchen.jobs.preload(items(&["a"])).unwrap()).await;
    let join = |namespace: &str| PreloadRequest {
        namespace: namespace.to_owned(),
        job_id: first.job_id.to_string(),
        ..PreloadRequest::default()
    };
    assert_eq!(kitchen.jobs.preload(join("two")).unwrap_err().reason(), Reason::JobUnknown);
    let _running =
        [kitchen.jobs.preload(items(&["wait:1"])).unwrap(), kitchen.jobs.preload(items(&["wait:2"])).unwrap()];
    assert_eq!(kitchen.jobs.preload(join("")).unwrap_err().reason(), Reason::JobUnknown, "two jobs are remembered");
    assert_eq!(kitchen.jobs.preload(items(&["b"])).unwrap_err().reason(), Reason::TooManyJobs);
}

#[tokio::test]
async fn bad_requests_name_their_field() {
    let kitchen = kitchen();
    let field = |request: PreloadRequest, reason: Reason| {
        let error = kitchen.jobs.preload(request).unwrap_err();
        assert_eq!(error.reason(), reason, "{error}");
        error.field_name().unwrap_or_default().to_owned()
    };
    let with = |change: &dyn Fn(&mut PreloadItem)| {
        let mut request = items(&["a", "b"]);
        change(&mut request.items[1]);
        request
    };
    assert_eq!(field(items(&[]), Reason::BadArgument), "items");
    assert_eq!(field(items(&["k"; 601]), Reason::BadArgument), "items");
    assert_eq!(field(items(&["a", ""]), Reason::BadKey), "items[1].key");
    assert_eq!(field(with(&|item| item.origin = "none".to_owned()), Reason::NoOrigin), "items[1].origin");
    assert_eq!(field(with(&|item| item.tags = vec![Arc::from("")]), Reason::BadArgument), "items[1].tags");
    let long = "x".repeat(4096);
    let parameter = |item: &mut PreloadItem| drop(item.parameters.insert("p".to_owned(), long.clone()));
    assert_eq!(field(with(&parameter), Reason::BadArgument), "items[1].parameters");
    assert_eq!(field(PreloadRequest { cancel: true, ..items(&["a"]) }, Reason::BadArgument), "cancel");
    assert_eq!(field(PreloadRequest { job_id: "j".to_owned(), ..items(&["a"]) }, Reason::BadArgument), "items");
    let several = PreloadRequest { namespace: "two".to_owned(), ..items(&["a"]) };
    assert!(kitchen.jobs.preload(several).unwrap_err().message().contains("a, b"));
    assert_eq!(kitchen.script.calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_pin_is_for_more_than_nothing_and_a_day_at_most() {
    let kitchen = kitchen();
    let day = Duration::from_secs(24 * 3600);
    let pinned = |pin_for, request: PreloadRequest| PreloadRequest { pin_for: Some(pin_for), ..request };
    for long in [Duration::ZERO, day + Duration::from_nanos(1)] {
        let refusal = kitchen.jobs.preload(pinned(long, items(&["x"]))).unwrap_err();
        assert_eq!((refusal.reason(), refusal.field_name()), (Reason::BadArgument, Some("pin_for")));
    }
    let join = PreloadRequest { job_id: "a job".to_owned(), ..PreloadRequest::default() };
    let refusal = kitchen.jobs.preload(pinned(day, join)).unwrap_err();
    assert_eq!((refusal.reason(), refusal.field_name()), (Reason::BadArgument, Some("pin_for")));
    let (states, _) = to_the_end(kitchen.jobs.preload(pinned(day, items(&["x", "absent"]))).unwrap()).await;
    assert_eq!((&states["x"], &states["absent"]), (&PreloadState::Loaded, &PreloadState::Negative));
    let entries = kitchen.shelf.entries.lock();
    assert_eq!((entries["x"].0.pin_for, entries["absent"].0.pin_for), (Some(day), None));
}
