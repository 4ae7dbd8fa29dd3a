//! Makes calls and records them: when each began and ended, what was asked and what was answered. Which calls are made is
//! decided elsewhere.

use std::{net::SocketAddr, time::Duration};

use hotplate_proto::v1::{self, LeaseOutcome, cache_service_client::CacheServiceClient};
use tonic::{
    Request, Status,
    transport::{Channel, Endpoint},
};

use super::{Record, wire};
use crate::{
    clock,
    record::{Answer, Call, Condition, Line, Miss, Operation},
};

/// The deadline of a call that does not wait.
const DEADLINE: Duration = Duration::from_secs(4);
/// How much later than the deadline the client gives up by itself.
const GIVES_UP_AFTER: Duration = Duration::from_millis(500);
/// Younger than that is young, in milliseconds.
const MAX_AGE_MS: u64 = 50;

/// A connection through the proxy, made when it is first used and again whenever it is lost.
///
/// # Errors
/// The address is none.
pub(super) fn connect(grpc: SocketAddr) -> std::io::Result<CacheServiceClient<Channel>> {
    let endpoint = Endpoint::from_shared(format!("http://{grpc}")).map_err(std::io::Error::other)?;
    let channel = endpoint.connect_timeout(Duration::from_secs(1)).connect_lazy();
    Ok(CacheServiceClient::new(channel).max_decoding_message_size(16 << 20))
}

/// One who makes one call after the other.
#[derive(Debug)]
pub(super) struct Caller {
    client: CacheServiceClient<Channel>,
    record: Record,
    name: String,
    number: u64,
}

/// A call with what goes with it besides what is recorded.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) call: Call,
    /// The value to be stored, or the message of a failure.
    pub(super) text: String,
    /// The etag that a condition means.
    pub(super) etag: String,
    /// When the client loses patience and drops the call.
    pub(super) give_up: Option<Duration>,
}

impl From<Call> for Asked {
    fn from(call: Call) -> Self {
        Self { call, text: String::new(), etag: String::new(), give_up: None }
    }
}

impl Caller {
    pub(super) fn new(client: CacheServiceClient<Channel>, record: Record, name: String) -> Self {
        Self { client, record, name, number: 0 }
    }

    /// The name of a computation that this client begins now.
    pub(super) fn computation(&self) -> String {
        format!("{}-{}", self.name, self.number)
    }

    /// Calls and records; the operation, and the etag that came with the answer.
    ///
    /// # Errors
    /// The record cannot be written.
    pub(super) async fn call(&mut self, asked: Asked) -> std::io::Result<(Operation, String)> {
        self.number += 1;
        let mut operation = Operation {
            client: self.name.clone(),
            number: self.number,
            start: clock::now(),
            end: None,
            call: asked.call.clone(),
            answer: Answer::Unknown,
        };
        if !matches!(&asked.call, Call::Get(get) if get.miss == Miss::Report) {
            self.record.write(&Line::Begun(operation.clone()))?;
            operation.start = clock::now();
        }
        let deadline = match &asked.call {
            Call::Get(get) => match get.miss {
                Miss::Wait(wait) => DEADLINE + Duration::from_millis(wait),
                _ => DEADLINE,
            },
            _ => DEADLINE,
        };
        let patience = asked.give_up.unwrap_or(deadline + GIVES_UP_AFTER);
        let answered = tokio::time::timeout(patience, Box::pin(self.send(asked, deadline))).await;
        operation.end = Some(clock::now());
        let mut etag = String::new();
        operation.answer = match answered {
            Ok(Ok(answer)) => {
                etag = answer.1;
                answer.0
            }
            Ok(Err(status)) => Answer::Failed { code: format!("{:?}", status.code()), said: said(&status) },
            Err(_) => Answer::Unknown,
        };
        self.record.write(&Line::Ended(operation.clone()))?;
        Ok((operation, etag))
    }

    async fn send(&mut self, asked: Asked, deadline: Duration) -> Result<(Answer, String), Status> {
        let client = &mut self.client;
        Ok(match asked.call {
            Call::Get(get) => wire::got(client.get(within(wire::get(&get, MAX_AGE_MS), deadline)).await?.into_inner()),
            Call::Put(put) => {
                let request = wire::put(&put, asked.text, &asked.etag);
                wire::stored(client.put(within(request, deadline)).await?.into_inner())
            }
            Call::Extend { key, token } => {
                let request = v1::ExtendLeaseRequest { key, token, ..Default::default() };
                held(client.extend_lease(within(request, deadline)).await?.into_inner().outcome())
            }
            Call::Release { key, token, failure, hold_off_ms } => {
                let request = wire::release((&key, &token), failure.as_ref(), asked.text, hold_off_ms);
                held(client.release_lease(within(request, deadline)).await?.into_inner().outcome())
            }
            Call::Invalidate(call) => {
                let answer = client.invalidate(within(wire::invalidate(&call), deadline)).await?;
                (wire::invalidated(answer.into_inner()), String::new())
            }
        })
    }
}

fn held(outcome: LeaseOutcome) -> (Answer, String) {
    (Answer::Lease { held: outcome == LeaseOutcome::Held }, String::new())
}

fn within<T>(message: T, deadline: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(deadline);
    request
}

fn said(status: &Status) -> String {
    status.message().chars().take(120).collect()
}

/// The computation that a condition names.
pub(super) fn condition_on(seen: &str) -> Condition {
    Condition::Is(seen.to_owned())
}
