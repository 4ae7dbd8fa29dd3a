//! Large requests on their way in: the room each has in the ledger from its begin on, and the pace it keeps, so that nobody
//! holds room for what does not come. What requests say is not known here.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use tokio::time::{Sleep, sleep};

use super::status::Failure;
use crate::ledger::{Ledger, Own, Permit, Share, Use, full};

/// Messages up to here need no room and keep no pace: all that may come at once over a connection are few bytes.
pub(crate) const SMALL_BYTES: usize = 4 << 10;
/// Looks at the pace in the time after which a message is given up that keeps none; one look is enough when others wait.
const LOOKS: u32 = 10;

/// How requests of one caller come in over one connection. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Intake {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) own: Arc<Own>,
    /// The id of the caller's token, if tokens are shown.
    pub(crate) caller: Option<Arc<str>>,
    /// Bytes a second that come at least.
    pub(crate) rate_min: u64,
    /// Time after which what comes slower is given up; a tenth of it when others wait for room.
    pub(crate) patience: Duration,
}

impl Intake {
    /// What the caller may hold over the connection.
    pub(crate) fn share(&self) -> Share {
        Share::new(&self.ledger, &self.own, self.caller.as_deref())
    }
}

/// Room that is waited for, for some time.
pub(crate) struct Room {
    waits: BoxFuture<'static, Permit>,
    end: Pin<Box<Sleep>>,
}

impl Room {
    /// For so many bytes.
    pub(crate) fn new(intake: &Intake, bytes: usize) -> Self {
        let waits = intake.share().wait(Use::Requests, bytes as u64).boxed();
        Self { waits, end: Box::pin(sleep(intake.patience / LOOKS)) }
    }

    /// Comes when there is room.
    ///
    /// # Errors
    /// `OVERLOADED`: there was none in time.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Permit, Failure>> {
        if let Poll::Ready(permit) = self.waits.poll_unpin(cx) {
            return Poll::Ready(Ok(permit));
        }
        self.end.as_mut().poll(cx).map(|()| Err(full(Use::Requests)))
    }
}

/// A large message of which not all is here.
pub(crate) struct Coming {
    intake: Intake,
    room: Option<Permit>,
    waits: Option<Room>,
    look: Pin<Box<Sleep>>,
    /// Bytes since the last look.
    came: u64,
    slow: u32,
}

impl Coming {
    /// One of so many bytes.
    pub(crate) fn new(intake: &Intake, bytes: usize) -> Self {
        let look = Box::pin(sleep(intake.patience / LOOKS));
        let waits = Some(Room::new(intake, bytes));
        Self { intake: intake.clone(), room: None, waits, look, came: 0, slow: 0 }
    }

    /// Comes when there is room for all of it.
    ///
    /// # Errors
    /// `OVERLOADED`: there was none in time.
    pub(crate) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        let Some(waits) = &mut self.waits else { return Poll::Ready(Ok(())) };
        waits.poll(cx).map(|permit| {
            self.waits = None;
            self.room = Some(permit?);
            // Nothing was taken meanwhile: its pace is looked at from now on.
            self.look.set(sleep(self.intake.patience / LOOKS));
            self.came = 0;
            Ok(())
        })
    }

    /// So many more bytes of it are here.
    pub(crate) fn came(&mut self, bytes: usize) {
        self.came += bytes as u64;
    }

    /// Looks at its pace, while more is waited for.
    ///
    /// # Errors
    /// `OVERLOADED`: it comes so slowly that its room is given to others.
    pub(crate) fn poll_pace(&mut self, cx: &mut Context<'_>) -> Result<(), Failure> {
        while self.look.as_mut().poll(cx).is_ready() {
            let look = self.intake.patience / LOOKS;
            let least = (self.intake.rate_min as f64 * look.as_secs_f64()).max(1.0);
            self.slow = if (self.came as f64) < least { self.slow + 1 } else { 0 };
            self.came = 0;
            self.look.set(sleep(look));
            if self.slow >= LOOKS || (self.slow > 0 && self.intake.ledger.is_waited_for(Use::Requests)) {
                let rule = "the request came more slowly than uploads.rate_min: its room was given to others";
                return Err(Failure::new("OVERLOADED", rule));
            }
        }
        Ok(())
    }

    /// What came of taking more of it, if that keeps the pace.
    pub(crate) fn keep_pace<T>(
        &mut self,
        taken: Poll<Result<T, Failure>>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<T, Failure>> {
        if taken.is_ready() {
            return taken;
        }
        self.poll_pace(cx).map_or_else(|slow| Poll::Ready(Err(slow)), |()| Poll::Pending)
    }

    /// The room of the message that is whole now.
    pub(crate) fn into_room(self) -> Option<Permit> {
        self.room
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;
    use crate::config::LedgerSettings;

    #[tokio::test(start_paused = true)]
    async fn the_pace_is_that_of_the_sender_and_not_of_who_gives_it_room() {
        let settings = LedgerSettings { requests_bytes_max: 1 << 20, ..Default::default() };
        let (ledger, second) = (Ledger::new(&settings), Duration::from_secs(1));
        let (own, patience) = (Arc::default(), second * LOOKS);
        let intake = Intake { ledger: Arc::clone(&ledger), own, caller: None, rate_min: 1 << 10, patience };
        let all = ledger.take(Use::Requests, 1 << 20).unwrap();
        let mut coming = Coming::new(&intake, 512 << 10);
        let room = async |coming: &mut Coming| poll_fn(|cx| coming.poll_room(cx)).await.is_ok();
        assert!(futures::poll!(std::pin::pin!(room(&mut coming))).is_pending());
        let mut other = std::pin::pin!(ledger.wait(Use::Requests, 1 << 20));
        assert!(futures::poll!(other.as_mut()).is_pending(), "others wait: it may not be slow for one look");
        tokio::time::advance(second * 9 / 10).await;
        drop(all);
        assert!(room(&mut coming).await);
        let pace = async |coming: &mut Coming| poll_fn(|cx| Poll::Ready(coming.poll_pace(cx))).await;
        tokio::time::advance(second * 2 / 10).await;
        assert!(pace(&mut coming).await.is_ok(), "it could send nothing before it had room");
        tokio::time::advance(second).await;
        assert_eq!(pace(&mut coming).await.unwrap_err().reason(), "OVERLOADED");
    }
}
