//! Preload: what is fetched, how each item ends, and that jobs are bounded, joinable and stoppable.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use hotplate_proto::v1::{self, MissReason, PreloadItem, PreloadRequest, PreloadResponse, PreloadState};
use tokio::sync::Semaphore;
use tonic::{Code, Streaming};

use crate::{
    harness::Local,
    origin::{self, Origin, ok, serves, status},
    wire::*,
};

fn item(key: &str) -> PreloadItem {
    PreloadItem { key: key.to_owned(), ..Default::default() }
}

fn request(keys: &[&str]) -> PreloadRequest {
    PreloadRequest { items: keys.iter().map(|key| item(key)).collect(), ..Default::default() }
}

async fn open(client: &mut Client, request: PreloadRequest) -> Streaming<PreloadResponse> {
    client.preload(request).await.expect("the job starts").into_inner()
}

/// How every item ended, and the last message.
struct End {
    states: BTreeMap<String, (PreloadState, String)>,
    pinned: usize,
    last: PreloadResponse,
}

impl End {
    fn state(&self, key: &str) -> PreloadState {
        self.states[key].0
    }

    #[track_caller]
    fn is(&self, key: &str, state: PreloadState, reason: &str) {
        assert_eq!(self.states[key], (state, reason.to_owned()));
    }
}

async fn finish(mut stream: Streaming<PreloadResponse>) -> End {
    let mut states = BTreeMap::new();
    let (mut done, mut pinned) = (0, 0);
    loop {
        let message = within("progress of a job", stream.message()).await.unwrap().expect("a job ends with a word");
        pinned += message.results.iter().filter(|result| result.pinned).count();
        for result in &message.results {
            let reason = result.error.as_ref().map(|error| error.reason.clone()).unwrap_or_default();
            let twice = states.insert(result.key.clone(), (result.state(), reason));
            assert!(twice.is_none(), "{} ended twice", result.key);
        }
        assert!(message.done_count >= done && message.done_count <= message.total_count, "{message:?}");
        done = message.done_count;
        if message.finished {
            assert_eq!(states.len() as u64, message.total_count, "every item has an end");
            assert!(stream.message().await.unwrap().is_none(), "the stream ends with the job");
            return End { states, pinned, last: message };
        }
    }
}

async fn run(client: &mut Client, request: PreloadRequest) -> End {
    let stream = open(client, request).await;
    finish(stream).await
}

#[tokio::test]
async fn items_are_fetched_and_stored() {
    let origin = Origin::start(|asked| async move {
        origin::with(200, &[("content-type", "text/plain"), ("cache-control", "max-age=120")], &asked.target)
    })
    .await;
    let server = Local::with(|settings| origin.serves(settings)).await;
    let mut client = server.client().await;
    let tagged = PreloadItem { tags: texts(&["t"]), kind: "model".to_owned(), ..item("b") };
    let chosen = PreloadItem { expiration: Some(ttl(33)), ..item("c") };
    let end = run(&mut client, PreloadRequest { items: vec![item("a"), tagged, chosen], ..Default::default() }).await;
    for key in ["a", "b", "c"] {
        end.is(key, PreloadState::Loaded, "");
    }
    assert_eq!((end.last.done_count, end.last.total_count, end.last.loaded_bytes), (3, 3, 24));
    assert!(!end.last.cancelled && !end.last.job_id.is_empty());
    let answer = client.ask(get("b")).await;
    assert_eq!(value_of(&answer), b"/items/b");
    let facts = facts_of(&answer);
    assert_eq!((facts.content_type.as_str(), facts.kind.as_str()), ("text/plain", "model"));
    assert!(facts.compute_cost.is_some(), "what the origin needed is what a hit saves");
    assert_eq!(facts.compute_cost_source(), v1::ComputeCostSource::Measured);
    assert_eq!((&facts.tags, std_duration(facts.fresh_for).as_secs()), (&texts(&["t"]), 120));
    assert_eq!(std_duration(facts_of(&client.ask(get("c")).await).fresh_for).as_secs(), 33);
}

