//! A memory above a disk: what is stored lies in both, what memory misses is found below and is in memory again, and what
//! was invalidated is gone from both, also after a restart.

use std::{path::Path, time::Duration};

use hotplate_daemon::config::Settings;
use hotplate_engine::clock::Clock;
use hotplate_proto::v1::{self, GetOutcome, MissReason, PutOutcome, Tier};

use crate::{
    harness::{Local, Setup, namespace},
    wire::*,
};

/// A server with its disk in a folder, where another may have left something, and whose time goes on from that.
async fn above(folder: &Path, clock: &Clock, change: impl FnOnce(&mut Settings)) -> Local {
    Local::at(clock.clone(), |settings| {
        settings.disk.path = Some(folder.join("disk"));
        settings.disk.bytes_max = 64 << 20;
        change(settings);
    })
    .await
}

async fn restarted(server: Local, folder: &Path, change: impl FnOnce(&mut Settings)) -> Local {
    let clock = server.clock.clone();
    server.shutdown().await;
    above(folder, &clock, change).await
}

/// What is somewhere.
async fn found(client: &Client, key: &str) -> v1::GetResponse {
    let answer = everywhere(client, key).await;
    assert_eq!(answer.outcome(), GetOutcome::Hit, "{key}: {:?}", answer.miss_reason());
    answer
}

fn tier_of(stats: &v1::StatsResponse) -> &v1::TierStats {
    stats.tiers.first().expect("it has a disk")
}

#[tokio::test]
async fn after_a_restart_the_first_get_is_a_hit_from_the_disk_with_all_that_was_said() {
    let folder = tempfile::tempdir().unwrap();
    let server = above(folder.path(), &Clock::manual(), |_| {}).await;
    let mut client = server.client().await;
    let request = v1::PutRequest {
        tags: texts(&["track:spa"]),
        labels: [("accuracy".to_owned(), "0.93".to_owned())].into(),
        compute_cost: seconds(5),
        expiration: Some(ttl(600)),
        ..put_kind("model:1", "fitted", "sklearn")
    };
    let before = client.store(request).await.metadata.unwrap();
    let first = client.ask(get("model:1")).await;
    assert_eq!((first.outcome(), first.served_from()), (GetOutcome::Hit, Tier::Memory));
    server.advance(Duration::from_secs(100));
    let server = restarted(server, folder.path(), |_| {}).await;
    let mut client = server.client().await;
    let found = found(&client, "model:1").await;
    assert_eq!((found.outcome(), found.served_from(), value_of(&found)), (GetOutcome::Hit, Tier::Disk, &b"fitted"[..]));
    let after = facts_of(&found);
    assert_eq!(after.served_from(), Tier::Disk);
    assert_eq!((&after.etag, &after.tags, &after.labels), (&before.etag, &before.tags, &before.labels));
    assert_eq!((&after.kind, after.compute_cost, &after.digest), (&before.kind, before.compute_cost, &before.digest));
    assert_eq!(std_duration(after.age), Duration::from_secs(100));
    assert_eq!(std_duration(after.fresh_for), Duration::from_secs(500), "its end is the one it was stored with");
    assert_eq!(client.ask(get("model:1")).await.served_from(), Tier::Memory, "it is in memory again");
    let server = restarted(server, folder.path(), |_| {}).await;
    server.advance(Duration::from_secs(500));
    assert!(server.client().await.value("model:1").await.is_err());
}

#[tokio::test]
async fn what_was_invalidated_in_any_way_stays_gone_over_a_restart() {
    let ways = [
        vec![select::key("lap:1")],
        vec![select::tag("track:spa")],
        vec![select::prefix("lap:")],
        vec![select::glob("lap:*")],
        vec![select::kind("lap")],
        vec![select::everything()],
    ];
    for way in ways {
        let folder = tempfile::tempdir().unwrap();
        let server = above(folder.path(), &Clock::manual(), |_| {}).await;
        let mut client = server.client().await;
        client.store(v1::PutRequest { tags: texts(&["track:spa"]), ..put_kind("lap:1", "v", "lap") }).await;
        client.store(v1::PutRequest { depends_on: texts(&["lap:1"]), ..put("model:1", "v") }).await;
        client.store(v1::PutRequest { depends_on: texts(&["model:1"]), ..put("report:1", "v") }).await;
        client.store(put("other", "v")).await;
        // By a process that has not read any of them.
        let server = restarted(server, folder.path(), |_| {}).await;
        let mut client = server.client().await;
        client.drop_all(way.clone()).await;
        for key in ["lap:1", "model:1", "report:1"] {
            assert!(client.value(key).await.is_err(), "{key} {way:?}");
        }
        let server = restarted(server, folder.path(), |_| {}).await;
        let mut client = server.client().await;
        for key in ["lap:1", "model:1", "report:1"] {
            assert!(client.value(key).await.is_err(), "{key} after the restart {way:?}");
        }
        match way == [select::everything()] {
            true => assert!(client.value("other").await.is_err(), "{way:?}"),
            false => drop(found(&client, "other").await),
        }
    }
}

