//! Dictionaries as small files: one for each dictionary, named after its content, and one for each namespace that names its
//! current one. What they are made from, and whether they are what they should be, is the codec's business.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use futures::{FutureExt, TryFutureExt, future::BoxFuture};
use hotplate_engine::tier::{TierError, TierErrorKind};
use xxhash_rust::xxh3::xxh3_64;

use super::files::{Files, gone};
use crate::codec::DictionaryStore;

const DIRECTORY: &str = "dictionaries";
/// Longest dictionary that is read, in bytes.
const BYTES_MAX: u64 = 1 << 20;

/// Where dictionaries are kept.
#[derive(Clone, Debug)]
pub(super) struct Dictionaries {
    files: Arc<dyn Files>,
    directory: PathBuf,
}

impl Dictionaries {
    pub(super) fn new(files: Arc<dyn Files>, directory: &Path) -> Self {
        Self { files, directory: directory.join(DIRECTORY) }
    }

    /// Does what may wait for the medium on a thread that may.
    fn waiting<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> io::Result<R> + Send + 'static,
    ) -> BoxFuture<'static, Result<R, TierError>> {
        let this = self.clone();
        let working = tokio::task::spawn_blocking(move || work(&this));
        let done = working.map(|done| done.unwrap_or_else(|_ended| Err(io::ErrorKind::Interrupted.into())));
        done.map_err(|error| failed(&error)).boxed()
    }

    fn dictionary(&self, id: u64) -> PathBuf {
        self.directory.join(format!("{id:016x}.dict"))
    }

    fn namespace(&self, namespace: &str) -> PathBuf {
        self.directory.join(format!("{:016x}.current", xxh3_64(namespace.as_bytes())))
    }

    fn read(&self, path: &Path) -> io::Result<Option<Bytes>> {
        let file = match self.files.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let length = file.length()?;
        if length > BYTES_MAX {
            return Ok(None);
        }
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        file.read_all(&mut bytes, 0)?;
        Ok(Some(bytes.into()))
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.files.make_directory(&self.directory)?;
        let unfinished = path.with_extension("tmp");
        gone(self.files.remove(&unfinished))?;
        let file = self.files.create(&unfinished)?;
        file.write_all(bytes, 0)?;
        file.sync()?;
        self.files.rename(&unfinished, path)?;
        self.files.sync_directory(&self.directory)
    }

    fn current_of(&self, namespace: &str) -> io::Result<Option<Bytes>> {
        let Some(named) = self.read(&self.namespace(namespace))? else { return Ok(None) };
        let Ok(id) = named.as_ref().try_into().map(u64::from_le_bytes) else { return Ok(None) };
        self.read(&self.dictionary(id))
    }

    fn keep(&self, namespace: &str, id: u64, dictionary: &[u8]) -> io::Result<()> {
        self.write(&self.dictionary(id), dictionary)?;
        self.write(&self.namespace(namespace), &id.to_le_bytes())
    }
}

fn failed(error: &io::Error) -> TierError {
    TierError { kind: TierErrorKind::Unreachable, message: format!("disk: a dictionary cannot be kept: {error}") }
}

impl DictionaryStore for Dictionaries {
    fn load(&self, id: u64) -> BoxFuture<'_, Result<Option<Bytes>, TierError>> {
        self.waiting(move |this| this.read(&this.dictionary(id)))
    }

    fn current<'a>(&'a self, namespace: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, TierError>> {
        let namespace = namespace.to_owned();
        self.waiting(move |this| this.current_of(&namespace))
    }

    fn save<'a>(&'a self, namespace: &'a str, id: u64, dictionary: Bytes) -> BoxFuture<'a, Result<(), TierError>> {
        let namespace = namespace.to_owned();
        self.waiting(move |this| this.keep(&namespace, id, &dictionary))
    }
}
