//! Whether something fits in memory, and whether it is worth what would have to go for it.

use std::{sync::Arc, time::Duration};

use super::admit::Admission;
use crate::{
    key::Key,
    memory::{Store, budget::Room, reserved::Reservation, space::Space},
    policy::Objective,
};

/// Why an entry is not worth its room, if so.
pub(super) fn not_worth_it(store: &Store, admission: &Admission<'_>, (charge, room): (u64, Room)) -> Option<String> {
    let Admission { space, key, content, .. } = admission;
    weigh(store, (space, key), (content.cost, &content.description.kind), (charge, room))
}

/// The same for what is not there yet: what it cost, if that is known, and its kind.
pub(super) fn weigh(
    store: &Store,
    (space, key): (&Arc<Space>, &Key),
    (cost, kind): (Option<Duration>, &str),
    (charge, room): (u64, Room),
) -> Option<String> {
    let worth = store.worth(space, charge, (cost, kind));
    if store.pool.worthwhile(&space.shelf, (store.shard_number(key), store.hash(key)), worth, room) {
        return None;
    }
    let own = space.shelf.budget.missing(room).bytes > 0;
    let more = if own { "the namespace's bytes_max" } else { "memory.bytes_max or the namespace's weight" };
    let unsaid = cost.is_none() && store.config.objective == Objective::ComputeSaved;
    let say = if unsaid { ", say what computing it cost (compute_cost)" } else { "" };
    Some(format!(
        "the entry is charged {charge} bytes, more than a hundredth of the memory it may use, and saves less for each of \
         them than what would have to go: raise {more}{say}, or give the namespace the policy \"lru\" or \"s3_fifo\", \
         which refuse nothing that fits"
    ))
}

/// Why it can never fit, if so: what is pinned makes no room, except `own`, which it replaces, nor does what is reserved for
/// others.
pub(super) fn cannot_fit(
    store: &Store,
    (space, reserved): (&Space, Option<&Reservation>),
    (charge, own): (u64, u64),
) -> Option<String> {
    let pinned = &space.shelf.pinned;
    let uploads = store.uploads.held().saturating_sub(reserved.map_or(0, Reservation::bytes));
    let limits = [
        ("this server", "memory.bytes_max", store.pool.budget().max(), pinned.all().bytes, uploads),
        ("this namespace", "its bytes_max", space.shelf.budget.max(), pinned.own().bytes, 0),
    ];
    limits.into_iter().find_map(|(whose, setting, Room { entries, bytes }, pinned, uploads)| {
        if entries == 0 {
            return Some(format!("{whose} may hold no entries: raise its entries_max"));
        }
        let pinned = pinned.saturating_sub(own);
        let too_large = charge > bytes.saturating_sub(pinned).saturating_sub(uploads);
        let mut which = if pinned > 0 { format!(", {pinned} of them pinned") } else { String::new() };
        if uploads > 0 {
            which += &format!(", {uploads} of them reserved for values on their way");
        }
        too_large.then(|| {
            format!("the entry is charged {charge} bytes and {whose} may hold {bytes}{which}: raise {setting}")
        })
    })
}
