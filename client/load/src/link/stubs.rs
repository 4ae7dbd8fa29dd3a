//! One key a call or many, by the generated stubs, as other programs in Rust would call them.

use hotplate_proto::v1::{self, batch_get_result, batch_put_result, cache_service_client::CacheServiceClient};
use tonic::{Code, Status, metadata::MetadataValue, transport::Channel};

use crate::{
    failure::Failure,
    link::{
        Common, Driver, Fault, Link, Share,
        codec::{Requests, view},
        read::Found,
        unary::{Judge, written},
    },
    plan::{Mode, Server},
    stub,
    task::Tasks,
    work::{Act, Op, Outcome},
};

/// Calls by stubs.
#[derive(Clone, Debug)]
pub(crate) struct Stubs {
    pub(crate) common: Common,
    pub(crate) server: Server,
}

/// One lane of it.
pub(crate) struct StubsLink {
    client: CacheServiceClient<Channel>,
    driver: Stubs,
    token: Option<MetadataValue<tonic::metadata::Ascii>>,
    requests: Requests,
    judge: Judge,
}

impl Driver for Stubs {
    type Link = StubsLink;

    async fn open(&self, share: Share, _tasks: &Tasks) -> Result<Vec<StubsLink>, Failure> {
        let mut channels = Vec::new();
        for _connection in 0..share.connections {
            channels.push(stub::connect_for_load(&self.server, self.common.plan.http2).await?);
        }
        let token = stub::with_token(&self.server, ())?.metadata().get("authorization").cloned();
        let link = |channel: &Channel| StubsLink {
            client: CacheServiceClient::new(channel.clone()).max_decoding_message_size(usize::MAX),
            driver: self.clone(),
            token: token.clone(),
            requests: Requests::new(self.common.clone(), &self.server.namespace),
            judge: Judge::new(&self.common),
        };
        Ok(channels.iter().cycle().take(share.lanes).map(link).collect())
    }
}

impl Link for StubsLink {
    async fn call(&mut self, ops: &[Op], outcomes: &mut Vec<Outcome>) -> Result<(), Fault> {
        let reads = ops.first().is_some_and(|op| op.act == Act::Read);
        match (self.driver.common.plan.mode, reads) {
            (Mode::Batch, true) => self.batch_get(ops, outcomes).await,
            (Mode::Batch, false) => self.batch_put(ops, outcomes).await,
            _ => {
                for op in ops {
                    outcomes.push(self.one(op).await?);
                }
                Ok(())
            }
        }
    }
}

impl StubsLink {
    async fn one(&mut self, op: &Op) -> Result<Outcome, Fault> {
        if op.act == Act::Read {
            let request =
                self.request(v1::GetRequest { namespace: self.driver.server.namespace.clone(), ..self.get(op) });
            let response = self.client.get(request).await.map_err(|status| fault(&status))?;
            Ok(self.found(op, &response.into_inner()))
        } else {
            let request = self.request(self.requests.put(op));
            let response = self.client.put(request).await.map_err(|status| fault(&status))?;
            Ok(written(op, response.into_inner().outcome.unsigned_abs().into()))
        }
    }

    async fn batch_get(&mut self, ops: &[Op], outcomes: &mut Vec<Outcome>) -> Result<(), Fault> {
        let items = ops.iter().map(|op| self.get(op)).collect();
        let request = self.request(v1::BatchGetRequest { namespace: self.driver.server.namespace.clone(), items });
        let response = self.client.batch_get(request).await.map_err(|status| fault(&status))?;
        for (op, result) in ops.iter().zip(response.into_inner().results) {
            outcomes.push(match result.result {
                Some(batch_get_result::Result::Response(response)) => self.found(op, &response),
                Some(batch_get_result::Result::Deferred(_)) => Outcome::Wrong("DEFERRED"),
                _ => Outcome::Wrong("ITEM_ERROR"),
            });
        }
        complete(ops, outcomes)
    }

    async fn batch_put(&mut self, ops: &[Op], outcomes: &mut Vec<Outcome>) -> Result<(), Fault> {
        let items = ops.iter().map(|op| self.requests.put_part(op)).collect();
        let request = self.request(v1::BatchPutRequest { namespace: self.driver.server.namespace.clone(), items });
        let response = self.client.batch_put(request).await.map_err(|status| fault(&status))?;
        for (op, result) in ops.iter().zip(response.into_inner().results) {
            outcomes.push(match result.result {
                Some(batch_put_result::Result::Response(response)) => {
                    written(op, response.outcome.unsigned_abs().into())
                }
                _ => Outcome::Wrong("ITEM_ERROR"),
            });
        }
        complete(ops, outcomes)
    }

    fn get(&self, op: &Op) -> v1::GetRequest {
        let common = &self.driver.common;
        v1::GetRequest { key: common.key(op.key), view: view(common.plan.view).into(), ..Default::default() }
    }

    fn request<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        if let Some(token) = &self.token {
            request.metadata_mut().insert("authorization", token.clone());
        }
        request
    }

    fn found(&mut self, op: &Op, response: &v1::GetResponse) -> Outcome {
        let value = match response.entry.as_ref().and_then(|entry| entry.payload.as_ref()) {
            Some(v1::entry::Payload::Value(value)) => Some(value.as_ref()),
            _ => None,
        };
        self.judge.found(op, Found { outcome: response.outcome.unsigned_abs().into(), value })
    }
}

fn complete(ops: &[Op], outcomes: &[Outcome]) -> Result<(), Fault> {
    if outcomes.len() == ops.len() { Ok(()) } else { Err(Fault::said("MALFORMED")) }
}

/// The name of a status among the errors; channels connect again by themselves.
pub(crate) fn fault(status: &Status) -> Fault {
    Fault::said(match status.code() {
        Code::Cancelled => "CANCELLED",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::Unauthenticated => "UNAUTHENTICATED",
        _ => "UNKNOWN",
    })
}
