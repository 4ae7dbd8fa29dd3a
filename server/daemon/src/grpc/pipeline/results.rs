//! Answers of a pipeline, gathered into messages as they are sent. What is answered is not decided here.

use std::collections::VecDeque;

use hotplate_engine::flow::hit::Hit;
use hotplate_proto::v1;
use prost::Message;

use crate::grpc::{
    convert,
    lane::{prefix::PREFIX_BYTES, reply::Framed, wire::Backward},
};

/// Bytes of a message that holds several answers at most; the smallest bound of messages is twice that.
const MESSAGE_BYTES: usize = 32 << 10;
/// Room of the first message.
const FIRST_ROOM: usize = 4 << 10;
/// Fields of `PipelineResponse` and `PipelineResult`.
const RESULTS: u32 = 1;
const CALL_ID: u32 = 1;
const GET: u32 = 2;

/// The answer of an operation that a handler served.
pub(super) type Said = v1::pipeline_result::Result;

/// Answers that are to be sent.
#[derive(Debug)]
pub(super) struct Results {
    open: Option<Backward>,
    whole: VecDeque<Framed>,
    /// Room that the next message takes, as the last one did.
    room: usize,
}

impl Results {
    /// None yet.
    pub(super) fn new() -> Self {
        Self { open: None, whole: VecDeque::new(), room: FIRST_ROOM }
    }

    /// A fresh value.
    pub(super) fn hit(&mut self, call_id: u64, key: &str, hit: Hit<'_>) {
        self.add(call_id, convert::room_for_hit(key, &hit), |out| {
            let end = out.mark();
            convert::write_hit(out, key, hit);
            out.message(GET, end);
        });
    }

    /// What a handler said.
    pub(super) fn said(&mut self, call_id: u64, said: &Said) {
        let bytes = match said {
            Said::Get(found) => found.encoded_len(),
            Said::Put(stored) => stored.encoded_len(),
            Said::Touch(touched) => touched.encoded_len(),
            Said::Invalidate(dropped) => dropped.encoded_len(),
            Said::Error(error) => error.encoded_len(),
        };
        self.add(call_id, bytes, |out| match said {
            Said::Get(found) => out.written(GET, found),
            Said::Put(stored) => out.written(3, stored),
            Said::Touch(touched) => out.written(4, touched),
            Said::Invalidate(dropped) => out.written(5, dropped),
            Said::Error(error) => out.written(6, error),
        });
    }

    fn add(&mut self, call_id: u64, bytes: usize, write: impl FnOnce(&mut Backward)) {
        if self.open.as_ref().is_some_and(|open| open.length() + bytes > MESSAGE_BYTES) {
            self.close();
        }
        let out = self.open.get_or_insert_with(|| Backward::with_room(self.room));
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
        self.room = (open.length() + open.length() / 8 + PREFIX_BYTES).min(MESSAGE_BYTES * 2);
        self.whole.extend(open.framed());
    }

    /// The next message to send.
    pub(super) fn next(&mut self) -> Option<Framed> {
        self.whole.pop_front()
    }

    /// Whether there is a message to send.
    pub(super) fn is_waiting(&self) -> bool {
        !self.whole.is_empty()
    }
}
