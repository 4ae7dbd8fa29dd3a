//! A whole run: connect, fill, warm up, measure, clean up.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use crate::{
    answer::Answer,
    clock,
    content::{Content, SPAN},
    cpu,
    crew::Phase,
    dice::Picks,
    failure::{Failure, FailureKind},
    herd::{self, Herd},
    link::Common,
    plan::{Mode, Plan},
    report::{Report, Used},
    side::{self, Peer, Side, Target},
    tally::Tally,
    work::{Act, Load},
};

/// Bytes of a message that fills; servers refuse much larger ones.
const FILL_BYTES: u64 = 1 << 20;

/// Keys of a message that takes them away.
const CLEAN_BATCH: usize = 64;

/// How far a run is, and the way to end it early. Shared with whoever shows it.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    step: Arc<AtomicU8>,
    done: Arc<AtomicU64>,
    stop: CancellationToken,
}

/// What a run does at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Step {
    /// Opens connections.
    Connecting,
    /// Writes the keys.
    Filling,
    /// Does what will be measured.
    WarmingUp,
    /// Measures.
    Measuring,
    /// Takes away what it left.
    CleaningUp,
}

impl Progress {
    /// What it does, and how many operations of that are done.
    #[must_use]
    pub fn now(&self) -> (Step, u64) {
        let step = match self.step.load(Ordering::Relaxed) {
            0 => Step::Connecting,
            1 => Step::Filling,
            2 => Step::WarmingUp,
            3 => Step::Measuring,
            _ => Step::CleaningUp,
        };
        (step, self.done.load(Ordering::Relaxed))
    }

    /// Ends it early: what was measured so far is its result.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Whether it was ended early.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stop.is_cancelled()
    }

    fn begin(&self, step: Step) {
        self.done.store(0, Ordering::Relaxed);
        self.step.store(step as u8, Ordering::Relaxed);
    }
}

/// Runs a plan against a server, and in turns against a peer when there is one.
///
/// # Errors
/// What kept it from measuring anything.
pub async fn run(
    plan: Plan,
    target: Target,
    against: Option<(Target, usize)>,
    progress: &Progress,
) -> Result<Answer, Failure> {
    plan.check().map_err(Failure::usage)?;
    let span = SPAN.min(usize::try_from(largest(&plan)).unwrap_or(SPAN));
    let content = Arc::new(Content::new(plan.seed, span));
    let picks = Picks::new(plan.keys, plan.zipf).map_err(Failure::usage)?;
    let common = Common { plan: Arc::new(plan), content, picks };
    let rounds = against.as_ref().map_or(1, |(_, rounds)| *rounds);
    progress.begin(Step::Connecting);
    if let Some(callers) = common.plan.herd {
        return Box::pin(stampede(callers, &target, against.is_some(), &common, progress)).await;
    }
    let mut run = Run { common: common.clone(), progress: progress.clone(), sides: Vec::new() };
    run.sides.push(Box::pin(Side::open(target, &common)).await?);
    if let Some((peer, _)) = against {
        run.sides.push(Box::pin(Side::open(peer, &common)).await?);
    }
    let measured = run.measured(rounds).await;
    let cleaned = run.clean().await;
    run.sides.into_iter().for_each(Side::end);
    let answer = measured?;
    // What was left there does not make wrong what was measured, but whoever runs it must know.
    cleaned.map(|()| answer)
}

/// Callers that want one missing key, in place of the load.
async fn stampede(
    callers: Herd,
    target: &Target,
    against: bool,
    common: &Common,
    progress: &Progress,
) -> Result<Answer, Failure> {
    let Peer::Hotplate(server) = &target.peer else {
        return Err(Failure::usage("--herd needs leases, which this server does not have"));
    };
    if against {
        return Err(Failure::usage("--herd goes without --against: its peers have no leases"));
    }
    progress.begin(Step::Measuring);
    let ends = clock::now() + common.plan.time;
    let goes_on = || clock::now() < ends && !progress.is_stopped();
    let used = || (target.pid.and_then(cpu::used_by), cpu::used_here());
    let before = used();
    let measured = herd::herd(callers, server, common, goes_on).await;
    let after = used();
    if !common.plan.keep {
        progress.begin(Step::CleaningUp);
        side::clean(server, &common.plan.prefix).await?;
    }
    let (tally, stampede) = measured?;
    let served = after.0.zip(before.0).map(|(after, before)| after.saturating_sub(before));
    let report = Report::new(&tally, Used { server: served, client: after.1.saturating_sub(before.1) });
    let answer = Answer::new(vec![(report, None)], None, progress.is_stopped());
    Ok(Answer { herd: Some(stampede), ..answer })
}

fn largest(plan: &Plan) -> u64 {
    plan.sizes.max().max(plan.trace.as_ref().map_or(0, |trace| trace.size_max)).max(plan.http2.chunk.into())
}

struct Run {
    common: Common,
    progress: Progress,
    sides: Vec<Side>,
}

