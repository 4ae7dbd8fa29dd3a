//! The model as the checker sees it: what may happen in a state, and what then is. The transitions are in the files
//! named after who makes them.

use std::fmt::{self, Display};

use stateright::{Model, Property};

use crate::{
    configuration::Bounds,
    fences::{KEYS, Target},
    mutant::Mutant,
    near::Delivery,
    properties,
    state::{CALLERS, Call, Caller, State, Writer},
};

/// The protocol, right or wrong in one way, within bounds.
#[derive(Clone, Copy, Debug)]
pub struct Protocol {
    /// How much may happen.
    pub bounds: Bounds,
    /// What is wrong with it; nothing: it is what is built.
    pub mutant: Option<Mutant>,
}

/// One step. Callers are numbered, and so are keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// A caller asks for a key that is not stored.
    Get(usize, usize),
    /// A caller computes a key without a lease.
    Fetch(usize, usize),
    /// A computation ends.
    Compute(usize),
    /// The gate asks whether what its value was made from is untouched.
    Ask(usize),
    /// Its value arrives at the server.
    Put(usize),
    /// The holder gives up.
    Release(usize),
    /// A caller no longer waits.
    Leave(usize),
    /// The lease of a key is over.
    Lapse(usize),
    /// The source changes, and a call says so.
    Begin(Call),
    /// The server goes on with that call.
    Continue,
    /// The server has no room for a fence.
    Forget(Target),
    /// The server starts again.
    Restart,
    /// The near cache asks the server.
    NearAsk(usize),
    /// It gets its answer.
    NearReceive,
    /// The stream delivers.
    Deliver,
    /// What was delivered is applied.
    ApplyHalf,
    /// The stream says how far it is.
    Progress,
    /// The near cache has no room for a fence.
    NearForget(Target),
    /// The stream is cut.
    Disconnect,
    /// The stream is opened again.
    Resume,
}

impl Display for Step {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |caller: &usize| if *caller == 0 { 'A' } else { 'B' };
        match self {
            Self::Get(caller, key) => write!(to, "{}: get key {key}", name(caller)),
            Self::Fetch(caller, key) => write!(to, "{}: compute key {key} without a lease", name(caller)),
            Self::Compute(caller) => write!(to, "{}: computed", name(caller)),
            Self::Ask(caller) => write!(to, "{}: ask for what it was made from", name(caller)),
            Self::Put(caller) => write!(to, "{}: put", name(caller)),
            Self::Release(caller) => write!(to, "{}: release", name(caller)),
            Self::Leave(caller) => write!(to, "{}: stop waiting", name(caller)),
            Self::Lapse(key) => write!(to, "server: the lease of key {key} lapses"),
            Self::Begin(Call::Put(key)) => write!(to, "writer: change key {key}, call Put"),
            Self::Begin(Call::Invalidate(target)) => write!(to, "writer: change {target}, call Invalidate"),
            Self::Continue => write!(to, "server: go on with the writer's call"),
            Self::Forget(target) => write!(to, "server: forget the fence of {target}"),
            Self::Restart => write!(to, "server: restart"),
            Self::NearAsk(key) => write!(to, "near: get key {key}"),
            Self::NearReceive => write!(to, "near: the answer arrives"),
            Self::Deliver => write!(to, "near: the stream delivers"),
            Self::ApplyHalf => write!(to, "near: apply what was delivered"),
            Self::Progress => write!(to, "near: progress"),
            Self::NearForget(target) => write!(to, "near: forget the fence of {target}"),
            Self::Disconnect => write!(to, "near: the stream is cut"),
            Self::Resume => write!(to, "near: resume"),
        }
    }
}

impl Display for Target {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(to, "key {key}"),
            Self::Tag => write!(to, "the tag"),
            Self::Source => write!(to, "the source"),
        }
    }
}

