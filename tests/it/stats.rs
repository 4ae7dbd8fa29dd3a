//! Stats: totals, groups, limits, and that each counter counts what it says.

use std::time::Duration;

use hotplate_proto::v1::{self, MissReason, RemovalReason, StatsGroupBy, StatsRequest};
use tonic::Code;

use crate::{
    harness::{Local, namespace},
    lease::{ask, waiting},
    wire::*,
};

#[tokio::test]
async fn each_counter_counts_what_it_says() {
    let server = Local::start().await;
    let mut client = server.client().await;
    client.store(v1::PutRequest { compute_cost: seconds(3), ..put("k", "value") }).await;
    client.store(put("k2", "value")).await;
    client.store(put("k2", "value")).await;
    client.store(put("k2", "other")).await;
    client.store(put_negative("none", "NOT_FOUND")).await;
    for key in ["k", "k", "k2", "none", "absent"] {
        client.ask(get(key)).await;
    }
    client.drop_all(vec![select::key("k2")]).await;
    client.ask(get("k2")).await;
    let total = client.count("").await.total.unwrap();
    assert_eq!((total.hits, total.stale_hits, total.negative_hits), (3, 0, 1));
    assert_eq!((misses(&total, MissReason::NeverStored), misses(&total, MissReason::Invalidated)), (1, 1));
    assert!((total.hit_ratio - 4.0 / 6.0).abs() < 1e-9, "{}", total.hit_ratio);
    assert_eq!((total.puts, total.refreshes, total.not_admitted), (4, 1, 0));
    assert_eq!((removals(&total, RemovalReason::Replaced), removals(&total, RemovalReason::Invalidated)), (1, 1));
    assert_eq!((total.entry_count, total.value_bytes), (2, 5));
    assert!(total.charged_bytes > total.value_bytes);
    assert_eq!(std_duration(total.compute_saved), Duration::from_secs(6));
    let verbs: Vec<_> = total.latency.iter().map(|latency| (latency.verb.as_str(), latency.count)).collect();
    assert!(verbs.contains(&("get", 6)) && verbs.contains(&("put", 5)), "{verbs:?}");
    for quantiles in total.latency {
        let rising = [quantiles.p50_seconds, quantiles.p90_seconds, quantiles.p99_seconds, quantiles.max_seconds];
        assert!(rising.is_sorted() && rising[0] >= 0.0, "{rising:?}");
    }
}

#[tokio::test]
async fn groups_are_by_namespace_prefix_or_kind() {
    let server = Local::start().await;
    let mut client = server.client().await;
    client.store(put_kind("model:a:1", "v", "model")).await;
    client.store(put_kind("model:b:1", "v", "model")).await;
    client.store(put("score:a", "v")).await;
    client.store(v1::PutRequest { namespace: "n".to_owned(), ..put("x", "v") }).await;
    for key in ["model:a:1", "model:a:1", "score:a"] {
        client.ask(get(key)).await;
    }
    let mut groups = async |namespace: &str, group_by: StatsGroupBy, prefix_segments: u32| {
        let request = StatsRequest {
            namespace: namespace.to_owned(),
            group_by: group_by.into(),
            prefix_segments,
            ..Default::default()
        };
        let answer = client.stats(request).await.unwrap().into_inner();
        let groups = answer.groups.into_iter().map(|group| (group.name, group.hits, group.entry_count));
        groups.collect::<Vec<_>>()
    };
    let name = |name: &str, hits, entries| (name.to_owned(), hits, entries);
    assert_eq!(groups("", StatsGroupBy::Unspecified, 0).await, []);
    assert_eq!(groups("*", StatsGroupBy::Namespace, 0).await, [name("default", 3, 3), name("n", 0, 1)]);
    assert_eq!(groups("", StatsGroupBy::Prefix, 0).await, [name("model", 2, 2), name("score", 1, 1)]);
    let two = groups("", StatsGroupBy::Prefix, 2).await;
    assert_eq!(two[0], name("model:a", 2, 1));
    assert_eq!(two.len(), 3, "{two:?}");
    assert_eq!(groups("", StatsGroupBy::Kind, 0).await, [name("model", 2, 2), name("", 1, 1)]);
}

#[tokio::test]
async fn groups_are_bounded_and_the_rest_is_other() {
    let server = Local::with(|settings| settings.limits.stats_groups_max = 4).await;
    let mut client = server.client().await;
    for n in 0..20 {
        client.store(put(&format!("p{n}:k"), "v")).await;
    }
    let request = StatsRequest { group_by: StatsGroupBy::Prefix.into(), ..Default::default() };
    let groups = client.stats(request).await.unwrap().into_inner().groups;
    assert!(groups.len() <= 5, "{} groups", groups.len());
    assert!(groups.iter().any(|group| group.name == "_other"));
    assert_eq!(groups.iter().map(|group| group.entry_count).sum::<u64>(), 20, "nothing is lost in the grouping");
}