#[tokio::test]
async fn keys_and_parameters_are_percent_encoded_into_the_template() {
    let origin = Origin::plain().await;
    let server = Local::with(|settings| {
        let mut own = origin.settings();
        own.url = format!("http://{}/{{namespace}}/{{key}}?track={{track}}", origin.address);
        own.headers.insert("x-api-key".to_owned(), hotplate_daemon::config::Secret::new("s3cret".to_owned()));
        serves(settings, "backend", own);
    })
    .await;
    let mut client = server.client().await;
    let parameters = [("track".to_owned(), "Spa & Co/1".to_owned())].into();
    let items = vec![PreloadItem { parameters, ..item("../a b?c#d") }, item("no-track")];
    let end = run(&mut client, PreloadRequest { items, ..Default::default() }).await;
    assert_eq!(end.state("../a b?c#d"), PreloadState::Loaded);
    end.is("no-track", PreloadState::Failed, "BAD_PARAMETERS");
    let asked = origin.asked();
    assert_eq!(asked.len(), 1);
    assert!(!asked[0].target.contains("../"), "{}", asked[0].target);
    assert_eq!(asked[0].target, "/default/..%2Fa%20b%3Fc%23d?track=Spa%20%26%20Co%2F1");
    assert_eq!(asked[0].headers["x-api-key"], "s3cret");
}

#[tokio::test]
async fn what_is_fresh_is_not_fetched_unless_forced() {
    let origin = Origin::plain().await;
    let server = Local::with(|settings| origin.serves(settings)).await;
    let mut client = server.client().await;
    client.store(put("a", "mine")).await;
    let end = run(&mut client, request(&["a", "b"])).await;
    assert_eq!((end.state("a"), end.state("b")), (PreloadState::Skipped, PreloadState::Loaded));
    assert_eq!(client.value("a").await.unwrap(), b"mine");
    let forced = run(&mut client, PreloadRequest { force: true, ..request(&["a"]) }).await;
    assert_eq!(forced.state("a"), PreloadState::Loaded);
    assert_eq!(client.value("a").await.unwrap(), b"value of /items/a");
}

#[tokio::test]
async fn what_the_origin_does_not_have_is_remembered() {
    let origin = Origin::start(|_| async { status(404) }).await;
    let server = Local::with(|settings| {
        origin.serves(settings);
        settings.ttl.negative = Duration::from_secs(40);
    })
    .await;
    let mut client = server.client().await;
    assert_eq!(run(&mut client, request(&["k"])).await.state("k"), PreloadState::Negative);
    let answer = client.ask(get("k")).await;
    assert_eq!(answer.outcome(), v1::GetOutcome::Negative);
    assert_eq!(std_duration(facts_of(&answer).fresh_for).as_secs(), 40);
    assert_eq!(run(&mut client, request(&["k"])).await.state("k"), PreloadState::Skipped);
    assert_eq!(origin.asked().len(), 1, "an absence is not asked for again while it is fresh");
}

#[tokio::test]
async fn unchanged_content_is_revalidated_by_its_etag() {
    let origin = Origin::start(|asked| async move {
        match asked.headers.get("if-none-match").map(|tag| tag.as_bytes()) {
            Some(b"\"v1\"") => origin::with(304, &[("cache-control", "max-age=500")], ""),
            Some(other) => panic!("an unknown validator {other:?}"),
            None => origin::with(200, &[("etag", "\"v1\""), ("cache-control", "max-age=100")], "body"),
        }
    })
    .await;
    let server = Local::with(|settings| origin.serves(settings)).await;
    let mut client = server.client().await;
    assert_eq!(run(&mut client, request(&["k"])).await.state("k"), PreloadState::Loaded);
    server.advance(Duration::from_secs(60));
    let again = run(&mut client, PreloadRequest { force: true, ..request(&["k"]) }).await;
    assert_eq!(again.state("k"), PreloadState::Revalidated);
    let answer = client.ask(get("k")).await;
    assert_eq!((value_of(&answer), std_duration(facts_of(&answer).fresh_for).as_secs()), (&b"body"[..], 500));
}

#[tokio::test]
async fn no_redirect_leads_to_another_host() {
    let stranger = Origin::plain().await;
    let target = format!("http://{}/steal", stranger.address);
    let origin = Origin::start(move |_| {
        let target = target.clone();
        async move { origin::with(302, &[("location", &target)], "") }
    })
    .await;
    let server = Local::with(|settings| origin.serves(settings)).await;
    let end = run(&mut server.client().await, request(&["k"])).await;
    end.is("k", PreloadState::Failed, "ORIGIN_REFUSED");
    assert_eq!((origin.asked().len(), stranger.asked().len()), (1, 0));
}

