//! What memory has no room for and the disk of this machine takes: stored all the same, and served from there alone.

use super::{
    admit::{Admission, Admitted, unstored},
    book::book,
    lease::hand_over,
};
use crate::{
    memory::{Guard, Store, beside::Filled, budget::Room, record::Terms, table::Slot},
    position::{AsOf, Positions},
};

/// Stores on the disk alone what would be turned away; `None`: there is none, or it does not take it.
pub(super) fn keep(
    store: &Store,
    shard: &mut Guard<'_>,
    admission: &Admission<'_>,
    current: Option<Slot>,
) -> Option<Admitted> {
    let Admission { space, key, content, lifetime, .. } = admission;
    let as_of = store.as_of(key);
    let terms = Terms { lifetime: *lifetime, stored: store.clock.now(), selector: as_of.selector.number };
    if !store.hand_down_alone(shard, (space, key), (content, terms)) {
        return None;
    }
    let old = current.and_then(|slot| store.take(shard, space, (slot, false)));
    if let Some(old) = &old {
        let bytes = old.record.charged(space.shelf.order_bytes());
        store.pool.release(&space.shelf, Room { entries: 1, bytes });
    }
    let same = old.as_ref().is_some_and(|old| old.record.content(&old.description).equals(content));
    book(store, shard, admission, (old.as_ref(), same));
    if let Some(old) = old {
        shard.drop_later(old.record);
    }
    shard.beside.found(key);
    let log = store.history.position(key.log());
    let view = unstored(store, (space, key), (content, terms));
    let filled = Filled { view: view.clone(), stale: None, as_of: AsOf { key: log, ..as_of } };
    let released = hand_over(shard, space, key, &filled);
    let position = Positions::new(vec![(key.log(), log)]);
    Some(if same { Admitted::Refreshed(view, position, released) } else { Admitted::Stored(view, position, released) })
}
