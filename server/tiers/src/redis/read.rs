//! Finds entries, and takes the key's lease when there is none. What may be served is not decided here.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use hotplate_engine::{
    key::Key,
    position::{LogId, Position},
    tier::{
        Kept, TierError,
        shared::{FleetStamp, Found, LeaseTurn, LeaseWish, LogNow, SharedRead, Since},
    },
};
use redis::{Cmd, Value};

use super::{
    Core, aside,
    counters::Counters,
    delta::{self, Delta, MARKS, Marks, NUMBERS_END, PAGE_MEMBERS},
    fail::{Cause, Fail},
    node::Link,
    route::Request,
    stamp::{self, STAMP_BYTES},
};
use crate::codec::CodecError;

/// What lies under a value's name.
#[derive(Debug, PartialEq)]
enum Lying {
    Nothing,
    Entry(Box<Found>),
    /// What is over, or was written by another version: as good as nothing.
    Useless,
    /// Not what was put there.
    Corrupt,
}

/// A log, and perhaps a value, in one instant.
struct Look {
    marks: Option<Marks>,
    value: Value,
    page: Value,
    link: Arc<Link>,
}

/// What a script found: a log, what happened there, a value, a lease.
struct Looked {
    now: LogNow,
    value: Value,
    lease: i64,
}

/// What lies where an entry is to be given another life.
pub(super) enum There {
    Nothing,
    /// That entry: where its computation began, and how it begins, with its stamp, its times and its digest.
    Same(FleetStamp, Vec<u8>),
    /// Another, or one that is over: the log then.
    Another(LogNow),
}

/// Bytes of what lies there by which it is known again: `fill.lua` compares as many.
const BEGINS_BYTES: usize = 256;

impl Core {
    pub(super) async fn lies(&self, key: &Key, kept: &Kept) -> Result<There, Fail> {
        let (now, value) = self.look(key.log(), Some(key), None).await?;
        let begins = beginning(&value, BEGINS_BYTES);
        Ok(match self.entry(key, value).await {
            Lying::Entry(found) if found.kept.is_same(kept) => There::Same(found.stamp, begins),
            Lying::Entry(_) | Lying::Useless => There::Another(now),
            Lying::Nothing | Lying::Corrupt => There::Nothing,
        })
    }

    pub(super) async fn find(
        &self,
        key: &Key,
        at: Option<Position>,
        wish: Option<LeaseWish>,
    ) -> Result<SharedRead, Fail> {
        let (now, value) = self.look(key.log(), Some(key), at).await?;
        let seen = beginning(&value, STAMP_BYTES);
        let lying = self.entry(key, value).await;
        let wanted = wish.filter(|wish| match &lying {
            Lying::Entry(found) => wish.unless_stored_after.is_some_and(|moment| found.kept.stored < moment),
            _ => true,
        });
        let Some(wish) = wanted else {
            return Ok(SharedRead { found: self.counted(lying), now, lease: LeaseTurn::None });
        };
        // A corrupt one was dropped.
        let seen = if lying == Lying::Corrupt { Vec::new() } else { seen };
        let looked = self.look_by_script(key.log(), Some((key, &wish, &seen)), Some(now.position)).await?;
        let now = LogNow { since: joined(now.since, looked.now.since), ..looked.now };
        let lease = match looked.lease {
            0 => LeaseTurn::Granted,
            left if left > 0 => LeaseTurn::Taken(Duration::from_millis(left.unsigned_abs())),
            _ => LeaseTurn::None,
        };
        let lying = match looked.value {
            Value::Int(_) => lying,
            value => self.entry(key, value).await,
        };
        Ok(SharedRead { found: self.counted(lying), now, lease })
    }

    /// Where a log is and what happened there since a position, with the value under a key's name in the same instant.
    pub(super) async fn look(
        &self,
        log: LogId,
        key: Option<&Key>,
        at: Option<Position>,
    ) -> Result<(LogNow, Value), Fail> {
        let mut delta = Delta::new(at);
        loop {
            let look = self.page(log, key, delta.from()).await?;
            // No log yet, or another process's: a new history begins.
            let Some(marks) = look.marks.filter(|marks| marks.run == look.link.run()) else {
                return self.first_look(&look.link, log, key, at).await;
            };
            if delta.take(&marks, &look.page)? {
                return Ok((marks.now(log, delta.since()), look.value));
            }
        }
    }

