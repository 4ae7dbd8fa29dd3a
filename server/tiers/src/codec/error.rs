//! Why a record cannot be written or read. Names neither keys nor values.

use std::fmt;

use hotplate_engine::tier::{TierError, TierErrorKind};

/// Why a record cannot be written or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodecError {
    /// It is no record of this cache.
    Foreign,
    /// A later version of this server wrote it, or an earlier one that is not read any more: there is no entry.
    UnknownVersion(u8),
    /// It goes on after what was given: as far as is known, it has so many bytes at least.
    Truncated {
        /// Bytes from its start.
        needs: u64,
    },
    /// It is not what was written: in which way.
    Damaged(&'static str),
    /// It was compressed with a dictionary that is not here: there is no entry, unless that is found.
    UnknownDictionary(u64),
    /// A value or what is said of it is larger than is written or read here.
    TooLarge {
        /// Bytes it has.
        bytes: u64,
        /// Bytes it may have.
        bytes_max: u64,
    },
}

impl CodecError {
    /// Whether something happened to it since it was written. Otherwise there is just no entry for this server.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Foreign | Self::Truncated { .. } | Self::Damaged(_))
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("these bytes are no record of this cache"),
            Self::UnknownVersion(version) => write!(f, "this server does not read records of version {version}"),
            Self::Truncated { needs } => write!(f, "the record is cut off: it has {needs} bytes at least"),
            Self::Damaged(how) => write!(f, "the record is damaged: {how}"),
            Self::UnknownDictionary(id) => write!(f, "the record needs dictionary {id:016x}, which is not here"),
            Self::TooLarge { bytes, bytes_max } => {
                write!(f, "the record has {bytes} bytes where {bytes_max} are allowed")
            }
        }
    }
}

impl std::error::Error for CodecError {}

impl From<CodecError> for TierError {
    fn from(error: CodecError) -> Self {
        Self { kind: TierErrorKind::Corrupt, message: error.to_string() }
    }
}
