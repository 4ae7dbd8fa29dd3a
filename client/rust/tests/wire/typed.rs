//! Typed reads and writes: codecs, batches, what a miss looks like.

use std::time::Duration;

use bytes::Bytes;
use hotplate::{
    ErrorKind, Invalidated, Key, Lookup, MessagePack, MissReason, Raw, ReadOptions, Refreshing, Selector, TtlClass,
    WriteOptions, Written, v1,
};

use crate::double::{Double, Fault};

#[tokio::test]
async fn a_value_comes_back_as_it_was_put_with_every_codec() {
    let double = Double::start();
    let json = double.client().default_namespace();
    let value = vec![(1, "one".to_owned()), (2, "zwei\u{e4}".to_owned())];
    assert!(json.put("j", &value).await.expect("there").is_stored());
    assert_eq!(json.get::<Vec<(i32, String)>>("j").await.expect("there").value(), Some(value.clone()));
    let packed = json.codec(MessagePack);
    packed.put("m", &value).await.expect("there");
    assert_eq!(packed.get("m").await.expect("there").value(), Some(value));
    let raw = json.codec(Raw);
    raw.put("r", &[0_u8, 255][..]).await.expect("there");
    assert_eq!(raw.get::<Bytes>("r").await.expect("there").value(), Some(Bytes::from_static(&[0, 255])));
    let types: Vec<_> = double.state.puts.lock().iter().map(|put| put.content_type.clone()).collect();
    assert_eq!(types, ["application/json", "application/msgpack", "application/octet-stream"]);
    let error = json.get::<String>("m").await.expect_err("another content type");
    assert_eq!(error.kind, ErrorKind::Codec);
}

#[tokio::test]
async fn options_arrive_as_the_contract_names_them() {
    let double = Double::start();
    let ml = double.client().namespace("ml");
    let options = WriteOptions::new()
        .ttl(TtlClass::VeryLong)
        .stale_for(Duration::from_secs(5))
        .idle(Duration::from_millis(1500))
        .jitter(0.1)
        .kind("metrics")
        .tags(["a", "b"])
        .label("by", "test")
        .cost(Duration::from_secs(2))
        .if_etag("e0");
    ml.put_with(Key::new(["model"]).id(7), &1, &options).await.expect("there");
    let put = double.state.puts.lock()[0].clone();
    let expiration = put.expiration.expect("set");
    assert_eq!((put.namespace.as_str(), put.key.as_str(), put.kind.as_str()), ("ml", "model:7", "metrics"));
    assert_eq!(expiration.lifetime, Some(v1::expiration::Lifetime::TtlClass("very_long".to_owned())));
    assert_eq!(expiration.idle_ttl, Some(prost_types::Duration { seconds: 1, nanos: 500_000_000 }));
    assert_eq!((put.tags, put.labels["by"].as_str()), (vec!["a".to_owned(), "b".to_owned()], "test"));
    let condition = put.precondition.and_then(|precondition| precondition.condition);
    assert_eq!(condition, Some(v1::precondition::Condition::Etag("e0".to_owned())));
}

#[tokio::test]
async fn misses_negatives_and_stale_values_are_told_apart() {
    let double = Double::start();
    let space = double.client().default_namespace();
    assert_eq!(space.get::<u32>("none").await, Ok(Lookup::Miss(MissReason::NeverStored)));
    space.put_negative("gone", "NOT_FOUND", "no such model", &WriteOptions::new()).await.expect("there");
    let Ok(Lookup::Negative(negative)) = space.get::<u32>("gone").await else { panic!("a negative") };
    assert_eq!(negative.reason, "NOT_FOUND");
    space.put("old", &5).await.expect("there");
    double.state.stale.lock().insert("old".to_owned());
    assert_eq!(space.get::<u32>("old").await, Ok(Lookup::Miss(MissReason::Expired)));
    let Ok(Lookup::Hit(hit)) = space.get_with::<u32>("old", &ReadOptions::new().accept_stale()).await else {
        panic!("a stale hit")
    };
    assert!(hit.stale && hit.value == 5 && hit.tier == v1::Tier::Memory && hit.etag == "e1");
}

