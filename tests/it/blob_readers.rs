//! Readers of large values that are slow, silent or cut, and those that meet a large value where they asked for a small one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hotplate_faultproxy::{End, Faults, Proxy, Way};
use hotplate_proto::v1::{
    self, EventType, GetOutcome, batch_get_result::Result as Item, pipeline_operation::Operation,
    pipeline_result::Result as Said,
};
use tokio::task::JoinSet;
use tonic::{Code, Streaming, transport::Endpoint};

use crate::{
    blob::*,
    follower::Follower,
    harness::{Local, Server},
    raw::{Raw, RawCall},
    reflection::grpcurl,
    wire::*,
};

const MIB: usize = 1 << 20;

/// Bytes that are held now, by what for.
async fn held(server: &Local, what: &str) -> u64 {
    let page = reqwest::get(format!("http://{}/metrics", server.http)).await.unwrap().text().await.unwrap();
    let name = format!("hotplate_ledger_bytes{{use=\"{what}\"}} ");
    page.lines().find_map(|line| line.strip_prefix(&name)).expect("the metric is told").parse().unwrap()
}

/// So many streams of a key whose reader takes nothing beyond this window, over a connection each hundred.
async fn silent(server: &Local, (key, window): (&str, u32), count: usize) -> Vec<Streaming<v1::ReadValueResponse>> {
    let mut streams = Vec::new();
    for number in 0..count {
        if number % 100 == 0 {
            let endpoint = Endpoint::from_shared(format!("http://{}", server.grpc)).unwrap();
            let windows = endpoint.initial_stream_window_size(window).initial_connection_window_size(100 * window);
            streams.push((Vec::new(), windows.connect().await.unwrap()));
        }
        let (of_connection, channel) = streams.last_mut().unwrap();
        let client = v1::blob_service_client::BlobServiceClient::new(channel.clone());
        let mut client = client.max_decoding_message_size(usize::MAX);
        of_connection.push(within("a stream", client.read_value(read(key))).await.unwrap().into_inner());
    }
    streams.into_iter().flat_map(|(streams, _)| streams).collect()
}

/// A value of this many bytes under a key.
async fn stored(blobs: &mut Blobs, key: &str, size: usize) -> Vec<u8> {
    let value = pattern(key.as_bytes()[0], size);
    upload(blobs, &format!("{:0>16}", key), key, &value.chunks(MIB).collect::<Vec<_>>()).await;
    value
}

#[tokio::test]
async fn many_who_take_nothing_keep_nobody_out() {
    let server = Local::start().await;
    let mut blobs = blobs(server.grpc).await;
    let value = stored(&mut blobs, "k", 8 * MIB).await;
    let one_piece = pattern(7, MIB);
    server.client().await.store(put("whole", &one_piece)).await;
    let _silent = (silent(&server, ("k", 1 << 20), 300).await, silent(&server, ("whole", 1 << 19), 150).await);
    // Time stands still: nobody is ended for what it does not take.
    assert!(read_all(&mut blobs, read("k")).await.unwrap().data() == value);
    assert!(read_all(&mut blobs, read("whole")).await.unwrap().data() == one_piece);
    let bytes = held(&server, "sending").await;
    assert!(bytes > 0 && bytes < 64 << 20, "{bytes}: room is left");
}

#[tokio::test]
async fn where_no_room_is_left_who_takes_nothing_is_ended_in_a_bounded_time() {
    let server = Local::with(|settings| settings.ledger.sending_bytes_max = 1 << 20).await;
    let mut blobs = blobs(server.grpc).await;
    let value = stored(&mut blobs, "k", 2 * MIB).await;
    let mut silent = stalled(&server, ("k", 65_535), 200).await;
    until("all room is taken", || held(&server, "sending"), |bytes| *bytes >= 1 << 20).await;
    // Time stands still: a connection has a little room that is its own.
    assert!(read_all(&mut blobs, read("k")).await.unwrap().data() == value);
    let (mut passed, with_room) = (Duration::ZERO, (1 << 20) / SLICE);
    // As long as some find no room in the ledger, nor in the 64 KiB of their connection.
    while silent.open() > with_room + 8 {
        // Some of it is with who goes on once the others are gone.
        let settled = 200 - silent.open() + with_room / 4 * 3;
        until("the room is with who takes no more", async || silent.full(), |full| *full >= settled).await;
        let before = silent.open();
        server.advance(Duration::from_secs(3));
        passed += Duration::from_secs(3);
        assert!(
            passed < Duration::from_secs(15),
            "each time as many are ended as have room: most of 64 of two hundred"
        );
        silent.until_open(before - with_room / 4 * 3).await;
    }
    assert!(read_all(&mut blobs, read("k")).await.unwrap().data() == value);
    // Nobody, or hardly anybody, waits for the room of the others: those have all of the time.
    while silent.open() > 0 {
        let before = silent.open();
        until("one takes no more", async || silent.full(), |full| *full > 200 - before).await;
        server.advance(Duration::from_secs(30));
        silent.until_open(before - 1).await;
    }
    until("it is given back", || held(&server, "sending"), |bytes| *bytes == 0).await;
}

