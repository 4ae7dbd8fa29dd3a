//! A near cache without its network: the rule, what it keeps, and who may look. Reads look at the map and at one number;
//! everything that changes what may be read happens under one lock.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;

use super::{
    follow::{Follow, Update},
    kept::{Content, Kept, Lives},
    options::{NearFollow, NearOptions, NearStats},
    rule::{Candidate, Change, Keep, LOGS, Place, Rule, SET_LOG, Stamp, Ticket, TooLate, Unfit, overtakes},
    selects::Set,
    shelf::{Index, Shelf},
};
use crate::{Result, v1};

/// Changes remembered for answers on their way, and as many of this client's own writes.
pub(crate) const FENCES_MAX: usize = 4_096;

/// What one namespace keeps in this process.
#[derive(Debug)]
pub(crate) struct Core {
    options: NearOptions,
    shelf: Shelf,
    /// Until when may be served, in nanoseconds; zero: not now.
    serves_until: AtomicU64,
    /// Entries of another number are not served: they wait to be confirmed.
    trust: AtomicU64,
    hits: AtomicU64,
    misses: AtomicU64,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    rule: Rule,
    index: Index,
    follow: Option<Follow>,
    /// Keys of entries that wait to be confirmed.
    suspects: VecDeque<Arc<str>>,
    /// Whether the stream tells what this client does itself.
    hears_own: bool,
    /// Whether the open stream does not do what it should by now.
    outdated: bool,
    stats: NearStats,
}

/// A question on its way to the server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    ticket: Ticket,
    at: Duration,
}

/// What to open a stream with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Opening {
    pub(crate) hears_own: bool,
    /// The keys to follow; `None` when not single keys are followed.
    pub(crate) keys: Option<Vec<String>>,
}

/// What an answer about lifetimes says of an entry that waits to be confirmed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Confirmation {
    pub(crate) stamp: Stamp,
    pub(crate) fresh_for: Duration,
    pub(crate) usable_for: Duration,
}

impl Core {
    pub(crate) fn new(options: NearOptions, fences_max: usize) -> Result<Self> {
        let follow = (options.follow == NearFollow::KeptKeys).then(|| Follow::new(options.entries_max));
        let inner = Inner {
            rule: Rule::new(options.progress_max, fences_max),
            index: Index::default(),
            follow,
            suspects: VecDeque::new(),
            hears_own: false,
            outdated: false,
            stats: NearStats::default(),
        };
        Ok(Self {
            shelf: Shelf::new(options.bytes_max, options.entries_max)?,
            options,
            serves_until: AtomicU64::new(0),
            trust: AtomicU64::new(0),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            inner: Mutex::new(inner),
        })
    }

    pub(crate) fn options(&self) -> &NearOptions {
        &self.options
    }

