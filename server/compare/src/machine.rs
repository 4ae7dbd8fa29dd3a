//! What the figures were taken on: processors, load, versions. Reads only.

use std::{fs, path::Path, thread};

use tokio::process::Command;

use crate::process::{Cores, output};

/// A machine, as a reader of figures wants to know it.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// Whether the server and the generator were held on a core each.
    pub pinned: bool,
    /// Versions of the peers, as they tell them.
    pub versions: Vec<String>,
}

impl Machine {
    /// This one.
    pub async fn here() -> Self {
        let information = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let taskset = output(Command::new("taskset").args(["-c", "0,1", "true"])).await.is_ok();
        let mut versions = Vec::new();
        for (program, argument) in [("redis-server", "--version"), ("memcached", "--version"), ("etcd", "--version")] {
            let said = output(Command::new(program).arg(argument)).await.unwrap_or_default();
            versions.extend(version(program, &said));
        }
        let processor = processor(&information).unwrap_or("unknown processor").to_owned();
        Self { processor, cores, pinned: cores > 1 && taskset, versions }
    }

    /// Where processes run.
    #[must_use]
    pub const fn placement(&self) -> Cores {
        Cores { pinned: self.pinned }
    }

    /// A sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let held = if self.pinned {
            "the server held on the first, the generator on the second"
        } else {
            "**not held on cores**, for want of a second core or of taskset: the two compete"
        };
        let peers = if self.versions.is_empty() { "no peers".to_owned() } else { self.versions.join(", ") };
        format!("{}, {} cores, {held}. {peers}.", self.processor, self.cores)
    }
}

/// Load average over a minute.
#[must_use]
pub fn load_average() -> Option<f64> {
    fs::read_to_string(Path::new("/proc/loadavg")).ok()?.split_whitespace().next()?.parse().ok()
}

fn processor(information: &str) -> Option<&str> {
    let row = information.lines().find(|line| line.starts_with("model name"))?;
    row.split_once(':').map(|(_, name)| name.trim())
}

/// The first word of what a program says that begins with a digit, after `v=` or not.
fn version(program: &str, said: &str) -> Option<String> {
    let words = said.split_whitespace().map(|word| word.trim_start_matches("v="));
    let number = words.into_iter().find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?;
    Some(format!("{program} {number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        let redis = "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=1";
        assert_eq!(version("redis-server", redis).as_deref(), Some("redis-server 7.0.15"));
        assert_eq!(version("memcached", "memcached 1.6.18\n").as_deref(), Some("memcached 1.6.18"));
        assert_eq!(version("etcd", "etcd Version: 3.4.23\nGit SHA: x\n").as_deref(), Some("etcd 3.4.23"));
        assert_eq!(version("etcd", ""), None);
    }

    #[test]
    fn a_machine_that_holds_nobody_on_a_core_says_so() {
        let machine = Machine { processor: "P".into(), cores: 1, ..Machine::default() };
        assert!(machine.sentence().contains("not held"));
        assert_eq!(processor("processor: 0\nmodel name\t: AMD EPYC\n"), Some("AMD EPYC"));
    }
}
