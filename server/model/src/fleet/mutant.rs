//! The known wrong ways to keep replicas in step, each a small change that a check must find. How each is wrong is where
//! the right way is: in the transitions.

use crate::wrong::described;

/// A wrong way to build it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mutant {
    /// The replica drops its own copy first, then tells the shared tier.
    LocalFirst,
    /// Invalidate is answered when the shared tier has it, and applied here afterwards.
    AnswerFirst,
    /// What the shared tier gave is kept whatever happened meanwhile.
    PromoteUnchecked,
    /// The shared tier stores what was computed whatever changed meanwhile.
    FillUnfenced,
    /// A change that was told and lost counts as heard.
    LostCountsAsHeard,
    /// The near cache keeps any answer.
    NearKeepsAll,
    /// The near cache follows from now on and keeps its entries.
    NearResumesFromNow,
    /// The position advances, the entry goes afterwards.
    PositionFirst,
    /// A log that went back goes on being followed by its numbers.
    DivergenceUnseen,
    /// After a failover nothing that was acknowledged is told again.
    NoJournal,
    /// A reply that is not used for memory is handed out all the same.
    ServeUnchecked,
    /// The history of an own change's reply is taken over, and what is held is kept.
    ForeignReplyAdopted,
    /// The shared tier forgets fences after a while and keeps no floor.
    FencesExpire,
    /// The ticket is taken when the reply is there.
    TicketAfterReply,
    /// A Put that others overtook here leaves what they stored.
    WriteKeepsOther,
    /// A Put that others overtook here drops what they stored and refuses nothing that is on its way.
    WriteRaisesNothing,
    /// The hint of an own change counts as applied.
    OwnHintCounts,
    /// A write to the disk lands when it lands.
    DiskWriteLate,
    /// The place up to which the disk is good is saved before the disk has dropped what came before it.
    PositionSavedEarly,
    /// Beginning to follow again drops entries and refuses nothing that is on its way.
    ResyncRaisesNothing,
    /// An answer from the shared tier names the replica's log as it is when the answer leaves.
    LateAsOf,
    /// The place in the fleet's log is noted when the value is there, not before its computation.
    StampAtFill,
    /// Scripts do not look which process runs them: a failover begins no new history.
    SameHistory,
    /// What is owed to the shared tier is read there all the same.
    DebtReads,
    /// The journal has Invalidates and no Puts.
    JournalWithoutPuts,
    /// A reply to an own change that comes while the replica looks where the log is changes nothing about that look.
    LookOutlivesReply,
    /// A crash forgets the journal.
    JournalInMemory,
    /// A Get joins a read of the shared tier that something was acknowledged after.
    JoinsOlderRead,
    /// Scripts that only read do not look which process runs them: a gap hides that the log went back.
    ReadsKeepHistory,
}

/// Every mutant, its name, and what it does, in a line.
pub const MUTANTS: [(Mutant, &str, &str); 29] = [
    (Mutant::LocalFirst, "local-first", "dropped here, then told to the shared tier"),
    (Mutant::AnswerFirst, "answer-first", "told to the shared tier, answered, then dropped here"),
    (Mutant::PromoteUnchecked, "promote-unchecked", "what the shared tier gave is kept whatever happened"),
    (Mutant::FillUnfenced, "fill-unfenced", "the shared tier stores whatever changed meanwhile"),
    (Mutant::LostCountsAsHeard, "lost-counts-as-heard", "bare publish and subscribe: no gap is seen"),
    (Mutant::NearKeepsAll, "near-keeps-all", "the near cache keeps any answer of any replica"),
    (Mutant::NearResumesFromNow, "near-resumes-from-now", "the near cache goes on from now and keeps entries"),
    (Mutant::PositionFirst, "applied-late", "the position advances before the entry goes"),
    (Mutant::DivergenceUnseen, "divergence-unseen", "a log that went back is followed by its numbers"),
    (Mutant::NoJournal, "no-journal", "a failover loses what was acknowledged for good"),
    (Mutant::ServeUnchecked, "serve-unchecked", "a reply of another history is handed out"),
    (Mutant::ForeignReplyAdopted, "foreign-reply-adopted", "a reply's history is taken over, entries are kept"),
    (Mutant::FencesExpire, "shared-fences-expire", "the shared tier forgets fences and keeps no floor"),
    (Mutant::TicketAfterReply, "ticket-after-reply", "the ticket is taken when the reply is there"),
    (Mutant::WriteKeepsOther, "write-keeps-other", "a Put leaves what another stored here meanwhile"),
    (Mutant::WriteRaisesNothing, "write-raises-nothing", "a Put refuses nothing that is on its way here"),
    (Mutant::OwnHintCounts, "own-hint-counts", "the hint of an own change counts as applied"),
    (Mutant::DiskWriteLate, "disk-write-late", "a write to the disk lands after what dropped it"),
    (Mutant::PositionSavedEarly, "position-saved-early", "the disk's place is saved before the disk has got there"),
    (Mutant::ResyncRaisesNothing, "resync-raises-nothing", "following again refuses nothing that is on its way"),
    (Mutant::LateAsOf, "late-as-of", "an answer names the log as it is when it leaves"),
    (Mutant::StampAtFill, "stamp-at-fill", "the fleet's place is noted after the computation"),
    (Mutant::SameHistory, "same-history", "a failover begins no new history"),
    (Mutant::DebtReads, "debt-reads", "what is owed to the shared tier is read there"),
    (Mutant::JournalWithoutPuts, "journal-without-puts", "the journal has Invalidates and no Puts"),
    (Mutant::LookOutlivesReply, "look-outlives-reply", "an own reply does not make the replica look again"),
    (Mutant::JournalInMemory, "journal-in-memory", "a crash forgets the journal, and a failover comes"),
    (Mutant::JoinsOlderRead, "joins-older-read", "a Get joins a read that began before what was acknowledged"),
    (Mutant::ReadsKeepHistory, "reads-keep-history", "what only reads begins no new history"),
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
    fn every_mutant_is_listed_once_and_has_a_name_that_no_other_model_uses() {
        let others = crate::mutant::MUTANTS.iter().map(|row| row.1);
        let names: HashSet<_> = MUTANTS.iter().map(|row| row.1).chain(others).collect();
        let mutants: HashSet<_> = MUTANTS.iter().map(|row| row.0).collect();
        assert_eq!(names.len(), MUTANTS.len() + crate::mutant::MUTANTS.len());
        assert_eq!(mutants.len(), MUTANTS.len());
        // The last of the enumeration: a new one has to be in the list to be counted.
        assert_eq!(Mutant::ReadsKeepHistory as usize + 1, MUTANTS.len());
        assert_eq!(Mutant::LocalFirst.name(), "local-first");
        assert!(!Mutant::LocalFirst.what().is_empty());
    }
}
