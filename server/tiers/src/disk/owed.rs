//! What a server has still to tell others, in a small file of its own: names are appended as they come, and all of it is
//! replaced when some was told. What is done with that is not known here.

use std::{collections::BTreeMap, io, path::Path, sync::Arc};

use futures::channel::oneshot;
use hotplate_engine::{
    selector::Selector,
    tier::{TierError, local::Owed, shared::FenceName},
};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{
    files::{Files, Handle, gone},
    options::Sync,
    sets,
    trouble::{Step, Trouble},
    writer::Writer,
};

/// The file's name, and the name it has until it is complete.
const FILE: &str = "owed";
const BEGUN: &str = "owed.new";
const MAGIC: [u8; 8] = *b"hpowe001";
const SEED: u64 = u64::from_le_bytes(MAGIC);
/// Of the file. Beyond, everything is owed.
pub(super) const BYTES_MAX: usize = 16 << 20;
/// Names that are read at most. Beyond, everything is owed.
const NAMES_MAX: usize = 1 << 17;

/// Who waits until all is written that was owed before.
pub(super) type Keeping = oneshot::Sender<Result<(), TierError>>;

/// What is owed, as the file has it or is to have it. No I/O.
#[derive(Debug, Default)]
pub(super) struct Owing {
    /// The whole file but its head.
    image: Vec<u8>,
    /// How often all of it was replaced.
    generation: u64,
    /// What of it is written: up to there, of that generation.
    written: (u64, usize),
    /// It could not be written; then it is tried again at the next tick.
    failed: bool,
    waiters: Vec<Keeping>,
    /// What was found and not taken yet.
    found: Owed,
}

/// What is to be written now.
#[derive(Debug)]
pub(super) struct Part {
    bytes: Vec<u8>,
    /// Where in the image; `None`: it is all of it, in the place of what was there.
    at: Option<usize>,
    upto: (u64, usize),
    pub(super) waiters: Vec<Keeping>,
}

impl Owing {
    /// Bytes of the file.
    pub(super) fn bytes(&self) -> u64 {
        if self.image.is_empty() { 0 } else { (MAGIC.len() + self.image.len()) as u64 }
    }

    /// Adds names.
    pub(super) fn add(&mut self, names: &[FenceName]) {
        encode(&mut self.image, names);
        if MAGIC.len() + self.image.len() > BYTES_MAX {
            self.image.clear();
            frame(&mut self.image, &[]);
            self.generation += 1;
        }
    }

    /// These are all there are, with those that nobody has taken yet.
    pub(super) fn replace(&mut self, names: &[FenceName]) {
        self.image.clear();
        self.generation += 1;
        if self.found.all {
            frame(&mut self.image, &[]);
        }
        let untaken = std::mem::take(&mut self.found.names);
        self.add(&untaken);
        self.found.names = untaken;
        self.add(names);
    }

    /// This was found in the file: it is still owed, with what came since.
    pub(super) fn find(&mut self, found: Owed) {
        if self.is_kept() && found == Owed::default() {
            return;
        }
        let since = std::mem::take(&mut self.image);
        self.found.names.extend(found.names);
        self.found.all |= found.all;
        self.replace(&[]);
        self.image.extend(reframed(&since, self.image.len()));
        self.add(&[]);
    }

    /// Takes what was found.
    pub(super) fn take_found(&mut self) -> Owed {
        std::mem::take(&mut self.found)
    }

    /// Whether all of it is written.
    pub(super) fn is_kept(&self) -> bool {
        self.written == (self.generation, self.image.len())
    }

    /// Tells when all is written that is owed now.
    pub(super) fn wait(&mut self, waiter: Keeping) {
        self.waiters.push(waiter);
    }

    /// Nobody waits any more: dropping them tells them.
    pub(super) fn give_up(&mut self) {
        self.waiters.clear();
    }

    /// The file is not there any more, or not as it was written.
    pub(super) fn lost(&mut self) {
        self.generation += 1;
        self.give_up();
    }

    /// Whether there is something to do.
    pub(super) fn is_due(&self) -> bool {
        !self.waiters.is_empty() || (!self.failed && !self.is_kept())
    }

    /// Whether something is not written, or somebody waits, whatever was tried.
    pub(super) fn is_open(&self) -> bool {
        !self.waiters.is_empty() || !self.is_kept()
    }

    /// Takes what is to be written, and who waits for it. `anew`: all of it.
    pub(super) fn take(&mut self, anew: bool) -> Part {
        let upto = (self.generation, self.image.len());
        let at = (!anew && self.written.0 == self.generation && !self.image.is_empty()).then_some(self.written.1);
        let waiters = std::mem::take(&mut self.waiters);
        Part { bytes: self.image[at.unwrap_or(0)..].to_vec(), at, upto, waiters }
    }

