//! Looking through a directory without changing it: every record of every segment and every blob is read. What would be served is
//! what `recover.rs` says.

use std::{io, path::Path, sync::Arc};

use hotplate_engine::{clock::Clock, tier::steps::Steps};

use super::{
    DiskOptions, blob, clock,
    core::Core,
    files::System,
    frame::Kind,
    lock::{Lock, NotHeld},
    owed, positions, recover, segment,
};
use crate::codec::{Codec, CodecOptions};

/// What is in a directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Segments that could be read.
    pub segments: u64,
    /// Records in them that are sound.
    pub records: u64,
    /// Entries among them, also those that were replaced, forgotten or have ended.
    pub entries: u64,
    /// Blobs that are what was written.
    pub blobs: u64,
    /// Segments, records and other files that are damaged, and blobs that are missing. The newest segment may end early after
    /// a crash: what is cut off there is not known.
    pub damaged: u64,
    /// Bytes of files of later versions, which are left alone.
    pub foreign_bytes: u64,
}

/// Reads everything in a directory and changes nothing. `progress` hears of each segment: how many were read, of how many.
///
/// # Errors
/// `ResourceBusy` when a server uses it, `DirectoryNotEmpty` when nothing says that it is a disk tier's; what the system says of
/// the directory or a file.
pub fn verify(path: &Path, progress: &mut dyn FnMut(u64, u64)) -> io::Result<Verified> {
    let _held = Lock::take_to_look(path).map_err(|why| match why {
        NotHeld::InUse => io::ErrorKind::ResourceBusy.into(),
        NotHeld::NotOurs => io::ErrorKind::DirectoryNotEmpty.into(),
        NotHeld::Failed(error) => error,
    })?;
    let clock = Clock::system();
    let codec = Codec::new(CodecOptions::default(), clock.clone());
    let options = DiskOptions::new(path, u64::MAX / 2);
    let core = Core::new(options, Arc::new(System), codec, clock);
    let mut found = recover::find(&core)?;
    let mut verified = Verified { damaged: found.corrupt, foreign_bytes: found.foreign, ..Verified::default() };
    let all = found.segments.len() as u64;
    for (id, filling) in &found.segments {
        progress(verified.segments, all);
        let file = core.files.open(&core.segment_path(*id))?;
        let scan = segment::scan(file.as_ref(), file.length()?, filling.salt)?;
        let sealed = segment::read_footer(file.as_ref(), file.length()?, filling.salt)?.is_some();
        verified.segments += 1;
        // Without a footer it was read through before.
        verified.damaged += if sealed { scan.damaged } else { 0 };
        for row in &scan.rows {
            verified.records += u64::from(row.kind != Kind::Unknown);
            verified.entries += u64::from(row.kind.is_entry());
        }
        for named in scan.rows.iter().filter_map(|row| row.blob.as_ref()) {
            match core.files.open(&blob::path(path, named.id)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
                Ok(_) => match core.blob(named, Steps::new())?.map(blob::Reading::ends_whole).transpose()? {
                    Some(true) => verified.blobs += 1,
                    _ => verified.damaged += 1,
                },
            }
        }
    }
    verified.damaged += besides(&core, path)?;
    for named in found.live_blobs(&core) {
        let is_there = blob::path(path, named.id).try_exists()?;
        verified.damaged += u64::from(!is_there);
    }
    progress(all, all);
    Ok(verified)
}

/// How many of the files beside the segments are damaged.
fn besides(core: &Core, path: &Path) -> io::Result<u64> {
    let (_saved, torn_positions) = positions::load(core.files.as_ref(), path)?;
    let (_owes, torn_owed) = owed::load(core.files.as_ref(), path)?;
    let torn_clock = match core.files.open(&path.join(clock::FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        file => clock::read(file?.as_ref())?.2,
    };
    Ok(u64::from(torn_positions) + u64::from(torn_owed) + u64::from(torn_clock))
}
