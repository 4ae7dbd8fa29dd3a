//! A medium that loses its power: what was not forced onto it is undone. What of that may be noticed is tested beside.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use hotplate_engine::{selector::Selector, tier::local::HandedDown};
use parking_lot::Mutex;

use super::{
    failing::{EIO, Fails},
    *,
};
use crate::disk::files::{Files, Handle, System, gone};

/// The real file system, with a note of what it would forget.
#[derive(Debug)]
pub(super) struct Medium(Arc<Mutex<Unforced>>);

#[derive(Debug)]
struct Unforced {
    /// Where removed files wait.
    aside: tempfile::TempDir,
    /// Files that would be there again, and where they are meanwhile.
    removed: Vec<(PathBuf, PathBuf)>,
    /// Files that would not be there.
    made: Vec<PathBuf>,
    /// Bytes of files that would be there.
    lengths: HashMap<PathBuf, u64>,
    names: u64,
}

impl Medium {
    pub(super) fn new() -> Self {
        let aside = tempfile::tempdir().unwrap();
        let unforced = Unforced { aside, removed: Vec::new(), made: Vec::new(), lengths: HashMap::new(), names: 0 };
        Self(Arc::new(Mutex::new(unforced)))
    }

    /// Undoes what was not forced onto it.
    pub(super) fn lose_power(&self) {
        let mut unforced = self.0.lock();
        for path in std::mem::take(&mut unforced.made) {
            gone(std::fs::remove_file(path)).unwrap();
        }
        for (path, aside) in std::mem::take(&mut unforced.removed) {
            if !path.exists() {
                std::fs::rename(aside, path).unwrap();
            }
        }
        for (path, length) in std::mem::take(&mut unforced.lengths) {
            if let Ok(file) = System.open_to_write(&path) {
                file.cut(length).unwrap();
            }
        }
    }

    fn wrap(&self, inner: Arc<dyn Handle>, path: &Path) -> Arc<dyn Handle> {
        Arc::new(MediumHandle { inner, path: path.to_owned(), unforced: self.0.clone() })
    }
}

impl Files for Medium {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn Handle>> {
        let file = System.create(path)?;
        let mut unforced = self.0.lock();
        unforced.made.push(path.to_owned());
        unforced.lengths.insert(path.to_owned(), 0);
        Ok(self.wrap(file, path))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn Handle>> {
        System.open(path)
    }

