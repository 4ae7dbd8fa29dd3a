//! The known wrong ways, each a small change of the protocol that a check must find. How each is wrong is where the
//! right way is: in the transitions.

use crate::wrong::described;

/// A wrong way to build it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mutant {
    /// Invalidate answers first and drops afterwards.
    AckBeforeApply,
    /// A value is stored whatever was invalidated while it was computed.
    FillWithoutFence,
    /// The ticket of a computation is taken when its value arrives.
    TicketAtPut,
    /// An invalidation by tag drops the entries that are there and raises no fence.
    SweepWithoutFence,
    /// An entry is served without asking the fence of its tag: the sweep will come.
    ReadWithoutFence,
    /// The number of a change is visible before its fence is.
    NumberBeforeFence,
    /// The server forgets fences after a while and keeps no floor.
    FencesExpire,
    /// A Put whose lease is lost counts as a Put without one.
    LostLeaseWrites,
    /// Invalidate leaves the lease of its key valid.
    InvalidateKeepsLease,
    /// A lease that lapses leaves its token valid.
    LapseKeepsToken,
    /// A second Get is given a lease as well.
    GrantTwice,
    /// Tokens of one run of the server are those of the run before.
    TokensRepeat,
    /// A lapse leaves the waiters waiting.
    LapseForgetsWaiters,
    /// A release leaves the waiters waiting.
    ReleaseForgetsWaiters,
    /// An invalidation that revokes the lease leaves the waiters waiting.
    RevokeForgetsWaiters,
    /// A Put that is not stored leaves the waiters waiting.
    RefusalForgetsWaiters,
    /// Waiters are given what was refused.
    WaitersGetRefused,
    /// A value is stored whatever was invalidated of what it was made from.
    DependencyUnasked,
    /// A cascade drops what it found before anything was dropped, and does not look again.
    CascadeWalksOnce,
    /// A cascade looks for the last time while a value that was let in is not stored yet.
    LinkingUnlocked,
    /// The near cache keeps whatever answer arrives.
    NearAdmitsUnchecked,
    /// The near cache compares positions of different histories.
    NearIgnoresEpoch,
    /// The near cache forgets what it was told after a while and keeps no floor.
    NearFencesExpire,
    /// After a lost stream the near cache follows from now on and keeps its entries.
    ResumeFromNow,
    /// The near cache serves before it has caught up.
    ServeBeforeCaughtUp,
    /// The position advances, the entries go afterwards.
    PositionFirst,
    /// Progress tells the server's position, whatever this stream delivered.
    ProgressAhead,
    /// Events the history no longer holds are passed over.
    SilentLoss,
}

/// Every mutant, its name, and what it does, in a line.
pub const MUTANTS: [(Mutant, &str, &str); 28] = [
    (Mutant::AckBeforeApply, "ack-before-apply", "Invalidate answers, then drops"),
    (Mutant::FillWithoutFence, "fill-without-fence", "a fill is stored whatever was invalidated meanwhile"),
    (Mutant::TicketAtPut, "ticket-at-put", "the ticket is taken when the value arrives"),
    (Mutant::SweepWithoutFence, "sweep-without-fence", "a tag drops what is there and raises no fence"),
    (Mutant::ReadWithoutFence, "read-without-fence", "entries are served until the sweep comes"),
    (Mutant::NumberBeforeFence, "number-before-fence", "answers name a change whose fence is not raised yet"),
    (Mutant::FencesExpire, "fences-expire", "the server forgets fences and keeps no floor"),
    (Mutant::LostLeaseWrites, "lost-lease-writes", "a Put under a lost lease counts as a plain Put"),
    (Mutant::InvalidateKeepsLease, "invalidate-keeps-lease", "Invalidate leaves the key's lease valid"),
    (Mutant::LapseKeepsToken, "lapse-keeps-token", "the token of a lapsed lease stays valid"),
    (Mutant::GrantTwice, "grant-twice", "a second Get is given a lease as well"),
    (Mutant::TokensRepeat, "tokens-repeat", "tokens begin again after a restart"),
    (Mutant::LapseForgetsWaiters, "lapse-forgets-waiters", "nobody is promoted when a lease lapses"),
    (Mutant::ReleaseForgetsWaiters, "release-forgets-waiters", "nobody is promoted when a lease is released"),
    (Mutant::RevokeForgetsWaiters, "revoke-forgets-waiters", "nobody is promoted when a lease is revoked"),
    (Mutant::RefusalForgetsWaiters, "refusal-forgets-waiters", "nobody is promoted when a Put is not stored"),
    (Mutant::WaitersGetRefused, "waiters-get-refused", "waiters are given a value that was not stored"),
    (Mutant::DependencyUnasked, "dependency-unasked", "what a value was made from is not asked about"),
    (Mutant::CascadeWalksOnce, "cascade-walks-once", "a cascade does not look for what was stored meanwhile"),
    (Mutant::LinkingUnlocked, "linking-unlocked", "a cascade's last look does not wait for who was let in"),
    (Mutant::NearAdmitsUnchecked, "near-admits-unchecked", "the near cache keeps any answer"),
    (Mutant::NearIgnoresEpoch, "near-ignores-epoch", "positions of different histories are compared"),
    (Mutant::NearFencesExpire, "near-fences-expire", "the near cache forgets events and keeps no floor"),
    (Mutant::ResumeFromNow, "resume-from-now", "the stream goes on from now, entries are kept"),
    (Mutant::ServeBeforeCaughtUp, "serve-before-caught-up", "entries are served while events are replayed"),
    (Mutant::PositionFirst, "position-first", "the position advances before the entries go"),
    (Mutant::ProgressAhead, "progress-ahead", "progress is the server's clock, not the stream's"),
    (Mutant::SilentLoss, "silent-loss", "events that are no longer kept are passed over"),
];

impl Mutant {
    /// What it is called on the command line and in rows.
    #[must_use]
    pub fn name(self) -> &'static str {
        described(&MUTANTS, self).0
    }

    /// What it does, in a line.
    #[must_use]
    pub fn what(self) -> &'static str {
        described(&MUTANTS, self).1
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_mutant_is_listed_once_and_has_a_name_of_its_own() {
        let names: HashSet<_> = MUTANTS.iter().map(|row| row.1).collect();
        let mutants: HashSet<_> = MUTANTS.iter().map(|row| row.0).collect();
        assert_eq!((names.len(), mutants.len()), (MUTANTS.len(), MUTANTS.len()));
        // The last of the enumeration: a new one has to be in the list to be counted.
        assert_eq!(Mutant::SilentLoss as usize + 1, MUTANTS.len());
        assert_eq!(Mutant::TicketAtPut.name(), "ticket-at-put");
        assert!(!Mutant::TicketAtPut.what().is_empty());
    }
}
