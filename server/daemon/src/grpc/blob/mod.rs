//! Large values as streams: what the RPCs of the BlobService share. Each of them is served in a file of its own name beside
//! this folder.

pub(super) mod digest;
pub(super) mod frames;
pub(super) mod kept;
pub(crate) mod service;
pub(super) mod source;
pub(super) mod upload;
pub(super) mod uploads;
pub(super) mod wire;
pub(super) mod writer;