#[tokio::test]
async fn a_key_that_lay_on_the_disk_alone_counts_and_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let server = above(folder.path(), &Clock::manual(), |_| {}).await;
    server.client().await.store(put("k", "v")).await;
    let server = restarted(server, folder.path(), |_| {}).await;
    let mut client = server.client().await;
    let explain = v1::ExplainKeyRequest { key: "k".to_owned(), ..Default::default() };
    let told = client.explain_key(explain.clone()).await.unwrap().into_inner();
    assert_eq!((told.outcome(), &told.tiers), (GetOutcome::Hit, &vec![i32::from(Tier::Disk)]));
    assert!(told.explanation.contains("on the disk"), "{}", told.explanation);
    assert_eq!(told.metadata.expect("it lies there").served_from(), Tier::Disk);
    let memory = v1::GetRequest { slowest_tier: Tier::Memory.into(), ..get("k") };
    assert_eq!(client.ask(memory).await.outcome(), GetOutcome::Miss, "who will not wait for a disk does not");
    let batch = v1::BatchGetRequest { items: vec![get("k"), get("none")], ..Default::default() };
    let tiers = || async {
        let results = client.clone().batch_get(batch.clone()).await.unwrap().into_inner().results;
        let tier = |result: v1::BatchGetResult| match result.result {
            Some(v1::batch_get_result::Result::Response(found)) => found.served_from(),
            other => panic!("{other:?}"),
        };
        results.into_iter().map(tier).collect::<Vec<_>>()
    };
    let tiers = until("a hit", tiers, |tiers| tiers[0] != Tier::Unspecified).await;
    assert_eq!(tiers, [Tier::Disk, Tier::Unspecified]);
    let told = client.explain_key(explain).await.unwrap().into_inner();
    assert_eq!(told.tiers, vec![i32::from(Tier::Memory), i32::from(Tier::Disk)]);
    let server = restarted(server, folder.path(), |_| {}).await;
    let mut client = server.client().await;
    assert_eq!(client.drop_all(vec![select::key("k")]).await.matched_count, 1);
    assert_eq!(client.drop_all(vec![select::key("k")]).await.matched_count, 0);
}

#[tokio::test]
async fn with_no_memory_the_disk_serves_alone_and_with_neither_nothing_is_kept() {
    for off in [|s: &mut Settings| s.memory.entries_max = 0, |s: &mut Settings| s.memory.bytes_max = 0] {
        let folder = tempfile::tempdir().unwrap();
        let server = above(folder.path(), &Clock::manual(), off).await;
        let mut client = server.client().await;
        let stored = client.put(put("k", "v")).await.unwrap().into_inner();
        assert_eq!(stored.outcome(), PutOutcome::Stored);
        for _ in 0..2 {
            let found = found(&client, "k").await;
            assert_eq!((found.outcome(), found.served_from()), (GetOutcome::Hit, Tier::Disk));
        }
        let server = restarted(server, folder.path(), off).await;
        assert_eq!(value_of(&found(&server.client().await, "k").await), b"v");
        let neither = Local::with(off).await;
        let mut client = neither.client().await;
        let refused = client.put(put("k", "v")).await.unwrap().into_inner();
        assert_eq!(refused.outcome(), PutOutcome::NotAdmitted);
        assert!(client.value("k").await.is_err(), "the caller generates it");
    }
}

