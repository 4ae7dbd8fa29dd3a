//! One key a call, over HTTP/2 by hand.

use std::rc::Rc;

use bytes::BytesMut;
use http::Request;

use crate::{
    content::Checker,
    failure::Failure,
    link::{
        Common, Driver, Fault, OneByOne, Share,
        codec::{Requests, frame},
        read::{Found, get_response, put_response},
        wire::{Calls, Wire},
    },
    plan::{Server, View},
    task::Tasks,
    work::{Op, Outcome},
};

/// `GetOutcome`s and `PutOutcome`s that a load expects.
const HIT: u64 = 1;
const MISS: u64 = 5;
const STORED: u64 = 1;
const REFRESHED: u64 = 2;

/// Calls `Get` and `Put`.
#[derive(Clone, Debug)]
pub(crate) struct Unary {
    pub(crate) common: Common,
    pub(crate) server: Server,
}

/// One lane of it.
pub(crate) struct UnaryLink {
    calls: Calls,
    get: Request<()>,
    put: Request<()>,
    judge: Judge,
    requests: Requests,
}

impl Driver for Unary {
    type Link = UnaryLink;

    async fn open(&self, share: Share, tasks: &Tasks) -> Result<Vec<UnaryLink>, Failure> {
        let link = |calls: Calls| {
            Ok(UnaryLink {
                get: calls.head("/hotplate.v1.CacheService/Get")?,
                put: calls.head("/hotplate.v1.CacheService/Put")?,
                judge: Judge::new(&self.common),
                requests: Requests::new(self.common.clone(), &self.server.namespace),
                calls,
            })
        };
        lanes(&self.server, &self.common, share, tasks).await?.into_iter().map(link).collect()
    }
}

/// Opens the connections of a thread and shares them out to its lanes.
pub(crate) async fn lanes(
    server: &Server,
    common: &Common,
    share: Share,
    tasks: &Tasks,
) -> Result<Vec<Calls>, Failure> {
    let server = Rc::new(server.clone());
    let mut wires = Vec::new();
    for _connection in 0..share.connections {
        wires.push(Wire::open(Rc::clone(&server), common.plan.http2, tasks).await?);
    }
    Ok(wires.iter().cycle().take(share.lanes).map(|wire| Calls::new(Rc::clone(wire))).collect())
}

impl OneByOne for UnaryLink {
    async fn read(&mut self, op: &Op) -> Result<Outcome, Fault> {
        let body = self.requests.get(op);
        let answer = self.calls.unary(&self.get, body).await?;
        Ok(get_response(&answer).map_or(Outcome::Wrong("MALFORMED"), |found| self.judge.found(op, found)))
    }

    async fn write(&mut self, op: &Op) -> Result<Outcome, Fault> {
        let mut body = BytesMut::new();
        frame(&self.requests.put(op), &mut body);
        let answer = self.calls.unary(&self.put, body.freeze()).await?;
        Ok(put_response(&answer).map_or(Outcome::Wrong("MALFORMED"), |outcome| written(op, outcome)))
    }

    fn calls(&mut self) -> &mut Calls {
        &mut self.calls
    }
}

/// Says what became of a read.
#[derive(Debug)]
pub(crate) struct Judge {
    checker: Checker,
    view: View,
}

impl Judge {
    /// For one lane.
    pub(crate) fn new(common: &Common) -> Self {
        Self { checker: common.checker(), view: common.plan.view }
    }

    /// What became of a read that found this.
    pub(crate) fn found(&mut self, op: &Op, found: Found<'_>) -> Outcome {
        match (found.outcome, found.value, self.view) {
            (HIT, None, View::Metadata) => Outcome::Hit(0),
            // A value of no bytes may be left out.
            (HIT, value, View::Full | View::Value) => {
                let value = value.unwrap_or_default();
                self.checker.wrong(op, value).map_or(Outcome::Hit(value.len() as u64), Outcome::Wrong)
            }
            (HIT, Some(_), View::Metadata) => Outcome::Wrong("UNWANTED_VALUE"),
            (MISS, ..) => Outcome::Miss,
            _ => Outcome::Wrong("OTHER_OUTCOME"),
        }
    }
}

/// What became of a write.
pub(crate) fn written(op: &Op, outcome: u64) -> Outcome {
    if matches!(outcome, STORED | REFRESHED) { Outcome::Written(op.size) } else { Outcome::Wrong("NOT_STORED") }
}
