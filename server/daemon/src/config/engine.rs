//! What the engine needs of the settings. No defaults of its own: everything comes from [`Settings`].

use std::sync::Arc;

use hotplate_engine::namespace::{EngineConfig, NamespaceConfig};

use super::shape::{Create, NamespaceSettings, Settings};

impl Settings {
    /// The engine's part.
    #[must_use]
    pub fn engine(&self) -> EngineConfig {
        let plain = NamespaceSettings::default();
        let configured = &self.namespaces.configured;
        EngineConfig {
            entries_max: self.memory.entries_max as u64,
            bytes_max: self.memory.bytes_max as u64,
            value_bytes_max: self.limits.value_bytes_max as u64,
            ttl_classes: self.ttl_classes.clone(),
            namespaces: configured.iter().map(|(name, own)| (name.clone(), self.namespace(own))).collect(),
            namespace_default: (self.namespaces.create == Create::Auto).then(|| self.namespace(&plain)),
            namespaces_max: self.namespaces.max,
            history_changes_max: self.watch.history_changes_max,
            history_bytes_max: self.watch.history_bytes_max,
            watches_max: self.watch.streams_max,
            watch_pending_max: self.watch.pending_max,
            preload_jobs_max: self.preload.jobs_max,
            preload_items_max: self.preload.items_max,
            preload_parallelism_default: self.preload.parallelism_default,
            preload_parallelism_max: self.preload.parallelism_max,
            request_ids_max: self.limits.request_ids_max,
            stats_groups_max: self.limits.stats_groups_max,
            shards: self.memory.shards,
            seed: None,
        }
    }

    /// A namespace: its own values, and the server's where it has none.
    fn namespace(&self, own: &NamespaceSettings) -> NamespaceConfig {
        let mut kind_ttl = self.kinds.clone();
        kind_ttl.extend(own.kinds.clone());
        NamespaceConfig {
            entries_max: own.entries_max.map(|count| count as u64),
            bytes_max: own.bytes_max.map(|bytes| bytes as u64),
            ttl_default: own.ttl_default.unwrap_or(self.ttl.default),
            ttl_max: own.ttl_max.unwrap_or(self.ttl.max),
            ttl_negative: own.ttl_negative.unwrap_or(self.ttl.negative),
            jitter: own.jitter.unwrap_or(self.ttl.jitter),
            kind_ttl,
            policy: Arc::from(own.policy.as_deref().unwrap_or(&self.memory.policy)),
        }
    }
}