    /// The same where a history is to be begun: the value is read after that, so it is as new at least.
    async fn first_look(
        &self,
        link: &Link,
        log: LogId,
        key: Option<&Key>,
        at: Option<Position>,
    ) -> Result<(LogNow, Value), Fail> {
        let looked = self.look_by_script(log, None, at).await?;
        link.ran(looked.now.run);
        let value = match key {
            Some(key) => self.page(log, Some(key), None).await?.value,
            None => Value::Nil,
        };
        Ok((looked.now, value))
    }

    async fn page(&self, log: LogId, key: Option<&Key>, from: Option<u64>) -> Result<Look, Fail> {
        let name = self.keyspace.log(log);
        let mut commands = vec![scores(&name)];
        if let Some(from) = from {
            let mut page = redis::cmd("ZRANGEBYSCORE");
            page.arg(&name).arg(format!("({from}")).arg(NUMBERS_END - 1).arg("WITHSCORES");
            page.arg("LIMIT").arg(0).arg(PAGE_MEMBERS);
            commands.push(page);
        }
        if let Some(key) = key {
            let mut get = redis::cmd("GET");
            get.arg(self.keyspace.value(key));
            commands.push(get);
        }
        let answer = match self.route.ask(log, &Request::transaction(commands)).await {
            Err(fail) if fail.cause == Cause::Full => return self.peek(log, key, from).await,
            answer => answer?,
        };
        let mut values = answer.values.into_iter();
        let marks = Marks::read(&values.next().unwrap_or_default())?;
        let mut next = |asked: bool| if asked { values.next().unwrap_or_default() } else { Value::Nil };
        let page = next(from.is_some());
        let value = next(key.is_some());
        Ok(Look { marks, value, page, link: answer.link })
    }

    /// The same in a script.
    async fn peek(&self, log: LogId, key: Option<&Key>, from: Option<u64>) -> Result<Look, Fail> {
        let keys: Vec<String> =
            std::iter::once(self.keyspace.log(log)).chain(key.map(|key| self.keyspace.value(key))).collect();
        let arguments = [from.map(|from| from.to_string()).unwrap_or_default(), PAGE_MEMBERS.to_string()];
        let (answer, link) =
            self.run(log, &self.scripts.peek, &keys, &arguments.each_ref().map(|text| text.as_bytes())).await?;
        let [marks, page, value] = parts(answer)?;
        Ok(Look { marks: Marks::read(&marks)?, value, page, link })
    }

    async fn look_by_script(
        &self,
        log: LogId,
        lease: Option<(&Key, &LeaseWish, &[u8])>,
        at: Option<Position>,
    ) -> Result<Looked, Fail> {
        let keys = lease.map_or_else(|| vec![self.keyspace.log(log)], |(key, ..)| self.keyspace.all_of(key).into());
        let (token, duration, seen) = match lease {
            Some((_, wish, seen)) => (token(wish.token), millis(wish.duration).max(1).to_string(), seen),
            None => (String::new(), String::new(), &[][..]),
        };
        let from = at.map_or_else(String::new, |at| at.number.to_string());
        let fresh = fresh_epoch();
        let arguments = [fresh.as_bytes(), from.as_bytes(), token.as_bytes(), duration.as_bytes(), seen];
        let (answer, _) = self.run(log, &self.scripts.look, &keys, &arguments).await?;
        let [marks, page, value, Value::Int(lease)] = parts(answer)? else { return Err(Fail::strange()) };
        let marks = Marks::read(&marks)?.ok_or_else(Fail::strange)?;
        let since = delta::of_script(at, &marks, &page)?;
        Ok(Looked { now: marks.now(log, since), value, lease })
    }

    /// The entry that a value is. What is none is dropped.
    async fn entry(&self, key: &Key, value: Value) -> Lying {
        let lying = match value {
            Value::Nil => Lying::Nothing,
            Value::BulkString(bytes) => self.decoded(key, bytes.into()).await,
            _ => Lying::Corrupt,
        };
        if lying == Lying::Corrupt {
            Counters::count(&self.counters.corrupt);
            tracing::warn!(key = ?key, "what lies in Redis under the name of an entry is none: it is dropped");
            let mut unlink = redis::cmd("UNLINK");
            unlink.arg(self.keyspace.value(key));
            // It is not served either way.
            let _dropped = self.route.ask(key.log(), &Request::one(unlink)).await;
        }
        lying
    }

