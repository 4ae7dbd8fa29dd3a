//! Thousands of random operations over the wire against a small model, with a clock only the test moves. After every
//! step what the server counts is compared with what the model holds.
//!
//! Times are chosen so that ends of life fall on odd seconds and the clock stands on even ones: what has expired did
//! so at least a second ago, which is when the server promises to have reclaimed it.

use std::{collections::BTreeMap, time::Duration};

use hotplate_proto::v1::{
    self, GetOutcome, MissReason, PutOutcome, StalePolicy, TouchMode, TouchOutcome, precondition::Condition,
};

use crate::{harness::Local, wire::*};

/// Numbers that look random and are the same for the same seed (splitmix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn odd_seconds(&mut self) -> u64 {
        2 * self.below(20) + 1
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()].clone()
    }
}

/// What the model knows of one entry; times in seconds.
#[derive(Clone, Debug)]
struct Held {
    value: Option<Vec<u8>>,
    etag: String,
    charged: u64,
    fresh_until: u64,
    usable_until: u64,
    idle: Option<u64>,
    read: u64,
}

impl Held {
    fn usable(&self, now: u64) -> bool {
        now < self.usable_until && self.idle.is_none_or(|idle| now < self.read + idle)
    }
}

/// The model: what a cache that never forgets would hold.
#[derive(Debug, Default)]
struct Model {
    now: u64,
    held: BTreeMap<String, Held>,
    gone: BTreeMap<String, MissReason>,
}

impl Model {
    fn advance(&mut self, seconds: u64) {
        self.now += seconds;
        let now = self.now;
        let ended: Vec<String> =
            self.held.iter().filter(|(_, held)| !held.usable(now)).map(|(key, _)| key.clone()).collect();
        for key in ended {
            self.remove(&key, MissReason::Expired);
        }
    }

    fn remove(&mut self, key: &str, reason: MissReason) {
        self.held.remove(key);
        self.gone.insert(key.to_owned(), reason);
    }

    fn charged(&self) -> u64 {
        self.held.values().map(|held| held.charged).sum()
    }
}

/// Tags and kind follow from the key, so that the same content is the same entry.
fn tags_of(key: &str) -> Vec<String> {
    let number: usize = key[2..].parse().unwrap();
    (0..3).filter(|tag| number.is_multiple_of(tag + 2)).map(|tag| format!("t{tag}")).collect()
}

fn kind_of(key: &str) -> String {
    ["", "model", "score"][key[2..].parse::<usize>().unwrap() % 3].to_owned()
}

fn selects(selector: &v1::Selector, key: &str) -> bool {
    use v1::selector::Selector as Of;
    match selector.selector.as_ref().unwrap() {
        Of::Key(one) => one == key,
        Of::Prefix(prefix) => key.starts_with(prefix.as_str()),
        Of::Glob(glob) => {
            let (head, tail) = glob.split_once('*').unwrap();
            key.len() >= head.len() + tail.len() && key.starts_with(head) && key.ends_with(tail)
        }
        Of::Tag(tag) => tags_of(key).contains(tag),
        Of::AllTags(set) => set.tags.iter().all(|tag| tags_of(key).contains(tag)),
        Of::Kind(kind) => kind_of(key) == *kind,
        // Nothing here is made from anything.
        Of::DependentsOf(_) => false,
        Of::Everything(all) => *all,
    }
}

/// A server and the model beside it.
struct Run {
    server: Local,
    client: Client,
    dice: Dice,
    model: Model,
    /// Whether the server may forget for lack of room.
    may_evict: bool,
    trace: Vec<String>,
}

impl Run {
    async fn new(seed: u64, server: Local, may_evict: bool) -> Self {
        let client = server.client().await;
        Self { server, client, dice: Dice(seed), model: Model::default(), may_evict, trace: Vec::new() }
    }

    fn key(&mut self) -> String {
        // Keys with `i` have an idle TTL.
        let letter = if self.dice.below(5) == 0 { 'i' } else { 'k' };
        format!("{letter}:{:02}", self.dice.below(40))
    }

