//! What stands around every slower tier: a time for each call, a bound on how many are on their way, and a breaker. A
//! tier that is away costs its callers nothing, is looked for in the background, and comes back by itself. What is asked of
//! a tier, and what its absence means for an answer, is decided elsewhere.

mod breaker;
mod core;
mod counts;
mod lane;
mod local;
mod lookout;
mod options;
mod shared;

use std::{fmt, sync::Arc};

use hotplate_engine::{
    clock::Clock,
    task::Tasks,
    tier::{local::LocalTier, shared::SharedTier},
};

pub use breaker::{Breaker, BreakerOptions, Turn};
pub use options::GuardOptions;

use self::core::{Core, Ward};

/// A tier with its guard around it, which is such a tier itself. What it does beside its callers ends with it.
pub struct Guarded<T: ?Sized> {
    core: Arc<Core<T>>,
    tasks: Tasks,
}

impl Guarded<dyn SharedTier> {
    /// Guards a tier that replicas share. Needs a tokio runtime around it.
    #[must_use]
    pub fn shared(inner: Arc<dyn SharedTier>, options: GuardOptions, clock: Clock) -> Arc<Self> {
        around(inner, options, clock)
    }
}

impl Guarded<dyn LocalTier> {
    /// Guards a tier of this machine. Needs a tokio runtime around it.
    #[must_use]
    pub fn local(inner: Arc<dyn LocalTier>, options: GuardOptions, clock: Clock) -> Arc<Self> {
        around(inner, options, clock)
    }
}

fn around<T: Ward + ?Sized>(inner: Arc<T>, options: GuardOptions, clock: Clock) -> Arc<Guarded<T>> {
    let core = Arc::new(Core::new(inner, options, clock));
    let tasks = Tasks::new();
    tasks.spawn("tier guard", lookout::run(Arc::clone(&core)));
    Arc::new(Guarded { core, tasks })
}

impl<T: ?Sized> fmt::Debug for Guarded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded").field("tasks", &self.tasks).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
