//! One stream to one server: opened when first needed, read by one task, written by whoever polls it, given up when
//! nobody uses it. What is on it lives in `desk`.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures::Stream;
use http::uri::PathAndQuery;
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};
use tonic::{
    Code, Request, Status,
    client::Grpc,
    metadata::{Ascii, MetadataValue},
    transport::Channel,
};

use super::{
    answer::{self, Verbatim},
    desk::{Desk, Due, Outcome, Swept},
    operation::Operation,
    terms::Terms,
};
use crate::{Error, ErrorKind, clock, task::Tasks, tries::MESSAGE_BYTES_MAX};

const METHOD: PathAndQuery = PathAndQuery::from_static("/hotplate.v1.CacheService/Pipeline");

/// One stream and who waits on it.
#[derive(Debug)]
pub(crate) struct Lane {
    channel: Channel,
    authorization: Option<MetadataValue<Ascii>>,
    desk: Mutex<Desk>,
    /// Deadlines are to be looked at earlier than thought.
    alarm: Notify,
    terms: Arc<Terms>,
}

/// How a stream ended.
struct End {
    status: Status,
    /// Whether anything was answered.
    heard: bool,
}

impl Lane {
    pub(crate) fn new(channel: Channel, authorization: Option<MetadataValue<Ascii>>, terms: Arc<Terms>) -> Arc<Self> {
        let desk = Mutex::new(Desk::new(clock::now()));
        Arc::new(Self { channel, authorization, desk, alarm: Notify::new(), terms })
    }

    /// Sends an operation along and waits for its answer, `long` from `now` at most. `None`: there is no room.
    pub(crate) async fn ask<Q: Operation>(
        self: &Arc<Self>,
        request: &mut Q,
        time: (Instant, Duration),
        tasks: &Tasks,
    ) -> Option<Outcome> {
        let (tell, told) = oneshot::channel();
        let (call_id, due) = {
            let mut desk = self.desk.lock();
            if !desk.has_room(1, self.terms.operations_max()) {
                return None;
            }
            desk.sit(request, time, tell)
        };
        let mut wait = Wait { lane: self, calls: [call_id], waits: true };
        self.carry_out(due, tasks);
        let outcome = told.await;
        wait.waits = false;
        // Whoever takes a caller's place away tells it why.
        Some(outcome.unwrap_or_else(|_gone| unheard()))
    }

    /// The same for several operations of one caller, who waits for all of them.
    pub(crate) async fn ask_all<Q: Operation>(
        self: &Arc<Self>,
        requests: &mut [Q],
        namespace: &mut String,
        time: (Instant, Duration),
        tasks: &Tasks,
    ) -> Option<Vec<Outcome>> {
        let (mut calls, mut all) = (Vec::with_capacity(requests.len()), Vec::with_capacity(requests.len()));
        let due = {
            let mut desk = self.desk.lock();
            if !desk.has_room(requests.len(), self.terms.operations_max()) {
                return None;
            }
            requests.iter_mut().fold(Due::default(), |due, request| {
                let (tell, told) = oneshot::channel();
                std::mem::swap(request.namespace(), namespace);
                let (call_id, next) = desk.sit(request, time, tell);
                std::mem::swap(request.namespace(), namespace);
                calls.push(call_id);
                all.push(told);
                due.and(next)
            })
        };
        let mut wait = Wait { lane: self, calls, waits: true };
        self.carry_out(due, tasks);
        let mut outcomes = Vec::with_capacity(all.len());
        for told in all {
            outcomes.push(told.await.unwrap_or_else(|_gone| unheard()));
        }
        wait.waits = false;
        Some(outcomes)
    }

    /// Does what has to be done after someone has sat down.
    fn carry_out(self: &Arc<Self>, due: Due, tasks: &Tasks) {
        if let Some(stream) = due.open {
            // Made here: a task that is ended before it begins ends its stream all the same.
            let open = Open { lane: Arc::clone(self), stream, end: None };
            tasks.spawn(Self::run(open));
        } else if due.alarm {
            self.alarm.notify_one();
        }
        if let Some(writer) = due.writer {
            writer.wake();
        }
    }

    /// Keeps a stream until it ends.
    async fn run(mut open: Open) {
        let (lane, stream) = (Arc::clone(&open.lane), open.stream);
        let mut listening = std::pin::pin!(lane.listen(stream));
        let end = loop {
            let alarm = lane.desk.lock().alarm();
            tokio::select! {
                biased;
                end = &mut listening => break end,
                () = tokio::time::sleep_until(alarm) => if lane.sweep(stream) == Swept::Idle { return },
                () = lane.alarm.notified() => {}
            }
        };
        open.end = Some(end);
    }

