//! Which entries a selector means, looked at from the client: the same answer as the server gives, or one more.

use std::sync::Arc;

use super::glob::Glob;
use crate::v1;

/// What of an entry, besides its key, selectors look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) kind: Arc<str>,
    pub(crate) tags: Vec<Arc<str>>,
    pub(crate) depends_on: Vec<Arc<str>>,
}

/// Some entries of a namespace.
#[derive(Clone, Debug)]
pub(crate) enum Set {
    /// The entry with this key.
    Key(Arc<str>),
    /// Keys that begin with this.
    Prefix(Arc<str>),
    /// Keys that match this.
    Glob(Arc<Glob>),
    /// Entries with this tag.
    Tag(Arc<str>),
    /// Entries with all of these tags.
    AllTags(Vec<Arc<str>>),
    /// Entries of this kind.
    Kind(Arc<str>),
    /// Entries that name this among what they were made from.
    DependentsOf(Arc<str>),
    /// Entries that were made from others, whatever these are.
    Dependents,
    /// All entries.
    Everything,
}

impl Facts {
    pub(crate) fn of(metadata: &v1::EntryMetadata) -> Self {
        let shared = |texts: &[String]| texts.iter().map(|text| Arc::from(text.as_str())).collect();
        Self {
            kind: metadata.kind.as_str().into(),
            tags: shared(&metadata.tags),
            depends_on: shared(&metadata.depends_on),
        }
    }
}

impl Set {
    /// What a selector means. One that this client does not know, or cannot read, means everything: what is dropped
    /// needlessly is fetched again, what is kept wrongly is served.
    pub(crate) fn of(selector: &v1::Selector) -> Self {
        use v1::selector::Selector;
        match &selector.selector {
            Some(Selector::Key(key)) => Self::Key(key.as_str().into()),
            Some(Selector::Prefix(prefix)) => Self::Prefix(prefix.as_str().into()),
            Some(Selector::Glob(glob)) => Glob::parse(glob).map_or(Self::Everything, |glob| Self::Glob(Arc::new(glob))),
            Some(Selector::Tag(tag)) => Self::Tag(tag.as_str().into()),
            Some(Selector::AllTags(all)) => Self::AllTags(all.tags.iter().map(|tag| tag.as_str().into()).collect()),
            Some(Selector::Kind(kind)) => Self::Kind(kind.as_str().into()),
            Some(Selector::DependentsOf(name)) => Self::DependentsOf(name.as_str().into()),
            Some(Selector::Everything(_)) | None => Self::Everything,
        }
    }

    /// Whether it means an entry.
    pub(crate) fn selects(&self, key: &str, facts: &Facts) -> bool {
        match self {
            Self::Key(own) => **own == *key,
            Self::Prefix(prefix) => key.starts_with(&**prefix),
            Self::Glob(glob) => glob.matches(key),
            Self::Tag(tag) => facts.tags.contains(tag),
            Self::AllTags(all) => all.iter().all(|tag| facts.tags.contains(tag)),
            Self::Kind(kind) => **kind == *facts.kind,
            Self::DependentsOf(name) => facts.depends_on.contains(name),
            Self::Dependents => !facts.depends_on.is_empty(),
            Self::Everything => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_means_everything() {
        let glob = v1::selector::Selector::Glob("[z-a]".to_owned());
        for selector in [v1::Selector { selector: Some(glob) }, v1::Selector { selector: None }] {
            assert!(Set::of(&selector).selects("any", &Facts::default()));
        }
    }

    #[test]
    fn several_tags_must_all_be_there() {
        let facts = Facts { tags: vec!["a".into(), "b".into()], ..Facts::default() };
        assert!(Set::AllTags(vec!["a".into(), "b".into()]).selects("k", &facts));
        assert!(!Set::AllTags(vec!["a".into(), "c".into()]).selects("k", &facts));
    }
}
