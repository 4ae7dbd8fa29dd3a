//! Who waits for what on one stream, and what is gathered for it. Knows no network: `lane` moves the bytes.

use std::{
    collections::VecDeque,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use slab::Slab;
use tokio::{sync::oneshot, time::Instant};

use super::{
    answer::Answer,
    operation::{self, Operation},
};
use crate::Error;

/// Callers that wait on one stream at most: more take another.
pub(crate) const WAITING_MAX: usize = 1_024;
/// Operations of a message at most: below every server's default bound.
const OPERATIONS_MAX: usize = 100;
/// Bytes past which a message takes no more operations.
const MESSAGE_BYTES: usize = 64 << 10;
/// Bytes that may wait for the network.
const GATHERED_BYTES_MAX: usize = 1 << 20;
/// Time without a caller after which a stream is given up.
const IDLE_MAX: Duration = Duration::from_secs(60);
/// The namespace that an empty name means.
const DEFAULT_NAMESPACE: &str = "default";

/// What a caller is told.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The server's answer.
    Answered(Answer),
    /// The stream ended first. `sent`: the server may have the operation.
    Lost { error: Error, sent: bool },
    /// The server has no such streams.
    Absent,
    /// The caller's time is over.
    Expired,
}

/// A caller that waits.
#[derive(Debug)]
struct Waiting {
    generation: u32,
    ends: Instant,
    /// The message that its operation is part of.
    message: u64,
    tell: oneshot::Sender<Outcome>,
}

/// What one stream carries.
#[derive(Debug)]
pub(crate) struct Desk {
    /// Number of the stream that is open or being opened.
    stream: u64,
    open: bool,
    waiting: Slab<Waiting>,
    generation: u32,
    gathering: BytesMut,
    /// Operations in `gathering`, and the namespace of those that name none.
    operations: usize,
    namespace: String,
    /// Messages that take no more.
    ready: VecDeque<(Bytes, usize)>,
    ready_bytes: usize,
    /// Messages begun, and handed to the stream.
    begun: u64,
    taken: u64,
    /// Operations not handed to the stream yet.
    unsent: usize,
    yielded: bool,
    writer: Option<Waker>,
    /// When deadlines are next looked at.
    alarm: Instant,
    used: Instant,
}

/// What has to be done after a caller has sat down.
#[derive(Debug, Default)]
pub(crate) struct Due {
    /// A stream of this number is to be opened.
    pub(crate) open: Option<u64>,
    /// The alarm is earlier than before.
    pub(crate) alarm: bool,
    /// Who writes has something to write.
    pub(crate) writer: Option<Waker>,
}

/// What comes of looking at deadlines.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Swept {
    /// Look again then.
    Until(Instant),
    /// Nobody has used the stream for long: it is to be closed before anyone else can sit down.
    Idle,
}

