//! Stubs of every language that has them in the repository: generated beside it, then compared and copied. Which there are says
//! `proto/buf.gen.yaml`; what a stub looks like is its generator's.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use crate::program::{self, command, root};

/// Folders that hold nothing but stubs.
const FOLDERS: [&str; 4] = [
    "client/python/src/hotplate/v1",
    "client/typescript/src/generated",
    "client/go/hotplatepb",
    "client/java/hotplate-proto/src/generated/java",
];

/// Generates all stubs; returns the files that were not as they should be. They are so afterwards, unless only `check` is asked for.
pub(crate) fn run(check: bool) -> Result<Vec<String>, String> {
    let made = root().join("target/stubs");
    if made.exists() {
        fs::remove_dir_all(&made).map_err(|error| cannot("empty", &made, &error))?;
    }
    let mut generate = command(program::python("buf"));
    generate.args(["generate", "proto", "--template", "proto/buf.gen.yaml", "--output"]).arg(&made);
    program::output(&mut generate)?;
    if let Some(file) = elsewhere(&files(&made)?) {
        return Err(format!(
            "{} is generated and compared with nothing: FOLDERS of xtask/src/stubs.rs",
            file.display()
        ));
    }
    let mut stale = Vec::new();
    for folder in FOLDERS {
        let (wanted, there) = (files(&made.join(folder))?, files(&root().join(folder))?);
        for file in wanted.union(&there) {
            let (from, to) = (made.join(folder).join(file), root().join(folder).join(file));
            if same(&from, &to) {
                continue;
            }
            stale.push(format!("{folder}/{}", file.display()));
            if !check {
                replace(&from, &to)?;
            }
        }
    }
    Ok(stale)
}

/// A file that is generated into none of the folders.
fn elsewhere(made: &BTreeSet<PathBuf>) -> Option<&PathBuf> {
    made.iter().find(|file| !FOLDERS.iter().any(|folder| file.starts_with(folder)))
}

/// Whether both are there and hold the same.
fn same(one: &Path, other: &Path) -> bool {
    matches!((fs::read(one), fs::read(other)), (Ok(one), Ok(other)) if one == other)
}

/// Makes `to` what `from` is, which may be nothing.
fn replace(from: &Path, to: &Path) -> Result<(), String> {
    if !from.exists() {
        return fs::remove_file(to).map_err(|error| cannot("remove", to, &error));
    }
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(|error| cannot("create", folder, &error))?;
    }
    fs::copy(from, to).map(drop).map_err(|error| cannot("write", to, &error))
}

/// Every file below a folder, as seen from there; none where there is no such folder.
fn files(folder: &Path) -> Result<BTreeSet<PathBuf>, String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(inner) = folders.pop() {
        let path = folder.join(&inner);
        if !path.exists() {
            continue;
        }
        let entries = fs::read_dir(&path).map_err(|error| cannot("list", &path, &error))?;
        for entry in entries {
            let entry = entry.map_err(|error| cannot("list", &path, &error))?;
            let inner = inner.join(entry.file_name());
            let is_folder = entry.file_type().map_err(|error| cannot("look at", &path, &error))?.is_dir();
            match (is_folder, is_made_by_running(&inner)) {
                (_, true) => {}
                (true, false) => folders.push(inner),
                (false, false) => drop(found.insert(inner)),
            }
        }
    }
    Ok(found)
}

/// What Python leaves beside modules that were imported.
fn is_made_by_running(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "__pycache__")
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> String {
    format!("cannot {what} {}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_generated_elsewhere_is_found() {
        let made = BTreeSet::from([PathBuf::from(FOLDERS[0]).join("a.py"), PathBuf::from("client/new/a.x")]);
        assert_eq!(elsewhere(&made), Some(&PathBuf::from("client/new/a.x")));
        assert_eq!(elsewhere(&BTreeSet::from([PathBuf::from(FOLDERS[2]).join("a.go")])), None);
    }

    #[test]
    fn what_differs_is_replaced_and_what_is_not_made_any_more_goes() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("made/a.txt"), folder.path().join("there/deep/a.txt"));
        fs::create_dir_all(from.parent().unwrap()).unwrap();
        fs::write(&from, "new").unwrap();
        assert!(!same(&from, &to));
        replace(&from, &to).unwrap();
        assert!(same(&from, &to));
        assert_eq!(files(&folder.path().join("there")).unwrap(), BTreeSet::from([PathBuf::from("deep/a.txt")]));
        fs::remove_file(&from).unwrap();
        replace(&from, &to).unwrap();
        assert!(!to.exists());
    }
}
