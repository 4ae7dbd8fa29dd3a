//! What follows from an Invalidate: which entries were made, directly or over others, from what it names. Dropping them is
//! not done here.

use std::{collections::HashSet, sync::Arc};

use parking_lot::MutexGuard;

use super::{fleet, list::usable, overtaken};
use crate::{
    entry::Dependencies,
    error::{Error, Kind, Reason, Result},
    graph::{Beyond, CLOSURE_MAX, Reach, Refusal},
    key::Key,
    memory::{Store, space::Space},
    selector::{
        Facets, OPEN, SELECTORS_MAX, Selector, TAG_PREFIX, any_selects, fact_of_tag, is_fact, is_key, kind_of_fact,
        made_from, tag_of_fact,
    },
};

/// What an Invalidate leads to, as it was before anything was dropped.
#[derive(Debug, Default)]
pub(super) struct Cascade {
    /// What it follows from; nothing: there is no more to do than what the selectors do themselves.
    whence: Vec<Selector>,
    roots: Vec<Arc<str>>,
    reached: HashSet<Arc<str>>,
}

/// What an entry depends on, with what that was made from as memory knows it, and with what was inherited already. Call it
/// with the namespace's linking locked.
///
/// # Errors
/// `DEPENDENCY_CYCLE`; `BAD_ARGUMENT` for too many.
pub(super) fn close(store: &Store, (space, key): (&Space, &Key), said: &Dependencies) -> Result<Arc<Dependencies>> {
    let own = &said.own;
    let mut closed = space.graph.close(key.text(), own);
    // What was invalidated and is not swept yet is no reason to refuse anything.
    if closed.is_err() && store.sweep_all(Some(space)) {
        closed = space.graph.close(key.text(), own);
    }
    if closed == Err(Refusal::TooMany) && !store.tiers.none() {
        // What is in memory of it may be there because it was looked for: that is no reason either.
        let open = Dependencies { own: own.clone(), inherited: [Arc::from(OPEN)].into() };
        return Ok(Arc::new(open.sorted()));
    }
    closed.map(|closed| Arc::new(closed.with(key.text(), &said.inherited))).map_err(|refusal| match refusal {
        Refusal::Cycle { place, between } => {
            let rule = match between {
                0 if *own[place] == **key.text() => "an entry cannot depend on itself".to_owned(),
                0 => "what this names depends on the entry itself: leave one of both out".to_owned(),
                _ => format!(
                    "what this names depends, over {between} other entries, on the entry itself: leave one of the steps out"
                ),
            };
            let error = Error::new(Kind::InvalidArgument, Reason::DependencyCycle, rule);
            error.field(format!("depends_on[{place}]"))
        }
        Refusal::TooMany => {
            let rule = format!(
                "an entry depends on at most {CLOSURE_MAX} others, with those that were used to make them: name fewer, or a tag"
            );
            Error::invalid(Reason::BadArgument, "depends_on", rule)
        }
    })
}

impl Cascade {
    /// What these selectors lead to. Ask before anything is dropped: tags and kinds are known only of what is there.
    ///
    /// # Errors
    /// `CASCADE_TOO_LARGE`.
    pub(super) fn plan(store: &Store, space: &Space, selectors: &[Selector]) -> Result<Self> {
        // Everything goes anyway.
        if selectors.contains(&Selector::Everything) {
            return Ok(Self::default());
        }
        let reach = Reach { entries_max: store.config.cascade_entries_max, depth_max: store.config.cascade_depth_max };
        Self::walk(store, space, selectors, reach).map_err(|beyond| too_large(beyond, reach))
    }

    /// The same, for what was named elsewhere: as far as it leads, and with what may be made from anything.
    pub(super) fn follow(store: &Store, space: &Space, selectors: &[Selector]) -> Self {
        let Ok(mut cascade) = Self::walk(store, space, selectors, ALL) else { return Self::default() };
        if !selectors.is_empty() {
            cascade.reached.extend(space.graph.reached(&[Arc::from(OPEN)], &|_| false, ALL).unwrap_or_default());
        }
        cascade
    }

    fn walk(store: &Store, space: &Space, selectors: &[Selector], reach: Reach) -> std::result::Result<Self, Beyond> {
        let whence = selectors.to_vec();
        if space.graph.is_empty() {
            return Ok(Self { whence, ..Self::default() });
        }
        let roots = roots(space, selectors, &|target| is_named(store, space, selectors, target));
        // Those are dropped because they are named.
        let direct: HashSet<Arc<str>> = named_dependents(space, selectors).collect();
        let named = |key: &str| by_name(selectors, key) || direct.contains(key);
        let mut reached = space.graph.reached(&roots, &named, reach)?;
        reached.extend(of_all_tags(space, selectors).filter(|key| !named(key)));
        Ok(Self { whence, roots, reached })
    }

