//! What is explained of a key that replicas share, and of one that may not be trusted because nothing is heard of the others.

use std::time::Duration;

use hotplate_engine::{
    event::MissReason,
    flow::{
        explain::{ExplainAnswer, ExplainRequest},
        get::Lookup,
        invalidate::InvalidateRequest,
    },
    namespace::Coherence,
    selector::Selector,
    tier::{TierHealth, TierName},
};

use super::{
    net,
    replicas::{Read, Replica, SPACE, pass, start},
};

async fn explain(replica: &Replica, key: &str) -> ExplainAnswer {
    let request = ExplainRequest { namespace: SPACE.to_owned(), key: key.to_owned(), ..ExplainRequest::default() };
    replica.cache.explain_in_all(&request).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_key_that_another_replica_stored_is_a_hit_where_they_share_it() {
    let (net, clock) = net(31);
    let replicas = start(&net, 2, &clock, Coherence::Available).await;
    let [a, b] = &replicas[..] else { unreachable!() };
    a.put("k", 1, None).await;
    for _ in 0..2 {
        let told = explain(b, "k").await;
        assert!(matches!(told.outcome, Lookup::Hit(_)), "{told:?}");
        assert_eq!((told.tier, told.tiers), (TierName::Shared, vec![TierName::Shared]));
        assert!(told.explanation.contains("where servers share"), "{}", told.explanation);
    }
    assert_eq!(explain(a, "k").await.tiers, [TierName::Memory, TierName::Shared]);
    b.drop_key("k").await.unwrap();
    let told = explain(b, "k").await;
    assert!(matches!(told.outcome, Lookup::Miss(MissReason::NeverStored)), "{told:?}");
    assert_eq!(told.tiers, []);
}

#[tokio::test(start_paused = true)]
async fn where_nothing_is_heard_of_the_others_a_strict_miss_says_why() {
    let (net, clock) = net(32);
    let strict = start(&net, 1, &clock, Coherence::Strict).await.remove(0);
    strict.put("k", 1, None).await;
    strict.link.cut(true);
    pass(Duration::from_secs(4)).await;
    assert_eq!(strict.look("k").await, Read::Miss);
    let told = explain(&strict, "k").await;
    assert!(matches!(told.outcome, Lookup::Miss(MissReason::TierUnavailable)), "{told:?}");
    assert!(told.explanation.contains("its namespace is strict"), "{}", told.explanation);
    assert_eq!(told.tiers, [TierName::Memory], "it lies there all the same");
}

#[tokio::test(start_paused = true)]
async fn what_is_shared_is_up_once_it_is_known_what_others_changed() {
    let (net, clock) = net(33);
    let replica = start(&net, 1, &clock, Coherence::Available).await.remove(0);
    let health = || replica.cache.tier_states()[0].1.health;
    assert_eq!(health(), TierHealth::Up);
    replica.link.cut(true);
    pass(Duration::from_secs(4)).await;
    assert_eq!(health(), TierHealth::CatchingUp, "no guard is around it that calls it away");
    replica.link.cut(false);
    pass(Duration::from_secs(2)).await;
    assert_eq!(health(), TierHealth::Up);
}

#[tokio::test(start_paused = true)]
async fn what_others_stored_is_counted_by_key_and_said_not_to_be_counted_by_set() {
    let (net, clock) = net(34);
    let replicas = start(&net, 2, &clock, Coherence::Available).await;
    let [a, b] = &replicas[..] else { unreachable!() };
    a.put("k", 1, None).await;
    let look = async |selector: Selector| {
        let request = InvalidateRequest { validate_only: true, ..drop_of(selector) };
        b.cache.drop_entries(&request).await.unwrap()
    };
    let by_key = look(Selector::key("k").unwrap()).await;
    assert_eq!((by_key.matched_count, by_key.uncounted), (1, vec![]));
    assert_eq!(by_key.sample_keys, ["k".into()]);
    assert_eq!(look(Selector::key("none").unwrap()).await.matched_count, 0);
    let by_tag = look(Selector::tag("t-k").unwrap()).await;
    assert_eq!((by_tag.matched_count, by_tag.uncounted), (0, vec![TierName::Shared]));
    let dropped = b.drop_key("k").await.unwrap();
    assert_eq!((dropped.matched_count, dropped.uncounted), (0, vec![TierName::Shared]), "it was not looked for");
}

fn drop_of(selector: Selector) -> InvalidateRequest {
    InvalidateRequest {
        namespace: SPACE.to_owned(),
        selectors: vec![selector],
        cascade: true,
        validate_only: false,
        reason: None,
        request_id: String::new(),
        client_id: None,
    }
}
