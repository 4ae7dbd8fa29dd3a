//! Answers of a pipeline, gathered into messages as they are sent, as far as there is room for them. What is answered is not
//! decided here.

use std::{
    collections::VecDeque,
    task::{Context, Poll, ready},
};

use bytes::Buf;
use hotplate_engine::flow::hit::Hit;
use hotplate_proto::v1;
use prost::Message;

use super::room::Room;
use crate::grpc::{
    convert,
    granted::Granted,
    lane::{prefix::PREFIX_BYTES, reply::Framed, wire::Backward},
    status::Failure,
};

/// Bytes of a message that holds several answers at most; the smallest bound of messages is twice that.
const MESSAGE_BYTES: usize = 32 << 10;
/// Bytes of answers that are not on their way, from which on nothing more is answered.
const WAITING_BYTES_MAX: usize = 256 << 10;
/// Bytes of an answer besides what is written for it: its id and how long it is.
const AROUND_BYTES: usize = 24;
/// Room of the first message.
const FIRST_ROOM: usize = 4 << 10;
/// Fields of `PipelineResponse` and `PipelineResult`.
const RESULTS: u32 = 1;
const CALL_ID: u32 = 1;
const GET: u32 = 2;

/// The answer of an operation that a handler served.
pub(super) type Said = v1::pipeline_result::Result;

/// The same, and the leases it tells of, which are given back if it is not told.
pub(super) struct Told {
    pub(super) said: Said,
    pub(super) granted: Granted,
}

impl Told {
    /// One that tells of no lease.
    pub(super) fn plain(failure: Failure) -> Self {
        Self { said: Said::Error(failure.item()), granted: Granted::default() }
    }
}

/// Answers that are to be sent.
pub(super) struct Results {
    open: Option<Backward>,
    whole: VecDeque<Framed>,
    bytes: usize,
    /// Bytes of those that will be written next.
    promised: usize,
    /// One for which there was no room. Nothing is answered before it.
    late: Option<(u64, Told)>,
    room: Room,
    /// Bytes that are made ready for the next message: what the last one took.
    ready: usize,
}

impl Results {
    /// None yet.
    pub(super) fn new(room: Room) -> Self {
        Self { open: None, whole: VecDeque::new(), bytes: 0, promised: 0, late: None, room, ready: FIRST_ROOM }
    }

    /// Whether anything may be answered now.
    pub(super) fn may_grow(&self) -> bool {
        self.late.is_none() && self.bytes < WAITING_BYTES_MAX
    }

    /// Comes when there is room for what did not fit.
    pub(super) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.bytes >= WAITING_BYTES_MAX {
                // Those are sent first: it is asked again then.
                return Poll::Pending;
            }
            ready!(self.room.poll_missing(cx));
            let Some((call_id, told)) = self.late.take() else { return Poll::Ready(()) };
            self.told(call_id, told);
        }
    }

    /// Whether there is room for one more answer of so many bytes. If there is, it is written soon.
    pub(super) fn promise(&mut self, bytes: usize) -> bool {
        if !self.may_grow() || self.bytes + self.promised >= WAITING_BYTES_MAX {
            return false;
        }
        let bytes = bytes + AROUND_BYTES;
        let open = self.open.as_ref().map_or(PREFIX_BYTES, Backward::held_bytes);
        let suffices = self.room.suffices(open + self.promised + bytes);
        if suffices {
            self.promised += bytes;
        }
        suffices
    }

    /// A fresh value that so many bytes were promised for.
    pub(super) fn hit(&mut self, call_id: u64, (key, bytes): (&str, usize), hit: Hit<'_>) {
        self.add(call_id, bytes, |out| {
            let end = out.mark();
            convert::write_hit(out, key, hit);
            out.message(GET, end);
        });
    }

    /// What a handler said.
    pub(super) fn told(&mut self, call_id: u64, told: Told) {
        let bytes = match &told.said {
            Said::Get(found) => found.encoded_len(),
            Said::Put(stored) => stored.encoded_len(),
            Said::Touch(touched) => touched.encoded_len(),
            Said::Invalidate(dropped) => dropped.encoded_len(),
            Said::Error(error) => error.encoded_len(),
        };
        if !self.promise(bytes) {
            self.late = Some((call_id, told));
            return;
        }
        told.granted.told();
        self.add(call_id, bytes, |out| match &told.said {
            Said::Get(found) => out.written(GET, found),
            Said::Put(stored) => out.written(3, stored),
            Said::Touch(touched) => out.written(4, touched),
            Said::Invalidate(dropped) => out.written(5, dropped),
            Said::Error(error) => out.written(6, error),
        });
    }

    fn add(&mut self, call_id: u64, bytes: usize, write: impl FnOnce(&mut Backward)) {
        self.promised = self.promised.saturating_sub(bytes + AROUND_BYTES);
        if self.open.as_ref().is_some_and(|open| open.length() + bytes > MESSAGE_BYTES) {
            self.close();
        }
        let out = self.open.get_or_insert_with(|| Backward::with_room(self.ready));
        let end = out.mark();
        write(out);
        out.number(CALL_ID, call_id);
        out.message(RESULTS, end);
        if out.length() >= MESSAGE_BYTES || out.shares() {
            self.close();
        }
    }

    /// Lets what was gathered go.
    pub(super) fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        // A little more than the last one took, so that one like it needs no larger one.
        self.ready = (open.copied_bytes() + open.copied_bytes() / 8 + PREFIX_BYTES).min(MESSAGE_BYTES * 2);
        let held = open.held_bytes();
        let Some(framed) = open.framed() else { return };
        self.bytes += framed.remaining();
        self.whole.push_back(self.room.held(framed, held));
    }

    /// Says that nothing more is answered for now: what was gathered goes, room that nobody needs is given back.
    pub(super) fn rest(&mut self) {
        self.close();
        self.promised = 0;
        self.room.give_back();
    }

    /// Forgets what has no room.
    pub(super) fn give_up(&mut self) {
        self.late = None;
        self.rest();
    }

    /// The next message to send.
    pub(super) fn next(&mut self) -> Option<Framed> {
        let next = self.whole.pop_front()?;
        self.bytes -= next.remaining();
        self.room.wait_for_reader();
        Some(next)
    }

    /// Comes when all messages are sent that went.
    pub(super) fn poll_sent(&self, cx: &Context<'_>) -> Poll<()> {
        self.room.poll_all_sent(cx)
    }

    /// Whether there is a message to send.
    pub(super) fn is_waiting(&self) -> bool {
        !self.whole.is_empty()
    }

    /// Whether there is nothing to send and nothing that waits for room.
    pub(super) fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.open.is_none() && self.late.is_none()
    }
}