    async fn step(&mut self) {
        match self.dice.below(100) {
            0..35 => self.put().await,
            35..75 => self.get().await,
            75..82 => self.touch().await,
            82..88 => self.invalidate().await,
            _ => {
                let seconds = 2 * self.dice.below(8);
                self.server.advance(Duration::from_secs(seconds));
                self.model.advance(seconds);
                self.trace.push(format!("advance {seconds}"));
            }
        }
    }

    async fn put(&mut self) {
        let key = self.key();
        let (ttl_seconds, idle) = (self.dice.odd_seconds(), self.dice.odd_seconds());
        let negative = self.dice.below(10) == 0;
        let stale = if negative { 0 } else { 2 * self.dice.below(6) };
        let value = vec![b'v'; 10 * usize::try_from(self.dice.below(4)).unwrap()];
        let expiration = v1::Expiration {
            stale_for: seconds(stale).filter(|_| stale > 0),
            idle_ttl: seconds(idle).filter(|_| key.starts_with('i')),
            ..ttl(ttl_seconds)
        };
        let condition = self.condition(&key);
        let base = if negative { put_negative(&key, "NOT_FOUND") } else { put(&key, &value) };
        let request = v1::PutRequest {
            tags: tags_of(&key),
            kind: kind_of(&key),
            expiration: Some(expiration),
            precondition: condition.clone().map(|condition| v1::Precondition { condition: Some(condition) }),
            ..base
        };
        let answer = self.client.store(request).await;
        let payload = (!negative).then_some(value);
        self.trace.push(format!("put {key} {payload:?} {ttl_seconds}+{stale} {condition:?}: {:?}", answer.outcome()));
        if self.check_put(&key, payload.as_ref(), condition.as_ref(), &answer) {
            let facts = answer.metadata.expect("a stored entry has metadata");
            let now = self.model.now;
            let unread = if key.starts_with('i') { idle } else { u64::MAX };
            assert_eq!(std_duration(facts.fresh_for).as_secs(), ttl_seconds.min(unread));
            assert_eq!(std_duration(facts.usable_for).as_secs(), (ttl_seconds + stale).min(unread));
            let held = Held {
                value: payload,
                etag: facts.etag,
                charged: facts.stored_bytes,
                fresh_until: now + ttl_seconds,
                usable_until: now + ttl_seconds + stale,
                idle: key.starts_with('i').then_some(idle),
                read: now,
            };
            self.model.gone.remove(&key);
            self.model.held.insert(key, held);
        }
    }

    fn condition(&mut self, key: &str) -> Option<Condition> {
        match self.dice.below(12) {
            0 => Some(Condition::Absent(true)),
            1 => Some(Condition::Present(true)),
            2 => Some(Condition::Etag("never".to_owned())),
            3 => self.model.held.get(key).map(|held| Condition::Etag(held.etag.clone())),
            _ => None,
        }
    }

    /// Compares the outcome of a Put; answers whether it stored.
    fn check_put(
        &mut self,
        key: &str,
        payload: Option<&Vec<u8>>,
        condition: Option<&Condition>,
        answer: &v1::PutResponse,
    ) -> bool {
        let held = self.model.held.get(key);
        let holds = match condition {
            None => true,
            Some(Condition::Absent(_)) => held.is_none(),
            Some(Condition::Present(_)) => held.is_some(),
            Some(Condition::Etag(etag)) => held.is_some_and(|held| held.etag == *etag),
        };
        let expected = match held {
            _ if !holds => PutOutcome::PreconditionFailed,
            Some(held) if held.value.as_ref() == payload => PutOutcome::Refreshed,
            _ => PutOutcome::Stored,
        };
        if !self.may_evict {
            assert_eq!(answer.outcome(), expected, "{key}; held {held:?}; {}", self.tail());
        }
        match answer.outcome() {
            PutOutcome::Stored | PutOutcome::Refreshed => true,
            PutOutcome::NotAdmitted => {
                self.model.remove(key, MissReason::NotAdmitted);
                false
            }
            _ => false,
        }
    }