#[tokio::test]
async fn private_addresses_are_refused_unless_allowed() {
    let origin = Origin::plain().await;
    let server = Local::with(|settings| {
        let guarded = hotplate_daemon::config::OriginSettings { allow_private_addresses: false, ..origin.settings() };
        let metadata = "http://169.254.169.254/latest/{key}".to_owned();
        serves(settings, "metadata", hotplate_daemon::config::OriginSettings { url: metadata, ..guarded.clone() });
        let by_name = format!("http://localhost:{}/{{key}}", origin.address.port());
        serves(settings, "by-name", hotplate_daemon::config::OriginSettings { url: by_name, ..guarded.clone() });
        serves(settings, "guarded", guarded);
    })
    .await;
    let items = ["guarded", "metadata", "by-name"].map(|name| PreloadItem { origin: name.to_owned(), ..item(name) });
    let end = run(&mut server.client().await, PreloadRequest { items: items.into(), ..Default::default() }).await;
    for name in ["guarded", "metadata", "by-name"] {
        end.is(name, PreloadState::Failed, "ORIGIN_REFUSED");
    }
    assert_eq!(origin.asked().len(), 0);
}

#[tokio::test]
async fn answers_that_are_too_large_or_too_slow_fail() {
    let gate = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&gate);
    let answer = async |held: Arc<Semaphore>, target: String| {
        if target.contains("slow") {
            held.acquire().await.unwrap().forget();
        }
        ok(vec![b'x'; 1000 + usize::from(target.contains("large"))])
    };
    let origin = Origin::start(move |asked| answer(Arc::clone(&held), asked.target)).await;
    let server = Local::with(|settings| {
        let small = hotplate_daemon::config::OriginSettings { bytes_max: 1000, ..origin.settings() };
        let hurried = hotplate_daemon::config::OriginSettings { timeout: Duration::from_millis(150), ..small.clone() };
        serves(settings, "patient", small);
        serves(settings, "hurried", hurried);
    })
    .await;
    let items = [("fits", "patient"), ("large", "patient"), ("slow", "hurried")];
    let items = items.map(|(key, origin)| PreloadItem { origin: origin.to_owned(), ..item(key) }).into();
    let end = run(&mut server.client().await, PreloadRequest { items, ..Default::default() }).await;
    end.is("fits", PreloadState::Loaded, "");
    end.is("large", PreloadState::Failed, "ORIGIN_TOO_LARGE");
    end.is("slow", PreloadState::Failed, "ORIGIN_TIMEOUT");
    gate.add_permits(10);
}

#[tokio::test]
async fn failures_are_retried_a_few_times_and_then_reported() {
    let origin = Origin::start(|asked| async move {
        match (asked.target.as_str(), asked.before) {
            ("/items/always", _) => status(500),
            ("/items/once", 0) => status(503),
            ("/items/never", _) => status(403),
            _ => ok("fine"),
        }
    })
    .await;
    let server = Local::with(|settings| origin.serves(settings)).await;
    let mut client = server.client().await;
    let end = run(&mut client, request(&["always", "once", "never"])).await;
    end.is("always", PreloadState::Failed, "ORIGIN_STATUS");
    end.is("once", PreloadState::Loaded, "");
    end.is("never", PreloadState::Failed, "ORIGIN_STATUS");
    let counts = origin.counts();
    assert!((2..=5).contains(&counts["/items/always"]), "{counts:?}");
    assert_eq!((counts["/items/once"], counts["/items/never"]), (2, 1), "a refusal is not asked for again");
    assert_eq!(client.value("always").await, Err(MissReason::NeverStored), "a failure is not an absence");
}

#[tokio::test]
async fn an_origin_that_is_away_fails_its_items_only() {
    let origin = Origin::plain().await;
    let away = Origin::plain().await;
    let url = away.settings();
    drop(away);
    let server = Local::with(|settings| {
        serves(settings, "here", origin.settings());
        serves(settings, "away", url);
    })
    .await;
    let items = ["here", "away"].map(|name| PreloadItem { origin: name.to_owned(), ..item(name) }).into();
    let end = run(&mut server.client().await, PreloadRequest { items, ..Default::default() }).await;
    end.is("here", PreloadState::Loaded, "");
    end.is("away", PreloadState::Failed, "ORIGIN_UNREACHABLE");
}

