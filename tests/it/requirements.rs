//! What users of earlier caches have and keep: one scenario for each id of docs/requirements.md that is served by the
//! server. Names begin with the id.

use std::{sync::Arc, time::Duration};

use hotplate_engine::{clock::Clock, namespace::KindTtl};
use hotplate_proto::v1::{self, GetOutcome, MissReason, PreloadState, PutOutcome, TouchMode};
use tokio::task::JoinSet;

use crate::{
    harness::{Local, Server, Setup, namespace},
    origin::Origin,
    wire::*,
};

/// The key of a model: type, track, car and, where there is one, subtype.
fn model(parts: &[&str]) -> String {
    format!("model:{}", parts.join(":"))
}

/// A model as its service stores it: found by its key, grouped by its track.
fn stored_model(model_type: &str, track: &str, car: &str) -> v1::PutRequest {
    v1::PutRequest {
        tags: vec![format!("track:{track}"), format!("car:{car}")],
        ..put_kind(&model(&[model_type, track, car]), "fitted", model_type)
    }
}

async fn use_it(mut client: Client, user: usize) {
    for n in 0..100 {
        let key = format!("k{}", (user * 31 + n) % 120);
        let value = format!("value of {key}");
        client.store(put(&key, &value)).await;
        if let Ok(found) = client.value(&key).await {
            assert_eq!(found, value.as_bytes());
        }
        assert!(client.count("").await.total.unwrap().entry_count <= 50);
    }
}

#[tokio::test]
async fn a1_bounded_lru_and_safe_under_concurrent_use() {
    let server = Local::with(|settings| {
        settings.memory.policy = "lru".to_owned();
        settings.memory.entries_max = 50;
    })
    .await;
    let mut client = server.client().await;
    let mut users = JoinSet::new();
    for user in 0..8 {
        users.spawn(use_it(client.clone(), user));
    }
    within("eight users", users.join_all()).await;
    client.drop_all(vec![select::everything()]).await;
    for n in 0..50 {
        client.store(put(&format!("k{n}"), "v")).await;
    }
    client.value("k0").await.unwrap();
    client.store(put("one more", "v")).await;
    assert!(client.value("k0").await.is_ok(), "what was read lately stays");
    assert_eq!(client.value("k1").await, Err(MissReason::Evicted), "what was not read the longest makes room");
}

#[tokio::test]
async fn a2_ttl_by_environment_and_by_model_type() {
    let server = Local::with(|settings| {
        settings.ttl.default = Duration::from_secs(600);
        for (kind, class) in [("imitation_learning", "medium"), ("sklearn", "long"), ("performance", "very_long")] {
            settings.kinds.insert(kind.to_owned(), KindTtl::Class(class.to_owned()));
        }
    })
    .await;
    let mut client = server.client().await;
    let minutes = [("imitation_learning", 30), ("sklearn", 60), ("performance", 120), ("another", 10)];
    for (kind, minutes) in minutes {
        let stored = client.store(stored_model(kind, "spa", "gt3")).await;
        assert_eq!(std_duration(stored.metadata.unwrap().fresh_for), Duration::from_secs(60 * minutes), "{kind}");
    }
    server.advance(Duration::from_secs(3600));
    assert_eq!(client.value(&model(&["sklearn", "spa", "gt3"])).await, Err(MissReason::Expired));
    assert!(client.value(&model(&["performance", "spa", "gt3"])).await.is_ok());
}

