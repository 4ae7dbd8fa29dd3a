//! What a cache with room for everything would answer: written, confirmed, renewed and invalidated entries by key, exact
//! to the moment. What really was evicted is not known here.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use hotplate_engine::{
    clock::Moment,
    flow::{get::StalePolicy, touch::TouchMode},
    selector::{Facets, Selector},
};
use proptest_state_machine::ReferenceStateMachine;

use super::operations::{self, Id, KEYS, Lifetime, Operation, Setup, Written};

/// A cache that never evicts.
#[derive(Clone, Debug)]
pub(crate) struct Reference {
    pub(crate) setup: Setup,
    pub(crate) now: Moment,
    /// By namespace and key, those that have ended too.
    pub(crate) known: BTreeMap<Id, Known>,
    /// What the last operation answers.
    pub(crate) answer: Answer,
}

/// An entry.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) written: Written,
    pub(crate) stored: Moment,
    pub(crate) fresh_until: Moment,
    pub(crate) usable_until: Moment,
    pub(crate) idle: Option<Duration>,
    pub(crate) read: Moment,
}

/// What an operation answers.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    None,
    /// Whether the key held something usable, and whether that was the same.
    Put {
        usable: bool,
        same: bool,
    },
    /// Something usable is in the way.
    InTheWay,
    Hit(Known),
    Stale(Known),
    Negative(Known),
    Miss,
    /// The fresh values among some keys, in the keys' order.
    Glanced(Vec<Option<Known>>),
    /// Whether the lifetime changes; `None`: nothing is there.
    Touched(Option<bool>),
    /// What is selected.
    Selected(Vec<Id>),
}

impl Known {
    /// When it ends unless it is read or renewed.
    pub(crate) fn ends(&self) -> Moment {
        self.idle.map_or(self.usable_until, |idle| self.usable_until.min(self.read.after(idle)))
    }
}

impl Reference {
    /// Entries that may be served to who takes stale ones.
    pub(crate) fn usable(&self) -> impl Iterator<Item = (&Id, &Known)> {
        self.known.iter().filter(|(_, known)| self.now < known.ends())
    }

    fn find(&self, id: Id) -> Option<&Known> {
        self.known.get(&id).filter(|known| self.now < known.ends())
    }

    fn put(&mut self, id: Id, written: &Written, lifetime: Lifetime) -> Answer {
        let present = self.find(id);
        let (usable, same) = (present.is_some(), present.is_some_and(|known| known.written.same(written)));
        let fresh_until = self.now.after(lifetime.ttl);
        let known = Known {
            written: written.clone(),
            stored: self.now,
            fresh_until,
            usable_until: fresh_until.after(lifetime.stale),
            idle: lifetime.idle,
            read: self.now,
        };
        self.known.insert(id, known);
        Answer::Put { usable, same }
    }

    fn get(&mut self, id: Id, stale: StalePolicy, (peek, max_age): (bool, Option<Duration>)) -> Answer {
        let Some(known) = self.find(id).cloned() else { return Answer::Miss };
        let fresh = self.now < known.fresh_until;
        let answer = match (fresh, known.written.is_negative()) {
            _ if max_age.is_some_and(|max| self.now.since(known.stored) > max) => Answer::Miss,
            (true, true) => Answer::Negative(known),
            (true, false) => Answer::Hit(known),
            (false, false) if stale != StalePolicy::Refuse => Answer::Stale(known),
            (false, _) => Answer::Miss,
        };
        if !peek
            && !matches!(answer, Answer::Miss)
            && let Some(known) = self.known.get_mut(&id)
        {
            known.read = self.now;
        }
        answer
    }

    fn glance(&mut self, space: usize, keys: &[usize]) -> Answer {
        let mut glance = |key: &usize| {
            let id = (space, *key);
            let fresh = self.find(id).filter(|known| self.now < known.fresh_until && !known.written.is_negative());
            fresh?;
            match self.get(id, StalePolicy::Refuse, (false, None)) {
                Answer::Hit(known) => Some(known),
                _ => None,
            }
        };
        Answer::Glanced(keys.iter().map(&mut glance).collect())
    }

    fn touch(&mut self, id: Id, mode: TouchMode, lifetime: Lifetime) -> Answer {
        let now = self.now;
        let fresh = now.after(lifetime.ttl);
        let usable = fresh.after(lifetime.stale);
        let Some(known) = self.known.get_mut(&id).filter(|known| now < known.ends()) else {
            return Answer::Touched(None);
        };
        let before = (known.fresh_until, known.usable_until, known.idle);
        let after = match mode {
            TouchMode::Set => (fresh, usable, lifetime.idle),
            TouchMode::Extend => (before.0.max(fresh), before.1.max(usable), lifetime.idle.or(before.2)),
            TouchMode::Shorten => (before.0.min(fresh), before.1.min(usable), lifetime.idle.or(before.2)),
        };
        (known.fresh_until, known.usable_until, known.idle) = after;
        if after != before {
            known.read = now;
        }
        Answer::Touched(Some(after != before))
    }

    /// What of a namespace any of these selects.
    fn selected(&self, space: usize, selectors: &[Selector]) -> Vec<Id> {
        let of_space = self.usable().filter(|((owner, _), _)| *owner == space);
        let selected = of_space.filter(|(id, known)| selects(selectors, **id, known));
        selected.map(|(id, _)| *id).collect()
    }

    fn invalidate(&mut self, space: usize, selectors: &[Selector]) -> Answer {
        let selected = self.selected(space, selectors);
        self.known.retain(|id, known| id.0 != space || !selects(selectors, *id, known));
        Answer::Selected(selected)
    }
}

fn selects(selectors: &[Selector], id: Id, known: &Known) -> bool {
    let (kind, tags): (&str, Vec<Arc<str>>) = (known.written.kind, known.written.tags());
    let facets = Facets { key: KEYS[id.1], kind, tags: &tags, depends_on: &[] };
    selectors.iter().any(|selector| selector.selects(&facets))
}

impl ReferenceStateMachine for Reference {
    type State = Self;
    type Transition = Operation;

    fn init_state() -> proptest::strategy::BoxedStrategy<Self> {
        operations::setups()
    }

    fn transitions(_: &Self) -> proptest::strategy::BoxedStrategy<Operation> {
        operations::operations()
    }

    fn apply(mut state: Self, operation: &Operation) -> Self {
        state.answer = match operation {
            Operation::Put { id, absent: true, .. } if state.find(*id).is_some() => Answer::InTheWay,
            Operation::Put { id, written, lifetime, .. } => state.put(*id, written, *lifetime),
            Operation::Get { id, stale, peek, max_age } => state.get(*id, *stale, (*peek, *max_age)),
            Operation::Glance { space, keys } => state.glance(*space, keys),
            Operation::Touch { id, mode, lifetime } => state.touch(*id, *mode, *lifetime),
            Operation::Invalidate { space, selectors } => state.invalidate(*space, selectors),
            Operation::List { space, .. } => Answer::Selected(state.selected(*space, &[Selector::Everything])),
            Operation::Clear => {
                let everything = state.usable().map(|(id, _)| *id).collect();
                state.known.clear();
                Answer::Selected(everything)
            }
            Operation::Advance(by) => {
                state.now = state.now.after(*by);
                Answer::None
            }
            Operation::Maintain => Answer::None,
        };
        state
    }
}
