//! Which sizes of the model of replicas are checked, and which mutants each must find.

use super::mutant::Mutant;

/// How much may happen. Within it, everything that can happen does, in every order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Calls of writers.
    pub changes: u8,
    /// Calls that one replica may have under way.
    pub slots: usize,
    /// Whether they invalidate the key.
    pub invalidates: bool,
    /// Whether they put it, at the first replica.
    pub puts: bool,
    /// Whether the shared tier has the key at first.
    pub warm: bool,
    /// Whether anybody reads the key.
    pub reads: bool,
    /// Whether they invalidate the witness, which both replicas hold at first.
    pub witness: bool,
    /// Whether there is a near cache.
    pub near: bool,
    /// Whether it asks the second replica as well, whose answers it never keeps.
    pub strangers: bool,
    /// How often its stream may be cut.
    pub disconnects: u8,
    /// How often the shared tier's follower may take over.
    pub failovers: u8,
    /// How often a replica may crash.
    pub crashes: u8,
    /// How often the first replica may be cut off from the shared tier.
    pub cuts: u8,
    /// How often a writer may go away while the shared tier works for it.
    pub cancels: u8,
    /// Whether the shared tier may forget fences, at any moment.
    pub forgets: bool,
    /// Whether memory may make room, at any moment.
    pub evicts: bool,
    /// Whether the first replica has a disk.
    pub disk: bool,
}

impl Bounds {
    /// One call at a time on each replica, which invalidates; so many in all.
    const fn changes(changes: u8) -> Self {
        Self {
            changes,
            slots: 1,
            invalidates: true,
            puts: false,
            warm: false,
            reads: true,
            witness: false,
            near: false,
            strangers: false,
            disconnects: 0,
            failovers: 0,
            crashes: 0,
            cuts: 0,
            cancels: 0,
            forgets: false,
            evicts: false,
            disk: false,
        }
    }
}

/// A size that is checked to the end.
#[derive(Clone, Copy, Debug)]
pub struct Configuration {
    /// What it is called on the command line and in rows.
    pub name: &'static str,
    /// What it is about, in a line.
    pub what: &'static str,
    /// How much may happen.
    pub bounds: Bounds,
    /// Only when it is asked for: it takes minutes.
    pub large: bool,
    /// What it must find.
    pub finds: &'static [Mutant],
}

/// All that are checked.
pub const CONFIGURATIONS: [Configuration; 12] = [
    Configuration {
        name: "fleet-near",
        what: "two replicas, a near cache whose stream is cut, one Invalidate",
        bounds: Bounds { near: true, strangers: true, disconnects: 1, ..Bounds::changes(1) },
        large: false,
        finds: &[
            Mutant::LocalFirst,
            Mutant::AnswerFirst,
            Mutant::PromoteUnchecked,
            Mutant::FillUnfenced,
            Mutant::LostCountsAsHeard,
            Mutant::NearKeepsAll,
            Mutant::NearResumesFromNow,
            Mutant::PositionFirst,
            Mutant::TicketAfterReply,
            Mutant::LateAsOf,
            Mutant::StampAtFill,
        ],
    },
    Configuration {
        name: "fleet-failover",
        what: "a failover that loses what was acknowledged, a crash, one Invalidate",
        bounds: Bounds { failovers: 1, crashes: 1, ..Bounds::changes(1) },
        large: false,
        finds: &[
            Mutant::NoJournal,
            Mutant::ServeUnchecked,
            Mutant::DivergenceUnseen,
            Mutant::ResyncRaisesNothing,
            Mutant::JournalInMemory,
        ],
    },
    Configuration {
        name: "fleet-failover-put",
        what: "a failover that loses a Put",
        bounds: Bounds { puts: true, invalidates: false, failovers: 1, ..Bounds::changes(1) },
        large: false,
        finds: &[Mutant::JournalWithoutPuts],
    },
    Configuration {
        name: "fleet-failover-near",
        what: "a failover, a near cache, one Invalidate",
        bounds: Bounds { near: true, failovers: 1, ..Bounds::changes(1) },
        large: true,
        finds: &[],
    },
    Configuration {
        name: "fleet-witness",
        what: "a failover, two Invalidates of two keys, of which both replicas held one",
        bounds: Bounds { failovers: 1, witness: true, reads: false, ..Bounds::changes(2) },
        large: false,
        finds: &[Mutant::ForeignReplyAdopted, Mutant::SameHistory],
    },
    Configuration {
        name: "fleet-gap",
        what: "a failover that loses a change beyond a gap, two Invalidates of two keys",
        bounds: Bounds { failovers: 1, witness: true, warm: true, ..Bounds::changes(2) },
        large: true,
        finds: &[Mutant::ReadsKeepHistory, Mutant::LookOutlivesReply],
    },
    Configuration {
        name: "fleet-writers",
        what: "two Puts at one replica at once, a writer that goes away",
        bounds: Bounds { puts: true, invalidates: false, slots: 2, cancels: 1, evicts: true, ..Bounds::changes(2) },
        large: false,
        finds: &[Mutant::WriteKeepsOther, Mutant::WriteRaisesNothing, Mutant::OwnHintCounts],
    },
    Configuration {
        name: "fleet-forgets",
        what: "fences that the shared tier forgets at any moment, one Invalidate",
        bounds: Bounds { forgets: true, ..Bounds::changes(1) },
        large: false,
        finds: &[Mutant::FencesExpire, Mutant::JoinsOlderRead],
    },
    Configuration {
        name: "fleet-away",
        what: "a replica cut off from the shared tier that goes on and owes it what it acknowledged",
        bounds: Bounds { puts: true, cuts: 1, ..Bounds::changes(2) },
        large: false,
        finds: &[Mutant::DebtReads],
    },
    Configuration {
        name: "fleet-disk",
        what: "a disk that is written later, and a crash, one Invalidate",
        bounds: Bounds { disk: true, crashes: 1, evicts: true, ..Bounds::changes(1) },
        large: false,
        finds: &[Mutant::DiskWriteLate, Mutant::PositionSavedEarly],
    },
    Configuration {
        name: "fleet-failover-2",
        what: "a failover, a crash, two changes",
        bounds: Bounds { failovers: 1, crashes: 1, ..Bounds::changes(2) },
        large: true,
        finds: &[],
    },
    Configuration {
        name: "fleet-near-2",
        what: "a near cache whose stream is cut, two changes",
        bounds: Bounds { near: true, disconnects: 1, ..Bounds::changes(2) },
        large: true,
        finds: &[],
    },
];

/// The configuration that must find this mutant.
#[must_use]
pub fn that_finds(mutant: Mutant) -> Option<&'static Configuration> {
    CONFIGURATIONS.iter().find(|configuration| configuration.finds.contains(&mutant))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::mutant::MUTANTS;

    #[test]
    fn every_mutant_has_one_configuration_that_must_find_it() {
        for (mutant, name, _) in MUTANTS {
            let finding = CONFIGURATIONS.iter().filter(|one| one.finds.contains(&mutant)).count();
            assert_eq!(finding, 1, "{name}");
            assert!(that_finds(mutant).is_some());
        }
    }
}
