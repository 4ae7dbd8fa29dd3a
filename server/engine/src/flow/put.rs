//! Put: check, resolve the lifetime, test the precondition, pass the gate.

use std::sync::Arc;

use crate::{
    entry::{Description, EntryView, Expiration, Payload},
    position::Positions,
};

/// What to store.
#[derive(Clone, Debug)]
pub struct PutRequest {
    /// The namespace; empty means `default`.
    pub namespace: String,
    /// The key.
    pub key: String,
    /// What; `None`: the content is unchanged, renew it (needs [`Precondition::Etag`]).
    pub payload: Option<Payload>,
    /// SHA-256 of the value as the writer has it; checked.
    pub digest: Option<[u8; 32]>,
    /// What the writer says of it.
    pub description: Description,
    /// For how long.
    pub expiration: Expiration,
    /// On which condition.
    pub precondition: Precondition,
    /// A repeated id gets the first answer; empty: none.
    pub request_id: String,
    /// Who writes.
    pub client_id: Option<Arc<str>>,
}

/// A condition on what is stored now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Precondition {
    /// None.
    #[default]
    Always,
    /// Nothing that may be served.
    Absent,
    /// Something.
    Present,
    /// Something with this etag.
    Etag(String),
}

/// What became of a Put.
#[derive(Clone, Debug)]
pub enum PutAnswer {
    /// Stored.
    Stored {
        /// As stored.
        entry: EntryView,
        /// Where in the history.
        position: Positions,
    },
    /// The same content was there and was renewed.
    Refreshed {
        /// As stored.
        entry: EntryView,
        /// Where the history is.
        position: Positions,
    },
    /// The condition does not hold.
    PreconditionFailed {
        /// What is in the way.
        entry: Option<EntryView>,
    },
    /// It cannot fit.
    NotAdmitted {
        /// Why, and what would change it.
        why: String,
        /// Where in the history, when an older value was dropped.
        position: Option<Positions>,
    },
}
