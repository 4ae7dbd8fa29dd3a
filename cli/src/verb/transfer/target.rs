//! The file that a value is written to. What it is decides how: a regular file is replaced by one that is whole, anything else (a
//! pipe, a device, what stdout is) is written to as it is.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use tokio::{
    fs::{File, OpenOptions},
    io::AsyncWriteExt,
};

use crate::{exit::Failure, output::human};

/// Links that lead from one to the next, as many as Linux follows.
const LINKS_MAX: usize = 40;
/// Names that are tried for the file beside: others of this process's number may be left from a machine that was turned off.
const NAMES_MAX: usize = 100;

/// Where a value goes.
pub(in crate::verb) struct Target {
    /// As it was named.
    named: PathBuf,
    file: File,
    /// Of a regular file: what is written, and what it becomes.
    beside: Option<Beside>,
    /// Whether a reader that goes away is none of our business, as with stdout.
    is_stdout: bool,
}

/// A file that is put into the place of another when it is whole; otherwise it is taken away.
struct Beside {
    path: PathBuf,
    place: PathBuf,
    permissions: Option<fs::Permissions>,
    done: bool,
}

impl Target {
    /// Opens what is there, or begins what will be. Waits, as opening a pipe does, for who reads it.
    pub(in crate::verb) async fn open(path: &Path) -> Result<Self, Failure> {
        Self::opened(path).await.map_err(|error| unwritten(path, &error))
    }

    async fn opened(path: &Path) -> io::Result<Self> {
        let (place, of_process) = followed(path)?;
        let found = match fs::metadata(&place) {
            Ok(found) => Some(found),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        match found {
            Some(found) if found.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            Some(found) if of_process || !found.is_file() => Self::through(path, &found).await,
            found => Self::replacing(path, place, found).await,
        }
    }

    /// Writes to what is there.
    async fn through(path: &Path, found: &fs::Metadata) -> io::Result<Self> {
        let stdout = stdout_if_that(found);
        let is_stdout = stdout.is_some();
        let file = match stdout {
            Some(stdout) => File::from_std(stdout),
            None => OpenOptions::new().write(true).truncate(true).open(path).await?,
        };
        Ok(Self { named: path.to_owned(), file, beside: None, is_stdout })
    }

    /// Writes beside it.
    async fn replacing(path: &Path, place: PathBuf, found: Option<fs::Metadata>) -> io::Result<Self> {
        if found.is_some() {
            // Who may not write it may not replace it either.
            match OpenOptions::new().write(true).open(&place).await {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(error),
                _ => {}
            }
        }
        let permissions = found.map(|found| found.permissions());
        for number in 0..NAMES_MAX {
            let name = format!(".hotplate-{}-{number}.part", std::process::id());
            let beside = place.with_file_name(name);
            match options(permissions.is_some()).open(&beside).await {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    return Err(io::Error::new(error.kind(), format!("no file can be made beside it: {error}")));
                }
                Ok(file) => {
                    let beside = Some(Beside { path: beside, place, permissions, done: false });
                    return Ok(Self { named: path.to_owned(), file, beside, is_stdout: false });
                }
            }
        }
        Err(io::Error::other("too many files .hotplate-*.part are left beside it: remove them"))
    }

    /// Adds to it.
    pub(in crate::verb) async fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let written = self.file.write_all(bytes).await;
        written.map_err(|error| self.failed(error))
    }

    /// Says that this was all: a regular file is there from now on.
    pub(in crate::verb) async fn finish(mut self) -> Result<(), Failure> {
        let finished = self.finished().await;
        finished.map_err(|error| self.failed(error))
    }

    async fn finished(&mut self) -> io::Result<()> {
        self.file.flush().await?;
        let Some(beside) = &mut self.beside else { return Ok(()) };
        if let Some(permissions) = &beside.permissions {
            self.file.set_permissions(permissions.clone()).await?;
        }
        self.file.sync_all().await?;
        tokio::fs::rename(&beside.path, &beside.place).await?;
        beside.done = true;
        Ok(())
    }

    fn failed(&self, error: io::Error) -> Failure {
        if self.is_stdout { Failure::from(error) } else { unwritten(&self.named, &error) }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if !self.done {
            // What is half of a value is of no use to anyone.
            let _left = fs::remove_file(&self.path);
        }
    }
}

