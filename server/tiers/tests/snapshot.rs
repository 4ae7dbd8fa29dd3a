//! What one process leaves for the next, and for nobody else; and what is left of it when the file was damaged.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use hotplate_engine::{
    chunks::{Chunk, Collecting},
    clock::Clock,
    entry::{Description, Payload},
    key::Key,
    tier::Kept,
};
use hotplate_tiers::{
    codec::{Codec, CodecOptions},
    snapshot::{Reader, Snapshots},
};
use sha2::{Digest, Sha256};

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("hot")
    }

    /// A process that was started here.
    fn process(&self, run: u128) -> Snapshots {
        let options = CodecOptions { dictionaries: false, value_bytes_max: 1 << 20, ..CodecOptions::default() };
        Snapshots::new(self.path(), Codec::new(options, Clock::manual()), run)
    }

    /// Starts a process that ends in order and leaves these.
    fn leaves(&self, run: u128, entries: &[(Key, Kept)]) {
        let process = self.process(run);
        drop(process.take().unwrap());
        leave(&process, entries);
    }
}

fn leave(process: &Snapshots, entries: &[(Key, Kept)]) {
    let mut writer = process.leave(1 << 30).unwrap();
    for (key, kept) in entries {
        assert!(writer.add(key, kept).unwrap());
    }
    writer.finish().unwrap();
}

fn entries(count: usize) -> Vec<(Key, Kept)> {
    let entry = |number: usize| {
        let value = Bytes::from(format!("value {number} ").repeat(1 + number * 40));
        let kept = Kept {
            digest: Sha256::digest(&value).into(),
            payload: Payload::Value(value),
            description: Arc::new(Description { kind: "report".into(), ..Description::default() }),
            cost: Some(Duration::from_secs(1)),
            cost_measured: false,
            stored: Duration::from_secs(1_750_000_000),
            fresh_until: Duration::from_secs(1_750_003_600),
            usable_until: Duration::from_secs(1_750_003_600),
            idle_ttl: None,
            refresh_ahead: None,
            marked: false,
        };
        (Key::new("reports", &format!("r{number}")).unwrap(), kept)
    };
    (0..count).map(entry).collect()
}

fn read(reader: &mut Reader) -> Vec<(Key, Kept)> {
    reader.map(|decoded| (decoded.key, decoded.kept)).collect()
}

#[test]
fn the_next_process_reads_what_was_left_in_its_order_and_once() {
    let place = Place::new();
    let left = entries(5);
    place.leaves(1, &left);
    let mut reader = place.process(2).take().unwrap().unwrap();
    assert!(!place.path().exists(), "gone before the first entry is read");
    assert_eq!((read(&mut reader), reader.damaged()), (left, 0));
    assert!(place.process(3).take().unwrap().is_none());
}

#[test]
fn values_in_chunks_are_left_and_read_in_them() {
    let place = Place::new();
    let mut left = entries(3);
    let mut collecting = Collecting::new();
    for number in 0..200_u8 {
        collecting.push(Chunk::new(vec![number; 4000].into()));
    }
    let chunks = collecting.finish(None);
    left[1].1 = Kept { digest: chunks.digest(), payload: Payload::Chunks(chunks), ..left[1].1.clone() };
    place.leaves(1, &left);
    let whole = fs::read(place.path()).unwrap();
    let mut reader = place.process(2).take().unwrap().unwrap();
    let found = read(&mut reader);
    assert_eq!((&found, reader.damaged()), (&left, 0));
    let Payload::Chunks(chunks) = &found[1].1.payload else { panic!("it came in chunks") };
    assert_eq!(chunks.chunks().len(), 200);
    // One of its chunks damaged: it is dropped, and what is behind it is read.
    let mut damaged = whole.clone();
    let place_of_a_chunk = damaged.windows(8).position(|bytes| bytes == [9; 8]).unwrap();
    damaged[place_of_a_chunk] ^= 1;
    let place = Place::new();
    place.leaves(1, &left);
    fs::write(place.path(), damaged).unwrap();
    let mut reader = place.process(2).take().unwrap().unwrap();
    assert_eq!((read(&mut reader).len(), reader.damaged()), (2, 1));
}

