//! What `client/LANGUAGE/sdk.toml` says of an SDK: how it is prepared, checked, tested and packed. Reading only; the steps run it.

use std::{collections::BTreeMap, fs, path::PathBuf, process::Command};

use serde::Deserialize;

use crate::program::{command, root, tools};

/// What is done of each SDK, in this order.
pub(crate) const PHASES: [&str; 4] = ["prepare", "check", "test", "package"];

/// Whose checks and tests are those of the workspace.
const OF_THE_WORKSPACE: &str = "rust";

/// Seconds that a command may take of which `sdk.toml` says nothing.
const SECONDS_MAX: u64 = 300;

/// An SDK.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sdk {
    /// As users call the language.
    pub(crate) language: String,
    /// Where the stubs are, seen from its folder; Rust's are made by its build.
    #[expect(dead_code, reason = "for readers, and for those who want nothing but stubs")]
    generated: Option<String>,
    commands: Commands,
    /// Of clients that the language has besides: `cargo x conformance` starts them.
    #[serde(default)]
    #[expect(dead_code, reason = "they are not phases")]
    drivers: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    limits: Limits,
    #[serde(skip)]
    folder: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Commands {
    #[serde(default)]
    prepare: Vec<Vec<String>>,
    #[serde(default)]
    check: Vec<Vec<String>>,
    #[serde(default)]
    test: Vec<Vec<String>>,
    #[serde(default)]
    package: Vec<Vec<String>>,
    /// `cargo x conformance` starts it.
    #[cfg_attr(not(test), expect(dead_code, reason = "it is not one of the phases"))]
    driver: Vec<String>,
    #[serde(default)]
    bench: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    /// By phase, for each of its commands.
    #[serde(default)]
    seconds_max: BTreeMap<String, u64>,
}

/// Every SDK, by the name of its folder.
pub(crate) fn all() -> Result<Vec<Sdk>, String> {
    let clients = root().join("client");
    let entries = fs::read_dir(&clients).map_err(|error| format!("cannot list {}: {error}", clients.display()))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path().join("sdk.toml")).collect();
    files.retain(|file| file.exists());
    files.sort();
    files.into_iter().map(read).collect()
}

fn read(file: PathBuf) -> Result<Sdk, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let text = fs::read_to_string(&file).map_err(|error| wrong(&error))?;
    let mut sdk: Sdk = toml::from_str(&text).map_err(|error| wrong(&error))?;
    sdk.is_complete().map_err(|reason| wrong(&reason))?;
    sdk.folder = file.parent().map(PathBuf::from).unwrap_or_default();
    Ok(sdk)
}

impl Sdk {
    /// Nothing that CI does of an SDK may be left out by a slip of the pen.
    fn is_complete(&self) -> Result<(), String> {
        if let Some(unknown) = self.limits.seconds_max.keys().find(|name| !PHASES.contains(&name.as_str())) {
            return Err(format!("seconds_max names `{unknown}`; there are: {}", PHASES.join(", ")));
        }
        let missing = PHASES.into_iter().find(|phase| self.phase(phase).is_empty());
        match missing {
            Some(phase) if self.language != OF_THE_WORKSPACE => Err(format!("there are no commands to {phase} it")),
            _ => Ok(()),
        }
    }

    /// The commands of a phase, each with the time it may take.
    pub(crate) fn phase(&self, phase: &str) -> Vec<Command> {
        let commands = match phase {
            "prepare" => &self.commands.prepare,
            "check" => &self.commands.check,
            "test" => &self.commands.test,
            "package" => &self.commands.package,
            _ => return Vec::new(),
        };
        let seconds = self.limits.seconds_max.get(phase).copied().unwrap_or(SECONDS_MAX);
        commands.iter().map(|words| self.command(words, seconds)).collect()
    }

    /// What measures it. Who calls it adds the arguments.
    pub(crate) fn bench(&self) -> Command {
        self.command(&self.commands.bench, SECONDS_MAX)
    }

    /// Runs in the SDK's folder, and is ended when its time is over, with all that it started.
    fn command(&self, words: &[String], seconds: u64) -> Command {
        let mut run = command("timeout");
        run.args(["--kill-after=10", &seconds.to_string()]);
        run.args(words.iter().map(|word| filled(word)));
        run.current_dir(&self.folder);
        run.env("HOTPLATE_BIN", root().join("target/debug/hotplate"));
        run.env("HOTPLATE_ROOT", root()).env("HOTPLATE_TOOLS", tools());
        run
    }
}

/// A word with the places it names.
fn filled(word: &str) -> String {
    word.replace("{tools}", &tools().display().to_string()).replace("{root}", &root().display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_filled_in_and_limited() {
        let text = "language = 'x'\ngenerated = 'g'\n[commands]\ndriver = ['d']\ntest = [['{root}/run', 'a b']]\n\
                    [limits]\nseconds_max = { test = 7 }\n";
        let sdk: Sdk = toml::from_str(text).unwrap();
        let commands = sdk.phase("test");
        let words: Vec<_> = commands[0].get_args().map(|word| word.to_string_lossy().into_owned()).collect();
        assert_eq!(words, ["--kill-after=10", "7", &filled("{root}/run"), "a b"]);
        assert!(sdk.phase("prepare").is_empty());
        assert!(toml::from_str::<Sdk>(&text.replace("generated", "made")).is_err());
    }

    #[test]
    fn what_would_not_be_done_is_found() {
        let whole = "language = 'x'\n[commands]\ndriver = ['d']\nprepare = [['p']]\ncheck = [['c']]\ntest = [['t']]\n\
                     package = [['k']]\n[limits]\nseconds_max = { test = 7 }\n";
        let read = |text: &str| toml::from_str::<Sdk>(text).unwrap().is_complete();
        assert_eq!(read(whole), Ok(()));
        assert!(read(&whole.replace("check = [['c']]\n", "")).unwrap_err().contains("check"));
        assert!(read(&whole.replace("test = 7", "tests = 7")).unwrap_err().contains("tests"));
        assert_eq!(read(&whole.replace("'x'", "'rust'").replace("check = [['c']]\n", "")), Ok(()));
    }

    #[test]
    fn every_sdk_can_be_read_and_has_a_driver() {
        let sdks = all().unwrap();
        assert!(sdks.iter().any(|sdk| sdk.language == "rust"));
        for sdk in sdks {
            assert!(!sdk.commands.driver.is_empty(), "{} has no driver", sdk.language);
        }
    }
}
