//! What a replica does for those who read: asks slower tiers under a ticket of its own log, computes, lets values into
//! memory, and hears of changes.

use super::{
    disk,
    mutant::Mutant,
    protocol::Fleet,
    shared,
    state::{Answer, Asked, Fill, Follow, KEY, Names, Read, Replica, Stamps, State, WITNESS},
};

/// A ticket that is refused. Only near caches compare numbers of a replica's own log; without one, all that counts is
/// whether a ticket is still good, and fewer states are different.
const SPENT: u8 = u8::MAX;

impl Fleet {
    /// The replica's own log takes a change of the key: tickets from before are refused, and its streams tell of it.
    pub(super) fn raise_locally(&self, state: &mut State, at: usize, truth: u8) {
        let replica = &mut state.replicas[at];
        if self.bounds.near && at == 0 {
            replica.log += 1;
            let before = state.promised.told.last().copied().unwrap_or_default();
            state.promised.told.push(before.max(truth));
            return;
        }
        match &mut replica.read {
            Read::Sent(asked) | Read::Reply { asked, .. } | Read::Disk { asked, .. } => asked.ticket = SPENT,
            Read::No => {}
        }
        match &mut replica.fill {
            Fill::Granted(stamps) | Fill::Computed(stamps, _) => stamps.ticket = SPENT,
            Fill::Admitted(..) | Fill::Refused(_) | Fill::No => {}
        }
    }

    /// A change is applied here: what it concerns goes from memory and disk, and what is on its way is refused.
    pub(super) fn apply(&self, state: &mut State, at: usize, names: Names, truth: u8) {
        let replica = &mut state.replicas[at];
        replica.witness &= !names[WITNESS];
        if names[KEY] {
            replica.memory = None;
            self.disk_forget(replica, at);
            self.raise_locally(state, at, truth);
        }
    }

    fn asked(state: &State, at: usize) -> Asked {
        let replica = &state.replicas[at];
        Asked { ticket: replica.log, position: replica.position, acked: state.promised.acked[at] }
    }

    fn stamps(replica: &Replica, alone: bool) -> Stamps {
        Stamps { ticket: replica.log, epoch: replica.epoch, position: replica.position, alone }
    }

    /// A Get misses in memory and asks the shared tier.
    pub(super) fn ask(state: &mut State, at: usize) {
        state.replicas[at].read = Read::Sent(Self::asked(state, at));
    }

    /// In a mutant: another Get takes what this read will bring, which began before something was acknowledged here. The
    /// right one joins a read as long as its ticket is good, and then nothing was.
    pub(super) fn join(state: &mut State, at: usize) {
        if let Read::Reply { asked, .. } = &mut state.replicas[at].read {
            asked.acked = state.promised.acked[at];
        }
    }

    /// A Get misses and the shared tier is not asked: it may compute for this replica alone.
    pub(super) fn grant_alone(state: &mut State, at: usize) {
        let replica = &mut state.replicas[at];
        replica.fill = Fill::Granted(Self::stamps(replica, true));
    }

    /// A Get misses in memory and finds something on the disk.
    pub(super) fn ask_disk(state: &mut State, at: usize) {
        if let Some(value) = disk::readable(&state.replicas[at].disk) {
            state.replicas[at].read = Read::Disk { asked: Self::asked(state, at), value };
        }
    }

    /// The disk's answer is handed out, and kept when its ticket is good.
    pub(super) fn promote_from_disk(&self, state: &mut State, at: usize) {
        let Read::Disk { asked, value } = std::mem::replace(&mut state.replicas[at].read, Read::No) else { return };
        state.promised.old_answer |= value < asked.acked;
        if self.passes(&state.replicas[at], asked.ticket) {
            state.replicas[at].memory = Some(value);
        }
    }

    fn passes(&self, replica: &Replica, ticket: u8) -> bool {
        ticket == replica.log || self.is(Mutant::TicketAfterReply) || self.is(Mutant::PromoteUnchecked)
    }

    /// The reply of the shared tier: used only when it is of the history that is followed and not behind. `near`: the
    /// near cache had asked.
    pub(super) fn take_reply(&self, state: &mut State, at: usize, near: bool) {
        let Read::Reply { asked, epoch, number, value } = std::mem::replace(&mut state.replicas[at].read, Read::No)
        else {
            return;
        };
        let replica = &mut state.replicas[at];
        let sound = epoch == replica.epoch && number >= asked.position;
        let usable = replica.follow == Follow::Following && sound
            || self.is(Mutant::PromoteUnchecked)
            || self.is(Mutant::DivergenceUnseen);
        if !usable {
            self.lose(state, at);
        }
        if !usable && !self.is(Mutant::ServeUnchecked) {
            return;
        }
        let replica = &state.replicas[at];
        let Some(value) = value else {
            let granted = usable.then(|| Fill::Granted(Self::stamps(replica, false)));
            if let (Some(granted), Fill::No) = (granted, replica.fill) {
                state.replicas[at].fill = granted;
            }
            return;
        };
        state.promised.old_answer |= value < asked.acked;
        if near {
            let as_of = if self.is(Mutant::LateAsOf) { replica.log } else { asked.ticket };
            state.near.answer = Some(Answer { value, as_of, replica: at, life: replica.life });
        }
        if usable && self.passes(replica, asked.ticket) {
            self.remember(state, at, value);
        }
    }

