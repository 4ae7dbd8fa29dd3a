//! `hotplate bench` as a program: the command for a load, and what it says it measured. Where it is sent is the caller's.

use std::{collections::BTreeMap, path::PathBuf};

use serde_json::Value;
use tokio::process::Command;

use crate::{
    measure::Quantity,
    process::{Core, Cores},
    scene::Load,
    side::Side,
};

/// What one turn came to.
pub type Sample = BTreeMap<Quantity, f64>;

/// Who is called, and how.
#[derive(Clone, Debug)]
pub struct Target {
    /// Who it is.
    pub side: Side,
    /// `HOST:PORT`, or a URL with the scheme of a peer.
    pub address: String,
    /// Its process.
    pub id: u32,
    /// A file with the token to send.
    pub token_file: Option<PathBuf>,
    /// A file with the certificate to trust.
    pub ca_file: Option<PathBuf>,
}

/// How long turns are.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Seconds that are measured in each turn.
    pub seconds: f64,
    /// Seconds before, of the same load.
    pub warmup: f64,
}

/// What the keys of a scene begin with: the same in all turns, so that what was written once is read in each.
const PREFIX: &str = "compare-";

/// What hyper's client announces where nobody says otherwise: how large frames may be is the receiver's to say, and defaults
/// are meant on both ends.
const DEFAULT_FRAME: &str = "16KiB";
const DEFAULT_WINDOW: &str = "2MiB";

/// The generator.
#[derive(Clone, Debug)]
pub struct Generator {
    /// The file of the program `hotplate`.
    pub program: PathBuf,
    /// Where it runs.
    pub cores: Cores,
}

impl Generator {
    /// Writes what reads will find, for the whole scene.
    #[must_use]
    pub fn fill(&self, target: &Target, load: &Load) -> Command {
        let mut command = self.command(target, load);
        // A turn too short to count: it fills before it begins.
        command.args(["--seconds", "0.05", "--warmup", "0", "--keep"]);
        command
    }

    /// One turn.
    #[must_use]
    pub fn turn(&self, target: &Target, load: &Load, pace: Pace) -> Command {
        let mut command = self.command(target, load);
        let seconds = pace.seconds * load.patience();
        command.args(["--seconds", &seconds.to_string(), "--warmup", &pace.warmup.to_string()]);
        command.args(["--no-fill", "--keep"]);
        if let Some(rate) = load.rate {
            command.args(["--rate", &format!("{rate:.0}")]);
        }
        command
    }

    fn command(&self, target: &Target, load: &Load) -> Command {
        let mut command = self.cores.command(&self.program, Core::Generator);
        command.env_clear().args(["bench", "-o", "json", "--addr", &target.address, "--pid", &target.id.to_string()]);
        command.args(["--mode", load.mode, "--value-size", &load.value_size.to_string()]);
        command.args(["--in-flight", &load.in_flight.to_string(), "--connections", &load.connections.to_string()]);
        command.args(["--batch", &load.batch.to_string(), "--keys", &load.keys.to_string()]);
        command.args(["--read-ratio", &load.read_ratio.to_string(), "--prefix", PREFIX]);
        if target.side.is_ours() || target.side.shape().is_some() {
            command.args(["--view", load.view]);
        }
        // Values of a bare server have the right size and other bytes, but their checksums are right. Both are looked at in
        // the same way: checksums cost the generator as much as all the rest of a large value.
        match (target.side.is_ours(), target.side.shape()) {
            (true, _) | (_, Some(_)) if load.mode == "blob" => drop(command.args(["--check", "sums"])),
            (_, Some(_)) => drop(command.args(["--check", "length"])),
            _ => {}
        }
        if target.side == Side::Default {
            command.args(["--frame-size", DEFAULT_FRAME, "--window", DEFAULT_WINDOW]);
        }
        if let Some(file) = &target.token_file {
            command.arg("--token-file").arg(file);
        }
        if let Some(file) = &target.ca_file {
            command.arg("--cacert").arg(file);
        }
        command
    }
}

