//! Answers of recent calls by request id, so that a retry changes nothing twice. Bounded: the oldest are forgotten.

use std::{num::NonZeroUsize, sync::Arc};

use lru::LruCache;
use parking_lot::Mutex;

use super::{invalidate::InvalidateAnswer, put::PutAnswer};

/// An answer that may be given again.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Of a Put.
    Put(PutAnswer),
    /// Of an Invalidate.
    Invalidate(InvalidateAnswer),
}

/// Which call: namespace, request id. One id names one call, whatever its verb.
pub type Call = (Arc<str>, Arc<str>);

/// Answers of recent calls.
#[derive(Debug)]
pub struct Repeats(Mutex<LruCache<Call, Answer>>);

impl Repeats {
    /// Remembers at most so many; at least one.
    #[must_use]
    pub fn new(calls_max: usize) -> Self {
        Self(Mutex::new(LruCache::new(NonZeroUsize::new(calls_max).unwrap_or(NonZeroUsize::MIN))))
    }

    /// The answer given before, for a call with an id.
    #[must_use]
    pub fn recall(&self, namespace: &Arc<str>, request_id: &str) -> Option<Answer> {
        if request_id.is_empty() {
            return None;
        }
        self.0.lock().get(&(namespace.clone(), Arc::from(request_id))).cloned()
    }

    /// Remembers an answer to a call with an id.
    pub fn remember(&self, namespace: &Arc<str>, request_id: &str, answer: Answer) {
        if !request_id.is_empty() {
            self.0.lock().put((namespace.clone(), Arc::from(request_id)), answer);
        }
    }
}
