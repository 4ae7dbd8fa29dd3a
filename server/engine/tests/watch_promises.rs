//! The promises of Watch as validators over recorded streams: seeded random changes, slow readers, small rings, and
//! a resume at every token that was delivered.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use futures::FutureExt;
use hotplate_engine::{
    changes::{Author, Change, History, Stored, What},
    clock::Clock,
    entry::{Description, EntryView},
    error::Reason,
    event::Silent,
    flow::watch::{WatchLimits, Watcher, Watches},
    key::Key,
    position::{LogId, Positions},
    selector::{Facets, Selector, any_selects},
    watch::{
        Body, Content, Discontinuity, Entries, EventType, Message, WatchRequest,
        token::{TOKEN_BYTES_MAX, Token},
    },
};
use rand::{RngExt, SeedableRng, rngs::SmallRng};

const EPOCH: u64 = 77;
const SEEDS: u64 = 40;

struct Nothing;

impl Entries for Nothing {
    fn view(&self, _namespace: &Arc<str>, _key: &Arc<str>) -> Option<EntryView> {
        None
    }

    fn page(&self, _: &Arc<str>, _: &[Selector], _: Option<&str>, _: usize) -> Vec<EntryView> {
        Vec::new()
    }
}

/// A history under test and the truth about it.
struct World {
    history: Arc<History>,
    watches: Watches,
    truth: Vec<Arc<Change>>,
}

/// What a stream said, in order.
type Recording = Vec<Message>;

fn world(ring: usize, watches_max: usize) -> World {
    let history = Arc::new(History::new(EPOCH, (ring, 1 << 20), Clock::manual()));
    let limits =
        WatchLimits { watches_max, pending_max: 64, pending_bytes_max: 1 << 20, keys_max: 64, keys_bytes_max: 1 << 20 };
    let watches = Watches::new(limits, history.clone(), Arc::new(Nothing), Arc::new(Silent));
    World { history, watches, truth: Vec::new() }
}

impl World {
    fn append(&mut self, log: LogId, what: What, client: &str) {
        let author = Author { client_id: Some(Arc::from(client)), ..Author::default() };
        let (_, before) = self.history.now();
        self.history.append(&Arc::from("default"), log, what, &author);
        if let hotplate_engine::changes::Batch::Changes(changes, _) = self.history.read(before, 1) {
            self.truth.extend(changes);
        }
    }

    fn put(&mut self, key: &str) {
        let key = Key::new("", key).unwrap();
        let description = Arc::new(Description { tags: vec![Arc::from("even")], ..Description::default() });
        self.append(
            key.log(),
            What::Put { key: key.text().clone(), description, previous: None, stored: Stored::default() },
            "a",
        );
    }

    fn random_change(&mut self, random: &mut SmallRng) {
        let key = format!("k{}", random.random_range(0..12));
        let known = Key::new("", &key).unwrap();
        let description = Arc::new(Description::default());
        let (log, text) = (known.log(), known.text().clone());
        match random.random_range(0..10) {
            0..6 => self.put(&key),
            6 => self.append(log, What::Expired(text, description), ""),
            7 => self.append(log, What::Evicted(text, description), ""),
            8 if random.random_bool(0.3) => self.append(log, What::MarkedStale(vec![(text, None)]), "b"),
            8 => self.append(log, What::Invalidated(vec![(text, None), (Arc::from("also"), None)]), "b"),
            _ => {
                let sets = vec![Selector::tag("even").unwrap(), Selector::prefix("k1").unwrap()];
                let marked = random.random_bool(0.3);
                let what = if marked { What::SetMarkedStale(sets) } else { What::SetInvalidated(sets) };
                self.append(LogId::SELECTOR, what, "b");
            }
        }
    }

    fn watch(&self, request: WatchRequest) -> Watcher {
        self.watches.watch(request).unwrap()
    }

    fn numbers(&self) -> Vec<u64> {
        self.history.now().0.to_vec()
    }
}