/// Reads what a run printed.
///
/// # Errors
/// It is not what the generator prints, calls failed, or what is needed is missing.
pub fn sample(output: &str) -> Result<Sample, String> {
    let said: Value = serde_json::from_str(output.trim()).map_err(|error| format!("not JSON: {error}: {output}"))?;
    let number = |key: &str| said[key].as_f64().filter(|number| number.is_finite());
    let needed = |key: &str| number(key).ok_or_else(|| format!("the generator did not say {key}"));
    let errors = needed("errors")?;
    if errors > 0.0 {
        return Err(format!("{errors} calls failed: {}", said["error_kinds"]));
    }
    let misses = number("misses").unwrap_or_default();
    if misses > 0.0 {
        return Err(format!("{misses} reads found nothing"));
    }
    let mut sample = Sample::from([
        (Quantity::Throughput, needed("ops_per_s")?),
        (Quantity::Median, needed("p50_us")?),
        (Quantity::P99, needed("p99_us")?),
        (Quantity::Bandwidth, needed("mib_per_s")?),
    ]);
    sample.extend(number("cpu_us_per_op").map(|cpu| (Quantity::Cpu, cpu)));
    Ok(sample)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{process::shown, scene::Scale, scene::Scene};

    const SAID: &str = r#"{"mode":"unary","ops_per_s":1000.5,"p50_us":10,"p99_us":20.5,"p999_us":30,"errors":0,
        "mib_per_s":0.1,"cpu_us_per_op":6.25}"#;

    fn target(side: Side) -> Target {
        Target { side, address: "127.0.0.1:1".into(), id: 7, token_file: None, ca_file: None }
    }

    #[test]
    fn what_the_generator_says_is_read() {
        let sample = sample(SAID).unwrap();
        assert!((sample[&Quantity::Throughput] - 1000.5).abs() < 1e-9);
        assert!((sample[&Quantity::Cpu] - 6.25).abs() < 1e-9);
        assert!(!super::sample(&SAID.replace("6.25", "null")).unwrap().contains_key(&Quantity::Cpu));
    }

    #[test]
    fn what_went_wrong_is_no_sample() {
        assert!(sample(&SAID.replace("\"errors\":0", "\"errors\":3")).unwrap_err().contains("3 calls"));
        assert!(sample(&SAID.replace("\"errors\":0", "\"errors\":0,\"misses\":2")).unwrap_err().contains("2 reads"));
        assert!(sample(&SAID.replace("p99_us", "p98_us")).unwrap_err().contains("p99_us"));
        assert!(sample("error: no route").is_err());
    }

    #[test]
    fn a_bare_server_is_asked_for_lengths_and_ours_for_contents() {
        let generator = Generator { program: "hotplate".into(), cores: Cores { pinned: true } };
        let load = Scene::Get100.load(Side::Ours, Scale::Full).unwrap();
        let pace = Pace { seconds: 1.5, warmup: 0.25 };
        let ours = shown(&generator.turn(&target(Side::Ours), &load, pace));
        assert!(ours.starts_with("taskset -c 1 hotplate bench -o json --addr 127.0.0.1:1 --pid 7"), "{ours}");
        assert!(ours.ends_with("--view value --seconds 1.5 --warmup 0.25 --no-fill --keep"), "{ours}");
        let bare = shown(&generator.turn(&target(Side::Tuned), &Load { rate: Some(7.6), ..load }, pace));
        assert!(bare.contains("--check length") && bare.ends_with("--rate 8"), "{bare}");
        let default = shown(&generator.turn(&target(Side::Default), &load, pace));
        assert!(default.contains("--frame-size 16KiB --window 2MiB"), "{default}");
        assert!(!bare.contains("--frame-size") && !ours.contains("--check"), "{bare} {ours}");
    }

    #[test]
    fn large_values_are_looked_at_in_the_same_way_on_all_sides_that_have_checksums() {
        let generator = Generator { program: "hotplate".into(), cores: Cores { pinned: true } };
        for (side, sums) in [(Side::Ours, true), (Side::Tuned, true), (Side::Default, true), (Side::Redis, false)] {
            let load = Scene::ReadValue.load(side, Scale::Full).unwrap();
            let turn = shown(&generator.turn(&target(side), &load, Pace { seconds: 1.0, warmup: 0.0 }));
            assert_eq!(turn.contains("--check sums"), sums, "{turn}");
        }
    }
}
