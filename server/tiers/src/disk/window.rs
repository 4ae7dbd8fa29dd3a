//! Reading through a file with few calls and bounded memory. What is in it is not known here.

use std::io;

use super::files::Handle;

/// Bytes read at once.
const WINDOW_BYTES: usize = 1 << 20;

/// A part of a file in memory.
pub(super) struct Window<'a> {
    file: &'a dyn Handle,
    length: u64,
    start: u64,
    buffer: Vec<u8>,
}

impl<'a> Window<'a> {
    pub(super) fn new(file: &'a dyn Handle, length: u64) -> Self {
        Self { file, length, start: 0, buffer: Vec::new() }
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// So many bytes from there on.
    ///
    /// # Errors
    /// `UnexpectedEof` beyond the file's end, before anything is allocated; what the system says.
    pub(super) fn bytes(&mut self, at: u64, count: usize) -> io::Result<&[u8]> {
        let left = usize::try_from(self.length.saturating_sub(at)).unwrap_or(usize::MAX);
        if count > left {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let inside = at >= self.start && at + count as u64 <= self.start + self.buffer.len() as u64;
        if !inside {
            self.buffer.resize(count.max(WINDOW_BYTES.min(left)), 0);
            self.start = at;
            if let Err(error) = self.file.read_all(&mut self.buffer, at) {
                self.buffer.clear();
                return Err(error);
            }
        }
        let from = usize::try_from(at - self.start).unwrap_or(usize::MAX);
        Ok(&self.buffer[from..from + count])
    }

    /// Where a mark is found first from there on.
    pub(super) fn find(&mut self, mark: &[u8; 4], from: u64) -> io::Result<Option<u64>> {
        let mut at = from;
        while at + mark.len() as u64 <= self.length {
            let left = usize::try_from(self.length - at).unwrap_or(usize::MAX);
            let part = self.bytes(at, left.min(WINDOW_BYTES))?;
            if let Some(place) = part.windows(mark.len()).position(|bytes| bytes == mark) {
                return Ok(Some(at + place as u64));
            }
            at += (part.len() - (mark.len() - 1)) as u64;
        }
        Ok(None)
    }
}
