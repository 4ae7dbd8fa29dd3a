//! The double's BlobService: what each stream does is scripted, what was sent is kept. Values live apart from those of
//! the other service; a Get finds that they are large.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use futures::Stream;
use hotplate::v1::{
    self, blob_service_server::BlobService, read_value_response::Message as Sent, write_value_request::Message as Came,
};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_types::{ErrorDetails, StatusExt};

use crate::double::State;

/// How streams of the double go wrong.
#[derive(Default)]
pub(crate) struct Blobs {
    /// Bytes of a chunk that a server sends and takes; zero: no such service.
    pub(crate) chunk_bytes: AtomicUsize,
    /// Values by key, each with its version.
    pub(crate) values: Mutex<HashMap<String, (Bytes, String)>>,
    pub(crate) uploads: Mutex<HashMap<String, Upload>>,
    /// How often streams were opened for reading and writing.
    pub(crate) reads: Mutex<Vec<v1::ReadValueRequest>>,
    pub(crate) writes: Mutex<Vec<v1::WriteValueHeader>>,
    /// The next streams for reading end after so many bytes.
    pub(crate) cut_reads: Mutex<Vec<u64>>,
    /// The next streams for writing end after so many bytes: at zero, before anything is known of the upload; with their
    /// answer lost when that is `u64::MAX`.
    pub(crate) cut_writes: Mutex<Vec<u64>>,
    /// The next chunk that is read has another bit.
    pub(crate) flips: Mutex<bool>,
    /// Trailers tell another checksum than that of the value.
    pub(crate) wrong_sum: Mutex<bool>,
    /// Sizes of the chunks that came.
    pub(crate) pieces: Mutex<Vec<usize>>,
    pub(crate) tasks: TaskTracker,
}

/// An upload.
#[derive(Clone, Default)]
pub(crate) struct Upload {
    key: String,
    bytes: Vec<u8>,
    done: Option<v1::PutResponse>,
}

pub(crate) struct Service(pub(crate) Arc<State>);

pub(crate) fn refused(code: Code, reason: &str) -> Status {
    let details = ErrorDetails::with_error_info(reason, "hotplate", HashMap::new());
    Status::with_error_details(code, reason, details)
}

#[tonic::async_trait]
impl BlobService for Service {
    type ReadValueStream = Pin<Box<dyn Stream<Item = Result<v1::ReadValueResponse, Status>> + Send>>;

    async fn read_value(
        &self,
        request: Request<v1::ReadValueRequest>,
    ) -> Result<Response<Self::ReadValueStream>, Status> {
        let request = request.into_inner();
        let blobs = &self.0.blobs;
        blobs.reads.lock().push(request.clone());
        let found = blobs.values.lock().get(&request.key).cloned();
        let (send, mut receive) = mpsc::channel(4);
        let Some((value, version)) = found else {
            if !request.version.is_empty() {
                return Err(refused(Code::Aborted, "VERSION_GONE"));
            }
            let header = v1::ReadValueHeader { found: Some(missing()), ..Default::default() };
            let _open = send.try_send(Ok(message(Sent::Header(header))));
            return Ok(Response::new(Box::pin(futures::stream::poll_fn(move |cx| receive.poll_recv(cx)))));
        };
        if !request.version.is_empty() && request.version != version {
            return Err(refused(Code::Aborted, "VERSION_GONE"));
        }
        let cut = pop(&blobs.cut_reads);
        let state = Arc::clone(&self.0);
        blobs.tasks.spawn(async move { send_value(&state, &request, (value, version), cut, send).await });
        Ok(Response::new(Box::pin(futures::stream::poll_fn(move |cx| receive.poll_recv(cx)))))
    }

    async fn write_value(
        &self,
        request: Request<Streaming<v1::WriteValueRequest>>,
    ) -> Result<Response<v1::WriteValueResponse>, Status> {
        let (blobs, mut stream) = (&self.0.blobs, request.into_inner());
        let Some(Came::Header(header)) = next(&mut stream).await? else {
            return Err(refused(Code::InvalidArgument, "BAD_ARGUMENT"));
        };
        blobs.writes.lock().push(header.clone());
        let cut = pop(&blobs.cut_writes);
        if cut == Some(0) {
            return Err(Status::unavailable("cut"));
        }
        self.begin(&header)?;
        let mut came = 0;
        while let Some(message) = next(&mut stream).await? {
            match message {
                Came::Chunk(chunk) => {
                    came += chunk.data.len() as u64;
                    self.take(&header.upload_id, &chunk)?;
                }
                Came::Finish(finish) => {
                    let put = self.finish(&header, &finish)?;
                    if cut == Some(u64::MAX) {
                        return Err(Status::unavailable("the answer is lost"));
                    }
                    return Ok(Response::new(v1::WriteValueResponse { received_bytes: came, put: Some(put) }));
                }
                Came::Header(_) => return Err(refused(Code::InvalidArgument, "BAD_ARGUMENT")),
            }
            if cut.is_some_and(|cut| came >= cut) {
                return Err(Status::unavailable("cut"));
            }
        }
        Ok(Response::new(v1::WriteValueResponse { received_bytes: came, put: None }))
    }

    async fn query_write(
        &self,
        request: Request<v1::QueryWriteRequest>,
    ) -> Result<Response<v1::QueryWriteResponse>, Status> {
        let found = self.0.blobs.uploads.lock().get(&request.into_inner().upload_id).cloned();
        let upload = found.ok_or_else(|| refused(Code::NotFound, "UPLOAD_UNKNOWN"))?;
        let received_bytes = upload.bytes.len() as u64;
        Ok(Response::new(v1::QueryWriteResponse { received_bytes, put: upload.done }))
    }
}

