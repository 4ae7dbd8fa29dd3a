//! The rule against an oracle: a server of a few keys, a stream that is cut, lags, loses history or another epoch, answers
//! that overtake each other, and this client's own writes, whose end it may never hear of; in any order, by seed.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use super::{answer, core, log, position, read, wire};
use crate::{
    NearOptions,
    near::{
        core::{Asked, Confirmation, Core, stamp_of},
        kept::Kept,
        selects::Set,
    },
    v1::{self, watch_response::Message},
};

const KEYS: [&str; 4] = ["a", "b", "c", "d"];
const SILENCE: Duration = Duration::from_secs(3);
const STEPS: usize = 160;
const SEEDS: u64 = 1_500;

/// The generator of Steele, Lea and Flood, enough to choose steps.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }
}

#[derive(Clone, Debug, PartialEq)]
enum What {
    Key(usize),
    Tag,
    All,
}

/// One change on the server. `order` counts over all epochs: values are named by the order in which they came to be.
#[derive(Clone, Debug)]
struct Changed {
    order: u64,
    what: What,
    own: bool,
    log: u32,
    number: u64,
    after: [u64; 65],
}

#[derive(Default)]
struct Server {
    epoch: u64,
    order: u64,
    /// Per key: the order in which its value came to be, and whether it has the tag.
    values: [Option<(u64, bool)>; KEYS.len()],
    history: Vec<Changed>,
    floor: usize,
}

struct Stream {
    cursor: usize,
    excluding: bool,
    begun: bool,
    continued: bool,
    /// Messages on their way, with the token after each and what they tell.
    wire: VecDeque<(Message, usize, Option<Changed>)>,
}

/// A write of this client.
struct Write {
    what: What,
    put: bool,
    executed: Option<u64>,
    /// Nobody waits for its end any more.
    given_up: bool,
}

struct World {
    dice: Dice,
    core: Arc<Core>,
    now: Duration,
    server: Server,
    stream: Option<Stream>,
    heard: Duration,
    token: Option<(u64, usize)>,
    asked: Vec<(Asked, usize)>,
    answers: Vec<(Asked, usize, v1::GetResponse)>,
    suspects: Vec<(Asked, Arc<Kept>, Option<Confirmation>)>,
    writes: Vec<Write>,
    /// Per key: the newest change that the client knows of, by its stream or as an answer to its own write.
    known: [u64; KEYS.len()],
    served: u64,
}

fn covers(what: &What, key: usize, tagged: bool) -> bool {
    match what {
        What::Key(own) => *own == key,
        What::Tag => tagged,
        What::All => true,
    }
}

fn selector(what: &What) -> v1::Selector {
    use v1::selector::Selector;
    let selector = match what {
        What::Key(key) => Selector::Key(KEYS[*key].to_owned()),
        What::Tag => Selector::Tag("t".to_owned()),
        What::All => Selector::Everything(true),
    };
    v1::Selector { selector: Some(selector) }
}

/// Two keys share a log.
fn log_of(what: &What) -> u32 {
    match what {
        What::Key(key) => u32::try_from(key % 2).expect("a log"),
        What::Tag | What::All => super::SETS,
    }
}

impl Server {
    fn numbers(&self, cursor: usize) -> [u64; 65] {
        cursor.checked_sub(1).map_or([0; 65], |last| self.history[last].after)
    }

    fn place(&self, cursor: usize) -> v1::Position {
        let numbers = self.numbers(cursor);
        position(self.epoch, |log| numbers[log as usize])
    }

    fn change(&mut self, what: &What, put: bool, own: bool, tagged: bool) -> u64 {
        self.order += 1;
        let log = log_of(what);
        let mut after = self.numbers(self.history.len());
        after[log as usize] += 1;
        for (key, value) in self.values.iter_mut().enumerate() {
            if value.is_some_and(|(_, tagged)| covers(what, key, tagged)) {
                *value = None;
            }
        }
        if let (What::Key(key), true) = (what, put) {
            self.values[*key] = Some((self.order, tagged));
        }
        let number = after[log as usize];
        self.history.push(Changed { order: self.order, what: what.clone(), own, log, number, after });
        self.order
    }

    fn answer(&self, key: usize) -> Option<v1::GetResponse> {
        let (order, tagged) = self.values[key]?;
        let numbers = self.numbers(self.history.len());
        let of_key = log_of(&What::Key(key));
        let as_of = [log(of_key, self.epoch, numbers[of_key as usize]), log(super::SETS, self.epoch, numbers[64])];
        let metadata = v1::EntryMetadata {
            fresh_for: wire(Duration::from_secs(600)),
            tags: if tagged { vec!["t".to_owned()] } else { Vec::new() },
            etag: order.to_string(),
            ..v1::EntryMetadata::default()
        };
        Some(answer(&format!("{order} {tagged}"), as_of, metadata))
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let options = NearOptions::new().progress_max(SILENCE).ttl_max(Duration::from_secs(3_600));
        Self {
            dice: Dice(seed),
            core: core(options, 6),
            now: Duration::from_secs(1_000),
            server: Server { epoch: 1, ..Server::default() },
            stream: None,
            heard: Duration::ZERO,
            token: None,
            asked: Vec::new(),
            answers: Vec::new(),
            suspects: Vec::new(),
            writes: Vec::new(),
            known: [0; KEYS.len()],
            served: 0,
        }
    }

