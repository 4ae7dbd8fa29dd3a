//! The whole service over the wire.
