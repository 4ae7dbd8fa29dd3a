//! The ledger: how many bytes may be held at once for what peers send and are sent, by use. Permits are taken before
//! buffers are. What the bytes are is not known here.

mod share;
mod unsent;

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::share::OfCaller;
pub(crate) use self::{
    share::{Own, Share},
    unsent::Unsent,
};
use crate::{config::LedgerSettings, grpc::status::Failure};

/// Bytes of one permit of a semaphore: counted in these, a permit holds up to 4 TiB.
const UNIT: u64 = 1 << 10;

/// What bytes are held for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// Requests that are still coming in.
    Requests,
    /// Answers on their way to readers.
    Sending,
}

/// All uses, in the order in which a ledger keeps them.
pub(crate) const USES: [Use; 2] = [Use::Requests, Use::Sending];

impl Use {
    /// As metrics name it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Sending => "sending",
        }
    }
}

/// How many bytes are held, by use.
#[derive(Debug)]
pub(crate) struct Ledger {
    accounts: [Account; 2],
    /// What each caller with a token holds and lets wait, by the token's id: as many as are configured.
    callers: Mutex<HashMap<Arc<str>, Arc<OfCaller>>>,
}

#[derive(Debug)]
struct Account {
    most: u64,
    waiting: AtomicUsize,
    /// Bytes that are there already and wait.
    queued: AtomicU64,
    free: Arc<Semaphore>,
}

/// Bytes that may be held until this is dropped.
pub(crate) struct Permit {
    bytes: Option<OwnedSemaphorePermit>,
    /// The same, of what one caller may hold.
    of_caller: Option<OwnedSemaphorePermit>,
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Permit").field(&self.bytes()).finish()
    }
}

impl Ledger {
    /// Nothing is held. What uploads hold is part of the memory of entries, and counted there.
    pub(crate) fn new(settings: &LedgerSettings) -> Arc<Self> {
        let of = |bytes: usize| {
            let units = units(bytes as u64).clamp(1, Semaphore::MAX_PERMITS as u64);
            Account {
                most: units * UNIT,
                waiting: AtomicUsize::new(0),
                queued: AtomicU64::new(0),
                free: Arc::new(Semaphore::new(usize::try_from(units).unwrap_or(1))),
            }
        };
        let accounts = [of(settings.requests_bytes_max), of(settings.sending_bytes_max)];
        Arc::new(Self { accounts, callers: Mutex::default() })
    }

    fn account(&self, of: Use) -> &Account {
        &self.accounts[of as usize]
    }

    /// Room for so many bytes, at once.
    ///
    /// # Errors
    /// `OVERLOADED` when there is none.
    pub(crate) fn take(&self, of: Use, bytes: u64) -> Result<Permit, Failure> {
        let free = Arc::clone(&self.account(of).free);
        let wanted = u32::try_from(units(bytes)).map_err(|_more_than_fits| full(of))?;
        free.try_acquire_many_owned(wanted).map(|permit| Some(permit).into()).map_err(|_none| full(of))
    }

    /// Room for so many bytes, or for all there is if that is less, as soon as there is some; who asks first gets it first.
    pub(crate) async fn wait(&self, of: Use, bytes: u64) -> Permit {
        let account = self.account(of);
        let wanted = u32::try_from(units(bytes.min(account.most))).unwrap_or(u32::MAX);
        if let Ok(permit) = Arc::clone(&account.free).try_acquire_many_owned(wanted) {
            return Some(permit).into();
        }
        let _waiting = Waiting::new(&account.waiting);
        // It is never closed: a permit that says nothing would only let more through than is to be.
        Arc::clone(&account.free).acquire_many_owned(wanted).await.ok().into()
    }

    /// Whether somebody waits for room now.
    pub(crate) fn is_waited_for(&self, of: Use) -> bool {
        self.account(of).waiting.load(Ordering::Relaxed) > 0
    }

    /// Bytes held for a use, and how many may be.
    pub(crate) fn state(&self, of: Use) -> (u64, u64) {
        let account = self.account(of);
        (account.most.saturating_sub(account.free.available_permits() as u64 * UNIT), account.most)
    }
}

/// One more who waits, until it is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl From<Option<OwnedSemaphorePermit>> for Permit {
    fn from(bytes: Option<OwnedSemaphorePermit>) -> Self {
        Self { bytes, of_caller: None }
    }
}

impl Permit {
    /// Bytes it allows.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.as_ref().map_or(0, |permit| permit.num_permits() as u64 * UNIT)
    }

    /// Takes so many bytes of it away, or all that it allows.
    pub(crate) fn split(&mut self, bytes: u64) -> Self {
        let wanted = usize::try_from(units(bytes)).unwrap_or(usize::MAX);
        let part = |permit: &mut OwnedSemaphorePermit| permit.split(wanted.min(permit.num_permits()));
        Self { bytes: self.bytes.as_mut().and_then(part), of_caller: self.of_caller.as_mut().and_then(part) }
    }
}

fn units(bytes: u64) -> u64 {
    bytes.div_ceil(UNIT)
}

/// Why nothing was taken.
pub(crate) fn full(of: Use) -> Failure {
    let what = match of {
        Use::Requests => "requests that are coming in hold as many bytes as ledger.requests_bytes_max",
        Use::Sending => "answers on their way to readers hold as many bytes as ledger.sending_bytes_max",
    };
    Failure::new("OVERLOADED", what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> Arc<Ledger> {
        let settings = LedgerSettings { requests_bytes_max: 2 << 10, sending_bytes_max: 4 << 10, ..Default::default() };
        Ledger::new(&settings)
    }

    #[test]
    fn what_is_held_is_bounded_by_use_and_comes_back() {
        let ledger = ledger();
        let one = ledger.take(Use::Requests, 1).unwrap();
        assert_eq!((one.bytes(), ledger.state(Use::Requests)), (1 << 10, (1 << 10, 2 << 10)), "whole KiB are counted");
        let other = ledger.take(Use::Requests, 1 << 10).unwrap();
        assert_eq!(ledger.take(Use::Requests, 1).unwrap_err().reason(), "OVERLOADED");
        assert!(ledger.take(Use::Sending, 4 << 10).is_ok(), "another use has room of its own");
        assert!(ledger.take(Use::Sending, u64::MAX).is_err());
        drop((one, other));
        assert_eq!(ledger.state(Use::Requests), (0, 2 << 10));
    }

    #[tokio::test]
    async fn who_waits_gets_what_others_give_back() {
        let ledger = ledger();
        let all = ledger.wait(Use::Sending, 1 << 30).await;
        assert_eq!(all.bytes(), 4 << 10, "more than there is waits for all there is");
        let mut waiting = std::pin::pin!(ledger.wait(Use::Sending, 1));
        assert!(futures::poll!(waiting.as_mut()).is_pending());
        drop(all);
        assert_eq!(waiting.await.bytes(), 1 << 10);
    }
}
