//! A model of one key under every interleaving of a fill, a promotion, an Invalidate, a reader and a table of fences
//! that is too small. It runs the real fences; the known wrong ways to use them must each be found out.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{num::NonZeroUsize, sync::Arc};

use hotplate_engine::{
    changes::{Author, History, What},
    clock::Clock,
    fence::{KeyFences, SelectorFences, Stamp},
    key::Key,
    position::LogId,
    selector::{Facets, Selector},
};

const EPOCH: u64 = 7;

/// What an Invalidate names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    Key,
    Tag,
}

/// A wrong way to do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mutant {
    /// A promoted copy is stored without a test.
    PromotionWithoutCheck,
    /// A fill is stored without a test.
    FillWithoutFence,
    /// The history's position is what answers say, before what it stands for was applied.
    PositionBeforeDeletion,
    /// Fences are forgotten as time goes by.
    FencesExpire,
    /// A fence is forgotten for want of room and no floor stands for it.
    FloorsIgnored,
    /// What a set fence selects is served, as it was never dropped.
    ReadWithoutFence,
}

/// Who takes the next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Actor {
    Filler,
    Promoter,
    Invalidator,
    Reader,
    OtherWriter,
}

const STEPS: [(Actor, usize); 5] =
    [(Actor::Filler, 2), (Actor::Promoter, 2), (Actor::Invalidator, 4), (Actor::Reader, 2), (Actor::OtherWriter, 1)];

#[derive(Clone, Copy)]
struct Stored {
    value: u64,
    stamp: Stamp,
}

struct World {
    named: Named,
    mutant: Option<Mutant>,
    key: Key,
    other: Key,
    tags: Vec<Arc<str>>,
    history: History,
    keys: KeyFences,
    sets: SelectorFences,
    /// The truth that values are computed from.
    source: u64,
    entry: Option<Stored>,
    filling: Option<Stored>,
    promoting: Option<Stored>,
    /// Numbers that were applied; answers say these.
    applied: Stamp,
    /// The Invalidate: the source's version it stands for, its number, whether it was answered.
    invalidated: Option<(u64, u64, bool)>,
    steps_of_invalidator: usize,
    violation: Option<&'static str>,
}

fn small() -> (KeyFences, SelectorFences) {
    (KeyFences::new(EPOCH, NonZeroUsize::MIN), SelectorFences::new(EPOCH, 1))
}

/// Another key in the same log.
fn neighbour(key: &Key) -> Key {
    (0..).map(|n| Key::new("", &format!("other{n}")).unwrap()).find(|other| other.log() == key.log()).unwrap()
}

impl World {
    fn new(named: Named, mutant: Option<Mutant>, key: &Key, other: &Key) -> Self {
        let (keys, sets) = small();
        let start = Stamp { epoch: EPOCH, key: 0, selector: 0 };
        Self {
            named,
            mutant,
            key: key.clone(),
            other: other.clone(),
            tags: vec![Arc::from("t")],
            history: History::new(EPOCH, (16, 1 << 16), Clock::manual()),
            keys,
            sets,
            source: 0,
            entry: Some(Stored { value: 0, stamp: start }),
            filling: None,
            promoting: None,
            applied: start,
            invalidated: None,
            steps_of_invalidator: 0,
            violation: None,
        }
    }

    fn step(&mut self, actor: Actor) {
        match actor {
            Actor::Filler => self.fill(),
            Actor::Promoter => self.promote(),
            Actor::Invalidator => self.invalidate(),
            Actor::Reader => self.read(),
            Actor::OtherWriter => self.write_other(),
        }
    }

