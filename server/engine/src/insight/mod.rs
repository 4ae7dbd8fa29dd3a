//! What the numbers mean: lost compute, what more or less memory would bring, top keys, the last hour, advice. Bounded
//! structures behind short locks that are told what happened; nothing here decides what is kept or answered.

pub mod advice;
pub mod cost;
pub mod ghosts;
mod miniature;
pub mod top;
pub mod trend;
pub mod what_if;

use crate::{
    clock::Moment,
    namespace::{EngineConfig, NamespaceConfig},
};

/// What is kept for all of a store.
#[derive(Debug)]
pub struct Insight {
    /// What was evicted.
    pub ghosts: ghosts::Ghosts,
    /// What other amounts of memory would bring.
    pub what_if: what_if::WhatIf,
}

/// What is kept for one namespace.
#[derive(Debug)]
pub struct OwnInsight {
    /// What its entries cost where nobody says.
    pub cost: cost::Estimator,
    /// Its top keys.
    pub top: top::Top,
    /// Its last hour.
    pub trend: trend::Trend,
}

impl Insight {
    /// Nothing yet, with the bounds of a configuration.
    #[must_use]
    pub fn new(config: &EngineConfig) -> Self {
        Self {
            ghosts: ghosts::Ghosts::new(config.insight_ghosts_max),
            what_if: what_if::WhatIf::new(what_if::WhatIfConfig {
                limits: what_if::Quota { bytes: config.bytes_max, entries: config.entries_max },
                objective: config.objective,
                samples_max: config.insight_samples_max,
                sample_every: config.insight_sample_every,
            }),
        }
    }
}

impl OwnInsight {
    /// Nothing yet.
    #[must_use]
    pub fn new(config: &NamespaceConfig, counters_max: usize, now: Moment) -> Self {
        Self {
            cost: cost::Estimator::new(config.cost_default),
            top: top::Top::new(counters_max),
            trend: trend::Trend::new(now),
        }
    }
}
