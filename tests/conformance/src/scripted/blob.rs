//! `BlobService` from a script: a value that is sent as a line says, also damaged or cut, and uploads that are kept and may be
//! broken off. What is kept of uploads is what was proved whole, chunk by chunk.

use std::{collections::BTreeMap, pin::Pin};

use futures::{Stream, StreamExt};
use hotplate_proto::v1::{self, blob_service_server::BlobService, read_value_response, write_value_request};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tonic::{Request, Response, Status, Streaming};

use super::{Plays, facts::Facts, line, plain};
use crate::fill;

/// Bytes of a chunk that is sent, unless a line says otherwise.
const CHUNK_BYTES: u64 = 64 << 10;

/// What was received, by the upload's id.
#[derive(Debug, Default)]
pub(super) struct Uploads {
    under_way: BTreeMap<String, Vec<u8>>,
    /// How large those were that are finished.
    finished: BTreeMap<String, u64>,
}

impl Uploads {
    fn of(&mut self, id: &str) -> &mut Vec<u8> {
        self.under_way.entry(id.to_owned()).or_default()
    }
}

fn absent<T>() -> Result<T, Status> {
    Err(Status::unimplemented("the script has no line for this"))
}

type Reading = Result<v1::ReadValueResponse, Status>;

fn message(message: read_value_response::Message) -> Reading {
    Ok(v1::ReadValueResponse { message: Some(message) })
}

/// All messages of a read: `{bytes, seed, version, chunk_bytes}`, and what is wrong with it: `damaged` and `gap` name a chunk,
/// counted from the first of this stream; after `ends` chunks comes the failure `then`; `crc32c: wrong` and `size_bytes` are
/// said at the end.
fn reading(request: &v1::ReadValueRequest, answer: &Value) -> Result<Vec<Reading>, String> {
    let number = |name: &str| answer[name].as_u64();
    let value = fill::bytes(number("bytes").ok_or("a ReadValue answers so many `bytes`")?, number("seed").unwrap_or(0));
    let size_bytes = value.len() as u64;
    let version = answer["version"].as_str().unwrap_or("scripted").to_owned();
    let stands = v1::entry::Payload::Large(v1::LargeValue { size_bytes });
    let of = json!({ "etag": version, "content_type": "application/octet-stream" });
    let header = v1::ReadValueHeader {
        found: Some(plain::found(v1::GetOutcome::Hit, stands, &of)),
        version: version.clone(),
        size_bytes,
    };
    let mut messages = vec![message(read_value_response::Message::Header(header))];
    let (mut offset, chunk_bytes) = (request.read_offset.min(size_bytes), number("chunk_bytes").unwrap_or(CHUNK_BYTES));
    for place in 0.. {
        if number("ends") == Some(place) {
            messages.push(Err(line::status(&answer["then"])?));
            return Ok(messages);
        }
        if offset == size_bytes {
            break;
        }
        let end = size_bytes.min(offset + chunk_bytes);
        let data = &value[usize::try_from(offset).unwrap_or(0)..usize::try_from(end).unwrap_or(0)];
        let crc32c = crc32c::crc32c(data) ^ u32::from(number("damaged") == Some(place));
        let chunk = v1::ValueChunk { offset, crc32c, data: data.to_vec().into() };
        if number("gap") != Some(place) {
            messages.push(message(read_value_response::Message::Chunk(chunk)));
        }
        offset = end;
    }
    let trailer = v1::ReadValueTrailer {
        size_bytes: number("size_bytes").unwrap_or(size_bytes),
        crc32c: crc32c::crc32c(&value) ^ u32::from(answer["crc32c"] == "wrong"),
        digest: Vec::new().into(),
        etag: version,
    };
    messages.push(message(read_value_response::Message::Trailer(trailer)));
    Ok(messages)
}

