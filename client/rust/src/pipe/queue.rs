//! What waits for the network: operations gathered into messages, each of which can still be taken out until its message is
//! handed to the stream. Who waits for their answers lives in `desk`.

use std::{collections::VecDeque, time::Duration};

use bytes::{Bytes, BytesMut};

use super::operation::{self, Operation};

/// Operations of a message at most, where the server takes as many: below every server's default bound.
pub(crate) const OPERATIONS_MAX: usize = 100;
/// Bytes past which a message takes no more operations.
pub(crate) const MESSAGE_BYTES: usize = 64 << 10;
/// The namespace that an empty name means.
const DEFAULT_NAMESPACE: &str = "default";

/// The messages of one stream that it does not have yet.
#[derive(Debug)]
pub(crate) struct Queue {
    /// The message that takes operations.
    bytes: BytesMut,
    parts: Vec<Part>,
    /// Its namespace: that of operations which name none.
    namespace: String,
    /// Messages that take no more.
    ready: VecDeque<Message>,
    ready_bytes: usize,
    /// Messages begun, and taken.
    begun: u64,
    taken: u64,
    /// Operations in all of them.
    operations: usize,
    /// Operations of a message at most.
    pub(crate) operations_max: usize,
    /// A list to be used again.
    spare: Vec<Part>,
}

/// A message, and where in it each operation ends.
#[derive(Debug)]
struct Message {
    bytes: BytesMut,
    parts: Vec<Part>,
}

#[derive(Clone, Copy, Debug)]
struct Part {
    call_id: u64,
    /// It ends another operation, and nobody waits for its answer.
    cancels: bool,
    from: usize,
    to: usize,
}

impl Queue {
    pub(crate) fn new() -> Self {
        Self {
            bytes: BytesMut::new(),
            parts: Vec::new(),
            namespace: String::new(),
            ready: VecDeque::new(),
            ready_bytes: 0,
            begun: 0,
            taken: 0,
            operations: 0,
            operations_max: OPERATIONS_MAX,
            spare: Vec::new(),
        }
    }

    /// Operations that wait, those with them that end others.
    pub(crate) fn operations(&self) -> usize {
        self.operations
    }

    /// Bytes that wait.
    pub(crate) fn bytes(&self) -> usize {
        self.ready_bytes + self.bytes.len()
    }

    /// Whether a message takes no more.
    pub(crate) fn has_full_message(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The number of the message that takes operations.
    pub(crate) fn message(&self) -> u64 {
        self.begun
    }

    /// Whether this message was handed to the stream.
    pub(crate) fn is_taken(&self, message: u64) -> bool {
        message < self.taken
    }

    /// Adds an operation.
    pub(crate) fn push<Q: Operation>(&mut self, call_id: u64, long: Duration, request: &mut Q) {
        let mut own = std::mem::take(request.namespace());
        let named = if own.is_empty() { DEFAULT_NAMESPACE } else { own.as_str() };
        if self.parts.is_empty() {
            named.clone_into(&mut self.namespace);
            operation::begin(named, &mut self.bytes);
        }
        let from = self.bytes.len();
        if self.namespace == named {
            operation::append(call_id, long, request, &mut self.bytes);
            *request.namespace() = own;
        } else {
            if own.is_empty() {
                DEFAULT_NAMESPACE.clone_into(&mut own);
            }
            *request.namespace() = own;
            operation::append(call_id, long, request, &mut self.bytes);
        }
        self.added(Part { call_id, cancels: false, from, to: self.bytes.len() });
    }

    /// Adds that nobody waits for an operation any more.
    pub(crate) fn push_cancel(&mut self, call_id: u64) {
        if self.parts.is_empty() {
            DEFAULT_NAMESPACE.clone_into(&mut self.namespace);
            operation::begin(DEFAULT_NAMESPACE, &mut self.bytes);
        }
        let from = self.bytes.len();
        operation::append_cancel(call_id, &mut self.bytes);
        self.added(Part { call_id, cancels: true, from, to: self.bytes.len() });
    }

    /// Counts what was written, and ends the message when it is large enough.
    fn added(&mut self, part: Part) {
        self.parts.push(part);
        self.operations += 1;
        if self.parts.len() >= self.operations_max || self.bytes.len() >= MESSAGE_BYTES {
            let message = self.finish();
            self.ready_bytes += message.bytes.len();
            self.ready.push_back(message);
        }
    }

    fn finish(&mut self) -> Message {
        self.begun += 1;
        let parts = std::mem::replace(&mut self.parts, std::mem::take(&mut self.spare));
        Message { bytes: self.bytes.split(), parts }
    }

    /// The next message, without the operations that `wanted` is given for and does not want; `None` when none is left in
    /// it. There must be one.
    pub(crate) fn take(&mut self, wanted: Option<impl FnMut(u64) -> bool>) -> Option<Bytes> {
        let mut message = match self.ready.pop_front() {
            Some(message) => {
                self.ready_bytes -= message.bytes.len();
                message
            }
            None => self.finish(),
        };
        self.taken += 1;
        self.operations -= message.parts.len();
        if let Some(wanted) = wanted {
            message.keep(wanted);
        }
        let Message { bytes, mut parts } = message;
        let left = !parts.is_empty();
        parts.clear();
        self.spare = parts;
        left.then(|| bytes.freeze())
    }

    /// Drops all that waits. What was not taken never will be.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.parts.clear();
        self.ready.clear();
        (self.ready_bytes, self.operations) = (0, 0);
        self.begun += 1;
        self.taken = self.begun;
    }
}

