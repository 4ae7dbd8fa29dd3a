//! What a server owes is there again when it ends, whenever that is and whatever fails.

use hotplate_engine::{
    selector::Selector,
    tier::{local::Owed, shared::FenceName},
};

use super::{
    failing::{EIO, Fails},
    *,
};

fn name(text: &str) -> FenceName {
    FenceName { namespace: "ns".into(), selector: Selector::key(text).unwrap() }
}

fn names(count: usize) -> Vec<FenceName> {
    (0..count).map(|number| name(&format!("k{number}"))).collect()
}

/// Those of them of which it was said that they are kept, until one is not.
async fn owed(tier: &DiskTier, mut names: Vec<FenceName>) -> Vec<FenceName> {
    for at in 0..names.len() {
        tier.owe(&names[at..=at]);
        if tier.owed_kept().await.is_err() {
            names.truncate(at);
            break;
        }
    }
    names
}

struct Bed {
    directory: tempfile::TempDir,
    clock: Clock,
    files: Arc<Failing>,
}

impl Bed {
    fn new() -> Self {
        let files = Arc::new(Failing::default());
        Self { directory: tempfile::tempdir().unwrap(), clock: Clock::system(), files }
    }

    fn open(&self, sync: Sync) -> Arc<DiskTier> {
        open(self.directory.path(), &self.clock, &self.files, sync)
    }

    fn file(&self) -> std::path::PathBuf {
        self.directory.path().join("owed")
    }
}

#[tokio::test]
async fn what_is_owed_is_there_again_until_it_was_told() {
    let bed = Bed::new();
    let tier = bed.open(Sync::Always);
    assert_eq!(tier.take_owed(), Owed::default());
    for name in names(3) {
        tier.owe(&[name]);
        tier.owed_kept().await.unwrap();
    }
    drop(tier);
    for sync in [Sync::Off, Sync::Interval(Duration::from_millis(1)), Sync::Always] {
        let tier = bed.open(sync);
        assert_eq!(tier.take_owed(), Owed { names: names(3), all: false });
        assert_eq!(tier.take_owed(), Owed::default(), "once");
    }
    let tier = bed.open(Sync::Off);
    tier.owe_only(&[]);
    tier.owe(&[name("later")]);
    tier.owed_kept().await.unwrap();
    drop(tier);
    let tier = bed.open(Sync::Off);
    assert_eq!(tier.take_owed().names, [names(3), vec![name("later")]].concat(), "it was not taken before");
    tier.owe_only(&[name("later")]);
    tier.close().await;
    drop(tier);
    let tier = bed.open(Sync::Off);
    assert_eq!(tier.take_owed().names, [name("later")]);
    tier.owe_only(&[]);
    tier.owed_kept().await.unwrap();
    assert!(!bed.file().exists());
}

#[tokio::test]
async fn whenever_the_process_ends_all_is_there_of_which_it_was_said() {
    let mut ended = 0;
    for left in (0..500).step_by(3) {
        for sync in [Sync::Off, Sync::Always] {
            let bed = Bed::new();
            let tier = bed.open(sync);
            tier.owe(&[name("first")]);
            tier.owed_kept().await.unwrap();
            bed.files.set(Fails { left: Some(left), crashes: true, ..Fails::default() });
            let mut said = vec![name("first")];
            said.extend(owed(&tier, names(8)).await);
            ended += usize::from(said.len() < 9);
            drop(tier);
            bed.files.set(Fails::default());
            let found = bed.open(sync).take_owed();
            assert!(found.names.starts_with(&said), "{left} {sync:?}: {found:?} and not {said:?}");
        }
    }
    assert!(ended > 50, "{ended}");
}

#[tokio::test]
async fn of_a_file_that_is_damaged_what_comes_before_it_counts_and_everything() {
    let bed = Bed::new();
    let tier = bed.open(Sync::Off);
    for name in names(3) {
        tier.owe(&[name]);
    }
    tier.owed_kept().await.unwrap();
    drop(tier);
    let whole = std::fs::read(bed.file()).unwrap();
    let frame = (whole.len() - 8) / 3;
    let found = |bytes: &[u8]| {
        std::fs::write(bed.file(), bytes).unwrap();
        let tier = bed.open(Sync::Off);
        tier.take_owed()
    };
    for length in 0..whole.len() {
        let (read, all) = (length.saturating_sub(8) / frame, length < 8 || (length - 8) % frame > 0);
        assert_eq!(found(&whole[..length]), Owed { names: names(read), all }, "{length}");
    }
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x10;
        assert_eq!(found(&flipped), Owed { names: names(at.saturating_sub(8) / frame), all: true }, "{at}");
    }
    assert!(found(&vec![0; 17 << 20]).all);
    assert!(bed.open(Sync::Off).take_owed().all, "until it was told");
}

#[tokio::test]
async fn what_cannot_be_written_is_written_when_it_can() {
    let bed = Bed::new();
    let tier = bed.open(Sync::Always);
    tier.owe(&[name("a")]);
    tier.owed_kept().await.unwrap();
    for fails in [
        Fails { write: Some(EIO), ..Fails::default() },
        Fails { sync: Some(EIO), ..Fails::default() },
        Fails::read_only(),
    ] {
        bed.files.set(fails);
        tier.owe(&[name("b")]);
        assert!(tier.owed_kept().await.is_err());
        bed.files.set(Fails::default());
        tier.owed_kept().await.unwrap();
    }
    drop(tier);
    let found = bed.open(Sync::Always).take_owed();
    assert_eq!(found, Owed { names: vec![name("a"), name("b"), name("b"), name("b")], all: false });
}
