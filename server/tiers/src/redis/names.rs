//! Fences as members of a log: text that `redis-cli` shows, and back. What comes back is checked like any other input.

use std::sync::Arc;

use hotplate_engine::{
    key::{Key, namespace_name},
    position::LogId,
    selector::{ALL_TAGS_MAX, KIND_BYTES_MAX, Selector, TAG_BYTES_MAX, dependents_of_any},
    tier::shared::FenceName,
};

/// Longest member: what 16 tags of all lengths come to.
const MEMBER_BYTES_MAX: usize = 4096;

/// The member that stands for a fence: what sort it is, the namespace, and what in it.
pub(super) fn member(name: &FenceName) -> String {
    let namespace = &name.namespace;
    match &name.selector {
        Selector::Key(text) => format!("k:{namespace}:{text}"),
        Selector::Prefix(text) => format!("p:{namespace}:{text}"),
        Selector::Glob(pattern) => format!("g:{namespace}:{}", pattern.text()),
        Selector::Tag(text) => format!("t:{namespace}:{text}"),
        Selector::AllTags(tags) => {
            // A tag may contain anything: its length says where it ends.
            let tags: String = tags.iter().map(|tag| format!("{}:{tag}", tag.len())).collect();
            format!("a:{namespace}:{tags}")
        }
        Selector::Kind(text) => format!("K:{namespace}:{text}"),
        Selector::DependentsOf(text) => format!("d:{namespace}:{text}"),
        Selector::MadeFrom(of) => {
            format!("m:{}", member(&FenceName { namespace: namespace.clone(), selector: (**of).clone() }))
        }
        Selector::Everything => format!("*:{namespace}:"),
    }
}

/// The fence that a member stands for; `None` for what no version of this cache wrote.
pub(super) fn fence(member: &[u8]) -> Option<FenceName> {
    if member.len() > MEMBER_BYTES_MAX {
        return None;
    }
    let member = std::str::from_utf8(member).ok()?;
    let (of, derived) = member.strip_prefix("m:").map_or((member, false), |of| (of, true));
    let (sort, rest) = of.split_once(':')?;
    let (namespace, text) = rest.split_once(':')?;
    let namespace = Some(namespace).filter(|name| !name.is_empty()).and_then(|name| namespace_name(name).ok())?;
    let selector = match sort {
        "k" => Selector::key(text).ok(),
        "p" => Selector::prefix(text).ok(),
        "g" => Selector::glob(text).ok(),
        "t" => Selector::tag(text).ok(),
        "a" => all_tags(text),
        "K" if text.len() <= KIND_BYTES_MAX => Selector::kind(text).ok(),
        "d" => dependents_of_any(text).ok(),
        "*" if text.is_empty() => Some(Selector::Everything),
        _ => None,
    }?;
    let selector = match selector {
        of @ (Selector::Prefix(_) | Selector::Glob(_) | Selector::AllTags(_)) if derived => {
            Selector::MadeFrom(Arc::new(of))
        }
        _ if derived => return None,
        plain => plain,
    };
    Some(FenceName { namespace, selector })
}

fn all_tags(mut text: &str) -> Option<Selector> {
    let mut tags = Vec::new();
    while !text.is_empty() {
        let (length, rest) = text.split_once(':')?;
        let length = length.parse().ok().filter(|length| *length <= TAG_BYTES_MAX)?;
        if tags.len() == ALL_TAGS_MAX || !rest.is_char_boundary(length) {
            return None;
        }
        let (tag, after) = rest.split_at_checked(length)?;
        tags.push(tag);
        text = after;
    }
    Selector::all_tags(tags).ok()
}

/// The log in which a fence is raised.
pub(super) fn log_of(name: &FenceName) -> LogId {
    key_of(name).map_or(LogId::SELECTOR, |key| key.log())
}

/// The key that a fence names, when it names one.
pub(super) fn key_of(name: &FenceName) -> Option<Key> {
    match &name.selector {
        Selector::Key(text) => Some(Key::trusted(Arc::clone(&name.namespace), Arc::clone(text))),
        _ => None,
    }
}

/// The fence of a key.
pub(super) fn of_key(key: &Key) -> FenceName {
    FenceName { namespace: Arc::clone(key.namespace()), selector: Selector::Key(Arc::clone(key.text())) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use hotplate_engine::selector::made_from;

    use super::*;

    fn name(selector: Selector) -> FenceName {
        FenceName { namespace: "a.b/c".into(), selector }
    }

    fn selectors() -> impl Strategy<Value = Selector> {
        let text = "[a-z:*{}é0-9]{1,24}";
        prop_oneof![
            text.prop_filter_map("a key", |text| Selector::key(&text).ok()),
            text.prop_filter_map("a prefix", |text| Selector::prefix(&text).ok()),
            text.prop_filter_map("a glob", |text| Selector::glob(&text).ok()),
            text.prop_filter_map("a tag", |text| Selector::tag(&text).ok()),
            text.prop_filter_map("a kind", |text| Selector::kind(&text).ok()),
            text.prop_filter_map("a dependency", |text| Selector::dependents_of(&text).ok()),
            prop::collection::vec(text, 1..=ALL_TAGS_MAX)
                .prop_filter_map("tags", |tags| Selector::all_tags(tags.iter().map(String::as_str)).ok()),
            Just(Selector::Everything),
        ]
    }

    fn followed() -> impl Strategy<Value = Selector> {
        (selectors(), 0..4usize).prop_map(|(selector, which)| {
            let all = made_from(&selector);
            all.get(which).or(all.first()).cloned().unwrap_or(selector)
        })
    }

    proptest! {
        #[test]
        fn every_fence_comes_back(selector in prop_oneof![selectors(), followed()]) {
            let name = name(selector);
            prop_assert_eq!(fence(member(&name).as_bytes()), Some(name));
        }

        #[test]
        fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _decoded = fence(&bytes);
        }

        #[test]
        fn no_text_that_looks_like_one_does_harm(text in "(m:)?[kpgtaKd*]:[a-z]{0,3}:[\u{1}?0-9:a-zé]{0,40}") {
            if let Some(name) = fence(text.as_bytes()) {
                // Tags are put in order and lengths written shortest: the meaning is what counts.
                prop_assert_eq!(fence(member(&name).as_bytes()), Some(name));
            }
        }
    }

    #[test]
    fn what_nobody_wrote_is_no_fence() {
        for bytes in
            [&b"!e"[..], b"", b"k", b"k::x", b"k:n:", b"x:n:y", b"*:n:y", b"a:n:", b"a:n:9:ab", b"a:n:1:\xc3\xa9"]
        {
            assert_eq!(fence(bytes), None, "{bytes:?}");
        }
        assert_eq!(fence(&[b"k:n:".as_slice(), &[b'x'; 5000]].concat()), None);
    }
}
