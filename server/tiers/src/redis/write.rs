//! Changes: a writer's, a computation's, an invalidation; and leases. In which order they count, the scripts say.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use hotplate_engine::{
    key::Key,
    position::{LogId, Position},
    tier::{
        Kept, TierError,
        shared::{FenceName, FleetStamp, LogNow, SharedAgain, SharedFill, SharedWrite, Since},
    },
};
use redis::Value;

use super::{
    Core, aside,
    counters::Counters,
    delta::{self, Marks, NAMES_MAX},
    fail::{Cause, Fail},
    hint, names,
    read::{There, fresh_epoch, millis, parts, token},
    stamp,
};

/// Fences that a key's log keeps, and the selector log.
const KEY_FENCES: usize = 4096;
const SELECTOR_FENCES: usize = 65_536;
/// Scripts of one call that run at the same time.
const AT_ONCE: usize = 16;
/// Longest time a value is kept: Redis refuses times that do not fit into 64 bits.
const KEPT_MAX: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Names in one log, raised by one change.
struct Change<'a> {
    log: LogId,
    names: Vec<&'a FenceName>,
}

/// What a writer says besides its value.
#[derive(Clone, Copy, Debug)]
struct Asked {
    /// Where the selector log was before.
    selector: Position,
    /// Since when it wants to know what happened.
    at: Option<Position>,
    /// Where the key's log was when it wrote this first, when it does so again.
    first: Option<Position>,
}

/// What the script did.
enum Stored {
    Done(SharedWrite),
    /// Nothing: the key's newest change has this number.
    Overtaken(LogNow, u64),
}

/// The number of the change that was in the way, if one was.
fn overtaken(value: &Value) -> Result<Option<u64>, Fail> {
    let Value::BulkString(text) = value else { return Err(Fail::strange()) };
    if text.is_empty() {
        return Ok(None);
    }
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).map(Some).ok_or_else(Fail::strange)
}

impl Core {
    pub(super) async fn store(
        &self,
        key: &Key,
        kept: &Kept,
        selector: Position,
        at: Option<Position>,
    ) -> Result<SharedWrite, TierError> {
        match self.stored(key, kept, Asked { selector, at, first: None }).await {
            Ok(Stored::Done(written)) => Ok(written),
            Ok(Stored::Overtaken(..)) => Err(Fail::strange().error),
            // There is no room for the value. That the older one is not the truth any more must be said all the same.
            Err(fail) if fail.cause == Cause::Full => {
                let name = names::of_key(key);
                let hint = hint::raised(key.log(), &[&name], Some(&hint::written(kept)), None, self.replica);
                let now = self.change(Change { log: key.log(), names: vec![&name] }, hint).await?;
                Ok(SharedWrite { now, stored: false })
            }
            Err(fail) => Err(fail.error),
        }
    }

    /// The same, where the first time was not heard to be done.
    pub(super) async fn store_again(
        &self,
        key: &Key,
        kept: &Kept,
        stamp: FleetStamp,
    ) -> Result<SharedAgain, TierError> {
        let asked = Asked { selector: stamp.selector, at: None, first: Some(stamp.key) };
        let (now, newest) = match self.stored(key, kept, asked).await? {
            Stored::Done(written) => {
                return Ok(SharedAgain::There { change: written.now.position, now: written.now });
            }
            Stored::Overtaken(now, newest) => (now, newest),
        };
        // A value that is where its key's newest change put it: what happened since would have taken it away.
        Ok(match self.lies(key, kept).await? {
            There::Same(was, _) if was.key == (Position { number: newest, ..now.position }) => {
                SharedAgain::There { change: was.key, now }
            }
            _ => SharedAgain::TooLate(now),
        })
    }

