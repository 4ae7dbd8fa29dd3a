//! The generators of stubs: Node with protoc-gen-es, protoc and the plugins for Go and Java. The ones for Python come with the
//! private Python environment. Versions are pinned here and in `xtask/requirements.txt`, and nowhere else.

use std::{env::consts::ARCH, fs};

use super::{debian, mark, quietly, works};
use crate::program::{command, tool, tools};

/// Node, for programs of this repository as well, and the generator for TypeScript.
const NPM: [&str; 2] = ["node@22.23.3", "@bufbuild/protoc-gen-es@2.17.0"];
/// The generators for Go.
const GO: [&str; 2] =
    ["google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12", "google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2"];
/// The generators for Java: the artefact in Maven's repository, its version, and the name of the program. protoc is as old as the one
/// of the Python stubs, so that any runtime since then can be used with what it generates.
const MAVEN: [(&str, &str, &str); 2] = [
    ("com.google.protobuf:protoc", "4.29.5", "protoc"),
    ("io.grpc:protoc-gen-grpc-java", "1.81.0", "protoc-gen-grpc-java"),
];

/// Installs what is missing.
pub(super) fn install(say: &dyn Fn(&str)) -> Result<usize, String> {
    Ok(npm(say)? + go(say)? + maven(say)?)
}

fn npm(say: &dyn Fn(&str)) -> Result<usize, String> {
    let stamp = tools().join("npm/installed.txt");
    let wanted = NPM.join("\n");
    if fs::read_to_string(&stamp).is_ok_and(|there| there == wanted) {
        return Ok(0);
    }
    let there = works("npm", &["--version"]);
    let packages = debian("npm", &["npm"], "Node and the generator for TypeScript come from its registry", there, say)?;
    say("Node 22 and protoc-gen-es in target/tools/npm");
    let mut install = command("npm");
    install.args(["install", "--silent", "--no-fund", "--no-audit", "--prefix"]).arg(tools().join("npm")).args(NPM);
    quietly(&mut install)?;
    mark(&stamp, &wanted)?;
    Ok(packages + 1)
}

fn go(say: &dyn Fn(&str)) -> Result<usize, String> {
    let stamp = tools().join("bin/protoc-gen-go.version");
    let wanted = GO.join("\n");
    if fs::read_to_string(&stamp).is_ok_and(|there| there == wanted) {
        return Ok(0);
    }
    say("protoc-gen-go and protoc-gen-go-grpc in target/tools/bin");
    for module in GO {
        quietly(command("go").env("GOBIN", tools().join("bin")).args(["install", module]))?;
    }
    mark(&stamp, &wanted)?;
    Ok(1)
}

fn maven(say: &dyn Fn(&str)) -> Result<usize, String> {
    let stamp = tools().join("bin/protoc.version");
    let wanted = MAVEN.map(|(artefact, version, _)| format!("{artefact}:{version}")).join("\n");
    if fs::read_to_string(&stamp).is_ok_and(|there| there == wanted) {
        return Ok(0);
    }
    let there = works("mvn", &["--version"]) && works("javac", &["-version"]);
    let packages = ["maven", "default-jdk-headless"];
    let packages = debian("maven", &packages, "the generators for Java, and its client", there, say)?;
    say("protoc and protoc-gen-grpc-java in target/tools/bin");
    for (artefact, version, name) in MAVEN {
        program_of_maven(artefact, version, name)?;
    }
    mark(&stamp, &wanted)?;
    Ok(packages + 1)
}

/// Fetches a program that Maven's repository has for this sort of machine.
fn program_of_maven(artefact: &str, version: &str, name: &str) -> Result<(), String> {
    let machine = if ARCH == "aarch64" { "linux-aarch_64" } else { "linux-x86_64" };
    let folder = tools().join("maven");
    let mut copy = command("mvn");
    copy.args(["-q", "-B", "dependency:copy"]);
    copy.arg(format!("-Dartifact={artefact}:{version}:exe:{machine}"));
    copy.arg(format!("-DoutputDirectory={}", folder.display()));
    quietly(&mut copy)?;
    let short = artefact.rsplit(':').next().unwrap_or(artefact);
    let from = folder.join(format!("{short}-{version}-{machine}.exe"));
    let to = tool(name);
    fs::copy(&from, &to).map_err(|error| format!("cannot copy {} to {}: {error}", from.display(), to.display()))?;
    quietly(command("chmod").arg("+x").arg(&to))
}