    fn some_set(&mut self) -> What {
        match self.dice.below(22) {
            0 | 1 => What::Tag,
            20 | 21 => What::All,
            key => What::Key(usize::try_from(key % 4).expect("a key")),
        }
    }

    fn step(&mut self) {
        match self.dice.below(40) {
            0 | 1 => self.other_writes(),
            2..=8 => self.ask(),
            9..=15 => self.server_answers(),
            16..=22 => self.answer_arrives(),
            23..=27 => self.send(),
            28..=32 => self.deliver(),
            33 => self.cut(),
            34 if self.stream.is_none() || self.dice.below(8) == 0 => self.open(),
            35 => self.begin_write(),
            36 => self.execute_write(),
            37 => self.end_write(),
            38 => self.now += Duration::from_millis(self.dice.below(900)),
            39 => self.revalidate(),
            _ => self.trim_or_restart(),
        }
        self.check();
    }

    fn other_writes(&mut self) {
        let (what, put, tagged) = (self.some_set(), self.dice.below(3) > 0, self.dice.below(2) == 0);
        self.server.change(&what, put, false, tagged);
    }

    fn ask(&mut self) {
        let key = usize::try_from(self.dice.below(KEYS.len() as u64)).expect("a key");
        self.asked.push((self.core.ask(self.now), key));
    }

    fn server_answers(&mut self) {
        let Some(place) = self.one_of(self.asked.len()) else { return };
        let (asked, key) = self.asked.swap_remove(place);
        self.answers.extend(self.server.answer(key).map(|response| (asked, key, response)));
    }

    fn answer_arrives(&mut self) {
        let Some(place) = self.one_of(self.answers.len()) else { return };
        let (asked, key, response) = self.answers.swap_remove(place);
        self.core.offer(asked, KEYS[key], &response);
    }

    fn one_of(&mut self, count: usize) -> Option<usize> {
        (count > 0).then(|| usize::try_from(self.dice.below(count as u64)).expect("a place"))
    }

    /// The server puts the next message of the stream on its way.
    fn send(&mut self) {
        let Some(stream) = &mut self.stream else { return };
        let server = &self.server;
        if !stream.begun {
            stream.begun = true;
            let created = v1::WatchCreated { position: Some(server.place(stream.cursor)), watch_id: String::new() };
            stream.wire.push_back((Message::Created(created), stream.cursor, None));
            return;
        }
        if stream.cursor < server.floor {
            stream.cursor = server.history.len();
            let reason = v1::DiscontinuityReason::HistoryTrimmed.into();
            let lost = v1::WatchDiscontinuity { reason, position: Some(server.place(stream.cursor)) };
            stream.wire.push_back((Message::Discontinuity(lost), stream.cursor, None));
            return;
        }
        while let Some(change) = server.history.get(stream.cursor) {
            stream.cursor += 1;
            if !(change.own && stream.excluding) {
                stream.wire.push_back((event(server.epoch, change), stream.cursor, Some(change.clone())));
                return;
            }
        }
        let progress = v1::WatchProgress { position: Some(server.place(stream.cursor)), closing: false };
        stream.wire.push_back((Message::Progress(progress), stream.cursor, None));
    }

    /// The next message arrives.
    fn deliver(&mut self) {
        let Some(stream) = &mut self.stream else { return };
        let Some((message, cursor, change)) = stream.wire.pop_front() else { return };
        if self.core.take(&message, stream.continued, self.now).is_err() {
            self.open();
            return;
        }
        self.heard = self.now;
        self.token = Some((self.server.epoch, cursor));
        if let Some(change) = change {
            self.learn(&change.what, change.order);
        }
    }

    /// From now on the client knows of a change. A tag covers what had it, which its values tell.
    fn learn(&mut self, what: &What, order: u64) {
        for (key, known) in self.known.iter_mut().enumerate() {
            if *what != What::Tag && covers(what, key, false) {
                *known = order.max(*known);
            }
        }
    }

    fn cut(&mut self) {
        if self.dice.below(3) == 0 && self.stream.take().is_some() {
            self.core.lost();
        }
    }

    fn open(&mut self) {
        let opening = self.core.opening();
        let server = &self.server;
        let place = self.token.filter(|(epoch, _)| *epoch == server.epoch).map(|(_, cursor)| cursor);
        self.stream = Some(Stream {
            cursor: place.unwrap_or(server.history.len()),
            excluding: !opening.hears_own,
            begun: false,
            continued: self.token.is_some(),
            wire: VecDeque::new(),
        });
    }

    fn begin_write(&mut self) {
        let what = self.some_set();
        self.core.wrote(&[Set::of(&selector(&what))]);
        let put = self.dice.below(2) == 0;
        self.writes.push(Write { what, put, executed: None, given_up: false });
    }

