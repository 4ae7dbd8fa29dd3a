//! The near cache: values kept in this process for as long as the server vouches for them. `core` is what is kept and
//! the rule by which it is, `feed` what keeps it in step.

mod core;
mod feed;
mod follow;
mod glob;
mod kept;
mod options;
#[cfg(any(test, feature = "conformance"))]
pub(crate) mod replay;
mod rule;
mod selects;
mod shelf;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;

use self::{
    core::{Asked, Core, FENCES_MAX},
    feed::{Feed, Signals},
};
use crate::{Calls, Result, clock, gate::Attempt, task::Tasks, v1};

pub use self::options::{NearFollow, NearOptions, NearRefusals, NearStats};
pub(crate) use self::{kept::Kept, selects::Set};

/// Namespaces of a client that have a near cache at most: each has a stream and room of its own.
const NAMESPACES_MAX: usize = 64;

/// Which namespaces have a near cache.
#[derive(Clone, Debug, Default)]
pub(crate) struct NearSetup {
    pub(crate) all: Option<NearOptions>,
    pub(crate) named: BTreeMap<String, Option<NearOptions>>,
}

impl NearSetup {
    pub(crate) fn check(&self) -> Result<()> {
        self.all.iter().chain(self.named.values().flatten()).try_for_each(NearOptions::check)
    }

    fn of(&self, namespace: &str) -> Option<&NearOptions> {
        self.named.get(namespace).unwrap_or(&self.all).as_ref()
    }
}

/// The near caches of a client, made when a namespace is first used.
#[derive(Debug)]
pub(crate) struct Nears {
    setup: NearSetup,
    client_id: Option<String>,
    made: Mutex<HashMap<Arc<str>, Arc<Near>>>,
    /// Whether it was said that there are no more.
    warned: AtomicBool,
}

/// One namespace's near cache.
#[derive(Debug)]
pub(crate) struct Near {
    namespace: Arc<str>,
    client_id: Option<String>,
    core: Arc<Core>,
    signals: Arc<Signals>,
    started: AtomicBool,
}

impl Nears {
    /// `client_id` is the name this client writes under, where nobody else does.
    pub(crate) fn new(setup: NearSetup, client_id: Option<String>) -> Self {
        Self { setup, client_id, made: Mutex::default(), warned: AtomicBool::new(false) }
    }

    /// The near cache of a namespace, if it has one.
    pub(crate) fn of(&self, namespace: &str) -> Option<Arc<Near>> {
        let namespace = if namespace.is_empty() { "default" } else { namespace };
        let options = self.setup.of(namespace)?;
        let mut made = self.made.lock();
        if let Some(near) = made.get(namespace) {
            return Some(Arc::clone(near));
        }
        if made.len() >= NAMESPACES_MAX {
            if !self.warned.swap(true, Ordering::Relaxed) {
                tracing::warn!("a client has at most {NAMESPACES_MAX} near caches: other namespaces go without");
            }
            return None;
        }
        // The options were checked when the client was built.
        let core = Core::new(options.clone(), FENCES_MAX).ok()?;
        let near = Arc::new(Near {
            namespace: namespace.into(),
            client_id: self.client_id.clone(),
            core: Arc::new(core),
            signals: Arc::default(),
            started: AtomicBool::new(false),
        });
        made.insert(namespace.into(), Arc::clone(&near));
        Some(near)
    }
}

impl Near {
    /// What may be served of a key now.
    pub(crate) fn hit(&self, key: &str, max_age: Option<Duration>) -> Option<Arc<Kept>> {
        self.core.hit(key, max_age, clock::since_boot())
    }

    /// Notes that the server is asked for a key now; the first time, begins to follow what changes.
    pub(crate) fn ask(self: &Arc<Self>, tasks: &Tasks, calls: &Calls) -> Fill {
        if !self.started.swap(true, Ordering::AcqRel) {
            let feed = Feed {
                core: Arc::clone(&self.core),
                signals: Arc::clone(&self.signals),
                calls: calls.clone(),
                namespace: Arc::clone(&self.namespace),
                client_id: self.client_id.clone(),
            };
            tasks.spawn(feed.run());
        }
        Fill { near: Arc::clone(self), asked: self.core.ask(clock::since_boot()) }
    }

    /// Notes that this client writes what these cover. Nothing it kept of them is served from now on.
    pub(crate) fn write(self: &Arc<Self>, sets: Vec<Set>, calls: &Calls) -> OwnWrite {
        self.core.wrote(&sets);
        OwnWrite { near: Arc::clone(self), sets, calls: calls.clone(), repeats: calls.repeats(), ended: false }
    }

    pub(crate) fn stats(&self) -> NearStats {
        self.core.stats(clock::since_boot())
    }
}

/// A question on its way to the server.
#[derive(Debug)]
pub(crate) struct Fill {
    near: Arc<Near>,
    asked: Asked,
}

impl Fill {
    /// Keeps the answer if it may be kept.
    pub(crate) fn offer(&self, key: &str, response: &v1::GetResponse) {
        // What cannot fit, as it came and as it is read, is not copied first.
        let room = usize::try_from(self.near.core.options().bytes_max / 2).unwrap_or(usize::MAX);
        if value_bytes(response) > room {
            self.near.core.refuse_as_too_large(key);
            return;
        }
        if self.near.core.offer(self.asked, key, response) {
            self.near.signals.tell.notify_one();
        }
    }
}

fn value_bytes(response: &v1::GetResponse) -> usize {
    match response.entry.as_ref().and_then(|entry| entry.payload.as_ref()) {
        Some(v1::entry::Payload::Value(value)) => value.len(),
        _ => 0,
    }
}

/// A write of this client that is under way. Dropped before its end is known, it may still happen.
#[derive(Debug)]
#[must_use = "a write that is not ended counts as one whose end is not known"]
pub(crate) struct OwnWrite {
    near: Arc<Near>,
    sets: Vec<Set>,
    calls: Calls,
    /// Calls that had been sent again when it began.
    repeats: u64,
    ended: bool,
}

impl OwnWrite {
    /// The server has answered. Call it before the caller is.
    pub(crate) fn answered(mut self) {
        // What was sent twice may happen once more, and nobody is told when.
        self.ended = self.calls.repeats() == self.repeats;
        if self.ended {
            self.near.core.wrote(&self.sets);
        }
    }
}

/// Tells a write what came of it.
pub(crate) fn settle<A>(write: Option<OwnWrite>, attempt: &Attempt<A>) {
    if let (Some(write), Attempt::Answer(_)) = (write, attempt) {
        write.answered();
    }
}

impl Drop for OwnWrite {
    fn drop(&mut self) {
        if !self.ended && self.near.core.may_have_written(&self.sets) {
            self.near.signals.reopen.notify_one();
        }
    }
}