    /// Whether that was written.
    pub(super) fn wrote(&mut self, part: &Part, well: bool) {
        self.failed = !well;
        if well {
            self.written = part.upto;
        }
    }
}

impl Part {
    /// Whether it is written behind what is there.
    pub(super) fn is_appended(&self) -> bool {
        self.at.is_some() && !self.bytes.is_empty()
    }
}

impl Writer {
    /// Writes down what others have still to be told, and tells who waits for that. What cannot be written is tried again, from
    /// the beginning.
    pub(super) fn keep_owed(&mut self) {
        let part = {
            let mut ledger = self.core.ledger.lock();
            if !ledger.opened || !ledger.owing.is_open() {
                return;
            }
            ledger.owing.take(self.owed.is_none())
        };
        let (sync, directory) = (self.core.options.sync, &self.core.options.path);
        let saved = save((self.core.files.as_ref(), directory), &part, (self.owed.as_ref(), sync));
        self.core.ledger.lock().owing.wrote(&part, saved.is_ok());
        let told = match saved {
            Ok(file) => {
                self.unforced_owed |= part.is_appended();
                self.owed = file;
                Ok(())
            }
            Err(error) => {
                self.core.counters.failed(Step::Writing);
                self.owed = None;
                Err(Trouble::new(&Step::Writing.of()(error), directory).error())
            }
        };
        for waiter in part.waiters {
            // Who does not wait any more need not be told.
            let _gone = waiter.send(told.clone());
        }
    }

    /// Forces what was appended onto the medium. What cannot be is written anew.
    pub(super) fn force_owed(&mut self) {
        let unforced = std::mem::take(&mut self.unforced_owed);
        if unforced && self.owed.take_if(|file| file.sync().is_err()).is_some() {
            self.core.counters.failed(Step::Syncing);
            self.core.ledger.lock().owing.lost();
        }
    }
}

/// Writes it. With the file to which more can be appended, if there is one.
pub(super) fn save(
    (files, directory): (&dyn Files, &Path),
    part: &Part,
    (open, sync): (Option<&Arc<dyn Handle>>, Sync),
) -> io::Result<Option<Arc<dyn Handle>>> {
    if let (Some(file), Some(at)) = (open, part.at) {
        file.write_all(&part.bytes, (MAGIC.len() + at) as u64)?;
        if sync == Sync::Always && !part.bytes.is_empty() {
            file.sync()?;
        }
        return Ok(Some(file.clone()));
    }
    let file = if part.bytes.is_empty() {
        gone(files.remove(&directory.join(FILE)))?;
        None
    } else {
        let begun = directory.join(BEGUN);
        gone(files.remove(&begun))?;
        let file = files.create(&begun)?;
        file.write_all(&MAGIC, 0)?;
        file.write_all(&part.bytes, MAGIC.len() as u64)?;
        if sync != Sync::Off {
            file.sync()?;
        }
        files.rename(&begun, &directory.join(FILE))?;
        Some(file)
    };
    if sync != Sync::Off {
        files.sync_directory(directory)?;
    }
    Ok(file)
}

/// What the file says, and whether it is damaged or was cut: what cannot be read may have been anything.
pub(super) fn load(files: &dyn Files, directory: &Path) -> io::Result<(Owed, bool)> {
    let unreadable = (Owed { names: Vec::new(), all: true }, true);
    let file = match files.open(&directory.join(FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Owed::default(), false)),
        file => file?,
    };
    let Some(length) = usize::try_from(file.length()?).ok().filter(|length| *length <= BYTES_MAX) else {
        return Ok(unreadable);
    };
    let mut bytes = vec![0; length];
    file.read_all(&mut bytes, 0)?;
    Ok(bytes.strip_prefix(&MAGIC).map_or(unreadable, decode))
}

/// Appends frames of these names, those of one namespace together.
fn encode(image: &mut Vec<u8>, names: &[FenceName]) {
    let mut by_namespace: BTreeMap<&Arc<str>, Vec<Selector>> = BTreeMap::new();
    for FenceName { namespace, selector } in names {
        by_namespace.entry(namespace).or_default().push(selector.clone());
    }
    let mut content = Vec::new();
    for (namespace, selectors) in by_namespace {
        for some in selectors.chunks(sets::PER_RECORD) {
            content.clear();
            sets::write(&mut content, namespace, some);
            frame(image, &content);
        }
    }
}

/// Appends a frame: the length of its content, its checksum, and it. One without content says that everything is owed.
fn frame(image: &mut Vec<u8>, content: &[u8]) {
    let sum = xxh3_64_with_seed(content, SEED ^ image.len() as u64);
    image.extend((content.len() as u32).to_le_bytes());
    image.extend(sum.to_le_bytes());
    image.extend(content);
}

