//! Everything there is to check, of both models: one server, and replicas with a shared tier.

use crate::{
    check::{self, Checked},
    configuration, fleet,
    protocol::Protocol,
    walk,
};

/// A size of either model.
#[derive(Clone, Copy, Debug)]
pub enum Size {
    /// Of one server.
    Server(&'static configuration::Configuration),
    /// Of replicas.
    Fleet(&'static fleet::configuration::Configuration),
}

/// A wrong way to build either, in the size that must find it.
#[derive(Clone, Copy, Debug)]
pub enum Wrong {
    /// One server.
    Server(crate::mutant::Mutant, &'static configuration::Configuration),
    /// Replicas.
    Fleet(fleet::mutant::Mutant, &'static fleet::configuration::Configuration),
}

/// Every size, those of one server first.
#[must_use]
pub fn sizes() -> Vec<Size> {
    let servers = configuration::CONFIGURATIONS.iter().map(Size::Server);
    servers.chain(fleet::configuration::CONFIGURATIONS.iter().map(Size::Fleet)).collect()
}

/// Every wrong way.
#[must_use]
pub fn wrongs() -> Vec<Wrong> {
    let server =
        crate::mutant::MUTANTS.iter().filter_map(|row| Some(Wrong::Server(row.0, configuration::that_finds(row.0)?)));
    let fleet = fleet::mutant::MUTANTS
        .iter()
        .filter_map(|row| Some(Wrong::Fleet(row.0, fleet::configuration::that_finds(row.0)?)));
    server.chain(fleet).collect()
}

impl Size {
    /// What it is called on the command line and in rows.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Server(one) => one.name,
            Self::Fleet(one) => one.name,
        }
    }

    /// What it is about, in a line.
    #[must_use]
    pub fn what(self) -> &'static str {
        match self {
            Self::Server(one) => one.what,
            Self::Fleet(one) => one.what,
        }
    }

    /// Whether it is checked only when asked for.
    #[must_use]
    pub fn large(self) -> bool {
        matches!(self, Self::Fleet(one) if one.large)
    }

    /// Checks every state that can be reached. `seen` is told now and then how many those are so far.
    #[must_use]
    pub fn exhaust(self, seen: &dyn Fn(usize)) -> Checked<String> {
        match self {
            Self::Server(one) => check::exhaust(Protocol { bounds: one.bounds, mutant: None }).told(),
            Self::Fleet(one) => {
                walk::everywhere(&fleet::protocol::Fleet { bounds: one.bounds, mutant: None }, seen).told()
            }
        }
    }
}

impl Wrong {
    /// What it is called on the command line and in rows.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// What is wrong, in a line.
    #[must_use]
    pub fn what(self) -> &'static str {
        self.row().1
    }

    /// The size that must find it.
    #[must_use]
    pub fn found_in(self) -> &'static str {
        self.row().2
    }

    fn row(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Server(mutant, size) => (mutant.name(), mutant.what(), size.name),
            Self::Fleet(mutant, size) => (mutant.name(), mutant.what(), size.name),
        }
    }

    /// Looks for what it breaks.
    #[must_use]
    pub fn hunt(self) -> Checked<String> {
        match self {
            Self::Server(mutant, size) => check::hunt(Protocol { bounds: size.bounds, mutant: Some(mutant) }).told(),
            Self::Fleet(mutant, size) => {
                check::hunt(fleet::protocol::Fleet { bounds: size.bounds, mutant: Some(mutant) }).told()
            }
        }
    }
}
