//! Programs to run and where they are: the repository, the private tools, and commands with their output in a file.
//!
//! No knowledge of what any step does.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// Where tools live that belong to this repository and not to the machine.
pub(crate) fn tools() -> PathBuf {
    root().join("target/tools")
}

/// A program of the private Python environment.
pub(crate) fn python(name: &str) -> PathBuf {
    tools().join("py/bin").join(name)
}

/// A program installed by `cargo install` or `go install`.
pub(crate) fn tool(name: &str) -> PathBuf {
    tools().join("bin").join(name)
}

/// A command that runs in the root of the repository and waits for no input.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root()).stdin(Stdio::null());
    command
}

/// A cargo command.
pub(crate) fn cargo<const N: usize>(arguments: [&str; N]) -> Command {
    let mut command = command("cargo");
    command.args(arguments);
    command
}

/// What builds programs and examples of the workspace for debugging, with the features that its tests are built with: whatever else
/// was built before, no dependency is built a second time. (Cargo unites the features of what it is asked for; a test
/// among that adds those that only tests need.)
pub(crate) fn build(programs: &[&str], examples: &[&str]) -> Command {
    let mut build = cargo(["build", "--quiet", "--locked", "--workspace", "--test", "tidy"]);
    build.args(programs.iter().flat_map(|name| ["--bin", *name]));
    build.args(examples.iter().flat_map(|name| ["--example", *name]));
    build
}

/// Runs a command with its output on the terminal. The error names the command.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|error| cannot_start(command, &error))?;
    if status.success() { Ok(()) } else { Err(format!("`{}` failed: {status}", shown(command))) }
}

/// Runs a command and returns what it wrote to stdout. The error carries what it wrote to stderr.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| cannot_start(command, &error))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("`{}` failed: {}\n{}", shown(command), output.status, said.trim_end()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn cannot_start(command: &Command, error: &std::io::Error) -> String {
    format!("cannot start `{}`: {error}", shown(command))
}

/// A command as a person would type it.
pub(crate) fn shown(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|word| word.to_string_lossy().into_owned()));
    words.join(" ")
}

/// The log of one step, which holds everything its commands wrote.
pub(crate) struct Log {
    path: PathBuf,
    file: File,
}

impl Log {
    /// Starts an empty log at `path`.
    pub(crate) fn create(path: PathBuf) -> Result<Self, String> {
        let fail = |error: std::io::Error| format!("cannot write {}: {error}", path.display());
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(fail)?;
        }
        fs::write(&path, "").map_err(fail)?;
        let file = OpenOptions::new().append(true).read(true).open(&path).map_err(fail)?;
        Ok(Self { path, file })
    }

    /// Where the log is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A handle for a program that outlives the call, such as a server.
    pub(crate) fn handle(&self) -> Result<File, String> {
        self.file.try_clone().map_err(|error| format!("cannot share {}: {error}", self.path.display()))
    }

    /// Adds a line.
    pub(crate) fn say(&self, line: &str) -> Result<(), String> {
        use std::io::Write;
        let mut file = &self.file;
        writeln!(file, "{line}").map_err(|error| format!("cannot write {}: {error}", self.path.display()))
    }

    /// Runs a command with all of its output in the log; returns that output.
    pub(crate) fn run(&self, command: &mut Command) -> Result<String, String> {
        self.say(&format!("$ {}", shown(command)))?;
        let unreadable = |error: std::io::Error| format!("cannot read {}: {error}", self.path.display());
        let start = fs::metadata(&self.path).map_err(unreadable)?.len();
        let status = command
            .stdout(self.handle()?)
            .stderr(self.handle()?)
            .status()
            .map_err(|error| cannot_start(command, &error))?;
        let mut file = File::open(&self.path).map_err(unreadable)?;
        file.seek(SeekFrom::Start(start)).map_err(unreadable)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(unreadable)?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if status.success() { Ok(text) } else { Err(format!("`{}` failed: {status}", shown(command))) }
    }

    /// An empty log beside this one, for what runs at the same time as other things.
    pub(crate) fn beside(&self, name: &str) -> Result<Self, String> {
        Self::create(self.path.with_extension(format!("{name}.log")))
    }

    /// Adds everything that another log holds, in one piece.
    pub(crate) fn append(&self, other: &Self) -> Result<(), String> {
        self.say(&other.tail(usize::MAX))
    }

    /// The last lines of the log.
    pub(crate) fn tail(&self, lines: usize) -> String {
        let text = fs::read(&self.path).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let all: Vec<&str> = text.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }
}
