//! Watch: opens watches that follow the history from one place on, bounds them, changes what they follow, ends them.
//!
//! A watch is a cursor that its reader pulls; nothing runs for it in the background and no writer waits for it.

mod watcher;

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use self::watcher::Own;
pub use self::watcher::Watcher;
use crate::{
    changes::{History, Numbers},
    error::{Error, Kind, Reason, Result},
    event::Observer,
    key::{Key, namespace_name},
    position::{LogId, Position, Positions},
    selector::check_count,
    watch::{
        Discontinuity, Entries, WatchRequest,
        crier::Crier,
        filter::Filter,
        keys::{FollowedKeys, KeyBudget, check_keys},
        pending::Bound,
        token::{Token, bad},
    },
};

const INTERVAL_MIN: Duration = Duration::from_millis(100);
const INTERVAL_MAX: Duration = Duration::from_secs(600);
const INTERVAL_DEFAULT: Duration = Duration::from_secs(1);

/// All watches of a cache: opens them, bounds their number, ends them.
pub struct Watches {
    history: Arc<History>,
    crier: Arc<Crier>,
    entries: Arc<dyn Entries>,
    observer: Arc<dyn Observer>,
    limits: WatchLimits,
    budget: Arc<KeyBudget>,
    open: Arc<Mutex<Open>>,
    stop: CancellationToken,
}

impl fmt::Debug for Watches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watches").field("open", &self.open()).finish_non_exhaustive()
    }
}

/// How many watches, and what each may hold.
#[derive(Clone, Copy, Debug)]
pub struct WatchLimits {
    /// Watches at most.
    pub watches_max: usize,
    /// Events that may wait for one watch at most.
    pub pending_max: usize,
    /// Bytes of them at most, unless one change has more.
    pub pending_bytes_max: usize,
    /// Single keys that one watch may follow at most.
    pub keys_max: usize,
    /// Bytes that the single keys of all watches may take together.
    pub keys_bytes_max: usize,
}

/// The open watches by their ids.
type Open = HashMap<WatchId, Opened>;

#[derive(Debug)]
struct Opened {
    namespace: Arc<str>,
    /// Unless it follows selectors only.
    keys: Option<Arc<FollowedKeys>>,
}

/// Names an open watch. Random and long: who knows it got it from that watch.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct WatchId(u128);

impl WatchId {
    /// From its text, if it is one.
    fn parse(text: &str) -> Option<Self> {
        const DIGITS: usize = 32;
        let hex = text.len() == DIGITS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        hex.then(|| u128::from_str_radix(text, 16).ok()).flatten().map(Self)
    }
}

impl fmt::Display for WatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for WatchId {
    /// Whoever reads a log is not to change what others follow.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WatchId")
    }
}

/// Which single keys an open watch is to follow.
#[derive(Clone, Debug, Default)]
pub struct UpdateRequest {
    /// The namespace of the watch; empty means `default`.
    pub namespace: String,
    /// The watch, as its first message named it.
    pub watch_id: String,
    /// Keys to follow besides.
    pub add: Vec<String>,
    /// Keys not to follow any longer; one that is also in `add` is followed.
    pub remove: Vec<String>,
}

