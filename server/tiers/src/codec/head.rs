//! What stands before a value in a record: the layout of format versions 1, and 2 for values in chunks, which readers of
//! version 1 pass over. How the value itself is packed is not known here.
//!
//! All numbers are little endian, times are nanoseconds, texts stand behind their length in two bytes.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | `HPR` and a byte above 127 |
//! | 1 | format version |
//! | 3 | payload (0 value, 1 negative), form (0 plain, 1 zstd, 2 zstd with dictionary, 3 plain in chunks), flags |
//! | 4 | length of the head, with its checksum |
//! | 8 + 8 | length of the value, and of what it is stored as |
//! | 8 × 3 | stored, fresh until, usable until: since the Unix epoch |
//! | 32 | what identifies the value (`hotplate_engine::chunks::digest_of_value`) |
//! | 8 | xxh3-64 of what the value is stored as; zero for chunks, which have their own checksums |
//! | 0 to 29 | cost, idle TTL, refresh ahead (1 + 4), dictionary: those whose flag is set, or form |
//! | 1 (+ 32), 4, 8 × n | of chunks: whether the SHA-256 is known, that, how many there are, length and CRC-32C of each |
//! | 1 + n | stamp of whoever keeps the record |
//! | … | namespace, key, media type, encoding, kind, tags, labels, own and inherited dependencies, reason and message |
//! | 8 | xxh3-64 of all before |

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use hotplate_engine::{
    ahead::RefreshAhead,
    entry::{Dependencies, Description, Labels, Negative, Payload},
    key::Key,
    tier::Kept,
};
use xxhash_rust::xxh3::xxh3_64;

use super::{
    CodecError,
    cuts::Cuts,
    wire::{Reader, Writer},
};

const MAGIC: [u8; 4] = *b"HPR\xC1";
/// The version that is written for values in one piece.
pub(super) const VERSION: u8 = 1;
/// The version that is written for values in chunks.
pub(super) const CHUNKS_VERSION: u8 = 2;
/// Bytes after which it is known how long the head is.
pub const PREFIX_BYTES: usize = 12;
/// Longest head, in bytes: what an entry may say of itself, with room to spare.
pub const HEAD_BYTES_MAX: usize = 1 << 20;
/// Longest stamp, in bytes.
pub const STAMP_BYTES_MAX: usize = 64;
const LENGTH_AT: usize = 8;
const SUM_BYTES: usize = 8;

/// Nine tenths, in millionths.
const FRACTION_PARTS_MAX: u32 = 900_000;
/// A hundred, in thousandths.
const XFETCH_PARTS_MAX: u32 = 100_000;

const COST: u8 = 1;
const COST_MEASURED: u8 = 1 << 1;
const IDLE: u8 = 1 << 2;
const MARKED: u8 = 1 << 3;
const AHEAD: u8 = 1 << 4;
const DEPENDS_ON: u8 = 1 << 5;
const FLAGS: u8 = (1 << 6) - 1;

/// What a value is stored as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Plain,
    Zstd,
    /// With the dictionary of this number.
    ZstdWith(u64),
    /// As it came, in chunks.
    Chunks,
}

/// All that a record says before its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// What it is stored under.
    pub key: Key,
    /// What its writer said of it.
    pub description: Arc<Description>,
    /// For a remembered absence or failure: why. It has no value.
    pub negative: Option<Negative>,
    /// What identifies the value, or the SHA-256 of the reason and message.
    pub digest: [u8; 32],
    /// What computing it cost, if that is known.
    pub cost: Option<Duration>,
    /// Whether that was measured.
    pub cost_measured: bool,
    /// When it was stored or last confirmed: since the Unix epoch, like the next two.
    pub stored: Duration,
    /// When it stops being fresh.
    pub fresh_until: Duration,
    /// When it stops being usable.
    pub usable_until: Duration,
    /// Ends when unread for this long.
    pub idle_ttl: Option<Duration>,
    /// When it is due to be renewed before its end.
    pub refresh_ahead: Option<RefreshAhead>,
    /// Whether it was marked stale.
    pub marked: bool,
    /// Bytes of its value.
    pub raw_bytes: u64,
    /// Bytes that the value is stored as, right after the head.
    pub stored_bytes: u64,
    /// Bytes of the head.
    pub head_bytes: usize,
    /// Whoever keeps the record wrote this for itself.
    pub stamp: Bytes,
    pub(super) form: Form,
    pub(super) stored_sum: u64,
    pub(super) cuts: Cuts,
}

