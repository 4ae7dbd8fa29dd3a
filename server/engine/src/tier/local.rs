//! The port to a tier of this machine that outlives the process: handed entries in order, asked for them later.

use std::sync::Arc;

use futures::future::BoxFuture;

use super::{Kept, TierError, TierName, TierState, shared::FenceName, steps::Steps};
use crate::{
    key::Key,
    position::{LogId, Position},
    selector::{OPEN, Selector, TAG_PREFIX},
};

/// Why an entry is handed down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandedDown {
    /// It was just stored.
    Written,
    /// It makes room for others in memory.
    Evicted,
}

/// How far what a tier holds was told of what replicas share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// What was shared then, as a number; see [`crate::fleet::resume::scope`].
    pub scope: u64,
    /// Up to where each log of the fleet had taken effect; what is not named is not known.
    pub logs: Vec<(LogId, Position)>,
}

/// What a server has still to tell others, as a tier keeps it beyond its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owed {
    /// By name.
    pub names: Vec<FenceName>,
    /// And everything: more was owed than is kept by name, or a part of what was kept cannot be read.
    pub all: bool,
}

/// A tier of this machine.
///
/// Order. `put`, `forget` and `forget_sets` never wait for I/O: they are called with the key's shard locked (`forget_sets`
/// with the fences locked), take their place in one order of the tier at once, and take effect in that order, also after a
/// crash at any instant. So whatever begins to be read after `forget` has returned does not contain what was put before it,
/// however long that is still on its way to the disk; and once `settled` has resolved, no crash brings it back.
pub trait LocalTier: Send + Sync + 'static {
    /// Which one it is.
    fn name(&self) -> TierName;

    /// Takes an entry instead of what it held of the key. False when it does not take it (queue full, too large, away):
    /// that is counted by why, and what it held of the key is forgotten all the same.
    fn put(&self, key: &Key, kept: Kept, why: HandedDown) -> bool;

    /// Forgets what it holds of a key; whether it held something.
    fn forget(&self, key: &Key) -> bool;

    /// Forgets what any of these selects in a namespace: a fence, in constant time, whatever it selects.
    /// [`Selector::DependentsOf`] selects by all that an entry was made from, inherited dependencies included.
    fn forget_sets(&self, namespace: &Arc<str>, selectors: &[Selector]);

    /// Forgets all it holds, of every namespace, in constant time: what may have changed meanwhile is not known any more.
    fn forget_all(&self);

    /// Forgets what was made, directly or not, from a key that any of these selects by its text, or from a tag that one of
    /// these names: a fence as well. Of other selectors nothing is known here. Without one of its own a tier forgets more.
    fn forget_dependents(&self, namespace: &Arc<str>, selectors: &[Selector]) {
        let dependents = |selector: &Selector| match selector {
            Selector::Key(text) => Some(Selector::DependentsOf(text.clone())),
            Selector::Tag(tag) => Some(Selector::DependentsOf(format!("{TAG_PREFIX}{tag}").into())),
            Selector::Prefix(_) | Selector::Glob(_) | Selector::Everything => Some(Selector::Everything),
            Selector::AllTags(_) | Selector::Kind(_) | Selector::DependentsOf(_) | Selector::MadeFrom(_) => None,
        };
        let mut sets: Vec<Selector> = selectors.iter().filter_map(dependents).collect();
        if !sets.is_empty() {
            sets.push(Selector::DependentsOf(OPEN.into()));
            self.forget_sets(namespace, &sets);
        }
    }

    /// Resolves once everything that was forgotten before this call would stay forgotten over a crash; fails when that
    /// cannot be written.
    fn settled(&self) -> BoxFuture<'_, Result<(), TierError>>;

    /// Finds an entry. What is damaged is dropped, counted and reported as [`super::TierErrorKind::Corrupt`].
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Kept>, TierError>>;

    /// Whether a Get reads so much that it does so in steps. Without I/O.
    fn is_large(&self, _key: &Key) -> bool {
        false
    }

    /// As [`Self::get`], for who has to know whether it comes on: each step is told, and that it waits behind others.
    fn get_in_steps<'a>(&'a self, key: &'a Key, _steps: &'a Steps) -> BoxFuture<'a, Result<Option<Kept>, TierError>> {
        self.get(key)
    }

    /// Whether it holds something of the key that a Get would find; without I/O.
    fn holds(&self, key: &Key) -> bool;

    /// Whether a Get has to ask: no only when it would certainly find nothing. Without I/O, and not what [`Self::holds`] says
    /// where a fence may or may not select what lies there, which only reading it tells.
    fn may_hold(&self, key: &Key) -> bool {
        self.holds(key)
    }

    /// Resolves once it answers, having asked what a Get asks: who stopped asking learns by it that it is back.
    fn answers(&self) -> BoxFuture<'_, Result<(), TierError>> {
        self.settled()
    }

    /// What was saved before this process opened it; a tier that cannot save has nothing.
    fn positions(&self) -> Option<Saved> {
        None
    }

    /// Saves that in the place of what was saved before, as soon as everything that was handed over before this call would
    /// stay so over a crash, and never earlier; `None`: what was saved is void, before anything is written that is handed
    /// over later. Never waits.
    fn save_positions(&self, _saved: Option<Saved>) {}

    /// Takes what was owed when it was opened; once. A tier that keeps nothing has none.
    fn take_owed(&self) -> Owed {
        Owed::default()
    }

    /// This is owed as well, from now on and in the next process. Never waits.
    fn owe(&self, _names: &[FenceName]) {}

    /// This is all that is owed, besides what was not taken yet. Never waits.
    fn owe_only(&self, _names: &[FenceName]) {}

    /// Resolves once all that was owed before this call would still be after a crash; fails when that cannot be written.
    fn owed_kept(&self) -> BoxFuture<'_, Result<(), TierError>> {
        Box::pin(async { Ok(()) })
    }

    /// Everything handed to it is written, and it is closed: nothing is taken any more.
    fn close(&self) -> BoxFuture<'_, ()>;

    /// Its state.
    fn state(&self) -> TierState;
}
