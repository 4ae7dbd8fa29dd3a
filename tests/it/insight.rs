//! What statistics mean, over the wire: lost compute, top keys and who may see them, the last hour, other amounts of
//! memory, advice.

use std::time::Duration;

use hotplate_daemon::access::Role;
use hotplate_proto::v1::{self, ComputeCostSource, StatsRequest, TopKeyOrder};
use tonic::Code;

use crate::{
    harness::{Local, grant, namespace, with_token},
    wire::*,
};

async fn stats(client: &mut Client, request: StatsRequest) -> v1::StatsResponse {
    client.stats(request).await.unwrap().into_inner()
}

fn top(response: &v1::StatsResponse, order: TopKeyOrder) -> Vec<(&str, u64)> {
    let of_order = response.top_keys.iter().filter(|top| top.order() == order);
    of_order.map(|top| (top.key.as_str(), top.count)).collect()
}

fn everything(namespace: &str) -> StatsRequest {
    StatsRequest {
        namespace: namespace.to_owned(),
        top_keys: 10,
        include_what_if: true,
        include_recommendations: true,
        include_trend: true,
        ..Default::default()
    }
}

/// A namespace with room for about half of 100 values of 1,000 bytes, and every key sampled.
async fn small() -> Local {
    Local::with(|settings| {
        settings.insight.sample_every = 1;
        let small = namespace(settings, "small");
        small.bytes_max = Some(62_000);
        small.policy = Some("lru".to_owned());
    })
    .await
}

/// Reads through 100 keys in turn, the worst for LRU when they do not all fit.
async fn go_round(client: &mut Client, rounds: usize) {
    for n in 0..100 * rounds {
        let key = format!("page:{}", n % 100);
        let request = v1::GetRequest { namespace: "small".to_owned(), ..get(&key) };
        if client.ask(request).await.outcome() == v1::GetOutcome::Miss {
            let namespace = "small".to_owned();
            client.store(v1::PutRequest { namespace, compute_cost: seconds(2), ..put(&key, [7; 1000]) }).await;
        }
    }
}

#[tokio::test]
async fn compute_lost_to_eviction_is_counted_once() {
    let server = Local::with(|settings| {
        settings.memory.policy = "lru".to_owned();
        settings.memory.entries_max = 2;
    })
    .await;
    let mut client = server.client().await;
    client.store(v1::PutRequest { compute_cost: seconds(3), ..put_kind("a", "v", "slow") }).await;
    client.store(v1::PutRequest { compute_cost: seconds(5), ..put("never asked for again", "v") }).await;
    for key in ["c", "d"] {
        client.store(put(key, "v")).await;
    }
    for _ in 0..3 {
        assert_eq!(client.value("a").await.unwrap_err(), v1::MissReason::Evicted);
    }
    let request = StatsRequest { group_by: v1::StatsGroupBy::Kind.into(), ..Default::default() };
    let counted = stats(&mut client, request).await;
    assert_eq!(std_duration(counted.total.unwrap().compute_lost_to_eviction), Duration::from_secs(3));
    let slow = counted.groups.into_iter().find(|group| group.name == "slow").unwrap();
    assert_eq!(std_duration(slow.compute_lost_to_eviction), Duration::from_secs(3));
}

#[tokio::test]
async fn what_came_back_before_it_was_missed_is_not_lost() {
    let server = Local::with(|settings| {
        settings.memory.policy = "lru".to_owned();
        settings.memory.entries_max = 1;
    })
    .await;
    let mut client = server.client().await;
    for key in ["a", "b", "a"] {
        client.store(v1::PutRequest { compute_cost: seconds(3), ..put(key, "v") }).await;
    }
    client.value("a").await.unwrap();
    let total = client.count("").await.total.unwrap();
    assert_eq!(std_duration(total.compute_lost_to_eviction), Duration::ZERO);
}

#[tokio::test]
async fn costs_say_where_they_are_known_from() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let given = client.store(v1::PutRequest { compute_cost: seconds(3), ..put("given", "v") }).await.metadata.unwrap();
    assert_eq!(given.compute_cost_source(), ComputeCostSource::Given);
    let unsaid = client.store(put("unsaid", "v")).await.metadata.unwrap();
    assert_eq!((unsaid.compute_cost_source(), unsaid.compute_cost), (ComputeCostSource::Estimated, None));
}

#[tokio::test]
async fn top_keys_stand_in_three_orders() {
    let server = Local::start().await;
    let mut client = server.client().await;
    client.store(put("small", "v")).await;
    client.store(put("large", [7; 500])).await;
    client.store(v1::PutRequest { compute_cost: seconds(9), ..put("dear", "v") }).await;
    for key in ["small", "small", "small", "large", "large", "dear", "absent"] {
        client.ask(get(key)).await;
    }
    let found = stats(&mut client, StatsRequest { top_keys: 2, ..Default::default() }).await;
    assert_eq!(top(&found, TopKeyOrder::Reads), [("small", 3), ("large", 2)]);
    assert_eq!(top(&found, TopKeyOrder::Bytes), [("large", 1000), ("small", 3)]);
    assert_eq!(top(&found, TopKeyOrder::Compute), [("dear", 9_000_000_000)]);
    assert!(found.top_keys.iter().all(|top| top.error == 0 && top.namespace == "default"));
    assert!(client.count("").await.top_keys.is_empty(), "only for those who ask");
}

