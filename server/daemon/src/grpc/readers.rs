//! Who is sent something now that is counted, and who of them takes nothing of it: readers of large values, of answers and of
//! streams of them. What is sent, and how, is not known here.

use std::{
    collections::HashMap,
    future::poll_fn,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures::task::AtomicWaker;
use hotplate_engine::{
    Cache,
    clock::{Clock, Moment},
};
use parking_lot::Mutex;

use super::blob::kept::{Kept, Lost, Value, Values};
use crate::{
    ledger::{Ledger, Permit, Use},
    net::Cut,
};

/// Readers that stall may do so for this part of the time when others wait for their room, or when what they read is held for
/// them alone and has no room.
const WHEN_WAITED_FOR: u32 = 10;
/// Bytes of a message that a reader takes to be seen before it has taken all of it.
const STEP_BYTES: usize = 64 << 10;

/// All of them.
#[derive(Debug)]
pub(crate) struct Readers {
    values: Arc<Values>,
    streams: Mutex<HashMap<u64, Weak<Stream>>>,
    next: AtomicU64,
    stall: Duration,
    ledger: Arc<Ledger>,
    clock: Clock,
}

/// One stream to a reader: among them as long as it goes on or something of it is not sent.
#[derive(Debug)]
struct Stream {
    of: Arc<Readers>,
    number: u64,
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
    sent: AtomicWaker,
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

/// A message on its way to a reader, and the room it has until it is sent.
#[derive(Debug)]
pub(crate) struct OnWay {
    _room: Vec<Permit>,
    /// Bytes that went since the reader was seen.
    went: usize,
    stream: Arc<Stream>,
}

impl OnWay {
    /// So many bytes more of it are sent.
    pub(in crate::grpc) fn went(&mut self, bytes: usize) {
        self.went += bytes;
        if self.went >= STEP_BYTES {
            self.went = 0;
            self.stream.seen();
        }
    }
}

impl Drop for OnWay {
    fn drop(&mut self) {
        self.stream.is_sent();
    }
}

/// A stream that goes on.
#[derive(Debug)]
pub(crate) struct Streaming(Arc<Stream>);

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
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let stream = Arc::new(Stream {
            of: Arc::clone(self),
            number,
            cut: Cut::of_this_call(),
            lost,
            all_counted,
            waits: AtomicBool::new(false),
            since: Mutex::new(self.clock.now()),
            clock: self.clock.clone(),
            unsent: AtomicUsize::new(0),
            sent: AtomicWaker::new(),
        });
        self.streams.lock().insert(number, Arc::downgrade(&stream));
        Streaming(stream)
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
        // None is dropped while they are locked: it leaves them then.
        let streams: Vec<Arc<Stream>> = self.streams.lock().values().filter_map(Weak::upgrade).collect();
        streams.iter().filter(|stream| is_stalled(stream)).for_each(|stream| stream.cut.make());
    }
}

