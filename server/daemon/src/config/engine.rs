//! What the engine needs of the settings. No defaults of its own: everything comes from [`Settings`].

use std::{collections::BTreeMap, sync::Arc};

use hotplate_engine::{
    chunks::largest_in_chunks,
    namespace::{EngineConfig, FleetRules, NamespaceConfig},
    origin::{Origin, Origins},
};
use hotplate_tiers::origin::{HttpOrigin, HttpOriginConfig};

use super::{
    ConfigError,
    shape::{Create, NamespaceSettings, OriginSettings, Settings},
};

/// Bytes for what an entry has besides its value.
const ENTRY_BYTES: usize = 16 << 10;

impl Settings {
    /// Bytes of a value at most: no upload is begun that memory cannot hold, where there is no disk. What a Put brings it
    /// refuses by itself, and says why.
    #[must_use]
    pub fn value_bytes_max(&self) -> usize {
        let limits = &self.limits;
        let memory = self.memory.bytes_max.max(limits.unary_value_bytes_max);
        if self.disk.path.is_some() { limits.value_bytes_max } else { limits.value_bytes_max.min(memory) }
    }

    /// Bytes of a value at most that goes in one message.
    #[must_use]
    pub fn unary_value_bytes_max(&self) -> usize {
        self.limits.unary_value_bytes_max.min(self.value_bytes_max())
    }

    /// Bytes of memory that unfinished uploads may hold.
    #[must_use]
    pub fn uploads_bytes_max(&self) -> usize {
        let own = self.ledger.uploads_bytes_max;
        if own == 0 { self.memory.bytes_max / 2 } else { own.min(self.memory.bytes_max) }
    }

    /// Bytes of the largest value that can be written: it comes in chunks, as large as they may be, into the room of uploads, and
    /// becomes an entry.
    #[must_use]
    pub fn written_bytes_max(&self) -> u64 {
        let memory = self.memory.bytes_max.saturating_sub(ENTRY_BYTES);
        let room = self.uploads_bytes_max().min(memory) as u64;
        let uploaded = largest_in_chunks(room, self.limits.chunk_bytes_max as u64);
        // What goes in one message needs no such room.
        uploaded.max(self.unary_value_bytes_max() as u64).min(self.value_bytes_max() as u64)
    }

    /// The engine's part.
    #[must_use]
    pub fn engine(&self) -> EngineConfig {
        let plain = NamespaceSettings::default();
        let configured = &self.namespaces.configured;
        EngineConfig {
            entries_max: self.memory.entries_max as u64,
            bytes_max: self.memory.bytes_max as u64,
            value_bytes_max: self.value_bytes_max() as u64,
            unary_value_bytes_max: self.unary_value_bytes_max() as u64,
            uploads_bytes_max: self.uploads_bytes_max() as u64,
            ttl_classes: self.ttl_classes.clone(),
            objective: self.memory.objective,
            namespaces: configured.iter().map(|(name, own)| (name.clone(), self.namespace(own))).collect(),
            namespace_default: (self.namespaces.create == Create::Auto).then(|| self.namespace(&plain)),
            namespaces_max: self.namespaces.max,
            history_changes_max: self.watch.history_changes_max,
            history_bytes_max: self.watch.history_bytes_max,
            watches_max: self.watch.streams_max,
            watch_pending_max: self.watch.pending_max,
            watch_pending_bytes_max: self.watch.pending_bytes_max,
            watch_keys_max: self.watch.keys_max,
            watch_keys_bytes_max: self.watch.keys_bytes_max,
            preload_jobs_max: self.preload.jobs_max,
            preload_items_max: self.preload.items_max,
            preload_parallelism_default: self.preload.parallelism_default,
            preload_parallelism_max: self.preload.parallelism_max,
            lease_duration: self.leases.duration,
            leases_max: self.leases.held_max,
            lease_waiters_per_key_max: self.leases.waiters_per_key_max,
            // Whoever waits has a place among the calls: those who compute must still find one.
            lease_waiters_max: self.leases.waiters_max.min(self.limits.calls_max / 2),
            request_ids_max: self.limits.request_ids_max,
            cascade_entries_max: self.limits.cascade_entries_max,
            cascade_depth_max: self.limits.cascade_depth_max,
            stats_groups_max: self.limits.stats_groups_max,
            insight_ghosts_max: self.insight.ghosts_max,
            insight_samples_max: self.insight.samples_max,
            insight_sample_every: self.insight.sample_every as u64,
            insight_top_keys_max: self.insight.top_keys_max,
            fleet: FleetRules {
                allow_local_ack: self.shared.allow_local_ack,
                quarantine: self.shared.quarantine,
                ..FleetRules::default()
            },
            shards: self.memory.shards,
            seed: None,
        }
    }

    /// The origins of all namespaces. Connects to nothing yet.
    ///
    /// # Errors
    /// Every template, header or bound that cannot be used, with the setting's name.
    pub fn origins(&self) -> Result<Origins, ConfigError> {
        let mut origins = Origins::new();
        let mut problems = Vec::new();
        for (namespace, settings) in &self.namespaces.configured {
            let mut own: BTreeMap<String, Arc<dyn Origin>> = BTreeMap::new();
            for (name, origin) in &settings.origins {
                let made = HttpOrigin::new(http_origin(name, origin))
                    .map_err(|error| problems.push(format!("namespaces.{namespace}.origins.{name}: {error}")));
                own.extend(made.map(|made| (name.clone(), Arc::new(made) as Arc<dyn Origin>)));
            }
            origins.insert(namespace.clone(), own);
        }
        if problems.is_empty() { Ok(origins) } else { Err(ConfigError::of(problems)) }
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
            ttl_failure: own.ttl_failure.unwrap_or(self.ttl.failure),
            refresh_ahead: own.refresh_ahead.unwrap_or(self.ttl.refresh_ahead),
            jitter: own.jitter.unwrap_or(self.ttl.jitter),
            kind_ttl,
            policy: Arc::from(own.policy.as_deref().unwrap_or(&self.memory.policy)),
            weight: own.weight.unwrap_or(1.0),
            cost_default: own.cost_default,
            tiers: own.tiers.unwrap_or_default(),
            compress: own.memory_codec.unwrap_or_default(),
            coherence: own.coherence.unwrap_or_default(),
        }
    }
}

fn http_origin(name: &str, settings: &OriginSettings) -> HttpOriginConfig {
    let headers = settings.headers.iter();
    HttpOriginConfig {
        name: name.to_owned(),
        url_template: settings.url.clone(),
        headers: headers.map(|(name, secret)| (name.clone(), secret.expose().to_owned())).collect(),
        timeout: settings.timeout,
        bytes_max: settings.bytes_max,
        allow_private_addresses: settings.allow_private_addresses,
    }
}