#[tokio::test]
async fn a3_limits_by_entries_and_by_bytes_with_automatic_accounting() {
    let server = Local::with(|settings| {
        let few = namespace(settings, "few");
        few.entries_max = Some(5);
        namespace(settings, "small").bytes_max = Some(100 << 10);
    })
    .await;
    let mut client = server.client().await;
    for n in 0..40 {
        for name in ["few", "small"] {
            let value = vec![7; 10 << 10];
            let stored =
                client.store(v1::PutRequest { namespace: name.to_owned(), ..put(&format!("k{n}"), value) }).await;
            assert_eq!(stored.outcome(), PutOutcome::Stored);
        }
        let few = client.count("few").await.total.unwrap();
        let small = client.count("small").await.total.unwrap();
        assert!(few.entry_count <= 5 && small.charged_bytes <= 100 << 10, "{few:?} {small:?}");
        assert!(small.charged_bytes >= small.value_bytes + small.entry_count, "keys and bookkeeping are charged");
    }
    assert!(client.count("small").await.total.unwrap().entry_count >= 8, "the room is used");
}

#[tokio::test]
async fn a4_profiles_are_picked_by_one_variable() {
    for (profile, entries, bytes, default) in
        [("development", 20, 100, 600), ("testing", 5, 50, 60), ("production", 200, 1000, 7200)]
    {
        let server = Setup::default().env("HOTPLATE_PROFILE", profile).spawn();
        let mut client = server.client().await;
        let limits = client.count("*").await.limits.unwrap();
        assert_eq!((limits.entries_max, limits.bytes_max), (entries, bytes * 1_000_000), "{profile}");
        let stored = client.store(v1::PutRequest { expiration: None, ..put("k", "v") }).await;
        let fresh = std_duration(stored.metadata.unwrap().fresh_for).as_secs();
        assert!(fresh <= default && fresh + 1 >= default, "{profile}: {fresh} s");
    }
}

#[tokio::test]
async fn a5_statistics_and_a_listing_with_access_counts() {
    let server = Local::with(|settings| settings.memory.entries_max = 200).await;
    let mut client = server.client().await;
    client.store(stored_model("sklearn", "spa", "gt3")).await;
    client.store(stored_model("sklearn", "monza", "gt3")).await;
    let key = model(&["sklearn", "spa", "gt3"]);
    for _ in 0..3 {
        client.value(&key).await.unwrap();
    }
    client.value("absent").await.unwrap_err();
    let stats = client.count("").await;
    let (total, limits) = (stats.total.unwrap(), stats.limits.unwrap());
    assert_eq!((total.hits, misses(&total, MissReason::NeverStored), total.hit_ratio), (3, 1, 0.75));
    assert_eq!((total.entry_count, limits.entries_max), (2, 200));
    assert!(total.charged_bytes > 0 && total.charged_bytes < limits.bytes_max);
    let listed = client.list_entries(v1::ListEntriesRequest::default()).await.unwrap().into_inner();
    let counts: Vec<_> = listed.entries.iter().map(|entry| entry.metadata.as_ref().unwrap().hit_count).collect();
    assert_eq!((listed.entries[1].key.as_str(), counts), (key.as_str(), vec![0, 3]));
}

#[tokio::test]
async fn a6_look_up_one_model_and_its_details() {
    let server = Local::start().await;
    let mut client = server.client().await;
    client.store(stored_model("sklearn", "spa", "gt3")).await;
    client.store(put(&model(&["sklearn", "spa", "gt3", "tyres"]), "fitted")).await;
    let look = |key: String| v1::GetRequest { view: v1::EntryView::Metadata.into(), ..peek(&key) };
    let answer = client.ask(look(model(&["sklearn", "spa", "gt3"]))).await;
    assert_eq!(answer.outcome(), GetOutcome::Hit);
    let facts = facts_of(&answer);
    assert_eq!((facts.kind.as_str(), facts.size_bytes, facts.hit_count), ("sklearn", 6, 0));
    assert_eq!(facts.tags, texts(&["car:gt3", "track:spa"]));
    assert_eq!(client.ask(look(model(&["sklearn", "spa", "gt3", "tyres"]))).await.outcome(), GetOutcome::Hit);
    assert_eq!(client.ask(look(model(&["sklearn", "spa", "gt4"]))).await.outcome(), GetOutcome::Miss);
}