impl Desk {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            stream: 0,
            open: false,
            waiting: Slab::new(),
            generation: 0,
            gathering: BytesMut::new(),
            operations: 0,
            namespace: String::new(),
            ready: VecDeque::new(),
            ready_bytes: 0,
            begun: 0,
            taken: 0,
            unsent: 0,
            yielded: false,
            writer: None,
            alarm: now,
            used: now,
        }
    }

    /// Whether no further caller can be served.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= WAITING_MAX || self.ready_bytes + self.gathering.len() >= GATHERED_BYTES_MAX
    }

    /// Takes a caller's operation. `long` is the time from `now` to its deadline.
    pub(crate) fn sit<Q: Operation>(
        &mut self,
        request: &mut Q,
        (now, long): (Instant, Duration),
        tell: oneshot::Sender<Outcome>,
    ) -> (u64, Due) {
        let mut due = Due::default();
        let ends = now + long;
        if !self.open {
            (self.open, self.stream) = (true, self.stream + 1);
            self.alarm = now + IDLE_MAX;
            due.open = Some(self.stream);
        }
        self.used = now;
        if ends < self.alarm {
            (self.alarm, due.alarm) = (ends, true);
        }
        self.generation = self.generation.wrapping_add(1);
        let waiting = Waiting { generation: self.generation, ends, message: self.begun, tell };
        let call_id = call_id(self.generation, self.waiting.insert(waiting));
        self.write(call_id, long, request);
        due.writer = self.writer.take();
        (call_id, due)
    }

    fn write<Q: Operation>(&mut self, call_id: u64, long: Duration, request: &mut Q) {
        let mut own = std::mem::take(request.namespace());
        let named = if own.is_empty() { DEFAULT_NAMESPACE } else { own.as_str() };
        if self.operations == 0 {
            named.clone_into(&mut self.namespace);
            operation::begin(named, &mut self.gathering);
        }
        if self.namespace == named {
            operation::append(call_id, long, request, &mut self.gathering);
            *request.namespace() = own;
        } else {
            if own.is_empty() {
                DEFAULT_NAMESPACE.clone_into(&mut own);
            }
            *request.namespace() = own;
            operation::append(call_id, long, request, &mut self.gathering);
        }
        self.count();
    }

    /// Counts an operation that was written, and ends the message when it is large enough.
    fn count(&mut self) {
        self.operations += 1;
        self.unsent += 1;
        if self.operations >= OPERATIONS_MAX || self.gathering.len() >= MESSAGE_BYTES {
            let message = self.finish();
            self.ready_bytes += message.0.len();
            self.ready.push_back(message);
        }
    }

    fn finish(&mut self) -> (Bytes, usize) {
        self.begun += 1;
        (self.gathering.split().freeze(), std::mem::take(&mut self.operations))
    }

    /// The next message for a stream: at once when no answer is awaited, otherwise after everyone who is ready to had
    /// the chance to add to it.
    pub(crate) fn poll_message(&mut self, stream: u64, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if !self.is(stream) {
            return Poll::Ready(None);
        }
        if self.unsent == 0 {
            self.yielded = false;
            self.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let awaited = self.waiting.len() > self.unsent;
        if awaited && self.ready.is_empty() && !std::mem::replace(&mut self.yielded, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.yielded = false;
        let (message, operations) = match self.ready.pop_front() {
            Some((message, operations)) => {
                self.ready_bytes -= message.len();
                (message, operations)
            }
            None => self.finish(),
        };
        self.taken += 1;
        self.unsent -= operations;
        Poll::Ready(Some(message))
    }

    /// Whether this stream is the one that is open.
    pub(crate) fn is(&self, stream: u64) -> bool {
        self.open && self.stream == stream
    }

    /// Finds who waits for an answer; nobody, when they left.
    pub(crate) fn settle(&mut self, answer: Answer) -> Option<(oneshot::Sender<Outcome>, Outcome)> {
        let waiting = self.leave(answer.call_id)?;
        Some((waiting.tell, Outcome::Answered(answer)))
    }

    /// Takes note that a caller does not wait any more. Answers who has something to write because of that.
    pub(crate) fn cancel(&mut self, call_id: u64) -> Option<Waker> {
        self.leave(call_id)?;
        if !self.open {
            return None;
        }
        if self.operations == 0 {
            self.namespace.clear();
            self.namespace.push_str(DEFAULT_NAMESPACE);
            operation::begin(DEFAULT_NAMESPACE, &mut self.gathering);
        }
        operation::append_cancel(call_id, &mut self.gathering);
        self.count();
        self.writer.take()
    }

    fn leave(&mut self, call_id: u64) -> Option<Waiting> {
        let (generation, index) = split(call_id);
        let there = self.waiting.get(index).is_some_and(|waiting| waiting.generation == generation);
        there.then(|| self.waiting.remove(index))
    }

    /// When deadlines are to be looked at.
    pub(crate) fn alarm(&self) -> Instant {
        self.alarm
    }

    /// Takes out who has no time left. They are told by the caller of this.
    pub(crate) fn sweep(&mut self, now: Instant, expired: &mut Vec<oneshot::Sender<Outcome>>) -> Swept {
        let over: Vec<_> = self.waiting.iter().filter(|(_, w)| w.ends <= now).map(|(index, _)| index).collect();
        expired.extend(over.into_iter().map(|index| self.waiting.remove(index).tell));
        let idle = self.used + IDLE_MAX;
        if self.waiting.is_empty() && idle <= now {
            return Swept::Idle;
        }
        self.alarm = self.waiting.iter().map(|(_, waiting)| waiting.ends).min().unwrap_or(idle);
        Swept::Until(self.alarm)
    }

    /// Ends a stream, if it is the one that is open. Answers who waited on it and whether the server may have what they
    /// asked for, and who writes to it.
    pub(crate) fn close(&mut self, stream: u64) -> (Vec<(oneshot::Sender<Outcome>, bool)>, Option<Waker>) {
        if !self.is(stream) {
            return (Vec::new(), None);
        }
        self.open = false;
        let taken = self.taken;
        let left = self.waiting.drain().map(|waiting| (waiting.tell, waiting.message < taken)).collect();
        self.gathering.clear();
        self.ready.clear();
        (self.ready_bytes, self.operations, self.unsent) = (0, 0, 0);
        self.begun += 1;
        self.taken = self.begun;
        (left, self.writer.take())
    }
}

/// Of a place and of how often places were given: what comes late for one who left is not taken for another's.
fn call_id(generation: u32, index: usize) -> u64 {
    (u64::from(generation) << 32) | index as u64
}

fn split(call_id: u64) -> (u32, usize) {
    let generation = u32::try_from(call_id >> 32).unwrap_or_default();
    (generation, usize::try_from(call_id & u64::from(u32::MAX)).unwrap_or(usize::MAX))
}
