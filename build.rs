//! Compiles `proto/hotplate/v1` into Rust types, stubs and a descriptor set, without protoc.
//!
//! Writes to OUT_DIR only. Fails the build when an RPC does not declare the permission it needs.

use std::{env, error::Error, fs, path::PathBuf};

use prost_reflect::{DescriptorPool, Value};

const FILES: [&str; 4] =
    ["hotplate/v1/auth.proto", "hotplate/v1/types.proto", "hotplate/v1/cache.proto", "hotplate/v1/blob.proto"];

#[expect(clippy::disallowed_methods, reason = "cargo hands a build script its settings as environment variables")]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    println!("cargo:rerun-if-changed=build.rs");
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(true).open_files(FILES)?;
    let encoded = compiler.encode_file_descriptor_set();
    require_permissions(&encoded)?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptor.bin"), &encoded)?;
    let client = env::var_os("CARGO_FEATURE_CLIENT").is_some();
    let server = env::var_os("CARGO_FEATURE_SERVER").is_some();
    tonic_prost_build::configure()
        .bytes(".")
        .build_client(client)
        .build_server(server)
        .build_transport(false)
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}

/// An RPC without a permission would be open or dead by accident: neither may build.
fn require_permissions(encoded: &[u8]) -> Result<(), Box<dyn Error>> {
    let pool = DescriptorPool::decode(encoded)?;
    let needs = pool.get_extension_by_name("hotplate.v1.needs").ok_or("the option hotplate.v1.needs is missing")?;
    for method in pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
        let options = method.options();
        let declared = match options.get_extension(&needs).as_ref() {
            Value::EnumNumber(number) => *number,
            _ => 0,
        };
        if declared == 0 {
            return Err(format!("{} declares no permission: add `option (needs) = …`", method.full_name()).into());
        }
    }
    Ok(())
}
