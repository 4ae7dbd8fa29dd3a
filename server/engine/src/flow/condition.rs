//! Conditions on an entry that memory does not have: what was found below it is what they are tested against, as long as nothing
//! happened to the key since it was looked for. How that is looked for is not known here.

use std::sync::Arc;

use super::{fill::Ticket, promote::Unstored, put::Precondition};
use crate::{
    entry::EntryView,
    error::{Error, Kind, Reason},
    key::Key,
    memory::{Guard, Store},
};

/// What was found of a key when it was looked for.
#[derive(Clone, Debug)]
pub enum Below {
    /// Memory had it: what it has when the condition is tested is what counts.
    Memory,
    /// Nothing, since this ticket.
    Nothing(Ticket),
    /// This, since this ticket, and memory has no room for it.
    Found(Ticket, Arc<Unstored>),
    /// The tier of this machine could not be asked.
    Unasked,
}

/// Whether a condition holds.
pub(super) enum Tested {
    Holds,
    /// It does not; with what is in the way.
    Fails(Option<Box<EntryView>>),
    /// What was found may not be what is there now.
    Unknown,
}

impl Below {
    /// Tests a condition on what memory does not have, with the key's shard locked.
    pub(super) fn test(&self, store: &Store, shard: &Guard<'_>, (key, condition): (&Key, &Precondition)) -> Tested {
        let (ticket, found) = match self {
            Self::Memory | Self::Unasked => return Tested::Unknown,
            Self::Nothing(ticket) => (ticket, None),
            Self::Found(ticket, found) => (ticket, Some(found)),
        };
        let newest = shard.beside.is_newest(key, ticket.place) && shard.beside.fences.admit(key, ticket.stamp);
        let stands = found.is_none_or(|found| found.stands(store, key, ticket.stamp));
        if !newest || !stands {
            return Tested::Unknown;
        }
        let holds = match (condition, found) {
            (Precondition::Always, _) | (Precondition::Absent, None) | (Precondition::Present, Some(_)) => true,
            (Precondition::Etag(etag), Some(found)) => found.has(etag),
            (Precondition::Absent, Some(_)) | (Precondition::Present | Precondition::Etag(_), None) => false,
        };
        let view = |found: &Arc<Unstored>| Box::new(found.view(store, key).0);
        if holds { Tested::Holds } else { Tested::Fails(found.map(view)) }
    }
}

/// The refusal of a call about something that is not in memory.
pub(super) fn not_in_memory(below: Option<&Below>) -> Error {
    let rule = match below {
        Some(Below::Found(..)) => {
            "it lies on the disk or where replicas share it, and memory has no room for it: there it can be replaced, and \
             neither renewed nor touched. Put it again with its value"
        }
        Some(Below::Unasked) => {
            "memory does not have it, and the disk cannot be asked now whether it does: repeat the call later, or make it \
             without a condition"
        }
        _ => "it changed each time the condition on it was tested: repeat the call",
    };
    Error::new(Kind::FailedPrecondition, Reason::NotInMemory, rule)
}
