//! The only access to the file system: what the tier needs of it, behind a trait so that tests can make it fail. What is in
//! the files is not known here.

use std::{
    fmt::Debug,
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind},
    path::Path,
    sync::Arc,
};

/// Bytes that are written or read in one call at most.
const CALL_BYTES_MAX: usize = 1 << 20;

/// A file system.
pub(super) trait Files: Debug + Send + Sync + 'static {
    /// Makes a file that was not there, for its owner alone.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn Handle>>;
    /// Opens a file that is there, for reading.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn Handle>>;
    /// Opens a file that is there, for writing as well.
    fn open_to_write(&self, path: &Path) -> io::Result<Arc<dyn Handle>>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Names and lengths of the files in a directory; what has another name than text is left out.
    fn list(&self, directory: &Path) -> io::Result<Vec<(String, u64)>>;
    /// Makes a directory for its owner alone; it may be there.
    fn make_directory(&self, path: &Path) -> io::Result<()>;
    /// Forces what files a directory has onto the medium.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;
}

/// An open file. Writes and reads may be short, as the system's are.
pub(super) trait Handle: Debug + Send + Sync {
    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize>;
    /// Fills the buffer if that needs no waiting for the medium, because the system has it in memory; false when it has not,
    /// or cannot tell.
    fn read_cached(&self, into: &mut [u8], at: u64) -> bool;
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<usize>;
    fn length(&self) -> io::Result<u64>;
    /// Cuts the file to this length.
    fn cut(&self, length: u64) -> io::Result<()>;
    /// Forces its data onto the medium.
    fn sync(&self) -> io::Result<()>;
}

impl dyn Handle + '_ {
    /// Fills the buffer.
    ///
    /// # Errors
    /// What the system says, or `UnexpectedEof`.
    pub(super) fn read_all(&self, mut into: &mut [u8], mut at: u64) -> io::Result<()> {
        while !into.is_empty() {
            let length = into.len().min(CALL_BYTES_MAX);
            match self.read_at(&mut into[..length], at) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    into = &mut into[read..];
                    at += read as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// What the system says, or `WriteZero`. Part of it may have been written.
    pub(super) fn write_all(&self, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.write_at(&bytes[..bytes.len().min(CALL_BYTES_MAX)], at) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => {
                    bytes = &bytes[written..];
                    at += written as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// That a file which is to be removed is not there is as good.
pub(super) fn gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// The real one.
#[derive(Debug)]
pub(super) struct System;

pub(super) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

impl Files for System {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn Handle>> {
        Ok(Arc::new(private(OpenOptions::new().read(true).write(true).create_new(true)).open(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn Handle>> {
        Ok(Arc::new(File::open(path)?))
    }

    fn open_to_write(&self, path: &Path) -> io::Result<Arc<dyn Handle>> {
        Ok(Arc::new(OpenOptions::new().read(true).write(true).open(path)?))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<(String, u64)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let facts = match entry.metadata() {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                facts => facts?,
            };
            if let (Ok(name), true) = (entry.file_name().into_string(), facts.is_file()) {
                files.push((name, facts.len()));
            }
        }
        Ok(files)
    }

    fn make_directory(&self, path: &Path) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
    }
}

impl Handle for File {
    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        #[cfg(unix)]
        return std::os::unix::fs::FileExt::read_at(self, into, at);
        #[cfg(windows)]
        return std::os::windows::fs::FileExt::seek_read(self, into, at);
    }

    #[cfg(target_os = "linux")]
    fn read_cached(&self, into: &mut [u8], at: u64) -> bool {
        let wanted = into.len();
        let read = rustix::io::preadv2(self, &mut [io::IoSliceMut::new(into)], at, rustix::io::ReadWriteFlags::NOWAIT);
        read.is_ok_and(|read| read == wanted)
    }

    #[cfg(not(target_os = "linux"))]
    fn read_cached(&self, _into: &mut [u8], _at: u64) -> bool {
        false
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<usize> {
        #[cfg(unix)]
        return std::os::unix::fs::FileExt::write_at(self, bytes, at);
        #[cfg(windows)]
        return std::os::windows::fs::FileExt::seek_write(self, bytes, at);
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn cut(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}