fn unwritten(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!("{}: {error}", human::escape(&path.display().to_string())))
}

/// How the file beside is made. What takes another's place is as closed as that may be until it has its permissions.
fn options(#[cfg_attr(not(unix), expect(unused_variables))] closed: bool) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if closed {
        options.mode(0o600);
    }
    options
}

/// Where links lead, also to what is not there yet; and whether that is a file that this process has open, which is to be
/// written to and not replaced.
fn followed(path: &Path) -> io::Result<(PathBuf, bool)> {
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        let Ok(link) = fs::read_link(&path) else { return Ok((path, false)) };
        if path.parent().and_then(|parent| parent.canonicalize().ok()).is_some_and(|parent| parent.starts_with("/proc"))
        {
            return Ok((path, true));
        }
        path = path.parent().map(|parent| parent.join(&link)).unwrap_or(link);
    }
    Err(io::Error::other("too many links"))
}

/// This process's stdout, if it is what was found: opened anew, a file would be written from its beginning again.
#[cfg(unix)]
fn stdout_if_that(found: &fs::Metadata) -> Option<fs::File> {
    use std::os::{fd::AsFd, unix::fs::MetadataExt};
    let stdout = fs::File::from(io::stdout().as_fd().try_clone_to_owned().ok()?);
    let is = stdout.metadata().ok()?;
    ((is.dev(), is.ino()) == (found.dev(), found.ino())).then_some(stdout)
}

#[cfg(not(unix))]
fn stdout_if_that(_found: &fs::Metadata) -> Option<fs::File> {
    None
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[tokio::test]
    async fn what_is_not_finished_leaves_what_was_there() {
        let dir = TempDir::new().expect("a directory");
        let path = dir.path().join("value");
        for was in [None, Some("old")] {
            was.iter().for_each(|was| fs::write(&path, was).expect("written"));
            let mut target = Target::open(&path).await.expect("opened");
            target.write(b"new and lo").await.expect("written");
            drop(target);
            assert_eq!(fs::read_to_string(&path).ok().as_deref(), was);
        }
        let mut target = Target::open(&path).await.expect("opened");
        target.write(b"new").await.expect("written");
        assert_eq!(fs::read_to_string(&path).expect("there"), "old", "until it is whole");
        target.finish().await.expect("whole");
        assert_eq!(fs::read_to_string(&path).expect("there"), "new");
        assert_eq!(fs::read_dir(dir.path()).expect("a directory").count(), 1, "nothing is left beside");
    }

    #[tokio::test]
    async fn what_another_left_beside_is_not_touched() {
        let dir = TempDir::new().expect("a directory");
        let left = dir.path().join(format!(".hotplate-{}-0.part", std::process::id()));
        fs::write(&left, "another's").expect("written");
        let path = dir.path().join("n".repeat(250));
        let mut target = Target::open(&path).await.expect("opened");
        target.write(b"new").await.expect("written");
        target.finish().await.expect("whole");
        assert_eq!((fs::read(&path).ok(), fs::read(&left).ok()), (Some(b"new".into()), Some(b"another's".into())));
    }

    #[tokio::test]
    async fn what_cannot_be_written_is_said() {
        let dir = TempDir::new().expect("a directory");
        let circle = dir.path().join("circle");
        std::os::unix::fs::symlink("circle", &circle).expect("a link");
        for path in [dir.path().to_owned(), dir.path().join("none/value"), circle] {
            let failure = Target::open(&path).await.err().expect("no file");
            assert!(failure.message.starts_with(&path.display().to_string()), "{failure}");
        }
    }
}
