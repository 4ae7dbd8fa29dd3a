//! What a language brings: its `client/LANGUAGE/sdk.toml`. Commands are run here, what they do is not known.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde::Deserialize;
use tokio::{process::Command, time::timeout};

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

/// How long a command that prepares may take.
const PREPARE_WITHIN: Duration = Duration::from_secs(900);

/// A language that takes part, by one of its drivers.
#[derive(Clone, Debug)]
pub struct Sdk {
    /// Its name.
    pub language: String,
    /// The driver's name: the language's own, or one of those it has besides.
    pub name: String,
    /// Its folder, in which its commands run.
    pub folder: PathBuf,
    commands: Commands,
}

#[derive(Deserialize)]
struct File {
    language: String,
    commands: Commands,
    /// Further drivers, by name: of clients that the language has besides.
    #[serde(default)]
    drivers: BTreeMap<String, Vec<String>>,
}

#[derive(Clone, Debug, Deserialize)]
struct Commands {
    #[serde(default)]
    prepare: Vec<Vec<String>>,
    #[serde(default)]
    driver: Vec<String>,
}

/// The drivers of all languages that have an `sdk.toml`, by name.
///
/// # Errors
/// One that cannot be read, or two of one name.
pub fn all(places: &Places) -> Result<BTreeMap<String, Sdk>, String> {
    let clients = places.root.join("client");
    let folders = fs::read_dir(&clients).map_err(|error| format!("{}: {error}", clients.display()))?;
    let mut all = Vec::new();
    for folder in folders {
        let folder = folder.map_err(|error| format!("{}: {error}", clients.display()))?.path();
        let file = folder.join("sdk.toml");
        if file.is_file() {
            all.extend(read(&file, &folder)?);
        }
    }
    let (count, sdks) = (all.len(), all.into_iter().map(|sdk| (sdk.name.clone(), sdk)).collect::<BTreeMap<_, _>>());
    match sdks.len() == count {
        true => Ok(sdks),
        false => Err(format!("{}: two drivers have one name", clients.display())),
    }
}

fn read(file: &Path, folder: &Path) -> Result<Vec<Sdk>, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let File { language, commands, drivers } =
        toml::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
    let own = (language.clone(), commands.driver.clone());
    let sdk = |(name, driver): (String, Vec<String>)| Sdk {
        language: language.clone(),
        name,
        folder: folder.to_owned(),
        commands: Commands { driver, ..commands.clone() },
    };
    Ok(std::iter::once(own).chain(drivers).map(sdk).collect())
}

impl Sdk {
    /// A language that needs no preparing, with the program that is its driver.
    #[must_use]
    pub fn ready(language: &str, folder: PathBuf, driver: Vec<String>) -> Self {
        let (language, name) = (language.to_owned(), language.to_owned());
        Self { language, name, folder, commands: Commands { prepare: Vec::new(), driver } }
    }

    /// Installs what the language needs.
    ///
    /// # Errors
    /// A command that fails, with what it said.
    pub async fn prepare(&self, places: &Places) -> Result<(), String> {
        for argv in &self.commands.prepare {
            let mut command = self.command(argv, places)?;
            let shown = argv.join(" ");
            let output = timeout(PREPARE_WITHIN, command.output()).await;
            let output = output.map_err(|_late| format!("`{shown}` did not end within {PREPARE_WITHIN:?}"))?;
            let output = output.map_err(|error| format!("cannot start `{shown}`: {error}"))?;
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
        // What is tested must not depend on what the developer's own client is told.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HOTPLATE_")) {
            command.env_remove(name);
        }
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