    fn open_to_write(&self, path: &Path) -> io::Result<Arc<dyn Handle>> {
        let file = System.open_to_write(path)?;
        let length = file.length()?;
        self.0.lock().lengths.entry(path.to_owned()).or_insert(length);
        Ok(self.wrap(file, path))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut unforced = self.0.lock();
        unforced.names += 1;
        let aside = unforced.aside.path().join(unforced.names.to_string());
        System.rename(path, &aside)?;
        let made = unforced.made.len();
        unforced.made.retain(|made| made != path);
        if unforced.made.len() == made {
            unforced.removed.push((path.to_owned(), aside));
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        System.rename(from, to)?;
        let mut unforced = self.0.lock();
        unforced.made.retain(|made| made != from);
        unforced.made.push(to.to_owned());
        if let Some(length) = unforced.lengths.remove(from) {
            unforced.lengths.insert(to.to_owned(), length);
        }
        Ok(())
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<(String, u64)>> {
        System.list(directory)
    }

    fn make_directory(&self, path: &Path) -> io::Result<()> {
        System.make_directory(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        let mut unforced = self.0.lock();
        unforced.made.retain(|made| made.parent() != Some(path));
        unforced.removed.retain(|(removed, _)| removed.parent() != Some(path));
        Ok(())
    }
}

#[derive(Debug)]
struct MediumHandle {
    inner: Arc<dyn Handle>,
    path: PathBuf,
    unforced: Arc<Mutex<Unforced>>,
}

impl Handle for MediumHandle {
    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        self.inner.read_at(into, at)
    }

    fn read_cached(&self, into: &mut [u8], at: u64) -> bool {
        self.inner.read_cached(into, at)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<usize> {
        self.inner.write_at(bytes, at)
    }

    fn length(&self) -> io::Result<u64> {
        self.inner.length()
    }

    fn cut(&self, length: u64) -> io::Result<()> {
        self.inner.cut(length)
    }

    fn sync(&self) -> io::Result<()> {
        let length = self.inner.length()?;
        self.unforced.lock().lengths.insert(self.path.clone(), length);
        Ok(())
    }
}

struct Bed {
    directory: tempfile::TempDir,
    clock: Clock,
    medium: Arc<Medium>,
    files: Arc<Failing>,
}

impl Bed {
    fn new() -> Self {
        let medium = Arc::new(Medium::new());
        let files = Arc::new(Failing::over(medium.clone()));
        Self { directory: tempfile::tempdir().unwrap(), clock: Clock::system(), medium, files }
    }

    fn open(&self) -> Arc<DiskTier> {
        open(self.directory.path(), &self.clock, &self.files, Sync::Always)
    }

    async fn put(&self, tier: &DiskTier, text: &str, size: usize) {
        assert!(tier.put(&key(text), kept(&self.clock, noise(size, 1)), HandedDown::Written));
        // What is forgotten last is written last.
        tier.put(&key("last"), kept(&self.clock, "v"), HandedDown::Written);
        tier.forget(&key("last"));
        tier.settled().await.unwrap();
    }

    fn lose_power(&self, tier: Arc<DiskTier>) -> Arc<DiskTier> {
        drop(tier);
        self.medium.lose_power();
        self.files.set(Fails::default());
        self.open()
    }
}

#[tokio::test]
async fn what_went_with_its_segment_and_was_forgotten_then_does_not_come_back_with_it() {
    let bed = Bed::new();
    let mut tier = bed.open();
    let (mut number, mut oldest) = (0, 0);
    for round in 0..4 {
        while tier.may_hold(&key(&oldest.to_string())) || number == oldest {
            bed.put(&tier, &number.to_string(), 20_000 + round * 1000).await;
            number += 1;
        }
        while oldest < number && !tier.may_hold(&key(&oldest.to_string())) {
            assert!(!tier.forget(&key(&oldest.to_string())));
            oldest += 1;
        }
        tier.forget_sets(&"ns".into(), &[Selector::tag("t").unwrap()]);
        tier.settled().await.unwrap();
        tier = bed.lose_power(tier);
        assert_eq!((tier.state().health, tier.state().corrupt), (TierHealth::Up, 0));
        for gone in 0..oldest {
            assert_eq!(get(&tier, &gone.to_string()).await, None, "{gone} in round {round}");
        }
        assert!(get(&tier, &oldest.to_string()).await.is_some(), "what was there is there");
    }
}

#[tokio::test]
async fn that_nothing_of_what_could_not_be_read_counts_is_on_the_medium_before_it_is_settled() {
    let bed = Bed::new();
    let tier = bed.open();
    bed.put(&tier, "a", 100).await;
    tier.close().await;
    bed.files.set(Fails { list: Some(EIO), ..Fails::default() });
    let tier = bed.open();
    tier.forget(&key("a"));
    assert!(tier.settled().await.is_err());
    bed.files.set(Fails::default());
    until_up(&tier).await;
    tier.settled().await.unwrap();
    let tier = bed.lose_power(tier);
    assert_eq!(get(&tier, "a").await, None);
}

#[tokio::test]
async fn a_value_in_a_file_of_its_own_is_on_the_medium_with_what_names_it() {
    let bed = Bed::new();
    let tier = bed.open();
    bed.put(&tier, "a", 300_000).await;
    let tier = bed.lose_power(tier);
    assert_eq!((get(&tier, "a").await.is_some(), tier.state().corrupt), (true, 0));
}
