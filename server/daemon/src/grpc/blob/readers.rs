//! Who reads large values now: which values are kept for them although nobody else holds these any more, and who takes
//! nothing of what it is sent. What is read, and how, is not known here.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use hotplate_engine::{
    chunks::Chunks,
    clock::{Clock, Moment},
};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{
    ledger::{Ledger, Use},
    net::Cut,
};

/// Readers that stall may do so for this part of the time when others wait for their room.
const WHEN_WAITED_FOR: u32 = 10;

/// All of them.
#[derive(Debug)]
pub(in crate::grpc) struct Readers {
    values: Mutex<HashMap<u64, Chunks>>,
    streams: Mutex<HashMap<u64, Arc<Stream>>>,
    next: AtomicU64,
    stall: Duration,
    ledger: Arc<Ledger>,
    clock: Clock,
}

/// A value that is kept for readers until this is dropped, or until too much is.
#[derive(Debug)]
pub(in crate::grpc) struct Kept {
    of: Arc<Readers>,
    number: u64,
}

/// One stream to a reader.
#[derive(Debug)]
pub(in crate::grpc) struct Stream {
    cut: Cut,
    /// Whether all it hands out is counted: then it waits for nobody once that is sent.
    all_counted: bool,
    /// Whether it waits for the reader, and since when.
    waits: AtomicBool,
    since: Mutex<Moment>,
    /// Pieces that are handed out and not sent yet.
    unsent: AtomicUsize,
    sent: Notify,
}

/// A stream's place among them.
pub(in crate::grpc) struct Streaming {
    of: Arc<Readers>,
    number: u64,
    stream: Arc<Stream>,
}

impl Readers {
    /// None yet; who takes nothing for so long is cut off.
    pub(in crate::grpc) fn new(stall: Duration, ledger: Arc<Ledger>, clock: Clock) -> Arc<Self> {
        let (values, streams) = (Mutex::default(), Mutex::default());
        Arc::new(Self { values, streams, next: AtomicU64::new(0), stall, ledger, clock })
    }

    fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Keeps a value.
    pub(in crate::grpc) fn keep(self: &Arc<Self>, chunks: Chunks) -> Kept {
        let number = self.number();
        self.values.lock().insert(number, chunks);
        Kept { of: Arc::clone(self), number }
    }

    /// A stream that begins, of the call that is being polled.
    pub(in crate::grpc) fn begin(self: &Arc<Self>) -> Streaming {
        self.begin_with(false)
    }

    /// The same of one that counts all it hands out.
    pub(in crate::grpc) fn begin_counted(self: &Arc<Self>) -> Streaming {
        self.begin_with(true)
    }

    fn begin_with(self: &Arc<Self>, all_counted: bool) -> Streaming {
        let stream = Arc::new(Stream {
            cut: Cut::of_this_call(),
            all_counted,
            waits: AtomicBool::new(false),
            since: Mutex::new(self.clock.now()),
            unsent: AtomicUsize::new(0),
            sent: Notify::new(),
        });
        let number = self.number();
        self.streams.lock().insert(number, Arc::clone(&stream));
        Streaming { of: Arc::clone(self), number, stream }
    }

    /// Cuts off who has stalled, and lets values go that only readers hold when those are too much. Call it often.
    pub(in crate::grpc) fn sweep(&self) {
        let patience = if self.ledger.is_waited_for(Use::Sending) { self.stall / WHEN_WAITED_FOR } else { self.stall };
        let now = self.clock.now();
        let is_stalled = |stream: &Stream| stream.waits() && now.since(*stream.since.lock()) >= patience;
        self.streams.lock().values().filter(|stream| is_stalled(stream)).for_each(|stream| stream.cut.make());
        self.let_go();
    }

    fn let_go(&self) {
        let (_, most) = self.ledger.state(Use::Sending);
        let mut values = self.values.lock();
        let mut readers: HashMap<usize, usize> = HashMap::new();
        for chunks in values.values() {
            *readers.entry(chunks.place()).or_default() += 1;
        }
        // Of those that nothing else holds, the ones whose readers came last are kept.
        let mut alone: Vec<(u64, usize, u64)> = values
            .iter()
            .filter(|(_, chunks)| readers.get(&chunks.place()) == Some(&chunks.holders()))
            .map(|(number, chunks)| (*number, chunks.place(), chunks.size()))
            .collect();
        alone.sort_unstable_by_key(|(number, ..)| std::cmp::Reverse(*number));
        let (mut held, mut kept) = (0, Vec::new());
        for (number, place, size) in alone {
            if kept.contains(&place) {
                continue;
            }
            held += size;
            if held <= most {
                kept.push(place);
            } else {
                values.remove(&number);
            }
        }
    }
}

impl Kept {
    /// The value, if it is kept still.
    pub(in crate::grpc) fn chunks(&self) -> Option<Chunks> {
        self.of.values.lock().get(&self.number).cloned()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.of.values.lock().remove(&self.number);
    }
}

impl Streaming {
    /// The stream.
    pub(in crate::grpc) fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// Something was handed out: from now on the reader is waited for.
    pub(in crate::grpc) fn wait_for_reader(&self) {
        *self.stream.since.lock() = self.of.clock.now();
        self.stream.waits.store(true, Ordering::Release);
    }

    /// The reader has taken what it was sent, and there is something else to wait for.
    pub(in crate::grpc) fn asked(&self) {
        self.stream.waits.store(false, Ordering::Release);
    }

    /// Comes when all that was handed out is sent.
    pub(in crate::grpc) async fn all_sent(&self) {
        while self.stream.unsent.load(Ordering::Acquire) > 0 {
            self.stream.sent.notified().await;
        }
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        self.of.streams.lock().remove(&self.number);
    }
}

impl Stream {
    fn waits(&self) -> bool {
        let sent = self.all_counted && self.unsent.load(Ordering::Acquire) == 0;
        self.waits.load(Ordering::Acquire) && !sent
    }

    /// One piece more is handed out.
    pub(in crate::grpc) fn handed_out(&self) {
        self.unsent.fetch_add(1, Ordering::AcqRel);
    }

    /// One is sent.
    pub(in crate::grpc) fn is_sent(&self) {
        self.unsent.fetch_sub(1, Ordering::AcqRel);
        self.sent.notify_one();
    }
}