async fn garage(client: &mut Client) {
    for track in ["spa", "monza"] {
        for car in ["gt3", "gt4"] {
            client.store(stored_model("sklearn", track, car)).await;
        }
    }
}

#[tokio::test]
async fn a7_invalidate_one_model() {
    let server = Local::start().await;
    let mut client = server.client().await;
    garage(&mut client).await;
    let key = model(&["sklearn", "spa", "gt3"]);
    assert_eq!(client.drop_all(vec![select::key(&key)]).await.matched_count, 1);
    assert_eq!(client.value(&key).await, Err(MissReason::Invalidated));
    assert_eq!(client.count("").await.total.unwrap().entry_count, 3);
}

#[tokio::test]
async fn a7_invalidate_all_models_of_a_track() {
    let server = Local::start().await;
    let mut client = server.client().await;
    garage(&mut client).await;
    assert_eq!(client.drop_all(vec![select::tag("track:spa")]).await.matched_count, 2);
    for (track, held) in [("spa", false), ("monza", true)] {
        for car in ["gt3", "gt4"] {
            assert_eq!(client.value(&model(&["sklearn", track, car])).await.is_ok(), held, "{track} {car}");
        }
    }
}

#[tokio::test]
async fn a7_invalidate_everything() {
    let server = Local::start().await;
    let mut client = server.client().await;
    garage(&mut client).await;
    assert_eq!(client.drop_all(vec![select::everything()]).await.matched_count, 4);
    let total = client.count("").await.total.unwrap();
    assert_eq!((total.entry_count, total.charged_bytes, total.value_bytes), (0, 0, 0));
}

#[tokio::test]
async fn a8_preload_the_models_of_a_track_and_car() {
    let origin = Origin::plain().await;
    let server = Local::with(|settings| origin.serves(settings)).await;
    let mut client = server.client().await;
    client.store(stored_model("sklearn", "spa", "gt3")).await;
    let items: Vec<_> = ["imitation_learning", "sklearn", "performance"]
        .map(|kind| v1::PreloadItem {
            key: model(&[kind, "spa", "gt3"]),
            kind: kind.to_owned(),
            tags: texts(&["track:spa"]),
            ..Default::default()
        })
        .into();
    let request = v1::PreloadRequest { items, ..Default::default() };
    let mut stream = client.preload(request).await.unwrap().into_inner();
    let mut states = Vec::new();
    while let Some(message) = within("progress", stream.message()).await.unwrap() {
        states.extend(message.results.iter().map(|result| (result.key.clone(), result.state())));
    }
    states.sort_by(|one, other| one.0.cmp(&other.0));
    let expected = [
        (model(&["imitation_learning", "spa", "gt3"]), PreloadState::Loaded),
        (model(&["performance", "spa", "gt3"]), PreloadState::Loaded),
        (model(&["sklearn", "spa", "gt3"]), PreloadState::Skipped),
    ];
    assert_eq!(states, expected, "the answer lists what was preloaded");
    assert!(client.value(&expected[0].0).await.is_ok());
    assert_eq!(origin.asked().len(), 2);
}

/// What half of the hits take at most: in the server in seconds, and here.
async fn half_of_the_hits(mut client: Client) -> (f64, Duration) {
    let (clock, mut taken) = (Clock::system(), Vec::new());
    for _ in 0..300 {
        let start = clock.now();
        client.value("k").await.unwrap();
        taken.push(clock.now().since(start));
    }
    taken.sort_unstable();
    let quantiles = client.count("").await.total.unwrap().latency;
    let of_gets = quantiles.iter().find(|latency| latency.verb == "get").expect("gets are timed");
    (of_gets.p50_seconds, taken[150])
}