impl Plays {
    /// Takes an upload: `{takes, then}` fails it with `then` when it took so many chunks, `{then}` when it was finished, of which
    /// its writer hears nothing. `seen: Stored` tells what was finished.
    async fn takes(&self, mut messages: Streaming<v1::WriteValueRequest>) -> Result<v1::WriteValueResponse, Status> {
        let first = messages.next().await.transpose()?.and_then(|first| first.message);
        let Some(write_value_request::Message::Header(header)) = first else {
            return Err(Status::invalid_argument("an upload begins with its header"));
        };
        let answer = self.told("WriteValue", header.facts()).await?.answer;
        let has = |uploads: &mut Uploads| uploads.of(&header.upload_id).len() as u64;
        let had = has(&mut self.0.uploads.lock());
        if header.write_offset != had {
            return Err(Status::out_of_range(format!("it goes on at {} and {had} are there", header.write_offset)));
        }
        let mut left = answer["takes"].as_u64();
        while let Some(next) = messages.next().await.transpose()? {
            if left == Some(0) {
                return Err(line::status(&answer["then"]).map_err(Status::internal)?);
            }
            match next.message {
                Some(write_value_request::Message::Chunk(chunk)) => self.keep(&header.upload_id, &chunk)?,
                Some(write_value_request::Message::Finish(finish)) => {
                    let stored = self.finish(&header, &finish)?;
                    return match answer.get("then") {
                        Some(then) => Err(line::status(then).map_err(Status::internal)?),
                        None => Ok(stored),
                    };
                }
                _ => return Err(Status::invalid_argument("a chunk or the finish is to come")),
            }
            left = left.map(|left| left - 1);
        }
        let received_bytes = has(&mut self.0.uploads.lock());
        Ok(v1::WriteValueResponse { received_bytes, put: None })
    }

    fn keep(&self, upload: &str, chunk: &v1::ValueChunk) -> Result<(), Status> {
        let mut uploads = self.0.uploads.lock();
        let kept = uploads.of(upload);
        if chunk.offset != kept.len() as u64 || chunk.crc32c != crc32c::crc32c(&chunk.data) {
            return Err(Status::data_loss("a chunk came damaged, or out of its order"));
        }
        kept.extend_from_slice(&chunk.data);
        Ok(())
    }

    fn finish(
        &self,
        header: &v1::WriteValueHeader,
        finish: &v1::WriteValueFinish,
    ) -> Result<v1::WriteValueResponse, Status> {
        let value = std::mem::take(self.0.uploads.lock().of(&header.upload_id));
        let received_bytes = value.len() as u64;
        if finish.size_bytes != received_bytes || finish.crc32c.is_some_and(|sum| sum != crc32c::crc32c(&value)) {
            return Err(Status::data_loss("what was finished is not what was received"));
        }
        self.0.uploads.lock().finished.insert(header.upload_id.clone(), received_bytes);
        let key = header.put.as_ref().map(|put| &put.key);
        let sha256 = hex::encode(Sha256::digest(&value));
        self.0.saw("Stored", json!({ "key": key, "bytes": received_bytes, "sha256": sha256 }));
        Ok(v1::WriteValueResponse { received_bytes, put: Some(plain::put(&Value::Null)) })
    }
}

#[tonic::async_trait]
impl BlobService for Plays {
    type ReadValueStream = Pin<Box<dyn Stream<Item = Reading> + Send>>;

    async fn read_value(
        &self,
        request: Request<v1::ReadValueRequest>,
    ) -> Result<Response<Self::ReadValueStream>, Status> {
        let (request, line) = self.begin("ReadValue", request).await?;
        if line.answer.is_null() {
            return absent();
        }
        let messages = reading(&request, &line.answer).map_err(Status::internal)?;
        Ok(Response::new(Box::pin(futures::stream::iter(messages))))
    }

    async fn write_value(
        &self,
        request: Request<Streaming<v1::WriteValueRequest>>,
    ) -> Result<Response<v1::WriteValueResponse>, Status> {
        self.takes(request.into_inner()).await.map(Response::new)
    }

    async fn query_write(
        &self,
        request: Request<v1::QueryWriteRequest>,
    ) -> Result<Response<v1::QueryWriteResponse>, Status> {
        let (request, _) = self.begin("QueryWrite", request).await?;
        let uploads = self.0.uploads.lock();
        let (finished, kept) = (uploads.finished.get(&request.upload_id), uploads.under_way.get(&request.upload_id));
        let answer = |received_bytes, put| Ok(Response::new(v1::QueryWriteResponse { received_bytes, put }));
        match (finished, kept) {
            (Some(received), _) => answer(*received, Some(plain::put(&Value::Null))),
            (None, Some(kept)) => answer(kept.len() as u64, None),
            (None, None) => Err(line::status(&json!({ "status": "NOT_FOUND", "reason": "UPLOAD_UNKNOWN" }))
                .unwrap_or_else(Status::internal)),
        }
    }
}
