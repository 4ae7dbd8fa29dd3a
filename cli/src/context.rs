//! Saved connections: one TOML file each, readable by their owner only, and the name of the one in use. No flags and no
//! environment are read here.

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::exit::Failure;

/// A saved connection. Unset fields follow the defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Saved {
    /// URL of the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) endpoint: Option<String>,
    /// Namespace to work in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) namespace: Option<String>,
    /// Token: a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<String>,
    /// File that holds the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token_file: Option<PathBuf>,
    /// Certificates to trust.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cacert: Option<PathBuf>,
    /// Time a call may take, as on the command line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timeout: Option<String>,
}

/// The folder with the saved connections.
#[derive(Clone, Debug)]
pub(crate) struct Contexts {
    home: PathBuf,
}

impl Contexts {
    /// In this folder, or in the user's folder for configuration.
    pub(crate) fn open(home: Option<&Path>) -> Result<Self, Failure> {
        let home = match home {
            Some(home) => home.to_owned(),
            None => directories::ProjectDirs::from("", "", "hotplate")
                .ok_or_else(|| Failure::usage("this user has no home folder: set HOTPLATE_CONFIG_HOME"))?
                .config_dir()
                .to_owned(),
        };
        Ok(Self { home })
    }

    fn folder(&self) -> PathBuf {
        self.home.join("contexts")
    }

    fn file(&self, name: &str) -> Result<PathBuf, Failure> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.len() > 64 || name.starts_with('.') || !name.chars().all(fits) {
            return Err(Failure::usage(format!(
                "{name:?} cannot name a context: use 1 to 64 letters, digits, `-`, `_` and `.`, not beginning with `.`"
            )));
        }
        Ok(self.folder().join(format!("{name}.toml")))
    }

    /// The names, sorted.
    pub(crate) fn names(&self) -> Result<Vec<String>, Failure> {
        let entries = match fs::read_dir(self.folder()) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(&self.folder(), &error)),
        };
        let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
        let tomls = paths.filter(|path| path.extension().is_some_and(|ending| ending == "toml"));
        let mut names: Vec<String> =
            tomls.filter_map(|path| path.file_stem().map(|stem| stem.to_string_lossy().into_owned())).collect();
        names.sort();
        Ok(names)
    }

    /// The saved connection of this name.
    pub(crate) fn read(&self, name: &str) -> Result<Saved, Failure> {
        let file = self.file(name)?;
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(self.unknown(name)?),
            Err(error) => return Err(failed(&file, &error)),
        };
        toml::from_str(&text).map_err(|error| Failure::usage(format!("{}: {}", file.display(), error.message())))
    }

    fn unknown(&self, name: &str) -> Result<Failure, Failure> {
        let names = self.names()?;
        let known =
            if names.is_empty() { "none is saved yet".to_owned() } else { format!("saved: {}", names.join(", ")) };
        Ok(Failure::usage(format!(
            "there is no context `{name}` ({known}); make it with `hotplate context add {name}`"
        )))
    }

    /// Saves a connection, readable by its owner only.
    pub(crate) fn write(&self, name: &str, saved: &Saved) -> Result<PathBuf, Failure> {
        let file = self.file(name)?;
        let text = toml::to_string(saved).map_err(|error| Failure::usage(error.to_string()))?;
        write_private(&file, &text).map_err(|error| failed(&file, &error))?;
        Ok(file)
    }

    /// Removes a connection; it is in use no longer.
    pub(crate) fn remove(&self, name: &str) -> Result<(), Failure> {
        let file = self.file(name)?;
        match fs::remove_file(&file) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(self.unknown(name)?),
            Err(error) => return Err(failed(&file, &error)),
        }
        if self.current()?.as_deref() == Some(name) {
            let marker = self.marker();
            fs::remove_file(&marker).map_err(|error| failed(&marker, &error))?;
        }
        Ok(())
    }

    fn marker(&self) -> PathBuf {
        self.home.join("context")
    }

    /// The name of the one in use.
    pub(crate) fn current(&self) -> Result<Option<String>, Failure> {
        let marker = self.marker();
        match fs::read_to_string(&marker) {
            Ok(name) => Ok(Some(name.trim().to_owned()).filter(|name| !name.is_empty())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(&marker, &error)),
        }
    }

    /// Makes a connection the one in use.
    pub(crate) fn choose(&self, name: &str) -> Result<(), Failure> {
        self.read(name)?;
        let marker = self.marker();
        write_private(&marker, &format!("{name}\n")).map_err(|error| failed(&marker, &error))
    }
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!("{}: {error}", path.display()))
}

/// Written beside and moved over, so that a reader sees the old or the new file, and no other user either of them.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let beside = path.with_extension("new");
    let _ = fs::remove_file(&beside);
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)
}