#[tokio::test]
async fn batches_answer_in_order_each_item_on_its_own() {
    let double = Double::start();
    let space = double.client().default_namespace();
    let items: Vec<(String, u32)> = (0..250).map(|index| (format!("k{index}"), index)).collect();
    let borrowed = items.iter().map(|(key, value)| (key.as_str(), value));
    let written = space.put_many(borrowed, &WriteOptions::new()).await.expect("there");
    assert!(written.len() == 250 && written.iter().all(|result| result.as_ref().is_ok_and(Written::is_stored)));
    space.put("deferred", &9).await.expect("there");
    let keys =
        (0..250).map(|index| format!("k{index}")).chain(["bad".to_owned(), "deferred".to_owned(), "no".to_owned()]);
    let found = space.get_many::<u32, _>(keys).await.expect("there");
    assert_eq!(found.len(), 253);
    assert_eq!(found[249].clone().expect("a hit").value(), Some(249));
    assert_eq!(found[250].clone().expect_err("a bad key").reason.as_deref(), Some("BAD_KEY"));
    assert_eq!(found[251].clone().expect("asked for again").value(), Some(9));
    assert_eq!(found[252], Ok(Lookup::Miss(MissReason::NeverStored)));
    assert_eq!((double.state.count("batch_put"), double.state.count("batch_get")), (3, 3));
}

#[tokio::test]
async fn lifetimes_existence_and_removal() {
    let double = Double::start();
    let space = double.client().default_namespace();
    assert!(!space.exists("a").await.expect("there") && !space.touch("a", TtlClass::Day).await.expect("there"));
    space.put("a", &1).await.expect("there");
    assert_eq!(space.ttl("a").await, Ok(Some(Duration::from_secs(60))));
    assert!(space.touch("a", Duration::from_secs(9)).await.expect("there"));
    assert_eq!(space.remove("a").await, Ok(Invalidated::Done { matched: 1 }));
    assert_eq!(space.remove("a").await, Ok(Invalidated::Done { matched: 0 }));
    space.invalidate_any([Selector::tag("t"), Selector::all_tags(["x", "y"])]).await.expect("there");
    assert_eq!(double.state.invalidates.lock()[2].selectors.len(), 2);
}

#[tokio::test]
async fn a_faulty_request_is_an_error_even_when_outages_are_misses() {
    let double = Double::start();
    let space = double.client().default_namespace();
    let refused = tonic::Status::permission_denied("no");
    double.state.faults.lock().push_back(Fault::Refuse(Box::new(refused)));
    assert_eq!(space.get::<u32>("a").await.expect_err("refused").kind, ErrorKind::PermissionDenied);
    assert_eq!(space.get::<u32>(Key::new(["a", ""])).await.expect_err("refused").kind, ErrorKind::InvalidArgument);
    assert!(double.client().available());
}

#[tokio::test]
async fn a_refresh_says_where_from_and_names_the_job_that_fetches() {
    let double = Double::start();
    let space = double.client().default_namespace();
    let from = v1::RefreshFrom { origin: "backend".to_owned(), parameters: [("p".into(), "1".into())].into() };
    let refreshed = space.refresh([Selector::tag("t")], from.clone()).await.expect("there");
    assert_eq!(refreshed, Refreshing::Started { matched: 0, refreshing: 1, job: "job-1".to_owned() });
    let request = double.state.invalidates.lock()[0].clone();
    assert_eq!((request.mode(), request.refresh), (v1::InvalidateMode::Refresh, Some(from)));
    let mut job = space.join_preload("job-1");
    assert!(job.next().await.expect("it ends with a word").expect("joined").finished);
    assert!(job.next().await.is_none());
    let joined = double.state.preloads.lock()[0].clone();
    assert!(joined.job_id == "job-1" && joined.items.is_empty());
}
