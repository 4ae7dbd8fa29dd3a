//! How operations reach a server: a link carries one message at a time and says what became of each operation. Who asks, when
//! and how long it took is known elsewhere.

pub(crate) mod batch;
pub(crate) mod blob;
pub(crate) mod codec;
pub(crate) mod intake;
pub(crate) mod pipeline;
pub(crate) mod read;
pub(crate) mod sdk;
pub(crate) mod stubs;
pub(crate) mod unary;
pub(crate) mod wire;

use std::{future::Future, sync::Arc};

use crate::{
    content::{Checker, Content},
    dice::Picks,
    failure::Failure,
    link::wire::Calls,
    plan::Plan,
    task::Tasks,
    work::{Act, Op, Outcome},
};

/// A message that failed as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Its name among the errors.
    pub(crate) kind: &'static str,
    /// Whether the connection is of no more use.
    pub(crate) broken: bool,
}

impl Fault {
    /// The connection is of no more use.
    pub(crate) fn broken() -> Self {
        Self { kind: "CONNECTION", broken: true }
    }

    /// The server said this.
    pub(crate) fn said(kind: &'static str) -> Self {
        Self { kind, broken: false }
    }
}

/// One lane's way to a server.
pub(crate) trait Link: 'static {
    /// Carries a message of one operation or more; `outcomes` is empty and gets one for each, in order.
    fn call(&mut self, ops: &[Op], outcomes: &mut Vec<Outcome>) -> impl Future<Output = Result<(), Fault>>;

    /// Makes a broken connection whole. Those that do so by themselves have nothing to do.
    fn mend(&mut self) -> impl Future<Output = ()> {
        std::future::ready(())
    }
}

/// A way on which each operation is a call of its own.
pub(crate) trait OneByOne: 'static {
    /// Reads one value.
    fn read(&mut self, op: &Op) -> impl Future<Output = Result<Outcome, Fault>>;

    /// Writes one value.
    fn write(&mut self, op: &Op) -> impl Future<Output = Result<Outcome, Fault>>;

    /// What calls are made with.
    fn calls(&mut self) -> &mut Calls;
}

impl<L: OneByOne> Link for L {
    async fn call(&mut self, ops: &[Op], outcomes: &mut Vec<Outcome>) -> Result<(), Fault> {
        for op in ops {
            outcomes.push(match op.act {
                Act::Read => self.read(op).await?,
                Act::Write => self.write(op).await?,
                Act::Drop => Outcome::Dropped,
            });
        }
        Ok(())
    }

    async fn mend(&mut self) {
        self.calls().mend().await;
    }
}

/// What lanes have in common.
#[derive(Clone, Debug)]
pub(crate) struct Common {
    pub(crate) plan: Arc<Plan>,
    pub(crate) content: Arc<Content>,
    pub(crate) picks: Picks,
}

impl Common {
    /// A checker for one lane.
    pub(crate) fn checker(&self) -> Checker {
        Checker::new(Arc::clone(&self.content), self.plan.check)
    }

    /// The text of a key.
    pub(crate) fn key(&self, number: u64) -> String {
        format!("{}{number:012x}", self.plan.prefix)
    }
}

/// What one thread drives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    /// Lanes of this thread.
    pub(crate) lanes: usize,
    /// Connections of this thread, at least one.
    pub(crate) connections: usize,
}

/// A kind of server, and how to reach it.
pub(crate) trait Driver: Clone + Send + 'static {
    /// What it makes.
    type Link: Link;

    /// Connects, and answers one link for each lane. Called on the thread that uses them.
    fn open(&self, share: Share, tasks: &Tasks) -> impl Future<Output = Result<Vec<Self::Link>, Failure>>;
}