impl Service {
    fn begin(&self, header: &v1::WriteValueHeader) -> Result<(), Status> {
        let mut uploads = self.0.blobs.uploads.lock();
        let key = header.put.as_ref().map(|put| put.key.clone()).unwrap_or_default();
        if header.write_offset == 0 {
            uploads.insert(header.upload_id.clone(), Upload { key, ..Upload::default() });
            return Ok(());
        }
        let upload = uploads.get(&header.upload_id).ok_or_else(|| refused(Code::NotFound, "UPLOAD_UNKNOWN"))?;
        match upload.bytes.len() as u64 == header.write_offset {
            true => Ok(()),
            false => Err(refused(Code::OutOfRange, "BAD_OFFSET")),
        }
    }

    fn take(&self, upload: &str, chunk: &v1::ValueChunk) -> Result<(), Status> {
        self.0.blobs.pieces.lock().push(chunk.data.len());
        let mut uploads = self.0.blobs.uploads.lock();
        let upload = uploads.get_mut(upload).ok_or_else(|| refused(Code::NotFound, "UPLOAD_UNKNOWN"))?;
        if chunk.offset != upload.bytes.len() as u64 {
            return Err(refused(Code::OutOfRange, "BAD_OFFSET"));
        }
        if crc32c::crc32c(&chunk.data) != chunk.crc32c {
            return Err(refused(Code::Aborted, "DIGEST_MISMATCH"));
        }
        upload.bytes.extend_from_slice(&chunk.data);
        Ok(())
    }

    fn finish(&self, header: &v1::WriteValueHeader, finish: &v1::WriteValueFinish) -> Result<v1::PutResponse, Status> {
        let mut uploads = self.0.blobs.uploads.lock();
        let upload = uploads.get_mut(&header.upload_id).ok_or_else(|| refused(Code::NotFound, "UPLOAD_UNKNOWN"))?;
        let whole = crc32c::crc32c(&upload.bytes);
        let size = upload.bytes.len() as u64;
        if finish.size_bytes != size || finish.crc32c.is_some_and(|said| said != whole) {
            return Err(refused(Code::InvalidArgument, "DIGEST_MISMATCH"));
        }
        let value = Bytes::from(upload.bytes.clone());
        let put = header.put.clone().unwrap_or_default();
        let payload = Some(v1::put_request::Payload::Value(Bytes::new()));
        let stored = self.0.store(v1::PutRequest { payload, ..put });
        let large = v1::entry::Payload::Large(v1::LargeValue { size_bytes: size });
        if let Some(entry) = self.0.entries.lock().get_mut(&upload.key) {
            entry.payload = Some(large);
        }
        self.0.blobs.values.lock().insert(upload.key.clone(), (value, "e1".to_owned()));
        upload.done = Some(stored.clone());
        Ok(stored)
    }
}

async fn next(stream: &mut Streaming<v1::WriteValueRequest>) -> Result<Option<Came>, Status> {
    Ok(stream.message().await?.and_then(|request| request.message))
}

async fn send_value(
    state: &State,
    request: &v1::ReadValueRequest,
    (value, version): (Bytes, String),
    cut: Option<u64>,
    send: mpsc::Sender<Result<v1::ReadValueResponse, Status>>,
) {
    let size_bytes = value.len() as u64;
    let get = v1::GetRequest { key: request.key.clone(), ..v1::GetRequest::default() };
    let header = v1::ReadValueHeader { found: Some(state.answer(&get)), version, size_bytes };
    let _gone = send.send(Ok(message(Sent::Header(header)))).await;
    let chunk_bytes = state.blobs.chunk_bytes.load(Ordering::Relaxed).max(1);
    let (mut at, mut sent) = (usize::try_from(request.read_offset).expect("small"), 0);
    let limit = usize::try_from(request.read_limit).expect("small");
    let end = if limit == 0 { value.len() } else { value.len().min(at + limit) };
    loop {
        if cut.is_some_and(|cut| sent >= cut) {
            let _gone = send.send(Err(Status::unavailable("cut"))).await;
            return;
        }
        if at == end {
            break;
        }
        let data = value.slice(at..end.min(at + chunk_bytes));
        let flip = u32::from(std::mem::take(&mut *state.blobs.flips.lock()));
        let chunk = v1::ValueChunk { offset: at as u64, crc32c: crc32c::crc32c(&data) ^ flip, data: data.clone() };
        (at, sent) = (at + data.len(), sent + data.len() as u64);
        if send.send(Ok(message(Sent::Chunk(chunk)))).await.is_err() {
            return;
        }
    }
    let crc32c = crc32c::crc32c(&value) ^ u32::from(*state.blobs.wrong_sum.lock());
    let trailer = v1::ReadValueTrailer { size_bytes, crc32c, ..v1::ReadValueTrailer::default() };
    let _gone = send.send(Ok(message(Sent::Trailer(trailer)))).await;
}

fn message(message: Sent) -> v1::ReadValueResponse {
    v1::ReadValueResponse { message: Some(message) }
}

fn missing() -> v1::GetResponse {
    v1::GetResponse {
        outcome: v1::GetOutcome::Miss.into(),
        miss_reason: v1::MissReason::NeverStored.into(),
        ..v1::GetResponse::default()
    }
}

fn pop(script: &Mutex<Vec<u64>>) -> Option<u64> {
    let mut script = script.lock();
    if script.is_empty() { None } else { Some(script.remove(0)) }
}
