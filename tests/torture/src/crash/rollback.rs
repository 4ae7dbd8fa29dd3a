//! A disk that is wrong on purpose: what it holds is put back to what it held some kills ago. Whether that is noticed is not
//! known here.

use std::{fs, io, path::Path};

/// After every so many kills what the disk holds is kept, and put back in the middle between.
const KEPT: u64 = 6;

/// Keeps, or puts back, whichever is due after so many kills.
///
/// # Errors
/// The files cannot be read or written.
pub(super) fn after(kills: u64, folder: &Path) -> Result<(), String> {
    let (disk, kept) = (folder.join("disk"), folder.join("disk-before"));
    let fail = |error: io::Error| format!("{}: {error}", disk.display());
    match kills % KEPT {
        0 => replace(&disk, &kept).map_err(fail),
        3 if kept.exists() => replace(&kept, &disk).map_err(fail),
        _ => Ok(()),
    }
}

/// Makes one folder what another is.
fn replace(from: &Path, to: &Path) -> io::Result<()> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    copy(from, to)
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_there_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("disk/deep/file");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "old").unwrap();
        after(6, folder.path()).unwrap();
        fs::write(&file, "new").unwrap();
        fs::write(folder.path().join("disk/other"), "new").unwrap();
        after(7, folder.path()).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        after(9, folder.path()).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "old");
        assert!(!folder.path().join("disk/other").exists());
    }
}
