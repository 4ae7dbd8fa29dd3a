//! What is explained of a key is what a Get answers, wherever the key lies, and asking leaves no trace.

use std::mem::discriminant;

use hotplate_engine::flow::explain::{ExplainAnswer, ExplainRequest};

use super::*;

async fn explain(cache: &Cache, key: &str) -> ExplainAnswer {
    let request = ExplainRequest { key: key.to_owned(), ..ExplainRequest::default() };
    cache.explain_in_all(&request).await.unwrap()
}

/// Explains a key and looks at it: both must say the same, before and after.
pub(crate) async fn says_what_a_get_says(cache: &Cache, key: &str) {
    let told = explain(cache, key).await;
    let peek = GetRequest { key: key.to_owned(), peek: true, ..GetRequest::default() };
    let LeasedAnswer::Found(found, _) = cache.read(&peek, OnMiss::Report).await.unwrap() else { panic!("pending") };
    match (&told.outcome, &found.outcome) {
        (Lookup::Miss(told), Lookup::Miss(found)) => assert_eq!(told, found, "{key}"),
        (told, found) => assert_eq!(discriminant(told), discriminant(found), "{key}: {told:?}, {found:?}"),
    }
    assert_eq!(value(&told.outcome), value(&found.outcome), "{key}");
    if found.outcome.view().is_some() {
        assert_eq!(told.tier, found.tier, "{key}");
        assert!(told.tiers.contains(&found.tier), "{key}: {:?}", told.tiers);
    }
}

fn missed(told: &ExplainAnswer) -> Option<MissReason> {
    if let Lookup::Miss(reason) = told.outcome { Some(reason) } else { None }
}

#[tokio::test]
async fn a_key_that_lies_on_the_disk_alone_is_a_hit_there_and_stays_there() {
    let mut here = Here::new();
    here.put("k", "v", Description::default()).await;
    here.restart();
    for _ in 0..2 {
        let told = explain(&here.cache, "k").await;
        assert_eq!((value(&told.outcome).as_deref(), told.tier), (Some("v"), TierName::Disk));
        assert_eq!(told.tiers, [TierName::Disk]);
        assert!(
            told.explanation.starts_with("A Get finds it on the disk: stored or confirmed"),
            "{}",
            told.explanation
        );
        assert!(told.cause.is_none() && told.entry.is_some());
    }
    let total = here.cache.stats(None, GroupBy::Namespace).unwrap().total;
    assert_eq!((total.hits, total.entry_count), (0, 0), "it was no read, and brought nothing up");
    assert_eq!(here.get("k").await.tier, TierName::Disk);
    let told = explain(&here.cache, "k").await;
    assert_eq!((told.tier, told.tiers), (TierName::Memory, vec![TierName::Memory, TierName::Disk]));
}

#[tokio::test]
async fn without_memory_what_the_disk_has_is_a_hit() {
    let here = Here::with(EngineConfig { entries_max: 0, ..EngineConfig::default() });
    here.put("k", "v", Description::default()).await;
    let told = explain(&here.cache, "k").await;
    assert_eq!((value(&told.outcome).as_deref(), told.tiers), (Some("v"), vec![TierName::Disk]));
}

#[tokio::test]
async fn a_disk_that_cannot_be_asked_is_named_and_one_that_has_nothing_is_not() {
    let mut here = Here::new();
    here.put("k", "v", Description::default()).await;
    here.restart();
    here.disk.away.store(true, SeqCst);
    let told = explain(&here.cache, "k").await;
    assert_eq!(missed(&told), Some(MissReason::TierUnavailable));
    assert!(told.explanation.contains("the disk tier may have it, and cannot be asked"), "{}", told.explanation);
    assert_eq!(missed(&explain(&here.cache, "none").await), Some(MissReason::NeverStored));
    here.disk.away.store(false, SeqCst);
    here.drop(vec![key("k")]).await;
    let told = explain(&here.cache, "k").await;
    assert_eq!((missed(&told), told.tiers), (miss(&here.get("k").await), vec![]));
}

#[tokio::test]
async fn what_is_stale_on_the_disk_is_a_miss_that_says_where_it_lies() {
    let mut here = Here::new();
    let expiration = Expiration { ttl: Ttl::Exact(SECOND), stale_for: Some(SECOND * 100), ..Expiration::default() };
    let request = PutRequest { expiration, ..put_of("k", "v", Description::default()) };
    here.cache.write(request, None).await.unwrap();
    here.clock.advance(SECOND * 2);
    here.restart();
    let told = explain(&here.cache, "k").await;
    assert_eq!((missed(&told), told.tier), (Some(MissReason::Expired), TierName::Disk));
    assert!(
        told.explanation.contains("what lies on the disk is past its TTL. It may be served"),
        "{}",
        told.explanation
    );
    says_what_a_get_says(&here.cache, "k").await;
}