#[test]
fn who_is_started_after_a_crash_reads_nothing_of_who_ended_before_it() {
    let place = Place::new();
    place.leaves(1, &entries(2));
    let kept = fs::read(place.path()).unwrap();
    // Started, and killed: what it was told to forget, nobody knows.
    drop(place.process(2).take().unwrap().unwrap());
    fs::write(place.path(), kept).unwrap();
    assert!(place.process(3).take().unwrap().is_none());
    assert!(!place.path().exists());
}

#[test]
fn what_an_old_process_leaves_late_is_not_read_once_another_was_started() {
    let place = Place::new();
    let old = place.process(1);
    drop(old.take().unwrap());
    drop(place.process(2).take().unwrap());
    leave(&old, &entries(2));
    assert!(place.process(3).take().unwrap().is_none());
}

#[test]
fn nothing_is_left_of_what_was_not_finished() {
    let place = Place::new();
    let process = place.process(1);
    drop(process.take().unwrap());
    let mut writer = process.leave(1 << 30).unwrap();
    let (key, kept) = &entries(1)[0];
    assert!(writer.add(key, kept).unwrap());
    drop(writer);
    assert!(place.process(2).take().unwrap().is_none());
}

#[test]
fn a_file_is_no_larger_than_it_may_be() {
    let place = Place::new();
    let process = place.process(1);
    drop(process.take().unwrap());
    let mut writer = process.leave(2000).unwrap();
    let added = entries(50).iter().take_while(|(key, kept)| writer.add(key, kept).unwrap()).count();
    let (count, bytes) = writer.written();
    writer.finish().unwrap();
    assert!(added > 1 && added < 50 && count == added as u64, "{added} {count} {bytes}");
    assert!(bytes <= 2000 && fs::metadata(place.path()).unwrap().len() == bytes);
}

#[test]
fn without_a_place_for_its_mark_nothing_is_read() {
    let place = Place::new();
    place.leaves(1, &entries(1));
    fs::create_dir(place.0.path().join("hot.run.tmp")).unwrap();
    assert!(place.process(2).take().is_err());
}

/// Wherever a byte is changed: what is read is what was written, and what is not read is counted.
#[test]
fn damage_costs_entries_and_is_counted_and_never_changes_one() {
    let place = Place::new();
    let left = entries(3);
    place.leaves(1, &left);
    let (file, mark) = (fs::read(place.path()).unwrap(), fs::read(place.0.path().join("hot.run")).unwrap());
    for at in (0..file.len()).step_by(11) {
        let mut changed = file.clone();
        changed[at] ^= 0x10;
        fs::write(place.path(), changed).unwrap();
        fs::write(place.0.path().join("hot.run"), &mark).unwrap();
        let Some(mut reader) = place.process(2).take().unwrap() else {
            assert!(at < 32, "{at}");
            continue;
        };
        let found = read(&mut reader);
        assert!(reader.damaged() == 1 && found.len() < 3, "{at}");
        assert!(found.iter().all(|entry| left.contains(entry)), "{at}");
    }
}

#[test]
fn a_file_that_ends_early_gives_what_is_whole() {
    let place = Place::new();
    let left = entries(3);
    place.leaves(1, &left);
    let (file, mark) = (fs::read(place.path()).unwrap(), fs::read(place.0.path().join("hot.run")).unwrap());
    for length in (32..file.len()).step_by(7) {
        fs::write(place.path(), &file[..length]).unwrap();
        fs::write(place.0.path().join("hot.run"), &mark).unwrap();
        let mut reader = place.process(2).take().unwrap().unwrap();
        let found = read(&mut reader);
        assert!(found.len() < 3 && left.starts_with(&found), "{length}");
        assert!(reader.damaged() <= 1, "{length}");
    }
}