    fn execute_write(&mut self) {
        let Some(place) = self.one_of(self.writes.len()) else { return };
        let tagged = self.dice.below(2) == 0;
        let write = &mut self.writes[place];
        if write.executed.is_none() {
            write.executed = Some(self.server.change(&write.what, write.put, true, tagged));
        }
    }

    /// A write is answered, or given up: then the server may still carry it out.
    fn end_write(&mut self) {
        let Some(place) = self.one_of(self.writes.len()) else { return };
        let sets = [Set::of(&selector(&self.writes[place].what))];
        let answered = self.writes[place].executed.filter(|_| self.dice.below(4) > 0);
        if let Some(order) = answered {
            let write = self.writes.swap_remove(place);
            if !write.given_up {
                self.core.wrote(&sets);
                self.learn(&write.what, order);
            }
        } else if !std::mem::replace(&mut self.writes[place].given_up, true) {
            let reopen = self.core.may_have_written(&sets);
            if reopen && self.dice.below(2) == 0 {
                self.open();
            }
        }
    }

    fn revalidate(&mut self) {
        let (asked, suspects) = self.core.suspects(10, self.now);
        for suspect in suspects {
            let key = KEYS.iter().position(|key| **key == *suspect.content.key).expect("a key");
            let answer = self.server.answer(key);
            let same = answer.filter(|answer| *etag(answer) == *suspect.content.etag);
            let confirmed = same.and_then(|answer| stamp_of(answer.as_of.as_ref())).map(|stamp| {
                let fresh_for = Duration::from_secs(600);
                Confirmation { stamp, fresh_for, usable_for: fresh_for }
            });
            self.suspects.push((asked, suspect, confirmed));
        }
        if let Some(place) = self.one_of(self.suspects.len()) {
            let (asked, suspect, confirmed) = self.suspects.swap_remove(place);
            self.core.confirm(asked, &suspect, confirmed);
        }
    }

    fn trim_or_restart(&mut self) {
        match self.dice.below(40) {
            0 => {
                let order = self.server.order + 1;
                self.server = Server { epoch: self.server.epoch + 1, order, ..Server::default() };
                self.writes.retain(|write| write.executed.is_none());
                self.asked.clear();
                if self.stream.take().is_some() {
                    self.core.lost();
                }
            }
            1..=4 => self.server.floor = self.server.history.len(),
            _ => {}
        }
    }

    /// Nothing is served that the client knows to be over, nor when it has not heard of the server.
    fn check(&mut self) {
        for (key, name) in KEYS.iter().enumerate() {
            let Some(value) = read(&self.core, name, self.now) else { continue };
            self.served += 1;
            let order: u64 = value.split(' ').next().and_then(|order| order.parse().ok()).expect("an order");
            assert!(self.stream.is_some(), "served without a stream");
            assert!(self.now - self.heard < SILENCE, "served after a silence");
            assert!(order >= self.known[key], "served {value}, known to be over since {}", self.known[key]);
        }
    }

    /// All that is on its way arrives; then what is served is what the server has.
    fn settle(&mut self) {
        while !self.writes.is_empty() {
            self.execute_write();
            self.end_write();
        }
        while !self.asked.is_empty() {
            self.server_answers();
        }
        if self.stream.is_none() {
            self.open();
        }
        // Enough for everything on its way, twice, when the stream is opened again once.
        for _ in 0..4 * (self.server.history.len() + 4) {
            self.send();
            self.deliver();
        }
        while !self.answers.is_empty() {
            self.answer_arrives();
        }
        for (key, name) in KEYS.iter().enumerate() {
            let served = read(&self.core, name, self.now);
            let there = self.server.values[key].map(|(order, tagged)| format!("{order} {tagged}"));
            assert!(served.is_none() || served == there, "serves {served:?}, the server has {there:?}");
        }
    }
}

fn etag(answer: &v1::GetResponse) -> &str {
    let metadata = answer.entry.as_ref().and_then(|entry| entry.metadata.as_ref());
    metadata.map(|metadata| metadata.etag.as_str()).unwrap_or_default()
}

fn event(epoch: u64, change: &Changed) -> Message {
    let (key, selector, kind) = match &change.what {
        What::Key(key) => (KEYS[*key].to_owned(), None, v1::EventType::Put),
        set => (String::new(), Some(selector(set)), v1::EventType::SetInvalidated),
    };
    let position = Some(log(change.log, epoch, change.number));
    let event = v1::WatchEvent { r#type: kind.into(), key, selector, position, ..v1::WatchEvent::default() };
    Message::Events(v1::WatchEvents { events: vec![event] })
}

#[test]
fn nothing_is_served_that_is_known_to_be_over_and_all_agrees_when_all_has_arrived() {
    let mut served = 0;
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            (0..STEPS).for_each(|_| world.step());
            world.settle();
            (0..STEPS).for_each(|_| world.step());
            world.settle();
            world.served
        }));
        served += run.unwrap_or_else(|_| panic!("seed {seed}"));
    }
    assert!(served > 50_000, "only {served} reads were served: the steps do not reach what is to be shown");
}
