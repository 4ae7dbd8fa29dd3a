//! Leases: the state machine against a model of it, and many threads on the whole cache. What is checked throughout: a key
//! has at most one valid token, who waits is served in order and exactly once, and nobody is forgotten.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use hotplate_engine::{
    Cache,
    clock::{Clock, Moment},
    entry::{Expiration, Payload, Ttl},
    event::{LeaseTurn, Silent},
    fence::Stamp,
    flow::{
        get::{GetRequest, Lookup},
        invalidate::InvalidateRequest,
        lease::{LeasedAnswer, Release},
        put::{PutAnswer, PutRequest},
    },
    key::Key,
    lease::{Asked, Census, LeaseLimits, Leases, News, Offer, Waiting},
    namespace::EngineConfig,
    origin::Origins,
    selector::Selector,
};
use proptest::{collection::vec, prelude::*};

const SECOND: Duration = Duration::from_secs(1);
const LIMITS: LeaseLimits = LeaseLimits { duration: SECOND, held_max: 3, waiters_per_key_max: 2, waiters_max: 3 };
const KEYS: [&str; 4] = ["a", "b", "c", "d"];

/// A step; keys and callers by number.
#[derive(Clone, Copy, Debug)]
enum Step {
    Ask(usize),
    Wait(usize),
    Leave(usize),
    Fill(usize),
    Extend(usize),
    Release(usize, Option<u64>),
    Revoke(usize),
    Advance(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = 0..KEYS.len();
    let step = prop_oneof![
        4 => key.clone().prop_map(Step::Ask),
        4 => key.clone().prop_map(Step::Wait),
        1 => (0..8_usize).prop_map(Step::Leave),
        1 => key.clone().prop_map(Step::Fill),
        1 => key.clone().prop_map(Step::Extend),
        1 => (key.clone(), prop::option::of(1..1500_u64)).prop_map(|(key, held_off)| Step::Release(key, held_off)),
        1 => key.prop_map(Step::Revoke),
        2 => (1..1500_u64).prop_map(Step::Advance),
    ];
    vec(step, 1..80)
}

/// What the model knows of a key: who has the lease until when, and who waits in which order.
#[derive(Debug, Default)]
struct Model {
    token: Option<u128>,
    until: Moment,
    line: VecDeque<u64>,
}

struct Run {
    leases: Leases<u64>,
    census: Arc<Census>,
    model: BTreeMap<usize, Model>,
    /// Everyone who waits or waited and has not left, with its key.
    callers: Vec<(usize, Waiting<u64>)>,
    now: Moment,
    tokens: u128,
    /// How it went on with leases, as it was told.
    turns: Arc<Mutex<BTreeMap<LeaseTurn, u128>>>,
    /// Leases that ended with a value.
    filled: u128,
}

fn key(number: usize) -> Key {
    Key::new("", KEYS[number]).unwrap()
}

impl Run {
    fn new() -> Self {
        let census = Census::new(LIMITS);
        let leases = Leases::new(census.clone());
        let turns: Arc<Mutex<BTreeMap<LeaseTurn, u128>>> = Arc::default();
        let told = turns.clone();
        census.tell(Box::new(move |_, turn| *told.lock().unwrap().entry(turn).or_default() += 1));
        let (model, callers) = (BTreeMap::new(), Vec::new());
        Self { leases, census, model, callers, now: Moment(0), tokens: 0, turns, filled: 0 }
    }

    /// Calls something that may offer leases.
    fn with<T>(&mut self, call: impl FnOnce(&mut Leases<u64>, Moment, &mut dyn FnMut(&Key) -> Offer) -> T) -> T {
        let tokens = &mut self.tokens;
        let mut offer = |_: &Key| {
            *tokens += 1;
            Offer { token: *tokens, stamp: Stamp { epoch: 1, key: 0, selector: 0 }, place: 0 }
        };
        call(&mut self.leases, self.now, &mut offer)
    }