    async fn get(&mut self) {
        let key = self.key();
        let policy = self.dice.pick(&[StalePolicy::Refuse, StalePolicy::WhileRevalidate, StalePolicy::IfError]);
        let peek = self.dice.below(4) == 0;
        let request = v1::GetRequest { stale_policy: policy.into(), peek, ..get(&key) };
        let answer = self.client.ask(request).await;
        self.trace.push(format!("get {key} {policy:?} {peek}: {:?} {:?}", answer.outcome(), answer.miss_reason()));
        if self.may_evict && answer.outcome() == GetOutcome::Miss && !self.model.held.contains_key(&key) {
            // It may have made room before anything else could remove it.
            return;
        }
        if self.may_evict && answer.outcome() == GetOutcome::Miss {
            let forgot = matches!(answer.miss_reason(), MissReason::Evicted | MissReason::NeverStored);
            let stale = self.model.held[&key].fresh_until <= self.model.now;
            assert!(forgot || stale, "{key}: {:?}; {}", answer.miss_reason(), self.tail());
            if forgot {
                self.model.remove(&key, MissReason::Evicted);
            }
            return;
        }
        let now = self.model.now;
        let (outcome, reason) = match self.model.held.get(&key) {
            Some(held) if now < held.fresh_until && held.value.is_none() => (GetOutcome::Negative, None),
            Some(held) if now < held.fresh_until => (GetOutcome::Hit, None),
            Some(_) if policy != StalePolicy::Refuse => (GetOutcome::Stale, None),
            Some(_) => (GetOutcome::Miss, Some(MissReason::Expired)),
            None => (GetOutcome::Miss, self.model.gone.get(&key).copied().or(Some(MissReason::NeverStored))),
        };
        assert_eq!(answer.outcome(), outcome, "{key}; {:?}; {}", self.model.held.get(&key), self.tail());
        if let Some(reason) = reason {
            assert_eq!(answer.miss_reason(), reason, "{key}; {}", self.tail());
            return;
        }
        let held = self.model.held.get_mut(&key).expect("the model answered from it");
        assert_eq!(facts_of(&answer).etag, held.etag);
        if let Some(value) = &held.value {
            assert_eq!(value_of(&answer), value);
        }
        if !peek {
            held.read = now;
        }
    }

    async fn touch(&mut self) {
        let key = self.key().replace('i', "k");
        let mode = self.dice.pick(&[TouchMode::Set, TouchMode::Extend, TouchMode::Shorten]);
        let seconds = self.dice.odd_seconds();
        let answer = self.client.touch(touch(&key, mode, ttl(seconds))).await.unwrap().into_inner();
        self.trace.push(format!("touch {key} {mode:?} {seconds}: {:?}", answer.outcome()));
        let Some(facts) = answer.metadata.as_ref() else {
            assert_eq!(answer.outcome(), TouchOutcome::NotFound);
            assert!(self.may_evict || !self.model.held.contains_key(&key), "{key}; {}", self.tail());
            return;
        };
        let now = self.model.now;
        let left = std_duration(facts.fresh_for).as_secs();
        let usable = std_duration(facts.usable_for).as_secs();
        let tail = self.tail();
        let held = self.model.held.get_mut(&key).unwrap_or_else(|| panic!("{key} is not held; {tail}"));
        match mode {
            TouchMode::Extend => assert!(usable >= held.usable_until - now, "{tail}"),
            TouchMode::Shorten => assert!(usable <= held.usable_until - now, "{tail}"),
            _ => assert_eq!((left, usable), (seconds, seconds), "{tail}"),
        }
        held.fresh_until = now + left;
        held.usable_until = now + usable;
        // Another lifetime may need another amount of bookkeeping.
        held.charged = facts.stored_bytes;
    }

