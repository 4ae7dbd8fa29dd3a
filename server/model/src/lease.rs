//! Leases: grant, wait, compute, put, release, lapse, revoke. Time is left out: a lapse may come at any moment.

use crate::{
    mutant::Mutant,
    protocol::Protocol,
    state::{Caller, Computation, Entry, Lease, State, Token},
};

impl Protocol {
    /// A Get with a lease that misses: the first computes, the others are held.
    pub(crate) fn get(&self, state: &mut State, caller: usize, key: usize) {
        state.spent.calls += 1;
        if state.server.leases[key].is_empty() || self.is(Mutant::GrantTwice) {
            self.grant(state, caller, key);
        } else {
            state.server.waiters[key].push(caller);
            state.callers[caller] = Caller::Waiting { key, acked: state.promised.acked[key] };
        }
    }

    /// A fill without a lease, as a preload does it.
    pub(crate) fn fetch(state: &mut State, caller: usize, key: usize) {
        state.spent.calls += 1;
        let stamp = state.server.numbers;
        state.callers[caller] =
            Caller::Computing(Computation { key, token: None, stamp, value: None, asked: false, lost: false });
    }

    fn grant(&self, state: &mut State, caller: usize, key: usize) {
        let server = &mut state.server;
        let run = if self.is(Mutant::TokensRepeat) { 0 } else { server.epoch };
        server.tokens += 1;
        let token = Token { run, number: server.tokens };
        let stamp = server.numbers;
        server.leases[key].push(Lease { token, stamp });
        state.callers[caller] =
            Caller::Computing(Computation { key, token: Some(token), stamp, value: None, asked: false, lost: false });
    }

    /// The first that waits goes on as holder of a lease of its own.
    pub(crate) fn promote(&self, state: &mut State, key: usize) {
        if !state.server.waiters[key].is_empty() {
            let next = state.server.waiters[key].remove(0);
            self.grant(state, next, key);
        }
    }

    /// A value is stored: the key's lease ends, whoever holds it, and all that wait are given the value.
    pub(crate) fn end_with(state: &mut State, key: usize, value: u8) {
        lose(state, key);
        state.server.leases[key].clear();
        Self::answer_waiters(state, key, value);
    }

    fn answer_waiters(state: &mut State, key: usize, value: u8) {
        for waiter in std::mem::take(&mut state.server.waiters[key]) {
            if let Caller::Waiting { acked, .. } = state.callers[waiter] {
                state.promised.waiter_got_old |= value < acked;
            }
            state.callers[waiter] = Caller::Idle;
        }
    }

    /// The computation comes to its end, with what is true now.
    pub(crate) fn compute(&self, state: &mut State, caller: usize) {
        let Caller::Computing(computation) = state.callers[caller] else { return };
        let value = Some(self.computed(state, computation.key));
        state.callers[caller] = Caller::Computing(Computation { value, ..computation });
    }

    /// The value arrives. Its caller has it whatever becomes of it here.
    pub(crate) fn put(&self, state: &mut State, caller: usize) {
        let Caller::Computing(computation) = state.callers[caller] else { return };
        let Computation { key, token, value: Some(value), lost, .. } = computation else { return };
        state.callers[caller] = Caller::Idle;
        if computation.asked {
            state.server.linking = false;
        }
        if token.is_some_and(|token| !take(state, key, token)) {
            if self.is(Mutant::LostLeaseWrites) {
                let stamp = state.server.numbers;
                self.store(state, key, Entry { value, stamp });
                state.promised.stored_under_lost_lease |= lost;
            }
            return;
        }
        let stamp = if self.is(Mutant::TicketAtPut) { state.server.numbers } else { computation.stamp };
        let fences = &state.server.fences;
        // Under a lease the key needs no fence: an Invalidate that names it has taken the lease away.
        let untouched = fences.tag_allows(stamp) && (token.is_some() || fences.key_allows(key, stamp));
        if untouched || self.is(Mutant::FillWithoutFence) {
            self.store(state, key, Entry { value, stamp });
            state.promised.stored_under_lost_lease |= lost;
            // Whoever else computes it has nothing left to compute it for.
            Self::end_with(state, key, value);
        } else if self.is(Mutant::WaitersGetRefused) {
            Self::answer_waiters(state, key, value);
        } else if token.is_some() && !self.is(Mutant::RefusalForgetsWaiters) {
            self.promote(state, key);
        }
    }

    /// The holder gives up.
    pub(crate) fn release(&self, state: &mut State, caller: usize) {
        let Caller::Computing(Computation { key, token: Some(token), .. }) = state.callers[caller] else { return };
        state.callers[caller] = Caller::Idle;
        if take(state, key, token) && !self.is(Mutant::ReleaseForgetsWaiters) {
            self.promote(state, key);
        }
    }

