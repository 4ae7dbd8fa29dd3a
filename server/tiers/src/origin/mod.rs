//! Origins: what an engine asks for a key it does not have. One file for each sort, and the rules they share.

pub mod freshness;
pub mod guard;
pub mod http;
pub mod template;

pub use self::http::{HttpOrigin, HttpOriginConfig};

/// Why an origin cannot be made from its configuration. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadOrigin(pub(crate) String);

impl std::fmt::Display for BadOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadOrigin {}
