//! Many operations a message over the `Pipeline` stream, by hand: each lane has a stream of its own and one message under way.

use bytes::{BufMut, Bytes, BytesMut};
use h2::{RecvStream, SendStream};
use hotplate_proto::v1;
use http::Request;
use prost::Message;

use crate::{
    failure::Failure,
    link::{
        Common, Driver, Fault, Link, Share,
        batch::finish,
        codec::{PREFIX, Requests, put_number},
        read::{Field, Fields, Malformed, get_response, put_response},
        unary::{Judge, lanes, written},
        wire::{Calls, code, fault, status, take_message},
    },
    plan::Server,
    task::Tasks,
    work::{Act, Op, Outcome},
};

/// Tags as they are written: `PipelineRequest.operations`, `PipelineOperation.call_id` and `.get`.
const OPERATIONS: u8 = 2 << 3 | 2;
const CALL_ID: u8 = 1 << 3;
const GET: u8 = 3 << 3 | 2;
/// Numbers of the fields of a `PipelineResult`.
const RESULT_GET: u64 = 2;
const RESULT_PUT: u64 = 3;
const RESULT_ERROR: u64 = 6;

/// Opens `Pipeline` streams.
#[derive(Clone, Debug)]
pub(crate) struct Pipeline {
    pub(crate) common: Common,
    pub(crate) server: Server,
}

/// One lane of it.
pub(crate) struct PipelineLink {
    calls: Calls,
    head: Request<()>,
    judge: Judge,
    requests: Requests,
    namespace: String,
    stream: Option<Stream>,
    /// Results as they came, by `call_id`.
    arrived: Vec<Option<Outcome>>,
}

/// Both ends of a stream, and what has arrived of its next message.
struct Stream {
    send: SendStream<Bytes>,
    receive: Receive,
    buffer: BytesMut,
}

/// The answer's head comes with its first message.
enum Receive {
    Head(h2::client::ResponseFuture),
    Body(RecvStream),
    Ended,
}

impl Driver for Pipeline {
    type Link = PipelineLink;

    async fn open(&self, share: Share, tasks: &Tasks) -> Result<Vec<PipelineLink>, Failure> {
        let link = |calls: Calls| {
            Ok(PipelineLink {
                head: calls.head("/hotplate.v1.CacheService/Pipeline")?,
                judge: Judge::new(&self.common),
                requests: Requests::new(self.common.clone(), &self.server.namespace),
                namespace: self.server.namespace.clone(),
                stream: None,
                arrived: Vec::new(),
                calls,
            })
        };
        lanes(&self.server, &self.common, share, tasks).await?.into_iter().map(link).collect()
    }
}

impl Link for PipelineLink {
    async fn call(&mut self, ops: &[Op], outcomes: &mut Vec<Outcome>) -> Result<(), Fault> {
        let called = self.carry(ops, outcomes).await;
        if called.is_err() {
            // Answers of this message may still come: they belong to a stream that is over.
            self.stream = None;
        }
        called
    }

    async fn mend(&mut self) {
        self.calls.mend().await;
    }
}

