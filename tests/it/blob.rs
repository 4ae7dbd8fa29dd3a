//! Words to speak the BlobService in tests: uploads in pieces, whole reads, and values that tell whose they are. Starts
//! nothing.

use std::net::SocketAddr;

use bytes::Bytes;
use futures::stream;
use hotplate_proto::v1::{
    self, blob_service_client::BlobServiceClient, read_value_response, write_value_request::Message,
};
use tokio::{sync::mpsc, task::JoinSet};
use tonic::{Response, Status, Streaming, transport::Channel};

use crate::{
    harness::channel,
    wire::{put, within},
};

/// A client of the service.
pub(crate) type Blobs = BlobServiceClient<Channel>;

/// A client of a plaintext port, without limits of its own.
pub(crate) async fn blobs(grpc: SocketAddr) -> Blobs {
    let client = BlobServiceClient::new(channel(grpc).await);
    client.max_decoding_message_size(usize::MAX).max_encoding_message_size(usize::MAX)
}

/// A message of a WriteValue.
pub(crate) fn said(message: Message) -> v1::WriteValueRequest {
    v1::WriteValueRequest { message: Some(message) }
}

/// The header of an upload that begins.
pub(crate) fn header(id: &str, key: &str) -> v1::WriteValueHeader {
    let put = v1::PutRequest { payload: None, ..put(key, "") };
    v1::WriteValueHeader { upload_id: id.to_owned(), put: Some(put), ..Default::default() }
}

/// A chunk at an offset, with its checksum.
pub(crate) fn chunk(offset: u64, data: &[u8]) -> Message {
    Message::Chunk(v1::ValueChunk { offset, crc32c: crc32c::crc32c(data), data: Bytes::copy_from_slice(data) })
}

/// The finish of so many bytes.
pub(crate) fn finish(size_bytes: u64) -> Message {
    Message::Finish(v1::WriteValueFinish { size_bytes, ..Default::default() })
}

/// The messages of a value in these pieces, from the header on to its finish.
pub(crate) fn messages(header: v1::WriteValueHeader, pieces: &[&[u8]]) -> Vec<v1::WriteValueRequest> {
    let mut offset = header.write_offset;
    let mut all = vec![said(Message::Header(header))];
    for piece in pieces {
        all.push(said(chunk(offset, piece)));
        offset += piece.len() as u64;
    }
    all.push(said(finish(offset)));
    all
}

/// Sends these messages and the end of the request.
pub(crate) async fn send(
    blobs: &mut Blobs,
    messages: Vec<v1::WriteValueRequest>,
) -> Result<v1::WriteValueResponse, Status> {
    let answer = blobs.write_value(stream::iter(messages));
    within("an upload", answer).await.map(Response::into_inner)
}

/// Uploads a value in these pieces.
pub(crate) async fn upload(blobs: &mut Blobs, id: &str, key: &str, pieces: &[&[u8]]) -> v1::WriteValueResponse {
    send(blobs, messages(header(id, key), pieces)).await.expect("the upload is taken")
}

/// An upload whose messages are sent one by one.
pub(crate) struct Writing {
    pub(crate) messages: mpsc::Sender<v1::WriteValueRequest>,
    call: JoinSet<Result<v1::WriteValueResponse, Status>>,
}

impl Writing {
    /// Begins it.
    pub(crate) async fn begin(blobs: &Blobs, header: v1::WriteValueHeader) -> Self {
        let (messages, sent) = mpsc::channel(1);
        let mut blobs = blobs.clone();
        let mut call = JoinSet::new();
        call.spawn(async move {
            let sent = stream::unfold(sent, async |mut sent| sent.recv().await.map(|message| (message, sent)));
            blobs.write_value(sent).await.map(Response::into_inner)
        });
        let writing = Self { messages, call };
        writing.say(Message::Header(header)).await;
        writing
    }

    /// Sends one message.
    pub(crate) async fn say(&self, message: Message) {
        // A stream that was refused already tells so in its answer.
        let _ = within("a message", self.messages.send(said(message))).await;
    }

    /// Sends a last message, ends the request and waits for the answer.
    pub(crate) async fn said(self, message: Message) -> Result<v1::WriteValueResponse, Status> {
        self.say(message).await;
        self.ended().await
    }

    /// Ends the request, and waits for the answer.
    pub(crate) async fn ended(self) -> Result<v1::WriteValueResponse, Status> {
        let Self { messages, mut call } = self;
        drop(messages);
        within("the answer", call.join_next()).await.expect("there is a call").expect("which does not panic")
    }

    /// Waits for the answer with the request left open.
    pub(crate) async fn answered(self) -> Result<v1::WriteValueResponse, Status> {
        let Self { messages: _open, mut call } = self;
        within("the answer", call.join_next()).await.expect("there is a call").expect("which does not panic")
    }

    /// Breaks the stream off.
    pub(crate) async fn cut(mut self) {
        self.call.shutdown().await;
    }
}

/// What a reader was sent.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) header: v1::ReadValueHeader,
    pub(crate) chunks: Vec<Bytes>,
    pub(crate) trailer: Option<v1::ReadValueTrailer>,
}

impl Read {
    /// All bytes.
    pub(crate) fn data(&self) -> Vec<u8> {
        self.chunks.concat()
    }

    pub(crate) fn outcome(&self) -> v1::GetOutcome {
        self.header.found.as_ref().expect("a header says what was found").outcome()
    }
}

/// Reading of a key from its begin on.
pub(crate) fn read(key: &str) -> v1::ReadValueRequest {
    v1::ReadValueRequest { key: key.to_owned(), ..Default::default() }
}

/// Reads to the end, and checks every chunk.
pub(crate) async fn read_all(blobs: &mut Blobs, request: v1::ReadValueRequest) -> Result<Read, Status> {
    let offset = request.read_offset;
    let mut stream = within("a read", blobs.read_value(request)).await?.into_inner();
    rest(&mut stream, offset).await
}

/// Reads what is left of a stream, whose next byte is at an offset.
pub(crate) async fn rest(stream: &mut Streaming<v1::ReadValueResponse>, offset: u64) -> Result<Read, Status> {
    let mut read = Read::default();
    let mut at = offset;
    while let Some(message) = within("a message", stream.message()).await? {
        assert!(read.trailer.is_none(), "nothing follows a trailer");
        match message.message.expect("a message says what it is") {
            read_value_response::Message::Header(header) => read.header = header,
            read_value_response::Message::Chunk(chunk) => {
                assert_eq!(chunk.offset, at, "chunks come in order and without gaps");
                assert_eq!(chunk.crc32c, crc32c::crc32c(&chunk.data));
                at += chunk.data.len() as u64;
                read.chunks.push(chunk.data);
            }
            read_value_response::Message::Trailer(trailer) => read.trailer = Some(trailer),
        }
    }
    Ok(read)
}

/// Bytes that tell their place in the value and whose they are.
pub(crate) fn pattern(whose: u8, size: usize) -> Vec<u8> {
    let word =
        |number: usize| ((number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(whose) << 56).to_le_bytes();
    (0..size.div_ceil(8)).flat_map(word).take(size).collect()
}

/// An id that no other upload of a test has.
pub(crate) fn id(number: u64) -> String {
    format!("upload-of-a-test-{number:08}")
}

/// Numbers in an order that only the seed decides.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// One below an end.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        usize::try_from((mixed ^ (mixed >> 27)) % end as u64).unwrap()
    }
}