    async fn decoded(&self, key: &Key, bytes: Bytes) -> Lying {
        let Some(stamp) = stamp::read(&bytes) else { return Lying::Corrupt };
        let (codec, record) = (Arc::clone(&self.codec), bytes.slice(STAMP_BYTES..));
        // However small it is, what is in it may be large.
        let raw_bytes = codec.facts(&record).map_or(0, |facts| facts.raw_bytes);
        let needs = raw_bytes.max(bytes.len() as u64);
        let again = record.clone();
        let mut decoded = aside(needs, move || codec.decode(record)).await;
        if let Ok(Err(CodecError::UnknownDictionary(id))) = decoded
            && let Ok(Some(dictionary)) = self.dictionary(id).await
            && self.codec.learn(&dictionary) == Some(id)
        {
            let codec = Arc::clone(&self.codec);
            decoded = aside(needs, move || codec.decode(again)).await;
        }
        match decoded {
            // An answer to another question, or an entry under another one's name, is nobody's.
            Ok(Ok(decoded)) if decoded.key != *key => Lying::Corrupt,
            Ok(Ok(decoded)) if decoded.kept.usable_until <= self.wall() => Lying::Useless,
            Ok(Ok(decoded)) => Lying::Entry(Box::new(Found { kept: decoded.kept, stamp })),
            Ok(Err(error)) if error.is_damage() => Lying::Corrupt,
            Ok(Err(_)) | Err(_) => Lying::Useless,
        }
    }

    fn counted(&self, lying: Lying) -> Option<Found> {
        let found = if let Lying::Entry(found) = lying { Some(*found) } else { None };
        Counters::count(if found.is_some() { &self.counters.hits } else { &self.counters.misses });
        found
    }

    /// Whether it answers for what is needed: also while it reads its files, or has lost its master.
    pub(super) async fn answers(&self) -> Result<(), TierError> {
        let name = self.keyspace.log(LogId::SELECTOR);
        let answer = self.route.ask(LogId::SELECTOR, &Request::one(scores(&name))).await;
        match answer {
            Ok(_) => Ok(()),
            Err(fail) if fail.cause == Cause::WrongType => Ok(()),
            Err(fail) => Err(fail.error),
        }
    }
}

/// Asks for a log's marks.
pub(super) fn scores(name: &str) -> Cmd {
    let mut command = redis::cmd("ZMSCORE");
    command.arg(name).arg(&MARKS);
    command
}

/// The epoch of a log that begins from nothing: 52 bits, the first of them set and the others random. Its lineage is never zero.
pub(super) fn fresh_epoch() -> String {
    rand::random_range(NUMBERS_END..1 << 52).to_string()
}

/// A lease's token as it is stored.
pub(super) fn token(token: u128) -> String {
    format!("{token:032x}")
}

/// Whole milliseconds of a time.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The parts of a script's answer.
pub(super) fn parts<const N: usize>(answer: Value) -> Result<[Value; N], Fail> {
    let Value::Array(parts) = answer else { return Err(Fail::strange()) };
    parts.try_into().map_err(|_parts| Fail::strange())
}

/// The first bytes of what lies there, as far as it goes; the stamp stands first.
fn beginning(value: &Value, bytes_max: usize) -> Vec<u8> {
    match value {
        Value::BulkString(bytes) => bytes.iter().take(bytes_max).copied().collect(),
        _ => Vec::new(),
    }
}

/// What happened between three looks.
fn joined(first: Since, then: Since) -> Since {
    match (first, then) {
        (Since::Fences(mut first), Since::Fences(then)) => {
            first.retain(|(name, _)| !then.iter().any(|(other, _)| other == name));
            first.extend(then);
            Since::Fences(first)
        }
        (Since::NotAsked, _) => Since::NotAsked,
        (_, Since::NotAsked) => Since::NotAsked,
        _ => Since::Lost,
    }
}