    /// The time of a lease is over.
    pub(crate) fn lapse(&self, state: &mut State, key: usize) {
        lose(state, key);
        if !self.is(Mutant::LapseKeepsToken) {
            state.server.leases[key].clear();
        }
        if !self.is(Mutant::LapseForgetsWaiters) {
            self.promote(state, key);
        }
    }

    /// An Invalidate named the key: what is being computed may be old already.
    pub(crate) fn revoke(&self, state: &mut State, key: usize) {
        if self.is(Mutant::InvalidateKeepsLease) {
            return;
        }
        lose(state, key);
        state.server.leases[key].clear();
        if !self.is(Mutant::RevokeForgetsWaiters) {
            self.promote(state, key);
        }
    }

    /// A caller that is held has waited long enough, or its call is cancelled.
    pub(crate) fn leave(state: &mut State, caller: usize) {
        if let Caller::Waiting { key, .. } = state.callers[caller] {
            state.server.waiters[key].retain(|waiter| *waiter != caller);
            state.callers[caller] = Caller::Idle;
        }
    }
}

/// Takes a valid token back; says whether it was valid.
pub(crate) fn take(state: &mut State, key: usize, token: Token) -> bool {
    let leases = &mut state.server.leases[key];
    let held = leases.len();
    leases.retain(|lease| lease.token != token);
    leases.len() < held
}

/// Notes for the properties that whoever holds a lease of this key has lost it.
fn lose(state: &mut State, key: usize) {
    let leases = &state.server.leases[key];
    for caller in &mut state.callers {
        if let Caller::Computing(computation) = caller
            && computation.key == key
            && leases.iter().any(|lease| Some(lease.token) == computation.token)
        {
            computation.lost = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{configuration::Bounds, fences::Target};

    const RIGHT: Protocol = Protocol { bounds: Bounds::NONE, mutant: None };

    fn token(state: &State, caller: usize) -> Option<Token> {
        match state.callers[caller] {
            Caller::Computing(computation) => computation.token,
            _ => None,
        }
    }

    /// A holds the lease of key 0 and B waits.
    fn held() -> State {
        let mut state = State::start();
        RIGHT.get(&mut state, 0, 0);
        RIGHT.get(&mut state, 1, 0);
        assert!(matches!(state.callers[1], Caller::Waiting { key: 0, .. }));
        state
    }

    #[test]
    fn what_the_holder_puts_is_stored_and_given_to_who_waits() {
        let mut state = held();
        RIGHT.compute(&mut state, 0);
        RIGHT.put(&mut state, 0);
        assert_eq!(state.callers, [Caller::Idle; 2]);
        assert!(RIGHT.served(&state.server, 0).is_some());
        assert!(state.server.leases[0].is_empty());
    }

    #[test]
    fn a_lapse_promotes_the_next_and_the_old_token_stores_nothing() {
        let mut state = held();
        RIGHT.compute(&mut state, 0);
        RIGHT.lapse(&mut state, 0);
        assert!(token(&state, 1).is_some());
        RIGHT.put(&mut state, 0);
        assert_eq!(RIGHT.served(&state.server, 0), None);
        assert_eq!(state.server.leases[0].len(), 1);
    }

    #[test]
    fn a_release_and_a_revocation_promote_the_next() {
        let mut state = held();
        RIGHT.release(&mut state, 0);
        assert!(token(&state, 1).is_some() && state.callers[0] == Caller::Idle);
        let mut state = held();
        RIGHT.revoke(&mut state, 0);
        assert!(token(&state, 1).is_some() && token(&state, 0) != token(&state, 1));
    }

    #[test]
    fn who_leaves_is_not_promoted() {
        let mut state = held();
        Protocol::leave(&mut state, 1);
        RIGHT.lapse(&mut state, 0);
        assert_eq!(state.callers[1], Caller::Idle);
        assert!(state.server.leases[0].is_empty());
    }

    #[test]
    fn what_the_tag_overtook_is_not_stored_and_the_next_computes() {
        let mut state = held();
        RIGHT.compute(&mut state, 0);
        let number = RIGHT.append(&mut state, Target::Tag);
        state.server.fences.raise(Target::Tag, number);
        RIGHT.put(&mut state, 0);
        assert_eq!(RIGHT.served(&state.server, 0), None);
        assert!(token(&state, 1).is_some());
    }

    #[test]
    fn a_fill_without_a_lease_ends_the_lease_of_its_key() {
        let mut state = State::start();
        RIGHT.get(&mut state, 0, 0);
        Protocol::fetch(&mut state, 1, 0);
        RIGHT.compute(&mut state, 1);
        RIGHT.put(&mut state, 1);
        assert!(RIGHT.served(&state.server, 0).is_some());
        assert!(state.server.leases[0].is_empty());
    }
}