impl Run {
    async fn measured(&self, rounds: usize) -> Result<Answer, Failure> {
        let plan = &self.common.plan;
        for side in &self.sides {
            if plan.fill && plan.trace.is_none() {
                self.fill(side).await?;
            }
        }
        for side in &self.sides {
            if !plan.warm_up.is_zero() && plan.trace.is_none() {
                self.progress.begin(Step::WarmingUp);
                side.crew.run(&self.phase(self.load(), Some(plan.warm_up), plan.batch())).await?;
            }
        }
        let mut measured = Vec::new();
        for _round in 0..rounds {
            if self.progress.is_stopped() && !measured.is_empty() {
                break;
            }
            let mut reports = Vec::new();
            for side in &self.sides {
                reports.push(self.measure(side).await?);
            }
            let peer = (reports.len() > 1).then(|| reports.swap_remove(1));
            measured.extend(reports.pop().map(|ours| (ours, peer)));
        }
        let peer = self.sides.get(1).map(|side| side.name.clone());
        Ok(Answer::new(measured, peer, self.progress.is_stopped()))
    }

    async fn measure(&self, side: &Side) -> Result<Report, Failure> {
        let plan = &self.common.plan;
        let phase = Phase { rate: plan.rate, ..self.phase(self.load(), Some(plan.time), plan.batch()) };
        self.progress.begin(Step::Measuring);
        let used = || (side.target.pid.and_then(cpu::used_by), cpu::used_here());
        let (server, client) = used();
        let tally = side.crew.run(&phase).await?;
        let (server_after, client_after) = used();
        let server = server_after.zip(server).map(|(after, before)| after.saturating_sub(before));
        Ok(Report::new(&tally, Used { server, client: client_after.saturating_sub(client) }))
    }

    fn phase(&self, load: Load, time: Option<Duration>, batch: usize) -> Phase {
        let (done, stop) = (Arc::clone(&self.progress.done), self.progress.stop.clone());
        Phase { load: Arc::new(load), time, rate: None, batch, done, stop }
    }

    fn load(&self) -> Load {
        let plan = &self.common.plan;
        let load = match &plan.trace {
            Some(trace) => Load::trace(Arc::clone(trace), &plan.sizes, plan.seed),
            None => Load::random(self.common.picks.clone(), plan.read_ratio, plan.fill, (&plan.sizes, plan.seed)),
        };
        if plan.mode == Mode::Batch { load.all_the_same() } else { load }
    }

    async fn fill(&self, side: &Side) -> Result<(), Failure> {
        let plan = &self.common.plan;
        self.progress.begin(Step::Filling);
        let fits = FILL_BYTES / plan.sizes.max().max(1);
        let batch = plan.batch().min(usize::try_from(fits).unwrap_or(usize::MAX)).max(1);
        let load = Load::each(Act::Write, plan.keys, &plan.sizes, plan.seed);
        let tally = side.crew.run(&self.phase(load, None, batch)).await?;
        complete(&tally, plan.keys, self.progress.is_stopped())
    }

    async fn clean(&self) -> Result<(), Failure> {
        if self.common.plan.keep {
            return Ok(());
        }
        self.progress.begin(Step::CleaningUp);
        let plan = &self.common.plan;
        for side in &self.sides {
            if side.target.peer.drops_each_key() {
                let keys = plan.trace.as_ref().map_or(plan.keys, |trace| trace.keys());
                let load = Load::each(Act::Drop, keys, &plan.sizes, plan.seed);
                // Also after an interruption.
                let stop = CancellationToken::new();
                side.crew.run(&Phase { stop, ..self.phase(load, None, CLEAN_BATCH) }).await?;
            } else {
                side.clean().await?;
            }
        }
        Ok(())
    }
}

/// A load on keys that are not there would measure misses.
fn complete(tally: &Tally, keys: u64, stopped: bool) -> Result<(), Failure> {
    if stopped || tally.done == keys {
        return Ok(());
    }
    let refused = ["UNAUTHENTICATED", "PERMISSION_DENIED"].iter().any(|kind| tally.errors.contains_key(kind));
    let kind = if refused { FailureKind::Auth } else { FailureKind::Rejected };
    let kinds: Vec<String> = tally.errors.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    let message = format!("filling: {} of {keys} keys were stored; {}", tally.done, kinds.join(", "));
    Err(Failure { kind, message })
}

/// A prefix that no other run has: begun at another time, or by another process.
#[must_use]
pub fn own_prefix() -> String {
    format!("bench/{:08x}/", rand::random::<u32>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fill_that_is_not_allowed_says_so() {
        let mut tally = Tally { done: 3, ..Tally::default() };
        assert!(complete(&tally, 3, false).is_ok() && complete(&tally, 5, true).is_ok());
        tally.wrong("UNAUTHENTICATED", 2);
        let failure = complete(&tally, 5, false).expect_err("two are missing");
        assert_eq!(failure.kind, FailureKind::Auth);
        assert_eq!(failure.message, "filling: 3 of 5 keys were stored; UNAUTHENTICATED 2");
    }
}
