//! The tasks of one thread: all of them end when their owner does.

use std::{cell::RefCell, future::Future, rc::Rc};

use tokio::task::JoinSet;

/// Tasks that run beside the lanes: they move bytes of connections. Ended when the last owner is gone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks(Rc<RefCell<JoinSet<()>>>);

impl Tasks {
    /// Runs a task until it ends or its owner does. Must be called within a `LocalSet`.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.0.borrow_mut().spawn_local(task);
    }
}