#[tokio::test]
async fn only_so_many_are_fetched_at_once() {
    let gate = Arc::new(Semaphore::new(0));
    let origin = Origin::gated(Arc::clone(&gate)).await;
    let server = Local::with(|settings| {
        origin.serves(settings);
        settings.preload.parallelism_default = 2;
        settings.preload.parallelism_max = 3;
    })
    .await;
    let mut client = server.client().await;
    for (asked, allowed, from) in [(0, 2, "a"), (3, 3, "b"), (100, 3, "c")] {
        let keys: Vec<String> = (0..9).map(|n| format!("{from}{n}")).collect();
        let items = keys.iter().map(|key| item(key)).collect();
        let before = origin.asked().len();
        let stream = open(&mut client, PreloadRequest { items, max_parallelism: asked, ..Default::default() }).await;
        let count = || async { origin.asked().len() - before };
        until("the first fetches", count, |count| *count >= allowed).await;
        gate.add_permits(9);
        finish(stream).await;
        assert!(origin.most_at_once() <= allowed.max(2), "{} at once", origin.most_at_once());
    }
}

#[tokio::test]
async fn a_job_outlives_its_stream_and_is_joined_by_id() {
    let gate = Arc::new(Semaphore::new(1));
    let origin = Origin::gated(Arc::clone(&gate)).await;
    let server = Local::with(|settings| origin.serves(settings)).await;
    let mut client = server.client().await;
    let mut stream = open(&mut client, request(&["a", "b", "c"])).await;
    let first = within("the first word of a job", stream.message()).await.unwrap().unwrap();
    drop(stream);
    let joined = open(&mut client, PreloadRequest { job_id: first.job_id.clone(), ..Default::default() }).await;
    gate.add_permits(10);
    let end = finish(joined).await;
    assert_eq!((end.states.len(), &end.last.job_id), (3, &first.job_id), "results so far come first");
    let late = run(&mut client, PreloadRequest { job_id: first.job_id, ..Default::default() }).await;
    assert_eq!(late.states.len(), 3, "an ended job is remembered");
}

#[tokio::test]
async fn a_repeated_request_joins_the_job_it_started() {
    let origin = Origin::plain().await;
    let server = Local::with(|settings| origin.serves(settings)).await;
    let mut client = server.client().await;
    let once = PreloadRequest { request_id: "r".to_owned(), force: true, ..request(&["a"]) };
    let first = run(&mut client, once.clone()).await;
    let again = run(&mut client, once).await;
    assert_eq!(first.last.job_id, again.last.job_id);
    assert_eq!(origin.asked().len(), 1);
}

#[tokio::test]
async fn a_cancelled_job_stops_fetching_and_says_so() {
    let gate = Arc::new(Semaphore::new(0));
    let origin = Origin::gated(Arc::clone(&gate)).await;
    let server = Local::with(|settings| origin.serves(settings)).await;
    let mut client = server.client().await;
    let keys: Vec<String> = (0..20).map(|n| format!("k{n}")).collect();
    let items = keys.iter().map(|key| item(key)).collect();
    let mut stream = open(&mut client, PreloadRequest { items, max_parallelism: 2, ..Default::default() }).await;
    let job_id = within("the first word of a job", stream.message()).await.unwrap().unwrap().job_id;
    until("the first fetches", || async { origin.asked().len() }, |count| *count == 2).await;
    let stop = run(&mut client, PreloadRequest { job_id: job_id.clone(), cancel: true, ..Default::default() }).await;
    assert!(stop.last.cancelled && stop.last.finished);
    let cancelled = stop.states.values().filter(|(state, _)| *state == PreloadState::Cancelled).count();
    assert!(cancelled >= 18, "{cancelled} of 20 cancelled");
    gate.add_permits(100);
    assert_eq!(origin.asked().len(), 2);
}

#[tokio::test]
async fn a_job_can_end_with_its_stream() {
    let gate = Arc::new(Semaphore::new(0));
    let origin = Origin::gated(Arc::clone(&gate)).await;
    let server = Local::with(|settings| origin.serves(settings)).await;
    let mut client = server.client().await;
    let leaving = PreloadRequest { cancel_on_disconnect: true, ..request(&["a", "b"]) };
    let mut stream = open(&mut client, leaving).await;
    let job_id = within("the first word of a job", stream.message()).await.unwrap().unwrap().job_id;
    drop(stream);
    let end = run(&mut client, PreloadRequest { job_id, ..Default::default() }).await;
    assert!(end.last.cancelled);
    gate.add_permits(10);
}

