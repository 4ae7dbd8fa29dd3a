//! Many keys a call: `BatchGet` and `BatchPut`, over HTTP/2 by hand.

use bytes::{BufMut, Bytes, BytesMut};
use hotplate_proto::v1;
use http::Request;
use prost::Message;

use crate::{
    failure::Failure,
    link::{
        Common, Driver, Fault, Link, Share,
        codec::{PREFIX, Requests, frame, put_number},
        read::{Field, Fields, Malformed, get_response, put_response},
        unary::{Judge, lanes, written},
        wire::Calls,
    },
    plan::Server,
    task::Tasks,
    work::{Act, Op, Outcome},
};

/// `BatchGetRequest.items` and `BatchGetRequest.namespace`, as their tags are written.
const ITEMS: u8 = 2 << 3 | 2;

/// Calls `BatchGet` and `BatchPut`.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) common: Common,
    pub(crate) server: Server,
}

/// One lane of it.
pub(crate) struct BatchLink {
    calls: Calls,
    get: Request<()>,
    put: Request<()>,
    judge: Judge,
    requests: Requests,
    namespace: String,
}

impl Driver for Batch {
    type Link = BatchLink;

    async fn open(&self, share: Share, tasks: &Tasks) -> Result<Vec<BatchLink>, Failure> {
        let link = |calls: Calls| {
            Ok(BatchLink {
                get: calls.head("/hotplate.v1.CacheService/BatchGet")?,
                put: calls.head("/hotplate.v1.CacheService/BatchPut")?,
                judge: Judge::new(&self.common),
                requests: Requests::new(self.common.clone(), &self.server.namespace),
                namespace: self.server.namespace.clone(),
                calls,
            })
        };
        lanes(&self.server, &self.common, share, tasks).await?.into_iter().map(link).collect()
    }
}

impl Link for BatchLink {
    async fn call(&mut self, ops: &[Op], outcomes: &mut Vec<Outcome>) -> Result<(), Fault> {
        let reads = ops.first().is_some_and(|op| op.act == Act::Read);
        let (head, body) = if reads { (&self.get, self.gets(ops)) } else { (&self.put, self.puts(ops)) };
        let answer = self.calls.unary(head, body).await?;
        let read = self.read(ops, &answer, outcomes);
        match read {
            Ok(()) if outcomes.len() == ops.len() => Ok(()),
            _ => Err(Fault::said("MALFORMED")),
        }
    }

    async fn mend(&mut self) {
        self.calls.mend().await;
    }
}

impl BatchLink {
    fn gets(&self, ops: &[Op]) -> Bytes {
        let each = self.requests.get_part_length();
        let mut body = BytesMut::with_capacity(PREFIX + self.namespace.len() + 8 + ops.len() * (each + 4));
        body.put_bytes(0, PREFIX);
        let head = v1::BatchGetRequest { namespace: self.namespace.clone(), items: Vec::new() };
        body.put_slice(&head.encode_to_vec());
        for op in ops {
            body.put_u8(ITEMS);
            put_number(each as u64, &mut body);
            self.requests.get_part(op, &mut body);
        }
        finish(&mut body);
        body.freeze()
    }

    fn puts(&self, ops: &[Op]) -> Bytes {
        let items = ops.iter().map(|op| self.requests.put_part(op)).collect();
        let request = v1::BatchPutRequest { namespace: self.namespace.clone(), items };
        let mut body = BytesMut::new();
        frame(&request, &mut body);
        body.freeze()
    }

    fn read(&mut self, ops: &[Op], answer: &[u8], outcomes: &mut Vec<Outcome>) -> Result<(), Malformed> {
        let mut ops = ops.iter();
        for field in Fields::new(answer) {
            let (1, Field::Bytes(result)) = field? else { continue };
            let op = ops.next().ok_or(Malformed)?;
            outcomes.push(self.result(op, result)?);
        }
        Ok(())
    }

    /// A result holds its answer in field 1, or an error in field 2, or says in field 3 that there was no room for it.
    fn result(&mut self, op: &Op, result: &[u8]) -> Result<Outcome, Malformed> {
        match Fields::new(result).next().ok_or(Malformed)?? {
            (1, Field::Bytes(response)) if op.act == Act::Read => Ok(self.judge.found(op, get_response(response)?)),
            (1, Field::Bytes(response)) => Ok(written(op, put_response(response)?)),
            (2, _) => Ok(Outcome::Wrong("ITEM_ERROR")),
            (3, _) => Ok(Outcome::Wrong("DEFERRED")),
            _ => Err(Malformed),
        }
    }
}

/// Writes into the prefix how long the message behind it is.
pub(crate) fn finish(body: &mut BytesMut) {
    let length = u32::try_from(body.len() - PREFIX).unwrap_or(u32::MAX);
    body[1..PREFIX].copy_from_slice(&length.to_be_bytes());
}
