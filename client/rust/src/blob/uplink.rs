//! One upload's stream to the server, opened as often as it takes. What is sent, and what is kept to be sent again, is
//! its callers' business.

use std::{fmt, pin::pin};

use futures::future::BoxFuture;
use tokio::sync::mpsc;
use tonic::{Response, Status, transport::Channel};

use super::Failures;
use crate::{
    Calls, Error, ErrorKind, Result,
    tries::MESSAGE_BYTES_MAX,
    v1::{self, blob_service_client::BlobServiceClient, write_value_request::Message},
};

/// Chunks that wait for the network.
const CHUNKS_WAITING: usize = 2;
/// Failures at one server after which another is tried, where there is one: it has nothing of the upload.
pub(super) const FAILURES_PER_SERVER: u32 = 3;

pub(super) fn stub(channel: Channel) -> BlobServiceClient<Channel> {
    BlobServiceClient::new(channel)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX)
}

type Answer = BoxFuture<'static, Result<Response<v1::WriteValueResponse>, Status>>;

/// An upload.
pub(super) struct Uplink {
    pub(super) calls: Calls,
    header: v1::WriteValueHeader,
    turn: usize,
    open: Option<(mpsc::Sender<v1::WriteValueRequest>, Answer)>,
    pub(super) failures: Failures,
    /// The most the server is known to have had.
    most: u64,
}

/// Where an upload is after its stream broke.
pub(super) enum Recovered {
    /// It goes on at this byte.
    At(u64),
    /// It had been finished.
    Done(Box<v1::PutResponse>),
}

impl fmt::Debug for Uplink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Uplink").field("open", &self.open.is_some()).field("most", &self.most).finish_non_exhaustive()
    }
}

impl Uplink {
    /// An upload of what `put` says, without its payload. Opens nothing.
    pub(super) fn new(calls: &Calls, put: v1::PutRequest, size_bytes: Option<u64>) -> Self {
        let upload_id = hex::encode(rand::random::<[u8; 16]>());
        let put = Some(v1::PutRequest { payload: None, ..put });
        let header = v1::WriteValueHeader { upload_id, put, size_bytes: size_bytes.unwrap_or(0), write_offset: 0 };
        let (calls, turn) = (calls.clone(), calls.wire.pool.turn());
        Self { calls, header, turn, open: None, failures: Failures::default(), most: 0 }
    }

    /// Opens a stream that goes on at this byte.
    pub(super) async fn open(&mut self, write_offset: u64) -> Result<()> {
        let place = self.calls.wire.pool.for_transfer(self.turn);
        let (send, mut receive) = mpsc::channel(CHUNKS_WAITING);
        let messages = futures::stream::poll_fn(move |cx| receive.poll_recv(cx));
        let request = self.calls.request(messages);
        let answer: Answer = Box::pin(async move { stub(place.channel()).write_value(request).await });
        self.open = Some((send, answer));
        let header = v1::WriteValueHeader { write_offset, ..self.header.clone() };
        self.send(Message::Header(header)).await
    }

    /// Sends a message. Fails with what the server says when it ends the stream.
    pub(super) async fn send(&mut self, message: Message) -> Result<()> {
        let Some((send, answer)) = &mut self.open else { return Err(broken()) };
        let sent = async {
            let message = v1::WriteValueRequest { message: Some(message) };
            tokio::select! {
                biased;
                answered = answer => Err(answered.map_or_else(Error::from, |_early| broken())),
                sent = send.send(message) => sent.map_err(|_ended| broken()),
            }
        };
        let sent = self.calls.step(self.calls.bulk_time(), pin!(sent)).await.flatten();
        if sent.is_err() {
            self.open = None;
        }
        sent
    }

    /// Says that all was sent, ends the stream and waits for what the server makes of it.
    pub(super) async fn finish(&mut self, finish: v1::WriteValueFinish) -> Result<v1::PutResponse> {
        self.send(Message::Finish(finish)).await?;
        let Some((send, answer)) = self.open.take() else { return Err(broken()) };
        drop(send);
        let answered = self.calls.step(self.calls.bulk_time(), answer).await?.map_err(Error::from)?;
        answered.into_inner().put.ok_or_else(broken)
    }

    /// After a failure: waits, asks how much the server has, and answers where to go on.
    pub(super) async fn recover(&mut self, error: Error) -> Result<Recovered> {
        self.open = None;
        if is_unknown(&error) {
            return self.failures.count(error).map(|()| Recovered::At(0));
        }
        let mut error = error;
        loop {
            self.failures.pause(&self.calls, error).await?;
            if self.failures.0.is_multiple_of(FAILURES_PER_SERVER) {
                self.turn += 1;
            }
            match self.query().await {
                Ok(v1::QueryWriteResponse { put: Some(put), .. }) => return Ok(Recovered::Done(Box::new(put))),
                Ok(found) => {
                    self.has(found.received_bytes);
                    return Ok(Recovered::At(found.received_bytes));
                }
                // That it never heard of the upload is the same failure: what broke is counted.
                Err(failed) if is_unknown(&failed) => return Ok(Recovered::At(0)),
                Err(failed) => error = failed,
            }
        }
    }

    fn has(&mut self, received: u64) {
        if received > self.most {
            self.most = received;
            self.failures.progress();
        }
    }

    /// How much of the upload the server has.
    pub(super) async fn query(&mut self) -> Result<v1::QueryWriteResponse> {
        let place = self.calls.wire.pool.for_transfer(self.turn);
        let put = self.header.put.as_ref();
        let request = v1::QueryWriteRequest {
            namespace: put.map(|put| put.namespace.clone()).unwrap_or_default(),
            upload_id: self.header.upload_id.clone(),
        };
        let asked = stub(place.channel());
        let request = self.calls.request(request);
        let asked = pin!(async move { { asked }.query_write(request).await });
        let answered = self.calls.step(self.calls.time(), asked).await?;
        Ok(answered.map_err(Error::from)?.into_inner())
    }
}

/// Whether the server has nothing of the upload.
fn is_unknown(error: &Error) -> bool {
    error.reason.as_deref() == Some("UPLOAD_UNKNOWN")
}

fn broken() -> Error {
    Error::new(ErrorKind::Unavailable, "the upload's stream ended before it was finished")
}

/// The bytes of one chunk with what proves them.
pub(super) fn chunk(offset: u64, data: bytes::Bytes, crc32c: u32) -> Message {
    Message::Chunk(v1::ValueChunk { offset, crc32c, data })
}
