//! What an Invalidate, a Watch or a listing means: which entries of a namespace are selected.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use crate::{
    error::{Error, Reason, Result},
    glob::Glob,
    key::{KEY_BYTES_MAX, check_text},
};

/// Selectors in one call at most.
pub const SELECTORS_MAX: usize = 128;
/// Longest tag, in bytes.
pub const TAG_BYTES_MAX: usize = 128;
/// Longest kind, in bytes.
pub const KIND_BYTES_MAX: usize = 128;
/// Tags in an `all_tags` selector at most.
pub const ALL_TAGS_MAX: usize = 16;

/// Which entries of a namespace are meant. The constructors check untrusted input.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Selector {
    /// The entry with this key.
    Key(Arc<str>),
    /// Keys that begin with this.
    Prefix(Arc<str>),
    /// Keys that match this pattern.
    Glob(Pattern),
    /// Entries with this tag.
    Tag(Arc<str>),
    /// Entries with all of these tags, sorted, without duplicates.
    AllTags(Vec<Arc<str>>),
    /// Entries of this kind.
    Kind(Arc<str>),
    /// Entries whose writer named this among what they were made from: a key, or a tag as `tag:NAME`.
    DependentsOf(Arc<str>),
    /// Entries made, directly or over others, from what this selects, as far as they know it: a prefix, a pattern or a set of
    /// tags. No caller gives it: [`made_from`] tells what it is for.
    MadeFrom(Arc<Selector>),
    /// All entries.
    Everything,
}

/// A glob with its text; equal when the texts are.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: Arc<str>,
    glob: Arc<Glob>,
}

/// What of an entry a selector looks at.
#[derive(Clone, Copy, Debug)]
pub struct Facets<'a> {
    /// The key's text.
    pub key: &'a str,
    /// The entry's kind; empty for none.
    pub kind: &'a str,
    /// The entry's tags, sorted.
    pub tags: &'a [Arc<str>],
    /// What the entry was made from, as its writer named it.
    pub depends_on: &'a [Arc<str>],
}

impl<'a> Facets<'a> {
    /// Of an entry of which nothing but its key is known.
    #[must_use]
    pub fn of_key(key: &'a str) -> Self {
        Self { key, kind: "", tags: &[], depends_on: &[] }
    }
}

impl Selector {
    /// Selects one key.
    ///
    /// # Errors
    /// `BAD_KEY`.
    pub fn key(text: &str) -> Result<Self> {
        check_text(text)?;
        Ok(Self::Key(Arc::from(text)))
    }

    /// Selects keys by how they begin.
    ///
    /// # Errors
    /// `BAD_ARGUMENT` when it is empty or longer than a key.
    pub fn prefix(text: &str) -> Result<Self> {
        bounded("prefix", text, KEY_BYTES_MAX).map(Self::Prefix)
    }

    /// Selects keys by pattern.
    ///
    /// # Errors
    /// `BAD_GLOB`.
    pub fn glob(text: &str) -> Result<Self> {
        let glob = Arc::new(Glob::parse(text)?);
        Ok(Self::Glob(Pattern { text: Arc::from(text), glob }))
    }

    /// Selects by tag.
    ///
    /// # Errors
    /// `BAD_ARGUMENT` when it is empty or longer than a tag may be.
    pub fn tag(text: &str) -> Result<Self> {
        bounded("tag", text, TAG_BYTES_MAX).map(Self::Tag)
    }

    /// Selects what has all of these tags.
    ///
    /// # Errors
    /// `BAD_ARGUMENT` when there are none or too many, or one is out of bounds.
    pub fn all_tags<'a>(tags: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let mut tags =
            tags.into_iter().map(|tag| bounded("all_tags", tag, TAG_BYTES_MAX)).collect::<Result<Vec<_>>>()?;
        tags.sort();
        tags.dedup();
        if tags.is_empty() || tags.len() > ALL_TAGS_MAX {
            let rule = format!("all_tags names 1 to {ALL_TAGS_MAX} tags, this one names {}", tags.len());
            return Err(Error::invalid(Reason::BadArgument, "all_tags", rule));
        }
        Ok(Self::AllTags(tags))
    }

    /// Selects by kind.
    ///
    /// # Errors
    /// `BAD_ARGUMENT` when it is empty or longer than a kind may be.
    pub fn kind(text: &str) -> Result<Self> {
        bounded("kind", text, KIND_BYTES_MAX).map(Self::Kind)
    }

    /// Selects what was made from something.
    ///
    /// # Errors
    /// `BAD_KEY`, or `BAD_ARGUMENT` for a tag out of its bounds.
    pub fn dependents_of(text: &str) -> Result<Self> {
        check_dependency("dependents_of", text)?;
        Ok(Self::DependentsOf(Arc::from(text)))
    }

    /// Bytes it takes in memory, roughly: what keeps one alive counts them against a bound of its own.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let texts = match self {
            Self::Key(text) | Self::Prefix(text) | Self::Tag(text) | Self::Kind(text) | Self::DependentsOf(text) => {
                text.len()
            }
            // The text and its parsed form.
            Self::Glob(pattern) => 4 * pattern.text.len(),
            Self::AllTags(tags) => tags.iter().map(|tag| tag.len() + 32).sum(),
            Self::MadeFrom(of) => of.bytes(),
            Self::Everything => 0,
        };
        size_of::<Self>() + texts
    }

    /// Whether an entry with these facets is selected.
    #[must_use]
    pub fn selects(&self, facets: &Facets<'_>) -> bool {
        match self {
            Self::Key(key) => **key == *facets.key,
            Self::Prefix(prefix) => facets.key.starts_with(&**prefix),
            Self::Glob(pattern) => pattern.glob.matches(facets.key),
            Self::Tag(tag) => facets.tags.contains(tag),
            Self::AllTags(tags) => tags.iter().all(|tag| facets.tags.contains(tag)),
            Self::Kind(kind) => **kind == *facets.kind,
            Self::DependentsOf(name) => facets.depends_on.contains(name),
            Self::MadeFrom(of) => selects_among(of, facets.depends_on),
            Self::Everything => true,
        }
    }
}

