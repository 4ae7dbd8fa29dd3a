//! Who reads large values now, and who of them takes nothing of what it is sent. What is read, and how, is not known here.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use hotplate_engine::{
    Cache,
    clock::{Clock, Moment},
};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::kept::{Kept, Lost, Value, Values};
use crate::{
    ledger::{Ledger, Use},
    net::Cut,
};

/// Readers that stall may do so for this part of the time when others wait for their room, or when what they read is held for
/// them alone and has no room.
const WHEN_WAITED_FOR: u32 = 10;

/// All of them.
#[derive(Debug)]
pub(in crate::grpc) struct Readers {
    values: Arc<Values>,
    streams: Mutex<HashMap<u64, Arc<Stream>>>,
    next: AtomicU64,
    stall: Duration,
    ledger: Arc<Ledger>,
    clock: Clock,
}

/// One stream to a reader.
#[derive(Debug)]
struct Stream {
    cut: Cut,
    /// Whether what it reads is not kept for it any more.
    lost: Lost,
    /// Whether all it hands out is counted: then it waits for nobody once that is sent.
    all_counted: bool,
    /// Whether something was handed out and nothing else asked for.
    waits: AtomicBool,
    /// When the reader was last seen to take something, or was first waited for.
    since: Mutex<Moment>,
    clock: Clock,
    /// Pieces that are handed out and not sent yet.
    unsent: AtomicUsize,
    sent: Notify,
}

/// Bytes on their way to a reader, and the room they have until they are sent.
struct Held<R> {
    bytes: Bytes,
    _room: R,
    stream: Arc<Stream>,
}

impl<R> Drop for Held<R> {
    fn drop(&mut self) {
        self.stream.is_sent();
    }
}

impl<R> AsRef<[u8]> for Held<R> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
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
        let (values, streams) = (Arc::default(), Mutex::default());
        Arc::new(Self { values, streams, next: AtomicU64::new(0), stall, ledger, clock })
    }

    /// Keeps a value of this namespace and key.
    pub(in crate::grpc) fn keep(&self, name: (&str, &str), value: Value) -> Kept {
        self.values.keep(name, value)
    }

    /// A stream that begins, of the call that is being polled. `lost`: whether what it reads is kept for it.
    pub(in crate::grpc) fn begin(self: &Arc<Self>, lost: Lost) -> Streaming {
        self.begin_with(lost, false)
    }

    /// The same of one that counts all it hands out.
    pub(in crate::grpc) fn begin_counted(self: &Arc<Self>) -> Streaming {
        self.begin_with(Lost::default(), true)
    }

    fn begin_with(self: &Arc<Self>, lost: Lost, all_counted: bool) -> Streaming {
        let stream = Arc::new(Stream {
            cut: Cut::of_this_call(),
            lost,
            all_counted,
            waits: AtomicBool::new(false),
            since: Mutex::new(self.clock.now()),
            clock: self.clock.clone(),
            unsent: AtomicUsize::new(0),
            sent: Notify::new(),
        });
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.streams.lock().insert(number, Arc::clone(&stream));
        Streaming { of: Arc::clone(self), number, stream }
    }

    /// Cuts off who has stalled, and finds room for values that only readers hold, or lets them go. Call it often.
    pub(in crate::grpc) async fn sweep(&self, cache: &Cache) {
        let (_, most) = self.ledger.state(Use::Sending);
        self.values.settle(cache, most).await;
        let (now, waited_for) = (self.clock.now(), self.ledger.is_waited_for(Use::Sending));
        let is_stalled = |stream: &Stream| {
            let patience = if waited_for || stream.lost.is() { self.stall / WHEN_WAITED_FOR } else { self.stall };
            stream.is_due() && now.since(*stream.since.lock()) >= patience
        };
        self.streams.lock().values().filter(|stream| is_stalled(stream)).for_each(|stream| stream.cut.make());
    }
}

impl Streaming {
    /// Hands out bytes, which keep this room until they are sent.
    pub(in crate::grpc) fn hand_out<R: Send + 'static>(&self, bytes: Bytes, room: R) -> Bytes {
        self.stream.handed_out();
        Bytes::from_owner(Held { bytes, _room: room, stream: Arc::clone(&self.stream) })
    }

    /// Something was handed out: from now on the reader is waited for.
    pub(in crate::grpc) fn wait_for_reader(&self) {
        if !self.stream.is_due() {
            self.stream.seen();
        }
        self.stream.waits.store(true, Ordering::Release);
    }

    /// More is asked for, and that is waited for. What was handed out may still wait for the reader.
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
    /// One piece more is handed out.
    fn handed_out(&self) {
        // Before it is due: who is due is judged by when it was seen.
        if self.unsent.load(Ordering::Acquire) == 0 {
            self.seen();
        }
        self.unsent.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether it is the reader who is waited for: a connection asks for more while it still holds what nobody took.
    fn is_due(&self) -> bool {
        let waits = self.waits.load(Ordering::Acquire) && !self.all_counted;
        waits || self.unsent.load(Ordering::Acquire) > 0
    }

    fn seen(&self) {
        *self.since.lock() = self.clock.now();
    }

    /// One is sent.
    fn is_sent(&self) {
        self.seen();
        self.unsent.fetch_sub(1, Ordering::AcqRel);
        self.sent.notify_one();
    }
}
