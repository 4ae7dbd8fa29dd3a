//! diskcache of Python, in a process of its own that measures itself.

use std::{path::Path, process::Command};

use super::{Measured, said};

/// What measures it: the same steps as beside.
const PROGRAM: &str = include_str!("diskcache.py");

pub(super) fn measure(python: &Path, path: &Path, size: usize, values: usize) -> Result<Measured, String> {
    let mut program = Command::new(python);
    program.arg("-c").arg(PROGRAM).arg(path).arg(size.to_string()).arg(values.to_string());
    let output = program.output().map_err(|error| {
        format!("cannot start {}: {error}; `cargo x setup` makes it, or name one with --python", python.display())
    })?;
    if !output.status.success() {
        return Err(format!("diskcache: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    serde_json::from_slice(&output.stdout).map_err(said)
}