impl Message {
    fn keep(&mut self, mut wanted: impl FnMut(u64) -> bool) {
        let head = self.parts.first().map_or(0, |first| first.from);
        let before = self.parts.len();
        self.parts.retain(|part| part.cancels || wanted(part.call_id));
        if self.parts.len() < before {
            let whole = std::mem::take(&mut self.bytes);
            self.bytes.extend_from_slice(&whole[..head]);
            self.parts.iter().for_each(|part| self.bytes.extend_from_slice(&whole[part.from..part.to]));
        }
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::v1;

    fn get(namespace: &str, key: &str) -> v1::GetRequest {
        v1::GetRequest { namespace: namespace.to_owned(), key: key.to_owned(), ..v1::GetRequest::default() }
    }

    /// Every other one is of the namespace of its message.
    fn namespace_of(id: u64) -> &'static str {
        if id.is_multiple_of(2) { "ml" } else { "other" }
    }

    fn filled(count: u64) -> Queue {
        let mut queue = Queue::new();
        for id in 0..count {
            queue.push(id, Duration::from_secs(1), &mut get(namespace_of(id), "k"));
        }
        queue
    }

    fn ids(message: Option<Bytes>) -> Option<Vec<u64>> {
        let message = v1::PipelineRequest::decode(message?).expect("a message of the contract");
        assert_eq!(message.namespace, "ml");
        let id = |operation: &v1::PipelineOperation| {
            if let Some(v1::pipeline_operation::Operation::Get(get)) = &operation.operation {
                let own = Some(get.namespace.as_str()).filter(|own| !own.is_empty());
                assert_eq!(
                    (own.unwrap_or(&message.namespace), get.key.as_str()),
                    (namespace_of(operation.call_id), "k")
                );
            }
            operation.call_id
        };
        Some(message.operations.iter().map(id).collect())
    }

    const ALL: Option<fn(u64) -> bool> = None;

    #[test]
    fn what_is_not_wanted_any_more_is_taken_out_and_the_rest_is_whole() {
        let mut queue = filled(5);
        queue.push_cancel(40);
        assert_eq!(ids(queue.take(Some(|id| id == 1 || id == 4))), Some(vec![1, 4, 40]));
        assert_eq!((queue.operations(), queue.bytes(), queue.is_taken(0), queue.is_taken(1)), (0, 0, true, false));
        assert_eq!(ids(filled(5).take(Some(|_| true))), Some(vec![0, 1, 2, 3, 4]));
        assert_eq!(filled(5).take(Some(|_| false)), None);
    }

    #[test]
    fn a_message_ends_at_as_many_operations_as_the_server_takes() {
        let mut queue = filled(150);
        assert_eq!((ids(queue.take(ALL)).map(|ids| ids.len()), queue.operations()), (Some(100), 50));
        queue.clear();
        queue.operations_max = 3;
        for id in (0..20).step_by(2) {
            queue.push(id, Duration::from_secs(1), &mut get("ml", "k"));
        }
        let lengths: Vec<_> = (0..4).map(|_| ids(queue.take(ALL)).map(|ids| ids.len())).collect();
        assert_eq!((lengths, queue.operations()), ([3, 3, 3, 1].map(Some).to_vec(), 0));
    }
}
