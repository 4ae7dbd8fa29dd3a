//! The model of replicas as the checker sees it: what may happen in a state, and what then is. The transitions are in the
//! files named after who makes them.

use stateright::{Model, Property};

use super::{
    configuration::Bounds,
    disk,
    mutant::Mutant,
    properties,
    resync::{ONLY_KEY, ONLY_WITNESS},
    shared,
    state::{Call, Fill, Follow, KEY, KEYS, REPLICAS, Read, SLOTS, State},
    step::{Does, Follows, Happens, Step, Writes},
};

/// The protocol, right or wrong in one way, within bounds.
#[derive(Clone, Copy, Debug)]
pub struct Fleet {
    /// How much may happen.
    pub bounds: Bounds,
    /// What is wrong with it; nothing: it is what is built.
    pub mutant: Option<Mutant>,
}

impl Fleet {
    /// Whether it is wrong in this way.
    #[must_use]
    pub fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    fn steps_of_readers(&self, state: &State, at: usize, add: &mut dyn FnMut(Does)) {
        let replica = &state.replicas[at];
        let idle = replica.read == Read::No && replica.fill == Fill::No && replica.memory.is_none();
        let indebted = replica.debt[KEY] && !self.is(Mutant::DebtReads);
        let follows = replica.follow == Follow::Following && !replica.cut && !indebted;
        match replica.read {
            Read::No if idle && self.bounds.reads => {
                add(if follows { Does::Ask } else { Does::GrantAlone });
                if disk::readable(&replica.disk).is_some() {
                    add(Does::AskDisk);
                }
            }
            Read::No => {}
            Read::Sent(_) | Read::Reply { .. } if replica.cut => add(Does::NoReply),
            Read::Sent(_) => add(Does::Read),
            Read::Reply { asked, .. } if self.is(Mutant::JoinsOlderRead) && asked.acked < state.promised.acked[at] => {
                add(Does::Join);
            }
            Read::Reply { value, .. } => {
                add(Does::Reply);
                if self.bounds.near && at == 0 && state.near.answer.is_none() && value.is_some() {
                    add(Does::ReplyNear);
                }
            }
            Read::Disk { .. } => add(Does::ReplyDisk),
        }
        match replica.fill {
            Fill::No => {}
            Fill::Granted(_) => add(Does::Compute),
            Fill::Computed(..) => add(Does::Admit),
            Fill::Admitted(..) if replica.cut || indebted => add(Does::KeepAlone),
            Fill::Admitted(..) => add(Does::Offer),
            Fill::Refused(_) => add(Does::TakeRefusal),
        }
    }

    fn steps_of_following(&self, state: &State, at: usize, add: &mut dyn FnMut(Does)) {
        let replica = &state.replicas[at];
        if replica.half.is_some() {
            add(Does::ApplyHalf);
        }
        if replica.cut {
            return;
        }
        match replica.follow {
            Follow::Following => {
                let hints = (0..state.changes.len()).filter(|change| replica.unheard & (1 << change) != 0);
                hints.for_each(|change| add(Does::Hear(change)));
                if self.diverged(state, at) {
                    add(Does::Lose);
                } else if state.shared.number > replica.position && replica.half.is_none() {
                    add(Does::Poll);
                    self.is(Mutant::LostCountsAsHeard).then(|| add(Does::Overlook));
                }
            }
            Follow::Lost if self.unconfirmed(state, at).contains(&true) => add(Does::Replay),
            Follow::Lost => add(Does::Look),
            Follow::Looked(_) => add(Does::Adopt),
        }
        if replica.owes() {
            add(Does::Pay);
        }
    }

    fn steps_of_replica(&self, state: &State, at: usize, steps: &mut Vec<Step>) {
        let mut add = |does| steps.push(Step::Replica(at, does));
        self.steps_of_readers(state, at, &mut add);
        self.steps_of_following(state, at, &mut add);
        let (replica, bounds, spent) = (&state.replicas[at], &self.bounds, &state.spent);
        if spent.crashes < bounds.crashes {
            add(Does::Crash);
        }
        if replica.cut {
            add(Does::Mend);
        } else if spent.cuts < bounds.cuts && at == 0 {
            add(Does::Cut);
        }
        if bounds.evicts && replica.memory.is_some() {
            add(Does::Evict);
        }
        if !replica.disk.queue.is_empty() {
            add(Does::DiskLands);
        }
        if self.may_save(state, at) {
            add(Does::SavePosition);
        }
    }

    fn steps_of_writer(&self, state: &State, at: usize, slot: usize, steps: &mut Vec<Step>) {
        let mut add = |writes| steps.push(Step::Writer(at, slot, writes));
        let (replica, bounds) = (&state.replicas[at], &self.bounds);
        let [begins, tells, answers] = self.writer_may(state, at, slot);
        if begins {
            if bounds.invalidates {
                add(Writes::Invalidate);
            }
            if bounds.puts && at == 0 {
                add(Writes::Put);
            }
            if bounds.witness {
                add(Writes::InvalidateWitness);
            }
        }
        if tells {
            add(Writes::Tell);
        }
        if answers {
            add(Writes::Answer);
        }
        match replica.calls[slot] {
            Call::Invalidate(_) if self.is(Mutant::LocalFirst) => add(Writes::ApplyFirst),
            Call::Invalidate(_) | Call::Put | Call::Reply { .. } if replica.cut => add(Writes::GiveUp),
            Call::Reply { put, .. } => {
                if put || !self.is(Mutant::AnswerFirst) {
                    add(Writes::Settle);
                }
                if state.spent.cancels < bounds.cancels {
                    add(Writes::Leave);
                }
            }
            Call::AnsweredEarly(_) => add(Writes::ApplyAnswered),
            _ => {}
        }
    }