#[tokio::test]
async fn a11_a_hit_takes_about_a_millisecond_where_the_backend_takes_700() {
    let server = Server::start();
    let mut client = server.client().await;
    client.store(put("k", vec![7; 10 << 10])).await;
    // Once the machine lets it: what else runs beside it is held against nobody.
    let half_of_the_hits = || half_of_the_hits(client.clone());
    // The latter unoptimised, over a socket, beside other tests: still far from what it replaces.
    let fast = |(in_the_server, taken): &(f64, Duration)| *in_the_server < 0.001 && *taken < Duration::from_millis(70);
    until("half of the hits take about a millisecond, in the server, and few here", half_of_the_hits, fast).await;
}

#[tokio::test]
async fn b3_the_seven_named_classes() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let minutes = [
        ("very_short", 5),
        ("short", 15),
        ("medium", 30),
        ("long", 60),
        ("very_long", 120),
        ("day", 1440),
        ("week", 10_080),
    ];
    for (class, minutes) in minutes {
        let stored = client.store(v1::PutRequest { expiration: Some(ttl_class(class)), ..put(class, "v") }).await;
        assert_eq!(std_duration(stored.metadata.unwrap().fresh_for), Duration::from_secs(minutes * 60), "{class}");
    }
}

#[tokio::test]
async fn b5_set_get_delete_by_key_by_pattern_and_all_each_says_how_many() {
    let server = Local::start().await;
    let mut client = server.client().await;
    for key in ["model:metrics:1", "model:metrics:2", "model:features:1", "other"] {
        client.store(put(key, "v")).await;
    }
    assert_eq!(client.value("model:metrics:1").await.unwrap(), b"v");
    assert_eq!(client.drop_all(vec![select::key("other")]).await.matched_count, 1);
    assert_eq!(client.drop_all(vec![select::key("other")]).await.matched_count, 0);
    assert_eq!(client.drop_all(vec![select::glob("model:metrics:*")]).await.matched_count, 2);
    assert_eq!(client.drop_all(vec![select::everything()]).await.matched_count, 1);
}

#[tokio::test]
async fn b11_hits_and_misses_are_logged() {
    let server = Setup::default().config("log.level = \"debug\"\nlog.format = \"json\"\n").spawn();
    let mut client = server.client().await;
    client.store(put("k", "v")).await;
    client.value("k").await.unwrap();
    client.value("absent").await.unwrap_err();
    let lines = || async { server.errors() };
    let both = |text: &String| text.contains("\"hit\"") && text.contains("\"miss\"");
    until("both lines", lines, both).await;
}

#[tokio::test]
async fn b15_hits_per_endpoint_efficiency_and_cost_saved() {
    let server = Local::start().await;
    let mut client = server.client().await;
    client.store(v1::PutRequest { compute_cost: seconds(4), ..put("model:metrics:7", "v") }).await;
    for key in ["model:metrics:7", "model:metrics:7", "model:metrics:8", "report:daily"] {
        client.ask(get(key)).await;
    }
    let request = v1::StatsRequest {
        group_by: v1::StatsGroupBy::Prefix.into(),
        prefix_segments: 2,
        top_keys: 1,
        ..Default::default()
    };
    let stats = client.stats(request).await.unwrap().into_inner();
    let endpoint = |name: &str| stats.groups.iter().find(|group| group.name == name).unwrap();
    let metrics = endpoint("model:metrics");
    assert_eq!((metrics.hits, misses(metrics, MissReason::NeverStored)), (2, 1));
    assert!((metrics.hit_ratio - 2.0 / 3.0).abs() < 1e-9);
    assert_eq!(std_duration(metrics.compute_saved), Duration::from_secs(8));
    assert_eq!((endpoint("report:daily").hits, endpoint("report:daily").hit_ratio), (0, 0.0));
    let top: Vec<_> = stats.top_keys.iter().map(|top| top.key.as_str()).collect();
    assert_eq!(top, ["model:metrics:7"; 3], "by reads, by bytes and by what was saved");
}

