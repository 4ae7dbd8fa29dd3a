//! Large values between files and the server: read and written in pieces, with a bar on a terminal. Which verb does so,
//! and what it says afterwards, lives with the verb; how a file is written, in `target`.

mod target;

use std::io::{self, SeekFrom};

use bytes::{Bytes, BytesMut};
use hotplate::{Error, ErrorKind, ValueReader, ValueSource};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::{
    fs::File,
    io::{AsyncRead, AsyncReadExt, AsyncSeekExt},
};

pub(super) use self::target::Target;
use crate::{exit::Failure, output::Output};

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
