//! Room for the answers of one stream: taken from the ledger before they are written, given back as the connection has sent
//! them. What they say is not known here.

use std::task::{Context, Poll, ready};

use futures::{FutureExt, future::BoxFuture};

use crate::{
    grpc::{lane::reply::Framed, readers},
    ledger::{Permit, Share, Use},
};

/// Room that is taken at once for the next message: most need less.
const STEP_BYTES: u64 = 16 << 10;

/// Room of one stream.
pub(super) struct Room {
    share: Share,
    sending: readers::Streaming,
    /// What there is for messages that are being written: permits, and bytes that these may have.
    taken: Vec<Permit>,
    bytes: u64,
    /// What could not be taken.
    missing: Option<u64>,
    waits: Option<(u64, BoxFuture<'static, Permit>)>,
}

impl Room {
    /// None yet, for the stream that is being opened.
    pub(super) fn new(share: Share, sending: readers::Streaming) -> Self {
        Self { share, sending, taken: Vec::new(), bytes: 0, missing: None, waits: None }
    }

    /// Whether what is being written may have so many bytes; if not, that is what is waited for next.
    pub(super) fn suffices(&mut self, bytes: usize) -> bool {
        let more = (bytes as u64).saturating_sub(self.bytes);
        if more == 0 {
            return true;
        }
        let step = more.max(STEP_BYTES);
        let taken = self.share.take(Use::Sending, step).or_else(|| self.share.take(Use::Sending, more));
        match taken {
            Some(permit) => self.add(permit, more),
            // All of it: what there is is given back while that is waited for.
            None => self.missing = Some(bytes as u64),
        }
        self.bytes >= bytes as u64
    }

    fn add(&mut self, permit: Permit, at_least: u64) {
        // What is larger than all there is gets all there is.
        self.bytes += permit.bytes().max(at_least);
        self.taken.push(permit);
    }

    /// Comes when there is room for what did not fit.
    pub(super) fn poll_missing(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(bytes) = self.missing.take() {
            self.waits = Some((bytes, self.share.clone().wait(Use::Sending, bytes).boxed()));
        }
        if let Some((bytes, waits)) = &mut self.waits {
            let (bytes, permit) = (*bytes, ready!(waits.poll_unpin(cx)));
            self.waits = None;
            self.add(permit, bytes);
        }
        Poll::Ready(())
    }

    /// Gives back what nothing was written for.
    pub(super) fn give_back(&mut self) {
        (self.bytes, self.missing) = (0, None);
        self.taken.clear();
    }

    /// A message that was written, with the room of so many bytes until it is sent.
    pub(super) fn held(&mut self, framed: Framed, bytes: usize) -> Framed {
        let (mut room, mut left) = (Vec::with_capacity(1), bytes as u64);
        while left > 0
            && let Some(mut permit) = self.taken.pop()
        {
            if permit.bytes() > left {
                room.push(permit.split(left));
                self.taken.push(permit);
                break;
            }
            left -= permit.bytes();
            room.push(permit);
        }
        self.bytes = self.bytes.saturating_sub(bytes as u64);
        framed.on_way(self.sending.on_way(room))
    }

    /// Comes when all that was written is sent.
    pub(super) fn poll_all_sent(&self, cx: &Context<'_>) -> Poll<()> {
        self.sending.poll_all_sent(cx)
    }

    /// From now on the reader is waited for.
    pub(super) fn wait_for_reader(&self) {
        self.sending.wait_for_reader();
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, sync::Arc, time::Duration};

    use hotplate_engine::clock::Clock;

    use super::*;
    use crate::{config::LedgerSettings, ledger::Ledger};

    #[tokio::test]
    async fn what_was_waited_for_suffices_although_the_rest_was_given_back() {
        let settings = LedgerSettings { sending_bytes_max: 1 << 20, ..Default::default() };
        let (ledger, own) = (Ledger::new(&settings), Arc::default());
        let share = Share::new(&ledger, &own, None);
        let _own = share.take(Use::Sending, 64 << 10).unwrap();
        let mut others = ledger.take(Use::Sending, 900 << 10).unwrap();
        let readers = readers::Readers::new(Duration::from_secs(9), Arc::clone(&ledger), Clock::system());
        let mut room = Room::new(share, readers.begin_counted());
        assert!(room.suffices(100 << 10) && !room.suffices(300 << 10));
        let missing = async |room: &mut Room| poll_fn(|cx| room.poll_missing(cx)).await;
        assert!(missing(&mut room).now_or_never().is_none());
        room.give_back();
        // As much as was missing is not as much as is needed.
        drop(others.split(100 << 10));
        assert!(missing(&mut room).now_or_never().is_none());
        drop(others.split(100 << 10));
        missing(&mut room).await;
        assert!(room.suffices(300 << 10));
    }
}
