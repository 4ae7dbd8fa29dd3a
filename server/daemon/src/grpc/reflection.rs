//! Reflection, v1 and v1alpha: the contract, the health service and the details of errors, for tools that bring no
//! schema of their own.

use tonic::service::Routes;
use tonic_reflection::server::{Builder, Error};

use super::coming::SMALL_BYTES;

/// Adds both reflection services.
///
/// # Errors
/// A descriptor set that cannot be decoded.
pub(crate) fn add_to(routes: Routes) -> Result<Routes, Error> {
    // Nobody needs a token for it.
    let routes = routes.add_service(builder().build_v1()?.max_decoding_message_size(SMALL_BYTES));
    Ok(routes.add_service(builder().build_v1alpha()?.max_decoding_message_size(SMALL_BYTES)))
}

/// Each version describes the other as well, so that tools see the whole server whichever they speak.
fn builder() -> Builder<'static> {
    Builder::configure()
        .register_encoded_file_descriptor_set(hotplate_proto::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET)
        .include_reflection_service(false)
}