#[tokio::test]
async fn what_was_invalidated_while_it_was_fetched_is_not_stored() {
    for selector in [select::key("k"), select::tag("t"), select::prefix("k"), select::everything()] {
        let gate = Arc::new(Semaphore::new(0));
        let origin = Origin::gated(Arc::clone(&gate)).await;
        let server = Local::with(|settings| origin.serves(settings)).await;
        let mut client = server.client().await;
        let items = vec![PreloadItem { tags: texts(&["t"]), ..item("k") }];
        let stream = open(&mut client, PreloadRequest { items, ..Default::default() }).await;
        until("the fetch", || async { origin.asked().len() }, |count| *count == 1).await;
        client.drop_all(vec![selector.clone()]).await;
        gate.add_permits(10);
        assert_eq!(finish(stream).await.state("k"), PreloadState::NotStored, "{selector:?}");
        assert!(client.value("k").await.is_err(), "{selector:?}");
    }
}

#[tokio::test]
async fn only_configured_origins_known_jobs_and_bounded_lists() {
    let gate = Arc::new(Semaphore::new(0));
    let origin = Origin::gated(Arc::clone(&gate)).await;
    let server = Local::with(|settings| {
        origin.serves(settings);
        settings.preload.items_max = 3;
        settings.preload.jobs_max = 1;
    })
    .await;
    let mut client = server.client().await;
    let refused = async |client: &mut Client, request: PreloadRequest| failure(client.preload(request).await);
    let elsewhere = PreloadRequest { namespace: "n".to_owned(), ..request(&["k"]) };
    refused(&mut client, elsewhere).await.is(Code::FailedPrecondition, "NO_ORIGIN");
    let unknown =
        PreloadRequest { items: vec![PreloadItem { origin: "other".to_owned(), ..item("k") }], ..Default::default() };
    refused(&mut client, unknown).await.is(Code::FailedPrecondition, "NO_ORIGIN");
    let no_job = PreloadRequest { job_id: "none".to_owned(), ..Default::default() };
    refused(&mut client, no_job).await.is(Code::NotFound, "JOB_UNKNOWN").blames("job_id");
    for keys in [&["a", "b", "c", "d"][..], &[]] {
        let refused = refused(&mut client, request(keys)).await;
        assert_eq!(refused.code, Code::InvalidArgument, "{refused:?}");
        refused.blames("items");
    }
    let running = open(&mut client, request(&["a"])).await;
    let full = refused(&mut client, request(&["b"])).await;
    full.is(Code::ResourceExhausted, "TOO_MANY_JOBS").says_when();
    gate.add_permits(10);
    finish(running).await;
    finish(open(&mut client, request(&["b"])).await).await;
}

#[tokio::test]
async fn what_is_pinned_makes_no_room_until_its_time() {
    let origin = Origin::plain().await;
    let server = Local::with(|settings| {
        origin.serves(settings);
        settings.memory.bytes_max = 256 << 10;
        settings.memory.policy = "lru".into();
    })
    .await;
    let mut client = server.client().await;
    let pinned = |request| PreloadRequest { pin_for: seconds(600), ..request };
    let end = run(&mut client, pinned(request(&["kept"]))).await;
    assert_eq!((end.state("kept"), end.pinned), (PreloadState::Loaded, 1));
    assert_eq!(run(&mut client, request(&["loose"])).await.pinned, 0);
    assert!(facts_of(&client.ask(peek("kept")).await).pinned);
    assert!(!facts_of(&client.ask(peek("loose")).await).pinned);
    let bytes = facts_of(&client.ask(peek("kept")).await).stored_bytes;
    let stats = client.stats(v1::StatsRequest::default()).await.unwrap().into_inner();
    assert_eq!(stats.pinned_bytes, bytes);

    let storm = async |client: &mut Client| {
        for number in 0..400 {
            client.store(put(&format!("storm:{number}"), vec![1; 2000])).await;
        }
    };
    storm(&mut client).await;
    assert_eq!(client.value("loose").await, Err(MissReason::Evicted));
    assert_eq!(client.value("kept").await.unwrap(), b"value of /items/kept");
    server.advance(Duration::from_secs(601));
    assert!(!facts_of(&client.ask(peek("kept")).await).pinned);

    for wrong in [
        wire(Duration::ZERO),
        wire(Duration::from_secs(24 * 3600 + 1)),
        prost_types::Duration { seconds: -1, nanos: 0 },
    ] {
        let request = PreloadRequest { pin_for: Some(wrong), ..request(&["a"]) };
        failure(client.preload(request).await).is(Code::InvalidArgument, "BAD_ARGUMENT").blames("pin_for");
    }
    let join = PreloadRequest { job_id: "a job".to_owned(), ..PreloadRequest::default() };
    failure(client.preload(pinned(join)).await).is(Code::InvalidArgument, "BAD_ARGUMENT").blames("pin_for");
}
