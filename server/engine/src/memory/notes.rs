//! What happened to keys without being a change that watchers hear of: renewals, touches, refusals. Kept for people, beside
//! the entries of a shard and under its lock. Nothing is decided by it.

use std::{collections::VecDeque, sync::Arc};

use crate::{changes::Author, clock::Moment, entry::Negative, key::Key};

/// Notes that a shard keeps at most.
pub const NOTES_MAX: usize = 512;
/// Bytes of the notes that a shard keeps at most.
pub const NOTE_BYTES_MAX: usize = 128 << 10;

/// Something that happened to a key.
#[derive(Clone, Debug)]
pub struct Note {
    /// The key.
    pub key: Key,
    /// When.
    pub at: Moment,
    /// After which change of the key's log.
    pub key_number: u64,
    /// After which change of the selector log.
    pub selector_number: u64,
    /// What.
    pub what: Noted,
    /// On whose behalf.
    pub author: Author,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Noted {
    /// The same content came again and its lifetime was renewed.
    Refreshed {
        /// Bytes of the value.
        size_bytes: u64,
        /// Whether it is a remembered absence or failure.
        negative: bool,
        /// Its kind; empty for none.
        kind: Arc<str>,
    },
    /// Its end was moved.
    Touched,
    /// It was refused: why.
    NotAdmitted(Arc<str>),
    /// Computing it anew failed, and the value stayed.
    RefreshFailed(Negative),
}

/// The newest notes of a shard.
#[derive(Debug, Default)]
pub struct Notes {
    notes: VecDeque<Note>,
    bytes: usize,
    forgotten: Option<Moment>,
}

impl Notes {
    /// Notes something; the oldest notes go where there are too many.
    pub fn add(&mut self, note: Note) {
        self.bytes += note.bytes();
        self.notes.push_back(note);
        while self.notes.len() > NOTES_MAX || self.bytes > NOTE_BYTES_MAX {
            let Some(oldest) = self.notes.pop_front() else { return };
            self.bytes -= oldest.bytes();
            self.forgotten = Some(oldest.at);
        }
    }

    /// What is noted of a key, the oldest first.
    pub fn of<'a>(&'a self, key: &'a Key) -> impl Iterator<Item = &'a Note> + 'a {
        self.notes.iter().filter(move |note| note.key == *key)
    }

    /// When the newest thing happened that is no longer noted; `None`: all is.
    #[must_use]
    pub fn forgotten(&self) -> Option<Moment> {
        self.forgotten
    }
}

impl Note {
    fn bytes(&self) -> usize {
        let texts = match &self.what {
            Noted::Refreshed { kind, .. } => kind.len(),
            Noted::Touched => 0,
            Noted::NotAdmitted(why) => why.len(),
            Noted::RefreshFailed(Negative { reason, message }) => reason.len() + message.len(),
        };
        let said = [&self.author.client_id, &self.author.reason];
        size_of::<Self>()
            + self.key.text().len()
            + texts
            + said.into_iter().flatten().map(|text| text.len()).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(key: &str, number: u64, why: &str) -> Note {
        Note {
            key: Key::new("", key).unwrap(),
            at: Moment(number),
            key_number: number,
            selector_number: 0,
            what: Noted::NotAdmitted(Arc::from(why)),
            author: Author::default(),
        }
    }

    #[test]
    fn the_oldest_go_by_number_and_by_bytes_and_it_is_known() {
        let mut notes = Notes::default();
        (0..NOTES_MAX as u64).for_each(|number| notes.add(note("k", number, "")));
        assert_eq!((notes.of(&Key::new("", "k").unwrap()).count(), notes.forgotten()), (NOTES_MAX, None));
        notes.add(note("other", 9999, ""));
        assert_eq!(notes.of(&Key::new("", "k").unwrap()).next().unwrap().at, Moment(1));
        assert_eq!(notes.forgotten(), Some(Moment(0)));
        notes.add(note("k", 10_000, &"w".repeat(NOTE_BYTES_MAX / 2)));
        assert!(notes.bytes <= NOTE_BYTES_MAX && notes.notes.len() < NOTES_MAX, "{}", notes.notes.len());
        notes.add(note("k", 10_001, &"w".repeat(NOTE_BYTES_MAX)));
        assert_eq!((notes.notes.len(), notes.bytes, notes.forgotten()), (0, 0, Some(Moment(10_001))));
    }
}