    /// What there was to drop besides what is named.
    #[must_use]
    pub(super) fn keys(&self) -> Vec<Selector> {
        self.reached.iter().cloned().map(Selector::Key).collect()
    }

    /// What was stored meanwhile by who may have read what was dropped: to be dropped before others may link again. Ask
    /// once all that is known is dropped and its fences raised; `dependents`: what was dropped because a selector names
    /// what it was made from; `fence`: the number of what was raised for the selectors.
    #[must_use]
    pub(super) fn late<'a>(
        self,
        store: &Store,
        space: &'a Space,
        dependents: &[Selector],
        fence: u64,
    ) -> Option<(Vec<Selector>, MutexGuard<'a, ()>)> {
        if self.whence.is_empty() {
            return None;
        }
        let selectors = &self.whence[..];
        overtaken::raise(store, space, [Arc::from(OPEN)].iter());
        let linking = space.graph.linking();
        if space.graph.is_empty() {
            return None;
        }
        let hit = |target: &Arc<str>| {
            named_by_text(selectors, target) || (fence > 0 && overtaken::was_hit(store, space, target, fence))
        };
        let mut now = roots(space, selectors, &hit);
        now.extend(roots(space, dependents, &|_| false));
        now.push(Arc::from(OPEN));
        let roots: Vec<Arc<str>> = self.roots.into_iter().chain(self.reached).chain(now).collect();
        let mut late = space.graph.reached(&roots, &|key: &str| by_name(selectors, key), ALL).unwrap_or_default();
        late.extend(of_all_tags(space, selectors));
        Some((late.into_iter().map(Selector::Key).collect(), linking))
    }

    /// How many entries there are to drop besides those that are selected anyway.
    #[must_use]
    pub(super) fn count(&self, store: &Store, space: &Space, selectors: &[Selector]) -> u64 {
        let now = store.clock.now();
        let counts = |text: &Arc<str>| {
            let key = Key::trusted(space.name.clone(), text.clone());
            let shard = store.shard(&key);
            let view = store.find(&shard, space, &key).and_then(|slot| usable(store, &shard, (space, slot), now));
            view.is_some_and(|view| {
                let said = &view.facts.description;
                let facets = Facets { key: text, kind: &said.kind, tags: &said.tags, depends_on: said.made_from() };
                !any_selects(selectors, &facets)
            })
        };
        self.reached.iter().filter(|key| counts(key)).count() as u64
    }
}

/// As far as it leads.
const ALL: Reach = Reach { entries_max: usize::MAX, depth_max: usize::MAX };

/// Has the disk forget what was made from what is named, where that is to follow; `dropped`: what else was dropped, from
/// which something may be made that only the disk has. Which keys tags and kinds name is known only of what is in memory:
/// then everything goes there that was made from any key.
pub(super) fn forget(store: &Store, space: &Space, (selectors, follows): (&[Selector], bool), dropped: &[&[Selector]]) {
    if store.local_of(space).is_none() {
        return;
    }
    if fleet::of(store, space).is_some() {
        return forget_by_what_it_says(store, space, (selectors, follows), dropped);
    }
    let named = selectors.iter().filter_map(|selector| match selector {
        Selector::DependentsOf(target) => Some(target_of(target)),
        _ if follows => Some(selector.clone()),
        _ => None,
    });
    let unknown = |selector: &Selector| matches!(selector, Selector::Tag(_) | Selector::AllTags(_) | Selector::Kind(_));
    let every_key = (follows && selectors.iter().any(unknown)).then(|| Selector::Prefix(Arc::default()));
    let followed = dropped.iter().filter(|_| follows).flat_map(|keys| keys.iter().cloned());
    let all: Vec<Selector> = named.chain(every_key).chain(followed).collect();
    for some in all.chunks(SELECTORS_MAX) {
        store.forget_dependents(space, some);
    }
}

/// The same where tiers are shared: what lies on the disk says for itself what it was made from, with tags and kinds.
fn forget_by_what_it_says(
    store: &Store,
    space: &Space,
    (selectors, follows): (&[Selector], bool),
    dropped: &[&[Selector]],
) {
    let named = selectors.iter().filter(|selector| follows || matches!(selector, Selector::DependentsOf(_)));
    let followed = dropped.iter().filter(|_| follows).flat_map(|keys| keys.iter());
    let mut all: Vec<Selector> = named.chain(followed).flat_map(made_from).collect();
    if all.is_empty() {
        return;
    }
    all.push(Selector::DependentsOf(Arc::from(OPEN)));
    let _raised = store.fences.write();
    all.chunks(SELECTORS_MAX).for_each(|some| store.forget_sets(space, some));
}