#[tokio::test]
async fn memory_is_bounded_and_what_it_has_no_room_for_is_on_the_disk_until_its_tag_is_invalidated() {
    let folder = tempfile::tempdir().unwrap();
    let server = above(folder.path(), &Clock::manual(), |settings| settings.memory.entries_max = 50).await;
    let mut client = server.client().await;
    for number in 0..500 {
        let tag = if number % 2 == 0 { "even" } else { "odd" };
        client.store(put_tagged(&format!("k:{number}"), format!("value {number}"), &[tag])).await;
    }
    let stats = client.count("*").await;
    assert_eq!(stats.total.as_ref().unwrap().entry_count, 50);
    let disk = tier_of(&stats);
    assert_eq!((disk.tier(), disk.health(), disk.entry_count), (Tier::Disk, v1::TierHealth::Up, Some(500)));
    for number in 0..500 {
        assert_eq!(value_of(&found(&client, &format!("k:{number}")).await), format!("value {number}").as_bytes());
    }
    assert!(tier_of(&client.count("*").await).hits >= 450);
    client.drop_all(vec![select::tag("even")]).await;
    for number in 0..500 {
        match number % 2 {
            0 => assert!(client.value(&format!("k:{number}")).await.is_err(), "{number}"),
            _ => drop(found(&client, &format!("k:{number}")).await),
        }
    }
    let server = restarted(server, folder.path(), |_| {}).await;
    let mut client = server.client().await;
    for number in 0..500 {
        match number % 2 {
            0 => assert!(client.value(&format!("k:{number}")).await.is_err(), "{number}"),
            _ => drop(found(&client, &format!("k:{number}")).await),
        }
    }
    assert_eq!(tier_of(&client.count("*").await).entry_count, Some(250));
}

#[tokio::test]
async fn a_namespace_that_lies_in_memory_alone_is_not_on_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let memory = |settings: &mut Settings| namespace(settings, "sessions").tiers = Some("memory".parse().unwrap());
    let server = above(folder.path(), &Clock::manual(), memory).await;
    let mut client = server.client().await;
    let session = v1::PutRequest { namespace: "sessions".to_owned(), ..put("k", "v") };
    client.store(session).await;
    client.store(put("k", "v")).await;
    let server = restarted(server, folder.path(), memory).await;
    let mut client = server.client().await;
    let asked = v1::GetRequest { namespace: "sessions".to_owned(), ..get("k") };
    assert_eq!(client.ask(asked).await.miss_reason(), MissReason::NeverStored);
    assert_eq!(found(&client, "k").await.served_from(), Tier::Disk);
}

#[tokio::test]
async fn a_process_that_is_told_all_by_its_environment_finds_again_what_it_stored() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("cache");
    let setup = Setup::default()
        .env("HOTPLATE_DISK_PATH", disk.to_str().unwrap())
        .env("HOTPLATE_DISK_BYTES_MAX", "64MiB")
        .env("HOTPLATE_TTL_DEFAULT", "1h");
    let mut server = setup.spawn();
    server.client().await.store(v1::PutRequest { expiration: None, ..put("k", "v") }).await;
    server.terminate();
    assert!(server.ended(PATIENCE).is_some_and(|status| status.success()), "{}", server.errors());
    let server = setup.spawn();
    let found = found(&server.client().await, "k").await;
    assert_eq!((found.outcome(), found.served_from()), (GetOutcome::Hit, Tier::Disk));
    assert!(std_duration(facts_of(&found).fresh_for) > Duration::from_secs(3500));
}

#[tokio::test]
async fn without_its_directory_a_server_begins_only_when_it_may() {
    let folder = tempfile::tempdir().unwrap();
    let (disk, aside) = (folder.path().join("cache"), folder.path().join("aside"));
    let setup = || Setup::default().env("HOTPLATE_DISK_PATH", disk.to_str().unwrap());
    let mut server = setup().spawn();
    server.client().await.store(put("k", "old")).await;
    server.terminate();
    assert!(server.ended(PATIENCE).is_some_and(|status| status.success()), "{}", server.errors());
    std::fs::rename(&disk, &aside).unwrap();
    std::fs::write(&disk, "not a directory").unwrap();
    let (status, _, errors) = setup().run();
    assert_eq!(status.code(), Some(78), "{errors}");
    for told in [disk.to_str().unwrap(), "disk.path", "no directory", "disk.required"] {
        assert!(errors.contains(told), "{told}: {errors}");
    }
    let mut server = setup().env("HOTPLATE_DISK_REQUIRED", "false").spawn();
    let mut client = server.client().await;
    client.store(put("k", "new")).await;
    let owed = client.invalidate(invalidate(vec![select::key("other")])).await.unwrap_err();
    Failure::of(&owed).is(tonic::Code::Unavailable, "TIER_PENDING");
    server.terminate();
    assert!(server.ended(PATIENCE).is_some_and(|status| status.success()), "{}", server.errors());
    assert!(server.errors().contains("older values"), "what comes back is said: {}", server.errors());
}

