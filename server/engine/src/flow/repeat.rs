//! Answers of recent calls by request id, so that a retry changes nothing twice. Bounded: the oldest are forgotten.

use std::{num::NonZeroUsize, sync::Arc};

use lru::LruCache;
use parking_lot::Mutex;

use super::{invalidate::InvalidateAnswer, put::PutAnswer};
use crate::position::{LogId, Position};

/// An answer that may be given again.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Of a Put.
    Put(PutAnswer),
    /// Of an Invalidate.
    Invalidate(InvalidateAnswer),
}

/// Which call: namespace, request id. One id names one call, whatever its verb.
type Call = (Arc<str>, Arc<str>);

/// Bytes that the remembered answers may take on average.
const ANSWER_BYTES_MEAN: usize = 1024;
/// Bytes an answer takes besides what its texts take.
const ANSWER_BYTES_FIXED: usize = 512;

/// Answers of recent calls.
#[derive(Debug)]
pub struct Repeats {
    remembered: Mutex<Remembered>,
    bytes_max: usize,
}

#[derive(Debug)]
struct Remembered {
    answers: LruCache<Call, Answer>,
    bytes: usize,
}

impl Repeats {
    /// Remembers at most so many calls, at least one, and 1 KiB for each in all.
    #[must_use]
    pub fn new(calls_max: usize) -> Self {
        let calls_max = NonZeroUsize::new(calls_max).unwrap_or(NonZeroUsize::MIN);
        let remembered = Remembered { answers: LruCache::new(calls_max), bytes: 0 };
        let bytes_max = calls_max.get().saturating_mul(ANSWER_BYTES_MEAN);
        Self { remembered: Mutex::new(remembered), bytes_max }
    }

    /// The answer given before, for a call with an id.
    #[must_use]
    pub fn recall(&self, namespace: &Arc<str>, request_id: &str) -> Option<Answer> {
        if request_id.is_empty() {
            return None;
        }
        self.remembered.lock().answers.get(&(namespace.clone(), Arc::from(request_id))).cloned()
    }

    /// Remembers an answer to a call with an id.
    pub fn remember(&self, namespace: &Arc<str>, request_id: &str, answer: Answer) {
        if request_id.is_empty() {
            return;
        }
        let mut remembered = self.remembered.lock();
        let Remembered { answers, bytes } = &mut *remembered;
        let call = (namespace.clone(), Arc::from(request_id));
        *bytes += weight(&call, &answer);
        if let Some((call, old)) = answers.push(call, answer) {
            *bytes -= weight(&call, &old);
        }
        while *bytes > self.bytes_max {
            let Some((call, oldest)) = answers.pop_lru() else { break };
            *bytes -= weight(&call, &oldest);
        }
    }
}

fn weight(call: &Call, answer: &Answer) -> usize {
    let positions = match answer {
        Answer::Invalidate(answer) => {
            let job = answer.refresh_job_id.as_ref().map_or(0, |id| id.len());
            job + answer.position.iter().count() * size_of::<(LogId, Position)>()
        }
        Answer::Put(_) => 0,
    };
    let entry = match answer {
        Answer::Put(PutAnswer::Stored { entry, .. } | PutAnswer::Refreshed { entry, .. }) => Some(entry),
        Answer::Put(PutAnswer::PreconditionFailed { entry }) => entry.as_ref(),
        Answer::Put(PutAnswer::NotAdmitted { .. } | PutAnswer::LeaseLost) | Answer::Invalidate(_) => None,
    };
    let said = entry.map_or(0, |entry| entry.key.len() + entry.facts.description.bytes());
    ANSWER_BYTES_FIXED + call.1.len() + said + positions
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::Positions;

    fn answer() -> Answer {
        Answer::Invalidate(InvalidateAnswer {
            cascaded_count: 0,
            matched_count: 1,
            estimated: false,
            sample_keys: Vec::new(),
            position: Positions::default(),
            leases_revoked: 0,
            refreshing_count: 0,
            refresh_job_id: None,
            local_only: false,
            uncounted: Vec::new(),
        })
    }

    #[test]
    fn answers_are_forgotten_by_number_and_by_bytes() {
        let namespace: Arc<str> = "n".into();
        let repeats = Repeats::new(4);
        let ids: Vec<String> = (0..6).map(|number| number.to_string()).collect();
        ids.iter().for_each(|id| repeats.remember(&namespace, id, answer()));
        let known = |id: &String| repeats.recall(&namespace, id).is_some();
        assert_eq!(ids.iter().filter(|id| known(id)).count(), 4, "by number");
        let long: Vec<String> = (0..4).map(|number| number.to_string().repeat(1000)).collect();
        long.iter().for_each(|id| repeats.remember(&namespace, id, answer()));
        assert_eq!(long.iter().filter(|id| known(id)).count(), 2, "by bytes: 1,512 each of 4,096");
        repeats.remember(&namespace, "", answer());
        assert!(repeats.recall(&namespace, "").is_none(), "a call without id is no repetition");
    }

    #[test]
    fn an_id_that_comes_again_is_counted_once() {
        let namespace: Arc<str> = "n".into();
        let repeats = Repeats::new(2);
        (0..100).for_each(|_| repeats.remember(&namespace, "same", answer()));
        let remembered = repeats.remembered.lock();
        assert_eq!((remembered.answers.len(), remembered.bytes), (1, ANSWER_BYTES_FIXED + 4));
    }
}