/// What a dependency is the name of.
fn target_of(name: &Arc<str>) -> Selector {
    match name.strip_prefix(TAG_PREFIX) {
        Some(tag) => Selector::Tag(Arc::from(tag)),
        None => Selector::Key(name.clone()),
    }
}

fn too_large(beyond: Beyond, Reach { entries_max, depth_max }: Reach) -> Error {
    let rule = match beyond {
        Beyond::Entries => format!(
            "more than {entries_max} entries depend on what this names: nothing was dropped. Name less, raise \
             limits.cascade_entries_max, or switch cascade off"
        ),
        Beyond::Depth => format!(
            "dependencies lead more than {depth_max} steps on from what this names: nothing was dropped. Raise \
             limits.cascade_depth_max, or switch cascade off"
        ),
    };
    Error::new(Kind::ResourceExhausted, Reason::CascadeTooLarge, rule).field("cascade")
}

/// Whether a key is named by itself, without looking at its entry.
fn by_name(selectors: &[Selector], key: &str) -> bool {
    let facets = Facets::of_key(key);
    selectors.iter().any(|selector| {
        matches!(selector, Selector::Key(_) | Selector::Prefix(_) | Selector::Glob(_)) && selector.selects(&facets)
    })
}

/// What is depended on and named by these selectors; `is_named` says so of what they do not name by key.
fn roots(space: &Space, selectors: &[Selector], is_named: &dyn Fn(&Arc<str>) -> bool) -> Vec<Arc<str>> {
    let one = |selector: &Selector| match selector {
        // A key that reads like a tag cannot be depended on.
        Selector::Key(key) => is_key(key).then(|| key.clone()),
        Selector::DependentsOf(target) => Some(target.clone()),
        _ => None,
    };
    let mut roots: Vec<Arc<str>> = selectors.iter().filter_map(one).collect();
    if selectors.iter().any(|selector| !matches!(selector, Selector::Key(_) | Selector::DependentsOf(_))) {
        roots.extend(space.graph.targets().into_iter().filter(is_named));
    }
    roots
}

/// Keys of what these say was made from something, as its writer named that.
fn named_dependents(space: &Space, selectors: &[Selector]) -> impl Iterator<Item = Arc<str>> {
    selectors.iter().flat_map(|selector| match selector {
        Selector::DependentsOf(target) => space.graph.named(target),
        _ => Vec::new(),
    })
}

/// Keys of what is known to be made from something with all tags of one of these: of one tag alone that says nothing.
fn of_all_tags(space: &Space, selectors: &[Selector]) -> impl Iterator<Item = Arc<str>> {
    selectors.iter().flat_map(|selector| match selector {
        Selector::AllTags(tags) => {
            let facts: Vec<Arc<str>> = tags.iter().map(|tag| fact_of_tag(tag)).collect();
            space.graph.made_from_all(&facts)
        }
        _ => Vec::new(),
    })
}

/// Whether a target is named, whatever is stored.
fn named_by_text(selectors: &[Selector], target: &str) -> bool {
    let fact = |selector: &Selector| match selector {
        Selector::Tag(tag) => tag_of_fact(target) == Some(&**tag),
        Selector::Kind(kind) => kind_of_fact(target) == Some(&**kind),
        _ => false,
    };
    if is_fact(target) {
        return selectors.iter().any(fact);
    }
    match target.strip_prefix(TAG_PREFIX) {
        Some(tag) => selectors.iter().any(|selector| matches!(selector, Selector::Tag(named) if **named == *tag)),
        None => by_name(selectors, target),
    }
}

fn is_named(store: &Store, space: &Space, selectors: &[Selector], target: &Arc<str>) -> bool {
    named_by_text(selectors, target)
        || is_key(target) && {
            let key = Key::trusted(space.name.clone(), target.clone());
            let shard = store.shard(&key);
            let record =
                store.find(&shard, space, &key).and_then(|slot| shard.table(&space.shelf).and_then(|t| t.get(slot)));
            // What is said of it where it lies on the disk alone is not known here: it may be what is named. Where it is
            // shared, what was made from it says so for itself.
            let says_so = fleet::of(store, space).is_some();
            let lies_below = || !says_so && store.local_of(space).is_some_and(|local| local.may_hold(&key));
            record.map_or_else(lies_below, |record| {
                any_selects(selectors, &record.facets(record.description(&shard.beside.shared)))
            })
        }
}
