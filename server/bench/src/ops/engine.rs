//! The whole cache called as the server calls it: names checked, validity, history, statistics and all.

use std::{hint::black_box, sync::Arc};

use bytes::Bytes;
use hotplate_engine::{
    Cache,
    clock::Clock,
    entry::Payload,
    event::Silent,
    flow::{
        get::{GetRequest, Lookup},
        put::PutRequest,
    },
    namespace::EngineConfig,
    origin::Origins,
};

use super::{load::Value, stores::Calls};

/// A cache with everything around its store, bounded by entries.
pub(super) struct Whole(Arc<Cache>);

impl Whole {
    pub(super) fn new(capacity: usize) -> Result<Self, String> {
        let config =
            EngineConfig { entries_max: capacity as u64, bytes_max: 4 << 30, seed: Some(1), ..EngineConfig::default() };
        let cache = Cache::new(config, Clock::system(), Arc::new(Silent), Origins::new());
        cache.map(Self).map_err(|error| error.to_string())
    }

    fn get(&self, key: String) -> bool {
        let request = GetRequest { key, ..GetRequest::default() };
        let found = black_box(self.0.get(&request));
        found.is_ok_and(|answer| matches!(answer.outcome, Lookup::Hit(_)))
    }

    fn put(&self, key: String, value: &Value) {
        // Copied, as the value of a request off the wire is.
        let request = PutRequest::new("", key, Payload::Value(Bytes::copy_from_slice(value)));
        // Whether it was taken shows in later gets.
        let _stored = black_box(self.0.put(request));
    }
}

impl Calls<u64> for Whole {
    fn get(&self, key: &u64) -> bool {
        Self::get(self, key.to_string())
    }

    fn put(&self, key: &u64, value: Value) {
        Self::put(self, key.to_string(), &value);
    }
}

impl Calls<Box<str>> for Whole {
    fn get(&self, key: &Box<str>) -> bool {
        Self::get(self, key.to_string())
    }

    fn put(&self, key: &Box<str>, value: Value) {
        Self::put(self, key.to_string(), &value);
    }
}
