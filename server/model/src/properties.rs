//! What must hold in every state, and what must be possible in some. A property that nothing can reach shows nothing, so
//! the second kind guards the first.

use stateright::Property;

use crate::{
    configuration::Bounds,
    fences::{KEYS, Log},
    protocol::Protocol,
    state::{Caller, State, Writer},
};

/// The properties of a model with these bounds.
#[must_use]
pub fn all(bounds: Bounds) -> Vec<Property<Protocol>> {
    let mut all = vec![
        Property::always("I1: nothing the server serves is older than an acknowledged change", server_is_current),
        Property::always(
            "I1: no waiter is given anything older than what was acknowledged before it asked",
            |_: &Protocol, state: &State| !state.promised.waiter_got_old,
        ),
        Property::always("I5: when nothing is under way, everything served is current", converges),
        Property::always("L1: a key has at most one valid lease", |_: &Protocol, state: &State| {
            state.server.leases.iter().all(|leases| leases.len() <= 1)
        }),
        Property::always("L2: a Put under a lost lease stores nothing", |_: &Protocol, state: &State| {
            !state.promised.stored_under_lost_lease
        }),
        Property::always("L3: somebody computes for whoever waits, and the server knows who waits", no_waiter_is_lost),
        Property::always("L4: no lease outlives an acknowledged Invalidate of its key", leases_are_revoked),
        Property::sometimes("R1: a new value is served after an acknowledged change", new_value_is_served),
    ];
    if bounds.near {
        all.push(Property::always("I3: nothing the near cache serves is older than what it was told", near_is_current));
        all.push(Property::always(
            "I3: nothing it serves is older than what was acknowledged before its stream was opened",
            near_is_current_when_opened,
        ));
    }
    if bounds.calls > 1 {
        let waits = |_: &Protocol, state: &State| state.callers.iter().any(|one| matches!(one, Caller::Waiting { .. }));
        all.push(Property::sometimes("R2: a caller waits for another", waits));
    }
    all
}

fn server_is_current(protocol: &Protocol, state: &State) -> bool {
    let current =
        |key| protocol.served(&state.server, key).is_none_or(|entry| entry.value >= state.promised.acked[key]);
    (0..KEYS).all(current)
}

fn near_is_current(protocol: &Protocol, state: &State) -> bool {
    let near = &state.near;
    let delivered = |log: Log, number: u8| number <= near.position.of(log);
    let needed = |key: usize| {
        let told = state.promised.told.iter().filter(|(log, number, _)| delivered(*log, *number));
        told.map(|(_, _, needed)| needed[key]).max().unwrap_or_default()
    };
    (0..KEYS).all(|key| protocol.served_near(near, key).is_none_or(|entry| entry.value >= needed(key)))
}

fn near_is_current_when_opened(protocol: &Protocol, state: &State) -> bool {
    let at_open = &state.promised.at_open;
    (0..KEYS).all(|key| protocol.served_near(&state.near, key).is_none_or(|entry| entry.value >= at_open[key]))
}

fn converges(protocol: &Protocol, state: &State) -> bool {
    let near = &state.near;
    let followed = near.connected && near.position == state.server.numbers && near.half.is_none();
    let near_quiet = !protocol.bounds.near || (followed && near.answer.is_none());
    let quiet = state.writer == Writer::Idle && state.callers.iter().all(|one| *one == Caller::Idle) && near_quiet;
    let current = |key: usize| {
        let served = [protocol.served(&state.server, key), protocol.served_near(near, key)];
        served.into_iter().flatten().all(|entry| entry.value >= state.promised.acked[key])
    };
    !quiet || (0..KEYS).all(current)
}

fn no_waiter_is_lost(_: &Protocol, state: &State) -> bool {
    state.callers.iter().enumerate().all(|(caller, is)| match is {
        Caller::Waiting { key, .. } => {
            !state.server.leases[*key].is_empty() && state.server.waiters[*key].contains(&caller)
        }
        _ => true,
    })
}

fn leases_are_revoked(_: &Protocol, state: &State) -> bool {
    (0..KEYS).all(|key| state.server.leases[key].iter().all(|lease| lease.stamp.key >= state.promised.revoked[key]))
}

fn new_value_is_served(protocol: &Protocol, state: &State) -> bool {
    (0..KEYS).any(|key| {
        let acked = state.promised.acked[key];
        let new = |value: u8| acked > 0 && value >= acked;
        let near = protocol.served_near(&state.near, key);
        protocol.served(&state.server, key).is_some_and(|entry| new(entry.value))
            && (!protocol.bounds.near || near.is_some_and(|entry| new(entry.value)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fences::Numbers, state::Entry};

    const PROTOCOL: Protocol = Protocol { bounds: Bounds { near: true, ..Bounds::NONE }, mutant: None };
    const OLD: Option<Entry> = Some(Entry { value: 0, stamp: Numbers { key: 0, selector: 0 } });

    #[test]
    fn an_old_value_is_found_on_the_server() {
        let mut state = State::start();
        state.server.entries[1] = OLD;
        assert!(server_is_current(&PROTOCOL, &state) && converges(&PROTOCOL, &state));
        state.promised.acked[1] = 1;
        assert!(!server_is_current(&PROTOCOL, &state) && !converges(&PROTOCOL, &state));
    }

    #[test]
    fn an_old_value_is_found_in_the_near_cache_once_it_was_told() {
        let mut state = State::start();
        state.near.entries[0] = OLD;
        state.promised.told.push((Log::Keys, 1, [1, 0]));
        assert!(near_is_current(&PROTOCOL, &state));
        state.near.position.key = 1;
        assert!(!near_is_current(&PROTOCOL, &state));
        state.near.connected = false;
        assert!(near_is_current(&PROTOCOL, &state));
    }

    #[test]
    fn an_old_value_is_found_in_a_stream_that_was_opened_later() {
        let mut state = State::start();
        state.near.entries[0] = OLD;
        state.promised.at_open[0] = 1;
        assert!(!near_is_current_when_opened(&PROTOCOL, &state));
    }

    #[test]
    fn a_waiter_nobody_computes_for_is_found() {
        let mut state = State::start();
        PROTOCOL.get(&mut state, 0, 0);
        PROTOCOL.get(&mut state, 1, 0);
        assert!(no_waiter_is_lost(&PROTOCOL, &state));
        state.server.leases[0].clear();
        assert!(!no_waiter_is_lost(&PROTOCOL, &state));
    }

    #[test]
    fn a_lease_that_outlives_an_invalidate_is_found() {
        let mut state = State::start();
        PROTOCOL.get(&mut state, 0, 0);
        assert!(leases_are_revoked(&PROTOCOL, &state));
        state.promised.revoked[0] = 1;
        assert!(!leases_are_revoked(&PROTOCOL, &state));
    }
}
