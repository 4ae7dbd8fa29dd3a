//! Invalidate: each selector, dry runs, retries, what it counts, and that nothing older comes back.

use hotplate_proto::v1::{self, MissReason};
use tonic::Code;

use crate::{harness::Local, wire::*};

/// Five entries that the selectors tell apart.
async fn stocked(client: &mut Client) {
    client.store(v1::PutRequest { tags: texts(&["red", "round"]), ..put_kind("m:1:a", "v", "model") }).await;
    client.store(v1::PutRequest { tags: texts(&["red"]), ..put_kind("m:1:b", "v", "model") }).await;
    client.store(v1::PutRequest { tags: texts(&["round"]), ..put_kind("m:2:a", "v", "score") }).await;
    client.store(put("m:2:b", "v")).await;
    client.store(put("other", "v")).await;
}

async fn left(client: &mut Client) -> Vec<String> {
    let page = client.list_entries(v1::ListEntriesRequest::default()).await.unwrap().into_inner();
    page.entries.into_iter().map(|entry| entry.key).collect()
}

#[tokio::test]
async fn each_selector_drops_what_it_selects_and_counts_it() {
    let cases = [
        (vec![select::key("m:1:a")], vec!["m:1:b", "m:2:a", "m:2:b", "other"]),
        (vec![select::key("absent")], vec!["m:1:a", "m:1:b", "m:2:a", "m:2:b", "other"]),
        (vec![select::prefix("m:1:")], vec!["m:2:a", "m:2:b", "other"]),
        (vec![select::glob("m:*:a")], vec!["m:1:b", "m:2:b", "other"]),
        (vec![select::glob("m:[13]:?")], vec!["m:2:a", "m:2:b", "other"]),
        (vec![select::tag("red")], vec!["m:2:a", "m:2:b", "other"]),
        (vec![select::all_tags(&["round", "red"])], vec!["m:1:b", "m:2:a", "m:2:b", "other"]),
        (vec![select::kind("score")], vec!["m:1:a", "m:1:b", "m:2:b", "other"]),
        (vec![select::everything()], vec![]),
        (vec![select::tag("red"), select::key("m:1:a"), select::key("other")], vec!["m:2:a", "m:2:b"]),
    ];
    for (selectors, expected) in cases {
        let server = Local::start().await;
        let mut client = server.client().await;
        stocked(&mut client).await;
        let dry = v1::InvalidateRequest { validate_only: true, ..invalidate(selectors.clone()) };
        let shown = client.invalidate(dry).await.unwrap().into_inner();
        let before = left(&mut client).await;
        assert_eq!(before.len(), 5, "a dry run drops nothing");
        let sample: Vec<_> = before.into_iter().filter(|key| !expected.contains(&key.as_str())).collect();
        assert_eq!((shown.sample_keys, shown.position), (sample.clone(), None), "{selectors:?}");
        let dropped = client.drop_all(selectors.clone()).await;
        assert_eq!((shown.matched_count, dropped.matched_count), (sample.len() as u64, sample.len() as u64));
        assert!(dropped.sample_keys.is_empty() && dropped.position.is_some());
        assert_eq!(left(&mut client).await, expected, "{selectors:?}");
        for key in sample {
            assert_eq!(client.value(&key).await, Err(MissReason::Invalidated), "{selectors:?}");
        }
    }
}

#[tokio::test]
async fn a_dry_run_shows_at_most_100_keys() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let items = (0..150).map(|n| put(&format!("k:{n:03}"), "v")).collect();
    client.batch_put(v1::BatchPutRequest { items, ..Default::default() }).await.unwrap();
    let dry = v1::InvalidateRequest { validate_only: true, ..invalidate(vec![select::prefix("k:")]) };
    let shown = client.invalidate(dry).await.unwrap().into_inner();
    assert_eq!((shown.matched_count, shown.sample_keys.len()), (150, 100));
    assert_eq!((shown.sample_keys[0].as_str(), shown.sample_keys[99].as_str()), ("k:000", "k:099"));
}

#[tokio::test]
async fn other_namespaces_are_left_alone() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let elsewhere = v1::PutRequest { namespace: "n".to_owned(), ..put_tagged("k", "v", &["t"]) };
    client.store(elsewhere).await;
    client.store(put_tagged("k", "v", &["t"])).await;
    for selector in [select::tag("t"), select::everything(), select::key("k"), select::glob("*")] {
        client.drop_all(vec![selector]).await;
    }
    assert!(client.value("k").await.is_err());
    let answer = client.ask(v1::GetRequest { namespace: "n".to_owned(), ..get("k") }).await;
    assert_eq!(value_of(&answer), b"v");
}

