//! Puts the sources together: defaults < profile < file < environment < flags. The only place that reads the
//! environment. Every problem of every source is reported at once.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fmt, fs,
};

use clap::ArgMatches;

use super::{
    ConfigError, check,
    file::FileReader,
    flags::{self, Action},
    nearest,
    profile::Profile,
    settings::{Row, find, rows},
    shape::Settings,
};

/// Longest configuration file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 4 << 20;
/// Variables of this prefix are ours: an unknown one is a mistake.
const PREFIX: &str = "HOTPLATE_";
const CONFIG_VARIABLE: &str = "HOTPLATE_CONFIG";
const PROFILE_VARIABLE: &str = "HOTPLATE_PROFILE";
/// Read by the client verbs of the same binary, or by clients and what tests them, so no mistake where a server starts.
const CLIENT_VARIABLES: [&str; 16] = [
    "HOTPLATE_URL",
    "HOTPLATE_TOKEN",
    "HOTPLATE_NAMESPACE",
    "HOTPLATE_CONTEXT",
    "HOTPLATE_TIMEOUT",
    "HOTPLATE_TLS_CA",
    "HOTPLATE_TLS_CERT",
    "HOTPLATE_TLS_KEY",
    "HOTPLATE_CONFIG_HOME",
    "HOTPLATE_TOKEN_FILE",
    "HOTPLATE_CA_FILE",
    "HOTPLATE_CLIENT_PROFILE",
    "HOTPLATE_DISABLE",
    "HOTPLATE_BIN",
    "HOTPLATE_ROOT",
    "HOTPLATE_TOOLS",
];

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The table.
    Default,
    /// The profile.
    Profile(Profile),
    /// The file.
    File(String),
    /// An environment variable.
    Variable(String),
    /// A flag.
    Flag(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Profile(profile) => write!(f, "profile {}", profile.name()),
            Self::File(path) => write!(f, "file {path}"),
            Self::Variable(name) => write!(f, "env {name}"),
            Self::Flag(name) => write!(f, "flag --{name}"),
        }
    }
}

/// The configuration, checked as a whole.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What holds.
    pub settings: Settings,
    /// What the command line asks to do with it.
    pub action: Action,
    /// What looks wrong but can be used; to be logged.
    pub warnings: Vec<String>,
    /// Where each row's value comes from, where it is not the default.
    pub(super) sources: BTreeMap<&'static str, Source>,
    /// What picked the profile.
    pub(super) profile_source: Option<String>,
}

/// Everything wrong so far, each with its source.
#[derive(Debug, Default)]
pub(super) struct Problems {
    source: String,
    list: Vec<String>,
}

impl Problems {
    /// One more, in the source that is being read.
    pub(super) fn add(&mut self, problem: String) {
        self.list.push(if self.source.is_empty() { problem } else { format!("{}: {problem}", self.source) });
    }
}

/// The environment of the process, for [`load`].
pub fn environment() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os()
}