    fn facets(&self) -> Facets<'_> {
        Facets { key: self.key.text(), kind: "", tags: &self.tags, depends_on: &[] }
    }

    fn valid(&self, stamp: Stamp) -> bool {
        self.keys.admit(&self.key, stamp) && self.sets.allow(self.key.namespace(), &self.facets(), stamp)
    }

    /// Takes a ticket and computes from the source; later passes the gate.
    fn fill(&mut self) {
        match self.filling.take() {
            None => self.filling = Some(Stored { value: self.source, stamp: self.applied }),
            Some(filled) => {
                if self.mutant == Some(Mutant::FillWithoutFence) || self.valid(filled.stamp) {
                    self.entry = Some(filled);
                }
            }
        }
    }

    /// Reads a copy that another tier holds; later stores it, vouched for as of the start of the read.
    fn promote(&mut self) {
        match self.promoting.take() {
            None => self.promoting = self.served().map(|value| Stored { value, stamp: self.applied }),
            Some(copy) => {
                if self.mutant == Some(Mutant::PromotionWithoutCheck) || self.valid(copy.stamp) {
                    self.entry = Some(copy);
                }
            }
        }
    }

    /// Changes the source; numbers the change; applies it; answers. The middle two are one step under a lock, except
    /// where the mutant tears them apart.
    fn invalidate(&mut self) {
        let torn = self.mutant == Some(Mutant::PositionBeforeDeletion);
        self.steps_of_invalidator += 1;
        match self.steps_of_invalidator {
            1 => self.source += 1,
            2 => {
                self.append();
                if !torn {
                    self.apply();
                }
            }
            3 => {
                if torn {
                    self.apply();
                }
            }
            _ => {
                if let Some((_, _, answered)) = &mut self.invalidated {
                    *answered = true;
                }
            }
        }
    }

    fn append(&mut self) {
        let (namespace, author) = (self.key.namespace().clone(), Author::default());
        let (log, what) = match self.named {
            Named::Key => (self.key.log(), What::Invalidated(vec![(self.key.text().clone(), None)])),
            Named::Tag => (LogId::SELECTOR, What::SetInvalidated(vec![Selector::Tag(self.tags[0].clone())])),
        };
        let number = self.history.append(&namespace, log, what, &author).number;
        self.invalidated = Some((self.source, number, false));
        if self.mutant == Some(Mutant::PositionBeforeDeletion) {
            self.advance(number);
        }
    }

    fn apply(&mut self) {
        let Some((_, number, _)) = self.invalidated else { return };
        match self.named {
            Named::Key => {
                self.keys.raise(&self.key, number);
                self.entry = None;
            }
            // Nothing is dropped: the fence alone must keep it from being served.
            Named::Tag => self.sets.raise(self.key.namespace(), &[Selector::Tag(self.tags[0].clone())], number),
        }
        self.advance(number);
    }

    fn advance(&mut self, number: u64) {
        let applied = match self.named {
            Named::Key => &mut self.applied.key,
            Named::Tag => &mut self.applied.selector,
        };
        *applied = number.max(*applied);
    }

    /// Another key or tag is invalidated, and its fence pushes the first one out of the table.
    fn write_other(&mut self) {
        let namespace = self.key.namespace().clone();
        if matches!(self.mutant, Some(Mutant::FencesExpire | Mutant::FloorsIgnored)) {
            (self.keys, self.sets) = small();
        }
        if self.mutant == Some(Mutant::FencesExpire) {
            return;
        }
        let author = Author::default();
        let number = match self.named {
            Named::Key => {
                let what = What::Invalidated(vec![(self.other.text().clone(), None)]);
                let number = self.history.append(&namespace, self.key.log(), what, &author).number;
                self.keys.raise(&self.other, number);
                number
            }
            Named::Tag => {
                let set = vec![Selector::Tag(Arc::from("u"))];
                let what = What::SetInvalidated(set.clone());
                let number = self.history.append(&namespace, LogId::SELECTOR, what, &author).number;
                self.sets.raise(&namespace, &set, number);
                number
            }
        };
        self.advance(number);
    }

    /// What a Get serves: an entry is dropped for its key, and tested for all that selects it.
    fn served(&self) -> Option<u64> {
        let entry = self.entry?;
        let unchecked = self.mutant == Some(Mutant::ReadWithoutFence);
        let allowed = unchecked || self.sets.allow(self.key.namespace(), &self.facets(), entry.stamp);
        allowed.then_some(entry.value)
    }

    /// Compares what is served, and what the answer says of its place, with the Invalidate.
    fn read(&mut self) {
        let (Some(value), Some((version, number, answered))) = (self.served(), self.invalidated) else { return };
        let said = match self.named {
            Named::Key => self.applied.key,
            Named::Tag => self.applied.selector,
        };
        if answered && value < version {
            self.violation = Some("computed before an answered Invalidate, served after it");
        } else if said >= number && value < version {
            self.violation = Some("served with a position that it is older than");
        }
    }
}

