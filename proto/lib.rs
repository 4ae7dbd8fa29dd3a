//! The `hotplate.v1` contract as Rust types.
//!
//! Everything here is generated from `proto/hotplate/v1/*.proto` at build time; nothing else belongs here. Use the
//! `client` and `server` features to pick the stubs you need. No protoc is needed to build.

/// Messages, enums and stubs of package `hotplate.v1`.
#[allow(
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::too_many_lines,
    clippy::excessive_nesting,
    missing_docs,
    unreachable_pub,
    reason = "generated from the proto files, whose comments are the docs"
)]
pub mod v1 {
    tonic::include_proto!("hotplate.v1");
}

/// The encoded `google.protobuf.FileDescriptorSet` of the package with its imports, for reflection and for reading the
/// permission each RPC declares.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptor.bin"));
