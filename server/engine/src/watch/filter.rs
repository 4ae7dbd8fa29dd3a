//! Which changes a watch hears of. In doubt it does: one event too many is harmless, one too few is a stale copy.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    changes::{Change, What},
    entry::Description,
    selector::{Facets, Selector, any_selects},
    watch::{EventType, WatchRequest, keys::FollowedKeys},
};

/// What one watch follows.
#[derive(Debug)]
pub struct Filter {
    namespace: Arc<str>,
    selectors: Vec<Selector>,
    event_types: BTreeSet<EventType>,
    exclude_client_id: Option<Arc<str>>,
    /// Single keys besides; then no selectors select nothing.
    keys: Option<Arc<FollowedKeys>>,
}

/// One event of a change that a watch follows.
#[derive(Clone, Debug)]
pub struct Followed {
    /// The change; its number and author are the event's.
    pub change: Arc<Change>,
    /// What happened.
    pub event_type: EventType,
    /// To what.
    pub subject: Subject,
    /// Whether it was marked stale, and not dropped.
    pub stale: bool,
}

/// What an event is about. Of several events about the same subject only the last one matters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// One key.
    Key(Arc<str>),
    /// A set of keys.
    Set(Selector),
}

impl Filter {
    /// What `request` asks for, in this namespace.
    #[must_use]
    pub fn new(namespace: Arc<str>, request: &WatchRequest, keys: Option<Arc<FollowedKeys>>) -> Self {
        let usual = [
            EventType::Put,
            EventType::Invalidated,
            EventType::Expired,
            EventType::SetInvalidated,
            EventType::MarkedStale,
        ];
        let asked = &request.event_types;
        let mut event_types: BTreeSet<_> =
            if asked.is_empty() { usual.into() } else { asked.iter().copied().collect() };
        if keys.is_some() {
            // Whoever keeps copies of single keys has to hear of every set that may hold one of them, and of what is no
            // longer fresh.
            event_types.extend([EventType::SetInvalidated, EventType::MarkedStale]);
        }
        Self {
            namespace,
            selectors: request.selectors.clone(),
            event_types,
            exclude_client_id: request.exclude_client_id.clone(),
            keys,
        }
    }

    /// The namespace it is confined to.
    #[must_use]
    pub fn namespace(&self) -> &Arc<str> {
        &self.namespace
    }

    /// What any of these selects is followed; none: everything, unless single keys are.
    #[must_use]
    pub fn selectors(&self) -> &[Selector] {
        &self.selectors
    }

    /// The events of a change that are followed.
    #[must_use]
    pub fn followed(&self, change: &Arc<Change>) -> Vec<Followed> {
        let own = self.exclude_client_id.is_some() && change.author.client_id == self.exclude_client_id;
        if own || change.namespace != self.namespace {
            return Vec::new();
        }
        let event_type = event_type(&change.what);
        if !self.event_types.contains(&event_type) {
            return Vec::new();
        }
        let stale = matches!(change.what, What::MarkedStale(_) | What::SetMarkedStale(_));
        let followed = |subject| Followed { change: change.clone(), event_type, subject, stale };
        self.subjects(&change.what).into_iter().map(followed).collect()
    }

    fn subjects(&self, what: &What) -> Vec<Subject> {
        let one = |key: &Arc<str>, selected: bool| selected.then(|| Subject::Key(key.clone())).into_iter().collect();
        match what {
            What::Put { key, description, previous, .. } => {
                // Whoever follows the entry as it was before must hear that it is another one now.
                let was = previous.as_ref().is_some_and(|previous| self.selects(key, previous));
                one(key, was || self.selects(key, description))
            }
            What::Expired(key, description) | What::Evicted(key, description) => {
                one(key, self.selects(key, description))
            }
            What::Invalidated(keys) | What::MarkedStale(keys) => {
                let selected = keys.iter().filter(|(key, was)| match was {
                    Some(was) => self.selects(key, was),
                    None => self.may_select(key),
                });
                selected.map(|(key, _)| Subject::Key(key.clone())).collect()
            }
            What::SetInvalidated(sets) | What::SetMarkedStale(sets) => {
                let met = sets.iter().filter(|set| self.meets(set));
                met.map(|set| Subject::Set(set.clone())).collect()
            }
        }
    }

    fn selects(&self, key: &str, description: &Description) -> bool {
        let facets =
            Facets { key, kind: &description.kind, tags: &description.tags, depends_on: description.made_from() };
        match &self.keys {
            None => any_selects(&self.selectors, &facets),
            Some(keys) => self.selectors.iter().any(|selector| selector.selects(&facets)) || keys.contains(key),
        }
    }

    /// Whether nothing says what to follow: then everything is.
    fn follows_all(&self) -> bool {
        self.selectors.is_empty() && self.keys.is_none()
    }

    /// Whether a key of which nothing else is known may be followed.
    fn may_select(&self, key: &str) -> bool {
        let facets = Facets::of_key(key);
        self.follows_all()
            || self.keys.as_ref().is_some_and(|keys| keys.contains(key))
            || self.selectors.iter().any(|selector| match selector {
                Selector::Tag(_)
                | Selector::AllTags(_)
                | Selector::Kind(_)
                | Selector::DependentsOf(_)
                | Selector::MadeFrom(_) => true,
                by_name => by_name.selects(&facets),
            })
    }

    /// Whether a set may have a key in it that is followed.
    fn meets(&self, set: &Selector) -> bool {
        self.follows_all() || self.keys.is_some() || self.selectors.iter().any(|own| overlap(own, set))
    }
}

/// Whether two sets may have a key in both of them.
fn overlap(a: &Selector, b: &Selector) -> bool {
    use Selector::{Glob, Key, Prefix};
    match (a, b) {
        (Key(key), by_name @ (Key(_) | Prefix(_) | Glob(_))) | (by_name @ (Prefix(_) | Glob(_)), Key(key)) => {
            by_name.selects(&Facets::of_key(key))
        }
        (Prefix(a), Prefix(b)) => a.starts_with(&**b) || b.starts_with(&**a),
        _ => true,
    }
}

fn event_type(what: &What) -> EventType {
    match what {
        What::Put { .. } => EventType::Put,
        What::Invalidated(_) => EventType::Invalidated,
        What::Expired(..) => EventType::Expired,
        What::Evicted(..) => EventType::Evicted,
        What::SetInvalidated(_) | What::SetMarkedStale(_) => EventType::SetInvalidated,
        What::MarkedStale(_) => EventType::MarkedStale,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_overlap_unless_their_names_cannot() {
        let prefix = |text| Selector::prefix(text).unwrap();
        let key = |text| Selector::key(text).unwrap();
        assert!(overlap(&prefix("a:"), &prefix("a:b")) && overlap(&prefix("a:b"), &prefix("a:")));
        assert!(!overlap(&prefix("a:"), &prefix("b:")));
        assert!(overlap(&key("a:x"), &prefix("a:")) && !overlap(&prefix("b:"), &key("a:x")));
        assert!(overlap(&Selector::glob("a*").unwrap(), &key("ab")));
        assert!(overlap(&Selector::tag("t").unwrap(), &key("ab")) && overlap(&key("ab"), &Selector::Everything));
    }
}