impl PipelineLink {
    async fn carry(&mut self, ops: &[Op], outcomes: &mut Vec<Outcome>) -> Result<(), Fault> {
        let body = self.message(ops);
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                let (response, send) = self.calls.start(&self.head).await?;
                Stream { send, receive: Receive::Head(response), buffer: BytesMut::new() }
            }
        };
        stream.send.send_data(body, false).map_err(fault)?;
        self.arrived.clear();
        self.arrived.resize(ops.len(), None);
        let mut missing = ops.len();
        while missing > 0 {
            let message = stream.next().await?;
            missing -= self.results(ops, &message).map_err(|Malformed| Fault::said("MALFORMED"))?;
        }
        outcomes.extend(self.arrived.iter().flatten());
        self.stream = Some(stream);
        Ok(())
    }

    fn message(&self, ops: &[Op]) -> Bytes {
        let get = self.requests.get_part_length();
        let mut body = BytesMut::with_capacity(PREFIX + self.namespace.len() + 8 + ops.len() * (get + 16));
        body.put_bytes(0, PREFIX);
        let head = v1::PipelineRequest { namespace: self.namespace.clone(), operations: Vec::new() };
        body.put_slice(&head.encode_to_vec());
        for (call_id, op) in ops.iter().enumerate() {
            body.put_u8(OPERATIONS);
            if op.act == Act::Read {
                let call_id = call_id as u64;
                let length = 1 + width(call_id) + 1 + width(get as u64) + get;
                put_number(length as u64, &mut body);
                body.put_u8(CALL_ID);
                put_number(call_id, &mut body);
                body.put_u8(GET);
                put_number(get as u64, &mut body);
                self.requests.get_part(op, &mut body);
            } else {
                let put = v1::pipeline_operation::Operation::Put(self.requests.put_part(op));
                let operation =
                    v1::PipelineOperation { call_id: call_id as u64, operation: Some(put), ..Default::default() };
                let encoded = operation.encode_to_vec();
                put_number(encoded.len() as u64, &mut body);
                body.put_slice(&encoded);
            }
        }
        finish(&mut body);
        body.freeze()
    }

    /// Takes note of the results of one message; answers how many.
    fn results(&mut self, ops: &[Op], message: &[u8]) -> Result<usize, Malformed> {
        let mut count = 0;
        for field in Fields::new(message) {
            let (1, Field::Bytes(result)) = field? else { continue };
            let (call_id, outcome) = self.result(ops, result)?;
            let place = self.arrived.get_mut(call_id).filter(|place| place.is_none()).ok_or(Malformed)?;
            *place = Some(outcome);
            count += 1;
        }
        if count == 0 { Err(Malformed) } else { Ok(count) }
    }

    fn result(&mut self, ops: &[Op], result: &[u8]) -> Result<(usize, Outcome), Malformed> {
        // The first call's id is zero, which protobuf leaves out.
        let mut call_id = 0;
        let mut answer = None;
        for field in Fields::new(result) {
            match field? {
                (1, Field::Number(number)) => call_id = usize::try_from(number).ok().ok_or(Malformed)?,
                (kind, Field::Bytes(bytes)) => answer = Some((kind, bytes)),
                _ => {}
            }
        }
        let op = ops.get(call_id).ok_or(Malformed)?;
        let outcome = match (answer.ok_or(Malformed)?, op.act) {
            ((RESULT_GET, response), Act::Read) => self.judge.found(op, get_response(response)?),
            ((RESULT_PUT, response), Act::Write) => written(op, put_response(response)?),
            ((RESULT_ERROR, _), _) => Outcome::Wrong("ITEM_ERROR"),
            _ => return Err(Malformed),
        };
        Ok((call_id, outcome))
    }
}

/// Bytes of a number as protobuf writes it.
fn width(number: u64) -> usize {
    (64 - (number | 1).leading_zeros() as usize).div_ceil(7)
}

impl Stream {
    /// The next message, when it is whole.
    async fn next(&mut self) -> Result<Bytes, Fault> {
        loop {
            if let Some(message) = take_message(&mut self.buffer)? {
                return Ok(message);
            }
            match &mut self.receive {
                Receive::Head(response) => {
                    let response = response.await.map_err(fault)?;
                    status(response.status(), response.headers())?;
                    self.receive = Receive::Body(response.into_body());
                }
                Receive::Body(body) => match body.data().await {
                    Some(frame) => {
                        let frame = frame.map_err(fault)?;
                        body.flow_control().release_capacity(frame.len()).map_err(fault)?;
                        self.take(frame);
                    }
                    None => {
                        let trailers = body.trailers().await.map_err(fault)?;
                        self.receive = Receive::Ended;
                        code(&trailers.unwrap_or_default())?;
                    }
                },
                Receive::Ended => return Err(Fault::said("STREAM_ENDED")),
            }
        }
    }

    /// A frame that holds all there is becomes the buffer, without a copy.
    fn take(&mut self, frame: Bytes) {
        if !self.buffer.is_empty() {
            self.buffer.extend_from_slice(&frame);
            return;
        }
        match frame.try_into_mut() {
            Ok(frame) => self.buffer = frame,
            Err(frame) => self.buffer.extend_from_slice(&frame),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_wide_as_they_are_written() {
        for number in [0, 1, 127, 128, 300, 16_383, 16_384, u64::MAX] {
            let mut bytes = BytesMut::new();
            put_number(number, &mut bytes);
            assert_eq!(width(number), bytes.len(), "{number}");
        }
    }
}