#[tokio::test]
async fn c7_new_data_and_degraded_quality_are_reasons_to_drop_or_mark_a_group() {
    let server = Local::start().await;
    let mut client = server.client().await;
    for reason in ["12 % of the data are new", "the error rose above its bound"] {
        for mode in [v1::InvalidateMode::MarkStale, v1::InvalidateMode::Delete] {
            client.store(stored_model("degradation", "spa", "gt3")).await;
            let request = v1::InvalidateRequest {
                mode: mode.into(),
                reason: reason.to_owned(),
                ..invalidate(vec![select::tag("track:spa")])
            };
            assert_eq!(client.invalidate(request).await.unwrap().into_inner().matched_count, 1, "{reason}");
            let key = model(&["degradation", "spa", "gt3"]);
            assert_eq!(client.ask(get(&key)).await.miss_reason(), MissReason::Invalidated, "{reason}");
            let asked = v1::ExplainKeyRequest { key, ..Default::default() };
            let cause = client.explain_key(asked).await.unwrap().into_inner().cause.unwrap();
            assert_eq!((cause.reason.as_str(), cause.selector), (reason, Some(select::tag("track:spa"))));
        }
    }
}

#[tokio::test]
async fn c7_an_explicit_refresh_fetches_anew() {
    let origin = Origin::plain().await;
    let server = Local::with(|settings| origin.serves(settings)).await;
    let mut client = server.client().await;
    client.store(stored_model("degradation", "spa", "gt3")).await;
    let request = v1::InvalidateRequest {
        mode: v1::InvalidateMode::Refresh.into(),
        reason: "asked for by its user".to_owned(),
        ..invalidate(vec![select::tag("track:spa")])
    };
    let answer = client.invalidate(request).await.unwrap().into_inner();
    let job = v1::PreloadRequest { job_id: answer.refresh_job_id, ..Default::default() };
    let mut job = client.preload(job).await.unwrap().into_inner();
    while within("the job", job.message()).await.unwrap().is_some() {}
    let found = client.ask(get(&model(&["degradation", "spa", "gt3"]))).await;
    assert_eq!(found.outcome(), GetOutcome::Hit);
    assert!(value_of(&found).starts_with(b"value of "), "it is the new one");
    assert_eq!(facts_of(&found).tags, texts(&["car:gt3", "track:spa"]), "the next drop of its track finds it");
    assert_eq!(origin.asked().len(), 1);
}

#[tokio::test]
async fn c8_memory_is_bounded_by_a_number_of_models() {
    let server = Local::with(|settings| settings.memory.entries_max = 3).await;
    let mut client = server.client().await;
    for n in 0..10 {
        client.store(put(&format!("model:{n}"), "fitted")).await;
        assert!(client.count("").await.total.unwrap().entry_count <= 3);
    }
    assert!(client.value("model:9").await.is_ok());
}

#[tokio::test]
async fn d7_host_port_and_ttl_come_from_environment_variables() {
    // One that the system gives to nobody who asks for any, as other tests do meanwhile.
    let mut ports = (0..2_000).map(|n| 10_000 + u16::try_from((std::process::id() + n) % 2_000).unwrap());
    let port = ports.find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port");
    let server = Setup::default()
        .listen("")
        .env("HOTPLATE_GRPC_LISTEN", &format!("127.0.0.1:{port}"))
        .env("HOTPLATE_TTL_DEFAULT", "77s")
        .spawn();
    assert_eq!(server.grpc.port(), port);
    let mut client = server.client().await;
    let stored = client.store(v1::PutRequest { expiration: None, ..put("k", "v") }).await;
    assert!(std_duration(stored.metadata.unwrap().fresh_for) > Duration::from_secs(75));
}