    async fn invalidate(&mut self) {
        let number = self.dice.below(40);
        let tag = format!("t{}", self.dice.below(3));
        let choices = [
            select::key(&format!("k:{number:02}")),
            select::prefix(&format!("k:{}", number / 10)),
            select::glob(&format!("k:*{}", number % 10)),
            select::tag(&tag),
            select::all_tags(&["t0", &tag]),
            select::kind(if number.is_multiple_of(2) { "model" } else { "score" }),
            select::prefix("i:"),
        ];
        let mut selectors = vec![self.dice.pick(&choices)];
        if self.dice.below(3) == 0 {
            selectors.push(self.dice.pick(&choices));
        }
        if self.dice.below(20) == 0 {
            selectors.push(select::everything());
        }
        let hit = |key: &&String| selectors.iter().any(|selector| selects(selector, key));
        let expected: Vec<String> = self.model.held.keys().filter(hit).cloned().collect();
        let answer = self.client.drop_all(selectors.clone()).await;
        self.trace.push(format!("invalidate {selectors:?}: {}", answer.matched_count));
        if self.may_evict {
            assert!(answer.matched_count <= expected.len() as u64, "{selectors:?}; {}", self.tail());
        } else {
            assert_eq!(answer.matched_count, expected.len() as u64, "{selectors:?}; {}", self.tail());
        }
        for key in expected {
            self.model.remove(&key, MissReason::Invalidated);
        }
    }

    /// What must hold after every step.
    async fn check(&mut self, entries_max: u64, bytes_max: u64) {
        let total = self.client.count("").await.total.unwrap();
        assert!(total.entry_count <= entries_max, "{} entries; {}", total.entry_count, self.tail());
        assert!(total.charged_bytes <= bytes_max, "{} bytes; {}", total.charged_bytes, self.tail());
        if self.may_evict {
            assert!(total.entry_count <= self.model.held.len() as u64, "{}", self.tail());
        } else {
            let model = (self.model.held.len() as u64, self.model.charged());
            assert_eq!((total.entry_count, total.charged_bytes), model, "{}", self.tail());
        }
    }

    /// The last steps, for a failure's message.
    fn tail(&self) -> String {
        let from = self.trace.len().saturating_sub(8);
        format!("step {} of:\n  {}", self.trace.len(), self.trace[from..].join("\n  "))
    }
}

async fn run(seed: u64, steps: usize) -> Vec<String> {
    Box::pin(run_inline(seed, steps)).await
}

async fn run_inline(seed: u64, steps: usize) -> Vec<String> {
    let mut run = Run::new(seed, Local::start().await, false).await;
    for _ in 0..steps {
        run.step().await;
        run.check(1_000_000, 256 << 20).await;
    }
    run.trace
}

#[tokio::test]
async fn ten_thousand_random_operations_agree_with_the_model() {
    let trace = run(20_261_121, 10_000).await;
    for word in ["Hit", "Stale", "Negative", "Refreshed", "PreconditionFailed", "Expired", "Invalidated"] {
        assert!(trace.iter().any(|step| step.contains(word)), "no step met {word}");
    }
}

#[tokio::test]
async fn the_same_seed_gives_the_same_trace() {
    assert_eq!(run(7, 600).await, run(7, 600).await);
    assert_ne!(run(8, 50).await, run(9, 50).await);
}

#[tokio::test]
async fn limits_hold_after_every_step_and_nothing_wrong_is_served() {
    let (entries, bytes) = (8, 2 << 10);
    for (seed, policy) in [(1, "lru"), (2, "lru"), (3, "cost_aware")] {
        let server = Local::with(|settings| {
            settings.memory.policy = policy.to_owned();
            let own = crate::harness::namespace(settings, "default");
            own.entries_max = Some(entries);
            own.bytes_max = Some(bytes);
        })
        .await;
        let mut run = Run::new(seed, server, true).await;
        for _ in 0..1000 {
            run.step().await;
            run.check(entries as u64, bytes as u64).await;
        }
        let said = if policy == "lru" { "Evicted" } else { "NotAdmitted" };
        assert!(run.trace.iter().any(|step| step.contains(said)), "the limits were met");
    }
}
