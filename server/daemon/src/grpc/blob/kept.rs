//! Values that are kept for their readers although nobody else holds them any more, because they were replaced, invalidated or
//! evicted: where they have their room, and which are let go. Who reads them is not known here.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
    mem,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use hotplate_engine::{
    Cache, chunks::Chunks, entry::Payload, flow::reserve::ReserveRequest, memory::reserved::Reservation,
};
use parking_lot::Mutex;

/// A value that is read.
#[derive(Clone, Debug)]
pub(in crate::grpc) enum Value {
    /// In the chunks it came in.
    Chunks(Chunks),
    /// In one piece.
    Whole(Bytes),
}

/// Where a value lies.
type Place = usize;

/// Whether a value is not kept any more. Clones tell of the same.
#[derive(Clone, Debug, Default)]
pub(in crate::grpc) struct Lost(Arc<AtomicBool>);

/// All values that are read.
#[derive(Debug, Default)]
pub(in crate::grpc) struct Values(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    read: HashMap<u64, Reading>,
    next: u64,
    /// The room in memory of those that only readers hold.
    rooms: HashMap<Place, Own>,
}

/// Room of a value that only readers hold.
#[derive(Debug)]
struct Own {
    _room: Reservation,
    /// Whether others were seen to hold it as well at the last look.
    is_shared: bool,
}

/// A value, for one of its readers.
#[derive(Debug)]
struct Reading {
    /// What is handed to its reader counts as this one.
    value: Arc<Value>,
    name: Arc<(String, String)>,
    lost: Lost,
}

/// A value that is kept for a reader until this is dropped, or until there is no room for it.
#[derive(Debug)]
pub(in crate::grpc) struct Kept {
    of: Arc<Values>,
    number: u64,
    lost: Lost,
}

/// A value that has to find room.
struct Alone {
    place: Place,
    bytes: u64,
    name: Arc<(String, String)>,
}

impl Value {
    fn place(&self) -> Place {
        match self {
            Self::Chunks(chunks) => chunks.place(),
            Self::Whole(value) => value.as_ptr().addr(),
        }
    }

    fn bytes(&self) -> u64 {
        match self {
            Self::Chunks(chunks) => chunks.charged_bytes(),
            Self::Whole(value) => value.len() as u64,
        }
    }

    /// Whether only so many readers hold it.
    fn is_alone(&self, readers: usize, shown: impl FnOnce() -> Option<Payload>) -> bool {
        match self {
            Self::Chunks(chunks) => chunks.holders() == readers,
            Self::Whole(value) => {
                let is_it =
                    |shown: &Payload| matches!(shown, Payload::Value(bytes) if bytes.as_ptr() == value.as_ptr());
                !shown().as_ref().is_some_and(is_it)
            }
        }
    }
}

