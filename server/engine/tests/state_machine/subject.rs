//! The cache under test, what was heard of its evictions, and how its answers are compared with the reference's.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use hotplate_engine::{
    Cache,
    clock::Clock,
    entry::{Description, EntryView, Expiration, Facts, Payload, Ttl},
    event::{Event, MissReason, Observer, RemovalReason, Silent},
    flow::{
        get::{GetRequest, Lookup, StalePolicy},
        hit::{Value, Wanted},
        invalidate::InvalidateRequest,
        list::ListRequest,
        put::{Precondition, PutAnswer, PutRequest},
        touch::{TouchAnswer, TouchMode, TouchRequest},
    },
    namespace::{EngineConfig, NamespaceConfig},
    origin::Origins,
    selector::Selector,
    stats::{Group, GroupBy},
};
use proptest_state_machine::StateMachineTest;

use super::{
    operations::{Id, KEYS, Lifetime, Operation, SPACES, Setup, Written},
    reference::{Answer, Known, Reference},
};

/// What an entry may be charged at most besides its value, in these tests.
const BESIDES_MAX: u64 = 2000;
/// What has ended may be held this long, when the cache is maintained.
const LATE_MAX: Duration = Duration::from_millis(250);

/// A cache, and what is known of its losses.
pub(crate) struct Subject {
    cache: Arc<Cache>,
    clock: Clock,
    heard: Arc<Heard>,
    /// Evicted, or refused, since they were written.
    gone: BTreeSet<Id>,
    /// What it answered.
    pub(crate) trace: Vec<String>,
}

/// Evictions heard of.
#[derive(Debug, Default)]
struct Heard(AtomicU64);

impl Observer for Heard {
    fn observe(&self, event: &Event) {
        if matches!(event, Event::Removed { reason: RemovalReason::Evicted, .. }) {
            self.0.fetch_add(1, SeqCst);
        }
    }
}

fn configuration(setup: &Setup) -> EngineConfig {
    let spaces = SPACES.iter().zip(&setup.spaces).map(|(name, space)| {
        let config = NamespaceConfig {
            policy: space.policy.into(),
            bytes_max: space.bytes_max,
            entries_max: space.entries_max,
            weight: space.weight,
            ..NamespaceConfig::default()
        };
        ((*name).to_owned(), config)
    });
    EngineConfig {
        seed: Some(setup.seed),
        shards: setup.shards,
        bytes_max: setup.bytes_max,
        entries_max: setup.entries_max,
        objective: setup.objective,
        namespaces: spaces.collect(),
        namespace_default: None,
        ..EngineConfig::default()
    }
}

fn expiration(lifetime: Lifetime) -> Expiration {
    Expiration {
        ttl: Ttl::Exact(lifetime.ttl),
        stale_for: (!lifetime.stale.is_zero()).then_some(lifetime.stale),
        idle_ttl: lifetime.idle,
        jitter: None,
        refresh_ahead: None,
    }
}

fn invalidation(space: usize, selectors: Vec<Selector>) -> InvalidateRequest {
    InvalidateRequest {
        namespace: SPACES[space].to_owned(),
        selectors,
        cascade: true,
        validate_only: false,
        reason: None,
        request_id: String::new(),
        client_id: None,
    }
}

impl Subject {
    fn new(setup: &Setup, heard: Arc<Heard>, observer: Arc<dyn Observer>) -> Self {
        let clock = Clock::manual();
        let cache = Cache::new(configuration(setup), clock.clone(), observer, Origins::new()).unwrap();
        Self { cache, clock, heard, gone: BTreeSet::new(), trace: Vec::new() }
    }

    fn total(&self) -> Group {
        self.cache.stats(None, GroupBy::Nothing).unwrap().total
    }