/// Everything that can be had without waiting.
fn drain(watcher: &mut Watcher, recording: &mut Recording, messages_max: usize) {
    for _ in 0..messages_max {
        let Some(Some(message)) = watcher.next().now_or_never() else { return };
        recording.push(message);
    }
}

fn numbers_of(positions: &Positions) -> Vec<u64> {
    positions.iter().map(|(_, position)| position.number).collect()
}

/// What identifies an event.
fn identity(event: &hotplate_engine::watch::WatchEvent) -> (u8, u64, String) {
    let subject = event.key.as_ref().map_or_else(|| format!("{:?}", event.selector), ToString::to_string);
    (event.log.number(), event.position.number, subject)
}

fn events(recording: &[Message]) -> impl Iterator<Item = &hotplate_engine::watch::WatchEvent> {
    recording.iter().flat_map(|message| match &message.body {
        Body::Events(events) => events.as_slice(),
        _ => &[],
    })
}

// === validators, one for each promise ===

fn validate_created_first(recording: &[Message]) {
    assert!(matches!(recording[0].body, Body::Created { .. }));
    assert!(recording[1..].iter().all(|message| !matches!(message.body, Body::Created { .. })));
}

fn validate_ordered(recording: &[Message]) {
    let mut last: HashMap<LogId, u64> = HashMap::new();
    for event in events(recording) {
        let before = last.insert(event.log, event.position.number).unwrap_or(0);
        assert!(event.position.number >= before, "{event:?} after {before}");
        assert_eq!(event.position.epoch, EPOCH);
    }
}

fn validate_unique(recording: &[Message]) {
    let mut seen = BTreeSet::new();
    for event in events(recording) {
        assert!(seen.insert(identity(event)), "twice: {event:?}");
    }
}

/// No change is spread over two messages.
fn validate_atomic(recording: &[Message]) {
    let mut where_seen: HashMap<(u8, u64), usize> = HashMap::new();
    for (index, message) in recording.iter().enumerate() {
        for event in events(std::slice::from_ref(message)) {
            let first = *where_seen.entry((event.log.number(), event.position.number)).or_insert(index);
            assert_eq!(first, index, "torn apart: {event:?}");
        }
    }
}

/// The last followed change of every subject after the beginning was delivered, unless a Discontinuity covers it.
fn validate_latest_reliable(recording: &[Message], truth: &[Arc<Change>], start: &[u64]) {
    let mut latest: BTreeMap<String, (u8, u64)> = BTreeMap::new();
    for change in truth.iter().filter(|change| change.number > start[change.log.index()]) {
        let at = (change.log.number(), change.number);
        for subject in subjects(&change.what) {
            latest.insert(subject, at);
        }
    }
    let delivered: BTreeSet<_> = events(recording).map(identity).collect();
    let covered = covered(recording);
    for (subject, (log, number)) in latest {
        let heard = delivered.contains(&(log, number, subject.clone()));
        assert!(heard || number <= covered[usize::from(log)], "the last change of {subject} is missing");
    }
}

/// Up to where Discontinuities cover what was lost.
fn covered(recording: &[Message]) -> Vec<u64> {
    let mut losses = recording.iter().filter_map(|message| match &message.body {
        Body::Discontinuity { positions, .. } => Some(numbers_of(positions)),
        _ => None,
    });
    losses.next_back().unwrap_or_else(|| vec![0; 65])
}

fn subjects(what: &What) -> Vec<String> {
    match what {
        What::Put { key, .. } | What::Expired(key, _) => vec![key.to_string()],
        What::Evicted(..) => Vec::new(),
        What::Invalidated(keys) | What::MarkedStale(keys) => keys.iter().map(|(key, _)| key.to_string()).collect(),
        What::SetInvalidated(sets) | What::SetMarkedStale(sets) => {
            sets.iter().map(|set| format!("{:?}", Some(set))).collect()
        }
    }
}

