//! Following the fleet: what is told is applied at once, what is missing is asked for, everything is asked for every second,
//! what was lost is taken up anew, and what is owed is told. One task does all of it, in this order, until the cache closes.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures::StreamExt;

use super::{
    apply::{self, ELSEWHERE, because},
    resync,
    settle::{settle_debt, take_up},
};
use crate::{
    changes::Author,
    clock::Moment,
    fleet::{
        Fleet,
        tracker::{Heard, Sent},
    },
    key::Key,
    memory::Store,
    position::{LogId, Position},
    selector::Selector,
    tier::shared::{FenceName, Hint, LogNow, Since, WrittenHint},
};

/// What is told at most before it is looked whether something is due.
const HINTS_PER_TURN: usize = 256;
/// Leases given back at once at most.
const RELEASES_PER_TURN: usize = 32;
/// How long who tells is left alone when it ended.
const ANEW: Duration = Duration::from_millis(100);

/// How long a log is left alone that was just taken up anew.
const TAKEN: Duration = Duration::from_millis(50);

/// When what is due at the earliest.
struct Due {
    poll: Moment,
    resync: Moment,
}

/// Follows the fleet until it is dropped.
pub async fn follow(store: Arc<Store>, fleet: Arc<Fleet>) {
    let now = store.clock.now();
    let mut next = Due { poll: now, resync: now };
    loop {
        let mut hints = fleet.tier.hints().ready_chunks(HINTS_PER_TURN);
        loop {
            let wait = next.after(&fleet, store.clock.now());
            let told = tokio::select! {
                biased;
                told = hints.next() => told,
                () = fleet.woken() => Some(Vec::new()),
                () = tokio::time::sleep(wait) => Some(Vec::new()),
            };
            let Some(told) = told else { break };
            if told.contains(&Hint::Lost) {
                // What was told meanwhile is not known.
                next.poll = store.clock.now();
            }
            told.into_iter().for_each(|hint| hear(&store, &fleet, hint));
            catch_up(&store, &fleet, &mut next).await;
        }
        tokio::time::sleep(ANEW).await;
    }
}

impl Due {
    /// How long there is nothing to do.
    fn after(&self, fleet: &Fleet, now: Moment) -> Duration {
        let gap = fleet.missing().into_iter().map(|(_, age)| fleet.rules.gap.saturating_sub(age)).min();
        let resync = (fleet.trusts(now) && fleet.is_lost()).then(|| self.resync.since(now));
        let first = [gap, resync].into_iter().flatten().fold(self.poll.since(now), Duration::min);
        first.max(Duration::from_millis(1))
    }
}

/// Does what is due.
async fn catch_up(store: &Store, fleet: &Fleet, next: &mut Due) {
    let now = store.clock.now();
    let polls = next.poll <= now;
    let missing = |fleet: &Fleet| -> Vec<LogId> {
        let old = fleet.missing().into_iter().filter(|(_, age)| *age >= fleet.rules.gap);
        old.map(|(log, _)| log).collect()
    };
    if polls {
        next.poll = now.after(fleet.rules.poll_every);
        // Where it could not be read before.
        take_up(store, fleet);
    }
    // What is missing may be what is owed here, told after all: whoever settles it knows that, and who is told does not.
    if polls || !missing(fleet).is_empty() {
        settle_debt(store, fleet).await;
    }
    give_back(store, fleet, polls).await;
    // Between polls only while it answers.
    if polls || (next.resync <= now && fleet.trusts(now) && fleet.is_lost()) {
        next.resync = now.after(TAKEN);
        resync::lost(store, fleet).await;
    }
    let wanted = fleet.wanted();
    let logs: Vec<LogId> = if polls {
        Fleet::each_log().collect()
    } else {
        wanted.into_iter().chain(missing(fleet)).collect::<BTreeSet<LogId>>().into_iter().collect()
    };
    if !logs.is_empty() {
        poll(store, fleet, &logs).await;
    }
    if polls {
        resync::save(store, fleet, false);
        fleet.debt.keep_only_this();
    }
}

/// Has the disk keep where the logs are now, for the next process. Call it when no calls come.
pub fn save(store: &Store, fleet: &Fleet) {
    resync::save(store, fleet, true);
    fleet.debt.keep_only_this();
}

