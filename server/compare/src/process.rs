//! Processes that are measured: started on a core of their own with their words in a file, killed when they are dropped. What
//! they are is not known here.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    process::{Child, ChildStdout, Command},
    time::{sleep, timeout},
};

/// How long a process may take to be there.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is asked whether it is.
const LOOK: Duration = Duration::from_millis(20);

/// The cores that servers and generators run on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cores {
    /// Whether processes are held on them.
    pub pinned: bool,
}

/// Which core a process runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Core {
    /// The first: what is measured.
    Server,
    /// The second: what measures.
    Generator,
}

impl Cores {
    /// A command that runs there.
    #[must_use]
    pub fn command(&self, program: &Path, core: Core) -> Command {
        let number = match core {
            Core::Server => "0",
            Core::Generator => "1",
        };
        if !self.pinned {
            return Command::new(program);
        }
        let mut command = Command::new("taskset");
        command.args(["-c", number]).arg(program);
        command
    }
}

/// A process that runs until it is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
    name: String,
}

impl Process {
    /// Starts it, without this process's environment; its errors go to a file of this name in the folder.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(command: &mut Command, folder: &Path, name: &str) -> Result<Self, String> {
        let log = folder.join(format!("{name}.log"));
        let file = fs::File::create(&log).map_err(|error| format!("cannot write {}: {error}", log.display()))?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file).kill_on_drop(true);
        let child = command.spawn().map_err(|error| format!("cannot start {name}: {error}"))?;
        Ok(Self { child, log, name: name.to_owned() })
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// Reads its first line, which is where a server says that it listens, as JSON.
    ///
    /// # Errors
    /// It ended, or said something else.
    pub async fn first_line(&mut self) -> Result<serde_json::Value, String> {
        let mut line = String::new();
        let output: ChildStdout = self.child.stdout.take().ok_or("its first line was read before")?;
        let mut output = BufReader::new(output);
        let read = timeout(PATIENCE, output.read_line(&mut line)).await;
        self.child.stdout = Some(output.into_inner());
        match (read, serde_json::from_str(&line)) {
            (Ok(Ok(_)), Ok(said)) => Ok(said),
            _ => Err(self.failed("did not say where it listens")),
        }
    }

    /// Waits until a port of it answers an HTTP GET of `path` with these words, or, without a path, takes a connection.
    ///
    /// # Errors
    /// It does not in time, or ended.
    pub async fn ready(&mut self, port: u16, path: Option<(&str, &str)>) -> Result<(), String> {
        let looks = PATIENCE.as_millis() / LOOK.as_millis();
        for _look in 0..looks {
            if let Ok(Some(_)) = self.child.try_wait() {
                return Err(self.failed("ended"));
            }
            let there = match path {
                None => TcpStream::connect(("127.0.0.1", port)).await.is_ok(),
                Some((path, words)) => fetched(port, path).await.is_ok_and(|text| text.contains(words)),
            };
            if there {
                return Ok(());
            }
            sleep(LOOK).await;
        }
        Err(self.failed("was not there in time"))
    }

    /// What to say of it when it went wrong: with its last words.
    #[must_use]
    pub fn failed(&self, how: &str) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        format!("{} {how}: {}", self.name, lines[lines.len().saturating_sub(3)..].join(" | "))
    }
}

/// The answer to an HTTP GET, head and all.
///
/// # Errors
/// Nobody answers.
pub async fn fetched(port: u16, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").as_bytes()).await?;
    let mut text = String::new();
    let read = timeout(PATIENCE, stream.read_to_string(&mut text)).await;
    read.map_err(std::io::Error::other)??;
    Ok(text)
}

/// A port that was free a moment ago.
///
/// # Errors
/// There is none.
pub async fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await;
    let port = listener.and_then(|listener| listener.local_addr());
    port.map(|address| address.port()).map_err(|error| format!("no free port: {error}"))
}

/// Runs a command to its end and returns what it printed.
///
/// # Errors
/// It cannot be started or fails: with its last words.
pub async fn output(command: &mut Command) -> Result<String, String> {
    let shown = shown(command);
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await;
    let output = output.map_err(|error| format!("cannot start `{shown}`: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        return Err(format!("`{shown}` failed: {}: {last}", output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A command as a person would type it.
#[must_use]
pub fn shown(command: &Command) -> String {
    let command = command.as_std();
    let words = [command.get_program()].into_iter().chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// Resident memory of a process, bytes.
///
/// # Errors
/// It is gone, or this is no Linux.
pub fn resident(id: u32) -> Result<u64, String> {
    let path = format!("/proc/{id}/status");
    let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    parse_resident(&text).ok_or_else(|| format!("{path} does not say how much is resident"))
}

fn parse_resident(status: &str) -> Option<u64> {
    let row = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    row.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read() {
        assert_eq!(parse_resident("Name:\tx\nVmRSS:\t   20480 kB\nVmData: 1 kB\n"), Some(20 << 20));
        assert_eq!(parse_resident("Name:\tx\n"), None);
    }

    #[tokio::test]
    async fn what_a_program_prints_and_how_it_fails_is_told() {
        assert_eq!(output(Command::new("echo").arg("a")).await.unwrap(), "a\n");
        let failed = output(Command::new("sh").args(["-c", "echo first >&2; echo last >&2; exit 3"])).await;
        assert!(failed.unwrap_err().ends_with(": last"));
    }

    #[tokio::test]
    async fn a_process_ends_when_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        let mut process =
            Process::start(command.args(["-c", "echo '{\"a\":1}'; exec sleep 600"]), folder.path(), "sh").unwrap();
        assert_eq!(process.first_line().await.unwrap()["a"], 1);
        let (id, gone) = (process.id(), |id: u32| !Path::new(&format!("/proc/{id}/status")).exists());
        assert!(!gone(id));
        drop(process);
        let ended =
            |id: u32| gone(id) || fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|t| t.contains(") Z"));
        while !ended(id) {
            tokio::task::yield_now().await;
        }
    }
}
