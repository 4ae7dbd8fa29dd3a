//! The near-cache rule: which answers may be kept, and when what is kept may be served. It knows positions and sets, no
//! values, no clock and no network; `docs/model.md` tells where it was checked in every order.

use std::{collections::VecDeque, time::Duration};

use super::selects::{Facts, Set};

/// Logs of a server: 0 to 63 hold changes of keys, the last one changes of sets.
pub(crate) const LOGS: usize = 65;
/// The log of changes of sets.
pub(crate) const SET_LOG: usize = LOGS - 1;

/// A number for each log, of one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) epoch: u64,
    pub(crate) numbers: [u64; LOGS],
}

/// How current an answer is: where the log of its key and the log of sets were when it was found valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) epoch: u64,
    pub(crate) log: usize,
    pub(crate) key: u64,
    pub(crate) set: u64,
}

/// One change that the stream told.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) epoch: u64,
    pub(crate) log: usize,
    pub(crate) number: u64,
    pub(crate) what: Set,
}

/// What an answer brings along for the decision.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate<'a> {
    pub(crate) key: &'a str,
    pub(crate) facts: &'a Facts,
    pub(crate) stamp: Stamp,
    pub(crate) ticket: Ticket,
}

/// What this client had written when a question was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// Why an answer is not kept by this rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// The stream is away or has not caught up.
    NotSynced,
    /// It comes from another history than the stream.
    OtherHistory,
    /// Something that covers it changed later.
    Overtaken,
    /// This client wrote something that covers it since it asked.
    OwnWrite,
}

/// What the caller has to do with what it keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Nothing.
    Everything,
    /// Drop it: nothing is known of what came before.
    Nothing,
}

/// The stream has to be opened again: what it says is too old to be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLate;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Lost,
    CatchingUp,
    Synced,
}

/// What the near cache knows of one namespace's changes.
#[derive(Debug)]
pub(crate) struct Rule {
    progress_max: Duration,
    fences_max: usize,
    line: Line,
    heard_at: Duration,
    place: Place,
    /// Changes that were told, for answers that left before them; the oldest give way to `floors`.
    fences: VecDeque<Change>,
    /// An answer that is not as current as this may have been overtaken by what was forgotten.
    floors: [u64; LOGS],
    own: VecDeque<(Ticket, Set)>,
    own_now: Ticket,
    own_floor: Ticket,
}

impl Rule {
    /// Nothing is served and kept until a stream is there. `fences_max` bounds what is remembered of the stream, and
    /// of what this client wrote.
    pub(crate) fn new(progress_max: Duration, fences_max: usize) -> Self {
        Self {
            progress_max,
            fences_max,
            line: Line::Lost,
            heard_at: Duration::ZERO,
            place: Place { epoch: 0, numbers: [0; LOGS] },
            fences: VecDeque::new(),
            floors: [0; LOGS],
            own: VecDeque::new(),
            own_now: Ticket(0),
            own_floor: Ticket(0),
        }
    }

    /// The stream exists. One that continues after a token serves only when it has caught up.
    pub(crate) fn created(&mut self, at: &Place, continued: bool, now: Duration) -> Keep {
        self.heard_at = now;
        if continued && at.epoch == self.place.epoch {
            self.line = Line::CatchingUp;
            return Keep::Everything;
        }
        self.start_over(at);
        Keep::Nothing
    }

    /// A message came. After a silence that is longer than allowed, what waited in between is too old: a program or
    /// machine that was paused would otherwise take it for news.
    pub(crate) fn hear(&mut self, now: Duration) -> Result<(), TooLate> {
        if self.line == Line::Lost || now.saturating_sub(self.heard_at) >= self.progress_max {
            self.lost();
            return Err(TooLate);
        }
        self.heard_at = now;
        Ok(())
    }

    /// Everything up to here was told.
    pub(crate) fn progress(&mut self, at: &Place) -> Result<(), TooLate> {
        self.same_history(at.epoch)?;
        for (known, told) in self.place.numbers.iter_mut().zip(at.numbers) {
            *known = told.max(*known);
        }
        self.line = Line::Synced;
        Ok(())
    }

