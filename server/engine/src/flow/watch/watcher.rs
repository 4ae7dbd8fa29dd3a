//! One open watch: a cursor into the history that its reader pulls, message by message.

use std::{pin::Pin, sync::Arc, time::Duration};

use tokio::{sync::watch::Receiver, time::Sleep};
use tokio_util::sync::CancellationToken;

use super::{Place, Start, Watches};
use crate::{
    changes::{Batch, Change, History, Numbers},
    entry::EntryView,
    event::{Event, Observer},
    position::Position,
    watch::{
        Body, Content, Discontinuity, Entries, EventType, Message, WatchEvent, WatchRequest,
        crier::{Crier, News},
        filter::{Filter, Followed, Subject},
        pending::{Bound, Overflow, Pending},
        token::Token,
    },
};

/// Changes copied under one lock of the history.
const READ_BATCH: usize = 256;
/// Events of a message, unless one change has more.
const MESSAGE_EVENTS: usize = 256;
/// Bytes of a message's events, unless one change has more.
const MESSAGE_BYTES: usize = 32 << 10;
/// Entries and bytes of a message about what is present, unless one entry is larger.
const PRESENT_ENTRIES: usize = 100;
const PRESENT_BYTES: usize = 1 << 20;
/// Bytes an event takes besides its texts and value.
const EVENT_BYTES: usize = 64;

/// A stream of messages of one watch. Dropping it ends the watch.
pub struct Watcher {
    filter: Filter,
    content: Content,
    history: Arc<History>,
    entries: Arc<dyn Entries>,
    observer: Arc<dyn Observer>,
    crier: Arc<Crier>,
    news: Receiver<News>,
    /// Whether news came that were not looked at.
    told: bool,
    stop: CancellationToken,
    phase: Phase,
    /// Next change of the ring to look at.
    cursor: u64,
    /// Everything up to here was looked at.
    scanned: Numbers,
    /// Everything up to here that is followed was delivered: what a token says.
    delivered: Numbers,
    pending: Pending,
    interval: Duration,
    /// Runs out when nothing was delivered for an interval.
    idle: Option<Pin<Box<Sleep>>>,
    progress_due: bool,
    /// A Progress is owed as soon as all is delivered: who came back, or lost changes, waits to hear that.
    catching_up: bool,
    place: Place,
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watcher").field("phase", &self.phase).field("cursor", &self.cursor).finish_non_exhaustive()
    }
}

/// What a watch was given when it was opened.
pub(super) struct Own {
    pub(super) filter: Filter,
    pub(super) start: Start,
    pub(super) interval: Duration,
    /// What may wait.
    pub(super) bound: Bound,
    pub(super) place: Place,
}

/// What comes next.
#[derive(Clone, Debug)]
enum Phase {
    Created { lost: Option<Discontinuity>, present: bool },
    Lost(Discontinuity),
    Present { after: Option<Arc<str>> },
    Live,
    Ended,
}

impl Watcher {
    /// A watch that begins at `start` and follows what `filter` lets pass.
    pub(super) fn new(watches: &Watches, request: &WatchRequest, own: Own) -> Self {
        let Own { filter, start, interval, bound, place } = own;
        Self {
            filter,
            content: request.content,
            pending: Pending::new(bound),
            phase: Phase::Created { lost: start.lost, present: request.include_present },
            cursor: start.cursor,
            delivered: start.numbers,
            scanned: start.numbers,
            crier: watches.crier.clone(),
            news: watches.crier.listen(),
            told: false,
            history: watches.history.clone(),
            entries: watches.entries.clone(),
            observer: watches.observer.clone(),
            stop: watches.stop.clone(),
            interval,
            idle: None,
            progress_due: false,
            catching_up: !request.resume_token.is_empty(),
            place,
        }
    }

