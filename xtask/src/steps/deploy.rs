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
    Ok(Report { passed: 4, note: format!("{} manifests; no image is built, no cluster is used", manifests.len()) })
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
