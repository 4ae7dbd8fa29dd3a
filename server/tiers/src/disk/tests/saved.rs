//! How far what is here was told is saved after what it was told, whenever the process ends and whatever fails.

use hotplate_engine::{
    position::{LogId, Position},
    tier::local::{HandedDown, Saved},
};

use super::{
    failing::{EIO, Fails},
    *,
};

fn at(number: u64) -> Saved {
    Saved { scope: 1, logs: vec![(LogId::SELECTOR, Position { epoch: 7, number })] }
}

impl Bed {
    /// A process that ended after it had stored something and was told of everything up to 1.
    async fn ended(&self) {
        let tier = self.open();
        for text in ["a", "b"] {
            assert!(tier.put(&key(text), kept(&self.clock, noise(1000, 1)), HandedDown::Written));
        }
        tier.save_positions(Some(at(1)));
        tier.close().await;
    }
}

#[tokio::test]
async fn whenever_the_process_ends_nothing_is_there_that_it_was_told_of_before() {
    let mut saved = [0; 2];
    for left in (0..400).step_by(7) {
        for sync in [Sync::Off, Sync::Always] {
            let bed = Bed::new(sync);
            bed.ended().await;
            let tier = bed.open();
            assert_eq!(tier.positions(), Some(at(1)));
            bed.files.set(Fails { left: Some(left), crashes: true, ..Fails::default() });
            tier.forget(&key("a"));
            tier.save_positions(Some(at(2)));
            tier.close().await;
            drop(tier);
            bed.files.set(Fails::default());
            let again = bed.open();
            let positions = again.positions().unwrap();
            assert!(positions == at(1) || positions == at(2) && get(&again, "a").await.is_none(), "{left} {sync:?}");
            saved[usize::from(positions == at(2))] += 1;
        }
    }
    assert!(saved.iter().all(|times| *times > 4), "both happen: {saved:?}");
}

#[tokio::test]
async fn nothing_is_saved_while_what_was_told_cannot_be_written() {
    let bed = Bed::new(Sync::Off);
    bed.ended().await;
    let tier = bed.open();
    bed.files.set(Fails { write: Some(EIO), remove: Some(EIO), cut: Some(EIO), ..Fails::default() });
    assert!(tier.forget(&key("a")));
    tier.save_positions(Some(at(2)));
    assert!(tier.settled().await.is_err());
    drop(tier);
    bed.files.set(Fails::default());
    let again = bed.open();
    assert_eq!(again.positions(), Some(at(1)));
    again.forget(&key("a"));
    again.save_positions(Some(at(3)));
    again.close().await;
    drop(again);
    assert_eq!(bed.open().positions(), Some(at(3)));
}

#[tokio::test]
async fn what_is_void_is_gone_before_anything_else_is_written_and_damage_is_counted() {
    let bed = Bed::new(Sync::Off);
    bed.ended().await;
    let tier = bed.open();
    tier.save_positions(None);
    assert!(tier.put(&key("c"), kept(&bed.clock, noise(1000, 1)), HandedDown::Written));
    until("it is stored", || tier.state().puts == 1).await;
    drop(tier);
    let tier = bed.open();
    assert_eq!(tier.positions(), None);
    tier.save_positions(Some(at(4)));
    tier.close().await;
    drop(tier);
    let path = bed.directory.path().join("positions");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[20] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let tier = bed.open();
    assert_eq!((tier.positions(), tier.state().corrupt), (None, 1));
    assert!(get(&tier, "a").await.is_some(), "what it is good for is for others to say");
}
