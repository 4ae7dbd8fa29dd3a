//! Revalidate: whether a copy somebody holds is still what is stored. It is not a read of the entry: neither order,
//! lifetimes nor statistics change.

use std::time::Duration;

use super::list::usable;
use crate::{
    error::{Error, Reason, Result},
    key::Key,
    memory::Store,
    position::AsOf,
};

/// The copy.
#[derive(Clone, Copy, Debug)]
pub struct RevalidateRequest<'a> {
    /// The namespace; empty means `default`.
    pub namespace: &'a str,
    /// The key.
    pub key: &'a str,
    /// The etag it has.
    pub etag: &'a str,
}

/// What became of the copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevalidateAnswer {
    /// How it relates to what is stored.
    pub state: CopyState,
    /// How current that is.
    pub as_of: AsOf,
}

/// How a copy relates to what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyState {
    /// It is what is stored, and may be served.
    Current {
        /// Fresh for so long; zero: it is stale.
        fresh_for: Duration,
        /// Usable, fresh or stale, for so long.
        usable_for: Duration,
    },
    /// Something else is stored.
    Changed,
    /// Nothing is stored that may be served.
    Gone,
}

/// Compares a copy with what is stored.
///
/// # Errors
/// Bad names; an empty etag; `NAMESPACE_UNKNOWN`.
pub fn revalidate(store: &Store, request: &RevalidateRequest<'_>) -> Result<RevalidateAnswer> {
    let key = Key::new(request.namespace, request.key)?;
    if request.etag.is_empty() {
        let rule = "a copy without its etag can be compared with nothing: send the etag its entry carried";
        return Err(Error::invalid(Reason::BadArgument, "etag", rule));
    }
    let space = store.spaces.find(key.namespace())?;
    let shard = store.shard(&key);
    // Read before the entry is tested against the fences: the answer may be newer than it says, never older.
    let as_of = store.as_of(&key);
    let slot = space.as_deref().and_then(|space| store.find(&shard, space, &key));
    let stored = space.as_deref().zip(slot).and_then(|at| usable(store, &shard, at, store.clock.now()));
    let state = match stored {
        None => CopyState::Gone,
        Some(view) if *view.facts.etag != *request.etag => CopyState::Changed,
        Some(view) => CopyState::Current { fresh_for: view.facts.fresh_for, usable_for: view.facts.usable_for },
    };
    Ok(RevalidateAnswer { state, as_of })
}
