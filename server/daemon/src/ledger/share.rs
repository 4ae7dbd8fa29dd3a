//! What one caller may hold over one connection: a little that is its own whatever others hold, and of what all have in common
//! at most half, so that no caller with a token can keep all others out. What it is held for is not known here.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::Semaphore;

use super::{Ledger, Permit, UNIT, USES, Unsent, Use, Waiting, units};

/// Bytes of each use that a connection may hold besides what all have in common.
const OWN_BYTES: u64 = 64 << 10;
/// The part of all that one caller with a token may hold.
const CALLER_PART: u64 = 2;

/// What a connection may hold besides what all have in common.
#[derive(Debug)]
pub(crate) struct Own {
    free: [Arc<Semaphore>; 2],
    unsent: Arc<Unsent>,
}

impl Default for Own {
    fn default() -> Self {
        let free = USES.map(|_| Arc::new(Semaphore::new(usize::try_from(units(OWN_BYTES)).unwrap_or(1))));
        Self { free, unsent: Arc::default() }
    }
}

impl Own {
    /// What is on its way over the connection without room.
    pub(crate) fn unsent(&self) -> &Arc<Unsent> {
        &self.unsent
    }
}

/// What one caller with a token holds and lets wait, over all of its connections, by use.
#[derive(Debug)]
pub(super) struct OfCaller {
    free: [Arc<Semaphore>; 2],
    /// Bytes that are there already and wait.
    queued: [AtomicU64; 2],
}

/// Bytes that wait for room, counted until this is dropped.
#[derive(Debug)]
pub(crate) struct Queued {
    share: Share,
    of: Use,
    bytes: u64,
}

impl Drop for Queued {
    fn drop(&mut self) {
        for (queued, _) in self.share.queues(self.of) {
            queued.fetch_sub(self.bytes, Ordering::AcqRel);
        }
    }
}

/// What one caller may hold over one connection. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Share {
    ledger: Arc<Ledger>,
    own: Arc<Own>,
    /// What it may take of what all have in common; `None`: all, as there are no other callers.
    caller: Option<Arc<OfCaller>>,
}

impl Share {
    /// Of the caller with a token of this id, over this connection; `None`: nobody shows tokens.
    pub(crate) fn new(ledger: &Arc<Ledger>, own: &Arc<Own>, caller: Option<&str>) -> Self {
        let (ledger, own) = (Arc::clone(ledger), Arc::clone(own));
        let caller = caller.map(|id| ledger.caller(id));
        Self { ledger, own, caller }
    }

    /// Room for so many bytes, at once; `None`: there is none.
    pub(crate) fn take(&self, of: Use, bytes: u64) -> Option<Permit> {
        let wanted = u32::try_from(units(bytes)).ok()?;
        if let Ok(permit) = Arc::clone(&self.own.free[of as usize]).try_acquire_many_owned(wanted) {
            return Some(Some(permit).into());
        }
        let of_caller = match &self.caller {
            Some(caller) => Some(Arc::clone(&caller.free[of as usize]).try_acquire_many_owned(wanted).ok()?),
            None => None,
        };
        let permit = self.ledger.take(of, bytes).ok()?;
        Some(Permit { of_caller, ..permit })
    }

    /// Room for so many bytes, or for all there is if that is less, as soon as there is some; who asks first gets it first.
    pub(crate) async fn wait(self, of: Use, bytes: u64) -> Permit {
        if let Some(permit) = self.take(of, bytes) {
            return permit;
        }
        let own = Arc::clone(&self.own.free[of as usize]);
        let wanted = u32::try_from(units(bytes)).unwrap_or(u32::MAX);
        if u64::from(wanted) * UNIT > OWN_BYTES {
            return self.wait_for_common(of, bytes).await;
        }
        tokio::select! {
            permit = own.acquire_many_owned(wanted) => permit.ok().into(),
            permit = self.wait_for_common(of, bytes) => permit,
        }
    }

    /// Counts so many bytes that are there already and wait for room; `None`: as many wait as may have some, of this caller or of
    /// all.
    pub(crate) fn queue(&self, of: Use, bytes: u64) -> Option<Queued> {
        let fits = |(queued, most): &(&AtomicU64, u64)| {
            let more = |queued: u64| queued.checked_add(bytes).filter(|all| *all <= (*most).max(bytes));
            queued.try_update(Ordering::AcqRel, Ordering::Acquire, more).is_ok()
        };
        let counted: Vec<_> = self.queues(of).take_while(fits).map(|(queued, _)| queued).collect();
        if counted.len() == self.queues(of).count() {
            return Some(Queued { share: self.clone(), of, bytes });
        }
        for queued in counted {
            queued.fetch_sub(bytes, Ordering::AcqRel);
        }
        None
    }

    /// The same of what waits however much does: what may be refused makes way for it.
    pub(crate) fn queue_anyway(&self, of: Use, bytes: u64) -> Queued {
        for (queued, _) in self.queues(of) {
            queued.fetch_add(bytes, Ordering::AcqRel);
        }
        Queued { share: self.clone(), of, bytes }
    }

    /// What waits of this caller and of all, and how much may.
    fn queues(&self, of: Use) -> impl Iterator<Item = (&AtomicU64, u64)> {
        let account = self.ledger.account(of);
        let of_caller = self.caller.as_ref().map(|caller| (&caller.queued[of as usize], part(account.most)));
        of_caller.into_iter().chain([(&account.queued, account.most)])
    }