impl Facts {
    /// Bytes of the whole record.
    #[must_use]
    pub fn record_bytes(&self) -> u64 {
        self.stored_bytes.saturating_add(self.head_bytes as u64)
    }

    /// The dictionary it was compressed with, if it was.
    #[must_use]
    pub fn dictionary(&self) -> Option<u64> {
        if let Form::ZstdWith(id) = self.form { Some(id) } else { None }
    }

    /// The entry with this value; a negative result has none.
    #[must_use]
    pub(super) fn kept(self, value: Payload) -> Kept {
        Kept {
            payload: self.negative.map_or(value, Payload::Negative),
            description: self.description,
            digest: self.digest,
            cost: self.cost,
            cost_measured: self.cost_measured,
            stored: self.stored,
            fresh_until: self.fresh_until,
            usable_until: self.usable_until,
            idle_ttl: self.idle_ttl,
            refresh_ahead: self.refresh_ahead,
            marked: self.marked,
        }
    }
}

/// A value as it will stand behind the head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stored<'a> {
    pub(super) form: Form,
    pub(super) raw_bytes: u64,
    pub(super) stored_bytes: u64,
    /// Checksum of what it is stored as.
    pub(super) sum: u64,
    pub(super) cuts: &'a Cuts,
}

/// Writes a head.
pub(super) fn write(key: &Key, kept: &Kept, stored: Stored<'_>, stamp: &[u8]) -> Result<Bytes, CodecError> {
    let mut to = Writer::default();
    to.raw(&MAGIC);
    to.u8(if stored.form == Form::Chunks { CHUNKS_VERSION } else { VERSION });
    to.u8(u8::from(matches!(kept.payload, Payload::Negative(_))));
    to.u8(match stored.form {
        Form::Plain => 0,
        Form::Zstd => 1,
        Form::ZstdWith(_) => 2,
        Form::Chunks => 3,
    });
    to.u8(flags(kept));
    to.u32(0);
    to.u64(stored.raw_bytes);
    to.u64(stored.stored_bytes);
    [kept.stored, kept.fresh_until, kept.usable_until].into_iter().for_each(|time| to.time(time));
    to.raw(&kept.digest);
    to.u64(stored.sum);
    [kept.cost, kept.idle_ttl].into_iter().flatten().for_each(|time| to.time(time));
    if let Some(ahead) = kept.refresh_ahead {
        let (sort, number) = match ahead {
            RefreshAhead::Never => (0, 0),
            RefreshAhead::Fraction(parts) => (1, parts),
            RefreshAhead::Xfetch(parts) => (2, parts),
        };
        to.u8(sort);
        to.u32(number);
    }
    match stored.form {
        Form::Plain | Form::Zstd => {}
        Form::ZstdWith(id) => to.u64(id),
        Form::Chunks => stored.cuts.write(&mut to),
    }
    let stamp_bytes = stamp.len().min(STAMP_BYTES_MAX);
    to.u8(u8::try_from(stamp_bytes).unwrap_or_default());
    to.raw(&stamp[..stamp_bytes]);
    write_texts(&mut to, key, kept);
    seal(to)
}

fn flags(kept: &Kept) -> u8 {
    let flag = |is: bool, flag: u8| if is { flag } else { 0 };
    flag(kept.cost.is_some(), COST)
        | flag(kept.cost_measured, COST_MEASURED)
        | flag(kept.idle_ttl.is_some(), IDLE)
        | flag(kept.marked, MARKED)
        | flag(kept.refresh_ahead.is_some(), AHEAD)
        | flag(kept.description.depends_on.is_some(), DEPENDS_ON)
}

fn write_texts(to: &mut Writer, key: &Key, kept: &Kept) {
    let said = &*kept.description;
    [&**key.namespace(), key.text(), &said.content_type, &said.encoding, &said.kind]
        .into_iter()
        .for_each(|text| to.text(text));
    to.texts(said.tags.iter());
    to.count(said.labels.len());
    for (name, text) in said.labels.iter() {
        to.text(name);
        to.text(text);
    }
    if let Some(depends_on) = &said.depends_on {
        to.texts(depends_on.own.iter());
        to.texts(depends_on.inherited.iter());
    }
    if let Payload::Negative(negative) = &kept.payload {
        to.text(&negative.reason);
        to.text(&negative.message);
    }
}

