//! Answers on their way out: the room each has from when it is written until it is sent, as far as it is not small. What answers
//! say is not known here.

use std::{
    sync::Arc,
    task::{Context, Poll, ready},
};

use super::{
    coming::Intake,
    lane::reply::Framed,
    readers::{Readers, Streaming},
    status::Failure,
};
use crate::ledger::{Permit, Unsent, Use, full};

/// Answers up to here are not counted: one for each call that there may be over a connection is little.
pub(crate) const TINY_BYTES: usize = 1 << 10;
/// Answers up to here have no room as long as few bytes of such are on their way over their connection: they are sent in one
/// piece with their end. A value of 64 KiB and what is told with it is one.
const FEW_EACH_BYTES: usize = (64 << 10) + TINY_BYTES;
/// Those few bytes: sixteen of the largest such answers.
const FEW_BYTES: usize = 16 * FEW_EACH_BYTES;

/// What an answer has until it is sent.
pub(crate) enum Going {
    /// Nothing: it is tiny.
    Tiny,
    /// A part of the few bytes of its connection.
    Few(Arc<Unsent>),
    /// Room in the ledger, and a place among those whose reader is waited for.
    Counted(Permit, Streaming),
}

/// An answer that may be sent.
pub(crate) struct Parcel {
    /// As it is sent.
    pub(crate) message: Framed,
    /// What tells when it is sent, if its call lasts until then.
    pub(crate) sending: Option<Box<Streaming>>,
}

/// Where answers of one caller go out over one connection.
#[derive(Clone, Copy)]
pub(crate) struct Outlet<'a> {
    pub(crate) intake: &'a Intake,
    pub(crate) readers: &'a Arc<Readers>,
}

impl Outlet<'_> {
    /// Room for an answer of about so many bytes of the call that is being polled, at once; `None`: there is none.
    pub(crate) fn take(self, bytes: usize) -> Option<Going> {
        if bytes <= TINY_BYTES {
            return Some(Going::Tiny);
        }
        let unsent = self.intake.own.unsent();
        // Tested, and added when the answer is written: the calls of a connection run on one thread.
        if bytes <= FEW_EACH_BYTES && unsent.bytes() + bytes <= FEW_BYTES {
            return Some(Going::Few(Arc::clone(unsent)));
        }
        let room = self.intake.share().take(Use::Sending, bytes as u64)?;
        Some(Going::Counted(room, self.readers.begin_counted()))
    }

    /// The same as soon as there is some.
    ///
    /// # Errors
    /// `OVERLOADED`: as much waits already as may have room.
    pub(crate) async fn wait(self, bytes: usize) -> Result<Going, Failure> {
        if let Some(going) = self.take(bytes) {
            return Ok(going);
        }
        let queued = self.intake.share().queue(Use::Sending, bytes as u64);
        let _queued = queued.ok_or_else(|| full(Use::Sending))?;
        Ok(self.wait_for_it(bytes).await)
    }

    /// The same, however much waits.
    pub(crate) async fn wait_anyway(self, bytes: usize) -> Going {
        let _queued = self.intake.share().queue_anyway(Use::Sending, bytes as u64);
        self.wait_for_it(bytes).await
    }

    async fn wait_for_it(self, bytes: usize) -> Going {
        let room = self.intake.share().wait(Use::Sending, bytes as u64).await;
        Going::Counted(room, self.readers.begin_counted())
    }
}

impl Going {
    /// Lets an answer go.
    pub(crate) fn with(self, message: Framed) -> Parcel {
        match self {
            Self::Tiny => Parcel { message, sending: None },
            Self::Few(unsent) => Parcel { message: message.counted_in(unsent), sending: None },
            Self::Counted(room, streaming) => {
                let message = message.on_way(streaming.on_way(vec![room]));
                Parcel { message, sending: Some(Box::new(streaming)) }
            }
        }
    }
}

/// Comes when an answer is sent that its call lasts for.
pub(crate) fn poll_sent(sending: &mut Option<Box<Streaming>>, cx: &Context<'_>) -> Poll<()> {
    if let Some(streaming) = sending {
        ready!(streaming.poll_all_sent(cx));
        *sending = None;
    }
    Poll::Ready(())
}