impl Streaming {
    /// Hands out bytes, which keep this room until they are sent.
    pub(in crate::grpc) fn hand_out<R: Send + 'static>(&self, bytes: Bytes, room: R) -> Bytes {
        self.0.handed_out();
        Bytes::from_owner(Held { bytes, _room: room, stream: Arc::clone(&self.0) })
    }

    /// Hands out a message, which keeps this room until it is sent.
    pub(in crate::grpc) fn on_way(&self, room: Vec<Permit>) -> OnWay {
        self.0.handed_out();
        OnWay { _room: room, went: 0, stream: Arc::clone(&self.0) }
    }

    /// Something was handed out: from now on the reader is waited for.
    pub(in crate::grpc) fn wait_for_reader(&self) {
        if !self.0.is_due() {
            self.0.seen();
        }
        self.0.waits.store(true, Ordering::Release);
    }

    /// More is asked for, and that is waited for. What was handed out may still wait for the reader.
    pub(in crate::grpc) fn asked(&self) {
        self.0.waits.store(false, Ordering::Release);
    }

    /// Comes when all that was handed out is sent.
    pub(in crate::grpc) async fn all_sent(&self) {
        poll_fn(|cx| self.poll_all_sent(cx)).await;
    }

    /// The same. One task at a time hears of it.
    pub(in crate::grpc) fn poll_all_sent(&self, cx: &Context<'_>) -> Poll<()> {
        self.0.sent.register(cx.waker());
        if self.0.unsent.load(Ordering::Acquire) == 0 { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Stream {
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
        if self.unsent.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.sent.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use hotplate_engine::{namespace::EngineConfig, origin::Origins};

    use super::*;
    use crate::{config::LedgerSettings, telemetry::Telemetry};

    const STALL: Duration = Duration::from_secs(30);

    struct Setup {
        clock: Clock,
        cache: Arc<Cache>,
        ledger: Arc<Ledger>,
        readers: Arc<Readers>,
    }

    impl Setup {
        fn new() -> Self {
            let clock = Clock::manual();
            let telemetry = Telemetry::detached(clock.clone());
            let cache = Cache::new(EngineConfig::default(), clock.clone(), telemetry, Origins::new()).unwrap();
            let ledger = Ledger::new(&LedgerSettings { sending_bytes_max: 1 << 20, ..Default::default() });
            let readers = Readers::new(STALL, Arc::clone(&ledger), clock.clone());
            Self { clock, cache, ledger, readers }
        }

        /// Lets time pass; whether the stream is cut then.
        async fn cuts(&self, stream: &Stream, after: Duration) -> bool {
            self.clock.advance(after);
            self.readers.sweep(&self.cache).await;
            stream.cut.was_made()
        }

        /// Takes so many large steps in smaller ones of so many bytes, with this time before each; how much it was able to.
        async fn takes(&self, way: &mut OnWay, steps: usize, (step, before): (usize, Duration)) -> usize {
            let mut taken = 0;
            while taken < steps * STEP_BYTES && !self.cuts(&Arc::clone(&way.stream), before).await {
                (0..STEP_BYTES / step).for_each(|_| way.went(step));
                taken += STEP_BYTES;
            }
            taken
        }
    }

    #[tokio::test]
    async fn who_takes_a_message_in_small_steps_is_seen_and_who_takes_less_is_not() {
        let setup = Setup::new();
        for (step, patience) in [(STEP_BYTES, STALL), (STEP_BYTES / 4, STALL), (STEP_BYTES, STALL / WHEN_WAITED_FOR)] {
            let room = setup.ledger.take(Use::Sending, 1 << 20).unwrap();
            let streaming = setup.readers.begin_counted();
            let mut way = streaming.on_way(vec![room]);
            let mut other = Box::pin(setup.ledger.wait(Use::Sending, 1));
            let is_waited_for = patience < STALL && futures::poll!(&mut other).is_pending();
            assert_eq!(setup.ledger.is_waited_for(Use::Sending), is_waited_for);
            assert_eq!(setup.takes(&mut way, (1 << 20) / STEP_BYTES, (step, patience / 5 * 4)).await, 1 << 20);
            way.went(STEP_BYTES - 1);
            assert!(setup.cuts(&streaming.0, patience).await, "less than a step is nothing");
        }
    }

    #[tokio::test]
    async fn a_stream_that_is_over_is_waited_for_until_all_of_it_is_sent() {
        let setup = Setup::new();
        let streaming = setup.readers.begin(Lost::default());
        let held = streaming.hand_out(Bytes::from_static(b"piece"), ());
        let cx = Context::from_waker(Waker::noop());
        assert!(streaming.poll_all_sent(&cx).is_pending());
        let stream = Arc::clone(&streaming.0);
        drop(streaming);
        assert!(!setup.cuts(&stream, STALL / 2).await);
        assert!(setup.cuts(&stream, STALL / 2).await);
        drop((stream, held));
        assert!(setup.readers.streams.lock().is_empty());
    }
}