    fn put(&mut self, reference: &Reference, id: Id, (written, lifetime, absent): (&Written, Lifetime, bool)) {
        // What is gone is in nobody's way, which a reference that never evicts cannot know.
        if matches!(reference.answer, Answer::InTheWay) && self.gone.contains(&id) {
            return;
        }
        let request = PutRequest {
            description: Description {
                kind: written.kind.into(),
                tags: written.tags(),
                compute_cost: written.cost,
                ..Description::default()
            },
            expiration: expiration(lifetime),
            precondition: if absent { Precondition::Absent } else { Precondition::Always },
            ..PutRequest::new(SPACES[id.0], KEYS[id.1], written.payload())
        };
        if matches!(reference.answer, Answer::InTheWay) {
            let answer = self.cache.put(request).unwrap();
            let PutAnswer::PreconditionFailed { entry: Some(entry) } = &answer else {
                panic!("put {id:?}: {answer:?}")
            };
            self.trace.push(format!("{answer:?}"));
            return expect_entry(entry, id, &reference.known[&id], reference);
        }
        let Answer::Put { usable, same } = reference.answer else { panic!("{:?}", reference.answer) };
        let was_gone = self.gone.remove(&id);
        let held = usable && !was_gone;
        let answer = self.cache.put(request).unwrap();
        self.trace.push(format!("{answer:?}"));
        // Its own older entry may have made room for it.
        let mut own = 0;
        match &answer {
            PutAnswer::Stored { entry, .. } => {
                own = u64::from(held && same);
                expect_entry(entry, id, &reference.known[&id], reference);
            }
            PutAnswer::Refreshed { entry, .. } => {
                assert!(held && same, "put {id:?}: refreshed what was not the same");
                expect_entry(entry, id, &reference.known[&id], reference);
            }
            PutAnswer::NotAdmitted { why, .. } => {
                expect_refusable(&reference.setup, id.0, written, why);
                self.gone.insert(id);
            }
            PutAnswer::PreconditionFailed { .. } | PutAnswer::LeaseLost => panic!("put {id:?}: nothing is in the way"),
        }
        self.note_evictions(reference, own);
    }

    /// Everything usable must still be there, except for as many entries as were told to be evicted. `own`: evictions
    /// that are known already.
    fn note_evictions(&mut self, reference: &Reference, own: u64) {
        let told = self.heard.0.swap(0, SeqCst);
        assert!(own <= told, "an entry went and nobody was told");
        if told == 0 {
            return;
        }
        let mut missing = own;
        for (id, _) in reference.usable() {
            let request = GetRequest { stale: StalePolicy::IfError, peek: true, ..ask(*id) };
            // A remembered absence is not served stale, so it cannot be seen then: it may be there or not.
            let unseen = reference.known[id].written.is_negative() && reference.now >= reference.known[id].fresh_until;
            match self.cache.get(&request).unwrap().outcome {
                Lookup::Miss(reason) if !unseen && !self.gone.contains(id) => {
                    assert_eq!(reason, MissReason::Evicted, "{id:?}");
                    self.gone.insert(*id);
                    missing += 1;
                }
                Lookup::Miss(MissReason::Evicted) => drop(self.gone.insert(*id)),
                Lookup::Miss(_) => {}
                _ => assert!(!self.gone.contains(id), "{id:?} came back"),
            }
        }
        assert!(missing <= told, "{missing} entries went and {told} were told of");
    }

    fn get(&mut self, reference: &Reference, id: Id, request: &GetRequest) {
        let outcome = self.cache.get(request).unwrap().outcome;
        self.trace.push(format!("{outcome:?}"));
        let gone = self.gone.contains(&id);
        match (&outcome, &reference.answer) {
            (Lookup::Hit(view), Answer::Hit(known))
            | (Lookup::Stale(view), Answer::Stale(known))
            | (Lookup::Negative(view), Answer::Negative(known)) => {
                assert!(!gone, "{id:?} came back");
                // As it was before this read renewed its idle TTL.
                expect_entry(view, id, known, reference);
                assert_eq!(view.payload, known.written.payload(), "{id:?}");
            }
            (Lookup::Miss(MissReason::Evicted | MissReason::NotAdmitted), _) if gone => {}
            (Lookup::Miss(_), Answer::Miss) => {}
            (found, expected) => panic!("get {id:?}: found {found:?}, not {expected:?}"),
        }
    }

    fn glance(&mut self, reference: &Reference, space: usize, keys: &[usize]) {
        let Answer::Glanced(expected) = &reference.answer else { panic!("{:?}", reference.answer) };
        let wanted: Vec<_> = keys.iter().map(|key| Wanted { key: KEYS[*key], with_facts: true }).collect();
        let mut found = vec![None; keys.len()];
        self.cache.hits(SPACES[space], &wanted, |number, hit| {
            let payload = match hit.value {
                Value::Here(bytes) => Payload::Value(bytes.to_vec().into()),
                Value::Shared(payload) => payload,
            };
            found[number] = Some((payload, *hit.facts.unwrap()));
            true
        });
        for ((key, expected), found) in keys.iter().zip(expected).zip(found) {
            let id = (space, *key);
            let expected = expected.as_ref().filter(|_| !self.gone.contains(&id));
            self.trace.push(format!("{found:?}"));
            assert_eq!(found.is_some(), expected.is_some(), "glance at {id:?}");
            let (Some((payload, facts)), Some(known)) = (found, expected) else { continue };
            expect_facts(&facts, id, known, reference);
            assert_eq!(payload, known.written.payload(), "{id:?}");
        }
    }

