//! One lane: takes what is next, sends it, counts what came back, until there is nothing more to do or the time is over.

use std::{
    cell::RefCell,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, sleep};

use crate::{
    clock,
    link::{Fault, Link},
    pace::Pace,
    tally::Tally,
    work::{Op, Outcome, Work},
};

/// How long a lane waits before it tries a broken connection again.
const MEND_PAUSE: Duration = Duration::from_millis(50);

/// What the lanes of a thread share in a phase.
#[derive(Debug)]
pub(crate) struct Shift {
    pace: Pace,
    batch: usize,
    tally: RefCell<Tally>,
    done: Arc<AtomicU64>,
}

impl Shift {
    pub(crate) fn new(pace: Pace, batch: usize, done: Arc<AtomicU64>) -> Self {
        Self { pace, batch, tally: RefCell::default(), done }
    }

    /// The end: what was counted, with messages that were never answered or never sent.
    pub(crate) fn end(&self, begins: Instant, unanswered: u64) -> Tally {
        let now = clock::now();
        let mut tally = self.tally.take();
        if unanswered > 0 {
            tally.wrong("UNANSWERED", unanswered * self.batch as u64);
        }
        for due in self.pace.missed(now) {
            tally.unsent(due, now, self.batch as u64);
        }
        tally.elapsed = now.saturating_duration_since(begins);
        tally
    }

    /// The share of the schedule that the lanes were ready for.
    pub(crate) fn ahead(&self) -> Option<f64> {
        self.pace.ahead()
    }

    fn note(&self, due: Instant, now: Instant, ops: &[Op], outcomes: &Result<&[Outcome], Fault>) {
        let mut tally = self.tally.borrow_mut();
        match outcomes {
            Ok(outcomes) => tally.message(due, now, ops, outcomes),
            Err(fault) => tally.wrong(fault.kind, ops.len() as u64),
        }
        self.done.fetch_add(ops.len() as u64, Ordering::Relaxed);
    }
}

/// Works until there is nothing more to do, and gives the link back.
pub(crate) async fn lane<L: Link>(mut link: L, mut work: Work, shift: Rc<Shift>) -> L {
    let mut ops = Vec::with_capacity(shift.batch);
    let mut outcomes = Vec::with_capacity(shift.batch);
    let mut now = clock::now();
    loop {
        // What there is to do is known before its time has come, so that looking for it is not measured.
        work.fill(&mut ops, shift.batch);
        if ops.is_empty() {
            return link;
        }
        let Some(due) = shift.pace.next(now).await else { return link };
        // What is answered without waiting, as by a near cache, must not keep others of this thread from their turn.
        tokio::task::coop::consume_budget().await;
        outcomes.clear();
        let result = link.call(&ops, &mut outcomes).await;
        now = clock::now();
        let broken = result.is_err_and(|fault| fault.broken);
        shift.note(due, now, &ops, &result.map(|()| outcomes.as_slice()));
        for (op, outcome) in ops.iter().zip(&outcomes) {
            work.learn(op, *outcome);
        }
        if broken {
            sleep(MEND_PAUSE).await;
            link.mend().await;
            now = clock::now();
        }
    }
}