/// Applies what another replica told.
fn hear(store: &Store, fleet: &Fleet, hint: Hint) {
    match hint {
        Hint::Lost => {}
        Hint::Settled { key, written, replica } => {
            if let Some(written) = written.filter(|_| replica != fleet.tier.replica()) {
                apply::written(store, &key, &written, false);
            }
            fleet.waiting.tell(&key);
        }
        Hint::Raised { log, position, names, written, replica, marks } => {
            let heard = fleet.hear(log, position);
            // Who made it here applies it, and notes it then. When it does not, it is asked for.
            if replica == fleet.tier.replica() || heard == Heard::Known {
                return;
            }
            let told = Told { names: &names, written: written.as_ref(), marks, author: &because(ELSEWHERE) };
            raised(store, fleet, (log, position), told);
        }
    }
}

/// What one change did.
pub(super) struct Told<'a> {
    pub(super) names: &'a [FenceName],
    pub(super) written: Option<&'a WrittenHint>,
    pub(super) marks: Option<Duration>,
    pub(super) author: &'a Author,
}

/// Applies one change, then notes that it is applied: never the other way round.
pub(super) fn raised(
    store: &Store,
    fleet: &Fleet,
    (log, position): (LogId, Position),
    Told { names, written, marks, author }: Told<'_>,
) {
    if log == LogId::SELECTOR {
        fleet.fences.write().raise(names, position);
    }
    match (written, names) {
        (Some(written), [FenceName { namespace, selector: Selector::Key(text) }]) => {
            apply::written(store, &Key::trusted(namespace.clone(), text.clone()), written, true);
        }
        _ => apply::dropped(store, names, (marks, author)),
    }
    fleet.note(log, position);
    tell(fleet, names);
}

/// Wakes who waits for these.
pub(super) fn tell(fleet: &Fleet, names: &[FenceName]) {
    for FenceName { namespace, selector } in names {
        if let Selector::Key(text) = selector {
            fleet.waiting.tell(&Key::trusted(namespace.clone(), text.clone()));
        }
    }
}

/// Asks for what happened in some logs, and applies it. When that was everything, this replica trusts what it holds.
async fn poll(store: &Store, fleet: &Fleet, logs: &[LogId]) {
    let started = store.clock.now();
    let round = fleet.begin_round();
    let asked: Vec<(LogId, Sent)> =
        logs.iter().map(|log| (*log, fleet.sent(*log))).filter(|(_, sent)| sent.at.is_some()).collect();
    let at: Vec<_> = asked.iter().map(|(log, sent)| (*log, sent.at)).collect();
    let Ok(answers) = fleet.tier.poll(&at).await else { return };
    let mut heard = 0;
    for now in answers {
        if let Some((_, sent)) = asked.iter().find(|(log, _)| *log == now.log) {
            let log = now.log;
            if caught_up(store, fleet, *sent, now) {
                fleet.tell(log, round);
                heard += 1;
            }
        }
    }
    if heard == Fleet::each_log().count() {
        fleet.trusted(started);
    }
}

/// Applies what an answer told of one log; whether that is all there is.
fn caught_up(store: &Store, fleet: &Fleet, sent: Sent, now: LogNow) -> bool {
    if !fleet.accept(sent, &now) {
        return false;
    }
    let LogNow { log, position, since, .. } = now;
    let Since::Fences(fences) = since else {
        if since == Since::Lost {
            fleet.lose(log);
        }
        return false;
    };
    let new = |number: &u64| fleet.hear(log, Position { number: *number, ..position }) == Heard::New;
    let names: Vec<(FenceName, u64)> = fences.into_iter().filter(|(_, number)| new(number)).collect();
    if log == LogId::SELECTOR {
        let mut fences = fleet.fences.write();
        for (name, number) in &names {
            fences.raise(std::slice::from_ref(name), Position { number: *number, ..position });
        }
    }
    let names: Vec<FenceName> = names.into_iter().map(|(name, _)| name).collect();
    apply::dropped(store, &names, (None, &because(ELSEWHERE)));
    fleet.advance(log, sent, position);
    tell(fleet, &names);
    true
}

/// Gives leases back that may be held for nobody: new ones at once, all of them until it is sure that they are not held.
async fn give_back(store: &Store, fleet: &Fleet, again: bool) {
    let some = fleet.releases.lock().some(RELEASES_PER_TURN, again);
    let calls =
        some.iter().map(|due| async move { fleet.tier.release(&due.key, due.token).await.is_ok().then_some(due) });
    let told = futures::future::join_all(calls).await;
    let now = store.clock.now();
    told.into_iter().flatten().for_each(|due| fleet.releases.lock().told(due, now));
}
