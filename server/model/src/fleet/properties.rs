//! What must hold in every state, and what must be possible in some.

use stateright::Property;

use super::{
    configuration::Bounds,
    protocol::Fleet,
    state::{Follow, KEY, REPLICAS, State, WITNESS},
    writer::within,
};

/// The properties of a model with these bounds.
#[must_use]
pub fn all(bounds: Bounds) -> Vec<Property<Fleet>> {
    let mut all = vec![
        Property::always("I1: no memory is older than what its replica acknowledged", memory_is_current),
        Property::always(
            "I1b: nothing from a slower tier is handed out that is older than what was acknowledged before it was asked",
            |_: &Fleet, state: &State| !state.promised.old_answer,
        ),
        Property::always("I2: no memory is older than the replica's position in the fleet's log", memory_is_positioned),
        Property::always("I4: the shared tier's value is not older than its log", |_: &Fleet, state: &State| {
            state.shared.value.is_none_or(|value| value >= state.shared.current)
        }),
        Property::always("I5: when nothing is under way, everything everywhere is current", converges),
        Property::sometimes("R1: what is acknowledged is everywhere", new_everywhere),
    ];
    if bounds.near {
        all.push(Property::always("I3: nothing the near cache serves is older than what it was told", near_is_current));
    }
    all
}

fn memory_is_current(_: &Fleet, state: &State) -> bool {
    (0..REPLICAS).all(|at| {
        let acked = state.promised.acked[at];
        Fleet::witness_gone(state, at) && state.replicas[at].memory.is_none_or(|value| value >= acked)
    })
}

fn memory_is_positioned(_: &Fleet, state: &State) -> bool {
    state.replicas.iter().all(|replica| {
        let reached = state.changes.iter().filter(|change| within(change, replica.epoch, replica.position));
        let mut reached = reached.map(|change| {
            let key = !change.names[KEY] || replica.memory.is_none_or(|value| value >= change.truth);
            key && !(change.names[WITNESS] && replica.witness)
        });
        reached.all(|current| current)
    })
}

/// What an answer's place in the replica's log promises counts as well as what the stream told: after a failover the replica
/// follows another history, in which something that it had passed on may be missing until its author tells it again.
fn near_is_current(_: &Fleet, state: &State) -> bool {
    let near = &state.near;
    let place = near.entry.map_or(near.position, |(_, as_of)| as_of.max(near.position));
    let told = usize::from(place).checked_sub(1).and_then(|last| state.promised.told.get(last));
    near.serves().is_none_or(|value| value >= told.copied().unwrap_or_default())
}

fn quiet(fleet: &Fleet, state: &State) -> bool {
    let near = &state.near;
    let followed = !near.cut && near.position == state.replicas[0].log && near.answer.is_none();
    let shared = &state.shared;
    let follows = state.replicas.iter().all(|replica| {
        let there = (replica.epoch, replica.position) == (shared.epoch, shared.number);
        replica.quiet() && replica.follow == Follow::Following && there && !replica.cut
    });
    follows && (!fleet.bounds.near || followed)
}

fn converges(fleet: &Fleet, state: &State) -> bool {
    let acked = state.promised.acked.iter().copied().max().unwrap_or_default();
    let witness = state.promised.witness.contains(&true) && state.replicas.iter().any(|one| one.witness);
    let memories = state.replicas.iter().filter_map(|one| one.memory);
    let all = memories.chain(state.shared.value).chain(state.near.serves());
    !quiet(fleet, state) || (!witness && all.into_iter().all(|value| value >= acked))
}

fn new_everywhere(fleet: &Fleet, state: &State) -> bool {
    if !fleet.bounds.reads {
        let gone = state.promised.witness.contains(&true) && state.replicas.iter().all(|one| !one.witness);
        return gone && state.spent.failovers == fleet.bounds.failovers && quiet(fleet, state);
    }
    let truth = state.truth;
    let acked = truth > 0 && state.promised.acked.contains(&truth);
    let near = !fleet.bounds.near || state.near.serves() == Some(truth);
    acked && near && state.replicas.iter().all(|one| one.memory == Some(truth))
}
