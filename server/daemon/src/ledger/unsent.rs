//! How many bytes were handed to the connection and not sent: those that have no room of their own. Whose they are is not known
//! here.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    task::{Context, Poll},
};

use futures::task::AtomicWaker;

/// Such bytes, counted.
#[derive(Debug, Default)]
pub(crate) struct Unsent {
    bytes: AtomicUsize,
    none: AtomicWaker,
}

impl Unsent {
    /// How many there are.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Acquire)
    }

    /// So many more.
    pub(crate) fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::AcqRel);
    }

    /// So many are sent, or dropped.
    pub(crate) fn sent(&self, bytes: usize) {
        if self.bytes.fetch_sub(bytes, Ordering::AcqRel) == bytes {
            self.none.wake();
        }
    }

    /// Comes when there are none. One task at a time hears of it.
    pub(crate) fn poll_none(&self, cx: &Context<'_>) -> Poll<()> {
        self.none.register(cx.waker());
        if self.bytes() == 0 { Poll::Ready(()) } else { Poll::Pending }
    }
}
