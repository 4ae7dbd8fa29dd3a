//! Large values for a while: writers, readers, followers and slow readers of values of all sizes on one server, cut at random,
//! while what the process takes is watched. Some seconds as a test; `cargo x soak blobs` for minutes, with values of a GiB.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use hotplate_engine::clock::{Clock, Moment};
use hotplate_proto::v1::{self, read_value_response::Message};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::json;
use tokio::task::JoinSet;
use tonic::{Status, Streaming, transport::Endpoint};
use tonic_types::StatusExt as _;

use crate::{
    blob::*,
    harness::{Server, Setup},
    wire::*,
};

const MIB: u64 = 1 << 20;
/// Keys that all of them share.
const KEYS: u64 = 16;
/// Who reads so slowly that it takes all time there is.
const SLOW: usize = 24;
/// Refusals that belong to being cut, overtaken, replaced and out of room.
const EXPECTED: [&str; 8] = [
    "NOT_ADMITTED",
    "VERSION_GONE",
    "BAD_OFFSET",
    "UPLOAD_UNKNOWN",
    "UPLOAD_TAKEN_OVER",
    "UPLOAD_STALLED",
    "OVERLOADED",
    "TOO_MANY_UPLOADS",
];

/// How long, and how large.
#[derive(Clone, Copy)]
struct Scale {
    time: Duration,
    memory: u64,
    sending: u64,
    /// The largest value of the mixture.
    largest: u64,
    /// A value that only the slow read.
    giant: u64,
}

/// As the surroundings say: some seconds, or minutes with all that is large.
fn scale() -> Scale {
    #[expect(clippy::disallowed_methods, reason = "a test has no configuration")]
    let minutes = std::env::var("HOTPLATE_SOAK_MINUTES").ok();
    match minutes {
        None => Scale {
            time: Duration::from_secs(6),
            memory: 96 * MIB,
            sending: 8 * MIB,
            largest: 6 * MIB,
            giant: 24 * MIB,
        },
        Some(minutes) => Scale {
            time: Duration::from_secs_f64(60.0 * minutes.parse::<f64>().unwrap()),
            memory: 3072 * MIB,
            sending: 64 * MIB,
            largest: 96 * MIB,
            giant: 1024 * MIB,
        },
    }
}

/// What was done, and seen.
#[derive(Debug, Default)]
struct Tally {
    stored: AtomicU64,
    refused: AtomicU64,
    read: AtomicU64,
    followed: AtomicU64,
    gone: AtomicU64,
    cuts: AtomicU64,
    written_bytes: AtomicU64,
    read_bytes: AtomicU64,
    highest: AtomicU64,
}

/// What everybody works with.
struct Soak {
    server: Server,
    scale: Scale,
    tally: Tally,
    over: AtomicBool,
    clock: Clock,
    begun: Moment,
}

/// Bytes of a value of this writer, as [`pattern`] has them.
fn piece(whose: u8, at: Range<u64>) -> Vec<u8> {
    let first = at.start / 8;
    let word = |number: u64| (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(whose) << 56).to_le_bytes();
    let words = (first..at.end.div_ceil(8)).flat_map(word);
    let skipped = usize::try_from(at.start - first * 8).unwrap();
    words.skip(skipped).take(usize::try_from(at.end - at.start).unwrap()).collect()
}

/// Whether a refusal belongs to what is done here. Who is cut off hears no reason.
fn expected(status: &Status) -> bool {
    let reason = status.get_error_details().error_info().map(|info| info.reason.clone());
    reason.is_none_or(|reason| EXPECTED.contains(&reason.as_str()))
}

impl Soak {
    fn goes_on(&self) -> bool {
        !self.over.load(Relaxed)
    }

    /// Bytes of memory that there may be of it: what is configured, a chunk for whoever is served now, and what an allocator
    /// and a program need besides.
    fn bound(&self) -> u64 {
        let Scale { memory, sending, .. } = self.scale;
        let streams = (SLOW as u64 + 16) * MIB;
        (memory + 2 * sending + streams) * 5 / 4 + 64 * MIB
    }

