//! Looking through a directory, and files of later versions.

use std::{
    fs,
    io::{self, ErrorKind},
    path::Path,
};

use hotplate_engine::{
    clock::Clock,
    tier::{TierHealth, local::LocalTier},
};
use hotplate_tiers::disk::{Verified, verify};

use crate::support::{get, kept, key, noise, open, put, segments, written};

fn checked(path: &Path) -> io::Result<Verified> {
    let mut last = (0, 0);
    let verified = verify(path, &mut |done, all| last = (done, all))?;
    assert_eq!(last.0, last.1, "it is told when all is read");
    Ok(verified)
}

#[tokio::test]
async fn a_sound_directory_is_said_to_be_and_a_damaged_one_not() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let tier = open(directory.path(), &clock);
    put(&tier, "a", kept(&clock, noise(500, 1)));
    put(&tier, "large", kept(&clock, noise(2 << 20, 2)));
    put(&tier, "b", kept(&clock, noise(500, 3)));
    written(&tier).await;
    assert!(tier.forget(&key("b")));
    let in_use = checked(directory.path()).unwrap_err();
    assert_eq!(in_use.kind(), ErrorKind::ResourceBusy, "what is being written would look damaged");
    tier.close().await;
    // With or without the last one that was handed over, which may be forgotten before it is written.
    let entries = tier.state().puts;
    assert!((3..=4).contains(&entries), "{entries}");
    let sound = checked(directory.path()).unwrap();
    assert_eq!((sound.segments, sound.entries, sound.blobs, sound.damaged), (1, entries, 1, 0));
    assert!(sound.records >= 4);
    let blob = fs::read_dir(directory.path().join("blobs")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&blob).unwrap();
    fs::remove_file(&blob).unwrap();
    assert_eq!(checked(directory.path()).unwrap().damaged, 1, "a blob that is missing");
    bytes[1000] ^= 1;
    fs::write(&blob, bytes).unwrap();
    fs::write(directory.path().join("positions"), "no positions").unwrap();
    fs::write(directory.path().join("owed"), "hpowe001 and no names").unwrap();
    fs::write(directory.path().join("clock"), "no times, but as many bytes as two").unwrap();
    let segment = segments(directory.path()).pop().unwrap();
    let mut bytes = fs::read(&segment).unwrap();
    bytes[200] ^= 1;
    fs::write(&segment, bytes).unwrap();
    assert_eq!(checked(directory.path()).unwrap().damaged, 5, "a record, a blob, and all files beside");
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(checked(empty.path()).unwrap_err().kind(), ErrorKind::DirectoryNotEmpty, "nothing says whose it is");
    drop(open(empty.path(), &clock));
    assert_eq!(checked(empty.path()).unwrap(), Verified::default());
}

#[tokio::test]
async fn what_a_later_version_wrote_is_left_alone_and_its_numbers_are_not_used() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let tier = open(directory.path(), &clock);
    put(&tier, "before", kept(&clock, "v"));
    tier.close().await;
    drop(tier);
    // As a later version would begin a segment: what it wrote may have ended anything that is older.
    let mut later = vec![0; 1000];
    later[..8].copy_from_slice(b"HOTPLSEG");
    later[8..12].copy_from_slice(&2u32.to_le_bytes());
    later[16..24].copy_from_slice(&2u64.to_le_bytes());
    later[24..32].copy_from_slice(&(1u64 << 40).to_le_bytes());
    let path = directory.path().join("00000002.seg");
    fs::write(&path, &later).unwrap();
    for round in ["first", "second"] {
        let tier = open(directory.path(), &clock);
        assert_eq!((tier.state().health, get(&tier, "before").await), (TierHealth::Up, None), "{round}");
        assert!(put(&tier, round, kept(&clock, "v")));
        written(&tier).await;
        assert!(get(&tier, "first").await.is_some(), "what was stored after it is kept");
        tier.close().await;
        assert_eq!(fs::read(&path).unwrap(), later);
    }
    assert_eq!(checked(directory.path()).unwrap().foreign_bytes, 1000);
}
