//! Selectors as a fence record keeps them. What they select is the engine's business.

use std::sync::Arc;

use hotplate_engine::{
    entry::Description,
    key::namespace_name,
    selector::{OPEN, Selector, TAG_PREFIX, dependents_of_any},
};

/// Selectors in one record at most; more are written as several.
pub(super) const PER_RECORD: usize = 128;

const KEY: u8 = 1;
const PREFIX: u8 = 2;
const GLOB: u8 = 3;
const TAG: u8 = 4;
const ALL_TAGS: u8 = 5;
const KIND: u8 = 6;
const DEPENDENTS_OF: u8 = 7;
const EVERYTHING: u8 = 8;
const MADE_FROM: u8 = 9;

/// What everything was made from that was made from something: no key and no tag has this name.
const SOMETHING: &str = "";

/// What an entry was made from, directly or not.
pub(super) fn made_from(description: &Description) -> Vec<Arc<str>> {
    let mut names: Vec<Arc<str>> = description.depends_on.iter().flat_map(|all| all.all().cloned()).collect();
    if !names.is_empty() {
        names.push(SOMETHING.into());
    }
    names
}

/// What selects what was made from what these name. Of what more than a name tells which keys it is, everything goes that
/// was made from something.
pub(super) fn dependents(selectors: &[Selector]) -> Vec<Selector> {
    let dependents = |selector: &Selector| match selector {
        Selector::Key(text) => Some(Selector::DependentsOf(text.clone())),
        Selector::Tag(tag) => Some(Selector::DependentsOf(format!("{TAG_PREFIX}{tag}").into())),
        Selector::Prefix(_) | Selector::Glob(_) | Selector::Everything => {
            Some(Selector::DependentsOf(SOMETHING.into()))
        }
        Selector::AllTags(_) | Selector::Kind(_) | Selector::DependentsOf(_) | Selector::MadeFrom(_) => None,
    };
    let mut selectors: Vec<Selector> = selectors.iter().filter_map(dependents).collect();
    selectors.dedup();
    if !selectors.is_empty() {
        // What does not know all that it was made from may be meant.
        selectors.push(Selector::DependentsOf(OPEN.into()));
    }
    selectors
}

/// Appends a namespace and at most [`PER_RECORD`] selectors.
pub(super) fn write(into: &mut Vec<u8>, namespace: &str, selectors: &[Selector]) {
    text(into, namespace);
    into.extend(number(selectors.len()));
    selectors.iter().for_each(|selector| write_one(into, selector));
}

fn write_one(into: &mut Vec<u8>, selector: &Selector) {
    match selector {
        Selector::Key(name) => named(into, KEY, name),
        Selector::Prefix(name) => named(into, PREFIX, name),
        Selector::Glob(pattern) => named(into, GLOB, pattern.text()),
        Selector::Tag(name) => named(into, TAG, name),
        Selector::AllTags(tags) => {
            into.push(ALL_TAGS);
            into.extend(number(tags.len()));
            for tag in tags {
                text(into, tag);
            }
        }
        Selector::Kind(name) => named(into, KIND, name),
        Selector::DependentsOf(name) => named(into, DEPENDENTS_OF, name),
        Selector::MadeFrom(of) => {
            into.push(MADE_FROM);
            write_one(into, of);
        }
        Selector::Everything => into.push(EVERYTHING),
    }
}

fn named(into: &mut Vec<u8>, which: u8, name: &str) {
    into.push(which);
    text(into, name);
}

fn text(into: &mut Vec<u8>, text: &str) {
    into.extend(number(text.len()));
    into.extend(text.as_bytes());
}

/// The texts of selectors are bounded far below 64 KiB by their constructors.
fn number(length: usize) -> [u8; 2] {
    u16::try_from(length).unwrap_or(u16::MAX).to_le_bytes()
}

/// Reads what [`write`] wrote; `None` for anything else.
pub(super) fn read(bytes: &[u8]) -> Option<(Arc<str>, Vec<Selector>)> {
    let mut bytes = bytes;
    let namespace = namespace_name(take_text(&mut bytes)?).ok()?;
    let count = take_number(&mut bytes)?;
    if count > PER_RECORD {
        return None;
    }
    let selectors = (0..count).map(|_| take_selector(&mut bytes)).collect::<Option<Vec<_>>>()?;
    bytes.is_empty().then_some((namespace, selectors))
}

fn take_selector(bytes: &mut &[u8]) -> Option<Selector> {
    let (&which, rest) = bytes.split_first()?;
    *bytes = rest;
    match which {
        EVERYTHING => Some(Selector::Everything),
        // One step, whatever stands there.
        MADE_FROM if bytes.first().is_some_and(|which| matches!(*which, PREFIX | GLOB | ALL_TAGS)) => {
            take_selector(bytes).map(|of| Selector::MadeFrom(of.into()))
        }
        ALL_TAGS => {
            let count = take_number(bytes)?;
            let tags = (0..count).map(|_| take_text(bytes)).collect::<Option<Vec<_>>>()?;
            Selector::all_tags(tags).ok()
        }
        _ => {
            let name = take_text(bytes)?;
            match which {
                KEY => Selector::key(name).ok(),
                PREFIX => Selector::prefix(name).ok(),
                GLOB => Selector::glob(name).ok(),
                TAG => Selector::tag(name).ok(),
                KIND => Selector::kind(name).ok(),
                DEPENDENTS_OF if name == SOMETHING => Some(Selector::DependentsOf(SOMETHING.into())),
                DEPENDENTS_OF => dependents_of_any(name).ok(),
                _ => None,
            }
        }
    }
}

fn take_number(bytes: &mut &[u8]) -> Option<usize> {
    let (number, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(usize::from(u16::from_le_bytes(*number)))
}

fn take_text<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let length = take_number(bytes)?;
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    std::str::from_utf8(text).ok()
}