/// Bytes that a reader is handed at first.
const SLICE: usize = 16 << 10;

/// Readers that take nothing, as long as they are not ended.
pub(crate) struct Stalled {
    calls: JoinSet<(usize, Option<h2::Reason>)>,
    window: usize,
    /// How much has come over each.
    came: Vec<Arc<AtomicUsize>>,
    _connections: Vec<Raw>,
}

/// So many streams of a key whose reader takes nothing beyond this window, over a connection each hundred.
pub(crate) async fn stalled(server: &Local, (key, window): (&str, u32), count: usize) -> Stalled {
    let (mut connections, mut calls) = (Vec::new(), Vec::new());
    for number in 0..count {
        if number % 100 == 0 {
            connections.push(Raw::narrow(server.grpc, window).await);
        }
        let connection = connections.last_mut().unwrap();
        let mut call = connection.open_at("hotplate.v1.BlobService/ReadValue", &[]).await;
        call.finish(&read(key));
        calls.push(call);
    }
    Stalled::of(calls, window, connections)
}

impl Stalled {
    /// Readers of what these calls are answered over these connections, which take nothing beyond this window.
    pub(crate) fn of(asked: Vec<RawCall>, window: u32, connections: Vec<Raw>) -> Self {
        let (mut calls, mut came) = (JoinSet::new(), Vec::new());
        for call in asked {
            let bytes = Arc::new(AtomicUsize::new(0));
            came.push(Arc::clone(&bytes));
            let count = move |more| _ = bytes.fetch_add(more, Ordering::SeqCst);
            calls.spawn(async move { call.begun().await.cut(false, count).await });
        }
        Self { calls, window: window as usize, came, _connections: connections }
    }

    /// How many are not ended.
    fn open(&mut self) -> usize {
        while let Some(ended) = self.calls.try_join_next() {
            assert_eq!(ended.unwrap().1, Some(h2::Reason::CANCEL));
        }
        self.calls.len()
    }

    /// How many have taken all they take, or had when they were ended.
    pub(crate) fn full(&self) -> usize {
        self.came.iter().filter(|came| came.load(Ordering::SeqCst) == self.window).count()
    }

    /// Waits until no more than so many are open; each of the others was ended by the server.
    pub(crate) async fn until_open(&mut self, count: usize) {
        while self.open() > count {
            let (_, why) = within("an end", self.calls.join_next()).await.unwrap().unwrap();
            assert_eq!(why, Some(h2::Reason::CANCEL));
        }
    }
}

/// A reader of a key who has its header, and takes no more than a window of the rest for now.
async fn begun(server: &Local, key: &str) -> Streaming<v1::ReadValueResponse> {
    let endpoint = Endpoint::from_shared(format!("http://{}", server.grpc)).unwrap();
    let channel = endpoint.initial_stream_window_size(65_535).connect().await.unwrap();
    let client = v1::blob_service_client::BlobServiceClient::new(channel);
    let mut client = client.max_decoding_message_size(usize::MAX);
    let mut stream = client.read_value(read(key)).await.unwrap().into_inner();
    assert!(stream.message().await.unwrap().is_some(), "the header");
    stream
}

#[tokio::test]
async fn a_version_that_was_replaced_is_read_to_its_end_in_room_of_its_own() {
    let server = Local::with(|settings| settings.ledger.sending_bytes_max = 1 << 20).await;
    let (mut client, mut blobs) = (server.client().await, blobs(server.grpc).await);
    let (value, other) = (stored(&mut blobs, "a", 8 * MIB).await, stored(&mut blobs, "b", 5 * MIB).await);
    let mut streams = [begun(&server, "a").await, begun(&server, "b").await];
    client.store(put("a", "another")).await;
    client.drop_all(vec![select::key("b")]).await;
    until("both have room in memory", || held(&server, "uploads"), |bytes| *bytes >= 13 << 20).await;
    let again = rest(&mut streams[0], 0).await.unwrap();
    assert!(again.data() == value && again.trailer.is_some());
    assert!(rest(&mut streams[1], 0).await.unwrap().data() == other);
    until("it is given back", || held(&server, "uploads"), |bytes| *bytes == 0).await;
}

