//! What the server does by itself: serve, record, store, forget, restart. Leases are in `lease.rs`, the calls of the
//! writer in `writer.rs`.

use crate::{
    fences::{KEYS, Target},
    mutant::Mutant,
    protocol::Protocol,
    state::{Caller, Change, Entry, Server, State, Writer},
};

impl Protocol {
    /// What a Get of this key is answered with, if it hits.
    #[must_use]
    pub fn served(&self, server: &Server, key: usize) -> Option<Entry> {
        let unfenced = self.is(Mutant::ReadWithoutFence);
        server.entries[key].filter(|entry| unfenced || server.fences.tag_allows(entry.stamp))
    }

    /// Takes the next number and records the change; the history holds so many and no more.
    pub(crate) fn append(&self, state: &mut State, target: Target) -> u8 {
        let server = &mut state.server;
        let number = server.numbers.of_mut(target.log());
        *number += 1;
        let number = *number;
        server.history.push(Change { target, number });
        if server.history.len() > self.bounds.history {
            let oldest = server.history.remove(0);
            *server.forgotten.of_mut(oldest.target.log()) = oldest.number;
        }
        number
    }

    /// Stores a fill, which is an event and raises no fence.
    pub(crate) fn store(&self, state: &mut State, key: usize, entry: Entry) {
        self.append(state, Target::Key(key));
        state.server.entries[key] = Some(entry);
    }

    /// The table of fences is full: the one of `target` goes, and what is older than it can no longer be told from
    /// what is not.
    pub(crate) fn forget_fence(&self, state: &mut State, target: Target) {
        state.server.fences.forget(target, !self.is(Mutant::FencesExpire));
    }

    /// The server is gone and another begins with nothing. Calls that were held or under way fail; who computes goes on
    /// computing.
    pub(crate) fn restart(state: &mut State) {
        state.spent.restarts += 1;
        let epoch = state.server.epoch + 1;
        state.server = Server { epoch, ..Server::default() };
        for caller in &mut state.callers {
            match caller {
                Caller::Waiting { .. } => *caller = Caller::Idle,
                Caller::Computing(computation) => computation.lost = computation.token.is_some(),
                Caller::Idle => {}
            }
        }
        state.writer = Writer::Idle;
        state.near.connected = false;
        state.near.half = None;
        state.promised.told.clear();
        state.promised.revoked = [0; KEYS];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{configuration::Bounds, fences::Numbers};

    fn protocol(mutant: Option<Mutant>) -> Protocol {
        Protocol { bounds: Bounds { history: 1, ..Bounds::default() }, mutant }
    }

    fn entry(selector: u8) -> Entry {
        Entry { value: 0, stamp: Numbers { key: 0, selector } }
    }

    #[test]
    fn an_entry_older_than_the_fence_of_its_tag_is_not_served() {
        let mut state = State::start();
        state.server.entries = [Some(entry(0)), Some(entry(1))];
        state.server.fences.raise(Target::Tag, 1);
        assert_eq!(protocol(None).served(&state.server, 0), None);
        assert_eq!(protocol(None).served(&state.server, 1), Some(entry(1)));
        assert_eq!(protocol(Some(Mutant::ReadWithoutFence)).served(&state.server, 0), Some(entry(0)));
    }

    #[test]
    fn the_history_is_bounded_and_says_what_it_forgot() {
        let mut state = State::start();
        let protocol = protocol(None);
        assert_eq!(protocol.append(&mut state, Target::Key(0)), 1);
        assert_eq!(state.server.forgotten, Numbers::default());
        assert_eq!(protocol.append(&mut state, Target::Tag), 1);
        assert_eq!(state.server.forgotten, Numbers { key: 1, selector: 0 });
        assert_eq!(state.server.history, [Change { target: Target::Tag, number: 1 }]);
    }

    #[test]
    fn a_restart_forgets_everything_but_the_truth_and_what_was_promised() {
        let mut state = State::start();
        state.truth = [1, 0];
        state.promised.acked = [1, 0];
        state.server.entries[0] = Some(entry(0));
        Protocol::restart(&mut state);
        assert_eq!((state.server.epoch, state.server.entries, state.near.connected), (1, [None; KEYS], false));
        assert_eq!((state.truth, state.promised.acked), ([1, 0], [1, 0]));
    }
}