    fn touch(&mut self, reference: &Reference, id: Id, (mode, lifetime): (TouchMode, Lifetime)) {
        let request = TouchRequest {
            namespace: SPACES[id.0].to_owned(),
            key: KEYS[id.1].to_owned(),
            mode,
            expiration: expiration(lifetime),
            etag: String::new(),
        };
        let answer = self.cache.touch(&request).unwrap();
        self.trace.push(format!("{answer:?}"));
        let Answer::Touched(changed) = reference.answer else { panic!("{:?}", reference.answer) };
        let expected = changed.filter(|_| !self.gone.contains(&id));
        let mut own = 0;
        match (&answer, expected) {
            (TouchAnswer::Touched(view), Some(true)) | (TouchAnswer::Unchanged(view), Some(false)) => {
                expect_entry(view, id, &reference.known[&id], reference);
            }
            (TouchAnswer::NotFound, None) => {}
            // A longer description of its lifetime takes more room, and it made room for itself.
            (TouchAnswer::NotFound, Some(true)) => {
                own = 1;
                self.gone.insert(id);
            }
            (found, expected) => panic!("touch {id:?}: {found:?}, not {expected:?}"),
        }
        self.note_evictions(reference, own);
    }

    fn invalidate(&mut self, reference: &Reference, request: &mut InvalidateRequest) {
        let Answer::Selected(selected) = &reference.answer else { panic!("{:?}", reference.answer) };
        let expected: Vec<&Id> = selected.iter().filter(|id| !self.gone.contains(id)).collect();
        request.validate_only = true;
        let shown = self.cache.invalidate(request).unwrap();
        let keys: Vec<&str> = shown.sample_keys.iter().map(|key| &**key).collect();
        let mut expected_keys: Vec<&str> = expected.iter().map(|id| KEYS[id.1]).collect();
        expected_keys.sort_unstable();
        assert_eq!(keys, expected_keys, "{:?} would drop", request.selectors);
        request.validate_only = false;
        let answer = self.cache.invalidate(request).unwrap();
        assert_eq!(answer.matched_count, expected.len() as u64, "{:?}", request.selectors);
        self.trace.push(format!("{} invalidated", answer.matched_count));
    }

    fn list(&mut self, reference: &Reference, space: usize, page_size: usize) {
        let Answer::Selected(selected) = &reference.answer else { panic!("{:?}", reference.answer) };
        let mut expected: Vec<_> = selected.iter().filter(|id| !self.gone.contains(id)).map(|id| KEYS[id.1]).collect();
        expected.sort_unstable();
        let namespace = SPACES[space].to_owned();
        let mut request = ListRequest { namespace, selectors: Vec::new(), page_size, page_token: String::new() };
        let mut listed: Vec<String> = Vec::new();
        loop {
            let page = self.cache.list(&request).unwrap();
            assert!(page.entries.len() <= page_size);
            listed.extend(page.entries.iter().map(|entry| entry.key.to_string()));
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        assert_eq!(listed, expected, "list {space}");
    }

    fn clear(&mut self, reference: &Reference) {
        let Answer::Selected(selected) = &reference.answer else { panic!("{:?}", reference.answer) };
        let expected = selected.iter().filter(|id| !self.gone.contains(id)).count();
        let everything = (0..SPACES.len()).map(|space| invalidation(space, vec![Selector::Everything]));
        let dropped: u64 = everything.map(|request| self.cache.invalidate(&request).unwrap().matched_count).sum();
        assert_eq!(dropped, expected as u64, "everything was dropped");
        let left = self.total();
        assert_eq!((left.entry_count, left.charged_bytes, left.value_bytes), (0, 0, 0), "left after everything went");
    }

    /// What has ended is reclaimed in time: only what ended just now may still be held.
    fn maintain(&self, reference: &Reference) {
        self.cache.maintain();
        let late = |known: &Known| known.ends() <= reference.now && reference.now < known.ends().after(LATE_MAX);
        let (mut usable, mut ended) = (0, 0);
        for (_, known) in reference.known.iter().filter(|(id, _)| !self.gone.contains(id)) {
            usable += u64::from(reference.now < known.ends());
            ended += u64::from(late(known));
        }
        let held = self.total().entry_count;
        assert!(held >= usable && held <= usable + ended, "{held} held, {usable} usable, {ended} just ended");
    }
}

fn ask(id: Id) -> GetRequest {
    GetRequest { namespace: SPACES[id.0].to_owned(), key: KEYS[id.1].to_owned(), ..GetRequest::default() }
}

fn expect_entry(view: &EntryView, id: Id, known: &Known, reference: &Reference) {
    assert_eq!(&*view.key, KEYS[id.1]);
    expect_facts(&view.facts, id, known, reference);
}

fn expect_facts(facts: &Facts, id: Id, known: &Known, reference: &Reference) {
    let (said, written) = (&facts.description, &known.written);
    assert_eq!((&*said.kind, &said.tags), (written.kind, &written.tags()), "{id:?}");
    let (fresh_until, ends) = (known.fresh_until.min(known.ends()), known.ends());
    assert_eq!(facts.fresh_for, fresh_until.since(reference.now), "{id:?} is fresh for");
    assert_eq!(facts.usable_for, ends.since(reference.now), "{id:?} is usable for");
    assert_eq!(facts.size_bytes, written.value.map_or(0, |(_, length)| length as u64), "{id:?}");
}

/// A value may be refused when it can never fit or, except by the simplest policy, takes more than a hundredth.
fn expect_refusable(setup: &Setup, space: usize, written: &Written, why: &str) {
    let space = &setup.spaces[space];
    let capacity = setup.bytes_max.min(space.bytes_max.unwrap_or(u64::MAX));
    let least = if space.policy == "lru" { capacity } else { capacity / 100 };
    let length = written.value.map_or(0, |(_, length)| length as u64);
    // What the allocator hands out for a piece of memory is at most a quarter more than that.
    let charged_max = length + length / 4 + BESIDES_MAX;
    assert!(charged_max > least, "{charged_max} of {capacity} bytes at most were refused: {why}");
}

impl StateMachineTest for Subject {
    type SystemUnderTest = Self;
    type Reference = Reference;