    /// The next in the line of a key hears that it has the lease; without one the key is free.
    fn promoted(&mut self, number: usize) {
        let Some(model) = self.model.get_mut(&number) else { return };
        let Some(next) = model.line.pop_front() else {
            self.model.remove(&number);
            return;
        };
        let (at, _) = self.callers.iter().enumerate().find(|(_, (_, caller))| caller.number == next).unwrap();
        let (_, mut caller) = self.callers.remove(at);
        match caller.news.try_recv().unwrap() {
            News::Granted(grant) => model.token = Some(grant.token),
            News::Filled(value) => panic!("it got {value} instead of the lease"),
        }
        model.until = self.now.after(SECOND);
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Ask(number) => self.ask(number),
            Step::Wait(number) => self.wait(number),
            Step::Leave(at) if at < self.callers.len() => {
                let (number, caller) = self.callers.remove(at);
                self.leases.leave(&key(number), caller.number);
                self.model.get_mut(&number).unwrap().line.retain(|waiting| *waiting != caller.number);
            }
            Step::Leave(_) => {}
            Step::Fill(number) => self.fill(number),
            Step::Extend(number) => {
                let Some(token) = self.held(number) else { return };
                assert!(self.leases.extend(&key(number), token, self.now).is_some());
                self.model.get_mut(&number).unwrap().until = self.now.after(SECOND);
            }
            Step::Release(number, held_off) => self.release(number, held_off.map(Duration::from_millis)),
            Step::Revoke(number) => {
                let held = self.held(number).is_some();
                let there = self.model.get(&number).is_some_and(|model| model.token.is_some());
                assert_eq!(self.with(|leases, now, offer| leases.revoke(&key(number), now, offer)), held);
                if there {
                    self.promoted(number);
                }
            }
            Step::Advance(millis) => {
                self.now = self.now.after(Duration::from_millis(millis));
                while self.with(|leases, now, offer| leases.lapse(now, offer)) {}
                let over = self.model.iter().filter(|(_, model)| model.until <= self.now).map(|(number, _)| *number);
                over.collect::<Vec<_>>().into_iter().for_each(|number| self.promoted(number));
            }
        }
    }

    fn held(&self, number: usize) -> Option<u128> {
        self.model.get(&number).filter(|model| model.until > self.now)?.token
    }

    fn ask(&mut self, number: usize) {
        let full = self.model.len() >= LIMITS.held_max;
        let asked = self.with(|leases, now, offer| leases.ask(&key(number), now, offer));
        match (self.model.get(&number), asked) {
            (Some(model), Asked::Taken(left)) => assert_eq!(left, model.until.since(self.now)),
            (None, Asked::Full) => assert!(full),
            (None, Asked::Granted(grant)) => {
                assert!(!full);
                let until = self.now.after(SECOND);
                self.model.insert(number, Model { token: Some(grant.token), until, line: VecDeque::new() });
            }
            (model, asked) => panic!("{asked:?} where there is {model:?}"),
        }
    }

    fn wait(&mut self, number: usize) {
        let waiting = self.leases.wait(&key(number));
        let all: usize = self.model.values().map(|model| model.line.len()).sum();
        let may = all < LIMITS.waiters_max;
        let model = self.model.get_mut(&number).filter(|model| may && model.line.len() < LIMITS.waiters_per_key_max);
        assert_eq!(waiting.is_some(), model.is_some());
        if let Some((model, waiting)) = model.zip(waiting) {
            model.line.push_back(waiting.number);
            self.callers.push((number, waiting));
        }
    }

    fn fill(&mut self, number: usize) {
        let model = self.model.remove(&number).unwrap_or_default();
        self.filled += u128::from(model.token.is_some());
        let line = model.line;
        assert_eq!(self.leases.fill(&key(number), &7), u32::try_from(line.len()).unwrap());
        self.callers.retain_mut(|(_, caller)| match line.contains(&caller.number) {
            true => {
                assert_eq!(caller.news.try_recv(), Ok(News::Filled(7)));
                false
            }
            false => true,
        });
    }

    fn release(&mut self, number: usize, hold_off: Option<Duration>) {
        let Some(token) = self.held(number) else { return };
        assert!(self.with(|leases, now, offer| leases.release(&key(number), (token, hold_off), now, offer)));
        match hold_off {
            None => self.promoted(number),
            Some(long) => {
                let model = self.model.get_mut(&number).unwrap();
                (model.token, model.until) = (None, self.now.after(long));
            }
        }
    }

