//! Leases that a call was given: when its caller does not hear of them, they go to the next who waits. Who is given one is not
//! decided here.

use std::{mem::take, sync::Arc};

use hotplate_engine::{
    Cache,
    flow::{
        get::GetRequest,
        lease::{LeasedAnswer, Release},
    },
};
use parking_lot::Mutex;

use crate::task::Lasting;

/// Those of one call, given back when this is dropped before its caller is told. Most calls have none.
#[derive(Debug, Default)]
pub(crate) struct Granted(Mutex<Option<Box<Leases>>>);

#[derive(Debug)]
struct Leases {
    cache: Arc<Cache>,
    tasks: Lasting,
    /// Namespace, key and token.
    all: Vec<(String, String, u128)>,
}

impl Granted {
    /// Adds the lease that came with an answer, if one did. `tasks` give it back.
    pub(crate) fn add(&self, (cache, tasks): (&Arc<Cache>, &Lasting), asked: &GetRequest, answer: &LeasedAnswer) {
        let LeasedAnswer::Found(_, Some(grant)) = answer else { return };
        let lease = (asked.namespace.clone(), asked.key.clone(), grant.token);
        let none = || Box::new(Leases { cache: Arc::clone(cache), tasks: tasks.clone(), all: Vec::new() });
        self.0.lock().get_or_insert_with(none).all.push(lease);
    }

    /// The caller hears of all of them.
    pub(crate) fn told(&self) {
        *self.0.lock() = None;
    }

    /// The same leases, for whoever tells of them.
    pub(crate) fn handed_on(&self) -> Self {
        Self(Mutex::new(self.0.lock().take()))
    }
}

impl Drop for Granted {
    fn drop(&mut self) {
        let Some(mut leases) = self.0.get_mut().take() else { return };
        let (cache, all) = (Arc::clone(&leases.cache), take(&mut leases.all));
        leases.tasks.spawn(async move {
            for (namespace, key, token) in all {
                // Bad names were given no lease.
                let _held = cache.give_back((&namespace, &key), token, Release::Next).await;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hotplate_engine::{clock::Clock, flow::lease::OnMiss, namespace::EngineConfig, origin::Origins};

    use super::*;
    use crate::telemetry::Telemetry;

    async fn asked(cache: &Arc<Cache>, tasks: &Lasting, granted: &Granted) -> bool {
        let request = GetRequest { namespace: "n".to_owned(), key: "k".to_owned(), ..GetRequest::default() };
        let answer = cache.read(&request, OnMiss::Lease).await.unwrap();
        granted.add((cache, tasks), &request, &answer);
        matches!(answer, LeasedAnswer::Found(_, Some(_)))
    }

    #[tokio::test]
    async fn leases_that_nobody_hears_of_are_given_back_and_others_are_kept() {
        let clock = Clock::manual();
        let telemetry = Telemetry::detached(clock.clone());
        let cache = Cache::new(EngineConfig::default(), clock, telemetry, Origins::new()).unwrap();
        let (tasks, first, second) = (Lasting::here(), Granted::default(), Granted::default());
        assert!(asked(&cache, &tasks, &first).await, "nobody else has it");
        assert!(!asked(&cache, &tasks, &second).await, "another has it");
        let handed_on = first.handed_on();
        drop((first, second));
        assert!(!asked(&cache, &tasks, &Granted::default()).await, "somebody else is to tell of it");
        drop(handed_on);
        assert!(tasks.ended(Duration::from_secs(20)).await);
        let last = Granted::default();
        assert!(asked(&cache, &tasks, &last).await, "it was given back");
        last.told();
        drop(last);
        assert!(!asked(&cache, &tasks, &Granted::default()).await, "who was told has it");
    }
}