fn seal(mut to: Writer) -> Result<Bytes, CodecError> {
    let length = to.written().len() + SUM_BYTES;
    let too_large = CodecError::TooLarge { bytes: length as u64, bytes_max: HEAD_BYTES_MAX as u64 };
    let short = u32::try_from(length).ok().filter(|_| length <= HEAD_BYTES_MAX).ok_or(too_large)?;
    to.patch(LENGTH_AT, short);
    let sum = xxh3_64(to.written());
    to.u64(sum);
    to.end().map(Bytes::from).ok_or(too_large)
}

/// How long the head is that begins here.
fn length(bytes: &[u8]) -> Result<usize, CodecError> {
    let Some(prefix) = bytes.first_chunk::<PREFIX_BYTES>() else {
        let known = bytes.len().min(MAGIC.len());
        let foreign = bytes[..known] != MAGIC[..known];
        return Err(if foreign { CodecError::Foreign } else { CodecError::Truncated { needs: PREFIX_BYTES as u64 } });
    };
    if prefix[..MAGIC.len()] != MAGIC {
        return Err(CodecError::Foreign);
    }
    if ![VERSION, CHUNKS_VERSION].contains(&prefix[MAGIC.len()]) {
        return Err(CodecError::UnknownVersion(prefix[MAGIC.len()]));
    }
    let length = [prefix[LENGTH_AT], prefix[LENGTH_AT + 1], prefix[LENGTH_AT + 2], prefix[LENGTH_AT + 3]];
    let length = u32::from_le_bytes(length) as usize;
    if !(PREFIX_BYTES + SUM_BYTES..=HEAD_BYTES_MAX).contains(&length) {
        return Err(CodecError::Damaged("the head has an impossible length"));
    }
    Ok(length)
}

/// Reads a head; what follows it is not looked at.
pub(super) fn read(bytes: &[u8]) -> Result<Facts, CodecError> {
    let head_bytes = length(bytes)?;
    let head = bytes.get(..head_bytes).ok_or(CodecError::Truncated { needs: head_bytes as u64 })?;
    let (said, sum) = head.split_at(head_bytes - SUM_BYTES);
    if xxh3_64(said).to_le_bytes() != sum {
        return Err(CodecError::Damaged("the head does not have its checksum"));
    }
    let mut from = Reader::new(&said[MAGIC.len() + 1..]);
    let facts = read_fields(&mut from, head_bytes)?;
    from.end()?;
    if (facts.form == Form::Chunks) != (said[MAGIC.len()] == CHUNKS_VERSION) {
        return Err(CodecError::Damaged("the value is in chunks, or not, against the version"));
    }
    consistent(&facts).map(|()| facts)
}

/// All fields after the version. Those of a struct are read in the order in which they are written here.
fn read_fields(from: &mut Reader<'_>, head_bytes: usize) -> Result<Facts, CodecError> {
    let [negative, form, flags] = from.array()?;
    if negative > 1 || flags & !FLAGS != 0 {
        return Err(CodecError::Damaged("the head has flags of no meaning"));
    }
    from.u32()?;
    let has = |flag: u8| flags & flag != 0;
    let [raw_bytes, stored_bytes] = [from.u64()?, from.u64()?];
    let [stored, fresh_until, usable_until] = [from.time()?, from.time()?, from.time()?];
    let (digest, stored_sum) = (from.array()?, from.u64()?);
    let cost = has(COST).then(|| from.time()).transpose()?;
    let idle_ttl = has(IDLE).then(|| from.time()).transpose()?;
    let refresh_ahead = has(AHEAD).then(|| read_ahead(from)).transpose()?;
    let form = read_form(form, from)?;
    let cuts = if form == Form::Chunks { Cuts::read(from)? } else { Cuts::default() };
    let stamp = read_stamp(from)?;
    Ok(Facts {
        key: read_key(from)?,
        description: Arc::new(read_description(from, has(DEPENDS_ON))?),
        negative: (negative == 1).then(|| read_negative(from)).transpose()?,
        digest,
        cost,
        cost_measured: has(COST_MEASURED),
        stored,
        fresh_until,
        usable_until,
        idle_ttl,
        refresh_ahead,
        marked: has(MARKED),
        raw_bytes,
        stored_bytes,
        head_bytes,
        stamp,
        form,
        stored_sum,
        cuts,
    })
}

