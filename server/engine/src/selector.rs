//! What an Invalidate, a Watch or a listing means: which entries of a namespace are selected.

use std::sync::Arc;

/// Which entries of a namespace are meant. Built by [`Selector::checked`] from untrusted input.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Selector {
    /// The entry with this key.
    Key(Arc<str>),
    /// Keys that begin with this.
    Prefix(Arc<str>),
    /// Keys that match this pattern.
    Glob(Arc<str>),
    /// Entries with this tag.
    Tag(Arc<str>),
    /// Entries with all of these tags, sorted, without duplicates.
    AllTags(Vec<Arc<str>>),
    /// Entries of this kind.
    Kind(Arc<str>),
    /// All entries.
    Everything,
}
