//! Who waits here for what another replica computes: woken when it is told that the key was settled or changed.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::key::Key;

/// Those who wait, by key. As many keys at most as are leased here.
#[derive(Debug, Default)]
pub struct Waiting {
    keys: Mutex<HashMap<Key, (Arc<Notify>, usize)>>,
}

/// One who waits.
#[derive(Debug)]
pub struct Place<'a> {
    waiting: &'a Waiting,
    key: Key,
    told: Arc<Notify>,
}

impl Waiting {
    /// Waits for a key from now on.
    pub fn place(&self, key: &Key) -> Place<'_> {
        let mut keys = self.keys.lock();
        let (told, places) = keys.entry(key.clone()).or_default();
        *places += 1;
        Place { waiting: self, key: key.clone(), told: told.clone() }
    }

    /// Something happened to a key.
    pub fn tell(&self, key: &Key) {
        if let Some((told, places)) = self.keys.lock().get(key) {
            (0..*places).for_each(|_| told.notify_one());
            told.notify_waiters();
        }
    }
}

impl Place<'_> {
    /// Resolves when something happened since this place was taken, or since it resolved last.
    pub async fn told(&self) {
        self.told.notified().await;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut keys = self.waiting.keys.lock();
        if let Some((_, places)) = keys.get_mut(&self.key) {
            *places -= 1;
            if *places == 0 {
                keys.remove(&self.key);
            }
        }
    }
}
