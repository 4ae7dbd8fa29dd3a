//! The flags that select entries, for the verbs that work on sets of them.

use clap::Args;
use hotplate::v1::{Selector, TagSet, selector};

/// Which entries are meant: those that any of these selects.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Select {
    /// Entries with this key
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Vec<String>,
    /// Entries whose key begins with this
    #[arg(long, value_name = "PREFIX")]
    pub(crate) prefix: Vec<String>,
    /// Entries whose key matches: * any run, ? one character, [a-z] one of a set
    #[arg(long, value_name = "PATTERN")]
    pub(crate) glob: Vec<String>,
    /// Entries with this tag; several in one flag, joined by commas, must all be there
    #[arg(long, value_name = "TAG[,TAG]")]
    pub(crate) tag: Vec<String>,
    /// Entries of this kind
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Vec<String>,
    /// Entries that were put with this in --depends-on: a key, or a tag as tag:NAME
    #[arg(long, value_name = "KEY")]
    pub(crate) dependents_of: Vec<String>,
}

impl Select {
    /// As the contract carries it.
    pub(crate) fn selectors(&self) -> Vec<Selector> {
        let keys = self.key.iter().cloned().map(selector::Selector::Key);
        let prefixes = self.prefix.iter().cloned().map(selector::Selector::Prefix);
        let globs = self.glob.iter().cloned().map(selector::Selector::Glob);
        let tags = self.tag.iter().map(|text| tags(text));
        let kinds = self.kind.iter().cloned().map(selector::Selector::Kind);
        let dependents = self.dependents_of.iter().cloned().map(selector::Selector::DependentsOf);
        let all = keys.chain(prefixes).chain(globs).chain(tags).chain(kinds).chain(dependents);
        all.map(|one| Selector { selector: Some(one) }).collect()
    }
}

fn tags(text: &str) -> selector::Selector {
    match text.split(',').map(str::to_owned).collect::<Vec<_>>() {
        tags if tags.len() > 1 => selector::Selector::AllTags(TagSet { tags }),
        _ => selector::Selector::Tag(text.to_owned()),
    }
}

/// A selector in words, for people.
pub(crate) fn describe(selector: &Selector) -> String {
    match &selector.selector {
        Some(selector::Selector::Key(key)) => format!("key {key}"),
        Some(selector::Selector::Prefix(prefix)) => format!("prefix {prefix}"),
        Some(selector::Selector::Glob(glob)) => format!("glob {glob}"),
        Some(selector::Selector::Tag(tag)) => format!("tag {tag}"),
        Some(selector::Selector::AllTags(set)) => format!("tags {}", set.tags.join(",")),
        Some(selector::Selector::Kind(kind)) => format!("kind {kind}"),
        Some(selector::Selector::DependentsOf(name)) => format!("dependents of {name}"),
        Some(selector::Selector::Everything(_)) => "everything".to_owned(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_joined_by_commas_must_all_be_there() {
        let select = Select { tag: vec!["a".into(), "b,c".into()], ..Select::default() };
        let words: Vec<_> = select.selectors().iter().map(describe).collect();
        assert_eq!(words, ["tag a", "tags b,c"]);
    }
}