    async fn stored(&self, key: &Key, kept: &Kept, asked: Asked) -> Result<Stored, Fail> {
        let Asked { selector, at, first } = asked;
        let name = names::of_key(key);
        let hint = hint::raised(key.log(), &[&name], Some(&hint::written(kept)), None, self.replica);
        let record = self.record(key, kept).await.map_err(Fail::here)?;
        if record.is_none() {
            Counters::count(&self.counters.too_large);
        }
        let keep = record.as_ref().map_or(0, |_| self.milliseconds_left(kept));
        let record = record.unwrap_or_default();
        let from = at.map_or_else(String::new, |at| at.number.to_string());
        let arguments = [
            fresh_epoch(),
            KEY_FENCES.to_string(),
            self.keyspace.channel(),
            hint,
            names::member(&name),
            from,
            keep.to_string(),
            stamp::half(selector),
        ];
        let first = first.map(|first| [first.epoch.to_string(), first.number.to_string()]);
        let mut arguments: Vec<&[u8]> = arguments.iter().map(String::as_bytes).collect();
        arguments.push(&record);
        arguments.extend(first.iter().flatten().map(String::as_bytes));
        let answer = self.run(key.log(), &self.scripts.write, &self.keyspace.all_of(key), &arguments).await;
        if answer.as_ref().is_err_and(|fail| fail.cause == Cause::Full) {
            self.counters.full(self.clock.now());
        }
        let (answer, link) = answer?;
        let [marks, page, newest] = parts(answer)?;
        let marks = Marks::read(&marks)?.ok_or_else(Fail::strange)?;
        link.ran(marks.run);
        if let Some(newest) = overtaken(&newest)? {
            return Ok(Stored::Overtaken(marks.now(key.log(), Since::NotAsked), newest));
        }
        if keep > 0 {
            Counters::count(&self.counters.puts);
        }
        let since = delta::of_script(at, &marks, &page)?;
        Ok(Stored::Done(SharedWrite { now: marks.now(key.log(), since), stored: keep > 0 }))
    }

    /// Stores what was computed; `over`: only over what begins so.
    /// What cannot lie there leaves nothing older there either, unless it was computed too late to say so.
    pub(super) async fn complete(
        &self,
        key: &Key,
        kept: &Kept,
        since: (FleetStamp, Option<u128>),
        over: Option<Vec<u8>>,
    ) -> Result<SharedFill, TierError> {
        let over = over.as_deref();
        let Some(record) = self.record(key, kept).await? else {
            Counters::count(&self.counters.too_large);
            let (now, in_time) = self.fill_in(key, since, over, None).await?;
            return Ok(if in_time { SharedFill::TooLarge } else { SharedFill::TooLate(now) });
        };
        let (now, in_time) = match self.fill_in(key, since, over, Some((kept, &record))).await {
            Err(full) if full.cause == Cause::Full => {
                let (now, in_time) = self.fill_in(key, since, over, None).await?;
                if in_time {
                    self.counters.full(self.clock.now());
                    return Err(full.error);
                }
                (now, in_time)
            }
            answer => answer?,
        };
        let counter = if in_time { &self.counters.puts } else { &self.counters.too_late };
        Counters::count(counter);
        Ok(if in_time { SharedFill::Stored(now) } else { SharedFill::TooLate(now) })
    }

    /// Puts a computed value there, or nothing, in the place of what is there, and ends the lease; whether it was in time.
    async fn fill_in(
        &self,
        key: &Key,
        (stamp, lease): (FleetStamp, Option<u128>),
        over: Option<&[u8]>,
        value: Option<(&Kept, &[u8])>,
    ) -> Result<(LogNow, bool), Fail> {
        let name = names::of_key(key);
        let written = value.map(|(kept, _)| hint::written(kept));
        let keep = value.map_or(0, |(kept, _)| self.milliseconds_left(kept));
        let arguments = [
            fresh_epoch(),
            self.keyspace.channel(),
            hint::settled(key.log(), &name, written.as_ref(), self.replica),
            names::member(&name),
            stamp.key.epoch.to_string(),
            stamp.key.number.to_string(),
            keep.to_string(),
            lease.map(token).unwrap_or_default(),
        ];
        let record = value.map(|(_, record)| [stamp::write(stamp).as_bytes(), record].concat()).unwrap_or_default();
        let mut arguments: Vec<&[u8]> = arguments.iter().map(String::as_bytes).collect();
        arguments.push(&record);
        arguments.extend(over);
        let script = if value.is_some() { &self.scripts.fill } else { &self.scripts.empty };
        let (answer, link) = self.run(key.log(), script, &self.keyspace.all_of(key), &arguments).await?;
        let [marks, Value::Int(in_time)] = parts(answer)? else { return Err(Fail::strange()) };
        let marks = Marks::read(&marks)?.ok_or_else(Fail::strange)?;
        link.ran(marks.run);
        Ok((marks.now(key.log(), Since::NotAsked), in_time == 1))
    }

