//! Large values between files and the server: read and written in pieces, with a bar on a terminal. Which verb does so,
//! and what it says afterwards, lives with the verb.

use std::{
    fs,
    io::{self, SeekFrom},
    path::{Path, PathBuf},
};

use bytes::{Bytes, BytesMut};
use hotplate::{Error, ErrorKind, ValueReader, ValueSource};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::{
    fs::File,
    io::{AsyncRead, AsyncReadExt, AsyncSeekExt, AsyncWriteExt},
};

use crate::{
    exit::Failure,
    output::{Output, human},
};

/// A file whose bytes are sent, from anywhere on.
pub(super) struct FileSource {
    file: File,
    size: u64,
    bar: ProgressBar,
}

impl FileSource {
    /// All of a file, as large as it is now.
    pub(super) fn new(file: File, size: u64, bar: ProgressBar) -> Self {
        Self { file, size, bar }
    }
}

impl ValueSource for FileSource {
    async fn read(&mut self, offset: u64, bytes_max: usize) -> hotplate::Result<Bytes> {
        self.bar.set_position(offset);
        let unreadable = |error: io::Error| Error::new(ErrorKind::InvalidArgument, format!("the file: {error}"));
        self.file.seek(SeekFrom::Start(offset)).await.map_err(unreadable)?;
        let wanted = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX).min(bytes_max);
        piece(&mut self.file, wanted).await.map_err(unreadable)
    }

    fn size(&self) -> Option<u64> {
        Some(self.size)
    }
}

/// The next bytes, fewer than wanted at the end only.
pub(super) async fn piece(from: &mut (impl AsyncRead + Unpin), wanted: usize) -> io::Result<Bytes> {
    let mut piece = BytesMut::with_capacity(wanted);
    while piece.len() < wanted {
        let left = wanted - piece.len();
        if (&mut *from).take(left as u64).read_buf(&mut piece).await? == 0 {
            break;
        }
    }
    Ok(piece.freeze())
}

/// A file that is there only when it is whole: written beside, then put into its place.
pub(super) struct Whole {
    path: PathBuf,
    beside: PathBuf,
    file: File,
    done: bool,
}

impl Whole {
    /// Begins one.
    pub(super) async fn create(path: &Path) -> Result<Self, Failure> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let beside = path.with_file_name(format!(".{name}.{}.part", std::process::id()));
        let file = File::options().write(true).create_new(true).open(&beside).await;
        let file = file.map_err(|error| unwritten(path, &error))?;
        Ok(Self { path: path.to_owned(), beside, file, done: false })
    }

    /// Adds to it.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.file.write_all(bytes).await.map_err(|error| unwritten(&self.path, &error))
    }

    /// Puts it into its place.
    pub(super) async fn finish(mut self) -> Result<(), Failure> {
        let placed = async {
            self.file.flush().await?;
            self.file.sync_all().await?;
            tokio::fs::rename(&self.beside, &self.path).await
        };
        placed.await.map_err(|error| unwritten(&self.path, &error))?;
        self.done = true;
        Ok(())
    }
}

impl Drop for Whole {
    fn drop(&mut self) {
        if !self.done {
            // What is half of a value is of no use to anyone.
            let _left = fs::remove_file(&self.beside);
        }
    }
}

fn unwritten(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!("{}: {error}", human::escape(&path.display().to_string())))
}

/// Hands the rest of a value to `write`, piece by piece. Answers its bytes.
pub(super) async fn pieces(
    reader: &mut ValueReader,
    bar: &ProgressBar,
    mut write: impl AsyncFnMut(Bytes) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    while let Some(bytes) = Box::pin(reader.next()).await? {
        bar.set_position(reader.offset());
        write(bytes).await?;
    }
    bar.finish_and_clear();
    Ok(reader.offset())
}

/// How far a transfer is: drawn on a terminal only.
pub(super) fn progress_bar(output: &Output, size: u64) -> ProgressBar {
    if !output.draws_progress() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(size), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {bytes_per_sec} left {eta}");
    bar.set_style(style.unwrap_or_else(|_wrong| ProgressStyle::default_bar()).progress_chars("█▉▊▋▌▍▎▏ "));
    bar
}
