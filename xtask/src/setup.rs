//! Installs what is missing. Everything goes to target/tools, except packages of the system that only it can provide.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use crate::program::{self, command, tools};

mod generators;

const GRPCURL: &str = "v1.9.3";
const CARGO_DENY: &str = "0.20.2";

/// Installs what is missing and says what it does, a line at a time. Does nothing when all is there.
pub(crate) fn run(say: &dyn Fn(&str)) -> Result<String, String> {
    let mut installed = 0;
    installed +=
        debian("git", &["git"], "buf compares the contract with the main branch", works("git", &["--version"]), say)?;
    let python = works("python3", &["-c", "import ensurepip, venv"]);
    installed += debian("make", &["make"], "jemalloc is built with it", works("make", &["--version"]), say)?;
    installed += debian("python3", &["python3", "python3-venv"], "checks and examples in Python", python, say)?;
    installed += peers(say)?;
    installed += python_environment(say)?;
    installed += grpcurl(say)?;
    installed += generators::install(say)?;
    installed += cargo_deny(say)?;
    Ok(if installed == 0 { "everything is there".into() } else { format!("{installed} installed") })
}

/// Installs the servers that this one is compared with, and the one that it shares its entries through.
pub(crate) fn peers(say: &dyn Fn(&str)) -> Result<usize, String> {
    let redis = works("redis-server", &["--version"]);
    let packages = ["redis-server", "redis-sentinel"];
    let mut installed = debian("redis", &packages, "the tier that replicas share, and a peer", redis, say)?;
    let memcached = works("memcached", &["--version"]);
    installed += debian("memcached", &["memcached"], "a peer to be compared with", memcached, say)?;
    let etcd = works("etcd", &["--version"]);
    installed += debian("etcd", &["etcd-server"], "a peer to be compared with", etcd, say)?;
    Ok(installed)
}

/// Whether a program can be started and succeeds.
fn works(name: &str, arguments: &[&str]) -> bool {
    let mut probe = command(name);
    probe.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}

/// Runs a command quietly; its output is shown only when it fails.
fn quietly(command: &mut Command) -> Result<(), String> {
    program::output(command).map(drop)
}

fn debian(name: &str, packages: &[&str], why: &str, there: bool, say: &dyn Fn(&str)) -> Result<usize, String> {
    if there {
        return Ok(0);
    }
    let list = packages.join(" ");
    if !works("apt-get", &["--version"]) {
        return Err(format!("{name} is missing ({why}) and this is no Debian: install it, then run `cargo x setup`"));
    }
    let root = program::output(command("id").arg("-u"))?.trim() == "0";
    if !root && !works("sudo", &["-n", "true"]) {
        return Err(format!("{name} is missing ({why}): run `sudo apt-get install {list}`, then `cargo x setup`"));
    }
    let apt = || if root { command("apt-get") } else { sudo_apt() };
    say(&format!("apt-get install {list}: {why}"));
    quietly(apt().args(["update", "-qq"]))?;
    quietly(apt().args(["install", "-y", "-qq", "--no-install-recommends"]).args(packages))?;
    Ok(1)
}

fn sudo_apt() -> Command {
    let mut sudo = command("sudo");
    sudo.args(["-n", "apt-get"]);
    sudo
}

fn python_environment(say: &dyn Fn(&str)) -> Result<usize, String> {
    let wanted = fs::read_to_string(program::root().join("xtask/requirements.txt"))
        .map_err(|error| format!("cannot read xtask/requirements.txt: {error}"))?;
    let stamp = tools().join("py/installed.txt");
    if fs::read_to_string(&stamp).is_ok_and(|there| there == wanted) && program::python("python").exists() {
        return Ok(0);
    }
    say(
        "Python environment in target/tools/py: buf, hadolint, kubernetes-validate, grpcio-tools, maturin, scikit-learn",
    );
    quietly(command("python3").args(["-m", "venv"]).arg(tools().join("py")))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", "xtask/requirements.txt"];
    quietly(command(program::python("python")).args(pip))?;
    mark(&stamp, &wanted)?;
    Ok(1)
}

fn grpcurl(say: &dyn Fn(&str)) -> Result<usize, String> {
    let stamp = tools().join("bin/grpcurl.version");
    if fs::read_to_string(&stamp).is_ok_and(|there| there == GRPCURL) && program::tool("grpcurl").exists() {
        return Ok(0);
    }
    let go = works("go", &["version"]);
    let packages = debian("go", &["golang-go"], "grpcurl is built from source", go, say)?;
    say(&format!("grpcurl {GRPCURL} in target/tools/bin: the README and the tests talk to the server with it"));
    let module = format!("github.com/fullstorydev/grpcurl/cmd/grpcurl@{GRPCURL}");
    quietly(command("go").env("GOBIN", tools().join("bin")).args(["install", &module]))?;
    mark(&stamp, GRPCURL)?;
    Ok(packages + 1)
}

fn cargo_deny(say: &dyn Fn(&str)) -> Result<usize, String> {
    let stamp = tools().join("bin/cargo-deny.version");
    if fs::read_to_string(&stamp).is_ok_and(|there| there == CARGO_DENY) && program::tool("cargo-deny").exists() {
        return Ok(0);
    }
    say(&format!(
        "cargo-deny {CARGO_DENY} in target/tools/bin: licences, bans and sources of dependencies; built once"
    ));
    let mut install = program::cargo(["install", "cargo-deny", "--locked", "--debug", "--version", CARGO_DENY]);
    // A build folder of its own, because it is not built with this repository's settings.
    install.arg("--root").arg(tools()).arg("--target-dir").arg(tools().join("build"));
    install.env("CARGO_PROFILE_DEV_DEBUG", "0");
    quietly(&mut install)?;
    // 1 GB that nothing needs again. A leftover is no failure.
    let _removed = fs::remove_dir_all(tools().join("build"));
    mark(&stamp, CARGO_DENY)?;
    Ok(1)
}

fn mark(stamp: &Path, version: &str) -> Result<(), String> {
    fs::write(stamp, version).map_err(|error| format!("cannot write {}: {error}", stamp.display()))
}