#[tokio::test]
async fn a_version_that_was_replaced_and_finds_no_room_ends_with_a_status() {
    let server = Local::with(|settings| {
        settings.ledger.sending_bytes_max = 1 << 20;
        settings.ledger.uploads_bytes_max = 10 << 20;
    });
    let server = server.await;
    let (mut client, mut blobs) = (server.client().await, blobs(server.grpc).await);
    stored(&mut blobs, "k", 8 * MIB).await;
    stored(&mut blobs, "older", 3 * MIB).await;
    let _older = begun(&server, "older").await;
    let mut stream = begun(&server, "k").await;
    let coming = Writing::begin(&blobs, header(&id(2), "other")).await;
    for number in 0..4 {
        coming.say(chunk(number * MIB as u64, &pattern(2, MIB))).await;
    }
    until("another has the room", || held(&server, "uploads"), |bytes| *bytes >= 4 << 20).await;
    client.store(put("k", "another")).await;
    client.store(put("older", "another")).await;
    // Newer readers are looked at first: when the older one's value has found its room the other's has found none.
    until("the other value has room", || held(&server, "uploads"), |bytes| *bytes >= 7 << 20).await;
    // The rest of a chunk that has begun is sent.
    let gone = rest(&mut stream, 0).await.unwrap_err();
    Failure::of(&gone).is(Code::Aborted, "VERSION_GONE");
    assert!(gone.message().contains("anew"), "{}", gone.message());
}

/// What one stream brings before its connection ends after so many bytes.
async fn part(proxy: &Proxy, request: v1::ReadValueRequest, cut: (u64, End), into: &mut Vec<u8>) -> String {
    proxy.set(Faults { down: Way { ends_after: Some(cut), ..Way::default() }, ..Faults::default() });
    let mut version = request.version.clone();
    let Ok(channel) = Endpoint::from_shared(format!("http://{}", proxy.address())).unwrap().connect().await else {
        return version;
    };
    let client = v1::blob_service_client::BlobServiceClient::new(channel);
    let Ok(answer) = client.max_decoding_message_size(usize::MAX).read_value(request).await else { return version };
    let mut stream = answer.into_inner();
    while let Ok(Some(message)) = within("a message", stream.message()).await {
        match message.message.unwrap() {
            v1::read_value_response::Message::Header(header) => version = header.version,
            v1::read_value_response::Message::Chunk(chunk) => {
                assert_eq!((chunk.offset, chunk.crc32c), (into.len() as u64, crc32c::crc32c(&chunk.data)));
                into.extend_from_slice(&chunk.data);
            }
            v1::read_value_response::Message::Trailer(_) => {}
        }
    }
    version
}

/// Reads a key over connections that end at random, as the seed says; what was read, and over how many.
async fn with_cuts(server: &Local, (key, size): (&str, usize), seed: u64) -> (Vec<u8>, u32) {
    let proxy = Proxy::start(server.grpc, seed).await.unwrap();
    let (mut random, mut got, mut version, mut cuts) = (Random(seed), Vec::new(), String::new(), 0);
    while got.len() < size {
        // Large enough for a chunk every now and then, small enough to end in its head as well.
        let most = 1 << (8 + random.below(13));
        let end = [End::Closed, End::Reset][random.below(2)];
        let read_offset = if version.is_empty() { 0 } else { got.len() as u64 };
        let asked =
            v1::ReadValueRequest { version: version.clone(), read_offset, chunk_bytes_max: 64 << 10, ..read(key) };
        version = part(&proxy, asked, (1 + random.below(most) as u64, end), &mut got).await;
        cuts += 1;
        assert!(cuts < 2000, "seed {seed}: {} bytes after {cuts} cuts", got.len());
    }
    (got, cuts)
}

#[tokio::test]
async fn a_download_cut_at_any_byte_goes_on_byte_for_byte() {
    let server = Local::start().await;
    let mut blobs = blobs(server.grpc).await;
    let value = stored(&mut blobs, "k", 5 * MIB + 3).await;
    for seed in 1..4 {
        let (got, cuts) = with_cuts(&server, ("k", value.len()), seed).await;
        assert!(got == value, "seed {seed}");
        assert!(cuts > 5, "seed {seed}: {cuts} cuts");
    }
}

