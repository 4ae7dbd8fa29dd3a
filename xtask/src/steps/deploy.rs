//! What is deployed: as far as it can be checked without a container engine or a cluster.

use std::fs;

use crate::{
    program::{self, Log, command, root},
    report::Report,
    steps::Outcome,
};

/// Kubernetes versions the manifests must be valid for: the oldest with gRPC probes for all, and a new one.
const KUBERNETES: [&str; 2] = ["1.29", "1.34"];

/// Lints the Dockerfile, and validates the compose file and every manifest against their schemas.
pub(crate) fn check(log: &Log) -> Outcome {
    log.run(command(program::python("hadolint")).arg("deploy/Dockerfile"))?;
    let schema = ["--builtin-schema", "vendor.compose-spec", "deploy/compose.yaml"];
    log.run(command(program::python("check-jsonschema")).args(schema))?;
    let manifests = manifests()?;
    for version in KUBERNETES {
        let mut validate = command(program::python("kubernetes-validate"));
        log.run(validate.args(["--strict", "-k", version]).args(&manifests))?;
    }
    configurations(log)?;
    Ok(Report { passed: 6, note: format!("{} manifests; no image is built, no cluster is used", manifests.len()) })
}

/// The server takes the configuration that each way of deploying gives it, for the addresses it is to listen on.
fn configurations(log: &Log) -> Result<(), String> {
    log.run(&mut program::build(&["hotplate"], &[]))?;
    let secret = root().join("deploy/kubernetes/secret.yaml");
    let secret = fs::read_to_string(&secret).map_err(|error| format!("cannot read {}: {error}", secret.display()))?;
    let file = root().join("target/ci/secret.toml");
    fs::write(&file, block(&secret, "hotplate.toml")).map_err(|error| format!("{}: {error}", file.display()))?;
    let checked = |file: &str, listen: &str| {
        let mut check = command(root().join("target/debug/hotplate"));
        check.args(["serve", "--check-config", "--config", file, "--listen", listen]);
        log.run(&mut check).map(drop)
    };
    checked("target/ci/secret.toml", "0.0.0.0:7070")?;
    checked("deploy/hotplate.toml", "127.0.0.1:7070")?;
    if checked("deploy/hotplate.toml", "0.0.0.0:7070").is_ok() {
        return Err("a server without a token would listen on every address".into());
    }
    Ok(())
}

/// The text under `name: |` in a YAML file, without its indentation.
fn block(yaml: &str, name: &str) -> String {
    let lines = yaml.lines().skip_while(|line| line.trim() != format!("{name}: |")).skip(1);
    let inside = lines.take_while(|line| line.is_empty() || line.starts_with("    "));
    inside.map(|line| format!("{}\n", line.trim_start_matches("    "))).collect()
}

fn manifests() -> Result<Vec<String>, String> {
    let folder = root().join("deploy/kubernetes");
    let entries = fs::read_dir(&folder).map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut found: Vec<String> = names
        .filter(|name| name.ends_with(".yaml") && name != "kustomization.yaml")
        .map(|name| format!("deploy/kubernetes/{name}"))
        .collect();
    found.sort();
    if found.is_empty() { Err("deploy/kubernetes holds no manifest".into()) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cargo reads the manifest of every package, whichever it builds.
    #[test]
    fn the_image_is_built_with_every_manifest() {
        let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
        let workspace = read("Cargo.toml");
        let members = workspace.split("members = [").nth(1).unwrap().split(']').next().unwrap().split(',');
        let dockerfile = read("deploy/Dockerfile");
        for member in members.map(|member| member.trim().trim_matches('"')) {
            let copy = format!("COPY {member}/Cargo.toml {member}/Cargo.toml\n");
            assert!(dockerfile.contains(&copy), "deploy/Dockerfile has no `{}`", copy.trim_end());
        }
    }

    #[test]
    fn a_block_ends_where_its_indentation_does() {
        let yaml = "a: 1\nstringData:\n  x.toml: |\n    [m]\n\n    k = 1\nb: 2\n";
        assert_eq!(block(yaml, "x.toml"), "[m]\n\nk = 1\n");
    }
}