    async fn wait_for_common(&self, of: Use, bytes: u64) -> Permit {
        let account = self.ledger.account(of);
        let bytes = bytes.min(self.caller.as_ref().map_or(account.most, |_| part(account.most)));
        let of_caller = match &self.caller {
            Some(caller) => {
                // Whoever of the same caller takes nothing is to be found out as well.
                let _waiting = Waiting::new(&account.waiting);
                let wanted = u32::try_from(units(bytes)).unwrap_or(u32::MAX);
                Arc::clone(&caller.free[of as usize]).acquire_many_owned(wanted).await.ok()
            }
            None => None,
        };
        let permit = self.ledger.wait(of, bytes).await;
        Permit { of_caller, ..permit }
    }
}

impl Ledger {
    fn caller(&self, id: &str) -> Arc<OfCaller> {
        let mut callers = self.callers.lock();
        if let Some(known) = callers.get(id) {
            return Arc::clone(known);
        }
        let free = |of: Use| {
            let units = units(part(self.account(of).most)).min(Semaphore::MAX_PERMITS as u64);
            Arc::new(Semaphore::new(usize::try_from(units).unwrap_or(1)))
        };
        let new = Arc::new(OfCaller { free: USES.map(free), queued: Default::default() });
        callers.insert(Arc::from(id), Arc::clone(&new));
        new
    }
}

/// What of so many bytes one caller may hold.
fn part(most: u64) -> u64 {
    (most / CALLER_PART).max(UNIT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LedgerSettings;

    fn ledger() -> Arc<Ledger> {
        let bytes = 1 << 20;
        let settings = LedgerSettings { requests_bytes_max: bytes, sending_bytes_max: bytes, ..Default::default() };
        Ledger::new(&settings)
    }

    fn share(ledger: &Arc<Ledger>, caller: Option<&str>) -> Share {
        Share::new(ledger, &Arc::default(), caller)
    }

    #[test]
    fn a_caller_holds_half_at_most_and_a_connection_has_a_little_of_its_own() {
        let ledger = ledger();
        let (greedy, again) = (share(&ledger, Some("a")), share(&ledger, Some("a")));
        let _half = greedy.take(Use::Requests, 512 << 10).unwrap();
        assert!(again.take(Use::Requests, 65 << 10).is_none(), "over any connection");
        assert!(again.take(Use::Sending, 65 << 10).is_some(), "of this use");
        let little = again.take(Use::Requests, 64 << 10).unwrap();
        assert_eq!(ledger.state(Use::Requests).0, 512 << 10, "that is not of what all have in common");
        assert!(again.take(Use::Requests, 1).is_none());
        drop(little);
        let other = share(&ledger, Some("b")).take(Use::Requests, 512 << 10).unwrap();
        assert!(share(&ledger, Some("c")).take(Use::Requests, 65 << 10).is_none(), "all is held");
        assert!(share(&ledger, Some("c")).take(Use::Requests, 1).is_some());
        drop(other);
        assert!(share(&ledger, None).take(Use::Requests, 512 << 10).is_some());
    }

    #[test]
    fn a_caller_lets_half_wait_at_most_over_all_of_its_connections() {
        let ledger = ledger();
        let [one, again, other, third] = ["a", "a", "b", "c"].map(|caller| share(&ledger, Some(caller)));
        let first = one.queue(Use::Sending, 512 << 10).unwrap();
        assert!(again.queue(Use::Sending, 1).is_none());
        assert!(again.queue(Use::Requests, 1).is_some(), "of this use");
        let second = other.queue(Use::Sending, 512 << 10).expect("others may have as much waiting");
        assert!(third.queue(Use::Sending, 1).is_none(), "as much waits as may have room");
        drop(second);
        let third = third.queue(Use::Sending, 512 << 10).expect("what was refused is not counted");
        drop((first, third));
        let anyway = [(); 3].map(|()| one.queue_anyway(Use::Sending, 512 << 10));
        assert!(one.queue(Use::Sending, 1).is_none() && other.queue(Use::Sending, 1).is_none(), "others make way");
        drop(anyway);
        assert!(one.queue(Use::Sending, 600 << 10).is_some(), "one that is larger waits alone");
        assert!(share(&ledger, None).queue(Use::Sending, 1 << 20).is_some(), "nothing is left");
    }

    #[test]
    fn what_is_split_off_comes_back_by_itself() {
        let ledger = ledger();
        let share = share(&ledger, Some("a"));
        let mut permit = share.take(Use::Sending, 512 << 10).unwrap();
        let part = permit.split(100 << 10);
        assert_eq!((part.bytes(), permit.bytes()), (100 << 10, 412 << 10));
        drop(permit);
        assert_eq!(ledger.state(Use::Sending).0, 100 << 10);
        assert!(share.take(Use::Sending, 412 << 10).is_some(), "to its caller as well");
    }

    #[tokio::test]
    async fn who_waits_gets_what_comes_back_first_and_no_more_than_there_is() {
        let ledger = ledger();
        let share = share(&ledger, Some("a"));
        let half = share.take(Use::Sending, 512 << 10).unwrap();
        let own = share.take(Use::Sending, 64 << 10).unwrap();
        let mut large = std::pin::pin!(share.clone().wait(Use::Sending, 1 << 30));
        let mut small = std::pin::pin!(share.clone().wait(Use::Sending, 1 << 10));
        assert!(futures::poll!(large.as_mut()).is_pending() && futures::poll!(small.as_mut()).is_pending());
        assert!(ledger.is_waited_for(Use::Sending));
        drop(own);
        assert_eq!(small.await.bytes(), 1 << 10);
        drop(half);
        assert_eq!(large.await.bytes(), 512 << 10);
        assert!(!ledger.is_waited_for(Use::Sending));
    }
}
