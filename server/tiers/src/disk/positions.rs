//! How far what is here was told of what replicas share, in a small file: all of it or none, and never more than what is here was
//! told. What is done with that is not known here.

use std::{io, path::Path};

use hotplate_engine::{
    position::{LOGS, LogId, Position},
    tier::local::Saved,
};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{
    files::{Files, gone},
    options::Sync,
};

/// The file's name, and the name it has until it is complete.
const FILE: &str = "positions";
const BEGUN: &str = "positions.new";
const MAGIC: [u8; 8] = *b"hppos001";
const SEED: u64 = u64::from_le_bytes(*b"hppos001");
/// Magic, what is shared, how many logs.
const HEAD_BYTES: usize = 8 + 8 + 4;
/// Number of the log, epoch, number.
const PLACE_BYTES: usize = 4 + 8 + 8;
const SUM_BYTES: usize = 8;
const BYTES_MAX: usize = HEAD_BYTES + LOGS * PLACE_BYTES + SUM_BYTES;

/// What was saved, and whether it is damaged.
pub(super) fn load(files: &dyn Files, directory: &Path) -> io::Result<(Option<Saved>, bool)> {
    let file = match files.open(&directory.join(FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((None, false)),
        file => file?,
    };
    let Some(length) = usize::try_from(file.length()?).ok().filter(|length| *length <= BYTES_MAX) else {
        return Ok((None, true));
    };
    let mut bytes = vec![0; length];
    file.read_all(&mut bytes, 0)?;
    let saved = read(&bytes);
    let damaged = saved.is_none();
    Ok((saved, damaged))
}

/// Saves them, or that there are none.
pub(super) fn save(files: &dyn Files, directory: &Path, (saved, sync): (Option<&Saved>, Sync)) -> io::Result<()> {
    match saved {
        Some(saved) => {
            let begun = directory.join(BEGUN);
            gone(files.remove(&begun))?;
            let file = files.create(&begun)?;
            file.write_all(&write(saved), 0)?;
            if sync != Sync::Off {
                file.sync()?;
            }
            files.rename(&begun, &directory.join(FILE))?;
        }
        None => gone(files.remove(&directory.join(FILE)))?,
    }
    if sync == Sync::Off { Ok(()) } else { files.sync_directory(directory) }
}

fn write(saved: &Saved) -> Vec<u8> {
    let logs = &saved.logs[..saved.logs.len().min(LOGS)];
    let mut bytes = Vec::with_capacity(BYTES_MAX);
    bytes.extend(MAGIC);
    bytes.extend(saved.scope.to_le_bytes());
    bytes.extend((logs.len() as u32).to_le_bytes());
    for (log, Position { epoch, number }) in logs {
        bytes.extend(u32::from(log.number()).to_le_bytes());
        bytes.extend(epoch.to_le_bytes());
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(xxh3_64_with_seed(&bytes, SEED).to_le_bytes());
    bytes
}

fn read(bytes: &[u8]) -> Option<Saved> {
    let (content, sum) = bytes.split_last_chunk::<SUM_BYTES>()?;
    let (magic, rest) = content.split_first_chunk::<8>()?;
    let (scope, rest) = rest.split_first_chunk::<8>()?;
    let (count, places) = rest.split_first_chunk::<4>()?;
    let whole = usize::try_from(u32::from_le_bytes(*count)).ok()?.checked_mul(PLACE_BYTES) == Some(places.len());
    if *magic != MAGIC || !whole || xxh3_64_with_seed(content, SEED) != u64::from_le_bytes(*sum) {
        return None;
    }
    let logs = places.chunks_exact(PLACE_BYTES).map(place).collect::<Option<Vec<_>>>()?;
    Some(Saved { scope: u64::from_le_bytes(*scope), logs })
}

fn place(bytes: &[u8]) -> Option<(LogId, Position)> {
    let (log, rest) = bytes.split_first_chunk::<4>()?;
    let (epoch, number) = rest.split_first_chunk::<8>()?;
    let position = Position { epoch: u64::from_le_bytes(*epoch), number: u64::from_le_bytes(number.try_into().ok()?) };
    Some((LogId::from_number(u32::from_le_bytes(*log))?, position))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else_is() {
        let at = |number| Position { epoch: u64::MAX - number, number };
        let logs = (0..LOGS as u32).filter_map(|log| Some((LogId::from_number(log)?, at(u64::from(log))))).collect();
        let all = Saved { scope: 9, logs };
        let bytes = write(&all);
        assert_eq!((read(&bytes), bytes.len()), (Some(all), BYTES_MAX));
        let none = Saved { scope: 1, logs: Vec::new() };
        assert_eq!(read(&write(&none)), Some(none));
        for length in 0..bytes.len() {
            assert_eq!(read(&bytes[..length]), None);
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read(&flipped), None, "{bit}");
        }
    }
}
