//! Small values that have much in common are said shorter in Redis, by a dictionary that lies there too: every replica reads
//! what one wrote, and where the dictionary is gone there is no value.

use hotplate_engine::tier::shared::SharedTier;
use hotplate_redisctl::Server;

use crate::harness::*;

/// Samples that a dictionary is trained from.
const SAMPLES: usize = 2_000;
/// Which dictionary the namespace has.
const NAME: &str = "hp:{64}:n:models";

/// Values that say the same of somebody else.
fn profile(n: usize) -> String {
    let digits = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!(
        r#"{{"customer":{n},"score":0.{:05},"segment":"returning customer, premium tier","session":"{digits:016x}",
        "explanation":"bought twice in the last month; opened the newsletter; the model of autumn is confident",
        "terms":"valid for one basket; not together with other vouchers; delivery within two working days, free from fifty on",
        "reasons":["frequency above the median","region with free delivery","no return in the last year","seen on the shelf"],
        "recommended":["article-{}","article-{}","article-{}"],"model":{{"name":"recommendation","version":"2.4.1"}},
        "features":{{"recency_days":{},"frequency":{},"monetary_cents":{},"region":"north","channel":"shop"}}}}"#,
        digits % 99_991,
        digits % 9_973,
        digits % 9_967,
        digits % 9_949,
        digits % 31,
        digits % 17,
        digits % 99_989,
    )
}

async fn write(tier: &dyn SharedTier, n: usize) {
    put(tier, &key(&format!("p{n}")), &profile(n)).await;
}

async fn reads(tier: &dyn SharedTier, n: usize) -> bool {
    let found = value(tier, &key(&format!("p{n}"))).await;
    if let Some(found) = &found {
        assert_eq!(*found, profile(n));
    }
    found.is_some()
}

fn stored_bytes(server: &Server, n: usize) -> usize {
    let key = key(&format!("p{n}"));
    let name = format!("hp:{{{}}}:v:models:p{n}", key.log().number());
    redis_length(server, &name)
}

fn redis_length(server: &Server, name: &str) -> usize {
    match server.command(&["STRLEN", name]).unwrap() {
        redis::Value::Int(length) => usize::try_from(length).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_replica_says_shorter_every_other_reads() {
    let server = Server::start().unwrap();
    let one = tier(&server.url());
    for n in 0..SAMPLES + 100 {
        write(&*one, n).await;
    }
    eventually("the namespace has a dictionary", || async { redis_length(&server, NAME) > 0 }).await;
    let (before, after) = (SAMPLES / 2, SAMPLES + 200);
    eventually("values are written with it", || async {
        write(&*one, after).await;
        stored_bytes(&server, after) * 3 < stored_bytes(&server, before) * 2
    })
    .await;

    let other = tier(&server.url());
    assert!(reads(&*other, after).await && reads(&*other, before).await);

    // Flushed with the values, it is put there again by who writes with it.
    server.command(&["FLUSHALL"]).unwrap();
    write(&*one, after).await;
    let third = tier(&server.url());
    eventually("it lies there again", || async { reads(&*third, after).await }).await;
    assert!(redis_length(&server, NAME) > 0);

    // Something else under its name, and under the namespace's: no value is read with it.
    let name = format!("hp:{{64}}:d:{:0>16}", server.text(&["GET", NAME]).unwrap());
    server.command(&["SET", &name, &"not a dictionary ".repeat(9_000)]).unwrap();
    let fourth = tier(&server.url());
    assert!(!reads(&*fourth, after).await);
    server.command(&["SET", NAME, "no number of a dictionary"]).unwrap();
    assert!(reads(&*one, after).await, "who knows it needs neither");
    assert_eq!(third.state().corrupt + fourth.state().corrupt, 0, "no value is damaged by that");
}