#[tokio::test]
async fn limits_and_uptime_stand_beside_the_total() {
    let server = Local::with(|settings| {
        settings.memory.entries_max = 77;
        let small = namespace(settings, "small");
        small.entries_max = Some(7);
        small.bytes_max = Some(1 << 20);
    })
    .await;
    let mut client = server.client().await;
    server.advance(Duration::from_secs(90));
    let all = client.count("*").await;
    assert_eq!(std_duration(all.uptime), Duration::from_secs(90));
    assert_eq!(all.limits.unwrap().entries_max, 77);
    let small = client.count("small").await.limits.unwrap();
    assert_eq!((small.entries_max, small.bytes_max), (7, 1 << 20));
}

#[tokio::test]
async fn what_cannot_be_counted_is_refused() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let bad = StatsRequest { namespace: "a b".to_owned(), ..Default::default() };
    failure(client.stats(bad).await).is(Code::InvalidArgument, "BAD_NAMESPACE").blames("namespace");
    let deep = StatsRequest { group_by: StatsGroupBy::Prefix.into(), prefix_segments: 3, ..Default::default() };
    let refused = failure(client.stats(deep).await);
    assert_eq!(refused.code, Code::InvalidArgument);
    refused.blames("prefix_segments");
}

#[tokio::test]
async fn leases_are_counted_by_what_became_of_them_and_by_kind_once_it_is_known() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let of_kind = |token: &str, key: &str| v1::PutRequest { kind: "report".to_owned(), ..put_under(token, key, "v") };
    let token = token_of(&client.ask(lease("r:1")).await);
    let waiters = [ask(&client, lease_or_wait("r:1")), ask(&client, lease_or_wait("r:1"))];
    waiting(&server, 2).await;
    assert_eq!(client.ask(lease("r:1")).await.outcome(), v1::GetOutcome::Pending);
    client.ask(lease("other")).await;
    let now = client.count("").await;
    assert_eq!((now.lease_count, now.lease_waiter_count), (2, 2));
    let extend = v1::ExtendLeaseRequest { key: "r:1".to_owned(), token: token.clone(), ..Default::default() };
    client.extend_lease(extend).await.unwrap();
    server.advance(Duration::from_secs(4));
    client.store(of_kind(&token, "r:1")).await;
    for waiter in waiters {
        within("the value", waiter).await.unwrap();
    }
    client.drop_all(vec![select::key("other")]).await;
    let alone = token_of(&client.ask(lease("r:2")).await);
    server.advance(Duration::from_secs(1));
    client.store(of_kind(&alone, "r:2")).await;
    assert_eq!(client.store(of_kind(&alone, "r:2")).await.outcome(), v1::PutOutcome::LeaseLost);
    let given_back = token_of(&client.ask(lease("r:3")).await);
    let release = v1::ReleaseLeaseRequest { key: "r:3".to_owned(), token: given_back, ..Default::default() };
    client.release_lease(release).await.unwrap();
    client.ask(lease("r:4")).await;
    server.advance(Duration::from_secs(10));
    let counts = client.count("").await;
    let total = counts.total.unwrap();
    let expected = v1::LeaseCounts {
        stampedes_avoided: 1,
        granted: 5,
        extended: 1,
        released: 1,
        lapsed: 1,
        revoked: 1,
        lost: 1,
        pending: 1,
    };
    assert_eq!((counts.lease_count, counts.lease_waiter_count, total.coalesced), (0, 0, 2));
    assert_eq!((total.leases, std_duration(total.compute_spent)), (Some(expected), Duration::from_secs(5)));
    let by_kind = v1::StatsRequest { group_by: v1::StatsGroupBy::Kind.into(), ..Default::default() };
    let groups = client.stats(by_kind).await.unwrap().into_inner().groups;
    let kind = |name: &str| groups.iter().find(|group| group.name == name).unwrap();
    let (reports, none) = (kind("report"), kind(""));
    assert_eq!((reports.coalesced, std_duration(reports.compute_spent)), (2, Duration::from_secs(5)));
    let leases = reports.leases.unwrap();
    assert_eq!((leases.stampedes_avoided, leases.lost, leases.granted), (1, 1, 0));
    assert_eq!((none.leases.unwrap().granted, none.coalesced), (5, 0));
    let prefix =
        v1::StatsRequest { group_by: v1::StatsGroupBy::Prefix.into(), prefix_segments: 1, ..Default::default() };
    let groups = client.stats(prefix).await.unwrap().into_inner().groups;
    let reports = groups.iter().find(|group| group.name == "r").unwrap();
    assert_eq!((reports.leases.unwrap().granted, reports.coalesced), (4, 2));
}