/// The content of the frame that begins there, and what follows it.
fn unframed(rest: &[u8], at: usize) -> Option<(&[u8], &[u8])> {
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<8>()?;
    let (content, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    (xxh3_64_with_seed(content, SEED ^ at as u64) == u64::from_le_bytes(*sum)).then_some((content, rest))
}

/// The same frames, at another place.
fn reframed(image: &[u8], at: usize) -> Vec<u8> {
    let mut moved = vec![0; at];
    let mut rest = image;
    while let Some((content, after)) = unframed(rest, image.len() - rest.len()) {
        frame(&mut moved, content);
        rest = after;
    }
    moved.split_off(at)
}

/// What an image says, and whether some of it says nothing.
fn decode(image: &[u8]) -> (Owed, bool) {
    let mut owed = Owed::default();
    let mut rest = image;
    while !rest.is_empty() && owed.names.len() <= NAMES_MAX {
        let Some((content, after)) = unframed(rest, image.len() - rest.len()) else { break };
        rest = after;
        if content.is_empty() {
            owed.all = true;
            continue;
        }
        let Some((namespace, selectors)) = sets::read(content) else { break };
        let name = |selector| FenceName { namespace: namespace.clone(), selector };
        owed.names.extend(selectors.into_iter().map(name));
    }
    let torn = !rest.is_empty();
    owed.all |= torn;
    (owed, torn)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<FenceName> {
        let selectors = [
            Selector::key("k").unwrap(),
            Selector::prefix("p:").unwrap(),
            Selector::glob("g*").unwrap(),
            Selector::tag("t").unwrap(),
            Selector::all_tags(["t", "u"]).unwrap(),
            Selector::kind("model").unwrap(),
            Selector::DependentsOf(hotplate_engine::selector::OPEN.into()),
            Selector::MadeFrom(Selector::prefix("p:").unwrap().into()),
            Selector::Everything,
        ];
        selectors.into_iter().map(|selector| FenceName { namespace: "n".into(), selector }).collect()
    }

    #[test]
    fn what_is_written_is_read_and_of_what_is_damaged_what_comes_before_it_and_that_it_was() {
        let mut image = Vec::new();
        let mut ends = vec![(0, 0)];
        for (number, name) in names().into_iter().enumerate() {
            encode(&mut image, &[name]);
            ends.push((image.len(), number + 1));
        }
        assert_eq!(decode(&image), (Owed { names: names(), all: false }, false));
        for length in 0..image.len() {
            let whole = ends.iter().rev().find(|(end, _)| *end <= length).unwrap();
            let found = decode(&image[..length]);
            let torn = whole.0 != length;
            assert_eq!(found, (Owed { names: names()[..whole.1].to_vec(), all: torn }, torn), "{length}");
        }
        for bit in 0..image.len() * 8 {
            let mut flipped = image.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let whole = ends.iter().rev().find(|(end, _)| *end <= bit / 8).unwrap();
            assert_eq!(decode(&flipped), (Owed { names: names()[..whole.1].to_vec(), all: true }, true), "{bit}");
        }
    }

    #[test]
    fn beyond_its_bounds_everything_is_owed() {
        let mut owing = Owing::default();
        let key = |number: usize| FenceName {
            namespace: "n".into(),
            selector: Selector::key(&format!("{number:0>900}")).unwrap(),
        };
        for number in 0..BYTES_MAX / 900 {
            owing.add(&[key(number)]);
            assert!(MAGIC.len() + owing.image.len() <= BYTES_MAX);
        }
        let (found, torn) = decode(&owing.image);
        assert!(found.all && !torn, "that is no damage");
        owing.replace(&[key(1)]);
        assert_eq!(decode(&owing.image), (Owed { names: vec![key(1)], all: false }, false));
        let mut image = Vec::new();
        (0..=NAMES_MAX + sets::PER_RECORD).for_each(|_| encode(&mut image, &[names()[8].clone()]));
        let (found, _) = decode(&image);
        assert!(found.all && found.names.len() <= NAMES_MAX + sets::PER_RECORD);
    }

    #[test]
    fn what_was_found_stays_until_it_was_taken() {
        let [a, b, ..] = &names()[..] else { unreachable!() };
        let mut owing = Owing::default();
        owing.add(std::slice::from_ref(b));
        owing.find(Owed { names: vec![a.clone()], all: false });
        assert_eq!(decode(&owing.image).0.names, [a.clone(), b.clone()]);
        owing.replace(&[]);
        assert_eq!(decode(&owing.image).0.names, std::slice::from_ref(a));
        assert_eq!(owing.take_found().names, std::slice::from_ref(a));
        owing.replace(&[]);
        assert!(owing.image.is_empty() && !owing.is_kept());
    }
}
