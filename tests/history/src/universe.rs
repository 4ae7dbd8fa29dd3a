//! The keys of a run, with the tags, kinds and dependencies that each always has, and what a selector means by them.
//! Nothing is asked or stored here.

use rand::{RngExt, rngs::ChaCha8Rng};

use crate::record::{Invalidate, Selects};

/// Groups of keys, each with a tag and a prefix of its own.
const GROUPS: u32 = 3;
/// Keys in each group.
const KEYS: u32 = 3;

/// The namespace of keys that are written and read as registers.
pub const REGISTERS: &str = "registers";

/// What entries of a key are stored with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Tags.
    pub tags: Vec<String>,
    /// Kind.
    pub kind: String,
    /// What it is made from.
    pub depends_on: Vec<String>,
}

/// How an Invalidate concerns a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Concern {
    /// Not at all.
    None,
    /// It may: what the key is made from over another entry, or from what is selected but not named, when that is there.
    Maybe,
    /// The key is made from what is named.
    Follows,
    /// The key is selected.
    Selected,
}

/// All keys that are computed: plain ones, ones made from those, and ones made from these.
#[must_use]
pub fn keys() -> Vec<String> {
    let mut keys = Vec::new();
    for group in 0..GROUPS {
        keys.extend((0..KEYS).map(|key| format!("g{group}/k{key}")));
        keys.extend((0..2).map(|key| format!("d{group}/k{key}")));
        keys.push(format!("e{group}/k0"));
    }
    keys
}

/// A register's key.
#[must_use]
pub fn register(number: u64) -> String {
    format!("r/{number}")
}

/// Whether a key is a register's.
#[must_use]
pub fn is_register(key: &str) -> bool {
    key.starts_with("r/")
}

/// The namespace of a key.
#[must_use]
pub fn namespace(key: &str) -> &'static str {
    if is_register(key) { REGISTERS } else { "" }
}

/// What entries of this key are stored with.
#[must_use]
pub fn facts(key: &str) -> Facts {
    let mut facts = Facts::default();
    let Some((group, number)) = key.split_once("/k") else { return facts };
    match group.split_at_checked(1) {
        Some(("g", group)) => {
            facts.tags = vec![format!("t{group}"), format!("i{number}")];
            facts.kind = format!("q{number}");
        }
        Some(("d", group)) if number == "0" => facts.depends_on = vec![format!("g{group}/k0")],
        Some(("d", group)) => facts.depends_on = vec![format!("tag:t{group}")],
        Some(("e", group)) => facts.depends_on = vec![format!("d{group}/k0")],
        _ => {}
    }
    facts
}

/// How an Invalidate concerns a key.
#[must_use]
pub fn concern(call: &Invalidate, key: &str) -> Concern {
    if call.selectors.iter().any(|one| selects(one, key)) {
        return Concern::Selected;
    }
    if !call.cascade {
        return Concern::None;
    }
    let own = facts(key).depends_on;
    if own.iter().any(|made_from| call.selectors.iter().any(|one| names(one, made_from))) {
        return Concern::Follows;
    }
    let reaches = |made_from: &String| concern(call, made_from) > Concern::None || tag_may_be_hit(call, made_from);
    if own.iter().any(reaches) { Concern::Maybe } else { Concern::None }
}

fn names(selector: &Selects, made_from: &str) -> bool {
    match selector {
        Selects::Key(key) => key == made_from,
        Selects::Tag(tag) => made_from.strip_prefix("tag:") == Some(tag),
        _ => false,
    }
}

/// What is made from a tag may go with any entry that has the tag.
fn tag_may_be_hit(call: &Invalidate, made_from: &str) -> bool {
    let Some(tag) = made_from.strip_prefix("tag:") else { return false };
    let tagged = keys().into_iter().filter(|key| facts(key).tags.iter().any(|own| own == tag));
    tagged.into_iter().any(|key| call.selectors.iter().any(|one| selects(one, &key)))
}