    /// Remembers a change. Call it after what it covers was dropped.
    pub(crate) fn changed(&mut self, change: Change) -> Result<(), TooLate> {
        self.same_history(change.epoch)?;
        let known = &mut self.place.numbers[change.log];
        *known = change.number.max(*known);
        self.fences.push_back(change);
        if self.fences.len() > self.fences_max
            && let Some(oldest) = self.fences.pop_front()
        {
            let floor = &mut self.floors[oldest.log];
            *floor = oldest.number.max(*floor);
        }
        Ok(())
    }

    /// Changes up to here were lost; from here on the stream is complete.
    pub(crate) fn discontinued(&mut self, at: &Place) {
        self.start_over(at);
    }

    /// The stream is gone.
    pub(crate) fn lost(&mut self) {
        self.line = Line::Lost;
    }

    /// What this client has written so far: take it before asking.
    pub(crate) fn ticket(&self) -> Ticket {
        self.own_now
    }

    /// This client writes, or has written, what these cover. Call it before the call and again when it has ended.
    pub(crate) fn wrote(&mut self, sets: &[Set]) {
        self.own_now.0 += 1;
        self.own.extend(sets.iter().map(|set| (self.own_now, set.clone())));
        while self.own.len() > self.fences_max {
            if let Some((oldest, _)) = self.own.pop_front() {
                self.own_floor = oldest.max(self.own_floor);
            }
        }
    }

    /// Whether an answer may be kept.
    pub(crate) fn admit(&self, candidate: &Candidate<'_>) -> Result<(), Unfit> {
        let stamp = candidate.stamp;
        if self.line != Line::Synced {
            return Err(Unfit::NotSynced);
        }
        if stamp.epoch != self.place.epoch || stamp.log >= SET_LOG {
            return Err(Unfit::OtherHistory);
        }
        let covers = |set: &Set| set.selects(candidate.key, candidate.facts);
        let forgotten = candidate.ticket < self.own_floor;
        if forgotten || self.own.iter().any(|(written, set)| *written > candidate.ticket && covers(set)) {
            return Err(Unfit::OwnWrite);
        }
        if stamp.key < self.floors[stamp.log] || stamp.set < self.floors[SET_LOG] {
            return Err(Unfit::Overtaken);
        }
        let ahead = stamp.key >= self.place.numbers[stamp.log] && stamp.set >= self.place.numbers[SET_LOG];
        match !ahead && self.fences.iter().any(|fence| overtakes(fence, &stamp) && covers(&fence.what)) {
            true => Err(Unfit::Overtaken),
            false => Ok(()),
        }
    }

    /// Until when what is kept may be served, if nothing else is heard; zero: not at all.
    pub(crate) fn serves_until(&self) -> Duration {
        match self.line {
            Line::Synced => self.heard_at + self.progress_max,
            Line::CatchingUp | Line::Lost => Duration::ZERO,
        }
    }

    /// Whether the stream is there and has caught up.
    pub(crate) fn synced(&self) -> bool {
        self.line == Line::Synced
    }

    /// When the stream was last heard.
    pub(crate) fn heard_at(&self) -> Duration {
        self.heard_at
    }

    fn same_history(&mut self, epoch: u64) -> Result<(), TooLate> {
        if epoch == self.place.epoch {
            return Ok(());
        }
        self.lost();
        Err(TooLate)
    }

    fn start_over(&mut self, at: &Place) {
        self.place = *at;
        self.floors = at.numbers;
        self.fences.clear();
        self.line = Line::Synced;
    }
}

/// Whether something with this stamp does not reflect a change.
pub(crate) fn overtakes(change: &Change, stamp: &Stamp) -> bool {
    match change.log {
        SET_LOG => change.number > stamp.set,
        log => log == stamp.log && change.number > stamp.key,
    }
}
