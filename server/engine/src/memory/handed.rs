//! What the tier of this machine is told, always with the key's shard locked, so that it hears of the changes of a key in
//! their order; of what sets select, under the lock of the fences.

use std::{sync::Arc, time::Duration};

use super::{Guard, Store, content::Content, kept::kept, record::Terms, space::Space, table::Slot};
use crate::{
    entry::Freshness,
    fence::{Stamp, Standing},
    key::Key,
    namespace::NamespaceConfig,
    selector::Selector,
    tier::{
        Takes,
        local::{HandedDown, LocalTier},
    },
};

/// What makes room is handed down if computing it cost so much,
const COST_MIN: Duration = Duration::from_millis(50);
/// or if it was read so often.
const READS_MIN: u64 = 2;

impl Store {
    /// The tier of this machine, where a namespace uses it.
    #[must_use]
    pub fn local_of(&self, space: &Space) -> Option<&Arc<dyn LocalTier>> {
        self.tiers.local.as_ref().filter(|_| space.config.tiers.disk)
    }

    /// A namespace is about to be opened that no setting names. The tier of this machine may still have some of it that missed
    /// changes: those that others made, when all of that was dropped here before; and those from now on, when the
    /// namespace does not lie there any more. Call it with the spaces locked.
    pub(super) fn forget_missed(&self, name: &Arc<str>) {
        let doubted = self.fleet.as_ref().is_some_and(|fleet| fleet.trust.doubts_what_was_there());
        let misses = |config: &NamespaceConfig| !config.tiers.disk || (doubted && config.tiers.shared);
        if self.config.namespace_default.as_ref().is_some_and(misses) {
            self.forget_all_of(name);
        }
    }

    /// The same for the namespaces that settings name and do not put on the disk.
    pub(super) fn forget_moved(&self) {
        for space in self.spaces.all().into_iter().filter(|space| !space.config.tiers.disk) {
            self.forget_all_of(&space.name);
        }
    }

    fn forget_all_of(&self, name: &Arc<str>) {
        if let Some(local) = &self.tiers.local {
            local.forget_sets(name, &[Selector::Everything]);
        }
    }

    /// Hands an entry down that was just stored in memory, or got a new lifetime there.
    pub fn hand_down(&self, shard: &mut Guard<'_>, (space, key): (&Space, &Key), (content, terms): (&Content, Terms)) {
        let Some(local) = self.local_of(space) else { return };
        match self.tiers.takes {
            Takes::Written => {
                self.hand_down_alone(shard, (space, key), (content, terms));
            }
            Takes::Evicted => {
                shard.beside.hand_down(key, self.tick());
                local.forget(key);
            }
        }
    }

    /// Hands an entry down whether memory has it or not. False when it is not taken; what was there is forgotten then.
    pub fn hand_down_alone(
        &self,
        shard: &mut Guard<'_>,
        (space, key): (&Space, &Key),
        (content, terms): (&Content, Terms),
    ) -> bool {
        let Some(local) = self.local_of(space) else { return false };
        shard.beside.hand_down(key, self.tick());
        self.put_down(&**local, (space, key), (content, terms), HandedDown::Written)
    }

    /// Hands an entry down that makes room, unless it lies there already or is not worth it.
    pub(super) fn hand_down_evicted(&self, shard: &Guard<'_>, (space, slot): (&Space, Slot)) {
        let Some(local) = self.local_of(space) else { return };
        let Some(table) = shard.table(&space.shelf) else { return };
        let Some(record) = table.get(slot) else { return };
        let worth_it = table.hits(slot) >= READS_MIN || record.cost().is_some_and(|cost| cost >= COST_MIN);
        let key = Key::trusted(space.name.clone(), Arc::from(record.text()));
        if !worth_it || record.freshness(self.clock.now()) == Freshness::Gone || local.holds(&key) {
            return;
        }
        let content = record.content(record.description(&shard.beside.shared));
        let terms = Terms { lifetime: record.lifetime(), stored: record.stored(), selector: record.selector() };
        self.put_down(&**local, (space, &key), (&content, terms), HandedDown::Evicted);
    }

    /// Puts an entry into the tier unless a fence selects it. The fences are locked meanwhile: whoever raises one tells the
    /// tier under the same lock, so it hears of the fence after this, or this sees the fence.
    fn put_down(
        &self,
        local: &dyn LocalTier,
        (space, key): (&Space, &Key),
        (content, terms): (&Content, Terms),
        why: HandedDown,
    ) -> bool {
        let fences = self.fences.read();
        let stamp = Stamp { epoch: self.epoch, key: 0, selector: terms.selector };
        let standing = fences.standing(&space.name, &content.facets(key.text()), stamp);
        // What is marked stale is kept where it is, and nowhere else.
        if standing != Standing::Untouched || terms.lifetime.marked {
            local.forget(key);
            return false;
        }
        local.put(key, kept(&self.clock, content, (terms.lifetime, terms.stored)), why)
    }

    /// Has the tier forget a named key; whether a Get would have found it there.
    pub fn forget(&self, shard: &mut Guard<'_>, (space, key): (&Space, &Key)) -> bool {
        let Some(local) = self.local_of(space) else { return false };
        shard.beside.hand_down(key, self.tick());
        let held = local.holds(key);
        local.forget(key);
        held
    }

    /// Has the tier forget what these sets select. Call it with the fences locked for their raising.
    pub fn forget_sets(&self, space: &Space, sets: &[Selector]) {
        if let Some(local) = self.local_of(space) {
            local.forget_sets(&space.name, sets);
        }
    }

    /// Has the tier forget what was made from what these select. Call it when what is in memory of it is dropped: what made
    /// room meanwhile was handed down before.
    pub fn forget_dependents(&self, space: &Space, selectors: &[Selector]) {
        if let Some(local) = self.local_of(space) {
            local.forget_dependents(&space.name, selectors);
        }
    }
}
