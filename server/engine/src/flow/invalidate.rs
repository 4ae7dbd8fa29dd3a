//! Invalidate: raise the fences, drop what they select, tell the watchers, then answer.

use std::sync::Arc;

use crate::{position::Positions, selector::Selector};

/// What to drop.
#[derive(Clone, Debug)]
pub struct InvalidateRequest {
    /// The namespace; empty means `default`.
    pub namespace: String,
    /// What any of these selects; at least one, at most 128.
    pub selectors: Vec<Selector>,
    /// Only count and show.
    pub validate_only: bool,
    /// Why, for the record.
    pub reason: Option<Arc<str>>,
    /// A repeated id gets the first answer; empty: none.
    pub request_id: String,
    /// Who asks.
    pub client_id: Option<Arc<str>>,
}

/// What was dropped, or would be.
#[derive(Clone, Debug)]
pub struct InvalidateAnswer {
    /// Entries selected.
    pub matched_count: u64,
    /// The first keys in order, at most 100; only when validating.
    pub sample_keys: Vec<Arc<str>>,
    /// Where in the history, for every log touched; empty when validating.
    pub position: Positions,
}