impl Lost {
    /// Whether it is.
    pub(in crate::grpc) fn is(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl Values {
    /// Keeps a value of this namespace and key.
    pub(in crate::grpc) fn keep(self: &Arc<Self>, (namespace, key): (&str, &str), value: Value) -> Kept {
        let (name, lost) = (Arc::new((namespace.to_owned(), key.to_owned())), Lost::default());
        let mut table = self.0.lock();
        table.next += 1;
        let number = table.next;
        table.read.insert(number, Reading { value: Arc::new(value), name, lost: lost.clone() });
        Kept { of: Arc::clone(self), number, lost }
    }

    /// Finds room for what only readers hold: `most` bytes need none, the rest takes it from memory as an upload does. What
    /// finds none is let go.
    pub(in crate::grpc) async fn settle(&self, cache: &Cache, most: u64) {
        for Alone { place, bytes, name } in self.alone(cache, most) {
            match room(cache, &name, bytes).await {
                // What nobody needs may be much: it goes with nothing locked.
                Ok(room) => {
                    let unused = self.0.lock().house(place, room);
                    drop(unused);
                }
                Err(error) => {
                    tracing::debug!(%error, "a value that was replaced is not kept for its readers");
                    let gone = self.0.lock().let_go(place);
                    drop(gone);
                }
            }
        }
    }

    /// Those that have no room yet and need some; the newest readers go first.
    fn alone(&self, cache: &Cache, most: u64) -> Vec<Alone> {
        let mut table = self.0.lock();
        let mut readers: HashMap<Place, usize> = HashMap::new();
        for reading in table.read.values() {
            *readers.entry(reading.value.place()).or_default() += 1;
        }
        let mut all: Vec<_> = table.read.iter().collect();
        all.sort_unstable_by_key(|(number, _)| Reverse(**number));
        let (mut seen, mut alone, mut free, mut needy) = (HashSet::new(), HashSet::new(), most, Vec::new());
        for (_, Reading { value, name, .. }) in all {
            let (place, bytes) = (value.place(), value.bytes());
            let (namespace, key) = &**name;
            let shown = || cache.glance(namespace, key).map(|view| view.payload);
            if !seen.insert(place) || !value.is_alone(readers.get(&place).copied().unwrap_or(0), shown) {
                continue;
            }
            alone.insert(place);
            if table.rooms.contains_key(&place) {
                continue;
            }
            match free.checked_sub(bytes) {
                Some(left) => free = left,
                None => needy.push(Alone { place, bytes, name: Arc::clone(name) }),
            }
        }
        let shared = table.shared_again(&alone);
        drop(table);
        drop(shared);
        needy
    }

    /// How many are kept, and how many of them have room of their own.
    #[cfg(test)]
    fn state(&self) -> (usize, usize) {
        let table = self.0.lock();
        (table.read.len(), table.rooms.len())
    }
}

/// Room in memory for what is there already: somebody uses it now, whatever else is worth.
async fn room(cache: &Cache, name: &(String, String), bytes: u64) -> hotplate_engine::Result<Reservation> {
    let (namespace, key) = name;
    let room =
        cache.reserve(&ReserveRequest { namespace, key, bytes: 0, announced: 0, kind: "", compute_cost: None }).await?;
    room.grow(bytes).await?;
    Ok(room)
}

impl Table {
    fn is_read(&self, place: Place) -> bool {
        self.read.values().any(|reading| reading.value.place() == place)
    }

    /// Takes the room of what is not alone any more: what others hold as well again has its room there. Who only looks at it
    /// holds it for a moment: two looks in a row must have seen others.
    fn shared_again(&mut self, alone: &HashSet<Place>) -> Vec<Own> {
        let is_shared = |place: &Place, own: &mut Own| {
            let before = mem::replace(&mut own.is_shared, !alone.contains(place));
            before && own.is_shared
        };
        self.rooms.extract_if(is_shared).map(|(_, own)| own).collect()
    }

    /// Keeps room for a value. What is not needed is answered: its readers may have gone meanwhile.
    fn house(&mut self, place: Place, room: Reservation) -> Option<Own> {
        let own = Own { _room: room, is_shared: false };
        if self.is_read(place) { self.rooms.insert(place, own) } else { Some(own) }
    }

    /// Takes a value from all its readers.
    fn let_go(&mut self, place: Place) -> Vec<Reading> {
        let gone = self.read.extract_if(|_, reading| reading.value.place() == place);
        let gone: Vec<_> = gone.map(|(_, reading)| reading).collect();
        gone.iter().for_each(|reading| reading.lost.0.store(true, Ordering::Release));
        gone
    }
}

impl Kept {
    /// The value, if it is kept still. Who has it counts as this reader, not as one more who holds it.
    pub(in crate::grpc) fn value(&self) -> Option<Arc<Value>> {
        self.of.0.lock().read.get(&self.number).map(|reading| Arc::clone(&reading.value))
    }

    /// Tells when it is not kept any more.
    pub(in crate::grpc) fn lost(&self) -> Lost {
        self.lost.clone()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let mut table = self.of.0.lock();
        let Some(gone) = table.read.remove(&self.number) else { return };
        let place = gone.value.place();
        // Another value may come to lie there.
        let room = if table.is_read(place) { None } else { table.rooms.remove(&place) };
        drop(table);
        drop((room, gone));
    }
}

#[cfg(test)]
mod tests {
    use hotplate_engine::{clock::Clock, event::Silent, namespace::EngineConfig, origin::Origins, stats::GroupBy};

    use super::*;

    const MIB: usize = 1 << 20;

    fn cache(uploads_bytes_max: usize) -> Arc<Cache> {
        let uploads_bytes_max = uploads_bytes_max as u64;
        let config = EngineConfig { bytes_max: 64 << 20, uploads_bytes_max, ..EngineConfig::default() };
        Cache::new(config, Clock::manual(), Arc::new(Silent), Origins::new()).unwrap()
    }

    fn reserved(cache: &Cache) -> u64 {
        cache.stats(None, GroupBy::Nothing).unwrap().uploads_bytes
    }

    fn value(size: usize) -> Value {
        Value::Chunks(Chunks::cut(&vec![1; size]))
    }

    /// What a reader has, as one more who holds it.
    fn shared(kept: &Kept) -> Value {
        kept.value().as_deref().cloned().expect("it is kept")
    }

    /// Which of these are kept still.
    fn kept<const N: usize>(all: [&Kept; N]) -> [bool; N] {
        all.map(|kept| {
            assert_eq!(kept.value().is_none(), kept.lost().is());
            kept.value().is_some()
        })
    }

    #[tokio::test]
    async fn what_only_readers_hold_takes_room_in_memory_beyond_what_is_free_and_is_let_go_without() {
        let (cache, values) = (cache(10 * MIB), Arc::new(Values::default()));
        let (held, large) = (value(30 * MIB), value(9 * MIB));
        let of_others = values.keep(("", "others"), held.clone());
        let first = values.keep(("", "first"), large.clone());
        let again = values.keep(("", "first"), large);
        let small = values.keep(("", "small"), value(MIB));
        values.settle(&cache, 2 << 20).await;
        assert_eq!(kept([&of_others, &first, &again, &small]), [true; 4]);
        assert_eq!(values.state(), (4, 1), "what others hold and what fits needs none");
        assert!(reserved(&cache) >= 9 << 20);
        let too_large = [values.keep(("", "k"), value(5 * MIB)), values.keep(("", "k"), value(11 * MIB))];
        let late = values.keep(("", "late"), value(MIB / 2));
        values.settle(&cache, 2 << 20).await;
        assert_eq!(kept([&too_large[0], &too_large[1]]), [false; 2], "one beside the first, one at all");
        assert_eq!(kept([&first, &again, &small, &late]), [true; 4], "and no others for them");
        drop(first);
        values.settle(&cache, 2 << 20).await;
        assert_eq!(values.state(), (4, 1));
        drop(again);
        assert_eq!((values.state(), reserved(&cache)), ((3, 0), 0), "who is done gives it back");
        drop(held);
        values.settle(&cache, 2 << 20).await;
        assert_eq!(kept([&of_others, &small, &late]), [false, true, true]);
    }

    #[tokio::test]
    async fn one_that_is_stored_again_has_its_room_there() {
        let (cache, values) = (cache(10 * MIB), Arc::new(Values::default()));
        let stored = value(4 * MIB);
        let reader = values.keep(("", "k"), stored.clone());
        let again = values.keep(("", "k"), stored.clone());
        drop(stored);
        values.settle(&cache, 0).await;
        assert_eq!(values.state(), (2, 1));
        let stored = shared(&reader);
        values.settle(&cache, 0).await;
        assert_eq!(values.state(), (2, 1), "somebody may only look at it");
        values.settle(&cache, 0).await;
        assert_eq!((values.state(), reserved(&cache)), ((2, 0), 0));
        drop(stored);
        values.settle(&cache, 0).await;
        assert_eq!((values.state(), kept([&reader, &again])), ((2, 1), [true; 2]));
    }

    #[tokio::test]
    async fn who_reads_on_while_it_is_looked_at_keeps_its_room() {
        let (cache, values) = (cache(10 * MIB), Arc::new(Values::default()));
        let reader = values.keep(("", "k"), value(6 * MIB));
        values.settle(&cache, 0).await;
        let other = cache.reserve(&ReserveRequest {
            namespace: "",
            key: "other",
            bytes: 0,
            announced: 0,
            kind: "",
            compute_cost: None,
        });
        let other = other.await.unwrap();
        for _ in 0..3 {
            let now = reader.value();
            values.settle(&cache, 0).await;
            drop(now);
            assert_eq!(values.state(), (1, 1));
        }
        // Looks at it that come and go, each at a moment of its own.
        for _ in 0..3 {
            let moment = shared(&reader);
            values.settle(&cache, 0).await;
            drop(moment);
            assert!(other.grow(5 << 20).await.is_err(), "its room is nobody else's");
            values.settle(&cache, 0).await;
            assert_eq!((values.state(), kept([&reader])), ((1, 1), [true]));
        }
    }
}