    /// What is kept of this key and may be served now, not older than `max_age`.
    pub(crate) fn hit(&self, key: &str, max_age: Option<Duration>, now: Duration) -> Option<Arc<Kept>> {
        let found = self.serves(now).then(|| self.shelf.get(key)).flatten();
        let usable = found.filter(|kept| {
            let trusted = kept.trust == self.trust.load(Ordering::Acquire);
            trusted && now < kept.until && max_age.is_none_or(|max| kept.age(now) <= max)
        });
        let counter = if usable.is_some() { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        usable
    }

    fn serves(&self, now: Duration) -> bool {
        nanoseconds(now) < self.serves_until.load(Ordering::Acquire)
    }

    /// Notes that the server is asked now.
    pub(crate) fn ask(&self, now: Duration) -> Asked {
        Asked { ticket: self.inner.lock().rule.ticket(), at: now }
    }

    /// Keeps an answer if it may be kept. Answers whether the server has to be told something.
    pub(crate) fn offer(&self, asked: Asked, key: &str, response: &v1::GetResponse) -> bool {
        let Some((content, lives)) = Content::of(key, response) else { return false };
        let Some(stamp) = response.as_of.as_ref().and_then(stamp) else { return false };
        self.keep(asked, Arc::new(content), (stamp, lives))
    }

    /// An answer that nobody tries to keep, as it cannot fit. Whoever has read it must not read an older one afterwards.
    pub(crate) fn refuse_as_too_large(&self, key: &str) {
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        inner.stats.refused.too_large += 1;
        if self.shelf.remove(&mut inner.index, key).is_some()
            && let Some(follow) = &mut inner.follow
        {
            follow.unwant(key);
        }
    }

    fn keep(&self, asked: Asked, content: Arc<Content>, (stamp, lives): (Stamp, Lives)) -> bool {
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        let refused = &mut inner.stats.refused;
        let candidate = Candidate { key: &content.key, facts: &content.facts, stamp, ticket: asked.ticket };
        let unfit = match inner.rule.admit(&candidate) {
            Ok(()) => None,
            Err(Unfit::NotSynced) => Some(&mut refused.not_synced),
            Err(Unfit::OtherHistory) => Some(&mut refused.other_history),
            Err(Unfit::Overtaken) => Some(&mut refused.overtaken),
            Err(Unfit::OwnWrite) => Some(&mut refused.own_write),
        };
        if let Some(count) = unfit {
            *count += 1;
            return false;
        }
        if !content.facts.depends_on.is_empty() && !self.options.keep_dependents {
            refused.dependent += 1;
            return false;
        }
        if !self.follows(&content.key, inner.follow.as_ref(), &stamp) {
            refused.not_followed += 1;
            let wanted = inner.follow.as_mut().map(|follow| follow.want(&content.key, |key| self.holds(key)));
            return wanted == Some(true);
        }
        let trust = self.trust.load(Ordering::Acquire);
        // Answers may overtake each other: who has read the newer one must not read the older one afterwards.
        let newer = |kept: &Kept| kept.trust == trust && (kept.stamp.key > stamp.key || kept.stamp.set > stamp.set);
        if self.shelf.peek(&content.key).is_some_and(|kept| newer(&kept)) {
            inner.stats.refused.overtaken += 1;
            return false;
        }
        let mut kept = Kept::new(content, stamp, (asked.at, lives));
        kept.trust = trust;
        kept.until = kept.until.min(asked.at.saturating_add(self.options.ttl_max));
        self.insert(inner, kept)
    }

    fn insert(&self, inner: &mut Inner, kept: Kept) -> bool {
        let content = Arc::clone(&kept.content);
        let gone = self.shelf.insert(&mut inner.index, kept);
        if gone.iter().any(|gone| Arc::ptr_eq(&gone.content, &content)) {
            inner.stats.refused.too_large += 1;
        } else {
            inner.stats.admitted += 1;
        }
        let others = gone.iter().filter(|gone| !Arc::ptr_eq(&gone.content, &content));
        let mut tell = false;
        for other in others {
            inner.stats.evicted += 1;
            if let Some(follow) = &mut inner.follow {
                follow.unwant(&other.content.key);
                tell = true;
            }
        }
        tell
    }

    fn holds(&self, key: &str) -> bool {
        self.shelf.peek(key).is_some()
    }

    fn follows(&self, key: &str, follow: Option<&Follow>, stamp: &Stamp) -> bool {
        match (&self.options.follow, follow) {
            (NearFollow::Prefixes(prefixes), _) => prefixes.iter().any(|prefix| key.starts_with(prefix)),
            (NearFollow::KeptKeys, follow) => follow.is_some_and(|follow| follow.covers(key, stamp)),
            (NearFollow::Namespace, _) => true,
        }
    }

    /// This client is about to write what these cover, or has done so.
    pub(crate) fn wrote(&self, sets: &[Set]) {
        self.note_write(&mut self.inner.lock(), sets);
    }

    /// Whether this client wrote what these cover is not known: it may happen at any time from now on. From here on
    /// the stream tells what this client does, too. Answers whether it has to be opened again for that.
    pub(crate) fn may_have_written(&self, sets: &[Set]) -> bool {
        let mut inner = self.inner.lock();
        self.note_write(&mut inner, sets);
        if inner.hears_own {
            return false;
        }
        inner.hears_own = true;
        inner.outdated = true;
        inner.rule.lost();
        self.publish(&inner);
        true
    }

    fn note_write(&self, inner: &mut Inner, sets: &[Set]) {
        inner.rule.wrote(sets);
        sets.iter().for_each(|set| self.drop_covered(inner, set, |_| true));
    }

    /// What to open the next stream with.
    pub(crate) fn opening(&self) -> Opening {
        let mut inner = self.inner.lock();
        inner.outdated = false;
        inner.rule.lost();
        if let Some(follow) = &mut inner.follow {
            follow.lost();
        }
        self.publish(&inner);
        Opening { hears_own: inner.hears_own, keys: inner.follow.as_ref().map(Follow::keys) }
    }

    /// The stream is gone.
    pub(crate) fn lost(&self) {
        let mut inner = self.inner.lock();
        inner.stats.losses += 1;
        inner.rule.lost();
        if let Some(follow) = &mut inner.follow {
            follow.lost();
        }
        self.publish(&inner);
    }

    /// Takes in one message of the stream that was opened last.
    ///
    /// # Errors
    /// The stream must be opened again, after the last message that was taken in.
    pub(crate) fn take(&self, message: &v1::watch_response::Message, continued: bool, now: Duration) -> Late<()> {
        use v1::watch_response::Message;
        let mut inner = self.inner.lock();
        if inner.outdated {
            return Err(TooLate);
        }
        let taken = match message {
            Message::Created(created) => self.created(&mut inner, created, (continued, now)),
            Message::Events(events) => inner.rule.hear(now).and_then(|()| self.events(&mut inner, events)),
            Message::Progress(progress) => {
                let heard = inner.rule.hear(now).and_then(|()| place(progress.position.as_ref()));
                heard.and_then(|at| inner.rule.progress(&at))
            }
            Message::Discontinuity(lost) => inner.rule.hear(now).and_then(|()| self.discontinued(&mut inner, lost)),
            Message::Present(_) | Message::Synced(_) => Ok(()),
        };
        self.publish(&inner);
        taken
    }

    fn created(&self, inner: &mut Inner, created: &v1::WatchCreated, (continued, now): (bool, Duration)) -> Late<()> {
        let at = place(created.position.as_ref())?;
        if inner.rule.created(&at, continued, now) == Keep::Nothing {
            self.drop_all(inner);
        }
        if let Some(follow) = &mut inner.follow {
            follow.opened(&created.watch_id, &at);
        }
        Ok(())
    }

    fn events(&self, inner: &mut Inner, events: &v1::WatchEvents) -> Late<()> {
        for event in &events.events {
            let change = change(event).ok_or(TooLate)?;
            self.drop_covered(inner, &change.what, |kept| overtakes(&change, &kept.stamp));
            inner.rule.changed(change)?;
        }
        Ok(())
    }

    fn discontinued(&self, inner: &mut Inner, lost: &v1::WatchDiscontinuity) -> Late<()> {
        let at = place(lost.position.as_ref())?;
        inner.rule.discontinued(&at);
        if lost.reason() == v1::DiscontinuityReason::NewEpoch {
            self.drop_all(inner);
            return Ok(());
        }
        // What is kept may still be right: it is served again when the server says so.
        self.trust.fetch_add(1, Ordering::AcqRel);
        inner.stats.distrusted += inner.index.len() as u64;
        inner.suspects = inner.index.keys().cloned().collect();
        Ok(())
    }

    fn drop_all(&self, inner: &mut Inner) {
        inner.stats.distrusted += self.shelf.clear(&mut inner.index) as u64;
        inner.suspects.clear();
    }

    fn drop_covered(&self, inner: &mut Inner, set: &Set, overtaken: impl Fn(&Kept) -> bool) {
        for key in inner.index.candidates(set) {
            let covered = self.shelf.peek(&key);
            let covered = covered.filter(|kept| set.selects(&key, &kept.content.facts) && overtaken(kept));
            if covered.is_some() && self.shelf.remove(&mut inner.index, &key).is_some() {
                inner.stats.invalidated += 1;
            }
        }
    }

    /// Entries of which the server is to be asked whether they are still right, at most so many, with the question.
    pub(crate) fn suspects(&self, count_max: usize, now: Duration) -> (Asked, Vec<Arc<Kept>>) {
        let mut inner = self.inner.lock();
        let trust = self.trust.load(Ordering::Acquire);
        let mut suspects = Vec::new();
        while suspects.len() < count_max
            && let Some(key) = inner.suspects.pop_front()
        {
            suspects.extend(self.shelf.peek(&key).filter(|kept| kept.trust != trust));
        }
        (Asked { ticket: inner.rule.ticket(), at: now }, suspects)
    }

    /// The server says that an entry is still what it was, or else that it is not, or has not said anything.
    pub(crate) fn confirm(&self, asked: Asked, suspect: &Kept, confirmed: Option<Confirmation>) {
        let trust = self.trust.load(Ordering::Acquire);
        self.forget(suspect);
        let Some(Confirmation { stamp, fresh_for, usable_for }) = confirmed else { return };
        let lives = Lives { age: suspect.age(asked.at), fresh_for, usable_for };
        self.keep(asked, Arc::clone(&suspect.content), (stamp, lives));
        let kept = self.shelf.peek(&suspect.content.key).is_some_and(|kept| kept.trust == trust);
        self.inner.lock().stats.revalidated += u64::from(kept);
    }

    fn forget(&self, suspect: &Kept) {
        let mut inner = self.inner.lock();
        let same = self.shelf.peek(&suspect.content.key).is_some_and(|kept| kept.trust == suspect.trust);
        if same {
            self.shelf.remove(&mut inner.index, &suspect.content.key);
        }
    }

    /// What the server is to be told about single keys.
    pub(crate) fn update(&self, keys_max: usize) -> Option<Update> {
        self.inner.lock().follow.as_mut().and_then(|follow| follow.update(keys_max))
    }

    /// The server was told; `at` says from where on it follows what was added.
    pub(crate) fn updated(&self, update: &Update, at: Option<&v1::Position>) {
        let mut numbers = [u64::MAX; LOGS];
        for log in at.into_iter().flat_map(|at| &at.logs) {
            if let Some(number) = numbers.get_mut(log.log as usize) {
                *number = log.number;
            }
        }
        if let Some(follow) = &mut self.inner.lock().follow {
            follow.updated(update, numbers);
        }
    }

    /// The server could not be told; with `full` it follows no more keys.
    pub(crate) fn not_updated(&self, update: Update, full: bool) {
        if let Some(follow) = &mut self.inner.lock().follow {
            follow.refused(update, full);
        }
    }

    /// What happened and what is held.
    pub(crate) fn stats(&self, now: Duration) -> NearStats {
        let inner = self.inner.lock();
        let heard = inner.rule.heard_at();
        NearStats {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            entries: inner.index.len() as u64,
            bytes: inner.index.bytes(),
            followed: inner.follow.as_ref().map_or(0, Follow::len) as u64,
            serving: inner.rule.synced() && self.serves(now),
            progress_age: (!heard.is_zero()).then(|| now.saturating_sub(heard)),
            ..inner.stats
        }
    }

    fn publish(&self, inner: &Inner) {
        self.serves_until.store(nanoseconds(inner.rule.serves_until()), Ordering::Release);
    }
}

type Late<T> = std::result::Result<T, TooLate>;

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The place that a message of the stream names: all its logs are of one epoch.
fn place(position: Option<&v1::Position>) -> Late<Place> {
    let logs = &position.ok_or(TooLate)?.logs;
    let epoch = logs.first().ok_or(TooLate)?.epoch;
    let mut numbers = [0; LOGS];
    for log in logs {
        let number = numbers.get_mut(log.log as usize).filter(|_| log.epoch == epoch).ok_or(TooLate)?;
        *number = log.number;
    }
    Ok(Place { epoch, numbers })
}

/// How current an answer is; `None` when it does not say so for its key and for sets.
fn stamp(as_of: &v1::Position) -> Option<Stamp> {
    let [key, set] = &as_of.logs[..] else { return None };
    let log = key.log as usize;
    let whole = log < SET_LOG && set.log as usize == SET_LOG && key.epoch == set.epoch;
    whole.then_some(Stamp { epoch: key.epoch, log, key: key.number, set: set.number })
}

/// The same for an answer that is not a Get's.
pub(crate) fn stamp_of(as_of: Option<&v1::Position>) -> Option<Stamp> {
    as_of.and_then(stamp)
}

fn change(event: &v1::WatchEvent) -> Option<Change> {
    let at = event.position.as_ref()?;
    let what = match &event.selector {
        Some(selector) => Set::of(selector),
        None if event.key.is_empty() => Set::Everything,
        None => Set::Key(event.key.as_str().into()),
    };
    let log = usize::try_from(at.log).ok().filter(|log| *log < LOGS)?;
    Some(Change { epoch: at.epoch, log, number: at.number, what })
}