/// What names a tag among dependencies begins with.
pub const TAG_PREFIX: &str = "tag:";

/// Checks the name of something to depend on: a key, or `tag:` and a tag.
///
/// # Errors
/// `BAD_KEY`, or `BAD_ARGUMENT` for a tag out of its bounds; both name the field.
pub fn check_dependency(field: &'static str, name: &str) -> Result<()> {
    match name.strip_prefix(TAG_PREFIX) {
        Some(tag) => bounded(field, tag, TAG_BYTES_MAX).map(drop),
        None => check_text(name).map_err(|error| error.field(field)),
    }
}

/// What a name begins with that is neither a key nor a tag: no key contains it.
const FACT: char = '\u{1}';
/// Stands among what an entry was made from for what is not known of that: whatever was made from anything may concern it.
pub const OPEN: &str = "\u{1}?";

/// What stands in an entry for a tag of something that it was made from. Other than `tag:NAME`, which a writer names, it is
/// of one entry, and not of all that have the tag.
#[must_use]
pub fn fact_of_tag(tag: &str) -> Arc<str> {
    Arc::from(format!("{FACT}t:{tag}"))
}

/// What stands in an entry for the kind of something that it was made from.
#[must_use]
pub fn fact_of_kind(kind: &str) -> Arc<str> {
    Arc::from(format!("{FACT}k:{kind}"))
}

/// The tag that such a name is for.
#[must_use]
pub fn tag_of_fact(name: &str) -> Option<&str> {
    name.strip_prefix(FACT)?.strip_prefix("t:")
}

/// The kind that such a name is for.
#[must_use]
pub fn kind_of_fact(name: &str) -> Option<&str> {
    name.strip_prefix(FACT)?.strip_prefix("k:")
}

/// Whether a name stands for what is known, or not known, of something that an entry was made from.
#[must_use]
pub fn is_fact(name: &str) -> bool {
    name.starts_with(FACT)
}

/// Whether what an entry was made from is the key of another.
#[must_use]
pub fn is_key(name: &str) -> bool {
    !name.starts_with(TAG_PREFIX) && !is_fact(name)
}

/// What selects, wherever it lies, what was made from what this selects: by what each entry knows of what it was made from.
/// What was made from everything is in it.
#[must_use]
pub fn made_from(selector: &Selector) -> Vec<Selector> {
    match selector {
        Selector::Key(text) => vec![Selector::DependentsOf(text.clone())],
        Selector::Tag(tag) => {
            let named = Arc::from(format!("{TAG_PREFIX}{tag}"));
            vec![Selector::DependentsOf(named), Selector::DependentsOf(fact_of_tag(tag))]
        }
        Selector::Kind(kind) => vec![Selector::DependentsOf(fact_of_kind(kind))],
        Selector::Prefix(_) | Selector::Glob(_) | Selector::AllTags(_) => {
            vec![Selector::MadeFrom(Arc::new(selector.clone()))]
        }
        Selector::DependentsOf(_) => vec![selector.clone()],
        Selector::MadeFrom(_) | Selector::Everything => Vec::new(),
    }
}

/// What selects what has a [`made_from`] of this name: read from where it was written down.
///
/// # Errors
/// As [`check_dependency`].
pub fn dependents_of_any(name: &str) -> Result<Selector> {
    match (tag_of_fact(name), kind_of_fact(name)) {
        (Some(tag), _) => bounded("tag", tag, TAG_BYTES_MAX).map(drop)?,
        (_, Some(kind)) => bounded("kind", kind, KIND_BYTES_MAX).map(drop)?,
        (None, None) if name == OPEN => {}
        (None, None) => check_dependency("dependents_of", name)?,
    }
    Ok(Selector::DependentsOf(Arc::from(name)))
}

fn selects_among(of: &Selector, names: &[Arc<str>]) -> bool {
    match of {
        Selector::AllTags(tags) => tags.iter().all(|tag| names.iter().any(|name| tag_of_fact(name) == Some(&**tag))),
        Selector::Prefix(_) | Selector::Glob(_) => {
            names.iter().any(|name| is_key(name) && of.selects(&Facets::of_key(name)))
        }
        _ => false,
    }
}

/// Checks how many selectors a call has.
///
/// # Errors
/// `BAD_ARGUMENT` above [`SELECTORS_MAX`].
pub fn check_count(selectors: &[Selector]) -> Result<()> {
    if selectors.len() > SELECTORS_MAX {
        let rule = format!("a call has at most {SELECTORS_MAX} selectors, this one has {}", selectors.len());
        return Err(Error::invalid(Reason::BadArgument, "selectors", rule));
    }
    Ok(())
}

/// Whether any selector selects these facets; none at all selects everything.
#[must_use]
pub fn any_selects(selectors: &[Selector], facets: &Facets<'_>) -> bool {
    selectors.is_empty() || selectors.iter().any(|selector| selector.selects(facets))
}

fn bounded(field: &'static str, text: &str, bytes_max: usize) -> Result<Arc<str>> {
    if text.is_empty() || text.len() > bytes_max {
        let rule = format!("a {field} has 1 to {bytes_max} bytes, this one has {}", text.len());
        return Err(Error::invalid(Reason::BadArgument, field, rule));
    }
    Ok(Arc::from(text))
}

// === impl Pattern ===

impl Pattern {
    /// The pattern as it was written.
    #[must_use]
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl Hash for Pattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}
