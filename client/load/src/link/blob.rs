//! Values as streams of chunks: `ReadValue` and `WriteValue`, over HTTP/2 by hand.

use std::future::poll_fn;

use bytes::{BufMut, Bytes, BytesMut};
use h2::SendStream;
use hotplate_proto::v1::{self, read_value_response::Message as Part, write_value_request::Message as Send};
use http::Request;
use prost::Message;

use crate::{
    content::{Checker, Content},
    failure::Failure,
    link::{
        Common, Driver, Fault, OneByOne, Share,
        codec::{PREFIX, Requests, frame, put_number},
        intake::{Came, Intake},
        unary::{lanes, written},
        wire::{Calls, code, fault, message, status},
    },
    plan::{Check, Server},
    task::Tasks,
    work::{Op, Outcome},
};

/// `WriteValueRequest.chunk`, and the fields of a `ValueChunk`, as their tags are written.
const CHUNK: u8 = 2 << 3 | 2;
const OFFSET: u8 = 1 << 3;
const CRC32C: u8 = 2 << 3 | 5;
const DATA: u8 = 3 << 3 | 2;

/// Calls `ReadValue` and `WriteValue`.
#[derive(Clone, Debug)]
pub(crate) struct Blob {
    pub(crate) common: Common,
    pub(crate) server: Server,
}

/// One lane of it.
pub(crate) struct BlobLink {
    driver: Blob,
    calls: Calls,
    read: Request<()>,
    write: Request<()>,
    requests: Requests,
    checker: Checker,
}

impl Driver for Blob {
    type Link = BlobLink;

    async fn open(&self, share: Share, tasks: &Tasks) -> Result<Vec<BlobLink>, Failure> {
        let link = |calls: Calls| {
            Ok(BlobLink {
                read: calls.head("/hotplate.v1.BlobService/ReadValue")?,
                write: calls.head("/hotplate.v1.BlobService/WriteValue")?,
                requests: Requests::new(self.common.clone(), &self.server.namespace),
                checker: self.common.checker(),
                driver: self.clone(),
                calls,
            })
        };
        lanes(&self.server, &self.common, share, tasks).await?.into_iter().map(link).collect()
    }
}

impl OneByOne for BlobLink {
    fn calls(&mut self) -> &mut Calls {
        &mut self.calls
    }

    async fn read(&mut self, op: &Op) -> Result<Outcome, Fault> {
        let common = &self.driver.common;
        let request = v1::ReadValueRequest {
            namespace: self.driver.server.namespace.clone(),
            key: common.key(op.key),
            chunk_bytes_max: common.plan.http2.chunk,
            ..Default::default()
        };
        let mut body = BytesMut::new();
        frame(&request, &mut body);
        let (response, mut stream) = self.calls.start(&self.read).await?;
        stream.send_data(body.freeze(), true).map_err(fault)?;
        let response = response.await.map_err(fault)?;
        status(response.status(), response.headers())?;
        let looks = self.checker.looks();
        let mut value = Reading::new(*op, looks, common.plan.check != Check::Length);
        let (mut intake, mut body) = (Intake::default(), response.into_body());
        while let Some(data) = body.data().await {
            let data = data.map_err(fault)?;
            body.flow_control().release_capacity(data.len()).map_err(fault)?;
            intake.add(data);
            while let Some(came) = intake.next()? {
                value.take(came, &common.content);
            }
        }
        code(&body.trailers().await.map_err(fault)?.unwrap_or_default())?;
        Ok(value.outcome())
    }

    async fn write(&mut self, op: &Op) -> Result<Outcome, Fault> {
        let (response, mut stream) = self.calls.start(&self.write).await?;
        let sent = self.send(op, &mut stream).await;
        // A server that refuses says why in its answer, and takes no more: that answer is the better one.
        let response = response.await.map_err(fault)?;
        status(response.status(), response.headers())?;
        let answer = message(response.into_body(), &mut BytesMut::new()).await?;
        sent?;
        let answer = answer.get(PREFIX..).unwrap_or_default();
        let put = v1::WriteValueResponse::decode(answer).map_err(|_wrong| Fault::said("MALFORMED"))?.put;
        Ok(put.map_or(Outcome::Wrong("NOT_STORED"), |put| written(op, put.outcome.unsigned_abs().into())))
    }
}

impl BlobLink {
    async fn send(&self, op: &Op, stream: &mut SendStream<Bytes>) -> Result<(), Fault> {
        let mut out = BytesMut::new();
        let header = v1::WriteValueHeader {
            upload_id: format!("bench-{:032x}", rand::random::<u128>()),
            put: Some(v1::PutRequest { payload: None, ..self.requests.put(&op.sized(0)) }),
            size_bytes: op.size,
            write_offset: 0,
        };
        frame(&v1::WriteValueRequest { message: Some(Send::Header(header)) }, &mut out);
        let mut offset = 0;
        while offset < op.size {
            let common = &self.driver.common;
            let length = (op.size - offset).min(common.plan.http2.chunk.into());
            let data = common.content.piece(op.key, offset, usize::try_from(length).unwrap_or_default());
            chunk_head(offset, &data, &mut out);
            send(stream, out.split().freeze()).await?;
            send(stream, data).await?;
            offset += length;
        }
        let finish = v1::WriteValueFinish { size_bytes: op.size, ..Default::default() };
        frame(&v1::WriteValueRequest { message: Some(Send::Finish(finish)) }, &mut out);
        send(stream, out.freeze()).await?;
        stream.send_data(Bytes::new(), true).map_err(fault)
    }
}