    /// The next message; `None` after the last one. Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Message> {
        loop {
            if matches!(self.phase, Phase::Ended) {
                return None;
            }
            if let Some(message) = self.ready() {
                self.idle = None;
                self.progress_due = false;
                return Some(message);
            }
            self.wait().await;
        }
    }

    async fn wait(&mut self) {
        self.crier.wake();
        let interval = self.interval;
        let idle = self.idle.get_or_insert_with(|| Box::pin(tokio::time::sleep(interval)));
        tokio::select! {
            biased;
            () = self.stop.cancelled() => {}
            () = idle => {
                self.idle = None;
                self.progress_due = true;
            }
            told = self.news.changed() => self.told = told.is_ok(),
        }
    }

    fn ready(&mut self) -> Option<Message> {
        match self.phase.clone() {
            Phase::Created { lost, present } => Some(self.created(lost, present)),
            _ if self.stop.is_cancelled() => Some(self.closing()),
            Phase::Lost(reason) => Some(self.lost(reason)),
            Phase::Present { after } => Some(self.present(after.as_deref())),
            Phase::Live => self.live(),
            Phase::Ended => None,
        }
    }

    fn created(&mut self, lost: Option<Discontinuity>, present: bool) -> Message {
        self.phase = match lost {
            Some(reason) => Phase::Lost(reason),
            None if present => Phase::Present { after: None },
            None => Phase::Live,
        };
        let message = self.message(Body::Created {
            positions: self.history.positions(&self.delivered),
            watch_id: self.place.id().to_string().into(),
        });
        if present { without_token(message.body) } else { message }
    }

    fn closing(&mut self) -> Message {
        let unsynced = matches!(self.phase, Phase::Present { .. });
        self.phase = Phase::Ended;
        let positions = self.history.positions(&self.delivered);
        let message = self.message(Body::Progress { positions, closing: true });
        if unsynced { without_token(message.body) } else { message }
    }

    /// Starts anew from now: what waited is covered by the Discontinuity.
    fn lost(&mut self, reason: Discontinuity) -> Message {
        self.pending.clear();
        (self.scanned, self.cursor) = self.history.now();
        self.delivered = self.scanned;
        self.phase = Phase::Live;
        self.catching_up = true;
        self.observer.observe(&Event::WatchDiscontinued { namespace: self.filter.namespace().clone() });
        self.message(Body::Discontinuity { reason, positions: self.history.positions(&self.delivered) })
    }

    fn present(&mut self, after: Option<&str>) -> Message {
        let page = self.entries.page(self.filter.namespace(), self.filter.selectors(), after, PRESENT_ENTRIES);
        let mut bytes = 0;
        let fits = |entry: &EntryView| {
            let first = bytes == 0;
            bytes += entry_bytes(entry, self.content);
            first || bytes <= PRESENT_BYTES
        };
        let entries: Vec<EntryView> = page.into_iter().take_while(fits).collect();
        match entries.last() {
            Some(last) => {
                self.phase = Phase::Present { after: Some(last.key.clone()) };
                without_token(Body::Present(entries))
            }
            None => {
                self.phase = Phase::Live;
                self.message(Body::Synced(self.history.positions(&self.delivered)))
            }
        }
    }

    fn live(&mut self) -> Option<Message> {
        // Marked as seen before reading, so that what arrives meanwhile wakes again.
        let news = self.news.borrow_and_update().clone();
        let told = std::mem::take(&mut self.told) && news.from <= self.cursor;
        let scanned = if told { self.look_through(&news) } else { self.scan() };
        if scanned.is_err() {
            return Some(self.lost(Discontinuity::SlowConsumer));
        }
        if !self.pending.is_empty() {
            return Some(self.events());
        }
        let due = self.progress_due || self.catching_up;
        let positions = due.then(|| self.history.positions(&self.delivered))?;
        self.catching_up = false;
        Some(self.message(Body::Progress { positions, closing: false }))
    }

    /// Looks at what all watches were told of together, without asking the history again.
    fn look_through(&mut self, news: &News) -> std::result::Result<(), Overflow> {
        let seen = usize::try_from(self.cursor - news.from).unwrap_or(usize::MAX);
        news.changes.iter().skip(seen).try_for_each(|change| self.look_at(change))?;
        self.cursor = self.cursor.max(news.until());
        self.settle()
    }

    /// Looks at every change up to the present end of the history.
    fn scan(&mut self) -> std::result::Result<(), Overflow> {
        let (_, end) = self.history.now();
        while self.cursor < end {
            let Batch::Changes(changes, next) = self.history.read(self.cursor, READ_BATCH) else {
                return Err(Overflow);
            };
            changes.iter().try_for_each(|change| self.look_at(change))?;
            self.cursor = next;
        }
        self.settle()
    }

    fn settle(&mut self) -> std::result::Result<(), Overflow> {
        self.pending.settle()?;
        if self.pending.is_empty() {
            self.delivered = self.scanned;
        }
        Ok(())
    }

    /// Passes over what the token that was resumed from covers already.
    fn look_at(&mut self, change: &Arc<Change>) -> std::result::Result<(), Overflow> {
        let seen = &mut self.scanned[change.log.index()];
        if change.number <= *seen {
            return Ok(());
        }
        *seen = change.number;
        self.pending.push(self.filter.followed(change))
    }

    fn events(&mut self) -> Message {
        let mut events = Vec::new();
        let mut bytes = 0;
        while events.len() < MESSAGE_EVENTS
            && bytes < MESSAGE_BYTES
            && let Some(change) = self.pending.pop()
        {
            for followed in change {
                self.delivered[followed.change.log.index()] = followed.change.number;
                let event = self.event(followed);
                bytes += event_bytes(&event, self.content);
                events.push(event);
            }
        }
        if self.pending.is_empty() {
            self.delivered = self.scanned;
        }
        self.message(Body::Events(events))
    }

    fn event(&self, followed: Followed) -> WatchEvent {
        let Followed { change, event_type, subject, stale } = followed;
        let (key, selector) = match subject {
            Subject::Key(key) => (Some(key), None),
            Subject::Set(selector) => (None, Some(selector)),
        };
        let wanted = event_type == EventType::Put && self.content != Content::Keys;
        let put = key.as_ref().filter(|_| wanted);
        WatchEvent {
            event_type,
            entry: put.and_then(|key| self.entries.view(self.filter.namespace(), key)),
            key,
            selector,
            stale,
            log: change.log,
            position: Position { epoch: self.history.epoch(), number: change.number },
            client_id: change.author.client_id.clone(),
            reason: change.author.reason.clone(),
        }
    }

    fn message(&self, body: Body) -> Message {
        let token = Token { epoch: self.history.epoch(), numbers: self.delivered };
        Message { body, resume_token: token.encode() }
    }
}

fn without_token(body: Body) -> Message {
    Message { body, resume_token: Vec::new() }
}

fn event_bytes(event: &WatchEvent, content: Content) -> usize {
    let entry = event.entry.as_ref().map_or(0, |entry| entry_bytes(entry, content));
    EVENT_BYTES + event.key.as_ref().map_or(0, |key| key.len()) + entry
}

fn entry_bytes(entry: &EntryView, content: Content) -> usize {
    let value = if content == Content::Values { entry.facts.size_bytes } else { 0 };
    let described = entry.facts.charged_bytes.saturating_sub(entry.facts.size_bytes);
    entry.key.len() + usize::try_from(value.saturating_add(described)).unwrap_or(usize::MAX)
}