#[tokio::test]
async fn e1_get_set_delete_exists_remaining_ttl_and_utilisation() {
    let server = Local::with(|settings| settings.memory.entries_max = 10).await;
    let mut client = server.client().await;
    assert_eq!(client.ask(peek("k")).await.outcome(), GetOutcome::Miss);
    client.store(v1::PutRequest { expiration: Some(ttl(100)), ..put("k", "v") }).await;
    assert_eq!(client.ask(peek("k")).await.outcome(), GetOutcome::Hit, "exists");
    server.advance(Duration::from_secs(30));
    assert_eq!(std_duration(facts_of(&client.ask(peek("k")).await).fresh_for), Duration::from_secs(70));
    client.touch(touch("k", TouchMode::Set, ttl(5))).await.unwrap();
    let stats = client.count("*").await;
    let used = stats.total.unwrap().entry_count as f64 / stats.limits.unwrap().entries_max as f64;
    assert!((used - 0.1).abs() < 1e-9, "{used}");
    assert_eq!(client.drop_all(vec![select::key("k")]).await.matched_count, 1);
    assert_eq!(client.ask(peek("k")).await.outcome(), GetOutcome::Miss);
}

#[tokio::test]
async fn e9_trends_and_recommendations_over_the_last_hour() {
    let server = Local::start().await;
    let mut client = server.client().await;
    client.store(put("summarize:first", "v")).await;
    for minute in 0..70 {
        for n in 0..20 {
            client.ask(get(&format!("summarize:{minute}:{n}"))).await;
        }
        server.advance(Duration::from_secs(60));
    }
    let request = v1::StatsRequest { include_trend: true, include_recommendations: true, ..Default::default() };
    let stats = client.stats(request).await.unwrap().into_inner();
    assert_eq!(stats.trend.len(), 60, "one hour");
    assert!(stats.trend.iter().all(|minute| (minute.hits, minute.misses) == (0, 20)), "{:?}", stats.trend[0]);
    let codes: Vec<_> = stats.recommendations.iter().map(|advice| advice.code.as_str()).collect();
    assert_eq!(codes, ["KEYS_SELDOM_REPEAT"]);
    assert_eq!(stats.recommendations[0].evidence["hit_ratio"], 0.0);
}

#[tokio::test]
async fn e4_ttl_by_operation() {
    let hours = [("summarize", 7200), ("sentiment", 86_400), ("key_points", 7200), ("questions", 3600), ("qa", 1800)];
    let server = Local::with(|settings| {
        for (operation, seconds) in hours {
            settings.kinds.insert(operation.to_owned(), KindTtl::Exact(Duration::from_secs(seconds)));
        }
    })
    .await;
    let mut client = server.client().await;
    for (operation, seconds) in hours {
        let stored = client.store(put_kind(operation, "answer", operation)).await;
        assert_eq!(std_duration(stored.metadata.unwrap().fresh_for).as_secs(), seconds, "{operation}");
    }
    assert_eq!(client.drop_all(vec![select::kind("summarize")]).await.matched_count, 1, "and by operation they go");
    let _kept = Arc::new(server);
}

#[tokio::test]
async fn e6_invalidate_by_pattern_and_by_operation_with_a_recorded_reason() {
    let server = Local::start().await;
    let mut client = server.client().await;
    for (key, operation) in [("llm:summary:1", "summarise"), ("llm:summary:2", "summarise"), ("llm:title:1", "title")] {
        client.store(put_kind(key, "an answer", operation)).await;
    }
    let drops = [
        (select::glob("llm:*:2"), "document 2 was edited", "llm:summary:2"),
        (select::kind("title"), "the prompt for titles changed", "llm:title:1"),
    ];
    for (selector, reason, key) in drops {
        let request = v1::InvalidateRequest { reason: reason.to_owned(), ..invalidate(vec![selector.clone()]) };
        assert_eq!(client.invalidate(request).await.unwrap().into_inner().matched_count, 1, "{key}");
        let asked = v1::ExplainKeyRequest { key: key.to_owned(), ..Default::default() };
        let cause = client.explain_key(asked).await.unwrap().into_inner().cause.unwrap();
        assert_eq!((cause.reason.as_str(), cause.selector), (reason, Some(selector)), "{key}");
    }
    assert!(client.value("llm:summary:1").await.is_ok(), "what nothing named stays");
}
