//! List: metadata of entries in key order, a page at a time, stable against deletes.

use crate::{entry::EntryView, selector::Selector};

/// Which entries.
#[derive(Clone, Debug)]
pub struct ListRequest {
    /// The namespace; empty means `default`.
    pub namespace: String,
    /// What any of these selects; empty: all.
    pub selectors: Vec<Selector>,
    /// Entries a page; zero: 100, at most 1,000.
    pub page_size: usize,
    /// Token of the page before; empty: the first page.
    pub page_token: String,
}

/// A page.
#[derive(Clone, Debug)]
pub struct ListAnswer {
    /// In key order.
    pub entries: Vec<EntryView>,
    /// For the next page; empty: none.
    pub next_page_token: String,
}