fn consistent(facts: &Facts) -> Result<(), CodecError> {
    let plain = matches!(facts.form, Form::Plain | Form::Chunks);
    if facts.form == Form::Chunks && facts.cuts.bytes() != facts.stored_bytes {
        return Err(CodecError::Damaged("the chunks are not as long as the value"));
    }
    let lengths = if plain { facts.stored_bytes == facts.raw_bytes } else { facts.stored_bytes <= facts.raw_bytes };
    if !lengths {
        return Err(CodecError::Damaged("the lengths of the value contradict each other"));
    }
    if facts.negative.is_some() && (facts.raw_bytes != 0 || !plain) {
        return Err(CodecError::Damaged("a negative result has a value"));
    }
    if facts.usable_until < facts.fresh_until {
        return Err(CodecError::Damaged("it ends before it stops being fresh"));
    }
    Ok(())
}

fn read_ahead(from: &mut Reader<'_>) -> Result<RefreshAhead, CodecError> {
    match (from.u8()?, from.u32()?) {
        (0, 0) => Ok(RefreshAhead::Never),
        (1, parts) if (1..=FRACTION_PARTS_MAX).contains(&parts) => Ok(RefreshAhead::Fraction(parts)),
        (2, parts) if (1..=XFETCH_PARTS_MAX).contains(&parts) => Ok(RefreshAhead::Xfetch(parts)),
        _ => Err(CodecError::Damaged("its refresh ahead has no meaning")),
    }
}

fn read_form(form: u8, from: &mut Reader<'_>) -> Result<Form, CodecError> {
    match form {
        0 => Ok(Form::Plain),
        1 => Ok(Form::Zstd),
        2 => from.u64().map(Form::ZstdWith),
        3 => Ok(Form::Chunks),
        _ => Err(CodecError::Damaged("the value has an unknown form")),
    }
}

fn read_stamp(from: &mut Reader<'_>) -> Result<Bytes, CodecError> {
    let length = usize::from(from.u8()?);
    if length > STAMP_BYTES_MAX {
        return Err(CodecError::Damaged("the stamp is too long"));
    }
    from.raw(length).map(Bytes::copy_from_slice)
}

fn read_key(from: &mut Reader<'_>) -> Result<Key, CodecError> {
    let (namespace, text) = (from.text()?, from.text()?);
    if namespace.is_empty() {
        return Err(CodecError::Damaged("the namespace has no name"));
    }
    Key::new(namespace, text).ok().ok_or(CodecError::Damaged("the key or namespace is none"))
}

fn read_description(from: &mut Reader<'_>, depends_on: bool) -> Result<Description, CodecError> {
    let [content_type, encoding, kind] = [from.text()?, from.text()?, from.text()?].map(Arc::from);
    let tags = ascending(from.texts()?)?;
    let labels = from.count_of(4)?;
    let mut pairs = Vec::with_capacity(labels);
    for _ in 0..labels {
        pairs.push((from.text()?.to_owned(), from.text()?.to_owned()));
    }
    if !pairs.is_sorted_by(|a, b| a.0 < b.0) {
        return Err(CodecError::Damaged("its labels are not in order"));
    }
    let depends_on = if depends_on {
        let (own, inherited) = (ascending(from.texts()?)?.into(), from.texts()?.into());
        Some(Arc::new(Dependencies { own, inherited }))
    } else {
        None
    };
    let labels = Labels::from_iter(pairs);
    Ok(Description { content_type, encoding, kind, tags, labels, depends_on, compute_cost: None })
}

fn read_negative(from: &mut Reader<'_>) -> Result<Negative, CodecError> {
    Ok(Negative { reason: Arc::from(from.text()?), message: Arc::from(from.text()?) })
}

/// The engine counts on it: sorted, without duplicates.
fn ascending(texts: Vec<Arc<str>>) -> Result<Vec<Arc<str>>, CodecError> {
    let sorted = texts.is_sorted_by(|a, b| a < b);
    if sorted { Ok(texts) } else { Err(CodecError::Damaged("its tags or dependencies are not in order")) }
}