    /// Looks at what the process takes.
    fn look(&self) -> u64 {
        let bytes = self.server.resident_bytes();
        self.tally.highest.fetch_max(bytes, Relaxed);
        assert!(bytes <= self.bound(), "{} MiB, and {} are allowed", bytes / MIB, self.bound() / MIB);
        bytes
    }

    async fn blobs(&self) -> Blobs {
        blobs(self.server.grpc).await
    }

    /// Uploads a value, broken off now and then; ends when it is stored, or refused.
    async fn write(&self, blobs: &mut Blobs, (id, key): (&str, &str), value: (u8, u64), random: &mut StdRng) {
        let ((whose, size), mut at) = (value, 0);
        while self.goes_on() {
            let begun = v1::WriteValueHeader { write_offset: at, size_bytes: size, ..header(id, key) };
            let writing = Writing::begin(blobs, begun).await;
            let breaks = random.random_range(0..4) == 0 && at + 8 < size;
            let until = if breaks { random.random_range(at + 8..=size) } else { size };
            while at < until {
                let end = until.min(at + random.random_range(8..=MIB));
                writing.say(chunk(at, &piece(whose, at..end))).await;
                at = end;
            }
            let answer = if breaks {
                self.tally.cuts.fetch_add(1, Relaxed);
                writing.cut().await;
                None
            } else {
                Some(writing.said(finish(size)).await)
            };
            if let Some(Ok(v1::WriteValueResponse { put: Some(_), .. })) = answer {
                self.tally.stored.fetch_add(1, Relaxed);
                self.tally.written_bytes.fetch_add(size, Relaxed);
                return;
            }
            if let Some(Err(status)) = &answer {
                assert!(expected(status), "{status:?}");
            }
            let asked = v1::QueryWriteRequest { upload_id: id.to_owned(), ..Default::default() };
            match blobs.query_write(asked).await {
                Ok(known) => at = known.into_inner().received_bytes,
                Err(status) => {
                    assert!(expected(&status), "{status:?}");
                    self.tally.refused.fetch_add(1, Relaxed);
                    return;
                }
            }
        }
    }

    async fn writes(self: Arc<Self>, whose: u8) {
        let (mut blobs, mut random) = (self.blobs().await, StdRng::seed_from_u64(u64::from(whose)));
        let mut number = 0;
        while self.goes_on() {
            number += 1;
            // As many of each power of two.
            let most = (100 << random.random_range(0..=20_u64)).min(self.scale.largest);
            let size = random.random_range(100..=most.max(101));
            let key = format!("k{}", random.random_range(0..KEYS));
            let id = id(u64::from(whose) << 32 | number);
            self.write(&mut blobs, (&id, &key), (whose, size), &mut random).await;
        }
    }

    /// Takes what comes of a stream and looks at every byte; the version and the next byte, and whether that was the end.
    async fn take(
        &self,
        stream: &mut Streaming<v1::ReadValueResponse>,
        (whose, mut at): (&mut Option<u8>, u64),
        (messages, pause): (u64, Duration),
    ) -> (Option<String>, u64, bool) {
        let mut version = None;
        for _ in 0..messages {
            let message = match within("a message", stream.message()).await {
                Ok(Some(message)) => message.message.unwrap(),
                Ok(None) => return (version, at, true),
                Err(status) => {
                    assert!(expected(&status), "{status:?}");
                    self.tally.gone.fetch_add(1, Relaxed);
                    return (None, at, true);
                }
            };
            match message {
                Message::Header(header) => version = Some(header.version).filter(|version| !version.is_empty()),
                Message::Chunk(chunk) => {
                    let writer = *whose.get_or_insert_with(|| chunk.data[7]);
                    let end = at + chunk.data.len() as u64;
                    assert!(chunk.offset == at && chunk.data == piece(writer, at..end), "bytes of one value, in order");
                    self.tally.read_bytes.fetch_add(end - at, Relaxed);
                    at = end;
                }
                Message::Trailer(_) => {}
            }
            tokio::time::sleep(pause).await;
        }
        (version, at, false)
    }