/// A Progress is never ahead of what this stream delivered: no event after it has a number it covers.
fn validate_bookmarkable(recording: &[Message]) {
    let mut reached = vec![0; 65];
    for message in recording {
        for event in events(std::slice::from_ref(message)) {
            assert!(event.position.number > reached[event.log.index()], "{event:?} was said to be delivered");
        }
        if let Body::Progress { positions, .. } | Body::Discontinuity { positions, .. } = &message.body {
            reached = numbers_of(positions);
        }
        if !message.resume_token.is_empty() {
            let token = Token::decode(&message.resume_token).unwrap();
            let moved_back = token.numbers.iter().zip(&reached).any(|(token, reached)| token < reached);
            assert!(!moved_back, "a token behind a bookmark");
        }
    }
}

/// Resuming at any token gives everything after it: each subject's last change, and nothing the token covers.
fn validate_resumable(world: &World, recording: &[Message]) {
    for message in recording.iter().filter(|message| !message.resume_token.is_empty()) {
        let token = Token::decode(&message.resume_token).unwrap();
        let request = WatchRequest { resume_token: message.resume_token.clone(), ..WatchRequest::default() };
        let mut resumed = Recording::new();
        drain(&mut world.watch(request), &mut resumed, usize::MAX);
        validate(&resumed, &world.truth, &token.numbers);
        for event in events(&resumed) {
            assert!(event.position.number > token.numbers[event.log.index()], "delivered before: {event:?}");
        }
    }
}

fn validate(recording: &[Message], truth: &[Arc<Change>], start: &[u64]) {
    validate_created_first(recording);
    validate_ordered(recording);
    validate_unique(recording);
    validate_atomic(recording);
    validate_bookmarkable(recording);
    validate_latest_reliable(recording, truth, start);
}

// === workloads ===

/// Changes with a reader that reads now and then; everything is read at the end.
fn workload(seed: u64, ring: usize, pending: usize) -> (World, Recording, bool) {
    let mut random = SmallRng::seed_from_u64(seed);
    let mut world = world(ring, 8);
    (0..random.random_range(0..30)).for_each(|_| world.random_change(&mut random));
    let start = world.numbers();
    let mut watcher = world.watch(WatchRequest { max_pending_events: pending, ..WatchRequest::default() });
    let mut recording = Recording::new();
    drain(&mut watcher, &mut recording, 1);
    for _ in 0..300 {
        world.random_change(&mut random);
        if random.random_bool(0.1) {
            drain(&mut watcher, &mut recording, 1);
        }
    }
    drain(&mut watcher, &mut recording, usize::MAX);
    validate(&recording, &world.truth, &start);
    let lost = recording.iter().any(|message| matches!(message.body, Body::Discontinuity { .. }));
    (world, recording, lost)
}

#[tokio::test]
async fn promises_hold_for_readers_that_keep_up_and_resume_anywhere() {
    for seed in 0..SEEDS {
        let (world, recording, lost) = workload(seed, 4096, 64);
        assert!(!lost, "twelve keys never fill 64 places");
        assert!(events(&recording).count() > 20, "something was delivered");
        validate_resumable(&world, &recording);
    }
}

#[tokio::test]
async fn promises_hold_for_small_bounds_and_losses_are_told() {
    let mut losses = 0;
    for seed in 0..SEEDS {
        losses += usize::from(workload(seed, 4096, 4).2);
        let (world, recording, lost) = workload(seed, 16, 64);
        losses += usize::from(lost);
        validate_resumable(&world, &recording);
    }
    assert!(losses > 0, "bounds this small must have been reached");
}

#[track_caller]
fn ends_with_a_loss_and_the_word_that_it_is_over(recording: &[Message], why: Discontinuity) {
    let [.., lost, caught_up] = recording else { panic!("{recording:?}") };
    let reason = if let Body::Discontinuity { reason, .. } = &lost.body { Some(*reason) } else { None };
    assert_eq!(reason, Some(why), "{lost:?}");
    assert!(matches!(caught_up.body, Body::Progress { closing: false, .. }), "{caught_up:?}");
}

