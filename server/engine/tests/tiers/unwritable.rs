//! A disk that cannot write down what was forgotten: nobody is told that it is done.

use hotplate_engine::{
    error::{Kind, Reason},
    flow::invalidate::InvalidateRequest,
    namespace::{Besides, FleetRules, NamespaceConfig},
};

use super::*;

fn request() -> InvalidateRequest {
    drop_of(vec![key("k")])
}

#[tokio::test]
async fn an_invalidation_that_the_disk_cannot_write_down_is_not_told_to_be_done() {
    let here = Here::new();
    here.put("k", "v", Description::default()).await;
    here.disk.unwritable.store(true, SeqCst);
    let dropped = here.cache.drop_entries(&request()).await.unwrap_err();
    let marked = here.cache.outdate(&request(), None).await.unwrap_err();
    for error in [dropped, marked] {
        assert_eq!((error.kind(), error.reason()), (Kind::Unavailable, Reason::TierPending));
        assert_eq!((error.pending_in(), error.retry_delay()), (Some("DISK"), Some(SECOND)));
    }
    assert!(miss(&here.get("k").await).is_some(), "it is done here all the same");
    here.disk.unwritable.store(false, SeqCst);
    here.cache.drop_entries(&request()).await.unwrap();
}

#[tokio::test]
async fn what_changes_nothing_there_does_not_wait_for_the_disk() {
    let here = Here::new();
    here.disk.unwritable.store(true, SeqCst);
    here.cache.drop_entries(&InvalidateRequest { validate_only: true, ..request() }).await.unwrap();
    let mut config = EngineConfig::default();
    let memory_alone = NamespaceConfig { tiers: Besides { disk: false, shared: false }, ..NamespaceConfig::default() };
    config.namespace_default = Some(memory_alone);
    let here = Here::with(config);
    here.disk.unwritable.store(true, SeqCst);
    here.put("k", "v", Description::default()).await;
    assert_eq!(here.drop(vec![key("k")]).await.matched_count, 1);
    assert_eq!(here.disk.settled.load(SeqCst), 0);
}

#[tokio::test]
async fn it_is_told_to_be_done_where_that_is_allowed() {
    let fleet = FleetRules { allow_local_ack: true, ..FleetRules::default() };
    let here = Here::with(EngineConfig { fleet, ..EngineConfig::default() });
    here.disk.unwritable.store(true, SeqCst);
    here.put("k", "v", Description::default()).await;
    let answer = here.drop(vec![key("k")]).await;
    assert_eq!((answer.matched_count, answer.local_only), (1, false));
}