    /// Reads a key to its end, over streams that break off now and then.
    async fn read(&self, blobs: &mut Blobs, mut asked: v1::ReadValueRequest, random: &mut StdRng) {
        let (mut whose, mut at, follows) = (None, 0, asked.follow);
        while self.goes_on() {
            asked.read_offset = at;
            let mut stream = match blobs.read_value(asked.clone()).await {
                Ok(stream) => stream.into_inner(),
                Err(status) => {
                    assert!(expected(&status), "{status:?}");
                    self.tally.gone.fetch_add(1, Relaxed);
                    return;
                }
            };
            let messages = random.random_range(1..200);
            let (version, next, ended) = self.take(&mut stream, (&mut whose, at), (messages, Duration::ZERO)).await;
            at = next;
            if let Some(version) = version {
                asked.version = version;
            }
            if ended || asked.version.is_empty() {
                self.tally.followed.fetch_add(u64::from(ended && follows), Relaxed);
                self.tally.read.fetch_add(u64::from(ended && !follows), Relaxed);
                return;
            }
            self.tally.cuts.fetch_add(1, Relaxed);
        }
    }

    async fn reads(self: Arc<Self>, number: u64, follow: bool) {
        let (mut blobs, mut random) = (self.blobs().await, StdRng::seed_from_u64(number));
        while self.goes_on() {
            let key = format!("k{}", random.random_range(0..KEYS));
            self.read(&mut blobs, v1::ReadValueRequest { follow, ..read(&key) }, &mut random).await;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Reads the large value so slowly that it takes all time there is; ended from outside.
    async fn dawdles(self: Arc<Self>, number: u64) {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.server.grpc)).unwrap();
        let channel = endpoint.initial_stream_window_size(65_535).connect().await.unwrap();
        let client = v1::blob_service_client::BlobServiceClient::new(channel);
        let mut client = client.max_decoding_message_size(usize::MAX);
        let pace = (u64::MAX, Duration::from_millis(500 + number));
        while self.goes_on() {
            let asked = v1::ReadValueRequest { chunk_bytes_max: 64 << 10, ..read("giant") };
            let mut stream = client.read_value(asked).await.unwrap().into_inner();
            self.take(&mut stream, (&mut Some(255), 0), pace).await;
            tokio::time::sleep(pace.1).await;
        }
    }