#[tokio::test]
async fn who_comes_back_hears_at_once_that_it_has_caught_up() {
    let mut world = world(64, 8);
    let mut recording = Recording::new();
    drain(&mut world.watch(WatchRequest::default()), &mut recording, 9);
    assert_eq!(recording.len(), 1, "a new watch has nothing to catch up with");
    let resume_token = recording[0].resume_token.clone();
    world.put("a");
    let mut resumed = world.watch(WatchRequest { resume_token, ..WatchRequest::default() });
    recording.clear();
    drain(&mut resumed, &mut recording, 9);
    assert!(matches!(recording[1].body, Body::Events(_)) && recording.len() == 3, "{recording:?}");
    assert!(matches!(&recording[2].body, Body::Progress { positions, .. } if numbers_of(positions) == world.numbers()));
}

#[tokio::test]
async fn a_slow_reader_gets_the_last_event_of_each_key() {
    let mut world = world(4096, 1);
    let mut watcher = world.watch(WatchRequest { max_pending_events: 2, ..WatchRequest::default() });
    (0..100).for_each(|n| world.put(if n % 2 == 0 { "a" } else { "b" }));
    let mut recording = Recording::new();
    drain(&mut watcher, &mut recording, usize::MAX);
    assert_eq!(events(&recording).count(), 2);
    ["c", "d", "e"].into_iter().for_each(|key| world.put(key));
    drain(&mut watcher, &mut recording, usize::MAX);
    ends_with_a_loss_and_the_word_that_it_is_over(&recording, Discontinuity::SlowConsumer);
}

#[tokio::test]
async fn a_token_that_reaches_back_too_far_is_answered_with_trimmed() {
    let mut world = world(4, 8);
    world.put("a");
    let mut recording = Recording::new();
    drain(&mut world.watch(WatchRequest::default()), &mut recording, 1);
    (0..10).for_each(|_| world.put("a"));
    let resume_token = recording[0].resume_token.clone();
    drain(&mut world.watch(WatchRequest { resume_token, ..WatchRequest::default() }), &mut recording, 9);
    ends_with_a_loss_and_the_word_that_it_is_over(&recording, Discontinuity::HistoryTrimmed);
}

#[tokio::test]
async fn a_token_of_another_history_is_answered_with_new_epoch_and_goes_on_from_now() {
    let mut world = world(64, 8);
    let resume_token = Token { epoch: EPOCH + 1, numbers: [3; 65] }.encode();
    let mut watcher = world.watch(WatchRequest { resume_token, ..WatchRequest::default() });
    world.put("a");
    let mut recording = Recording::new();
    drain(&mut watcher, &mut recording, 2);
    assert!(matches!(recording[0].body, Body::Created { .. }));
    assert!(matches!(recording[1].body, Body::Discontinuity { reason: Discontinuity::NewEpoch, .. }));
    world.put("b");
    drain(&mut watcher, &mut recording, 9);
    assert_eq!(events(&recording).filter(|event| event.key.as_deref() == Some("b")).count(), 1);
}

#[tokio::test]
async fn tokens_that_no_server_made_are_refused() {
    let world = world(64, 8);
    let ahead = Token { epoch: EPOCH, numbers: [9; 65] }.encode();
    for resume_token in [vec![1], vec![0; 70], vec![7; TOKEN_BYTES_MAX + 1], ahead] {
        let request = WatchRequest { resume_token, ..WatchRequest::default() };
        assert_eq!(world.watches.watch(request).unwrap_err().reason(), Reason::BadResumeToken);
    }
}

#[tokio::test]
async fn arguments_out_of_bounds_are_refused() {
    let world = world(64, 8);
    let token = Token { epoch: EPOCH, numbers: [0; 65] }.encode();
    let interval =
        |millis| WatchRequest { progress_interval: Some(Duration::from_millis(millis)), ..WatchRequest::default() };
    let both = WatchRequest { include_present: true, resume_token: token, ..WatchRequest::default() };
    let many = WatchRequest { selectors: vec![Selector::Everything; 129], ..WatchRequest::default() };
    for request in [interval(99), interval(600_001), both, many] {
        assert_eq!(world.watches.watch(request).unwrap_err().reason(), Reason::BadArgument);
    }
    assert!(world.watches.watch(interval(100)).is_ok() && world.watches.watch(interval(600_000)).is_ok());
}