    fn init_test(reference: &Reference) -> Self {
        let heard = Arc::new(Heard::default());
        Self::new(&reference.setup, heard.clone(), heard)
    }

    fn apply(mut self_: Self, reference: &Reference, operation: Operation) -> Self {
        match operation {
            Operation::Put { id, written, lifetime, absent } => {
                self_.put(reference, id, (&written, lifetime, absent));
            }
            Operation::Get { id, stale, peek, max_age } => {
                self_.get(reference, id, &GetRequest { stale, peek, max_age, ..ask(id) });
            }
            Operation::Glance { space, keys } => self_.glance(reference, space, &keys),
            Operation::Touch { id, mode, lifetime } => self_.touch(reference, id, (mode, lifetime)),
            Operation::Invalidate { space, selectors } => {
                self_.invalidate(reference, &mut invalidation(space, selectors));
            }
            Operation::List { space, page_size } => self_.list(reference, space, page_size),
            Operation::Maintain => self_.maintain(reference),
            Operation::Advance(by) => self_.clock.advance(by),
            Operation::Clear => self_.clear(reference),
        }
        self_.gone.retain(|id| reference.known.contains_key(id));
        self_
    }

    fn check_invariants(self_: &Self, reference: &Reference) {
        assert_eq!(self_.heard.0.load(SeqCst), 0, "an eviction without need");
        self_.cache.check_invariants().unwrap();
        let total = self_.total();
        let removed: u64 = total.removals.values().sum();
        assert_eq!(total.puts - removed, total.entry_count, "stored and removed against held");
        let usable = reference.usable().filter(|(id, _)| !self_.gone.contains(id)).count();
        assert!(total.entry_count >= usable as u64, "{} held, {usable} usable", total.entry_count);
    }

    fn teardown(self_: Self, reference: Reference) {
        let last = reference.known.values().map(Known::ends).max().unwrap_or_default();
        self_.clock.advance(last.since(reference.now) + LATE_MAX);
        self_.cache.maintain();
        assert_eq!(self_.total().entry_count, 0, "everything has ended");
        self_.cache.check_invariants().unwrap();
    }
}

/// The same for a cache that tells nobody of its evictions: it must be found out.
pub(crate) struct Silenced;

impl StateMachineTest for Silenced {
    type SystemUnderTest = Subject;
    type Reference = Reference;

    fn init_test(reference: &Reference) -> Subject {
        Subject::new(&reference.setup, Arc::default(), Arc::new(Silent))
    }

    fn apply(subject: Subject, reference: &Reference, operation: Operation) -> Subject {
        Subject::apply(subject, reference, operation)
    }
}