    /// Stores the same entry with another life, where it lies or nothing does, unless that changes meanwhile.
    pub(super) async fn relive(&self, key: &Key, kept: &Kept, stamp: FleetStamp) -> Result<SharedFill, TierError> {
        let (stamp, over) = match self.lies(key, kept).await? {
            There::Nothing => (stamp, Vec::new()),
            There::Same(was, begins) => (FleetStamp { key: was.key, ..stamp }, begins),
            There::Another(now) => {
                Counters::count(&self.counters.too_late);
                return Ok(SharedFill::TooLate(now));
            }
        };
        self.complete(key, kept, (stamp, None), Some(over)).await
    }

    pub(super) async fn forget(&self, names: &[FenceName], marks: Option<Duration>) -> Result<Vec<LogNow>, TierError> {
        let mut logs: BTreeMap<LogId, Vec<&FenceName>> = BTreeMap::new();
        for name in names {
            logs.entry(names::log_of(name)).or_default().push(name);
        }
        let mut changes = Vec::with_capacity(logs.len());
        for (log, names) in logs {
            changes.push(self.changes(log, names, marks).boxed());
        }
        let nows: Vec<Option<LogNow>> = stream::iter(changes).buffered(AT_ONCE).try_collect().await?;
        Ok(nows.into_iter().flatten().collect())
    }

    /// More names than any caller has at once are several changes: the last is the one that all the others come before.
    async fn changes(
        &self,
        log: LogId,
        names: Vec<&FenceName>,
        marks: Option<Duration>,
    ) -> Result<Option<LogNow>, Fail> {
        let mut now = None;
        for names in names.chunks(NAMES_MAX) {
            let hint = hint::raised(log, names, None, marks, self.replica);
            now = Some(self.change(Change { log, names: names.to_vec() }, hint).await?);
        }
        Ok(now)
    }

    async fn change(&self, change: Change<'_>, hint: String) -> Result<LogNow, Fail> {
        let mut keys = vec![self.keyspace.log(change.log)];
        for key in change.names.iter().filter_map(|name| names::key_of(name)) {
            keys.push(self.keyspace.value(&key));
            keys.push(self.keyspace.lease(&key));
        }
        let most = if change.log == LogId::SELECTOR { SELECTOR_FENCES } else { KEY_FENCES };
        let mut arguments = vec![fresh_epoch(), most.to_string(), self.keyspace.channel(), hint];
        arguments.extend(change.names.iter().map(|name| names::member(name)));
        let arguments: Vec<&[u8]> = arguments.iter().map(String::as_bytes).collect();
        let (answer, link) = self.run(change.log, &self.scripts.raise, &keys, &arguments).await?;
        let [marks] = parts(answer)?;
        let marks = Marks::read(&marks)?.ok_or_else(Fail::strange)?;
        link.ran(marks.run);
        Ok(marks.now(change.log, Since::NotAsked))
    }

    pub(super) async fn hold_on(&self, key: &Key, lease: u128, duration: Duration) -> Result<bool, TierError> {
        let (token, duration) = (token(lease), millis(duration).max(1).to_string());
        let keys = [self.keyspace.lease(key)];
        let arguments = [token.as_bytes(), duration.as_bytes()];
        let (answer, _) = self.run(key.log(), &self.scripts.extend, &keys, &arguments).await?;
        Ok(answer == Value::Int(1))
    }

    pub(super) async fn give_back(&self, key: &Key, lease: u128) -> Result<(), TierError> {
        let hint = hint::settled(key.log(), &names::of_key(key), None, self.replica);
        let (token, channel) = (token(lease), self.keyspace.channel());
        let keys = [self.keyspace.lease(key)];
        let arguments = [token.as_bytes(), channel.as_bytes(), hint.as_bytes()];
        self.run(key.log(), &self.scripts.release, &keys, &arguments).await?;
        Ok(())
    }

    /// The entry's record, unless it is larger than may lie there.
    async fn record(&self, key: &Key, kept: &Kept) -> Result<Option<Vec<u8>>, TierError> {
        if kept.value_bytes() > self.value_bytes_max {
            return Ok(None);
        }
        let (codec, key, kept, bytes) = (Arc::clone(&self.codec), key.clone(), kept.clone(), kept.value_bytes());
        let encoded = aside(bytes, move || codec.encode(&key, &kept)).await??;
        Ok(Some(encoded.to_vec()))
    }

    fn milliseconds_left(&self, kept: &Kept) -> u64 {
        millis(kept.usable_until.saturating_sub(self.wall()).min(KEPT_MAX))
    }
}