#[tokio::test]
async fn watches_are_bounded_and_give_their_place_back() {
    let world = world(64, 2);
    let (first, _second) = (world.watch(WatchRequest::default()), world.watch(WatchRequest::default()));
    assert_eq!(world.watches.watch(WatchRequest::default()).unwrap_err().reason(), Reason::TooManyWatches);
    drop(first);
    assert_eq!(world.watches.open(), 1);
    world.watch(WatchRequest::default());
}

#[tokio::test(start_paused = true)]
async fn progress_comes_when_nothing_else_does() {
    let mut world = world(64, 8);
    let mut watcher = world.watch(WatchRequest {
        selectors: vec![Selector::key("followed").unwrap()],
        progress_interval: Some(Duration::from_secs(2)),
        ..WatchRequest::default()
    });
    watcher.next().await.unwrap();
    world.put("not followed");
    let clock = Clock::system();
    let start = clock.now();
    let message = watcher.next().await.unwrap();
    assert_eq!(clock.now().since(start), Duration::from_secs(2));
    let Body::Progress { positions, closing: false } = message.body else { panic!("{message:?}") };
    assert_eq!(numbers_of(&positions), world.numbers(), "what is not followed is passed over");
}

#[tokio::test]
async fn closing_ends_every_watch_with_a_final_progress() {
    let mut world = world(64, 8);
    let mut watcher = world.watch(WatchRequest::default());
    world.put("a");
    world.watches.close();
    let mut recording = Recording::new();
    while let Some(message) = watcher.next().await {
        recording.push(message);
    }
    assert!(matches!(recording.last().unwrap().body, Body::Progress { closing: true, .. }));
    // What was not delivered comes after a resume from the final token.
    let token = Token::decode(&recording.last().unwrap().resume_token).unwrap();
    assert_eq!(token.numbers, [0; 65]);
    assert_eq!(world.watches.watch(WatchRequest::default()).unwrap_err().reason(), Reason::Draining);
}

#[tokio::test]
async fn a_watch_hears_only_what_it_asked_for() {
    let mut world = world(64, 8);
    let followed = [Selector::prefix("model:").unwrap(), Selector::tag("even").unwrap()];
    let facets = Facets { key: "other", kind: "", tags: &[Arc::from("even")], depends_on: &[] };
    assert!(any_selects(&followed, &facets));
    let mut by_prefix = world.watch(WatchRequest { selectors: followed[..1].to_vec(), ..WatchRequest::default() });
    let mut by_tag = world.watch(WatchRequest { selectors: followed[1..].to_vec(), ..WatchRequest::default() });
    let mut by_type = world.watch(WatchRequest { event_types: vec![EventType::Evicted], ..WatchRequest::default() });
    let mut not_own = world.watch(WatchRequest {
        exclude_client_id: Some(Arc::from("a")),
        content: Content::Keys,
        ..WatchRequest::default()
    });
    let mut elsewhere = world.watch(WatchRequest { namespace: "elsewhere".to_owned(), ..WatchRequest::default() });
    world.put("other");
    world.put("model:x");
    let log = Key::new("", "other").unwrap().log();
    world.append(log, What::Evicted(Arc::from("other"), Arc::new(Description::default())), "");
    world.append(LogId::SELECTOR, What::SetInvalidated(vec![Selector::prefix("oth").unwrap()]), "b");
    let heard = |watcher: &mut Watcher| {
        let mut recording = Recording::new();
        drain(watcher, &mut recording, 99);
        events(&recording).map(|event| event.event_type).collect::<Vec<_>>()
    };
    assert_eq!(heard(&mut by_prefix), [EventType::Put]);
    assert_eq!(heard(&mut by_tag), [EventType::Put, EventType::Put, EventType::SetInvalidated]);
    assert_eq!(heard(&mut by_type), [EventType::Evicted]);
    assert_eq!(heard(&mut not_own), [EventType::SetInvalidated]);
    assert!(heard(&mut elsewhere).is_empty());
}