    /// Lets a value into memory, and has the disk keep it.
    pub(super) fn remember(&self, state: &mut State, at: usize, value: u8) {
        state.replicas[at].memory = Some(value);
        self.disk_put(&mut state.replicas[at], at, value);
    }

    /// A computation ends.
    pub(super) fn compute(&self, state: &mut State, at: usize) {
        let truth = state.truth;
        let replica = &mut state.replicas[at];
        if let Fill::Granted(mut stamps) = replica.fill {
            if self.is(Mutant::StampAtFill) {
                (stamps.epoch, stamps.position) = (replica.epoch, replica.position);
            }
            replica.fill = Fill::Computed(stamps, truth);
        }
    }

    /// Its value is let into memory, if nothing concerned it since its ticket.
    pub(super) fn admit(&self, state: &mut State, at: usize) {
        let replica = &state.replicas[at];
        let Fill::Computed(stamps, value) = replica.fill else { return };
        let passes = stamps.ticket == replica.log || self.is(Mutant::PromoteUnchecked);
        // A leader that is too late here has lost its lease, and offers nothing.
        let offers = passes && !stamps.alone && !replica.cut && !replica.debt[KEY];
        if passes {
            self.remember(state, at, value);
        }
        state.replicas[at].fill = if offers { Fill::Admitted(stamps, value) } else { Fill::No };
    }

    /// It is offered to the shared tier. What was stored there is nothing to hear of: memory has it.
    pub(super) fn offer(&self, state: &mut State, at: usize) {
        let Fill::Admitted(mut stamps, value) = state.replicas[at].fill else { return };
        if self.is(Mutant::StampAtFill) {
            let replica = &state.replicas[at];
            (stamps.epoch, stamps.position) = (replica.epoch, replica.position);
        }
        let stored = self.store(state, stamps, value);
        state.replicas[at].fill = if stored { Fill::No } else { Fill::Refused(value) };
    }

    /// The shared tier would not have it: it goes from here too, if it is still here.
    pub(super) fn take_refusal(&self, state: &mut State, at: usize) {
        let replica = &mut state.replicas[at];
        let refused = std::mem::replace(&mut replica.fill, Fill::No);
        if let (Fill::Refused(value), Some(held)) = (refused, replica.memory)
            && value == held
        {
            replica.memory = None;
            self.disk_forget(replica, at);
        }
    }

    /// The hint of a change arrives: applied, then noted. An own change is left to its call.
    pub(super) fn hear(&self, state: &mut State, at: usize, change: usize) {
        let told = state.changes[change];
        state.replicas[at].unheard &= !(1 << change);
        if told.by == at {
            if self.is(Mutant::OwnHintCounts) {
                note(&mut state.replicas[at], told.number);
            }
            return;
        }
        if self.is(Mutant::PositionFirst) {
            state.replicas[at].half = Some(told.names);
        } else {
            self.apply(state, at, told.names, told.truth);
        }
        note(&mut state.replicas[at], told.number);
    }

    /// The second half, in the mutant that does it in two.
    pub(super) fn apply_half(&self, state: &mut State, at: usize) {
        if let Some(names) = state.replicas[at].half.take() {
            let truth = reached(state, at, state.replicas[at].position);
            self.apply(state, at, names, truth);
        }
    }

    /// The replica asks what happened since its position, applies it, and is there.
    pub(super) fn poll(&self, state: &mut State, at: usize) {
        let replica = &state.replicas[at];
        if state.shared.floor > replica.position {
            self.lose(state, at);
            return;
        }
        let (names, number) = (shared::changed_since(state, replica), state.shared.number);
        if self.is(Mutant::PositionFirst) {
            state.replicas[at].half = Some(names);
        } else {
            let truth = reached(state, at, number);
            self.apply(state, at, names, truth);
        }
        let replica = &mut state.replicas[at];
        let passed = u32::from(number - replica.position);
        replica.beyond = replica.beyond.checked_shr(passed).unwrap_or_default();
        replica.position = number;
        advance(replica);
    }

    /// In a mutant: the next change was told, lost, and is taken for heard.
    pub(super) fn overlook(state: &mut State, at: usize) {
        let next = state.replicas[at].position + 1;
        note(&mut state.replicas[at], next);
    }
}

/// Notes that this change is applied: the position is where none is missing before.
pub(super) fn note(replica: &mut Replica, number: u8) {
    if number <= replica.position {
        return;
    }
    replica.beyond |= 1 << (number - replica.position - 1);
    advance(replica);
}

fn advance(replica: &mut Replica) {
    while replica.beyond & 1 == 1 {
        replica.position += 1;
        replica.beyond >>= 1;
    }
}

/// The newest truth that changes of the replica's history up to this number tell of. Only for what was promised.
pub(super) fn reached(state: &State, at: usize, number: u8) -> u8 {
    let epoch = state.replicas[at].epoch;
    let told = state.changes.iter().filter(|change| change.epoch == epoch && change.number <= number);
    told.filter(|change| change.names[KEY]).map(|change| change.truth).max().unwrap_or_default()
}