    fn steps_of_near(&self, state: &State, steps: &mut Vec<Step>) {
        let (near, mut add) = (&state.near, |follows| steps.push(Step::Near(follows)));
        if near.answer.is_some() {
            add(Follows::Receive);
        }
        if near.cut {
            add(Follows::Resume);
        } else {
            if near.position < state.replicas[0].log {
                add(Follows::Deliver);
            }
            if state.spent.disconnects < self.bounds.disconnects {
                add(Follows::Disconnect);
            }
        }
        if near.answer.is_none() {
            let asked = if self.bounds.strangers { REPLICAS } else { 1 };
            let holding = (0..asked).filter(|at| state.replicas[*at].memory.is_some());
            steps.extend(holding.map(Step::NearAsk));
        }
    }

    fn steps_of_shared(&self, state: &State, steps: &mut Vec<Step>) {
        if state.spent.failovers < self.bounds.failovers {
            if state.follower != state.shared {
                steps.push(Step::Shared(Happens::Replicate));
            }
            steps.push(Step::Shared(Happens::FailOver));
        }
        let forgets = self.bounds.forgets || self.is(Mutant::FencesExpire);
        if forgets && state.shared.fences != [0; KEYS] {
            steps.push(Step::Shared(Happens::ForgetFences));
        }
    }

    fn replica_does(&self, state: &mut State, at: usize, does: Does) {
        let replica = &mut state.replicas[at];
        match does {
            Does::Ask => Self::ask(state, at),
            Does::Read => self.read_shared(state, at),
            Does::Reply => self.take_reply(state, at, false),
            Does::ReplyNear => self.take_reply(state, at, true),
            Does::Join => Self::join(state, at),
            Does::NoReply => replica.read = Read::No,
            Does::AskDisk => Self::ask_disk(state, at),
            Does::ReplyDisk => self.promote_from_disk(state, at),
            Does::GrantAlone => Self::grant_alone(state, at),
            Does::Compute => self.compute(state, at),
            Does::Admit => self.admit(state, at),
            Does::Offer => self.offer(state, at),
            Does::KeepAlone => replica.fill = Fill::No,
            Does::TakeRefusal => self.take_refusal(state, at),
            Does::Hear(change) => self.hear(state, at, change),
            Does::Poll => self.poll(state, at),
            Does::ApplyHalf => self.apply_half(state, at),
            Does::Overlook => Self::overlook(state, at),
            Does::Lose => self.lose(state, at),
            Does::Replay => self.replay(state, at),
            Does::Look => self.look(state, at),
            Does::Adopt => self.adopt(state, at),
            Does::Crash => self.crash(state, at),
            Does::Cut => {
                state.spent.cuts += 1;
                replica.cut = true;
            }
            Does::Mend => replica.cut = false,
            Does::Pay => self.pay(state, at),
            Does::Evict => replica.memory = None,
            Does::DiskLands => self.disk_lands(state, at),
            Does::SavePosition => Self::save_position(state, at),
        }
    }

    fn writer_does(&self, state: &mut State, at: usize, slot: usize, writes: Writes) {
        match writes {
            Writes::Invalidate => Self::begin_invalidate(state, at, slot, ONLY_KEY),
            Writes::InvalidateWitness => Self::begin_invalidate(state, at, slot, ONLY_WITNESS),
            Writes::Put => self.begin_put(state, at, slot),
            Writes::ApplyFirst => self.apply_first(state, at, slot),
            Writes::Tell => self.tell(state, at, slot),
            Writes::Settle => self.settle(state, at, slot),
            Writes::GiveUp => self.give_up(state, at, slot),
            Writes::Answer => self.answer(state, at, slot),
            Writes::ApplyAnswered => self.apply_answered(state, at, slot),
            Writes::Leave => Self::leave(state, at, slot),
        }
    }
}

impl Model for Fleet {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State::start(self.bounds.witness, self.bounds.warm)]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        for at in 0..REPLICAS {
            (0..SLOTS).for_each(|slot| self.steps_of_writer(state, at, slot, steps));
            self.steps_of_replica(state, at, steps);
        }
        self.steps_of_shared(state, steps);
        if self.bounds.near {
            self.steps_of_near(state, steps);
        }
    }

    fn next_state(&self, before: &State, step: Step) -> Option<State> {
        let mut after = before.clone();
        match step {
            Step::Replica(at, does) => self.replica_does(&mut after, at, does),
            Step::Writer(at, slot, writes) => self.writer_does(&mut after, at, slot, writes),
            Step::Shared(Happens::Replicate) => after.follower = after.shared.clone(),
            Step::Shared(Happens::FailOver) => Self::fail_over(&mut after),
            Step::Shared(Happens::ForgetFences) => self.forget_fences(&mut after),
            Step::NearAsk(at) => Self::near_ask(&mut after, at),
            Step::Near(Follows::Receive) => self.near_receive(&mut after.near),
            Step::Near(Follows::Deliver) => Self::near_deliver(&mut after.near),
            Step::Near(Follows::Disconnect) => Self::near_disconnect(&mut after),
            Step::Near(Follows::Resume) => self.near_resume(&mut after),
        }
        shared::drop_idle_hints(&mut after, self.is(Mutant::OwnHintCounts));
        (after != *before).then_some(after)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all(self.bounds)
    }
}
