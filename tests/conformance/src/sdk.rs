//! What a language brings: its `client/LANGUAGE/sdk.toml`. Commands are run here, what they do is not known.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use serde::Deserialize;
use tokio::process::Command;

/// Where things are that every command may need.
#[derive(Clone, Debug)]
pub struct Places {
    /// The repository.
    pub root: PathBuf,
    /// The server's program.
    pub server: PathBuf,
    /// Tools that belong to the repository.
    pub tools: PathBuf,
}

/// A language that takes part.
#[derive(Clone, Debug)]
pub struct Sdk {
    /// Its name.
    pub language: String,
    /// Its folder, in which its commands run.
    pub folder: PathBuf,
    commands: Commands,
}

#[derive(Deserialize)]
struct File {
    language: String,
    commands: Commands,
}

#[derive(Clone, Debug, Deserialize)]
struct Commands {
    #[serde(default)]
    prepare: Vec<Vec<String>>,
    #[serde(default)]
    driver: Vec<String>,
}

/// The languages that have an `sdk.toml`, by name.
///
/// # Errors
/// One that cannot be read.
pub fn all(places: &Places) -> Result<BTreeMap<String, Sdk>, String> {
    let clients = places.root.join("client");
    let folders = fs::read_dir(&clients).map_err(|error| format!("{}: {error}", clients.display()))?;
    let mut sdks = BTreeMap::new();
    for folder in folders {
        let folder = folder.map_err(|error| format!("{}: {error}", clients.display()))?.path();
        let file = folder.join("sdk.toml");
        if file.is_file() {
            let sdk = read(&file, folder)?;
            sdks.insert(sdk.language.clone(), sdk);
        }
    }
    Ok(sdks)
}

fn read(file: &Path, folder: PathBuf) -> Result<Sdk, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let read: File = toml::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(Sdk { language: read.language, folder, commands: read.commands })
}

impl Sdk {
    /// A language that needs no preparing, with the program that is its driver.
    #[must_use]
    pub fn ready(language: &str, folder: PathBuf, driver: Vec<String>) -> Self {
        Self { language: language.to_owned(), folder, commands: Commands { prepare: Vec::new(), driver } }
    }

    /// Installs what the language needs.
    ///
    /// # Errors
    /// A command that fails, with what it said.
    pub async fn prepare(&self, places: &Places) -> Result<(), String> {
        for argv in &self.commands.prepare {
            let mut command = self.command(argv, places)?;
            let shown = argv.join(" ");
            let output = command.output().await.map_err(|error| format!("cannot start `{shown}`: {error}"))?;
            if !output.status.success() {
                let said = [output.stdout, output.stderr].concat();
                let said = String::from_utf8_lossy(&said);
                return Err(format!("`{shown}` failed ({}):\n{}", output.status, said.trim_end()));
            }
        }
        Ok(())
    }

    /// What starts the driver.
    ///
    /// # Errors
    /// There is none.
    pub fn driver(&self, places: &Places) -> Result<Command, String> {
        if self.commands.driver.is_empty() {
            return Err(format!("{}/sdk.toml names no `driver`", self.folder.display()));
        }
        self.command(&self.commands.driver, places)
    }

    fn command(&self, argv: &[String], places: &Places) -> Result<Command, String> {
        let text = |path: &Path| path.display().to_string();
        let place =
            |word: &String| word.replace("{tools}", &text(&places.tools)).replace("{root}", &text(&places.root));
        let mut words = argv.iter().map(place);
        let program = words.next().ok_or_else(|| format!("an empty command of {}", self.language))?;
        let mut command = Command::new(program);
        command
            .args(words)
            .current_dir(&self.folder)
            .env("HOTPLATE_BIN", &places.server)
            .env("HOTPLATE_ROOT", &places.root)
            .env("HOTPLATE_TOOLS", &places.tools)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        Ok(command)
    }
}
