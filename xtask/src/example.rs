//! The main job end to end: a server, two Python processes and the Rust client share one fitted model.

use std::path::Path;

use crate::{
    program::{self, command, root},
    server::Server,
};

/// Builds what is needed, starts a server of its own and runs examples/model-serving from Python and from Rust.
pub(crate) fn run() -> Result<String, String> {
    crate::setup::run(&|line| println!("{line}"))?;
    program::run(&mut program::build(&["hotplate"], &["model_serving"]))?;
    let work = root().join("target/example");
    let stubs = work.join("stubs");
    std::fs::create_dir_all(&stubs).map_err(|error| format!("cannot create {}: {error}", stubs.display()))?;
    generate_stubs(&stubs)?;
    let server = Server::start(&root().join("target/debug/hotplate"))?;
    let python = |file: &str| {
        let mut script = command(program::python("python"));
        script.arg("-u").arg(root().join("examples/model-serving").join(file)).arg("--endpoint").arg(&server.grpc);
        script.arg("--work").arg(&work).env("PYTHONPATH", &stubs).env("PYTHONDONTWRITEBYTECODE", "1");
        program::run(&mut script)
    };
    python("fit.py")?;
    python("serve.py")?;
    let mut rust = command(root().join("target/debug/examples/model_serving"));
    rust.arg(work.join("data.csv")).env("HOTPLATE_URL", format!("hotplate://{}", server.grpc));
    program::run(&mut rust)?;
    Ok("model serving: the second process predicted the same from the cache, in Python and in Rust".into())
}

/// Python stubs come from the contract at run time and are never committed.
fn generate_stubs(folder: &Path) -> Result<(), String> {
    let mut protoc = command(program::python("python"));
    protoc.args(["-m", "grpc_tools.protoc", "--proto_path=proto"]);
    protoc.arg(format!("--python_out={}", folder.display()));
    protoc.arg(format!("--grpc_python_out={}", folder.display()));
    protoc.args([
        "hotplate/v1/auth.proto",
        "hotplate/v1/types.proto",
        "hotplate/v1/cache.proto",
        "hotplate/v1/blob.proto",
    ]);
    program::output(&mut protoc).map(drop)
}
