//! Statistics move on by themselves: the maintenance closes minutes by the clock it is given.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use hotplate_engine::{
    Cache,
    clock::Clock,
    entry::Payload,
    event::Silent,
    flow::{insight::InsightRequest, put::PutRequest},
    namespace::EngineConfig,
    origin::Origins,
};

#[tokio::test(start_paused = true)]
async fn maintenance_closes_the_minutes() {
    let cache = Cache::new(EngineConfig::default(), Clock::system(), Arc::new(Silent), Origins::new()).unwrap();
    cache.put(PutRequest::new("", "k", Payload::Value(Bytes::from_static(b"v")))).unwrap();
    let wait = tokio::time::sleep(Duration::from_millis(121_500));
    tokio::select! {
        () = cache.clone().run_maintenance() => panic!("it ends when the cache closes"),
        () = wait => {}
    }
    let namespaces = cache.namespaces();
    let request = InsightRequest { namespaces, minutes: 60, trend: true, ..InsightRequest::default() };
    let trend = cache.insight(&request).trend;
    assert_eq!(trend.iter().map(|minute| minute.sums.puts).collect::<Vec<_>>(), [1, 0]);
}

/// A flat curve would say that no amount of memory matters.
#[test]
fn without_samples_there_is_no_curve() {
    for (samples_max, drawn) in [(0, false), (4096, true)] {
        let config = EngineConfig { insight_samples_max: samples_max, ..EngineConfig::default() };
        let cache = Cache::new(config, Clock::manual(), Arc::new(Silent), Origins::new()).unwrap();
        let answer = cache.insight(&InsightRequest { minutes: 60, what_if: true, ..InsightRequest::default() });
        assert_eq!(answer.what_if.is_some(), drawn, "{samples_max}");
    }
}