#[tokio::test]
async fn what_is_stored_afterwards_stays() {
    let server = Local::start().await;
    let mut client = server.client().await;
    for selector in [select::key("k"), select::tag("t"), select::prefix("k"), select::glob("k*"), select::everything()]
    {
        client.store(put_tagged("k", "old", &["t"])).await;
        client.drop_all(vec![selector]).await;
        client.store(put_tagged("k", "old", &["t"])).await;
        assert_eq!(client.value("k").await.unwrap(), b"old", "a later Put of the same content is new");
    }
}

#[tokio::test]
async fn the_position_covers_every_log_that_was_touched() {
    let server = Local::start().await;
    let mut client = server.client().await;
    client.store(put("k", "v")).await;
    let by_key = client.drop_all(vec![select::key("k")]).await.position.unwrap();
    let by_tag = client.drop_all(vec![select::tag("t")]).await.position.unwrap();
    let both = client.drop_all(vec![select::key("k"), select::tag("t")]).await.position.unwrap();
    assert!(by_key.logs.len() == 1 && by_key.logs[0].log < 64);
    assert!(by_tag.logs.len() == 1 && by_tag.logs[0].log == 64);
    assert_eq!(both.logs.iter().map(|log| log.log).collect::<Vec<_>>(), [by_key.logs[0].log, 64]);
    let as_of = client.ask(v1::GetRequest { min_position: Some(both), ..get("k") }).await;
    assert_eq!(as_of.miss_reason(), MissReason::Invalidated);
}

#[tokio::test]
async fn a_retry_with_the_same_id_drops_nothing_newer() {
    let server = Local::start().await;
    let mut client = server.client().await;
    client.store(put("k", "v")).await;
    let once = v1::InvalidateRequest { request_id: "r".to_owned(), ..invalidate(vec![select::key("k")]) };
    let first = client.invalidate(once.clone()).await.unwrap().into_inner();
    client.store(put("k", "newer")).await;
    let again = client.invalidate(once).await.unwrap().into_inner();
    assert_eq!(first, again);
    assert_eq!(client.value("k").await.unwrap(), b"newer");
}

#[tokio::test]
async fn selectors_are_needed_bounded_and_whole() {
    let server = Local::start().await;
    let mut client = server.client().await;
    failure(client.invalidate(invalidate(vec![])).await).is(Code::InvalidArgument, "NO_SELECTOR").blames("selectors");
    let bad_globs = ["a".repeat(257), "*a".repeat(9), "[a".to_owned(), String::new()];
    for glob in bad_globs {
        failure(client.invalidate(invalidate(vec![select::glob(&glob)])).await).is(Code::InvalidArgument, "BAD_GLOB");
    }
    client.drop_all(vec![select::glob(&"*a".repeat(8)), select::glob(&"a".repeat(256))]).await;
    let too_many_tags: Vec<String> = (0..17).map(|n| format!("t{n}")).collect();
    let too_many_tags: Vec<&str> = too_many_tags.iter().map(String::as_str).collect();
    let bad = [
        vec![v1::Selector::default()],
        vec![v1::Selector { selector: Some(v1::selector::Selector::Everything(false)) }],
        vec![select::prefix("")],
        vec![select::prefix(&"p".repeat(1025))],
        vec![select::tag("")],
        vec![select::tag(&"t".repeat(129))],
        vec![select::all_tags(&[])],
        vec![select::all_tags(&too_many_tags)],
        vec![select::kind(&"k".repeat(129))],
        vec![select::key("k"); 129],
    ];
    for selectors in bad {
        let refused = failure(client.invalidate(invalidate(selectors)).await);
        assert_eq!(refused.code, Code::InvalidArgument, "{refused:?}");
        assert!(refused.fields[0].starts_with("selectors"), "{refused:?}");
    }
    client.drop_all(vec![select::key("k"); 128]).await;
}

#[tokio::test]
async fn a_glob_costs_no_more_than_its_text() {
    let server = Local::start().await;
    let mut client = server.client().await;
    let key = "a".repeat(1024);
    client.store(put(&key, "v")).await;
    let hostile = format!("{}b", "*a".repeat(8));
    let dropped = within("a hostile glob", client.drop_all(vec![select::glob(&hostile)])).await;
    assert_eq!(dropped.matched_count, 0);
}
