//! List: metadata of entries in key order, a page at a time, stable against deletes.

use std::{
    collections::BTreeMap,
    hash::{Hash, Hasher},
    sync::Arc,
};

use xxhash_rust::xxh3::Xxh3;

use crate::{
    clock::Moment,
    entry::{EntryView, Freshness},
    error::{Error, Reason, Result},
    fence::Standing,
    key::{Key, namespace_name},
    memory::{Guard, Store, record::Look, space::Space, table::Slot},
    selector::{Selector, check_count},
};

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

/// Entries a page when the request says nothing.
const PAGE_DEFAULT: usize = 100;
/// Entries a page at most.
const PAGE_MAX: usize = 1000;

/// Lists a page of entries.
///
/// # Errors
/// Too many selectors; `BAD_ARGUMENT` for a page out of its bounds; `BAD_PAGE_TOKEN`; `NAMESPACE_UNKNOWN`.
pub fn list(store: &Store, request: &ListRequest) -> Result<ListAnswer> {
    let namespace = namespace_name(&request.namespace)?;
    check_count(&request.selectors)?;
    if request.page_size > PAGE_MAX {
        let rule = format!("a page has 1 to {PAGE_MAX} entries, not {}", request.page_size);
        return Err(Error::invalid(Reason::BadArgument, "page_size", rule));
    }
    let listing = fingerprint(&namespace, &request.selectors);
    let after = read_token(&request.page_token, listing)?;
    store.spaces.find(&namespace)?;
    let page_size = if request.page_size == 0 { PAGE_DEFAULT } else { request.page_size };
    let mut entries = page(store, &namespace, (&request.selectors, after.as_deref()), page_size + 1);
    let more = entries.len() > page_size;
    entries.truncate(page_size);
    let last = entries.last().filter(|_| more).map(|entry| entry.key.clone());
    Ok(ListAnswer { entries, next_page_token: last.map(|key| write_token(&key, listing)).unwrap_or_default() })
}

/// The first entries in key order that any selector selects and that come after a key. Looks at all entries, a slice
/// under each lock, and holds no more than it returns.
#[must_use]
pub fn page(
    store: &Store,
    namespace: &Arc<str>,
    (selectors, after): (&[Selector], Option<&str>),
    entries_max: usize,
) -> Vec<EntryView> {
    let now = store.clock.now();
    let mut found: BTreeMap<Arc<str>, EntryView> = BTreeMap::new();
    let Ok(Some(space)) = store.spaces.find(namespace) else { return Vec::new() };
    let mut walk = store.walk(&space, selectors);
    let mut take = |shard: &mut Guard<'_>, slot| {
        let Some(record) = shard.table(&space.shelf).and_then(|table| table.get(slot)) else { return };
        let text = record.text();
        let before = after.is_some_and(|after| text <= after);
        let beyond = found.len() == entries_max && found.last_key_value().is_some_and(|(last, _)| text > &**last);
        if before || beyond {
            return;
        }
        if let Some(view) = usable(store, shard, (&space, slot), now) {
            found.insert(view.key.clone(), view);
        }
        if found.len() > entries_max {
            found.pop_last();
        }
    };
    while walk.step(&mut take) {}
    found.into_values().collect()
}

/// A record as shown, when a Get could be answered with it.
#[must_use]
pub fn usable(store: &Store, shard: &Guard<'_>, (space, slot): (&Space, Slot), now: Moment) -> Option<EntryView> {
    let table = shard.table(&space.shelf)?;
    let record = table.get(slot)?;
    let said = record.description(&shard.beside.shared);
    let marked = match store.standing(space, record, said) {
        Standing::Untouched => None,
        Standing::Marked(at, _) => Some(at),
        Standing::Dropped => return None,
    };
    let key = Key::trusted(space.name.clone(), Arc::from(record.text()));
    let look = Look {
        now,
        hits: table.hits(slot),
        order_bytes: space.shelf.order_bytes(),
        pinned_until: table.pin_of(slot).map(|pin| pin.until),
        marked,
    };
    (record.freshness_if((now, marked)) != Freshness::Gone).then(|| record.view(&key, said, look))
}

/// Tells listings apart, so that a token of one is not taken for another's.
fn fingerprint(namespace: &str, selectors: &[Selector]) -> u64 {
    let mut hasher = Xxh3::new();
    namespace.hash(&mut hasher);
    selectors.hash(&mut hasher);
    hasher.finish()
}

fn write_token(last: &str, listing: u64) -> String {
    format!("{listing:016x}{}", hex::encode(last))
}

fn read_token(token: &str, listing: u64) -> Result<Option<String>> {
    if token.is_empty() {
        return Ok(None);
    }
    let bad = || {
        let rule = "page_token is not one that this server gave for this listing: begin again without it";
        Error::invalid(Reason::BadPageToken, "page_token", rule)
    };
    let (prefix, key) = token.split_at_checked(16).ok_or_else(bad)?;
    if u64::from_str_radix(prefix, 16).ok() != Some(listing) {
        return Err(bad());
    }
    let key = hex::decode(key).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    key.map(Some).ok_or_else(bad)
}
