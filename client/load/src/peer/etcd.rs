//! etcd: Range and Put of its key-value service, over the same HTTP/2 by hand as for servers of ours, with as little of its
//! contract as a load needs (etcd 3.4, `api/etcdserverpb/rpc.proto` and `api/mvccpb/kv.proto`).

use bytes::{Bytes, BytesMut};
use http::Request;
use prost::Message;
use tokio::task::LocalSet;

use crate::{
    content::Checker,
    failure::Failure,
    link::{Common, Driver, Fault, OneByOne, Share, codec::frame, unary::lanes, wire::Calls},
    peer::socket::Place,
    plan::Server,
    task::Tasks,
    work::{Op, Outcome},
};

/// `RangeRequest` and, with the same first fields, `DeleteRangeRequest`.
#[derive(Clone, PartialEq, Message)]
struct RangeRequest {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    /// The first key that is not meant; empty: `key` alone.
    #[prost(bytes = "bytes", tag = "2")]
    range_end: Bytes,
}

/// `RangeResponse`.
#[derive(Clone, PartialEq, Message)]
struct RangeResponse {
    #[prost(message, repeated, tag = "2")]
    kvs: Vec<KeyValue>,
}

/// `mvccpb.KeyValue`.
#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(bytes = "bytes", tag = "5")]
    value: Bytes,
}

/// `PutRequest`.
#[derive(Clone, PartialEq, Message)]
struct PutRequest {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
}

/// `StatusRequest`.
#[derive(Clone, PartialEq, Message)]
struct StatusRequest {}

/// `StatusResponse`.
#[derive(Clone, PartialEq, Message)]
struct StatusResponse {
    #[prost(string, tag = "2")]
    version: String,
}

/// Connects to etcd.
#[derive(Clone, Debug)]
pub(crate) struct Etcd {
    common: Common,
    server: Server,
}

/// One lane of it.
pub(crate) struct EtcdLink {
    calls: Calls,
    range: Request<()>,
    put: Request<()>,
    common: Common,
    checker: Checker,
}

impl Driver for Etcd {
    type Link = EtcdLink;

    async fn open(&self, share: Share, tasks: &Tasks) -> Result<Vec<EtcdLink>, Failure> {
        let link = |calls: Calls| {
            Ok(EtcdLink {
                range: calls.head("/etcdserverpb.KV/Range")?,
                put: calls.head("/etcdserverpb.KV/Put")?,
                common: self.common.clone(),
                checker: self.common.checker(),
                calls,
            })
        };
        lanes(&self.server, &self.common, share, tasks).await?.into_iter().map(link).collect()
    }
}

impl Etcd {
    pub(crate) fn new(common: Common, place: &Place) -> Self {
        let Place { host, port } = place.clone();
        Self { common, server: Server { host, port, tls: None, token: None, namespace: String::new() } }
    }

    /// What it is.
    pub(crate) async fn version(&self) -> Result<String, Failure> {
        let answer = Box::pin(self.once("/etcdserverpb.Maintenance/Status", &StatusRequest {})).await?;
        let status = StatusResponse::decode(answer).map_err(|wrong| Failure::rejected(format!("etcd: {wrong}")))?;
        Ok(format!("etcd {}", status.version))
    }

    /// Deletes every key with the prefix.
    pub(crate) async fn clean(&self) -> Result<(), Failure> {
        let key = self.common.plan.prefix.clone().into_bytes();
        let mut range_end = key.clone();
        // The first text that no key with this prefix comes after: ASCII has room above each of its characters.
        if let Some(last) = range_end.last_mut() {
            *last += 1;
        }
        let request = RangeRequest { key: key.into(), range_end: range_end.into() };
        Box::pin(self.once("/etcdserverpb.KV/DeleteRange", &request)).await.map(drop)
    }

    /// One call on a connection of its own.
    async fn once(&self, path: &str, message: &impl Message) -> Result<Bytes, Failure> {
        let mut body = BytesMut::new();
        frame(message, &mut body);
        let call = async {
            let (tasks, share) = (Tasks::default(), Share { lanes: 1, connections: 1 });
            let mut calls = lanes(&self.server, &self.common, share, &tasks).await?;
            let calls = calls.first_mut().ok_or_else(|| Failure::unreachable("etcd: no connection"))?;
            let head = calls.head(path)?;
            let answer = calls.unary(&head, body.freeze()).await;
            answer.map_err(|fault| Failure::rejected(format!("etcd: {path}: {}", fault.kind)))
        };
        Box::pin(LocalSet::new().run_until(call)).await
    }
}

impl OneByOne for EtcdLink {
    fn calls(&mut self) -> &mut Calls {
        &mut self.calls
    }

    async fn read(&mut self, op: &Op) -> Result<Outcome, Fault> {
        let mut body = BytesMut::new();
        frame(&RangeRequest { key: self.common.key(op.key).into(), range_end: Bytes::new() }, &mut body);
        let answer = self.calls.unary(&self.range, body.freeze()).await?;
        let answer = RangeResponse::decode(answer).map_err(|_wrong| Fault::said("MALFORMED"))?;
        Ok(answer.kvs.first().map_or(Outcome::Miss, |found| {
            self.checker.wrong(op, &found.value).map_or(Outcome::Hit(found.value.len() as u64), Outcome::Wrong)
        }))
    }

    async fn write(&mut self, op: &Op) -> Result<Outcome, Fault> {
        let value = self.common.content.value(op.key, op.size);
        let mut body = BytesMut::new();
        frame(&PutRequest { key: self.common.key(op.key).into(), value }, &mut body);
        self.calls.unary(&self.put, body.freeze()).await?;
        Ok(Outcome::Written(op.size))
    }
}
