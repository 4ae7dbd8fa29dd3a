//! A namespace at work: its settings, its budget, its counters; and the table of all of them.

use std::{collections::HashMap, sync::Arc};

use parking_lot::RwLock;

use crate::{
    clock::Clock,
    error::{Error, Kind, Reason, Result},
    graph::Graph,
    insight::OwnInsight,
    key,
    memory::{budget::Room, shelf::Shelf},
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
    /// Its share of the memory: limits, weight, policy.
    pub shelf: Arc<Shelf>,
    /// What happened in it.
    pub stats: Arc<NamespaceStats>,
    /// What that means.
    pub insight: OwnInsight,
    /// What its entries were made from.
    pub graph: Graph,
}

/// Opens a share of the memory: policy, limits and weight.
pub type Open<'a> = &'a dyn Fn(policy::Registered, Room, f64) -> Arc<Shelf>;

#[derive(Debug, Default)]
struct Table {
    by_name: HashMap<Arc<str>, Arc<Space>, ahash::RandomState>,
    /// By the number of their shelf.
    by_number: Vec<Arc<Space>>,
}

/// All namespaces.
#[derive(Debug)]
pub struct Spaces {
    spaces: RwLock<Table>,
    default: Option<NamespaceConfig>,
    namespaces_max: usize,
    top_keys_max: usize,
    clock: Clock,
    stats: Arc<Stats>,
}

impl Spaces {
    /// The configured ones.
    ///
    /// # Errors
    /// A bad name or policy.
    pub fn new(config: &EngineConfig, clock: Clock, open: Open<'_>) -> Result<Self> {
        let spaces = Self {
            spaces: RwLock::default(),
            default: config.namespace_default.clone(),
            namespaces_max: config.namespaces_max,
            top_keys_max: config.insight_top_keys_max,
            clock,
            stats: Arc::new(Stats::new(config.stats_groups_max)),
        };
        for (name, settings) in &config.namespaces {
            let name = key::namespace_name(name)?;
            spaces.make(&mut spaces.spaces.write(), (name, settings.clone()), open)?;
        }
        if let Some(default) = &config.namespace_default {
            check(default)?;
        }
        Ok(spaces)
    }

    /// The namespace of this name, if it exists.
    ///
    /// # Errors
    /// `NAMESPACE_UNKNOWN` when it does not and never will.
    pub fn find(&self, name: &Arc<str>) -> Result<Option<Arc<Space>>> {
        let found = self.spaces.read().by_name.get(name).cloned();
        if found.is_none() && self.default.is_none() {
            return Err(unknown());
        }
        Ok(found)
    }

    /// The namespace that a caller names, if it exists; empty means [`key::DEFAULT_NAMESPACE`].
    #[must_use]
    pub fn named(&self, name: &str) -> Option<Arc<Space>> {
        let name = if name.is_empty() { key::DEFAULT_NAMESPACE } else { name };
        self.spaces.read().by_name.get(name).cloned()
    }

    /// The namespace of this name, made now if need be.
    ///
    /// # Errors
    /// `NAMESPACE_UNKNOWN`, or `TOO_MANY_NAMESPACES` at the bound.
    pub fn open(&self, name: &Arc<str>, open: Open<'_>) -> Result<Arc<Space>> {
        if let Some(space) = self.find(name)? {
            return Ok(space);
        }
        let mut spaces = self.spaces.write();
        if let Some(space) = spaces.by_name.get(name) {
            return Ok(space.clone());
        }
        if spaces.by_number.len() >= self.namespaces_max {
            let rule = format!("this server holds at most {} namespaces: use one that exists", self.namespaces_max);
            return Err(Error::new(Kind::ResourceExhausted, Reason::TooManyNamespaces, rule).field("namespace"));
        }
        let settings = self.default.clone().ok_or_else(unknown)?;
        self.make(&mut spaces, (name.clone(), settings), open)
    }

    /// The namespace whose shelf has this number.
    #[must_use]
    pub fn of(&self, shelf: &Shelf) -> Option<Arc<Space>> {
        self.spaces.read().by_number.get(shelf.number()).cloned()
    }

    /// What is counted of all of them.
    #[must_use]
    pub fn stats(&self) -> &Arc<Stats> {
        &self.stats
    }

    /// All of them, by name.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Space>> {
        let mut spaces: Vec<_> = self.spaces.read().by_number.clone();
        spaces.sort_by(|a, b| a.name.cmp(&b.name));
        spaces
    }

    /// Makes a namespace. The table is locked meanwhile, so shelves and spaces are numbered alike.
    fn make(
        &self,
        table: &mut Table,
        (name, config): (Arc<str>, NamespaceConfig),
        open: Open<'_>,
    ) -> Result<Arc<Space>> {
        let policy = check(&config)?;
        let room =
            Room { entries: config.entries_max.unwrap_or(u64::MAX), bytes: config.bytes_max.unwrap_or(u64::MAX) };
        let shelf = open(policy, room, config.weight);
        let stats = self.stats.namespace(&name);
        let insight = OwnInsight::new(&config, self.top_keys_max, self.clock.now());
        let space = Arc::new(Space { name: name.clone(), config, shelf, stats, insight, graph: Graph::default() });
        table.by_name.insert(name, space.clone());
        table.by_number.push(space.clone());
        Ok(space)
    }
}

/// Checks a namespace's settings, and finds its policy.
fn check(config: &NamespaceConfig) -> Result<policy::Registered> {
    if !(config.weight.is_finite() && config.weight > 0.0) {
        let rule = format!("a namespace's weight is a positive number, not {}", config.weight);
        return Err(Error::invalid(Reason::BadArgument, "weight", rule));
    }
    policy::find(&config.policy)
}

fn unknown() -> Error {
    let rule =
        "no such namespace is configured, and this server makes none on demand (namespaces.create = \"configured\")";
    Error::new(Kind::NotFound, Reason::NamespaceUnknown, rule).field("namespace")
}