#[tokio::test]
async fn keys_and_advice_of_other_namespaces_are_not_told() {
    let (mut reader, mut admin) = (String::new(), String::new());
    let server = Local::with(|settings| {
        reader = grant(&mut settings.access, Role::Reader, &["mine"]);
        admin = grant(&mut settings.access, Role::Admin, &["*"]);
    })
    .await;
    let mut client = server.client().await;
    for name in ["mine", "theirs"] {
        let request = v1::GetRequest { namespace: name.to_owned(), ..get(&format!("key of {name}")) };
        let stored = v1::PutRequest { namespace: name.to_owned(), ..put(&request.key, "v") };
        client.put(with_token(stored, &admin)).await.unwrap();
        client.get(with_token(request, &admin)).await.unwrap();
    }
    let seen = client.stats(with_token(everything("*"), &reader)).await.unwrap().into_inner();
    assert_eq!(top(&seen, TopKeyOrder::Reads), [("key of mine", 1)]);
    assert_eq!(seen.what_if.unwrap().points.len(), 4);
    failure(client.stats(with_token(everything("theirs"), &reader)).await)
        .is(Code::PermissionDenied, "PERMISSION_DENIED");
    let all = client.stats(with_token(everything("*"), &admin)).await.unwrap().into_inner();
    assert_eq!(top(&all, TopKeyOrder::Reads).len(), 2);
}

#[tokio::test]
async fn the_last_hour_is_told_minute_by_minute() {
    let server = Local::start().await;
    let mut client = server.client().await;
    client.store(v1::PutRequest { compute_cost: seconds(2), ..put("k", "12345") }).await;
    client.value("k").await.unwrap();
    server.advance(Duration::from_secs(60));
    client.value("k").await.unwrap();
    client.value("k").await.unwrap();
    client.value("absent").await.unwrap_err();
    server.advance(Duration::from_secs(60));
    client.value("k").await.unwrap();
    let trend = stats(&mut client, everything("")).await.trend;
    let numbers: Vec<_> = trend.iter().map(|minute| (minute.hits, minute.misses, minute.served_bytes)).collect();
    assert_eq!(numbers, [(1, 0, 5), (2, 1, 10)], "closed minutes, the oldest first");
    let ages: Vec<_> = trend.iter().map(|minute| std_duration(minute.age).as_secs()).collect();
    assert_eq!(ages, [120, 60]);
    assert_eq!(std_duration(trend[1].compute_saved), Duration::from_secs(4));
    assert!(trend[0].puts == 1 && trend[1].puts == 0 && trend[1].charged_bytes > 5);
    let last = StatsRequest { window: seconds(60), ..everything("") };
    assert_eq!(stats(&mut client, last).await.trend.len(), 1);
    server.advance(Duration::from_secs(3600));
    assert_eq!(stats(&mut client, everything("")).await.trend.len(), 60, "an hour is kept");
}

#[tokio::test]
async fn more_memory_is_simulated_and_advised() {
    let server = small().await;
    let mut client = server.client().await;
    go_round(&mut client, 12).await;
    server.advance(Duration::from_secs(90));
    let found = stats(&mut client, everything("small")).await;
    assert_eq!(found.total.unwrap().hit_ratio, 0.0, "a loop that does not fit");
    let what_if = found.what_if.unwrap();
    assert!(what_if.sampled_reads == 1200 && what_if.sample_rate > 0.99, "{what_if:?}");
    assert_eq!(std_duration(what_if.window), Duration::from_secs(90));
    let points: Vec<_> = what_if.points.iter().map(|point| (point.factor, point.bytes_max)).collect();
    assert_eq!(points, [(0.5, 31_000), (1.0, 62_000), (2.0, 124_000), (4.0, 248_000)]);
    let ratios: Vec<_> = what_if.points.iter().map(|point| point.hit_ratio).collect();
    assert!(ratios[1] == 0.0 && ratios[2] > 0.9 && ratios[3] > 0.9, "{ratios:?}: all but the first round");
    assert_eq!(std_duration(what_if.points[2].compute_saved), Duration::from_secs(2 * 1100));
    let advice = found.recommendations.iter().find(|advice| advice.code == "GROW_MEMORY").expect("advice");
    assert_eq!((advice.namespace.as_str(), advice.evidence["bytes_max_then"]), ("small", 124_000.0));
    assert!(advice.message.contains("double bytes_max"), "{}", advice.message);
}

#[tokio::test]
async fn too_little_to_go_by_is_no_advice() {
    let server = small().await;
    let mut client = server.client().await;
    go_round(&mut client, 2).await;
    server.advance(Duration::from_secs(90));
    assert!(stats(&mut client, everything("small")).await.recommendations.is_empty());
}

#[tokio::test]
async fn bookkeeping_is_told_for_an_entry() {
    let server = Local::start().await;
    let mut client = server.client().await;
    assert_eq!(client.count("").await.bookkeeping_bytes_per_entry, 0.0);
    for n in 0..100 {
        client.store(put(&format!("key-{n:04}"), [7; 100])).await;
    }
    let told = client.count("").await;
    let total = told.total.unwrap();
    assert_eq!(total.rounding_bytes, 100 * (112 - 108), "108 bytes of key and value are in 112");
    assert_eq!(
        total.bookkeeping_bytes,
        total.charged_bytes - total.value_bytes - 100 * "key-0000".len() as u64 - total.rounding_bytes
    );
    assert!((1.0..=96.0).contains(&told.bookkeeping_bytes_per_entry), "{}", told.bookkeeping_bytes_per_entry);
}

#[tokio::test]
async fn what_cannot_be_looked_at_is_refused() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let refused = failure(client.stats(StatsRequest { top_keys: 101, ..Default::default() }).await);
    refused.is(Code::InvalidArgument, "BAD_ARGUMENT").blames("top_keys");
    for bad in [0, 59, 3661, 1_000_000_000] {
        let refused = failure(client.stats(StatsRequest { window: seconds(bad), ..Default::default() }).await);
        refused.is(Code::InvalidArgument, "BAD_ARGUMENT").blames("window");
    }
}
