//! Which entry goes first when room is needed: one trait, and the registry of what implements it. Bytes and limits are
//! not known here.

mod lru;

use std::{fmt, sync::Arc};

use crate::error::{Error, Reason, Result};

/// The order of one shard's entries of one namespace. Told of everything that happens to them; asked for a victim.
pub trait Policy: Send + fmt::Debug {
    /// An entry came. `tick` rises with every use of the store.
    fn inserted(&mut self, key: &Arc<str>, tick: u64);
    /// An entry was read or renewed.
    fn used(&mut self, key: &Arc<str>, tick: u64);
    /// An entry went.
    fn removed(&mut self, key: &str);
    /// The entry to remove next, with the tick of its last use, by which shards are compared.
    fn victim(&self) -> Option<(Arc<str>, u64)>;
    /// All keys, the next victim first.
    fn order(&self) -> Vec<Arc<str>>;
}

/// A policy by name.
#[derive(Clone, Copy, Debug)]
pub struct Registered {
    /// Its name in settings.
    pub name: &'static str,
    /// What it is good for.
    pub about: &'static str,
    /// Makes an empty one.
    pub make: fn() -> Box<dyn Policy>,
}

/// Every policy there is.
pub const REGISTRY: [Registered; 1] = [Registered {
    name: "lru",
    about: "least recently used first: simple and predictable",
    make: || Box::new(lru::Lru::default()),
}];

/// The policy of this name.
///
/// # Errors
/// `BAD_ARGUMENT` that lists the names there are.
pub fn find(name: &str) -> Result<Registered> {
    REGISTRY.into_iter().find(|policy| policy.name == name).ok_or_else(|| {
        let names: Vec<_> = REGISTRY.iter().map(|policy| policy.name).collect();
        let rule = format!("there is no eviction policy {name:?}; there is: {}", names.join(", "));
        Error::invalid(Reason::BadArgument, "policy", rule)
    })
}
