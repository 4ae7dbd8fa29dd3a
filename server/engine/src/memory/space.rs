//! A namespace at work: its settings, its budget, its counters; and the table of all of them.

use std::{collections::HashMap, sync::Arc};

use parking_lot::RwLock;

use crate::{
    error::{Error, Kind, Reason, Result},
    key,
    memory::budget::{Budget, Room},
    namespace::{EngineConfig, NamespaceConfig},
    policy,
    stats::{NamespaceStats, Stats},
};

/// A namespace at work.
#[derive(Debug)]
pub struct Space {
    /// Its name.
    pub name: Arc<str>,
    /// Its settings.
    pub config: NamespaceConfig,
    /// Its own limits.
    pub budget: Budget,
    /// What happened in it.
    pub stats: Arc<NamespaceStats>,
    /// Makes its orders of eviction.
    pub policy: policy::Registered,
}

/// All namespaces.
#[derive(Debug)]
pub struct Spaces {
    spaces: RwLock<HashMap<Arc<str>, Arc<Space>>>,
    default: Option<NamespaceConfig>,
    namespaces_max: usize,
    stats: Stats,
}

impl Spaces {
    /// The configured ones.
    ///
    /// # Errors
    /// A bad name or policy.
    pub fn new(config: &EngineConfig) -> Result<Self> {
        let spaces = Self {
            spaces: RwLock::default(),
            default: config.namespace_default.clone(),
            namespaces_max: config.namespaces_max,
            stats: Stats::new(config.stats_groups_max),
        };
        for (name, settings) in &config.namespaces {
            let name = key::namespace_name(name)?;
            let space = spaces.make(name.clone(), settings.clone())?;
            spaces.spaces.write().insert(name, space);
        }
        if let Some(default) = &config.namespace_default {
            policy::find(&default.policy)?;
        }
        Ok(spaces)
    }

    /// The namespace of this name, if it exists.
    ///
    /// # Errors
    /// `NAMESPACE_UNKNOWN` when it does not and never will.
    pub fn find(&self, name: &Arc<str>) -> Result<Option<Arc<Space>>> {
        let found = self.spaces.read().get(name).cloned();
        if found.is_none() && self.default.is_none() {
            return Err(unknown());
        }
        Ok(found)
    }

    /// The namespace of this name, made now if need be.
    ///
    /// # Errors
    /// `NAMESPACE_UNKNOWN`, or `TOO_MANY_NAMESPACES` at the bound.
    pub fn open(&self, name: &Arc<str>) -> Result<Arc<Space>> {
        if let Some(space) = self.find(name)? {
            return Ok(space);
        }
        let mut spaces = self.spaces.write();
        if let Some(space) = spaces.get(name) {
            return Ok(space.clone());
        }
        if spaces.len() >= self.namespaces_max {
            let rule = format!("this server holds at most {} namespaces: use one that exists", self.namespaces_max);
            return Err(Error::new(Kind::ResourceExhausted, Reason::TooManyNamespaces, rule).field("namespace"));
        }
        let settings = self.default.clone().ok_or_else(unknown)?;
        let space = self.make(name.clone(), settings)?;
        spaces.insert(name.clone(), space.clone());
        Ok(space)
    }

    /// What is counted of all of them.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// All of them, by name.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Space>> {
        let mut spaces: Vec<_> = self.spaces.read().values().cloned().collect();
        spaces.sort_by(|a, b| a.name.cmp(&b.name));
        spaces
    }

    fn make(&self, name: Arc<str>, config: NamespaceConfig) -> Result<Arc<Space>> {
        let room =
            Room { entries: config.entries_max.unwrap_or(u64::MAX), bytes: config.bytes_max.unwrap_or(u64::MAX) };
        let policy = policy::find(&config.policy)?;
        let stats = self.stats.namespace(&name);
        Ok(Arc::new(Space { name, config, budget: Budget::new(room), stats, policy }))
    }
}

fn unknown() -> Error {
    let rule =
        "no such namespace is configured, and this server makes none on demand (namespaces.create = \"configured\")";
    Error::new(Kind::NotFound, Reason::NamespaceUnknown, rule).field("namespace")
}
