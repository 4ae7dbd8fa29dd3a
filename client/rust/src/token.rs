//! The bearer token: kept out of logs, wiped when dropped.

use std::fmt;

use tonic::metadata::{Ascii, MetadataValue};
use zeroize::Zeroizing;

use crate::{Error, Result};

/// A secret that is sent with every call.
#[derive(Clone)]
pub(crate) struct Token(Zeroizing<String>);

impl Token {
    /// Takes the secret over. Surrounding white space, as files tend to end with, is no part of it.
    pub(crate) fn new(secret: impl Into<String>) -> Self {
        let secret = Zeroizing::new(secret.into());
        Self(Zeroizing::new(secret.trim().to_owned()))
    }

    /// The `authorization` header, marked so that HTTP/2 neither indexes nor prints it.
    pub(crate) fn header(&self) -> Result<MetadataValue<Ascii>> {
        let line = Zeroizing::new(format!("Bearer {}", self.0.as_str()));
        let parsed = MetadataValue::try_from(line.as_str());
        let Ok(mut value) = parsed else {
            return Err(Error::configuration("the token holds characters that a header cannot carry"));
        };
        if self.0.is_empty() {
            return Err(Error::configuration("the token is empty"));
        }
        value.set_sensitive(true);
        Ok(value)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(redacted)")
    }
}
