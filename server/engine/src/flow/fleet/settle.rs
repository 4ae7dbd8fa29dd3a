//! Telling what is owed: what could not be told when it happened. A value that was stored here is written again, if nothing
//! happened to its key since; everything else is invalidated. When that is done is decided elsewhere.

use std::{collections::BTreeMap, time::Duration};

use futures::{StreamExt, stream};

use super::{
    apply::{self, OWED, because},
    follow::{self, Told},
    kept,
    raise::LOGS_AT_ONCE,
    resync,
    write::name,
};
use crate::{
    fleet::{
        Fleet,
        debt::{Due, Put},
    },
    flow::fill::Store as _,
    key::Key,
    memory::{Store, space::Space},
    position::{LogId, Position},
    selector::Selector,
    tier::{
        Kept, TierErrorKind,
        local::Owed,
        shared::{FenceName, FleetStamp, SharedAgain},
    },
};

/// What is owed and told at once at most: all of it, or what a part of the tier that is away is owed would keep the rest.
const DEBT_PER_CALL: usize = 65_536;
/// Values of them that are written again in one turn: between turns others are heard.
const WRITES_PER_TURN: usize = 2048;
/// How long who has to be told is left alone when not all was heard.
const ANEW: Duration = Duration::from_millis(100);

/// Tells all that is owed, however long that takes: dropped, it leaves the rest.
pub async fn settle(store: &Store, fleet: &Fleet) {
    loop {
        settle_debt(store, fleet).await;
        if fleet.debt.is_empty() {
            return;
        }
        // What was told to a history that is not known stays owed.
        resync::lost(store, fleet).await;
        tokio::time::sleep(ANEW).await;
    }
}

/// What a process before this one owed is owed again: nothing that it concerns is read or filled where replicas share it
/// before that was told. What lies here may be older than what was owed for it, and is not served.
pub fn take_up(store: &Store, fleet: &Fleet) {
    let Owed { names, all } = fleet.debt.take_kept();
    if all {
        tracing::warn!(
            "a part of what others were to be told before is not known: they are told that all of it changed"
        );
        apply::everything(store, fleet);
        resync::all(store).iter().for_each(|name| fleet.debt.doubt(&name.namespace));
    }
    if !names.is_empty() {
        tracing::info!(names = names.len(), "others are told what they were not told before this process began");
        apply::dropped(store, &names, (None, &because(OWED)));
    }
    if all || !names.is_empty() {
        fleet.wake();
    }
}

/// Tells what is owed, as long as it is heard.
pub(super) async fn settle_debt(store: &Store, fleet: &Fleet) {
    while !fleet.debt.is_empty() {
        let (puts, dropped): (Vec<Due>, Vec<Due>) =
            fleet.debt.some(DEBT_PER_CALL).into_iter().partition(|due| due.put.is_some());
        // Invalidations first: a value may have been stored after one that selects it.
        let told = invalidated(store, fleet, &dropped).await & written(store, fleet, &puts).await;
        if !told {
            // Away, or told to a history that is not known, or not any more: it stays owed until one is.
            return;
        }
    }
}

/// Tells invalidations, and applies them once more: each is a later change than the one that was made here, and stands in
/// the log in the place of every earlier one of the same name, which may not have been heard of. Whether all were heard.
async fn invalidated(store: &Store, fleet: &Fleet, due: &[Due]) -> bool {
    if due.is_empty() {
        return true;
    }
    let names: Vec<FenceName> = due.iter().map(|due| due.name.clone()).collect();
    // As new as it is told: it may be owed for longer than what is told again is remembered.
    fleet.journal.lock().write(&names, store.clock.now());
    let calls = apply::by_log(&names).into_iter().map(|(log, names)| async move {
        let sent = fleet.sent(log);
        let answer = fleet.tier.raise(&names, None).await;
        (sent, names, answer.ok().into_iter().flatten().next())
    });
    let answers: Vec<_> = stream::iter(calls).buffer_unordered(LOGS_AT_ONCE).collect().await;
    let mut told = Vec::new();
    for (sent, names, now) in answers {
        // Where a part of the tier does not answer, that part stays owed.
        let Some(now) = now else { continue };
        let good = fleet.accept(sent, &now);
        let told_now = Told { names: &names, written: None, marks: None, author: &because(OWED) };
        follow::raised(store, fleet, (now.log, now.position), told_now);
        told.extend(due.iter().filter(|due| good && apply::log_of(&due.name) == now.log).cloned());
    }
    fleet.debt.told(&told);
    told.len() == due.len()
}