impl Protocol {
    /// Whether it is wrong in this way.
    #[must_use]
    pub fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    fn steps_of_caller(&self, state: &State, caller: usize, steps: &mut Vec<Step>) {
        match state.callers[caller] {
            Caller::Idle if state.spent.calls < self.bounds.calls => {
                let missing = (0..KEYS).filter(|key| self.served(&state.server, *key).is_none());
                for key in missing {
                    steps.push(Step::Get(caller, key));
                    steps.extend(self.bounds.fetches.then_some(Step::Fetch(caller, key)));
                }
            }
            Caller::Idle => {}
            Caller::Waiting { .. } => steps.push(Step::Leave(caller)),
            Caller::Computing(computation) => {
                if computation.value.is_none() {
                    steps.extend(self.can_compute(state, computation.key).then_some(Step::Compute(caller)));
                } else if computation.asked || !self.bounds.depends {
                    steps.push(Step::Put(caller));
                } else if !state.server.linking {
                    steps.push(Step::Ask(caller));
                }
                if computation.token.is_some() && computation.value.is_none() {
                    steps.push(Step::Release(caller));
                }
            }
        }
    }

    fn steps_of_server(&self, state: &State, steps: &mut Vec<Step>) {
        steps.extend((0..KEYS).filter(|key| !state.server.leases[*key].is_empty()).map(Step::Lapse));
        match state.writer {
            Writer::Idle if state.spent.changes < self.bounds.changes => {
                steps.extend(self.bounds.writes.iter().copied().map(Step::Begin));
            }
            Writer::Idle => {}
            // The last look waits for whoever was let in.
            Writer::Cascading(_, KEYS, _) if state.server.linking => {}
            _ => steps.push(Step::Continue),
        }
        if self.bounds.forgets {
            steps.extend(state.server.fences.remembered().map(Step::Forget));
        }
        if state.spent.restarts < self.bounds.restarts {
            steps.push(Step::Restart);
        }
    }

    fn steps_of_near(&self, state: &State, steps: &mut Vec<Step>) {
        let near = &state.near;
        if near.answer.is_some() {
            steps.push(Step::NearReceive);
        } else {
            let missing = |key: &usize| near.entries[*key].is_none() && self.served(&state.server, *key).is_some();
            steps.extend((0..KEYS).filter(missing).map(Step::NearAsk));
        }
        if !near.connected {
            steps.push(Step::Resume);
            return;
        }
        if near.half.is_some() {
            steps.push(Step::ApplyHalf);
        } else if self.delivery(state) != Delivery::Nothing {
            steps.push(Step::Deliver);
            if self.is(Mutant::ProgressAhead) {
                steps.push(Step::Progress);
            }
        }
        if self.bounds.forgets {
            steps.extend(near.fences.remembered().map(Step::NearForget));
        }
        if state.spent.disconnects < self.bounds.disconnects {
            steps.push(Step::Disconnect);
        }
    }

    fn take(&self, state: &mut State, step: Step) {
        match step {
            Step::Get(caller, key) => self.get(state, caller, key),
            Step::Fetch(caller, key) => Self::fetch(state, caller, key),
            Step::Compute(caller) => self.compute(state, caller),
            Step::Ask(caller) => self.ask(state, caller),
            Step::Put(caller) => self.put(state, caller),
            Step::Release(caller) => self.release(state, caller),
            Step::Leave(caller) => Self::leave(state, caller),
            Step::Lapse(key) => self.lapse(state, key),
            Step::Begin(call) => Self::begin(state, call),
            Step::Continue => self.step(state),
            Step::Forget(target) => self.forget_fence(state, target),
            Step::Restart => Self::restart(state),
            Step::NearAsk(key) => self.near_ask(state, key),
            Step::NearReceive => self.near_receive(&mut state.near),
            Step::Deliver => self.near_deliver(state),
            Step::ApplyHalf => Self::near_apply_half(&mut state.near),
            Step::Progress => Self::near_progress(state),
            Step::NearForget(target) => self.near_forget(&mut state.near, target),
            Step::Disconnect => {
                state.spent.disconnects += 1;
                Self::near_disconnect(&mut state.near);
            }
            Step::Resume => self.near_resume(state),
        }
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State::start()]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        for caller in 0..CALLERS {
            self.steps_of_caller(state, caller, steps);
        }
        self.steps_of_server(state, steps);
        if self.bounds.near {
            self.steps_of_near(state, steps);
        }
    }

    fn next_state(&self, before: &State, step: Step) -> Option<State> {
        let mut after = before.clone();
        self.take(&mut after, step);
        Some(after)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all(self.bounds)
    }
}