fn size_of(answer: &v1::GetResponse) -> Option<u64> {
    match answer.entry.as_ref()?.payload.as_ref()? {
        v1::entry::Payload::Large(large) => Some(large.size_bytes),
        _ => None,
    }
}

#[tokio::test]
async fn a_large_value_is_met_as_large_wherever_small_ones_are_asked_for() {
    let server = Local::start().await;
    let (mut client, mut blobs) = (server.client().await, blobs(server.grpc).await);
    let watched = v1::WatchRequest { content: v1::WatchContent::Values.into(), ..watch(vec![]) };
    let mut follower = Follower::open(&mut client, watched).await;
    let size = 5 * MIB as u64;
    let value = stored(&mut blobs, "k", 5 * MIB).await;
    let event = follower.events(1).await.remove(0);
    assert_eq!(event.r#type(), EventType::Put);
    let payload = event.entry.as_ref().unwrap().payload.as_ref();
    assert!(matches!(payload, Some(v1::entry::Payload::Large(large)) if large.size_bytes == size), "{event:?}");

    let found = client.ask(get("k")).await;
    assert_eq!((found.outcome(), size_of(&found)), (GetOutcome::Hit, Some(size)));
    let version = facts_of(&found).etag.clone();
    let items = vec![get("k"), get("absent"), get("k")];
    let batch = v1::BatchGetRequest { items, ..Default::default() };
    let batch = client.batch_get(batch).await.unwrap().into_inner().results;
    let sizes: Vec<_> = batch
        .into_iter()
        .map(|result| match result.result {
            Some(Item::Response(answer)) => size_of(&answer),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(sizes, [Some(size), None, Some(size)]);

    let operation =
        v1::PipelineOperation { call_id: 7, operation: Some(Operation::Get(get("k"))), ..Default::default() };
    let request = v1::PipelineRequest { operations: vec![operation], ..Default::default() };
    let mut answers = client.pipeline(futures::stream::iter([request])).await.unwrap().into_inner();
    let result = within("an answer", answers.message()).await.unwrap().unwrap().results.remove(0);
    let Some(Said::Get(answer)) = result.result else { panic!("{result:?}") };
    assert_eq!((result.call_id, size_of(&answer)), (7, Some(size)));

    let of_that_etag = read_all(&mut blobs, v1::ReadValueRequest { version, ..read("k") }).await.unwrap();
    assert!(of_that_etag.data() == value, "what they name is read by that name");
}

#[tokio::test]
async fn grpcurl_reads_a_large_value() {
    let server = Server::start();
    let address = server.grpc.to_string();
    let mut blobs = blobs(server.grpc).await;
    let value = stored(&mut blobs, "k", 3 * MIB + 1).await;
    let read = tokio::task::spawn_blocking(move || {
        let body = r#"{"key": "k", "chunkBytesMax": 1000000}"#;
        grpcurl(&["-plaintext", "-max-msg-sz", "8000000", "-d", body, &address, "hotplate.v1.BlobService/ReadValue"])
    });
    let text = read.await.unwrap();
    let messages: Vec<serde_json::Value> =
        serde_json::Deserializer::from_str(&text).into_iter().collect::<Result<_, _>>().unwrap();
    let number = |value: &serde_json::Value| value.as_str().map_or(0, |text| text.parse::<u64>().unwrap());
    assert_eq!(messages[0]["header"]["found"]["outcome"], "GET_OUTCOME_HIT");
    assert_eq!(number(&messages[0]["header"]["sizeBytes"]), value.len() as u64);
    let (first, last) = (&messages[1]["chunk"], &messages[messages.len() - 1]["trailer"]);
    assert!(
        first["offset"].is_null() && first["data"].as_str().unwrap().len() > 1_300_000,
        "base64 of a million bytes"
    );
    assert_eq!(first["crc32c"].as_u64(), Some(u64::from(crc32c::crc32c(&value[..1_000_000]))));
    assert_eq!(number(&messages[2]["chunk"]["offset"]), 1_000_000);
    assert_eq!(number(&last["sizeBytes"]), value.len() as u64);
    assert_eq!(last["crc32c"].as_u64(), Some(u64::from(crc32c::crc32c(&value))));
}