#[tokio::test]
async fn the_example_with_memory_and_disk_is_served() {
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/examples/memory-disk.toml")).unwrap();
    let server = Setup::default().config(&text).spawn();
    let mut client = server.client().await;
    client.store(put("k", "v")).await;
    let stats = client.count("*").await;
    assert_eq!(stats.limits.unwrap().entries_max, 1000);
    assert_eq!(tier_of(&stats).bytes_max, Some(10 << 30));
    assert_eq!(tier_of(&stats).entry_count, Some(1));
}

#[tokio::test]
async fn what_is_found_on_a_disk_is_logged_and_a_verb_says_whether_it_is_sound() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("cache");
    let verify = || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_hotplate"));
        let output = command.args(["disk", "verify", disk.to_str().unwrap(), "-o", "json"]).output().unwrap();
        let json = serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap_or_default();
        (output.status.code(), json, String::from_utf8(output.stderr).unwrap())
    };
    let (code, _, said) = verify();
    assert!(code == Some(2) && said.contains("cache"), "there is none: {said}");
    let setup = || Setup::default().env("HOTPLATE_DISK_PATH", disk.to_str().unwrap());
    let mut server = setup().spawn();
    let mut client = server.client().await;
    for number in 0..10 {
        client.store(put(&format!("k:{number}"), format!("value {number}"))).await;
    }
    let (code, _, said) = verify();
    assert!(code == Some(2) && said.contains("a server uses"), "{said}");
    server.terminate();
    assert!(server.ended(PATIENCE).is_some(), "{}", server.errors());
    let (code, json, said) = verify();
    assert_eq!((code, &json["sound"], &json["entries"]), (Some(0), &true.into(), &10.into()), "{said}");
    let segment = disk.join("00000001.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    // In the content of the first record.
    bytes[150] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let (code, json, said) = verify();
    assert_eq!((code, &json["sound"], &json["damaged"]), (Some(1), &false.into(), &1.into()), "{said}");
    let server = setup().spawn();
    let mut client = server.client().await;
    until("it is said", async || server.errors(), |told| told.contains("the disk is open")).await;
    let _damaged = client.value("k:0").await;
    until("it is said", async || server.errors(), |told| told.contains("damaged") && told.contains("00000001.seg"))
        .await;
}

#[tokio::test]
async fn conditions_are_tested_on_what_lies_on_the_disk_alone() {
    let folder = tempfile::tempdir().unwrap();
    let server = above(folder.path(), &Clock::manual(), |settings| settings.memory.entries_max = 0).await;
    let client = server.client().await;
    let on = |value: &str, it| v1::PutRequest { precondition: condition(it), ..put("k", value) };
    let (absent, present) = (v1::precondition::Condition::Absent(true), v1::precondition::Condition::Present(true));
    let outcome = async |request| client.clone().put(request).await.unwrap().into_inner().outcome();
    assert_eq!(outcome(on("none", present.clone())).await, PutOutcome::PreconditionFailed);
    assert_eq!(outcome(on("first", absent.clone())).await, PutOutcome::Stored);
    assert_eq!(outcome(on("second", absent.clone())).await, PutOutcome::PreconditionFailed);
    assert_eq!(value_of(&found(&client, "k").await), b"first");
    assert_eq!(outcome(on("third", present)).await, PutOutcome::Stored);
    let etag = facts_of(&found(&client, "k").await).etag.clone();
    let of = |etag: &str| v1::precondition::Condition::Etag(etag.to_owned());
    assert_eq!(outcome(on("fourth", of("another"))).await, PutOutcome::PreconditionFailed);
    assert_eq!(outcome(on("fourth", of(&etag))).await, PutOutcome::Stored);
    assert_eq!(value_of(&found(&client, "k").await), b"fourth");
    let touch = v1::TouchRequest { key: "k".to_owned(), expiration: Some(ttl(60)), ..Default::default() };
    let refused = client.clone().touch(touch).await.unwrap_err();
    Failure::of(&refused).is(tonic::Code::FailedPrecondition, "NOT_IN_MEMORY");
    client.clone().drop_all(vec![select::key("k")]).await;
    // Of many at once one is the first.
    let mut writers = tokio::task::JoinSet::new();
    for number in 0..20 {
        let (mut client, request) = (client.clone(), on(&number.to_string(), absent.clone()));
        writers.spawn(async move { client.put(request).await.unwrap().into_inner().outcome() });
    }
    let outcomes = writers.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == PutOutcome::Stored).count(), 1, "{outcomes:?}");
}
