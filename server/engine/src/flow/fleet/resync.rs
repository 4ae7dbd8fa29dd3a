//! Taking up logs anew that are not what they were: after a failover, a restart, a flush, or when too much was missed.

use super::apply::{self, ELSEWHERE, because};
use crate::{
    fleet::{Fleet, journal::everything},
    memory::Store,
    position::{LogId, Position},
    tier::shared::{FenceName, LogNow, Since},
};

/// What is told again in one call at most.
const NAMES_PER_CALL: usize = 512;

/// Takes all lost logs up where they are: what this replica had acknowledged is told again first, then everything here that
/// is shared is dropped, then they are known. When the shared tier fails meanwhile they stay lost. Where more is lost than
/// is remembered to be told again, everything is.
pub(super) async fn lost(store: &Store, fleet: &Fleet) {
    let lost = fleet.lost();
    if lost.is_empty() {
        return;
    }
    let Some(mut told) = tell_again(fleet, &lost).await else { return };
    let sent: Vec<_> = lost.iter().map(|log| (*log, fleet.sent(*log))).collect();
    let asked: Vec<_> = lost.iter().map(|log| (*log, fleet.resume.place(*log))).collect();
    let Ok(mut answers) = fleet.tier.poll(&asked).await else { return };
    if answers.iter().any(|now| fleet.is_beyond(now)) {
        let Some(also) = tell(fleet, &all(store)).await else { return };
        told.extend(also);
    }
    // At the start: where the disk was told of everything up to a place of the same history, it is told of what came after.
    let goes_on = !answers.is_empty() && answers.iter().all(|now| fleet.resume.goes_on(now));
    if let Some(at) = answers.iter().position(|now| now.log == LogId::SELECTOR) {
        match fences(fleet, &answers[at]).await {
            Some(now) => answers[at] = now,
            None => drop(answers.remove(at)),
        }
    }
    // After they were asked where they are: what was computed before, and what they tell of no more, goes.
    if goes_on {
        answers.iter().for_each(|now| apply::dropped(store, &since_then(fleet, now), (None, &because(ELSEWHERE))));
    } else {
        apply::everything(store, fleet);
    }
    // Where another process answers than the one that was told again, that has to be told first.
    let heard = |now: &&LogNow| {
        told.iter().filter(|told| told.log == now.log).all(|told| {
            told.run == now.run
                && told.position.epoch == now.position.epoch
                && told.position.number <= now.position.number
        })
    };
    for now in answers.iter().filter(heard) {
        if let Some((log, sent)) = sent.iter().find(|(log, _)| *log == now.log) {
            fleet.take(*log, *sent, (now.run, now.position));
        }
    }
}

/// What a log tells of that happened after the place that was saved.
fn since_then(fleet: &Fleet, now: &LogNow) -> Vec<FenceName> {
    let (Some(place), Since::Fences(told)) = (fleet.resume.place(now.log), &now.since) else { return Vec::new() };
    let after = told.iter().filter(|(_, number)| *number > place.number);
    after.map(|(name, _)| name.clone()).collect()
}

/// Has the disk keep where the logs are, so that the next process can go on from there.
pub(in crate::flow) fn save(store: &Store, fleet: &Fleet, at_once: bool) {
    let Some(local) = &store.tiers.local else { return };
    if let Some(saved) = fleet.resume.next(|log| fleet.position(log), at_once) {
        // What lies there of namespaces that are not opened yet may be void, and nobody but this process knows.
        local.save_positions((!fleet.trust.doubts_what_was_there()).then_some(saved));
    }
}

/// Loads the fleet's selector fences, and says up to where they are.
async fn fences(fleet: &Fleet, first: &LogNow) -> Option<LogNow> {
    let base = Position { number: first.floor, ..first.position };
    let answers = fleet.tier.poll(&[(LogId::SELECTOR, Some(base))]).await.ok()?;
    let now = answers.into_iter().next().filter(|now| {
        now.run == first.run && now.position.epoch == base.epoch && now.position.number >= first.position.number
    })?;
    let Since::Fences(told) = &now.since else { return None };
    let mut fences = fleet.fences.write();
    fences.begin(base.epoch, base.number, now.began);
    for (name, number) in told {
        fences.raise(std::slice::from_ref(name), Position { number: *number, ..base });
    }
    drop(fences);
    Some(now)
}

/// Where these logs are, as far as something was told again in them. The others have lost nothing.
async fn tell_again(fleet: &Fleet, lost: &[LogId]) -> Option<Vec<LogNow>> {
    let mut names = fleet.journal.lock().read(fleet.heard_last());
    names.retain(|name| lost.contains(&apply::log_of(name)));
    tell(fleet, &names).await
}

async fn tell(fleet: &Fleet, names: &[FenceName]) -> Option<Vec<LogNow>> {
    let mut told = Vec::new();
    for names in names.chunks(NAMES_PER_CALL) {
        told.extend(fleet.tier.raise(names, None).await.ok()?);
    }
    Some(told)
}

/// All that is shared: what of it was invalidated, and lost, is not known one by one any more.
pub(super) fn all(store: &Store) -> Vec<FenceName> {
    let shared = store.spaces.all().into_iter().filter(|space| space.config.tiers.shared);
    shared.map(|space| everything(&space.name)).collect()
}