/// What became of a value that was to be written again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Again {
    /// It lies there.
    Told,
    /// It is not what is held here any more, or something else happened to its key.
    Gone,
    /// Not known.
    Unheard,
}

/// Writes values again; whether it is known of all of them what became of them. A log that does not answer costs one call.
async fn written(store: &Store, fleet: &Fleet, puts: &[Due]) -> bool {
    let mut logs: BTreeMap<LogId, Vec<Due>> = BTreeMap::new();
    for due in puts.iter().take(WRITES_PER_TURN) {
        logs.entry(apply::log_of(&due.name)).or_default().push(due.clone());
    }
    let calls = logs.into_values().map(|puts| written_in_one(store, fleet, puts));
    let heard: Vec<bool> = stream::iter(calls).buffer_unordered(LOGS_AT_ONCE).collect().await;
    puts.len() <= WRITES_PER_TURN && !heard.contains(&false)
}

async fn written_in_one(store: &Store, fleet: &Fleet, puts: Vec<Due>) -> bool {
    for due in puts {
        match again(store, fleet, &due).await {
            Again::Told => fleet.debt.told(std::slice::from_ref(&due)),
            Again::Gone => fleet.debt.give_up(std::slice::from_ref(&due)),
            Again::Unheard => return false,
        }
    }
    true
}

/// Writes a value again, as it is held here now. It cannot come after a newer one, whoever wrote that: then its key's fence
/// was raised since. So nothing that is here has to go for it.
async fn again(store: &Store, fleet: &Fleet, due: &Due) -> Again {
    let (Due { name: FenceName { namespace, selector: Selector::Key(text) }, .. }, Some(put)) = (due, due.put) else {
        return Again::Gone;
    };
    let key = Key::trusted(namespace.clone(), text.clone());
    // Before it is looked for: what selects it up to there has dropped it.
    let Some(selector) = fleet.position(LogId::SELECTOR) else { return Again::Unheard };
    let Some(kept) = held(store, &key, put).await else { return Again::Gone };
    fleet.journal.lock().write(&[name(&key)], store.clock.now());
    let sent = fleet.sent(key.log());
    match fleet.tier.write_again(&key, &kept, FleetStamp { selector, ..put.since }).await {
        Ok(SharedAgain::There { change, now }) => {
            if !fleet.accept(sent, &now) {
                return Again::Unheard;
            }
            noted(fleet, &key, change);
            Again::Told
        }
        Ok(SharedAgain::TooLate(now)) => {
            let _known = fleet.accept(sent, &now);
            Again::Gone
        }
        Err(error) if matches!(error.kind, TierErrorKind::Full | TierErrorKind::Refused) => Again::Gone,
        Err(_) => Again::Unheard,
    }
}

/// That change is this server's own, and here is what it made.
fn noted(fleet: &Fleet, key: &Key, change: Position) {
    fleet.note(key.log(), change);
    fleet.waiting.tell(key);
}

/// What is held here of a key, in memory or on the disk, if it is what was put.
async fn held(store: &Store, key: &Key, put: Put) -> Option<Kept> {
    let space = store.spaces.find(key.namespace()).ok().flatten()?;
    let kept = match store.view(key) {
        Some(view) => Some(kept(store, (&space, key), &view)),
        None => on_disk(store, &space, key).await,
    };
    kept.filter(|kept| kept.digest == put.digest)
}

async fn on_disk(store: &Store, space: &Space, key: &Key) -> Option<Kept> {
    // What it cannot tell is as good as gone.
    store.local_of(space)?.get(key).await.ok().flatten()
}