/// What comes before a chunk's bytes, so that those need not be copied.
fn chunk_head(offset: u64, data: &[u8], out: &mut BytesMut) {
    let mut chunk = BytesMut::with_capacity(32);
    chunk.put_u8(OFFSET);
    put_number(offset, &mut chunk);
    chunk.put_u8(CRC32C);
    chunk.put_u32_le(crc32c::crc32c(data));
    chunk.put_u8(DATA);
    put_number(data.len() as u64, &mut chunk);
    let mut whole = BytesMut::with_capacity(16);
    whole.put_u8(CHUNK);
    put_number((chunk.len() + data.len()) as u64, &mut whole);
    out.put_u8(0);
    out.put_u32(u32::try_from(whole.len() + chunk.len() + data.len()).unwrap_or(u32::MAX));
    out.extend_from_slice(&whole);
    out.extend_from_slice(&chunk);
}

/// Sends as fast as the server takes it, and holds no more than that.
async fn send(stream: &mut SendStream<Bytes>, mut bytes: Bytes) -> Result<(), Fault> {
    while !bytes.is_empty() {
        stream.reserve_capacity(bytes.len());
        let room = poll_fn(|context| stream.poll_capacity(context)).await;
        let room = room.ok_or(Fault::said("STREAM_ENDED"))?.map_err(fault)?;
        stream.send_data(bytes.split_to(room.min(bytes.len())), false).map_err(fault)?;
    }
    Ok(())
}

/// A value as it is read.
#[derive(Debug)]
struct Reading {
    op: Op,
    /// Whether every byte is looked at.
    looks: bool,
    /// Whether checksums are.
    sums: bool,
    outcome: i32,
    size: u64,
    came: u64,
    /// The checksum that the chunk should have, that it has so far, and how many bytes of it are missing.
    chunk: (u32, u32, usize),
    ended: bool,
    wrong: Option<&'static str>,
}

impl Reading {
    fn new(op: Op, looks: bool, sums: bool) -> Self {
        Self { op, looks, sums, outcome: 0, size: 0, came: 0, chunk: (0, 0, 0), ended: false, wrong: None }
    }

    fn take(&mut self, came: Came, content: &Content) {
        match came {
            Came::Part(part) => self.part(*part, content),
            Came::Chunk { offset, length, crc32c } => self.begin(offset, length, crc32c),
            Came::Bytes(bytes) => self.bytes(&bytes, content),
        }
    }

    fn part(&mut self, part: Part, content: &Content) {
        match part {
            Part::Header(header) => {
                self.outcome = header.found.map_or(0, |found| found.outcome);
                self.size = header.size_bytes;
            }
            Part::Chunk(chunk) => {
                self.begin(chunk.offset, chunk.data.len(), chunk.crc32c);
                self.bytes(&chunk.data, content);
            }
            Part::Trailer(trailer) => self.ended = trailer.size_bytes == self.came,
        }
    }

    fn begin(&mut self, offset: u64, length: usize, crc32c: u32) {
        if offset != self.came {
            self.wrong = Some("WRONG_OFFSET");
        }
        self.chunk = (crc32c, 0, length);
    }

    fn bytes(&mut self, bytes: &[u8], content: &Content) {
        if self.looks && !content.is(self.op.key, self.came, bytes) {
            self.wrong = Some("WRONG_CONTENT");
        }
        self.came += bytes.len() as u64;
        let (expected, sum, left) = &mut self.chunk;
        *left -= bytes.len();
        if self.sums {
            *sum = crc32c::crc32c_append(*sum, bytes);
            if *left == 0 && sum != expected {
                self.wrong = Some("WRONG_CHECKSUM");
            }
        }
    }

    fn outcome(&self) -> Outcome {
        match v1::GetOutcome::try_from(self.outcome) {
            Ok(v1::GetOutcome::Miss) => Outcome::Miss,
            Ok(v1::GetOutcome::Hit) => match self.wrong {
                Some(wrong) => Outcome::Wrong(wrong),
                None if !self.ended => Outcome::Wrong("CUT_SHORT"),
                None if !Checker::fits(&self.op, self.came) || self.size != self.came => Outcome::Wrong("WRONG_LENGTH"),
                None => Outcome::Hit(self.came),
            },
            _ => Outcome::Wrong("OTHER_OUTCOME"),
        }
    }
}