/// Runs every interleaving; gives how many, and the first violation with the schedule that leads to it.
fn explore(named: Named, mutant: Option<Mutant>) -> (usize, Option<(&'static str, Vec<Actor>)>) {
    let key = Key::new("", "k").unwrap();
    let other = neighbour(&key);
    let mut schedules = Vec::new();
    interleave(&mut STEPS.to_vec(), &mut Vec::new(), &mut schedules);
    for schedule in &schedules {
        let mut world = World::new(named, mutant, &key, &other);
        // Whatever happened, a last look.
        for actor in schedule.iter().copied().chain([Actor::Reader]) {
            world.step(actor);
        }
        if let Some(violation) = world.violation {
            return (schedules.len(), Some((violation, schedule.clone())));
        }
    }
    (schedules.len(), None)
}

fn interleave(left: &mut Vec<(Actor, usize)>, so_far: &mut Vec<Actor>, schedules: &mut Vec<Vec<Actor>>) {
    if left.iter().all(|(_, steps)| *steps == 0) {
        schedules.push(so_far.clone());
        return;
    }
    for index in 0..left.len() {
        if left[index].1 > 0 {
            left[index].1 -= 1;
            so_far.push(left[index].0);
            interleave(left, so_far, schedules);
            so_far.pop();
            left[index].1 += 1;
        }
    }
}

#[test]
fn nothing_computed_before_an_answered_invalidate_is_served_after_it() {
    for named in [Named::Key, Named::Tag] {
        let (schedules, violation) = explore(named, None);
        assert_eq!(schedules, 207_900, "all interleavings of 11 steps");
        assert_eq!(violation, None, "{named:?}");
    }
}

fn found_out(mutant: Mutant, kinds: &[Named]) {
    for named in kinds {
        let (_, violation) = explore(*named, Some(mutant));
        assert!(violation.is_some(), "{mutant:?} with {named:?} was not found out");
    }
}

#[test]
fn a_promotion_without_check_is_found_out() {
    // A copy brings its old stamp along, so that a set fence still catches it on reading.
    found_out(Mutant::PromotionWithoutCheck, &[Named::Key]);
}

#[test]
fn a_fill_without_fence_is_found_out() {
    found_out(Mutant::FillWithoutFence, &[Named::Key]);
}

#[test]
fn a_position_before_the_deletion_is_found_out() {
    found_out(Mutant::PositionBeforeDeletion, &[Named::Key, Named::Tag]);
}

#[test]
fn fences_that_expire_are_found_out() {
    found_out(Mutant::FencesExpire, &[Named::Key, Named::Tag]);
}

#[test]
fn ignored_floors_are_found_out() {
    found_out(Mutant::FloorsIgnored, &[Named::Key, Named::Tag]);
}

#[test]
fn a_read_without_fence_is_found_out() {
    found_out(Mutant::ReadWithoutFence, &[Named::Tag]);
}

#[test]
fn a_stamp_of_another_epoch_is_never_valid() {
    let (keys, sets) = small();
    let key = Key::new("", "k").unwrap();
    let stamp = Stamp { epoch: EPOCH + 1, key: 9, selector: 9 };
    assert!(!keys.admit(&key, stamp));
    assert!(!sets.allow(key.namespace(), &Facets { key: "k", kind: "", tags: &[], depends_on: &[] }, stamp));
}

#[test]
fn every_kind_of_set_fence_selects_what_it_names() {
    let namespace: Arc<str> = Arc::from("n");
    let tags: Vec<Arc<str>> = vec![Arc::from("a"), Arc::from("b")];
    let facets = Facets { key: "model:x", kind: "embedding", tags: &tags, depends_on: &[] };
    let old = Stamp { epoch: EPOCH, key: 0, selector: 4 };
    let hit = [
        Selector::tag("a").unwrap(),
        Selector::kind("embedding").unwrap(),
        Selector::prefix("model:").unwrap(),
        Selector::glob("m*x").unwrap(),
        Selector::all_tags(["a", "b"]).unwrap(),
        Selector::Everything,
    ];
    let missed = [
        Selector::tag("c").unwrap(),
        Selector::kind("other").unwrap(),
        Selector::prefix("models").unwrap(),
        Selector::glob("x*").unwrap(),
        Selector::all_tags(["a", "c"]).unwrap(),
    ];
    for selector in hit {
        let mut fences = SelectorFences::new(EPOCH, 8);
        fences.raise(&namespace, std::slice::from_ref(&selector), 5);
        assert!(!fences.allow("n", &facets, old), "{selector:?}");
        assert!(fences.allow("n", &facets, Stamp { selector: 5, ..old }) && fences.allow("m", &facets, old));
    }
    let mut fences = SelectorFences::new(EPOCH, 8);
    fences.raise(&namespace, &missed, 5);
    assert!(fences.allow("n", &facets, old));
}

#[test]
fn long_fences_leave_room_for_fewer() {
    let mut fences = SelectorFences::new(EPOCH, 8);
    let namespace: Arc<str> = Arc::from("n");
    for number in 1..=8 {
        fences.raise(&namespace, &[Selector::prefix(&number.to_string().repeat(1000)).unwrap()], number);
    }
    let facets = Facets { key: "k", kind: "", tags: &[], depends_on: &[] };
    let stamp = |selector| Stamp { epoch: EPOCH, key: 0, selector };
    // Eight of over 1,000 bytes against 2,048 in all: one is left, and what is older than the seventh is not vouched for.
    assert!(!fences.allow("n", &facets, stamp(6)));
    assert!(fences.allow("n", &facets, stamp(7)));
}

#[test]
fn fences_of_whole_namespaces_are_never_trimmed() {
    let mut fences = SelectorFences::new(EPOCH, 1);
    let facets = Facets { key: "k", kind: "", tags: &[], depends_on: &[] };
    fences.raise(&Arc::from("n"), &[Selector::Everything], 1);
    for number in 2..6 {
        fences.raise(&Arc::from("m"), &[Selector::tag(&format!("t{number}")).unwrap()], number);
    }
    assert!(!fences.allow("n", &facets, Stamp { epoch: EPOCH, key: 0, selector: 0 }));
    // Four fences were trimmed down to one: in their namespace whatever is older than the newest trimmed one counts as
    // invalid, elsewhere nothing does.
    assert!(!fences.allow("m", &facets, Stamp { epoch: EPOCH, key: 0, selector: 3 }));
    assert!(fences.allow("m", &facets, Stamp { epoch: EPOCH, key: 0, selector: 4 }));
    assert!(fences.allow("other", &facets, Stamp { epoch: EPOCH, key: 0, selector: 0 }));
}
