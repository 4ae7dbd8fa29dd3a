//! Which sizes are checked: how much may happen in each, and which mutants each must find.

use crate::{fences::Target, mutant::Mutant, state::Call};

/// How much may happen. Within it, everything that can happen does, in every order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Computations that A and B ask for, together.
    pub calls: u8,
    /// Changes of the source.
    pub changes: u8,
    /// How each may be told to the server.
    pub writes: &'static [Call],
    /// Whether A and B may compute without a lease as well.
    pub fetches: bool,
    /// Whether fences may be forgotten, at any moment, on the server and in the near cache.
    pub forgets: bool,
    /// Whether the first key is made from the source, and the second from the first.
    pub depends: bool,
    /// Whether there is a near cache.
    pub near: bool,
    /// Changes that the history holds.
    pub history: usize,
    /// How often the stream may be cut.
    pub disconnects: u8,
    /// How often the server may restart.
    pub restarts: u8,
}

impl Bounds {
    /// Nothing happens.
    pub const NONE: Self = Self {
        calls: 0,
        changes: 0,
        writes: &[],
        fetches: false,
        forgets: false,
        depends: false,
        near: false,
        history: 1,
        disconnects: 0,
        restarts: 0,
    };
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
    /// What it must find.
    pub finds: &'static [Mutant],
}

const KEY: Call = Call::Invalidate(Target::Key(0));
const OTHER: Call = Call::Invalidate(Target::Key(1));
const TAG: Call = Call::Invalidate(Target::Tag);
const SOURCE: Call = Call::Invalidate(Target::Source);
const PUT: Call = Call::Put(0);

/// All that are checked, smallest first.
pub const CONFIGURATIONS: [Configuration; 6] = [
    Configuration {
        name: "leases",
        what: "A and B compute two keys under leases; key, tag and Put",
        bounds: Bounds { calls: 4, changes: 2, writes: &[KEY, TAG, PUT], ..Bounds::NONE },
        finds: &[
            Mutant::AckBeforeApply,
            Mutant::TicketAtPut,
            Mutant::SweepWithoutFence,
            Mutant::LostLeaseWrites,
            Mutant::InvalidateKeepsLease,
            Mutant::LapseKeepsToken,
            Mutant::GrantTwice,
            Mutant::LapseForgetsWaiters,
            Mutant::ReleaseForgetsWaiters,
            Mutant::RevokeForgetsWaiters,
            Mutant::RefusalForgetsWaiters,
            Mutant::WaitersGetRefused,
        ],
    },
    Configuration {
        name: "fills",
        what: "with and without leases, while the server forgets fences",
        bounds: Bounds {
            calls: 3,
            changes: 2,
            writes: &[KEY, OTHER, TAG],
            fetches: true,
            forgets: true,
            ..Bounds::NONE
        },
        finds: &[Mutant::FillWithoutFence, Mutant::FencesExpire],
    },
    Configuration {
        name: "dependencies",
        what: "one key is made from another, and that from what is invalidated; the cascade takes several steps",
        bounds: Bounds { calls: 4, changes: 2, writes: &[SOURCE], depends: true, ..Bounds::NONE },
        finds: &[Mutant::DependencyUnasked, Mutant::CascadeWalksOnce, Mutant::LinkingUnlocked],
    },
    Configuration {
        name: "near",
        what: "a near cache whose stream is cut, and a history of two changes",
        bounds: Bounds {
            calls: 2,
            changes: 2,
            writes: &[KEY, TAG],
            near: true,
            history: 2,
            disconnects: 1,
            ..Bounds::NONE
        },
        finds: &[
            Mutant::ReadWithoutFence,
            Mutant::NumberBeforeFence,
            Mutant::NearAdmitsUnchecked,
            Mutant::ResumeFromNow,
            Mutant::ServeBeforeCaughtUp,
            Mutant::PositionFirst,
            Mutant::ProgressAhead,
            Mutant::SilentLoss,
        ],
    },
    Configuration {
        name: "near-forgets",
        what: "a near cache and a server that forget fences",
        bounds: Bounds {
            calls: 2,
            changes: 2,
            writes: &[KEY, TAG],
            near: true,
            history: 4,
            forgets: true,
            ..Bounds::NONE
        },
        finds: &[Mutant::NearFencesExpire],
    },
    Configuration {
        name: "restart",
        what: "the server restarts under leases, waiters and a near cache",
        bounds: Bounds {
            calls: 2,
            changes: 1,
            writes: &[KEY, TAG, PUT],
            near: true,
            history: 4,
            restarts: 1,
            ..Bounds::NONE
        },
        finds: &[Mutant::TokensRepeat, Mutant::NearIgnoresEpoch],
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
    use crate::mutant::MUTANTS;

    #[test]
    fn every_mutant_has_one_configuration_that_must_find_it() {
        for (mutant, name, _) in MUTANTS {
            let finding = CONFIGURATIONS.iter().filter(|one| one.finds.contains(&mutant)).count();
            assert_eq!(finding, 1, "{name}");
            assert!(that_finds(mutant).is_some());
        }
    }
}
