//! Preload: fetch entries from origins ahead of use, in jobs that outlive the caller's stream.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::entry::Expiration;

/// What to fetch, or which job to join.
#[derive(Clone, Debug, Default)]
pub struct PreloadRequest {
    /// The namespace; empty means `default`.
    pub namespace: String,
    /// What; empty when `job_id` is set.
    pub items: Vec<PreloadItem>,
    /// What is fresh as well.
    pub force: bool,
    /// How many at once; zero: the default.
    pub max_parallelism: usize,
    /// Join this job; empty: start one.
    pub job_id: String,
    /// Stop that job.
    pub cancel: bool,
    /// Stop the job when the caller goes.
    pub cancel_on_disconnect: bool,
    /// A repeated id joins the job it started; empty: none.
    pub request_id: String,
}

/// One entry to fetch.
#[derive(Clone, Debug, Default)]
pub struct PreloadItem {
    /// Stored under.
    pub key: String,
    /// Which origin; empty: the only one.
    pub origin: String,
    /// Values for its template.
    pub parameters: BTreeMap<String, String>,
    /// For how long.
    pub expiration: Expiration,
    /// Operation or model type.
    pub kind: Arc<str>,
    /// Groups.
    pub tags: Vec<Arc<str>>,
}

/// Progress of a job.
#[derive(Clone, Debug)]
pub struct PreloadProgress {
    /// Which job.
    pub job_id: Arc<str>,
    /// What ended since the last message.
    pub results: Vec<PreloadResult>,
    /// Ended so far.
    pub done_count: u64,
    /// In all.
    pub total_count: u64,
    /// Bytes loaded so far.
    pub loaded_bytes: u64,
    /// Whether this is the last message.
    pub finished: bool,
    /// Whether it was cancelled.
    pub cancelled: bool,
}

/// How one item ended.
#[derive(Clone, Debug)]
pub struct PreloadResult {
    /// Its key.
    pub key: Arc<str>,
    /// How.
    pub state: PreloadState,
    /// Time it took.
    pub elapsed: Duration,
}

/// How one item ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PreloadState {
    /// Fetched and stored.
    Loaded,
    /// Fresh already.
    Skipped,
    /// The origin has none; remembered.
    Negative,
    /// Still current; renewed.
    Revalidated,
    /// No usable answer: reason and sentence.
    Failed {
        /// In UPPER_SNAKE_CASE.
        reason: &'static str,
        /// For people.
        message: String,
    },
    /// Fetched but refused by the gate or the budget: why.
    NotStored {
        /// In UPPER_SNAKE_CASE.
        reason: &'static str,
        /// For people.
        message: String,
    },
    /// Cancelled before its turn.
    Cancelled,
}
