//! Where traces are: the folder in the repository, made-up ones under `target`, and folders of the caller's. Reading one
//! is `trace`'s work.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::{synthetic, trace::ENDING};

/// A trace that can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
}

/// The repository's own traces.
#[must_use]
pub fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("traces")
}

/// Where made-up traces are kept once they were made.
#[must_use]
pub fn made() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench/traces")
}

/// Every trace of these folders by name. What is in more than one folder is taken from the last.
///
/// # Errors
/// A folder that cannot be read, or has no trace in it.
pub fn in_folders(folders: &[PathBuf]) -> Result<Vec<Source>, String> {
    let mut found = BTreeMap::new();
    for folder in folders {
        let told = |error: std::io::Error| format!("cannot read the folder {}: {error}", folder.display());
        let mut any = false;
        for entry in fs::read_dir(folder).map_err(told)? {
            let path = entry.map_err(told)?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if let Some(name) = name.strip_suffix(ENDING).filter(|name| !name.is_empty() && path.is_file()) {
                any = true;
                found.insert(name.to_owned(), path);
            }
        }
        if !any {
            return Err(format!("there is no *{ENDING} in {}", folder.display()));
        }
    }
    Ok(found.into_iter().map(|(name, path)| Source { name, path }).collect())
}

/// What is compared when nobody says otherwise: the shipped traces, the made-up ones, and those of `also`, which come
/// instead of others of their names.
///
/// # Errors
/// A folder that cannot be read, or a made-up trace that cannot be written.
pub fn standard(also: Option<&Path>) -> Result<Vec<Source>, String> {
    let others = also.map(|folder| in_folders(&[folder.to_owned()])).transpose()?.unwrap_or_default();
    let mut found: BTreeMap<String, PathBuf> =
        in_folders(&[shipped()])?.into_iter().map(|source| (source.name, source.path)).collect();
    for mix in synthetic::MIXES {
        if !others.iter().any(|source| source.name == mix.name) {
            found.insert(mix.name.to_owned(), synthetic::file(mix, &made())?);
        }
    }
    found.extend(others.into_iter().map(|source| (source.name, source.path)));
    Ok(found.into_iter().map(|(name, path)| Source { name, path }).collect())
}

/// Only the named ones, all when none is named.
///
/// # Errors
/// A name that none has.
pub fn only(sources: Vec<Source>, names: &[String]) -> Result<Vec<Source>, String> {
    if let Some(name) = names.iter().find(|name| !sources.iter().any(|source| source.name == **name)) {
        let known: Vec<_> = sources.iter().map(|source| source.name.as_str()).collect();
        return Err(format!("there is no trace {name:?}; there is: {}", known.join(", ")));
    }
    Ok(sources.into_iter().filter(|source| names.is_empty() || names.contains(&source.name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str, files: &[&str]) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("hotplate-bench-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        for file in files {
            fs::write(folder.join(file), "").unwrap();
        }
        folder
    }

    #[test]
    fn traces_are_found_by_their_ending_and_the_last_folder_wins() {
        let first = folder("first", &["b.csv.zst", "a.csv.zst", "README.md", "c.csv"]);
        let second = folder("second", &["b.csv.zst", ".csv.zst"]);
        let found = in_folders(&[first.clone(), second.clone()]).unwrap();
        let names: Vec<_> = found.iter().map(|source| source.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        assert!(found[1].path.starts_with(&second));
        assert_eq!(only(found.clone(), &["b".into()]).unwrap().len(), 1);
        assert!(only(found, &["z".into()]).unwrap_err().contains("there is: a, b"));
        fs::remove_dir_all(first).unwrap();
        fs::remove_dir_all(second).unwrap();
    }

    #[test]
    fn a_folder_without_traces_is_an_error() {
        let empty = folder("empty", &["README.md"]);
        assert!(in_folders(std::slice::from_ref(&empty)).unwrap_err().contains("no *.csv.zst"));
        fs::remove_dir_all(&empty).unwrap();
        assert!(in_folders(&[empty]).unwrap_err().contains("cannot read the folder"));
    }

    #[test]
    fn what_ships_can_be_read() {
        for source in in_folders(&[shipped()]).unwrap() {
            let trace = crate::trace::Trace::open(&source.path).unwrap();
            assert!(trace.requests.len() > 10_000, "{}", source.name);
        }
    }
}
