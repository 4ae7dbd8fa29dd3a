//! Memory above a disk above a Redis: in which order they are searched, that a hit below is above again, and that nothing
//! invalidated is left in any of them.

use std::path::Path;

use hotplate_proto::v1::{self, GetOutcome, Tier};
use hotplate_redisctl::Server as Redis;

use crate::{harness::Server, replicas::sharing, wire::*};

/// A server as the example has it, with a Redis and a folder of its own, and room for two entries in memory.
fn server(redis: &Redis, folder: &Path) -> Server {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/examples/memory-redis-disk.toml");
    sharing(&redis.url())
        .config(&std::fs::read_to_string(example).unwrap())
        .env("HOTPLATE_DISK_PATH", folder.to_str().unwrap())
        .env("HOTPLATE_DISK_BYTES_MAX", "64MiB")
        .env("HOTPLATE_MEMORY_ENTRIES_MAX", "2")
        .env("HOTPLATE_MEMORY_POLICY", "lru")
        .spawn()
}

async fn served_from(client: &Client, key: &str) -> Option<Tier> {
    let answer = client.clone().ask(get(key)).await;
    (answer.outcome() == GetOutcome::Hit).then(|| answer.served_from())
}

/// Where a key is that is somewhere.
async fn found_in(client: &Client, key: &str) -> Tier {
    let answer = everywhere(client, key).await;
    assert_eq!(answer.outcome(), GetOutcome::Hit, "{key}: {:?}", answer.miss_reason());
    answer.served_from()
}

#[tokio::test]
async fn levels_are_searched_in_order_and_a_hit_below_is_above_again() {
    let (redis, folder) = (Redis::start().expect("redis-server starts"), tempfile::tempdir().unwrap());
    let (a, b) = (server(&redis, &folder.path().join("a")), server(&redis, &folder.path().join("b")));
    let (mut on_a, on_b) = (a.client().await, b.client().await);
    for key in ["model:1", "model:2", "model:3", "model:4"] {
        on_a.store(put(key, "fitted")).await;
    }
    assert_eq!(found_in(&on_a, "model:4").await, Tier::Memory);
    assert_eq!(found_in(&on_a, "model:1").await, Tier::Disk, "memory has room for two");
    assert_eq!(found_in(&on_a, "model:1").await, Tier::Memory, "it is in memory again");
    assert_eq!(found_in(&on_b, "model:1").await, Tier::Shared);
    assert_eq!(found_in(&on_b, "model:1").await, Tier::Memory);
    for key in ["model:2", "model:3"] {
        assert_eq!(found_in(&on_b, key).await, Tier::Shared);
    }
    assert_eq!(found_in(&on_b, "model:1").await, Tier::Disk, "what came from Redis went to the disk as well");
    drop(b);
    let b = server(&redis, &folder.path().join("b"));
    let first = found_in(&b.client().await, "model:4").await;
    assert!(matches!(first, Tier::Disk | Tier::Shared), "the first read after a restart is a hit: {first:?}");
}

#[tokio::test]
async fn what_is_invalidated_is_gone_from_every_level_of_every_server() {
    let (redis, folder) = (Redis::start().expect("redis-server starts"), tempfile::tempdir().unwrap());
    let (a, b) = (server(&redis, &folder.path().join("a")), server(&redis, &folder.path().join("b")));
    let (mut on_a, mut on_b) = (a.client().await, b.client().await);
    let ways = [select::key("model:1"), select::tag("data"), select::prefix("model:"), select::everything()];
    for way in ways {
        for key in ["model:1", "model:2", "model:3"] {
            on_a.store(put_tagged(key, "fitted", &["data"])).await;
        }
        assert_eq!(found_in(&on_b, "model:1").await, Tier::Shared);
        assert_eq!(found_in(&on_a, "model:1").await, Tier::Disk);
        let position = on_b.drop_all(vec![way.clone()]).await.position;
        assert_eq!(served_from(&on_b, "model:1").await, None, "{way:?}");
        let up_to_it = v1::GetRequest { min_position: position, ..get("model:1") };
        assert_eq!(on_a.ask(up_to_it).await.outcome(), GetOutcome::Miss, "{way:?} on the other server");
    }
}

#[tokio::test]
async fn without_redis_memory_and_disk_go_on() {
    let (mut redis, folder) = (Redis::start().expect("redis-server starts"), tempfile::tempdir().unwrap());
    let a = server(&redis, &folder.path().join("a"));
    let mut on_a = a.client().await;
    for key in ["model:1", "model:2", "model:3"] {
        on_a.store(put(key, "fitted")).await;
    }
    redis.kill();
    assert_eq!(found_in(&on_a, "model:1").await, Tier::Disk);
    on_a.store(put("model:4", "fitted")).await;
    assert_eq!(found_in(&on_a, "model:4").await, Tier::Memory);
}
