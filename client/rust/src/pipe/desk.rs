//! Who waits for what on one stream. What is gathered for it lives in `queue`; `lane` moves the bytes.

use std::{
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use slab::Slab;
use tokio::{sync::oneshot, time::Instant};

use super::{answer::Answer, operation::Operation, queue::Queue};
use crate::Error;

/// Callers that wait on one stream at most: more take another.
pub(crate) const WAITING_MAX: usize = 1_024;
/// Bytes that may wait for the network.
const GATHERED_BYTES_MAX: usize = 1 << 20;
/// Time without a caller after which a stream is given up.
const IDLE_MAX: Duration = Duration::from_secs(60);
/// What a caller is told.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The server's answer.
    Answered(Answer),
    /// The stream ended first. `sent`: the server may have the operation.
    Lost { error: Box<Error>, sent: bool },
    /// The server has no such streams.
    Absent,
    /// The server takes fewer operations with a message, and has begun none of those it did not answer.
    TooMany,
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
    queue: Queue,
    /// Operations in `queue` that nobody waits for any more.
    gone: usize,
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

impl Due {
    /// What has to be done after another has sat down, too.
    pub(crate) fn and(self, other: Self) -> Self {
        Self { open: self.open.or(other.open), alarm: self.alarm || other.alarm, writer: self.writer.or(other.writer) }
    }
}

impl Desk {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            stream: 0,
            open: false,
            waiting: Slab::new(),
            generation: 0,
            queue: Queue::new(),
            gone: 0,
            yielded: false,
            writer: None,
            alarm: now,
            used: now,
        }
    }

    /// Whether so many further callers can be served. Messages that are begun from now on have at most this many
    /// operations.
    pub(crate) fn has_room(&mut self, callers: usize, operations_max: usize) -> bool {
        self.queue.operations_max = operations_max;
        self.waiting.len() + callers <= WAITING_MAX && self.queue.bytes() < GATHERED_BYTES_MAX
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
        let waiting = Waiting { generation: self.generation, ends, message: self.queue.message(), tell };
        let call_id = call_id(self.generation, self.waiting.insert(waiting));
        self.queue.push(call_id, long, request);
        due.writer = self.writer.take();
        (call_id, due)
    }

    /// The next message for a stream: at once when no answer is awaited, otherwise after everyone who is ready to had
    /// the chance to add to it. What nobody waits for by `now` is not in it.
    pub(crate) fn poll_message(&mut self, stream: u64, now: Instant, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if !self.is(stream) {
            return Poll::Ready(None);
        }
        while self.queue.operations() > 0 {
            let awaited = self.waiting.len() + self.gone > self.queue.operations();
            if awaited && !self.queue.has_full_message() && !std::mem::replace(&mut self.yielded, true) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            self.yielded = false;
            if let Some(message) = self.take_message(now) {
                return Poll::Ready(Some(message));
            }
        }
        self.yielded = false;
        self.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    fn take_message(&mut self, now: Instant) -> Option<Bytes> {
        // No deadline is before the alarm.
        let all = self.gone == 0 && now < self.alarm;
        let (waiting, gone) = (&self.waiting, &mut self.gone);
        let wanted = |id| match of(waiting, id) {
            Some(waiting) => waiting.ends > now,
            None => {
                *gone = gone.saturating_sub(1);
                false
            }
        };
        self.queue.take((!all).then_some(wanted))
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

    /// Takes note that a caller does not wait any more. Answers who has something to write because of that: what the
    /// server does not have yet, it never gets.
    pub(crate) fn cancel(&mut self, call_id: u64) -> Option<Waker> {
        let left = self.leave(call_id)?;
        if !self.queue.is_taken(left.message) {
            self.gone += 1;
            return None;
        }
        self.queue.push_cancel(call_id);
        self.writer.take()
    }

    fn leave(&mut self, call_id: u64) -> Option<Waiting> {
        of(&self.waiting, call_id)?;
        Some(self.waiting.remove(split(call_id).1))
    }

    /// When deadlines are to be looked at.
    pub(crate) fn alarm(&self) -> Instant {
        self.alarm
    }

    /// Takes out who has no time left. They are told by the caller of this.
    pub(crate) fn sweep(&mut self, now: Instant, expired: &mut Vec<oneshot::Sender<Outcome>>) -> Swept {
        let over: Vec<_> = self.waiting.iter().filter(|(_, w)| w.ends <= now).map(|(index, _)| index).collect();
        for left in over.into_iter().map(|index| self.waiting.remove(index)) {
            self.gone += usize::from(!self.queue.is_taken(left.message));
            expired.push(left.tell);
        }
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
        let queue = &self.queue;
        let left = self.waiting.drain().map(|waiting| (waiting.tell, queue.is_taken(waiting.message))).collect();
        self.queue.clear();
        self.gone = 0;
        (left, self.writer.take())
    }
}

/// Who waits for an operation, if anyone does.
fn of(waiting: &Slab<Waiting>, call_id: u64) -> Option<&Waiting> {
    let (generation, index) = split(call_id);
    waiting.get(index).filter(|waiting| waiting.generation == generation)
}

/// Of a place and of how often places were given: what comes late for one who left is not taken for another's.
fn call_id(generation: u32, index: usize) -> u64 {
    (u64::from(generation) << 32) | index as u64
}

fn split(call_id: u64) -> (u32, usize) {
    let generation = u32::try_from(call_id >> 32).unwrap_or_default();
    (generation, usize::try_from(call_id & u64::from(u32::MAX)).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::{clock, v1};

    fn get(key: &str) -> v1::GetRequest {
        v1::GetRequest { namespace: "ml".to_owned(), key: key.to_owned(), ..v1::GetRequest::default() }
    }

    fn sits(desk: &mut Desk, key: &str, now: Instant, seconds: u64) -> u64 {
        let (tell, _told) = oneshot::channel();
        desk.sit(&mut get(key), (now, Duration::from_secs(seconds)), tell).0
    }

    /// Names of what the next message asks for; `None` when there is none.
    fn asked(desk: &mut Desk, now: Instant) -> Option<Vec<u64>> {
        let mut cx = Context::from_waker(Waker::noop());
        let message = match desk.poll_message(1, now, &mut cx) {
            // Others had their chance to add to it.
            Poll::Pending => desk.poll_message(1, now, &mut cx),
            ready => ready,
        };
        let Poll::Ready(Some(message)) = message else { return None };
        let message = v1::PipelineRequest::decode(message).expect("a message of the contract");
        Some(message.operations.iter().map(|operation| operation.call_id).collect())
    }

    #[test]
    fn what_nobody_waits_for_any_more_is_not_sent() {
        let now = clock::now();
        let later = now + Duration::from_secs(5);
        let mut desk = Desk::new(now);
        let [_short, long] = [1, 60].map(|seconds| sits(&mut desk, "k", now, seconds));
        let left = sits(&mut desk, "left", now, 60);
        assert!(desk.cancel(left).is_none(), "there is nothing to take back");
        assert_eq!(asked(&mut desk, later), Some(vec![long]), "also when deadlines were not looked at yet");
        assert_eq!(asked(&mut desk, later), None);

        let [over, _over] = [1, 2].map(|seconds| sits(&mut desk, "k", now, seconds));
        let mut expired = Vec::new();
        desk.sweep(later, &mut expired);
        assert_eq!((expired.len(), asked(&mut desk, later)), (3, None));
        assert!(desk.cancel(over).is_none());
        let fresh = sits(&mut desk, "k", later, 1);
        assert_eq!(asked(&mut desk, later), Some(vec![fresh]), "the stream goes on");
    }

    #[test]
    fn what_was_sent_is_taken_back_once() {
        let now = clock::now();
        let mut desk = Desk::new(now);
        let sent = sits(&mut desk, "k", now, 60);
        assert_eq!(asked(&mut desk, now), Some(vec![sent]));
        desk.cancel(sent);
        desk.cancel(sent);
        assert_eq!((asked(&mut desk, now), asked(&mut desk, now)), (Some(vec![sent]), None));
    }

    #[test]
    fn what_waits_to_be_sent_keeps_nothing_else_from_being_sent_at_once() {
        let now = clock::now();
        let mut desk = Desk::new(now);
        let left = sits(&mut desk, "left", now, 60);
        desk.cancel(left);
        let stays = sits(&mut desk, "stays", now, 60);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(desk.poll_message(1, now, &mut cx).is_ready(), "no answer is awaited");
        desk.cancel(stays);
    }
}