/// What a watch follows now.
#[derive(Clone, Debug)]
pub struct UpdateAnswer {
    /// Single keys it follows.
    pub key_count: usize,
    /// Every later change of an added key is told: its log, and the selector log.
    pub position: Positions,
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
        let budget = Arc::new(KeyBudget::new(limits.keys_bytes_max));
        let crier = Arc::new(Crier::new(history.clone()));
        Self { history, crier, entries, observer, limits, budget, open: Arc::default(), stop: CancellationToken::new() }
    }

    /// Open watches.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.lock().len()
    }

    /// Ends every watch with a final Progress and opens no more.
    pub fn close(&self) {
        self.stop.cancel();
    }

    /// Opens a watch.
    ///
    /// # Errors
    /// `BAD_NAMESPACE`, `BAD_ARGUMENT`, `BAD_KEY`, `BAD_RESUME_TOKEN`; `TOO_MANY_WATCHES`; `TOO_MANY_KEYS`; `DRAINING`
    /// after closing.
    pub fn watch(&self, request: WatchRequest) -> Result<Watcher> {
        let namespace = namespace_name(&request.namespace)?;
        let interval = check(&request)?;
        let pending_max = self.limits.pending_max;
        if request.max_pending_events > pending_max {
            let rule = format!("at most {pending_max} events may wait for a watch: ask for less, or for 0");
            return Err(Error::invalid(Reason::BadArgument, "max_pending_events", rule));
        }
        let keys = self.first_keys(&request)?;
        let place = self.take_place(&namespace, keys.clone())?;
        // Read after the keys are there, so that nothing that happens from here on is passed over.
        let start = self.start(&request)?;
        let events_max = if request.max_pending_events == 0 { pending_max } else { request.max_pending_events };
        let bound = Bound { events_max, bytes_max: self.limits.pending_bytes_max };
        let filter = Filter::new(namespace, &request, keys);
        Ok(Watcher::new(self, &request, Own { filter, start, interval, bound, place }))
    }

    /// Changes which single keys a watch follows: all that is asked for, or nothing.
    ///
    /// # Errors
    /// `BAD_NAMESPACE`, `BAD_KEY`; `WATCH_UNKNOWN`; `BAD_ARGUMENT` for a watch that follows selectors only;
    /// `TOO_MANY_KEYS`.
    pub fn update(&self, request: UpdateRequest) -> Result<UpdateAnswer> {
        let namespace = namespace_name(&request.namespace)?;
        let keys = self.keys_of(&namespace, &request.watch_id)?;
        check_keys("add_keys", &request.add)?;
        check_keys("remove_keys", &request.remove)?;
        let logs: BTreeSet<LogId> =
            request.add.iter().map(|key| Key::trusted(namespace.clone(), key.as_str().into()).log()).collect();
        let key_count = keys.change(request.add, &request.remove)?;
        // Only now: what is appended from here on is looked at with the keys in place.
        let (numbers, _) = self.history.now();
        let at = |log: LogId| (log, Position { epoch: self.history.epoch(), number: numbers[log.index()] });
        let position = Positions::new(logs.into_iter().chain([LogId::SELECTOR]).map(at).collect());
        Ok(UpdateAnswer { key_count, position })
    }

    /// A watch of another namespace is as unknown as one that has ended: its id tells nothing there.
    fn keys_of(&self, namespace: &str, id: &str) -> Result<Arc<FollowedKeys>> {
        let unknown = || {
            let rule = "no open watch of this namespace has this id: open one, and name what it is to follow";
            Error::new(Kind::NotFound, Reason::WatchUnknown, rule).field("watch_id")
        };
        let id = WatchId::parse(id).ok_or_else(unknown)?;
        let open = self.open.lock();
        let watch = open.get(&id).filter(|watch| &*watch.namespace == namespace).ok_or_else(unknown)?;
        watch.keys.clone().ok_or_else(|| {
            let rule = "this watch follows selectors only: open one with follow_keys";
            Error::invalid(Reason::BadArgument, "watch_id", rule)
        })
    }

    fn first_keys(&self, request: &WatchRequest) -> Result<Option<Arc<FollowedKeys>>> {
        if !request.follow_keys {
            return Ok(None);
        }
        check_keys("keys", &request.keys)?;
        let keys = FollowedKeys::new(self.limits.keys_max, self.budget.clone());
        keys.change(request.keys.clone(), &[])?;
        Ok(Some(Arc::new(keys)))
    }

    fn take_place(&self, namespace: &Arc<str>, keys: Option<Arc<FollowedKeys>>) -> Result<Place> {
        if self.stop.is_cancelled() {
            return Err(Error::new(Kind::Unavailable, Reason::Draining, "the server is closing: watch another one"));
        }
        let mut open = self.open.lock();
        let watches_max = self.limits.watches_max;
        if open.len() >= watches_max {
            let what =
                format!("all {watches_max} watches this server allows are open: close one, or raise watches_max");
            let error = Error::new(Kind::ResourceExhausted, Reason::TooManyWatches, what);
            return Err(error.retry_after(Duration::from_secs(1)));
        }
        let id = WatchId(rand::random());
        open.insert(id, Opened { namespace: namespace.clone(), keys });
        drop(open);
        Ok(Place { id, open: self.open.clone() })
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
    if request.follow_keys && request.include_present {
        let rule = "include_present shows what selectors select, follow_keys follows keys one by one: send one of them";
        return Err(Error::invalid(Reason::BadArgument, "follow_keys", rule));
    }
    if !request.follow_keys && !request.keys.is_empty() {
        let rule = "keys are followed one by one with follow_keys only";
        return Err(Error::invalid(Reason::BadArgument, "keys", rule));
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
struct Place {
    id: WatchId,
    open: Arc<Mutex<Open>>,
}

impl Place {
    fn id(&self) -> WatchId {
        self.id
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ended = self.open.lock().remove(&self.id);
    }
}