    async fn invalidates(self: Arc<Self>) {
        let (mut client, mut random) = (self.server.client().await, StdRng::seed_from_u64(99));
        while self.goes_on() {
            client.drop_all(vec![select::key(&format!("k{}", random.random_range(0..KEYS)))]).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Watches until the time is over.
    #[expect(clippy::print_stderr, reason = "whoever runs it for minutes sees that it goes on")]
    async fn watch(&self) {
        let mut told = Duration::ZERO;
        loop {
            let passed = self.clock.now().since(self.begun);
            let bytes = self.look();
            if passed >= told + Duration::from_secs(5) {
                told = passed;
                eprintln!("{:>5} s  {:>6} MiB  {:?}", passed.as_secs(), bytes / MIB, self.tally);
            }
            if passed >= self.scale.time && (self.shows() || passed >= self.scale.time + PATIENCE) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Whether enough was done for the run to show something: a busy machine needs longer for that.
    fn shows(&self) -> bool {
        let Tally { stored, read, cuts, .. } = &self.tally;
        [stored, read, cuts].iter().all(|count| count.load(Relaxed) > 0)
    }

    async fn held(&self, what: &str) -> u64 {
        let page = reqwest::get(format!("http://{}/metrics", self.server.http)).await.unwrap().text().await.unwrap();
        let name = format!("hotplate_ledger_bytes{{use=\"{what}\"}} ");
        page.lines().find_map(|line| line.strip_prefix(&name)).expect("the metric is told").parse().unwrap()
    }

    fn report(&self) -> serde_json::Value {
        let count = |count: &AtomicU64| count.load(Relaxed);
        let tally = &self.tally;
        json!({
            "seconds": self.clock.now().since(self.begun).as_secs_f64(),
            "stored": count(&tally.stored),
            "refused": count(&tally.refused),
            "read": count(&tally.read),
            "followed": count(&tally.followed),
            "gone": count(&tally.gone),
            "cuts": count(&tally.cuts),
            "written_bytes": count(&tally.written_bytes),
            "read_bytes": count(&tally.read_bytes),
            "resident_bytes_highest": count(&tally.highest),
            "resident_bytes_bound": self.bound(),
        })
    }
}

/// A server of this scale, with the large value in it.
async fn start(scale: Scale) -> Arc<Soak> {
    let config = format!(
        "memory.bytes_max = {}\nlimits.value_bytes_max = {}\nledger.sending_bytes_max = {sending}\n\
         ledger.requests_bytes_max = {sending}\nuploads.expire_after = \"2s\"\n",
        scale.memory,
        scale.giant,
        sending = scale.sending,
    );
    let server = Setup::default().config(&config).spawn();
    let clock = Clock::system();
    let begun = clock.now();
    let soak = Soak { server, scale, tally: Tally::default(), over: AtomicBool::new(false), clock, begun };
    let blobs = soak.blobs().await;
    let begun = v1::WriteValueHeader { size_bytes: scale.giant, ..header(&id(1), "giant") };
    let writing = Writing::begin(&blobs, begun).await;
    for at in (0..scale.giant).step_by(1 << 20) {
        writing.say(chunk(at, &piece(255, at..scale.giant.min(at + MIB)))).await;
    }
    writing.said(finish(scale.giant)).await.expect("it is stored");
    Arc::new(soak)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_of_all_sizes_come_and_go_in_bounded_memory() {
    let soak = start(scale()).await;
    let before = soak.look();
    let mut slow = JoinSet::new();
    for number in 0..SLOW as u64 {
        slow.spawn(Arc::clone(&soak).dawdles(number));
    }
    until(
        "some bytes of each were read",
        || async { soak.tally.read_bytes.load(Relaxed) },
        |bytes| *bytes >= (SLOW as u64) << 16,
    )
    .await;
    let (held, after) = (soak.held("sending").await, soak.look());
    assert!(held <= (SLOW as u64) << 18, "{held}: more than a slice each");
    assert!(after <= before + ((SLOW as u64) << 19) + 16 * MIB, "{before} and {after}: what lies there is not copied");

    let mut all = JoinSet::new();
    for whose in 1..=3 {
        all.spawn(Arc::clone(&soak).writes(whose));
        all.spawn(Arc::clone(&soak).reads(u64::from(whose), false));
    }
    all.spawn(Arc::clone(&soak).reads(77, true));
    all.spawn(Arc::clone(&soak).invalidates());
    soak.watch().await;
    soak.over.store(true, Relaxed);
    slow.shutdown().await;
    while let Some(ended) = within("the end of all", all.join_next()).await {
        ended.unwrap();
    }
    until("nobody holds anything", || soak.held("sending"), |bytes| *bytes == 0).await;
    until("unfinished uploads are given up", || soak.held("uploads"), |bytes| *bytes == 0).await;
    let report = soak.report();
    assert!(soak.shows(), "{report}");
    #[expect(clippy::disallowed_methods, reason = "a test has no configuration")]
    if let Ok(path) = std::env::var("HOTPLATE_SOAK_REPORT") {
        std::fs::write(path, report.to_string()).unwrap();
    }
}