    fn check(&mut self) {
        for (number, name) in KEYS.iter().enumerate() {
            let valid: Vec<u128> =
                (1..=self.tokens).filter(|token| self.leases.claim(&key(number), *token, self.now).is_some()).collect();
            assert_eq!(valid, Vec::from_iter(self.held(number)), "{name}");
            let awaited = self.model.get(&number).is_some_and(|model| !model.line.is_empty());
            assert_eq!(self.leases.awaited(&key(number)), awaited);
        }
        assert_eq!((self.census.held(), self.census.waiting()), (self.model.len(), self.callers.len()));
        let turns = self.turns.lock().unwrap();
        let told = |turn| turns.get(&turn).copied().unwrap_or(0);
        let ended = [LeaseTurn::Released, LeaseTurn::Lapsed, LeaseTurn::Revoked].map(told).into_iter().sum::<u128>();
        let holders = self.model.values().filter(|model| model.token.is_some()).count();
        assert_eq!(told(LeaseTurn::Granted), self.tokens, "each that was offered was granted, and told of");
        assert_eq!(self.tokens - ended - self.filled, holders as u128, "and ended once, or is held");
        drop(turns);
        for (_, caller) in &mut self.callers {
            assert!(caller.news.try_recv().is_err(), "who waits has heard nothing yet");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_calls_ends_as_the_model_says(steps in steps()) {
        let mut run = Run::new();
        for step in steps {
            run.step(step);
            run.check();
        }
        run.census.close();
        run.leases.close();
        prop_assert_eq!(run.census.waiting(), 0);
        prop_assert!(run.leases.wait(&key(0)).is_none());
    }
}

#[test]
fn many_that_lapse_at_once_are_handed_on_a_few_at_a_time() {
    let census = Census::new(LeaseLimits { held_max: 1000, ..LIMITS });
    let mut leases: Leases<u64> = Leases::new(census.clone());
    let mut token = 0;
    let mut offer = |_: &Key| {
        token += 1;
        Offer { token, stamp: Stamp { epoch: 1, key: 0, selector: 0 }, place: 0 }
    };
    for number in 0..100 {
        leases.ask(&Key::new("", &number.to_string()).unwrap(), Moment(0), &mut offer);
    }
    let later = Moment(0).after(SECOND);
    assert!(leases.lapse(later, &mut offer));
    assert_eq!(census.held(), 100 - hotplate_engine::lease::LAPSES_PER_CALL);
    assert!(!leases.lapse(later, &mut offer));
    assert_eq!(census.held(), 0);
}

/// What the threads share.
#[derive(Default)]
struct Shared {
    /// Who computes now.
    holders: AtomicUsize,
    /// Values stored under a lease.
    stored: AtomicU64,
    /// What the source says now.
    source: AtomicU64,
    /// What the source said before the last Invalidate that was answered.
    answered: AtomicU64,
    over: AtomicBool,
}

fn put(value: u64, ttl: Ttl) -> PutRequest {
    PutRequest {
        expiration: Expiration { ttl, ..Expiration::default() },
        ..PutRequest::new("", "k", Payload::Value(Bytes::copy_from_slice(&value.to_be_bytes())))
    }
}

fn invalidate(by_key: bool) -> InvalidateRequest {
    let selector = if by_key { Selector::key("k") } else { Selector::prefix("k") };
    InvalidateRequest {
        namespace: String::new(),
        selectors: vec![selector.unwrap()],
        cascade: true,
        validate_only: false,
        reason: None,
        request_id: String::new(),
        client_id: None,
    }
}

fn number(payload: &Payload) -> u64 {
    match payload {
        Payload::Value(value) => u64::from_be_bytes(value.as_ref().try_into().unwrap()),
        Payload::Compressed(_) | Payload::Chunks(_) | Payload::Negative(_) => panic!("nobody remembers a failure"),
    }
}

/// Asks; with a lease computes and stores, or sometimes gives up. `alone`: nothing revokes a lease, so that whoever has
/// one is the only one.
async fn caller(cache: Arc<Cache>, shared: Arc<Shared>, (seed, alone): (u64, bool)) {
    let request = GetRequest { key: "k".to_owned(), ..GetRequest::default() };
    let mut turn = seed;
    while !shared.over.load(SeqCst) {
        turn += 1;
        let before = shared.answered.load(SeqCst);
        match cache.get_leased(&request, Some(Duration::from_millis(turn % 4))).await.unwrap() {
            LeasedAnswer::Found(answer, None) => {
                let value = number(&answer.outcome.view().expect("without a lease there is a value").payload);
                assert!(value >= before, "{value} is older than {before}, which was answered before");
            }
            LeasedAnswer::Found(_, Some(grant)) => {
                let others = shared.holders.fetch_add(1, SeqCst);
                assert!(!alone || others == 0, "two hold valid leases");
                let computed = shared.source.load(SeqCst);
                tokio::task::yield_now().await;
                shared.holders.fetch_sub(1, SeqCst);
                if turn.is_multiple_of(5) {
                    cache.release_lease(("", "k"), grant.token, Release::Next).unwrap();
                    continue;
                }
                let ttl = if alone { Ttl::Exact(Duration::from_millis(1)) } else { Ttl::Default };
                let stored = cache.put_leased(put(computed, ttl), grant.token).unwrap();
                shared.stored.fetch_add(u64::from(matches!(stored, PutAnswer::Stored { .. })), SeqCst);
            }
            LeasedAnswer::Pending(retry_after, _) => assert!(retry_after > Duration::ZERO),
        }
        tokio::task::yield_now().await;
    }
}

/// A caller is promoted and goes before it has looked: its lease is not lost with it.
#[tokio::test(start_paused = true)]
async fn what_nobody_takes_goes_to_the_next() {
    let cache = cache();
    let request = GetRequest { key: "k".to_owned(), ..GetRequest::default() };
    let LeasedAnswer::Found(_, Some(grant)) = cache.get_leased(&request, None).await.unwrap() else {
        panic!("the first gets the lease")
    };
    let mut first = Box::pin(cache.get_leased(&request, Some(SECOND)));
    let mut second = Box::pin(cache.get_leased(&request, Some(SECOND)));
    assert!(futures::poll!(&mut first).is_pending() && futures::poll!(&mut second).is_pending());
    cache.release_lease(("", "k"), grant.token, Release::Next).unwrap();
    assert_eq!(cache.lease_waiters(), 1, "the first has been told");
    drop(first);
    let answer = second.await.unwrap();
    assert!(matches!(answer, LeasedAnswer::Found(_, Some(_))), "{answer:?}");
}

/// A value is stored before who was given the lease has heard of that: it is a hit, and nobody computes.
#[tokio::test(start_paused = true)]
async fn a_lease_that_a_value_ended_before_it_was_heard_of_is_given_to_nobody() {
    let cache = cache();
    let request = GetRequest { key: "k".to_owned(), ..GetRequest::default() };
    for stays in [true, false] {
        let LeasedAnswer::Found(_, Some(grant)) = cache.get_leased(&request, None).await.unwrap() else {
            panic!("the first gets the lease")
        };
        let mut next = Box::pin(cache.get_leased(&request, Some(SECOND)));
        assert!(futures::poll!(&mut next).is_pending());
        cache.release_lease(("", "k"), grant.token, Release::Next).unwrap();
        cache.put(put(7, Ttl::Default)).unwrap();
        if !stays {
            cache.invalidate(&invalidate(true)).unwrap();
        }
        let answer = next.await.unwrap();
        match answer {
            LeasedAnswer::Found(found, None) if stays => assert!(matches!(found.outcome, Lookup::Hit(_)), "{found:?}"),
            LeasedAnswer::Pending(..) if !stays => {}
            other => panic!("{other:?}"),
        }
        cache.invalidate(&invalidate(true)).unwrap();
    }
}

fn cache() -> Arc<Cache> {
    Cache::new(EngineConfig::default(), Clock::system(), Arc::new(Silent), Origins::new()).unwrap()
}

/// Eight who ask, until `meanwhile` has ended.
async fn callers(cache: &Arc<Cache>, shared: &Arc<Shared>, alone: bool, meanwhile: impl Future<Output = ()>) {
    let mut running = tokio::task::JoinSet::new();
    for seed in 0..8 {
        running.spawn(caller(cache.clone(), shared.clone(), (seed, alone)));
    }
    meanwhile.await;
    shared.over.store(true, SeqCst);
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
    assert_eq!(cache.lease_waiters(), 0);
    cache.check_invariants().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_two_threads_hold_a_valid_lease_of_one_key() {
    let (cache, shared) = (cache(), Arc::new(Shared::default()));
    let enough = async {
        while shared.stored.load(SeqCst) < 300 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    callers(&cache, &shared, true, enough).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_computed_before_an_invalidate_is_never_read_after_it_and_nothing_is_stored_twice() {
    let (cache, shared) = (cache(), Arc::new(Shared::default()));
    let rounds = 500;
    let invalidations = async {
        for round in 1..=rounds {
            shared.source.store(round, SeqCst);
            cache.invalidate(&invalidate(round % 2 == 0)).unwrap();
            shared.answered.store(round, SeqCst);
            tokio::time::sleep(Duration::from_micros(300)).await;
        }
        while shared.stored.load(SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    callers(&cache, &shared, false, invalidations).await;
    let stored = shared.stored.load(SeqCst);
    assert!((1..=rounds + 1).contains(&stored), "{stored} values stored for {rounds} invalidations");
}