fn selects(selector: &Selects, key: &str) -> bool {
    if is_register(key) {
        return *selector == Selects::Key(key.to_owned());
    }
    let facts = facts(key);
    match selector {
        Selects::Key(name) => name == key,
        Selects::Prefix(prefix) => key.starts_with(prefix),
        Selects::Glob(glob) => matches(glob, key),
        Selects::Tag(tag) => facts.tags.contains(tag),
        Selects::AllTags(tags) => tags.iter().all(|tag| facts.tags.contains(tag)),
        Selects::Kind(kind) => facts.kind == *kind,
        Selects::DependentsOf(target) => facts.depends_on.contains(target),
        Selects::Everything => true,
    }
}

fn matches(glob: &str, key: &str) -> bool {
    glob.len() == key.len() && glob.bytes().zip(key.bytes()).all(|(want, is)| want == b'?' || want == is)
}

/// A selector by chance: a key in half of all cases.
#[must_use]
pub fn any_selector(random: &mut ChaCha8Rng) -> Selects {
    let group = random.random_range(0..GROUPS);
    let number = random.random_range(0..KEYS);
    match random.random_range(0..100) {
        0..25 => Selects::Key(format!("g{group}/k{number}")),
        25..45 => Selects::Key(any_key(random)),
        45..60 => Selects::Tag(format!("t{group}")),
        60..70 => Selects::Prefix(format!("g{group}/")),
        70..78 => Selects::AllTags(vec![format!("t{group}"), format!("i{number}")]),
        78..86 => Selects::Glob(format!("g?/k{number}")),
        86..92 => Selects::Kind(format!("q{number}")),
        92..97 => Selects::DependentsOf(format!("g{group}/k0")),
        _ => Selects::Everything,
    }
}

/// A key by chance: the first are asked for most.
#[must_use]
pub fn any_key(random: &mut ChaCha8Rng) -> String {
    let mut keys = keys();
    let hot = if random.random_bool(0.4) { 3 } else { keys.len() };
    keys.swap_remove(random.random_range(0..hot))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drop_all(selector: Selects) -> Invalidate {
        Invalidate { selectors: vec![selector], cascade: true, truth: 1, ..Invalidate::default() }
    }

    #[test]
    fn selectors_mean_what_the_contract_says() {
        for (selector, key, concern_is) in [
            (Selects::Key("g0/k0".into()), "g0/k0", Concern::Selected),
            (Selects::Key("g0/k0".into()), "g0/k1", Concern::None),
            (Selects::Key("g0/k0".into()), "d0/k0", Concern::Follows),
            (Selects::Key("g0/k0".into()), "e0/k0", Concern::Maybe),
            (Selects::Tag("t0".into()), "d0/k1", Concern::Follows),
            (Selects::Tag("t0".into()), "d0/k0", Concern::Maybe),
            (Selects::Kind("q2".into()), "d0/k1", Concern::Maybe),
            (Selects::Tag("t1".into()), "g1/k2", Concern::Selected),
            (Selects::Prefix("g1/".into()), "g1/k2", Concern::Selected),
            (Selects::Prefix("g1/".into()), "g0/k2", Concern::None),
            (Selects::Glob("g?/k1".into()), "g2/k1", Concern::Selected),
            (Selects::AllTags(vec!["t1".into(), "i1".into()]), "g1/k1", Concern::Selected),
            (Selects::AllTags(vec!["t1".into(), "i1".into()]), "g1/k2", Concern::None),
            (Selects::DependentsOf("g0/k0".into()), "d0/k0", Concern::Selected),
            (Selects::Everything, "e1/k0", Concern::Selected),
            (Selects::Everything, "r/1", Concern::None),
        ] {
            assert_eq!(concern(&drop_all(selector.clone()), key), concern_is, "{selector:?} {key}");
        }
        let alone = Invalidate { cascade: false, ..drop_all(Selects::Key("g0/k0".into())) };
        assert_eq!(concern(&alone, "d0/k0"), Concern::None);
    }
}