/// Loads the configuration from a command line made with [`super::add_flags`] and an environment.
///
/// # Errors
/// Everything that is wrong: unknown names with the nearest known one, values out of bounds, contradictions.
pub fn load(
    matches: &ArgMatches,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Loaded, ConfigError> {
    let mut loader = Loader::new(environment);
    let chosen = loader.choose_profile(matches);
    loader.apply_profile(chosen);
    let referenced = loader.apply_file(matches);
    loader.apply_variables(&referenced);
    loader.apply_flags(matches);
    loader.finish(flags::action(matches))
}

struct Loader {
    settings: Settings,
    variables: BTreeMap<String, String>,
    sources: BTreeMap<&'static str, Source>,
    profile_source: Option<String>,
    warnings: Vec<String>,
    problems: Problems,
}

impl Loader {
    fn new(environment: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let mut problems = Problems::default();
        let mut variables = BTreeMap::new();
        for (name, value) in environment {
            let Ok(name) = name.into_string() else { continue };
            match value.into_string() {
                Ok(value) => {
                    variables.insert(name, value);
                }
                Err(_) if name.starts_with(PREFIX) => problems.add(format!("{name}: is not UTF-8")),
                Err(_) => {}
            }
        }
        Self {
            settings: Settings::default(),
            variables,
            sources: BTreeMap::new(),
            profile_source: None,
            warnings: Vec::new(),
            problems,
        }
    }

    /// A variable that says something: an empty one counts as unset, as compose files and shells make them.
    fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn choose_profile(&mut self, matches: &ArgMatches) -> Option<Profile> {
        let named = match (flags::profile(matches), self.variable(PROFILE_VARIABLE)) {
            (Some(name), _) => Some(("flag --profile", name)),
            (None, Some(name)) => Some((PROFILE_VARIABLE, name)),
            (None, None) => None,
        };
        if let Some((source, name)) = named {
            let required = Profile::require(name, source);
            self.profile_source = Some(source.to_owned());
            return required.map_err(|error| self.problems.list.push(error.to_string())).ok();
        }
        // These two belong to everyone: a value that means nothing here is no mistake.
        let shared = ["ENVIRONMENT", "ENV"];
        let (source, name) = shared.into_iter().find_map(|source| Some((source, self.variable(source)?)))?;
        let profile = Profile::named(name);
        if profile.is_none() {
            self.warnings
                .push(format!("{source}=`{name}` names no profile and is ignored: set HOTPLATE_PROFILE to pick one"));
        } else {
            self.profile_source = Some(source.to_owned());
        }
        profile
    }

    fn apply_profile(&mut self, profile: Option<Profile>) {
        self.settings.profile = profile;
        let Some(profile) = profile else { return };
        for (key, value) in profile.values() {
            if let Some(row) = find(key) {
                self.apply(row, value, Source::Profile(profile));
            }
        }
    }

    fn apply_file(&mut self, matches: &ArgMatches) -> BTreeSet<String> {
        let named = flags::config_file(matches).or_else(|| self.variable(CONFIG_VARIABLE));
        let Some(path) = named.map(str::to_owned) else { return BTreeSet::new() };
        self.problems.source.clone_from(&path);
        let text = match read_file(&path) {
            Ok(text) => text,
            Err(what) => {
                self.problems.add(what);
                return BTreeSet::new();
            }
        };
        let mut reader = FileReader {
            problems: &mut self.problems,
            variables: &self.variables,
            referenced: BTreeSet::new(),
            keys: Vec::new(),
        };
        reader.read(&text, &mut self.settings);
        for key in reader.keys {
            self.sources.insert(key, Source::File(path.clone()));
        }
        let referenced = reader.referenced;
        self.problems.source.clear();
        referenced
    }

    fn apply_variables(&mut self, referenced: &BTreeSet<String>) {
        let ours: Vec<(String, String)> = self
            .variables
            .iter()
            .filter(|(name, _)| name.starts_with(PREFIX))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        for (name, value) in ours {
            match rows().find(|row| row.variable() == name) {
                Some(row) if !value.is_empty() => self.apply(row, &value, Source::Variable(name)),
                Some(_) => {}
                None if is_foreign(&name, &value) || referenced.contains(&name) => {}
                None => self.unknown_variable(&name),
            }
        }
    }

    fn unknown_variable(&mut self, name: &str) {
        let known: Vec<String> =
            rows().map(Row::variable).chain([CONFIG_VARIABLE.to_owned(), PROFILE_VARIABLE.to_owned()]).collect();
        // The prefix is the same everywhere and would make every name look near.
        let rest = name.trim_start_matches(PREFIX);
        let near = nearest(rest, known.iter().map(|known| known.trim_start_matches(PREFIX)));
        let hint = near.map_or_else(String::new, |near| format!("; did you mean `{PREFIX}{near}`?"));
        self.problems.add(format!("environment: unknown variable `{name}`{hint}"));
    }

    fn apply_flags(&mut self, matches: &ArgMatches) {
        for row in rows() {
            if let Some(value) = flags::value(matches, row) {
                self.apply(row, value, Source::Flag(row.flag()));
            }
        }
    }

    fn apply(&mut self, row: &'static Row, value: &str, source: Source) {
        match row.set(&mut self.settings, value) {
            Ok(()) => {
                self.sources.insert(row.key, source);
            }
            Err(what) => self.problems.add(format!("{source}: {what}")),
        }
    }

    fn finish(mut self, action: Action) -> Result<Loaded, ConfigError> {
        if !self.problems.list.is_empty() {
            return Err(ConfigError::of(self.problems.list));
        }
        check::check(&self.settings)?;
        self.warnings.extend(check::warnings(&self.settings));
        Ok(Loaded {
            settings: self.settings,
            action,
            warnings: self.warnings,
            sources: self.sources,
            profile_source: self.profile_source,
        })
    }
}

fn read_file(path: &str) -> Result<String, String> {
    let size = fs::metadata(path).map_err(|error| format!("cannot be read: {error}"))?.len();
    if size > FILE_BYTES_MAX {
        return Err(format!("has {size} bytes, more than the {FILE_BYTES_MAX} a configuration may have"));
    }
    fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))
}

/// Whether a variable with our prefix is not meant as a setting: those of the client verbs, those a `watch` command
/// runs with, and those Kubernetes makes in every pod next to a Service named `hotplate` or `hotplate-…`.
fn is_foreign(name: &str, value: &str) -> bool {
    let ours_elsewhere = name == CONFIG_VARIABLE
        || name == PROFILE_VARIABLE
        || CLIENT_VARIABLES.contains(&name)
        || name.starts_with("HOTPLATE_EVENT_");
    let of_kubernetes = name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || (name.ends_with("_PORT") && value.contains("://"))
        || is_port_link(name);
    ours_elsewhere || of_kubernetes
}

/// `HOTPLATE_PORT_7070_TCP_ADDR` and its like.
fn is_port_link(name: &str) -> bool {
    let Some((_, after)) = name.split_once("_PORT_") else { return false };
    let Some((port, protocol)) = after.split_once('_') else { return false };
    !port.is_empty()
        && port.bytes().all(|byte| byte.is_ascii_digit())
        && ["TCP", "UDP", "SCTP"].iter().any(|name| protocol.starts_with(name))
}