    /// Opens the stream and hands out its answers until it ends.
    async fn listen(self: &Arc<Self>, stream: u64) -> End {
        let mut heard = false;
        match self.heard(stream, &mut heard).await {
            Ok(()) => End { status: Status::unavailable("the server ended the stream"), heard },
            Err(status) => End { status, heard },
        }
    }

    async fn heard(self: &Arc<Self>, stream: u64, heard: &mut bool) -> Result<(), Status> {
        let mut grpc = Grpc::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX);
        let ready = grpc.ready().await;
        ready.map_err(|cause| Status::from_error(cause.into()))?;
        let mut request = Request::new(Outgoing { lane: Arc::clone(self), stream });
        if let Some(authorization) = &self.authorization {
            request.metadata_mut().insert("authorization", authorization.clone());
        }
        let mut answers = grpc.streaming(request, METHOD, Verbatim).await?.into_inner();
        let mut settled = Vec::new();
        while let Some(message) = answers.message().await? {
            *heard = true;
            self.settle(&message, &mut settled)?;
        }
        Ok(())
    }

    fn settle(&self, message: &Bytes, settled: &mut Vec<(oneshot::Sender<Outcome>, Outcome)>) -> Result<(), Status> {
        let read = {
            let mut desk = self.desk.lock();
            answer::answers(message, |answer| settled.extend(desk.settle(answer)))
        };
        for (tell, outcome) in settled.drain(..) {
            // Who does not wait any more does not want to know.
            let _left = tell.send(outcome);
        }
        read
    }

    fn sweep(&self, stream: u64) -> Swept {
        let mut expired = Vec::new();
        let (swept, writer) = {
            let mut desk = self.desk.lock();
            let swept = desk.sweep(clock::now(), &mut expired);
            let closed = (swept == Swept::Idle).then(|| desk.close(stream));
            (swept, closed.and_then(|(_nobody, writer)| writer))
        };
        if let Some(writer) = writer {
            writer.wake();
        }
        for tell in expired {
            let _left = tell.send(Outcome::Expired);
        }
        swept
    }

    /// Ends a stream and tells everyone on it.
    fn close(&self, stream: u64, end: Option<End>) {
        let absent = end.as_ref().is_some_and(|end| !end.heard && end.status.code() == Code::Unimplemented);
        let error = end.map_or_else(closed, |end| Error::from(end.status));
        let too_many = error.reason.as_deref() == Some("BATCH_TOO_LARGE");
        if absent {
            self.terms.are_absent();
        } else if too_many {
            self.terms.refused();
        }
        let (left, writer) = self.desk.lock().close(stream);
        if let Some(writer) = writer {
            writer.wake();
        }
        for (tell, sent) in left {
            let outcome = match (absent, too_many) {
                (true, _) => Outcome::Absent,
                // What came before it was answered, and what came with it or after it was not begun.
                (_, true) => Outcome::TooMany,
                _ => Outcome::Lost { error: Box::new(error.clone()), sent },
            };
            let _left = tell.send(outcome);
        }
    }
}

fn unheard() -> Outcome {
    Outcome::Lost { error: Box::new(closed()), sent: true }
}

fn closed() -> Error {
    Error::new(ErrorKind::Cancelled, "the client was closed")
}

/// A stream that is open: whatever ends its task, nobody waits on it for ever.
struct Open {
    lane: Arc<Lane>,
    stream: u64,
    end: Option<End>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.lane.close(self.stream, self.end.take());
    }
}

/// A caller that waits. Dropped while it does, it takes back what it asked for.
struct Wait<'a, I: AsRef<[u64]>> {
    lane: &'a Lane,
    calls: I,
    waits: bool,
}

impl<I: AsRef<[u64]>> Drop for Wait<'_, I> {
    fn drop(&mut self) {
        if !self.waits {
            return;
        }
        for call_id in self.calls.as_ref() {
            let writer = self.lane.desk.lock().cancel(*call_id);
            if let Some(writer) = writer {
                writer.wake();
            }
        }
    }
}

/// What is gathered, as the body of a stream.
struct Outgoing {
    lane: Arc<Lane>,
    stream: u64,
}

impl Stream for Outgoing {
    type Item = Bytes;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.lane.desk.lock().poll_message(self.stream, clock::now(), cx)
    }
}
