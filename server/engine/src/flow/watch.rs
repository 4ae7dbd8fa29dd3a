//! Watch: follow the history from one place on, message by message, each with the token to continue after it.
//!
//! A watch is a cursor that its reader pulls; nothing runs for it in the background and no writer waits for it.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{sync::watch::Receiver, time::Sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    changes::{Batch, Change, History, Numbers},
    entry::EntryView,
    error::{Error, Kind, Reason, Result},
    event::{Event, Observer},
    key::namespace_name,
    position::Position,
    selector::check_count,
    watch::{
        Body, Content, Discontinuity, Entries, EventType, Message, WatchEvent, WatchRequest,
        filter::{Filter, Followed, Subject},
        pending::{Overflow, Pending},
        token::{Token, bad},
    },
};

const INTERVAL_MIN: Duration = Duration::from_millis(100);
const INTERVAL_MAX: Duration = Duration::from_secs(600);
const INTERVAL_DEFAULT: Duration = Duration::from_secs(1);
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

/// All watches of a cache: opens them, bounds their number, ends them.
pub struct Watches {
    history: Arc<History>,
    entries: Arc<dyn Entries>,
    observer: Arc<dyn Observer>,
    watches_max: usize,
    pending_max: usize,
    open: Arc<AtomicUsize>,
    stop: CancellationToken,
}

impl std::fmt::Debug for Watches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watches").field("open", &self.open).finish_non_exhaustive()
    }
}

/// How many watches, and how many events may wait for each.
#[derive(Clone, Copy, Debug)]
pub struct WatchLimits {
    /// Watches at most.
    pub watches_max: usize,
    /// Events that may wait for one watch at most.
    pub pending_max: usize,
}

impl Watches {
    /// No watches yet.
    #[must_use]
    pub fn new(
        limits: WatchLimits,
        history: Arc<History>,
        entries: Arc<dyn Entries>,
        observer: Arc<dyn Observer>,
    ) -> Self {
        let WatchLimits { watches_max, pending_max } = limits;
        let (open, stop) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
        Self { history, entries, observer, watches_max, pending_max, open, stop }
    }

    /// Open watches.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Ends every watch with a final Progress and opens no more.
    pub fn close(&self) {
        self.stop.cancel();
    }

    /// Opens a watch.
    ///
    /// # Errors
    /// `BAD_NAMESPACE`, `BAD_ARGUMENT`, `BAD_RESUME_TOKEN`; `TOO_MANY_WATCHES`; `DRAINING` after closing.
    pub fn watch(&self, request: WatchRequest) -> Result<Watcher> {
        let namespace = namespace_name(&request.namespace)?;
        let interval = check(&request)?;
        let start = self.start(&request)?;
        if request.max_pending_events > self.pending_max {
            let rule = format!("at most {} events may wait for a watch: ask for less, or for 0", self.pending_max);
            return Err(Error::invalid(Reason::BadArgument, "max_pending_events", rule));
        }
        let place = self.take_place()?;
        let bound = if request.max_pending_events == 0 { self.pending_max } else { request.max_pending_events };
        Ok(Watcher {
            filter: Filter::new(namespace, &request),
            content: request.content,
            pending: Pending::new(bound),
            phase: Phase::Created { lost: start.lost, present: request.include_present },
            cursor: start.cursor,
            delivered: start.numbers,
            scanned: start.numbers,
            arrivals: self.history.arrivals(),
            history: self.history.clone(),
            entries: self.entries.clone(),
            observer: self.observer.clone(),
            stop: self.stop.clone(),
            interval,
            idle: None,
            progress_due: false,
            _place: place,
        })
    }

    fn take_place(&self) -> Result<Place> {
        if self.stop.is_cancelled() {
            return Err(Error::new(Kind::Unavailable, Reason::Draining, "the server is closing: watch another one"));
        }
        let below = |open: usize| (open < self.watches_max).then_some(open + 1);
        if self.open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, below).is_err() {
            let what = format!(
                "all {} watches this server allows are open: close one, or raise watches_max",
                self.watches_max
            );
            let error = Error::new(Kind::ResourceExhausted, Reason::TooManyWatches, what);
            return Err(error.retry_after(Duration::from_secs(1)));
        }
        Ok(Place(self.open.clone()))
    }

    fn start(&self, request: &WatchRequest) -> Result<Start> {
        let (numbers, cursor) = self.history.now();
        let from_now = |lost| Start { numbers, cursor, lost };
        if request.resume_token.is_empty() {
            return Ok(from_now(None));
        }
        let token = Token::decode(&request.resume_token)?;
        if token.epoch != self.history.epoch() {
            return Ok(from_now(Some(Discontinuity::NewEpoch)));
        }
        if !self.history.has_reached(&token.numbers) {
            return Err(bad());
        }
        Ok(match self.history.cursor_after(&token.numbers) {
            Some(cursor) => Start { numbers: token.numbers, cursor, lost: None },
            None => from_now(Some(Discontinuity::HistoryTrimmed)),
        })
    }
}

fn check(request: &WatchRequest) -> Result<Duration> {
    check_count(&request.selectors)?;
    if request.include_present && !request.resume_token.is_empty() {
        let rule = "include_present starts anew, resume_token goes on: send one of them";
        return Err(Error::invalid(Reason::BadArgument, "include_present", rule));
    }
    let interval = request.progress_interval.unwrap_or(INTERVAL_DEFAULT);
    if !(INTERVAL_MIN..=INTERVAL_MAX).contains(&interval) {
        let rule = "a progress interval is 100 ms to 10 min";
        return Err(Error::invalid(Reason::BadArgument, "progress_interval", rule));
    }
    Ok(interval)
}

struct Start {
    numbers: Numbers,
    cursor: u64,
    lost: Option<Discontinuity>,
}

/// One of the places for watches; given back when dropped.
#[derive(Debug)]
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A stream of messages of one watch. Dropping it ends the watch.
pub struct Watcher {
    filter: Filter,
    content: Content,
    history: Arc<History>,
    entries: Arc<dyn Entries>,
    observer: Arc<dyn Observer>,
    arrivals: Receiver<u64>,
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
    _place: Place,
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watcher").field("phase", &self.phase).field("cursor", &self.cursor).finish_non_exhaustive()
    }
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
        let interval = self.interval;
        let idle = self.idle.get_or_insert_with(|| Box::pin(tokio::time::sleep(interval)));
        tokio::select! {
            biased;
            () = self.stop.cancelled() => {}
            () = idle => {
                self.idle = None;
                self.progress_due = true;
            }
            _arrived = self.arrivals.changed() => {}
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
        let message = self.message(Body::Created(self.history.positions(&self.delivered)));
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
        self.arrivals.borrow_and_update();
        if self.scan().is_err() {
            return Some(self.lost(Discontinuity::SlowConsumer));
        }
        if !self.pending.is_empty() {
            return Some(self.events());
        }
        let positions = self.progress_due.then(|| self.history.positions(&self.delivered))?;
        Some(self.message(Body::Progress { positions, closing: false }))
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
        let Followed { change, event_type, subject } = followed;
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
